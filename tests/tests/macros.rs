//! What the macros write, seen through the constants and the calls that the runtime will make.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use stepcast::prelude::*;
use stepcast::{
    AnyEvent, Catalogue, CatchSpec, DynEvent, EventSet, ExtractError, Invocation, OnFailure, OutSpec, OutToken,
    ParamSpec, Payload, Role, Step, StepCall, StepFailedEvent, StepOutput, StepSpec, Workflow,
};

#[event(start)]
struct Topic {
    topic: String,
}

#[event]
#[derive(PartialEq, Eq)]
struct Joke {
    text: String,
}

#[event(stop, tag = "joke.critique")]
#[derive(PartialEq)]
struct Critique {
    verdict: String,
}

#[event]
struct Unit;

#[event]
struct Pair(u8, #[event(secret)] String);

#[event]
enum Shape {
    Round {
        radius: f64,
    },
    #[allow(dead_code)]
    Empty,
}

#[event(human_response)]
#[serde(rename_all = "camelCase")]
struct Login {
    user_name: String,
    #[event(secret)]
    pass_word: String,
}

#[event(tag = "boxed")]
struct Boxed<T> {
    value: T,
}

/// Writes a joke.
///
/// More about it.
#[step(name = "write joke", workers = 3, timeout = "1m30s", retry(attempts = 4, backoff = "10ms", jitter = full))]
async fn write(ev: Topic) -> Result<Joke> {
    if ev.topic.is_empty() {
        return Err(StepError::msg("no topic"));
    }
    Ok(Joke { text: format!("a joke about {}", ev.topic) })
}

#[step(on_failure = "pause", allow(unconsumed))]
async fn review(Joke { text }: Joke) -> Critique {
    Critique { verdict: format!("{text}: fine") }
}

#[step(blocking)]
fn count(jokes: Vec<Joke>) -> Option<Critique> {
    (!jokes.is_empty()).then(|| Critique { verdict: jokes.len().to_string() })
}

#[step(catch(write, "review"), max_recoveries = 5)]
async fn rescue(_failed: StepFailedEvent) -> Critique {
    Critique { verdict: "rescued".into() }
}

#[derive(Events, Debug, PartialEq)]
enum Verdict {
    Again(Joke),
    Done(Critique),
}

#[derive(Events)]
enum Output {
    #[allow(dead_code)]
    Many(Vec<Joke>),
    Done(Critique),
}

#[step(emits(Joke, Verdict), waits(Login), streams(Unit))]
async fn decide(either: Verdict) -> Output {
    match either {
        Verdict::Again(joke) => Output::Done(Critique { verdict: joke.text }),
        Verdict::Done(critique) => critique.into(),
    }
}

fn call(
    spec: &StepSpec,
    inputs: &[Payload],
    instance: Option<&Arc<dyn Any + Send + Sync>>,
) -> Result<StepOutput, ExtractError> {
    match (spec.invoke)(StepCall::new(inputs, instance, &())) {
        Invocation::Refused(error) => Err(error),
        Invocation::Blocking(body) => Ok(body()),
        Invocation::Future(mut future) => match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => panic!("the step waits"),
        },
        Invocation::Gave(_) | Invocation::Ended(_) | Invocation::Begun(_) => panic!("nobody asked for a poll"),
    }
}

fn only_event(output: StepOutput) -> Payload {
    let mut tokens = output.unwrap().into_iter();
    let Some(OutToken::Event(event)) = tokens.next() else { panic!("no event") };
    assert!(tokens.next().is_none());
    event.payload
}

#[test]
fn an_event_describes_itself() {
    assert_eq!((Topic::META.tag, Topic::META.role), ("Topic", Role::Start));
    assert_eq!(Topic::META.qualified_name, "macros::Topic");
    assert!(Topic::META.location.contains("macros.rs:"), "{}", Topic::META.location);
    assert_eq!(Critique::META.tag, "joke.critique");
    assert_eq!(Critique::META.type_name, "Critique");
    assert_eq!(Login::META.fields, ["userName", "passWord"]);
    assert_eq!(Login::META.secret, ["passWord"]);
    assert_eq!(<Boxed<u8>>::META.tag, "boxed");
    let decoded = Topic::META.decode(serde_json::json!({"topic": "pirates"})).unwrap();
    assert_eq!(decoded.meta().tag, "Topic");
    assert_ne!(Topic::META.origin, Joke::META.origin);
}

