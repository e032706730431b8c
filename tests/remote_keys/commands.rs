//! Published keys in `modgud check` and `modgud explain`, which fetch them themselves.

use super::asked::{ISSUER, token, yaml};
use crate::support::NOW;
use modgud_testbed::idp::{Idp, IdpKey, Reply};
use serde_json::json;
use std::process::{Command, Output};
use tokio::task::spawn_blocking;

async fn modgud(arguments: Vec<String>) -> Output {
    let run = move || Command::new(env!("CARGO_BIN_EXE_modgud")).args(arguments).output().unwrap();
    spawn_blocking(run).await.unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn check_fetches_once_and_names_each_key() {
    let key = IdpKey::new("2024-a");
    let idp = Idp::of(&[&key]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    let url = format!("{}?code=s3cret", idp.url("/jwks"));
    idp.reply("/jwks?code=s3cret", Reply::Body(modgud_testbed::idp::jwk_set(&[&key]).to_string().into_bytes()));
    std::fs::write(&file, yaml(&format!("jwks: {{ url: {url:?} }}"))).unwrap();
    let arguments = |more: &[&str]| {
        let base = ["check", "--config", file.to_str().unwrap()];
        base.iter().chain(more).map(|one| (*one).to_owned()).collect::<Vec<_>>()
    };

    let output = modgud(arguments(&[])).await;
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout.contains(&format!("  {}: fetched\n    key ", idp.url("/jwks"))), "{stdout}");
    assert!(stdout.contains(": Ed25519 256 bits, id `2024-a`\n") && !stdout.contains("s3cret"), "{stdout}");
    assert_eq!(idp.count("/jwks?code=s3cret"), 1);

    let output = modgud(arguments(&["--offline"])).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("JWKS of 1 provider: not fetched (--offline)"), "{output:?}");
    assert_eq!(idp.count("/jwks?code=s3cret"), 1);

    idp.reply("/jwks?code=s3cret", Reply::Body(b"<html>".to_vec()));
    let output = modgud(arguments(&[])).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let expected = format!("modgud: {}: the JWKS is unusable: the JWKS is not well-formed JSON\n", idp.url("/jwks"));
    assert_eq!(text(&output.stderr), expected);
    let first = text(&output.stdout).lines().next().unwrap();
    assert!(first.ends_with(": failed: 1 provider or server gives no usable response"), "{first}");
}

#[tokio::test]
async fn explain_decides_with_published_keys() {
    let (key, stranger) = (IdpKey::new("key"), IdpKey::new("stranger"));
    let idp = Idp::of(&[&key]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    std::fs::write(&file, yaml(&format!("jwks: {{ url: {:?} }}", idp.url("/jwks")))).unwrap();
    let explain = |token: String, at: u64| {
        let header = format!("authorization: Bearer {token}");
        let at = at.to_string();
        let arguments = ["explain", "--config", file.to_str().unwrap(), "--at", &at, "--header", &header];
        modgud(arguments.map(str::to_owned).to_vec())
    };
    // Whatever time is asked about, the keys are those of then.
    let late = 4_000_000_000_u64;
    let claims = [("iss", json!(ISSUER)), ("exp", json!(late + 1))].map(|(name, value)| (name.to_owned(), value));
    let good = explain(key.sign(&claims), late).await;
    assert_eq!(good.status.code(), Some(0), "{good:?}");

    let good = explain(token(&key, NOW, 0), NOW).await;
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(text(&good.stdout).contains(ISSUER));
    let unknown = explain(token(&stranger, NOW, 0), NOW).await;
    assert_eq!(unknown.status.code(), Some(3), "{unknown:?}");
    assert!(text(&unknown.stdout).contains("key_unknown"), "{unknown:?}");
    idp.reply("/jwks", Reply::Close);
    let down = explain(token(&key, NOW, 0), NOW).await;
    assert_eq!(down.status.code(), Some(3), "{down:?}");
    assert!(text(&down.stdout).contains("keys_unavailable") && text(&down.stderr).contains("can't be fetched"));
}

/// A log of any length and of any times needs one fetch, and none if no line identifies a request.
#[tokio::test]
async fn explain_fetches_once_for_a_whole_log() {
    let key = IdpKey::new("key");
    let idp = Idp::of(&[&key]).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join("modgud.yaml"), folder.path().join("modgud.log"));
    std::fs::write(&file, yaml(&format!("jwks: {{ url: {:?} }}", idp.url("/jwks")))).unwrap();
    let header = format!("authorization: Bearer {}", token(&key, NOW, 0));
    let explain = async |lines: &str| {
        std::fs::write(&log, lines).unwrap();
        let (config, log) = (file.to_str().unwrap(), log.to_str().unwrap());
        let arguments = ["explain", "--config", config, "--log", log, "--header", &header];
        modgud(arguments.map(str::to_owned).to_vec()).await
    };
    let output = explain(r#"{"timestamp":"2023-11-14T22:13:20Z","decision":"denied"}"#).await;
    assert_eq!((output.status.code(), idp.count("/jwks")), (Some(0), 0), "{output:?}");
    let at = |time: &str| format!(r#"{{"timestamp":"{time}","decision":"denied","method":"GET","path":"/"}}"#);
    // The keys of the first line would be too old for the second, and those of the second would be from the future for the third.
    let lines =
        ["2023-11-14T22:13:20Z", "2023-11-20T22:13:20Z", "2023-11-14T22:13:21Z", "2024-11-14T22:13:20Z"].map(at);
    let output = explain(&lines.join("\n")).await;
    let stdout = text(&output.stdout);
    assert_eq!((idp.count("/jwks"), stdout.matches("\nallowed").count()), (1, 3), "{output:?}");
    assert!(stdout.contains("token_expired") && !stdout.contains("keys_unavailable"), "{stdout}");
    idp.reply("/jwks", Reply::Close);
    let output = explain(&lines.join("\n")).await;
    assert_eq!(idp.count("/jwks"), 2, "{output:?}");
    assert_eq!(text(&output.stdout).matches("denied      keys_unavailable").count(), 4, "{output:?}");
    assert_eq!(text(&output.stderr).lines().count(), 1, "{output:?}");
}
