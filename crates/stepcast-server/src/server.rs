//! The server as its users see it.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;

use axum::Router;
use stepcast::Runtime;
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::error::extract::{no_method, no_path};
use crate::options::ServerOptions;
use crate::runs::Runs;
use crate::{llama, ops, resources, ui, ws};

/// Shows a runtime over HTTP.
///
/// With a runtime on a backend every run is shown that the backend has, whoever started it; without one, those that were
/// started through this server.
#[derive(Clone, Debug)]
pub struct Server {
    runtime: Runtime,
    options: ServerOptions,
}

/// The server could not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is taken, or not of this machine.
    #[error("The server cannot listen on {address}: {source}. Choose another address or port.")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The listener failed.
    #[error("The server stopped: {0}")]
    Io(#[from] std::io::Error),
}

impl Server {
    /// A server over a runtime, with the default options.
    pub fn new(runtime: Runtime) -> Self {
        Server { runtime, options: ServerOptions::default() }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(mut self, options: ServerOptions) -> Self {
        self.options = options;
        self
    }

    /// All routes, to be nested in an application or served.
    pub fn router(self) -> Router {
        let app = App::new(Runs::of(self.runtime, self.options.keep_ended), self.options);
        routes(&app)
    }

    /// Listens on an address until the process ends.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn serve(self, address: SocketAddr) -> Result<(), ServeError> {
        let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })?;
        Ok(axum::serve(listener, self.router()).await?)
    }

    /// Serves on a listener until the future ends.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve_until(
        self,
        listener: TcpListener,
        until: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        tokio::select! {
            served = axum::serve(listener, self.router()).into_future() => Ok(served?),
            () = until => Ok(()),
        }
    }
}

/// Every route with its description.
fn routes(app: &App) -> Router {
    let (router, api) = OpenApiRouter::with_openapi(ops::description())
        .merge(llama::routes())
        .merge(resources::routes())
        .merge(ws::routes())
        .merge(ui::routes())
        .merge(ops::routes())
        .split_for_parts();
    let router = router.method_not_allowed_fallback(no_method).fallback(no_path);
    ops::around(router, api, app).with_state(app.clone())
}
