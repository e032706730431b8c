//! Validates `server`: addresses, times, limits, and the files of TLS.

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw;
use super::super::secret_source::SecretLoader;
use super::super::{LogFormat, ServerConfig};
use super::{SizeRange, Span};
use crate::net::tls::{Chain, ClientAuthorities, PrivateKey, Tls, TlsError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path;
use std::time::Duration;

/// A substitute for a missing or invalid address.
///
/// `profiles/none.yaml` sets everything that a file may omit, so the substitute is used only if a problem rejects the whole configuration.
/// So are the other substitutes here.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The validated section.
pub(super) struct Checked {
    /// The settings that only a restart changes.
    pub(super) server: ServerConfig,
    pub(super) tls: Option<Tls>,
    pub(super) deadline: Duration,
    /// The maximum size of a token, in bytes.
    pub(super) max_token: usize,
}

pub(super) fn check(server: &raw::Server, log: LogFormat, reader: &SecretLoader, problems: &mut Problems) -> Checked {
    // `insecure_plaintext` only affects warnings.
    let raw::Server {
        grpc,
        insecure_plaintext: _,
        admin,
        tls,
        deadline,
        drain,
        max_in_flight,
        max_connections,
        max_message,
        max_token,
    } = server;
    let at = Path::root("server");
    let grpc = grpc.as_ref().and_then(|text| {
        let read = text.parse().map_err(|fault| Problem::CheckAddress { found: Quoted::new(text), fault });
        problems.take(&at.key("grpc"), read)
    });
    let admin = admin.as_ref().and_then(|text| {
        problems.take(&at.key("admin"), text.parse().map_err(|_| Problem::Address(Quoted::new(text))))
    });
    let tls = tls
        .as_ref()
        .filter(|_| reader.is_for_serving())
        .and_then(|tls| self::tls(&at.key("tls"), tls, reader, problems));
    let deadline =
        Span { least: ("1ms", 1), most: ("10s", 10_000) }.read(&at.key("deadline"), deadline.as_ref(), problems);
    let drain = Span { least: ("0s", 0), most: ("10m", 600_000) }.read(&at.key("drain"), drain.as_ref(), problems);
    if let Some(outside) = max_in_flight.filter(|most| !(1..=1_000_000).contains(most)) {
        problems.add(at.key("max_in_flight"), Problem::InFlight(outside));
    }
    let max_in_flight = usize::try_from(max_in_flight.unwrap_or_default()).unwrap_or(usize::MAX);
    if let Some(outside) = max_connections.filter(|most| !(16..=65_536).contains(most)) {
        problems.add(at.key("max_connections"), Problem::Connections(outside));
    }
    let max_connections = max_connections.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let max_message = SizeRange { least: ("64KiB", 64 << 10), most: ("16MiB", 16 << 20) }.read(
        &at.key("max_message"),
        max_message.as_ref(),
        problems,
    );
    let max_token = SizeRange { least: ("1KiB", 1 << 10), most: ("64KiB", 64 << 10) }.read(
        &at.key("max_token"),
        max_token.as_ref(),
        problems,
    );
    let (grpc, admin) = (grpc.unwrap_or(NOWHERE.into()), admin.unwrap_or(NOWHERE));
    let server = ServerConfig { grpc, admin, drain, max_in_flight, max_message, max_connections, log };
    Checked { server, tls, deadline, max_token }
}

/// Reads every file, even if another one is invalid.
fn tls(at: &Path, tls: &raw::Tls, reader: &SecretLoader, problems: &mut Problems) -> Option<Tls> {
    let raw::Tls { cert, key, client_ca } = tls;
    let chain = read(&at.key("cert"), cert, Chain::from_pem, reader, problems);
    let private = read(&at.key("key"), key, PrivateKey::from_pem, reader, problems);
    let authorities = match client_ca {
        None => Some(None),
        Some(file) => read(&at.key("client_ca"), file, ClientAuthorities::from_pem, reader, problems).map(Some),
    };
    let (Some((chain, cert_origin)), Some((private, key_origin)), Some(authorities)) = (chain, private, authorities)
    else {
        return None;
    };
    let authorities = authorities.map(|(authorities, _)| authorities);
    Tls::new(chain, private, authorities)
        .map_err(|fault| {
            let (key, origin) = match fault {
                TlsError::NoCertificate | TlsError::Certificate => ("cert", cert_origin),
                TlsError::NoKey | TlsError::Key | TlsError::OtherKey => ("key", key_origin),
            };
            problems.add(at.key(key), Problem::Tls { origin, fault });
        })
        .ok()
}

/// Reads and parses a file. Returns its origin in words, too.
fn read<T>(
    at: &Path,
    file: &path::Path,
    parse: impl Fn(&[u8]) -> Result<T, TlsError>,
    reader: &SecretLoader,
    problems: &mut Problems,
) -> Option<(T, String)> {
    let (content, origin) = problems.take(at, reader.read_tls_file(file))?;
    match parse(&content) {
        Ok(parsed) => Some((parsed, origin)),
        Err(fault) => {
            problems.add(at.clone(), Problem::Tls { origin, fault });
            None
        }
    }
}
