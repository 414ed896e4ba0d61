//! A workflow of two steps: it runs, its events stream to the terminal, its result prints.

use stepcast::prelude::*;

#[event(start)]
struct Topic {
    topic: String,
}

#[event]
struct Joke {
    text: String,
}

#[event]
struct Progress {
    percent: u32,
}

#[event(stop)]
struct Critique {
    joke: String,
    verdict: String,
}

struct JokeFlow {
    opening: String,
}

#[workflow(Topic => Critique)]
impl JokeFlow {
    #[step(retry(attempts = 3, backoff = "200ms"), timeout = "30s")]
    async fn write(&self, ev: Topic, ctx: Context) -> Result<Joke> {
        ctx.write_event_to_stream(Progress { percent: 50 });
        if ev.topic.is_empty() {
            return Err(StepError::msg("a joke needs a topic").fatal());
        }
        Ok(Joke { text: format!("{} {} walk into a bar.", self.opening, ev.topic) })
    }

    #[step]
    async fn review(&self, joke: Joke, ctx: Context) -> Critique {
        ctx.write_event_to_stream(Progress { percent: 100 });
        let verdict = if joke.text.len() < 40 { "short and sweet" } else { "too long" };
        Critique { joke: joke.text, verdict: verdict.to_owned() }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let flow = JokeFlow { opening: "Two".to_owned() };
    let run = flow.run(Topic { topic: "pirates".to_owned() });

    let mut events = run.stream_events();
    while let Some(item) = events.next().await {
        if let StreamItem::Event(item) = item {
            println!("event {}: {:?}", item.seq, item.event);
        }
    }

    let critique = run.await?;
    println!("{} ({})", critique.joke, critique.verdict);
    Ok(())
}
