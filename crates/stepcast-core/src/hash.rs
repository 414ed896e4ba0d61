//! FNV-1a, usable in constants: event tags are compared by this hash wherever the compiler checks a graph.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The 64-bit FNV-1a hash of `text` (offset basis and prime as published by Fowler, Noll and Vo).
pub const fn fnv1a(text: &str) -> u64 {
    extend(0xcbf2_9ce4_8422_2325, text.as_bytes())
}

/// Continues an FNV-1a hash with more bytes.
pub const fn extend(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash ^= bytes[i] as u64;
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// A map by what is a hash already.
pub(crate) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Passed>>;

/// Hands a hash on as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed(u64);

impl Hasher for Passed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = extend(self.0, bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::fnv1a;

    #[test]
    fn published_vectors() {
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
    }
}
