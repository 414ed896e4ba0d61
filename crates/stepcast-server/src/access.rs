//! What a request may do.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

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
}

impl<S: Sync> FromRequestParts<S> for Access {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}
