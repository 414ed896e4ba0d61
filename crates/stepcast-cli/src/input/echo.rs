//! What is typed without being shown.

use std::io::{IsTerminal, Write, stdin};

use crate::error::CliError;
use crate::out;

/// As long as it is there, the terminal shows nothing of what is typed but the end of the line.
pub(crate) struct NoEcho(Option<terminal::Mode>);

impl NoEcho {
    pub(crate) fn begin() -> NoEcho {
        let before = terminal::hide();
        // What is no terminal shows nothing anyway.
        if before.is_err() && stdin().is_terminal() {
            out::note("This terminal cannot hide what is typed: it is shown.");
        }
        NoEcho(before.ok())
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        if let Some(before) = self.0.take() {
            terminal::show(before);
        }
    }
}

#[cfg(unix)]
mod terminal {
    use std::io::{self, stdin};

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    pub(super) type Mode = Termios;

    /// Gives how it was before.
    pub(super) fn hide() -> io::Result<Mode> {
        let before = tcgetattr(stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin(), OptionalActions::Now, &quiet)?;
        Ok(before)
    }

    pub(super) fn show(before: Mode) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}

#[cfg(windows)]
mod terminal {
    use std::io;

    use winapi_util::HandleRef;
    use winapi_util::console::{mode, set_mode};

    /// `ENABLE_ECHO_INPUT` of the console's input. Lines and Ctrl-C are left to the console, as they were.
    const ECHO: u32 = 0x0004;

    pub(super) type Mode = u32;

    /// Gives how it was before.
    pub(super) fn hide() -> io::Result<Mode> {
        let before = mode(HandleRef::stdin())?;
        set_mode(HandleRef::stdin(), before & !ECHO)?;
        Ok(before)
    }

    pub(super) fn show(before: Mode) {
        let _ = set_mode(HandleRef::stdin(), before);
        // Without an echo, the console does not show the end of the line either.
        let _ = io::Write::write_all(&mut anstream::stderr().lock(), b"\n");
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
