//! Validates `denials`, and `deny` of rules: every response denies, and redirects only to where the operator specifies.

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw::{self, Body, Denials, Deny, Statuses, Unavailable};
use super::header_name;
use crate::http_client::{AllowInsecure, FetchUrl};
use modgud_core::credential::{CredentialExtractor, CredentialLocation};
use modgud_core::denial::{
    BodyStyle, ChallengeSchemes, DetailText, ExtraHeader, OnError, OwnHost, Realm, Redirect, ReturnParameter,
    RuleDenial, Status, Style,
};

/// The default name of the parameter that holds the URL to return to.
const RETURN_TO: &str = "return_to";

pub(super) fn style(denials: &Denials, schemes: ChallengeSchemes, problems: &mut Problems) -> Style {
    let Denials { body, realm, status: statuses, redirect: _, headers, unavailable } = denials;
    let at = Path::root("denials");
    let (unauthenticated, forbidden) = self::statuses(statuses, problems);
    let body = match body {
        Some(Body::Detail) => BodyStyle::Detail,
        Some(Body::Error) => BodyStyle::Error,
        Some(Body::Orchescala) => BodyStyle::Orchescala,
        Some(Body::Problem) | None => BodyStyle::Problem,
    };
    let realm = match realm {
        Some(text) => {
            let realm = Realm::parse(text).map_err(|fault| Problem::Realm { found: Quoted::new(text), fault });
            problems.take(&at.key("realm"), realm).unwrap_or_default()
        }
        None => Realm::default(),
    };
    let mut extra: Vec<ExtraHeader> = Vec::new();
    for (written, value) in headers {
        let at = at.key("headers").key(written);
        let Some(name) = problems.take(&at, header_name(written)) else { continue };
        let header =
            ExtraHeader::new(name, value).map_err(|fault| Problem::DenialHeader { found: Quoted::new(written), fault });
        let Some(header) = problems.take(&at, header) else { continue };
        match extra.iter().find(|other| other.name() == header.name()) {
            Some(_) => problems.add(at, Problem::DenialHeaderTwice(Quoted::new(written))),
            None => extra.push(header),
        }
    }
    let undecided = match unavailable {
        Unavailable::Deny => OnError::Deny,
        Unavailable::Error => OnError::DeferToEnvoy,
    };
    Style { body, realm, schemes, unauthenticated, forbidden, extra, on_error: undecided }
}

/// Returns the statuses for unauthenticated callers, and for those without access.
fn statuses(statuses: &Statuses, problems: &mut Problems) -> (Status, Status) {
    let Statuses { unauthenticated, forbidden } = statuses;
    let at = Path::root("denials").key("status");
    let mut read = |key: &str, code: Option<u16>, unset: Status| {
        code.and_then(|code| problems.take(&at.key(key), status(code))).unwrap_or(unset)
    };
    let unauthenticated = read("unauthenticated", *unauthenticated, Status::UNAUTHENTICATED);
    (unauthenticated, read("forbidden", *forbidden, Status::FORBIDDEN))
}

fn status(code: u16) -> Result<Status, Problem> {
    Status::client_error(code).map_err(|fault| Problem::Status { found: code, fault })
}

/// Returns the responses of rules to callers without access.
pub(super) fn of_rules(rules: &[raw::Rule], denials: &Denials, problems: &mut Problems) -> Vec<RuleDenial> {
    let (_, unset) = statuses(&denials.status, &mut Problems::default());
    let mut told = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let Some(Deny { status: code, detail }) = &rule.deny else { continue };
        let at = Path::root("rules").position(number).key("deny");
        match rule.access {
            // With a condition, it can deny a request.
            raw::Access::Public if rule.when.is_some() => {}
            raw::Access::Public | raw::Access::Preflight => problems.add(at.clone(), Problem::DenyOfPublic),
            raw::Access::Authenticated | raw::Access::Optional | raw::Access::Denied => {}
        }
        if code.is_none() && detail.is_none() {
            problems.add(at.clone(), Problem::Empty("name a `status` or a `detail`, or leave it out"));
        }
        let status = code.and_then(|code| problems.take(&at.key("status"), status(code))).unwrap_or(unset);
        let detail = detail.as_ref().and_then(|text| {
            let parsed = DetailText::parse(text).map_err(|fault| Problem::Detail { found: Quoted::new(text), fault });
            problems.take(&at.key("detail"), parsed)
        });
        told.push(RuleDenial { rule: rule.name.as_str().into(), status, detail });
    }
    told
}

/// Validates the login page. A credential in a query is never passed to it.
pub(super) fn redirect(
    redirect: &raw::Redirect,
    places: &CredentialExtractor,
    problems: &mut Problems,
) -> Option<Redirect> {
    let raw::Redirect { to, parameter, hosts } = redirect;
    let at = Path::root("denials").key("redirect");
    let to = problems.take(&at.key("to"), FetchUrl::parse(to, AllowInsecure::Loopback).map_err(|_| Problem::LoginPage));
    let parameter = parameter.as_deref().unwrap_or(RETURN_TO);
    let parsed = ReturnParameter::parse(parameter)
        .map_err(|fault| Problem::ReturnParameter { found: Quoted::new(parameter), fault });
    let parameter = problems.take(&at.key("parameter"), parsed);
    let mut own = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        let parsed = OwnHost::parse(host).map_err(|fault| Problem::OwnHost { found: Quoted::new(host), fault });
        own.extend(problems.take(&at.key("hosts").position(number), parsed));
    }
    let credentials = places.all().filter_map(|(place, _)| match place {
        CredentialLocation::Query(name) => Some(name.clone()),
        CredentialLocation::Scheme(..) | CredentialLocation::Header(_) | CredentialLocation::Cookie(_) => None,
    });
    Some(Redirect::new(&to?.to_string_with_query(), parameter?, own, credentials.collect()))
}
