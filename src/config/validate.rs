//! From the document to a configuration that can't hold a bad value. Notes every problem, and gives nothing if there is one.

mod authenticators;
mod server;
mod upstream;

use super::Config;
use super::document::{self, Document};
use super::path::Path;
use super::problem::{Problem, Problems};
use super::quoted::Quoted;
use super::source::Reader;
use crate::answer::{Answers, BodyStyle, Realm, Status, Style};
use crate::authz::{Access, Fallback, PathPattern, Rule, RuleName, Rules};
use crate::credential::Scheme;
use crate::decision::LoggedDecisions;
use crate::header::HeaderName;
use crate::method::Method;
use crate::snapshot::Snapshot;
use std::collections::HashSet;
use std::time::Duration;

/// Checks a document.
pub(super) fn config(document: &Document, reader: &Reader) -> Result<Config, Problems> {
    let Document {
        profile: _, // has been laid under this document already
        server,
        authenticators,
        principal,
        rules,
        fallback,
        upstream,
        denials,
        telemetry,
    } = document;
    let mut problems = Problems::default();

    let server::Checked { server, tls, deadline } =
        server::check(server, telemetry.log.unwrap_or_default(), reader, &mut problems);
    let absent = &principal.absent;
    let (authenticators_checked, places) = authenticators::check(authenticators, absent, reader, &mut problems);
    let rules = self::rules(rules, *fallback, &mut problems);
    let required = authenticators.iter().flat_map(|one| &one.jwt.require).map(String::as_str).collect();
    let shape = upstream::check(upstream, &required, &places, &mut problems);
    let style = style(denials, &mut problems);
    let logged = match telemetry.decisions.unwrap_or_default() {
        document::LoggedDecisions::All => LoggedDecisions::All,
        document::LoggedDecisions::Denied => LoggedDecisions::Denied,
        document::LoggedDecisions::None => LoggedDecisions::None,
    };
    problems.into_result()?;

    let answers = Answers::new(&style);
    let authenticators = authenticators_checked;
    let snapshot = Snapshot { places, authenticators, rules, shape, answers, deadline, logged };
    Ok(Config { server, tls, snapshot })
}

/// The bounds of a duration, in words and milliseconds.
struct Span {
    least: (&'static str, u64),
    most: (&'static str, u64),
}

impl Span {
    /// No text is no time.
    fn read(&self, path: &Path, text: Option<&String>, problems: &mut Problems) -> Duration {
        let Some(text) = text else { return Duration::ZERO };
        let bounds = Duration::from_millis(self.least.1)..=Duration::from_millis(self.most.1);
        let range = Problem::DurationRange { found: Quoted::new(text), least: self.least.0, most: self.most.0 };
        let read = duration(text).and_then(|span| if bounds.contains(&span) { Ok(span) } else { Err(range) });
        problems.take(path, read).unwrap_or_default()
    }
}

fn duration(text: &str) -> Result<Duration, Problem> {
    humantime::parse_duration(text).map_err(|_| Problem::Duration(Quoted::new(text)))
}

/// A name that logs and metrics can show: visible ASCII, and not that of an earlier entry.
fn name<'a>(path: &Path, name: &'a str, taken: &mut HashSet<&'a str>, problems: &mut Problems) {
    let shown = matches!(name.len(), 1..=128) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !shown {
        problems.add(path.key("name"), Problem::Name(Quoted::new(name)));
    } else if !taken.insert(name) {
        problems.add(path.key("name"), Problem::NameTaken(Quoted::new(name)));
    }
}

fn rules(list: &[document::Rule], fallback: Option<document::Fallback>, problems: &mut Problems) -> Rules {
    let fallback = match fallback {
        Some(document::Fallback::Authenticated) => Fallback::Authenticated,
        Some(document::Fallback::Denied) | None => Fallback::Denied,
    };
    let mut rules = Rules::new(fallback);
    let mut taken = HashSet::new();
    for (number, rule) in list.iter().enumerate() {
        let document::Rule { name: rule_name, matches: document::Match { methods, paths }, access } = rule;
        let at = Path::root("rules").position(number);
        name(&at, rule_name, &mut taken, problems);
        if paths.is_empty() {
            problems
                .add(at.key("match").key("paths"), Problem::Empty("name at least one path, such as `/docs/{*rest}`"));
        }
        let mut accepted = Vec::new();
        for (place, method) in methods.iter().enumerate() {
            let path = at.key("match").key("methods").position(place);
            accepted.extend(problems.take(&path, self::method(method)));
        }
        let access = match access {
            document::Access::Authenticated => Access::Authenticated,
            document::Access::Optional => Access::Optional,
            document::Access::Public => Access::Public,
            document::Access::Denied => Access::Denied,
        };
        for (place, pattern) in paths.iter().enumerate() {
            let path = at.key("match").key("paths").position(place);
            let parsed =
                PathPattern::parse(pattern).map_err(|fault| Problem::Pattern { pattern: Quoted::new(pattern), fault });
            let Some(parsed) = problems.take(&path, parsed) else { continue };
            let rule = Rule { name: RuleName::new(rule_name), access, pattern: pattern.as_str().into() };
            let added = rules.add(rule, &accepted, &parsed).map_err(|conflict| Problem::RuleConflict {
                pattern: Quoted::new(pattern),
                with: Quoted::new(conflict.with.as_str()),
            });
            problems.take(&path, added);
        }
    }
    rules
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

fn style(denials: &document::Denials, problems: &mut Problems) -> Style {
    let document::Denials { body, realm, status: document::Statuses { unauthenticated, forbidden } } = denials;
    let at = Path::root("denials");
    let mut status = |key: &str, code: Option<u16>, unset: Status| {
        let Some(code) = code else { return unset };
        let status = Status::client_error(code).map_err(|fault| Problem::Status { found: code, fault });
        problems.take(&at.key("status").key(key), status).unwrap_or(unset)
    };
    let unauthenticated = status("unauthenticated", *unauthenticated, Style::UNAUTHENTICATED);
    let forbidden = status("forbidden", *forbidden, Style::FORBIDDEN);
    let body = match body {
        Some(document::Body::Detail) => BodyStyle::Detail,
        Some(document::Body::Problem) | None => BodyStyle::Problem,
    };
    let realm = match realm {
        Some(text) => {
            let realm = Realm::parse(text).map_err(|fault| Problem::Realm { found: Quoted::new(text), fault });
            problems.take(&at.key("realm"), realm).unwrap_or_default()
        }
        None => Realm::default(),
    };
    Style { body, realm, unauthenticated, forbidden }
}
