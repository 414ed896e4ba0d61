//! Five workflows, and graphs that are put there, over HTTP:
//! `cargo run --example server -- --port 8080 [--store FILE] [--debugger ORIGIN]`.
//!
//! Without `--store` runs live in memory; with `--port 0` it takes a free port. `--debugger` lets in the LlamaIndex debugger
//! that pages of this origin are, and shows it the events that it asks too late for. Then, for instance:
//!
//! ```sh
//! curl -s localhost:8080/workflows/greet/run -H 'content-type: application/json' -d '{"start_event": {"name": "Ada"}}'
//! ```

use std::net::Ipv4Addr;

use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_examples::flows;
use stepcast_graph::{Graphs, Host};
use stepcast_server::{Server, ServerOptions};
use stepcast_sqlite::SqliteBackend;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut port, mut store, mut options) = (8080, None, ServerOptions::new());
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next()) {
            ("--port", Some(value)) => port = value.parse()?,
            ("--store", Some(value)) => store = Some(value),
            ("--debugger", Some(value)) => {
                options = options.allow_origin(value).default_cursor_start(true).record_internal(true);
            }
            (other, _) => {
                let usage = "usage: server [--port PORT] [--store FILE] [--debugger ORIGIN]";
                return Err(StepError::msg(format!("{usage}, not {other}")));
            }
        }
    }
    let runtime = match store {
        Some(file) => Runtime::on(SqliteBackend::open(file)?),
        None => Runtime::new(),
    };
    flows::register(&runtime)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let options = options.graphs(Graphs::new(&runtime, Host::new()));
    Server::new(runtime).with_options(options).serve_until(listener, interrupted).await?;
    Ok(())
}
