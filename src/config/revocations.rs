//! The revocation file: YAML for manual editing, JSON for a million entries.

use super::de::IncludedDocument;
use super::de::error::FormError;
use super::diagnostic::{Diagnostics, write_lines};
use super::path::Path;
use super::placeholder::placeholder;
use crate::diagnostic::{Diagnostic, Issue, Quoted};
use crate::read_limit::read_regular_file_to_limit;
use modgud_core::authn::{RevocationList, Revoked};
use modgud_core::time::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::time::UNIX_EPOCH;

/// The maximum size of a list in JSON: 128 MiB, which holds a million entries. A larger one is an error.
const MAX_JSON_BYTES: u64 = 128 * 1024 * 1024;
/// The maximum number of items in one of the three lists; more are an error.
const MAX_ITEMS: usize = 1_000_000;
/// The maximum size of a list in YAML: 4 MiB, because reading YAML with locations costs ten times as much. A larger one must be JSON.
const MAX_YAML_BYTES: usize = 4 * 1024 * 1024;

/// An error of reading a revocation list.
#[derive(Debug, thiserror::Error)]
pub enum RevocationsError {
    /// An unreadable file.
    #[error("the file {} can't be read: {error}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
    /// A file larger than the limit.
    #[error("the file {} is larger than {} MiB; write a smaller list", .file.display(), MAX_JSON_BYTES / 1024 / 1024)]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// A file in YAML larger than the limit.
    #[error("the file {} is larger than {} MiB; write a list of that size in JSON", .file.display(), MAX_YAML_BYTES / 1024 / 1024)]
    TooLargeForYaml {
        /// The file.
        file: PathBuf,
    },
    /// An empty file: it was truncated, or not written yet. Read as a list, it would undo every revocation.
    #[error("the file {} is empty; write `{{}}` for a list without an entry", .file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// A file that is not UTF-8.
    #[error("the file {} is not UTF-8 text; save it as UTF-8", .file.display())]
    NotText {
        /// The file.
        file: PathBuf,
    },
    /// Invalid JSON, or JSON of another form.
    #[error("{}:{line}:{column}: {message}", .file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// The message of the parser.
        message: String,
    },
    /// All errors of a list in YAML.
    #[error("{}", Lines(.0))]
    Invalid(Vec<Diagnostic>),
}

struct Lines<'a>(&'a [Diagnostic]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(self.0, f)
    }
}

/// The file as written.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Document {
    tokens: Items,
    subjects: Items,
    organizations: Items,
}

impl Document {
    /// Returns the first item that is an unreplaced variable, which would revoke nothing. `None` if there is none.
    fn unfilled(&self) -> Option<String> {
        let Self { tokens, subjects, organizations } = self;
        let lists = [("tokens", tokens), ("subjects", subjects), ("organizations", organizations)];
        lists.into_iter().find_map(|(which, Items(items))| {
            items.iter().enumerate().find_map(|(number, item)| {
                let (Item::Name(text) | Item::Before(Before { id: text, .. })) = item;
                let found = FormError::Placeholder(Quoted::new(&placeholder(text)?)).issue();
                Some(format!("{which}[{number}]: {found}"))
            })
        })
    }
}

/// The items of one list. There are at most [`MAX_ITEMS`], so that a file of short names can't take many times its size in memory.
#[derive(Debug, Default)]
struct Items(Vec<Item>);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Bounded)
    }
}

struct Bounded;

impl<'de> Visitor<'de> for Bounded {
    type Value = Items;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Items, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            if items.len() >= MAX_ITEMS {
                return Err(A::Error::custom(format_args!("there are more than {MAX_ITEMS} items; write fewer")));
            }
            items.push(item);
        }
        Ok(Items(items))
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(untagged, expecting = "is not an item of the list; write a name, or `{ id: NAME, issued_before: TIME }`")]
enum Item {
    Name(Box<str>),
    Before(Before),
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    id: Box<str>,
    issued_before: Option<Box<str>>,
}

/// Reads a list. Its file must be a regular one, because modgud watches it.
///
/// # Errors
/// [`RevocationsError`], with the location in the file if there is one.
pub fn read(file: &FilePath) -> Result<RevocationList, RevocationsError> {
    let own = || file.to_path_buf();
    let content = read_regular_file_to_limit(file, MAX_JSON_BYTES)
        .map_err(|error| RevocationsError::Read { file: own(), error })?
        .ok_or_else(|| RevocationsError::TooLarge { file: own() })?;
    match content.trim_ascii_start().first() {
        None => Err(RevocationsError::Empty { file: own() }),
        Some(b'{') => json(file, &content),
        Some(_) if content.len() > MAX_YAML_BYTES => Err(RevocationsError::TooLargeForYaml { file: own() }),
        Some(_) => {
            let text = String::from_utf8(content).map_err(|_| RevocationsError::NotText { file: own() })?;
            yaml(file, &text)
        }
    }
}

