//! The page in headless Chromium. `make page-test` installs browser and driver; with `RENEW=1` it also writes the pictures of docs/page.md.

use super::webdriver::Browser;
use super::{CONFIGURATION, Served, token};
use crate::support::is_set;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// Markup, direction marks and terminal codes, as a client writes them in a path.
const HOSTILE: &str = "/hostile/%3Cscript%3Ealert(1)%3C%2Fscript%3E%22onmouseover=alert(2)%E2%80%AE%1B[31m'&lt;b&gt;";

impl Browser {
    async fn visit(&self, served: &Served, view: &str) {
        self.open(&format!("http://127.0.0.1:{}/#{view}", served.page.port())).await;
        self.wait_for("document.getElementById('state').textContent === 'live'").await;
    }

    /// Checks that the page has kept its own policy, and has asked nobody else for anything.
    async fn assert_clean(&self, served: &Served) {
        let log = self.log("browser").await;
        assert!(log.is_empty(), "{log:?}");
        let own = format!("http://127.0.0.1:{}/", served.page.port());
        let mut requests = 0;
        for entry in self.log("performance").await {
            let event: Value = serde_json::from_str(&entry).unwrap();
            if event["message"]["method"] == "Network.requestWillBeSent" {
                let url = event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned();
                // Not those of the browser's own first window.
                if event["message"]["params"]["documentURL"].as_str().unwrap().starts_with(&own) {
                    assert!(url.starts_with(&own), "{url}");
                    requests += 1;
                }
            }
        }
        assert!(requests > 5, "{requests} requests");
    }
}

#[tokio::test]
async fn a_decision_appears_can_be_filtered_and_is_explained() {
    let (served, browser) = (Served::of(CONFIGURATION).await, Browser::start().await);
    browser.visit(&served, "decisions").await;
    browser.wait_for("!document.querySelector('.empty').hidden").await;
    let clerk = format!("Bearer {}", token(&[("sub", json!("s-1")), ("roles", json!(["clerk"]))]));
    let bearer = [("authorization", clerk.as_str())];
    let sent = Instant::now();
    served.check("GET", "/orders/7", &bearer).await;
    browser.wait_for("document.querySelectorAll('tbody tr').length === 1").await;
    // A second at most between two questions; the rest is for a busy machine.
    assert!(sent.elapsed() < Duration::from_secs(20), "{:?}", sent.elapsed());
    served.check("DELETE", "/orders/7", &bearer).await;
    served.check("GET", "/docs/a", &[]).await;
    browser.wait_for("document.querySelectorAll('tbody tr').length === 3").await;
    let rows = browser.text(".decisions tbody tr").await;
    for text in ["allowed", "denied", "role_missing", "/orders/7", "read-orders", "shadow: denied", "docs"] {
        assert!(rows.contains(text), "{text} is not in {rows}");
    }

    browser.click("[name=reason]").await;
    browser.keys(&["r", "o", "l", "e"]).await;
    browser.wait_for("document.querySelectorAll('tbody tr').length === 1").await;
    assert!(browser.text("#matching").await.contains("1 of 3 match"));
    browser.click("button[type=reset]").await;
    browser.wait_for("document.querySelectorAll('tbody tr').length === 3").await;

    browser.click("tr[data-id='2'] .time").await;
    browser.wait_for("document.querySelectorAll('#explanation .steps li').length > 5").await;
    let explanation = browser.text("#explanation").await;
    for text in ["role_missing", "change-orders", "signature", "access", "manager"] {
        assert!(explanation.contains(text), "{text} is not in {explanation}");
    }
    assert!(!explanation.contains("clerk") && !explanation.contains("s-1"), "{explanation}");
    browser.assert_clean(&served).await;
    browser.end().await;
}

