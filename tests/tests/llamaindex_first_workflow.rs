//! The program at the top of `docs/coming-from-llamaindex.md`, as it stands there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

// The page's program begins here.
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
    pct: u32,
}

#[event(stop)]
struct Critique {
    verdict: String,
}

struct JokeFlow;

#[workflow(Topic => Critique)]
impl JokeFlow {
    #[step(retry(attempts = 3, backoff = "1s"))]
    async fn write(&self, ev: Topic) -> Result<Joke> {
        Ok(Joke { text: format!("Two {} ...", ev.topic) })
    }

    #[step]
    async fn review(&self, ev: Joke, ctx: Context) -> Critique {
        ctx.write_event_to_stream(Progress { pct: 50 });
        Critique { verdict: format!("fine: {}", ev.text) }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let run = JokeFlow.run(Topic { topic: "pirates".into() });
    let mut events = run.stream_events();
    while let Some(item) = events.next().await {
        println!("{item:?}");
    }
    assert_eq!(run.await?.verdict, "fine: Two pirates ...");
    Ok(())
}
// The page's program ends here.

#[test]
fn the_page_s_program_runs() {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(main().map_err(|error| error.to_string())));
    ended.recv_timeout(std::time::Duration::from_secs(60)).expect("it hangs").unwrap();
}
