use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A making of a resource: the one of a container for a cached factory, the one of a resolution for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Making(pub(super) u64);

/// Which making waits for which, across all resolutions of a container. A circle among them would wait for ever, even
/// where no single resolution has gone round: one makes `A` and waits for `B`, another makes `B` and waits for `A`.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<HashMap<Making, Vec<Edge>>>);

#[derive(Clone, Copy, Debug)]
struct Edge {
    to: Making,
    name: &'static str,
}

/// One making waits for another for as long as this lives; also when its future is dropped half-way.
#[derive(Debug)]
pub(super) struct Waiting {
    waits: Arc<Waits>,
    from: Making,
    to: Making,
}

impl Waits {
    /// Begins to wait, unless that would close a circle; then gives the types on it, from `from` back to `from`.
    pub(super) fn begin(
        self: &Arc<Self>,
        (from, from_name): (Making, &'static str),
        (to, to_name): (Making, &'static str),
    ) -> Result<Waiting, Vec<&'static str>> {
        let mut edges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way_back) = path(&edges, to, from) {
            return Err([from_name, to_name].into_iter().chain(way_back).collect());
        }
        edges.entry(from).or_default().push(Edge { to, name: to_name });
        Ok(Waiting { waits: Arc::clone(self), from, to })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut edges = self.waits.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = edges.get_mut(&self.from) {
            if let Some(index) = list.iter().position(|edge| edge.to == self.to) {
                list.swap_remove(index);
            }
            if list.is_empty() {
                edges.remove(&self.from);
            }
        }
    }
}

/// The names on a way from `start` to `goal`, without that of `start`.
fn path(edges: &HashMap<Making, Vec<Edge>>, start: Making, goal: Making) -> Option<Vec<&'static str>> {
    let mut seen = HashSet::from([start]);
    let mut open = vec![(start, Vec::new())];
    while let Some((at, way)) = open.pop() {
        if at == goal {
            return Some(way);
        }
        for edge in edges.get(&at).into_iter().flatten() {
            if seen.insert(edge.to) {
                let mut longer = way.clone();
                longer.push(edge.name);
                open.push((edge.to, longer));
            }
        }
    }
    None
}
