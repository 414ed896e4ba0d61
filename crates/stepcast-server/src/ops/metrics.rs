//! What the server counts, as Prometheus reads it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use dashmap::DashMap;
use metrics::with_local_recorder;
use metrics::{Counter, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use stepcast::backend::RunStatus;

use crate::app::App;
use crate::runs::InputQuery;

const REQUESTS: &str = "stepcast_http_requests_total";
const DURATION: &str = "stepcast_http_request_duration_seconds";
const STREAMS: &str = "stepcast_open_streams";
const STREAMED: &str = "stepcast_events_streamed_total";
const STARTED: &str = "stepcast_runs_started_total";
const ENDED: &str = "stepcast_runs_ended_total";
const LIVE: &str = "stepcast_live_runs";
const INPUTS: &str = "stepcast_pending_inputs";

/// Upper bounds of the duration histogram, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// How many requests go by between two sums of the durations: they pile up one by one until then.
const SUMMED_EVERY: u64 = 1_024;
/// The most pending inputs that are counted; more are shown as so many.
const COUNTED_INPUTS: usize = 10_000;

/// The numbers of one server. They are its own: a process may have more than one, and metrics of its own beside them.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    requests: AtomicU64,
    /// By route template.
    routes: DashMap<String, Vec<Answered>>,
}

/// The numbers of those requests for one route that had one method and one status: found by name only once.
struct Answered {
    method: &'static str,
    status: u16,
    requests: Counter,
    duration: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // Refused only for an empty list.
        let builder = builder.set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), &BUCKETS);
        let recorder = builder.unwrap_or_default().build_recorder();
        with_local_recorder(&recorder, || {
            describe_counter!(REQUESTS, "Requests that were answered, by route template, method and status.");
            describe_histogram!(DURATION, "Seconds until a request's answer began.");
            describe_gauge!(STREAMS, "Event streams that are open.");
            describe_counter!(STREAMED, "Events that were given to streams.");
            describe_counter!(STARTED, "Runs that this process started, by workflow.");
            describe_counter!(ENDED, "Runs that ended in this process, by workflow and status.");
            describe_gauge!(LIVE, "Runs that are in this process's memory and have not ended.");
            describe_gauge!(INPUTS, "Questions to people that wait for an answer; 10000 stands for that or more.");
            gauge!(STREAMS).set(0.0);
            counter!(STREAMED).absolute(0);
        });
        let handle = recorder.handle();
        Metrics { recorder, handle, requests: AtomicU64::new(0), routes: DashMap::new() }
    }

    pub(crate) fn request(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let counted = |answered: &Vec<Answered>| {
            let of = answered.iter().find(|one| one.method == method && one.status == status);
            of.map(|one| one.count(took)).is_some()
        };
        if !self.routes.get(route).is_some_and(|answered| counted(&answered)) {
            let new = self.answered(method, route, status);
            new.count(took);
            self.routes.entry(route.to_owned()).or_default().push(new);
        }
        if self.requests.fetch_add(1, Ordering::Relaxed) % SUMMED_EVERY == SUMMED_EVERY - 1 {
            self.handle.run_upkeep();
        }
    }

    fn answered(&self, method: &'static str, route: &str, status: u16) -> Answered {
        with_local_recorder(&self.recorder, || {
            let route = route.to_owned();
            let duration = histogram!(DURATION, "method" => method, "route" => route.clone());
            let requests = counter!(REQUESTS, "method" => method, "route" => route, "status" => status.to_string());
            Answered { method, status, requests, duration }
        })
    }

    /// One stream more is open, until this is dropped.
    pub(crate) fn open_stream(self: &std::sync::Arc<Self>) -> OpenStream {
        with_local_recorder(&self.recorder, || gauge!(STREAMS).increment(1.0));
        OpenStream(std::sync::Arc::clone(self))
    }

    async fn render(&self, app: &App) -> String {
        let query = InputQuery { pending: true, ..InputQuery::default() };
        let inputs = app.runs.inputs(&query, None, COUNTED_INPUTS).await;
        let counts = app.runs.runtime().counts();
        with_local_recorder(&self.recorder, || {
            gauge!(LIVE).set(counts.live as f64);
            for counts in counts.workflows {
                let workflow = counts.workflow;
                counter!(STARTED, "workflow" => workflow.clone()).absolute(counts.started);
                for (status, runs) in counts.ended {
                    counter!(ENDED, "workflow" => workflow.clone(), "status" => word(status)).absolute(runs);
                }
            }
            // Where the store does not answer, the last number stays.
            if let Ok(inputs) = inputs {
                gauge!(INPUTS).set(inputs.len() as f64);
            }
        });
        self.handle.render()
    }
}

impl Answered {
    fn count(&self, took: Duration) {
        self.requests.increment(1);
        self.duration.record(took);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct OpenStream(std::sync::Arc<Metrics>);

impl OpenStream {
    /// So many events went out.
    pub(crate) fn streamed(&self, events: usize) {
        with_local_recorder(&self.0.recorder, || counter!(STREAMED).increment(events as u64));
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        with_local_recorder(&self.0.recorder, || gauge!(STREAMS).decrement(1.0));
    }
}

fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Completed => "completed",
        RunStatus::CompletedWithFailures => "completed_with_failures",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
        RunStatus::TimedOut => "timed_out",
        _ => "live",
    }
}

/// The server's numbers for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses((status = 200, description = "The text format of Prometheus.", content_type = "text/plain", body = String)),
)]
pub(crate) async fn metrics(State(app): State<App>) -> Response {
    let text = app.metrics.render(&app).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
