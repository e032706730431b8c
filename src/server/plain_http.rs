//! HTTP/1.1 for probes, metrics and the page. There is no HTTP/2: over it, one connection could ask for many large responses at once, and
//! read none of them.

use super::accept::Listener;
use super::connection::Connection;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Maximum size of a request line with its headers. Beyond it: 431, and the connection is closed.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Serves until `stop` completes and the requests under way are answered. Each connection ends with its deadline at the latest.
pub(super) async fn serve<S>(mut listener: Listener, service: S, stop: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let closing = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => {
                connections.spawn(serve_connection(accepted.plain(), service.clone(), closing.clone()));
            }
            // Removes connections that have ended.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    closing.cancel();
    while connections.join_next().await.is_some() {}
}

async fn serve_connection<S>(connection: Connection, service: S, closing: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    let mut served = pin!(
        Builder::new()
            // The connection has a deadline, which holds for the whole of it.
            .header_read_timeout(None)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(connection), service)
    );
    // An error is the end of the connection, which the client sees too.
    tokio::select! {
        _ = &mut served => return,
        () = closing.cancelled() => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}