#[test]
fn secrets_are_not_printed() {
    let login = Login { user_name: "ann".into(), pass_word: "hunter2".into() };
    assert_eq!(format!("{login:?}"), "Login { user_name: \"ann\", pass_word: <secret> }");
    assert_eq!(format!("{:?}", Pair(1, "hunter2".into())), "Pair(1, <secret>)");
    assert_eq!(format!("{:?}", AnyEvent::new(login)), "Login { user_name: \"ann\", pass_word: <secret> }");
    let _ = (Unit, Shape::Round { radius: 1.0 }, Boxed { value: 1 }.value);
}

#[test]
fn events_have_the_typetag_form_under_their_path() {
    let boxed: Box<dyn DynEvent> = Box::new(Joke { text: "x".into() });
    let text = serde_json::to_string(&boxed).unwrap();
    assert_eq!(text, r#"{"type":"macros::Joke","value":{"text":"x"}}"#);
    let back: Box<dyn DynEvent> = serde_json::from_str(&text).unwrap();
    assert_eq!(back.to_any_event().get::<Joke>().unwrap().text, "x");
}

#[test]
fn a_step_describes_itself() {
    let spec = <write as Step>::SPEC;
    assert_eq!((spec.name, spec.doc, spec.workers), ("write joke", "Writes a joke.", Some(3)));
    assert_eq!(spec.timeout, Some(Duration::from_secs(90)));
    assert!(matches!(spec.params, [ParamSpec::Event(EventSet::One(meta))] if meta.tag == "Topic"));
    assert!(matches!(spec.out, OutSpec::One(meta) if meta.tag == "Joke"));
    let policy = format!("{:?}", (spec.retry.unwrap())());
    assert!(policy.contains("AfterAttempt(4)") && policy.contains("FullJitter"), "{policy}");

    let spec = <review as Step>::SPEC;
    assert_eq!((spec.on_failure, spec.allow_unconsumed, spec.allow_endless), (Some(OnFailure::Pause), true, false));

    let spec = <decide as Step>::SPEC;
    let tags = |set: &EventSet| set.to_vec().iter().map(|meta| meta.tag).collect::<Vec<_>>();
    assert_eq!(tags(&spec.emits), ["Joke", "Joke", "joke.critique"]);
    assert_eq!(tags(&spec.waits), ["Login"]);
    assert_eq!(tags(&spec.streams), ["Unit"]);
    assert!(matches!(spec.out, OutSpec::Either(OutSpec::Batch(_), OutSpec::One(_))));

    let CatchSpec::Steps { names, max_recoveries } = <rescue as Step>::SPEC.catch else { panic!("no catch step") };
    assert_eq!((names, max_recoveries), (["write joke", "review"].as_slice(), 5));
}

#[test]
fn a_step_runs() {
    let topic = Payload::new(Topic { topic: "pirates".into() });
    let output = call(&<write as Step>::SPEC, std::slice::from_ref(&topic), None).unwrap();
    assert_eq!(only_event(output).downcast_ref::<Joke>().unwrap().text, "a joke about pirates");

    let failed = call(&<write as Step>::SPEC, &[Payload::new(Topic { topic: String::new() })], None).unwrap();
    assert_eq!(failed.unwrap_err().to_string(), "no topic");

    let jokes = [Payload::new(Joke { text: "a".into() }), Payload::new(Joke { text: "b".into() })];
    let spec = <count as Step>::SPEC;
    assert!(spec.blocking);
    let output = call(&spec, &jokes, None).unwrap();
    assert_eq!(only_event(output).downcast_ref::<Critique>().unwrap().verdict, "2");

    let output = call(&<decide as Step>::SPEC, &[Payload::new(Critique { verdict: "v".into() })], None).unwrap();
    assert_eq!(only_event(output).downcast_ref::<Critique>().unwrap().verdict, "v");

    let refused = call(&<review as Step>::SPEC, &[topic], None).unwrap_err();
    assert!(matches!(refused, ExtractError::WrongEvent { found: "Topic", .. }), "{refused}");
}

flow! {
    /// Writes and reviews.
    FreeFlow: Topic => Critique { write, review, rescue },
    on_failure = "continue"
}

/// The same, by attribute.
#[workflow(Topic => Critique, steps(write, review), name = "listed")]
#[derive(Clone, Default)]
struct ListedFlow {
    #[allow(dead_code)]
    model: String,
}

struct JokeFlow {
    prefix: String,
}

impl JokeFlow {
    async fn connect() -> Result<Self> {
        Ok(JokeFlow { prefix: ">".into() })
    }
}

/// Jokes with methods.
#[workflow(Topic => Critique, new = connect)]
impl JokeFlow {
    #[step(timeout = "30s")]
    async fn write(&self, ev: Topic) -> Result<Joke> {
        Ok(Joke { text: format!("{} {}", self.prefix, ev.topic) })
    }

    #[cfg(any())]
    #[step]
    async fn gone(&self, ev: Joke) -> Critique {
        unreachable!()
    }

    #[step(blocking, name = "judge")]
    fn review(&self, joke: Joke) -> Critique {
        Critique { verdict: self.helped(&joke.text) }
    }

    #[step(catch(review))]
    async fn rescue(_failed: StepFailedEvent) -> Critique {
        Critique { verdict: "rescued".into() }
    }

    fn helped(&self, text: &str) -> String {
        format!("{text}!")
    }
}

#[test]
fn workflows_are_described() {
    let names = |steps: &[StepSpec]| steps.iter().map(|step| step.name).collect::<Vec<_>>();
    let spec = FreeFlow::SPEC;
    assert_eq!((spec.name, spec.doc, spec.on_failure), ("FreeFlow", "Writes and reviews.", OnFailure::Continue));
    assert_eq!((spec.start.tag, spec.stop.tag), ("Topic", "joke.critique"));
    assert_eq!(names(spec.steps), ["write joke", "review", "rescue"]);
    assert_eq!((ListedFlow::SPEC.name, names(ListedFlow::SPEC.steps)), ("listed", vec!["write joke", "review"]));
    assert_eq!(names(JokeFlow::SPEC.steps), ["write", "judge", "rescue"]);
    assert_eq!(JokeFlow::SPEC.doc, "Jokes with methods.");
    let _ = ListedFlow::default().model;
}

#[test]
fn method_steps_run_on_their_workflow() {
    let flow: Arc<dyn Any + Send + Sync> = Arc::new(JokeFlow { prefix: "p".into() });
    let topic = [Payload::new(Topic { topic: "t".into() })];
    let joke = only_event(call(&JokeFlow::SPEC.steps[0], &topic, Some(&flow)).unwrap());
    let critique = only_event(call(&JokeFlow::SPEC.steps[1], &[joke], Some(&flow)).unwrap());
    assert_eq!(critique.downcast_ref::<Critique>().unwrap().verdict, "p t!");
    let refused = call(&JokeFlow::SPEC.steps[0], &topic, None).unwrap_err();
    assert!(matches!(refused, ExtractError::WrongInstance { expected } if expected.ends_with("JokeFlow")), "{refused}");
}

trait Llm: Send + Sync + 'static {
    const NAME: &'static str;
}

