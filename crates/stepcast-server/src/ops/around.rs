//! What stands around a route, as one async function each.
//!
//! axum's own way boxes the service inside and its future once more for every request.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use tower::{Layer, Service};

use crate::app::App;

/// One of the things that stand around a route.
pub(super) trait Ring: 'static {
    fn pass<S: Inner>(
        app: App,
        request: Request,
        inner: S,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send;
}

/// What a ring stands around.
pub(super) trait Inner:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
    /// The answer to a request.
    fn answer(mut self, request: Request) -> impl Future<Output = Result<Response, Infallible>> + Send {
        async move {
            std::future::poll_fn(|cx| self.poll_ready(cx)).await?;
            self.call(request).await
        }
    }
}

impl<S> Inner for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}

/// The layer of a ring.
pub(super) struct Around<R> {
    app: App,
    ring: PhantomData<fn() -> R>,
}

impl<R> Around<R> {
    pub(super) fn new(app: &App) -> Self {
        Around { app: app.clone(), ring: PhantomData }
    }
}

impl<R> Clone for Around<R> {
    fn clone(&self) -> Self {
        Around::new(&self.app)
    }
}

impl<R, S> Layer<S> for Around<R> {
    type Service = Surrounded<R, S>;

    fn layer(&self, inner: S) -> Surrounded<R, S> {
        Surrounded { around: self.clone(), inner: Arc::new(inner) }
    }
}

/// A route with a ring around it.
pub(super) struct Surrounded<R, S> {
    around: Around<R>,
    /// Each request has a copy of its own; axum copies what is around a route more often than that.
    inner: Arc<S>,
}

impl<R, S> Clone for Surrounded<R, S> {
    fn clone(&self) -> Self {
        Surrounded { around: self.around.clone(), inner: Arc::clone(&self.inner) }
    }
}

impl<R: Ring, S: Inner> Service<Request> for Surrounded<R, S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Each copy is waited for when it is used.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin(R::pass(self.around.app.clone(), request, S::clone(&self.inner)))
    }
}
