// Drives the published debugger in a browser, as a person does: every workflow is chosen, started and looked at.
//
// Usage: drive.mjs CHROMIUM PROFILE PAGE, where PAGE shows the debugger. With FORM after it the workflow `form` is there too, and with
// TOKEN and NEIGHBOUR after that somebody has to sign in first, and NEIGHBOUR is a page of another origin on the same host.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [executablePath, profile, url, form, token, neighbour] = process.argv.slice(2);
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  viewport: { width: 1600, height: 1000 },
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
browser.setDefaultTimeout(60_000);
const page = await browser.newPage();
// Its fonts are the only thing that it takes from elsewhere.
await page.route(/fonts\.(googleapis|gstatic)\.com/, (route) => route.abort());
const faults = [];
page.on('pageerror', (error) => faults.push(`the page failed: ${error.stack}`));
const api = new URL(new URL(url).searchParams.get('api') ?? url).origin;
page.on('response', (reply) => {
  const { origin, pathname } = new URL(reply.url());
  // Before it looks at `?api=` it asks its own origin.
  if (reply.status() < 400 || origin !== api || pathname === '/favicon.ico') return;
  faults.push(`${reply.status()} ${reply.request().method()} ${pathname}`);
});

/** Waits until `look` gives what is expected, and says what it gave if it never does. */
async function until(expected, look, what) {
  let found;
  for (const end = Date.now() + 60_000; Date.now() < end; await page.waitForTimeout(25)) {
    found = await look();
    try {
      assert.deepEqual(found, expected);
      return;
    } catch { /* Not yet. */ }
  }
  assert.deepEqual(found, expected, what);
}

const shot = `failed-${new URL(url).port}.png`;
const field = (name) => page.locator(`#field-${name}`);
const labels = (place) => place.locator('label[for^="field-"]').allInnerTexts();
const state = () => page.locator('h2:has-text("Run Details") + div span').first().innerText();
const rows = async () => (await page.locator('tr[data-event-index]').allInnerTexts()).join('\n');
const events = async () => {
  const texts = await page.locator('tr[data-event-index]').allInnerTexts();
  // The debugger does not know that `WorkflowIdleEvent` is internal; the server that it is made for sends it too.
  return texts.map((text) => text.match(/^\d+\s+(\S+)/)[1]).filter((type) => type !== 'WorkflowIdleEvent');
};
const nodes = async () =>
  (await page.locator('.react-flow__node').evaluateAll((all) => all.map((node) => node.dataset.id))).sort();
const node = (id) => page.locator(`.react-flow__node[data-id="${id}"]`).innerText();
const edges = () => page.locator('.react-flow__edge').count();

async function choose(name) {
  const hidden = page.getByTitle('Show configuration panel (Ctrl+B)');
  if (await hidden.count()) await hidden.click();
  await page.locator('#workflow').click();
  await page.getByRole('option', { name, exact: true }).click();
  await page.getByText(`Configure: ${name}`).waitFor();
}

async function run() {
  const started = page.waitForResponse((reply) => reply.url().endsWith('/run-nowait'));
  await page.getByRole('button', { name: 'Run Workflow' }).click();
  const reply = await started;
  assert.equal(reply.status(), 200);
  const { handler_id } = await reply.json();
  await page.getByText(handler_id, { exact: true }).waitFor();
  return handler_id;
}

/** Opens the dialog for events, and chooses a type. */
async function draft(type) {
  await page.getByRole('button', { name: 'Send Event' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Event Data').waitFor();
  await pick(dialog.getByRole('combobox').first(), type);
  return dialog;
}

async function pick(box, option) {
  await box.click();
  await page.getByRole('option', { name: option, exact: true }).click();
}

async function send(dialog) {
  await dialog.getByRole('button', { name: 'Send Event' }).click();
  await dialog.getByText('Event sent successfully!').waitFor();
  await dialog.waitFor({ state: 'hidden' });
}

/** Without a token the debugger gets nothing; on the sign-in page a person shows it. */
async function signIn() {
  const refused = page.waitForResponse((reply) => reply.url().endsWith('/workflows'));
  await page.goto(url);
  assert.equal((await refused).status(), 401);
  const enter = async (shown) => {
    await page.getByLabel('Token').fill(shown);
    await page.getByRole('button', { name: 'Sign in' }).click();
  };
  await page.goto(new URL('/sign-in', url).href);
  await enter('nobody');
  await page.getByText('not valid here').waitFor();
  await enter(token);
  await page.getByText('Signed in with full access').waitFor();
  assert.ok(faults.splice(0).every((fault) => fault.startsWith('401 ')), 'nothing but refusals');
  const [cookie] = await browser.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, 'Strict']);
  await page.getByRole('link', { name: 'Go on' }).click();
  await page.locator('#workflow').waitFor();
  // A socket is the page's too.
  const opened = await page.evaluate(() => new Promise((done) => {
    const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
    socket.onerror = () => done(false);
    socket.onopen = () => { socket.close(); done(true); };
  }));
  assert.equal(opened, true);
  await fromNextDoor();
}

