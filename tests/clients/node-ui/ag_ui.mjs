// Drives a server with the example's workflows through the official client of AG-UI: node ag_ui.mjs URL TOKEN
import assert from "node:assert/strict";
import { HttpAgent } from "@ag-ui/client";

const [url, token] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}` };

/** An agent of a workflow, and what its subscribers hear. */
function agent(workflow, threadId, options = {}) {
  const heard = { custom: [], steps: [], errors: [] };
  const subscriber = {
    onCustomEvent: ({ event }) => void heard.custom.push([event.name, event.value]),
    onStepStartedEvent: ({ event }) => void heard.steps.push(event.stepName),
    onRunErrorEvent: ({ event }) => void heard.errors.push([event.code, event.message]),
  };
  const http = new HttpAgent({ url: `${url}/workflows/${workflow}/ag-ui`, threadId, headers, ...options });
  return { http, heard, run: (parameters = {}) => http.runAgent(parameters, subscriber) };
}

const said = (text) => ({ initialMessages: [{ id: "u1", role: "user", content: text }] });

// A run with a text as its result.
const greet = agent("greet", "greet", { initialState: { name: "Ada" } });
const greeted = await greet.run();
assert.deepEqual(greeted.result, { result: "Hello, Ada!" });
assert.deepEqual(greeted.newMessages.map(({ role, content }) => [role, content]), [["assistant", "Hello, Ada!"]]);
assert.deepEqual(greet.heard.steps, ["greet"]);

// A stream of events.
const countdown = agent("countdown", "countdown");
await countdown.run({ forwardedProps: { input: { from: 2 } } });
assert.deepEqual(countdown.heard.custom, [["Tick", { left: 2 }], ["Tick", { left: 1 }], ["Tick", { left: 0 }]]);

// A failure.
const failing = agent("failing", "failing");
await failing.run().catch(() => {});
assert.deepEqual(failing.heard.errors, [["failed", "boom"]]);

// A question, refused, asked again, approved.
const approval = agent("approval", "approval", said("Hi"));
await approval.run();
const [first] = approval.http.pendingInterrupts;
assert.equal(first.reason, "input_required");
assert.equal(first.message, "Publish this text?");
assert.equal(first.responseSchema.type, "object");
const refused = { approved: false, comment: "shorter" };
await approval.run({ resume: [{ interruptId: first.id, status: "resolved", payload: refused }] });
const [second] = approval.http.pendingInterrupts;
assert.notEqual(second.id, first.id);
assert.equal(second.metadata.data.text, "Hi (shorter)");

// Another client comes to the same thread.
const other = agent("approval", "approval");
await other.run();
assert.deepEqual(other.http.pendingInterrupts.map(({ id }) => id), [second.id]);
assert.equal(other.http.state.stepcast.events.ApprovalNeeded.text, "Hi (shorter)");

const published = await approval.run({
  resume: [{ interruptId: second.id, status: "resolved", payload: { approved: true } }],
});
assert.deepEqual(published.result, { text: "Hi (shorter)", rounds: 2 });
assert.deepEqual(approval.http.pendingInterrupts, []);

// Text in pieces, and a client that comes back to it.
const talk = agent("talk", "talk", said("Why"));
const spoken = await talk.run();
assert.deepEqual(spoken.newMessages.map(({ content }) => content), ["Why?"]);
const back = agent("talk", "talk");
await back.run();
assert.deepEqual(back.http.messages.map(({ role, content }) => [role, content]), [["assistant", "Why?"]]);

// What a run shows of its state, and what of it changes.
const cooking = agent("cooking", "cooking", said("Go"));
await cooking.run();
const stepcast = { run_id: "cooking", ui: ["dishes", "done"] };
assert.deepEqual(cooking.http.state, { done: 0, dishes: ["soup"], stepcast });
const [dishes] = cooking.http.pendingInterrupts;
await cooking.run({ resume: [{ interruptId: dishes.id, status: "resolved", payload: { number: 4 } }] });
assert.deepEqual(cooking.http.state, { done: 4, dishes: ["soup"], stepcast });

// What a child of a child asks is asked in its thread.
const outer = agent("outer", "outer", said("Why"));
await outer.run();
const [below] = outer.http.pendingInterrupts;
assert.notEqual(below.metadata.run_id, "outer");
const heard = await outer.run({ resume: [{ interruptId: below.id, status: "resolved", payload: { number: 5 } }] });
assert.deepEqual(heard.result, { number: 5 });

// A person who does not answer.
const [number] = back.http.pendingInterrupts;
const gone = await back.run({ resume: [{ interruptId: number.id, status: "cancelled" }] });
assert.equal(gone.result, undefined);
assert.deepEqual(back.http.pendingInterrupts, []);

console.log("ag-ui: all as expected");
