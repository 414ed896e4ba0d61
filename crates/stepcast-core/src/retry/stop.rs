use std::ops::{BitAnd, BitOr};
use std::time::Duration;

/// When to stop trying. Combined with `|` (whichever comes first) and `&` (only when both say so).
///
/// Times count from the start of the first attempt. Stops are plain data.
///
/// ```
/// use std::time::Duration;
/// use stepcast_core::Stop;
///
/// let stop = Stop::after_attempt(5) | Stop::before_delay(Duration::from_secs(30));
/// assert!(!stop.reached(2, Duration::from_secs(10), Duration::from_secs(5)));
/// assert!(stop.reached(2, Duration::from_secs(28), Duration::from_secs(5)));
/// assert!(stop.reached(5, Duration::from_secs(1), Duration::ZERO));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Never,
    AfterAttempt(u32),
    AfterDelay(Duration),
    BeforeDelay(Duration),
    AnyOf(Vec<Stop>),
    AllOf(Vec<Stop>),
}

impl Stop {
    /// Never: the step is repeated until it succeeds or its run ends.
    pub fn never() -> Self {
        Stop(Kind::Never)
    }

    /// After this many attempts, the first one counted; with 1 or 0 nothing is repeated.
    pub fn after_attempt(attempts: u32) -> Self {
        Stop(Kind::AfterAttempt(attempts))
    }

    /// Once this much time has passed when an attempt fails. The last wait may have gone past it.
    pub fn after_delay(total: Duration) -> Self {
        Stop(Kind::AfterDelay(total))
    }

    /// When this much time will have passed after the coming wait: no attempt begins at or after it.
    pub fn before_delay(total: Duration) -> Self {
        Stop(Kind::BeforeDelay(total))
    }

    /// When at least one of them says so; of none, never. The same as `a | b | ..`.
    pub fn any_of(stops: impl IntoIterator<Item = Stop>) -> Self {
        Stop(Kind::AnyOf(stops.into_iter().collect()))
    }

    /// When every one of them says so; of none, at once. The same as `a & b & ..`.
    pub fn all_of(stops: impl IntoIterator<Item = Stop>) -> Self {
        Stop(Kind::AllOf(stops.into_iter().collect()))
    }

    /// Whether to stop, after so many attempts and so much time, with `upcoming` to wait before the next one.
    pub fn reached(&self, attempts: u32, elapsed: Duration, upcoming: Duration) -> bool {
        match &self.0 {
            Kind::Never => false,
            Kind::AfterAttempt(limit) => attempts >= *limit,
            Kind::AfterDelay(total) => elapsed >= *total,
            Kind::BeforeDelay(total) => elapsed.saturating_add(upcoming) >= *total,
            Kind::AnyOf(stops) => stops.iter().any(|stop| stop.reached(attempts, elapsed, upcoming)),
            Kind::AllOf(stops) => stops.iter().all(|stop| stop.reached(attempts, elapsed, upcoming)),
        }
    }
}

impl BitOr for Stop {
    type Output = Stop;

    fn bitor(self, other: Stop) -> Stop {
        match self.0 {
            Kind::AnyOf(mut stops) => {
                stops.push(other);
                Stop(Kind::AnyOf(stops))
            }
            kind => Stop(Kind::AnyOf(vec![Stop(kind), other])),
        }
    }
}

impl BitAnd for Stop {
    type Output = Stop;

    fn bitand(self, other: Stop) -> Stop {
        match self.0 {
            Kind::AllOf(mut stops) => {
                stops.push(other);
                Stop(Kind::AllOf(stops))
            }
            kind => Stop(Kind::AllOf(vec![Stop(kind), other])),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn limits_are_reached_at_their_value() {
        assert!(!Stop::after_attempt(3).reached(2, Duration::MAX, Duration::MAX));
        assert!(Stop::after_attempt(3).reached(3, Duration::ZERO, Duration::ZERO));
        assert!(Stop::after_attempt(0).reached(1, Duration::ZERO, Duration::ZERO));
        assert!(!Stop::after_delay(SECOND).reached(9, SECOND / 2, 9 * SECOND));
        assert!(Stop::after_delay(SECOND).reached(1, SECOND, Duration::ZERO));
        assert!(!Stop::before_delay(2 * SECOND).reached(9, SECOND, SECOND / 2));
        assert!(Stop::before_delay(2 * SECOND).reached(1, SECOND, SECOND));
        assert!(!Stop::never().reached(u32::MAX, Duration::MAX, Duration::MAX));
    }

    #[test]
    fn the_longest_times_do_not_overflow() {
        assert!(Stop::before_delay(Duration::MAX).reached(1, Duration::MAX, Duration::MAX));
        assert!(!Stop::before_delay(Duration::MAX).reached(1, SECOND, SECOND));
    }

    #[test]
    fn nothing_combined() {
        assert!(!Stop::any_of([]).reached(1, SECOND, SECOND));
        assert!(Stop::all_of([]).reached(1, SECOND, SECOND));
    }

    proptest! {
        #[test]
        fn operators_are_those_of_logic(n in 0_u32..5, limit in 0_u32..5, secs in 0_u64..5, total in 0_u64..5) {
            let (attempt, delay) = (Stop::after_attempt(limit), Stop::after_delay(Duration::from_secs(total)));
            let at = |stop: &Stop| stop.reached(n, Duration::from_secs(secs), Duration::ZERO);
            prop_assert_eq!(at(&(attempt.clone() | delay.clone())), at(&attempt) || at(&delay));
            prop_assert_eq!(at(&(attempt.clone() & delay.clone())), at(&attempt) && at(&delay));
            let both = (attempt.clone() & delay.clone()) | Stop::never();
            prop_assert_eq!(at(&both), at(&attempt) && at(&delay));
        }
    }
}
