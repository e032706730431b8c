//! A finished span, and its encoding in a request to a collector.

use super::ResourceAttribute;
use super::proto::{
    AnyValue, ExportTraceServiceRequest, InstrumentationScope, KeyValue, Resource, ResourceSpans, ScopeSpans, Span,
    SpanKind, Status, StatusCode, Value,
};
use super::trace_context::TraceContext;
use bytes::Bytes;
use prost::Message;
use std::borrow::Cow;

/// The name of what wrote the spans.
const SCOPE: &str = env!("CARGO_PKG_NAME");

/// The flag that says that [`REMOTE`] is set on purpose.
const REMOTE_KNOWN: u32 = 0x100;
/// The flag of a span whose parent belongs to another process.
const REMOTE: u32 = 0x200;

/// A finished span. It has only bounded values, since it waits in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanRecord {
    /// The context of the parent.
    pub parent: TraceContext,
    /// `tracestate` of the parent.
    pub trace_state: Option<Box<str>>,
    /// The process of the parent.
    pub origin: ParentOrigin,
    /// The id of this span.
    pub id: [u8; 8],
    /// Its name, of which there are few.
    pub name: &'static str,
    /// Its start, in nanoseconds since 1970.
    pub start: u64,
    /// Its end, in nanoseconds since 1970.
    pub end: u64,
    /// Its attributes; no two have one key.
    pub attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// The code of the failure; `None` if the operation did not fail.
    pub failure: Option<&'static str>,
}

/// The process of a parent span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParentOrigin {
    /// The one that asks modgud: the span is of the kind SERVER.
    Caller,
    /// modgud: the span is of the kind INTERNAL.
    Here,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Integer(i64),
    /// A fraction.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
}

impl From<&'static str> for AttributeValue {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

/// Encodes the request with these spans of a process with these attributes.
pub(super) fn encode(resource: &[ResourceAttribute], spans: Vec<SpanRecord>) -> Bytes {
    let attributes = resource.iter().map(|(key, value)| attribute(key.to_string(), value.to_string().into())).collect();
    let scope = InstrumentationScope { name: SCOPE.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans: spans.into_iter().map(span).collect() }];
    let of_process = ResourceSpans { resource: Some(Resource { attributes }), scope_spans };
    ExportTraceServiceRequest { resource_spans: vec![of_process] }.encode_to_vec().into()
}

fn span(record: SpanRecord) -> Span {
    let SpanRecord { parent, trace_state, origin, id, name, start, end, attributes, failure } = record;
    let TraceContext { trace_id, span_id, flags } = parent;
    let (kind, remote) = match origin {
        ParentOrigin::Caller => (SpanKind::Server, REMOTE),
        ParentOrigin::Here => (SpanKind::Internal, 0),
    };
    let status = match failure {
        None => Status::default(),
        Some(code) => Status { code: StatusCode::Error.into(), message: code.to_owned() },
    };
    Span {
        trace_id: trace_id.to_vec(),
        span_id: id.to_vec(),
        trace_state: trace_state.map(String::from).unwrap_or_default(),
        parent_span_id: span_id.to_vec(),
        name: name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: start,
        // A clock that was set back must not make a negative duration.
        end_time_unix_nano: end.max(start),
        attributes: attributes.into_iter().map(|(key, value)| attribute(key.into_owned(), value)).collect(),
        status: Some(status),
        flags: u32::from(flags) | REMOTE_KNOWN | remote,
    }
}

fn attribute(key: String, value: AttributeValue) -> KeyValue {
    let value = match value {
        AttributeValue::Text(text) => Value::StringValue(text.into_owned()),
        AttributeValue::Integer(number) => Value::IntValue(number),
        AttributeValue::Float(number) => Value::DoubleValue(number),
        AttributeValue::Bool(value) => Value::BoolValue(value),
    };
    KeyValue { key, value: Some(AnyValue { value: Some(value) }) }
}
