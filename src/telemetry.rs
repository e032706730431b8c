//! The log and the metrics for operators. Neither ever contains a token, a key or the value of a claim.

pub mod log;
pub mod metrics;
pub mod warning;
