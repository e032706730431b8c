//! The JSON Schema of the configuration file, generated from its types.

use super::raw::Document;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};

/// Returns the schema (JSON Schema 2020-12).
pub(super) fn root() -> Schema {
    SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<Document>()
}

/// Returns the schema (JSON Schema 2020-12) as text, for editors and for `deploy/modgud.schema.json`.
///
/// # Errors
/// None in practice: a schema is JSON.
pub fn schema() -> serde_json::Result<String> {
    serde_json::to_string_pretty(&root())
}
