//! Validation of a document. Collects every problem, and returns a configuration only if there is none.

mod authenticators;
mod correlation;
mod denials;
mod filter;
mod mint;
mod modules;
mod principal;
mod require;
pub(super) mod rules;
mod server;
mod shared_keys;
mod upstream;

pub(super) use principal::claim_path;

use super::Config;
use super::diagnostic::{Problem, Problems};
use super::path::Path;
use super::quoted::Quoted;
use super::raw::{self, Document};
use super::revocations::RevocationsError;
use super::secret_source::SecretLoader;
use modgud_core::authn::{Authenticators, Revocations};
use modgud_core::credential::Scheme;
use modgud_core::decide::{LogFields, LoggedDecisions, Snapshot};
use modgud_core::denial::DenialResponses;
use modgud_core::http::header::HeaderName;
use modgud_core::http::method::Method;
use modgud_core::http::request::SchemeSource;
use modgud_core::jose::PublicJwk;
use modgud_core::time::Timestamp;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Validates a document.
pub(super) fn config(document: &Document, reader: &SecretLoader) -> Result<Config, Problems> {
    let Document {
        profile: _, // already merged below this document
        server,
        request,
        authenticators,
        principal,
        revocations,
        rules,
        fallback,
        modules,
        core,
        upstream,
        mint: minted,
        correlation,
        denials,
        telemetry,
    } = document;
    let mut problems = Problems::default();

    let server::Checked { server, tls, deadline, max_token } =
        server::check(server, telemetry.log.unwrap_or_default(), reader, &mut problems);
    let max_target = SizeRange { least: ("1KiB", 1 << 10), most: ("64KiB", 64 << 10) }.read(
        &Path::root("request").key("max_target"),
        request.max_target.as_ref(),
        &mut problems,
    );
    let identity = Arc::new(principal::check(principal, &mut problems));
    let revocations = revocations.as_ref().and_then(|list| self::revocations(list, reader, &mut problems));
    let (list, places, sources) = authenticators::check(authenticators, &identity, reader, &mut problems);
    shared_keys::check(&list, reader, &mut problems);
    let names: Vec<&str> = authenticators.iter().map(|one| one.name.as_str()).collect();
    let told = denials::of_rules(rules, denials, &mut problems);
    let readings = modules::readings(modules, rules);
    let mut rules = rules::check(rules, *fallback, &names, readings, &mut problems);
    let (modules, mut gateway) = modules::check(modules, core, &mut rules, &mut problems);
    gateway.filter = filter::gather(document, &places, &rules);
    gateway.transport = filter::transport(document);
    let required: Vec<_> = authenticators.iter().flat_map(raw::Authenticator::required).collect();
    let mint::Checked { mints, published } = mint::check(minted, &list, reader, &mut problems);
    let shape = upstream::check(upstream, &required, &places, (mints, minted), &mut problems);
    let correlation = correlation
        .as_ref()
        .and_then(|correlation| correlation::check(correlation, &places, &shape, &rules, reader, &mut problems));
    let schemes = authenticators::challenge_schemes(&list);
    let style = denials::style(denials, schemes, &mut problems);
    let redirect = denials.redirect.as_ref().and_then(|redirect| denials::redirect(redirect, &places, &mut problems));
    let (logged, fields) = decisions(telemetry.decisions.as_ref());
    problems.into_result()?;

    let answers = DenialResponses::new(style, &told, redirect);
    let authenticators = Authenticators::new(list, revocations).with_max_token(max_token);
    let published = PublicJwk::set(&published).into();
    let scheme = match request.scheme.unwrap_or_default() {
        raw::SchemeWord::Forwarded => SchemeSource::Forwarded,
        raw::SchemeWord::Https => SchemeSource::Https,
        raw::SchemeWord::Http => SchemeSource::Http,
    };
    let snapshot = Snapshot {
        scheme,
        max_target,
        extractor: places,
        authenticators,
        rules,
        modules,
        upstream: shape,
        jwks_document: published,
        correlation,
        denials: answers,
        deadline,
        logged,
        fields,
    };
    let authenticators::Sources { keys: key_sources, introspection: introspection_sources } = sources;
    Ok(Config { server, tls, snapshot, gateway, key_sources, introspection_sources })
}

/// Returns the decisions that are logged, and the personal data in their lines.
fn decisions(decisions: Option<&raw::Decisions>) -> (LoggedDecisions, LogFields) {
    let (which, mask, has_principal) = match decisions {
        None => (None, None, false),
        Some(raw::Decisions::Which(which)) => (Some(*which), None, false),
        Some(raw::Decisions::Lines(lines)) => (lines.which, lines.mask.as_deref(), lines.principal),
    };
    let logged = match which.unwrap_or_default() {
        raw::LoggedDecisions::All => LoggedDecisions::All,
        raw::LoggedDecisions::Denied => LoggedDecisions::Denied,
        raw::LoggedDecisions::None => LoggedDecisions::None,
    };
    let masks = |field| mask.is_none_or(|mask| mask.contains(&field));
    let (subject, client) = (raw::MaskedField::Subject, raw::MaskedField::Client);
    (logged, LogFields { has_principal, masks_subject: masks(subject), masks_client: masks(client) })
}

