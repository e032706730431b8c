//! Validates `denials`, and `deny` of rules: every response denies, and redirects only to where the operator specifies.

use super::header_name;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Denials, Deny, Statuses};
use crate::diagnostic::{Issue, Quoted};
use crate::http_client::{AllowInsecure, FetchUrl};
use modgud_core::authz::Access;
use modgud_core::credential::{CredentialExtractor, CredentialLocation};
use modgud_core::denial::{
    ChallengeSchemes, DetailText, ExtraHeader, OwnHost, Realm, Redirect, ReturnParameter, RuleDenial, Status, Style,
};

/// The default name of the parameter that holds the URL to return to.
const RETURN_TO: &str = "return_to";

pub(super) fn style(denials: &Denials, schemes: ChallengeSchemes, diagnostics: &mut Diagnostics) -> Style {
    let Denials { body, realm, challenge: _, status: statuses, redirect: _, headers, unavailable } = denials;
    let at = Path::root("denials");
    let (unauthenticated, forbidden) = self::statuses(statuses, diagnostics);
    let realm = match realm {
        Some(text) => {
            let realm = Realm::parse(text).map_err(|error| {
                Issue::parse("realm-invalid", format!("{} is not a realm: {error}", Quoted::new(text)))
            });
            diagnostics.ok_or_report(&at.key("realm"), realm).unwrap_or_default()
        }
        None => Realm::default(),
    };
    let mut extra: Vec<ExtraHeader> = Vec::new();
    for (written, value) in headers {
        let at = at.key("headers").key(written);
        let Some(name) = diagnostics.ok_or_report(&at, header_name(written)) else { continue };
        let header = ExtraHeader::new(name, value).map_err(|error| {
            Issue::parse("denial-header-invalid", format!("denials can't have {}: {error}", Quoted::new(written)))
        });
        let Some(header) = diagnostics.ok_or_report(&at, header) else { continue };
        match extra.iter().find(|other| other.name() == header.name()) {
            Some(_) => {
                let message = format!("{} is a duplicate, because names of headers ignore case", Quoted::new(written));
                diagnostics.add(at, Issue::error("denial-header-duplicate", message, "leave it out"));
            }
            None => extra.push(header),
        }
    }
    Style {
        body: body.unwrap_or_default(),
        realm,
        schemes,
        unauthenticated,
        forbidden,
        extra,
        on_error: *unavailable,
        resource_metadata: None,
    }
}

/// Returns the statuses for unauthenticated callers, and for those without access.
fn statuses(statuses: &Statuses, diagnostics: &mut Diagnostics) -> (Status, Status) {
    let Statuses { unauthenticated, forbidden } = statuses;
    let at = Path::root("denials").key("status");
    let mut read = |key: &str, code: Option<u16>, unset: Status| {
        code.and_then(|code| diagnostics.ok_or_report(&at.key(key), status(code))).unwrap_or(unset)
    };
    let unauthenticated = read("unauthenticated", *unauthenticated, Status::UNAUTHENTICATED);
    (unauthenticated, read("forbidden", *forbidden, Status::FORBIDDEN))
}

fn status(code: u16) -> Result<Status, Issue> {
    Status::client_error(code).map_err(|error| {
        Issue::parse("denial-status-invalid", format!("`{code}` is not the status of a denial: {error}"))
    })
}

/// Returns the responses of rules to callers without access.
pub(super) fn of_rules(rules: &[raw::Rule], denials: &Denials, diagnostics: &mut Diagnostics) -> Vec<RuleDenial> {
    let (_, unset) = statuses(&denials.status, &mut Diagnostics::default());
    let mut answers = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let Some(Deny { status: code, detail }) = &rule.deny else { continue };
        let at = Path::root("rules").position(number).key("deny");
        match rule.access {
            // With a condition, it can deny a request.
            Access::Public if rule.when.is_some() => {}
            Access::Public | Access::Preflight => {
                let message = "has no effect, because the rule denies no request";
                diagnostics.add(at.clone(), Issue::error("deny-unused", message, "leave it out"));
            }
            Access::Authenticated | Access::Optional | Access::Denied => {}
        }
        if code.is_none() && detail.is_none() {
            let help = "write a `status` or a `detail`, or leave it out";
            diagnostics.add(at.clone(), Issue::error("empty", "is empty", help));
        }
        let status = code.and_then(|code| diagnostics.ok_or_report(&at.key("status"), status(code))).unwrap_or(unset);
        let detail = detail.as_ref().and_then(|text| {
            let parsed = DetailText::parse(text).map_err(|error| {
                let message = format!("{} is not a text for clients: {error}", Quoted::new(text));
                Issue::parse("denial-detail-invalid", message)
            });
            diagnostics.ok_or_report(&at.key("detail"), parsed)
        });
        answers.push(RuleDenial { rule: rule.name.as_str().into(), status, detail });
    }
    answers
}

/// Validates the login page. A credential in a query is never passed to it.
pub(super) fn redirect(
    redirect: &raw::Redirect,
    locations: &CredentialExtractor,
    diagnostics: &mut Diagnostics,
) -> Option<Redirect> {
    let raw::Redirect { to, parameter, hosts } = redirect;
    let at = Path::root("denials").key("redirect");
    let to = FetchUrl::parse(to, AllowInsecure::Loopback).map_err(|_| {
        let message = "the value (not shown) is not the URL of a login page";
        let help = "write an `https` URL without user and fragment, such as `https://login.example.com/`; plain `http` only to this \
                    machine";
        Issue::error("login-page-invalid", message, help)
    });
    let to = diagnostics.ok_or_report(&at.key("to"), to);
    let parameter = parameter.as_deref().unwrap_or(RETURN_TO);
    let parsed = ReturnParameter::parse(parameter).map_err(|error| {
        let message = format!("{} is not the name of a parameter: {error}", Quoted::new(parameter));
        Issue::parse("return-parameter-invalid", message)
    });
    let parameter = diagnostics.ok_or_report(&at.key("parameter"), parsed);
    let mut own = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        let parsed = OwnHost::parse(host).map_err(|error| {
            let message = format!("{} is not a host: {error}", Quoted::new(host));
            Issue::error("own-host-invalid", message, "write one such as `app.example.com`")
        });
        own.extend(diagnostics.ok_or_report(&at.key("hosts").position(number), parsed));
    }
    let credentials = locations.all().filter_map(|(location, _)| match location {
        CredentialLocation::Query(name) => Some(name.clone()),
        CredentialLocation::Scheme(..) | CredentialLocation::Header(_) | CredentialLocation::Cookie(_) => None,
    });
    Some(Redirect::new(&to?.to_string_with_query(), parameter?, own, credentials.collect()))
}
