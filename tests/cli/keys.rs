//! `serve` and the key in `JWT_PUBLIC_KEY_RSA_BIFROST`: the one thing that everybody has to set, and so the one that is most
//! often set wrong.

use super::process::{KEY_VARIABLE, Serving, run, serve_in};
use super::table;
use crate::support::program;
use modgud_core::jose::{Algorithm, SigningKey};
use rustix::process::Signal;
use serde::Deserialize;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    what: String,
    key: Option<String>,
    file: Option<String>,
    fresh: Option<Fresh>,
    says: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fresh {
    Private,
}

impl Refused {
    fn text(&self) -> Option<String> {
        match (&self.key, &self.file, &self.fresh) {
            (Some(key), None, None) => Some(key.clone()),
            (None, Some(file), None) => {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cli/keys");
                Some(std::fs::read_to_string(folder.join(file)).unwrap())
            }
            (None, None, Some(Fresh::Private)) => {
                Some(SigningKey::generate(Algorithm::Rs256).unwrap().private_text().unwrap().expose_secret().to_owned())
            }
            (None, None, None) => None,
            _ => panic!("{}: one of key, file and fresh", self.what),
        }
    }
}

#[tokio::test]
async fn serve_reports_what_is_wrong_with_the_key() {
    let folder = tempfile::tempdir().unwrap();
    for row in table::<Refused>("keys-refused.yaml") {
        let text = row.text();
        let variables: Vec<(&str, &str)> = text.iter().map(|text| (KEY_VARIABLE, text.as_str())).collect();
        let result = serve_in(folder.path(), &variables, &[]).await;
        let place = "profile bifrost:13:16: authenticators[0].jwt.keys[0].pem";
        let expected = format!("modgud: {place}: the environment variable {KEY_VARIABLE} {}\n", row.says);
        assert_eq!((result.code, result.out, result.err), (Some(1), String::new(), expected), "{}", row.what);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    what: String,
    form: Form,
    line_end: String,
    #[serde(rename = "final")]
    final_line_end: bool,
}

#[derive(Deserialize)]
enum Form {
    #[serde(rename = "SPKI")]
    Spki,
    #[serde(rename = "PKCS1")]
    Pkcs1,
    #[serde(rename = "certificate")]
    Certificate,
}

#[tokio::test]
async fn a_key_can_be_written_in_many_ways() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::Rs256).unwrap();
    let file = folder.path().join("private.pem");
    std::fs::write(&file, key.private_text().unwrap().expose_secret()).unwrap();
    let minted = run(&["token", "mint", "--key", file.to_str().unwrap()]).await;
    let credential = format!("Authorization: JWT {}", minted.out.trim_end());
    let spki = key.public_pem().unwrap();
    let certificate = certificate(&key).await;
    for Accepted { what, form, line_end, final_line_end } in table::<Accepted>("keys-accepted.yaml") {
        let pem = match form {
            Form::Spki => spki.clone(),
            Form::Pkcs1 => pkcs1(&spki),
            Form::Certificate => certificate.clone(),
        };
        let mut text = pem.trim_end().replace('\n', &line_end);
        if final_line_end {
            text.push_str(&line_end);
        }
        let serving = Serving::start(folder.path(), &text, &[]).await;
        let result = run(&["call", &serving.grpc.to_string(), "--path", "/crm/", "--header", &credential]).await;
        assert_eq!((result.code, result.out.lines().next()), (Some(0), Some("allowed")), "{what}: {result:?}");
        assert_eq!(serving.end(Signal::INT).await.code, Some(0), "{what}");
    }
}

/// The same key as `RSAPublicKey`: what the `BIT STRING` of the `SubjectPublicKeyInfo` holds.
fn pkcs1(spki_pem: &str) -> String {
    let spki = pem::parse(spki_pem).unwrap();
    let info = spki::SubjectPublicKeyInfoRef::try_from(spki.contents()).unwrap();
    let inner = info.subject_public_key.as_bytes().unwrap();
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("RSA PUBLIC KEY", inner), config)
}

/// A certificate for the key, made by Python's `cryptography`.
async fn certificate(key: &SigningKey) -> String {
    let mut python = Command::new(program("MODGUD_TEST_PYTHON"));
    python.args(["-c", include_str!("certificate.py")]).kill_on_drop(true);
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(key.private_text().unwrap().expose_secret().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "certificate.py failed");
    String::from_utf8(output.stdout).unwrap()
}
