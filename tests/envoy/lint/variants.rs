//! Each variant is found: exactly its code, at its path. What `modgud envoy` writes has no finding.

use super::patch::apply;
use super::{CONFIG, Place, Variant, found, report, variants, written};
use modgud::envoy::lint::{Code, Kind};
use std::collections::BTreeSet;

#[tokio::test]
async fn each_variant_is_found_with_its_code_at_its_path() {
    let (loaded, plain) = written(CONFIG, &[]).await;
    assert_eq!(found(&report(&[&plain], Some(&loaded))), []);
    for Variant { code, name, path, config, given, patch, also, .. } in variants() {
        let own = match &config {
            Some(config) => Some(written(config, &[]).await),
            None => None,
        };
        let (loaded, plain) = own.as_ref().map_or((&loaded, &plain), |(loaded, plain)| (loaded, plain));
        let mut varied = plain.clone();
        apply(&mut varied, &given);
        if code == "admin-exposed" {
            add_admin(&mut varied);
        }
        let before: Vec<&str> = found(&report(&[&varied], Some(loaded))).iter().map(|(code, _)| *code).collect();
        assert_eq!(before, also, "{code} {name}: given");
        apply(&mut varied, &patch);
        let report = report(&[&varied], Some(loaded));
        let mut all = found(&report);
        all.retain(|(code, _)| !also.iter().any(|other| other == code));
        assert_eq!(all, [(code.as_str(), Place::path(&path).as_str())], "{name}: {:#?}", report.findings);
    }
}

/// The cluster of the health listener.
pub(super) fn add_admin(root: &mut serde_json::Value) {
    let admin = root["admin"]["address"].clone();
    let cluster = serde_json::json!({
        "name": "envoy admin", "type": "STATIC",
        "load_assignment": {
            "cluster_name": "envoy admin", "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": admin } }] }],
        },
    });
    root["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster);
}

/// A hole without a proof would be a guess.
#[test]
fn each_code_has_a_variant_and_each_hole_an_attack() {
    let variants = variants();
    let known: BTreeSet<&str> = variants.iter().map(|variant| variant.code.as_str()).collect();
    assert_eq!(known, Code::ALL.iter().map(|code| code.name()).collect());
    for code in Code::ALL.iter().filter(|code| code.kind() == Kind::Hole) {
        let own = || variants.iter().filter(|variant| variant.code == code.name());
        assert!(own().all(|variant| variant.send.is_some()), "{code}");
    }
    let breaks = Code::ALL.iter().filter(|code| code.kind() == Kind::Breaks);
    let untried = breaks.filter(|code| {
        !variants.iter().any(|one| one.code == code.name() && (one.send.is_some() || one.refused.is_some()))
    });
    // These have tests of their own: in `tried`, in `mtls`, `bodies` and `orchescala`.
    let untried: Vec<&str> = untried.map(|code| code.name()).collect();
    assert_eq!(untried, ["no-service", "timeout", "no-timeout", "body-withheld", "peer-certificate"]);
}

/// Without modgud's configuration the checks against it are named, and all others run.
#[tokio::test]
async fn without_a_configuration_the_other_checks_run() {
    let (_, plain) = written(CONFIG, &[]).await;
    let own = report(&[&plain], None);
    assert_eq!(found(&own), []);
    assert!(own.not_checked.contains(&Code::Timeout) && !own.not_checked.contains(&Code::FailOpen));
    for Variant { code, name, path, config, given, patch, also, .. } in variants() {
        let needs = Code::ALL.iter().any(|known| known.name() == code && known.needs_config());
        let by_names =
            ["headers-withheld", "mutations-skipped", "mutations-lost", "early-removal", "other-service"].contains(&code.as_str());
        if config.is_some() || needs || by_names {
            continue;
        }
        let mut varied = plain.clone();
        if code == "admin-exposed" {
            add_admin(&mut varied);
        }
        apply(&mut varied, &given);
        apply(&mut varied, &patch);
        let report = report(&[&varied], None);
        let mut all = found(&report);
        all.retain(|(code, _)| !also.iter().any(|other| other == code));
        assert_eq!(all, [(code.as_str(), Place::path(&path).as_str())], "{name}");
    }
}
