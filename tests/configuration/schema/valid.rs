//! Holds a document against a JSON Schema (2020-12), as far as our schema uses that language. A keyword that is not known here
//! fails the test rather than being passed over.

use serde_json::{Map, Value};

/// Keywords for people, which do not constrain a document.
const WORDS: [&str; 7] = ["$schema", "$defs", "title", "description", "default", "format", "examples"];

/// Everything about a document that does not fit, each with its path.
pub(super) fn errors(schema: &Value, document: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    Validator { root: schema }.check(schema, document, "", &mut errors);
    errors
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn check(&self, schema: &Value, value: &Value, path: &str, errors: &mut Vec<String>) {
        let keywords = match schema {
            Value::Bool(true) => return,
            Value::Bool(false) => return errors.push(format!("{path}: no value is allowed here")),
            schema => schema.as_object().unwrap(),
        };
        for (keyword, operand) in keywords {
            let fits = match keyword.as_str() {
                "type" => match operand {
                    Value::Array(types) => types.iter().any(|one| is_of(value, one)),
                    one => is_of(value, one),
                },
                "const" => value == operand,
                "enum" => operand.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|number| number >= operand.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= operand.as_f64().unwrap()),
                "oneOf" => self.fitting(operand, value) == 1,
                "anyOf" => self.fitting(operand, value) > 0,
                "required" => value.as_object().is_none_or(|map| {
                    operand.as_array().unwrap().iter().all(|key| map.contains_key(key.as_str().unwrap()))
                }),
                "$ref" => {
                    let pointer = operand.as_str().unwrap().strip_prefix('#').unwrap();
                    self.check(self.root.pointer(pointer).unwrap(), value, path, errors);
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(operand, item, &format!("{path}[{index}]"), errors);
                    }
                    true
                }
                "properties" => {
                    for (key, member) in value.as_object().into_iter().flatten() {
                        if let Some(schema) = operand.get(key) {
                            self.check(schema, member, &format!("{path}.{key}"), errors);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let known = keywords.get("properties").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
                    for (key, member) in
                        value.as_object().into_iter().flatten().filter(|(key, _)| !known.contains_key(*key))
                    {
                        self.check(operand, member, &format!("{path}.{key}"), errors);
                    }
                    true
                }
                other => {
                    assert!(WORDS.contains(&other), "the schema uses `{other}`, which is not known here");
                    true
                }
            };
            if !fits {
                errors.push(format!("{path}: {keyword}: {operand}"));
            }
        }
    }

    /// How many of the schemas a value fits.
    fn fitting(&self, schemas: &Value, value: &Value) -> usize {
        let fits = |schema: &&Value| {
            let mut errors = Vec::new();
            self.check(schema, value, "", &mut errors);
            errors.is_empty()
        };
        schemas.as_array().unwrap().iter().filter(fits).count()
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("the schema uses the type `{other}`, which JSON Schema does not have"),
    }
}
