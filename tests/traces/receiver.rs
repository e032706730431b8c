//! A collector on loopback: it decodes requests with OpenTelemetry's own types, and answers as a test wants.

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The protocol of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    pub(crate) const ALL: [Self; 2] = [Self::Grpc, Self::Http];

    /// The value of `protocol`.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// All spans are accepted.
    Accept,
    /// So many are rejected, with a text of the collector's own.
    Reject(i64),
    /// A status of gRPC, or of HTTP.
    Status(u16),
    /// A body of so many bytes, announced and sent.
    Huge(usize),
    /// So many messages of gRPC, all empty.
    Many(usize),
    /// A page for people.
    Page,
    /// Nothing, ever.
    Hang,
}

/// A collector. It ends when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    requests: watch::Receiver<usize>,
    untrusted: watch::Receiver<usize>,
    serving: AbortHandle,
}

struct Shared {
    protocol: Protocol,
    reply: Mutex<Reply>,
    received: Mutex<Vec<Received>>,
    requests: watch::Sender<usize>,
}

/// A request, decoded and as it came.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) request: ExportTraceServiceRequest,
    /// True if it was accepted.
    accepted: bool,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Receiver {
    pub(crate) async fn start(protocol: Protocol) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").await.unwrap(), protocol, None)
    }

    /// The same with TLS.
    pub(crate) async fn start_tls(protocol: Protocol, tls: TlsAcceptor) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").await.unwrap(), protocol, Some(tls))
    }

    /// A collector at this address, which must be free.
    pub(crate) async fn at(address: SocketAddr, protocol: Protocol) -> Self {
        Self::listen(TcpListener::bind(address).await.unwrap(), protocol, None)
    }

    fn listen(listener: TcpListener, protocol: Protocol, tls: Option<TlsAcceptor>) -> Self {
        let address = listener.local_addr().unwrap();
        let (counting, requests) = watch::channel(0);
        let (failing, untrusted) = watch::channel(0);
        let (reply, received) = (Mutex::new(Reply::Accept), Mutex::default());
        let shared = Arc::new(Shared { protocol, reply, received, requests: counting });
        let serves = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (shared, tls, failing) = (Arc::clone(&serves), tls.clone(), failing.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, shared).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, shared).await,
                            Err(_) => failing.send_modify(|failed| *failed += 1),
                        },
                    }
                });
            }
        });
        Self { address, shared, requests, untrusted, serving: serving.abort_handle() }
    }

    /// From now on this is the answer.
    pub(crate) fn replies(&self, reply: Reply) {
        *self.shared.reply.lock().unwrap() = reply;
    }

    /// Everything that came.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until so many clients have ended their handshake, or more.
    pub(crate) async fn untrusted(&self, count: usize) {
        let mut untrusted = self.untrusted.clone();
        let came = untrusted.wait_for(|untrusted| *untrusted >= count);
        timeout(PATIENCE, came).await.unwrap_or_else(|_| panic!("the certificate is trusted")).unwrap();
    }

    /// Waits until so many requests have come.
    pub(crate) async fn requests(&self, count: usize) {
        let mut requests = self.requests.clone();
        let came = requests.wait_for(|requests| *requests >= count);
        timeout(PATIENCE, came).await.unwrap_or_else(|_| panic!("{count} requests never come")).unwrap();
    }

    /// Waits until so many spans were accepted, and returns all of them.
    pub(crate) async fn spans(&self, count: usize) -> Vec<Span> {
        let spans = || -> Vec<Span> {
            let accepted = self.received().into_iter().filter(|received| received.accepted);
            let resources = accepted.flat_map(|received| received.request.resource_spans);
            resources.flat_map(|one| one.scope_spans).flat_map(|one| one.spans).collect()
        };
        let mut requests = self.requests.clone();
        let came = requests.wait_for(|_| spans().len() >= count);
        let waited = timeout(PATIENCE, came).await.map(|came| came.map(|_| ()));
        waited.unwrap_or_else(|_| panic!("not {count} spans: {:?}", spans())).unwrap();
        spans()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    let stream = TokioIo::new(stream);
    // The end of a connection is no failure.
    match shared.protocol {
        Protocol::Grpc => {
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
        }
        Protocol::Http => {
            let _ = http1::Builder::new().serve_connection(stream, service).await;
        }
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(Response::new(Full::default().boxed())) };
    let mut raw = body.to_bytes();
    if shared.protocol == Protocol::Grpc {
        assert_eq!(raw[0], 0, "it is not compressed");
        assert_eq!(u32::from_be_bytes(raw[1..5].try_into().unwrap()) as usize, raw.len() - 5);
        raw.advance(5);
    }
    let reply = shared.reply.lock().unwrap().clone();
    let decoded = ExportTraceServiceRequest::decode(raw.clone()).unwrap();
    shared.received.lock().unwrap().push(Received {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        raw,
        request: decoded,
        accepted: matches!(reply, Reply::Accept),
    });
    shared.requests.send_modify(|requests| *requests += 1);
    let message = |partial: Option<i64>| {
        let error_message = "a text of the collector".to_owned();
        let partial = partial.map(|rejected_spans| ExportTracePartialSuccess { rejected_spans, error_message });
        ExportTraceServiceResponse { partial_success: partial }.encode_to_vec()
    };
    Ok(match (shared.protocol, reply) {
        (_, Reply::Hang) => std::future::pending().await,
        (Protocol::Http, Reply::Accept) => body_of(message(None)),
        (Protocol::Http, Reply::Reject(count)) => body_of(message(Some(count))),
        (Protocol::Http, Reply::Huge(bytes)) => body_of(vec![0; bytes]),
        (Protocol::Http, Reply::Status(status)) => {
            let mut response = body_of(Vec::new());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        }
        (Protocol::Http, Reply::Many(_)) => panic!("messages are of gRPC"),
        (_, Reply::Page) => body_of(b"<!doctype html><title>Log in</title>".to_vec()),
        (Protocol::Grpc, Reply::Accept) => framed(&message(None)),
        (Protocol::Grpc, Reply::Reject(count)) => framed(&message(Some(count))),
        (Protocol::Grpc, Reply::Huge(bytes)) => framed(&vec![0; bytes]),
        // Without compression, and without a byte: five zeros.
        (Protocol::Grpc, Reply::Many(messages)) => with_trailers(vec![0; messages * 5].into()),
        (Protocol::Grpc, Reply::Status(status)) => {
            let mut response = grpc(Full::default().boxed());
            let headers = response.headers_mut();
            headers.insert("grpc-status", HeaderValue::from(status));
            headers.insert("grpc-message", HeaderValue::from_static("a text of the collector"));
            response
        }
    })
}

