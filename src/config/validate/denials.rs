//! Validates `denials`: every response denies, and redirects only to where the operator specifies.

mod of_rules;

pub(super) use of_rules::of_rules;

use super::header_name;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Denials, Statuses};
use crate::diagnostic::{Issue, Quoted};
use crate::http_client::{AllowInsecure, FetchUrl};
use modgud_core::credential::{CredentialExtractor, CredentialLocation};
use modgud_core::denial::{ChallengeSchemes, ExtraHeader, OwnHost, Realm, Redirect, ReturnParameter, Status, Style};
use std::collections::BTreeMap;

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
    let extra = extra_headers(&at.key("headers"), headers, diagnostics);
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

/// Returns the custom headers of denials.
pub(super) fn extra_headers(
    at: &Path,
    headers: &BTreeMap<String, String>,
    diagnostics: &mut Diagnostics,
) -> Vec<ExtraHeader> {
    let mut extra: Vec<ExtraHeader> = Vec::new();
    for (written, value) in headers {
        let at = at.key(written);
        let Some(name) = diagnostics.ok_or_report(&at, header_name(written)) else { continue };
        let header = ExtraHeader::new(name, value).map_err(|error| {
            Issue::parse("denial-header-invalid", format!("denials can't have {}: {error}", Quoted::new(written)))
        });
        let Some(header) = diagnostics.ok_or_report(&at, header) else { continue };
        match extra.iter().find(|other| other.name() == header.name()) {
            Some(_) => {
                let message = format!("{} is a duplicate, because names of headers ignore case", Quoted::new(written));
                diagnostics.add(at, Issue::error("header-duplicate", message, "leave it out"));
            }
            None => extra.push(header),
        }
    }
    extra
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
