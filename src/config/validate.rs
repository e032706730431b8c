//! Validation of a document. Collects every error, and returns a configuration only if there is none.

mod admin;
mod authenticators;
mod challenge;
mod clients;
mod correlation;
mod denials;
mod filter;
mod http;
mod mint;
mod modules;
mod otlp;
mod principal;
mod protected_resource;
mod respond;
pub(super) mod rules;
mod server;
mod service;
mod socket;
mod telemetry;
mod templates;
mod upstream;

pub(super) use authenticators::api_key_ids;
pub(super) use principal::claim_path;
pub(super) use templates::Templates;

use super::revocations::RevocationsError;
use super::{Config, ShownConfig};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Document, ProfileName};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authn::{Authenticators, Revocations};
use modgud_core::authz::Rules;
use modgud_core::credential::Scheme;
use modgud_core::decide::{CounterSlots, Snapshot};
use modgud_core::denial::{DenialResponses, RuleDenial};
use modgud_core::http::header::HeaderName;
use modgud_core::http::method::Method;
use modgud_core::http::request::RequestSettings;
use modgud_core::jose::{Algorithm, PublicJwk};
use modgud_core::respond::RuleResponses;
use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

/// The sizes that `request.max_target` may have.
const MAX_TARGET: SizeRange = SizeRange { least: ("1KiB", 1 << 10), most: ("64KiB", 64 << 10) };

/// Validates a document. `leeway` is the default of that key.
pub(super) fn config(document: &Document, leeway: Duration, loader: &SecretLoader) -> Result<Config, Diagnostics> {
    let Document {
        profile, // this document is already merged onto it
        server,
        request,
        authenticators,
        principal,
        revocations,
        templates: _,
        rules: _,
        fallback: _,
        modules,
        core,
        upstream,
        mint: minted,
        correlation,
        denials,
        protected_resource,
        telemetry,
    } = document;
    let mut diagnostics = Diagnostics::default();

    let telemetry::ValidatedDecisions { logged, to, limits: log_limits, fields } =
        telemetry::check(telemetry.decisions.as_ref(), loader, &mut diagnostics);
    let named_series = telemetry::named_series(telemetry.metrics.as_ref(), &mut diagnostics);
    let server::ValidatedServer { server, tls, deadline, max_token, token_cache } =
        server::check(server, (telemetry.log.unwrap_or_default(), to), loader, &mut diagnostics);
    let request = request_settings(request, &mut diagnostics);
    let identity = Arc::new(principal::check(principal, &mut diagnostics));
    let revocations = revocations.as_ref().and_then(|list| self::revocations(list, loader, &mut diagnostics));
    let (list, locations, sources) =
        authenticators::check(authenticators, (&identity, leeway), loader, &mut diagnostics);
    authenticators::unshared(&list, loader, &mut diagnostics);
    let names: Vec<&str> = authenticators.iter().map(|one| one.name.as_str()).collect();
    let ValidatedRules { mut rules, denials: rule_denials, responses } =
        validated_rules(document, &names, loader, &mut diagnostics);
    let (modules, mut gateway) = modules::check(modules, core, &mut rules, loader, &mut diagnostics);
    let resource = protected_resource
        .as_ref()
        .and_then(|written| protected_resource::check(written, &document.rules, &mut rules, &mut diagnostics));
    gateway.transport = filter::transport(document);
    gateway.server_name = match profile {
        Some(ProfileName::Bifrost) => "bifrost",
        Some(_) | None => "modgud",
    };
    let required: Vec<_> = authenticators.iter().flat_map(raw::Authenticator::required).collect();
    let mint::ValidatedMints { mints, published } = mint::check(minted, &list, loader, &mut diagnostics);
    let shape = upstream::check(upstream, &required, &locations, (mints, minted), &mut diagnostics);
    gateway.filter = filter::gather(document, &locations, &rules, &shape);
    let correlation = correlation
        .as_ref()
        .and_then(|correlation| correlation::check(correlation, &locations, &shape, &rules, loader, &mut diagnostics));
    let schemes = authenticators::challenge_schemes(&list, &locations);
    let mut style = denials::style(denials, schemes, &mut diagnostics);
    let scopes = challenge::check(document, resource.as_ref(), &mut style, &mut diagnostics);
    let protected_resource =
        resource.map(|resource| resource.publish(&locations, &style.schemes, &scopes, &mut diagnostics));
    gateway.protected_resource.clone_from(&protected_resource);
    let redirect =
        denials.redirect.as_ref().and_then(|redirect| denials::redirect(redirect, &locations, &mut diagnostics));
    let otlp = telemetry.otlp.as_ref().and_then(|otlp| otlp::check(otlp, loader, &mut diagnostics));
    http::check(document, &mut diagnostics);
    clients::check(document, &mut diagnostics);
    diagnostics.into_result()?;

    let answers = DenialResponses::new(style, &rule_denials, redirect).with_scopes(scopes);
    let authenticators = Authenticators::new(list, revocations).with_max_token(max_token).with_token_cache(token_cache);
    let published = PublicJwk::set(&published).into();
    let snapshot = Snapshot {
        request,
        extractor: locations,
        authenticators,
        rules,
        modules,
        upstream: shape,
        jwks_document: published,
        protected_resource,
        correlation,
        denials: answers,
        responses,
        deadline,
        logged,
        fields,
        log_limits,
        named_series,
        slots: CounterSlots::default(),
    };
    let authenticators::Sources { keys: key_sources, introspection: introspection_sources } = sources;
    Ok(Config {
        server,
        tls,
        snapshot,
        gateway,
        key_sources,
        introspection_sources,
        otlp,
        shown: ShownConfig::default(),
    })
}

