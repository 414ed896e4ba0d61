//! `stepcast serve`: the workflows of this binary over HTTP.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use stepcast::{Catalogue, Runtime};
use stepcast_graph::Graphs;
use stepcast_server::{ServeError, Server, ServerOptions};

use tokio::net::TcpListener;

use super::Outcome;
use crate::app::App;
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, BOLD, DIM, YELLOW, paint};

/// How long a browser that signed in has access.
const SIGNED_IN: Duration = Duration::from_secs(12 * 3600);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The port; 0 for a free one
    #[arg(long, short, default_value_t = 8080)]
    port: u16,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
    /// A token that may only look; the one of `--token` may do everything
    #[arg(long, value_name = "TOKEN", env = "STEPCAST_READ_ONLY_TOKEN", hide_env_values = true)]
    read_only_token: Option<String>,
    /// Pages of this origin may use the server, as https://app.example; can be repeated
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// People may sign in with a token at /sign-in, for pages beside the server that can send none
    #[arg(long)]
    browser_sign_in: bool,
    /// Serve the graphs of this folder, and keep there what clients put
    #[arg(long, value_name = "FOLDER")]
    graphs: Option<PathBuf>,
    /// Listen on any address without a token
    #[arg(long)]
    insecure: bool,
    /// Streams of `/events/{id}` begin with the first event where no place is named, as the LlamaIndex debugger needs it
    #[arg(long)]
    from_start: bool,
    /// Runs keep the frames of their steps for who subscribes later
    #[arg(long)]
    record_internal: bool,
    /// Send spans to an OpenTelemetry collector, by OTLP over HTTP, as http://localhost:4318
    #[arg(long, value_name = "URL")]
    #[cfg_attr(not(feature = "otel"), arg(hide = true))]
    otlp: Option<String>,
}

impl Args {
    fn options(&self, token: Option<&str>) -> ServerOptions {
        let mut options =
            ServerOptions::new().default_cursor_start(self.from_start).record_internal(self.record_internal);
        if let Some(token) = token {
            options = options.token(token);
        }
        if let Some(token) = &self.read_only_token {
            options = options.read_only_token(token);
        }
        if self.insecure {
            options = options.insecure();
        }
        if self.browser_sign_in {
            options = options.browser_sign_in(SIGNED_IN);
        }
        self.allow_origin.iter().fold(options, ServerOptions::allow_origin)
    }
}

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    #[cfg(feature = "otel")]
    let otel = args.otlp.as_deref().map(otel).transpose()?;
    #[cfg(not(feature = "otel"))]
    if args.otlp.is_some() {
        let told = "this binary cannot send spans: it was built without OpenTelemetry";
        return Err(CliError::new("SC0114", told).help("build it with the feature `otel` of `stepcast-cli`"));
    }
    let store = app.store.write()?;
    let runtime = app.server_runtime(store.clone())?;
    register_linked(&runtime).await?;
    let graphs = graphs(app, args, &runtime)?;
    let workflows = runtime.workflows();
    if args.browser_sign_in && app.token.is_none() && args.read_only_token.is_none() {
        out::note(paint(YELLOW, "nobody has to sign in: the server asks for no token"));
    }
    let server = Server::new(runtime).with_options(args.options(app.token.as_deref()).graphs(graphs));
    let served = match TcpListener::bind(SocketAddr::new(args.host, args.port)).await {
        Ok(listener) => {
            tell(app, &workflows, listener.local_addr()?)?;
            server.serve_on(listener).await
        }
        Err(source) => {
            let address = SocketAddr::new(args.host, args.port);
            Err(ServeError::Bind { address, source })
        }
    };
    app.close(store);
    #[cfg(feature = "otel")]
    if let Some(Err(error)) = otel.map(|otel| otel.shutdown()) {
        out::note(error.to_string());
    }
    served.map(|()| Exit::Completed).map_err(|error| match error {
        ServeError::Exposed { address } => {
            CliError::new("SC0113", format!("others reach {address}, and the server asks nobody for a token"))
                .help("set one with `--token`, or say `--insecure` if that is meant")
        }
        error => CliError::new("SC0113", error.to_string()),
    })
}

/// The graphs of the folder, or none; clients may put more.
fn graphs(app: &App, args: &Args, runtime: &Runtime) -> Result<Graphs, CliError> {
    let host = app.own_host().unwrap_or_default();
    let Some(folder) = &args.graphs else { return Ok(Graphs::new(runtime, host)) };
    let (graphs, faults) =
        Graphs::in_folder(runtime, host, folder).map_err(|error| CliError::new("SC0125", error.to_string()))?;
    for fault in faults {
        out::note(format!("{} {fault}", paint(YELLOW, "not served:")));
    }
    Ok(graphs)
}

/// Spans go to a collector from now on.
#[cfg(feature = "otel")]
fn otel(url: &str) -> Result<stepcast_otel::Otel, CliError> {
    let failed = |error: &dyn std::error::Error| CliError::new("SC0114", error.to_string());
    let service = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "stepcast".to_owned());
    let otel = stepcast_otel::Otel::otlp(service, url).map_err(|error| failed(&error))?;
    otel.install().map_err(|error| failed(&error))?;
    Ok(otel)
}

/// Where the server is: all of standard output, for whoever started it on a free port.
fn tell(app: &App, workflows: &[String], address: SocketAddr) -> std::io::Result<()> {
    let url = format!("http://{address}");
    if app.json {
        return out::json(&json!({ "url": url, "workflows": workflows, "store": app.store.name() }));
    }
    out::note(format!("{} {}", paint(BOLD, "serving"), workflows.join(", ")));
    out::note(paint(DIM, format!("runs are kept in {}", app.store.name())));
    out::line(url)
}

/// Registers every linked workflow that can be made by its name; one that cannot is named.
async fn register_linked(runtime: &Runtime) -> Result<(), CliError> {
    for linked in Catalogue::global()?.workflows() {
        if runtime.definition(linked.name).is_some() {
            continue;
        }
        match linked.create {
            Some(_) => runtime.register_linked(linked).await?,
            None => out::note(paint(DIM, format!("{} is not served: register it with `main_with`", linked.name))),
        }
    }
    Ok(())
}
