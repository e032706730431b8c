//! Bounds what the calls beside the checks can hold: watches of health and reflection stay open for as long as the client likes, and
//! are few; the question about health that Envoy asks may come as often as it likes, and is soon over.

use super::connection_slots::Calls;
use http::{Request, Response};
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

/// How many such calls are open at once on all connections, at most.
const OPEN: usize = 256;
/// The largest message of theirs that is read, in bytes: a service's name, or a symbol's.
pub(super) const MESSAGE_BYTES: usize = 4 * 1024;
/// How long the answer may take to begin, and with it the one message that health waits for.
const STREAM_TIMEOUT: Duration = Duration::from_secs(10);
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
        let calls = request.extensions().get::<Calls>();
        if request.uri().path() == HEALTH_CHECK {
            if let Some(calls) = calls {
                calls.one();
            }
            return Box::pin(in_time(self.inner.call(request)));
        }
        let Ok(place) = Arc::clone(&self.streams.0).try_acquire_owned() else {
            let full = Status::resource_exhausted("as many watches and reflection calls are open as may be");
            return Box::pin(async move { Ok(full.into_http()) });
        };
        let held = (place, calls.map(Calls::open));
        let answer = in_time(self.inner.call(request));
        Box::pin(async move {
            // Held by the body, which ends with the call.
            let while_held = |body: Body| {
                Body::new(body.map_frame(move |frame| {
                    let _held = &held;
                    frame
                }))
            };
            answer.await.map(|response| response.map(while_held))
        })
    }
}

/// The answer to a call, or that its message has not come.
async fn in_time(
    answer: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Body>, Infallible> {
    let late = |_| Ok(Status::deadline_exceeded("the message of this call has not come").into_http());
    timeout(STREAM_TIMEOUT, answer).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::{HEALTH_CHECK, NamedService, STREAM_TIMEOUT, Streams};
    use http::{Request, Response};
    use std::convert::Infallible;
    use std::future::pending;
    use std::task::{Context, Poll};
    use tokio::time::Instant;
    use tonic::body::Body;
    use tonic::codegen::{BoxFuture, Service};

    /// A service that waits for a message for ever.
    struct Waits;

    impl NamedService for Waits {
        const NAME: &'static str = "waits";
    }

    impl Service<Request<Body>> for Waits {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Response<Body>, Infallible>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            Box::pin(pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_never_comes_is_not_waited_for_without_end() {
        let streams = Streams::default();
        for path in [HEALTH_CHECK, "/grpc.health.v1.Health/Watch"] {
            let began = Instant::now();
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answer = streams.bound(Waits).call(request).await.unwrap();
            assert_eq!(answer.headers().get("grpc-status").unwrap(), "4", "{path}: DEADLINE_EXCEEDED");
            assert_eq!(began.elapsed(), STREAM_TIMEOUT, "{path}");
        }
        assert_eq!(streams.0.available_permits(), super::OPEN);
    }
}
