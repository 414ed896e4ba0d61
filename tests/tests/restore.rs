//! Promise 10, restoring under a workflow that has changed: accepted if everything the run still refers to is unchanged,
//! otherwise refused with every difference; a `migrate` hook may rewrite the data first.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::engine::{Difference, RestoreError};
use stepcast::prelude::*;
use stepcast::testing::settle;
use stepcast::{Event, RestoreRunError, RunError, RunSnapshot, SharedWorkflow, Workflow};

/// Fails a test that would hang for ever.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(100_000_000), future).await.expect("it hangs")
}

/// The snapshot of a run that has come to rest, as text.
async fn stored<S: Event>(run: Run<S>) -> String {
    settle().await;
    let text = within(run.snapshot()).await.unwrap().to_json().unwrap();
    run.cancel();
    let _ = within(run.result()).await;
    text
}

fn restore<T: SharedWorkflow>(flow: T, text: &str) -> Result<Run<<T::Flow as Workflow>::Stop>, RestoreRunError> {
    flow.restore(RunSnapshot::from_json(text)?)
}

/// The differences for which a snapshot is refused, as texts.
#[track_caller]
fn refused<T: SharedWorkflow>(flow: T, text: &str) -> Vec<String> {
    match restore(flow, text) {
        Ok(_) => panic!("it was restored"),
        Err(RestoreRunError::State(RestoreError::Refused { differences, workflow })) => {
            assert_eq!(workflow, "shop");
            differences.iter().map(ToString::to_string).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

/// The workflow as it was when its runs were stored.
mod first {
    use super::*;

    #[event(start)]
    pub struct Order {
        pub items: Vec<String>,
    }

    #[event]
    pub struct Pick {
        pub item: String,
    }

    #[event]
    pub struct Picked {
        pub item: String,
    }

    #[event]
    pub struct Packed {
        pub items: Vec<String>,
    }

    #[event(external)]
    pub struct Paid {
        pub cents: u32,
    }

    #[event(external)]
    pub struct Audit {}

    #[event(stop)]
    pub struct Shipped {
        pub text: String,
    }

    pub struct Shop;

    #[workflow(Order => Shipped, name = "shop")]
    impl Shop {
        #[step]
        async fn split(&self, order: Order) -> Vec<Pick> {
            order.items.into_iter().map(|item| Pick { item }).collect()
        }

        #[step(waits(Paid))]
        async fn pick(&self, pick: Pick, ctx: Context) -> Result<Picked> {
            if pick.item == "gold" {
                ctx.wait_for_event::<Paid>().where_field("cents", 100).await?;
            }
            Ok(Picked { item: pick.item })
        }

        #[step]
        async fn pack(&self, all: Vec<Picked>) -> Packed {
            Packed { items: all.into_iter().map(|picked| picked.item).collect() }
        }

        #[step(waits(Paid))]
        async fn ship(&self, packed: Packed, ctx: Context) -> Result<Shipped> {
            let paid = ctx.wait_for_event::<Paid>().where_field("cents", 200).await?;
            Ok(Shipped { text: format!("{} for {}", packed.items.join(" "), paid.cents) })
        }

        #[step]
        async fn audit(&self, _audit: Audit) {}
    }

    pub fn order(items: &[&str]) -> Order {
        Order { items: items.iter().map(|item| (*item).to_owned()).collect() }
    }

    /// A run that waits while one of its batch is picked.
    pub async fn picking() -> String {
        stored(Shop.run(order(&["tea", "gold"]))).await
    }

    /// A run that waits in its last step.
    pub async fn shipping() -> String {
        stored(Shop.run(order(&["tea"]))).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_workflow_takes_its_runs_up() {
    let run = restore(first::Shop, &first::picking().await).unwrap();
    for cents in [100, 200] {
        run.send_event(first::Paid { cents }).unwrap();
        settle().await;
    }
    assert_eq!(within(run).await.unwrap().text, "tea gold for 200");
}

/// What the run does not refer to differs in every way: order, bodies, policies, steps and events more and less.
mod unrelated {
    use super::*;
    pub use first::Paid;

    #[event(external)]
    struct Inspect {}

    #[event]
    struct Packed {
        items: Vec<String>,
        #[serde(default)]
        weight: u32,
    }

    #[event(stop)]
    pub struct Shipped {
        pub text: String,
    }

    #[event(start, tag = "Order")]
    pub struct Placed {
        goods: Vec<String>,
    }

    pub struct Shop;

    #[workflow(Placed => Shipped, name = "shop", on_failure = "continue")]
    impl Shop {
        #[step]
        async fn inspect(&self, _inspect: Inspect) {}

        #[step(waits(Inspect, Paid), workers = 1, retry(attempts = 7), timeout = "9s")]
        async fn ship(&self, packed: Packed, ctx: Context) -> Result<Shipped> {
            let paid = ctx.wait_for_event::<Paid>().where_field("cents", 200).await?;
            Ok(Shipped { text: format!("now {} at {} for {}", packed.items.len(), packed.weight, paid.cents) })
        }

        #[step]
        async fn all_in_one(&self, placed: Placed) -> Packed {
            Packed { items: placed.goods, weight: 1 }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_run_does_not_refer_to_may_differ() {
    let run = restore(unrelated::Shop, &first::shipping().await).unwrap();
    run.send_event(unrelated::Paid { cents: 200 }).unwrap();
    assert_eq!(within(run).await.unwrap().text, "now 1 at 0 for 200", "the new body ran");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_gone_is_named() {
    let differences = refused(unrelated::Shop, &first::picking().await);
    assert!(differences.iter().any(|text| text.contains("the step `pick` does not exist any more")), "{differences:?}");
    assert!(
        differences.iter().any(|text| text.contains("the step `pack` does not exist any more")),
        "its batch goes there: {differences:?}"
    );
    assert!(
        differences.iter().any(|text| text.contains("the event `Pick` does not exist any more")),
        "{differences:?}"
    );
    assert!(
        differences.iter().any(|text| text.contains("the event `Picked` does not exist any more")),
        "{differences:?}"
    );
    assert_eq!(differences.len(), 5, "each once: {differences:?}");
}

/// The step takes another event, and waits for nothing any more.
mod changed {
    use super::*;
    pub use first::{Order, Packed, Shipped};

    #[event]
    struct Label {}

    pub struct Joined;

    #[workflow(Order => Shipped, name = "shop")]
    impl Joined {
        #[step]
        async fn pack(&self, order: Order) -> (Packed, Label) {
            (Packed { items: order.items }, Label {})
        }

        #[step]
        async fn ship(&self, packed: Packed, _label: Label) -> Shipped {
            Shipped { text: packed.items.join(" ") }
        }
    }

    pub struct Unpaid;

    #[workflow(Order => Shipped, name = "shop")]
    impl Unpaid {
        #[step]
        async fn pack(&self, order: Order) -> Packed {
            Packed { items: order.items }
        }

        #[step]
        async fn ship(&self, packed: Packed) -> Shipped {
            Shipped { text: packed.items.join(" ") }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_with_another_signature_is_named_with_both() {
    let text = first::shipping().await;
    let differences = refused(changed::Joined, &text);
    let of_step = differences.iter().find(|text| text.contains("`ship`")).unwrap();
    assert!(of_step.contains("it took `Packed`") && of_step.contains("now it takes `Packed`, `Label`"), "{of_step}");
    let differences = refused(changed::Unpaid, &text);
    assert!(
        differences.iter().any(|text| text.contains("`ship`") && text.contains("waits for Paid")),
        "{differences:?}"
    );
    assert!(
        differences.iter().any(|text| text.contains("the event `Paid` does not exist any more")),
        "{differences:?}"
    );
}

/// The events' data differs.
mod data {
    use super::*;
    pub use first::{Order, Paid, Shipped};

    #[event]
    struct Pick {
        item: u32,
    }

    #[event]
    struct Picked {
        item: String,
        shelf: String,
    }

    pub struct Shop;

    #[workflow(Order => Shipped, name = "shop")]
    impl Shop {
        #[step]
        async fn split(&self, order: Order) -> Vec<Pick> {
            order.items.iter().map(|_| Pick { item: 0 }).collect()
        }

        #[step(waits(Paid))]
        async fn pick(&self, pick: Pick, ctx: Context) -> Result<Picked> {
            ctx.wait_for_event::<Paid>().where_field("cents", 100).await?;
            Ok(Picked { item: pick.item.to_string(), shelf: String::new() })
        }

        #[step]
        async fn pack(&self, all: Vec<Picked>) -> Shipped {
            Shipped { text: all.into_iter().map(|picked| picked.item + &picked.shelf).collect() }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn data_that_does_not_fit_its_type_any_more_is_named() {
    let differences = refused(data::Shop, &first::picking().await);
    assert_eq!(differences.len(), 2, "{differences:?}");
    assert!(differences[0].contains(
        "a stored event `Pick` does not fit its type any more: `item`: invalid type: string \"gold\", expected u32"
    ));
    assert!(
        differences[1].contains("a stored event `Picked`") && differences[1].contains("missing field `shelf`"),
        "{differences:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_migrate_hook_rewrites_what_has_changed() {
    let text = first::picking().await;
    let snapshot = RunSnapshot::from_json_with(&text, |value| {
        rewrite(value, &mut |object| match object.get("type").and_then(Value::as_str) {
            Some("Pick") => object["value"]["item"] = json!(79),
            Some("Picked") => object["value"]["shelf"] = json!("-A"),
            _ => {}
        });
    });
    let run = data::Shop.restore(snapshot.unwrap()).unwrap();
    run.send_event(data::Paid { cents: 100 }).unwrap();
    assert_eq!(within(run).await.unwrap().text, "tea-A79");
}

/// Calls `change` for every object in a value.
fn rewrite(value: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    if value.is_object() {
        change(value);
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| rewrite(value, change)),
        Value::Array(list) => list.iter_mut().for_each(|value| rewrite(value, change)),
        _ => {}
    }
}

/// Steps that keep events in every other place: joins, collections, mailboxes, records, questions, recoveries.
mod keeping {
    use super::*;
    use stepcast::StepFailedEvent;

    #[event(start)]
    pub struct Begin {}
    #[event]
    pub struct InJoin {}
    #[event]
    pub struct InBuffer {}
    #[event(external)]
    pub struct InRecord {}
    #[event(external)]
    pub struct Kept {}
    #[event(input_required)]
    pub struct Asked {}
    #[event(human_response)]
    pub struct Answer {}
    #[event(stop)]
    pub struct Done {}

    pub struct Shop;

    #[workflow(Begin => Done, name = "shop")]
    impl Shop {
        #[step]
        async fn begin(&self, _ev: Begin) -> (InJoin, InBuffer, Asked) {
            (InJoin {}, InBuffer {}, Asked {})
        }

        #[step]
        async fn join(&self, _a: InJoin, _b: Answer) -> Done {
            Done {}
        }

        #[step(waits(InRecord, Kept))]
        async fn keeps(&self, ev: InBuffer, ctx: Context) -> Result<()> {
            ctx.collect_n(ev, 2).await?;
            ctx.wait_for_event::<InRecord>().await?;
            Err(StepError::msg("recovered"))
        }

        #[step(catch, waits(Kept, InRecord))]
        async fn recover(&self, _failed: StepFailedEvent, ctx: Context) -> Result<()> {
            ctx.wait_for_event::<InRecord>().await?;
            ctx.wait_for_event::<InRecord>().await?;
            Ok(())
        }
    }
}

/// The same name, and none of its parts.
mod stranger {
    use super::*;

    #[event(start)]
    pub struct Begin {}
    #[event(stop)]
    pub struct Other {}

    pub struct Shop;

    #[workflow(Begin => Other, name = "shop")]
    impl Shop {
        #[step]
        async fn only(&self, _ev: Begin) -> Other {
            Other {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_place_that_refers_to_something_is_looked_at() {
    let run = keeping::Shop.run(keeping::Begin {});
    run.send_event(keeping::Kept {}).unwrap();
    settle().await;
    run.send_event(keeping::InRecord {}).unwrap();
    settle().await;
    run.send_event(keeping::InRecord {}).unwrap();
    let text = stored(run).await;
    let differences = refused(stranger::Shop, &text);
    for expected in [
        "the step `join`",
        "the step `keeps`",
        "the step `recover`",
        "the step `begin`",
        "the event `InJoin`",
        "the event `InBuffer`",
        "the event `InRecord`",
        "the event `Kept`",
        "the event `Asked`",
        "the event `StepFailedEvent`",
    ] {
        let found = differences.iter().filter(|text| text.starts_with(expected)).count();
        assert_eq!(found, 1, "{expected}: {differences:?}");
    }
    assert_eq!(differences.len(), 10, "{differences:?}");
    restore(keeping::Shop, &text).unwrap().cancel();
}

#[tokio::test(start_paused = true)]
async fn what_is_no_snapshot_is_an_error_that_says_so() {
    let good = first::shipping().await;
    for text in ["", "null", "[]", "{}", "{", "7", "\"text\"", &good[..good.len() - 3], "{\"format\":1}"] {
        let error = RunSnapshot::from_json(text).unwrap_err();
        assert!(matches!(error, RestoreRunError::Malformed { .. }), "{text}: {error}");
        assert!(error.to_string().contains("not a run's snapshot"), "{error}");
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(RunSnapshot::from_json(&deep), Err(RestoreRunError::Malformed { .. })));
}

#[tokio::test(start_paused = true)]
async fn another_version_or_workflow_is_refused() {
    let good: Value = serde_json::from_str(&first::shipping().await).unwrap();
    for version in [0, 2, 99] {
        let mut value = good.clone();
        value["format"] = json!(version);
        let mut migrated = false;
        let error = RunSnapshot::from_json_with(&value.to_string(), |_| migrated = true).unwrap_err();
        assert!(matches!(error, RestoreRunError::Version { found } if found == version), "{error}");
        assert!(!migrated, "a hook knows the data of this version");
        // Read without `from_json` it is refused when it is restored.
        let direct: RunSnapshot = serde_json::from_value(value).unwrap();
        assert!(matches!(first::Shop.restore(direct), Err(RestoreRunError::Version { found }) if found == version));
    }
    struct Elsewhere;
    #[workflow(first::Order => first::Shipped)]
    impl Elsewhere {
        #[step]
        async fn work(&self, order: first::Order) -> first::Shipped {
            first::Shipped { text: order.items.join(" ") }
        }
    }
    let error = restore(Elsewhere, &good.to_string()).unwrap_err();
    assert!(
        matches!(&error, RestoreRunError::Workflow { found, expected } if found == "shop" && expected == "Elsewhere"),
        "{error}"
    );
}

/// State whose type has changed.
mod cells {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Default, Serialize, Deserialize, State)]
    #[state(name = "tally")]
    pub struct Old {
        pub sum: u32,
    }

    #[derive(Clone, Default, Serialize, Deserialize, State)]
    #[state(name = "tally")]
    pub struct New {
        pub sum: String,
    }

    #[derive(Clone, Default, Serialize, Deserialize, State)]
    #[state(name = "tally")]
    pub struct Wider {
        pub sum: u64,
        #[serde(default)]
        pub more: u32,
    }

    #[event(start)]
    pub struct Begin {}
    #[event(external)]
    pub struct Go {}
    #[event]
    pub struct Next {}
    #[event(stop)]
    pub struct Done {
        pub text: String,
    }

    macro_rules! shop {
        ($module:ident, $state:ty) => {
            pub mod $module {
                use super::*;

                pub struct Shop;

                #[workflow(Begin => Done, name = "shop")]
                impl Shop {
                    #[step(waits(Go))]
                    async fn hold(&self, _ev: Begin, ctx: Context) -> Result<Next> {
                        ctx.wait_for_event::<Go>().await?;
                        Ok(Next {})
                    }

                    #[step]
                    async fn show(&self, _next: Next, state: State<$state>) -> Done {
                        Done { text: format!("{}", state.get().sum) }
                    }

                    #[step(allow(unconsumed))]
                    async fn set(&self, _ev: Begin, state: State<$state>) -> Result<()> {
                        state.edit(|state| state.sum = "7".parse().unwrap()).await?;
                        Ok(())
                    }
                }
            }
        };
    }

    shop!(old, Old);
    shop!(new, New);
    shop!(wider, Wider);
}

#[tokio::test(start_paused = true)]
async fn state_of_another_type_is_an_error_where_it_is_used() {
    let text = stored(cells::old::Shop.run(cells::Begin {})).await;
    let run = restore(cells::wider::Shop, &text).unwrap();
    run.send_event(cells::Go {}).unwrap();
    assert_eq!(within(run).await.unwrap().text, "7");
    let run = restore(cells::new::Shop, &text).unwrap();
    assert!(run.state::<cells::New>().is_none());
    run.send_event(cells::Go {}).unwrap();
    let error = within(run.result()).await.unwrap_err();
    let RunError::StepFailed { step, .. } = &error else { panic!("{error}") };
    assert!(step == "show" && error.to_string().contains("The stored state `tally` does not fit its type"), "{error}");
    assert!(
        within(run.snapshot()).await.unwrap().to_json().unwrap().contains("\"tally\":{\"sum\":7}"),
        "what did not fit is kept"
    );
}

#[tokio::test(start_paused = true)]
async fn differences_are_typed() {
    let text = first::picking().await;
    let Err(RestoreRunError::State(RestoreError::Refused { differences, .. })) = restore(data::Shop, &text) else {
        panic!()
    };
    assert!(matches!(&differences[0], Difference::EventData { tag, .. } if tag == "Pick"));
    let error = Arc::new(restore(data::Shop, &text).unwrap_err());
    assert!(error.to_string().contains("or rewrite the snapshot with a `migrate` hook"), "{error}");
}
