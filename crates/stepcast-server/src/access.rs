//! What a request may do.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::error::ApiError;
use crate::ops::Caller;

/// What a request may do and see. Without tokens everybody may do everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything.
    #[default]
    Full,
    /// Look only, and see no secret field.
    ReadOnly,
}

impl Access {
    /// Whether secret fields are shown.
    pub(crate) fn sees_secrets(self) -> bool {
        self == Access::Full
    }

    /// Refuses who may only look.
    pub(crate) fn may_change(self) -> Result<(), ApiError> {
        match self {
            Access::Full => Ok(()),
            Access::ReadOnly => {
                let detail = "This token may only read.";
                Err(ApiError::new(StatusCode::FORBIDDEN, "read_only", detail))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Access {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Caller>().map(|caller| caller.access).unwrap_or_default())
    }
}
