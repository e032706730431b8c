//! The page for contributors leads somewhere: its paths exist, and each name is in the file that the page gives for it.

use super::{CONTRIBUTING, root};
use std::fs;

/// The longest page, in lines.
const MAX_LINES: usize = 120;

fn page() -> String {
    fs::read_to_string(root().join(CONTRIBUTING)).unwrap()
}

/// The inline codes of a line.
fn codes(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// Returns true if a code is a path: it has a folder or the ending of a file, and nothing that a path does not have.
fn is_path(code: &str) -> bool {
    let has_path_characters = code.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let has_ending = [".rs", ".md", ".yaml", ".toml", ".lock", ".json"].iter().any(|ending| code.ends_with(ending));
    has_path_characters && (has_ending || code.contains('/'))
}

/// The folders that a line of the layout starts with, and the files and folders that commands write or read.
fn words_of_blocks(page: &str) -> Vec<&str> {
    let inside = page.split("```").skip(1).step_by(2);
    let words = inside.flat_map(|block| block.lines().filter_map(|line| line.split_whitespace().next()));
    words.filter(|word| word.ends_with('/')).collect()
}

#[test]
fn the_page_is_short() {
    let lines = page().lines().count();
    assert!(lines <= MAX_LINES, "{CONTRIBUTING} has {lines} lines, and at most {MAX_LINES}");
}

#[test]
fn every_path_exists() {
    let page = page();
    let paths = page.lines().flat_map(codes).filter(|code| is_path(code)).chain(words_of_blocks(&page));
    // `make` and the tools of the first run make these.
    let paths: Vec<&str> = paths.filter(|path| *path != "target").collect();
    assert!(paths.len() > 60, "only {} paths", paths.len());
    let missing: Vec<&str> = paths.into_iter().filter(|path| !root().join(path).exists()).collect();
    assert_eq!(missing, [""; 0]);
}

/// `Name` in `path`: the file has the name. Of `Type::function` it has the function.
#[test]
fn every_name_is_in_its_file() {
    let page = page();
    let mut checked = 0;
    let mut wrong = Vec::new();
    for (before, after) in page.lines().flat_map(|line| line.match_indices("` in `").map(|(at, _)| line.split_at(at))) {
        let name = before.rsplit('`').next().unwrap();
        let path = after.trim_start_matches("` in `").split('`').next().unwrap();
        let file = root().join(path);
        if is_path(name) || !file.is_file() {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        let item = name.rsplit("::").next().unwrap();
        checked += 1;
        if !["struct ", "enum ", "fn "].iter().any(|keyword| text.contains(&format!("{keyword}{item}"))) {
            wrong.push(format!("{name} is not in {path}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(checked >= 8, "only {checked} names");
}

/// The targets are those of the Makefile.
#[test]
fn every_target_is_listed() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let page = page();
    let targets: Vec<&str> = makefile
        .lines()
        .filter(|line| line.contains(':') && line.contains(" ## "))
        .filter_map(|line| line.split(':').next())
        .collect();
    assert!(targets.len() > 8, "{targets:?}");
    let missing: Vec<&&str> = targets
        .iter()
        .filter(|target| {
            **target != "help" && ![' ', '`'].iter().any(|end| page.contains(&format!("`make {target}{end}")))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
