use crate::hash::{extend, fnv1a};

/// The seed of a retry's jitter: the same for the same run, step and number of failures, on every machine.
///
/// Two runs of one workflow get different seeds, so their retries spread; one run repeated from its journal gets the
/// same seeds, so it waits as it did before.
///
/// ```
/// use stepcast_core::retry_seed;
///
/// assert_eq!(retry_seed("run-1", "fetch", 1), retry_seed("run-1", "fetch", 1));
/// assert_ne!(retry_seed("run-1", "fetch", 1), retry_seed("run-1", "fetch", 2));
/// assert_ne!(retry_seed("run-1", "fetch", 1), retry_seed("run-2", "fetch", 1));
/// ```
pub fn retry_seed(run_id: &str, step: &str, failures: u32) -> u64 {
    // 0xff occurs in no UTF-8 text, so ("ab", "c") and ("a", "bc") stay apart.
    let run = extend(fnv1a(run_id), &[0xff]);
    let step = extend(extend(run, step.as_bytes()), &[0xff]);
    SplitMix64::new(extend(step, &failures.to_le_bytes())).next_u64()
}

/// Steele, Lea and Flood's SplitMix64: one multiplication chain per number, and every seed is a good one.
#[derive(Clone, Debug)]
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    pub(super) fn new(seed: u64) -> Self {
        SplitMix64(seed)
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `[0, 1)` with all 53 bits that an `f64` holds.
    pub(super) fn next_unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors_of_splitmix64() {
        let mut rng = SplitMix64::new(1_234_567);
        let first: Vec<u64> = (0..5).map(|_| rng.next_u64()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn the_seed_is_the_same_in_every_build() {
        assert_eq!(retry_seed("run", "step", 1), 6_948_707_436_275_348_775);
    }

    #[test]
    fn names_do_not_run_together() {
        assert_ne!(retry_seed("ab", "c", 1), retry_seed("a", "bc", 1));
        assert_ne!(retry_seed("", "", 1), retry_seed("", "", 256));
    }

    #[test]
    fn units_are_spread_over_the_interval() {
        let mut rng = SplitMix64::new(7);
        let mut buckets = [0_u32; 10];
        for _ in 0..10_000 {
            let unit = rng.next_unit();
            assert!((0.0..1.0).contains(&unit));
            buckets[(unit * 10.0) as usize] += 1;
        }
        assert!(buckets.iter().all(|count| (850..1150).contains(count)), "{buckets:?}");
    }
}
