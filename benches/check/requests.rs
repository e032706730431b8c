//! Benchmark checks: browser requests as Envoy encodes them with `encode_raw_headers`, with 20 headers and a `BiFrost`
//! token of some 700 bytes. They are encoded before any clock starts. Also modgud's responses to them.

use super::case::{Case, Transport};
use super::process::Server;
use super::{Outcome, tokens, wire};
use bytes::Bytes;
use modgud::envoy::proto::{
    Address, AttributeContext, CheckRequest, CheckResponse, HeaderMap, HeaderValue, HttpRequest, HttpResponse, Peer,
    PortSpecifier, Request, SocketAddress, address,
};
use modgud_core::jose::{Algorithm, SigningKey};
use prost::Message;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, TempPath};

/// The method that Envoy calls.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// Number of tokens known to a server before its clock starts. The load cycles through them.
const KNOWN_TOKENS: usize = 1_000;

/// A kind of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Valid tokens that the server has seen before.
    Known,
    /// Valid tokens that are new to the server.
    Unknown,
    /// Valid tokens in turn, more than the server's cache holds.
    Uncached,
    /// No token: denied.
    NoToken,
    /// A token with a wrong signature: verified and denied each time.
    BadSignature,
}

impl Kind {
    /// Returns true if modgud allows these.
    pub(crate) const fn is_allowed(self) -> bool {
        match self {
            Self::Known | Self::Unknown | Self::Uncached => true,
            Self::NoToken | Self::BadSignature => false,
        }
    }

    /// Returns true if modgud verifies the signature of each.
    pub(crate) const fn is_verified(self) -> bool {
        matches!(self, Self::Unknown | Self::BadSignature)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known => "known token",
            Self::Unknown => "unknown token",
            Self::Uncached => "more tokens than the cache holds",
            Self::NoToken => "no token",
            Self::BadSignature => "bad signature",
        })
    }
}

/// The files of a run, for its processes.
pub(crate) struct Folder {
    files: TempDir,
    /// modgud's public key.
    pub(crate) public_pem: String,
    /// The tokens of [`Kind::Known`].
    pub(crate) known_tokens: Vec<String>,
}

/// A server's response to a kind of checks, in a file.
pub(crate) struct Recorded {
    pub(crate) file: TempPath,
    pub(crate) bytes: usize,
}

impl Folder {
    /// Signs the tokens, and writes the checks and the certificate of a server.
    pub(crate) fn new(unknown: usize) -> Outcome<Self> {
        let files = tempfile::tempdir()?;
        let key = SigningKey::generate(Algorithm::Rs256)?;
        let mut known = tokens::sign(&key, KNOWN_TOKENS + unknown)?;
        let unknown = known.split_off(KNOWN_TOKENS);
        let path = |kind| file(files.path(), kind);
        let with_token = |token: &String| check(Some(token));
        write(&path(Kind::Known), known.iter().map(with_token))?;
        write(&path(Kind::Unknown), unknown.iter().map(with_token))?;
        write(&path(Kind::Uncached), unknown.iter().map(with_token))?;
        write(&path(Kind::NoToken), [check(None)])?;
        let parts = |token: &'_ String| {
            token.rsplit_once('.').map(|(input, signature)| (input.to_owned(), signature.to_owned()))
        };
        let (Some((input, _)), Some((_, signature))) = (parts(&known[0]), parts(&known[1])) else {
            return Err("a token has no signature".into());
        };
        write(&path(Kind::BadSignature), [check(Some(&format!("{input}.{signature}")))])?;
        let certified = rcgen::generate_simple_self_signed([wire::SERVER_NAME.to_owned()])?;
        let folder = Self { files, public_pem: key.public_pem()?, known_tokens: known };
        std::fs::write(folder.certificate(), certified.cert.pem())?;
        std::fs::write(folder.certificate_key(), certified.signing_key.serialize_pem())?;
        Ok(folder)
    }

    /// Returns the folder of the files.
    pub(crate) fn path(&self) -> &Path {
        self.files.path()
    }

    /// Returns the file of a server's certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.path().join("certificate.pem")
    }

    /// Returns the file of its private key.
    pub(crate) fn certificate_key(&self) -> PathBuf {
        self.path().join("certificate.key.pem")
    }

    /// Writes a configuration of modgud.
    pub(crate) fn configuration(&self, yaml: &str) -> Outcome<TempPath> {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile_in(self.path())?;
        std::fs::write(&file, yaml)?;
        Ok(file.into_temp_path())
    }

    /// Returns the file of checks of a kind.
    pub(crate) fn requests(&self, kind: Kind) -> PathBuf {
        file(self.path(), kind)
    }

    /// Returns the file of checks for the warm-up.
    pub(crate) fn warm_up(&self, kind: Kind) -> PathBuf {
        self.requests(if kind == Kind::Unknown { Kind::Known } else { kind })
    }

    /// Returns a program's response to a check of a case, after verifying its verdict and its size. Two revisions may
    /// respond with different bytes, so each has its own.
    pub(crate) fn response(&self, case: Case, program: &Path, config: &Path) -> Outcome<Recorded> {
        let certificate = (case.transport == Transport::Tls).then(|| self.certificate());
        let server = Server::modgud(program, self, config)?;
        let recorded =
            self.record(&server, certificate.as_deref(), &self.requests(case.kind), case.kind.is_allowed())?;
        if case.kind.is_allowed() && !case.response.has_size(recorded.bytes) {
            return Err(format!("modgud's response has {} bytes, not those of this case", recorded.bytes).into());
        }
        Ok(recorded)
    }

    /// Returns a server's response to the first check of a file, after verifying its verdict.
    pub(crate) fn record(
        &self,
        server: &Server,
        certificate: Option<&Path>,
        requests: &Path,
        is_allowed: bool,
    ) -> Outcome<Recorded> {
        let messages = Messages::read(requests)?;
        let first = messages.share(0, 1).next().ok_or("there is no check to send")?;
        let response = wire::call(server.address, certificate, CHECK, first)?;
        let CheckResponse { status, http_response, .. } = CheckResponse::decode(response.as_slice())?;
        let code = status.map_or(0, |status| status.code);
        let allowed = code == 0 && matches!(http_response, Some(HttpResponse::OkResponse(_)));
        if allowed != is_allowed {
            return Err(format!("modgud's response is not the one to measure: its status is {code}").into());
        }
        let file = tempfile::Builder::new().suffix(".response").tempfile_in(self.path())?;
        std::fs::write(&file, &response)?;
        Ok(Recorded { file: file.into_temp_path(), bytes: response.len() })
    }
}

