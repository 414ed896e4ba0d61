//! `stepcast serve`: the workflows of this binary over HTTP.

use std::net::{IpAddr, SocketAddr};

use stepcast::{Catalogue, Runtime};
use stepcast_server::Server;

use super::Outcome;
use crate::app::App;
use crate::error::CliError;
use crate::exit::Exit;
use crate::out::{self, BOLD, DIM, paint};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The port; 0 for a free one
    #[arg(long, short, default_value_t = 8080)]
    port: u16,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
}

pub(crate) async fn execute(app: &App, args: &Args) -> Outcome {
    let store = app.store.write()?;
    let runtime = app.server_runtime(store.clone())?;
    register_linked(&runtime).await?;
    let address = SocketAddr::new(args.host, args.port);
    if !app.json {
        out::note(format!("{} {}", paint(BOLD, "serving"), runtime.workflows().join(", ")));
        out::note(paint(DIM, format!("runs are kept in {}", app.store.name())));
    }
    let served = Server::new(runtime).serve(address).await;
    app.close(store);
    served.map(|()| Exit::Completed).map_err(|error| CliError::new("SC0113", error.to_string()))
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
