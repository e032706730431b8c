//! The real binary's log: a change is logged once, not on each request to the provider.

use super::asked::yaml;
use crate::cli::process::Serving;
use modgud_testbed::idp::{Idp, IdpKey, Reply};
use rustix::process::Signal;
use serde_json::{Value, json};

#[tokio::test]
async fn each_change_is_logged_once_and_a_process_with_a_provider_stops() {
    let (key, leaked) = (IdpKey::new("good"), IdpKey::new("leaked"));
    let mut private = leaked.jwk();
    private["d"] = json!("AAAA");
    let set = |keys: Vec<Value>| Reply::Body(json!({ "keys": keys }).to_string().into_bytes());
    let idp = Idp::of(&[&key]).await;
    idp.reply("/jwks?code=s3cret", set(vec![key.jwk()]));
    let folder = tempfile::tempdir().unwrap();
    let url = idp.url("/jwks?code=s3cret");
    std::fs::write(folder.path().join("modgud.yaml"), yaml(&format!("jwks: {{ url: {url:?}, refresh: 1s }}"))).unwrap();
    let serving = Serving::start(folder.path(), "", &["--config", "modgud.yaml"]).await;
    let rounds = async |rounds: u64| {
        let before = idp.count("/jwks?code=s3cret");
        idp.wait_for_requests("/jwks?code=s3cret", before + rounds).await;
    };
    rounds(2).await;
    idp.reply("/jwks?code=s3cret", set(vec![key.jwk(), private]));
    rounds(3).await;
    idp.reply("/jwks?code=s3cret", Reply::Close);
    rounds(3).await;
    idp.reply("/jwks?code=s3cret", set(vec![key.jwk()]));
    rounds(2).await;
    idp.reply("/jwks?code=s3cret", Reply::Silence);
    rounds(1).await;

    let output = serving.end(Signal::TERM).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    assert!(!output.out.contains("s3cret"), "{}", output.out);
    let events: Vec<Value> = output.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_the_provider: Vec<&Value> = events.iter().filter(|event| event.get("provider").is_some()).collect();
    let reported =
        |event: &&Value| (event["level"].as_str().unwrap().to_owned(), event["message"].as_str().unwrap().to_owned());
    let reported: Vec<(String, String)> = of_the_provider.iter().map(reported).collect();
    let reported: Vec<(&str, &str)> =
        reported.iter().map(|(level, message)| (level.as_str(), message.as_str())).collect();
    let changed = "JWKS changed";
    assert_eq!(
        reported,
        [
            ("INFO", "JWKS loaded"),
            ("WARN", "JWKS changed; some keys are unusable"),
            ("WARN", "JWKS fetch failed; the last JWKS stays in use"),
            ("INFO", changed),
            ("INFO", "JWKS fetch succeeds again"),
        ],
        "{}",
        output.out
    );
    let skipped = of_the_provider[1]["skipped"].as_str().unwrap();
    assert!(skipped.contains("`leaked`") && skipped.contains("PRIVATE") && !skipped.contains("AAAA"), "{skipped}");
}
