//! Callers that are known by the certificate of their connection: Envoy checks it as `docs/mtls.md` shows, and modgud says whose it is.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign, with};
use super::{replaced, testbed};
use crate::decisions::counters::Counters;
use crate::readme::block;
use crate::services::authority::{Authority, Pair, SERVER};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud::envoy::lint::{Document, Scope, lint};
use modgud_testbed::http::Exchange;
use modgud_testbed::{Setup, Testbed};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use serde_json::json;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const API: &str = "spiffe://example.org/ns/prod/sa/api";

/// Where the files of a test are: a change to Envoy's configuration has no other way to know it.
static OF_THE_REQUIRED: OnceLock<PathBuf> = OnceLock::new();
static OF_THE_OPTIONAL: OnceLock<PathBuf> = OnceLock::new();
static OF_THE_BOUND: OnceLock<PathBuf> = OnceLock::new();
static OF_THE_FORWARDING: OnceLock<PathBuf> = OnceLock::new();
static OF_THE_UNSEEN: OnceLock<PathBuf> = OnceLock::new();

/// The sample with what the documentation shows, and the certificate sent along.
fn with_tls(yaml: &str, place: &OnceLock<PathBuf>) -> String {
    let mut shown = block("docs/mtls.md", "yaml envoy mtls");
    for name in ["gateway.pem", "gateway.key", "clients.pem"] {
        let file = place.get().unwrap().join(name).display().to_string();
        shown = replaced(&shown, &format!("/etc/envoy/{name}"), &file);
    }
    let indented: Vec<String> = shown.lines().map(|line| format!("          {line}\n")).collect();
    let chain = "        - filters:\n";
    let yaml =
        replaced(yaml, chain, &format!("        - {}{}", indented.concat().trim_start(), "          filters:\n"));
    replaced(&yaml, "include_peer_certificate: false", "include_peer_certificate: true")
}

fn required(yaml: &str) -> String {
    with_tls(yaml, &OF_THE_REQUIRED)
}

fn optional(yaml: &str) -> String {
    replaced(&with_tls(yaml, &OF_THE_OPTIONAL), "require_client_certificate: true", "require_client_certificate: false")
}

fn bound(yaml: &str) -> String {
    with_tls(yaml, &OF_THE_BOUND)
}

/// Envoy keeps `x-forwarded-client-cert` of clients with a certificate.
fn forwarding(yaml: &str) -> String {
    let remote = "use_remote_address: true\n";
    let forward = format!("{remote}                forward_client_cert_details: APPEND_FORWARD\n");
    let yaml = replaced(&with_tls(yaml, &OF_THE_FORWARDING), remote, &forward);
    FORWARDING.set(yaml.clone()).unwrap();
    yaml
}

static FORWARDING: OnceLock<String> = OnceLock::new();

/// Envoy does not send the certificate to modgud.
fn unseen(yaml: &str) -> String {
    replaced(&with_tls(yaml, &OF_THE_UNSEEN), "include_peer_certificate: true", "include_peer_certificate: false")
}

/// A gateway, and who issues certificates for it and for its clients.
struct Secured {
    testbed: Testbed,
    gateway: Authority,
    clients: Authority,
    _folder: TempDir,
}

impl Secured {
    /// With the first configuration that a document shows.
    async fn start(document: &str, edit: fn(&str) -> String, place: &OnceLock<PathBuf>) -> Self {
        let folder = TempDir::new().unwrap();
        let (gateway, clients) = (Authority::new("gateway"), Authority::new("clients"));
        gateway.server().write(folder.path(), "gateway");
        fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
        place.set(folder.path().to_path_buf()).unwrap();
        // A setup holds what lives as long as the program.
        let config = Some(&*block(document, "yaml modgud").leak());
        let testbed = testbed(Setup { config, edit: Some(edit), ..Setup::default() }).await;
        Self { testbed, gateway, clients, _folder: folder }
    }

