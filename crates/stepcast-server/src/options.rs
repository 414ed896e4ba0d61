//! How a server differs from the default one.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::HeaderValue;

use crate::access::Access;
use crate::ops::rate::Rate;
use crate::ops::token::Token;

/// The longest time that is reckoned with: as good as for ever, and no clock overflows.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How a [`Server`](crate::Server) differs from the default one.
///
/// No time is longer than ten years: a longer one, as `Duration::MAX`, counts as that.
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
    pub(crate) tokens: Vec<Token>,
    pub(crate) insecure: bool,
    /// Set by a server without tokens that listens on a loopback address.
    pub(crate) only_local_names: bool,
    pub(crate) ticket_life: Duration,
    pub(crate) sign_in: Option<Duration>,
    pub(crate) origins: Origins,
    pub(crate) rate: Option<Rate>,
    pub(crate) max_body: usize,
    pub(crate) max_depth: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) max_header: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) max_connections: usize,
    pub(crate) shutdown_deadline: Duration,
    #[cfg(feature = "graphs")]
    pub(crate) graphs: Option<stepcast_graph::Graphs>,
}

/// Pages of which origins may use the server, beside its own.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    Any,
    Listed(Vec<HeaderValue>),
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
            tokens: Vec::new(),
            insecure: false,
            only_local_names: false,
            ticket_life: Duration::from_secs(30),
            sign_in: None,
            origins: Origins::Listed(Vec::new()),
            rate: None,
            max_body: 2 << 20,
            max_depth: 100,
            body_timeout: Duration::from_secs(30),
            max_header: 64 << 10,
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            shutdown_deadline: Duration::from_secs(20),
            #[cfg(feature = "graphs")]
            graphs: None,
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
        self.heartbeat = every.clamp(Duration::from_millis(1), LONGEST);
        self
    }

    /// How many runs that have ended stay readable where the runtime has no backend, at least; the oldest of them go first, one or
    /// two with each start. Default 1,000; a backend keeps all.
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

    /// Takes requests with this bearer token, for everything. May be called for several tokens. As soon as there is a token,
    /// full or read-only, nobody comes in without one; only `/health` and `/ready` stay open. None by default.
    #[must_use]
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        self.tokens.push(Token::new(token.as_ref(), Access::Full));
        self
    }

    /// Takes requests with this bearer token that only look: GET requests and open streams, in which secret fields are
    /// covered. May be called for several tokens.
    #[must_use]
    pub fn read_only_token(mut self, token: impl AsRef<str>) -> Self {
        self.tokens.push(Token::new(token.as_ref(), Access::ReadOnly));
        self
    }

    /// Listens on any address without a token. Whoever reaches the address can then start, read and cancel every run.
    #[must_use]
    pub fn insecure(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// How long a ticket from `POST /tickets` can be used. Default 30 s.
    #[must_use]
    pub fn ticket_life(mut self, life: Duration) -> Self {
        self.ticket_life = life.min(LONGEST);
        self
    }

    /// Lets people sign in with a token on the page `/sign-in`. For this time, or until `/sign-out`, a cookie then stands for the
    /// token in what their browser sends for pages of the server's own origin: for pages that cannot send a token. It counts for
    /// no other origin, listed or not. Off by default; where the server has no tokens it does nothing.
    #[must_use]
    pub fn browser_sign_in(mut self, life: Duration) -> Self {
        self.sign_in = Some(life.min(LONGEST));
        self
    }

    /// Lets pages of another origin use the server, as `https://app.example`: scheme, host and port as a browser sends
    /// them. May be called for several. None by default: requests from pages of other origins are refused. What cannot be a
    /// header's value is never sent by a browser and is left out.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl AsRef<str>) -> Self {
        if let (Origins::Listed(listed), Ok(origin)) = (&mut self.origins, HeaderValue::from_str(origin.as_ref())) {
            listed.push(origin);
        }
        self
    }

    /// Lets pages of any origin use the server. Set a token with it: else every page that a visitor's browser opens can.
    #[must_use]
    pub fn allow_any_origin(mut self) -> Self {
        self.origins = Origins::Any;
        self
    }

    /// The most requests per second of each caller, with so many at once; more are refused with 429. A caller is a token, or
    /// without tokens an address; where a router is nested and does not know its peers, all of them are one. No limit by
    /// default.
    #[must_use]
    pub fn rate_limit(mut self, per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        self.rate = Some(Rate { per_second: per_second.get().into(), burst: burst.get().into() });
        self
    }

    /// The largest body of a request, in bytes; larger ones are refused with 413. Default 2 MiB.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How deep JSON in a body may be nested. Default 100; 127 at most.
    #[must_use]
    pub fn max_depth(mut self, levels: usize) -> Self {
        self.max_depth = levels.min(127);
        self
    }

    /// How long a request's body may take to arrive; then the answer is 408. Default 30 s.
    #[must_use]
    pub fn body_timeout(mut self, time: Duration) -> Self {
        self.body_timeout = time.min(LONGEST);
        self
    }

    /// The largest head of a request, in bytes; larger ones are refused with 431. Default 64 KiB, 8 KiB at least. Like the
    /// options below it is of a server that listens by itself; a nested router leaves it to the server that it is in.
    #[must_use]
    pub fn max_header(mut self, bytes: usize) -> Self {
        self.max_header = bytes.max(8 << 10);
        self
    }

    /// How long a request's head may take to arrive, and how long a connection may idle between two requests; then it is
    /// closed. Default 30 s.
    #[must_use]
    pub fn header_timeout(mut self, time: Duration) -> Self {
        self.header_timeout = time.min(LONGEST);
        self
    }

    /// How long a client may take nothing of what is sent to it; then its connection is closed. A stream that is cut off so
    /// can be read on from where it was. Default 30 s.
    #[must_use]
    pub fn write_timeout(mut self, time: Duration) -> Self {
        self.write_timeout = time.min(LONGEST);
        self
    }

    /// The most connections at a time; more wait until one closes. Default 10,000.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        self
    }

    /// How long a server that is told to end may take to answer what it was asked and to bring its runs to rest; then
    /// connections are cut off, and runs that no backend keeps are cancelled. Default 20 s.
    #[must_use]
    pub fn shutdown_deadline(mut self, time: Duration) -> Self {
        self.shutdown_deadline = time.min(LONGEST);
        self
    }

    /// Shows graphs below `/graphs`, where clients with full access may put and remove them. They have to be those of the
    /// server's own runtime, since that is where their runs begin. None by default: then there are no such routes.
    #[cfg(feature = "graphs")]
    #[must_use]
    pub fn graphs(mut self, graphs: stepcast_graph::Graphs) -> Self {
        self.graphs = Some(graphs);
        self
    }
}
