//! Tickets: what a browser's `EventSource` or `WebSocket`, which cannot set headers, shows in place of a token.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dashmap::DashMap;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::token::{Caller, hash};
use crate::app::App;
use crate::error::ApiError;
use crate::wire::time;

/// The most tickets that may wait to be used.
const BOUND: usize = 10_000;

/// Tickets that were given out and not used yet, by the hash of their text.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    open: DashMap<[u8; 32], (Caller, Instant)>,
}

impl Tickets {
    /// A new ticket that counts once, within this time, for what its owner may do. `None` when too many wait.
    pub(crate) fn mint(&self, owner: Caller, life: Duration) -> Option<String> {
        let now = Instant::now();
        if self.open.len() >= BOUND {
            self.open.retain(|_, (_, until)| *until > now);
        }
        let mut bytes = [0; 32];
        if self.open.len() >= BOUND || getrandom::fill(&mut bytes).is_err() {
            return None;
        }
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.open.insert(hash(&text), (owner, now + life));
        Some(text)
    }

    /// Whose ticket it is, which stays.
    pub(crate) fn look(&self, text: &str) -> Option<Caller> {
        let (owner, until) = *self.open.get(&hash(text))?;
        (until > Instant::now()).then_some(owner)
    }

    /// Takes a ticket out.
    pub(crate) fn redeem(&self, text: &str) -> Option<Caller> {
        let (_, (owner, until)) = self.open.remove(&hash(text))?;
        (until > Instant::now()).then_some(owner)
    }
}

/// The ticket in a query text. It is hexadecimal, so nothing in it is escaped.
pub(crate) fn shown(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("ticket="))
}

/// A ticket.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ticket {
    /// To be sent as `?ticket=`.
    ticket: String,
    /// When it counts no more.
    expires_at: String,
}

/// Gives a ticket that stands for the token of this request, once and for a short time.
#[utoipa::path(
    post,
    path = "/tickets",
    tag = "operations",
    responses((status = 201, description = "The ticket.", body = Ticket)),
)]
pub(crate) async fn mint(State(app): State<App>, caller: Caller) -> Response {
    let life = app.options.ticket_life;
    let Some(ticket) = app.gate.tickets.mint(caller, life) else {
        let detail = "Too many tickets wait to be used. Try again when some have expired.";
        return ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tickets", detail)
            .retry_after(life)
            .into_response();
    };
    let life = u64::try_from(life.as_micros()).unwrap_or(u64::MAX);
    let expires_at = time::text(time::now().saturating_add(life));
    (StatusCode::CREATED, Json(Ticket { ticket, expires_at })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;

    const OWNER: Caller = Caller { access: Access::ReadOnly, token: Some(3) };
    const LIFE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_ticket_counts_once_and_for_its_owner() {
        let tickets = Tickets::default();
        let one = tickets.mint(OWNER, LIFE).unwrap_or_default();
        let other = tickets.mint(OWNER, LIFE).unwrap_or_default();
        assert_ne!(one, other);
        assert_eq!(tickets.redeem(&one), Some(OWNER));
        assert_eq!(tickets.redeem(&one), None);
        assert_eq!(tickets.redeem("00"), None);
        tokio::time::advance(LIFE).await;
        assert_eq!(tickets.redeem(&other), None, "its time is over");
    }

    #[tokio::test(start_paused = true)]
    async fn unused_tickets_do_not_pile_up() {
        let tickets = Tickets::default();
        assert!((0..BOUND).all(|_| tickets.mint(OWNER, LIFE).is_some()));
        assert!(tickets.mint(OWNER, LIFE).is_none());
        tokio::time::advance(LIFE).await;
        assert!(tickets.mint(OWNER, LIFE).is_some());
        assert_eq!(tickets.open.len(), 1);
    }

    #[test]
    fn a_ticket_is_found_in_the_query() {
        assert_eq!(shown(Some("sse=true&ticket=ab12&x=1")), Some("ab12"));
        assert_eq!(shown(Some("aticket=ab12")), None);
        assert_eq!(shown(None), None);
    }
}
