//! `stepcast doctor`: whether the store is in order, and what to do where it is not.

mod disk;
mod look;

use serde_json::json;

use super::Outcome;
use crate::app::App;
use crate::exit::Exit;
use crate::out::{self, CYAN, DIM, GREEN, RED, YELLOW, paint};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Do not read every run; only what is quickly looked at
    #[arg(long)]
    quick: bool,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// In order.
    Good,
    /// Worth knowing; nobody has to do anything.
    Note,
    /// Somebody should do something.
    Attention,
    /// Broken.
    Bad,
}

/// What was looked at, and what was found.
#[derive(Debug)]
struct Finding {
    verdict: Verdict,
    what: &'static str,
    text: String,
    help: Option<String>,
}

impl Finding {
    fn new(verdict: Verdict, what: &'static str, text: impl Into<String>) -> Finding {
        Finding { verdict, what, text: text.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Finding {
        Finding { help: Some(help.into()), ..self }
    }
}

pub(crate) fn execute(app: &App, args: &Args) -> Outcome {
    let found = look::look(app, args.quick)?;
    let attention = found.iter().any(|finding| matches!(finding.verdict, Verdict::Attention | Verdict::Bad));
    if app.json {
        for finding in &found {
            out::json(&json!({
                "check": finding.what, "verdict": word(finding.verdict), "text": finding.text, "help": finding.help,
            }))?;
        }
    } else {
        found.iter().try_for_each(show)?;
        let verdict = match attention {
            true => paint(YELLOW, "Something needs attention."),
            false => paint(GREEN, "Everything is in order."),
        };
        out::line(verdict)?;
    }
    Ok(if attention { Exit::Failed } else { Exit::Completed })
}

fn show(finding: &Finding) -> std::io::Result<()> {
    let (mark, style) = match finding.verdict {
        Verdict::Good => ("ok  ", GREEN),
        Verdict::Note => ("note", DIM),
        Verdict::Attention => ("look", YELLOW),
        Verdict::Bad => ("bad ", RED),
    };
    out::line(format!("{}  {:<10} {}", paint(style, mark), finding.what, paint_first(&finding.text)))?;
    match &finding.help {
        Some(help) => out::line(format!("                 {}: {help}", paint(CYAN, "help"))),
        None => Ok(()),
    }
}

/// Further lines of a text stand below its first.
fn paint_first(text: &str) -> String {
    text.replace('\n', "\n                 ")
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "ok",
        Verdict::Note => "note",
        Verdict::Attention => "attention",
        Verdict::Bad => "bad",
    }
}
