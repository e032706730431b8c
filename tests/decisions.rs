//! The decision tables in `tests/data/decisions`: every case is asked of a running modgud through gRPC, in both encodings of
//! headers, and the whole answer is compared. The folder's README describes the tables.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

pub(crate) mod answer;
pub(crate) mod counters;
mod explained;
mod message;
mod over_http;
mod table;
mod text;
mod token;

use crate::support::{Encoding, NOW, STRANGER, Sidecar};
use answer::Answer;
use counters::Counters;
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use table::{Case, Expected, Table};
use tonic::transport::Channel;

/// The topics: a file each.
const TOPICS: [&str; 27] = [
    "api-keys",
    "bearer",
    "claims-and-time",
    "claims-per-issuer",
    "clients",
    "conditions",
    "configurations",
    "context",
    "correlation",
    "credentials",
    "denials",
    "identity-headers",
    "case-and-suffixes",
    "modules",
    "mtls",
    "overrides",
    "paths-and-hosts",
    "places",
    "preflight",
    "requirements",
    "reserved-names",
    "revocations",
    "sender",
    "shadow",
    "templates",
    "token-requirements",
    "tokens",
];

/// Reasons that no request can cause by what it says: `tests/guarantee.rs` has them.
const NOT_BY_A_REQUEST: [Reason; 12] = [
    Reason::DeadlineExceeded,
    Reason::Overloaded,
    Reason::Internal,
    // `tests/guarantee/messages.rs` has it.
    Reason::RequestTooLarge,
    // More keys than are tried: the tests of `jose::verify` have it.
    Reason::KeyAmbiguous,
    // Each of these needs a provider.
    Reason::KeyUnknown,
    Reason::KeysUnavailable,
    Reason::IntrospectionUnavailable,
    Reason::TokenInactive,
    // Each of these needs an authenticator of one's own: `tests/custom.rs` has them.
    Reason::CredentialRefused,
    Reason::CallerRefused,
    Reason::AuthenticatorUnavailable,
];

/// A check is answered in its own time here, also on a busy machine: the deadline is another test's.
pub(crate) const PATIENT: &str = "profile: bifrost\nserver: { deadline: 10s }\n";

/// The same deadline, for a configuration that names its own profile.
pub(crate) const DEADLINE: &str = "server: { deadline: 10s }\n";

#[tokio::test]
async fn claims_and_time() {
    run("claims-and-time").await;
}

#[tokio::test]
async fn templates() {
    run("templates").await;
}

#[tokio::test]
async fn token_requirements() {
    run("token-requirements").await;
}

#[tokio::test]
async fn claims_per_issuer() {
    run("claims-per-issuer").await;
}

#[tokio::test]
async fn clients() {
    run("clients").await;
}

#[tokio::test]
async fn api_keys() {
    run("api-keys").await;
}

#[tokio::test]
async fn places() {
    run("places").await;
}

#[tokio::test]
async fn case_and_suffixes() {
    run("case-and-suffixes").await;
}

#[tokio::test]
async fn modules() {
    run("modules").await;
}

#[tokio::test]
async fn mtls() {
    run("mtls").await;
}

#[tokio::test]
async fn sender() {
    run("sender").await;
}

#[tokio::test]
async fn shadow() {
    run("shadow").await;
}

#[tokio::test]
async fn requirements() {
    run("requirements").await;
}

#[tokio::test]
async fn conditions() {
    run("conditions").await;
}

#[tokio::test]
async fn revocations() {
    run("revocations").await;
}

#[tokio::test]
async fn configurations() {
    run("configurations").await;
}

#[tokio::test]
async fn context() {
    run("context").await;
}

#[tokio::test]
async fn preflight() {
    run("preflight").await;
}

#[tokio::test]
async fn credentials() {
    run("credentials").await;
}

#[tokio::test]
async fn bearer() {
    run("bearer").await;
}

#[tokio::test]
async fn overrides() {
    run("overrides").await;
}

#[tokio::test]
async fn correlation() {
    run("correlation").await;
}

#[tokio::test]
async fn denials() {
    run("denials").await;
}

#[tokio::test]
async fn identity_headers() {
    run("identity-headers").await;
}

#[tokio::test]
async fn paths_and_hosts() {
    run("paths-and-hosts").await;
}

#[tokio::test]
async fn reserved_names() {
    run("reserved-names").await;
}

