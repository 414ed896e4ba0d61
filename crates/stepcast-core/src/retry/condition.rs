use std::any::type_name;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::ops::{BitAnd, BitOr, Not};
use std::sync::Arc;

use crate::StepError;

/// An error whose `source` leads back to itself would otherwise hold the runner for ever.
const LONGEST_CHAIN: usize = 1_000;

/// Which errors are worth another attempt. Combined with `|`, `&` and `!`.
///
/// A condition only ever narrows: an error that is not [retryable](StepError::is_retryable) is never retried,
/// whatever the condition says.
///
/// ```
/// use std::io;
/// use stepcast_core::{Condition, StepError};
///
/// let transient = Condition::error_is::<io::Error>() & !Condition::message_contains("denied");
/// let reset: StepError = io::Error::other("connection reset").into();
/// let denied: StepError = io::Error::other("access denied").into();
/// assert!(transient.matches(&reset));
/// assert!(!transient.matches(&denied));
/// ```
#[derive(Clone)]
pub struct Condition(Rule);

#[derive(Clone)]
enum Rule {
    Always,
    Never,
    Is(TypeTest),
    CausedBy(TypeTest),
    MessageIs(Cow<'static, str>),
    MessageContains(Cow<'static, str>),
    Predicate(Arc<dyn Fn(&StepError) -> bool + Send + Sync>),
    Not(Box<Condition>),
    AnyOf(Vec<Condition>),
    AllOf(Vec<Condition>),
}

#[derive(Clone, Copy)]
struct TypeTest {
    matches: fn(&(dyn Error + 'static)) -> bool,
    name: fn() -> &'static str,
}

impl TypeTest {
    fn of<T: Error + 'static>() -> Self {
        TypeTest { matches: |error| error.is::<T>(), name: type_name::<T> }
    }
}

impl Condition {
    /// Every error.
    pub fn any_error() -> Self {
        Condition(Rule::Always)
    }

    /// No error.
    pub fn never() -> Self {
        Condition(Rule::Never)
    }

    /// Errors of type `T`. What caused the error is not looked at; see [`caused_by`](Condition::caused_by).
    pub fn error_is<T: Error + 'static>() -> Self {
        Condition(Rule::Is(TypeTest::of::<T>()))
    }

    /// Errors of every type but `T`.
    pub fn not_error_is<T: Error + 'static>() -> Self {
        !Condition::error_is::<T>()
    }

    /// Errors with a `T` among their causes: the [sources](Error::source), at any depth, but not the error itself.
    ///
    /// Only the nearest 1,000 causes are looked at.
    ///
    /// ```
    /// use stepcast_core::{Condition, StepError};
    ///
    /// #[derive(Debug)]
    /// struct BadReply(std::num::ParseIntError);
    /// impl std::fmt::Display for BadReply {
    ///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    ///         f.write_str("bad reply")
    ///     }
    /// }
    /// impl std::error::Error for BadReply {
    ///     fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
    ///         Some(&self.0)
    ///     }
    /// }
    ///
    /// let error: StepError = BadReply("x".parse::<u8>().unwrap_err()).into();
    /// assert!(Condition::caused_by::<std::num::ParseIntError>().matches(&error));
    /// assert!(!Condition::caused_by::<BadReply>().matches(&error));
    /// ```
    pub fn caused_by<T: Error + 'static>() -> Self {
        Condition(Rule::CausedBy(TypeTest::of::<T>()))
    }

    /// Errors whose message is exactly this text.
    pub fn message_is(text: impl Into<Cow<'static, str>>) -> Self {
        Condition(Rule::MessageIs(text.into()))
    }

    /// Errors whose message contains this text, in the case given. The empty text is in every message.
    pub fn message_contains(text: impl Into<Cow<'static, str>>) -> Self {
        Condition(Rule::MessageContains(text.into()))
    }

    /// Errors for which `test` gives `true`; for regular expressions, status codes and the like.
    ///
    /// The step runner asks it once per failed attempt and records the verdict, so it may be anything but slow. A
    /// panic in it is the caller's to catch.
    ///
    /// ```
    /// use stepcast_core::{Condition, StepError};
    ///
    /// let short = Condition::predicate(|error| error.to_string().len() < 5);
    /// assert!(short.matches(&StepError::msg("busy")));
    /// ```
    pub fn predicate(test: impl Fn(&StepError) -> bool + Send + Sync + 'static) -> Self {
        Condition(Rule::Predicate(Arc::new(test)))
    }

    /// Errors that at least one of the conditions takes; of no conditions, none. The same as `a | b | ..`.
    pub fn any_of(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Condition(Rule::AnyOf(conditions.into_iter().collect()))
    }

    /// Errors that every one of the conditions takes; of no conditions, every error. The same as `a & b & ..`.
    pub fn all_of(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Condition(Rule::AllOf(conditions.into_iter().collect()))
    }

    /// Whether the condition takes this error. Parts are asked from left to right until the answer is known.
    pub fn matches(&self, error: &StepError) -> bool {
        match &self.0 {
            Rule::Always => true,
            Rule::Never => false,
            Rule::Is(test) => (test.matches)(error.source()),
            Rule::CausedBy(test) => error.chain().skip(1).take(LONGEST_CHAIN).any(test.matches),
            Rule::MessageIs(text) => error.to_string() == **text,
            Rule::MessageContains(text) => error.to_string().contains(&**text),
            Rule::Predicate(test) => test(error),
            Rule::Not(inner) => !inner.matches(error),
            Rule::AnyOf(parts) => parts.iter().any(|part| part.matches(error)),
            Rule::AllOf(parts) => parts.iter().all(|part| part.matches(error)),
        }
    }
}

impl Default for Condition {
    fn default() -> Self {
        Condition::any_error()
    }
}

