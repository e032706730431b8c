//! Inputs that commands share: a file or standard input, a request described by flags, and the JWKS of providers.

use super::{print_error, runtime};
use crate::config::Config;
use crate::envoy::proto::{AttributeContext, CheckRequest, ContextExtensionsEntry, HeadersEntry, HttpRequest, Request};
use crate::jwks::{JwksSummary, KeysError};
use crate::read_limit::{read_file_to_limit, read_to_limit};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use modgud_core::time::Timestamp;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::str::FromStr;

/// Maximum size of an input, 4 MiB: Envoy's checks and their headers are far smaller. A larger input is an error.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a file, or standard input. Returns its name for messages, and its text.
pub(super) fn read(file: &Path) -> (String, io::Result<String>) {
    let (name, content) = if file.as_os_str() == "-" {
        ("standard input".to_owned(), read_to_limit(io::stdin().lock(), MAX_BYTES))
    } else {
        (file.display().to_string(), read_file_to_limit(file, MAX_BYTES))
    };
    let text = content.and_then(|content| {
        let large =
            || io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {} MiB", MAX_BYTES / 1024 / 1024));
        String::from_utf8(content.ok_or_else(large)?)
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
    });
    (name, text)
}

/// The header in which Envoy reports the scheme of its listener.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// A header, `NAME: VALUE`. Has no `Debug`: it can be a credential.
#[derive(Clone)]
pub(super) struct HeaderArg(HeadersEntry);

impl FromStr for HeaderArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once(':').ok_or("write it as `NAME: VALUE`")?;
        Ok(Self::new(name.trim(), value.trim()))
    }
}

impl HeaderArg {
    /// Creates a header from a name and a value.
    pub(super) fn new(name: &str, value: &str) -> Self {
        let copy = |part: &str| Bytes::copy_from_slice(part.as_bytes());
        Self(HeadersEntry { key: copy(name), value: copy(value) })
    }

    /// Returns true if this is its name. Names compare case-insensitively.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.0.key.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// A context extension of the Envoy route, `KEY=VALUE`.
#[derive(Clone)]
pub(super) struct ContextArg(ContextExtensionsEntry);

impl FromStr for ContextArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("write it as `KEY=VALUE`")?;
        Ok(Self::new(key, value))
    }
}

impl ContextArg {
    /// Creates an entry from a key and a value.
    pub(super) fn new(key: &str, value: &str) -> Self {
        let copy = |part: &str| Bytes::copy_from_slice(part.as_bytes());
        Self(ContextExtensionsEntry { key: copy(key), value: copy(value) })
    }

    /// Returns true if this is its key.
    pub(super) fn is_named(&self, key: &str) -> bool {
        self.0.key == key.as_bytes()
    }
}

/// Builds the check that Envoy would send for a request. Envoy always reports its listener's scheme: `http`, unless the
/// headers name another one.
pub(super) fn check_request(
    method: String,
    path: String,
    host: String,
    headers: Vec<HeaderArg>,
    context: Vec<ContextArg>,
) -> CheckRequest {
    let mut headers: Vec<HeadersEntry> = headers.into_iter().map(|header| header.0).collect();
    if !headers.iter().any(|header| header.key.eq_ignore_ascii_case(FORWARDED_PROTO.as_bytes())) {
        headers.push(HeaderArg::new(FORWARDED_PROTO, "http").0);
    }
    let http = HttpRequest {
        method: method.into(),
        path: path.into(),
        host: host.into(),
        scheme: Bytes::from_static(b"http"),
        headers,
        ..HttpRequest::default()
    };
    let request = Request { time: None, http: Some(http) };
    let context_extensions = context.into_iter().map(|entry| entry.0).collect();
    let attributes = AttributeContext { request: Some(request), context_extensions, ..AttributeContext::default() };
    CheckRequest { attributes: Some(attributes) }
}

/// Returns a token that no server has issued.
///
/// # Errors
/// An error if the system provides no random numbers.
pub(super) fn random_token() -> io::Result<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system provides no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The outcome of fetching the JWKS of one provider.
pub(super) struct Fetched {
    /// The provider, for messages.
    pub(super) location: String,
    pub(super) keys: Result<JwksSummary, KeysError>,
}

/// Fetches the keys of every provider of a configuration, and hands them to its authenticators as of `now`.
pub(super) async fn fetch_each(config: &Config, now: Timestamp) -> Vec<Fetched> {
    let mut all = Vec::new();
    for source in &config.key_sources {
        let keys = source.fetch_once(now).await;
        all.push(Fetched { location: source.provider.location.to_string(), keys });
    }
    all
}

/// Fetches the keys like [`fetch_each`], and prints each failure on standard error. Returns true if none failed.
///
/// # Errors
/// The system's error if no runtime can be created.
pub(super) fn fetch_jwks(config: &Config, now: Timestamp) -> io::Result<bool> {
    if config.key_sources.is_empty() {
        return Ok(true);
    }
    let all = runtime()?.block_on(fetch_each(config, now));
    let errors = all.iter().filter_map(|one| one.keys.as_ref().err().map(|error| (&one.location, error)));
    Ok(errors.map(|(location, error)| print_error(format_args!("{location}: {error}"))).count() == 0)
}
