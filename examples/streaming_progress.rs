//! Streaming: logged events have numbers and can be read again from anywhere; ephemeral ones only pass by.

use stepcast::prelude::*;
use stepcast::{EventKind, EventStream, LogEvent, LogLevel, PhaseEvent, StreamStart};

#[event(start)]
struct Prompt {
    text: String,
}

/// A piece of the answer, shown while it is made. Nobody needs it again once the answer is there.
#[event]
struct Token {
    text: String,
}

/// A progress report that every reader should see, late ones too.
#[event]
struct Progress {
    words: usize,
}

#[event(stop)]
struct Answer {
    text: String,
}

#[step(streams(Token, Progress))]
async fn answer(prompt: Prompt, ctx: Context) -> Answer {
    ctx.phase("reading");
    if prompt.text.ends_with('!') {
        ctx.log(LogLevel::Warn, "the prompt is impatient");
    }
    ctx.phase("writing");
    let words = ["Patience", "is", "a", "virtue."];
    for (at, word) in words.iter().enumerate() {
        ctx.write_ephemeral(Token { text: (*word).to_owned() });
        tokio::task::yield_now().await;
        if at % 2 == 1 {
            ctx.write_event_to_stream(Progress { words: at + 1 });
        }
    }
    Answer { text: words.join(" ") }
}

flow!(Talk: Prompt => Answer { answer });

async fn show(who: &str, mut events: EventStream) {
    while let Some(item) = events.next().await {
        let StreamItem::Event(item) = item else { continue };
        let number = if item.kind == EventKind::Logged { item.seq.to_string() } else { "-".to_owned() };
        let event = item.event;
        if let Some(phase) = event.get::<PhaseEvent>() {
            println!("{who} {number} == {}", phase.name);
        } else if let Some(log) = event.get::<LogEvent>() {
            println!("{who} {number} {:?}: {}", log.level, log.message);
        } else if let Some(token) = event.get::<Token>() {
            println!("{who} {number} {}", token.text);
        } else if let Some(progress) = event.get::<Progress>() {
            println!("{who} {number} {} words", progress.words);
        } else {
            println!("{who} {number} {}: the end", event.tag());
        }
    }
}

// On one thread the run begins when `main` waits, so the live reader misses no token.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Talk.run(Prompt { text: "Hurry up!".to_owned() });
    show("live", run.stream_events()).await;

    // The run has ended; the logged events are still there, from any number on.
    show("late", run.stream_from(StreamStart::After(3))).await;

    println!("{}", run.await?.text);
    Ok(())
}
