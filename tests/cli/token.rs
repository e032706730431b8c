//! `modgud token mint`: what a module's `PyJWT` makes of the tokens. `modgud token inspect`: what it shows, and which rule it
//! says that a token breaks.

use super::process::{Output, run, run_in, run_with_input};
use super::table;
use crate::support::program;
use modgud_core::jose::{Algorithm, SigningKey};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The header that `BiFrost` writes, byte by byte.
const HEADER: &str = r#"{"typ":"JWT","alg":"RS256"}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    arguments: Vec<String>,
    claims: Option<Vec<(String, Value)>>,
    refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Decoded {
    Good { header: String, claims: Vec<(String, Value)> },
    Refused { refused: String },
}

async fn mint(folder: &Path, arguments: &[String]) -> Output {
    let fixed = ["token", "mint", "--key", "key.pem"];
    let arguments: Vec<&str> = fixed.into_iter().chain(arguments.iter().map(String::as_str)).collect();
    run_in(folder, &[], &arguments).await
}

/// Decodes tokens with `PyJWT`.
async fn decode(key: &str, algorithm: Algorithm, tokens: &[String]) -> Vec<Decoded> {
    let mut python = Command::new(program("MODGUD_TEST_PYTHON"));
    python.args(["-c", include_str!("decode.py")]).kill_on_drop(true);
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let given = json!({ "key": key, "algorithm": algorithm.name(), "tokens": tokens }).to_string();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(given.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "decode.py failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn pyjwt_reads_what_is_minted() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::Rs256).unwrap();
    fs::write(folder.path().join("key.pem"), key.private_text().unwrap().expose_secret()).unwrap();
    let rows = table::<Row>("mint.yaml");
    let mut tokens = Vec::new();
    for row in &rows {
        let result = mint(folder.path(), &row.arguments).await;
        assert_eq!((result.code, result.err.as_str()), (Some(0), ""), "{}", row.what);
        let token = result.out.strip_suffix('\n').unwrap();
        assert!(!token.contains(char::is_whitespace), "{}: the token stands alone on its line", row.what);
        tokens.push(token.to_owned());
    }
    let decoded = decode(&key.public_pem().unwrap(), Algorithm::Rs256, &tokens).await;
    assert_eq!(decoded.len(), rows.len());
    for (row, decoded) in rows.into_iter().zip(decoded) {
        let what = row.what;
        match (decoded, row.claims, row.refused) {
            (Decoded::Good { header, claims }, Some(expected), None) => {
                assert_eq!(header, HEADER, "{what}");
                let now = claims.iter().find(|(name, _)| name == "iat").and_then(|(_, iat)| iat.as_u64()).unwrap();
                let expected: Vec<_> = expected.into_iter().map(|(name, value)| (name, at(now, value))).collect();
                assert_eq!(claims, expected, "{what}");
            }
            (Decoded::Refused { refused }, None, Some(expected)) => assert_eq!(refused, expected, "{what}"),
            (Decoded::Good { claims, .. }, ..) => panic!("{what}: PyJWT accepts {claims:?}"),
            (Decoded::Refused { refused }, ..) => panic!("{what}: PyJWT says {refused}"),
        }
    }
}

/// `now + N` as a number.
fn at(now: u64, value: Value) -> Value {
    let seconds = value.as_str().and_then(|text| text.strip_prefix("now + ")).and_then(|more| more.parse::<u64>().ok());
    seconds.map_or(value, |seconds| now.checked_add(seconds).unwrap().into())
}

#[tokio::test]
async fn a_key_that_cannot_sign_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = mint(folder.path(), &[]).await;
    let expected = "modgud: key.pem can't be read: No such file or directory (os error 2)\n";
    assert_eq!((missing.code, missing.out.as_str(), missing.err.as_str()), (Some(1), "", expected));
    fs::write(folder.path().join("key.pem"), SigningKey::generate(Algorithm::Rs256).unwrap().public_pem().unwrap())
        .unwrap();
    let public = mint(folder.path(), &[]).await;
    let expected = "modgud: key.pem: the PEM block is a public key; use the private key\n";
    assert_eq!((public.code, public.out.as_str(), public.err.as_str()), (Some(1), "", expected));
}

#[tokio::test]
async fn a_key_without_end_is_read_to_a_bound() {
    let endless = run(&["token", "mint", "--key", "/dev/zero"]).await;
    let expected = "modgud: /dev/zero is larger than 64 KiB, the limit for a key\n";
    assert_eq!((endless.code, endless.out.as_str(), endless.err.as_str()), (Some(1), "", expected));
}

#[tokio::test]
async fn a_token_ends_at_the_latest_representable_time() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key.pem"), "a-secret-that-is-long-enough-for-hs256").unwrap();
    let with = async |lifetime: &str| mint(folder.path(), &["--lifetime".into(), lifetime.into()]).await;
    let expected = "modgud: --lifetime: the token would expire after 9999-12-31T23:59:59Z, the latest time of a token; \
                    use a shorter lifetime\n";
    for lifetime in ["9999y", "500000000000y"] {
        let late = with(lifetime).await;
        assert_eq!((late.code, late.out.as_str(), late.err.as_str()), (Some(1), "", expected), "{lifetime}");
    }
    assert_eq!(with("7000y").await.code, Some(0));
}

