//! The server as its users see it.

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use stepcast::Runtime;
use tokio::net::TcpListener;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::error::extract::{no_method, no_path};
use crate::ops::signals::Signals;
use crate::options::ServerOptions;
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
    /// The address is open to others, and the server asks nobody for a token.
    #[error(
        "The server does not listen on {address} without a token: whoever reaches it could start, read and cancel every \
         run. Set a token (`ServerOptions::token`), listen on a loopback address such as 127.0.0.1, or say that this is \
         meant (`ServerOptions::insecure`)."
    )]
    Exposed {
        /// The address.
        address: SocketAddr,
    },
    /// The listener does not work.
    #[error("The server cannot listen: {0}")]
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
    ///
    /// Tokens, origins, rates and the bounds of bodies hold there too. Bounds of connections and heads, slow clients and
    /// the end are left to the server that it is nested in.
    pub fn router(self) -> Router {
        routes(&App::new(self.runtime, self.options))
    }

    /// Listens on an address until the process gets SIGINT (Ctrl-C) or SIGTERM, then ends as
    /// [`serve_until`](Self::serve_until) does. A second signal ends it at once.
    ///
    /// # Errors
    /// When the address cannot be listened on, and when it is no loopback address and the server has no token.
    pub async fn serve(self, address: SocketAddr) -> Result<(), ServeError> {
        self.refuse_exposed(address)?;
        let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })?;
        self.serve_on(listener).await
    }

    /// As [`serve`](Self::serve), on a listener that is there: to learn its port before, or because it was handed down.
    ///
    /// # Errors
    /// When the listener does not work, and when it is on no loopback address and the server has no token.
    pub async fn serve_on(self, listener: TcpListener) -> Result<(), ServeError> {
        // Before the first connection, so that no signal ends the process in the meantime.
        let mut signals = Signals::new()?;
        let mut again = Signals::new()?;
        let hurry = async {
            again.next().await;
            again.next().await;
        };
        tokio::select! {
            ended = self.serve_until(listener, async move { signals.next().await }) => ended,
            () = hurry => Ok(()),
        }
    }

    /// Serves on a listener until the future ends. Then no connection is taken any more, `/ready` says 503, streams are broken off,
    /// WebSockets are closed with 1001 and requests are answered, while the runtime is
    /// [shut down](Runtime::shutdown): runs that a backend keeps rest in it, the others may come to their end. What is
    /// not done within [`ServerOptions::shutdown_deadline`] is cut off.
    ///
    /// # Errors
    /// When the listener does not work, and when it is on no loopback address and the server has no token.
    pub async fn serve_until(
        mut self,
        listener: TcpListener,
        until: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        self.refuse_exposed(address)?;
        let open = self.options.tokens.is_empty() && !self.options.insecure;
        self.options.only_local_names = open && address.ip().is_loopback();
        let app = App::new(self.runtime, self.options);
        ops::listen::run(listener, routes(&app), app, until).await;
        Ok(())
    }

    fn refuse_exposed(&self, address: SocketAddr) -> Result<(), ServeError> {
        let safe = address.ip().is_loopback() || self.options.insecure || !self.options.tokens.is_empty();
        if safe { Ok(()) } else { Err(ServeError::Exposed { address }) }
    }
}

/// Every route with its description.
pub(crate) fn routes(app: &App) -> Router {
    let router = OpenApiRouter::with_openapi(ops::description())
        .merge(llama::routes())
        .merge(resources::routes())
        .merge(ws::routes())
        .merge(ui::routes())
        .merge(ops::routes());
    #[cfg(feature = "graphs")]
    let router = match app.options.graphs {
        Some(_) => router.merge(crate::graphs::routes()),
        None => router,
    };
    let router = match app.gate.sessions {
        Some(_) => router.merge(ops::sign_in::routes()),
        None => router,
    };
    let (router, api) = router.split_for_parts();
    let router = router.method_not_allowed_fallback(no_method).fallback(no_path);
    ops::around(router, &api, app).with_state(app.clone())
}
