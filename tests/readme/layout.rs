//! The README is short, every relative link and anchor resolves, and the index in `docs` has every page.

use super::blocks::{anchors, links};
use super::{documents, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest README, in lines: more than that is a page in `docs`.
const MAX_README_LINES: usize = 160;

fn is_elsewhere(target: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

/// The file that a link leads to, and its anchor.
fn resolve(document: &Path, target: &str) -> (PathBuf, Option<String>) {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let file = if file.is_empty() { document.to_path_buf() } else { document.parent().unwrap().join(file) };
    (file, anchor.map(str::to_owned))
}

/// `Err` with the cause if a link of a document leads nowhere.
fn check(document: &Path, target: &str) -> Result<(), String> {
    let (file, anchor) = resolve(document, target);
    if !file.exists() {
        return Err("the file does not exist".to_owned());
    }
    match anchor {
        Some(anchor) if file.extension().is_some_and(|extension| extension == "md") => {
            let there = anchors(&fs::read_to_string(&file).unwrap());
            if there.contains(&anchor) { Ok(()) } else { Err(format!("no heading has this anchor, only {there:?}")) }
        }
        Some(_) => Err("only Markdown files have anchors".to_owned()),
        None => Ok(()),
    }
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(
        lines <= MAX_README_LINES,
        "README.md has {lines} lines, and at most {MAX_README_LINES}; use a page in docs"
    );
}

#[test]
fn links_and_anchors_resolve() {
    let mut broken = Vec::new();
    let more = [
        "CHANGELOG.md",
        "deploy/helm/modgud/README.md",
        "examples/bifrost-tokens/README.md",
        "examples/module/README.md",
        "proto/README.md",
    ]
    .map(|file| root().join(file));
    for document in documents().into_iter().chain(more) {
        for target in links(&fs::read_to_string(&document).unwrap()) {
            if let Some(cause) =
                Some(&target).filter(|one| !is_elsewhere(one)).and_then(|one| check(&document, one).err())
            {
                broken.push(format!("{}: {target}: {cause}", document.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert_eq!(broken, [""; 0]);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let readme = root().join("README.md");
    assert_eq!(check(&readme, "docs/README.md#configure"), Ok(()));
    assert_eq!(check(&readme, "#try-it-from-a-checkout"), Ok(()));
    for broken in ["docs/none.md", "docs/README.md#none", "#none", "deploy/envoy.yaml#none"] {
        assert!(check(&readme, broken).is_err(), "{broken}");
    }
}

/// The index has every page of `docs`, with its folders, and the pages outside of it that it must lead to.
#[test]
fn the_index_has_every_page() {
    let index = root().join("docs/README.md");
    let linked: BTreeSet<PathBuf> = links(&fs::read_to_string(&index).unwrap())
        .iter()
        .filter(|target| !is_elsewhere(target))
        .filter_map(|target| resolve(&index, target).0.canonicalize().ok())
        .collect();
    let pages = documents().into_iter().filter(|page| *page != index);
    let others = [root().join("CHANGELOG.md")];
    let missing: Vec<PathBuf> =
        pages.chain(others).filter(|page| !page.canonicalize().is_ok_and(|page| linked.contains(&page))).collect();
    assert!(missing.is_empty(), "docs/README.md has no link to these: {missing:?}");
}
