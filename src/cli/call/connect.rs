//! The connection of `modgud call`: TCP or a Unix socket, plain or with TLS.

use crate::net::listen_addr::{ListenAddr, SocketPath};
use hyper_util::rt::TokioIo;
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

/// TLS options of the command line.
#[derive(Debug, clap::Args)]
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
    let socket = match address.parse() {
        Ok(ListenAddr::Unix(path)) => Some(path),
        Ok(ListenAddr::Tcp(_)) | Err(_) => None,
    };
    let host = if socket.is_some() { LOCAL } else { address };
    let scheme = if tls.ca.is_some() { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{host}"))
        .map_err(failed)?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CONNECT_TIMEOUT);
    if let Some(config) = config(tls)? {
        endpoint = endpoint.tls_config(config).map_err(failed)?;
    }
    match socket {
        None => endpoint.connect().await.map_err(failed),
        Some(path) => endpoint.connect_with_connector(service_fn(move |_| open(path.clone()))).await.map_err(failed),
    }
}

async fn open(path: SocketPath) -> io::Result<TokioIo<UnixStream>> {
    UnixStream::connect(path.as_path()).await.map(TokioIo::new)
}

/// Returns the TLS settings; `None` if the connection is plain.
fn config(tls: Tls) -> Result<Option<ClientTlsConfig>, ConnectError> {
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
