//! Shape "http": requests and streams over loopback. The server has two workers; the load comes from threads of its own in
//! the same process, the same for every subject.

mod floor;
mod load;
#[cfg(feature = "stepcast")]
mod server;

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::measure::{Kind, Rt, Suite};

/// Connections that ask at the same time.
const CLIENTS: usize = 64;
/// Clients that read one stream at the same time.
const READERS: usize = 8;

pub fn register(suite: &mut Suite) {
    // A server always has its workers.
    if suite.rt == Rt::Ct {
        return;
    }
    match suite.kind {
        Kind::Floor => floor::register(suite),
        #[cfg(feature = "stepcast")]
        Kind::Stepcast => server::register(suite),
        _ => {}
    }
}

/// A server on a port of its own.
struct Served {
    address: SocketAddr,
    runtime: Runtime,
}

impl Served {
    /// As axum serves a router.
    fn new(router: Router) -> Self {
        Self::by(|listener| async move { axum::serve(listener, router).await.expect("it serves") })
    }

    fn by<F: Future<Output = ()> + Send + 'static>(serve: impl FnOnce(TcpListener) -> F) -> Self {
        let runtime = Rt::Mt.build();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("its address");
        runtime.spawn(serve(listener));
        Self { address, runtime }
    }
}
