//! What every subject computes, so that all do the same work and a wrong result is noticed.

use std::collections::VecDeque;

/// One round of a linear congruence: cheap, and nothing that a compiler can leave out.
pub fn mix(x: u64) -> u64 {
    x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

/// What a chain of `hops` ends with.
pub fn chain_result(hops: u64) -> u64 {
    (0..hops).fold(1, |x, _| mix(x))
}

/// What a fan-out over `0..items` collects.
pub fn fan_result(items: u64) -> u64 {
    (0..items).fold(0, |sum, n| sum.wrapping_add(mix(n)))
}

/// What a stream of `0..events` adds up to.
pub fn stream_result(events: u64) -> u64 {
    events * (events - 1) / 2
}

/// Keeps `width` runs in flight, first in first out, and adds up their results.
pub async fn windowed<F>(runs: u64, width: usize, mut start: impl FnMut(u64) -> F) -> u64
where
    F: Future<Output = u64>,
{
    let mut live = VecDeque::with_capacity(width);
    let mut sum = 0_u64;
    for n in 0..runs {
        if live.len() == width
            && let Some(oldest) = live.pop_front()
        {
            sum = sum.wrapping_add(oldest.await);
        }
        live.push_back(start(n));
    }
    for run in live {
        sum = sum.wrapping_add(run.await);
    }
    sum
}
