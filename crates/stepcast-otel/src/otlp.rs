//! Spans over OTLP.

use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};

use crate::Otel;

/// The path on which collectors take spans.
const PATH: &str = "/v1/traces";

/// Spans cannot be sent there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// The text is no address that spans can be sent to.
    #[error("`{endpoint}` is no address of a collector; expected is one like http://localhost:4318.")]
    Endpoint {
        /// The text.
        endpoint: String,
    },
    /// The exporter cannot be made.
    #[error(
        "The exporter to `{endpoint}` cannot be made: {source}. See the address and the variables OTEL_EXPORTER_OTLP_*."
    )]
    Exporter {
        /// Where the spans were to go.
        endpoint: String,
        /// What was wrong.
        #[source]
        source: ExporterBuildError,
    },
}

impl Otel {
    /// Sends spans to a collector by OTLP over HTTP (protobuf), in batches, under the name of a service. An address without
    /// a path gets `/v1/traces`. `https` needs the feature `tls`. Headers and the time limit are those of the environment:
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT`.
    ///
    /// # Errors
    /// When the address is none, or the environment says something that does not work. A collector that cannot be reached
    /// is no error here: spans are lost, and runs go on.
    pub fn otlp(service: impl Into<String>, endpoint: impl AsRef<str>) -> Result<Self, OtlpError> {
        let endpoint = endpoint.as_ref();
        let address = address(endpoint).ok_or_else(|| OtlpError::Endpoint { endpoint: endpoint.to_owned() })?;
        let exporter = SpanExporter::builder().with_http().with_endpoint(address).build();
        let exporter = exporter.map_err(|source| OtlpError::Exporter { endpoint: endpoint.to_owned(), source })?;
        Ok(Otel::exporting(service, exporter))
    }
}

/// The address with a path.
fn address(endpoint: &str) -> Option<String> {
    let rest = endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://"))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() || rest.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return None;
    }
    Some(match path {
        "" => format!("{}{PATH}", endpoint.trim_end_matches('/')),
        _ => endpoint.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::address;
    use crate::{Otel, OtlpError};

    #[test]
    fn an_address_without_a_path_gets_that_of_collectors() {
        let of = |text| address(text).unwrap_or_default();
        assert_eq!(of("http://localhost:4318"), "http://localhost:4318/v1/traces");
        assert_eq!(of("https://otel.example/"), "https://otel.example/v1/traces");
        assert_eq!(of("https://otel.example/own/path"), "https://otel.example/own/path");
        for text in ["", "localhost:4318", "ftp://x", "http://", "http:///v1/traces", "http://a b"] {
            assert!(matches!(Otel::otlp("s", text), Err(OtlpError::Endpoint { .. })), "{text:?}");
        }
    }
}
