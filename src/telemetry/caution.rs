//! Tells operators what a configuration that serves says but probably should not: a warning each, and how many there are.

use super::metrics::Metrics;
use crate::config::{Located, Warning};

/// Tells the cautions about the configuration that serves from now on.
pub fn tell(cautions: &[Located<Warning>], metrics: &Metrics) {
    metrics.config_cautions(cautions.len());
    for caution in cautions {
        tracing::warn!(%caution, "the configuration says what it probably should not");
    }
}
