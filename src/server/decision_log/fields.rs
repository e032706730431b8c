//! The fields of log lines: of the request, and, as far as it is known, of the caller. Every field is bounded: lines wait in memory for a
//! slow reader, and clients choose what is in them.

#[cfg(test)]
mod tests;

use crate::envoy::Check;
use modgud_core::authn::{Authenticator, JwtAuthenticator};
use modgud_core::decide::{Decision, LogFields, Snapshot, Verdict};
use modgud_core::http::client::ClientSource;
use modgud_core::http::request::{HeaderLookup, Headers, Request};
use modgud_core::principal::Principal;
use serde::Serialize;
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::OnceLock;

/// Maximum bytes of a field in the log; a longer one is cut. Lines wait in memory for a slow reader, and clients choose the length of paths.
const MAX_LOGGED_BYTES: usize = 256;
/// Maximum bytes of a detail: it may name several configured values.
const MAX_DETAIL_BYTES: usize = 1_024;
/// Maximum number of roles in a line. A last one, `…`, means others.
const MAX_ROLES: usize = 10;
/// Maximum bytes of a role in a line; a longer one is cut.
const MAX_ROLE_BYTES: usize = 128;
/// The mark of what was cut.
const CUT: &str = "…";

/// The request of a decision: a request that can't be read has only some of the fields. Names are those of OpenTelemetry's semantic
/// conventions, and of ECS where OpenTelemetry has none.
#[derive(Debug, Default, Serialize)]
pub(in crate::server) struct RequestFields<'a> {
    #[serde(rename = "http.request.method", skip_serializing_if = "Option::is_none")]
    method: Option<Cow<'a, str>>,
    #[serde(rename = "server.address", skip_serializing_if = "Option::is_none")]
    host: Option<Cow<'a, str>>,
    #[serde(rename = "url.path", skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
    #[serde(rename = "client.address", skip_serializing_if = "Option::is_none")]
    client: Option<Cow<'a, str>>,
    #[serde(rename = "http.request.id", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

impl<'a> RequestFields<'a> {
    /// Returns the fields of a check: those of its request, or else what can be read.
    pub(in crate::server) fn of(
        check: &Check<'a>,
        request: Option<&'a Request<'a>>,
        unread: Option<&Headers<'a>>,
        snapshot: &Snapshot,
    ) -> Self {
        let headers = request.map(|request| &request.headers).or(unread);
        let client = client(snapshot.request.client, check.connection(), headers, snapshot.fields.masks_client);
        if let Some(request) = request {
            return Self { client, ..Self::of_request(request) };
        }
        let Some((method, path, host)) = check.line() else { return Self { client, ..Self::default() } };
        let some = |bytes: &'a [u8]| Some(readable(bytes)).filter(|text| !text.is_empty());
        Self {
            request_id: unread.and_then(request_id),
            trace_id: unread.and_then(trace_id),
            method: some(method),
            // An authority can name a user, too.
            host: some(host).filter(|_| !host.contains(&b'@')),
            path: some(path_of(path)),
            client,
        }
    }

    /// Returns the fields of a request, without its client.
    pub(in crate::server) fn of_request(request: &'a Request<'a>) -> Self {
        Self {
            request_id: request_id(&request.headers),
            trace_id: trace_id(&request.headers),
            method: Some(Cow::Borrowed(request.method.as_str())),
            host: request.host.name().map(cut),
            path: Some(cut(request.path.as_str())),
            client: None,
        }
    }

    /// Returns all of them, for the page: id, trace id, method, host, path and client.
    pub(in crate::server) fn texts(&self) -> [Option<&str>; 6] {
        let Self { request_id, trace_id, method, host, path, client } = self;
        [*request_id, *trace_id, method.as_deref(), host.as_deref(), path.as_deref(), client.as_deref()]
    }

    /// Returns id, method and path, for the line of a shadow configuration.
    pub(in crate::server) fn shown(&self) -> (Option<&str>, Option<&str>, Option<&str>) {
        (self.request_id, self.method.as_deref(), self.path.as_deref())
    }
}

/// The caller of a decision, as far as it is known.
#[derive(Debug, Default, Serialize)]
pub(super) struct CallerFields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticator: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<Cow<'a, str>>,
    #[serde(flatten)]
    principal: PrincipalFields<'a>,
}

/// The identity of an authenticated caller, as the configuration maps it. Empty unless `principal` is set.
#[derive(Debug, Default, Serialize)]
pub(super) struct PrincipalFields<'a> {
    /// The subject, as it is.
    #[serde(rename = "user.id", skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    /// The masked subject.
    #[serde(rename = "user.hash", skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(rename = "organization.id", skip_serializing_if = "Option::is_none")]
    organization: Option<Cow<'a, str>>,
    #[serde(rename = "user.roles", skip_serializing_if = "Vec::is_empty")]
    roles: Vec<Cow<'a, str>>,
}

impl<'a> CallerFields<'a> {
    pub(super) fn of(decision: &'a Decision, request: Option<&'a Request<'a>>, snapshot: &'a Snapshot) -> Self {
        let credential = request.and_then(|request| snapshot.extractor.find(request).ok().flatten());
        let found = credential.and_then(|credential| snapshot.authenticators.identify(&credential));
        let principal = decision.principal.as_deref();
        let name = principal.map(Principal::authenticator);
        let named = name.and_then(|name| snapshot.authenticators.list().iter().find(|one| one.name() == name));
        let authenticator = named.or_else(|| found.as_ref().map(|found| found.authenticator));
        // A rule without a credential does not look at one, so its caller is unknown.
        let is_checked = principal.is_some() || matches!(decision.verdict, Verdict::Deny(_));
        let (authenticator, found) = if is_checked { (authenticator, found) } else { (None, None) };
        Self {
            authenticator: authenticator.map(|one| one.name().as_str()),
            issuer: authenticator.and_then(Authenticator::as_jwt).and_then(JwtAuthenticator::issuer),
            key_id: found.and_then(|found| found.key_id).map(|id| Cow::Owned(cut(&id).into_owned())),
            principal: PrincipalFields::of(decision, snapshot.fields),
        }
    }
}

