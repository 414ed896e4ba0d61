//! Five workflows over HTTP: `cargo run --example server -- --port 8080 [--store FILE]`.
//!
//! Without `--store` runs live in memory. Then, for instance:
//!
//! ```sh
//! curl -s localhost:8080/workflows/greet/run -H 'content-type: application/json' -d '{"start_event": {"name": "Ada"}}'
//! ```

use std::net::{Ipv4Addr, SocketAddr};

use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_examples::flows;
use stepcast_server::Server;
use stepcast_sqlite::SqliteBackend;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut port, mut store) = (8080, None);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next()) {
            ("--port", Some(value)) => port = value.parse()?,
            ("--store", Some(value)) => store = Some(value),
            (other, _) => {
                return Err(StepError::msg(format!("usage: server [--port PORT] [--store FILE], not {other}")));
            }
        }
    }
    let runtime = match store {
        Some(file) => Runtime::on(SqliteBackend::open(file)?),
        None => Runtime::new(),
    };
    flows::register(&runtime)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    println!("listening on http://{address}");
    Server::new(runtime).serve(address).await?;
    Ok(())
}
