//! A person in the loop: the run asks, waits as long as it takes, and goes on with the answer.

use std::io::{BufRead, IsTerminal, Write};

use stepcast::prelude::*;

#[event(start)]
struct Draft {
    text: String,
}

/// The question. It is published on the run's stream and needs no step that takes it.
#[event(input_required)]
struct Question {
    prompt: String,
}

/// The answer. It comes from outside and needs no step that gives it.
#[event(human_response)]
struct Reply {
    text: String,
}

#[event(stop)]
struct Published {
    text: String,
    rounds: u32,
}

struct Editor;

#[workflow(Draft => Published)]
impl Editor {
    /// Waiting takes no worker, no task and no thread; the answer may come after a minute or after a month.
    #[step(waits(Reply))]
    async fn edit(&self, draft: Draft, ctx: Context) -> Result<Published> {
        let mut text = draft.text;
        for rounds in 1.. {
            let prompt = format!("\"{text}\" - publish it? (yes, or a better text)");
            let reply = ctx.wait_for_event::<Reply>().announce(Question { prompt }).await?;
            if reply.text == "yes" {
                return Ok(Published { text, rounds });
            }
            text = reply.text;
        }
        Err(StepError::msg("a person who is never content"))
    }
}

/// Asks on the terminal; without one the answers come from a script.
fn ask(prompt: &str, script: &mut impl Iterator<Item = &'static str>) -> std::io::Result<String> {
    print!("{prompt} ");
    std::io::stdout().flush()?;
    let stdin = std::io::stdin();
    let mut line = String::new();
    if stdin.is_terminal() && stdin.lock().read_line(&mut line)? > 0 {
        return Ok(line.trim().to_owned());
    }
    let scripted = script.next().unwrap_or("yes");
    println!("{scripted}");
    Ok(scripted.to_owned())
}

#[tokio::main]
async fn main() -> Result<()> {
    let run = Editor.run(Draft { text: "Helo, world".to_owned() });
    let mut script = ["Hello, world", "yes"].into_iter();

    let mut events = run.stream_events();
    while let Some(item) = events.next().await {
        if item.get::<Question>().is_none() {
            continue;
        }
        // Every question is a pending input with an id: who answers need not be who reads the stream.
        for input in run.pending_inputs().await {
            let Some(question) = input.input.event.as_ref().and_then(|event| event.get::<Question>()) else { continue };
            let text = ask(&question.prompt, &mut script)?;
            run.respond(&input.id, Reply { text }).await?;
        }
    }

    let published = run.await?;
    println!("published after {} rounds: {}", published.rounds, published.text);
    Ok(())
}
