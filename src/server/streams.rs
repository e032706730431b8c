//! Bounds the calls that stay open for as long as the client likes: watches of health, and reflection. A check is none of them,
//! and neither is the question about health that Envoy asks.

use http::{Request, Response};
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

/// How many such calls are open at once on all connections, at most.
const OPEN: usize = 256;
/// The one call of these services that ends by itself.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// The places for such calls; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(OPEN)))
    }
}

impl Streams {
    /// A service whose calls need a place.
    pub(super) fn bound<S>(&self, inner: S) -> Bounded<S> {
        Bounded { inner, streams: self.clone() }
    }
}

/// A service whose calls need a place.
#[derive(Debug, Clone)]
pub(super) struct Bounded<S> {
    inner: S,
    streams: Streams,
}

impl<S: NamedService> NamedService for Bounded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() == HEALTH_CHECK {
            return Box::pin(self.inner.call(request));
        }
        let Ok(place) = Arc::clone(&self.streams.0).try_acquire_owned() else {
            let full = Status::resource_exhausted("as many watches and reflection calls are open as may be");
            return Box::pin(async move { Ok(full.into_http()) });
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            // Held by the body, which ends with the call.
            let held = |body: Body| {
                Body::new(body.map_frame(move |frame| {
                    let _held = &place;
                    frame
                }))
            };
            answer.await.map(|response| response.map(held))
        })
    }
}
