//! `modgud check` of a valid configuration: its summary. Start-up adds nothing to it.

use super::{OTHER_PEM, PUBLIC_PEM, files, folder, variables};
use crate::cli::process::{Output, Serving, run_in};
use crate::support::{KEY, NOW, claims};
use modgud_core::jose::VerificationKey;
use rustix::process::{Resource, Signal, getrlimit};
use std::fs;

async fn check(arguments: &[&str]) -> Output {
    run_in(&folder("good"), &variables(), &[["check"].as_slice(), arguments].concat()).await
}

/// The default of `server.max_connections`.
fn default_connections() -> u64 {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (files.saturating_sub(256) / 2).clamp(16, 4_096)
}

#[tokio::test]
async fn a_good_configuration_is_summed_up() {
    let [fingerprint, other] =
        [PUBLIC_PEM.as_str(), OTHER_PEM].map(|pem| VerificationKey::from_pem(pem).unwrap().fingerprint());
    let connections = default_connections();
    let bifrost = format!(
        "profile bifrost: valid
  checks on 127.0.0.1:9191, probes and metrics on 127.0.0.1:9192
  at most {connections} connections for checks\n  room for about 160000 verified tokens of the usual size
  authenticator bifrost: issuer `bifrost`, RS256, no audience
    key {fingerprint}: RSA 2048 bits
  15 path patterns have a rule; all other requests: authenticated
  open without a credential:
    core-public (public): every method; every host; /oauth/{{*rest}}, /health_check/{{*rest}}, /docs/{{*rest}}, \
    /complete/{{*rest}}, /disconnect/{{*rest}}, /static/{{*rest}} [profile bifrost:23:5]
  identity headers: x-core-user-uuid, x-organization-uuid, x-scope, x-username
"
    );
    let none = format!(
        "profile none: valid
  checks on 127.0.0.1:9191, probes and metrics on 127.0.0.1:9192
  at most {connections} connections for checks\n  room for about 160000 verified tokens of the usual size
  no authenticator: only public rules allow requests
  0 path patterns have a rule; all other requests: denied
  open without a credential: none
  identity headers: none
"
    );
    let two = format!(
        "two-issuers.yaml on profile none: valid
  checks on 127.0.0.1:7001, probes and metrics on [::1]:7002
  at most 100 connections for checks
  room for about 2600000 verified tokens of the usual size
  authenticator staff: issuer `https://staff.example.com`, RS256, audience modules or reports
    key {fingerprint}: RSA 2048 bits
  authenticator partners: issuer `https://partners.example.com`, RS256, audience not checked
    key {other}: RSA 2048 bits
  2 path patterns have a rule; all other requests: authenticated
  open without a credential:
    status (public): GET, HEAD; every host; /status [two-issuers.yaml:31:5]
    reports (optional): every method; every host; /reports/{{*rest}} [two-issuers.yaml:34:5]
  identity headers: x-user
  decisions in the log: none
"
    );
    // A rule of the operator's takes the place of the module's own.
    let modules = format!(
        "modules.yaml on profile none: valid
  checks on 127.0.0.1:9191, probes and metrics on 127.0.0.1:9192
  at most {connections} connections for checks\n  room for about 160000 verified tokens of the usual size
  no authenticator: only public rules allow requests
  3 path patterns have a rule; all other requests: denied
  open without a credential: none
  module crm: /crm to crm:8080
  module reports: /crm/reports/v2 to [::1]:80, restricted by an access list
  module closed: /closed to closed.example.com:443, restricted by an access list
  core: admin, oauth to core:8080
  identity headers: none
"
    );
    let kept = format!(
        "modules-kept.yaml on profile orchescala: valid
  checks on 127.0.0.1:9191, probes and metrics on 127.0.0.1:9192
  at most {connections} connections for checks\n  room for about 160000 verified tokens of the usual size
  authenticator issuer: issuer `issuer`, RS256, no audience
    key {fingerprint}: RSA 2048 bits
  2 path patterns have a rule; all other requests: authenticated
  open without a credential: none
  module users: /api/users to users:80, with the prefix
  module orders: /api to orders:80, with the prefix, restricted by an access list
  identity headers: x-user, x-identity-correlation
"
    );
    let services = format!(
        "modules-services.yaml on profile none: valid
  checks on 127.0.0.1:9191, probes and metrics on 127.0.0.1:9192
  at most {connections} connections for checks\n  room for about 160000 verified tokens of the usual size
  no authenticator: only public rules allow requests
  4 path patterns have a rule; all other requests: denied
  open without a credential: none
  module orders: /shop.Orders to orders:8443, HTTP/2, mutual TLS with orders, no timeout, with the prefix
  module chat: /chat to chat:80, WebSocket, idle timeout 86400 s, with cookies
  module reports: /reports to [::1]:443, TLS with reports.internal, timeout 0.001 s, idle timeout 0.001 s, retries 5
  module plain: /plain to plain:80, HTTP/2, retries 1
  core: admin to core:443, TLS with core, timeout 86400 s, retries 1, without cookies
  identity headers: none
"
    );
    for (arguments, expected) in [
        ([].as_slice(), bifrost.as_str()),
        (&["--profile", "none"], &none),
        (&["--config", "two-issuers.yaml"], &two),
        (&["--config", "modules.yaml"], &modules),
        (&["--config", "modules-kept.yaml"], &kept),
        (&["--config", "modules-services.yaml"], &services),
    ] {
        let output = check(arguments).await;
        assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(0), expected, ""), "{arguments:?}");
    }
}