/// The rules, and what is sent to their clients.
struct ValidatedRules {
    rules: Rules,
    denials: Vec<RuleDenial>,
    responses: RuleResponses,
}

/// Validates the rules with their templates. `authenticators` are the names that a rule may require.
fn validated_rules(
    document: &Document,
    authenticators: &[&str],
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> ValidatedRules {
    let Document { rules: written, templates, denials, fallback, modules, .. } = document;
    let checked = templates::check(templates, authenticators, diagnostics);
    let readings = modules::readings(modules, written);
    ValidatedRules {
        rules: rules::check(written, (&checked, *fallback), authenticators, readings, diagnostics),
        denials: denials::of_rules(written, (denials, templates), loader, diagnostics),
        responses: respond::check(written, diagnostics),
    }
}

/// Returns the current revocation list. Its watcher reads it again in the same way.
fn revocations(list: &raw::Revocations, loader: &SecretLoader, diagnostics: &mut Diagnostics) -> Option<Revocations> {
    let at = Path::root("revocations").key("file");
    let file = diagnostics.ok_or_report(&at, loader.checked_path(&list.file))?;
    if let Some(running) = loader.running(&file) {
        // A list read here could be older than one that its watcher installs before this configuration is active.
        return Some(running);
    }
    match super::revocations::read(&file) {
        Ok(list) => Some(Revocations::new(file, list)),
        // A policy test tolerates that the list of the production machine is missing.
        Err(RevocationsError::Read { error, .. }) if loader.replaces_keys() && error.kind() == ErrorKind::NotFound => {
            loader.note_missing(file);
            None
        }
        Err(RevocationsError::Invalid(errors)) => {
            diagnostics.extend_included(errors);
            None
        }
        Err(error @ RevocationsError::Read { .. }) => {
            diagnostics.add(at, Issue::parse("file-unreadable", error));
            None
        }
        Err(error) => {
            diagnostics.add(at, Issue::parse("revocations-invalid", error));
            None
        }
    }
}

/// The range of a duration, in words and milliseconds.
struct DurationRange {
    least: (&'static str, u64),
    most: (&'static str, u64),
}

impl DurationRange {
    /// Parses a duration within the range. Absent means `Duration::ZERO`.
    fn read(&self, path: &Path, text: Option<&String>, diagnostics: &mut Diagnostics) -> Duration {
        let Some(text) = text else { return Duration::ZERO };
        let bounds = Duration::from_millis(self.least.1)..=Duration::from_millis(self.most.1);
        let read = duration(text).and_then(|span| {
            if bounds.contains(&span) {
                return Ok(span);
            }
            let message = format!("{} is out of range", Quoted::new(text));
            let help = format!("write a duration from `{}` to `{}`", self.least.0, self.most.0);
            Err(Issue::error("duration-out-of-range", message, help))
        });
        diagnostics.ok_or_report(path, read).unwrap_or_default()
    }
}

/// The range of a size, in words and bytes.
struct SizeRange {
    least: (&'static str, u64),
    most: (&'static str, u64),
}

impl SizeRange {
    /// Parses a size within the range. Absent means the lower bound; the profile `none` sets every size.
    fn read(&self, path: &Path, size: Option<&raw::Size>, diagnostics: &mut Diagnostics) -> usize {
        let bytes = size.and_then(|size| {
            let (found, bytes) = match size {
                raw::Size::Bytes(bytes) => (bytes.to_string(), Some(*bytes)),
                raw::Size::Text(text) => (text.clone(), bytes_of(text)),
            };
            let found = Quoted::new(&found);
            let read = match bytes {
                None => {
                    let help = "write a number and a unit, such as `64KiB` or `1MiB`, or a number of bytes";
                    Err(Issue::error("size-invalid", format!("{found} is not a size"), help))
                }
                Some(bytes) if (self.least.1..=self.most.1).contains(&bytes) => Ok(bytes),
                Some(_) => {
                    let help = format!("write a size from `{}` to `{}`", self.least.0, self.most.0);
                    Err(Issue::error("size-out-of-range", format!("{found} is out of range"), help))
                }
            };
            diagnostics.ok_or_report(path, read)
        });
        usize::try_from(bytes.unwrap_or(self.least.1)).unwrap_or(usize::MAX)
    }
}

/// Parses a size such as `64KiB`; `None` if it is none.
fn bytes_of(text: &str) -> Option<u64> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let with_unit = units.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (digits, unit) = with_unit.unwrap_or((text, 1));
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(unit)).flatten()
}

fn out_of_range(found: u32, least: u32, most: u32) -> Issue {
    let message = format!("`{found}` is out of range");
    Issue::error("number-out-of-range", message, format!("write a number from `{least}` to `{most}`"))
}

fn duration(text: &str) -> Result<Duration, Issue> {
    humantime::parse_duration(text).map_err(|_| {
        let message = format!("{} is not a duration", Quoted::new(text));
        Issue::error("duration-invalid", message, "write a number and a unit, such as `150ms`, `20s` or `5m`")
    })
}

/// Checks a name for logs and metrics: visible ASCII, and not that of an earlier entry.
fn name<'a>(path: &Path, name: &'a str, taken: &mut HashSet<&'a str>, diagnostics: &mut Diagnostics) {
    named(path, "name", name, taken, diagnostics);
}

/// Returns the facts about requests that the configuration selects.
fn request_settings(request: &raw::RequestSection, diagnostics: &mut Diagnostics) -> RequestSettings {
    let raw::RequestSection { scheme, client, max_target } = request;
    RequestSettings {
        scheme: scheme.unwrap_or_default(),
        client: client.unwrap_or_default(),
        max_target: MAX_TARGET.read(&Path::root("request").key("max_target"), max_target.as_ref(), diagnostics),
    }
}

/// Checks a name under another key.
fn named<'a>(path: &Path, key: &str, name: &'a str, taken: &mut HashSet<&'a str>, diagnostics: &mut Diagnostics) {
    let shown = matches!(name.len(), 1..=128) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !shown {
        let message = format!("{} is not a valid name", Quoted::new(name));
        let help = "write 1 to 128 visible ASCII characters without a space, such as `reports-read`";
        diagnostics.add(path.key(key), Issue::error("name-invalid", message, help));
    } else if !taken.insert(name) {
        let message = format!("an earlier entry has the name {}", Quoted::new(name));
        let help = "write another name: names identify entries in logs and metrics";
        diagnostics.add(path.key(key), Issue::error("name-duplicate", message, help));
    }
}

fn algorithm(text: &str) -> Result<Algorithm, Issue> {
    Algorithm::parse(text).ok_or_else(|| {
        let message = format!("{} is not a supported algorithm", Quoted::new(text));
        let names: Vec<String> = Algorithm::ALL.iter().map(|algorithm| format!("`{}`", algorithm.name())).collect();
        let help = format!("write one of {}; those with `HS` need a shared secret", names.join(", "));
        Issue::error("algorithm-unsupported", message, help)
    })
}

fn header_name(text: &str) -> Result<HeaderName, Issue> {
    HeaderName::parse(text).map_err(|error| {
        let message = format!("{} is not a header name: {error}", Quoted::new(text));
        Issue::error("header-name-invalid", message, "write one such as `x-user-id`")
    })
}

fn scheme(text: &str) -> Result<Scheme, Issue> {
    Scheme::parse(text)
        .map_err(|error| Issue::parse("scheme-invalid", format!("{} is not a scheme: {error}", Quoted::new(text))))
}

fn method(text: &str) -> Result<Method<'_>, Issue> {
    match text {
        "*" => {
            let message = "`*` matches only requests with the method `*`";
            Err(Issue::error("method-wildcard", message, "leave out `methods` to match every method"))
        }
        text => Method::parse(text).map_err(|error| {
            let message = format!("{} is not a method: {error}", Quoted::new(text));
            Issue::error("method-invalid", message, "write one such as `GET`")
        }),
    }
}
