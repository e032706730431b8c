//! Sizes in bytes, as written.

use schemars::JsonSchema;
use serde::Deserialize;

/// A number of bytes, or a number and a unit, such as `64KiB` or `1MiB`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a size, such as `64KiB`, `1MiB` or a number of bytes")]
pub(in crate::config) enum Size {
    /// A number of bytes.
    Bytes(u64),
    /// A number and its unit, `KiB` or `MiB`.
    Text(String),
}
