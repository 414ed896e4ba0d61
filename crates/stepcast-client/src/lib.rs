//! A client of a stepcast server.
//!
//! A [`Client`] starts runs, lists them and answers what they ask. A [`RemoteRun`] is the handle of one run: its stream
//! survives broken connections and shows every logged event exactly once.
//!
//! ```no_run
//! use stepcast::prelude::*;
//! use stepcast_client::Client;
//!
//! #[event(start)]
//! struct Countdown { from: u32 }
//!
//! #[event]
//! struct Tick { left: u32 }
//!
//! #[event(stop)]
//! struct Liftoff {}
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("http://localhost:8080")?;
//! let run = client.start("countdown", &Countdown { from: 3 }).await?;
//! let mut events = run.stream_events();
//! while let Some(item) = events.next().await {
//!     if let Ok(tick) = item?.event.decode::<Tick>() {
//!         println!("{}", tick.left);
//!     }
//! }
//! let Liftoff {} = run.result().await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod error;
mod frames;
mod graphs;
mod http;
mod model;
mod run;
mod stream;
mod trace;
mod views;

pub use client::{Client, ClientBuilder, StartOptions};
pub use error::{ClientError, RequestError, ResultError, StreamError, TraceError};
pub use graphs::{GraphInfo, GraphIssue, GraphReport, PutGraph, RemoteGraph};
pub use model::{Fault, InputInfo, InputQuery, InputStatus, Page, RunDefinition, RunInfo, RunQuery};
pub use run::RemoteRun;
pub use stepcast_core::backend::RunStatus;
pub use stream::{RemoteEvent, RemoteStream};
pub use trace::TraceHeaders;
pub use views::{RemoteView, RemoteViews, ViewMode};

/// The programs of the client's page are compiled.
#[cfg(doctest)]
#[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", "docs/client.md"))]
struct ClientPage;
