//! What comes in texts: statuses, cursors, ids, numbers.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use stepcast::backend::RunStatus;
use stepcast::{RunId, StreamStart};

use crate::error::ApiError;

/// The most that one page holds.
const MAX_PAGE: usize = 1_000;
/// What a page holds unless it says so.
const PAGE: usize = 100;
/// The longest id of a run, in characters.
const MAX_ID: usize = 128;

/// Words that other systems have for the same.
fn status_of(word: &str) -> Option<RunStatus> {
    let word = match word {
        "pending" | "active" => "running",
        "paused" => "waiting",
        "succeeded" | "done" => "completed",
        "errored" | "error" => "failed",
        "canceled" => "cancelled",
        "timeout" => "timed_out",
        word => word,
    };
    RunStatus::named(word)
}

/// The statuses that a query names, each alone or as a list with commas.
pub(super) fn statuses<'a>(given: impl IntoIterator<Item = &'a str>) -> Result<Vec<RunStatus>, ApiError> {
    let mut statuses = Vec::new();
    for word in list(given) {
        let status = status_of(word).ok_or_else(|| {
            let known: Vec<_> = RunStatus::ALL.into_iter().map(|status| format!("`{}`", status.name())).collect();
            wrong("status", word, &format!("one of {}", known.join(", ")))
        })?;
        if !statuses.contains(&status) {
            statuses.push(status);
        }
    }
    Ok(statuses)
}

/// Words with commas between them.
pub(super) fn list<'a>(given: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    given.into_iter().flat_map(|words| words.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

/// A value of the query that is not what it must be.
pub(super) fn wrong(param: &str, found: &str, expected: &str) -> ApiError {
    let detail = format!("The query parameter `{param}` must be {expected}, not `{}`.", shortened(found));
    ApiError::bad_request("invalid_query_param", detail).with("param", param)
}

pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// How many a page holds.
pub(crate) fn page(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit {
        None => Ok(PAGE),
        Some(limit @ 1..=MAX_PAGE) => Ok(limit),
        Some(other) => Err(wrong("limit", &other.to_string(), &format!("a number from 1 to {MAX_PAGE}"))),
    }
}

/// A cursor as clients see it: opaque to them.
pub(crate) fn cursor_text(kind: char, cursor: u64) -> String {
    format!("{kind}{cursor:x}")
}

/// The cursor of a text that [`cursor_text`] made for the same list.
pub(crate) fn cursor_of(kind: char, text: &str) -> Result<u64, ApiError> {
    let digits = text.strip_prefix(kind).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let cursor = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    cursor.ok_or_else(|| {
        let detail = format!("`{}` is no cursor of this list; use `next_cursor` of the page before.", shortened(text));
        ApiError::bad_request("invalid_cursor", detail).with("param", "cursor")
    })
}

/// An id that a caller chose for a run.
pub(crate) fn chosen_id(id: &str) -> Result<RunId, ApiError> {
    let wrong = |what: &str| {
        let detail = format!("`{}` cannot be the id of a run: {what}.", shortened(id).escape_debug());
        Err(ApiError::bad_request("invalid_run_id", detail))
    };
    match id {
        "" => wrong("it is empty"),
        _ if id.chars().count() > MAX_ID => wrong(&format!("it has more than {MAX_ID} characters")),
        _ if !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b'\\') => {
            wrong("it has something else than ASCII letters, digits and marks, or a slash")
        }
        "." | ".." => wrong("it means a folder in a path"),
        _ => Ok(RunId::from(id)),
    }
}

/// The number of an input, from `n` or `<run>/n`.
pub(crate) fn input_number(run: &RunId, text: &str) -> Result<u64, ApiError> {
    let number = text.strip_prefix(run.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
    number.parse().map_err(|_| {
        let detail = format!("The run `{run}` has no input `{}`; an input is named by its number.", shortened(text));
        ApiError::not_found("input_not_found", detail).of_run(run)
    })
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum After {
    /// After this event.
    Seq(u64),
    /// With what comes from now on.
    Now,
    /// With the first event.
    #[default]
    Beginning,
}

impl After {
    pub(super) fn of(text: &str) -> Option<Self> {
        match text {
            "now" => Some(After::Now),
            "-1" => Some(After::Beginning),
            text => text.parse().ok().map(After::Seq),
        }
    }

    /// Where to subscribe to a run that has ended or has not.
    pub(crate) fn start(self, ended: bool) -> StreamStart {
        match self {
            After::Beginning | After::Seq(0) => StreamStart::Beginning,
            After::Seq(seq) => StreamStart::After(seq),
            // The last event of a run that has ended is there for whoever begins now.
            After::Now if ended => StreamStart::After(u64::MAX),
            After::Now => StreamStart::Now,
        }
    }
}

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A number, or a text.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Seq(u64),
            Text(String),
        }
        match Given::deserialize(deserializer)? {
            Given::Seq(seq) => Ok(After::Seq(seq)),
            Given::Text(text) => {
                After::of(&text).ok_or_else(|| D::Error::custom("`after` is the number of an event, or `now`"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_by_its_own_list_only() {
        assert_eq!(cursor_of('r', &cursor_text('r', u64::MAX)).ok(), Some(u64::MAX));
        for wrong in ["", "r", "i1", "r-1", "r+1", "rfffffffffffffffff", "r1 ", "rß"] {
            assert!(cursor_of('r', wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_of_other_systems_are_understood() {
        let read = statuses(["succeeded, paused", "done", "errored"]).unwrap_or_default();
        assert_eq!(read, [RunStatus::Completed, RunStatus::Waiting, RunStatus::Failed]);
        assert!(statuses(["nonsense"]).is_err());
        for status in RunStatus::ALL {
            assert_eq!(status_of(status.name()), Some(status));
        }
    }

    #[test]
    fn a_chosen_id_fits_into_paths_and_headers() {
        for good in ["a", "order-17", "team:x@y.z", &"x".repeat(128)] {
            assert!(chosen_id(good).is_ok(), "{good}");
        }
        for wrong in ["", "a b", "a/b", "a\nb", "ä", "..", &"x".repeat(129)] {
            assert!(chosen_id(wrong).is_err(), "{wrong}");
        }
    }
}
