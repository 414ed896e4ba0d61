use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Condition, Stop, Wait};
use crate::StepError;

/// When and how often a failed step is tried again: a [`Condition`], a [`Wait`] and a [`Stop`].
///
/// ```
/// use std::io;
/// use std::time::Duration;
/// use stepcast_core::{Condition, RetryInput, RetryPolicy, RetryVerdict, StepError, Stop, Wait};
///
/// let policy = RetryPolicy::new()
///     .when(Condition::error_is::<io::Error>())
///     .wait(Wait::exponential(Duration::from_millis(200), 2.0, Duration::from_secs(10)))
///     .stop(Stop::after_attempt(4) | Stop::before_delay(Duration::from_secs(60)));
///
/// let error: StepError = io::Error::other("connection reset").into();
/// let input = RetryInput { attempts: 2, elapsed: Duration::from_secs(1), error: &error, seed: 0 };
/// assert_eq!(policy.verdict(input), RetryVerdict::Again { delay: Duration::from_millis(400) });
///
/// let fatal = StepError::msg("no such user").fatal();
/// let input = RetryInput { attempts: 1, elapsed: Duration::ZERO, error: &fatal, seed: 0 };
/// assert_eq!(policy.verdict(input), RetryVerdict::GiveUp);
/// ```
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    when: Condition,
    wait: Wait,
    stop: Stop,
}

/// What a verdict depends on, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct RetryInput<'a> {
    /// Attempts made so far, the one that just failed included.
    pub attempts: u32,
    /// Time since the first attempt began.
    pub elapsed: Duration,
    /// Why the last attempt failed.
    pub error: &'a StepError,
    /// Where the jitter comes from: [`retry_seed`](crate::retry_seed).
    pub seed: u64,
}

/// What becomes of a step whose attempt has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryVerdict {
    /// Another attempt, after a wait.
    Again {
        /// How long to wait first.
        delay: Duration,
    },
    /// No further attempt.
    GiveUp,
}

impl RetryPolicy {
    /// Three attempts, five seconds apart, after any error that is retryable.
    pub fn new() -> Self {
        RetryPolicy {
            when: Condition::any_error(),
            wait: Wait::fixed(Duration::from_secs(5)),
            stop: Stop::after_attempt(3),
        }
    }

    /// The same policy for these errors only, in place of those named before.
    #[must_use]
    pub fn when(mut self, when: Condition) -> Self {
        self.when = when;
        self
    }

