//! Our messages are Envoy's. The second opinion is the crate `envoy-types`, which is generated from Envoy's own files.
//!
//! - `same_fields`: field by field, names and meaning.
//! - `every_field`: whatever our files declare, walked by reflection, so that no field can be forgotten.
//! - `names`: messages, enum values and the service.
//! - `decoding`: what is ours alone: duplicates are seen, text may be anything, nothing is copied.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod decoding;
mod every_field;
mod names;
mod same_fields;
