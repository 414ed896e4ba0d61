//! Seeded choice, and the seed printed where a case fails.

/// Steele, Lea and Flood's SplitMix64: the same numbers from the same seed, everywhere.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Self {
        Rng(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for an empty range.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A number made of others: what a step does, and the numbers of its events, follow from its input alone.
pub fn mix(parts: impl IntoIterator<Item = u64>) -> u64 {
    parts.into_iter().fold(0x51ed_270b_9f4c_3d11, |hash, part| Rng::new(hash ^ part.rotate_left(17)).number())
}

/// Runs a case per seed and names the seed of the one that panics. `STEPCAST_SEED` runs that one alone. Gives whether
/// all were run.
///
/// # Panics
/// When a case does, or the variable holds no number.
pub fn for_seeds(cases: u64, mut case: impl FnMut(u64)) -> bool {
    let only = std::env::var("STEPCAST_SEED").ok().map(|text| text.trim().parse::<u64>().expect("a number"));
    for seed in only.map_or(0..cases, |seed| seed..seed + 1) {
        let guard = PrintSeed(seed);
        case(seed);
        drop(guard);
    }
    only.is_none()
}

struct PrintSeed(u64);

impl Drop for PrintSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was the case of seed {0}; STEPCAST_SEED={0} runs it alone", self.0);
        }
    }
}
