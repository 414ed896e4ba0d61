//! The trace that requests belong to.

use std::fmt;
use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::TraceError;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What a `traceparent` of version 00 is cut into.
const FIELDS: [usize; 4] = [2, 32, 16, 2];

/// A place in a trace, as requests say it: the headers `traceparent` and `tracestate` of
/// [W3C Trace Context](https://www.w3.org/TR/trace-context/). What a request starts, sends or answers belongs to this trace.
///
/// ```
/// use stepcast_client::TraceHeaders;
///
/// let trace = TraceHeaders::new("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some("vendor=x"))?;
/// assert_eq!(trace.tracestate(), Some("vendor=x"));
/// assert!(TraceHeaders::new("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None).is_err());
/// # Ok::<(), stepcast_client::TraceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceHeaders {
    parent: HeaderValue,
    state: Option<HeaderValue>,
}

impl TraceHeaders {
    /// The headers with these values. A `tracestate` that no header can have is left out: what it says is an extra.
    ///
    /// # Errors
    /// When the first text is no `traceparent`.
    pub fn new(traceparent: impl AsRef<str>, tracestate: Option<&str>) -> Result<Self, TraceError> {
        let text = traceparent.as_ref();
        let parent = HeaderValue::from_str(text).ok().filter(|_| is_traceparent(text));
        let parent = parent.ok_or_else(|| TraceError { text: text.to_owned() })?;
        let state = tracestate.filter(|state| !state.is_empty()).and_then(|state| HeaderValue::from_str(state).ok());
        Ok(TraceHeaders { parent, state })
    }

    /// The header `traceparent`.
    pub fn traceparent(&self) -> &str {
        self.parent.to_str().unwrap_or_default()
    }

    /// The header `tracestate`, if there is one.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_ref()?.to_str().ok()
    }

    fn into_map(self) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(TRACEPARENT, self.parent)]);
        headers.extend(self.state.map(|state| (TRACESTATE, state)));
        headers
    }
}

/// Whether a server would read it. A version that is not known yet may have more fields.
fn is_traceparent(text: &str) -> bool {
    let mut fields = text.splitn(FIELDS.len() + 1, '-');
    let digits = |field: &str| field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut next = |length| fields.next().filter(|field| field.len() == length && digits(field));
    let [version, trace, span, flags] = FIELDS.map(&mut next);
    let (Some(version), Some(trace), Some(span), Some(_)) = (version, trace, span, flags) else { return false };
    let zeros = |id: &str| id.bytes().all(|digit| digit == b'0');
    !zeros(trace) && !zeros(span) && version != "ff" && (version != "00" || fields.next().is_none())
}

/// Where a client takes the trace of a request from.
#[derive(Clone, Default)]
pub(crate) enum Traces {
    #[default]
    None,
    One(Box<TraceHeaders>),
    Asked(Arc<Ask>),
}

/// Says which trace a request belongs to that is made now.
pub(crate) type Ask = dyn Fn() -> Option<TraceHeaders> + Send + Sync;

impl Traces {
    /// The headers of a request that is made now.
    pub(crate) fn headers(&self) -> Option<HeaderMap> {
        let trace = match self {
            Traces::None => None,
            Traces::One(trace) => Some(TraceHeaders::clone(trace)),
            Traces::Asked(ask) => ask(),
        };
        trace.map(TraceHeaders::into_map)
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Traces::None => f.write_str("None"),
            Traces::One(trace) => trace.fmt(f),
            Traces::Asked(_) => f.write_str("Asked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn a_traceparent_is_told_from_other_texts() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for text in [good, &good.replacen("00", "cc", 1), &format!("cc{}-what", &good[2..])] {
            assert!(is_traceparent(text), "{text}");
        }
        let bad = [
            "",
            "nonsense",
            &good[..54],
            &format!("{good}-more"),
            &format!("{good}0"),
            &good.to_uppercase(),
            &good.replacen("00", "ff", 1),
            &good.replace('-', "_"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01what",
        ];
        for text in bad {
            assert!(!is_traceparent(text), "{text}");
        }
    }
}
