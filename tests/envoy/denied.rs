//! Invalid credentials: the exact response to the client, and modgud's log.

use super::tokens::Tokens;
use super::{ask, body, detail, logged, table, testbed};
use modgud_testbed::Setup;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    send: Vec<String>,
    detail: String,
    challenge: Option<String>,
    reason: String,
}

#[tokio::test]
async fn every_bad_credential_is_turned_away_with_exactly_this() {
    let mut testbed = testbed(Setup::default()).await;
    let tokens = Tokens::new(&testbed.key);
    for Row { name, send, detail: text, challenge, reason } in table(include_str!("../data/envoy/denied.yaml")) {
        let answer = ask(testbed.gateway, "GET", "/crm/appointment/1/", &tokens.fill(&send)).await;
        assert_eq!(answer.status, 401, "{name}");
        assert_eq!(body(&answer), detail(&text), "{name}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
        let expected = match challenge {
            None => r#"Bearer realm="modgud""#.to_owned(),
            Some(text) => {
                format!(r#"Bearer realm="modgud", error="invalid_token", error_description="{text}""#)
            }
        };
        let challenges: Vec<&str> = answer
            .headers
            .iter()
            .filter(|(name, _)| name == "www-authenticate")
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(challenges, [expected], "{name}");
        assert_eq!(logged(&mut testbed.modgud).await["reason"], *reason, "{name}");
    }
    testbed.stop().await;
}
