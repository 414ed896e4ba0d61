//! What the children of a run do, as it happens.

use std::collections::HashMap;

use stepcast::{AnyRun, RunId, StepStateChanged};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Changes that wait to be shown. More make the children's streams wait, not the children.
const ROOM: usize = 256;

/// The children of a run, and what is heard of them.
pub(super) struct Below {
    known: HashMap<RunId, Whose>,
    give: Sender<News>,
    take: Receiver<News>,
}

/// The run that an execution belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Whose {
    /// 0 for the run itself, 1 for its children.
    pub(super) depth: usize,
    /// Nothing for the run itself. Children of one workflow are told together.
    pub(super) workflow: String,
    /// Which of the runs it is.
    number: usize,
}

/// Word of a child.
pub(super) struct News {
    pub(super) whose: Whose,
    /// `None`: it has ended.
    pub(super) changed: Option<StepStateChanged>,
}

impl Whose {
    /// The same for all children of one workflow.
    pub(super) fn together(&self) -> Whose {
        Whose { number: 0, ..self.clone() }
    }
}

impl Below {
    pub(super) fn new() -> Below {
        let (give, take) = channel(ROOM);
        Below { known: HashMap::new(), give, take }
    }

    /// The next word of a child.
    pub(super) async fn next(&mut self) -> News {
        match self.take.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Listens to children that are new.
    pub(super) fn look(&mut self, run: &AnyRun) {
        for child in run.children() {
            if self.known.contains_key(child.run_id()) {
                continue;
            }
            let above = child.parent_id().and_then(|parent| self.known.get(&parent)).map_or(0, |known| known.depth);
            let workflow = child.workflow().to_owned();
            let whose = Whose { depth: above + 1, workflow, number: self.known.len() + 1 };
            self.known.insert(child.run_id().clone(), whose.clone());
            let give = self.give.clone();
            tokio::spawn(async move {
                let mut stream = child.events_internal();
                drop(child);
                while let Some(item) = stream.next().await {
                    let Some(changed) = item.get::<StepStateChanged>() else { continue };
                    let news = News { whose: whose.clone(), changed: Some(changed.clone()) };
                    if give.send(news).await.is_err() {
                        return;
                    }
                }
                // Nobody listens any more if this fails.
                let _ = give.send(News { whose, changed: None }).await;
            });
        }
    }
}