/// The next command of `keygen`'s output is run unchanged.
#[tokio::test]
async fn keys_of_every_algorithm_sign_what_pyjwt_reads() {
    for algorithm in Algorithm::ALL {
        let folder = tempfile::tempdir().unwrap();
        let name = algorithm.name();
        let made = run_in(folder.path(), &[], &["keygen", "--algorithm", name]).await;
        assert_eq!((made.code, made.err.as_str()), (Some(0), ""), "{name}");
        let next = made.out.lines().find_map(|line| line.strip_prefix("next: modgud ")).unwrap();
        let arguments: Vec<&str> = next.split(' ').chain(["--kid", "2024-01"]).collect();
        let minted = run_in(folder.path(), &[], &arguments).await;
        assert_eq!((minted.code, minted.err.as_str()), (Some(0), ""), "{name}");
        let key = ["modgud-dev.pub.pem", "modgud-dev.secret"];
        let key = key.iter().find_map(|file| fs::read_to_string(folder.path().join(file)).ok()).unwrap();
        let decoded = decode(&key, *algorithm, &[minted.out.trim_end().to_owned()]).await;
        match decoded.into_iter().next() {
            Some(Decoded::Good { header, claims }) => {
                assert_eq!(header, format!(r#"{{"typ":"JWT","alg":"{name}","kid":"2024-01"}}"#));
                assert_eq!(claims.len(), 7, "{name}");
            }
            Some(Decoded::Refused { refused }) => panic!("{name}: PyJWT says {refused}"),
            None => panic!("{name}: nothing was decoded"),
        }
    }
}

#[tokio::test]
async fn a_key_signs_with_what_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(folder.path().join("key.pem"), text).unwrap();
    let flag = |algorithm: &str| ["--algorithm".to_owned(), algorithm.to_owned()];
    write(SigningKey::generate(Algorithm::Es256).unwrap().private_text().unwrap().expose_secret());
    let result = mint(folder.path(), &flag("RS256")).await;
    assert_eq!(
        (result.code, result.err.as_str()),
        (Some(1), "modgud: key.pem: a key of type P-256 can't sign with RS256\n")
    );
    assert_eq!(mint(folder.path(), &flag("ES256")).await.code, Some(0));

    let secret = "0123456789".repeat(4);
    for (text, algorithm, expected) in [
        (format!("{secret}\n"), "HS256", ""),
        (format!("{secret}\r\n"), "HS256", ""),
        (secret.clone(), "HS384", "modgud: key.pem: the secret has 40 bytes; use at least 48\n"),
        ("changeme\n".to_owned(), "HS256", "modgud: key.pem: the secret has 8 bytes; use at least 32\n"),
    ] {
        write(&text);
        let result = mint(folder.path(), &flag(algorithm)).await;
        assert_eq!(result.err, expected);
        if let Some(token) = result.out.strip_suffix('\n') {
            let decoded = decode(&secret, Algorithm::Hs256, &[token.to_owned()]).await;
            assert!(matches!(decoded.as_slice(), [Decoded::Good { .. }]), "the line end became part of the secret");
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inspected {
    what: String,
    header: Option<String>,
    claims: Option<String>,
    token: Option<String>,
    shows: Vec<String>,
    refused: Option<String>,
}

#[tokio::test]
async fn a_token_is_shown_and_the_rule_that_it_breaks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
    for Inspected { what, header, claims, token, shows, refused } in table::<Inspected>("inspect.yaml") {
        let header = header.unwrap_or_else(|| HEADER.to_owned());
        let claims = claims.unwrap_or_else(|| r#"{"iss":"bifrost"}"#.to_owned());
        let token = token.unwrap_or_else(|| "{header}.{claims}.AAAA".to_owned());
        let token = token.replace("{header}", &encode(&header)).replace("{claims}", &encode(&claims));
        let token = token.replace("{70000 A}", &"A".repeat(70_000));
        let reported = run_with_input(folder.path(), &[], &["token", "inspect", "-"], &format!("{token}\n")).await;
        assert!(reported.out.starts_with("NOT VERIFIED: "), "{what}: {}", reported.out);
        for text in shows {
            assert!(reported.out.contains(&text), "{what}: `{text}` is missing in\n{}", reported.out);
        }
        match refused {
            None => assert_eq!((reported.code, reported.err.as_str()), (Some(0), ""), "{what}"),
            Some(rule) => {
                let expected = format!("modgud: rejected with any signature: {rule}\n");
                assert_eq!((reported.code, reported.err.as_str()), (Some(1), expected.as_str()), "{what}");
            }
        }
        // A length that command lines bear.
        if token.len() < 10_000 && !token.contains('\0') {
            let given = run(&["token", "inspect", &token]).await;
            assert_eq!((given.code, given.out, given.err), (reported.code, reported.out, reported.err), "{what}");
        }
    }
}
