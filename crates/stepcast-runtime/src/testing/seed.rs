//! The seed of a test run: chosen, printed when the test fails, and taken from the environment to run it again.

use std::hash::{BuildHasher, RandomState};

/// Where a seed is taken from, over any other.
const VARIABLE: &str = "STEPCAST_SEED";

/// The seed that the environment asks for.
///
/// # Panics
/// When the variable holds something other than a number.
pub(super) fn from_environment() -> Option<u64> {
    let text = std::env::var(VARIABLE).ok()?;
    match text.trim().parse() {
        Ok(seed) => Some(seed),
        Err(_) => panic!("{VARIABLE} is `{text}`, which is no number; give it the seed that a failed test printed"),
    }
}

/// A seed of no one's choice.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Steele, Lea and Flood's SplitMix64.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Prints the seed if the test panics while this lives.
#[derive(Debug)]
pub(super) struct SeedGuard(pub(super) u64);

impl Drop for SeedGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("stepcast: the run had the seed {0}; {VARIABLE}={0} runs it again", self.0);
        }
    }
}
