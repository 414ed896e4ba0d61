//! Bearer tokens: who may do everything, and who may look.

use std::fmt;

use axum::http::{HeaderMap, StatusCode, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::access::Access;
use crate::error::ApiError;

/// A token that the server takes. Only its hash is kept, so that neither logs nor a dump of memory give it away, and
/// that comparing takes the same time whatever its length.
#[derive(Clone)]
pub(crate) struct Token {
    hash: [u8; 32],
    access: Access,
}

impl Token {
    pub(crate) fn new(text: &str, access: Access) -> Self {
        Token { hash: hash(text), access }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("access", &self.access).finish_non_exhaustive()
    }
}

/// What a request proved to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) access: Access,
    /// Which of the tokens it showed.
    pub(crate) token: Option<usize>,
}

impl Caller {
    /// Everybody, where the server has no tokens.
    pub(crate) const ANYBODY: Caller = Caller { access: Access::Full, token: None };
}

pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Finds the token that was shown, in a time that does not tell which one it resembles.
pub(crate) fn find(tokens: &[Token], shown: &str) -> Option<Caller> {
    let shown = hash(shown);
    let mut found = None;
    for (index, token) in tokens.iter().enumerate() {
        if bool::from(token.hash.ct_eq(&shown)) {
            found = Some(Caller { access: token.access, token: Some(index) });
        }
    }
    found
}

/// The token in `Authorization: Bearer …`, if there is one.
pub(crate) fn shown(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// What a refusal asks for.
pub(crate) const CHALLENGE: &str = "Bearer realm=\"stepcast\"";

/// The request showed no token that counts.
pub(crate) fn unauthorized(shown: bool) -> ApiError {
    let (code, detail, challenge) = match shown {
        false => (
            "token_missing",
            "This server wants a token: send `Authorization: Bearer <token>`, or a ticket from `POST /tickets` as \
             `?ticket=` where headers cannot be set.",
            CHALLENGE,
        ),
        true => (
            "token_unknown",
            "The token or ticket is not valid here. A ticket counts once and for a short time: get another one from \
             `POST /tickets`.",
            "Bearer realm=\"stepcast\", error=\"invalid_token\"",
        ),
    };
    ApiError::new(StatusCode::UNAUTHORIZED, code, detail).header(header::WWW_AUTHENTICATE, challenge)
}

/// The token may look only.
pub(crate) fn read_only() -> ApiError {
    let detail = "This token may only look: it can send GET requests and open streams. Use a token with full access.";
    ApiError::new(StatusCode::FORBIDDEN, "token_read_only", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_known_by_its_whole_text() {
        let tokens = [Token::new("alpha", Access::Full), Token::new("beta", Access::ReadOnly)];
        assert_eq!(find(&tokens, "alpha"), Some(Caller { access: Access::Full, token: Some(0) }));
        assert_eq!(find(&tokens, "beta"), Some(Caller { access: Access::ReadOnly, token: Some(1) }));
        for other in ["", "alph", "alphaa", "ALPHA", "gamma"] {
            assert_eq!(find(&tokens, other), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_not_shown_by_its_debug_form() {
        assert!(!format!("{:?}", Token::new("alpha", Access::Full)).contains("alpha"));
    }
}
