//! A proof that is shown again.

use super::CONFIGURATION;
use super::holder::Holder;
use crate::decisions::DEADLINE;
use crate::decisions::answer::Answer;
use crate::reload::changing::Reported;
use crate::support::{Encoding, KEY, NOW, Sidecar};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use modgud_core::time::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use tokio::task::JoinSet;
use tonic::transport::Channel;

async fn ask(client: &mut AuthorizationClient<Channel>, check: CheckRequest) -> Answer {
    Answer::read(client.check(check).await.unwrap().into_inner()).unwrap()
}

fn refused() -> Answer {
    let algorithms = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA";
    let described = "error_description=\"The token is not valid here.\"";
    let challenge = format!(r#"DPoP realm="modgud", error="invalid_dpop_proof", {described}, algs="{algorithms}""#);
    let body = r#"{"detail":"The token is not valid here.","status":401,"title":"Unauthorized","type":"about:blank"}"#;
    Answer::Deny { status: 401, body: body.to_owned(), challenge: Some(challenge), headers: BTreeMap::new() }
}

#[tokio::test]
async fn a_proof_is_good_once() {
    let sidecar = Sidecar::with(&format!("{DEADLINE}{CONFIGURATION}")).await;
    let mut client = sidecar.client().await;
    let holder = Holder::new(&KEY);
    let proof = holder.good("/a", NOW);
    let answer = ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await;
    let Answer::Allow { set, remove, remove_query } = answer else { panic!("{answer:?}") };
    assert!(set.is_empty() && remove_query.is_empty());
    assert_eq!(remove, ["authorization".to_owned(), "dpop".to_owned()].into());
    for encoding in Encoding::ALL {
        assert_eq!(ask(&mut client, holder.check(encoding, "DPoP", "/a", &proof)).await, refused());
    }
    // Until it would not be good any more by its date.
    sidecar.clock.set(Timestamp::from_millis((NOW + 65) * 1_000 - 1));
    assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await, refused());
    sidecar.clock.set(Timestamp::from_secs(NOW + 65));
    assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await, refused());
    let another = holder.good("/a", NOW + 65);
    assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &another)).await.status(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_the_same_time_one_passes() {
    let sidecar = Sidecar::with(&format!("{DEADLINE}{CONFIGURATION}")).await;
    let holder = Holder::new(&KEY);
    let client = sidecar.client().await;
    for round in 0..5 {
        let check = holder.check(Encoding::ALL[round % 2], "DPoP", "/a", &holder.good("/a", NOW));
        let mut asked = JoinSet::new();
        for _ in 0..20 {
            let (mut client, check) = (client.clone(), check.clone());
            asked.spawn(async move { ask(&mut client, check).await });
        }
        let answers = asked.join_all().await;
        let passed = answers.iter().filter(|answer| answer.status().is_none()).count();
        assert_eq!(passed, 1, "{answers:?}");
        assert!(answers.iter().filter(|answer| answer.status().is_some()).all(|answer| *answer == refused()));
    }
}

#[tokio::test]
async fn a_changed_configuration_forgets_no_proof() {
    let sidecar = Sidecar::with_files("profile: none", &[].into()).await;
    let admin = sidecar.addresses.admin;
    let file = sidecar.folder().join("modgud.yaml");
    let mut client = sidecar.client().await;
    let mut reported = Reported::at(admin).await;
    let holder = Holder::new(&KEY);
    let proof = holder.good("/a", NOW);
    for (configuration, passes) in [("", true), ("denials: { realm: another }\n", false), ("", false)] {
        fs::write(&file, format!("{DEADLINE}{configuration}{CONFIGURATION}")).unwrap();
        sidecar.reload();
        reported = reported.more(admin).await;
        let answer = ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await;
        assert_eq!(answer.status().is_none(), passes, "{configuration}: {answer:?}");
        let fresh = holder.good("/a", NOW);
        assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &fresh)).await.status(), None);
    }
    assert_eq!(reported.accepted, 3);
}