/// Parses JSON quickly. Errors of a small file are reported as for YAML, of which JSON is a subset: all of them, with locations.
fn json(file: &FilePath, content: &[u8]) -> Result<RevocationList, RevocationsError> {
    let first = match serde_json::from_slice::<Document>(content) {
        Ok(document) => {
            let mut first = document.unfilled();
            let list = list(&document, |which, number, issue| {
                first.get_or_insert_with(|| format!("{which}[{number}].issued_before: {issue}"));
            });
            match first {
                None => return Ok(list),
                Some(message) => RevocationsError::Json { file: file.to_path_buf(), line: 1, column: 1, message },
            }
        }
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            RevocationsError::Json { file: file.to_path_buf(), line, column, message: error.to_string() }
        }
    };
    match std::str::from_utf8(content) {
        Ok(text) if text.len() <= MAX_YAML_BYTES => yaml(file, text),
        Ok(_) | Err(_) => Err(first),
    }
}

fn yaml(file: &FilePath, text: &str) -> Result<RevocationList, RevocationsError> {
    let read = IncludedDocument::<Document>::read(&file.display().to_string(), text);
    let included = read.map_err(|diagnostic| RevocationsError::Invalid(vec![*diagnostic]))?;
    let mut diagnostics = Diagnostics::default();
    let list = list(&included.document, |which, number, issue| {
        diagnostics.add(Path::root(which).position(number).key("issued_before"), issue);
    });
    let errors = included.located(diagnostics);
    if errors.is_empty() { Ok(list) } else { Err(RevocationsError::Invalid(errors)) }
}

/// Converts a document to a list. Passes errors of items to `report`.
fn list(document: &Document, mut report: impl FnMut(&'static str, usize, Issue)) -> RevocationList {
    let Document { tokens, subjects, organizations } = document;
    let mut all = |which: &'static str, Items(items): &Items| {
        let mut revoked = Revoked::default();
        for (number, item) in items.iter().enumerate() {
            match item {
                Item::Name(name) => revoked.add(name.clone(), Timestamp::NEVER),
                Item::Before(Before { id, issued_before: None }) => revoked.add(id.clone(), Timestamp::NEVER),
                Item::Before(Before { id, issued_before: Some(text) }) => match timestamp(text) {
                    Ok(before) => revoked.add(id.clone(), before),
                    Err(issue) => report(which, number, issue),
                },
            }
        }
        revoked
    };
    RevocationList {
        tokens: all("tokens", tokens),
        subjects: all("subjects", subjects),
        organizations: all("organizations", organizations),
    }
}

/// The forms of a point in time, for messages.
pub(super) const TIME_HELP: &str = "write it as `2027-01-31T12:00:00Z`, or a date as `2027-01-31`";

/// Parses a point in time: RFC 3339, or a date, which begins at midnight UTC.
///
/// # Errors
/// Any other text.
pub fn timestamp(text: &str) -> Result<Timestamp, Issue> {
    let time =
        humantime::parse_rfc3339_weak(text).or_else(|_| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")));
    let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since
        .map(|since| Timestamp::EPOCH.plus(since))
        .ok_or_else(|| Issue::error("time-invalid", format!("{} is not a point in time", Quoted::new(text)), TIME_HELP))
}

#[cfg(test)]
mod tests {
    use super::{MAX_ITEMS, read};
    use std::fs;

    #[test]
    fn an_unreplaced_variable_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("revoked");
        let long = format!("\"{}\"", "a".repeat(5 * 1024 * 1024));
        for (text, path) in [
            ("subjects: [a, \"${SUBJECT}\"]", "subjects[1]"),
            ("tokens: [{ id: \"$(TOKEN)\" }]", "tokens[0].id"),
            ("organizations: [\"{{ .Values.org }}\"]", "organizations[0]"),
            ("{\"subjects\": [\"${SUBJECT}\"]}", "subjects[0]"),
            ("{\"tokens\": [{\"id\": \"<%= id %>\"}]}", "tokens[0].id"),
            // Too large for YAML.
            (&format!("{{\"tokens\": [{long}], \"subjects\": [\"${{SUBJECT}}\"]}}"), "subjects[0]"),
        ] {
            fs::write(&file, text).unwrap();
            let error = read(&file).map(|_| ()).unwrap_err().to_string();
            let expected = format!("{path}: ");
            assert!(error.contains(&expected) && error.contains("variable of a shell"), "{path}: {error}");
        }
        for text in ["subjects: [a$, \"{id}\", $1]", "{\"subjects\": [\"$metadata\"]}"] {
            fs::write(&file, text).unwrap();
            assert!(read(&file).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_list_of_more_items_than_are_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("revoked.json");
        for (items, refused) in [(MAX_ITEMS, false), (MAX_ITEMS + 1, true)] {
            let list = vec!["\"abcd\""; items].join(",");
            fs::write(&file, format!("{{\"subjects\":[{list}]}}")).unwrap();
            let result = read(&file).map_err(|error| error.to_string());
            let refusal = result.err().is_some_and(|text| text.contains("more than 1000000 items"));
            assert_eq!(refusal, refused, "{items}");
        }
    }
}
