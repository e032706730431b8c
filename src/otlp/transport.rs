//! One export request, over gRPC or HTTP, and the collector's verdict.

use super::proto::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use super::{Collector, Protocol};
use crate::http_client::{CallError, FetchError, FetchRequest, FetchUrl, GrpcClient, HttpClient, Limits};
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, StatusCode};
use prost::Message;
use std::time::Duration;
use tonic::Code;

/// Limits of one request: a response is a few bytes, and 10 s is OpenTelemetry's own limit. Beyond them the request fails.
const LIMITS: Limits = Limits { bytes: 64 * 1024, time: Duration::from_secs(10) };

/// The method of OTLP's service.
const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A client of one collector.
#[derive(Debug)]
pub(super) struct Transport {
    client: Client,
    url: FetchUrl,
    headers: HeaderMap,
}

#[derive(Debug)]
enum Client {
    Grpc(GrpcClient),
    Http(HttpClient),
}

/// An error of an export. The texts never repeat what the collector wrote.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The request over HTTP failed.
    #[error("{0}")]
    Http(#[from] FetchError),
    /// The call over gRPC failed.
    #[error("{0}")]
    Grpc(#[from] CallError),
    /// The response is not one of a collector.
    #[error("the response is not one of an OpenTelemetry collector")]
    Response,
    /// An internal error.
    #[error("internal error while encoding spans")]
    Internal,
}

impl ExportError {
    /// Returns true if the same request may succeed later (OTLP specification, "Failures"). A request without a response may have been
    /// accepted: a collector can then get its spans twice, with the same ids.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Http(error) | Self::Grpc(CallError::Fetch(error)) => match error {
                FetchError::Unreachable(_) | FetchError::Broken | FetchError::Time { .. } => true,
                FetchError::Status { status } => matches!(
                    *status,
                    StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                ),
                FetchError::Redirect { .. } | FetchError::Coding { .. } | FetchError::Size { .. } => false,
            },
            // RESOURCE_EXHAUSTED only with details that name a delay, which modgud does not read. OUT_OF_RANGE is also the client library's word
            // for a response beyond the limit, which the next one would be too.
            Self::Grpc(CallError::Status { code }) => matches!(
                code,
                Code::Cancelled | Code::DeadlineExceeded | Code::Aborted | Code::Unavailable | Code::DataLoss
            ),
            Self::Response | Self::Internal => false,
        }
    }
}

impl Transport {
    pub(super) fn new(collector: &Collector) -> Self {
        let Collector { url, protocol, headers, trust_anchors, queue: _, claims: _, resource: _ } = collector;
        let client = match protocol {
            Protocol::Grpc => Client::Grpc(GrpcClient::new(trust_anchors.clone())),
            Protocol::Http => Client::Http(HttpClient::new(trust_anchors.clone())),
        };
        Self { client, url: url.clone(), headers: headers.clone() }
    }

    /// Sends an encoded request. Returns how many of its spans the collector rejected.
    ///
    /// # Errors
    /// [`ExportError`] if it accepted none.
    pub(super) async fn send(&self, message: Bytes) -> Result<u64, ExportError> {
        let Self { client, url, headers } = self;
        let response = match client {
            Client::Grpc(client) => {
                client.call(url, PathAndQuery::from_static(METHOD), headers, message, LIMITS).await?
            }
            Client::Http(client) => client.send(url, FetchRequest::PostProto { headers, message }, LIMITS).await?,
        };
        let ExportTraceServiceResponse { partial_success } =
            ExportTraceServiceResponse::decode(response).map_err(|_| ExportError::Response)?;
        let ExportTracePartialSuccess { rejected_spans, error_message: _ } = partial_success.unwrap_or_default();
        Ok(u64::try_from(rejected_spans).unwrap_or_default())
    }
}
