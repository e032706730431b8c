//! Envoy's `http_service`: the filter and the cluster of `modgud proxy` in the place of those of `modgud envoy`.

use super::upstream::{Received, Upstream};
use super::{CONFIG, modgud, reserved, written};
use crate::envoy::tokens::{claims, jwt, sign, with, without};
use crate::envoy::{PATIENCE, ask, envoy_version, programs};
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_testbed::http::Exchange;
use modgud_testbed::start_envoy;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Returns the item of a list with this name.
fn named<'v>(list: &'v mut Value, name: &str) -> &'v mut Value {
    list.as_array_mut().unwrap().iter_mut().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// Returns Envoy's configuration, with the parts in the place of others.
fn with_parts(envoy: &str, parts: &str) -> Value {
    let mut envoy: Value = serde_saphyr::from_str(envoy).unwrap();
    let mut parts: Value = serde_saphyr::from_str(parts).unwrap();
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let filter = "envoy.filters.http.ext_authz";
    *named(envoy.pointer_mut(manager).unwrap(), filter) = named(&mut parts["http_filters"], filter).take();
    *named(&mut envoy["static_resources"]["clusters"], "modgud") = named(&mut parts["clusters"], "modgud").take();
    envoy
}

fn identity(answer: &Exchange) -> Vec<(String, String)> {
    let received: Received = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    let is_ours = |name: &str| {
        name.starts_with("x-core")
            || name.starts_with("x-org")
            || ["x-scope", "x-username", "x-email", "x_scope"].contains(&name)
    };
    let mut found = received.headers;
    found.retain(|(name, _)| is_ours(name));
    found.sort();
    found
}

#[tokio::test]
async fn envoy_asks_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let (_port, http) = reserved();
    let config = CONFIG
        .replace("{listen}", &http.to_string())
        .replace("{proxy}", "envoy")
        .replace("{crm}", &upstream.crm.to_string())
        .replace("{reports}", &upstream.reports.to_string())
        .replace("{core}", &upstream.core.to_string());
    std::fs::write(folder.path().join("modgud.yaml"), config).unwrap();
    let envoy = ["envoy", "--config", "modgud.yaml", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let parts = written(folder.path(), &["proxy", "--config", "modgud.yaml"]).await;
    let yaml = with_parts(&written(folder.path(), &envoy).await, &parts);
    std::fs::write(folder.path().join("envoy.yaml"), yaml.to_string()).unwrap();
    let key = SigningKey::generate(Algorithm::Rs256).unwrap();
    let mut modgud_process = modgud(folder.path(), &key).await;
    let (envoy, _, gateway) = start_envoy(&programs(), folder.path()).await.unwrap_or_else(|error| panic!("{error}"));

    let good = [jwt(&sign(&key, &claims()))];
    let send = async |target: &str, lines: &[String]| ask(gateway, "GET", target, lines).await;
    // Envoy looks for modgud soon after its start.
    let allowed = async { while send("/crm/a", &good).await.status != 200 {} };
    timeout(PATIENCE, allowed).await.unwrap();

    let caller = |names: &[&str]| -> Vec<(String, String)> {
        let all = crate::envoy::tokens::IDENTITY.iter().filter(|(name, _)| names.contains(name));
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let everything = caller(&["x-core-user-uuid", "x-organization-uuid", "x-scope", "x-username"]);
    let forged = [
        "X-Core-User-Uuid: forged",
        "x-core-other: forged",
        "x.scope: forged",
        "X-Email: forged",
        "X-Original-URL: /crm/public",
    ]
    .map(str::to_owned);
    let answer = send("/crm/a?x=%2F", &[good.as_slice(), &forged].concat()).await;
    assert_eq!((answer.status, identity(&answer)), (200, everything), "{answer:?}");
    let lacking =
        [jwt(&sign(&key, &without(without(claims(), "scope"), "organization_uuid"))), "x-scope: forged".to_owned()];
    assert_eq!(identity(&send("/crm/a", &lacking).await), caller(&["x-core-user-uuid", "x-username"]));
    assert_eq!(identity(&send("/crm/public", &forged).await), []);

    let expired = [jwt(&sign(&key, &with(claims(), "exp", json!(1))))];
    for (target, lines, status, detail) in [
        ("/crm/a", [].as_slice(), 401, "Authentication credentials were not provided."),
        ("/crm/a", &expired, 401, "Signature has expired."),
        ("/crm/admin/x", &good, 403, "You do not have permission to perform this action."),
        ("/crm/hidden", &good, 404, "Not here."),
        // Envoy would hand a 503 to `failure_mode_allow`.
        ("/crm/a", &["X-Opaque: abc".to_owned()], 403, "The request could not be checked. Try again later."),
    ] {
        let before = upstream.requests();
        let answer = send(target, lines).await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "detail": detail })), "{target}");
        assert_eq!(upstream.requests(), before, "{target}");
    }
    let uri = ["X-Forwarded-Uri: /crm/public".to_owned(), "X-Original-URI: /crm/public".to_owned()];
    assert_eq!(send("/crm/a", &uri).await.status, 401);

    modgud_process.signal(Signal::KILL);
    modgud_process.ended().await;
    // docs/proxies.md
    let without_modgud = if envoy_version() == "1.37.0" { 403 } else { 503 };
    assert_eq!(send("/crm/a", &good).await.status, without_modgud);
    envoy.end().await;
}