#[tokio::test]
async fn tokens() {
    run("tokens").await;
}

#[test]
fn every_table_is_run() {
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned))
        .collect();
    assert_eq!(files, TOPICS.map(str::to_owned).into());
    // A topic on the list is explained, which does not say that it is run.
    let source = include_str!("decisions.rs");
    let left_out: Vec<&str> =
        TOPICS.into_iter().filter(|topic| !source.contains(&format!("    run(\"{topic}\").await;"))).collect();
    assert!(left_out.is_empty(), "tables that no test runs: {left_out:?}");
}

#[test]
fn every_reason_that_a_request_can_cause_has_a_case() {
    let expected: HashSet<&str> =
        Reason::ALL.iter().filter(|reason| !NOT_BY_A_REQUEST.contains(reason)).map(|reason| reason.code()).collect();
    let tables: Vec<Table> = TOPICS.iter().map(|topic| Table::read(&folder(), topic)).collect();
    let found: HashSet<&str> = tables.iter().flat_map(Table::reasons).collect();
    assert_eq!(found, expected);
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/decisions")
}

/// Asks every case of a table, and tells all that came out otherwise at once.
async fn run(topic: &str) {
    let table = Table::read(&folder(), topic);
    let mut benches = HashMap::new();
    let mut wrong = Vec::new();
    for case in &table.cases {
        if !benches.contains_key(&case.configuration) {
            benches.insert(case.configuration.clone(), Bench::set_up(&table.configuration(case), &table.files).await);
        }
        let bench = benches.get_mut(&case.configuration).unwrap();
        // The first time a token is new, and then it is in the cache.
        for encoding in case.encodings() {
            if let Err(problem) = bench.ask(case, table.expected(case), encoding).await {
                wrong.push(format!("{topic}: {} ({encoding:?}): {problem}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases came out otherwise:\n{}", wrong.len(), wrong.join("\n"));
    let unused: Vec<_> = table.configurations.keys().filter(|name| !benches.contains_key(*name)).collect();
    assert!(unused.is_empty(), "{topic}: configurations that no case uses: {unused:?}");
}

/// A configuration with the key that the tables call `{stranger_pem}`.
fn with_stranger(configuration: &str) -> String {
    configuration.replace("{stranger_pem}", &serde_json::to_string(&STRANGER.public_pem().unwrap()).unwrap())
}

/// A sidecar of one configuration, asked by one case at a time, so that its counters tell what became of that case.
struct Bench {
    sidecar: Sidecar,
    client: AuthorizationClient<Channel>,
    counters: Counters,
}

impl Bench {
    async fn set_up(configuration: &str, files: &BTreeMap<String, String>) -> Self {
        let yaml = with_stranger(configuration);
        let yaml = if yaml.is_empty() { PATIENT.to_owned() } else { format!("{DEADLINE}{yaml}") };
        let sidecar = Sidecar::with_files(&yaml, files).await;
        let client = sidecar.client().await;
        let counters = Counters::read(&sidecar).await;
        Self { sidecar, client, counters }
    }

    async fn ask(&mut self, case: &Case, expected: Expected<'_>, encoding: Encoding) -> Result<(), String> {
        let token = token::make(case.token.as_ref());
        self.sidecar.clock.set(Timestamp::from_secs(case.at.unwrap_or(NOW)));
        let before = self.counters.clone();
        let (answer, reason) = self.answer(message::message(case, &token, encoding)).await?;
        let (tried, expected_trial) = (self.counters.tried_since(&before), Vec::from_iter(case.shadow.clone()));
        if tried != expected_trial {
            return Err(format!("tried out: {tried:?}\n    expected {expected_trial:?}"));
        }
        table::compare(expected, &answer, &reason, &token, &self.sidecar.own_headers)
    }

    /// The answer to a check, and the reason that was counted for it (none when it was let through).
    async fn answer(&mut self, check: CheckRequest) -> Result<(Answer, String), String> {
        let answer = self.client.check(check).await;
        let answer = answer.map_err(|status| format!("a gRPC error: {status}"))?.into_inner();

        let counters = Counters::read(&self.sidecar).await;
        let counted = counters.reasons_since(&self.counters);
        self.counters = counters;
        match <[String; 1]>::try_from(counted) {
            Ok([reason]) => Ok((Answer::read(answer)?, reason)),
            Err(counted) => Err(format!("counted as {counted:?}, and not as one check")),
        }
    }
}

/// `deploy/modgud.yaml`, with the profile's authenticator and with the one that the file itself shows, has no leeway: it denies a token whose
/// `exp` is one second past, or whose `iat` is one second ahead.
#[tokio::test]
async fn the_sample_for_deployment_has_no_leeway() {
    let sample = std::fs::read_to_string(folder().join("../../../deploy/modgud.yaml")).unwrap();
    let sample = sample.replace("deadline: 150ms", "deadline: 10s");
    let commented = sample.split_once("# authenticators:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let shown = commented.replace("\n# ", "\n").replacen("# ", "", 1);
    let key = "pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST }";
    let shown = shown.replace("pem: { file: /etc/modgud/bifrost.pub.pem }", key);
    let shown = shown.replace("        - pem: { file: /etc/modgud/bifrost-next.pub.pem }\n", "");
    let own = format!("{sample}\nauthenticators:\n{shown}\n");
    assert!(own.contains("\nauthenticators:\n  - name: bifrost\n"), "{own}");
    for yaml in [sample, own] {
        let sidecar = Sidecar::with(&yaml).await;
        let mut client = sidecar.client().await;
        let authorization = format!("JWT {}", crate::support::KEY.sign(&crate::support::claims()).unwrap());
        let headers: &[(&str, &[u8])] = &[("authorization", authorization.as_bytes())];
        for (at, status) in [(NOW - 1, 401), (NOW, 0), (NOW + 35_999, 0), (NOW + 36_000, 401), (NOW + 36_001, 401)] {
            sidecar.clock.set(Timestamp::from_secs(at));
            let check = crate::support::check(Encoding::Joined, "GET", "/crm/a", headers);
            let found = match Answer::read(client.check(check).await.unwrap().into_inner()).unwrap() {
                Answer::Allow { .. } => 0,
                Answer::Deny { status, .. } => status,
            };
            assert_eq!(found, status, "at {at}:\n{yaml}");
        }
        sidecar.stop(modgud::server::app::Shutdown::Immediate).await;
    }
}

/// An Envoy with `allowed_headers` does not show modgud all that a request carries: each of modgud's own headers is written or removed all the
/// same, so that a forged one that was not shown reaches no module. (Other spellings of it, and override headers, have to be shown.)
#[tokio::test]
async fn forged_identity_headers_that_envoy_does_not_show_are_removed() {
    const CONFIG: &str = "
profile: bifrost
server: { deadline: 10s }
rules:
  - { name: public, match: { paths: ['/site/{*rest}'] }, access: public }
  - { name: optional, match: { paths: ['/news/{*rest}'] }, access: optional }
  - { name: browsers, match: { paths: ['/app/{*rest}'] }, access: preflight }
";
    const OURS: [&str; 4] = ["x-core-user-uuid", "x-organization-uuid", "x-scope", "x-username"];
    let sidecar = Sidecar::with(CONFIG).await;
    let mut client = sidecar.client().await;
    let mut claims = crate::support::claims();
    claims.retain(|(name, _)| name != "organization_uuid" && name != "scope");
    let token = format!("JWT {}", crate::support::KEY.sign(&claims).unwrap());
    let preflight: &[(&str, &[u8])] =
        &[("origin", b"https://app.example.com"), ("access-control-request-method", b"PUT")];
    for (method, path, headers, written) in [
        ("GET", "/site/a", &[][..], &[][..]),
        ("GET", "/news/a", &[], &[]),
        ("OPTIONS", "/app/a", preflight, &[]),
        ("GET", "/crm/a", &[("authorization", token.as_bytes())], &["x-core-user-uuid", "x-username"]),
    ] {
        for encoding in Encoding::ALL {
            let check = crate::support::check(encoding, method, path, headers);
            let answer = Answer::read(client.check(check).await.unwrap().into_inner()).unwrap();
            let Answer::Allow { set, remove, .. } = answer else { panic!("{path}: {answer:?}") };
            for name in OURS {
                assert_eq!(set.contains_key(name), written.contains(&name), "{path}: {name}");
                assert_eq!(remove.contains(name), !written.contains(&name), "{path}: {name}");
            }
        }
    }
    sidecar.stop(modgud::server::app::Shutdown::Immediate).await;
}
