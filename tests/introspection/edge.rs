//! What asks the server, without a sidecar around it: what can't be brought about from outside at will.

use super::asked::{with, yaml};
use super::server::AuthorizationServer;
use crate::support::NOW;
use modgud::clock::{Clock, ManualClock};
use modgud::config::{Config, Environment, Overrides, load};
use modgud::envoy::{Check, read};
use modgud::introspection::Introspection;
use modgud_core::authn::{IntrospectionOutcome, IntrospectionResponse, LookupResult};
use modgud_core::credential::AuthenticatorId;
use modgud_core::decide::Snapshot;
use modgud_core::http::request::RequestSettings;
use modgud_core::time::Timestamp;

fn introspection() -> Introspection {
    Introspection::new(Clock::Manual(ManualClock::new(Timestamp::from_secs(NOW))))
}

/// The snapshot of a configuration that the edge follows from now on.
fn followed(introspection: &Introspection, yaml: &str) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    std::fs::write(&file, yaml).unwrap();
    let loaded = load(Some(&file), &Overrides::default(), &Environment::fixed([])).unwrap();
    let Config { mut snapshot, introspection_sources, .. } = loaded.config;
    introspection.replace(introspection_sources, &mut snapshot.authenticators);
    snapshot
}

/// Returns true if the token is active by this configuration.
async fn is_active(introspection: &Introspection, snapshot: &Snapshot, token: &str) -> bool {
    let check = with(token);
    let request = read(&mut Check::of(&check), RequestSettings::default()).unwrap();
    let supply = introspection.introspect(&request, snapshot, AuthenticatorId(0)).await;
    matches!(supply, LookupResult::Introspection(IntrospectionOutcome::Response(IntrospectionResponse::Active(_))))
}

/// Between the look at what is known and the question, the answer may have come.
#[tokio::test]
async fn what_has_become_known_since_is_not_asked_again() {
    let server = AuthorizationServer::of(&["good"]).await;
    let introspection = introspection();
    let snapshot = followed(&introspection, &yaml(&server, ""));
    for _ in 0..3 {
        assert!(is_active(&introspection, &snapshot, "good").await);
    }
    assert_eq!(server.count(), 1);
}

/// A check that began with the configuration before may come to its question after the change.
#[tokio::test]
async fn connections_from_before_a_change_still_work() {
    let (server, other) = (AuthorizationServer::of(&["good"]).await, AuthorizationServer::start().await);
    let introspection = introspection();
    let before = followed(&introspection, &yaml(&server, ""));
    let after = followed(&introspection, &yaml(&other, ""));
    assert!(is_active(&introspection, &before, "good").await);
    assert!(!is_active(&introspection, &after, "good").await);
    assert_eq!((server.count(), other.count()), (1, 1));
}
