//! A definition and what this process learned about its steps. One per workflow type, shared by its runs.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use stepcast_core::backend::Definition;
use stepcast_core::{DefinitionError, StepIx, Workflow, WorkflowDef};

use crate::context::sha256;

/// A step's first polls are timed until so many were short.
const UNKNOWN: u8 = 4;
/// A step with a long poll gets a task of its own until so many polls were short.
const SLOW: u8 = 24;

/// A definition, and how long its steps take to their first await.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) def: Arc<WorkflowDef>,
    heat: Box<[AtomicU8]>,
    /// Whether any step can wait: then outputs have to be held against filters.
    pub(crate) has_waits: bool,
    /// A workflow without fields: all its runs share one.
    pub(crate) unit: OnceLock<Arc<dyn Any + Send + Sync>>,
    /// The document that it was made of, once a store has asked.
    definition: OnceLock<Option<Definition>>,
}

impl Program {
    pub(crate) fn new(def: WorkflowDef) -> Self {
        let heat = def.steps().iter().map(|_| AtomicU8::new(UNKNOWN)).collect();
        let has_waits = def.steps().iter().any(|step| !step.waits().is_empty());
        Program { def: Arc::new(def), heat, has_waits, unit: OnceLock::new(), definition: OnceLock::new() }
    }

    /// The document that it was made of, if it is one of data.
    pub(crate) fn definition(&self) -> Option<&Definition> {
        let of = |json: &Arc<str>| Definition { hash: sha256(json).into(), json: Arc::clone(json) };
        self.definition.get_or_init(|| self.def.document().map(of)).as_ref()
    }

    /// The program of a workflow type, built at its first use.
    pub(crate) fn of<W: Workflow>() -> Result<Arc<Program>, Arc<DefinitionError>> {
        thread_local! {
            // The program that this thread asked for last: runs of one workflow come in rows.
            static LAST: RefCell<Option<(TypeId, Arc<Program>)>> = const { RefCell::new(None) };
        }
        let wanted = TypeId::of::<W>();
        let last = LAST.with_borrow(|last| {
            last.as_ref().filter(|(known, _)| *known == wanted).map(|(_, program)| Arc::clone(program))
        });
        if let Some(program) = last {
            return Ok(program);
        }
        let built = Program::look_up::<W>();
        if let Ok(program) = &built {
            LAST.set(Some((wanted, Arc::clone(program))));
        }
        built
    }

    fn look_up<W: Workflow>() -> Result<Arc<Program>, Arc<DefinitionError>> {
        type Built = Result<Arc<Program>, Arc<DefinitionError>>;
        static PROGRAMS: OnceLock<DashMap<TypeId, Built>> = OnceLock::new();
        let programs = PROGRAMS.get_or_init(DashMap::new);
        if let Some(built) = programs.get(&TypeId::of::<W>()) {
            return built.clone();
        }
        let built = WorkflowDef::of::<W>().map(|def| Arc::new(Program::new(def))).map_err(Arc::new);
        programs.entry(TypeId::of::<W>()).or_insert(built).clone()
    }

    /// Whether the step's polls are not known to be short, so that one is worth timing.
    pub(crate) fn is_timed(&self, step: StepIx) -> bool {
        self.heat[step as usize].load(Ordering::Relaxed) > 0
    }

    /// Whether a poll of the step was long, so that it gets a task of its own at once.
    pub(crate) fn is_slow(&self, step: StepIx) -> bool {
        self.heat[step as usize].load(Ordering::Relaxed) > UNKNOWN
    }

    pub(crate) fn saw_short_poll(&self, step: StepIx) {
        let heat = &self.heat[step as usize];
        let value = heat.load(Ordering::Relaxed);
        // A lost race between two polls costs one timing more.
        heat.store(value.saturating_sub(1), Ordering::Relaxed);
    }

    pub(crate) fn saw_long_poll(&self, step: StepIx) {
        self.heat[step as usize].store(SLOW, Ordering::Relaxed);
    }

    /// A slice of polls took long altogether: its steps, given by number modulo 64, are timed one by one again.
    pub(crate) fn suspect(&self, polled: u64) {
        let polled = self.heat.iter().enumerate().filter(|(step, _)| polled & (1 << (step % 64)) != 0);
        for (_, heat) in polled {
            if heat.load(Ordering::Relaxed) == 0 {
                heat.store(UNKNOWN, Ordering::Relaxed);
            }
        }
    }
}
