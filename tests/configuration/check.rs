//! `modgud check` of a configuration that is good: what it says, and that start-up has nothing to add.

use super::{OTHER_PEM, PUBLIC_PEM, files, folder, variables};
use crate::cli::process::{Said, run_in};
use modgud::jose::VerificationKey;
use rustix::process::{Resource, getrlimit};

async fn check(arguments: &[&str]) -> Said {
    run_in(&folder("good"), &variables(), &[["check"].as_slice(), arguments].concat()).await
}

#[tokio::test]
async fn a_good_configuration_is_summed_up() {
    let [fingerprint, other] =
        [PUBLIC_PEM.as_str(), OTHER_PEM].map(|pem| VerificationKey::from_pem(pem).unwrap().fingerprint());
    // As `server.max_connections` says of its default.
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = (files.saturating_sub(256) / 2).clamp(16, 4_096);
    let bifrost = format!(
        "profile bifrost: good
  checks on 0.0.0.0:9191, probes and metrics on 127.0.0.1:9192
  at most {connections} connections for checks
  authenticator bifrost: issuer `bifrost`, RS256, no audience
    key {fingerprint}: RSA 2048 bits
  15 path patterns lead to a rule; everything else: authenticated
  identity headers: x-core-user-uuid, x-organization-uuid, x-scope, x-username
"
    );
    let none = format!(
        "profile none: good
  checks on 0.0.0.0:9191, probes and metrics on 127.0.0.1:9192
  at most {connections} connections for checks
  no authenticator: only public rules let anybody through
  0 path patterns lead to a rule; everything else: denied
  identity headers: none
"
    );
    let two = format!(
        "two-issuers.yaml on profile none: good
  checks on 127.0.0.1:7001, probes and metrics on [::1]:7002
  at most 100 connections for checks
  authenticator staff: issuer `https://staff.example.com`, RS256, audience modules or reports
    key {fingerprint}: RSA 2048 bits
  authenticator partners: issuer `https://partners.example.com`, RS256, audience not checked
    key {other}: RSA 2048 bits
  2 path patterns lead to a rule; everything else: authenticated
  identity headers: x-user
"
    );
    // A rule of the operator's takes the place of the module's own.
    let modules = format!(
        "modules.yaml on profile none: good
  checks on 0.0.0.0:9191, probes and metrics on 127.0.0.1:9192
  at most {connections} connections for checks
  no authenticator: only public rules let anybody through
  3 path patterns lead to a rule; everything else: denied
  module crm: /crm to crm:8080
  module reports: /crm/reports/v2 to [::1]:80, and an access list narrows what its callers may do
  module closed: /closed to closed.example.com:443, and an access list narrows what its callers may do
  core: admin, oauth to core:8080
  identity headers: none
"
    );
    for (arguments, expected) in [
        ([].as_slice(), bifrost.as_str()),
        (&["--profile", "none"], &none),
        (&["--config", "two-issuers.yaml"], &two),
        (&["--config", "modules.yaml"], &modules),
    ] {
        let said = check(arguments).await;
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), expected, ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn every_good_file_is_called_good() {
    for file in files(&folder("good"), "yaml") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let said = check(&["--config", name]).await;
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{name}");
        let first = said.out.lines().next().unwrap_or_default();
        assert!(first.starts_with(&format!("{name} on profile ")) && first.ends_with(": good"), "{name}: {first}");
    }
}

/// The flag wins over what the file says.
#[tokio::test]
async fn another_profile_can_be_laid_under_a_file() {
    let said = check(&["--config", "nothing-but-comments.yaml", "--profile", "none"]).await;
    assert!(said.out.starts_with("nothing-but-comments.yaml on profile none: good\n"), "{}", said.out);
}
