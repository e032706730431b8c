//! Reports the warnings about the active configuration to operators: a log event for each, and their number as a metric.

use super::metrics::Metrics;
use crate::diagnostic::Diagnostic;

/// Logs and counts the warnings about the configuration that is active from now on.
pub fn log_warnings(warnings: &[Diagnostic], metrics: &Metrics) {
    metrics.config_warnings(warnings.len());
    for warning in warnings {
        tracing::warn!(%warning, "configuration warning");
    }
}
