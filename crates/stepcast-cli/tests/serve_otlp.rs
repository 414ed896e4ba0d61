//! `serve --otlp`: the spans of a server's runs reach a collector, and none keeps a run from going on.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use support::Place;
use support::served::Served;

const TRACE: [u8; 16] = [7; 16];
const CALLER: [u8; 8] = [8; 8];

/// What somebody who calls the server says.
fn caller() -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("host: localhost\r\ntraceparent: 00-{}-{}-01\r\n", hex(&TRACE), hex(&CALLER))
}

/// Takes what is exported.
struct Collector {
    url: String,
    taken: Receiver<ExportTraceServiceRequest>,
}

impl Collector {
    fn begin() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (give, taken) = channel();
        std::thread::spawn(move || listener.incoming().for_each(|stream| take(stream.unwrap(), &give)));
        Collector { url, taken }
    }
}

fn take(mut stream: TcpStream, give: &Sender<ExportTraceServiceRequest>) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    let (mut head, mut length) = (0, usize::MAX);
    while head == 0 || bytes.len() < head + length {
        let read = stream.read(&mut part).unwrap();
        assert_ne!(read, 0, "the request ends early");
        bytes.extend_from_slice(&part[..read]);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let (0, Some(end)) = (head, end) {
            let text = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            assert!(text.starts_with("post /v1/traces http/1.1"), "{text}");
            let told = text.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap();
            (head, length) = (end + 4, told.trim().parse().unwrap());
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    let _ = give.send(ExportTraceServiceRequest::decode(&bytes[head..]).unwrap());
}

/// A server that sends its spans there, and has these variables.
fn served(collector: &str, variables: &[(&str, &str)]) -> Served {
    let place = Place::new();
    let mut command = place.command(&["serve", "--port", "0", "--otlp", collector]);
    command.envs(variables.iter().copied());
    Served::by(place, command)
}

fn greeted(server: &Served) {
    let reply = server.post("/workflows/greet?wait=result", &caller(), r#"{"name": "Ada"}"#);
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("Hello, Ada!"), "{reply}");
}

#[test]
fn spans_of_runs_reach_the_collector_when_the_server_ends() {
    let collector = Collector::begin();
    // Nothing is sent by the clock.
    let server = served(&collector.url, &[("OTEL_BSP_SCHEDULE_DELAY", "3600000"), ("OTEL_SERVICE_NAME", "shop")]);
    greeted(&server);
    let reply = server.post("/workflows/approval", &caller(), r#"{"topic": "sea"}"#);
    assert!(reply.starts_with("HTTP/1.1 202"), "{reply}");
    assert!(collector.taken.try_recv().is_err(), "it waits for more");
    server.end().exits(0);

    let requests: Vec<ExportTraceServiceRequest> = collector.taken.try_iter().collect();
    let resources = requests.iter().flat_map(|request| &request.resource_spans);
    for resource in resources.clone() {
        let told = format!("{:?}", resource.resource);
        assert!(told.contains("service.name") && told.contains("shop"), "{told}");
    }
    let spans: Vec<&Span> = resources.flat_map(|one| &one.scope_spans).flat_map(|scope| &scope.spans).collect();
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let one = |is: &dyn Fn(&Span) -> bool| {
        let found: Vec<&Span> = spans.iter().copied().filter(|span| is(span)).collect();
        assert_eq!(found.len(), 1, "{names:?}");
        assert_eq!(found[0].trace_id, TRACE, "{:?}", found[0]);
        found[0]
    };
    for run in ["invoke_workflow greet", "invoke_workflow approval"] {
        // The caller's span, that of the request, the run's, and those of its steps.
        let run = one(&|span| span.name == run);
        let request = one(&|span| span.span_id == run.parent_span_id);
        assert_eq!((request.name.as_str(), &*request.parent_span_id), ("POST /workflows/{name}", &CALLER[..]));
        let steps = spans.iter().filter(|span| span.parent_span_id == run.span_id);
        assert!(steps.clone().count() > 0 && steps.clone().all(|step| step.trace_id == TRACE), "{names:?}");
    }
}

#[test]
fn a_collector_that_says_nothing_or_is_not_there_harms_no_run() {
    let variables = [("OTEL_BSP_SCHEDULE_DELAY", "10"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "300")];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (give, taken) = channel();
    std::thread::spawn(move || listener.incoming().try_for_each(|stream| give.send(stream.unwrap())));
    let server = served(&url, &variables);
    greeted(&server);
    // An export is under way, which is never answered.
    let silent = taken.recv_timeout(Duration::from_secs(60)).unwrap();
    greeted(&server);
    server.end().exits(0);
    drop(silent);

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = served(&format!("http://{free}"), &variables);
    greeted(&server);
    greeted(&server);
    server.end().exits(0);
}

#[test]
fn what_is_no_address_is_told_before_anything_is_served() {
    for address in ["", "localhost:4318", "ftp://localhost"] {
        let ran = Place::new().run(&["serve", "--port", "0", "--otlp", address]).exits(2).says("error[SC0114]");
        assert_eq!(ran.out, "", "{ran:?}");
    }
}
