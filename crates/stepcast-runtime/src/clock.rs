//! The host's clock: wall time that moves with tokio's clock, so that a paused clock in tests moves deadlines too.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stepcast_core::engine::Time;
use tokio::time::Instant;

static BASE: OnceLock<(u64, Instant)> = OnceLock::new();

fn base() -> (u64, Instant) {
    *BASE.get_or_init(|| {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        (u64::try_from(wall.as_micros()).unwrap_or(u64::MAX), Instant::now())
    })
}

/// The time now.
pub(crate) fn now() -> Time {
    at(Instant::now())
}

/// The time at an instant.
pub(crate) fn at(instant: Instant) -> Time {
    let (wall, begun) = base();
    match instant.checked_duration_since(begun) {
        Some(passed) => Time(wall + passed.as_micros() as u64),
        // Rounded the same way: a deadline counted from a later time would come a tick of the timer late.
        None => Time(wall.saturating_sub(begun.duration_since(instant).as_nanos().div_ceil(1_000) as u64)),
    }
}

/// The instant of a time.
pub(crate) fn instant(time: Time) -> Instant {
    let (wall, begun) = base();
    match time.0.checked_sub(wall) {
        Some(passed) => begun + Duration::from_micros(passed),
        None => begun.checked_sub(Duration::from_micros(wall - time.0)).unwrap_or(begun),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_never_after_its_instant() {
        let (_, begun) = base();
        for nanos in [0, 1, 999, 1_000, 1_001, 1_500] {
            let nanos = Duration::from_nanos(nanos);
            for moment in [begun - nanos, begun + nanos] {
                let rounded = instant(at(moment));
                assert!(rounded <= moment && moment - rounded < Duration::from_micros(1), "{nanos:?}");
            }
        }
    }
}
