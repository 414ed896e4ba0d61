//! Many runs on one WebSocket: every frame, on runs in memory and on runs in a store.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "server_ws/ends.rs"]
mod ends;
#[path = "server_ws/follow.rs"]
mod follow;
#[path = "server_ws/refusals.rs"]
mod refusals;
#[path = "server_ws/secrets.rs"]
mod secrets;
#[path = "support/served.rs"]
mod served;
#[path = "support/traced.rs"]
mod traced;
#[path = "server_ws/traces.rs"]
mod traces;
#[path = "server_ws/word.rs"]
mod word;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use served::{Served, both, bounded, runtimes};
use stepcast::Runtime;
use stepcast::prelude::*;
use stepcast_server::{Server, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A client's side of a socket.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(served: &Served, path: &str) -> Self {
        let url = format!("{}{path}", served.url.replace("http", "ws"));
        Client(connect_async(url).await.unwrap().0)
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next message that is no ping.
    async fn message(&mut self) -> Message {
        loop {
            match self.0.next().await.expect("the socket is open").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next frame, which is the reply to `frame`; events before it are given back.
    async fn ask(&mut self, frame: Value) -> Value {
        self.send(frame).await;
        loop {
            let reply = self.next().await;
            if reply["op"] != "event" {
                return reply;
            }
        }
    }

    /// The frames until one of this kind, and that.
    async fn until(&mut self, op: &str) -> (Vec<Value>, Value) {
        let mut before = Vec::new();
        loop {
            let frame = self.next().await;
            if frame["op"] == op {
                return (before, frame);
            }
            before.push(frame);
        }
    }
}

/// The frame is a refusal of this code.
fn refused(frame: &Value, status: u16, code: &str, id: Option<&str>) {
    assert_eq!((frame["op"].as_str(), frame["code"].as_str()), (Some("error"), Some(code)), "{frame}");
    assert_eq!((frame["status"].as_u64(), frame["id"].as_str()), (Some(u64::from(status)), id), "{frame}");
    assert!(frame["detail"].as_str().unwrap().ends_with('.'), "{frame}");
}

fn seqs(frames: &[Value]) -> Vec<u64> {
    frames.iter().map(|frame| frame["seq"].as_u64().unwrap()).collect()
}
