use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;

use stepcast::{Result, Runtime};
use stepcast_graph::Host;

use crate::app::Register;
use crate::exit::Exit;

/// The command for a binary of one's own, with what it has beside the workflows that are linked into it.
///
/// ```no_run
/// use serde_json::json;
/// use stepcast::Context;
/// use stepcast_cli::Setup;
/// use stepcast_graph::{Host, Job};
///
/// fn main() -> std::process::ExitCode {
///     let writer = |job: Job, _: Context| async move { Ok(json!({ "text": job.prompt })) };
///     Setup::new().graph_host(Host::new().runner("writer", ["write"], writer)).main()
/// }
/// ```
#[derive(Default)]
pub struct Setup {
    pub(crate) register: Option<Register>,
    pub(crate) host: Option<Host>,
}

impl Setup {
    /// Nothing but what is linked in.
    pub fn new() -> Self {
        Setup::default()
    }

    /// Workflows that are registered by hand: the function is called at most once, by commands that need workflows.
    #[must_use]
    pub fn workflows(mut self, register: impl FnOnce(&Runtime) -> Result<()> + Send + 'static) -> Self {
        self.register = Some(Box::new(register));
        self
    }

    /// What graphs may use by name: runners, functions, workflows, other graphs. Without it they have the linked `#[step]`
    /// functions.
    #[must_use]
    pub fn graph_host(mut self, host: Host) -> Self {
        self.host = Some(host);
        self
    }

    /// The command, with the arguments of this process.
    pub fn main(self) -> ExitCode {
        crate::start(std::env::args_os(), self).into()
    }

    /// The command with these arguments; the first is the name of the program.
    pub fn run_from<T: Into<OsString> + Clone>(self, args: impl IntoIterator<Item = T>) -> Exit {
        crate::start(args, self)
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("host", &self.host).finish_non_exhaustive()
    }
}
