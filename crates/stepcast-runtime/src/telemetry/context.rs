//! A place in a trace, as W3C Trace Context writes it.

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tracing::Span;

use super::tracer;

/// The longest `tracestate` that is kept, in bytes: what the specification asks everybody to pass on.
const LONGEST_STATE: usize = 512;
/// `sampled` and `random`: the flags of version 00. Others are not passed on.
const KNOWN_FLAGS: u8 = 0b11;

tokio::task_local! {
    static SCOPE: TraceContext;
}

/// Whether anybody has ever opened a scope: a look at this is cheaper than one at the task's own.
static SCOPES: AtomicBool = AtomicBool::new(false);

/// A place in a distributed trace: what the headers `traceparent` and `tracestate` of
/// [W3C Trace Context](https://www.w3.org/TR/trace-context/) say.
///
/// A run keeps the context that it was started in, across pauses and processes. It is given with
/// [`RunOptions::trace`](crate::RunOptions::trace), or taken from the [scope](Self::scope) or the span in which the run is
/// started; events and answers that are sent in a scope or span bring it along too.
///
/// ```
/// use stepcast_runtime::TraceContext;
///
/// let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context: TraceContext = header.parse()?;
/// assert!(context.is_sampled());
/// assert_eq!(context.traceparent(), header);
/// assert!("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01".parse::<TraceContext>().is_err());
/// # Ok::<(), stepcast_runtime::ParseTraceContextError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
    state: Option<Arc<str>>,
}

/// A text is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The text is no traceparent: {what}. Expected is a text like \
     00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 (W3C Trace Context)."
)]
pub struct ParseTraceContextError {
    what: &'static str,
}

impl TraceContext {
    /// A context of its parts; `None` if one of the ids is all zeros, which stands for no trace.
    pub fn from_parts(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Option<Self> {
        let known = trace_id != [0; 16] && span_id != [0; 8];
        known.then_some(TraceContext { trace: trace_id, span: span_id, flags: flags & KNOWN_FLAGS, state: None })
    }

    /// The same with a `tracestate`. One that is empty, longer than 512 bytes or not plain ASCII is left out: what it says
    /// is an extra.
    #[must_use]
    pub fn with_tracestate(mut self, state: &str) -> Self {
        let state = state.trim_matches([' ', '\t']);
        let plain = state.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t');
        let fits = !state.is_empty() && state.len() <= LONGEST_STATE && plain && state.contains('=');
        self.state = fits.then(|| Arc::from(state));
        self
    }

    /// The id of the trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace
    }

    /// The id of the span.
    pub fn span_id(&self) -> [u8; 8] {
        self.span
    }

    /// The flags: bit 0 is `sampled`, bit 1 `random`.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// The header `traceparent`.
    pub fn traceparent(&self) -> String {
        self.to_string()
    }

    /// The header `tracestate`, if there is one.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The context that what is started, sent and answered here belongs to: that of the current `tracing` span, if there is
    /// a [`Tracer`](crate::Tracer) that knows it; else that of the [scope](Self::scope).
    #[inline]
    pub fn current() -> Option<Self> {
        let of_span = tracer().and_then(|tracer| tracer.context(&Span::current()));
        // Whoever is in a scope has seen it opened.
        of_span.or_else(|| SCOPES.load(Ordering::Relaxed).then(|| SCOPE.try_with(Clone::clone).ok())?)
    }

    /// Runs a future in this context: runs that are started in it, and events and answers that are sent in it, belong to
    /// this trace. It is for who receives a context from elsewhere; inside a span that a [`Tracer`](crate::Tracer) knows,
    /// the span counts.
    ///
    /// ```
    /// # use stepcast::prelude::*;
    /// # use stepcast::{Runtime, TraceContext};
    /// # #[event(start)] struct Ping;
    /// # #[event(stop)] struct Pong { traceparent: Option<String> }
    /// #[step]
    /// async fn answer(_ping: Ping, ctx: Context) -> Pong {
    ///     Pong { traceparent: ctx.trace_context().map(|context| context.traceparent()) }
    /// }
    /// # flow!(Echo: Ping => Pong { answer });
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// let context: TraceContext = header.parse()?;
    /// let pong = context.scope(async { Echo.run(Ping).await }).await?;
    /// assert_eq!(pong.traceparent.as_deref(), Some(header));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        SCOPES.store(true, Ordering::Relaxed);
        SCOPE.scope(self, future).await
    }

    /// Both headers as one text, as runs keep it.
    pub(crate) fn to_text(&self) -> String {
        match &self.state {
            None => self.to_string(),
            Some(state) => format!("{self} {state}"),
        }
    }

    /// The reverse of `to_text`. What is kept and cannot be read is no reason to fail: a trace is an extra.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (parent, state) = text.split_once(' ').unwrap_or((text, ""));
        Some(parent.parse::<TraceContext>().ok()?.with_tracestate(state))
    }
}

