//! What operators are told: the log and the metrics. Never a token, a key or the value of a claim.

pub mod caution;
pub mod log;
pub mod metrics;
