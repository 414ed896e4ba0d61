//! Runs of stepcast workflows over HTTP, SSE and WebSocket.
//!
//! A [`Server`] shows what a [`Runtime`](stepcast::Runtime) has: its workflows, its runs, their streams and the questions that
//! they ask of people. [`Server::router`] is a plain axum router that nests in an application of your own;
//! [`Server::serve`] listens by itself.
//!
//! ```
//! use stepcast::Runtime;
//! use stepcast::prelude::*;
//! use stepcast_server::Server;
//!
//! #[event(start)]
//! struct Name { name: String }
//!
//! #[event(stop)]
//! struct Greeting { text: String }
//!
//! #[derive(Default)]
//! struct Greet;
//!
//! #[workflow(Name => Greeting)]
//! impl Greet {
//!     #[step]
//!     async fn greet(&self, ev: Name) -> Greeting {
//!         Greeting { text: format!("Hello, {}!", ev.name) }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::new();
//! runtime.register_as("greet", Greet, None)?;
//! let app: axum::Router = axum::Router::new().nest("/wf", Server::new(runtime).router());
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! Features: `graphs`, for workflows as data: `ServerOptions::graphs` and the routes below `/graphs`, and views of streams
//! with `?modes=`.

mod access;
mod app;
mod error;
#[cfg(feature = "graphs")]
mod graphs;
mod llama;
mod ops;
mod options;
mod resources;
mod runs;
mod server;
mod ui;
mod wire;
mod ws;

pub use options::ServerOptions;
pub use server::{ServeError, Server};

/// The programs of the server's page are compiled.
#[cfg(doctest)]
#[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", "docs/server.md"))]
struct ServerPage;

/// As are those of the page on operating it.
#[cfg(doctest)]
#[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", "docs/server-operations.md"))]
struct OperationsPage;

/// As are those of the page on graphs.
#[cfg(all(doctest, feature = "graphs"))]
#[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", "docs/server-graphs.md"))]
struct GraphsPage;
