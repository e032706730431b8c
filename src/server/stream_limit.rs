//! Limits the calls other than checks. Health watches and reflection calls stay open for as long as the client likes, and are few. Health
//! checks, as Envoy sends them, may come as often as it likes, and end soon.

use super::connection_slots::ConnectionActivity;
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

/// Maximum number of such open calls on all connections. Beyond it a call fails with `RESOURCE_EXHAUSTED`.
const MAX_OPEN_STREAMS: usize = 256;
/// Maximum bytes of their messages: the name of a service, or of a symbol.
pub(super) const MAX_MESSAGE_BYTES: usize = 4 * 1024;
/// Time until the response begins, and until the one message arrives that health waits for. Beyond it the call fails with
/// `DEADLINE_EXCEEDED`.
const STREAM_TIMEOUT: Duration = Duration::from_secs(10);
/// The one call of these services that ends on its own.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// The slots for such calls; clones share them.
#[derive(Debug, Clone)]
pub(super) struct StreamLimit(Arc<Semaphore>);

impl Default for StreamLimit {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_OPEN_STREAMS)))
    }
}

impl StreamLimit {
    /// Wraps a service, whose calls then need a slot.
    pub(super) fn bound<S>(&self, inner: S) -> Limited<S> {
        Limited { inner, streams: self.clone() }
    }
}

/// A service whose calls need a slot.
#[derive(Debug, Clone)]
pub(super) struct Limited<S> {
    inner: S,
    streams: StreamLimit,
}

impl<S: NamedService> NamedService for Limited<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Limited<S>
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
        let activity = request.extensions().get::<ConnectionActivity>();
        if request.uri().path() == HEALTH_CHECK {
            if let Some(activity) = activity {
                activity.record();
            }
            return Box::pin(with_timeout(self.inner.call(request)));
        }
        let Ok(slot) = Arc::clone(&self.streams.0).try_acquire_owned() else {
            let full = Status::resource_exhausted("as many watches and reflection calls are open as may be");
            return Box::pin(async move { Ok(full.into_http()) });
        };
        let held = (slot, activity.map(ConnectionActivity::record_open));
        let answer = with_timeout(self.inner.call(request));
        Box::pin(async move {
            // The body holds the slot, and ends with the call.
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

/// Returns the response to a call, or an error if its message has not arrived in time.
async fn with_timeout(
    answer: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Body>, Infallible> {
    let late = |_| Ok(Status::deadline_exceeded("the message of this call has not come").into_http());
    timeout(STREAM_TIMEOUT, answer).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::{HEALTH_CHECK, NamedService, STREAM_TIMEOUT, StreamLimit};
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
        let streams = StreamLimit::default();
        for path in [HEALTH_CHECK, "/grpc.health.v1.Health/CheckFuture"] {
            let began = Instant::now();
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answer = streams.bound(Waits).call(request).await.unwrap();
            assert_eq!(answer.headers().get("grpc-status").unwrap(), "4", "{path}: DEADLINE_EXCEEDED");
            assert_eq!(began.elapsed(), STREAM_TIMEOUT, "{path}");
        }
        assert_eq!(streams.0.available_permits(), super::MAX_OPEN_STREAMS);
    }
}
