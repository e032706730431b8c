//! OpenTelemetry's messages as Rust types, generated from `proto/` by `build.rs`.

pub(super) use generated::opentelemetry::proto::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
pub(super) use generated::opentelemetry::proto::common::v1::any_value::Value;
pub(super) use generated::opentelemetry::proto::common::v1::{AnyValue, InstrumentationScope, KeyValue};
pub(super) use generated::opentelemetry::proto::resource::v1::Resource;
pub(super) use generated::opentelemetry::proto::trace::v1::span::SpanKind;
pub(super) use generated::opentelemetry::proto::trace::v1::status::StatusCode;
pub(super) use generated::opentelemetry::proto::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

#[expect(
    clippy::enum_variant_names,
    clippy::pedantic,
    unreachable_pub,
    reason = "generated: its style is that of prost-build, its documentation is in proto/"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/modgud_otlp.rs"));
}