#[tokio::test]
async fn keys_in_every_form_are_summed_up() {
    let connections = default_connections();
    let expected = format!(
        "keys-in-every-form.yaml on profile none: valid
  checks on 127.0.0.1:9191, probes and metrics on 127.0.0.1:9192
  at most {connections} connections for checks
  room for about 160000 verified tokens of the usual size
  authenticator shared: issuer `shared`, HS256, no audience
    key secret of 280 bits: HMAC 280 bits
    key secret of 336 bits: HMAC 336 bits
    key secret of 264 bits: HMAC 264 bits
    key secret of 264 bits: HMAC 264 bits
    key secret of 264 bits: HMAC 264 bits
    key secret of 312 bits: HMAC 312 bits, id `shared-1`
  authenticator jwks: issuer `jwk`, EdDSA, ES512, no audience
    key 06e3fd8fda29bb60: Ed25519 256 bits, id `ed`
    key 03e39e8fff4113bf: P-521 521 bits, id `c521`
  authenticator mesh: issuer not checked, ES256, audience spiffe://example.org/api
    key 471f7accd8b898e2: P-256 256 bits, id `Yb3vHD`
  0 path patterns have a rule; all other requests: authenticated
  open without a credential: none
  identity headers: none
"
    );
    let output = check(&["--config", "keys-in-every-form.yaml"]).await;
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(0), expected.as_str(), ""));
}

#[tokio::test]
async fn every_good_file_is_called_good() {
    for file in files(&folder("good"), "yaml") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let output = check(&["--config", name]).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{name}");
        let first = output.out.lines().next().unwrap_or_default();
        assert!(first.starts_with(&format!("{name} on profile ")) && first.ends_with(": valid"), "{name}: {first}");
    }
}

/// The flag overrides the file.
#[tokio::test]
async fn another_profile_can_be_laid_under_a_file() {
    let output = check(&["--config", "document-marks.yaml", "--profile", "none"]).await;
    assert!(output.out.starts_with("document-marks.yaml on profile none: valid\n"), "{}", output.out);
}

/// Each with its requests and its origin. A shadow rule admits no request, and is not listed.
#[tokio::test]
async fn every_rule_that_admits_requests_without_a_credential_is_listed_with_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "profile: bifrost
rules:
  - { name: page, match: { hosts: [a.example.com, '*.b.example.com'], methods: [GET], paths: [/page, '/p/{id}'] }, access: public }
  - { name: news, match: { paths: [/news] }, access: optional, when: 'request.method == \"GET\"' }
  - { name: browsers, match: { paths: ['/api/{*rest}'] }, access: preflight }
  - { name: lobby, by_name: true, access: public }
  - { name: hooks, match: { paths: [/hooks] }, access: public, allow_by_name: true }
  - { name: closed, match: { paths: ['/admin/{*rest}'] }, access: denied }
  - { name: members, match: { paths: [/members] } }
  - { name: tried, match: { paths: [/members] }, access: public, shadow: true }
";
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    let output = run_in(folder.path(), &variables(), &["check", "--config", "modgud.yaml"]).await;
    let (_, open) = output.out.split_once("  open without a credential:\n").unwrap_or_else(|| panic!("{output:?}"));
    let open: Vec<&str> = open.lines().map_while(|line| line.strip_prefix("    ")).collect();
    let expected = [
        "page (public): GET; a.example.com, *.b.example.com; /page, /p/{id} [modgud.yaml:3:5]",
        "news (optional): every method; every host; /news; only if its condition holds [modgud.yaml:4:5]",
        "browsers (preflight): OPTIONS (preflights); every host; /api/{*rest} [modgud.yaml:5:5]",
        "lobby (public): routes that name it [modgud.yaml:6:5]",
        "hooks (public): every method; every host; /hooks; routes that name it [modgud.yaml:7:5]",
    ];
    assert_eq!(open, expected);
}

