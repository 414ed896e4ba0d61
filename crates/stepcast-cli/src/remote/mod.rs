//! A server in place of a store: what it has is read as a store is, and its runs are driven there.

mod drive;
pub(crate) mod graphs;
mod records;
mod store;

use stepcast_client::{Client, RequestError, ResultError, StreamError};

pub(crate) use self::drive::{follow, start};
pub(crate) use self::store::ServerStore;
use crate::error::CliError;

/// The client of a server that was named by the options.
pub(crate) fn client(url: &str, token: Option<&str>) -> Result<Client, CliError> {
    let mut builder = Client::builder(url).reconnects(5);
    if let Some(token) = token {
        builder = builder.token(token);
    }
    if let Some(name) = crate::commands::answer::user() {
        builder = builder.answers_as(name);
    }
    builder.build().map_err(|error| CliError::new("SC0110", error.to_string()))
}

impl From<RequestError> for CliError {
    fn from(error: RequestError) -> CliError {
        let code = match (&error, error.code()) {
            (RequestError::Transport { .. }, _) => return unreached(error),
            (_, Some("run_not_found")) => "SC0030",
            (_, Some("run_ended")) => "SC0031",
            (_, Some("run_exists")) => "SC0038",
            (_, Some("workflow_not_found")) => "SC0040",
            (_, Some("workflow_exists")) => "SC0123",
            (_, Some("workflow_removed")) => "SC0124",
            (_, Some("graph_version_exists")) => "SC0126",
            (_, Some("graph_not_found")) => "SC0128",
            (_, Some("invalid_start_event")) => "SC0045",
            (_, Some("input_not_found")) => "SC0050",
            (_, Some("answer_does_not_fit" | "answer_filtered")) => "SC0058",
            (_, Some("answer_not_a_choice")) => "SC0056",
            _ => "SC0111",
        };
        CliError::new(code, error.to_string())
    }
}

fn unreached(error: RequestError) -> CliError {
    let mut told = CliError::new("SC0110", error.to_string());
    let mut cause = std::error::Error::source(&error).and_then(std::error::Error::source);
    while let Some(deeper) = cause {
        told = told.cause(deeper);
        cause = deeper.source();
    }
    told
}

impl From<StreamError> for CliError {
    fn from(error: StreamError) -> CliError {
        match error {
            StreamError::Request(error) => error.into(),
            StreamError::GaveUp { source, .. } => (*source).into(),
            error => CliError::new("SC0111", error.to_string()),
        }
    }
}

impl From<ResultError> for CliError {
    fn from(error: ResultError) -> CliError {
        match error {
            ResultError::Request(error) => error.into(),
            ResultError::Stream(error) => error.into(),
            error => CliError::new("SC0111", error.to_string()),
        }
    }
}