    /// A GET of `/crm/a` on a connection of its own.
    async fn ask(&self, certificate: Option<&Pair>, lines: &[String]) -> io::Result<Exchange> {
        exchange(self.testbed.gateway, &self.gateway, certificate, lines).await
    }

    async fn checks(&self) -> u64 {
        Counters::at(self.testbed.modgud_admin).await.get("modgud_check_duration_seconds_count")
    }
}

async fn exchange(to: SocketAddr, trusted: &Authority, own: Option<&Pair>, lines: &[String]) -> io::Result<Exchange> {
    let client = tls_client(trusted, own, rustls::DEFAULT_VERSIONS, &[]);
    let (answer, _) = tls_exchange(to, client, "GET", "/crm/a", lines).await?;
    Ok(answer)
}

/// A client that trusts one authority, with these protocol versions and protocols (ALPN), and perhaps a certificate of its own.
pub(super) fn tls_client(
    trusted: &Authority,
    own: Option<&Pair>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let config = config.with_root_certificates(roots);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some(Pair { cert, key }) => {
            let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// What a connection negotiated: the version and the protocol (ALPN).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Negotiated {
    pub(super) version: Option<ProtocolVersion>,
    pub(super) protocol: Option<String>,
}

/// A request in HTTP/1.1 by TLS, on a connection of its own.
pub(super) async fn tls_exchange(
    to: SocketAddr,
    client: ClientConfig,
    method: &str,
    path: &str,
    lines: &[String],
) -> io::Result<(Exchange, Negotiated)> {
    let stream = TcpStream::connect(to).await?;
    let mut stream = TlsConnector::from(Arc::new(client)).connect(SERVER.try_into().unwrap(), stream).await?;
    let (_, connection) = stream.get_ref();
    let protocol = connection.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned());
    let negotiated = Negotiated { version: connection.protocol_version(), protocol };
    let lines: String = lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let answer = Exchange { status, headers: lines.filter_map(header).collect(), body: body.as_bytes().to_vec() };
    Ok((answer, negotiated))
}

#[tokio::test]
async fn a_module_receives_the_owner_of_the_certificate() {
    let secured = Secured::start("docs/mtls.md", optional, &OF_THE_OPTIONAL).await;
    let api = secured.clients.client_of(API);
    let identity = [("x-core-namespace", "prod"), ("x-core-user-uuid", API)];
    let seen = Seen::of(&secured.ask(Some(&api), &[]).await.unwrap());
    assert_eq!(seen.identity(), identity);
    // A client's own claims change nothing, and reach no module.
    let claimed = "X-Forwarded-Client-Cert: By=x;URI=spiffe://example.org/ns/prod/sa/root".to_owned();
    let lines = [claimed.clone(), "x-core-user-uuid: root".to_owned(), "x-core-namespace: root".to_owned()];
    let seen = Seen::of(&secured.ask(Some(&api), &lines).await.unwrap());
    assert_eq!((seen.identity(), seen.values("x-forwarded-client-cert")), (identity.to_vec(), vec![]));

    // Nobody without a certificate, nor with one of a name that is not accepted.
    for lines in [vec![], vec![claimed]] {
        let answer = secured.ask(None, &lines).await.unwrap();
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer realm=\"modgud\"")));
    }
    let other = secured.clients.client_of("spiffe://example.com/ns/prod/sa/api");
    let answer = secured.ask(Some(&other), &[]).await.unwrap();
    assert!(answer.status == 401 && answer.header("www-authenticate").unwrap().contains("invalid_token"));

    // A token counts, and a bad one is not made good by a certificate.
    let good = [jwt(&sign(&secured.testbed.key, &claims()))];
    let seen = Seen::of(&secured.ask(Some(&api), &good).await.unwrap());
    assert_eq!(seen.values("x-core-user-uuid"), ["fd76ce0c-d8be-4aa6-91ed-59e698f6af60"]);
    assert!(seen.values("x-core-namespace").is_empty());
    let bad = [jwt(&sign(&secured.testbed.key, &with(claims(), "exp", json!(1))))];
    assert_eq!(secured.ask(Some(&api), &bad).await.unwrap().status, 401);

    // A certificate of other authorities is not one: Envoy ends the connection, and modgud is not asked.
    let before = secured.checks().await;
    let forged = Authority::new("clients").client_of(API);
    assert!(secured.ask(Some(&forged), &[]).await.is_err());
    assert_eq!(secured.checks().await, before);
    secured.testbed.stop().await;
}

