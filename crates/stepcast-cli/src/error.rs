//! What a command could not do, as it is told to the user: a code, a sentence, and what helps.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use anstyle::{AnsiColor, Style};
use serde_json::json;

use crate::codes;
use crate::exit::Exit;

/// An error with everything that is shown of it.
#[derive(Debug)]
pub(crate) struct CliError {
    code: &'static str,
    message: String,
    causes: Vec<String>,
    help: Vec<String>,
    exit: Exit,
    /// Whoever reads is gone: nothing is left to say.
    silent: bool,
    bare: bool,
}

impl CliError {
    /// An error by its code in the catalogue, which says how the command ends and what helps if nothing better is
    /// known here.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> CliError {
        let exit = codes::find(code).map_or(Exit::Failed, |doc| doc.exit);
        CliError {
            code,
            message: message.into(),
            causes: Vec::new(),
            help: Vec::new(),
            exit,
            silent: false,
            bare: false,
        }
    }

    /// What the user may do.
    #[must_use]
    pub(crate) fn help(mut self, text: impl Into<String>) -> CliError {
        self.help.push(text.into());
        self
    }

    /// Ends the command so.
    #[must_use]
    pub(crate) fn exit(mut self, exit: Exit) -> CliError {
        self.exit = exit;
        self
    }

    /// Without the help of its code, which would mislead here.
    #[must_use]
    pub(crate) fn no_help(mut self) -> CliError {
        self.bare = true;
        self
    }

    /// What brought it about, where the sentence does not say.
    #[must_use]
    pub(crate) fn cause(mut self, cause: impl Display) -> CliError {
        self.causes.push(cause.to_string());
        self
    }

    /// The code.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Workflows could not be registered by the binary's own code.
    pub(crate) fn setup(error: &stepcast::StepError) -> CliError {
        CliError::new("SC0048", format!("This binary could not register its workflows: {}", error.source()))
    }

    /// A workflow's definition does not check.
    pub(crate) fn definition(error: &stepcast::DefinitionError) -> CliError {
        CliError::new("SC0042", error.to_string())
    }

    /// Tells the user.
    pub(crate) fn report(self, json: bool) -> Exit {
        if self.silent {
            return self.exit;
        }
        let text = if json { self.problem() } else { self.text() };
        let _ = anstream::stderr().lock().write_all(text.as_bytes());
        self.exit
    }

    fn text(&self) -> String {
        let red = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
        let bold = Style::new().bold();
        let mut text = format!("{red}error[{}]{red:#}{bold}: {}{bold:#}\n", self.code, self.message.trim_end());
        for cause in &self.causes {
            text += &format!("  {cause}\n");
        }
        for line in self.helps() {
            let cyan = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
            text += &format!("{cyan}help{cyan:#}: {line}\n");
        }
        text
    }

    /// What helps: what is known here, or else what the code's own line says.
    fn helps(&self) -> Vec<&str> {
        let known = codes::find(self.code).and_then(|doc| doc.help).filter(|_| !self.bare);
        match self.help.is_empty() {
            true => known.into_iter().collect(),
            false => self.help.iter().map(String::as_str).collect(),
        }
    }

    fn problem(&self) -> String {
        let title = codes::find(self.code).map(|doc| doc.title);
        let problem = json!({
            "type": format!("stepcast:{}", self.code), "code": self.code, "title": title, "detail": self.message,
            "causes": self.causes, "help": self.helps(), "exit": self.exit.code(),
        });
        format!("{problem}\n")
    }
}

/// What is written cannot be written, or a thread cannot be made.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> CliError {
        let mut told = CliError::new("SC0006", format!("Nothing could be read or written: {error}."));
        if error.kind() == ErrorKind::BrokenPipe {
            // `stepcast runs | head` is no error.
            told.silent = true;
            told.exit = Exit::Completed;
        }
        told
    }
}
