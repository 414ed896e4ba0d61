//! What every handler has at hand.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use stepcast::{RunOptions, Runtime};
use tokio_util::sync::CancellationToken;

use crate::ops::{Description, Gate, Metrics};
use crate::options::ServerOptions;
use crate::runs::Runs;

/// What every handler has at hand. Clones are the same.
#[derive(Clone)]
pub(crate) struct App(Arc<AppInner>);

pub(crate) struct AppInner {
    pub(crate) runs: Runs,
    pub(crate) options: ServerOptions,
    pub(crate) gate: Gate,
    pub(crate) metrics: Arc<Metrics>,
    /// What `/openapi.json` says.
    pub(crate) description: OnceLock<Description>,
    /// Cancelled when the server drains: streams are broken off, and nothing new begins.
    pub(crate) draining: CancellationToken,
}

impl App {
    pub(crate) fn new(runtime: Runtime, options: ServerOptions) -> Self {
        let metrics = Arc::new(Metrics::new());
        let runs = Runs::of(runtime, &options, Arc::clone(&metrics));
        let gate = Gate::new(&options);
        let (description, draining) = (OnceLock::new(), CancellationToken::new());
        App(Arc::new(AppInner { runs, options, gate, metrics, description, draining }))
    }

    /// What every run has that is started through the server.
    pub(crate) fn run_options(&self) -> RunOptions {
        let options = RunOptions::new().record_times();
        match self.options.record_internal {
            true => options.record_internal(),
            false => options,
        }
    }
}

impl Deref for App {
    type Target = AppInner;

    fn deref(&self) -> &AppInner {
        &self.0
    }
}
