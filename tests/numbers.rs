//! Whole numbers beyond 64 bits: what modgud writes of a claim is what PyJWT reads in the token, or it is not written. PyJWT is asked
//! itself (`data/python/claims_of.py`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::decisions::answer::Answer;
use crate::support::{Encoding, KEY, Sidecar, check, claims, program};
use modgud::server::app::Shutdown;
use modgud_core::jose::{Algorithm, SigningKey};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const CONFIG: &str = "
profile: bifrost
server: { deadline: 10s }
mint:
  - name: internal
    algorithm: EdDSA
    key: { file: signing.key }
    issuer: modgud
    audience: modules
    claims: { n: { claim: n } }
upstream:
  headers:
    x-plain: { claim: n }
    x-list: { claim: n, as: list }
    x-json: { claim: n, as: json }
    x-cel: { cel: claims.n }
CREDENTIAL
";

/// Numbers as they stand in a token.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "7",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551617",
    "18446744073709551999",
    "-9223372036854775808",
    "-9223372036854775809",
    "-9223372036854775999",
    "100000000000000000000000000000000000000000000001",
    "100000000000000000000000000000000000000000000002",
    "1e19",
    "1e30",
    "1.0",
    "0.1",
    // One ulp beside the value that a reader without correct rounding returns.
    "1761071417.3472319",
];

/// What PyJWT reads in tokens.
fn read_by_pyjwt(tokens: &[String]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/python/claims_of.py");
    let mut python = Command::new(program("MODGUD_TEST_PYTHON"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all((tokens.join("\n") + "\n").as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A token whose claim `n` is written so.
fn token(number: &str) -> String {
    let claims: Map<String, Value> = claims().into_iter().collect();
    let text = Value::Object(claims).to_string();
    KEY.sign_claims(&format!("{},\"n\":{number}}}", text.strip_suffix('}').unwrap())).unwrap()
}

async fn ask(sidecar: &Sidecar, token: &str) -> Answer {
    let headers: [(&str, &[u8]); 1] = [("authorization", &[b"JWT ", token.as_bytes()].concat())];
    let check = check(Encoding::Raw, "GET", "/crm/", &headers);
    Answer::read(sidecar.client().await.check(check).await.unwrap().into_inner()).unwrap()
}

fn same(written: &str, read: &str) -> bool {
    let whole = !read.contains(['.', 'e']) && !written.contains(['.', 'e']);
    if whole { written == read } else { written.parse::<f64>() == read.parse::<f64>() }
}

#[tokio::test]
async fn a_number_is_written_as_pyjwt_reads_it_or_not_at_all() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap().private_text().unwrap().expose_secret().to_owned();
    let files = BTreeMap::from([("signing.key".to_owned(), key)]);
    let keeping = Sidecar::with_files(&CONFIG.replace("CREDENTIAL", "  credential: keep"), &files).await;
    let minting = Sidecar::with_files(&CONFIG.replace("CREDENTIAL", "  credential: { mint: internal }"), &files).await;
    let tokens: Vec<String> = NUMBERS.iter().map(|number| token(number)).collect();
    let read = read_by_pyjwt(&tokens);
    let (mut written, mut refused) = (0, 0);
    for ((number, token), read) in NUMBERS.iter().zip(&tokens).zip(&read) {
        let Answer::Allow { set, .. } = ask(&keeping, token).await else { panic!("{number}: it is turned away") };
        let texts: Vec<&String> =
            ["x-plain", "x-list", "x-json", "x-cel"].iter().filter_map(|name| set.get(*name)).collect();
        assert!(texts.is_empty() || texts.len() == 4, "{number}: {texts:?}");
        assert!(texts.iter().all(|text| same(text, read)), "{number}: {texts:?} and not {read}");
        match ask(&minting, token).await {
            Answer::Allow { set, .. } => {
                let minted = set["authorization"].strip_prefix("Bearer ").unwrap().to_owned();
                let [minted] = &read_by_pyjwt(&[minted])[..] else { panic!("{number}") };
                assert!(same(minted, read), "{number}: {minted} is minted and not {read}");
                assert_eq!(texts.len(), 4, "{number}");
                written += 1;
            }
            Answer::Deny { status, .. } => {
                assert_eq!((status, texts.len()), (401, 0), "{number}");
                refused += 1;
            }
        }
    }
    assert_eq!((written, refused), (13, 8));
    keeping.stop(Shutdown::Immediate).await;
    minting.stop(Shutdown::Immediate).await;
}
