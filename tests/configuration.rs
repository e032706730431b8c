//! The configuration: invalid files and their errors, valid files, and the commands that show a configuration. The files are in
//! `tests/data/configuration`.
//!
//! - `bad`: invalid files, each with the exact output of `modgud check`.
//! - `good`: files that load, and what `modgud config` prints of them, which loads again and means the same.
//! - `warned`: valid but risky files, each with the exact warnings, and `sane`: files without warnings.
//! - `effective`: the origin of each value in `modgud config`, and the values that it does not show.
//! - `any_document`: any document loads or is refused with a place, within bounded time.
//! - `large`: the same of documents as large as a file may be.
//! - `codes`: each error and warning has a code, and each code a text in `bad` or `warned`.
//! - `templates`: a rule with a template means what the rule with everything written out means.
//! - `schema`: the JSON Schema for editors is current, accepts every good file, and refuses what is wrong in form.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod any_document;
mod bad;
mod check;
mod codes;
mod effective;
mod good;
mod large;
mod schema;
mod templates;
mod warned;

use crate::support::KEY;
use modgud::config::{ConfigError, Environment, Loaded, Overrides, load};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The value of the variable `SECRET` in tests, which bad files have where a secret would be. No text may show it.
const SECRET: &str = "this-is-a-secret";

static PUBLIC_PEM: LazyLock<String> = LazyLock::new(|| KEY.public_pem().unwrap());

/// A folder of `tests/data/configuration`.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/configuration").join(name)
}

/// The files of a folder with this extension, in the order of their names.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|one| one == extension)).collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no .{extension}", folder.display());
    files
}

/// A second public key that can be used.
const OTHER_PEM: &str = include_str!("data/configuration/good/keys/issuer.pem");

/// The variables of that environment.
pub(crate) fn variables() -> [(&'static str, &'static str); 4] {
    [
        ("JWT_PUBLIC_KEY_RSA_BIFROST", &PUBLIC_PEM),
        ("JWT_PUBLIC_KEY", &PUBLIC_PEM),
        ("GOOD_KEY", &PUBLIC_PEM),
        ("OTHER_KEY", OTHER_PEM),
    ]
}

/// The environment in which good files load.
fn environment() -> Environment {
    Environment::fixed(variables())
}

fn load_file(file: &Path) -> Result<Loaded, ConfigError> {
    load(Some(file), &Overrides::default(), &environment())
}

/// Loads a configuration from a text.
fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    fs::write(&file, text).unwrap();
    load_file(&file)
}

/// The values of a YAML document.
fn meaning(yaml: &str) -> serde_json::Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(yaml, options).unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}
