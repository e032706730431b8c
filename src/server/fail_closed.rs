//! Guarantees that every check gets a `CheckResponse` in time. A gRPC error, a panic or silence would leave the decision to Envoy's
//! `failure_mode_allow`; each becomes a 503 denial here.

use super::body::RequestBody;
use super::limits::ConnectionState;
use super::traces::CallTrace;
use crate::envoy::Check;
use crate::envoy::proto::CheckResponse;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt, Full};
use modgud_core::decide::DecisionError;
use prost::Message;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, UnaryService};
use tonic_prost::ProstEncoder;

/// The path of the one method that Envoy calls.
pub const CHECK_PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The gRPC status `RESOURCE_EXHAUSTED`, of a message for which there was no room. A response without a message has its status among the
/// headers.
const NO_ROOM: &str = "8";
/// The gRPC status `OUT_OF_RANGE`, of a message that is too large. Its text is the size in bytes.
const TOO_LARGE: &str = "11";

/// The service that Envoy calls, for one call.
struct CheckService {
    state: Arc<ConnectionState>,
    trace: CallTrace,
}

impl UnaryService<Bytes> for CheckService {
    type Response = CheckResponse;
    type Future = BoxFuture<tonic::Response<CheckResponse>, Status>;

    /// Answers a message that has arrived. Only one that is a check counts as a check that the connection has carried.
    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let started = Instant::now();
        let message = request.into_inner();
        let (state, trace) = (Arc::clone(&self.state), mem::replace(&mut self.trace, CallTrace::Off));
        Box::pin(async move {
            let Ok(check) = Check::decode(&message) else {
                return Ok(tonic::Response::new(state.checks.deny_with(DecisionError::Internal, started)));
            };
            state.activity.record_check();
            let try_acquire = |bytes| state.try_acquire(bytes);
            Ok(tonic::Response::new(state.checks.check(check, &message, (started, trace), try_acquire).await))
        })
    }
}

/// The authorization service on one connection, with the guarantee of a response.
#[derive(Debug, Clone)]
pub(super) struct FailClosed(Arc<ConnectionState>);

impl FailClosed {
    pub(super) fn new(state: &Arc<ConnectionState>) -> Self {
        Self(Arc::clone(state))
    }

    /// Answers a check: a call of [`CHECK_PATH`], in this trace.
    pub(super) fn call(&self, request: http::Request<RequestBody>, trace: CallTrace) -> CheckFuture {
        let limit = self.0.max_message();
        let service = CheckService { state: Arc::clone(&self.0), trace };
        let response = async move {
            let mut grpc = Grpc::new(CheckCodec).max_decoding_message_size(limit);
            grpc.unary(service, request).await
        };
        CheckFuture { inner: Box::pin(response), started: Instant::now(), deadline: None }
    }
}

/// The future of a check's response.
pub(super) struct CheckFuture {
    inner: Pin<Box<dyn Future<Output = http::Response<Body>> + Send>>,
    started: Instant,
    /// Timer of the deadline. Set once the check has to wait, usually for its own message: most never do.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl CheckFuture {
    pub(super) fn poll(&mut self, state: &ConnectionState, context: &mut Context<'_>) -> Poll<http::Response<Body>> {
        let checks = &state.checks;
        let error = match catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().poll(context))) {
            Ok(Poll::Ready(response)) => match response.headers().get("grpc-status") {
                None => return Poll::Ready(response),
                Some(status) if status == "0" => return Poll::Ready(response),
                Some(status) if status == NO_ROOM => DecisionError::Overload,
                Some(status) if status == TOO_LARGE => {
                    let text = response.headers().get("grpc-message").and_then(|text| text.to_str().ok());
                    match text.and_then(|text| text.parse().ok()) {
                        Some(found) => DecisionError::TooLarge { found, limit: state.max_message() },
                        None => DecisionError::Internal,
                    }
                }
                Some(_) => DecisionError::Internal,
            },
            Err(_) => DecisionError::Internal,
            Ok(Poll::Pending) => {
                // The check may have waited for others on its connection before its first poll.
                let left = || checks.authorizer.snapshot().deadline.saturating_sub(self.started.elapsed());
                let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(left())));
                match deadline.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => DecisionError::Deadline,
                }
            }
        };
        Poll::Ready(frame(&checks.deny_with(error, self.started)))
    }
}

/// Encodes a message as a complete gRPC response: a length-prefixed frame and the trailers of success.
fn frame(message: &impl Message) -> http::Response<Body> {
    const PREFIX: usize = 5;
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(length.saturating_add(PREFIX));
    frame.put_u8(0); // not compressed
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // Fails only without room, and a `BytesMut` grows.
    let _ = message.encode(&mut frame);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = http::Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The codec of checks. A message stays encoded: the check borrows from it.
struct CheckCodec;

impl Codec for CheckCodec {
    type Encode = CheckResponse;
    type Decode = Bytes;
    type Encoder = ProstEncoder<CheckResponse>;
    type Decoder = MessageDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> MessageDecoder {
        MessageDecoder
    }
}

/// The decoder of messages: it takes their bytes.
struct MessageDecoder;

impl Decoder for MessageDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
