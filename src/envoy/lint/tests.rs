//! Tests of the checks on texts.
