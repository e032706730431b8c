//! How long a minted token lives, and when it is minted anew.

use super::{minted, minting, private, published, sidecar, verified, with_claims};
use crate::support::NOW;
use modgud::server::app::Shutdown;
use modgud_core::jose::Algorithm;
use modgud_core::time::Timestamp;
use serde_json::json;

#[tokio::test]
async fn a_token_is_used_again_while_half_of_its_time_is_left() {
    let sidecar = sidecar(&minting(Algorithm::EdDsa, ""), &private(Algorithm::EdDsa)).await;
    let at = |second: u64| sidecar.clock.set(Timestamp::from_secs(NOW + second));
    let keys = published(&sidecar).await;
    let first = minted(&sidecar, with_claims(&[])).await;
    for second in [0, 1, 29, 30] {
        at(second);
        assert_eq!(minted(&sidecar, with_claims(&[])).await, first, "after {second} s");
    }
    sidecar.clock.set(Timestamp::from_millis((NOW + 30) * 1_000 + 1));
    let second = minted(&sidecar, with_claims(&[])).await;
    assert_ne!(second, first);
    let claims = verified(&second, &keys);
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(NOW + 30), &json!(NOW + 90)));
    assert_ne!(claims["jti"], verified(&first, &keys)["jti"]);
    // A clock that is set back: none of the future is handed on.
    at(10);
    assert_eq!(verified(&minted(&sidecar, with_claims(&[])).await, &keys)["iat"], json!(NOW + 10));
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn callers_share_no_token() {
    let sidecar =
        sidecar(&minting(Algorithm::EdDsa, "claims: { username: { claim: username } }"), &private(Algorithm::EdDsa))
            .await;
    let keys = published(&sidecar).await;
    for (name, subject) in [("a", "1"), ("b", "1"), ("a", "2"), ("a", "1")] {
        let check = with_claims(&[("username", json!(name)), ("core_user_uuid", json!(subject))]);
        let claims = verified(&minted(&sidecar, check).await, &keys);
        assert_eq!((&claims["username"], &claims["sub"]), (&json!(name), &json!(subject)));
    }
    // Callers with equal claims for modules get the same token, whatever their other claims.
    let one = minted(&sidecar, with_claims(&[("jti", json!("1"))])).await;
    assert_eq!(minted(&sidecar, with_claims(&[("jti", json!("2"))])).await, one);
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn no_token_outlives_the_clients_own() {
    let sidecar = sidecar(&minting(Algorithm::EdDsa, "lifetime: 1h"), &private(Algorithm::EdDsa)).await;
    let keys = published(&sidecar).await;
    for (client, expected) in [(NOW + 20, NOW + 20), (NOW + 3_599, NOW + 3_599), (NOW + 36_000, NOW + 3_600)] {
        let first = minted(&sidecar, with_claims(&[("exp", json!(client))])).await;
        assert_eq!(verified(&first, &keys)["exp"], json!(expected), "{client}");
    }
    // A new one could be no longer, so the first is used to the end.
    let first = minted(&sidecar, with_claims(&[("exp", json!(NOW + 20))])).await;
    sidecar.clock.set(Timestamp::from_secs(NOW + 19));
    assert_eq!(minted(&sidecar, with_claims(&[("exp", json!(NOW + 20))])).await, first);
    sidecar.stop(Shutdown::Immediate).await;
}
