//! BiFrost's tokens for callers who bring something else: the sample `examples/bifrost-tokens` behind a real Envoy, with an OpenID provider
//! like Keycloak and an API key. The modules are Python and decode with `PyJWT`, as BiFrost's tutorial shows. One calls the other through
//! the gateway.

use crate::readme::block;
use crate::support::program;
use jsonwebtoken::{EncodingKey, Header};
use modgud_core::jose::{Algorithm, PublicJwk, SigningKey};
use modgud_testbed::http::Exchange;
use modgud_testbed::idp::{Idp, Reply, discovery};
use modgud_testbed::{Process, Programs, start_envoy, start_modgud, start_module};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The page that shows the sample.
const PAGE: &str = "docs/migrating-from-bifrost.md";
/// The sample's configuration.
pub(super) const SAMPLE: &str = include_str!("../../examples/bifrost-tokens/modgud.yaml");
/// The module that decodes as the tutorial shows, and calls another one.
const MODULE: &str = include_str!("../../examples/bifrost-tokens/module.py");
/// The module that shows what reached it.
const ECHO: &str = include_str!("../../examples/module/module.py");
/// The call of the tutorial, to the letter.
const CALL: &str = "jwt.decode(encoded_jwt, os.environ['JWT_PUBLIC_KEY_RSA_BIFROST'], algorithms=['RS256'])";

const USER: &str = "fd76ce0c-d8be-4aa6-91ed-59e698f6af60";
const ORGANIZATION: &str = "70f0d039-e3d9-427e-b161-4e95dbd9e918";

/// The sample, running.
struct Gateway {
    address: SocketAddr,
    issuer: String,
    /// The key of the provider.
    provider: SigningKey,
    /// The key that modgud mints with.
    minting: SigningKey,
    api_key: String,
    processes: Vec<Process>,
    relay: AbortHandle,
    _idp: Idp,
    _folder: TempDir,
}

impl Gateway {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = Programs {
            modgud: env!("CARGO_BIN_EXE_modgud").into(),
            envoy: program("MODGUD_TEST_ENVOY"),
            python: program("MODGUD_TEST_PYTHON"),
        };
        let api_key = setup(folder.path()).await;
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        let (public, minting) = (read("bifrost.pub.pem"), SigningKey::from_pem(&read("bifrost.key")).unwrap());

        let provider = SigningKey::generate(Algorithm::Rs256).unwrap();
        let published = PublicJwk::from_pem(&provider.public_pem().unwrap(), Algorithm::Rs256).unwrap();
        let provider = provider.with_id(published.id().clone());
        let idp = Idp::start().await;
        idp.reply("/jwks", Reply::Body(PublicJwk::set(&[published]).into_bytes()));
        let issuer = idp.url("/realms/bifrost");
        idp.reply("/realms/bifrost/.well-known/openid-configuration", discovery(&issuer, &idp.url("/jwks")));

