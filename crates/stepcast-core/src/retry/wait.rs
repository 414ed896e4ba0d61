use std::ops::Add;
use std::time::Duration;

use super::seed::SplitMix64;

/// How long to wait before the next attempt. Added with `+`, bounded with [`at_least`](Wait::at_least) and
/// [`at_most`](Wait::at_most).
///
/// Waits are plain data. Random ones draw from the seed they are given, so the same seed gives the same delay. No
/// wait overflows: what would be longer than [`Duration::MAX`] is `Duration::MAX`.
///
/// ```
/// use std::time::Duration;
/// use stepcast_core::Wait;
///
/// let growing = Wait::exponential(Duration::from_millis(200), 2.0, Duration::from_secs(1));
/// let wait = growing + Wait::fixed(Duration::from_millis(5));
/// let delays: Vec<u128> = (1..=5).map(|attempt| wait.delay(attempt, 0).as_millis()).collect();
/// assert_eq!(delays, [205, 405, 805, 1005, 1005]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Wait(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Fixed(Duration),
    Exponential(Growth),
    Incrementing { start: Duration, increment: Duration, max: Duration },
    Random { lo: Duration, hi: Duration },
    ExponentialJitter { growth: Growth, jitter: Duration },
    FullJitter(Growth),
    Chain(Vec<Wait>),
    Sum(Vec<Wait>),
    Clamp { wait: Box<Wait>, lo: Duration, hi: Duration },
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Growth {
    initial: Duration,
    factor: f64,
    max: Duration,
}

impl Wait {
    /// No wait.
    pub fn none() -> Self {
        Wait::fixed(Duration::ZERO)
    }

    /// Always this long.
    pub fn fixed(delay: Duration) -> Self {
        Wait(Kind::Fixed(delay))
    }

    /// `initial`, then `factor` times as long after each failure, never longer than `max`.
    ///
    /// A `factor` that is not a positive number counts as 1.
    pub fn exponential(initial: Duration, factor: f64, max: Duration) -> Self {
        Wait(Kind::Exponential(Growth { initial, factor, max }))
    }

    /// `start`, then `increment` longer after each failure, never longer than `max`.
    pub fn incrementing(start: Duration, increment: Duration, max: Duration) -> Self {
        Wait(Kind::Incrementing { start, increment, max })
    }

    /// Evenly spread between `lo` and `hi`, in either order.
    pub fn random(lo: Duration, hi: Duration) -> Self {
        Wait(Kind::Random { lo: lo.min(hi), hi: lo.max(hi) })
    }

    /// As [`exponential`](Wait::exponential), plus a random part up to `jitter`; the sum is never longer than `max`.
    pub fn exponential_jitter(initial: Duration, factor: f64, max: Duration, jitter: Duration) -> Self {
        Wait(Kind::ExponentialJitter { growth: Growth { initial, factor, max }, jitter })
    }

    /// Evenly spread between nothing and what [`exponential`](Wait::exponential) would wait: spreads a crowd best.
    pub fn full_jitter(initial: Duration, factor: f64, max: Duration) -> Self {
        Wait(Kind::FullJitter(Growth { initial, factor, max }))
    }

    /// The first wait after the first failure, the second after the second, and so on; the last one from then on.
    /// A chain of nothing does not wait.
    ///
    /// Each part is asked with the number of all attempts so far, not counted anew from where it takes over.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stepcast_core::Wait;
    ///
    /// let wait = Wait::chain([Wait::none(), Wait::fixed(Duration::from_secs(9))]);
    /// assert_eq!(wait.delay(1, 0), Duration::ZERO);
    /// assert_eq!(wait.delay(2, 0), Duration::from_secs(9));
    /// assert_eq!(wait.delay(3, 0), Duration::from_secs(9));
    /// ```
    pub fn chain(waits: impl IntoIterator<Item = Wait>) -> Self {
        Wait(Kind::Chain(waits.into_iter().collect()))
    }

    /// The same wait, but never shorter than this.
    #[must_use]
    pub fn at_least(self, lo: Duration) -> Self {
        Wait(Kind::Clamp { wait: Box::new(self), lo, hi: Duration::MAX })
    }