fn file(folder: &Path, kind: Kind) -> PathBuf {
    folder.join(format!("{kind:?}.checks"))
}

/// Encodes the check of a browser's request.
fn check(token: Option<&String>) -> Vec<u8> {
    check_with(&HEADERS, token)
}

/// Encodes a check as Envoy 1.40 does with `encode_raw_headers`.
pub(crate) fn check_with(headers: &[(&str, &str)], token: Option<&String>) -> Vec<u8> {
    let text = |value: &str| Bytes::copy_from_slice(value.as_bytes());
    let authorization = token.map(|token| format!("JWT {token}"));
    let fields = headers.iter().map(|(name, value)| (*name, *value));
    let fields = fields.chain(authorization.as_deref().map(|value| ("authorization", value)));
    let header =
        |(name, value): (&str, &str)| HeaderValue { key: text(name), value: Vec::new(), raw_value: text(value) };
    let peer = |ip: &str, port: u32| Peer {
        address: Some(Address {
            address: Some(address::Address::SocketAddress(SocketAddress {
                address: text(ip),
                port_specifier: Some(PortSpecifier::PortValue(port)),
                ..SocketAddress::default()
            })),
        }),
        ..Peer::default()
    };
    let http = HttpRequest {
        id: text("9125690527373441206"),
        method: text("GET"),
        path: text("/crm/appointment/?page=2"),
        host: text("api.example.com"),
        scheme: text("https"),
        size: -1,
        protocol: text("HTTP/2"),
        header_map: Some(HeaderMap { headers: fields.map(header).collect() }),
        ..HttpRequest::default()
    };
    let time = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_456_000 };
    let attributes = AttributeContext {
        source: Some(peer("203.0.113.7", 51_234)),
        destination: Some(peer("10.0.0.7", 8_000)),
        request: Some(Request { time: Some(time), http: Some(http) }),
        ..AttributeContext::default()
    };
    CheckRequest { attributes: Some(attributes) }.encode_to_vec()
}

/// A browser's headers behind Envoy; `authorization` is the twentieth.
pub(crate) const HEADERS: [(&str, &str); 19] = [
    (":authority", "api.example.com"),
    (":path", "/crm/appointment/?page=2"),
    (":method", "GET"),
    (":scheme", "https"),
    ("sec-ch-ua", "\"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    ),
    ("accept", "application/json, text/plain, */*"),
    ("origin", "https://app.example.com"),
    ("sec-fetch-site", "same-site"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("referer", "https://app.example.com/crm/appointments"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-request-id", "3f2b8c1e-6a5d-4f0b-9c7e-2d1a4b6c8e90"),
];

/// Writes messages to a file, each prefixed by its length.
pub(crate) fn write(file: &Path, messages: impl IntoIterator<Item = Vec<u8>>) -> Outcome<()> {
    let mut out = BufWriter::new(File::create(file)?);
    for message in messages {
        out.write_all(&u32::try_from(message.len())?.to_be_bytes())?;
        out.write_all(&message)?;
    }
    Ok(out.flush()?)
}

/// The messages of a file.
pub(crate) struct Messages {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Messages {
    /// Reads what [`write`] wrote.
    pub(crate) fn read(file: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(file)?;
        let (mut at, mut places) = (0, Vec::new());
        while let Some(length) = bytes[at..].first_chunk() {
            let start = at + length.len();
            at = start + usize::try_from(u32::from_be_bytes(*length))?;
            places.push(start..at);
        }
        Ok(Self { bytes, places })
    }

    /// Returns every `of`th message, from number `first` on; all of them if there are too few to share.
    pub(crate) fn share(&self, first: usize, of: usize) -> impl Iterator<Item = &[u8]> + Clone {
        let (first, of) = if self.places.len() < of { (0, 1) } else { (first, of) };
        self.places.iter().skip(first).step_by(of).map(|place| &self.bytes[place.clone()])
    }
}
