//! Runs that live in memory alone, in the order in which they were started, and by what they are looked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use stepcast::RunId;

use super::live_run::LiveRun;

/// Runs by their numbers, which grow.
#[derive(Debug, Default)]
pub(super) struct Order {
    next: u64,
    runs: BTreeMap<u64, Arc<LiveRun>>,
    /// The newest of each id: the turns of a thread lie together.
    by_id: BTreeMap<RunId, u64>,
    /// Of each run that has children.
    children: BTreeMap<RunId, BTreeSet<u64>>,
    /// Those to ask next whether they have ended.
    queue: VecDeque<u64>,
    /// Those that are known to have ended, the first to go at the front.
    ended: VecDeque<u64>,
    /// Those that may have questions, open or answered, with the count of `told` when they were last told of.
    asking: BTreeMap<u64, u64>,
    told: u64,
    /// The last number that a question was shown under.
    pub(super) next_input: u64,
}

impl Order {
    /// Adds a run, under the number that it is made with.
    pub(super) fn add(&mut self, live: impl FnOnce(u64) -> LiveRun) -> Arc<LiveRun> {
        let number = self.next;
        self.next += 1;
        let live = Arc::new(live(number));
        self.runs.insert(number, Arc::clone(&live));
        self.by_id.insert(live.run.run_id().clone(), number);
        if let Some(parent) = &live.parent {
            self.children.entry(parent.clone()).or_default().insert(number);
        }
        self.queue.push_back(number);
        live
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Arc<LiveRun>> {
        let live = self.runs.remove(&number)?;
        let id = live.run.run_id();
        if self.by_id.get(id) == Some(&number) {
            self.by_id.remove(id);
        }
        if let Some(parent) = &live.parent
            && let Some(siblings) = self.children.get_mut(parent)
        {
            siblings.remove(&number);
            if siblings.is_empty() {
                self.children.remove(parent);
            }
        }
        self.asking.remove(&number);
        Some(live)
    }

    /// Takes out the first runs that have ended, if there are more of them than are kept. Each start asks two whether they
    /// have, so it keeps up.
    pub(super) fn forget(&mut self, keep_ended: usize) -> Vec<Arc<LiveRun>> {
        for _ in 0..2 {
            let Some(number) = self.queue.pop_front() else { break };
            match self.runs.get(&number) {
                None => {}
                Some(live) if live.run.is_done() => self.ended.push_back(number),
                Some(_) => self.queue.push_back(number),
            }
        }
        let mut gone = Vec::new();
        while self.ended.len() > keep_ended {
            let Some(number) = self.ended.pop_front() else { break };
            gone.extend(self.remove(number));
        }
        gone
    }

    /// So many of the runs before a number, the newest first.
    pub(super) fn below(&self, number: u64, many: usize) -> Vec<Arc<LiveRun>> {
        self.runs.range(..number).rev().take(many).map(|(_, live)| Arc::clone(live)).collect()
    }

    /// The children of a run, the first one first.
    pub(super) fn children(&self, run: &RunId) -> Vec<Arc<LiveRun>> {
        let numbers = self.children.get(run).into_iter().flatten();
        numbers.filter_map(|number| self.runs.get(number).map(Arc::clone)).collect()
    }

    /// The newest run that `is` takes, of those whose id is `name`, or `name`, a colon and more.
    pub(super) fn newest(&self, name: &str, is: impl Fn(&RunId) -> bool) -> Option<RunId> {
        let own = RunId::from(name);
        let colon = RunId::from(format!("{name}:"));
        let further = self.by_id.range(&colon..).take_while(|(id, _)| id.as_str().starts_with(colon.as_str()));
        let all = self.by_id.get_key_value(&own).into_iter().chain(further);
        all.filter(|(id, _)| is(id)).max_by_key(|(_, number)| **number).map(|(id, _)| id.clone())
    }

    /// A run was told of: it may have questions.
    pub(super) fn asks(&mut self, number: u64) {
        self.told += 1;
        if self.runs.contains_key(&number) {
            self.asking.insert(number, self.told);
        }
    }

    /// It had none, unless it was told of anew since.
    pub(super) fn asks_nothing(&mut self, number: u64, told: u64) {
        if self.asking.get(&number) == Some(&told) {
            self.asking.remove(&number);
        }
    }

    /// Runs that may have questions, and when they were told of.
    pub(super) fn asking(&self) -> impl Iterator<Item = (Arc<LiveRun>, u64)> {
        self.asking.iter().filter_map(|(number, told)| Some((Arc::clone(self.runs.get(number)?), *told)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};
    use stepcast::prelude::*;
    use stepcast::{AnyRun, Runtime};

    use super::{LiveRun, Order, RunId};

    #[event(start)]
    struct Begin {}

    #[event(stop)]
    struct Ended {}

    #[step]
    async fn wait(_: Begin) -> Ended {
        std::future::pending().await
    }

    flow!(Waits: Begin => Ended { wait });

    const IDS: [&str; 6] = ["a", "a:2", "a:10", "a:x", "ab", "b"];

    #[derive(Clone, Debug)]
    enum Act {
        /// A run of this id, as a child of that one.
        Add(usize, Option<usize>),
        /// One of those that are there.
        Remove(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        let ids = 0..IDS.len();
        prop_oneof![
            3 => (ids.clone(), proptest::option::of(ids)).prop_map(|(id, parent)| Act::Add(id, parent)),
            1 => any::<usize>().prop_map(Act::Remove),
        ]
    }

    /// The one of this id, which ends what had it before.
    async fn run(runtime: &Runtime, id: &str) -> AnyRun {
        if let Some(former) = runtime.get(&RunId::from(id)) {
            former.cancel();
            let _ = former.outcome().await;
        }
        AnyRun::clone(&runtime.run(Waits, Begin {}, RunOptions::new().run_id(id)))
    }

    /// What is found is what a walk over all would find.
    async fn finds_what_is_there(acts: Vec<Act>) {
        let runtime = Runtime::new();
        let (mut order, mut there) = (Order::default(), Vec::<(u64, usize, Option<usize>)>::new());
        for act in acts {
            match act {
                Act::Add(id, parent) => {
                    let run = run(&runtime, IDS[id]).await;
                    let live = order.add(|number| {
                        let mut live = LiveRun::new(run, "Waits".to_owned(), number, None);
                        live.parent = parent.map(|parent| RunId::from(IDS[parent]));
                        live
                    });
                    // As its caller does with the former one of the same id.
                    there.retain(|(number, other, _)| {
                        let stays = *other != id;
                        if !stays {
                            order.remove(*number).unwrap();
                        }
                        stays
                    });
                    there.push((live.number, id, parent));
                }
                Act::Remove(_) if there.is_empty() => {}
                Act::Remove(at) => {
                    let (number, ..) = there.remove(at % there.len());
                    assert_eq!(order.remove(number).unwrap().number, number);
                }
            }
            let all: Vec<u64> = order.below(u64::MAX, usize::MAX).iter().map(|live| live.number).collect();
            let walked: Vec<u64> = there.iter().rev().map(|(number, ..)| *number).collect();
            assert_eq!(all, walked);
            for (at, id) in IDS.iter().enumerate() {
                let children = order.children(&RunId::from(*id));
                let children: Vec<u64> = children.iter().map(|live| live.number).collect();
                let with_parent = there.iter().filter(|(.., parent)| *parent == Some(at));
                assert_eq!(children, with_parent.map(|(number, ..)| *number).collect::<Vec<_>>(), "children of {id}");
            }
            let is = |id: &str| matches!(id, "a" | "a:2" | "a:10");
            let newest = there.iter().rev().map(|(_, id, _)| IDS[*id]).find(|id| is(id));
            let found = order.newest("a", |id| is(id.as_str()));
            assert_eq!(found.as_ref().map(RunId::as_str), newest);
        }
        while let Some((number, ..)) = there.pop() {
            order.remove(number);
        }
        assert!(order.by_id.is_empty() && order.children.is_empty(), "{order:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_found_is_what_is_there(acts in proptest::collection::vec(act(), 0..24)) {
            let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            tokio.block_on(finds_what_is_there(acts));
        }
    }
}
