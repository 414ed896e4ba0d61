//! Promise 3, the store: JSON cells by nested paths, edited one at a time, unharmed by what does not fit.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use stepcast::prelude::*;
use stepcast::{StoreEditError, StoreError};

#[event(start)]
struct Begin {
    n: u32,
}

#[event]
struct Item {
    n: u32,
}

#[event]
struct Part {}

#[event(stop)]
struct Done {
    value: Value,
}

/// A workflow of one step with this body.
macro_rules! one_step {
    ($flow:ident, |$ctx:ident| $body:block) => {
        struct $flow;

        #[workflow(Begin => Done)]
        impl $flow {
            #[step]
            async fn work(&self, _ev: Begin, $ctx: Context) -> Result<Done> $body
        }
    };
}

one_step!(Paths, |ctx| {
    let store = ctx.store();
    store.set("user.name", "Ada").await?;
    store.set("user.emails", ["a@example.org"]).await?;
    store.set("user.emails.1", "b@example.org").await?;
    assert_eq!(store.get::<String>("user.emails.0").await?.unwrap(), "a@example.org");
    assert_eq!(store.get::<Vec<String>>("user.emails").await?.unwrap().len(), 2);
    assert_eq!(store.get::<u32>("user.age").await?, None);
    assert_eq!(store.get_or("user.age", 36).await?, 36);
    store.set("count", 1).await?;
    assert_eq!(store.keys().await, ["count", "user"]);
    assert_eq!(store.delete("user.emails.0").await?, Some(json!("a@example.org")));
    assert_eq!(store.delete("user.nothing").await?, None);
    let value = json!({ "user": store.get::<Value>("user").await?, "keys": store.keys().await });
    store.clear().await?;
    assert!(store.keys().await.is_empty());
    Ok(Done { value })
});

#[tokio::test(start_paused = true)]
async fn paths_lead_into_objects_and_lists() {
    let done = Paths.run(Begin { n: 0 }).await.unwrap();
    assert_eq!(
        done.value,
        json!({ "user": { "name": "Ada", "emails": ["b@example.org"] }, "keys": ["count", "user"] })
    );
}

one_step!(Wrong, |ctx| {
    let store = ctx.store();
    store.set("a", json!({ "list": [1, 2], "text": "x" })).await?;
    let before = store.get::<Value>("a").await?;
    for (path, expected) in [
        ("", StoreError::EmptyPath),
        ("a..b", StoreError::EmptySegment { path: "a..b".into() }),
        ("a.text.b", StoreError::NotAContainer { path: "a.text.b".into(), at: "a.text".into(), found: "text" }),
        ("a.list.9", StoreError::IndexPastEnd { path: "a.list.9".into(), at: "a.list".into(), index: 9, len: 2 }),
    ] {
        let error = store.set(path, 1).await.unwrap_err();
        let StoreEditError::Store(found) = &error else { panic!("{error}") };
        assert_eq!(std::mem::discriminant(found), std::mem::discriminant(&expected), "{path}: {found}");
    }
    let deep = format!("a{}", ".b".repeat(2_000));
    assert!(matches!(store.set(&deep, 1).await.unwrap_err(), StoreEditError::Store(StoreError::PathTooDeep { .. })));
    let error = store.get::<u32>("a.text").await.unwrap_err();
    assert!(matches!(error, StoreEditError::Value { .. }), "{error}");
    let error = store.set("b", std::collections::HashMap::from([((1, 2), 3)])).await.unwrap_err();
    assert!(matches!(error, StoreEditError::Value { .. }), "{error}");
    assert_eq!((store.get::<Value>("a").await?, store.keys().await), (before, vec!["a".to_owned()]));
    Ok(Done { value: Value::Null })
});

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_an_error_and_changes_nothing() {
    Wrong.run(Begin { n: 0 }).await.unwrap();
}

#[derive(Debug, thiserror::Error)]
#[error("changed my mind")]
struct Mind;

#[derive(Serialize, Deserialize)]
struct NoJson(#[serde(serialize_with = "refuse")] u8);

fn refuse<S: Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("no JSON"))
}

one_step!(Edits, |ctx| {
    let store = ctx.store();
    store.set("count", 1).await?;
    let failed = store
        .edit("count", |value| {
            *value = json!("spoilt");
            Err::<u32, _>(Mind)
        })
        .await?;
    assert!(failed.is_err());
    let unfit = store
        .edit("count", |value| {
            *value = json!("spoilt");
            Ok::<_, Mind>(NoJson(1))
        })
        .await;
    assert!(matches!(unfit, Err(StoreEditError::Value { .. })));
    assert_eq!(store.get::<u32>("count").await?, Some(1), "an edit whose result cannot be recorded is none");
    let two = store
        .edit("count", |value| {
            *value = json!(value.as_u64().unwrap() + 1);
            Ok::<_, Mind>(value.as_u64())
        })
        .await??;
    let missing = store
        .edit("new.cell", |value| {
            let was = value.clone();
            *value = json!(true);
            Ok::<_, Mind>(was)
        })
        .await??;
    Ok(Done { value: json!([two, missing, store.get::<Value>("new").await?]) })
});

#[tokio::test(start_paused = true)]
async fn an_edit_is_atomic_and_rolls_back() {
    assert_eq!(Edits.run(Begin { n: 0 }).await.unwrap().value, json!([2, null, { "cell": true }]));
}

struct Counting;

#[workflow(Begin => Done)]
impl Counting {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }

    #[step]
    async fn add(&self, item: Item, ctx: Context) -> Result<Part> {
        tokio::task::yield_now().await;
        let store = ctx.store();
        store
            .edit("stats.count", |count| {
                *count = json!(count.as_u64().unwrap_or(0) + 1);
                Ok::<_, StepError>(())
            })
            .await??;
        store.set(&format!("by.{}", item.n), item.n).await?;
        Ok(Part {})
    }

    #[step]
    async fn gather(&self, _all: Vec<Part>, ctx: Context) -> Result<Done> {
        Ok(Done { value: ctx.store().get("stats.count").await?.unwrap_or_default() })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_from_everywhere_are_all_counted() {
    let run = Counting.run(Begin { n: 1_000 });
    assert_eq!(run.result().await.unwrap().value, json!(1_000));
    assert_eq!(run.store_value("by").unwrap().as_object().unwrap().len(), 1_000);
    assert_eq!(run.store_value("by.17"), Some(json!(17)));
    assert_eq!((run.store_value("nothing"), run.store_value("..")), (None, None));
}

#[tokio::test(start_paused = true)]
async fn another_run_may_begin_with_a_run_s_store() {
    let first = Counting.run(Begin { n: 3 });
    first.result().await.unwrap();
    let second = Counting.run_with(Begin { n: 2 }, RunOptions::new().state_from(&first));
    assert_eq!(second.result().await.unwrap().value, json!(5));
    assert_eq!(first.store_value("stats.count"), Some(json!(3)));
}

struct Sharing;

#[workflow(Begin => Done)]
impl Sharing {
    #[step]
    async fn write(&self, ev: Begin, ctx: Context) -> Result<Item> {
        ctx.store().set("who", ctx.step_name()).await?;
        Ok(Item { n: ev.n })
    }

    #[step]
    async fn read(&self, _item: Item, ctx: Context) -> Result<Done> {
        Ok(Done { value: json!([ctx.store().get::<String>("who").await?, ctx.step_name()]) })
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_step_writes_the_next_reads() {
    assert_eq!(Sharing.run(Begin { n: 0 }).await.unwrap().value, json!(["write", "read"]));
}