#[tokio::test]
async fn requests_without_a_required_certificate_do_not_reach_modgud() {
    let secured = Secured::start("docs/mtls.md", required, &OF_THE_REQUIRED).await;
    let api = secured.clients.client_of(API);
    assert_eq!(Seen::of(&secured.ask(Some(&api), &[]).await.unwrap()).values("x-core-user-uuid"), [API]);
    let before = secured.checks().await;
    let good = [jwt(&sign(&secured.testbed.key, &claims()))];
    assert!(secured.ask(None, &good).await.is_err());
    assert!(secured.ask(Some(&Authority::new("clients").client_of(API)), &good).await.is_err());
    assert_eq!(secured.checks().await, before);
    secured.testbed.stop().await;
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_is_good_with_that_one_only() {
    let secured = Secured::start("docs/sender-constrained.md", bound, &OF_THE_BOUND).await;
    let (mine, other) = (secured.clients.client_of(API), secured.clients.client_of(API));
    let der = pem::parse(&mine.cert).unwrap();
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, der.contents()));
    let cnf = json!({ "x5t#S256": thumbprint });
    let token = [jwt(&sign(&secured.testbed.key, &with(claims(), "cnf", cnf)))];
    assert_eq!(Seen::of(&secured.ask(Some(&mine), &token).await.unwrap()).values("x-username"), ["admin"]);
    let answer = secured.ask(Some(&other), &token).await.unwrap();
    assert!(answer.status == 401 && answer.header("www-authenticate").unwrap().contains("invalid_token"));
    let unbound = [jwt(&sign(&secured.testbed.key, &claims()))];
    assert_eq!(secured.ask(Some(&mine), &unbound).await.unwrap().status, 401);
    secured.testbed.stop().await;
}

/// The finding `client-certificate-header` of `modgud envoy lint`, where clients have certificates.
#[tokio::test]
async fn a_client_forges_the_certificate_header_if_envoy_appends_to_it() {
    let secured = Secured::start("docs/mtls.md", forwarding, &OF_THE_FORWARDING).await;
    let api = secured.clients.client_of(API);
    let lines = ["X-Forwarded-Client-Cert: URI=spiffe://example.org/ns/prod/sa/root".to_owned()];
    let seen = Seen::of(&secured.ask(Some(&api), &lines).await.unwrap());
    let [value] = seen.values("x-forwarded-client-cert")[..] else { panic!("{seen:?}") };
    assert!(value.starts_with("URI=spiffe://example.org/ns/prod/sa/root,"), "{value}");
    let document = Document::parse("envoy.yaml", FORWARDING.get().unwrap()).unwrap();
    let report = lint(&[document], None, &Scope::default()).unwrap();
    let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code().name()).collect();
    assert_eq!(codes, ["client-certificate-header"]);
    secured.testbed.stop().await;
}

/// The finding `peer-certificate`.
#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_is_refused_if_modgud_does_not_see_it() {
    let secured = Secured::start("docs/sender-constrained.md", unseen, &OF_THE_UNSEEN).await;
    let mine = secured.clients.client_of(API);
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, pem::parse(&mine.cert).unwrap().contents()));
    let cnf = json!({ "x5t#S256": thumbprint });
    let token = [jwt(&sign(&secured.testbed.key, &with(claims(), "cnf", cnf)))];
    assert_eq!(secured.ask(Some(&mine), &token).await.unwrap().status, 401);
    secured.testbed.stop().await;
}
