//! `modgud call`: one check on a running server, without writing JSON.

use super::input::{ContextArg, HeaderArg, check_request};
use super::{Exit, print_error, print_line, runtime};
use crate::envoy::proto::{
    AuthorizationClient, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpResponse, OkHttpResponse,
};
use crate::net::listen_addr::ListenAddr;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use prost_types::Struct;
use prost_types::value::Kind;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tower::service_fn;

/// Timeout of connecting, and of the call; beyond it the command fails.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The default server name on a Unix socket.
const LOCAL: &str = "localhost";

/// Sends one check to a running modgud, as Envoy would, and shows the response.
///
/// A denial is shown with its reason code, which only operators see: it is in the dynamic metadata of the response.
/// Exit code 0: allowed. 3: denied. 1: no response. With --expect, 0: the expected decision. 1: another one.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud call 127.0.0.1:9191 --path /crm/appointment/ --header \"Authorization: JWT $TOKEN\"\n  modgud call unix:/run/modgud/check.sock --path /crm/      # or an abstract socket: unix:@modgud\n  modgud call modgud:9191 --tls-ca ca.pem --tls-cert envoy.pem --tls-key envoy.key\n  modgud call modgud:9191 --path /crm/ --expect 401"
)]
pub(super) struct Args {
    /// The address where modgud serves checks: `HOST:PORT`, `unix:/PATH` or `unix:@NAME`
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's path, with its query if it has one
    #[arg(long, default_value = "/")]
    path: String,
    /// The request's host
    #[arg(long, default_value = "api.example.com")]
    host: String,
    /// A header of the request; can be given more than once
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<HeaderArg>,
    /// A context extension of the Envoy route (`context_extensions`); can be given more than once
    #[arg(long = "context", value_name = "KEY=VALUE")]
    context: Vec<ContextArg>,
    /// The decision that is a success: `allowed`, `denied` (with any status below 500, since 503 is no decision about the
    /// request), or the status of a denial, such as `401`. Every other decision is an error, for probes and tests
    #[arg(long, value_name = "DECISION")]
    expect: Option<Expectation>,
    #[command(flatten)]
    tls: Tls,
}

/// TLS options of the command line.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Tls {
    /// Use TLS: the file of the certificate authorities (PEM) that issue the server's certificate
    #[arg(long = "tls-ca", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The name in the server's certificate; by default that of the address
    #[arg(long = "tls-name", value_name = "NAME", requires = "ca")]
    name: Option<String>,
    /// The file of the client certificate (PEM), if the server requires one
    #[arg(long = "tls-cert", value_name = "FILE", requires_all = ["ca", "key"])]
    cert: Option<PathBuf>,
    /// The file of its private key (PEM)
    #[arg(long = "tls-key", value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl Tls {
    /// Returns true if the connection uses TLS.
    pub(super) const fn is_on(&self) -> bool {
        self.ca.is_some()
    }
}

/// The decision that `--expect` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expectation {
    Allowed,
    Denied,
    Status(i32),
}

impl FromStr for Expectation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let status = || text.parse().ok().filter(|status| (300..600).contains(status));
        match text {
            "allowed" => Ok(Self::Allowed),
            "denied" => Ok(Self::Denied),
            _ => status().map(Self::Status).ok_or("write `allowed`, `denied` or a status from 300 to 599"),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::Denied => f.write_str("denied with a status below 500"),
            Self::Status(status) => write!(f, "denied {status}"),
        }
    }
}

/// A decision as the first line of the output shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Allowed,
    Denied { status: i32 },
}

impl Outcome {
    /// Returns true if this is the expected decision.
    const fn meets(self, expected: Expectation) -> bool {
        match (self, expected) {
            (Self::Allowed, Expectation::Allowed) => true,
            (Self::Denied { status }, Expectation::Denied) => status < 500,
            (Self::Denied { status }, Expectation::Status(expected)) => status == expected,
            (Self::Allowed, Expectation::Denied | Expectation::Status(_))
            | (Self::Denied { .. }, Expectation::Allowed) => false,
        }
    }

