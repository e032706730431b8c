//! The metrics of exported spans.

use crate::otlp::{DropReason, SpanCounts};
use crate::telemetry::metrics::encode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::Counter;
use std::fmt;
use std::sync::Arc;

/// The collector of the numbers of spans. They exist without `telemetry.otlp` too, so that the first drop is visible as a change.
#[derive(Debug)]
pub(super) struct SpanMetrics(pub(super) Arc<SpanCounts>);

impl Collector for SpanMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(counts) = self;
        let help = "Spans that the OpenTelemetry collector accepted";
        encode(&mut encoder, "spans_exported", help, Counter, [([], counts.exported())])?;
        let dropped = DropReason::ALL.map(|reason| ([("reason", reason.name())], counts.dropped(reason)));
        encode(&mut encoder, "spans_dropped", "Spans that no collector got or accepted, by reason", Counter, dropped)
    }
}
