//! Bodies are interpreted by `content-type`: whatever modgud allows is what the request parsers of Django REST framework and of aiohttp
//! read, which are asked themselves (`data/python/body_readers.py`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::decisions::answer::Answer;
use crate::support::{Encoding, KEY, Sidecar, check, claims, program};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modgud::server::app::Shutdown;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const CONFIG: &str = "
profile: orchescala
server: { deadline: 10s }
authenticators:
  - name: keycloak
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY } }] }
correlation: { impersonation: { body: customer, permission: impersonate } }
";

type Fields = &'static [(&'static str, &'static str)];

/// Header fields under which a body may be read in one way or another.
const FIELDS: &[Fields] = &[
    &[],
    &[("content-type", "")],
    &[("content-type", "application/json")],
    &[("content-type", "Application/JSON; Charset=UTF-8")],
    &[("content-type", "application/json; charset=\"utf-8\"")],
    &[("content-type", "application/vnd.api+json")],
    &[("content-type", "application/json; version=1")],
    &[("content-type", "application/json; charset=utf-7")],
    &[("content-type", "application/json; charset=\"utf-7\"")],
    &[("content-type", "application/json; charset=unicode_escape")],
    &[("content-type", "application/json; charset=raw_unicode_escape")],
    &[("content-type", "application/json; charset=utf-16")],
    &[("content-type", "application/json; charset=latin-1")],
    &[("content-type", "application/json; charset=utf-8; charset=utf-7")],
    &[("content-type", "application/json; charset=utf-7; charset=utf-8")],
    &[("content-type", "application/json; charset*=utf-8''utf-7")],
    &[("content-type", "application/json; a=\"; charset=utf-7\"")],
    &[("content-type", "application/json;charset = utf-7")],
    &[("content-type", "application/json;")],
    &[("content-type", "application/json junk")],
    &[("content-type", "text/plain")],
    &[("content-type", "application/x-www-form-urlencoded")],
    &[("content-type", "application/x-www-form-urlencoded+json")],
    &[("content-type", "multipart/form-data; boundary=x")],
    &[("content-type", "application/json"), ("content-type", "application/x-www-form-urlencoded")],
    &[("content-type", "application/x-www-form-urlencoded"), ("content-type", "application/json")],
    &[("content-type", "application/json"), ("content-encoding", "identity")],
    &[("content-type", "application/json"), ("content-encoding", "gzip")],
];

/// Bodies, each of which some reader finds a customer in, but for the first two.
const BODIES: &[&[u8]] = &[
    br#"{"a": 1}"#,
    br#"{"a": {"customer": "no"}}"#,
    br#"{"customer": "plain"}"#,
    "{\"customer\": \"J\u{f6}rg!\"}".as_bytes(),
    br#"{"customer": "\u00e9"}"#,
    br#"{"customer": 4711}"#,
    br#"{"customer": 18446744073709551617}"#,
    br#"{"customer": 1.50}"#,
    br#"{"customer": -0}"#,
    br#"{"customer": NaN}"#,
    br#"{"customer": "\ud800"}"#,
    br#"{"customer": null, "customer": "second"}"#,
    br#"{"+AGM-ustomer": "utf-7"}"#,
    br#"{"customer": "+AGM-"}"#,
    br#"{"\x63ustomer": "escaped"}"#,
    br#"{"a": "\\u0022,\\u0022customer\\u0022:\\u0022b"}"#,
    br#"{"a":"&customer=form&b="}"#,
    br#"{"a=1&customer":"form"}"#,
    b"customer=form",
    b"--x\r\nContent-Disposition: form-data; name=\"customer\"\r\n\r\nparts\r\n--x--\r\n",
    b"{\"customer\": \"latin-\xe9\"}",
    b"{\"custom\xe9er\": \"latin\"}",
    b"\xef\xbb\xbf{\"customer\": \"bom\"}",
    b"\xff\xfe{\x00\"\x00c\x00u\x00s\x00t\x00o\x00m\x00e\x00r\x00\"\x00:\x00\"\x00w\x00\"\x00}\x00",
];

/// What the real parsers find.
fn found(requests: &[(Fields, &[u8])]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/python/body_readers.py");
    let mut readers = Command::new(program("MODGUD_TEST_PYTHON"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = readers.stdin.take().unwrap();
    let lines: Vec<String> = requests
        .iter()
        .map(|(fields, body)| json!({ "headers": fields, "body": STANDARD.encode(body) }).to_string() + "\n")
        .collect();
    let writing = std::thread::spawn(move || lines.iter().try_for_each(|line| input.write_all(line.as_bytes())));
    let output = readers.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    let found =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(output.status.success(), "the readers failed");
    found
}

#[tokio::test]
async fn whatever_is_allowed_is_what_the_real_frameworks_read() {
    let sidecar = Sidecar::with(CONFIG).await;
    let mut client = sidecar.client().await;
    let token = |permissions: &[&str]| {
        let mut claims = claims();
        claims.retain(|(name, _)| name != "scope");
        claims.push(("permissions".to_owned(), json!(permissions)));
        claims.push(("preferred_username".to_owned(), json!("user")));
        format!("Bearer {}", KEY.sign(&claims).unwrap())
    };
    let (plain, entitled) = (token(&[]), token(&["impersonate"]));
    let requests: Vec<(Fields, &[u8])> =
        FIELDS.iter().flat_map(|fields| BODIES.iter().map(|body| (*fields, *body))).collect();
    let all = requests.clone();
    let found = tokio::task::spawn_blocking(move || found(&all)).await.unwrap();
    assert_eq!(found.len(), requests.len());
    let (mut allowed, mut named, mut kept_out) = (0, 0, 0);
    for ((fields, body), found) in requests.iter().zip(&found) {
        let values: Vec<&str> = ["rest_framework", "aiohttp_json", "aiohttp_form"]
            .iter()
            .filter_map(|reader| found[reader]["value"].as_str())
            .filter(|value| !value.is_empty())
            .collect();
        for (encoding, authorization) in
            Encoding::ALL.into_iter().flat_map(|encoding| [(encoding, &plain), (encoding, &entitled)])
        {
            let at = format!("{fields:?} {} {encoding:?}: {found}", String::from_utf8_lossy(body));
            let mut headers: Vec<(&str, &[u8])> = vec![("authorization", authorization.as_bytes())];
            headers.extend(fields.iter().map(|(name, value)| (*name, value.as_bytes())));
            let mut check = check(encoding, "POST", "/process", &headers);
            let http = check.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
            http.raw_body = body.to_vec().into();
            match Answer::read(client.check(check).await.unwrap().into_inner()).unwrap() {
                Answer::Allow { set, .. } => {
                    let correlation: Value = serde_json::from_str(&set["x-identity-correlation"]).unwrap();
                    let signed = correlation["impersonateProcessValue"].as_str();
                    assert!(authorization == &entitled || signed.is_none(), "{at}");
                    assert!(values.iter().all(|value| Some(*value) == signed), "{at}: {signed:?} is signed");
                    allowed += 1;
                    named += usize::from(signed.is_some());
                }
                Answer::Deny { status, .. } => {
                    assert!([400, 403].contains(&status), "{at}: {status}");
                    kept_out += usize::from(!values.is_empty());
                }
            }
        }
    }
    // A test without any reader would prove nothing.
    assert!(allowed > 40 && named > 20 && kept_out > 100, "{allowed} {named} {kept_out}");
    sidecar.stop(Shutdown::Immediate).await;
}
