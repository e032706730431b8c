//! Tells operators what a configuration that serves says but probably should not: a warning each, and how many there are.

use super::metrics::Metrics;
use crate::config::{Located, Warning};

/// Tells the warnings about the configuration that serves from now on.
pub fn tell(warnings: &[Located<Warning>], metrics: &Metrics) {
    metrics.config_warnings(warnings.len());
    for warning in warnings {
        tracing::warn!(%warning, "the configuration says what it probably should not");
    }
}
