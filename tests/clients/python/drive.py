"""Drives the published LlamaIndex client against a running server: every method of it, and its reconnection.

Usage: drive.py URL VIA, where VIA is the server behind a proxy that cuts connections.
"""

import asyncio
import sys

import httpx
from llama_agents.client import WorkflowClient
from workflows.events import Event, HumanResponseEvent, StartEvent, StopEvent

METHODS = {
    "cancel_handler", "get_handler", "get_handlers", "get_result", "get_workflow_events",
    "get_workflow_events_schema", "get_workflow_graph", "get_workflow_schema", "is_healthy",
    "list_workflows", "run_workflow", "run_workflow_nowait", "send_event", "wait_for_handler",
}


class Approval(HumanResponseEvent):
    approved: bool
    comment: str | None = None


class Question(StartEvent):
    topic: str


class Tick(Event):
    left: int


async def refused(status, call):
    try:
        await call
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status, error
        return error.response.json()["detail"]
    raise AssertionError(f"{status} was expected")


async def descriptions(client):
    assert (await client.is_healthy()).status == "healthy"
    names = (await client.list_workflows()).workflows
    assert set(names) >= {"greet", "typed", "approval", "countdown", "failing"}, names
    schema = await client.get_workflow_schema("typed")
    assert schema.start["required"] == ["topic"], schema
    assert schema.start["properties"]["topic"] == {"title": "Topic", "type": "string"}, schema
    assert schema.start["properties"]["n"]["default"] == 1, schema
    assert schema.stop["title"] == "Answered", schema
    titles = {event["title"] for event in (await client.get_workflow_events_schema("approval")).events}
    assert titles >= {"Draft", "ApprovalNeeded", "Approval", "Published"}, titles
    graph = (await client.get_workflow_graph("approval")).graph
    steps = {node.id for node in graph.nodes if node.node_type == "step"}
    assert steps == {"submit", "approve"}, steps
    assert ("Draft", "submit") in {(edge.source, edge.target) for edge in graph.edges}
    assert await refused(404, client.get_workflow_schema("nope")) == "Workflow not found"


async def runs(client):
    done = await client.run_workflow("greet", start_event=StartEvent(name="Ada"))
    assert (done.status, done.error, done.result.value) == ("completed", None, {"result": "Hello, Ada!"}), done
    stop = done.result.load_event()
    assert isinstance(stop, StopEvent) and stop.result == "Hello, Ada!", stop
    assert (await client.run_workflow("greet")).result.value == {"result": "Hello, World!"}
    by_dict = await client.run_workflow("greet", start_event={"name": "Bob"}, context={})
    assert by_dict.result.value == {"result": "Hello, Bob!"}, by_dict
    typed = await client.run_workflow("typed", start_event=Question(topic="abc"))
    assert typed.result.value == {"answer": "ABC", "score": 0.5}, typed
    assert (typed.result.type, typed.result.types) == ("Answered", ["StopEvent"]), typed
    # The class's own name is not the one of the workflow's start event only where it is in an envelope.
    begun = await client.run_workflow_nowait("typed", start_event=Question(topic="x"))
    assert (await client.wait_for_handler(begun.handler_id, poll_interval=0.01)).result.value["answer"] == "X"
    text = await refused(400, client.run_workflow("typed"))
    assert text.startswith("Validation error for 'start_event': "), text
    text = await refused(400, client.run_workflow_nowait("typed"))
    assert "Invalid event type: StartEvent. Expected one of " in text, text
    assert await refused(404, client.run_workflow("nope")) == "Workflow not found"


async def people(client):
    begun = await client.run_workflow_nowait("approval", handler_id="ask", start_event={"text": "a"})
    assert (begun.handler_id, begun.status, begun.result) == ("ask", "running", None), begun
    taken = await refused(409, client.run_workflow_nowait("approval", handler_id="ask", start_event={"text": "b"}))
    assert taken == "Handler 'ask' is already running", taken
    asked = []
    stream = client.get_workflow_events("ask")
    async for event in stream:
        if event.type == "ApprovalNeeded":
            assert event.types == ["InputRequiredEvent"], event
            asked.append(event.value["text"])
            assert stream.last_sequence == len(asked), stream.last_sequence
            answer = Approval(approved=False, comment="shorter") if len(asked) == 1 else Approval(approved=True)
            text = await refused(400, client.send_event("ask", answer, step="nope"))
            assert text == "Failed to send event: Step nope does not exist", text
            assert (await client.send_event("ask", answer)).status == "sent"
    assert asked == ["a", "a (shorter)"], asked
    assert (event.type, event.value) == ("Published", {"text": "a (shorter)", "rounds": 2}), event
    done = await client.wait_for_handler("ask", timeout=10)
    assert (done.status, done.result.value["rounds"]) == ("completed", 2), done
    assert await refused(409, client.send_event("ask", Approval(approved=True))) == "Workflow already completed"
    assert await refused(404, client.send_event("nope", Approval(approved=True))) == "Handler not found"
    again = await client.run_workflow_nowait("approval", handler_id="ask", start_event={"text": "c"})
    assert again.status == "running", again
    # What comes before the question does not answer it.
    asking = client.get_workflow_events("ask")
    async for event in asking:
        assert event.value["text"] == "c", event
        break
    await asking.aclose()
    assert (await client.send_event("ask", {"type": "Approval", "data": {"approved": True}})).status == "sent"
    assert (await client.wait_for_handler("ask", timeout=10, poll_interval=0.01)).result.value["text"] == "c"


