//! Two configurations on the same checks: what differs is counted exactly, and nothing that the second one does, or can't do, changes an
//! answer.

use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::decisions::{DEADLINE, PATIENT};
use crate::introspection::asked::yaml;
use crate::introspection::server::AuthorizationServer;
use crate::sender::CONFIGURATION;
use crate::sender::holder::Holder;
use crate::support::{Encoding, KEY, NOW, STRANGER, Sidecar, check, claims, token};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;
use tokio::time::{interval, timeout};
use tonic::transport::Channel;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

const SERVES: &str = "
rules:
- { name: same, match: { paths: [/same] } }
- { name: stricter, match: { paths: [/stricter] } }
- { name: opened, match: { paths: [/opened] }, access: denied }
- { name: other-reason, match: { paths: [/other-reason] }, access: denied }
- { name: renamed, match: { paths: [/renamed] }, access: public }
- { name: told, match: { paths: [/told] } }
fallback: authenticated
";

const SHADOW: &str = "
profile: bifrost
rules:
- { name: same, match: { paths: [/same] } }
- { name: stricter, match: { paths: [/stricter] }, require: { permissions: [delete] } }
- { name: opened, match: { paths: [/opened] }, access: public }
- { name: new-name, match: { paths: [/renamed] }, access: public }
- { name: told, match: { paths: [/told] } }
- { name: tried, match: { paths: [/same] }, access: denied, shadow: true }
fallback: denied
upstream: { headers: { x-scope: { claim: username } } }
";

/// A sidecar of which checks are compared.
struct Compared {
    sidecar: Sidecar,
    client: AuthorizationClient<Channel>,
}

impl Compared {
    async fn start(serves: &str, shadow: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [[("modgud.yaml", serves), ("shadow.yaml", shadow)].as_slice(), files].concat() {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (file, shadow) = (folder.path().join("modgud.yaml"), folder.path().join("shadow.yaml"));
        let sidecar = Sidecar::compared(Some(file), folder, Some(shadow)).await;
        let client = sidecar.client().await;
        Self { sidecar, client }
    }

    /// The status of the answer; `None`: let through.
    async fn ask(&mut self, check: CheckRequest) -> Option<u16> {
        Answer::read(self.client.check(check).await.unwrap().into_inner()).unwrap().status()
    }

    /// The counters, once so many checks have been compared.
    async fn compared(&self, checks: u64) -> Counters {
        let mut looks = interval(Duration::from_millis(10));
        let all = async {
            loop {
                looks.tick().await;
                let counters = Counters::read(&self.sidecar).await;
                if counters.get("modgud_shadow_config_checks_total") >= checks {
                    return counters;
                }
            }
        };
        let counters = timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("not {checks} checks are compared"));
        assert_eq!(counters.get("modgud_shadow_config_checks_total"), checks);
        assert_eq!(counters.get("modgud_shadow_config_dropped_total"), 0);
        assert_eq!(counters.get("modgud_shadow_config_failures_total"), 0);
        counters
    }
}

/// What differed: by rule, what was done and what would have been.
fn differences(counters: &Counters) -> BTreeMap<[String; 3], u64> {
    counters.labelled("modgud_shadow_config_differences_total", ["rule", "enforced", "shadow"])
}

fn difference(rule: &str, enforced: &str, shadow: &str) -> [String; 3] {
    [rule, enforced, shadow].map(str::to_owned)
}

fn with(path: &str, token: Option<&str>) -> CheckRequest {
    let value = token.map(|token| format!("JWT {token}"));
    let headers: Vec<(&str, &[u8])> = value.iter().map(|value| ("authorization", value.as_bytes())).collect();
    check(Encoding::Raw, "GET", path, &headers)
}