    /// The same policy with this wait, in place of the one before.
    #[must_use]
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// The same policy with this stop, in place of the one before.
    #[must_use]
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Whether the step is tried again, and after how long. The same input gives the same verdict, as far as a
    /// [`predicate`](Condition::predicate) does. An error that is not [retryable](StepError::is_retryable) is given up.
    pub fn verdict(&self, input: RetryInput<'_>) -> RetryVerdict {
        if !input.error.is_retryable() || !self.when.matches(input.error) {
            return RetryVerdict::GiveUp;
        }
        let delay = self.wait.delay(input.attempts, input.seed);
        if self.stop.reached(input.attempts, input.elapsed, delay) {
            return RetryVerdict::GiveUp;
        }
        RetryVerdict::Again { delay }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{StepPanicked, retry_seed};

    const SECOND: Duration = Duration::from_secs(1);

    fn ask(policy: &RetryPolicy, attempts: u32, elapsed: Duration, error: &StepError) -> RetryVerdict {
        policy.verdict(RetryInput { attempts, elapsed, error, seed: retry_seed("run", "step", attempts) })
    }

    #[test]
    fn the_default_is_three_attempts_five_seconds_apart() {
        let error = StepError::msg("busy");
        let verdicts: Vec<RetryVerdict> =
            (1..=3).map(|attempt| ask(&RetryPolicy::default(), attempt, Duration::ZERO, &error)).collect();
        let again = RetryVerdict::Again { delay: 5 * SECOND };
        assert_eq!(verdicts, [again, again, RetryVerdict::GiveUp]);
    }

    #[test]
    fn a_fatal_error_is_never_retried() {
        let policy = RetryPolicy::new().when(Condition::any_error()).stop(Stop::never());
        let fatal = StepError::msg("no").fatal();
        assert_eq!(ask(&policy, 1, Duration::ZERO, &fatal), RetryVerdict::GiveUp);
        let asked_for = policy.when(Condition::message_is("no"));
        assert_eq!(ask(&asked_for, 1, Duration::ZERO, &fatal), RetryVerdict::GiveUp);
        assert_ne!(ask(&asked_for, 1, Duration::ZERO, &StepError::msg("no")), RetryVerdict::GiveUp);
    }

    #[test]
    fn a_condition_that_does_not_match_gives_up() {
        let policy = RetryPolicy::new().when(Condition::not_error_is::<StepPanicked>());
        let panicked = StepPanicked { message: "ouch".to_owned() }.into();
        assert_eq!(ask(&policy, 1, Duration::ZERO, &panicked), RetryVerdict::GiveUp);
    }

    #[test]
    fn the_coming_wait_counts_for_before_delay_only() {
        let error = StepError::msg("busy");
        let policy = RetryPolicy::new().wait(Wait::fixed(5 * SECOND));
        let before = policy.clone().stop(Stop::before_delay(10 * SECOND));
        let after = policy.stop(Stop::after_delay(10 * SECOND));
        assert_eq!(ask(&before, 1, 6 * SECOND, &error), RetryVerdict::GiveUp);
        assert_eq!(ask(&after, 1, 6 * SECOND, &error), RetryVerdict::Again { delay: 5 * SECOND });
        assert_eq!(ask(&before, 1, 4 * SECOND, &error), RetryVerdict::Again { delay: 5 * SECOND });
    }

    #[test]
    fn a_verdict_crosses_serialization() {
        for verdict in [RetryVerdict::Again { delay: Duration::new(1, 2) }, RetryVerdict::GiveUp] {
            let text = serde_json::to_string(&verdict).unwrap_or_default();
            assert_eq!(serde_json::from_str::<RetryVerdict>(&text).ok(), Some(verdict), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_limit_of_attempts_is_kept_whatever_the_waits(
            limit in 0_u32..20, initial in 0_u64..10_000, factor in 0.0_f64..9.0, run in ".{0,8}",
        ) {
            let initial = Duration::from_millis(initial);
            let policy = RetryPolicy::new()
                .wait(Wait::full_jitter(initial, factor, 60 * SECOND))
                .stop(Stop::after_attempt(limit));
            let error = StepError::msg("busy");
            let (mut attempts, mut elapsed) = (1, Duration::ZERO);
            loop {
                let input = RetryInput { attempts, elapsed, error: &error, seed: retry_seed(&run, "step", attempts) };
                let verdict = policy.verdict(input);
                prop_assert_eq!(verdict, policy.clone().verdict(input));
                let RetryVerdict::Again { delay } = verdict else { break };
                attempts += 1;
                elapsed += delay;
                prop_assert!(attempts <= 20);
            }
            prop_assert_eq!(attempts, limit.max(1));
        }

        #[test]
        fn no_attempt_begins_after_the_deadline(total in 1_u64..100_000, step in 0_u64..5_000, seed: u64) {
            let total = Duration::from_millis(total);
            let policy = RetryPolicy::new()
                .wait(Wait::exponential_jitter(SECOND, 2.0, 30 * SECOND, SECOND))
                .stop(Stop::before_delay(total));
            let error = StepError::msg("busy");
            let (mut attempts, mut elapsed) = (1, Duration::from_millis(step));
            while let RetryVerdict::Again { delay } =
                policy.verdict(RetryInput { attempts, elapsed, error: &error, seed: seed ^ u64::from(attempts) })
            {
                elapsed += delay;
                prop_assert!(elapsed < total);
                attempts += 1;
                elapsed += Duration::from_millis(step);
            }
        }
    }
}