impl BitOr for Condition {
    type Output = Condition;

    fn bitor(self, other: Condition) -> Condition {
        match self.0 {
            Rule::AnyOf(mut parts) => {
                parts.push(other);
                Condition(Rule::AnyOf(parts))
            }
            rule => Condition(Rule::AnyOf(vec![Condition(rule), other])),
        }
    }
}

impl BitAnd for Condition {
    type Output = Condition;

    fn bitand(self, other: Condition) -> Condition {
        match self.0 {
            Rule::AllOf(mut parts) => {
                parts.push(other);
                Condition(Rule::AllOf(parts))
            }
            rule => Condition(Rule::AllOf(vec![Condition(rule), other])),
        }
    }
}

impl Not for Condition {
    type Output = Condition;

    fn not(self) -> Condition {
        match self.0 {
            Rule::Not(inner) => *inner,
            rule => Condition(Rule::Not(Box::new(Condition(rule)))),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Always => f.write_str("any_error"),
            Rule::Never => f.write_str("never"),
            Rule::Is(test) => write!(f, "error_is({})", (test.name)()),
            Rule::CausedBy(test) => write!(f, "caused_by({})", (test.name)()),
            Rule::MessageIs(text) => write!(f, "message_is({text:?})"),
            Rule::MessageContains(text) => write!(f, "message_contains({text:?})"),
            Rule::Predicate(_) => f.write_str("predicate"),
            Rule::Not(inner) => write!(f, "!{inner:?}"),
            Rule::AnyOf(parts) => joined(f, parts, " | "),
            Rule::AllOf(parts) => joined(f, parts, " & "),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Condition], operator: &str) -> fmt::Result {
    f.write_str("(")?;
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { operator })?;
        fmt::Debug::fmt(part, f)?;
    }
    f.write_str(")")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {0}")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("middle")]
    struct Middle(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner;

    #[derive(Debug)]
    struct Ouroboros;

    impl fmt::Display for Ouroboros {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tail")
        }
    }

    impl Error for Ouroboros {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }

    fn outer() -> StepError {
        Outer(Middle(Inner)).into()
    }

    #[test]
    fn types_are_told_apart_from_causes() {
        assert!(Condition::error_is::<Outer>().matches(&outer()));
        assert!(!Condition::error_is::<Inner>().matches(&outer()));
        assert!(!Condition::not_error_is::<Outer>().matches(&outer()));
        assert!(Condition::not_error_is::<Inner>().matches(&outer()));
        assert!(Condition::caused_by::<Inner>().matches(&outer()));
        assert!(Condition::caused_by::<Middle>().matches(&outer()));
        assert!(!Condition::caused_by::<Outer>().matches(&outer()));
    }

    #[test]
    fn a_circular_chain_of_causes_ends() {
        assert!(Condition::caused_by::<Ouroboros>().matches(&Ouroboros.into()));
        assert!(!Condition::caused_by::<Inner>().matches(&Ouroboros.into()));
    }

    #[test]
    fn messages() {
        assert!(Condition::message_is("outer: middle").matches(&outer()));
        assert!(!Condition::message_is("outer").matches(&outer()));
        assert!(Condition::message_contains("mid").matches(&outer()));
        assert!(!Condition::message_contains("MID").matches(&outer()));
        assert!(Condition::message_contains(String::new()).matches(&outer()));
    }

    #[test]
    fn nothing_combined_is_neutral() {
        assert!(!Condition::any_of([]).matches(&outer()));
        assert!(Condition::all_of([]).matches(&outer()));
    }

    #[test]
    fn later_parts_are_not_asked_once_the_answer_is_known() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let counting = Condition::predicate(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            true
        });
        assert!((Condition::any_error() | counting.clone()).matches(&outer()));
        assert!(!(Condition::never() & counting.clone()).matches(&outer()));
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        assert!((Condition::never() | counting).matches(&outer()));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn debug_reads_as_written() {
        let condition = !Condition::message_contains("a\"b") & (Condition::never() | Condition::error_is::<Inner>());
        let text = format!("{condition:?}");
        assert!(text.starts_with("(!message_contains(\"a\\\"b\") & (never | error_is("), "{text}");
        assert!(text.ends_with("::Inner)))"), "{text}");
    }

    #[derive(Clone, Debug)]
    enum Formula {
        Leaf(bool),
        Not(Box<Formula>),
        Or(Box<Formula>, Box<Formula>),
        And(Box<Formula>, Box<Formula>),
    }

    impl Formula {
        fn truth(&self) -> bool {
            match self {
                Formula::Leaf(value) => *value,
                Formula::Not(a) => !a.truth(),
                Formula::Or(a, b) => a.truth() | b.truth(),
                Formula::And(a, b) => a.truth() & b.truth(),
            }
        }

        fn condition(&self) -> Condition {
            match self {
                Formula::Leaf(true) => Condition::any_error(),
                Formula::Leaf(false) => Condition::never(),
                Formula::Not(a) => !a.condition(),
                Formula::Or(a, b) => a.condition() | b.condition(),
                Formula::And(a, b) => a.condition() & b.condition(),
            }
        }
    }

    fn formula() -> impl Strategy<Value = Formula> {
        any::<bool>().prop_map(Formula::Leaf).prop_recursive(6, 64, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|a| Formula::Not(Box::new(a))),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| Formula::Or(Box::new(a), Box::new(b))),
                (inner.clone(), inner).prop_map(|(a, b)| Formula::And(Box::new(a), Box::new(b))),
            ]
        })
    }

    proptest! {
        #[test]
        fn operators_are_those_of_logic(formula in formula()) {
            prop_assert_eq!(formula.condition().matches(&outer()), formula.truth());
        }
    }
}
