//! `modgud test`: a team's own cases, run as the team would run them. The case files are in `tests/data/policy`.

use crate::cli::process::{Output, run_in};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/policy")
}

/// Runs `modgud test` without any environment variable.
async fn test(folder: &Path, arguments: &[&str]) -> Output {
    run_in(folder, &[], &[["test"].as_slice(), arguments].concat()).await
}

#[tokio::test]
async fn good_cases_pass_without_any_variable() {
    let result = test(&folder(), &["--config", "modgud.yaml", "good.yaml"]).await;
    let expected = fs::read_to_string(folder().join("good.txt")).unwrap();
    assert_eq!((result.code, result.out, result.err), (Some(0), expected, String::new()));
}

#[tokio::test]
async fn cases_of_the_profile_pass_without_a_file() {
    let result = test(&folder(), &["bifrost.yaml"]).await;
    assert_eq!((result.code, result.err.as_str()), (Some(0), ""), "{}", result.out);
    assert!(result.out.ends_with(" passed, 0 failed\n"), "{}", result.out);
}

/// A failed case is reported with the expected and the actual result, and why.
#[tokio::test]
async fn failed_cases_are_reported_with_the_actual_result() {
    let result = test(&folder(), &["--config", "modgud.yaml", "failing.yaml"]).await;
    let expected = fs::read_to_string(folder().join("failing.txt")).unwrap();
    assert_eq!((result.code, result.out, result.err), (Some(1), expected, String::new()));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Malformed {
    what: String,
    cases: String,
    says: String,
}

#[tokio::test]
async fn malformed_case_files_are_refused_with_the_place() {
    let rows: Vec<Malformed> =
        serde_saphyr::from_str(&fs::read_to_string(folder().join("malformed.yaml")).unwrap()).unwrap();
    assert!(!rows.is_empty());
    let folder = TempDir::new().unwrap();
    for Malformed { what, cases, says } in rows {
        fs::write(folder.path().join("cases.yaml"), cases).unwrap();
        let result = test(folder.path(), &["cases.yaml"]).await;
        assert_eq!((result.code, result.err.as_str()), (Some(1), says.as_str()), "{what}: {}", result.out);
    }
}

#[tokio::test]
async fn unreadable_files_are_named() {
    let result = test(&folder(), &["nope.yaml"]).await;
    let expected = "modgud: nope.yaml can't be read: No such file or directory (os error 2)\n";
    assert_eq!((result.code, result.err.as_str()), (Some(1), expected));
    let result = test(&folder(), &["--config", "nope.yaml", "good.yaml"]).await;
    assert_eq!(
        (result.code, result.err.as_str()),
        (
            Some(1),
            "modgud: nope.yaml: the file can't be read: No such file or directory (os error 2) [file-unreadable]\n"
        )
    );
    let result = test(&folder(), &["--config", "modgud.yaml", "good.yaml", "--junit", "nope/report.xml"]).await;
    let expected = "modgud: nope/report.xml can't be written: No such file or directory (os error 2)\n";
    assert_eq!((result.code, result.err.as_str()), (Some(1), expected));
    assert_eq!(test(&folder(), &[]).await.code, Some(2));
}

/// Missing files are named, so that their effect on a denial is clear.
#[tokio::test]
async fn tables_that_are_not_there_are_named() {
    let folder = TempDir::new().unwrap();
    let yaml = "profile: bifrost\nauthenticators:\n  - { name: partners, from: [{ header: x-api-key }], api_key: { file: keys.yaml } }\n\
        revocations: { file: revoked.yaml }\n";
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    let cases = "- { name: public, request: { path: /docs/ }, expect: { decision: allowed } }\n";
    fs::write(folder.path().join("cases.yaml"), cases).unwrap();
    let result = test(folder.path(), &["--config", "modgud.yaml", "cases.yaml"]).await;
    assert_eq!((result.code, result.err.as_str()), (Some(0), ""), "{result:?}");
    for name in ["keys.yaml", "revoked.yaml"] {
        let note = format!("note    {name} does not exist, and counts as empty\n");
        assert!(result.out.contains(&note), "{}", result.out);
        fs::write(folder.path().join(name), if name == "keys.yaml" { "[]" } else { "{}" }).unwrap();
    }
    let result = test(folder.path(), &["--config", "modgud.yaml", "cases.yaml"]).await;
    assert!(!result.out.contains("note"), "{}", result.out);
}

/// The token of a case goes where its authenticator looks; one that looks nowhere would be tried without it.
#[tokio::test]
async fn a_token_for_who_looks_for_none_is_an_error() {
    let folder = TempDir::new().unwrap();
    let yaml = "profile: bifrost\nauthenticators: [{ name: peers, mtls: { principals: ['*'] } }]\n";
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    let case = "- { name: one, token: abc, authenticator: peers, expect: { decision: denied } }\n";
    fs::write(folder.path().join("cases.yaml"), case).unwrap();
    let result = test(folder.path(), &["--config", "modgud.yaml", "cases.yaml"]).await;
    let expected =
        "modgud: the case `one` has a token, but its authenticator reads none from a request; remove `token`\n";
    assert_eq!((result.code, result.err.as_str()), (Some(1), expected), "{result:?}");
}

/// The default token has what its authenticator requires, and no permission, scope or role: a case that passes does not rely on claims
/// that no token of the authenticator has.
#[tokio::test]
async fn the_default_token_is_derived_from_its_authenticator() {
    let folder = TempDir::new().unwrap();
    let yaml = "profile: none
authenticators:
  - name: idp
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: https://login.example.com, algorithms: [ES256], keys: [{ pem: { env: KEY } }], audiences: [api, web],
           require: [sub, realm_access.tenant, email], types: [at+jwt], max_lifetime: 5m }
  - name: second
    from: [{ header: x-second }]
    jwt: { issuer: second, algorithms: [RS256], keys: [{ pem: { env: KEY } }], require: [roles] }
principal: { subject: sub, roles: roles, permissions: [permissions, scope] }
rules:
  - { name: reader, match: { paths: [/read] }, require: { permissions: [read] } }
  - { name: admin, match: { paths: [/admin] }, require: { roles: [admin] } }
  - { name: bifrost, match: { paths: [/user] }, when: has(claims.core_user_uuid) }
fallback: authenticated
upstream: { headers: { x-email: { claim: email }, x-tenant: { claim: realm_access.tenant }, x-scope: { claim: scope } } }
";
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    let cases = "
- { name: accepted, token: {}, expect: { decision: allowed, authenticator: idp, set: { x-email: admin@example.com, x-tenant: a-tenant }, removed: [x-scope] } }
- { name: no permission, request: { path: /read }, token: {}, expect: { decision: denied, reason: permission_missing } }
- { name: a permission, request: { path: /read }, token: { scope: read }, expect: { decision: allowed } }
- { name: no role, request: { path: /admin }, token: {}, expect: { decision: denied, reason: role_missing } }
- { name: a required claim, request: { path: /admin }, authenticator: second, token: {}, expect: { decision: denied, reason: role_missing } }
- { name: no claim of another profile, request: { path: /user }, token: {}, expect: { decision: denied, reason: condition_false } }
- { name: an audience less, token: { aud: null }, expect: { decision: denied, reason: audience_mismatch } }
";
    fs::write(folder.path().join("cases.yaml"), cases).unwrap();
    let output = test(folder.path(), &["--config", "modgud.yaml", "cases.yaml"]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{}", output.out);
    assert!(output.out.ends_with("\n7 passed, 0 failed\n"), "{}", output.out);
    let wrong = "- { name: wrong, at: 1700000000, token: { sub: ann }, expect: { decision: denied } }";
    fs::write(folder.path().join("cases.yaml"), wrong).unwrap();
    let output = test(folder.path(), &["--config", "modgud.yaml", "cases.yaml"]).await;
    let claims = r#"    claims      {"aud":"api","email":"admin@example.com","exp":1700000300,"iat":1700000000,"iss":"https://login.example.com","realm_access":{"tenant":"a-tenant"},"sub":"ann"}"#;
    assert!(output.code == Some(1) && output.out.contains(claims), "{}", output.out);
}

/// The example that `--help` shows is a case that runs as it is written.
#[tokio::test]
async fn the_case_in_the_help_runs_as_it_is_written() {
    let result = run_in(&folder(), &[], &["test", "--help"]).await;
    let (_, cases) =
        result.out.split_once("\nA case:\n").unwrap_or_else(|| panic!("the help shows no case:\n{}", result.out));
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("cases.yaml"), cases).unwrap();
    let rules = "profile: bifrost\nrules: [{ name: report, match: { paths: [\"/reports/{id}\"] }, require: { permissions: [read] } }]\n";
    fs::write(folder.path().join("modgud.yaml"), rules).unwrap();
    let result = test(folder.path(), &["--config", "modgud.yaml", "cases.yaml"]).await;
    assert_eq!((result.code, result.err.as_str()), (Some(0), ""), "{}", result.out);
    assert!(result.out.ends_with("\n1 passed, 0 failed\n"), "{}", result.out);
}

