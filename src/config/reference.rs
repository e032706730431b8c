//! The JSON Schema of the configuration file, generated from its types, and the reference page, a Markdown page made from the schema.
//!
//! Types and examples of the page are those of the schema. A default is the sentence of a description that starts with `Default:` or `Left out:`.

use super::raw::Document;
use crate::yaml::{quoted, scalar};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// Returns the schema (JSON Schema 2020-12).
fn root() -> Schema {
    SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<Document>()
}

/// Returns the schema as text, for editors and for `deploy/modgud.schema.json`.
///
/// # Errors
/// None in practice: a schema is JSON.
pub fn schema() -> serde_json::Result<String> {
    serde_json::to_string_pretty(&root())
}

/// The text above the tables.
const INTRODUCTION: &str = "\
# Configuration reference

Every key of the configuration file, by section. `modgud config --reference` prints this page for your version.
[configuration.md](configuration.md) explains how a file, a profile and flags are combined.

- `[]` in a key means one element of a list. `NAME` means a name of your choice.
- \"required\" applies to the map that contains the key. A default of `—` means that nothing is set without the key.
- Durations are strings such as `150ms`, `30s`, `5m`, `24h` or `30d`.
- Relative paths start at the folder of the configuration file.
";

/// One row of a table.
struct Key {
    path: String,
    kind: String,
    default: String,
    example: String,
    meaning: String,
}

/// Returns the page, with a section for each top-level key.
#[must_use]
pub fn reference() -> String {
    let schema = root().to_value();
    let reference = Reference { definitions: schema.get("$defs").and_then(Value::as_object) };
    let mut page = String::from(INTRODUCTION);
    for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let mut keys = Vec::new();
        reference.add(name, member, false, "", &mut keys);
        page.extend(["\n## ", name, "\n\n| key | type | default | example | meaning |\n|---|---|---|---|---|\n"]);
        for Key { path, kind, default, example, meaning } in keys {
            let cells = [format!("`{path}`"), kind, or_dash(default), or_dash(example), meaning];
            page.extend(["| ", &cells.map(|cell| cell.replace('|', "\\|")).join(" | "), " |\n"]);
        }
    }
    page
}

fn or_dash(cell: String) -> String {
    if cell.is_empty() { "—".to_owned() } else { cell }
}

struct Reference<'a> {
    definitions: Option<&'a Map<String, Value>>,
}

