//! What a command is given: the options, the store, the workflows.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use stepcast::backend::{Backend, RunRecord};
use stepcast::{Catalogue, CatalogueWorkflow, Result as StepResult, Runtime, WorkflowDef};

use stepcast_client::Client;
use stepcast_graph::{Graph, Host, RegisterGraph};

use crate::args::Options;
use crate::error::CliError;
use crate::graphs;
use crate::setup::Setup;
use crate::store::Store;

/// Registers the workflows of the binary's own code.
pub(crate) type Register = Box<dyn FnOnce(&Runtime) -> StepResult<()> + Send>;

/// One invocation of the command.
pub(crate) struct App {
    /// Where the runs are.
    pub(crate) store: Store,
    /// JSON for scripts instead of text for people.
    pub(crate) json: bool,
    /// What a server asks for: of this client, or of its own clients.
    pub(crate) token: Option<String>,
    /// Whether the store was named on the command line.
    named: bool,
    register: Mutex<Option<Register>>,
    /// What the binary has for graphs.
    host: Option<Host>,
    /// Graphs that were named on the command line.
    graphs: Mutex<Vec<Graph>>,
    /// Those of them that may run what the binary's own code registers: they are made once that is there.
    pending: Mutex<Vec<Pending>>,
}

/// A document that is yet to become a graph.
enum Pending {
    File(PathBuf, Value),
    OfRun(Box<RunRecord>, Arc<str>),
}

impl Pending {
    /// The name of its workflow.
    fn name(&self) -> String {
        match self {
            Pending::File(_, source) => graphs::name_of(source),
            Pending::OfRun(record, _) => record.workflow.clone(),
        }
    }

    fn is(&self, name: &str) -> bool {
        let own = self.name();
        own == name || own.rsplit_once('@').is_some_and(|(id, _)| id == name)
    }
}

impl App {
    pub(crate) fn new(options: Options, setup: Setup) -> Result<App, CliError> {
        let from_env = |name: &str, value: Option<&OsStr>| std::env::var_os(name).as_deref() == value;
        // What is written on the command line comes before what the environment says.
        let file = options.store.as_deref().filter(|file| !from_env("STEPCAST_STORE", Some(file.as_os_str())));
        let url = options.server.as_deref().filter(|_| file.is_none());
        let (store, named) = match url {
            Some(url) => {
                let client = crate::remote::client(url, options.token.as_deref())?;
                (Store::Server(client), !from_env("STEPCAST_SERVER", Some(OsStr::new(url))))
            }
            None => (Store::of(options.store.as_deref()), file.is_some()),
        };
        Ok(App {
            store,
            json: options.json,
            token: options.token,
            named,
            register: Mutex::new(setup.register),
            host: setup.host,
            graphs: Mutex::default(),
            pending: Mutex::default(),
        })
    }

    /// The client of the server that has the runs, if one has.
    pub(crate) fn server(&self) -> Option<&Client> {
        match &self.store {
            Store::Server(client) => Some(client),
            _ => None,
        }
    }

    /// A runtime on this backend, or in memory, with the workflows that the binary's own code registers. Called once.
    pub(crate) fn runtime(&self, backend: Option<Arc<dyn Backend>>) -> Result<Runtime, CliError> {
        // A command goes on with the run that was named, not with all that anybody left behind.
        self.registered(backend.map_or_else(Runtime::new, |backend| Runtime::on(backend).only_attached()))
    }

    /// As [`runtime`](Self::runtime), going on with every run of the store.
    pub(crate) fn server_runtime(&self, backend: Option<Arc<dyn Backend>>) -> Result<Runtime, CliError> {
        self.registered(backend.map_or_else(Runtime::new, Runtime::on))
    }

