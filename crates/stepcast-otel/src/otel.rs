//! Where spans go, and the layer that brings them there.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::tracer::{Joined, Shown};

/// The name under which the spans are made.
const SCOPE: &str = "stepcast";

/// Brings spans to OpenTelemetry. Clones are the same.
///
/// ```
/// use opentelemetry_sdk::trace::InMemorySpanExporter;
/// use stepcast::prelude::*;
/// use stepcast_otel::Otel;
/// use tracing_subscriber::prelude::*;
///
/// # #[event(start)] struct Ping;
/// # #[event(stop)] struct Pong;
/// #[step]
/// async fn answer(_ping: Ping) -> Pong {
///     Pong
/// }
///
/// flow!(Echo: Ping => Pong { answer });
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let spans = InMemorySpanExporter::default();
/// let otel = Otel::exporting("my-service", spans.clone());
/// tracing_subscriber::registry().with(otel.layer()).init();
/// Echo.run(Ping).await?;
/// otel.flush()?;
/// let mut names: Vec<_> = spans.get_finished_spans()?.into_iter().map(|span| span.name).collect();
/// names.sort();
/// assert_eq!(names, ["invoke_workflow Echo", "step answer"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Otel {
    provider: SdkTracerProvider,
    shown: Shown,
}

/// Spans could not be handed over.
#[derive(Debug, thiserror::Error)]
#[error(
    "Spans could not be exported: {source}. Those that were not handed over are lost; see that the collector can be reached."
)]
pub struct ExportError {
    /// What the exporter said.
    #[from]
    source: OTelSdkError,
}

/// The process has a subscriber already.
#[derive(Debug, thiserror::Error)]
#[error("The process has a `tracing` subscriber already; add `Otel::layer` to its layers instead.")]
pub struct InstallError {
    /// What `tracing` said.
    #[from]
    source: SetGlobalDefaultError,
}

impl Otel {
    /// Brings spans to an exporter, in batches, under the name of a service.
    pub fn exporting(service: impl Into<String>, exporter: impl SpanExporter + 'static) -> Self {
        let resource = Resource::builder().with_service_name(service.into()).build();
        Otel::on(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
    }

    /// Brings spans to a provider of the application's own: its processors, sampler and resource.
    pub fn on(provider: SdkTracerProvider) -> Self {
        Otel { provider, shown: Shown::default() }
    }

    /// Whether spans also have the attributes of OpenTelemetry's conventions for generative AI (`gen_ai.*`), which are
    /// still in development and change. Default `false`.
    #[must_use]
    pub fn gen_ai(mut self, on: bool) -> Self {
        self.shown.gen_ai = on;
        self
    }

    /// Whether spans of what failed have the errors' messages, not only their types. Default `false`: a message is made by
    /// the code that failed and may quote data of the run, secret fields among it.
    #[must_use]
    pub fn error_messages(mut self, on: bool) -> Self {
        self.shown.error_messages = on;
        self
    }

    /// The layer for a `tracing` subscriber, and from now on runs know their place in traces. It takes the spans of
    /// stepcast, and from others spans and events of level `INFO` and above; a step's own spans lie in the step's.
    ///
    /// What runs know of traces is one thing for the process: of several layers, the last says what spans show.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        Joined::install(self.shown);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SCOPE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_default(Level::INFO).with_target("stepcast", Level::DEBUG))
    }

    /// Makes a subscriber of the [layer](Self::layer) alone, and that the one of this process.
    ///
    /// # Errors
    /// When the process has a subscriber already: add the layer to that one.
    pub fn install(&self) -> Result<(), InstallError> {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(self.layer()))?;
        Ok(())
    }

    /// The provider, for spans of the application's own.
    pub fn provider(&self) -> &SdkTracerProvider {
        &self.provider
    }

    /// Hands over all spans that have ended. Blocks until that is done, a few seconds at most.
    ///
    /// # Errors
    /// When the exporter fails or takes too long.
    pub fn flush(&self) -> Result<(), ExportError> {
        Ok(self.provider.force_flush()?)
    }

    /// Hands over all spans that have ended, and takes no more. Blocks as [`flush`](Self::flush) does.
    ///
    /// # Errors
    /// When the exporter fails or takes too long, or this was called before.
    pub fn shutdown(&self) -> Result<(), ExportError> {
        Ok(self.provider.shutdown()?)
    }
}
