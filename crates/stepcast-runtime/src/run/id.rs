use std::cell::Cell;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names a run. Made by the runtime it is a UUID version 7 (RFC 9562); a caller may choose any other text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct RunId(Arc<str>);

impl RunId {
    /// A new, unique id. Ids of one process sort by the millisecond in which they were made.
    pub fn random() -> Self {
        let millis =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |passed| passed.as_millis() as u64);
        let (a, b) = (next_random().to_le_bytes(), next_random().to_le_bytes());
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&a);
        bytes[8..].copy_from_slice(&b[..2]);
        let uuid: Uuid = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        RunId(Arc::from(&*uuid.hyphenated().encode_lower(&mut text)))
    }

    pub(crate) fn shared(&self) -> &Arc<str> {
        &self.0
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Arc<str>>> From<T> for RunId {
    fn from(text: T) -> Self {
        RunId(text.into())
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::thread::current().id()));
}

/// SplitMix64, seeded per thread from the operating system's randomness by way of the standard hasher.
fn next_random() -> u64 {
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mut z = next;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::RunId;

    #[test]
    fn ids_differ_and_are_version_7() {
        let ids: std::collections::HashSet<RunId> = (0..10_000).map(|_| RunId::random()).collect();
        assert_eq!(ids.len(), 10_000);
        let id = ids.iter().next().map(|id| id.as_str().to_owned()).unwrap_or_default();
        assert_eq!(uuid::Uuid::parse_str(&id).map(|uuid| uuid.get_version_num()), Ok(7));
    }
}
