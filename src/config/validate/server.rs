//! Validates `server`: addresses, times, limits, and the files of TLS.

use super::super::{LogDestination, LogFormat, ServerConfig};
use super::{DurationRange, SizeRange, http, out_of_range, socket};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw;
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Quoted};
use crate::net::listen_addr::ListenAddr;
use crate::net::tls::{Chain, ClientAuthorities, PrivateKey, Tls, TlsError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path;
use std::time::Duration;

/// A substitute for a missing or invalid address.
///
/// `profiles/none.yaml` sets everything that a file may omit, so the substitute is used only if an error rejects the whole configuration.
/// So are the other substitutes here.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The validated section.
pub(super) struct ValidatedServer {
    /// The settings that only a restart changes.
    pub(super) server: ServerConfig,
    pub(super) tls: Option<Tls>,
    pub(super) deadline: Duration,
    /// The maximum size of a token, in bytes.
    pub(super) max_token: usize,
    /// The maximum memory for verified tokens, in bytes.
    pub(super) token_cache: u64,
}

pub(super) fn check(
    server: &raw::Server,
    (log, decisions_to): (LogFormat, LogDestination),
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> ValidatedServer {
    let raw::Server {
        grpc,
        http,
        insecure_plaintext,
        socket,
        admin,
        tls,
        deadline,
        drain,
        max_in_flight,
        max_connections,
        max_message,
        max_token,
        token_cache,
    } = server;
    let at = Path::root("server");
    let grpc = grpc.as_ref().and_then(|text| {
        let read = text.parse().map_err(|error| {
            Issue::parse("address-invalid", format!("{} is not an address; {error}", Quoted::new(text)))
        });
        diagnostics.ok_or_report(&at.key("grpc"), read)
    });
    let has_http = http.is_some();
    let http = http.as_ref().and_then(|one| http::listener(&at.key("http"), one, *insecure_plaintext, diagnostics));
    // An invalid address could be meant as a socket.
    if let (Some(_), Some(grpc), true) = (socket, &grpc, has_http == http.is_some()) {
        socket::without_file(&at.key("socket"), grpc, http.as_ref().map(|http| &http.listen), diagnostics);
    }
    let socket = socket::check(&at.key("socket"), socket.as_ref(), diagnostics);
    let admin = admin.as_ref().and_then(|text| {
        let read = text.parse().map_err(|_| {
            let message = format!("{} is not an address", Quoted::new(text));
            let help = "write an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`";
            Issue::error("address-invalid", message, help)
        });
        diagnostics.ok_or_report(&at.key("admin"), read)
    });
    if let Some(http) = &http {
        let others = [("server.grpc", grpc.clone()), ("server.admin", admin.map(ListenAddr::Tcp))];
        http::other_listeners(&at.key("http").key("listen"), &http.listen, &others, diagnostics);
    }
    let tls = tls
        .as_ref()
        .filter(|_| loader.is_for_serving())
        .and_then(|tls| self::tls(&at.key("tls"), tls, loader, diagnostics));
    let deadline = DurationRange { least: ("1ms", 1), most: ("10s", 10_000) }.read(
        &at.key("deadline"),
        deadline.as_ref(),
        diagnostics,
    );
    let drain =
        DurationRange { least: ("0s", 0), most: ("10m", 600_000) }.read(&at.key("drain"), drain.as_ref(), diagnostics);
    if let Some(outside) = max_in_flight.filter(|most| !(1..=1_000_000).contains(most)) {
        diagnostics.add(at.key("max_in_flight"), out_of_range(outside, 1, 1_000_000));
    }
    let max_in_flight = usize::try_from(max_in_flight.unwrap_or_default()).unwrap_or(usize::MAX);
    if let Some(outside) = max_connections.filter(|most| !(16..=65_536).contains(most)) {
        diagnostics.add(at.key("max_connections"), out_of_range(outside, 16, 65_536));
    }
    let max_connections = max_connections.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let max_message = SizeRange { least: ("64KiB", 64 << 10), most: ("16MiB", 16 << 20) }.read(
        &at.key("max_message"),
        max_message.as_ref(),
        diagnostics,
    );
    let max_token = SizeRange { least: ("1KiB", 1 << 10), most: ("64KiB", 64 << 10) }.read(
        &at.key("max_token"),
        max_token.as_ref(),
        diagnostics,
    );
    let token_cache = SizeRange { least: ("1MiB", 1 << 20), most: ("4GiB", 4 << 30) }.read(
        &at.key("token_cache"),
        token_cache.as_ref(),
        diagnostics,
    );
    let (grpc, admin) = (grpc.unwrap_or(NOWHERE.into()), admin.unwrap_or(NOWHERE));
    let server = ServerConfig {
        grpc,
        http,
        socket,
        admin,
        drain,
        max_in_flight,
        max_message,
        max_connections,
        log,
        decisions_to,
    };
    ValidatedServer { server, tls, deadline, max_token, token_cache: u64::try_from(token_cache).unwrap_or(u64::MAX) }
}

/// Reads every file, even if another one is invalid.
fn tls(at: &Path, tls: &raw::Tls, loader: &SecretLoader, diagnostics: &mut Diagnostics) -> Option<Tls> {
    let raw::Tls { cert, key, client_ca } = tls;
    let chain = read(&at.key("cert"), cert, Chain::from_pem, loader, diagnostics);
    let private = read(&at.key("key"), key, PrivateKey::from_pem, loader, diagnostics);
    let authorities = match client_ca {
        None => Some(None),
        Some(file) => read(&at.key("client_ca"), file, ClientAuthorities::from_pem, loader, diagnostics).map(Some),
    };
    let (Some((chain, cert_origin)), Some((private, key_origin)), Some(authorities)) = (chain, private, authorities)
    else {
        return None;
    };
    let authorities = authorities.map(|(authorities, _)| authorities);
    Tls::new(chain, private, authorities)
        .map_err(|error| {
            let (key, origin) = match error {
                TlsError::NoCertificate | TlsError::Certificate => ("cert", cert_origin),
                TlsError::NoKey | TlsError::Key | TlsError::OtherKey => ("key", key_origin),
            };
            diagnostics.add(at.key(key), unusable(&origin, error));
        })
        .ok()
}

fn unusable(origin: &str, error: TlsError) -> Issue {
    Issue::parse("tls-file-unusable", format!("{origin} {error}"))
}

/// Reads and parses a file. Returns its origin in words, too.
fn read<T>(
    at: &Path,
    file: &path::Path,
    parse: impl Fn(&[u8]) -> Result<T, TlsError>,
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> Option<(T, String)> {
    let (content, origin) = diagnostics.ok_or_report(at, loader.read_tls_file(file))?;
    match parse(&content) {
        Ok(parsed) => Some((parsed, origin)),
        Err(error) => {
            diagnostics.add(at.clone(), unusable(&origin, error));
            None
        }
    }
}
