//! Calls that are made once, whose results other runs share, and that a budget can refuse.

use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use stepcast::prelude::*;
use stepcast::{Budget, CallCache, CallError, Effect, Usage};

#[event(start)]
struct Topic {
    topic: String,
}

#[event(stop)]
struct Article {
    text: String,
}

/// What a model gives: a text, and what it took.
#[derive(Clone, Serialize, Deserialize)]
struct Reply {
    text: String,
    tokens_in: u64,
    tokens_out: u64,
}

impl Reply {
    fn usage(&self) -> Usage {
        // Money is a whole number of millionths: 3 for a token in, 15 for one out.
        Usage::new(self.tokens_in, self.tokens_out).with_cost_micros(self.tokens_in * 3 + self.tokens_out * 15)
    }
}

async fn model(prompt: &str) -> Result<Reply> {
    println!("  the model is asked to {prompt}");
    Ok(Reply { text: prompt.to_uppercase(), tokens_in: prompt.len() as u64, tokens_out: 40 })
}

/// Publishing works only the second time.
static PUBLISHED: AtomicU32 = AtomicU32::new(0);

struct Writer;

#[workflow(Topic => Article)]
impl Writer {
    #[step(retry(attempts = 2, backoff = "1ms"))]
    async fn write(&self, ev: Topic, ctx: Context) -> Result<Article> {
        let mut text = String::new();
        for part in ["outline", "draft"] {
            let prompt = format!("{part} {}", ev.topic);
            // The prompt is the key: any run with the same prompt may have the reply.
            let call = ctx.call(part, || model(&prompt)).key(&prompt).estimate(Usage::new(20, 50)).usage(Reply::usage);
            match call.await {
                Ok(reply) => text = reply.text,
                Err(error @ CallError::BudgetExhausted { .. }) => println!("  {error}"),
                Err(error) => return Err(error.into()),
            }
        }
        // It changes something, so it is never shared; and it is not done again once it worked.
        ctx.call("publish", || publish(&text)).effect(Effect::Write).await?;
        Ok(Article { text })
    }
}

async fn publish(text: &str) -> Result<()> {
    match PUBLISHED.fetch_add(1, Ordering::Relaxed) {
        0 => Err(StepError::msg("the printer is out of paper")),
        _ => {
            println!("  published: {text}");
            Ok(())
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let cache = CallCache::memory(100);
    for (id, topic, budget) in [("first", "pirates", 1_000), ("second", "pirates", 0), ("third", "parrots", 100)] {
        println!("{id}: {topic}, with a budget of {budget} tokens");
        let options = RunOptions::new().run_id(id).record_internal();
        let options = options.call_cache(cache.clone()).budget(Budget::new().tokens(budget));
        let run = Writer.run_with(Topic { topic: topic.to_owned() }, options);
        let article = run.result().await?;
        for call in run.calls() {
            println!("  {:<8} {:<8} {}", call.label, format!("{:?}", call.status).to_lowercase(), call.reason);
        }
        println!("  {:?} took {}", article.text, run.usage());
    }
    Ok(())
}