/** A page of another port is of the same site, so that the browser sends the cookie; it counts for nothing there. */
async function fromNextDoor() {
  const next = await browser.newPage();
  await next.goto(neighbour);
  const came = await next.evaluate(async (server) => {
    await fetch(`${server}/workflows/greet/run-nowait`, { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}' });
    const read = await fetch(`${server}/handlers`, { credentials: 'include' }).then(() => true, () => false);
    const socket = new WebSocket(`${server.replace('http', 'ws')}/ws`);
    const opened = await new Promise((done) => {
      socket.onerror = () => done(false);
      socket.onopen = () => done(true);
    });
    return { read, opened };
  }, api);
  assert.deepEqual(came, { read: false, opened: false });
  const runs = await page.evaluate(() => fetch('/handlers').then((reply) => reply.json()));
  assert.deepEqual(runs.handlers, [], 'nothing was started');
  await next.close();
}

async function drive() {
  if (token) await signIn();
  else await page.goto(url);
  await page.locator('#workflow').click();
  const offered = await page.getByRole('option').allInnerTexts();
  assert.deepEqual(offered, ['approval', 'countdown', 'failing', ...(form ? ['form'] : []), 'greet', 'typed']);
  await page.keyboard.press('Escape');

  // Forms are made of schemas: one field each, by its title, with a star where it must be there.
  await choose('typed');
  await until(['Topic\n*', 'N'], () => labels(page));
  assert.equal(await field('n').getAttribute('type'), 'number');
  await field('topic').fill('sea');
  await field('n').fill('2');
  await run();
  await until('completed', state);
  await until(['Answered', 'Question', 'answer'], nodes);
  await until(2, edges);

  // A stream has every event from the first, and the runtime's own frames where they are asked for.
  await choose('countdown');
  await field('from').fill('3');
  await field('delay_ms').fill('1000');
  await run();
  await until(['Countdown', 'Liftoff', 'Tick', 'count'], nodes);
  // While the step runs its node says so, with the number of its workers.
  await until('count\n1\nin: Countdown', () => node('count'));
  await until('completed', state);
  await until('count\nin: Countdown\nout: Liftoff', () => node('count'));
  await until([...Array(4).fill('Tick'), 'Liftoff'], events);
  for (const left of [3, 0]) assert.match(await rows(), new RegExp(`"left": ${left}\\b`));
  await page.locator('#hide-internal').click();
  await until(true, async () => (await events()).includes('StepStateChanged'));
  await page.locator('#hide-internal').click();

  // A question, an answer that refuses, an event that nobody may send, and the answer that ends it.
  await choose('approval');
  await field('text').fill('Helo');
  const id = await run();
  await until(['ApprovalNeeded'], events);
  await until('running', state);
  let dialog = await draft('Approval');
  await until(['Approved\n*', 'Comment'], () => labels(dialog));
  await pick(dialog.getByRole('combobox').nth(1), 'True');
  await pick(dialog.getByRole('combobox').nth(1), 'False');
  await dialog.locator('#field-comment').fill('spelling');
  await send(dialog);
  await until(['ApprovalNeeded', 'ApprovalNeeded'], events);
  assert.match(await rows(), /spelling/);
  dialog = await draft('Published');
  await dialog.getByRole('button', { name: 'Send Event' }).click();
  await dialog.getByText('Expected one of Approval').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  assert.deepEqual(faults.splice(0), [`400 POST /events/${id}`]);
  dialog = await draft('Approval');
  await pick(dialog.getByRole('combobox').nth(1), 'True');
  await send(dialog);
  await until('completed', state);
  await until(['ApprovalNeeded', 'ApprovalNeeded', 'Published'], events);
  assert.match(await rows(), /"rounds": 2/);
  assert.deepEqual(await nodes(), [
    'Approval', 'ApprovalNeeded', 'Draft', 'Published', 'Revision', 'approve', 'external_step', 'submit',
  ]);

  // A start event without fields of its own is written as JSON.
  await choose('greet');
  await page.locator('#raw-input').fill('{"name": "Ada"}');
  const greeted = await run();
  await until('completed', state);
  await choose('failing');
  await run();
  await until('failed', state);
  await until(['StartEvent', 'StopEvent', 'fail'], nodes);

  if (form) await everyField();

  // Runs are listed, and shown again.
  await page.getByRole('button', { name: greeted.slice(-8) }).click();
  await until('completed', state);
}

/** A form with a field of every kind, and a result in its own place. */
async function everyField() {
  await choose('form');
  // What is a type of its own has a title of its own, and goes by its name.
  const all = ['Name\n*', 'Note', 'Count\n*', 'Limit', 'Ratio\n*', 'Urgent\n*'];
  await until([...all, 'Tags (JSON)\n*', 'place (JSON)\n*', 'colour (JSON)\n*'], () => labels(page));
  await field('name').fill('Ada');
  await field('count').fill('3');
  await field('ratio').fill('0.5');
  await pick(page.getByRole('combobox').last(), 'True');
  await field('tags').fill('["a", "b"]');
  await field('place').fill('{"lat": 1.5}');
  await field('colour').fill('"red"');
  await run();
  await until(['Unsure'], events);
  const dialog = await draft('Sure');
  await dialog.locator('#field-why').fill('it is so');
  await send(dialog);
  await until('completed', state);
  const shown = await page.locator('h4:has-text("Final Result") + *').innerText();
  assert.match(shown, /Ada, no note, 3 of any, 0.5, true, \["a", "b"\], 1.5, Red: it is so/);
}

try {
  await drive();
  assert.deepEqual(faults, []);
  console.log('all good');
} catch (error) {
  await page.screenshot({ path: shot });
  console.error(faults.join('\n'));
  throw error;
} finally {
  await browser.close();
}
