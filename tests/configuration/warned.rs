//! Valid but risky files, and the warnings of `check` and the server. The README of the folder describes them.

use super::bad::{Located, place};
use super::{PUBLIC_PEM, files, folder, load_file, variables};
use crate::cli::process::{Output, Serving, run_in};
use crate::support::NOW;
use modgud::clock::Clock;
use modgud::config::{Environment, EphemeralKeys, Keys, Overrides, ProfileName, load, load_with_keys};
use modgud_core::time::Timestamp;
use modgud_testbed::http::Exchange;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use tokio::time::timeout;

async fn check(folder: &Path, arguments: &[&str]) -> Output {
    run_in(folder, &variables(), &[["check"].as_slice(), arguments].concat()).await
}

/// What a file's configuration is warned of at the tests' time.
fn warnings(file: &Path) -> Vec<String> {
    let loaded = load_file(file).unwrap_or_else(|error| panic!("{error}"));
    loaded.warnings(Timestamp::from_secs(NOW)).iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn each_file_has_its_expected_warnings() {
    let folder = folder("warned");
    let mut wrong = Vec::new();
    for file in files(&folder, "yaml") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let expected = fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        let output = check(&folder, &["--offline", "--config", name]).await;
        let (summary, warnings) = output.out.split_at(output.out.find("warning: ").unwrap_or(output.out.len()));
        if (output.code, warnings, output.err.as_str()) != (Some(0), expected.as_str(), "") || warnings.is_empty() {
            wrong.push(format!(
                "--- {name}: exit code {:?}\n{warnings}{}--- expected 0\n{expected}",
                output.code, output.err
            ));
        }
        assert!(summary.starts_with(&format!("{name} on profile ")), "{name}: {summary}");

        let denied = check(&folder, &["--offline", "--config", name, "--deny-warnings"]).await;
        let error = match expected.lines().count() {
            1 => "modgud: 1 warning; --deny-warnings allows none\n".to_owned(),
            many => format!("modgud: {many} warnings; --deny-warnings allows none\n"),
        };
        // The first line never says more than the exit code.
        let count = error.strip_prefix("modgud: ").and_then(|text| text.split(';').next()).unwrap();
        let valid =
            output.out.replacen(": valid\n", &format!(": failed: {count}, and --deny-warnings allows none\n"), 1);
        assert_eq!((denied.code, denied.out, denied.err), (Some(1), valid, error), "{name}");
    }
    assert!(wrong.is_empty(), "{} files have other output:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_text_belongs_to_a_file() {
    let names = |extension| -> BTreeSet<_> {
        files(&folder("warned"), extension).iter().map(|file| file.file_stem().unwrap().to_owned()).collect()
    };
    assert_eq!(names("yaml"), names("txt"));
}

/// As errors do: `file:line:column: path: message [code]`, in the order of the file.
#[test]
fn every_text_has_the_documented_form() {
    for file in files(&folder("warned"), "txt") {
        let name = file.with_extension("yaml").file_name().unwrap().to_str().unwrap().to_owned();
        let mut before = (0, 0);
        for line in fs::read_to_string(&file).unwrap().lines() {
            let line = line.strip_prefix("warning: ").unwrap_or_else(|| panic!("{name}: {line}"));
            let Located { origin, at, what } = place(line).unwrap_or_else(|| panic!("{name}: no place: {line}"));
            assert_eq!(origin, name);
            assert!(before <= at, "{name}: not in the order of the file: {line}");
            assert!(what.contains(": "), "{name}: no path: {line}");
            before = at;
        }
    }
}

#[tokio::test]
async fn sane_files_and_profiles_are_not_warned_of() {
    let folder = folder("sane");
    for file in files(&folder, "yaml") {
        assert_eq!(warnings(&file), [""; 0], "{}", file.display());
        let name = file.file_name().unwrap().to_str().unwrap();
        let output = check(&folder, &["--config", name, "--deny-warnings"]).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{name}");
        assert!(!output.out.contains("warning"), "{name}: {}", output.out);
    }
    for profile in [ProfileName::Bifrost, ProfileName::Bearer, ProfileName::Orchescala, ProfileName::None] {
        let overrides = Overrides { profile: Some(profile), ..Overrides::default() };
        let loaded = load(None, &overrides, &Environment::fixed(variables())).unwrap();
        assert!(loaded.warnings(Timestamp::from_secs(NOW)).is_empty(), "{profile:?}");
    }
}

/// A profile that is printed as a file of its own repeats all of its values.
#[test]
fn what_config_prints_of_a_profile_is_not_warned_of() {
    let loaded = load(None, &Overrides::default(), &Environment::fixed(variables())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("printed.yaml");
    fs::write(&file, loaded.yaml().unwrap()).unwrap();
    assert_eq!(warnings(&file), [""; 0]);
}

/// The dates of a certificate are compared with the time, to the second.
#[test]
fn the_dates_of_a_certificate_are_held_against_the_time() {
    const FROM: u64 = 1_577_836_800;
    const UNTIL: u64 = 4_733_510_400;
    let loaded = load_file(&folder("sane").join("output-otherwise.yaml")).unwrap();
    let reported = |millis| -> Vec<String> {
        let warnings = loaded.warnings(Timestamp::from_millis(millis));
        warnings.iter().map(|warning| warning.to_string().split(',').next().unwrap_or_default().to_owned()).collect()
    };
    let place = "output-otherwise.yaml:10:21: authenticators[0].jwt.keys[0].pem: the certificate here";
    let ends = |reported: Vec<String>, what: &str| {
        let [only] = reported.as_slice() else { panic!("{reported:?}") };
        assert!(only.ends_with(&format!("{place} {what}")), "{only}");
    };
    ends(at(FROM * 1_000 - 1), "is valid from 2020-01-01T00:00:00Z only");
    assert_eq!(at(FROM * 1_000), [""; 0]);
    assert_eq!(at(UNTIL * 1_000 + 999), [""; 0]);
    ends(at(UNTIL * 1_000 + 1_000), "was valid until 2120-01-01T00:00:00Z");
}

/// Replaced keys cause no warnings.
#[test]
fn keys_that_are_replaced_are_not_warned_of() {
    let file = folder("warned").join("certificates.yaml");
    let keys = Keys::Replaced(EphemeralKeys::default());
    let loaded = load_with_keys(Some(&file), &Overrides::default(), &Environment::fixed([]), keys).unwrap();
    assert!(loaded.warnings(Timestamp::from_secs(NOW)).is_empty());
}

/// A key in a variable, in a file and in the configuration: each has its known age.
#[tokio::test]
async fn keys_are_shown_with_their_age() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = fs::read(super::folder("sane").join("keys/certificate.pem")).unwrap();
    let now = UNIX_EPOCH + Duration::from_millis(Clock::System.now().as_millis());
    for (name, content, hours) in
        [("key.pem", super::OTHER_PEM.as_bytes(), 12 * 24 + 1), ("certificate.pem", &certificate, 5)]
    {
        fs::write(folder.path().join(name), content).unwrap();
        let file = File::options().write(true).open(folder.path().join(name)).unwrap();
        file.set_modified(now - Duration::from_secs(hours * 3_600 + 60)).unwrap();
    }
    let certificate = serde_json::to_string(std::str::from_utf8(&certificate).unwrap()).unwrap();
    let yaml = format!(
        "profile: bifrost
authenticators:
  - name: mine
    from: [{{ header: authorization, schemes: [Bearer] }}]
    jwt:
      issuer: mine
      algorithms: [RS256]
      keys: [{{ pem: {{ env: GOOD_KEY }} }}, {{ pem: {{ file: key.pem }} }}, {{ pem: {{ file: certificate.pem }} }}]
  - name: other
    from: [{{ header: x-other, schemes: [Bearer] }}]
    jwt: {{ issuer: mine, algorithms: [RS256], keys: [{{ pem: {{ value: {certificate} }} }}] }}
"
    );
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    let output = check(folder.path(), &["--config", "modgud.yaml"]).await;
    let ages = output.out.lines().filter_map(|line| line.trim().strip_prefix("key ")?.split_once("RSA 2048 bits"));
    let ages: Vec<&str> = ages.map(|(_, age)| age).collect();
    let dates = ", certificate, valid from 2020-01-01T00:00:00Z to 2120-01-01T00:00:00Z";
    let changed = format!("{dates}, file changed 5 hours ago");
    assert_eq!(ages, ["", ", file changed 12 days ago", &changed, dates], "{}", output.out);
}

/// The server logs and counts the warnings about each active configuration.
#[tokio::test]
async fn a_server_warns_at_start_and_at_each_change() {
    const PATIENCE: Duration = Duration::from_secs(60);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    let put = |text: &str| {
        let new = folder.path().join("new.yaml");
        fs::write(&new, text).unwrap();
        fs::rename(new, &file).unwrap();
    };
    put("profile: bifrost\nserver: { deadline: 10s }\nupstream: { strip: [x-email] }\n");
    let serving = Serving::start(folder.path(), &PUBLIC_PEM, &["--config", "modgud.yaml"]).await;
    timeout(PATIENCE, until(serving.admin, 0, 2)).await.unwrap();
    put("profile: bifrost\ndenials: { status: { forbidden: 401 } }\n");
    timeout(PATIENCE, until(serving.admin, 1, 1)).await.unwrap();
    // One that is refused changes nothing.
    put("profile: bifrost\nrules: [\n");
    let refused = async { while !metrics(serving.admin).await.contains("modgud_config_reload_failures_total 1\n") {} };
    timeout(PATIENCE, refused).await.unwrap();
    timeout(PATIENCE, until(serving.admin, 1, 1)).await.unwrap();
    put("profile: bifrost\nfallback: denied\n");
    timeout(PATIENCE, until(serving.admin, 2, 0)).await.unwrap();

    let output = serving.end(Signal::TERM).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    let events: Vec<Value> = output.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let warnings = events.iter().filter(|event| event["level"] == "WARN");
    let texts: Vec<&str> = warnings
        .inspect(|event| assert_eq!(event["message"], "configuration warning"))
        .map(|event| event["warning"].as_str().unwrap())
        .collect();
    let begins = [
        "modgud.yaml:3:20: upstream.strip: the profile removes `x-core-*`",
        "modgud.yaml:3:20: upstream.strip: the profile removes `x-organization-*`",
        "modgud.yaml:2:33: denials.status.forbidden: `401` makes clients log in again",
    ];
    assert_eq!(texts.len(), begins.len(), "{texts:#?}");
    for (text, begins) in texts.iter().zip(begins) {
        assert!(text.starts_with(begins), "{text}");
    }
}

/// Waits until so many changes serve, and looks how many warnings there are then.
async fn until(admin: SocketAddr, reloads: u64, warnings: u64) {
    loop {
        let metrics = metrics(admin).await;
        if metrics.contains(&format!("modgud_config_reloads_total {reloads}\n")) {
            let expected = format!("modgud_config_warnings {warnings}\n");
            assert!(metrics.contains(&expected), "not {expected}{metrics}");
            return;
        }
    }
}

async fn metrics(admin: SocketAddr) -> String {
    String::from_utf8(Exchange::get(admin, "/metrics").await.unwrap().body).unwrap()
}