    fn registered(&self, runtime: Runtime) -> Result<Runtime, CliError> {
        let register = self.register.lock().unwrap_or_else(PoisonError::into_inner).take();
        match register.map(|register| register(&runtime)) {
            None | Some(Ok(())) => {}
            Some(Err(error)) => return Err(CliError::setup(&error)),
        }
        let host = self.own_host().unwrap_or_default();
        runtime.take_up_graphs(host.clone());
        self.make_pending(host.workflows_of(&runtime))?;
        graphs::register(&runtime, &self.graphs.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(runtime)
    }

    fn make_pending(&self, host: Host) -> Result<(), CliError> {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let mut made = Vec::new();
        let mut files = Vec::new();
        for one in pending {
            match one {
                Pending::File(file, source) => files.push((file, source)),
                Pending::OfRun(record, document) => made.push(graphs::of_run(&record, &document, host.clone())?),
            }
        }
        made.extend(graphs::load(&files, host)?);
        self.graphs.lock().unwrap_or_else(PoisonError::into_inner).extend(made);
        Ok(())
    }

    /// Adds graphs, now or with what the binary's own code registers.
    fn add(&self, graphs: Vec<Pending>) -> Result<(), CliError> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).extend(graphs);
        match self.has_own_code() {
            true => Ok(()),
            false => self.make_pending(self.own_host().unwrap_or_default()),
        }
    }

    /// Whether the binary's own code is yet to register workflows.
    pub(crate) fn has_own_code(&self) -> bool {
        self.register.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What the binary has for graphs, if it has anything.
    pub(crate) fn own_host(&self) -> Option<Host> {
        self.host.clone()
    }

    /// Lets every runtime of this invocation run the graphs of these files, and gives the names of their workflows.
    pub(crate) fn add_files(&self, files: &[PathBuf]) -> Result<Vec<String>, CliError> {
        let read = |file: &PathBuf| Ok(Pending::File(file.clone(), graphs::read(file)?));
        let pending = files.iter().map(read).collect::<Result<Vec<_>, CliError>>()?;
        let names = pending.iter().map(Pending::name).collect();
        self.add(pending)?;
        Ok(names)
    }

    /// Lets every runtime of this invocation run the graph of a stored run.
    pub(crate) fn add_graph_of(&self, record: &RunRecord, store: &dyn Backend) -> Result<(), CliError> {
        match record.definition.as_deref().map(|hash| store.definition(hash)).transpose()?.flatten() {
            Some(document) => self.add(vec![Pending::OfRun(Box::new(record.clone()), document)]),
            None => Ok(()),
        }
    }

    /// Whether this is a graph that was named on the command line.
    fn has_graph(&self, name: &str) -> bool {
        let graphs = self.graphs.lock().unwrap_or_else(PoisonError::into_inner);
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        graphs.iter().any(|graph| graph.id() == name || graph.definition().name() == name)
            || pending.iter().any(|pending| pending.is(name))
    }

    /// The definition of a workflow that is linked in, before anything is opened. `None` where only the binary's own
    /// code can know it.
    pub(crate) fn linked(&self, name: &str) -> Result<Option<WorkflowDef>, CliError> {
        let catalogue = Catalogue::global()?;
        let own = self.has_own_code();
        match catalogue.workflow(name) {
            Some(linked) => (linked.define)().map(Some).map_err(|error| CliError::definition(&error)),
            None if own || self.has_graph(name) => Ok(None),
            None => {
                let known: Vec<String> = catalogue.workflows().map(|flow| flow.name.to_owned()).collect();
                Err(unknown_workflow(name, &known))
            }
        }
    }

    /// Has the runtime know a workflow, by its name. Others stay unknown, so that their runs are left alone.
    pub(crate) async fn register(&self, runtime: &Runtime, name: &str) -> Result<Arc<WorkflowDef>, CliError> {
        if let Some(known) = runtime.definition(name) {
            return Ok(known);
        }
        if let Some(linked) = Catalogue::global()?.workflow(name) {
            runtime.register_linked(linked).await?;
        }
        runtime.definition(name).ok_or_else(|| unknown_workflow(name, &self.names(runtime)))
    }

    /// The names of all workflows of this binary: those of the runtime and those that are linked in.
    pub(crate) fn names(&self, runtime: &Runtime) -> Vec<String> {
        let linked = Catalogue::global().into_iter().flat_map(Catalogue::workflows).map(|flow| flow.name.to_owned());
        let mut names: Vec<String> = runtime.workflows().into_iter().chain(linked).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Gives the store back: what is held becomes anybody's.
    pub(crate) fn close(&self, store: Option<Arc<dyn Backend>>) {
        // The command has its result, and what is not written was not acknowledged.
        let _ = store.map(|store| store.close());
    }

    /// How a command of this binary is written, on the store of this invocation.
    pub(crate) fn command(&self, rest: &str) -> String {
        let store = match &self.store {
            Store::File(file) if self.named => format!(" --store {}", file.display()),
            Store::Server(client) if self.named => format!(" --server {}", client.address()),
            _ => String::new(),
        };
        format!("{}{store} {rest}", program())
    }

    /// The definitions of all workflows of this binary, with the entry of those that are linked in. None of them is
    /// made.
    pub(crate) fn definitions(&self) -> Result<BTreeMap<String, Definition>, CliError> {
        let runtime = self.runtime(None)?;
        let mut all = BTreeMap::new();
        for linked in Catalogue::global()?.workflows() {
            let def = (linked.define)().map_err(|error| CliError::definition(&error))?;
            all.insert(linked.name.to_owned(), Definition { def: Arc::new(def), linked: Some(*linked) });
        }
        for name in runtime.workflows() {
            if let Some(def) = runtime.definition(&name) {
                let linked = all.remove(&name).and_then(|known: Definition| known.linked);
                all.insert(name, Definition { def, linked });
            }
        }
        Ok(all)
    }

    /// The definition of one workflow.
    pub(crate) fn definition(&self, name: &str) -> Result<Definition, CliError> {
        let mut all = self.definitions()?;
        all.remove(name).ok_or_else(|| unknown_workflow(name, &all.into_keys().collect::<Vec<_>>()))
    }
}

/// What is known of a workflow without a value of it.
#[derive(Clone)]
pub(crate) struct Definition {
    pub(crate) def: Arc<WorkflowDef>,
    /// Its entry in the catalogue, unless it was registered by hand.
    pub(crate) linked: Option<CatalogueWorkflow>,
}

/// The name under which this program was called.
fn program() -> String {
    let called = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = called.as_deref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "stepcast".to_owned())
}

fn unknown_workflow(name: &str, known: &[String]) -> CliError {
    let error = CliError::new("SC0040", format!("There is no workflow `{name}` in this binary."));
    match (crate::text::nearest(name, known), known.is_empty()) {
        (Some(near), _) => error.help(format!("did you mean `{near}`?")),
        (None, false) => error.help(format!("there are: {}", known.join(", "))),
        (None, true) => error.help("call `stepcast_cli::main()` from the binary that has your workflows"),
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("store", &self.store).field("json", &self.json).finish_non_exhaustive()
    }
}