/// Returns the current revocation list. Its watcher reads it again in the same way.
fn revocations(list: &raw::Revocations, reader: &SecretLoader, problems: &mut Problems) -> Option<Revocations> {
    let at = Path::root("revocations").key("file");
    let file = problems.take(&at, reader.beside(&list.file))?;
    if let Some(running) = reader.running(&file) {
        // A list read here could be older than one that its watcher installs before this configuration is active.
        return Some(running);
    }
    match super::revocations::read(&file) {
        Ok(list) => Some(Revocations::new(file, list)),
        // A policy test tolerates that the list of the production machine is missing.
        Err(RevocationsError::Read { error, .. }) if reader.replaces_keys() && error.kind() == ErrorKind::NotFound => {
            reader.note_missing(file);
            None
        }
        Err(RevocationsError::Located(placed)) => {
            problems.add_beside(placed);
            None
        }
        Err(error) => {
            problems.add(at, error);
            None
        }
    }
}

/// The range of a duration, in words and milliseconds.
struct Span {
    least: (&'static str, u64),
    most: (&'static str, u64),
}

impl Span {
    /// Parses a duration within the range. Absent means `Duration::ZERO`.
    fn read(&self, path: &Path, text: Option<&String>, problems: &mut Problems) -> Duration {
        let Some(text) = text else { return Duration::ZERO };
        let bounds = Duration::from_millis(self.least.1)..=Duration::from_millis(self.most.1);
        let range = Problem::DurationRange { found: Quoted::new(text), least: self.least.0, most: self.most.0 };
        let read = duration(text).and_then(|span| if bounds.contains(&span) { Ok(span) } else { Err(range) });
        problems.take(path, read).unwrap_or_default()
    }
}

/// The range of a size, in words and bytes.
struct SizeRange {
    least: (&'static str, u64),
    most: (&'static str, u64),
}

impl SizeRange {
    /// Parses a size within the range. Absent means the lower bound; the profile `none` sets every size.
    fn read(&self, path: &Path, size: Option<&raw::Size>, problems: &mut Problems) -> usize {
        let bytes = size.and_then(|size| {
            let (found, bytes) = match size {
                raw::Size::Bytes(bytes) => (bytes.to_string(), Some(*bytes)),
                raw::Size::Text(text) => (text.clone(), bytes_of(text)),
            };
            let found = Quoted::new(&found);
            let read = match bytes {
                None => Err(Problem::Size(found)),
                Some(bytes) if (self.least.1..=self.most.1).contains(&bytes) => Ok(bytes),
                Some(_) => Err(Problem::SizeRange { found, least: self.least.0, most: self.most.0 }),
            };
            problems.take(path, read)
        });
        usize::try_from(bytes.unwrap_or(self.least.1)).unwrap_or(usize::MAX)
    }
}

/// Parses a size such as `64KiB`; `None` if it is none.
fn bytes_of(text: &str) -> Option<u64> {
    let (digits, unit) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(digits), _) => (digits, 1 << 10),
        (None, Some(digits)) => (digits, 1 << 20),
        (None, None) => (text, 1),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(unit)).flatten()
}

fn duration(text: &str) -> Result<Duration, Problem> {
    humantime::parse_duration(text).map_err(|_| Problem::Duration(Quoted::new(text)))
}

/// Parses a point in time: RFC 3339, or a date, which begins at midnight UTC.
///
/// # Errors
/// [`Problem::Time`] for any other text.
pub fn timestamp(text: &str) -> Result<Timestamp, Problem> {
    let time =
        humantime::parse_rfc3339_weak(text).or_else(|_| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")));
    let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map(|since| Timestamp::EPOCH.plus(since)).ok_or_else(|| Problem::Time(Quoted::new(text)))
}

/// Checks a name for logs and metrics: visible ASCII, and not that of an earlier entry.
fn name<'a>(path: &Path, name: &'a str, taken: &mut HashSet<&'a str>, problems: &mut Problems) {
    named(path, "name", name, taken, problems);
}

/// Checks a name under another key.
fn named<'a>(path: &Path, key: &str, name: &'a str, taken: &mut HashSet<&'a str>, problems: &mut Problems) {
    let shown = matches!(name.len(), 1..=128) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !shown {
        problems.add(path.key(key), Problem::Name(Quoted::new(name)));
    } else if !taken.insert(name) {
        problems.add(path.key(key), Problem::NameTaken(Quoted::new(name)));
    }
}

fn header_name(text: &str) -> Result<HeaderName, Problem> {
    HeaderName::parse(text).map_err(|fault| Problem::HeaderName { found: Quoted::new(text), fault })
}

fn scheme(text: &str) -> Result<Scheme, Problem> {
    Scheme::parse(text).map_err(|fault| Problem::Scheme { found: Quoted::new(text), fault })
}

fn method(text: &str) -> Result<Method<'_>, Problem> {
    match text {
        "*" => Err(Problem::AnyMethod),
        text => Method::parse(text).map_err(|fault| Problem::Method { found: Quoted::new(text), fault }),
    }
}
