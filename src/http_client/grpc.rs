//! gRPC calls to other servers, over the same connections and with the same limits as HTTP requests.

use super::connect::Connector;
use super::{AGENT, FetchError, FetchUrl, IDLE_TIMEOUT, Limits, MAX_HEAD_BYTES, TrustAnchors};
use bytes::{Buf, BufMut, Bytes};
use http::HeaderMap;
use http::header::{HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http_body_util::Limited;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error;
use std::time::Duration;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use tower::ServiceExt;

/// Silence on a connection after which the server is asked for a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Time for that sign. Beyond it the connection is closed: a machine that vanished sends no end of it.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// The bytes before a message: a flag and its length.
const PREFIX_BYTES: usize = 5;

/// A client for gRPC over HTTP/2. Clones share its connections.
#[derive(Debug, Clone)]
pub struct GrpcClient(Client<HttpsConnector<Connector>, Body>);

/// An error of a gRPC call. The texts never repeat what the server wrote.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There was no complete response.
    #[error(transparent)]
    Fetch(FetchError),
    /// The server reported an error, or its response is not gRPC.
    #[error("the response is the gRPC error {} ({})", *code as i32, code.description())]
    Status {
        /// The status code.
        code: Code,
    },
}

impl GrpcClient {
    /// Creates a client that trusts servers with certificates from these trust anchors. Without TLS, it speaks HTTP/2 with prior knowledge.
    #[must_use]
    pub fn new(trust_anchors: TrustAnchors) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(trust_anchors.into_tls())
            .https_or_http()
            .enable_http2()
            .wrap_connector(Connector);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_only(true)
            .http2_max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(https);
        Self(client)
    }

    /// Calls a method with an encoded message, and returns the encoded response.
    ///
    /// # Errors
    /// [`CallError`] unless the status is OK.
    pub async fn call(
        &self,
        url: &FetchUrl,
        method: PathAndQuery,
        headers: &HeaderMap,
        message: Bytes,
        limits: Limits,
    ) -> Result<Bytes, CallError> {
        let Limits { bytes, time } = limits;
        let mut headers = headers.clone();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let mut request = Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        let exchange = async {
            // Of all messages together: a server may send empty ones without end.
            let whole = bytes.saturating_add(PREFIX_BYTES);
            let client = self.0.clone().map_response(move |response| response.map(|body| Limited::new(body, whole)));
            let mut grpc = Grpc::with_origin(client, url.uri().clone()).max_decoding_message_size(bytes);
            grpc.ready().await.map_err(|error| CallError::Fetch(FetchError::of_client(&error)))?;
            let response = grpc.unary(request, method, EncodedCodec).await;
            response.map(tonic::Response::into_inner).map_err(|status| CallError::of(&status))
        };
        timeout(time, exchange).await.unwrap_or(Err(CallError::Fetch(FetchError::Time { limit: time })))
    }
}

impl CallError {
    /// Returns the error of the connection below a status, or else the status.
    fn of(status: &Status) -> Self {
        let mut error: Option<&(dyn Error + 'static)> = status.source();
        while let Some(inner) = error {
            if let Some(client) = inner.downcast_ref::<legacy::Error>() {
                return Self::Fetch(FetchError::of_client(client));
            }
            error = inner.source();
        }
        Self::Status { code: status.code() }
    }
}

/// A codec that leaves messages encoded.
struct EncodedCodec;

impl Codec for EncodedCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for EncodedCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for EncodedCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