#[tokio::test]
async fn every_difference_is_counted_by_rule_and_reason() {
    let mut compared = Compared::start(&format!("{PATIENT}{SERVES}"), SHADOW, &[]).await;
    let (good, forged) = (token(), STRANGER.sign(&claims()).unwrap());
    let mut asked = 0;
    for (times, path, token, status) in [
        // No difference: but for the header, which differs in each allowed response.
        (3, "/same", Some(&forged), Some(401)),
        (4, "/same", None, Some(401)),
        (5, "/renamed", None, None),
        (2, "/same/../told", Some(&good), Some(400)),
        // Allowed by both, with other headers.
        (6, "/told", Some(&good), None),
        (7, "/same", Some(&good), None),
        // Let through by one.
        (8, "/stricter", Some(&good), None),
        (9, "/opened", None, Some(403)),
        (10, "/anything", Some(&good), None),
        // By neither, and for another reason.
        (11, "/other-reason", Some(&good), Some(403)),
        (12, "/anything", None, Some(401)),
    ] {
        for _ in 0..times {
            assert_eq!(compared.ask(with(path, token.map(String::as_str))).await, status, "{path}");
        }
        asked += times;
    }
    let counters = compared.compared(asked).await;
    let expected = [
        (difference("told", "allowed", "headers"), 6),
        (difference("same", "allowed", "headers"), 7),
        (difference("stricter", "allowed", "permission_missing"), 8),
        (difference("opened", "rule_denied", "allowed"), 9),
        (difference("", "allowed", "no_rule"), 10),
        (difference("other-reason", "rule_denied", "no_rule"), 11),
        (difference("", "credential_missing", "no_rule"), 12),
    ];
    assert_eq!(differences(&counters), expected.into());
    // What answers is one configuration alone: its own counters say the same as ever, and the other's rules that are tried out nothing.
    assert_eq!(counters.decided("allowed"), 5 + 6 + 7 + 8 + 10);
    assert!(!format!("{counters:?}").contains("rule=\\\"tried"));
}

/// Each has a memory of its own of what may be shown once.
#[tokio::test]
async fn a_proof_is_shown_to_each_once() {
    let configuration = format!("{DEADLINE}{CONFIGURATION}");
    let mut compared = Compared::start(&configuration, &configuration, &[]).await;
    let holder = Holder::new(&KEY);
    let proof = holder.good("/a", NOW + 1);
    assert_eq!(compared.ask(holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await, None);
    let counters = compared.compared(1).await;
    assert_eq!(differences(&counters), BTreeMap::new());
    assert_eq!(compared.ask(holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await, Some(401));
    assert_eq!(differences(&compared.compared(2).await), BTreeMap::new());
}

/// A server that does not answer delays the shadow configuration only.
#[tokio::test]
async fn lookups_of_the_shadow_configuration_delay_no_response() {
    let asked = AuthorizationServer::of(&["good"]).await;
    asked.hold(true);
    let serves =
        "profile: none\nserver: { deadline: 10s }\nrules: [{ name: page, match: { paths: [/] }, access: public }]\n";
    let shadow = yaml(&asked, "").replace("deadline: 10s", "deadline: 1s");
    let mut compared = Compared::start(serves, &shadow, &[]).await;
    let with =
        |token: &str| check(Encoding::Joined, "GET", "/", &[("authorization", format!("Bearer {token}").as_bytes())]);
    for number in 0..10 {
        assert_eq!(compared.ask(with(&format!("token-{number}"))).await, None);
    }
    // All are answered, and none of them is compared.
    let counters = Counters::read(&compared.sidecar).await;
    assert_eq!(counters.decided("allowed"), 10);
    let counters = compared.compared(10).await;
    let expected = (difference("page", "allowed", "introspection_unavailable"), 10);
    assert_eq!(differences(&counters), [expected].into());
    asked.hold(false);
}

/// The second configuration's list of revocations is its own, and is followed.
#[tokio::test]
async fn the_list_of_revocations_is_followed() {
    let serves = format!("{PATIENT}{SERVES}");
    let shadow = format!("{serves}revocations: {{ file: revoked.yaml }}\n");
    let mut compared = Compared::start(&serves, &shadow, &[("revoked.yaml", "subjects: []")]).await;
    let good = token();
    assert_eq!(compared.ask(with("/same", Some(&good))).await, None);
    assert_eq!(differences(&compared.compared(1).await), BTreeMap::new());
    let list = "subjects: [fd76ce0c-d8be-4aa6-91ed-59e698f6af60]\n";
    fs::write(compared.sidecar.folder().join("revoked.yaml"), list).unwrap();
    let expected = difference("same", "allowed", "token_revoked");
    let mut looks = interval(Duration::from_millis(20));
    let revoked = async {
        for asked in 2.. {
            looks.tick().await;
            assert_eq!(compared.ask(with("/same", Some(&good))).await, None);
            if differences(&compared.compared(asked).await).contains_key(&expected) {
                return;
            }
        }
    };
    timeout(PATIENCE, revoked).await.unwrap_or_else(|_| panic!("the list is not followed"));
}