    /// The same wait, but never longer than this.
    #[must_use]
    pub fn at_most(self, hi: Duration) -> Self {
        Wait(Kind::Clamp { wait: Box::new(self), lo: Duration::ZERO, hi })
    }

    /// The delay after so many attempts, all failed. 0 attempts count as 1.
    pub fn delay(&self, attempts: u32, seed: u64) -> Duration {
        self.draw(attempts.saturating_sub(1), &mut SplitMix64::new(seed))
    }

    /// One generator serves the whole tree, so that two random parts of a sum do not draw the same number.
    fn draw(&self, earlier: u32, rng: &mut SplitMix64) -> Duration {
        match &self.0 {
            Kind::Fixed(delay) => *delay,
            Kind::Exponential(growth) => growth.after(earlier),
            Kind::Incrementing { start, increment, max } => {
                start.saturating_add(increment.saturating_mul(earlier)).min(*max)
            }
            Kind::Random { lo, hi } => lo.saturating_add(part_of(hi.saturating_sub(*lo), rng)).min(*hi),
            Kind::ExponentialJitter { growth, jitter } => {
                growth.after(earlier).saturating_add(part_of(*jitter, rng)).min(growth.max)
            }
            Kind::FullJitter(growth) => part_of(growth.after(earlier), rng),
            Kind::Chain(waits) => {
                let index = usize::try_from(earlier).unwrap_or(usize::MAX);
                waits.get(index).or(waits.last()).map_or(Duration::ZERO, |wait| wait.draw(earlier, rng))
            }
            Kind::Sum(waits) => {
                waits.iter().fold(Duration::ZERO, |sum, wait| sum.saturating_add(wait.draw(earlier, rng)))
            }
            Kind::Clamp { wait, lo, hi } => wait.draw(earlier, rng).max(*lo).min(*hi),
        }
    }
}

impl Growth {
    fn after(&self, earlier: u32) -> Duration {
        // `0 * infinity` is no number, and the first delay needs no arithmetic that could round it.
        if earlier == 0 || self.initial.is_zero() {
            return self.initial.min(self.max);
        }
        let factor = if self.factor > 0.0 { self.factor } else { 1.0 };
        let seconds = self.initial.as_secs_f64() * factor.powf(f64::from(earlier));
        Duration::try_from_secs_f64(seconds).map_or(self.max, |delay| delay.min(self.max))
    }
}

/// A random part of `span`.
fn part_of(span: Duration, rng: &mut SplitMix64) -> Duration {
    let seconds = span.as_secs_f64() * rng.next_unit();
    Duration::try_from_secs_f64(seconds).map_or(span, |part| part.min(span))
}

impl Add for Wait {
    type Output = Wait;

