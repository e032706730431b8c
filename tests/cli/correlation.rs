//! `modgud correlation verify` and `modgud correlation sign`.

use super::process::{run_in, run_with_input};
use crate::support::{KEY, program};
use modgud::clock::Clock;
use modgud_core::time::Timestamp;
use modgud_core::upstream::{CorrelationField, IdentityCorrelation, SigningSecret};
use std::fs;
use std::time::Duration;
use tokio::process::Command;

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

/// The signature of another implementation, over the texts that Orchescala joins.
const SIGN: &str = "
import base64, hashlib, hmac, sys
print(base64.b64encode(hmac.new(b'test-secret-key', sys.argv[1].encode(), hashlib.sha256).digest()).decode(), end='')
";

async fn python(signed: &str) -> String {
    let output = Command::new(program("MODGUD_TEST_PYTHON")).args(["-c", SIGN, signed]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_correlation_is_signed_once_the_process_instance_is_known() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), "test-secret-key\n").unwrap();
    for (unsigned, signed) in [
        (r#"{"username":"testuser","issuedAt":1701234567890}"#, "testuser|||1701234567890|process-123"),
        (
            r#"{"username":"testuser","email":"test@example.com","issuedAt":1701234567890}"#,
            "testuser|test@example.com||1701234567890|process-123",
        ),
        (
            r#"{"username":"J\u00f6rg","email":null,"impersonateProcessValue":"customer-456","issuedAt":1701234567890}"#,
            "Jörg||customer-456|1701234567890|process-123",
        ),
        // It names the same one already: modgud has no key in this setup.
        (
            r#"{"username":"","issuedAt":1701234567890,"processInstanceId":"process-123"}"#,
            "|||1701234567890|process-123",
        ),
    ] {
        let arguments = ["correlation", "sign", "--key", "key", "--process-instance", "process-123", "-"];
        let output = run_with_input(folder.path(), &[], &arguments, unsigned).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{unsigned}");
        let read = IdentityCorrelation::from_json(output.out.as_bytes()).unwrap();
        assert_eq!(read.signature.as_deref(), Some(&*python(signed).await), "{unsigned}");
        let arguments = ["correlation", "verify", "--key", "key", "--process-instance", "process-123", "-"];
        let verified = run_with_input(folder.path(), &[], &arguments, &output.out).await;
        assert_eq!((verified.code, verified.out), (Some(0), output.out), "{unsigned}");
    }
}

#[tokio::test]
async fn what_can_not_be_signed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), "test-secret-key\n").unwrap();
    fs::write(folder.path().join("empty"), "\n").unwrap();
    let plain = r#"{"username":"testuser","issuedAt":1701234567890}"#;
    let other = r#"{"username":"testuser","issuedAt":1701234567890,"processInstanceId":"process-124"}"#;
    let later = Clock::System.now().plus(Duration::from_secs(3_600)).as_millis();
    let future = format!(r#"{{"username":"testuser","issuedAt":{later}}}"#);
    let signed = "the correlation is signed already; use the one that modgud sent when the process started";
    let long = "a".repeat(257);
    for (text, key, instance, more, error) in [
        (SIGNED, "key", "process-123", &[][..], signed),
        (SIGNED, "key", "process-124", &[], signed),
        (r#"{"username":"a","issuedAt":1,"signature":""}"#, "key", "process-123", &[], signed),
        (other, "key", "process-123", &[], "the correlation names another process instance"),
        (plain, "key", "", &[], "the process instance's id is empty"),
        (plain, "key", "a|b", &[], "the process instance's id has a `|`, which separates the signed fields"),
        (plain, "key", "a\nb", &[], "the process instance's id has a control character"),
        (plain, "key", &long, &[], "the process instance's id is longer than 256 bytes"),
        (&future, "key", "process-123", &[], "the correlation's time is in the future"),
        (plain, "key", "process-123", &["--max-age", "1h"], "the correlation is older than 1h"),
        (plain, "empty", "process-123", &[], "empty contains no secret"),
        (
            &plain.replace("testuser", "a|b"),
            "key",
            "process-123",
            &[],
            "the correlation's `username` has a `|`, which separates the signed fields",
        ),
        (r#"{"issuedAt":1}"#, "key", "process-123", &[], "the correlation has no `username`"),
        (
            r#"{"username":"a","username":"b","issuedAt":1}"#,
            "key",
            "process-123",
            &[],
            "the correlation has an object with a repeated name",
        ),
        ("not JSON", "key", "process-123", &[], "the correlation is not well-formed JSON"),
    ] {
        let arguments =
            [&["correlation", "sign", "--key", key, "--process-instance", instance][..], more, &["-"]].concat();
        let output = run_with_input(folder.path(), &[], &arguments, text).await;
        assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{text} {instance}");
        assert_eq!(output.err, format!("modgud: {error}\n"), "{text} {instance}");
    }
}

/// Every holder of a public key could sign with it.
#[tokio::test]
async fn a_pem_is_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("public"), KEY.public_pem().unwrap()).unwrap();
    fs::write(folder.path().join("private"), KEY.private_text().unwrap().expose_secret()).unwrap();
    let plain = r#"{"username":"testuser","issuedAt":1701234567890}"#;
    for key in ["public", "private"] {
        for (command, text) in [("sign", plain), ("verify", SIGNED)] {
            let arguments = ["correlation", command, "--key", key, "--process-instance", "process-123", "-"];
            let output = run_with_input(folder.path(), &[], &arguments, text).await;
            let error = format!(
                "modgud: {key} does not hold a usable key: the secret is a PEM block, which is a key of another kind; use random bytes \
                 that only signer and verifier know\n"
            );
            assert_eq!((output.code, output.out, output.err), (Some(1), String::new(), error), "{command}");
        }
    }
}
