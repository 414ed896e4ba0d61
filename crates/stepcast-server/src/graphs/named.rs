//! The graph that a path names.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::error::ApiError;
use crate::error::extract::Path;

/// The name of a graph. The path `/graphs/validate` has no parameter, and is that of the graph `validate`.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        // What cannot be decoded is refused by the extractor that all routes have.
        let fixed = params.is_ok_and(|params| !params.iter().any(|(name, _)| name == "id"));
        match fixed {
            true => Ok(Named("validate".to_owned())),
            false => Path::from_request_parts(parts, state).await.map(|Path(id)| Named(id)),
        }
    }
}
