//! The configurations of the pages and of `deploy` load, errors and warnings are as shown, and the cases pass.

use super::blocks::{Block, blocks};
use super::{documents, root};
use crate::cli::process::run_in;
use crate::support::{KEY, NOW};
use modgud::config::{ConfigError, Environment, Loaded, Overrides, load};
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_core::time::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn load_file(file: &Path) -> Result<Loaded, ConfigError> {
    let pem = KEY.public_pem().unwrap();
    let environment = Environment::fixed([("JWT_PUBLIC_KEY_RSA_BIFROST", &pem), ("JWT_PUBLIC_KEY", &pem)]);
    let loaded = load(Some(file), &Overrides::default(), &environment)?;
    // What is shown is to be taken over: nothing in it may be something to be warned of.
    let warnings: Vec<String> = loaded.warnings(Timestamp::from_secs(NOW)).iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [""; 0]);
    Ok(loaded)
}

/// A block, with the one before it and the one after it, and its place.
struct Shown {
    before: Option<Block>,
    block: Block,
    next: Option<Block>,
    document: PathBuf,
    place: String,
}

/// Each block of this kind.
fn shown(info: &str) -> Vec<Shown> {
    let mut shown = Vec::new();
    for document in documents() {
        let all = blocks(&fs::read_to_string(&document).unwrap());
        for (number, block) in all.iter().enumerate().filter(|(_, block)| block.info == info) {
            let place = format!("{}:{}", document.display(), block.line);
            let before = all.iter().take(number).next_back().cloned();
            let next = all.iter().skip(number).nth(1).cloned();
            shown.push(Shown { before, block: block.clone(), next, document: document.clone(), place });
        }
    }
    assert!(!shown.is_empty(), "no document has a block `{info}`");
    shown
}

/// A folder with the files that a document shows in blocks `yaml beside NAME`, with the certificates of an authority, and with
/// keys.
fn adjacent(document: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    let pem = rcgen::generate_simple_self_signed(["ca.example.com".to_owned()]).unwrap().cert.pem();
    fs::write(folder.path().join("ca.crt"), pem).unwrap();
    let signing = SigningKey::generate(Algorithm::EdDsa).unwrap();
    fs::write(folder.path().join("signing.key"), signing.private_text().unwrap().expose_secret()).unwrap();
    fs::write(folder.path().join("signing.pub.pem"), signing.public_pem().unwrap()).unwrap();
    // As `modgud keygen` writes it.
    fs::write(folder.path().join("modgud-dev.pub.pem"), KEY.public_pem().unwrap()).unwrap();
    for block in blocks(&fs::read_to_string(document).unwrap()) {
        if let Some(name) = block.info.strip_prefix("yaml beside ") {
            fs::write(folder.path().join(name), &block.text).unwrap();
        }
    }
    folder
}

#[test]
fn configurations_in_the_documents_load() {
    for Shown { block, document, place, .. } in shown("yaml modgud") {
        let folder = adjacent(&document);
        let file = folder.path().join("modgud.yaml");
        fs::write(&file, &block.text).unwrap();
        if let Err(error) = load_file(&file) {
            panic!("{place}: {error}");
        }
    }
}

/// Every YAML file of `deploy` is a configuration of modgud, or one of the others that are named here.
#[test]
fn configurations_in_deploy_load() {
    let mut loaded = 0;
    for entry in fs::read_dir(root().join("deploy")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap();
        if !["yaml", "yml"].iter().any(|one| file.extension().is_some_and(|extension| extension == *one))
            || ["docker-compose.yaml", "envoy.yaml"].contains(&name)
        {
            continue;
        }
        if let Err(error) = load_file(&file) {
            panic!("{error}");
        }
        loaded += 1;
    }
    assert!(loaded > 0, "deploy holds no configuration");
}

/// What a sample shows in comments, to be taken over by taking the signs away, is not wrong either.
#[test]
fn what_the_sample_shows_in_comments_loads() {
    let sample = fs::read_to_string(root().join("deploy/modgud.yaml")).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("modgud.yaml");
    let mut found = 0;
    for section in ["authenticators:", "upstream:"] {
        let lines = sample.lines().skip_while(|line| *line != format!("# {section}"));
        let yaml: String = lines.map_while(|line| line.strip_prefix("# ")).flat_map(|line| [line, "\n"]).collect();
        let yaml = yaml.replace("/etc/modgud/", "");
        for name in ["bifrost.pub.pem", "bifrost-next.pub.pem"] {
            fs::write(folder.path().join(name), KEY.public_pem().unwrap()).unwrap();
        }
        fs::write(&file, format!("profile: bifrost\n{yaml}")).unwrap();
        if let Err(error) = load_file(&file) {
            panic!("deploy/modgud.yaml, in comments: {error}\n{yaml}");
        }
        found += usize::from(yaml.starts_with(section));
    }
    assert_eq!(found, 2);
}

#[tokio::test]
async fn documented_errors_are_reported_as_documented() {
    let folder = TempDir::new().unwrap();
    for Shown { block, next, place, .. } in shown("yaml modgud wrong") {
        let output =
            next.filter(|next| next.info == "text output").unwrap_or_else(|| panic!("{place}: no output follows"));
        fs::write(folder.path().join("modgud.yaml"), &block.text).unwrap();
        let key = KEY.public_pem().unwrap();
        let variables = [("JWT_PUBLIC_KEY_RSA_BIFROST", key.as_str())];
        let result = run_in(folder.path(), &variables, &["check", "--config", "modgud.yaml"]).await;
        assert_eq!((result.code, result.err), (Some(1), format!("modgud: {}", output.text)), "{place}");
    }
}

#[tokio::test]
async fn warnings_are_as_shown() {
    let folder = TempDir::new().unwrap();
    for Shown { block, next, place, .. } in shown("yaml modgud warned") {
        let output =
            next.filter(|next| next.info == "text output").unwrap_or_else(|| panic!("{place}: no output follows"));
        fs::write(folder.path().join("modgud.yaml"), &block.text).unwrap();
        let key = KEY.public_pem().unwrap();
        let variables = [("JWT_PUBLIC_KEY_RSA_BIFROST", key.as_str())];
        let result = run_in(folder.path(), &variables, &["check", "--config", "modgud.yaml"]).await;
        let warnings: String = result
            .out
            .lines()
            .skip_while(|line| !line.starts_with("warning: "))
            .flat_map(|line| [line, "\n"])
            .collect();
        assert_eq!((result.code, warnings, result.err.as_str()), (Some(0), output.text, ""), "{place}");
    }
}

#[tokio::test]
async fn the_cases_that_are_shown_pass() {
    let folder = TempDir::new().unwrap();
    for Shown { before, block, place, .. } in shown("yaml modgud cases") {
        let before = before.filter(|before| before.info == "yaml modgud");
        let configuration = before.unwrap_or_else(|| panic!("{place}: no configuration stands before it"));
        fs::write(folder.path().join("modgud.yaml"), &configuration.text).unwrap();
        fs::write(folder.path().join("cases.yaml"), &block.text).unwrap();
        let result = run_in(folder.path(), &[], &["test", "--config", "modgud.yaml", "cases.yaml"]).await;
        assert_eq!((result.code, result.err.as_str()), (Some(0), ""), "{place}\n{}", result.out);
    }
}
