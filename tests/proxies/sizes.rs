//! Many and long headers: a request that reaches a service has the whole identity, whatever room the proxy has left.

use super::upstream::Received;
use super::{Gateway, Kind};
use crate::envoy::tokens::{claims, jwt, sign, with};
use serde_json::json;

pub(super) async fn lose_nothing(kind: Kind) {
    let gateway = Gateway::start(kind).await;
    // Long, so that few sizes find the place where the proxy's buffer is full.
    let email = format!("{}@example.com", "e".repeat(900));
    let claims = with(with(claims(), "email", json!(email)), "username", json!("u".repeat(1000)));
    let long = jwt(&sign(&gateway.key, &claims));
    let mut refused = 0;
    for size in (8_000..16_400).step_by(300) {
        let mut lines = vec![long.clone()];
        lines.extend((0..size / 1000).map(|number| format!("Y{number}: {}", "y".repeat(size / (size / 1000)))));
        let before = gateway.upstream.requests();
        let answer = gateway.ask("GET", "/crm/a", &lines).await;
        let case = format!("{}: {size} bytes: {}", kind.name(), answer.status);
        if gateway.upstream.requests() == before {
            assert!(answer.status >= 400, "{case}");
            refused += 1;
            continue;
        }
        let received: Received = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(received.values("x-email"), [email.as_str()], "{case}");
        for name in ["x-core-user-uuid", "x-organization-uuid", "x-scope", "x-username", "authorization"] {
            assert_eq!(received.values(name).len(), 1, "{case}: {name}");
        }
    }
    assert!(refused > 0 || kind != Kind::Haproxy, "the buffer of HAProxy is never full");
    for count in [60, 80, 86, 88, 90, 92, 94, 95, 96, 97, 98, 99, 100, 101, 110] {
        let mut lines = vec![gateway.good()];
        lines.extend((0..count).map(|number| format!("Y{number}: y")));
        for (credential, lines) in [(true, lines.as_slice()), (false, &lines[1..])] {
            let before = gateway.upstream.requests();
            let answer = gateway.ask("GET", "/crm/a", lines).await;
            let arrived = gateway.upstream.requests() - before;
            let case = format!("{}: {count} headers, {credential}: {}", kind.name(), answer.status);
            assert_eq!((answer.status == 200, arrived == 1), (arrived == 1, answer.status == 200), "{case}");
            assert!(arrived == 0 || credential, "{case}");
            assert!(count > 60 || arrived == usize::from(credential), "{case}");
        }
    }
    assert_eq!(gateway.ask("GET", "/crm/a", &[gateway.good()]).await.status, 200);
    gateway.stop().await;
}
