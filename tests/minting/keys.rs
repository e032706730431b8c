//! The JWKS, its changes on rotation, and that no output shows a private key.

use super::{minted, minting, private, public, published, published_ids, sidecar, verified, with_claims};
use crate::cli::process::run_in;
use crate::support::{KEY, Sidecar, token};
use jsonwebtoken::decode_header;
use modgud::server::app::Shutdown;
use modgud_core::jose::Algorithm;
use modgud_testbed::http::Exchange;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use tokio::time::timeout;

/// How long a change may take to be noticed on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn key_id(token: &str) -> String {
    decode_header(token).unwrap().kid.unwrap()
}

/// Waits until so many keys are published.
async fn until_published(sidecar: &Sidecar, count: usize, first: &str) -> Vec<String> {
    let looking = async {
        loop {
            let ids = published_ids(sidecar).await;
            if ids.len() == count && ids[0] == first {
                return ids;
            }
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("{count} keys are never published"))
}

#[tokio::test]
async fn key_rotation_leaves_no_unverifiable_token() {
    let (old, new) = (private(Algorithm::EdDsa), private(Algorithm::EdDsa));
    let yaml = minting(Algorithm::EdDsa, "also_published: [{ file: other.pub.pem }]");
    let files = [("signing.key", old.clone()), ("other.pub.pem", public(&new))];
    let files: BTreeMap<String, String> = files.map(|(name, text)| (name.to_owned(), text)).into();
    let sidecar = Sidecar::with_files(&yaml, &files).await;
    let write = |name: &str, text: &str| fs::write(sidecar.folder().join(name), text).unwrap();

    let announced = published(&sidecar).await;
    let ids = published_ids(&sidecar).await;
    let first = minted(&sidecar, with_claims(&[])).await;
    assert_eq!((key_id(&first), ids.len()), (ids[0].clone(), 2));

    // The next one signs, and the last one is still published: either set has both.
    write("other.pub.pem", &public(&old));
    write("signing.key", &new);
    let swapped = until_published(&sidecar, 2, &ids[1]).await;
    assert_eq!(swapped, [ids[1].clone(), ids[0].clone()]);
    let second = minted(&sidecar, with_claims(&[])).await;
    assert_eq!(key_id(&second), ids[1], "what was minted with the old key is not used again");
    verified(&second, &announced);
    verified(&first, &published(&sidecar).await);

    // One that is our own already changes nothing.
    write("other.pub.pem", &public(&new));
    assert_eq!(until_published(&sidecar, 1, &ids[1]).await, [ids[1].clone()]);
    assert_eq!(key_id(&minted(&sidecar, with_claims(&[])).await), ids[1]);
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn keys_of_other_families_are_published_too() {
    let keys = [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es256].map(private);
    let yaml = minting(Algorithm::EdDsa, "also_published: [{ file: rsa.pem }, { file: ec.pem }]");
    let files = [("signing.key", keys[0].clone()), ("rsa.pem", public(&keys[1])), ("ec.pem", public(&keys[2]))];
    let sidecar = Sidecar::with_files(&yaml, &files.map(|(name, text)| (name.to_owned(), text)).into()).await;
    let found = published(&sidecar).await;
    let reported =
        |name: &str| -> Vec<Value> { found["keys"].as_array().unwrap().iter().map(|key| key[name].clone()).collect() };
    assert_eq!(reported("kty"), [json!("OKP"), json!("RSA"), json!("EC")]);
    assert_eq!(reported("alg"), [json!("EdDSA"), Value::Null, json!("ES256")]);
    assert_eq!(reported("use"), [json!("sig"), json!("sig"), json!("sig")]);
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn without_a_mint_nothing_is_published() {
    let sidecar = Sidecar::bifrost().await;
    assert_eq!(published(&sidecar).await, json!({ "keys": [] }));
    sidecar.stop(Shutdown::Immediate).await;
}

/// Every piece of 12 characters of the key's lines, as they stand in PEM and as a JWK would have them.
fn pieces(private: &str) -> Vec<String> {
    let base64: String = private.lines().filter(|line| !line.starts_with("-----")).collect();
    // The first bytes are the same in every key of a family.
    let own: Vec<u8> = base64.bytes().skip(if base64.len() < 100 { 20 } else { 60 }).collect();
    own.windows(12).step_by(4).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

#[tokio::test]
async fn no_command_and_no_response_shows_a_private_key() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256, Algorithm::Hs256] {
        let private = private(algorithm);
        let sidecar = sidecar(&minting(algorithm, ""), &private).await;
        let admin = sidecar.addresses.admin;
        // A private key holds its public half too, so what is published is looked at by name.
        for key in published(&sidecar).await["keys"].as_array().unwrap() {
            let private =
                ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].into_iter().find(|name| key.get(*name).is_some());
            assert_eq!(private, None, "{key}");
        }
        let mut reported = String::new();
        for path in ["/metrics", "/readyz", "/version"] {
            let answer = Exchange::get(admin, path).await.unwrap();
            reported.push_str(&String::from_utf8_lossy(&answer.body));
        }
        sidecar.stop(Shutdown::Immediate).await;

        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("signing.key"), &private).unwrap();
        let indented: String = private.lines().flat_map(|line| ["\n        ", line]).collect();
        let direct = minting(algorithm, "").replace("{ file: signing.key }", &format!("\n      value: |{indented}"));
        fs::write(folder.path().join("file.yaml"), minting(algorithm, "")).unwrap();
        fs::write(folder.path().join("direct.yaml"), direct).unwrap();
        let pem = KEY.public_pem().unwrap();
        let credential = format!("Authorization: JWT {}", token());
        for file in ["file.yaml", "direct.yaml"] {
            for arguments in [
                vec!["check", "--config", file],
                vec!["config", "--config", file],
                vec!["explain", "--config", file, "--header", &credential, "--at", "1700000000", "--json"],
            ] {
                let output = run_in(folder.path(), &[("JWT_PUBLIC_KEY_RSA_BIFROST", &pem)], &arguments).await;
                assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{arguments:?}: {}", output.out);
                reported.extend([output.out, output.err]);
            }
        }
        assert!(reported.contains("minted for modules: internal"), "{reported}");
        let found: Vec<String> = pieces(&private).into_iter().filter(|piece| reported.contains(piece)).collect();
        assert!(found.is_empty(), "{}: {found:?}", algorithm.name());
    }
}
