//! Nodes in layers, from above to below: what the drawing in text is made of, and the one in SVG where nothing better
//! is at hand. Everything is deterministic and bounded by the size of the graph; nothing can fail.

/// How far something reaches from its middle column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) left: i32,
    pub(super) right: i32,
}

/// A place in a layer: a node, or where a long link passes through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) node: Option<usize>,
    pub(super) layer: usize,
    /// Its middle column.
    pub(super) x: i32,
    reach: Reach,
}

/// A link with the places it leads through, from above to below.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    /// Its number among the links.
    pub(super) link: usize,
    /// It leads up: a way back in a loop.
    pub(super) up: bool,
    pub(super) path: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Layered {
    /// The first ones are the nodes, in their order.
    pub(super) slots: Vec<Slot>,
    /// Places by layer, from left to right.
    pub(super) layers: Vec<Vec<usize>>,
    pub(super) wires: Vec<Wire>,
}

const SWEEPS: usize = 12;

/// Arranges nodes. Links from a node to itself are left out.
pub(super) fn arrange(nodes: &[Reach], links: &[(usize, usize)], gap: i32) -> Layered {
    let up = ways_back(nodes.len(), links);
    let down: Vec<(usize, usize)> =
        links.iter().zip(&up).map(|(&(from, to), up)| if *up { (to, from) } else { (from, to) }).collect();
    let mut all = Layered::default();
    for (node, (layer, reach)) in layers(nodes.len(), &down).into_iter().zip(nodes).enumerate() {
        all.add(Some(node), layer, *reach);
    }
    for (link, &(from, to)) in down.iter().enumerate().filter(|(_, (from, to))| from != to) {
        let mut path = vec![from];
        for layer in all.slots[from].layer + 1..all.slots[to].layer {
            path.push(all.add(None, layer, Reach { left: 0, right: 0 }));
        }
        path.push(to);
        all.wires.push(Wire { link, up: up[link], path });
    }
    let near = Near::of(&all);
    all.order(&near);
    all.place(&near, gap);
    all.straighten(&near);
    all
}

/// Which links lead back to where the way came from.
fn ways_back(nodes: usize, links: &[(usize, usize)]) -> Vec<bool> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for (link, (from, _)) in links.iter().enumerate() {
        out[*from].push(link);
    }
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnTheWay,
        Done,
    }
    let (mut seen, mut back) = (vec![Seen::No; nodes], vec![false; links.len()]);
    for root in 0..nodes {
        if seen[root] != Seen::No {
            continue;
        }
        seen[root] = Seen::OnTheWay;
        let mut way = vec![(root, 0)];
        while let Some((node, next)) = way.last_mut() {
            let Some(link) = out[*node].get(*next).copied() else {
                seen[*node] = Seen::Done;
                way.pop();
                continue;
            };
            *next += 1;
            let to = links[link].1;
            match seen[to] {
                Seen::OnTheWay => back[link] = true,
                Seen::Done => {}
                Seen::No => {
                    seen[to] = Seen::OnTheWay;
                    way.push((to, 0));
                }
            }
        }
    }
    back
}

/// Every node below all that lead to it; what the first node does not lead to is as low as what it leads to allows.
fn layers(nodes: usize, down: &[(usize, usize)]) -> Vec<usize> {
    let (mut out, mut open) = (vec![Vec::new(); nodes], vec![0_usize; nodes]);
    for &(from, to) in down.iter().filter(|(from, to)| from != to) {
        out[from].push(to);
        open[to] += 1;
    }
    let mut next: Vec<usize> = (0..nodes).filter(|node| open[*node] == 0).collect();
    let (mut layers, mut order) = (vec![0_usize; nodes], Vec::with_capacity(nodes));
    while let Some(node) = next.pop() {
        order.push(node);
        for &to in &out[node] {
            layers[to] = layers[to].max(layers[node] + 1);
            open[to] -= 1;
            if open[to] == 0 {
                next.push(to);
            }
        }
    }
    let mut below_first = vec![false; nodes];
    for &node in &order {
        below_first[node] |= node == 0;
        if below_first[node] {
            out[node].iter().for_each(|to| below_first[*to] = true);
        }
    }
    for &node in order.iter().rev().filter(|node| !below_first[**node]) {
        if let Some(first) = out[node].iter().map(|to| layers[*to]).min() {
            layers[node] = first.saturating_sub(1);
        }
    }
    layers
}

