//! Headers that override the request, before a real gunicorn: an Envoy that removes and refuses nothing by itself, so that only modgud
//! keeps them from it.

use super::opened::without_early_removal;
use super::{PATIENCE, ask, program, replaced, testbed};
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Process, Setup};
use std::net::SocketAddr;
use std::path::Path;
use tokio::process::Command;

/// gunicorn takes the path from `SCRIPT_NAME` of a peer on this machine by default.
async fn gunicorn() -> (Process, SocketAddr) {
    let mut command = Command::new(program("MODGUD_TEST_PYTHON"));
    command.args(["-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "1", "wsgi:application"]);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/envoy"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let mut process = Process::start("gunicorn", command).unwrap_or_else(|error| panic!("{error}"));
    let address = |line: &str| line.split_once("Listening at: http://")?.1.split(' ').next()?.parse().ok();
    let address = process.wait_for(PATIENCE, address).await.unwrap_or_else(|error| panic!("{error}"));
    (process, address)
}

fn open(yaml: &str) -> String {
    let underscores = "headers_with_underscores_action: ";
    let yaml = replaced(yaml, &format!("{underscores}REJECT_REQUEST"), &format!("{underscores}ALLOW"));
    without_early_removal(&yaml)
}

/// What gunicorn made of a request.
fn environ(answer: &Exchange) -> (String, String) {
    let environ = answer.json();
    let text = |name: &str| environ[name].as_str().unwrap_or_else(|| panic!("{name}: {environ}")).to_owned();
    (text("SCRIPT_NAME"), text("PATH_INFO"))
}

#[tokio::test]
async fn gunicorn_serves_the_path_that_was_decided_on() {
    let (gunicorn, address) = gunicorn().await;
    let config = format!("profile: bifrost\ncore: {{ upstream: '{address}' }}\n");
    let setup = Setup { config: Some(config.leak()), envoy: EnvoyYaml::Written, edit: Some(open), ..Setup::default() };
    let testbed = testbed(setup).await;
    let path = "/docs/admin/secret";
    let forged = ["SCRIPT_NAME: /docs".to_owned()];
    // Asked directly it takes the client's word: that is what modgud has to keep from it.
    assert_eq!(environ(&ask(address, "GET", path, &forged).await), ("/docs".into(), "/admin/secret".into()));

    for lines in [
        &["SCRIPT_NAME: /docs"][..],
        &["script_name: /docs", "Script_Name: /docs/admin"],
        &["PATH_INFO: /admin/secret"],
        &["SCRIPT-NAME: /docs", "Path-Info: /admin/secret", "X.Script.Name: /docs"],
        &["X-Original-URL: /admin/secret", "X_Original_URL: /admin/secret", "X-Rewrite-URL: /admin/secret"],
    ] {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let answer = ask(testbed.gateway, "GET", path, &lines).await;
        assert_eq!(environ(&answer), (String::new(), path.to_owned()), "{lines:?}");
        let folded = ["HTTP_X_ORIGINAL_URL", "HTTP_X_REWRITE_URL", "HTTP_PATH_INFO", "HTTP_SCRIPT_NAME"];
        assert!(folded.iter().all(|name| answer.json()[name].is_null()), "{lines:?}: {}", answer.json());
    }
    testbed.stop().await;
    gunicorn.end().await;
}
