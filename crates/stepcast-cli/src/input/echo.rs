//! What is typed without being shown.

use std::io::{IsTerminal, Write, stdin};

use crate::error::CliError;

/// As long as it is there, the terminal shows nothing of what is typed but the end of the line. Only on Unix; elsewhere
/// it is shown.
pub(crate) struct NoEcho {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl NoEcho {
    #[cfg(unix)]
    pub(crate) fn begin() -> NoEcho {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        // What is no terminal shows nothing anyway.
        let before = tcgetattr(stdin()).ok();
        if let Some(before) = &before {
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            quiet.local_modes.insert(LocalModes::ECHONL);
            let _ = tcsetattr(stdin(), OptionalActions::Now, &quiet);
        }
        NoEcho { before }
    }

    #[cfg(not(unix))]
    pub(crate) fn begin() -> NoEcho {
        NoEcho {}
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(stdin(), rustix::termios::OptionalActions::Now, before);
        }
    }
}

/// Asks for a value on this terminal, which does not show it.
pub(super) fn ask_hidden(name: &str) -> Result<String, CliError> {
    let nobody = || CliError::new("SC0007", format!("`{name}` is asked for, and nobody is here to type it."));
    if !stdin().is_terminal() {
        return Err(nobody());
    }
    let _hidden = NoEcho::begin();
    let mut out = anstream::stderr().lock();
    out.write_all(format!("{name}: ").as_bytes())?;
    out.flush()?;
    drop(out);
    let mut line = String::new();
    match stdin().read_line(&mut line)? {
        0 => Err(nobody()),
        _ => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
    }
}
