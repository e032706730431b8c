//! Export of spans to an OpenTelemetry collector (OTLP 1.x, over gRPC or HTTP). Spans wait in a bounded queue and are sent in batches; those
//! for which there is no room, and those that no collector accepts, are dropped and counted. Nothing here ever delays a check.

mod counts;
mod exporter;
mod proto;
mod resource;
mod span;
mod trace_context;
mod transport;

pub use counts::{DropReason, SpanCounts};
pub use exporter::{Exporter, FLUSH_TIMEOUT};
pub use resource::{ResourceAttribute, ResourceError, attributes as resource_attributes};
pub use span::{AttributeValue, ParentOrigin, SpanRecord};
pub use trace_context::{TraceContext, trace_state};

use crate::http_client::{FetchUrl, TrustAnchors};
use http::HeaderMap;
use modgud_core::principal::ClaimPath;

/// A collector, as configured. Equal values need no new exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Its address; over HTTP, with the path.
    pub url: FetchUrl,
    /// The protocol.
    pub protocol: Protocol,
    /// The headers of each request. Their values are secrets, and marked as sensitive.
    pub headers: HeaderMap,
    /// Trust anchors for its certificate.
    pub trust_anchors: TrustAnchors,
    /// Maximum number of spans that wait.
    pub queue: usize,
    /// The claims whose values are in spans.
    pub claims: Vec<ClaimPath>,
    /// The attributes of this process, beside its name and version.
    pub resource: Vec<ResourceAttribute>,
}

/// A protocol of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// Messages of Protocol Buffers over HTTP/1.1.
    Http,
}

impl Protocol {
    /// Returns the name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "gRPC",
            Self::Http => "HTTP",
        }
    }
}
