//! An ordered map that is a short list while it is short: most runs wait for one thing at a time, and a tree's first
//! node has room for eleven.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// So many entries are kept as a list.
const FEW: usize = 8;

/// An ordered map. Serialized, it is a list of pairs: JSON objects take only text as keys.
#[derive(Clone, Debug)]
pub(crate) enum SmallMap<K, V> {
    /// In order of the keys.
    Few(Vec<(K, V)>),
    Many(BTreeMap<K, V>),
}

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        SmallMap::Few(Vec::new())
    }
}

impl<K: Ord, V> SmallMap<K, V> {
    pub(crate) fn len(&self) -> usize {
        match self {
            SmallMap::Few(list) => list.len(),
            SmallMap::Many(tree) => tree.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        match self {
            SmallMap::Few(list) => list.iter().find(|(known, _)| known == key).map(|(_, value)| value),
            SmallMap::Many(tree) => tree.get(key),
        }
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self {
            SmallMap::Few(list) => list.iter_mut().find(|(known, _)| known == key).map(|(_, value)| value),
            SmallMap::Many(tree) => tree.get_mut(key),
        }
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self {
            SmallMap::Many(tree) => drop(tree.insert(key, value)),
            SmallMap::Few(list) => {
                let at = list.partition_point(|(known, _)| *known < key);
                if list.get(at).is_some_and(|(known, _)| *known == key) {
                    list[at].1 = value;
                } else if list.len() < FEW {
                    if list.is_empty() {
                        list.reserve_exact(1);
                    }
                    list.insert(at, (key, value));
                } else {
                    let mut tree: BTreeMap<K, V> = std::mem::take(list).into_iter().collect();
                    tree.insert(key, value);
                    *self = SmallMap::Many(tree);
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            SmallMap::Few(list) => {
                let at = list.iter().position(|(known, _)| known == key)?;
                Some(list.remove(at).1)
            }
            SmallMap::Many(tree) => {
                let removed = tree.remove(key);
                if tree.is_empty() {
                    *self = SmallMap::default();
                }
                removed
            }
        }
    }

    pub(crate) fn first(&self) -> Option<(&K, &V)> {
        match self {
            SmallMap::Few(list) => list.first().map(|(key, value)| (key, value)),
            SmallMap::Many(tree) => tree.first_key_value(),
        }
    }

    /// The first key that is not less than this one.
    pub(crate) fn first_from(&self, from: &K) -> Option<&K> {
        match self {
            SmallMap::Few(list) => list.get(list.partition_point(|(key, _)| key < from)).map(|(key, _)| key),
            SmallMap::Many(tree) => tree.range(from..).next().map(|(key, _)| key),
        }
    }

    pub(crate) fn or_default(&mut self, key: K) -> &mut V
    where
        K: Clone,
        V: Default,
    {
        if !self.contains_key(&key) {
            self.insert(key.clone(), V::default());
        }
        match self {
            SmallMap::Few(list) => {
                let at = list.partition_point(|(known, _)| *known < key);
                &mut list[at].1
            }
            SmallMap::Many(tree) => tree.entry(key).or_default(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (list, tree) = match self {
            SmallMap::Few(list) => (Some(list), None),
            SmallMap::Many(tree) => (None, Some(tree)),
        };
        list.into_iter().flatten().map(|(key, value)| (key, value)).chain(tree.into_iter().flatten())
    }

    /// The entries whose keys lie between two, both included.
    pub(crate) fn range(&self, from: K, to: K) -> impl Iterator<Item = (&K, &V)> {
        let (list, tree) = match self {
            SmallMap::Few(list) => {
                let start = list.partition_point(|(key, _)| *key < from);
                let end = list.partition_point(|(key, _)| *key <= to);
                (&list[start..end], None)
            }
            SmallMap::Many(tree) => (&[][..], Some(tree.range(from..=to))),
        };
        list.iter().map(|(key, value)| (key, value)).chain(tree.into_iter().flatten())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let (list, tree) = match self {
            SmallMap::Few(list) => (Some(list), None),
            SmallMap::Many(tree) => (None, Some(tree)),
        };
        list.into_iter().flatten().map(|(_, value)| value).chain(tree.into_iter().flat_map(BTreeMap::values_mut))
    }

    /// Takes everything out, in order.
    pub(crate) fn take(&mut self) -> Vec<(K, V)> {
        match std::mem::take(self) {
            SmallMap::Few(list) => list,
            SmallMap::Many(tree) => tree.into_iter().collect(),
        }
    }
}

impl<K: Ord + Serialize, V: Serialize> Serialize for SmallMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for SmallMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = SmallMap::default();
        for (key, value) in Vec::<(K, V)>::deserialize(deserializer)? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::SmallMap;

    proptest! {
        #[test]
        fn behaves_like_a_tree(steps in proptest::collection::vec((0u8..3, 0u32..24, 0u32..100), 0..200)) {
            let mut map = SmallMap::default();
            let mut tree = BTreeMap::new();
            for (what, key, value) in steps {
                match what {
                    0 => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                    1 => *map.or_default(key) = *tree.entry(key).insert_entry(value).get(),
                    _ => {
                        map.insert(key, value);
                        tree.insert(key, value);
                    }
                }
                prop_assert!(map.iter().eq(tree.iter()));
                prop_assert!(map.range(5, 9).eq(tree.range(5..=9)));
                prop_assert_eq!(map.first(), tree.first_key_value());
                prop_assert_eq!(map.first_from(&key), tree.range(key..).next().map(|(key, _)| key));
                prop_assert_eq!(map.get(&key), tree.get(&key));
            }
            let text = serde_json::to_string(&map).unwrap_or_default();
            let back: SmallMap<u32, u32> = serde_json::from_str(&text).unwrap_or_default();
            prop_assert!(back.iter().eq(tree.iter()));
        }
    }
}
