// Drives a server with the example's workflows through the AI SDK, as useChat does: node ai_sdk.mjs URL TOKEN
import assert from "node:assert/strict";
import {
  AbstractChat,
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  lastAssistantMessageIsCompleteWithToolCalls,
} from "ai";

const [url, token] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}` };

/** What useChat keeps in React's state. */
class State {
  status = "ready";
  error = undefined;
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => void (this.messages = [...this.messages, message]);
  popMessage = () => void (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => void (this.messages = this.messages.with(index, structuredClone(message)));
  snapshot = (thing) => structuredClone(thing);
}

class Chat extends AbstractChat {
  passing = [];
  constructor(workflow, id, { messages = [], body } = {}) {
    const passing = [];
    super({
      id,
      state: new State(messages),
      transport: new DefaultChatTransport({ api: `${url}/workflows/${workflow}/ai-sdk`, headers, body }),
      onData: (part) => void passing.push(part),
      sendAutomaticallyWhen: (chat) =>
        lastAssistantMessageIsCompleteWithApprovalResponses(chat) || lastAssistantMessageIsCompleteWithToolCalls(chat),
    });
    this.passing = passing;
  }
  get last() {
    return this.messages.at(-1);
  }
  of(type) {
    return this.last.parts.filter((part) => part.type === type);
  }
  text() {
    return this.of("text").map((part) => part.text).join("");
  }
  /** Waits until what was sent automatically is through. */
  async settled(until) {
    for (let tries = 0; !(this.status !== "submitted" && this.status !== "streaming" && until()); tries += 1) {
      assert.ok(tries < 2_000, `still ${this.status}: ${JSON.stringify(this.messages)} ${this.error}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

// A run with a text as its result.
const greet = new Chat("greet", "greet", { body: { input: { name: "Ada" } } });
await greet.sendMessage({ text: "Hi" });
assert.equal(greet.text(), "Hello, Ada!");
assert.equal(greet.last.id, "greet");
assert.deepEqual(greet.last.metadata, { run_id: "greet", workflow: "greet" });
assert.deepEqual(greet.of("data-StopEvent").map(({ data }) => data), [{ result: "Hello, Ada!" }]);
assert.deepEqual(greet.of("data-step").map(({ id, data }) => [id, data.state]), [["greet#0", "not_running"]]);

// A stream of events.
const countdown = new Chat("countdown", "countdown", { body: { input: { from: 2 } } });
await countdown.sendMessage({ text: "go" });
assert.deepEqual(countdown.of("data-Tick").map(({ data }) => data.left), [2, 1, 0]);

// A failure.
const failing = new Chat("failing", "failing");
await failing.sendMessage({ text: "go" });
assert.equal(failing.status, "error");
assert.equal(failing.error.message, "boom");

// An approval, refused, asked again, approved.
const approval = new Chat("approval", "approval");
await approval.sendMessage({ text: "Hi" });
const [first] = approval.of("tool-ApprovalNeeded");
assert.equal(first.state, "approval-requested");
assert.equal(first.input.text, "Hi");
await approval.addToolApprovalResponse({ id: first.approval.id, approved: false, reason: "shorter" });
await approval.settled(() => approval.of("tool-ApprovalNeeded").length === 2);
const [denied, second] = approval.of("tool-ApprovalNeeded");
assert.equal(denied.state, "output-denied");
assert.equal(second.state, "approval-requested");
assert.equal(second.input.text, "Hi (shorter)");

// The page is loaded anew, once with the messages it had and once without any.
for (const messages of [structuredClone(approval.messages), []]) {
  const before = messages.length;
  const page = new Chat("approval", "approval", { messages });
  await page.resumeStream();
  assert.equal(page.error, undefined);
  assert.equal(page.messages.length, Math.max(before, 1));
  const states = page.of("tool-ApprovalNeeded").map(({ state }) => state);
  assert.deepEqual(states, ["output-denied", "approval-requested"]);
}

await approval.addToolApprovalResponse({ id: second.approval.id, approved: true });
await approval.settled(() => approval.of("data-Published").length === 1);
assert.deepEqual(approval.of("data-Published")[0].data, { text: "Hi (shorter)", rounds: 2 });
const outputs = approval.of("tool-ApprovalNeeded").map(({ state, output }) => [state, output]);
assert.deepEqual(outputs[1], ["output-available", { approved: true }]);

// Nothing is active any more.
const over = new Chat("approval", "approval");
await over.resumeStream();
assert.deepEqual([over.status, over.messages], ["ready", []]);

// Text in pieces, a typed answer that does not fit, one that does, and a passing frame.
const talk = new Chat("talk", "talk");
await talk.sendMessage({ text: "Why" });
assert.equal(talk.text(), "Why?");
const [open] = talk.of("tool-HowMany");
assert.equal(open.state, "input-available");
await talk.addToolOutput({ tool: "HowMany", toolCallId: open.toolCallId, output: { number: "many" } });
await talk.settled(() => talk.of("tool-HowMany").length === 2);
const [wrong, again] = talk.of("tool-HowMany");
assert.equal(wrong.state, "output-error");
assert.match(wrong.errorText, /number/);
await talk.addToolOutput({ tool: "HowMany", toolCallId: again.toolCallId, output: { number: 7 } });
await talk.settled(() => talk.of("data-Told").length === 1);
assert.deepEqual(talk.of("data-Told")[0].data, { number: 7 });
assert.deepEqual(talk.of("data-Percent"), []);
assert.ok(talk.passing.some(({ type, data }) => type === "data-Percent" && data.percent === 50));

// What a run shows of its state is one part of its message.
const cooking = new Chat("cooking", "cooking");
await cooking.sendMessage({ text: "Go" });
assert.deepEqual(cooking.of("data-state").map(({ data }) => data), [{ done: 0, dishes: ["soup"] }]);
const [dishes] = cooking.of("tool-HowMany");
await cooking.addToolOutput({ tool: "HowMany", toolCallId: dishes.toolCallId, output: { number: 4 } });
await cooking.settled(() => cooking.of("data-Told").length === 1);
assert.deepEqual(cooking.of("data-state").map(({ data }) => data), [{ done: 4, dishes: ["soup"] }]);

// What a child of a child asks is a tool call of its chat.
const outer = new Chat("outer", "outer");
await outer.sendMessage({ text: "Why" });
const [below] = outer.of("tool-HowMany");
await outer.addToolOutput({ tool: "HowMany", toolCallId: below.toolCallId, output: { number: 5 } });
await outer.settled(() => outer.of("data-Told").length === 1);
assert.deepEqual(outer.of("data-Told")[0].data, { number: 5 });

// The chat goes on: a new message is a new run.
await greet.sendMessage({ text: "Hi again" });
assert.equal(greet.last.id, "greet:2");
assert.equal(greet.messages.length, 4);

console.log("ai: all as expected");
