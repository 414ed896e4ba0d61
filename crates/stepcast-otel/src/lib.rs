//! OpenTelemetry for stepcast: what runs do, as spans, joined to the traces of whoever started and woke them.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use stepcast_otel::Otel;
//!
//! let otel = Otel::otlp("my-service", "http://localhost:4318")?;
//! otel.install()?;
//! // .. run workflows ..
//! otel.shutdown()?;
//! # Ok(())
//! # }
//! ```
//!
//! The page `docs/tracing.md` of the repository says which spans there are, and how they are linked across pauses.

mod otel;
#[cfg(feature = "otlp")]
mod otlp;
mod tracer;

pub use otel::{ExportError, InstallError, Otel};
#[cfg(feature = "otlp")]
pub use otlp::OtlpError;

/// The programs of the page are tests.
#[cfg(doctest)]
#[doc = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", "docs/tracing.md"))]
struct TracingPage;
