//! Batches that are durable, by where they are taken back.

use std::sync::Arc;

use stepcast_core::backend::{Owed, ReceivesAll};

#[derive(Default)]
pub(super) struct Landed(Vec<To>);

struct To {
    of_all: Arc<dyn ReceivesAll>,
    pieces: Vec<Vec<Owed>>,
    /// Those that are in no piece.
    others: Vec<Owed>,
}

impl Landed {
    /// Adds a piece as it is.
    pub(super) fn add_all(&mut self, of_all: Arc<dyn ReceivesAll>, owed: Vec<Owed>) {
        self.to(of_all).pieces.push(owed);
    }

    pub(super) fn add(&mut self, of_all: Arc<dyn ReceivesAll>, owed: Owed) {
        self.to(of_all).others.push(owed);
    }

    fn to(&mut self, of_all: Arc<dyn ReceivesAll>) -> &mut To {
        // Mostly there is one.
        let at = self.0.iter().position(|to| Arc::ptr_eq(&to.of_all, &of_all)).unwrap_or_else(|| {
            self.0.push(To { of_all, pieces: Vec::new(), others: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    /// Gives all back.
    pub(super) fn give_back(self) {
        for To { of_all, mut pieces, others } in self.0 {
            if !others.is_empty() {
                pieces.push(others);
            }
            of_all.receive_all(pieces);
        }
    }
}
