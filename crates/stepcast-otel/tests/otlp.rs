//! Spans reach a collector by OTLP over HTTP. In a process of its own, because the subscriber is that of the process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use stepcast::prelude::*;
use stepcast_otel::Otel;

#[event(start)]
struct Ping;

#[event(stop)]
struct Pong;

#[step]
async fn answer(_ping: Ping) -> Pong {
    Pong
}

flow!(Echo: Ping => Pong { answer });

/// The head and the body of a request, answered with nothing wrong.
fn take(mut stream: TcpStream) -> (String, Vec<u8>) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let read = stream.read(&mut part).unwrap();
        assert_ne!(read, 0, "the request ends early");
        bytes.extend_from_slice(&part[..read]);
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap().to_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap();
    let mut body = bytes.split_off(head + 4);
    while body.len() < length.trim().parse::<usize>().unwrap() {
        let read = stream.read(&mut part).unwrap();
        assert_ne!(read, 0, "the body ends early");
        body.extend_from_slice(&part[..read]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    (text, body)
}

#[test]
fn spans_are_sent_to_a_collector_and_a_process_has_one_subscriber() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (taken, requests) = mpsc::channel();
    std::thread::spawn(move || taken.send(take(listener.accept().unwrap().0)).unwrap());

    let otel = Otel::otlp("echo-service", format!("http://{address}")).unwrap();
    otel.install().unwrap();
    assert!(otel.install().is_err(), "it stays");
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async { Echo.run(Ping).await }).unwrap();
    otel.shutdown().unwrap();

    let (head, body) = requests.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    for text in ["echo-service", "invoke_workflow Echo", "step answer"] {
        assert!(body.windows(text.len()).any(|found| found == text.as_bytes()), "{text}");
    }
    assert!(otel.shutdown().is_err(), "it was shut down");
}