impl fmt::Display for TraceContext {
    /// The header `traceparent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({})", self.to_text())
    }
}

impl FromStr for TraceContext {
    type Err = ParseTraceContextError;

    /// Reads a header `traceparent`. A version later than 00 is read as far as it is known, as the specification asks.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |what| ParseTraceContextError { what };
        let (bytes, cut) = (text.as_bytes(), "it is not cut into fields of 2, 32, 16 and 2 digits");
        if bytes.len() < 55 || [2, 35, 52].iter().any(|at| bytes[*at] != b'-') {
            return Err(bad(cut));
        }
        let [version] = hex(&bytes[0..2]).ok_or(bad("its version is not two hexadecimal digits in lower case"))?;
        let more = bytes.len() > 55;
        if version == 0xff || (version == 0 && more) || (more && bytes[55] != b'-') {
            return Err(bad("its version is not known, or does not have so many fields"));
        }
        let trace = hex(&bytes[3..35]).ok_or(bad("its trace id is not of hexadecimal digits in lower case"))?;
        let span = hex(&bytes[36..52]).ok_or(bad("its span id is not of hexadecimal digits in lower case"))?;
        let [flags] = hex(&bytes[53..55]).ok_or(bad("its flags are not two hexadecimal digits in lower case"))?;
        TraceContext::from_parts(trace, span, flags).ok_or(bad("one of its ids is all zeros"))
    }
}

/// The bytes of hexadecimal digits in lower case.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

impl Serialize for TraceContext {
    /// As one text: `traceparent`, and after a space `tracestate`, if there is one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for TraceContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let (parent, state) = text.split_once(' ').unwrap_or((&text, ""));
        let context = parent.parse::<TraceContext>().map_err(serde::de::Error::custom)?;
        Ok(context.with_tracestate(state))
    }
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn headers_are_read_as_the_specification_says() {
        let read = |text: &str| text.parse::<TraceContext>().ok().map(|context| context.traceparent());
        assert_eq!(read(HEADER).as_deref(), Some(HEADER));
        // A later version is read as far as it is known, and flags that are not known are not passed on.
        assert_eq!(read(&HEADER.replacen("00", "cc", 1)).as_deref(), Some(HEADER));
        assert_eq!(read(&format!("cc{}-more", &HEADER[2..])).as_deref(), Some(HEADER));
        assert_eq!(read(&format!("{}ff", &HEADER[..53])), Some(format!("{}03", &HEADER[..53])));
        let bad = [
            String::new(),
            "-".repeat(55),
            "é".repeat(28),
            HEADER.to_uppercase(),
            format!("{HEADER}-more"),
            format!("{HEADER} "),
            HEADER[..54].to_owned(),
            format!("ff{}", &HEADER[2..]),
            format!("cc{}x", &HEADER[2..]),
            HEADER.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            HEADER.replace("b7ad6b7169203331", &"0".repeat(16)),
            HEADER.replace("b7ad6b7169203331", "b7ad6b716920333g"),
        ];
        for text in bad {
            assert_eq!(read(&text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_kept_is_read_back() {
        let plain: TraceContext = HEADER.parse().unwrap_or_else(|error| panic!("{error}"));
        let full = plain.clone().with_tracestate(" vendor=a b, other=1 ");
        assert_eq!(full.tracestate(), Some("vendor=a b, other=1"));
        for context in [plain.clone(), full] {
            assert_eq!(TraceContext::from_text(&context.to_text()), Some(context.clone()));
            let json = serde_json::to_value(&context).unwrap_or_default();
            assert_eq!(serde_json::from_value::<TraceContext>(json).ok(), Some(context));
        }
        for state in ["", "plain", "a=\u{e9}", "a=1\n", &"a=1,".repeat(200)] {
            assert_eq!(plain.clone().with_tracestate(state), plain, "{state:?}");
        }
        assert_eq!(TraceContext::from_text("damaged"), None);
    }
}