/// What Python reads: the root's tag, its counts of tests and of failures, and each case: file, name, and the failure's message.
#[derive(Deserialize)]
struct Read(String, String, String, Vec<(String, String, Option<String>)>);

/// JUnit's XML is read by the machine's Python, as a CI system would read it.
#[tokio::test]
async fn junit_is_well_formed_and_has_the_same_results() {
    let report = TempDir::new().unwrap();
    let file = report.path().join("report.xml");
    let arguments = ["--config", "modgud.yaml", "good.yaml", "failing.yaml", "--junit", file.to_str().unwrap()];
    let result = test(&folder(), &arguments).await;
    assert_eq!(result.code, Some(1));
    let script = "import sys, json, xml.etree.ElementTree as x\n\
                  suite = x.parse(sys.argv[1]).getroot()\n\
                  cases = [[c.get('classname'), c.get('name'), (c.find('failure').get('message') if c.find('failure') is not None else None)] for c in suite]\n\
                  times = [float(e.get('time')) for e in [suite, *suite]]\n\
                  assert times[0] > 0 and abs(times[0] - sum(times[1:])) < 0.001, times\n\
                  print(json.dumps([suite.tag, suite.get('tests'), suite.get('failures'), cases]))";
    let python = crate::support::program("MODGUD_TEST_PYTHON");
    let output = tokio::process::Command::new(python).arg("-c").arg(script).arg(&file).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Read(tag, tests, failures, cases) = serde_json::from_slice(&output.stdout).unwrap();
    let reported: Vec<&str> =
        result.out.lines().filter(|line| line.starts_with("ok  ") || line.starts_with("FAILED")).collect();
    assert_eq!((tag.as_str(), tests, cases.len()), ("testsuite", reported.len().to_string(), reported.len()));
    assert_eq!(failures, reported.iter().filter(|line| line.starts_with("FAILED")).count().to_string());
    for ((file, name, failure), line) in cases.iter().zip(reported) {
        match failure {
            None => assert_eq!(line, format!("ok      {name}")),
            Some(message) => {
                assert_eq!(line, format!("FAILED  {name}  ({file})"));
                assert!(result.out.contains(message.as_str()), "{message}");
            }
        }
    }
}
