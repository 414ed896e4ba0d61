//! The listener: so many connections, none of them for ever, and their end.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::slow::Connection;
use crate::app::App;

/// How long to wait when the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Serves until the future ends, then lets everything come to its end: no new connections, streams are broken off, requests are
/// answered, runs rest in their store. What is not done at the deadline is cut off.
pub(crate) async fn run(listener: TcpListener, router: Router, app: App, until: impl Future<Output = ()>) {
    let open = TaskTracker::new();
    let places = Arc::new(Semaphore::new(app.options.max_connections));
    let cut = CancellationToken::new();
    let mut until = pin!(until);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, accept(&listener).await))
        };
        let (place, (stream, peer)) = tokio::select! {
            biased;
            () = &mut until => break,
            Some(next) = next => next,
            else => break,
        };
        let stream = Connection::new(stream, app.options.write_timeout, place, open.token());
        tokio::spawn(serve(stream, peer, router.clone(), app.clone(), cut.clone()));
    }
    drop(listener);
    let deadline = Instant::now() + app.options.shutdown_deadline;
    app.draining.cancel();
    open.close();
    let runs = app.runs.runtime().shutdown(app.options.shutdown_deadline);
    let connections = async {
        if tokio::time::timeout_at(deadline, open.wait()).await.is_err() {
            tracing::warn!(target: "stepcast", connections = open.len(), "the deadline has passed; connections are cut off");
            cut.cancel();
        }
    };
    let (cancelled, ()) = tokio::join!(runs, connections);
    if cancelled > 0 {
        tracing::warn!(target: "stepcast", runs = cancelled, "the deadline has passed; runs were cancelled");
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // Of a client that has gone already.
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                tracing::error!(target: "stepcast", %error, "no connection can be accepted; it is tried again");
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
}

fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Why a connection ends before its client wants it to.
enum End {
    /// Once what is under way is answered.
    Drain,
    /// At once.
    Cut,
}

async fn told(token: &CancellationToken, end: End) -> End {
    token.cancelled().await;
    end
}

async fn serve(stream: Connection, peer: SocketAddr, router: Router, app: App, cut: CancellationToken) {
    let asks_for_peers = app.gate.asks_for_peers();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        if asks_for_peers {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        router.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(app.options.header_timeout);
    builder.max_buf_size(app.options.max_header);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    // Looked at when they are woken, and not with every step of the connection: all connections share their locks.
    let mut ends = FuturesUnordered::new();
    ends.push(told(&cut, End::Cut));
    ends.push(told(&app.draining, End::Drain));
    loop {
        tokio::select! {
            biased;
            Some(end) = ends.next() => match end {
                End::Cut => return,
                End::Drain => connection.as_mut().graceful_shutdown(),
            },
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(target: "stepcast", %error, "a connection ended early");
                }
                return;
            }
        }
    }
}