async def queries(client):
    failed = await client.run_workflow_nowait("failing")
    # A failed run's record can be read, here with 200.
    record = await client.wait_for_handler(failed.handler_id, timeout=10, poll_interval=0.01)
    assert (record.status, record.error, record.result) == ("failed", "boom", None), record
    text = (await refused_body(500, client.run_workflow("failing")))["error"]
    assert text == "boom", text
    assert (await client.get_result(failed.handler_id)).status == "failed"
    ids = [handler.handler_id for handler in (await client.get_handlers(status=["failed"])).handlers]
    assert failed.handler_id in ids, ids
    both = await client.get_handlers(status=["failed", "completed"], workflow_name=["failing", "greet"])
    assert {handler.workflow_name for handler in both.handlers} == {"failing", "greet"}, both
    assert (await client.get_handlers(status=["running"], workflow_name=["greet"])).handlers == []
    assert await refused(404, client.get_handler("nope")) == "Handler not found"

    begun = await client.run_workflow_nowait("countdown", start_event={"from": 100_000}, handler_id="long")
    assert (await client.get_handler("long")).status == "running"
    assert (await client.cancel_handler("long")).status == "cancelled"
    record = await client.get_handler("long")
    assert (record.status, record.error) == ("cancelled", None), record
    last = [event async for event in client.get_workflow_events("long")][-1]
    assert (last.type, last.types) == ("WorkflowCancelledEvent", ["StopEvent"]), last
    assert await refused(404, client.cancel_handler("long")) == "Handler not found"
    assert (await client.cancel_handler("long", purge=True)).status == "deleted"
    assert await refused(404, client.get_handler("long")) == "Handler not found"
    try:
        _ = [event async for event in client.get_workflow_events("long")]
        raise AssertionError("it is gone")
    except ValueError as error:
        assert str(error) == "Handler not found", error
    assert begun.workflow_name == "countdown"


async def refused_body(status, call):
    try:
        await call
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status, error
        return error.response.json()
    raise AssertionError(f"{status} was expected")


async def streams(client, via):
    await client.run_workflow_nowait("countdown", handler_id="count", start_event={"from": 40})
    # The proxy cuts every connection after a while; the client goes on where it was.
    stream = via.get_workflow_events("count", max_reconnect_attempts=1000)
    events = []
    async for event in stream:
        events.append((stream.last_sequence, event.value.get("left", event.type)))
    wanted = list(enumerate([*range(40, -1, -1), "Liftoff"], start=1))
    assert events == wanted, events
    # From a place in the middle, and with nothing left.
    rest = [event.value.get("left") async for event in client.get_workflow_events("count", after_sequence=39)]
    assert rest == [1, 0, None], rest
    assert [event async for event in client.get_workflow_events("count", after_sequence=42)] == []
    assert [event async for event in client.get_workflow_events("count", after_sequence="now")] == []
    loaded = [event.load_event([Tick]).left async for event in client.get_workflow_events("count") if event.type == "Tick"]
    assert loaded == list(range(40, -1, -1)), loaded

    await client.run_workflow_nowait("countdown", handler_id="inside", start_event={"from": 20})
    inside = [event async for event in client.get_workflow_events("inside", include_internal_events=True)]
    states = [event for event in inside if event.type == "StepStateChanged"]
    assert states and all(event.types == ["InternalDispatchEvent"] for event in states), inside
    assert states[-1].value["name"] == "count" and states[-1].value["step_state"] == "not_running", states
    assert states[-1].qualified_name == "workflows.events.StepStateChanged", states
    assert [event.value["left"] for event in inside if event.type == "Tick"] == list(range(20, -1, -1))


async def main(url, via):
    methods = {name for name in dir(WorkflowClient) if not name.startswith("_")}
    assert methods == METHODS, f"the client has other methods: {methods ^ METHODS}"
    client = WorkflowClient(base_url=url)
    for part in (descriptions(client), runs(client), people(client), queries(client)):
        await part
    await streams(client, WorkflowClient(base_url=via))
    print("python: all good")


asyncio.run(main(*sys.argv[1:]))