impl<'a> CallerFields<'a> {
    /// Returns the name of an authenticator alone.
    pub(super) fn named(authenticator: Option<&'a str>) -> Self {
        Self { authenticator, ..Self::default() }
    }
}

impl<'a> From<PrincipalFields<'a>> for CallerFields<'a> {
    fn from(principal: PrincipalFields<'a>) -> Self {
        Self { principal, ..Self::default() }
    }
}

impl<'a> PrincipalFields<'a> {
    pub(super) fn of(decision: &'a Decision, fields: LogFields) -> Self {
        let Some(principal) = decision.principal.as_deref().filter(|_| fields.has_principal) else {
            return Self::default();
        };
        let identity = principal.identity();
        let mut given = identity.roles();
        let mut roles: Vec<_> = given.by_ref().take(MAX_ROLES).map(|role| cut_to(role, MAX_ROLE_BYTES)).collect();
        if given.next().is_some() {
            roles.push(Cow::Borrowed(CUT));
        }
        let (id, hash) = match identity.subject() {
            Some(subject) if fields.masks_subject => (None, Some(masked(subject))),
            subject => (subject.map(cut), None),
        };
        Self { id, hash, organization: identity.organization().map(cut), roles }
    }
}

/// Returns the text of an error.
pub(super) fn detail(error: &impl ToString) -> String {
    let detail = error.to_string();
    if detail.len() > MAX_DETAIL_BYTES { cut_to(&detail, MAX_DETAIL_BYTES).into_owned() } else { detail }
}

/// Returns the beginning of a text, and a mark if it was cut.
fn cut(text: &str) -> Cow<'_, str> {
    cut_to(text, MAX_LOGGED_BYTES)
}

fn cut_to(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let whole = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= most).last();
    let beginning = whole.and_then(|end| text.get(..end)).unwrap_or_default();
    Cow::Owned(format!("{beginning}{CUT}"))
}

/// Returns unchecked bytes as text: everything but visible ASCII is escaped, and the rest is cut.
fn readable(bytes: &[u8]) -> Cow<'_, str> {
    let beginning = bytes.get(..=MAX_LOGGED_BYTES).unwrap_or(bytes);
    match std::str::from_utf8(beginning) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => cut(text),
        _ => Cow::Owned(cut(&beginning.escape_ascii().to_string()).into_owned()),
    }
}

/// Returns the path of an unreadable target: from its slash to anything that could begin a query, a fragment or a parameter, since these
/// may hold a credential. An escaped `%` may begin the escape of one. Empty if it can name a user, as an absolute URL does.
fn path_of(target: &[u8]) -> &[u8] {
    let is_end = |at: usize| match target.get(at..) {
        Some([b'?' | b'#' | b';', ..]) => true,
        Some([b'%', high, low, ..]) => {
            [b"3f", b"23", b"3b", b"25"].iter().any(|end| [*high, *low].eq_ignore_ascii_case(*end))
        }
        Some(_) | None => false,
    };
    if !target.starts_with(b"/") || target.starts_with(b"//") && target.contains(&b'@') {
        return &[];
    }
    let end = (0..target.len().min(MAX_LOGGED_BYTES.saturating_add(1))).find(|at| is_end(*at));
    end.and_then(|end| target.get(..end)).unwrap_or(target)
}

/// Returns the client's address, as the decision used it; masked, if the configuration demands it. Of a connection without an IP address, the
/// text that Envoy sends.
fn client<'a>(
    source: ClientSource,
    connection: Option<&'a [u8]>,
    headers: Option<&Headers<'_>>,
    masks: bool,
) -> Option<Cow<'a, str>> {
    let none = Headers::default();
    match source.address(connection, headers.unwrap_or(&none)) {
        Some(address) if masks => Some(Cow::Owned(network(address))),
        Some(address) => Some(Cow::Owned(address.to_string())),
        None if source == ClientSource::External => None,
        None => {
            let text = connection.filter(|text| std::str::from_utf8(text).is_ok())?;
            Some(if masks { Cow::Borrowed("***") } else { readable(text) })
        }
    }
}

/// Returns the network of an address: the first 24 bits of IPv4, the first 48 of IPv6.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// Returns a keyed hash of a text. The key is random and lasts as long as the process: equal texts have equal hashes until a restart.
fn masked(text: &str) -> String {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    format!("{:016x}", KEY.get_or_init(RandomState::new).hash_one(text))
}

/// Returns Envoy's id of the request, to find it in Envoy's own log; `None` unless it looks like an id.
fn request_id<'a>(headers: &Headers<'a>) -> Option<&'a str> {
    let HeaderLookup::One(id) = headers.get("x-request-id") else { return None };
    let plain = id.len() <= 64 && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain { std::str::from_utf8(id).ok() } else { None }
}

/// Returns the trace id of `traceparent` (W3C Trace Context §3.2.2); `None` unless the header is well-formed.
fn trace_id<'a>(headers: &Headers<'a>) -> Option<&'a str> {
    let HeaderLookup::One(value) = headers.get("traceparent") else { return None };
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_whole = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    let is_zero = trace.bytes().all(|byte| byte == b'0');
    (is_whole && !is_zero && version != "ff").then_some(trace)
}
