//! What operators are told: the log and the metrics. Never a token, a key or the value of a claim.

pub mod log;
pub mod metrics;
pub mod warning;
