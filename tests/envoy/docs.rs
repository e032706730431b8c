//! The description of the whole API behind Envoy: without a token, from files, larger than Envoy's default, and with the core service there.

use super::{ask, body, testbed};
use crate::cli::process::run_in;
use modgud_testbed::{EnvoyYaml, Setup, Testbed};
use std::fs;
use std::path::{Path, PathBuf};

const CONFIGURATION: &str = "
profile: bifrost
modules:
  - { name: crm, prefix: /crm, upstream: '{crm}' }
core: { upstream: '{core}', reserved: [admin, docs] }
";

/// The document of the sample descriptions, in a file of this folder.
pub(crate) async fn document(folder: &Path) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/openapi/merge");
    let file = folder.join("swagger.json");
    let output = file.to_str().unwrap();
    let result = run_in(&data, &[], &["openapi", "merge", "--config", "modgud.yaml", "--output", output]).await;
    assert_eq!(result.code, Some(0), "{result:?}");
    file
}

/// A gateway that serves these files.
pub(crate) async fn gateway(document: &Path, page: Option<&Path>) -> Testbed {
    let mut arguments = vec!["--docs".to_owned(), document.display().to_string()];
    arguments.extend(page.into_iter().flat_map(|page| ["--docs-page".to_owned(), page.display().to_string()]));
    testbed(Setup { config: Some(CONFIGURATION), envoy: EnvoyYaml::Written, arguments, ..Setup::default() }).await
}

#[tokio::test]
async fn anyone_reads_the_description_of_the_whole_api() {
    let folder = tempfile::tempdir().unwrap();
    let document = document(folder.path()).await;
    let page = folder.path().join("docs.html");
    fs::write(&page, "<!doctype html><title>page</title>").unwrap();
    let testbed = gateway(&document, Some(&page)).await;
    let written = fs::read_to_string(&document).unwrap();
    assert!(written.len() > 4096, "the document is larger than Envoy's default limit");
    let answer = ask(testbed.gateway, "GET", "/docs/swagger.json", &[]).await;
    assert_eq!((answer.status, body(&answer)), (200, written.clone()));
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "frame-ancestors 'none'"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    for path in ["/docs", "/docs/"] {
        let answer = ask(testbed.gateway, "GET", path, &[]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")), "{path}");
        assert!(body(&answer).contains("<title>page"), "{path}");
    }
    // All else below `/docs` is still the core service's, and a module still needs a token.
    assert_eq!(ask(testbed.gateway, "GET", "/docs/other", &[]).await.json()["module"], "core");
    assert_eq!(ask(testbed.gateway, "GET", "/crm/", &[]).await.status, 401);
    testbed.stop().await;

    // Without a page, `/docs` is the document.
    let testbed = gateway(&document, None).await;
    let answer = ask(testbed.gateway, "GET", "/docs", &[]).await;
    assert_eq!((answer.header("content-type"), body(&answer)), (Some("application/json"), written));
    testbed.stop().await;
}

#[tokio::test]
async fn a_closed_description_is_a_warning_and_a_taken_path_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (configuration, code, text) in [
        (
            "core: { upstream: 'core:1', reserved: [core] }",
            0,
            "modgud: warning: no public rule matches GET `/docs/swagger.json`",
        ),
        ("modules: [{ name: a, prefix: /docs, upstream: 'a:1' }]", 1, "the module a has the path /docs"),
    ] {
        fs::write(folder.path().join("modgud.yaml"), format!("profile: bearer\n{configuration}\n")).unwrap();
        let result = run_in(folder.path(), &[], &["envoy", "--config", "modgud.yaml", "--docs", "a.json"]).await;
        assert_eq!(result.code, Some(code), "{result:?}");
        assert!(result.err.contains(text), "{result:?}");
    }
}
