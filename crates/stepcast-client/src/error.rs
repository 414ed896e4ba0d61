//! What goes wrong between a client and its server.

use serde::Deserialize;
use serde_json::Value;
use stepcast_core::DecodeEventError;
use stepcast_core::backend::RunStatus;

use crate::model::Fault;

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The text is not the address of a server.
    #[error("`{url}` is not the address of a server; it has the form `http://host:port`.")]
    Url {
        /// What was given.
        url: String,
    },
    /// An address of `https`, without the feature that brings it.
    #[error(
        "`{url}` is reached over TLS, which this program was built without; add the feature `tls` of `stepcast-client`."
    )]
    NoTls {
        /// What was given.
        url: String,
    },
    /// A token holds what no header may hold.
    #[error("The token holds characters that a header cannot carry; a token is plain ASCII without spaces.")]
    Token,
    /// The HTTP client could not be set up.
    #[error("The HTTP client cannot be set up: {0}.")]
    Http(#[source] reqwest::Error),
}

/// A text is no `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no traceparent; expected is a text like 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 (W3C \
     Trace Context)."
)]
#[non_exhaustive]
pub struct TraceError {
    /// The text.
    pub text: String,
}

/// A request had no success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server was not reached, or the connection broke. Whether the request was carried out is not known.
    #[error("The server at {url} could not be asked: {source}.")]
    Transport {
        /// The address.
        url: String,
        /// What broke.
        #[source]
        source: reqwest::Error,
    },
    /// The server refused.
    #[error("{detail} (HTTP {status})")]
    Refused {
        /// The status of the response.
        status: u16,
        /// The refusal's stable code, as `run_not_found`; empty from another kind of server.
        code: String,
        /// What is wrong, for people.
        detail: String,
        /// Everything that the server said of it.
        problem: Box<Value>,
    },
    /// The answer is not what a stepcast server gives.
    #[error("The server's answer to {what} cannot be read: {source}. Is it a stepcast server of this version?")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
    /// The event cannot be written as JSON.
    #[error("The event `{tag}` cannot be written as JSON: {source}.")]
    Event {
        /// The event's tag.
        tag: &'static str,
        /// What serde found.
        #[source]
        source: serde_json::Error,
    },
}

/// A stream broke for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The server refused it.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The connection broke too often in a row.
    #[error("The stream of the run `{run}` broke {attempts} times without an event in between: {source}.")]
    GaveUp {
        /// The run.
        run: String,
        /// How often it was tried.
        attempts: u32,
        /// What broke last.
        #[source]
        source: Box<RequestError>,
    },
    /// Events are gone: the server keeps fewer than were missed.
    #[error("The events {from} to {to} of the run `{run}` are not kept any more.")]
    Lagged {
        /// The run.
        run: String,
        /// The first that is missed.
        from: u64,
        /// The last that is missed.
        to: u64,
    },
}

/// A run gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// The server could not be asked.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The run's end could not be waited for.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The run ended without a stop event.
    #[error("The run `{run}` ended as {}: {}.", status.name(), fault.message)]
    Ended {
        /// The run.
        run: String,
        /// How it ended.
        status: RunStatus,
        /// Why.
        fault: Box<Fault>,
    },
    /// The stop event is of another type.
    #[error(transparent)]
    Decode(#[from] DecodeEventError),
}

impl RequestError {
    /// The stable code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            RequestError::Refused { code, .. } if !code.is_empty() => Some(code),
            _ => None,
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            RequestError::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same request may have success later: the server was not reached, is busy or is about to end.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            RequestError::Transport { source, .. } => !source.is_builder(),
            RequestError::Refused { status, .. } => matches!(status, 429 | 502..=504),
            _ => false,
        }
    }

    /// Of a response that is no success.
    pub(crate) fn refused(status: u16, body: &str) -> Self {
        #[derive(Deserialize)]
        struct Problem {
            #[serde(default)]
            code: String,
            detail: String,
        }
        let problem: Value = serde_json::from_str(body).unwrap_or_default();
        let (code, detail) = match Problem::deserialize(&problem) {
            Ok(problem) => (problem.code, problem.detail),
            Err(_) => (String::new(), body.chars().take(200).collect()),
        };
        RequestError::Refused { status, code, detail, problem: Box::new(problem) }
    }
}