/// The neighbours of every place, above and below.
struct Near {
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
}

impl Near {
    fn of(all: &Layered) -> Self {
        let none = vec![Vec::new(); all.slots.len()];
        let mut near = Near { above: none.clone(), below: none };
        for pair in all.wires.iter().flat_map(|wire| wire.path.windows(2)) {
            near.below[pair[0]].push(pair[1]);
            near.above[pair[1]].push(pair[0]);
        }
        near
    }
}

impl Layered {
    fn add(&mut self, node: Option<usize>, layer: usize, reach: Reach) -> usize {
        self.slots.push(Slot { node, layer, x: 0, reach });
        if self.layers.len() <= layer {
            self.layers.resize_with(layer + 1, Vec::new);
        }
        self.layers[layer].push(self.slots.len() - 1);
        self.slots.len() - 1
    }

    /// Orders the places of each layer by where their neighbours are, and keeps the order with the fewest crossings.
    fn order(&mut self, near: &Near) {
        let mut best = (self.crossings(near), self.layers.clone());
        for sweep in 0..SWEEPS {
            if best.0 == 0 {
                break;
            }
            let downwards = sweep % 2 == 0;
            let count = self.layers.len();
            for step in 1..count {
                let layer = if downwards { step } else { count - 1 - step };
                let beside = self.ranks(if downwards { layer - 1 } else { layer + 1 });
                let own = self.ranks(layer);
                let near = if downwards { &near.above } else { &near.below };
                let key = |slot: usize| {
                    let ranks: Vec<i64> = near[slot].iter().map(|other| beside[*other]).collect();
                    match ranks.len() as i64 {
                        0 => own[slot] * 1000,
                        many => ranks.iter().sum::<i64>() * 1000 / many,
                    }
                };
                self.layers[layer].sort_by_key(|slot| key(*slot));
            }
            let found = self.crossings(near);
            if found < best.0 {
                best = (found, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    /// The place of each slot of a layer among them.
    fn ranks(&self, layer: usize) -> Vec<i64> {
        let mut ranks = vec![0; self.slots.len()];
        for (rank, slot) in self.layers[layer].iter().enumerate() {
            ranks[*slot] = rank as i64;
        }
        ranks
    }

    fn crossings(&self, near: &Near) -> usize {
        let mut crossings = 0;
        for layer in 1..self.layers.len() {
            let ranks = self.ranks(layer);
            let ends: Vec<i64> = self.layers[layer - 1]
                .iter()
                .flat_map(|slot| {
                    let mut ends: Vec<i64> = near.below[*slot].iter().map(|to| ranks[*to]).collect();
                    ends.sort_unstable();
                    ends
                })
                .collect();
            for (at, end) in ends.iter().enumerate() {
                crossings += ends[..at].iter().filter(|before| *before > end).count();
            }
        }
        crossings
    }

    /// Gives columns: every place as near to its neighbours as the others in its layer allow.
    fn place(&mut self, near: &Near, gap: i32) {
        for layer in 0..self.layers.len() {
            self.settle(layer, gap, |_, _| None);
        }
        for sweep in 0..SWEEPS {
            let downwards = sweep % 2 == 0;
            let count = self.layers.len();
            for step in 0..count {
                let layer = if downwards { step } else { count - 1 - step };
                let last = sweep + 2 >= SWEEPS;
                self.settle(layer, gap, |slots, slot| {
                    let (above, below) = (&near.above[slot], &near.below[slot]);
                    let toward = match (downwards, last) {
                        (_, true) => middle(slots, above.iter().chain(below)),
                        (true, false) => middle(slots, above.iter()),
                        (false, false) => middle(slots, below.iter()),
                    };
                    toward.or_else(|| middle(slots, above.iter().chain(below)))
                });
            }
        }
        let least = self.slots.iter().map(|slot| slot.x - slot.reach.left).min().unwrap_or(0);
        self.slots.iter_mut().for_each(|slot| slot.x -= least);
    }

    /// Takes out bends of a few columns, where there is room.
    fn straighten(&mut self, near: &Near) {
        for layer in 1..self.layers.len() {
            for at in 0..self.layers[layer].len() {
                let slot = self.layers[layer][at];
                let [above] = near.above[slot][..] else { continue };
                let wished = self.slots[above].x;
                let reach = self.slots[slot].reach;
                let clear = |other: Option<&usize>, left: bool| {
                    other.is_none_or(|other| {
                        let other = &self.slots[*other];
                        if left {
                            other.x + other.reach.right + 1 < wished - reach.left
                        } else {
                            wished + reach.right + 1 < other.x - other.reach.left
                        }
                    })
                };
                let row = &self.layers[layer];
                let before = at.checked_sub(1).and_then(|at| row.get(at));
                let near_enough = (wished - self.slots[slot].x).abs() <= 4 && wished >= reach.left;
                if near_enough && clear(before, true) && clear(row.get(at + 1), false) {
                    self.slots[slot].x = wished;
                }
            }
        }
    }

    /// Moves a layer's places to the wished columns, or as near as their order and widths allow: the nearest in the
    /// sense of least squares, by pooling those that would overlap.
    fn settle(&mut self, layer: usize, gap: i32, wish: impl Fn(&[Slot], usize) -> Option<i32>) {
        let mut offset = 0;
        let mut pools: Vec<Pool> = Vec::new();
        let mut before: Option<usize> = None;
        for &slot in &self.layers[layer] {
            if let Some(before) = before {
                offset += self.slots[before].reach.right + gap + 1 + self.slots[slot].reach.left;
            }
            before = Some(slot);
            // What passes through is kept straight rather than what can be anywhere.
            let weight = if self.slots[slot].node.is_none() { 4 } else { 1 };
            let wished = i64::from(wish(&self.slots, slot).unwrap_or(self.slots[slot].x) - offset);
            let mut pool = (wished * weight, weight, vec![(slot, offset)]);
            while let Some(left) = pools.pop_if(|left| left.0 * pool.1 >= pool.0 * left.1) {
                let mut members = left.2;
                members.append(&mut pool.2);
                pool = (left.0 + pool.0, left.1 + pool.1, members);
            }
            pools.push(pool);
        }
        for (sum, weight, members) in pools {
            let start = sum.div_euclid(weight);
            for (slot, offset) in members {
                self.slots[slot].x = i32::try_from(start).unwrap_or(0) + offset;
            }
        }
    }
}

/// Places that stand side by side: the sum of what they wish, weighed, their weight, and where each stands in it.
type Pool = (i64, i64, Vec<(usize, i32)>);

fn middle<'a>(slots: &[Slot], others: impl Iterator<Item = &'a usize>) -> Option<i32> {
    let mut columns: Vec<i32> = others.map(|slot| slots[*slot].x).collect();
    columns.sort_unstable();
    let count = columns.len();
    (count > 0).then(|| (columns[(count - 1) / 2] + columns[count / 2]) / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_overlaps_and_every_wire_goes_layer_by_layer(
            widths in prop::collection::vec(0..9_i32, 1..20),
            links in prop::collection::vec((0..20_usize, 0..20_usize), 0..60),
        ) {
            let nodes: Vec<Reach> = widths.iter().map(|width| Reach { left: *width, right: 9 - width }).collect();
            let count = nodes.len();
            let links: Vec<(usize, usize)> = links.iter().map(|(from, to)| (from % count, to % count)).collect();
            let all = arrange(&nodes, &links, 1);
            let drawn = links.iter().filter(|(from, to)| from != to).count();
            prop_assert_eq!(all.wires.len(), drawn);
            for wire in &all.wires {
                let layers: Vec<usize> = wire.path.iter().map(|slot| all.slots[*slot].layer).collect();
                prop_assert!(layers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{layers:?}");
                let (from, to) = links[wire.link];
                let ends = if wire.up { (to, from) } else { (from, to) };
                prop_assert_eq!((wire.path.first(), wire.path.last()), (Some(&ends.0), Some(&ends.1)));
            }
            for layer in &all.layers {
                for pair in layer.windows(2) {
                    let (left, right) = (&all.slots[pair[0]], &all.slots[pair[1]]);
                    prop_assert!(left.x + left.reach.right < right.x - right.reach.left);
                }
            }
            prop_assert!(all.slots.iter().all(|slot| slot.x >= slot.reach.left));
        }
    }

    #[test]
    fn a_loop_has_one_way_back() {
        let nodes = [Reach { left: 1, right: 1 }; 3];
        let all = arrange(&nodes, &[(0, 1), (1, 2), (2, 0)], 1);
        let up: Vec<bool> = all.wires.iter().map(|wire| wire.up).collect();
        assert_eq!(up, [false, false, true]);
    }
}
