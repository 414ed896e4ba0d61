//! A host that writes a journal: every tick becomes a row before it is applied.

use stepcast::engine::{Command, Time};
use stepcast_core::journal::{Checkpoint, Folded, JournalError, Kept, RowExtras, fold, write_takeover, write_tick};

use crate::{Act, Driver, Graph, Rng, mix};

/// A run that is driven, and its journal.
#[derive(Clone, Debug)]
pub struct Journaled<'g> {
    /// The run.
    pub driver: Driver<'g>,
    /// The rows so far.
    pub rows: Vec<Vec<u8>>,
    rng: Rng,
}

impl<'g> Journaled<'g> {
    /// A run with an empty journal.
    pub fn new(driver: Driver<'g>, seed: u64) -> Self {
        Journaled { driver, rows: Vec::new(), rng: Rng::new(mix([seed, 5])) }
    }

    /// The next thing that is done, written before it is done.
    ///
    /// # Panics
    /// When its row cannot be written.
    pub fn step(&mut self) -> (Act, Vec<Command>) {
        let act = self.driver.choose();
        let def = &self.driver.graph.def;
        if let Some(tick) = act.tick(def) {
            let (mut row, number) = (Vec::new(), self.rows.len() as u64 + 1);
            let written = write_tick(&mut row, def, &self.driver.state, number, &tick, &RowExtras::default());
            if written.expect("every event of the pool can be written") {
                self.rows.push(row);
            } else {
                assert!(row.is_empty(), "no row, but something was written");
            }
        }
        let commands = self.driver.perform(&act);
        (act, commands)
    }

    /// The run again, of its rows.
    ///
    /// # Panics
    /// When they are refused.
    pub fn folded(&self) -> Folded {
        self.fold_from(None, 0).unwrap_or_else(|error| panic!("{error}\n{}", self.text()))
    }

    /// The run again, of a checkpoint and the rows from here on.
    ///
    /// # Errors
    /// When they are refused.
    pub fn fold_from(&self, checkpoint: Option<Checkpoint>, from: usize) -> Result<Folded, JournalError> {
        fold(&self.driver.graph.def, checkpoint, &self.rows[from..])
    }

    /// The run at its last row, as its own process writes it; read back from its text.
    ///
    /// # Panics
    /// When it cannot be written or read.
    pub fn checkpoint(&self, kept: Kept) -> Checkpoint {
        let (def, row) = (&self.driver.graph.def, self.rows.len() as u64);
        let text = serde_json::to_string(&Checkpoint::of(def, row, &self.driver.state, kept)).expect("it serializes");
        serde_json::from_str(&text).expect("it deserializes")
    }

    /// Another process takes the run over from its journal.
    ///
    /// # Panics
    /// When the journal is refused.
    pub fn crash(&mut self) {
        let folded = self.folded().take_over(&self.driver.graph.def);
        let mut driver = self.driver.restored(self.rng.number());
        driver.state = folded.state;
        let (mut row, at) = (Vec::new(), Time(driver.now()));
        let number = self.rows.len() as u64 + 1;
        write_takeover(&mut row, &driver.graph.def, &driver.state, number, at).expect("it can be written");
        self.rows.push(row);
        self.driver = driver;
    }

    /// The rows, for a failing case.
    pub fn text(&self) -> String {
        self.rows.iter().map(|row| format!("{}\n", String::from_utf8_lossy(row))).collect()
    }

    /// The workflow.
    pub fn graph(&self) -> &'g Graph {
        self.driver.graph
    }
}
