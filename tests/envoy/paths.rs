//! What modgud decided on is what the module gets, whatever way the client wrote it.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign};
use super::{body, detail, keeps_parameters_of_dot_segments, logged, table, testbed};
use modgud_testbed::Setup;
use modgud_testbed::http::Exchange;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    sent: String,
    status: u16,
    by: Option<By>,
    decided: Option<String>,
    module: Option<String>,
    sees: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
enum By {
    Modgud,
    Envoy,
}

#[tokio::test]
async fn what_was_decided_on_is_what_the_module_gets() {
    let config = Some("profile: bifrost\ntelemetry: { decisions: all }");
    let mut testbed = testbed(Setup { config, ..Setup::default() }).await;
    let jwt = jwt(&sign(&testbed.key, &claims()));
    for row in table::<Row>(include_str!("../data/envoy/paths.yaml")) {
        let sent = &row.sent;
        let request = format!("GET {sent} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{jwt}\r\n\r\n");
        let answer = Exchange::raw(testbed.gateway, request.as_bytes()).await.unwrap();
        if keeps_parameters_of_dot_segments(sent) {
            assert_eq!(
                (answer.status, &logged(&mut testbed.modgud).await["reason"]),
                (400, &"path_ambiguous".into()),
                "{sent}"
            );
            continue;
        }
        assert_eq!(answer.status, row.status, "{sent}");
        match (&row.by, &row.decided, &row.module, &row.sees) {
            (None, Some(decided), Some(module), Some(sees)) => {
                let got = Seen::of(&answer);
                assert_eq!((&got.module, &got.path), (module, sees), "{sent}");
                let event = logged(&mut testbed.modgud).await;
                assert_eq!(
                    (&event["decision"], &event["url.path"]),
                    (&"allowed".into(), &decided.as_str().into()),
                    "{sent}"
                );
                // Of `/crm` and of `/crm/` Envoy's rewrite makes `/`; no rule can tell them apart either.
                let (forwarded, decided) = (module_path(&got), decided.trim_end_matches('/'));
                assert_eq!(forwarded.trim_end_matches('/'), decided, "{sent}: decided on one path, forwarded another");
            }
            (Some(By::Modgud), None, None, None) => {
                let text = match row.status {
                    400 => "The path must be in its normal form.",
                    403 => "You do not have permission to perform this action.",
                    other => panic!("{sent}: the table expects {other} of modgud"),
                };
                assert_eq!(body(&answer), detail(text), "{sent}");
                let reason = if row.status == 400 { "path_ambiguous" } else { "rule_denied" };
                assert_eq!(logged(&mut testbed.modgud).await["reason"], reason, "{sent}");
            }
            // Had modgud been asked, the next row would find its line in the log.
            (Some(By::Envoy), None, None, None) => assert!(answer.json().is_null(), "{sent}: {}", body(&answer)),
            _ => panic!("{sent}: the row says neither who refuses it nor what arrives where"),
        }
    }
    testbed.stop().await;
}

/// The path as the module's author understands it, with the segment that the module is known by.
pub(super) fn module_path(seen: &Seen) -> String {
    let path = seen.path.split('?').next().unwrap_or_default();
    let decoded = percent_decoded(path);
    match seen.module.as_str() {
        "core" => decoded,
        module => format!("/{module}{decoded}"),
    }
}

/// Plain decoding, once, as any server does it.
fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let (b'%', Some(byte)) = (first, hex) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}