    fn add(self, other: Wait) -> Wait {
        match self.0 {
            Kind::Sum(mut waits) => {
                waits.push(other);
                Wait(Kind::Sum(waits))
            }
            kind => Wait(Kind::Sum(vec![Wait(kind), other])),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn delays(wait: &Wait) -> Vec<u64> {
        (1..=5).map(|attempts| wait.delay(attempts, 1).as_secs()).collect()
    }

    #[test]
    fn waits_without_chance() {
        assert_eq!(delays(&Wait::none()), [0; 5]);
        assert_eq!(delays(&Wait::fixed(3 * SECOND)), [3; 5]);
        assert_eq!(delays(&Wait::exponential(SECOND, 3.0, 20 * SECOND)), [1, 3, 9, 20, 20]);
        assert_eq!(delays(&Wait::incrementing(2 * SECOND, 5 * SECOND, 14 * SECOND)), [2, 7, 12, 14, 14]);
        assert_eq!(delays(&(Wait::fixed(SECOND) + Wait::incrementing(SECOND, SECOND, 9 * SECOND))), [2, 3, 4, 5, 6]);
        let grown = Wait::exponential(SECOND, 2.0, 60 * SECOND);
        assert_eq!(delays(&grown.clone().at_least(3 * SECOND)), [3, 3, 4, 8, 16]);
        assert_eq!(delays(&grown.at_most(5 * SECOND)), [1, 2, 4, 5, 5]);
    }

    #[test]
    fn a_chain_stays_at_its_last_wait() {
        assert_eq!(delays(&Wait::chain([])), [0; 5]);
        let chain = Wait::chain([Wait::fixed(SECOND), Wait::incrementing(SECOND, SECOND, 9 * SECOND)]);
        assert_eq!(delays(&chain), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn parts_of_a_sum_draw_apart() {
        let once = Wait::random(Duration::ZERO, 1_000 * SECOND);
        let twice = (once.clone() + once.clone()).delay(1, 5);
        assert_ne!(twice, once.delay(1, 5) * 2);
    }

    #[test]
    fn a_factor_that_is_no_growth_keeps_the_initial_delay() {
        for factor in [f64::NAN, f64::NEG_INFINITY, -2.0, 0.0, -0.0] {
            assert_eq!(delays(&Wait::exponential(4 * SECOND, factor, 9 * SECOND)), [4; 5], "{factor}");
        }
        assert_eq!(delays(&Wait::exponential(4 * SECOND, f64::INFINITY, 9 * SECOND)), [4, 9, 9, 9, 9]);
        assert_eq!(delays(&Wait::exponential(Duration::ZERO, f64::INFINITY, 9 * SECOND)), [0; 5]);
        assert_eq!(delays(&Wait::exponential(16 * SECOND, 0.5, 20 * SECOND)), [16, 8, 4, 2, 1]);
    }

    #[test]
    fn jitter_reaches_both_halves_of_its_range() {
        for wait in [
            Wait::random(SECOND, 3 * SECOND),
            Wait::exponential_jitter(SECOND, 2.0, 60 * SECOND, 2 * SECOND),
            Wait::full_jitter(4 * SECOND, 2.0, 60 * SECOND),
        ] {
            let low = (0..200).filter(|seed| wait.delay(1, *seed) < 2 * SECOND).count();
            assert!((70..130).contains(&low), "{wait:?}: {low}");
        }
    }

    fn duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::MAX),
            (0_u64..100_000).prop_map(Duration::from_millis),
            (any::<u64>(), 0_u32..1_000_000_000).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
        ]
    }

    fn factor() -> impl Strategy<Value = f64> {
        prop_oneof![any::<f64>(), 0.0..4.0, Just(f64::NAN), Just(f64::INFINITY), Just(f64::MAX)]
    }

    fn attempts() -> impl Strategy<Value = u32> {
        prop_oneof![0_u32..20, any::<u32>(), Just(u32::MAX)]
    }

    proptest! {
        #[test]
        fn delays_stay_in_their_bounds(
            a in duration(), b in duration(), max in duration(), factor in factor(), n in attempts(), seed: u64,
        ) {
            let grown = Wait::exponential(a, factor, max).delay(n, seed);
            prop_assert!(grown <= max);
            prop_assert!(Wait::full_jitter(a, factor, max).delay(n, seed) <= grown);
            let jittered = Wait::exponential_jitter(a, factor, max, b).delay(n, seed);
            prop_assert!(grown <= jittered && jittered <= max.min(grown.saturating_add(b)));
            let random = Wait::random(a, b).delay(n, seed);
            prop_assert!(a.min(b) <= random && random <= a.max(b));
            let rising = Wait::incrementing(a, b, max).delay(n, seed);
            prop_assert!(a.min(max) <= rising && rising <= max);
            let sum = (Wait::fixed(a) + Wait::fixed(b) + Wait::random(a, b)).at_most(max).delay(n, seed);
            prop_assert!(sum <= max && sum >= a.saturating_add(b).min(max));
        }

        #[test]
        fn the_same_seed_gives_the_same_delay(a in duration(), b in duration(), n in attempts(), seed: u64) {
            let wait = Wait::random(a, b) + Wait::chain([Wait::full_jitter(a, 2.0, b), Wait::random(b, a)]);
            let first = wait.delay(n, seed);
            prop_assert_eq!(first, wait.delay(n, seed));
        }
    }
}
