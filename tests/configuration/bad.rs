//! Invalid files. The README of the folder describes them.

use super::{PUBLIC_PEM, SECRET, files, folder};
use crate::cli::process::{KEY_VARIABLE, run_with_input};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

#[tokio::test]
async fn each_bad_file_has_the_output_of_its_text() {
    let folder = folder("bad");
    let good = OsStr::new(PUBLIC_PEM.as_str());
    let variables = [
        (KEY_VARIABLE, good),
        ("GOOD_KEY", good),
        ("EMPTY", OsStr::new("")),
        ("WHITE_SPACE", OsStr::new(" \n")),
        ("NO_TEXT", OsStr::from_bytes(b"\xff\xfe")),
        ("SECRET", OsStr::new(SECRET)),
    ];
    let mut wrong = Vec::new();
    for file in files(&folder, "yaml") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let output = run_with_input(&folder, &variables, &["check", "--config", name], "").await;
        let expected = fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        if (output.code, output.out.as_str(), output.err.as_str()) != (Some(1), "", expected.as_str()) {
            wrong.push(format!(
                "--- {name}: exit code {:?}\n{}{}--- expected 1\n{expected}",
                output.code, output.out, output.err
            ));
        }
        let marker = SECRET.trim_start_matches("this-is-");
        assert!(!output.err.contains(marker), "{name}: a secret is shown:\n{}", output.err);
    }
    assert!(wrong.is_empty(), "{} files have other output:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_text_belongs_to_a_file() {
    let names = |extension| -> BTreeSet<_> {
        files(&folder("bad"), extension).iter().map(|file| file.file_stem().unwrap().to_owned()).collect()
    };
    assert_eq!(names("yaml"), names("txt"));
}

/// Every error is one line, `file:line:column: path: message [code]`, in the order of the file. An error of the whole document has no path;
/// an empty file has no position.
#[test]
fn every_text_has_the_documented_form() {
    for file in files(&folder("bad"), "txt") {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.with_extension("yaml").file_name().unwrap().to_str().unwrap().to_owned();
        let text = text.strip_prefix("modgud: ").unwrap_or_else(|| panic!("{name}: no start"));
        if text
            == format!("{name}: the file is empty; to serve the profile as it is, leave out --config [file-empty]\n")
        {
            continue;
        }
        let mut before = ("", (0, 0));
        for line in text.lines().filter(|line| !line.starts_with("there may be more errors: ")) {
            let Located { origin, at, .. } = place(line).unwrap_or_else(|| panic!("{name}: no place: {line}"));
            let known = origin == name || origin.starts_with("profile ") || origin.starts_with("tables/");
            assert!(known, "{name}: {line}");
            assert!(before <= (origin, at), "{name}: not in the order of the file: {line}");
            before = (origin, at);
        }
    }
}

/// An error: `origin:line:column: what`.
pub(super) struct Located<'a> {
    pub(super) origin: &'a str,
    /// Line and column.
    pub(super) at: (usize, usize),
    pub(super) what: &'a str,
}

/// Takes a line apart.
pub(super) fn place(text: &str) -> Option<Located<'_>> {
    let (place, what) = text.split_once(": ")?;
    let (origin_and_line, column) = place.rsplit_once(':')?;
    let (origin, line) = origin_and_line.rsplit_once(':')?;
    Some(Located { origin, at: (line.parse().ok()?, column.parse().ok()?), what })
}