impl Reference<'_> {
    /// Adds the row of a key, and those of the keys inside it. `outer` describes the only key of a form.
    fn add(&self, path: &str, schema: &Value, required: bool, outer: &str, keys: &mut Vec<Key>) {
        let own = schema.as_object().map(description).unwrap_or_default();
        let schema = self.resolve(schema);
        let own = [own, outer.to_owned(), description(&schema)].into_iter().find(|text| !text.is_empty());
        let own = own.unwrap_or_default();
        let (stated, mut meaning) = split_default(&own);
        let default = match schema.get("default") {
            _ if required => "required".to_owned(),
            Some(value) if stated.is_empty() && !value.is_null() => code(&flow(value)),
            _ => stated,
        };
        let kind = self.kind(&schema);
        let example = self.example(&schema, &own, &default, &kind);
        for variant in self.variants(&schema).iter().filter(|variant| !variant.contains_key("properties")) {
            let description = description(variant);
            if !description.is_empty() {
                meaning.extend(["<br>", &self.kind(variant), ": ", &description]);
            }
        }
        keys.push(Key { path: path.to_owned(), kind, default, example, meaning });
        self.add_inner(path, &schema, keys);
    }

    /// Adds the rows of the keys inside a list, a map, or one of several forms.
    fn add_inner(&self, path: &str, schema: &Map<String, Value>, keys: &mut Vec<Key>) {
        let example = schema.get("examples").and_then(|examples| examples.get(0));
        if let Some(items) = schema.get("items") {
            let items =
                with_example(self.resolve(items), example.and_then(|list| list.get(0)).filter(|item| item.is_object()));
            return self.add_inner(&format!("{path}[]"), &items, keys);
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            return self.add_inner(&format!("{path}.NAME"), &self.resolve(values), keys);
        }
        // The key of a form that is one of several is not required: another form may be there instead. It has the form's description.
        let is_choice = schema.contains_key("oneOf");
        for map in std::iter::once(schema.clone()).chain(self.variants(schema)) {
            let outer = if is_choice { description(&map) } else { String::new() };
            let required = map.get("required").and_then(Value::as_array);
            for (name, member) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let required = !is_choice && required.is_some_and(|names| names.iter().any(|one| one == name));
                let member = member.as_object().cloned().unwrap_or_default();
                let member = with_example(member, example.and_then(|map| map.get(name)));
                self.add(&format!("{path}.{name}"), &Value::Object(member), required, &outer, keys);
            }
        }
    }

    /// Returns the schema with what `$ref` refers to, and without `null`.
    fn resolve(&self, schema: &Value) -> Map<String, Value> {
        let mut own = schema.as_object().cloned().unwrap_or_default();
        let mut base = Map::new();
        if let Some(forms) = own.get("anyOf").and_then(Value::as_array) {
            let forms: Vec<&Value> =
                forms.iter().filter(|form| form.get("type").is_none_or(|kind| kind != "null")).collect();
            if let [form] = forms.as_slice() {
                base = self.resolve(form);
                own.remove("anyOf");
            }
        }
        let name = own.remove("$ref").and_then(|path| path.as_str()?.rsplit('/').next().map(str::to_owned));
        if let Some(definition) = name.and_then(|name| self.definitions?.get(&name)) {
            base = self.resolve(definition);
        }
        base.extend(own);
        base
    }

    /// Returns the forms of a value that has several.
    fn variants(&self, schema: &Map<String, Value>) -> Vec<Map<String, Value>> {
        let forms = ["oneOf", "anyOf"].iter().filter_map(|word| schema.get(*word)?.as_array()).flatten();
        let forms = forms.map(|form| self.resolve(form));
        forms
            .flat_map(|form| match self.variants(&form) {
                inner if inner.is_empty() => vec![form],
                inner => inner,
            })
            .collect()
    }

    /// Returns the type in words.
    fn kind(&self, schema: &Map<String, Value>) -> String {
        if let Some(word) = schema.get("const").and_then(Value::as_str) {
            return code(word);
        }
        let mut kinds: Vec<String> = self.variants(schema).iter().map(|variant| self.kind(variant)).collect();
        kinds.dedup();
        if let Some(last) = kinds.pop() {
            return if kinds.is_empty() { last } else { format!("{} or {last}", kinds.join(", ")) };
        }
        let inner =
            |key: &str| schema.get(key).filter(|inner| inner.is_object()).map(|inner| self.kind(&self.resolve(inner)));
        match type_name(schema) {
            "array" => format!("list of {}", plural(&inner("items").unwrap_or_default())),
            "object" => {
                inner("additionalProperties").map_or("map".to_owned(), |kind| format!("map of {}", plural(&kind)))
            }
            name => name.to_owned(),
        }
    }

    /// Returns an example: that of the schema, the one in the description, the first word, or the default.
    fn example(&self, schema: &Map<String, Value>, description: &str, default: &str, kind: &str) -> String {
        if let Some(example) = schema.get("examples").and_then(|examples| examples.get(0)) {
            return code(&flow(example));
        }
        let shown =
            description.split_once("such as `").and_then(|(_, rest)| rest.split_once('`')).map(|(text, _)| text);
        // Of a map with keys of its own, each key has an example.
        let shown = shown.filter(|_| kind != "map");
        let words = self.variants(schema);
        let word = words.iter().find_map(|variant| variant.get("const")?.as_str());
        let boolean = (kind == "boolean").then_some("true");
        let default = match default.strip_prefix('`') {
            Some(text) => text.split_once('`').map(|(text, _)| text),
            None => default.split([' ', ',']).next().filter(|text| text.parse::<u32>().is_ok()),
        };
        match shown.or(word).or(boolean).or(default) {
            Some(text) if kind.starts_with("list") && !text.starts_with('[') => code(&format!("[{}]", plain(text))),
            Some(text) => code(text),
            None => String::new(),
        }
    }
}

/// Returns the schema with a part of the outer value's example, if there is one.
fn with_example(mut schema: Map<String, Value>, example: Option<&Value>) -> Map<String, Value> {
    if let Some(example) = example {
        schema.insert("examples".to_owned(), Value::Array(vec![example.clone()]));
    }
    schema
}

/// Returns the description in one line.
fn description(schema: &Map<String, Value>) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// Splits a description into its default and the rest.
fn split_default(description: &str) -> (String, String) {
    let mut sentences = vec![String::new()];
    let mut in_code = false;
    let mut after_stop = false;
    for c in description.chars() {
        in_code ^= c == '`';
        match sentences.last_mut() {
            Some(sentence) if c != ' ' || !after_stop => sentence.push(c),
            _ => sentences.push(String::new()),
        }
        after_stop = c == '.' && !in_code;
    }
    let (mut stated, mut rest) = (Vec::new(), Vec::new());
    for sentence in sentences {
        match ["Default: ", "Left out: "].iter().find_map(|start| sentence.strip_prefix(start)) {
            Some(default) => stated.push(default.trim_end_matches('.').to_owned()),
            None => rest.push(sentence),
        }
    }
    (stated.join("; "), rest.join(" "))
}

fn type_name(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        name => name.and_then(Value::as_str),
    }
    .unwrap_or("any")
}

/// Returns the types in the plural.
fn plural(kind: &str) -> String {
    let kinds = kind.split(" or ").map(|kind| match kind.split_once(' ') {
        _ if kind.starts_with('`') => kind.to_owned(),
        Some((name, rest)) => format!("{name}s {rest}"),
        None => format!("{kind}s"),
    });
    kinds.collect::<Vec<_>>().join(" or ")
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Returns a text as YAML, without quotes where it needs none.
fn plain(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':'))
        && !text.ends_with(':')
        && text.parse::<f64>().is_err()
        && (!text.chars().all(char::is_alphabetic) || scalar(text) == text);
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// Returns a value as YAML in one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) if !entries.is_empty() => {
            let entries = entries.iter().map(|(key, value)| format!("{key}: {}", flow(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