#[tokio::test]
async fn every_view_shows_what_it_is_for() {
    let (served, browser) = (Served::of(CONFIGURATION).await, Browser::start().await);
    served.check("GET", "/docs/a", &[]).await;
    served.check("GET", "/orders/a", &[]).await;
    for (view, ready, texts) in [
        (
            "rules",
            "#view-rules table",
            &[
                "read-orders",
                "/orders/{*rest}",
                "never hit",
                "old.example.com",
                "shadow: would have",
                "<img/src=x/onerror=alert(1)>",
            ][..],
        ),
        (
            "keys",
            "#view-keys article",
            &["login", "RSA 2048 bits", "http://127.0.0.1:9/keys", "no usable keys", "Last error"],
        ),
        ("traffic", "#view-traffic .plot", &["allowed", "denied", "credential_missing", "p99"]),
        ("config", "#view-config pre", &["name: read-orders", "?not-shown", "server:"]),
    ] {
        browser.visit(&served, view).await;
        browser.wait_for(&format!("document.querySelector('{ready}')")).await;
        let shown = browser.text(&format!("#view-{view}")).await;
        for text in texts {
            assert!(shown.contains(text), "{view}: {text} is not in {shown}");
        }
        assert!(!shown.contains("canary-of-the-address"), "{shown}");
    }
    browser.visit(&served, "explain").await;
    browser.click("[name=headers]").await;
    browser
        .eval(&format!(
            "void (document.querySelector('[name=headers]').value = {})",
            json!(format!("authorization: Bearer {}", token(&[("roles", json!(["clerk"]))])))
        ))
        .await;
    browser.eval("void (document.querySelector('.request [name=path]').value = '/orders/9')").await;
    browser.click("[data-explain] button").await;
    browser.wait_for("document.querySelector('#view-explain .steps')").await;
    let answer = browser.text("#view-explain [data-content]").await;
    assert!(answer.contains("allowed") && answer.contains("read-orders"), "{answer}");
    // What the operator did wrong is said.
    browser.eval("void (document.querySelector('[name=headers]').value = 'nonsense')").await;
    browser.click("[data-explain] button").await;
    browser.wait_for("document.querySelector('#view-explain [role=alert]')").await;
    browser.assert_clean(&served).await;
    browser.end().await;
}

#[tokio::test]
async fn hostile_texts_are_texts() {
    let (served, browser) = (Served::of(CONFIGURATION).await, Browser::start().await);
    browser.visit(&served, "decisions").await;
    served.check("GET", HOSTILE, &[("x-request-id", "<b>1</b>"), ("x-secret", "<script>alert(3)</script>")]).await;
    served.check("GET", "/hostile/\"><img src=x onerror=alert(4)>", &[]).await;
    served.check("<i>GET", "/hostile/\u{202e}\u{1b}[31m", &[]).await;
    browser.wait_for("document.querySelectorAll('tbody tr').length === 3").await;
    let rows = browser.text("tbody tr").await;
    assert!(rows.contains("%3Cscript%3E") || rows.contains("<script>"), "{rows}");
    for id in 1..=3 {
        browser.click(&format!("tr[data-id='{id}'] .time")).await;
        browser
            .wait_for("!document.getElementById('explanation').hidden && document.querySelector('#explanation dl')")
            .await;
    }
    browser.visit(&served, "rules").await;
    browser.wait_for("document.querySelector('#view-rules table')").await;
    // The page's own image and script only; an alert would have blocked the driver.
    assert_eq!(browser.eval("document.querySelectorAll('img, script, i, b').length").await, 2);
    assert_eq!(browser.eval("document.querySelectorAll('[onerror], [onmouseover]').length").await, 0);
    browser.assert_clean(&served).await;

    // The policy holds: the page could not do otherwise.
    let caught =
        "(() => { try { document.body.innerHTML = '<i>x</i>'; return 'set' } catch (error) { return error.name } })()";
    assert_eq!(browser.eval(caught).await, "TypeError");
    let foreign = "fetch('http://127.0.0.1:1/').then(() => 'sent', () => 'refused')";
    assert_eq!(browser.eval(foreign).await, "refused");
    let log = browser.log("browser").await.join("\n");
    assert!(log.contains("Content Security Policy") && log.contains("TrustedHTML"), "{log}");
    browser.end().await;
}