    /// Returns the exit code: that of the decision, or of the comparison with the expected one.
    fn exit(self, expected: Option<Expectation>) -> Exit {
        match (self, expected) {
            (Self::Allowed, None) => Exit::Done,
            (Self::Denied { .. }, None) => Exit::Denied,
            (_, Some(expected)) if self.meets(expected) => Exit::Done,
            (_, Some(expected)) => print_error(format_args!("the decision is `{self}`; --expect names `{expected}`")),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("allowed"),
            Self::Denied { status } => write!(f, "denied {status}"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the server returned a gRPC error instead of a decision: {} ({})", .0.message(), .0.code())]
    Status(Box<tonic::Status>),
    #[error("the server's response has status {code} and no matching body; Envoy would treat it as {}", if *.code == 0 { "an allow" } else { "a denial" })]
    Inconsistent { code: i32 },
}

pub(super) fn run(args: Args) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return print_error(error),
    };
    let expected = args.expect;
    match runtime.block_on(call(args)).and_then(show) {
        Ok(outcome) => outcome.exit(expected),
        Err(error) => print_error(error),
    }
}

async fn call(args: Args) -> Result<CheckResponse, CallError> {
    let Args { address, method, path, host, headers, context, expect: _, tls } = args;
    let channel = connect(&address, tls).await?;
    let check = check_request(method, path, host, headers, context);
    let response =
        AuthorizationClient::new(channel).check(check).await.map_err(|status| CallError::Status(Box::new(status)))?;
    Ok(response.into_inner())
}

/// Prints a response as Envoy would read it.
fn show(response: CheckResponse) -> Result<Outcome, CallError> {
    let code = response.status.map_or(0, |status| status.code);
    let facts = Struct::decode(response.dynamic_metadata.as_slice()).unwrap_or_default();
    match (code, response.http_response) {
        (0, Some(HttpResponse::OkResponse(ok))) => {
            let OkHttpResponse { headers, headers_to_remove, response_headers_to_add, .. } = ok;
            print_line(Outcome::Allowed);
            show_headers("set", &headers);
            for name in &headers_to_remove {
                print_line(format_args!("  remove {}", plain(name)));
            }
            show_headers("response", &response_headers_to_add);
            Ok(Outcome::Allowed)
        }
        (1.., Some(HttpResponse::DeniedResponse(denied))) => {
            let DeniedHttpResponse { status, headers, body } = denied;
            // Envoy's default.
            let outcome = Outcome::Denied { status: status.map_or(403, |status| status.code) };
            print_line(outcome);
            show_facts(&facts);
            show_headers("header", &headers);
            print_line(format_args!("  body {}", plain(&body)));
            Ok(outcome)
        }
        (code, _) => Err(CallError::Inconsistent { code }),
    }
}

/// Prints why the request was denied, as the dynamic metadata for Envoy's access log names it. The client never learns it.
fn show_facts(facts: &Struct) {
    for name in ["reason", "rule", "authenticator"] {
        if let Some(Kind::StringValue(value)) = facts.fields.get(name).and_then(|value| value.kind.as_ref()) {
            print_line(format_args!("  {name} {}", plain(value.as_bytes())));
        }
    }
}

/// Returns the reason of a denial, as the dynamic metadata names it.
pub(super) fn reason(response: &CheckResponse) -> Option<String> {
    let facts = Struct::decode(response.dynamic_metadata.as_slice()).ok()?;
    match facts.fields.get("reason")?.kind.as_ref()? {
        Kind::StringValue(reason) => Some(reason.clone()),
        _ => None,
    }
}

fn show_headers(what: &str, options: &[HeaderValueOption]) {
    for header in options.iter().filter_map(|option| option.header.as_ref()) {
        let value = plain(&header.value);
        let shown = if header.key.eq_ignore_ascii_case(b"authorization") { without_credential(&value) } else { value };
        print_line(format_args!("  {what} {}: {shown}", plain(&header.key)));
    }
}

/// Returns a credential's scheme and length only: output ends up in tickets and build logs, where tokens must not be.
fn without_credential(value: &str) -> String {
    let (scheme, credential) = value.split_once(' ').unwrap_or(("", value));
    format!("{scheme} … ({} characters)", credential.chars().count())
}

/// Returns bytes from the network as text, with control and invisible characters replaced.
fn plain(bytes: &[u8]) -> String {
    super::explain::report::plain(&String::from_utf8_lossy(bytes))
}

/// Errors of connecting.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("can't reach {address}: {}; is `modgud serve` running there?", root(.error))]
    Transport { address: String, error: tonic::transport::Error },
    #[error("{}: {error}", .file.display())]
    File { file: PathBuf, error: io::Error },
}

/// Returns the root cause of an error: the transport's own message only reports a failure.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Connects to the server.
pub(super) async fn connect(address: &str, tls: Tls) -> Result<Channel, ConnectError> {
    let failed = |error| ConnectError::Transport { address: address.to_owned(), error };
    let socket = address.parse().ok().and_then(|address: ListenAddr| address.unix_path());
    let host = if socket.is_some() { LOCAL } else { address };
    let scheme = if tls.ca.is_some() { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{host}"))
        .map_err(failed)?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CONNECT_TIMEOUT);
    if let Some(config) = tls_config(tls)? {
        endpoint = endpoint.tls_config(config).map_err(failed)?;
    }
    match socket {
        None => endpoint.connect().await.map_err(failed),
        Some(path) => {
            endpoint.connect_with_connector(service_fn(move |_| open_socket(path.clone()))).await.map_err(failed)
        }
    }
}

async fn open_socket(path: PathBuf) -> io::Result<TokioIo<UnixStream>> {
    UnixStream::connect(path).await.map(TokioIo::new)
}

/// Returns the TLS settings; `None` if the connection is plain.
fn tls_config(tls: Tls) -> Result<Option<ClientTlsConfig>, ConnectError> {
    let Tls { ca, name, cert, key } = tls;
    let Some(ca) = ca else { return Ok(None) };
    let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(&ca)?));
    if let Some(name) = name {
        config = config.domain_name(name);
    }
    if let (Some(cert), Some(key)) = (cert, key) {
        config = config.identity(Identity::from_pem(read(&cert)?, read(&key)?));
    }
    Ok(Some(config))
}

fn read(file: &Path) -> Result<Vec<u8>, ConnectError> {
    std::fs::read(file).map_err(|error| ConnectError::File { file: file.to_path_buf(), error })
}