fn body_of(body: Vec<u8>) -> Response<Body> {
    Response::new(Full::new(Bytes::from(body)).boxed())
}

fn framed(message: &[u8]) -> Response<Body> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    with_trailers([&[0][..], &length, message].concat().into())
}

fn with_trailers(messages: Bytes) -> Response<Body> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    grpc(Full::new(messages).with_trailers(async { Some(Ok(trailers)) }).boxed())
}

fn grpc(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// The attributes of a span or a process, as text.
pub(crate) fn attributes(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let shown: BTreeMap<&str, String> = attributes
        .iter()
        .map(|KeyValue { key, value, .. }| {
            let value = match value.as_ref().unwrap().value.as_ref().unwrap() {
                Value::StringValue(text) => text.clone(),
                Value::IntValue(number) => number.to_string(),
                Value::DoubleValue(number) => number.to_string(),
                Value::BoolValue(value) => value.to_string(),
                other => panic!("{key}: {other:?}"),
            };
            (key.as_str(), value)
        })
        .collect();
    assert_eq!(shown.len(), attributes.len(), "no key is there twice: {attributes:?}");
    shown
}

/// The attributes of a span as lines `KEY=VALUE`, in the order of keys.
pub(crate) fn lines(span: &Span) -> Vec<String> {
    attributes(&span.attributes).into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}
