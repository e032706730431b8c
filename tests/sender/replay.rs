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

/// When proofs are made: after the second in which the sidecar starts.
const MADE: u64 = NOW + 1;

async fn ask(client: &mut AuthorizationClient<Channel>, check: CheckRequest) -> Answer {
    Answer::read(client.check(check).await.unwrap().into_inner()).unwrap()
}

fn refused() -> Answer {
    let algorithms = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA";
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
    let proof = holder.good("/a", MADE);
    let answer = ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await;
    let Answer::Allow { set, remove, remove_query } = answer else { panic!("{answer:?}") };
    assert!(set.is_empty() && remove_query.is_empty());
    assert_eq!(remove, ["authorization".to_owned(), "dpop".to_owned()].into());
    for encoding in Encoding::ALL {
        assert_eq!(ask(&mut client, holder.check(encoding, "DPoP", "/a", &proof)).await, refused());
    }
    // Until it would not be good any more by its date.
    sidecar.clock.set(Timestamp::from_millis((MADE + 65) * 1_000 - 1));
    assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await, refused());
    sidecar.clock.set(Timestamp::from_secs(MADE + 65));
    assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await, refused());
    let another = holder.good("/a", MADE + 65);
    assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &another)).await.status(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_the_same_time_one_passes() {
    let sidecar = Sidecar::with(&format!("{DEADLINE}{CONFIGURATION}")).await;
    let holder = Holder::new(&KEY);
    let client = sidecar.client().await;
    for round in 0..5 {
        let check = holder.check(Encoding::ALL[round % 2], "DPoP", "/a", &holder.good("/a", MADE));
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
    let proof = holder.good("/a", MADE);
    for (configuration, passes) in [("", true), ("denials: { realm: another }\n", false), ("", false)] {
        fs::write(&file, format!("{DEADLINE}{configuration}{CONFIGURATION}")).unwrap();
        sidecar.reload();
        reported = reported.more(admin).await;
        let answer = ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &proof)).await;
        assert_eq!(answer.status().is_none(), passes, "{configuration}: {answer:?}");
        let fresh = holder.good("/a", MADE);
        assert_eq!(ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &fresh)).await.status(), None);
    }
    assert_eq!(reported.accepted, 3);
}

/// A reload lets proofs be older, or newer, than before: one that was accepted is refused for as long as any configuration of this
/// process takes one of its age, however short the one was under which it was accepted.
#[tokio::test]
async fn a_reload_that_lengthens_lifetime_or_leeway_lets_no_proof_be_replayed() {
    const SHORT: &str = "      proof_lifetime: 10s\n      leeway: 1s\n";
    const LIFETIME: &str = "      proof_lifetime: 5m\n      leeway: 1s\n";
    const LEEWAY: &str = "      proof_lifetime: 10s\n      leeway: 5m\n";
    let holder = Holder::new(&KEY);
    for longer in [LIFETIME, LEEWAY] {
        let serves = |keys: &str| format!("{DEADLINE}{CONFIGURATION}{keys}");
        let sidecar = Sidecar::with_files(&serves(SHORT), &[].into()).await;
        let (admin, folder) = (sidecar.addresses.admin, sidecar.folder());
        let mut client = sidecar.client().await;
        let mut passes = async |proof: &str| {
            let answer = ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", proof)).await;
            assert!(answer.status().is_none() || answer == refused(), "{answer:?}");
            answer.status().is_none()
        };
        let reload = async |keys: &str| {
            let reported = Reported::at(admin).await;
            // It is noticed without a word, and so reported once.
            fs::write(folder.join("new.yaml"), serves(keys)).unwrap();
            fs::rename(folder.join("new.yaml"), folder.join("modgud.yaml")).unwrap();
            assert_eq!(reported.more(admin).await.accepted, reported.accepted + 1);
        };
        let at = |seconds: u64| sidecar.clock.set(Timestamp::from_secs(MADE + seconds));
        at(0);
        // Three that were accepted; the last of them while the second was being forgotten.
        let (first, second) = (holder.good("/a", MADE), holder.good("/a", MADE + 1));
        assert!(passes(&first).await && passes(&second).await, "{longer}");
        at(60);
        assert!(!passes(&first).await, "{longer}: too old under the short one");
        let third = holder.good("/a", MADE + 60);
        assert!(passes(&third).await, "{longer}");

        reload(longer).await;
        for proof in [&first, &second, &third] {
            assert!(!passes(proof).await, "{longer}: replayed after the reload");
        }
        // A new proof as old as the first two counts as replayed; a newer one does not.
        assert!(!passes(&holder.good("/a", MADE)).await, "{longer}");
        assert!(passes(&holder.good("/a", MADE + 61)).await, "{longer}");

        // And back and forth again, with the clock set forward and back between.
        reload(SHORT).await;
        let fourth = holder.good("/a", MADE + 61);
        assert!(passes(&fourth).await, "{longer}");
        at(400);
        assert!(passes(&holder.good("/a", MADE + 400)).await, "{longer}");
        at(62);
        for proof in [&first, &second, &third, &fourth] {
            assert!(!passes(proof).await, "{longer}: replayed after the clock went back");
        }
        reload(longer).await;
        for proof in [&first, &second, &third, &fourth] {
            assert!(!passes(proof).await, "{longer}: replayed after the second reload");
        }
    }
}

/// The process before may have accepted it.
#[tokio::test]
async fn a_proof_of_before_the_start_or_of_its_second_is_refused() {
    let sidecar = Sidecar::with(&format!("{DEADLINE}{CONFIGURATION}")).await;
    let mut client = sidecar.client().await;
    let holder = Holder::new(&KEY);
    for (made, good) in [(NOW - 1, false), (NOW, false), (MADE, true)] {
        let answer = ask(&mut client, holder.check(Encoding::Raw, "DPoP", "/a", &holder.good("/a", made))).await;
        assert_eq!(answer.status().is_none(), good, "{made}: {answer:?}");
    }
}
