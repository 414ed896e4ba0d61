//! Workflows made again of the documents that stored runs were created with.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Weak};

use serde_json::Value;
use stepcast_core::backend::*;

use super::{AttachError, Host, ask};
use crate::built::AnyWorkflow;
use crate::program::Program;
use crate::run::{RunId, lock};
use crate::runtime::Runtime;

/// Why no workflow was made of a document.
pub type DefineError = Box<dyn std::error::Error + Send + Sync>;

/// Makes workflows of documents. A runtime asks it for stored runs whose workflow is not registered, or is made of another
/// document by now than they were created with.
pub trait Definitions: Send + Sync + 'static {
    /// Makes the workflow of this name of its document. It may block.
    ///
    /// # Errors
    /// When it cannot be made here, as when functions are missing that it uses: its runs stay as they are, until
    /// something is registered with the runtime.
    fn define(&self, workflow: &str, document: &str) -> Result<AnyWorkflow, DefineError>;
}

/// What a runtime made of documents, by their hashes.
#[derive(Default)]
pub(super) struct Defined {
    by: Mutex<Option<Arc<dyn Definitions>>>,
    made: Mutex<HashMap<Arc<str>, Made>>,
}

enum Made {
    /// Kept by its runs.
    Program(Weak<Program>),
    Not(Cause),
}

/// A document did not become what it was.
#[derive(Debug, thiserror::Error)]
enum NotDefined {
    #[error("the store does not have it any more")]
    Gone,
    #[error("it became the workflow `{found}`")]
    Renamed { found: String },
    #[error("making a workflow of it panicked")]
    Panicked,
}

impl Host {
    /// The program that a stored run goes on with: what is registered, unless the run was created with another document.
    /// With `anew`, what could not be made before is tried again. Blocks.
    pub(super) fn program(
        &self,
        record: &RunRecord,
        registered: Option<&Arc<Program>>,
        anew: bool,
    ) -> Result<Arc<Program>, AttachError> {
        let run = || RunId::from(Arc::clone(&record.run));
        let wanted = record.definition.as_ref().filter(|hash| {
            let same = registered.is_some_and(|known| known.definition().is_some_and(|known| known.hash == **hash));
            // One that has ended is shown by whatever is there.
            let shown = record.status.is_end() && registered.is_some();
            !(same || shown)
        });
        let by = lock(&self.defined.by).clone();
        let (Some(hash), Some(by)) = (wanted, by) else {
            let unregistered = || AttachError::Unregistered { run: run(), workflow: record.workflow.clone() };
            return registered.cloned().ok_or_else(unregistered);
        };
        let refused = |source: Cause| AttachError::Document { run: run(), workflow: record.workflow.clone(), source };
        match lock(&self.defined.made).get(hash) {
            Some(Made::Program(program)) => {
                if let Some(program) = program.upgrade() {
                    return Ok(program);
                }
            }
            Some(Made::Not(error)) if !anew => return Err(refused(Arc::clone(error))),
            _ => {}
        }
        let Some(json) = self.backend().definition(hash)? else { return Err(refused(Arc::new(NotDefined::Gone))) };
        // What it is made with is user code.
        let made = catch_unwind(AssertUnwindSafe(|| by.define(&record.workflow, &json)));
        let made: Result<Arc<Program>, Cause> = match made.unwrap_or_else(|_| Err(NotDefined::Panicked.into())) {
            Ok(made) if made.program.def.name() == record.workflow => Ok(made.program),
            Ok(made) => Err(Arc::new(NotDefined::Renamed { found: made.program.def.name().to_owned() })),
            Err(error) => Err(Arc::from(error)),
        };
        let kept = match &made {
            Ok(program) => Made::Program(Arc::downgrade(program)),
            Err(error) => Made::Not(Arc::clone(error)),
        };
        let mut known = lock(&self.defined.made);
        known.retain(|_, made| !matches!(made, Made::Program(program) if program.strong_count() == 0));
        known.insert(Arc::clone(hash), kept);
        made.map_err(refused)
    }

    /// Whether workflows that are not registered may be made of their documents.
    pub(super) fn defines(&self) -> bool {
        lock(&self.defined.by).is_some()
    }

    /// Whether the workflow of a run that is not registered may be made of its document.
    pub(super) fn may_define(&self, record: &RunRecord) -> bool {
        record.definition.is_some() && self.defines()
    }

    /// What could not be made of a document may be possible by now.
    pub(crate) fn define_anew(&self) {
        lock(&self.defined.made).retain(|_, made| matches!(made, Made::Program(_)));
        self.forget_undefined();
    }
}

impl Runtime {
    /// Names who makes workflows of the documents that stored runs were created with, one at a time: a second replaces
    /// the first. From then on, runs are taken up too whose workflow is not registered here, or is made of another
    /// document by now: each goes on with the document that it was created with.
    pub fn define_with(&self, definitions: Arc<dyn Definitions>) {
        let Some(host) = self.host() else { return };
        *lock(&host.defined.by) = Some(definitions);
        host.define_anew();
        host.start(self.inner());
        host.look();
    }

    /// The document that a run was created with, live or stored, if its workflow is one of data.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn run_definition(&self, run: &RunId) -> Result<Option<Value>, StorageError> {
        let parse = |json: &str| serde_json::from_str(json).ok();
        if let Some(live) = self.shared_of(run) {
            return Ok(live.def().document().and_then(|json| parse(json)));
        }
        let Some(backend) = self.backend() else { return Ok(None) };
        let Some(hash) = self.find_run(run).await?.and_then(|record| record.definition) else { return Ok(None) };
        let json = ask(backend, move |backend| backend.definition(&hash)).await;
        Ok(json.unwrap_or(Err(StorageError::Closed))?.and_then(|json| parse(&json)))
    }
}
