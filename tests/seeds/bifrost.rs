//! Document 2, the tutorial of `BiFrost`. Clients present a token of a provider or an API key, and modules get `BiFrost`'s token, which
//! modgud signs. `modgud envoy` writes Envoy's configuration.

mod payload;

use super::gateway::{Belongings, Gateway};
use super::reserved::reserved_names;
use super::token::{
    authorization, decoded, every_module_is_reached, has_seven_claims, only_rs256_is_accepted, only_this_key_decodes,
};
use super::{denied, get, modgud, only, python, send};
use crate::cli::process::run_in;
use crate::envoy::seen::Seen;
use crate::envoy::tokens::{claims, sign, with};
use crate::support::STRANGER;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_testbed::{EnvoyYaml, Setup, Testbed};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

static GATEWAY: Gateway = Gateway::new("seeds::bifrost::", prepare);

/// An API key, and its table.
const API_KEY: &str = "partner-key-of-the-exercise-0123456789abcdef";
const API_KEYS: &str = "
- id: partner-1
  sha256: 7a7e7aaea649fd43d800eabeb62a9fd9cf9ff0baec2f2a3ab33dfbcbc3bc0092
  subject: 82bdb6a3-2119-418f-8c2d-caab7ebb8975
  claims: { username: partner, organization_uuid: b265bad5-b812-4f42-b3ee-341ebbb72c6b, scope: read }
";
/// The organization of the user `admin`.
const ORGANIZATION: &str = "70f0d039-e3d9-427e-b161-4e95dbd9e918";

/// Writes the sample module's own description of itself, as it serves it at `/docs/swagger.json`.
const DESCRIBE: &str = "
import json, os, sys
sys.path.insert(0, os.environ['MODULE'])
import module
print(json.dumps(module.swagger(sys.argv[1])))
";

