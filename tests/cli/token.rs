//! `modgud token mint`: what a module's `PyJWT` makes of the tokens.

use super::process::{Said, run_in};
use super::table;
use crate::support::program;
use modgud::jose::{Algorithm, SigningKey};
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

async fn mint(folder: &Path, arguments: &[String]) -> Said {
    let fixed = ["token", "mint", "--key", "key.pem"];
    let arguments: Vec<&str> = fixed.into_iter().chain(arguments.iter().map(String::as_str)).collect();
    run_in(folder, &[], &arguments).await
}

/// Decodes tokens with `PyJWT`.
async fn decode(key: &SigningKey, tokens: &[String]) -> Vec<Decoded> {
    let mut python = Command::new(program("MODGUD_TEST_PYTHON"));
    python.args(["-c", include_str!("decode.py")]).kill_on_drop(true);
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let given = json!({ "key": key.public_pem().unwrap(), "tokens": tokens }).to_string();
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
    fs::write(folder.path().join("key.pem"), key.private_text().unwrap().expose()).unwrap();
    let rows = table::<Row>("mint.yaml");
    let mut tokens = Vec::new();
    for row in &rows {
        let said = mint(folder.path(), &row.arguments).await;
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{}", row.what);
        let token = said.out.strip_suffix('\n').unwrap();
        assert!(!token.contains(char::is_whitespace), "{}: the token stands alone on its line", row.what);
        tokens.push(token.to_owned());
    }
    let decoded = decode(&key, &tokens).await;
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
    let expected =
        "modgud: key.pem: not the PEM of a private RSA key in PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`)\n";
    assert_eq!((public.code, public.out.as_str(), public.err.as_str()), (Some(1), "", expected));
}