struct Echo;
impl Llm for Echo {
    const NAME: &'static str = "echo";
}

struct GenericFlow<L>(std::marker::PhantomData<L>);

#[workflow(Topic => Critique)]
impl<L: Llm> GenericFlow<L> {
    #[step]
    async fn answer(&self, ev: Topic) -> Critique {
        Critique { verdict: format!("{}: {}", L::NAME, ev.topic) }
    }
}

#[test]
fn generic_workflows_are_described() {
    let spec = <GenericFlow<Echo>>::SPEC;
    assert_eq!((spec.name, spec.steps.len()), ("GenericFlow", 1));
    let flow: Arc<dyn Any + Send + Sync> = Arc::new(GenericFlow::<Echo>(std::marker::PhantomData));
    let output = call(&spec.steps[0], &[Payload::new(Topic { topic: "t".into() })], Some(&flow)).unwrap();
    assert_eq!(only_event(output).downcast_ref::<Critique>().unwrap().verdict, "echo: t");
}

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, State)]
struct Counter;

#[derive(Clone, Default, serde::Serialize, serde::Deserialize, State)]
#[state(name = "old.name")]
struct Renamed;

#[test]
fn states_have_stable_names() {
    use stepcast::state_cell::State;
    assert_eq!((Counter::NAME, Renamed::NAME), ("Counter", "old.name"));
}

#[test]
fn the_catalogue_lists_what_is_linked() {
    let all = Catalogue::global().unwrap();
    assert_eq!(all.event("macros::Joke").unwrap().meta.tag, "Joke");
    assert!(all.event("macros::Boxed").is_none());
    assert_eq!(all.step("macros::write").unwrap().spec.name, "write joke");
    let can_be_made: Vec<_> = all.workflows().map(|flow| (flow.name, flow.create.is_some())).collect();
    assert_eq!(can_be_made, [("FreeFlow", true), ("JokeFlow", true), ("listed", true)]);
    let create = all.workflow("JokeFlow").unwrap().create.unwrap();
    let Poll::Ready(made) = create().as_mut().poll(&mut Context::from_waker(Waker::noop())) else { panic!("it waits") };
    assert_eq!(made.unwrap().downcast::<JokeFlow>().unwrap().prefix, ">");
}