/// Start-up warns about the address of the flag as `check` does about that of the file.
#[tokio::test]
async fn a_plaintext_address_beyond_this_machine_is_a_warning_at_start_up_too() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "profile: bifrost\nserver: { grpc: '0.0.0.0:0', admin: '127.0.0.1:0' }\n";
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    let serving = Serving::start_at(folder.path(), &PUBLIC_PEM, &["--config", "modgud.yaml"]).await;
    let output = serving.end(Signal::INT).await;
    assert!(output.out.contains("modgud.yaml:2:17: server.grpc: other machines can connect here"), "{output:?}");

    let flag = ["--grpc", "0.0.0.0:0", "--admin", "127.0.0.1:0"];
    let output = Serving::start_at(folder.path(), &PUBLIC_PEM, &flag).await.end(Signal::INT).await;
    assert!(output.out.contains("--grpc: server.grpc: other machines can connect here"), "{output:?}");

    let loopback = ["--config", "modgud.yaml", "--grpc", "127.0.0.1:0"];
    let output = Serving::start_at(folder.path(), &PUBLIC_PEM, &loopback).await.end(Signal::INT).await;
    assert!(!output.out.contains("other machines"), "{output:?}");
}

/// For a claim whose name has dots, the denial names the path, because the token has a claim of that very name. A present claim without a
/// value is not reported as missing.
#[tokio::test]
async fn a_denial_does_not_state_that_a_present_claim_is_missing() {
    let mut claims = claims();
    claims.push(("https://example.com/tenant".to_owned(), "t1".into()));
    claims.push(("empty".to_owned(), "".into()));
    let header = format!("Authorization: JWT {}", KEY.sign(&claims).unwrap());
    let folder = tempfile::tempdir().unwrap();
    for (require, text) in [
        ("'https://example.com/tenant'", "the token has no `com/tenant` inside `https://example`"),
        ("empty", "the token's `empty` is `null` or a text that counts as no value"),
        ("absent", "the token has no `absent`"),
    ] {
        let yaml = format!(
            "profile: bifrost\nauthenticators: [{{ name: bifrost, from: [{{ header: authorization, schemes: [JWT] }}], \
             jwt: {{ issuer: bifrost, algorithms: [RS256], keys: [{{ pem: {{ env: GOOD_KEY }} }}], require: [{require}] }} }}]\n"
        );
        fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
        let at = NOW.to_string();
        let arguments = ["explain", "--config", "modgud.yaml", "--path", "/crm/", "--header", &header, "--at", &at];
        let output = run_in(folder.path(), &variables(), &arguments).await;
        assert_eq!(output.code, Some(3), "{output:?}");
        assert!(output.out.contains(text), "{require}: {}", output.out);
    }
}

/// Every command that reads a configuration file requires its profile, and names the paths that each opens. `--profile` suffices.
#[tokio::test]
async fn every_command_asks_a_file_for_its_profile() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("modgud.yaml", "# No profile.\nmodules: [{ name: crm, prefix: /crm, upstream: 'crm:1' }]\n"),
        ("good.yaml", "profile: none\n"),
        ("cases.yaml", "- { name: one, request: { path: /crm }, expect: { decision: denied } }\n"),
        ("api.yaml", "{ openapi: 3.0.3, paths: {} }"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let commands: [&[&str]; 9] = [
        &["check", "--offline"],
        &["config"],
        &["explain"],
        &["test", "cases.yaml"],
        &["envoy"],
        &["openapi", "check", "api.yaml", "--module", "crm"],
        &["openapi", "rules", "api.yaml", "--module", "crm"],
        &["stdio"],
        &["serve", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
    ];
    let unnamed = "modgud: modgud.yaml:2:1: profile: the file does not name its profile, ";
    let opens = "`profile: bifrost` (opens `/oauth/{*rest}`, `/health_check/{*rest}`, `/docs/{*rest}`, ";
    for command in commands {
        let output = run_in(folder.path(), &variables(), &[command, &["--config", "modgud.yaml"]].concat()).await;
        assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{command:?}: {output:?}");
        assert!(output.err.starts_with(unnamed) && output.err.contains(opens), "{command:?}: {output:?}");
        if *command != ["stdio"] && command.first() != Some(&"serve") {
            let arguments = [command, &["--config", "modgud.yaml", "--profile", "bearer"]].concat();
            let output = run_in(folder.path(), &variables(), &arguments).await;
            assert!(!output.err.contains("does not name its profile"), "{command:?}: {output:?}");
        }
    }
    let shadow = ["serve", "--config", "good.yaml", "--shadow-config", "modgud.yaml"];
    let output = run_in(folder.path(), &variables(), &[&shadow, commands[8].get(1..).unwrap()].concat()).await;
    assert!(output.code == Some(1) && output.err.starts_with(unnamed), "{output:?}");
}
