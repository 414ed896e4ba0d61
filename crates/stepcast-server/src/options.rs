//! How a server differs from the default one.

use std::time::Duration;

/// How a [`Server`](crate::Server) differs from the default one.
///
/// ```
/// use std::time::Duration;
/// use stepcast_server::ServerOptions;
///
/// let options = ServerOptions::new().heartbeat(Duration::from_secs(5)).max_runs(1_000);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub(crate) heartbeat: Duration,
    pub(crate) keep_ended: usize,
    pub(crate) max_runs: Option<usize>,
    pub(crate) record_internal: bool,
    pub(crate) mirror_outcome: bool,
    pub(crate) default_cursor_start: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            heartbeat: Duration::from_secs(10),
            keep_ended: 1_000,
            max_runs: None,
            record_internal: false,
            mirror_outcome: false,
            default_cursor_start: false,
        }
    }
}

impl ServerOptions {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a stream is silent before a comment keeps its connection open. Default 10 s.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every.max(Duration::from_millis(1));
        self
    }

    /// How many runs that have ended stay readable where the runtime has no backend. Default 1,000; a backend keeps all.
    #[must_use]
    pub fn keep_ended(mut self, runs: usize) -> Self {
        self.keep_ended = runs;
        self
    }

    /// The most runs that may be alive at once; starting another is refused with 429. No bound by default.
    #[must_use]
    pub fn max_runs(mut self, runs: usize) -> Self {
        self.max_runs = Some(runs);
        self
    }

    /// Whether runs keep the runtime's own frames (step state changes) for those who subscribe later with
    /// `include_internal`. Off by default: then such a subscriber sees them from its subscription on.
    #[must_use]
    pub fn record_internal(mut self, record: bool) -> Self {
        self.record_internal = record;
        self
    }

    /// Whether `GET /handlers/{id}` answers with 500 for a failed or cancelled run and 202 for a running one, as the
    /// LlamaIndex server does. Off by default: the record of a run can be read, so the answer is 200.
    #[must_use]
    pub fn mirror_outcome(mut self, mirror: bool) -> Self {
        self.mirror_outcome = mirror;
        self
    }

    /// Whether `GET /events/{id}` without `after_sequence` begins with the first event instead of with what comes from
    /// now on. Off by default, as in the LlamaIndex server.
    #[must_use]
    pub fn default_cursor_start(mut self, start: bool) -> Self {
        self.default_cursor_start = start;
        self
    }
}
