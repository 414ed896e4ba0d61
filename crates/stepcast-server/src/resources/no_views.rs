//! The views of graphs, where the server is built without graphs: there are none.

use std::convert::Infallible;
use std::iter::Empty;

use axum::response::Response;
use stepcast::{RunId, StreamEvent, StreamStart};

use super::stream::Form;
use super::texts::After;
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::runs::Follow;

#[derive(Clone, Debug)]
pub(crate) struct Modes(Infallible);

#[derive(Debug)]
pub(crate) struct Shown(Infallible);

impl Modes {
    pub(crate) fn read(_: &str) -> Result<Self, ApiError> {
        let detail = "This server has no graphs, and shows no views: leave `modes` out.";
        Err(ApiError::bad_request("invalid_query_param", detail).with("param", "modes"))
    }

    pub(crate) fn listed(_: &[String]) -> Result<Self, ApiError> {
        let detail = "This server has no graphs, and shows no views: leave `modes` out.";
        Err(ApiError::bad_request("invalid_frame", detail))
    }

    pub(crate) fn are_internal(&self) -> bool {
        match self.0 {}
    }
}

impl Shown {
    pub(crate) fn new(modes: Modes, _: Access, _: bool) -> Self {
        match modes.0 {}
    }

    pub(crate) fn is_internal(&self) -> bool {
        match self.0 {}
    }

    pub(crate) async fn begin(&mut self, _: &App, _: &RunId, _: After) -> Result<StreamStart, ApiError> {
        match self.0 {}
    }

    pub(crate) fn item(&mut self, _: &RunId, _: &StreamEvent) -> Empty<()> {
        match self.0 {}
    }
}

pub(super) fn respond(_: &App, _: &RunId, _: Follow, shown: Shown, _: Form) -> Response {
    match shown.0 {}
}
