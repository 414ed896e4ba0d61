//! Workflows with children.

use std::time::Duration;

use stepcast::prelude::*;

use super::flows::*;

/// Has a child, which has one that asks a person.
pub struct Parent(pub Calls);

#[workflow(Begin => Done)]
impl Parent {
    #[step]
    async fn run(&self, ev: Begin, ctx: Context) -> Result<Done> {
        let first = ctx.run_child(Child(self.0.clone()), Begin { n: ev.n }).await?;
        ctx.write_event_to_stream(note("first child"));
        self.0.make(&ctx, "parent").await?;
        let second = ctx.run_child(Ask(self.0.clone()), Begin { n: 1 }).await?;
        Ok(done(format!("{} {}", first.text, second.text)))
    }
}

pub struct Child(pub Calls);

#[workflow(Begin => Done)]
impl Child {
    #[step]
    async fn split(&self, ev: Begin) -> Vec<Item> {
        (0..ev.n).map(|n| Item { n }).collect()
    }
    #[step]
    async fn work(&self, item: Item, ctx: Context) -> Result<Part> {
        let grand = ctx.run_child(Grand(self.0.clone()), Begin { n: item.n }).await?;
        Ok(Part { n: grand.text.len() as u64 })
    }
    #[step]
    async fn close(&self, all: Vec<Part>) -> Done {
        done(format!("{:?}", all.into_iter().map(|part| part.n).collect::<Vec<_>>()))
    }
}

pub struct Grand(pub Calls);

#[workflow(Begin => Done)]
impl Grand {
    #[step]
    async fn work(&self, ev: Begin, ctx: Context) -> Result<Done> {
        self.0.make(&ctx, format!("grand {}", ev.n)).await?;
        ctx.write_event_to_stream(note("grand"));
        Ok(done("x".repeat(ev.n as usize)))
    }
}

/// Its second child fails.
pub struct BadParent(pub Calls);

#[workflow(Begin => Done)]
impl BadParent {
    #[step]
    async fn run(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        let failed = ctx.run_child(Fails(self.0.clone()), Begin { n: 1 }).await.map(|done| done.text);
        self.0.make(&ctx, "went on").await?;
        Ok(done(format!("{}", failed.expect_err("it fails"))))
    }
}

pub struct Fails(pub Calls);

#[workflow(Begin => Done)]
impl Fails {
    #[step]
    async fn first(&self, ev: Begin, ctx: Context) -> Result<Lap> {
        self.0.make(&ctx, "fails").await?;
        Ok(Lap { n: ev.n })
    }
    #[step]
    async fn second(&self, lap: Lap) -> Result<Done> {
        if lap.n > 0 { Err(StepError::msg("bad luck").fatal()) } else { Ok(done("")) }
    }
}

/// Ends before its child does, which never does.
pub struct Guardian(pub Calls);

#[workflow(Begin => Done)]
impl Guardian {
    #[step]
    async fn split(&self, ev: Begin) -> (Left, Right) {
        (Left { n: ev.n }, Right { n: ev.n })
    }
    #[step]
    async fn run(&self, left: Left, ctx: Context) -> Result<Option<Done>> {
        ctx.write_event_to_stream(note("begins"));
        let begin = Begin { n: left.n };
        let done = match left.n {
            2 => ctx.run_child(Secret(self.0.clone()), begin).await?,
            _ => ctx.run_child(Endless(self.0.clone()), begin).await?,
        };
        Ok(Some(done))
    }
    #[step(waits(Go))]
    async fn end(&self, _right: Right, ctx: Context) -> Result<Option<Done>> {
        let go = ctx.wait_for_event::<Go>().await?;
        Ok(Some(done(go.who)))
    }
}

/// Waits for ever. It is not registered: only the step that runs it knows it.
pub struct Secret(pub Calls);

#[workflow(Begin => Done)]
impl Secret {
    #[step(waits(Other))]
    async fn wait(&self, _ev: Begin, ctx: Context) -> Result<Done> {
        self.0.make(&ctx, "before").await?;
        ctx.write_event_to_stream(note("waits"));
        ctx.wait_for_event::<Other>().await?;
        Ok(done("never"))
    }
}

/// Gives a child up, and ends long after that.
pub struct Abandons(pub Calls);

#[workflow(Begin => Done)]
impl Abandons {
    #[step]
    async fn run(&self, ev: Begin, ctx: Context) -> Result<Item> {
        let child = ctx.run_child(Endless(self.0.clone()), Begin { n: ev.n });
        let given_up = tokio::time::timeout(Duration::from_secs(5), child).await.is_err();
        ctx.write_event_to_stream(note(given_up));
        Ok(Item { n: ev.n })
    }
    #[step(waits(Go))]
    async fn end(&self, _item: Item, ctx: Context) -> Result<Done> {
        let go = ctx.wait_for_event::<Go>().await?;
        Ok(done(go.who))
    }
}
