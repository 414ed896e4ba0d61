//! Asks a question on the terminal, field by field.

use std::io::{Write, stderr};

use serde_json::{Value, json};

use super::Question;
use crate::error::CliError;
use crate::input::{Field, NoEcho, blame};
use crate::out::{self, BOLD, DIM, RED, YELLOW, paint};

/// A question that is being asked.
pub(super) struct Asking {
    pub(super) question: Question,
    prompts: Vec<Field>,
    given: Vec<(String, Value)>,
    at: usize,
    /// While a field is asked for that nobody is to see.
    hidden: Option<NoEcho>,
}

/// What a line came to.
pub(super) enum Took {
    /// Something is still to be given.
    More,
    /// Nobody wants to answer now.
    PutOff,
    /// The answer.
    Answer(Value),
}

impl Asking {
    /// Shows the question and the first prompt.
    pub(super) fn begin(question: Question) -> Asking {
        let mut asking = Asking { prompts: question.prompts(), question, given: Vec::new(), at: 0, hidden: None };
        let text = paint(BOLD, &asking.question.text);
        out::note(format!("\n{} {text}", paint(YELLOW, format!("{} asks:", asking.question.step))));
        asking.prompt();
        asking
    }

    fn prompt(&mut self) {
        let is_secret = self.prompts.get(self.at).is_some_and(|field| field.secret);
        // The one before ends first: it restores what it found.
        self.hidden = None;
        self.hidden = is_secret.then(NoEcho::begin);
        let mut out = anstream::stderr().lock();
        let text = match self.prompts.get(self.at) {
            None => "  press Enter to answer: ".to_owned(),
            Some(field) => {
                if let Some(about) = &field.about {
                    let _ = writeln!(out, "  {}", paint(DIM, about));
                }
                let optional = if field.optional { ", optional" } else { "" };
                format!("  {} ({}{optional}): ", field.name, field.kind.name())
            }
        };
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Takes a line, or the end of the input.
    pub(super) fn take(&mut self, line: Option<String>) -> Took {
        let Some(line) = line else { return Took::PutOff };
        if let Some(field) = self.prompts.get(self.at) {
            let text = line.trim();
            if text.is_empty() && !field.optional {
                out::note(paint(DIM, "  an answer is needed here; Ctrl-D leaves the question open"));
                self.prompt();
                return Took::More;
            }
            if !text.is_empty() {
                match field.kind.read(text).and_then(|value| self.check(field, value)) {
                    Ok(value) => self.given.push((field.name.clone(), value)),
                    Err(why) => {
                        out::note(format!("  {}", paint(RED, why)));
                        self.prompt();
                        return Took::More;
                    }
                }
            }
            self.at += 1;
        }
        if self.at < self.prompts.len() {
            self.prompt();
            return Took::More;
        }
        Took::Answer(self.question.answer(std::mem::take(&mut self.given)))
    }

    /// What the event's own type says of one value.
    fn check(&self, field: &Field, value: Value) -> Result<Value, String> {
        let meta = self.question.expects.filter(|_| self.question.choices.is_empty());
        match meta.and_then(|meta| blame(meta, &json!({ &field.name: &value }))) {
            Some(why) => Err(why),
            None => Ok(value),
        }
    }

    /// Asks again after an answer that was not taken.
    pub(super) fn refused(&self, why: &dyn std::fmt::Display) -> Option<Asking> {
        out::note(format!("  {}", paint(RED, why)));
        Some(Asking::begin(self.question.clone()))
    }
}

/// Asks a question to its end on this terminal; `None` when nobody wants to answer.
pub(crate) fn ask_all(question: Question) -> Result<Option<Value>, CliError> {
    let mut asking = Asking::begin(question);
    let mut lines = std::io::stdin().lines();
    loop {
        let line = lines.next().transpose()?;
        match asking.take(line) {
            Took::More => {}
            Took::Answer(value) => return Ok(Some(value)),
            Took::PutOff => {
                let _ = writeln!(stderr());
                return Ok(None);
            }
        }
    }
}
