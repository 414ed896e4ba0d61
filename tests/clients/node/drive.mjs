// Drives the published npm client against a running server: every operation of it, and its reconnection.
//
// Usage: drive.mjs URL VIA, where VIA is the server behind a proxy that cuts connections.

import assert from 'node:assert/strict';
import * as sdk from '@llamaindex/workflows-client';

const [url, via] = process.argv.slice(2);
const client = sdk.createClient({ baseUrl: url });
const cut = sdk.createClient({ baseUrl: via });

const OPERATIONS = [
  'getEventsByHandlerId', 'getHandlers', 'getHandlersByHandlerId', 'getHealth', 'getResultsByHandlerId',
  'getWorkflows', 'getWorkflowsByNameEvents', 'getWorkflowsByNameRepresentation', 'getWorkflowsByNameSchema',
  'postEventsByHandlerId', 'postHandlersByHandlerIdCancel', 'postWorkflowsByNameRun', 'postWorkflowsByNameRunNowait',
];
const found = Object.keys(sdk).filter((name) => /^(get|post)/.test(name)).sort();
assert.deepEqual(found, OPERATIONS, 'the client has other operations');

async function ok(call) {
  const { data, error, response } = await call;
  assert.ok(response?.ok, JSON.stringify(error));
  return data;
}

async function refused(status, detail, call) {
  const { error, response } = await call;
  assert.equal(response.status, status);
  assert.equal(error.detail, detail);
}

const nowait = (name, body) => ok(sdk.postWorkflowsByNameRunNowait({ client, path: { name }, body }));
const handler = (handler_id) => ok(sdk.getHandlersByHandlerId({ client, path: { handler_id } }));
const send = (handler_id, body) => sdk.postEventsByHandlerId({ client, path: { handler_id }, body });

async function ended(handler_id) {
  for (;;) {
    const record = await handler(handler_id);
    if (record.status !== 'running') return record;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function events(handler_id, query, from = client, more = {}) {
  const { stream } = await sdk.getEventsByHandlerId({ client: from, path: { handler_id }, query, ...more });
  const all = [];
  for await (const event of stream) all.push(event);
  return all;
}

// What there is.
assert.deepEqual(await ok(sdk.getHealth({ client })), { status: 'healthy' });
const { workflows } = await ok(sdk.getWorkflows({ client }));
for (const name of ['greet', 'typed', 'approval', 'countdown', 'failing']) assert.ok(workflows.includes(name), name);
const path = { name: 'typed' };
const schema = await ok(sdk.getWorkflowsByNameSchema({ client, path }));
assert.deepEqual(schema.start.required, ['topic']);
assert.deepEqual(schema.start.properties.topic, { title: 'Topic', type: 'string' });
const declared = await ok(sdk.getWorkflowsByNameEvents({ client, path: { name: 'approval' } }));
assert.ok(declared.events.some((event) => event.title === 'Approval' && event.type === 'object'));
const { graph } = await ok(sdk.getWorkflowsByNameRepresentation({ client, path }));
assert.deepEqual(graph.nodes.filter((node) => node.node_type === 'step').map((node) => node.id), ['answer']);
await refused(404, 'Workflow not found', sdk.getWorkflowsByNameSchema({ client, path: { name: 'nope' } }));

// Runs.
const done = await ok(sdk.postWorkflowsByNameRun({ client, path, body: { start_event: { topic: 'npm' } } }));
assert.deepEqual([done.status, done.result.value], ['completed', { answer: 'NPM', score: 0.5 }]);
const greeted = await ok(sdk.postWorkflowsByNameRun({ client, path: { name: 'greet' }, body: { kwargs: { name: 'N' } } }));
assert.deepEqual(greeted.result.value, { result: 'Hello, N!' });
const bare = await ok(sdk.getResultsByHandlerId({ client, path: { handler_id: greeted.handler_id } }));
assert.equal(bare.result, 'Hello, N!');
const failed = await sdk.postWorkflowsByNameRun({ client, path: { name: 'failing' }, body: {} });
assert.deepEqual([failed.response.status, failed.error.status, failed.error.error], [500, 'failed', 'boom']);
assert.equal((await handler(failed.error.handler_id)).status, 'failed');

// People.
await nowait('approval', { handler_id: 'npm-ask', start_event: { text: 'a' } });
await refused(
  409, "Handler 'npm-ask' is already running",
  sdk.postWorkflowsByNameRunNowait({ client, path: { name: 'approval' }, body: { handler_id: 'npm-ask', start_event: { text: 'b' } } }),
);
const { stream } = await sdk.getEventsByHandlerId({
  client, path: { handler_id: 'npm-ask' }, query: { after_sequence: -1 },
});
const seen = [];
for await (const event of stream) {
  seen.push([event.type, event.value.text]);
  if (event.type === 'ApprovalNeeded') {
    const approval = seen.length === 1 ? { approved: false, comment: 'no' } : { approved: true };
    const sent = await ok(send('npm-ask', { event: JSON.stringify({ type: 'Approval', data: approval }) }));
    assert.deepEqual(sent, { status: 'sent' });
  }
}
assert.deepEqual(seen, [['ApprovalNeeded', 'a'], ['ApprovalNeeded', 'a (no)'], ['Published', 'a (no)']]);
await refused(409, 'Workflow already completed', send('npm-ask', { event: { type: 'Approval', value: { approved: true } } }));

// Ends and lists.
await nowait('countdown', { handler_id: 'npm-long', start_event: { from: 100000 } });
const cancel = (query) => sdk.postHandlersByHandlerIdCancel({ client, path: { handler_id: 'npm-long' }, query });
assert.deepEqual(await ok(cancel()), { status: 'cancelled' });
assert.equal((await handler('npm-long')).status, 'cancelled');
const { handlers } = await ok(sdk.getHandlers({ client, query: { status: ['cancelled', 'failed'], workflow_name: ['countdown'] } }));
assert.ok(handlers.some((one) => one.handler_id === 'npm-long'));
assert.ok(handlers.every((one) => one.workflow_name === 'countdown' && one.status !== 'completed'));
assert.deepEqual(await ok(cancel({ purge: true })), { status: 'deleted' });
await refused(404, 'Handler not found', sdk.getHandlersByHandlerId({ client, path: { handler_id: 'npm-long' } }));

// Streams: the proxy cuts every connection after a while; the client goes on after the last id that it saw.
await nowait('countdown', { handler_id: 'npm-count', start_event: { from: 40 } });
const sleep = () => new Promise((resolve) => setTimeout(resolve, 10));
const ticks = await events('npm-count', { after_sequence: -1 }, cut, { sseSleepFn: sleep });
const left = [...Array(41).keys()].reverse();
assert.deepEqual(ticks.map((event) => event.value.left ?? event.type), [...left, 'Liftoff']);
assert.equal((await ended('npm-count')).status, 'completed');
const rest = await events('npm-count', { after_sequence: 40, include_qualified_name: false });
assert.deepEqual(rest.map((event) => [event.type, event.qualified_name]), [['Tick', null], ['Liftoff', null]]);
console.log('npm: all good');
