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
use std::io;
use std::path::{Path, PathBuf};
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
/// Exit code 0: allowed. 3: denied. 1: no response.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud call 127.0.0.1:9191 --path /crm/appointment/ --header \"Authorization: JWT $TOKEN\"\n  modgud call unix:/run/modgud/check.sock --path /crm/      # or an abstract socket: unix:@modgud\n  modgud call modgud:9191 --tls-ca ca.pem --tls-cert envoy.pem --tls-key envoy.key"
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
    #[command(flatten)]
    tls: Tls,
}

/// TLS options of the command line.
#[derive(Debug, clap::Args)]
struct Tls {
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
    match runtime.block_on(call(args)).and_then(show) {
        Ok(exit) => exit,
        Err(error) => print_error(error),
    }
}

async fn call(args: Args) -> Result<CheckResponse, CallError> {
    let Args { address, method, path, host, headers, context, tls } = args;
    let channel = connect(&address, tls).await?;
    let check = check_request(method, path, host, headers, context);
    let response =
        AuthorizationClient::new(channel).check(check).await.map_err(|status| CallError::Status(Box::new(status)))?;
    Ok(response.into_inner())
}

/// Prints a response as Envoy would read it.
fn show(response: CheckResponse) -> Result<Exit, CallError> {
    let code = response.status.map_or(0, |status| status.code);
    let facts = Struct::decode(response.dynamic_metadata).unwrap_or_default();
    match (code, response.http_response) {
        (0, Some(HttpResponse::OkResponse(ok))) => {
            let OkHttpResponse { headers, headers_to_remove, .. } = ok;
            print_line("allowed");
            show_headers("set", &headers);
            for name in &headers_to_remove {
                print_line(format_args!("  remove {}", plain(name)));
            }
            Ok(Exit::Done)
        }
        (1.., Some(HttpResponse::DeniedResponse(denied))) => {
            let DeniedHttpResponse { status, headers, body } = denied;
            print_line(format_args!("denied {}", status.map_or(403, |status| status.code)));
            show_facts(&facts);
            show_headers("header", &headers);
            print_line(format_args!("  body {}", plain(&body)));
            Ok(Exit::Denied)
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
enum ConnectError {
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
async fn connect(address: &str, tls: Tls) -> Result<Channel, ConnectError> {
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