#[tokio::test]
async fn another_sites_page_gets_nothing() {
    let (served, browser) = (Served::of(CONFIGURATION).await, Browser::start().await);
    // `localhost` is another origin than `127.0.0.1`, and the same machine.
    let other = Served::of(CONFIGURATION).await;
    browser.open(&format!("http://localhost:{}/icon.svg", other.page.port())).await;
    let page = format!("http://127.0.0.1:{}", served.page.port());
    for (path, options) in [
        ("/api/config", "{}"),
        ("/api/config", "{mode: 'no-cors'}"),
        ("/api/explain", "{method: 'POST', mode: 'no-cors', body: '{}'}"),
    ] {
        let read = format!(
            "fetch('{page}{path}', {options}).then((answer) => answer.text().then((text) => answer.type + text.length), () => 'refused')"
        );
        let read = browser.eval(&read).await;
        assert!(read == "refused" || read == "opaque0", "{path} {options}: {read}");
    }
    assert_eq!(served.get("/api/decisions").await.json()["checks"], 0);
    browser.end().await;
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    let (served, browser) = (Served::of(CONFIGURATION).await, Browser::start().await);
    served.check("GET", "/nowhere", &[]).await;
    browser.visit(&served, "decisions").await;
    browser.wait_for("document.querySelectorAll('tbody tr').length === 1").await;
    let mut steps = 0;
    while browser.eval("document.activeElement.classList.contains('time')").await != true {
        browser.keys(&[TAB]).await;
        steps += 1;
        assert!(steps < 40, "the row has no focus");
        // What has the focus shows it.
        assert_ne!(browser.eval("getComputedStyle(document.activeElement).outlineStyle").await, "none");
    }
    browser.keys(&[ENTER]).await;
    browser.wait_for("document.activeElement.id === 'explanation'").await;
    browser.wait_for("document.querySelector('#explanation .steps')").await;
    assert_eq!(browser.eval("document.querySelector('.time').getAttribute('aria-expanded')").await, "true");
    browser.keys(&[ESCAPE]).await;
    browser
        .wait_for("document.activeElement.classList.contains('time') && document.getElementById('explanation').hidden")
        .await;

    // Every control has a name, every table a caption and headers, and there is one main heading in each view.
    let nameless =
        "[...document.querySelectorAll('input, select, textarea')].filter((one) => one.labels.length === 0).length";
    assert_eq!(browser.eval(nameless).await, 0);
    assert_eq!(
        browser
            .eval("[...document.querySelectorAll('button, a')].filter((one) => one.textContent.trim() === '').length")
            .await,
        0
    );
    let tables = "[...document.querySelectorAll('table')].filter((one) => !one.caption || one.querySelectorAll('th[scope]').length === 0).length";
    assert_eq!(browser.eval(tables).await, 0);
    assert_eq!(
        browser
            .eval(
                "[...document.querySelectorAll('main section')].every((one) => one.querySelectorAll('h1').length === 1)"
            )
            .await,
        true
    );
    // Nothing is wider than the window of a telephone.
    browser.look((360, 740), true).await;
    for view in ["decisions", "traffic", "rules", "keys", "explain", "config"] {
        browser.visit(&served, view).await;
        sleep(Duration::from_millis(300)).await;
        let width = browser.eval("document.documentElement.scrollWidth").await;
        assert!(width.as_u64().unwrap() <= 360, "{view}: {width}");
    }
    browser.end().await;
}

/// Writes the pictures of docs/page.md.
#[tokio::test]
async fn pictures() {
    let plain =
        CONFIGURATION.replace("\"<img/src=x/onerror=alert(1)>\"", "internal").replace("/hostile/", "/internal/");
    let (served, browser) = (Served::of(&plain).await, Browser::start().await);
    let roles = |roles: &[&str]| format!("Bearer {}", token(&[("sub", json!("s-1")), ("roles", json!(roles))]));
    let (clerk, manager) = (roles(&["clerk"]), roles(&["clerk", "manager"]));
    for (method, path, value) in [
        ("GET", "/docs/start", ""),
        ("GET", "/orders/7", clerk.as_str()),
        ("GET", "/orders/8", clerk.as_str()),
        ("DELETE", "/orders/8", manager.as_str()),
        ("GET", "/own/s-2", clerk.as_str()),
        ("GET", "/orders/9", ""),
        ("GET", "/order/9", clerk.as_str()),
        ("GET", "/orders/10", clerk.as_str()),
        ("DELETE", "/orders/10", clerk.as_str()),
        ("GET", "/docs/reference", ""),
        ("GET", "/orders/11", manager.as_str()),
    ] {
        let headers: Vec<(&str, &str)> =
            [("authorization", value)].into_iter().filter(|(_, value)| !value.is_empty()).collect();
        served.check(method, path, &headers).await;
        sleep(Duration::from_millis(120)).await;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    for (name, view, dark, size) in [
        ("page-light", "decisions", false, (1200, 690)),
        ("page-dark", "decisions", true, (1200, 690)),
        ("page-rules", "rules", false, (1200, 720)),
    ] {
        browser.look(size, dark).await;
        browser.visit(&served, view).await;
        if view == "decisions" {
            browser.wait_for("document.querySelectorAll('tbody tr').length === 11").await;
            browser.eval("void document.querySelector(\"tr[data-id='9'] .time\").click()").await;
            browser.wait_for("document.querySelectorAll('#explanation .steps li').length > 5").await;
        } else {
            browser.wait_for("document.querySelectorAll('#view-rules table').length > 3").await;
        }
        sleep(Duration::from_millis(300)).await;
        let picture = browser.picture().await;
        assert!((10_000..150_000).contains(&picture.len()), "{name}: {} bytes", picture.len());
        if is_set("MODGUD_TEST_RENEW") {
            std::fs::write(folder.join(format!("{name}.png")), &picture).unwrap();
        }
    }
    browser.assert_clean(&served).await;
    browser.end().await;
}