fn prepare(runtime: &Runtime) -> (Setup, Belongings) {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::Rs256).unwrap().private_text().unwrap().expose_secret().to_owned();
    for (name, text) in [
        ("bifrost.key", key.as_str()),
        ("provider.pub.pem", &STRANGER.public_pem().unwrap()),
        ("api-keys.yaml", API_KEYS),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let at = folder.path().display();
    let config = format!(
        "
profile: bifrost
authenticators:
  - name: users
    from: [{{ header: authorization, schemes: [JWT, Bearer] }}]
    jwt:
      issuer: https://login.example.com/realms/bifrost
      algorithms: [RS256]
      keys: [{{ pem: {{ file: \"{at}/provider.pub.pem\" }} }}]
      audiences: [bifrost-api]
      require: [core_user_uuid, username]
  - name: partners
    from: [{{ header: x-api-key }}]
    api_key: {{ file: \"{at}/api-keys.yaml\" }}
  - name: modules
    from: [{{ header: authorization, schemes: [JWT, Bearer] }}]
    jwt:
      issuer: bifrost
      algorithms: [RS256]
      keys: [{{ pem: {{ env: JWT_PUBLIC_KEY_RSA_BIFROST }} }}]
      require: [core_user_uuid, username]
mint:
  - name: bifrost
    algorithm: RS256
    key: {{ file: \"{at}/bifrost.key\" }}
    issuer: bifrost
    audience: []
    scheme: JWT
    lifetime: 5m
    backdate: 5s
    claims:
      core_user_uuid: {{ principal: subject }}
      organization_uuid: {{ principal: organization }}
      scope: {{ claim: scope }}
      username: {{ claim: username }}
    omit: [sub, jti, act]
upstream: {{ credential: {{ mint: bifrost }} }}
modules:
  - {{ name: crm, prefix: /crm, upstream: '{{crm}}' }}
  - name: documents
    prefix: /documents
    upstream: '{{documents}}'
    access: [{{ organization: any, allow: [read] }}, {{ organization: {ORGANIZATION}, allow: 15 }}]
core: {{ upstream: '{{core}}' }}
"
    );
    let document = runtime.block_on(describe(folder.path(), &config));
    let setup = Setup {
        config: Some(config.leak()),
        envoy: EnvoyYaml::Written,
        arguments: vec!["--docs".to_owned(), document.display().to_string()],
        private_key: Some(key),
        ..Setup::default()
    };
    (setup, vec![Box::new(folder)])
}

/// Writes the description of the whole API with `modgud openapi merge`, from those of the two modules; returns its file.
async fn describe(folder: &Path, config: &str) -> PathBuf {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/module");
    for name in ["crm", "documents"] {
        let text = python(DESCRIBE, ("MODULE", module.to_str().unwrap()), &[name]).await.unwrap();
        fs::write(folder.join(format!("{name}.json")), text).unwrap();
    }
    let config = ["crm", "documents", "core"]
        .iter()
        .fold(config.to_owned(), |text, name| text.replace(&format!("{{{name}}}"), &format!("{name}:8080")));
    fs::write(folder.join("modgud.yaml"), config).unwrap();
    let arguments = [
        "openapi",
        "merge",
        "--config",
        "modgud.yaml",
        "--output",
        "swagger.json",
        "crm=crm.json",
        "documents=documents.json",
    ];
    let output = run_in(folder, &[], &arguments).await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    folder.join("swagger.json")
}

reserved_names!(GATEWAY, caller);

/// The header line of a user whose provider's token has these claims.
fn of_provider(claims: Vec<(String, Value)>) -> String {
    let claims = with(claims, "iss", json!("https://login.example.com/realms/bifrost"));
    format!("Authorization: Bearer {}", sign(&STRANGER, &with(claims, "aud", json!(["bifrost-api"]))))
}

/// The header line of the user `admin`.
fn caller(_: &Testbed) -> String {
    of_provider(claims())
}

/// The request that reached the module `crm`, of a user with these claims at the provider.
async fn seen_of(gateway: &Testbed, claims: Vec<(String, Value)>) -> Seen {
    let answer = get(gateway, "/crm/appointment/", &[&of_provider(claims)]).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    Seen::of(&answer)
}

#[test]
fn modules_communicate_over_the_authentication_layer() {
    GATEWAY.test(async |gateway| {
        let first = seen_of(gateway, claims()).await;
        // The module passes on the token that it got; the next module gets the same one.
        let line = format!("Authorization: {}", only(&first, "authorization"));
        let second = Seen::of(&get(gateway, "/documents/", &[&line]).await);
        assert_eq!((second.module.as_str(), second.identity()), ("documents", first.identity()));
        assert_eq!(second.decoded, first.decoded);
        assert_eq!(denied(gateway, "/documents/", &[]).await, 401);
    });
}

#[test]
fn all_endpoints_are_exposed_as_one_api() {
    GATEWAY.test(async |gateway| every_module_is_reached(gateway, &caller(gateway)).await);
}

#[test]
fn the_api_is_put_together_from_all_modules() {
    GATEWAY.test(async |gateway| {
        for path in ["/docs", "/docs/swagger.json"] {
            let answer = get(gateway, path, &[]).await;
            let api = answer.json();
            assert!(answer.status == 200 && api["openapi"].as_str().unwrap().starts_with("3."), "{path}");
            let paths: Vec<&String> = api["paths"].as_object().unwrap().keys().collect();
            assert_eq!(paths, ["/crm/", "/crm/appointment/", "/documents/", "/documents/appointment/"], "{path}");
            for path in paths {
                // What is described is there, for callers with a credential.
                let seen = Seen::of(&get(gateway, path, &[&caller(gateway)]).await);
                assert_eq!(path.split('/').nth(1), Some(seen.module.as_str()));
                assert_eq!(denied(gateway, path, &[]).await, 401);
            }
        }
    });
}

#[test]
fn permissions_can_be_managed() {
    GATEWAY.test(async |gateway| {
        let other = of_provider(with(claims(), "organization_uuid", json!("b265bad5-b812-4f42-b3ee-341ebbb72c6b")));
        for (method, status) in [("GET", 200), ("POST", 403), ("PUT", 403), ("DELETE", 403)] {
            assert_eq!(send(gateway, method, "/documents/1", &[&caller(gateway)]).await.status, 200, "{method}");
            assert_eq!(send(gateway, method, "/documents/1", &[&other]).await.status, status, "{method}");
        }
    });
}

#[test]
fn a_module_may_be_written_in_any_language() {
    GATEWAY.test(async |gateway| {
        // In Rust: the header is a signature over text, and nothing depends on Python.
        let seen = seen_of(gateway, claims()).await;
        let (_, token) = authorization(&seen).split_once(' ').unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = pem::parse(gateway.key.public_pem().unwrap()).unwrap();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.contents());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verify(signed.as_bytes(), &signature).is_ok());
        assert!(key.verify(format!("{signed}x").as_bytes(), &signature).is_err());
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), seen.decoded);
    });
}

#[test]
fn a_module_has_its_swagger_json_at_docs() {
    GATEWAY.test(async |gateway| {
        let folder = tempfile::tempdir().unwrap();
        for module in ["crm", "documents"] {
            let answer = get(gateway, &format!("/{module}/docs/swagger.json"), &[&caller(gateway)]).await;
            assert_eq!((answer.status, &answer.json()["info"]["title"]), (200, &json!(module)));
            fs::write(folder.path().join("swagger.json"), &answer.body).unwrap();
            let output = run_in(folder.path(), &[], &["openapi", "check", "swagger.json", "--module", module]).await;
            assert_eq!(output.code, Some(0), "{}", output.err);
        }
    });
}

#[test]
fn a_module_reads_json_web_tokens_with_a_library() {
    GATEWAY.test(async |gateway| {
        let decoded = seen_of(gateway, claims()).await.decoded;
        for (name, value) in claims() {
            if name != "exp" && name != "iat" {
                assert_eq!(decoded[&name], value, "{name}");
            }
        }
    });
}

#[test]
fn a_module_runs_on_port_8080_or_another() {
    GATEWAY.test_without(async || {
        for port in ["8080", "3000"] {
            let yaml = format!("profile: bifrost\nmodules: [{{ name: crm, prefix: /crm, upstream: 'crm:{port}' }}]\n");
            let output = modgud(&yaml, &[], &["envoy", "--config", "modgud.yaml"]).await;
            assert_eq!(output.code, Some(0), "{}", output.err);
            assert_eq!(output.out.matches(&format!("port_value: {port}\n")).count(), 1, "{port}");
        }
    });
}

#[test]
fn external_requests_bring_the_token_of_an_oauth2_flow() {
    GATEWAY.test(async |gateway| {
        let line = caller(gateway);
        let seen = Seen::of(&get(gateway, "/crm/", &[&line]).await);
        // The provider's token reaches no module.
        assert!(!format!("{seen:?}").contains(line.rsplit(' ').next().unwrap()));
        assert_eq!(seen.decoded["iss"], "bifrost");
        let foreign = with(with(claims(), "aud", json!("bifrost-api")), "iss", json!("https://login.example.net"));
        let line = format!("Authorization: Bearer {}", sign(&STRANGER, &foreign));
        assert_eq!(denied(gateway, "/crm/", &[&line]).await, 401);
    });
}

#[test]
fn clients_with_an_api_key_get_a_token_too() {
    GATEWAY.test(async |gateway| {
        let seen = Seen::of(&get(gateway, "/crm/", &[&format!("X-API-Key: {API_KEY}")]).await);
        has_seven_claims(&seen.decoded);
        assert_eq!((&seen.decoded["username"], only(&seen, "x-username")), (&json!("partner"), "partner"));
    });
}

#[test]
fn tokens_are_signed_with_rs256() {
    GATEWAY.test(async |gateway| {
        let seen = seen_of(gateway, claims()).await;
        let header = authorization(&seen).split([' ', '.']).nth(1).unwrap();
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(header["alg"], "RS256");
        only_rs256_is_accepted(gateway).await;
    });
}

#[test]
fn the_public_key_is_in_the_environment_of_a_module() {
    GATEWAY.test(async |gateway| {
        // The sample module has the key from there alone, and modgud minted the token with the private half.
        let seen = seen_of(gateway, claims()).await;
        assert_eq!(decoded(gateway, authorization(&seen)).await.unwrap(), seen.decoded);
    });
}

#[test]
fn a_module_decodes_with_the_key_of_its_environment() {
    GATEWAY.test(async |gateway| {
        only_this_key_decodes(gateway, authorization(&seen_of(gateway, claims()).await)).await;
    });
}

#[test]
fn authorization_is_jwt_and_the_token() {
    GATEWAY.test(async |gateway| {
        for line in [caller(gateway), format!("X-API-Key: {API_KEY}")] {
            authorization(&Seen::of(&get(gateway, "/crm/", &[&line]).await));
        }
    });
}
