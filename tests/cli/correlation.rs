//! `modgud correlation verify`.

use super::process::{run_in, run_with_input};
use modgud::clock::Clock;
use modgud_core::time::Timestamp;
use modgud_core::upstream::{CorrelationField, IdentityCorrelation, SigningSecret};
use std::fs;
use std::time::Duration;

const SIGNED: &str = r#"{"username":"testuser","email":"test@example.com","impersonateProcessValue":"customer-456","issuedAt":1701234567890,"processInstanceId":"process-123","signature":"CjpsDAJLaSXgZ9MgTWYmMIgH+F5D4+pghjyTU1zNrKU="}"#;

#[tokio::test]
async fn a_worker_verifies_what_came_with_its_work() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), "test-secret-key\n").unwrap();
    fs::write(folder.path().join("other"), "another").unwrap();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    let unsigned = r#"{"username":"testuser","issuedAt":1701234567890,"processInstanceId":"process-123"}"#;
    let future = {
        let mut made = IdentityCorrelation {
            username: CorrelationField::parse("testuser").unwrap(),
            email: None,
            impersonated: None,
            issued_at: Timestamp::from_millis(Clock::System.now().plus(Duration::from_secs(3_600)).as_millis()),
            instance: CorrelationField::parse("process-123").ok(),
            signature: None,
        };
        made.sign(&SigningSecret::new("test-secret-key"));
        made.to_json()
    };
    let key = ["--key", "key"];
    for (text, arguments, expected) in [
        (SIGNED, &key[..], Ok(())),
        (SIGNED, &["--key", "key", "--process-instance", "process-123"], Ok(())),
        (SIGNED, &["--key", "key", "--max-age", "200y"], Ok(())),
        (
            SIGNED,
            &["--key", "key", "--process-instance", "process-124"],
            Err("the correlation is valid, but belongs to another process instance"),
        ),
        (SIGNED, &["--key", "key", "--max-age", "1h"], Err("the correlation is valid, but older than 1h")),
        (&future, &["--key", "key", "--max-age", "1h"], Err("the correlation is valid, but its time is in the future")),
        (SIGNED, &["--key", "other"], Err("the correlation's signature does not match its content and this secret")),
        (
            &SIGNED.replace("testuser", "admin"),
            &key,
            Err("the correlation's signature does not match its content and this secret"),
        ),
        (unsigned, &key, Err("the correlation is not signed")),
        ("{}", &key, Err("the correlation has no `issuedAt`")),
        ("not JSON", &key, Err("the correlation is not well-formed JSON")),
        (SIGNED, &["--key", "empty"], Err("empty contains no secret")),
    ] {
        let all = [&["correlation", "verify"], arguments, &["-"]].concat();
        let output = run_with_input(folder.path(), &[], &all, text).await;
        let expected = match expected {
            Ok(()) => (Some(0), format!("{text}\n"), String::new()),
            Err(error) => (Some(1), String::new(), format!("modgud: {error}\n")),
        };
        assert_eq!((output.code, output.out, output.err), expected, "{text} {arguments:?}");
    }
    fs::write(folder.path().join("correlation.json"), SIGNED).unwrap();
    let output = run_in(folder.path(), &[], &["correlation", "verify", "--key", "key", "correlation.json"]).await;
    assert_eq!((output.code, output.out), (Some(0), format!("{SIGNED}\n")));
    let output = run_in(folder.path(), &[], &["correlation", "verify", "--key", "key", "nowhere.json"]).await;
    assert_eq!(output.code, Some(1));
    assert!(output.err.starts_with("modgud: nowhere.json can't be read: "), "{}", output.err);
}
