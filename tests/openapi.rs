//! `modgud openapi`: what it says of descriptions, and that the rules that it prints load and ask what they ask.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod bounds;
mod browser;
mod large;
mod merge;

use crate::cli::process::{KEY_VARIABLE, Output, run_in};
use crate::support::KEY;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A public description of which only properties are tested.
const PUBLIC: &str = "blockfrost";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/openapi")
}

/// The descriptions, by name without extension.
fn descriptions() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<(String, String)> = entries
        .filter_map(|name| {
            let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".json"))?.to_owned();
            Some((stem, name))
        })
        .collect();
    names.sort();
    names
}

async fn openapi(folder: &Path, arguments: &[&str]) -> Output {
    run_in(folder, &[], &[["openapi"].as_slice(), arguments].concat()).await
}

/// Loads rules as they are printed, and says what the effective configuration is.
async fn load(rules: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let key = KEY.public_pem().unwrap();
    run_in(folder.path(), &[(KEY_VARIABLE, &key)], &["check", "--config", "rules.yaml", "--profile", "bifrost"]).await
}

#[tokio::test]
async fn descriptions_have_the_expected_reports() {
    let mut wrong = Vec::new();
    for (name, file) in descriptions().iter().filter(|(name, _)| name != PUBLIC) {
        for (command, extension) in [("check", "check.txt"), ("rules", "rules.txt")] {
            let output = openapi(&folder(), &[command, file, "--module", "crm"]).await;
            let warned = output.err.lines().all(|line| line.starts_with("modgud: warning: "));
            assert!(warned || output.code == Some(1), "{file}: {output:?}");
            let reported = format!("{}{}", output.out, output.err);
            let expected = fs::read_to_string(folder().join(format!("{name}.{extension}"))).unwrap_or_default();
            if reported != expected {
                wrong.push(format!("--- {name}.{extension}\n{reported}--- expected\n{expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are told otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn what_is_printed_loads() {
    let mut loaded = 0;
    for (name, file) in descriptions() {
        let output = openapi(&folder(), &["rules", &file, "--module", "crm"]).await;
        if output.code == Some(0) {
            let checked = load(&output.out).await;
            assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""), "{name}\n{}", output.out);
            loaded += 1;
        } else {
            assert_eq!(
                (output.code, output.out.as_str()),
                (Some(1), ""),
                "{name}: something is printed beside an error"
            );
        }
    }
    assert!(loaded >= 4, "only {loaded} descriptions give rules");
}

/// Who may do what by the printed rules, through `modgud explain`.
#[tokio::test]
async fn the_rules_ask_what_the_description_asks() {
    let output = openapi(&folder(), &["rules", "everything.yaml", "--module", "crm"]).await;
    let folder = tempfile::tempdir().unwrap();
    let modules = "profile: bifrost\nmodules: [{ name: crm, prefix: /crm, upstream: 'crm:80' }]\nfallback: denied\n";
    fs::write(folder.path().join("modgud.yaml"), format!("{modules}{}", output.out)).unwrap();
    let key = KEY.public_pem().unwrap();
    for (method, path, rule, reason) in [
        ("GET", "/crm/v1/open", Some("crm.GET/open"), None),
        ("GET", "/crm/v1/unsaid", Some("crm.GET/unsaid"), Some("credential_missing")),
        ("GET", "/crm/v1/optional/7", Some("crm.optional"), None),
        ("POST", "/crm/v1/things/7", Some("crm.cancel"), Some("credential_missing")),
        ("POST", "/crm/v1/things/7:cancel", Some("crm.cancel"), Some("credential_missing")),
        ("GET", "/crm/v2/things/7", Some("crm.thing"), Some("credential_missing")),
        ("GET", "/crm/v1/things/7", Some("crm.thing"), Some("credential_missing")),
        ("GET", "/crm/v1/files/a/b", Some("crm.files"), Some("credential_missing")),
        ("GET", "/crm/v1/a%20b/gr%C3%B6%C3%9Fe", Some("crm.odd-#-name:-with-\"signs\""), Some("credential_missing")),
        ("DELETE", "/crm/v1/open", Some("module:crm"), Some("credential_missing")),
        ("GET", "/v1/open", None, Some("no_rule")),
    ] {
        let arguments = ["explain", "--config", "modgud.yaml", "--method", method, "--path", path, "--json"];
        let output = run_in(folder.path(), &[(KEY_VARIABLE, &key)], &arguments).await;
        let json: serde_json::Value = serde_json::from_str(&output.out).unwrap_or_else(|_| panic!("{}", output.err));
        assert_eq!((json["rule"].as_str(), json["reason"].as_str()), (rule, reason), "{method} {path}");
    }
}

#[tokio::test]
async fn a_large_public_description_gives_a_rule_for_each_operation() {
    let file = format!("{PUBLIC}.yaml");
    let check = openapi(&folder(), &["check", &file, "--module", "cardano"]).await;
    assert_eq!((check.code, check.err.as_str()), (Some(0), ""), "{}", check.out);
    assert!(check.out.starts_with("blockfrost.yaml: OpenAPI 3.0.3, 129 operations\n"), "{}", check.out);
    let rules = openapi(&folder(), &["rules", &file, "--module", "cardano"]).await;
    let names: BTreeSet<&str> = rules.out.lines().filter_map(|line| line.trim().strip_prefix("- name: ")).collect();
    assert_eq!(names.len(), 129, "{}", rules.out);
    assert_eq!(rules.out.matches("access: public").count(), 1);
    // Its servers have two paths.
    let health = "  - name: cardano.GET/health\n    match: { methods: [GET], paths: [\"/cardano/api/v0/health\", \"/cardano/health\"] }\n    access: public\n";
    assert!(rules.out.contains(health), "{}", rules.out);
}

/// The names that are reserved are those of the configuration, and its module has its own prefix.
#[tokio::test]
async fn the_configuration_defines_reserved_names_and_the_prefix() {
    let here = tempfile::tempdir().unwrap();
    let api = "{ openapi: 3.0.3, paths: { /secret: { get: { security: [{ a: [] }] } }, /docs: { get: { security: [{ a: [] }] } } }, \
               components: { securitySchemes: { a: { type: http } } } }";
    fs::write(here.path().join("api.yaml"), api).unwrap();
    let configuration = "profile: none\ncore: { reserved: [secret] }\n\
                         modules: [{ name: crm, prefix: /customers/crm, upstream: 'crm:80' }]\n";
    fs::write(here.path().join("modgud.yaml"), configuration).unwrap();
    let check = async |module: &str| {
        openapi(here.path(), &["check", "api.yaml", "--module", module, "--config", "modgud.yaml"]).await
    };
    let reserved = "modgud: api.yaml:1:28: paths.`/secret`: `secret` is reserved for the gateway, so no path of a module can \
                    begin with it; reserved are `secret`\n";
    assert_eq!(check("crm").await.err, reserved);
    let named = check("secret").await;
    assert!(named.err.contains("`secret` is reserved for the gateway, so no module can have this name"), "{named:?}");
    let named = check("Secret").await;
    assert!(named.err.contains("`Secret` is reserved for the gateway, so no module can have this name"), "{named:?}");
    let odd = check("a/{b}").await;
    assert!(odd.err.contains("can't be the name of a module, because its prefix is invalid"), "{odd:?}");
    let profile = openapi(here.path(), &["check", "api.yaml", "--module", "admin"]).await;
    assert!(profile.err.contains("`admin` is reserved for the gateway"), "{profile:?}");
    let good = openapi(here.path(), &["check", "api.yaml", "--module", "crm"]).await;
    assert_eq!((good.code, good.err.as_str()), (Some(0), ""), "{}", good.out);

    let rules = openapi(here.path(), &["rules", "api.yaml", "--module", "crm", "--config", "modgud.yaml"]).await;
    assert!(rules.out.contains("paths: [\"/customers/crm/secret\"]"), "{}", rules.out);
    let unfit = openapi(here.path(), &["rules", "api.yaml", "--module", "c{r}m"]).await;
    assert_eq!((unfit.code, unfit.out.as_str()), (Some(1), ""));
    assert!(unfit.err.starts_with("modgud: --module: `/c{r}m` can't be a prefix: "), "{}", unfit.err);
}

/// How the module of the configuration reads paths: what it takes for the same are the same requests here, too, and rules that are
/// printed load together with its entry.
#[tokio::test]
async fn the_configuration_defines_how_the_module_reads_paths() {
    let here = tempfile::tempdir().unwrap();
    let api = "openapi: 3.0.3
components: { securitySchemes: { a: { type: oauth2 } } }
paths:
  /docs: { get: { security: [{ a: [] }] } }
  /Pets/{id}: { get: { security: [{ a: [read] }] } }
  /pets/{name}: { get: { security: [] }, put: { security: [] } }
  /Owners: { get: { security: [{ a: [owners] }] } }
  /owners.JSON: { get: { security: [] } }
  /owners.html: { get: { security: [] } }
";
    fs::write(here.path().join("api.yaml"), api).unwrap();
    let module = "profile: bifrost\nmodules: [{ name: crm, prefix: /crm, upstream: 'crm:80', ";
    fs::write(here.path().join("folds.yaml"), format!("{module}case: fold, suffixes: [json] }}]\n")).unwrap();
    fs::write(here.path().join("exact.yaml"), format!("{module}suffixes: [JSON] }}]\n")).unwrap();
    let run = async |command: &str, config: &str| {
        openapi(here.path(), &[command, "api.yaml", "--module", "crm", "--config", config]).await
    };
    let same = "paths.`/pets/{name}`.get: `GET` of this path matches the same requests as `/Pets/{id}`, because the module \
                ignores letter case (`case: fold`)\n";
    let cut = "paths.`/owners.JSON`.get: the module may treat `GET` of this path as `/Owners`, because it removes the suffix \
               (`suffixes`); make sure that both require the same\n";
    let check = run("check", "folds.yaml").await;
    assert_eq!((check.code, check.err), (Some(1), format!("modgud: api.yaml:6:19: {same}")), "{}", check.out);
    assert!(check.out.contains(&format!("warning: api.yaml:8:19: {cut}")), "{}", check.out);
    assert!(!check.out.contains("html`.get: the module"), "{}", check.out);
    let exact = run("check", "exact.yaml").await;
    assert_eq!((exact.code, exact.err.as_str()), (Some(0), ""), "{}", exact.out);
    assert!(!exact.out.contains("ignores letter case") && !exact.out.contains("removes the suffix"), "{}", exact.out);

    let rules = run("rules", "folds.yaml").await;
    assert_eq!(rules.code, Some(0), "{}", rules.err);
    let reported = |line: &str| rules.err.contains(&format!("modgud: warning: api.yaml:{line}"));
    assert!(reported(&format!("6:19: {same}")) && reported(&format!("8:19: {cut}")), "{}", rules.err);
    for rule in [
        // One for both, which asks for what both ask.
        "  # GET /Pets/{id}, GET /pets/{name}\n",
        "match: { methods: [GET], paths: [\"/crm/Pets/{id}\"] }\n    require: { scopes: [\"read\"] }\n",
        "match: { methods: [PUT], paths: [\"/crm/pets/{name}\"] }\n    access: public\n",
        // It may be the other for the module.
        "match: { methods: [GET], paths: [\"/crm/owners.JSON\"] }\n    require: { scopes: [\"owners\"] }\n",
        "match: { methods: [GET], paths: [\"/crm/owners.html\"] }\n    access: public\n",
    ] {
        assert!(rules.out.contains(rule), "{rule}\n{}", rules.out);
    }
    // They load together with their module; without its entry nothing folds, and there are two.
    let entry = fs::read_to_string(here.path().join("folds.yaml")).unwrap();
    let loaded = load(&format!("{entry}{}", rules.out)).await;
    assert_eq!((loaded.code, loaded.err.as_str()), (Some(0), ""), "{}", rules.out);
    let exact = run("rules", "exact.yaml").await;
    assert_eq!(exact.out.matches("methods: [GET], paths: [\"/crm/Pets/{id}\"]").count(), 1, "{}", exact.out);
    assert_eq!(exact.out.matches("methods: [GET], paths: [\"/crm/pets/{name}\"]").count(), 1, "{}", exact.out);
    let refused = load(&format!("{entry}{}", exact.out)).await;
    assert!(refused.code == Some(1) && refused.err.contains("only in the case of letters"), "{}", refused.err);
}

/// A module that receives its prefix has it in its description: then the path is certain. Without it no rule opens anything.
#[tokio::test]
async fn paths_of_a_module_that_receives_its_prefix() {
    let here = tempfile::tempdir().unwrap();
    let api = "openapi: 3.0.3
servers: [{ url: 'https://api.example.com/api/users' }]
components: { securitySchemes: { a: { type: oauth2 } } }
paths:
  /docs: { get: { security: [{ a: [] }] } }
  /{id}: { get: { security: [] }, delete: { security: [{ a: [write] }] } }
  /admin: { get: { security: [{ a: [read] }] } }
";
    fs::write(here.path().join("based.yaml"), api).unwrap();
    let whole = api
        .replace("servers: [{ url: 'https://api.example.com/api/users' }]\n", "")
        .replace("  /docs", "  /api/users/docs")
        .replace("  /{id}", "  /api/users/{id}")
        .replace("  /admin", "  /api/users/admin");
    fs::write(here.path().join("whole.yaml"), whole).unwrap();
    let without = "openapi: 3.0.3
components: { securitySchemes: { a: { type: oauth2 } } }
paths:
  /health: { get: { security: [] } }
  /{version}/users/{id}: { get: { security: [{ a: [read] }] } }
  /admin: { get: { security: [{ a: [read] }] } }
";
    fs::write(here.path().join("without.yaml"), without).unwrap();
    let module =
        "profile: bifrost\nmodules: [{ name: users, prefix: /api/users, keep_prefix: true, upstream: 'users:80' }]\n";
    fs::write(here.path().join("modgud.yaml"), module).unwrap();
    let run = async |command: &str, file: &str| {
        openapi(here.path(), &[command, file, "--module", "users", "--config", "modgud.yaml"]).await
    };
    for file in ["based.yaml", "whole.yaml"] {
        let check = run("check", file).await;
        assert_eq!((check.code, check.err.as_str()), (Some(0), ""), "{file}: {}", check.out);
        assert!(!check.out.contains("prefix") && !check.out.contains("/docs"), "{file}: {}", check.out);
        let rules = run("rules", file).await;
        assert_eq!((rules.code, rules.out.matches("- name:").count()), (Some(0), 4), "{file}: {}", rules.out);
        for rule in [
            "match: { methods: [GET], paths: [\"/api/users/docs\"] }\n",
            "match: { methods: [GET], paths: [\"/api/users/{id}\"] }\n    access: public\n",
            "match: { methods: [DELETE], paths: [\"/api/users/{id}\"] }\n    require: { scopes: [\"write\"] }\n",
            "match: { methods: [GET], paths: [\"/api/users/admin\"] }\n    require: { scopes: [\"read\"] }\n",
        ] {
            assert!(rules.out.contains(rule), "{file}: {rule}\n{}", rules.out);
        }
        assert!(!rules.out.contains("/api/users/api") && !rules.err.contains("prefix"), "{file}: {}", rules.err);
    }
    let warning =
        "with its base, this path does not begin with the module's prefix `/api/users`, which the module receives";
    let check = run("check", "without.yaml").await;
    assert!(check.out.contains(&format!("warning: without.yaml:4:3: paths.`/health`: {warning}")), "{}", check.out);
    // As the module receives it, this path is not below the prefix.
    assert!(
        check.err.contains("`admin` is reserved for the gateway, so no path of a module can begin with it"),
        "{}",
        check.err
    );
    let rules = run("rules", "without.yaml").await;
    assert!(rules.err.contains(warning), "{}", rules.err);
    for rule in [
        "match: { methods: [GET], paths: [\"/api/users/health\"] }\n",
        // The parameter can be the first segment of the prefix.
        "paths: [\"/api/users/{version}/users/{id}\", \"/api/users/{id}\"] }\n    require: { scopes: [\"read\"] }\n",
    ] {
        assert!(rules.out.contains(rule), "{rule}\n{}", rules.out);
    }
    assert!(!rules.out.contains("access: public") && rules.out.contains("# - the path is without"), "{}", rules.out);
    // The same description for a module without its prefix has two readings.
    fs::write(here.path().join("modgud.yaml"), module.replace("keep_prefix: true", "keep_prefix: false")).unwrap();
    let rules = run("rules", "based.yaml").await;
    assert!(rules.out.contains("\"/api/users/{id}\", \"/api/users/api/users/{id}\""), "{}", rules.out);
    assert!(!rules.out.contains("access: public"), "{}", rules.out);
}

#[tokio::test]
async fn warnings_can_be_denied() {
    let output = openapi(&folder(), &["check", "clinic.json", "--deny-warnings"]).await;
    assert_eq!(output.code, Some(1));
    assert_eq!(output.err, "modgud: 2 warnings; --deny-warnings allows none\n");
}
