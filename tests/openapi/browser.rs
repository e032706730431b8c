//! The page of the API in a browser: headless Chromium opens it at a gateway, and shows the operations. The content security policy holds.

use super::openapi;
use crate::envoy::docs;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// How long the browser may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[expect(clippy::disallowed_methods, reason = "the Makefile says in the environment where the browser is")]
fn tools() -> Option<(PathBuf, PathBuf)> {
    let [chromium, swagger_ui] = ["MODGUD_TEST_CHROMIUM", "MODGUD_TEST_SWAGGER_UI"].map(std::env::var_os);
    Some((chromium?.into(), swagger_ui?.into()))
}

#[tokio::test]
async fn a_browser_shows_the_operations() {
    let Some((chromium, swagger_ui)) = tools() else {
        // Not by a macro, whose output is shown of failed tests only.
        let result = "Chromium and Swagger UI are not there: the page is not opened in a browser; `make docs-browser-test` does it";
        writeln!(std::io::stderr(), "{result}").unwrap();
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let document = docs::document(folder.path()).await;
    let page = folder.path().join("docs.html");
    let arguments = ["page", "--swagger-ui", swagger_ui.to_str().unwrap(), "--title", "Our API", "--output"];
    let result = openapi(folder.path(), &[arguments.as_slice(), &[page.to_str().unwrap()]].concat()).await;
    assert_eq!(result.code, Some(0), "{result:?}");
    let testbed = docs::gateway(&document, Some(&page)).await;

    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let open = |address: String| {
        let mut browser = Command::new(&chromium);
        browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        browser.args(["--virtual-time-budget=30000", "--enable-logging=stderr", "--v=0", "--dump-dom", &profile]);
        browser.arg(address).stdin(Stdio::null()).kill_on_drop(true);
        timeout(PATIENCE, browser.output())
    };
    let output = open(format!("http://{}/docs", testbed.gateway)).await.unwrap().unwrap();
    let (shown, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for text in
        ["<title>Our API</title>", "/shop/v1/products", "/crm/contacts", "/events/feed", "shop/products", "Authorize"]
    {
        let visible = shown.replace("<wbr>", "").replace('\u{200b}', "");
        assert!(visible.contains(text), "{text}\n{log}\n{visible}");
    }
    assert!(!log.contains("Content Security Policy") && !log.contains("Uncaught"), "{log}");

    // The policy holds: a script that someone adds to the page does not run. The first file shows that the browser reports it.
    let html = fs::read_to_string(&page).unwrap();
    let script = "<script>document.title = 'changed'</script></body>";
    let edited = folder.path().join("edited.html");
    fs::write(&edited, html.replace("</body>", script)).unwrap();
    let output = open(format!("file://{}", edited.display())).await.unwrap().unwrap();
    let (shown, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("<title>Our API</title>") && log.contains("Content Security Policy"), "{log}");
    testbed.stop().await;
}
