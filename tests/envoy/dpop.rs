//! Sender-constrained tokens behind a real Envoy: the address of a proof is the one that the client used, as Envoy
//! tells it.

use super::seen::Seen;
use super::tokens::claims;
use super::{ask, testbed};
use crate::sender::holder::Holder;
use modgud::clock::Clock;
use modgud_testbed::{Setup, Testbed};
use serde_json::Map;

const CONFIGURATION: &str = "
profile: bifrost
authenticators:
  - name: bound
    from: [{ header: authorization, schemes: [DPoP] }]
    jwt:
      issuer: bifrost
      algorithms: [RS256]
      keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }]
      sender_constraint: dpop
      require: [core_user_uuid, username]
";

/// Asks with a proof for this address.
async fn shown(testbed: &Testbed, holder: &Holder, htu: &str) -> (String, modgud_testbed::http::Exchange) {
    // One of the second in which modgud started is refused.
    let proof = holder.proof(htu, Clock::System.now().as_secs() + 1, &Map::new(), &Map::new());
    let answer = with(testbed, holder, &proof).await;
    (proof, answer)
}

async fn with(testbed: &Testbed, holder: &Holder, proof: &str) -> modgud_testbed::http::Exchange {
    let lines = [format!("Authorization: DPoP {}", holder.token), format!("DPoP: {proof}")];
    ask(testbed.gateway, "GET", "/crm/a?b=c", &lines).await
}

#[tokio::test]
async fn a_proof_is_for_the_address_that_the_client_used() {
    let testbed = testbed(Setup { config: Some(CONFIGURATION), ..Setup::default() }).await;
    let holder = Holder::with(&testbed.key, claims());
    let (proof, answer) = shown(&testbed, &holder, "http://api.example.com/crm/a").await;
    let seen = Seen::of(&answer);
    // The profile forwards the token; the proof is for modgud only.
    assert_eq!(seen.values("authorization"), [format!("JWT {}", holder.token)]);
    assert!(seen.values("dpop").is_empty(), "{seen:?}");
    assert_eq!(with(&testbed, &holder, &proof).await.status, 401);
    for elsewhere in ["https://api.example.com/crm/a", "http://api.example.com/a", "http://www.example.com/crm/a"] {
        let (_, answer) = shown(&testbed, &holder, elsewhere).await;
        assert_eq!(answer.status, 401, "{elsewhere}");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("DPoP realm=\"modgud\", error=\"invalid_dpop_proof\"")
        );
    }
    testbed.stop().await;
}

/// TLS is ended before Envoy, and nothing in front of it says so.
#[tokio::test]
async fn tls_that_ends_before_envoy_is_reported_to_modgud() {
    let config = Some(&*format!("{CONFIGURATION}request: {{ scheme: https }}\n").leak());
    let testbed = testbed(Setup { config, ..Setup::default() }).await;
    let holder = Holder::with(&testbed.key, claims());
    let (_, answer) = shown(&testbed, &holder, "https://api.example.com/crm/a").await;
    assert_eq!(Seen::of(&answer).module, "crm");
    let (_, answer) = shown(&testbed, &holder, "http://api.example.com/crm/a").await;
    assert_eq!(answer.status, 401);
    testbed.stop().await;
}
