//! Each configuration of the page about issuers, with tokens in the form in which that provider issues them: `tests/data/issuers`, one file for
//! each heading, of the cases that `modgud test` runs.

use super::blocks::blocks;
use super::root;
use crate::cli::process::run_in;
use std::collections::BTreeSet;
use std::fs;
use tempfile::TempDir;

/// The configurations of the page, each with the name of its cases: the heading above it, in lower case with hyphens.
fn configurations() -> Vec<(String, String)> {
    let page = fs::read_to_string(root().join("docs/issuers.md")).unwrap();
    let lines: Vec<&str> = page.lines().collect();
    let heading = |line: usize| {
        let heading = lines.iter().take(line).rev().find_map(|line| line.strip_prefix("## ")).unwrap();
        heading.to_lowercase().replace(' ', "-")
    };
    let shown = blocks(&page).into_iter().filter(|block| block.info == "yaml modgud");
    shown.map(|block| (heading(block.line), block.text)).collect()
}

#[tokio::test]
async fn tokens_of_each_provider_are_read_as_the_page_says() {
    let folder = TempDir::new().unwrap();
    let pem = rcgen::generate_simple_self_signed(["ca.example.com".to_owned()]).unwrap().cert.pem();
    fs::write(folder.path().join("ca.crt"), pem).unwrap();
    for (name, configuration) in configurations() {
        fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
        let cases = root().join(format!("tests/data/issuers/{name}.yaml"));
        let cases = cases.to_str().unwrap();
        let result = run_in(folder.path(), &[], &["test", "--config", "modgud.yaml", cases]).await;
        assert_eq!((result.code, result.err.as_str()), (Some(0), ""), "{name}\n{}", result.out);
    }
}

#[test]
fn each_file_of_cases_belongs_to_a_heading() {
    let files = fs::read_dir(root().join("tests/data/issuers")).unwrap();
    let files: BTreeSet<String> = files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let named = configurations().into_iter().map(|(name, _)| format!("{name}.yaml")).collect();
    assert_eq!(files, named);
}