        // Modules know the gateway's address before Envoy has one.
        let (found, gateway) = watch::channel(None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let calls = format!("http://{}/documents/list/", listener.local_addr().unwrap());
        let relay = tokio::spawn(relay(listener, gateway)).abort_handle();
        let module = |text: &str, name: &str, arguments: &[&str]| {
            let file = folder.path().join(format!("{name}.py"));
            fs::write(&file, text).unwrap();
            let mut command = Command::new(&programs.python);
            command.arg(file).args(["--port", "0"]).args(arguments).env("JWT_PUBLIC_KEY_RSA_BIFROST", &public);
            command
        };
        let crm = module(MODULE, "crm", &["--calls", &calls]);
        let documents = module(ECHO, "documents", &["--name", "documents"]);
        let (crm, crm_address) = start_module("crm", crm).await.unwrap();
        let (documents, documents_address) = start_module("documents", documents).await.unwrap();

        let mut yaml = SAMPLE.to_owned();
        for (old, new) in [
            ("https://login.example.com/realms/bifrost", issuer.clone()),
            ("crm:8080", crm_address.to_string()),
            ("documents:8080", documents_address.to_string()),
        ] {
            assert!(yaml.contains(old), "{old}");
            yaml = yaml.replace(old, &new);
        }
        fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
        let mut command = Command::new(&programs.modgud);
        command.current_dir(folder.path()).env_clear();
        command.args(["serve", "--config", "modgud.yaml", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let (modgud, (grpc, _)) = start_modgud(command).await.unwrap();
        let written =
            format!("modgud envoy --config modgud.yaml --modgud {grpc} --listen 127.0.0.1:0 --admin 127.0.0.1:0");
        let envoy_yaml = shell(folder.path(), &written).await;
        fs::write(folder.path().join("envoy.yaml"), envoy_yaml).unwrap();
        let (envoy, _, address) = start_envoy(&programs, folder.path()).await.unwrap();
        found.send(Some(address)).unwrap();
        let processes = vec![envoy, modgud, crm, documents];
        Self { address, issuer, provider, minting, api_key, processes, relay, _idp: idp, _folder: folder }
    }

    /// Asks a module with this header.
    async fn ask(&self, path: &str, name: &str, value: &str) -> Exchange {
        Exchange::send(self.address, "GET", path, &[(name, value)]).await.unwrap()
    }

    /// A token as Keycloak issues it, with its own claims and those of the mappers.
    fn of_the_provider(&self) -> String {
        let claims = [
            ("exp", json!(now() + 300)),
            ("iat", json!(now())),
            ("jti", json!("onrtac:5f3c1f0e-8d5b-4f53-a8b0-2d5f7c6f0a51")),
            ("iss", json!(self.issuer)),
            ("aud", json!(["bifrost-api", "account"])),
            ("sub", json!("0a3fe0c4-6f8c-4b53-9a1c-5f0b1b8e6d11")),
            ("typ", json!("Bearer")),
            ("azp", json!("portal")),
            ("realm_access", json!({ "roles": ["offline_access"] })),
            ("scope", json!("read write")),
            ("preferred_username", json!("admin")),
            ("core_user_uuid", json!(USER)),
            ("organization_uuid", json!(ORGANIZATION)),
            ("username", json!("admin")),
        ];
        self.provider.sign(&claims.map(|(name, value)| (name.to_owned(), value))).unwrap()
    }

    async fn stop(self) {
        self.relay.abort();
        for process in self.processes {
            process.end().await;
        }
    }
}

/// Runs the commands of the page, which make the key pair and the table; returns the API key.
async fn setup(folder: &Path) -> String {
    shell(folder, &block(PAGE, "sh setup")).await.lines().last().unwrap().to_owned()
}

/// The output of commands in this folder, in which `modgud` is the program under test.
async fn shell(folder: &Path, commands: &str) -> String {
    let mut command = Command::new("sh");
    let script = format!("modgud() {{ \"$MODGUD\" \"$@\"; }}\n{commands}");
    command.args(["-eu", "-c", &script]).env("MODGUD", env!("CARGO_BIN_EXE_modgud")).current_dir(folder);
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{commands}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Forwards connections to the gateway, once it has an address.
async fn relay(listener: TcpListener, gateway: watch::Receiver<Option<SocketAddr>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut gateway = gateway.clone();
        tokio::spawn(async move {
            let Ok(address) = gateway.wait_for(Option::is_some).await.map(|found| *found) else { return };
            if let Ok(mut server) = TcpStream::connect(address.unwrap()).await {
                // Either side may close the connection.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "processes have no other clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a minted token.
fn claims(now: u64) -> Vec<(String, Value)> {
    [
        ("iss", json!("bifrost")),
        ("exp", json!(now + 60)),
        ("iat", json!(now)),
        ("core_user_uuid", json!(USER)),
        ("organization_uuid", json!(ORGANIZATION)),
        ("scope", json!("read write")),
        ("username", json!("admin")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn with(name: &str, value: Value) -> Vec<(String, Value)> {
    let mut claims = claims(now());
    claims.retain(|(known, _)| known != name);
    claims.push((name.to_owned(), value));
    claims
}

/// The token that reached the echoing module, and its claims.
fn received(seen: &Value) -> (String, Value) {
    let headers = seen["headers"].as_array().unwrap();
    let values: Vec<&str> = headers
        .iter()
        .filter(|header| header[0] == "authorization")
        .map(|header| header[1].as_str().unwrap())
        .collect();
    assert_eq!(values.len(), 1, "{seen}");
    (values[0].to_owned(), seen["decoded"].clone())
}

#[test]
fn the_page_shows_the_sample_and_the_module_has_the_call_of_the_tutorial() {
    assert_eq!(block(PAGE, "yaml sample"), SAMPLE);
    assert!(MODULE.contains(CALL));
}

#[tokio::test]
async fn modules_decode_the_same_token_on_every_hop_whatever_the_client_presents() {
    let gateway = Gateway::start().await;
    let bearer = format!("Bearer {}", gateway.of_the_provider());
    let jwt = format!("JWT {}", gateway.of_the_provider());
    let key = gateway.api_key.clone();
    for (name, value, user, username) in [
        ("Authorization", &bearer, USER, "admin"),
        ("Authorization", &jwt, USER, "admin"),
        ("x-api-key", &key, "8c3e8f5a-5d43-4b8e-9d0e-3f1f6d1f2a77", "partner-a"),
    ] {
        let before = now();
        let answer = gateway.ask("/crm/appointment/1/", name, value).await;
        let found = answer.json();
        assert_eq!(answer.status, 200, "{name}: {}", String::from_utf8_lossy(&answer.body));
        let claims = &found["decoded"];
        let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            ["core_user_uuid", "exp", "iat", "iss", "organization_uuid", "scope", "username"],
            "exactly the seven claims"
        );
        assert_eq!(
            [
                &claims["core_user_uuid"],
                &claims["iss"],
                &claims["organization_uuid"],
                &claims["scope"],
                &claims["username"]
            ],
            [user, "bifrost", ORGANIZATION, "read write", username]
        );
        let (issued, expires) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert!(issued + 5 <= now() && expires > before && expires <= now() + 300, "{claims}");

        // The second module got the same token through the gateway.
        assert_eq!(found["called"]["status"], 200, "{found}");
        let seen = &found["called"]["body"];
        let (token, decoded) = received(seen);
        assert_eq!((seen["module"].as_str(), seen["path"].as_str()), (Some("documents"), Some("/list/")));
        assert_eq!(&decoded, claims);
        let head = jsonwebtoken::decode_header(token.strip_prefix("JWT ").unwrap()).unwrap();
        assert_eq!((head.typ.as_deref(), head.alg), (Some("JWT"), jsonwebtoken::Algorithm::RS256));
        let header = |name: &str| {
            let headers = seen["headers"].as_array().unwrap();
            headers.iter().find(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned())
        };
        assert_eq!(header("x-core-user-uuid").as_deref(), Some(user));
        assert_eq!(header("x-username").as_deref(), Some(username));
        assert_eq!(header("x-organization-uuid").as_deref(), Some(ORGANIZATION));
        let secret = value.split(' ').next_back().unwrap();
        assert!(!found.to_string().contains(secret), "the client's own credential reaches no module");

        // As on a third hop: the token is neither minted again nor changed.
        let again = gateway.ask("/documents/list/", "Authorization", &token).await;
        assert_eq!((again.status, received(&again.json())), (200, (token, decoded)));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn on_the_second_hop_a_token_that_is_not_modguds_or_not_valid_is_denied() {
    let gateway = Gateway::start().await;
    let (ours, stranger) = (&gateway.minting, SigningKey::generate(Algorithm::Rs256).unwrap());
    let good = ours.sign(&claims(now())).unwrap();
    let control = gateway.ask("/documents/", "Authorization", &format!("JWT {good}")).await;
    assert_eq!(control.status, 200, "{}", String::from_utf8_lossy(&control.body));

    let parts: Vec<&str> = good.split('.').collect();
    let other = ours.sign(&with("username", json!("root"))).unwrap();
    let other: Vec<&str> = other.split('.').collect();
    let object: serde_json::Map<String, Value> = claims(now()).into_iter().collect();
    let text = Value::Object(object.clone()).to_string();
    let confused = |secret: &str| {
        jsonwebtoken::encode(&Header::default(), &object, &EncodingKey::from_secret(secret.as_bytes()).unwrap())
            .unwrap()
    };
    let pem = ours.public_pem().unwrap();
    let unsigned = ours.sign_raw(r#"{"alg":"none","typ":"JWT"}"#, &text).unwrap();
    let thumbprint = PublicJwk::from_pem(&pem, Algorithm::Rs256).unwrap().id().clone();
    for (what, token) in [
        ("expired", ours.sign(&with("exp", json!(now() - 1))).unwrap()),
        ("issued in the future", ours.sign(&with("iat", json!(now() + 120))).unwrap()),
        (
            "without an end",
            ours.sign(&claims(now()).into_iter().filter(|(name, _)| name != "exp").collect::<Vec<_>>()).unwrap(),
        ),
        ("claims of another token", format!("{}.{}.{}", parts[0], other[1], parts[2])),
        ("another signature", format!("{}.{}.{}", parts[0], parts[1], other[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("alg none", format!("{}.", unsigned.rsplit_once('.').unwrap().0)),
        ("alg none, with a signature", unsigned),
        ("the public key as a secret", confused(&pem)),
        ("the public key as a secret, without its last line end", confused(pem.trim_end())),
        ("another algorithm of the same key", ours.sign_raw(r#"{"alg":"PS256","typ":"JWT"}"#, &text).unwrap()),
        ("another key", stranger.sign(&claims(now())).unwrap()),
        ("another key under the name of ours", stranger.with_id(thumbprint).sign(&claims(now())).unwrap()),
        ("issuer bifrost, signed by the provider", gateway.provider.sign(&claims(now())).unwrap()),
        ("the provider's issuer, signed by modgud", ours.sign(&with("iss", json!(gateway.issuer))).unwrap()),
        ("another issuer", ours.sign(&with("iss", json!("modgud"))).unwrap()),
        ("for an audience", ours.sign(&with("aud", json!("reports"))).unwrap()),
        ("without a user", ours.sign(&with("core_user_uuid", Value::Null)).unwrap()),
    ] {
        for scheme in ["JWT", "Bearer"] {
            let answer = gateway.ask("/documents/", "Authorization", &format!("{scheme} {token}")).await;
            assert_eq!(answer.status, 401, "{what}: {}", String::from_utf8_lossy(&answer.body));
            assert!(answer.json().get("module").is_none(), "{what}: no module is reached");
        }
    }
    // Two credentials are no choice, though each is good.
    let authorization = format!("JWT {good}");
    let both = [("Authorization", authorization.as_str()), ("x-api-key", gateway.api_key.as_str())];
    assert_eq!(Exchange::send(gateway.address, "GET", "/documents/", &both).await.unwrap().status, 401);
    assert_eq!(Exchange::get(gateway.address, "/documents/").await.unwrap().status, 401);
    gateway.stop().await;
}
