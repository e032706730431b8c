//! What a client is told when it is turned away: status, headers and body for each reason, in the form that the client reads.
//! Everything but what speaks of one request (a redirect, a list of permissions) is made once for a configuration. No claim, no key
//! name and no configuration is ever in an answer, but where an operator has chosen a form that says so.

mod accept;
mod body;
mod challenge;
mod custom_headers;
mod html;
mod permissions;
mod redirect;
mod retry_after;
mod status;
mod style;
mod text;

#[cfg(test)]
mod tests;

pub use custom_headers::{ExtraHeader, ExtraHeaderError};
pub use permissions::Insufficient;
pub use redirect::{OwnHost, OwnHostError, Redirect, ReturnParameter, ReturnParameterError};
pub use status::{Status, StatusError};
pub use style::{BodyStyle, ChallengeSchemes, OnError, Realm, RealmError, Style};
pub use text::{DetailError, DetailText};

use crate::http::request::{Headers, Request};
use crate::reason::{Class, Reason};
use body::Representation;
use bytes::Bytes;
use std::collections::HashMap;

/// A complete answer to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialResponse {
    /// The HTTP status: 400, 401, 403 or 503, what the operator says instead of 401 and 403, or 302 to log in.
    pub status: Status,
    /// The headers, each once, with names in lower case.
    pub headers: Vec<AnswerHeader>,
    /// The body.
    pub body: Bytes,
}

/// One header of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHeader {
    /// The name, in lower case.
    pub name: Bytes,
    /// The value: visible ASCII.
    pub value: Bytes,
}

impl AnswerHeader {
    const fn fixed(name: &'static str, value: &'static str) -> Self {
        Self { name: Bytes::from_static(name.as_bytes()), value: Bytes::from_static(value.as_bytes()) }
    }

    fn made(name: &'static str, value: impl Into<Bytes>) -> Self {
        Self { name: Bytes::from_static(name.as_bytes()), value: value.into() }
    }
}

impl DenialResponse {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|header| header.name == name.as_bytes()).map(|header| &*header.value)
    }
}

/// Who is turned away, and for what.
#[derive(Debug, Clone, Copy)]
pub struct DenialContext<'d, 'r> {
    /// Why.
    pub reason: Reason,
    /// The name of the rule that decided; `None` when none did.
    pub rule: Option<&'d str>,
    /// What the caller lacks, where [`DenialResponses::discloses_permissions`].
    pub insufficient: Option<&'d Insufficient>,
    /// What is known of the request.
    pub seen: ParsedRequest<'d, 'r>,
}

/// What is known of a request that is turned away.
#[derive(Debug, Clone, Copy)]
pub enum ParsedRequest<'d, 'r> {
    /// Nothing: it was not read.
    None,
    /// Its headers; the rest can't be decided on.
    HeadersOnly(&'d Headers<'r>),
    /// All of it.
    Full(&'d Request<'r>),
}

impl<'d, 'r> ParsedRequest<'d, 'r> {
    /// What was read of a request: itself, or its headers at least.
    #[must_use]
    pub const fn of(request: Option<&'d Request<'r>>, headers: Option<&'d Headers<'r>>) -> Self {
        match (request, headers) {
            (Some(request), _) => Self::Full(request),
            (None, Some(headers)) => Self::HeadersOnly(headers),
            (None, None) => Self::None,
        }
    }
}

/// The answers of a configuration.
#[derive(Debug)]
pub struct DenialResponses {
    style: Style,
    by_reason: Vec<Forms>,
    by_rule: HashMap<Box<str>, Forms>,
    redirect: Option<Redirect>,
}

/// What a rule tells those who may not, in the place of the general answer.
#[derive(Debug, Clone)]
pub struct RuleAnswer {
    /// The rule's name.
    pub rule: Box<str>,
    /// The status.
    pub status: Status,
    /// The text; the status in words if there is none.
    pub detail: Option<DetailText>,
}

/// One answer in each form.
#[derive(Debug)]
struct Forms([DenialResponse; Representation::ALL.len()]);

impl Forms {
    /// `reason` gives the headers, `status` and `text` are what is told.
    fn new(reason: Reason, status: Status, text: &str, style: &Style) -> Self {
        Self(Representation::ALL.map(|form| answer(reason, status, text, form, style)))
    }

    const fn get(&self, form: Representation) -> &DenialResponse {
        let Self([own, text, html, grpc]) = self;
        match form {
            Representation::Own => own,
            Representation::Text => text,
            Representation::Html => html,
            Representation::Grpc => grpc,
        }
    }
}

impl DenialResponses {
    /// Makes the answers in a style, those of rules that have their own, and a way to log in if there is one.
    #[must_use]
    pub fn new(style: Style, rules: &[RuleAnswer], redirect: Option<Redirect>) -> Self {
        let general =
            |reason: &Reason| Forms::new(*reason, style.status(reason.class()), text::of(*reason, style.body), &style);
        let by_reason = Reason::ALL.iter().map(general).collect();
        let of_rule = |RuleAnswer { rule, status, detail }: &RuleAnswer| {
            let text = detail.as_ref().map_or_else(|| status.canonical_reason(), DetailText::as_str);
            (rule.clone(), Forms::new(Reason::RuleDenied, *status, text, &style))
        };
        let by_rule = rules.iter().map(of_rule).collect();
        Self { style, by_reason, by_rule, redirect }
    }

    /// What becomes of a check that could not be decided.
    #[must_use]
    pub const fn undecided(&self) -> OnError {
        self.style.undecided
    }

    /// Whether whoever lacks permissions is told which.
    #[must_use]
    pub const fn discloses_permissions(&self) -> bool {
        match self.style.body {
            BodyStyle::Error => true,
            BodyStyle::Problem | BodyStyle::Detail | BodyStyle::Orchescala => false,
        }
    }

    /// The answer to whoever is turned away.
    #[must_use]
    pub fn to(&self, denied: &DenialContext<'_, '_>) -> DenialResponse {
        let form = match denied.seen {
            ParsedRequest::None => Representation::Own,
            ParsedRequest::HeadersOnly(headers) => body::form(headers, self.style.body),
            ParsedRequest::Full(request) => body::form(&request.headers, self.style.body),
        };
        if let (Some(redirect), Representation::Html, ParsedRequest::Full(request), Class::Unauthenticated) =
            (&self.redirect, form, denied.seen, denied.reason.class())
            && redirect::is_navigation(request)
        {
            return self.redirected(redirect, request);
        }
        self.in_form(denied, form)
    }

    /// The status and the sentence alone, for whoever is told in another way than by HTTP.
    #[must_use]
    pub fn sentence(&self, denied: &DenialContext<'_, '_>) -> (Status, String) {
        // A gRPC client is told the sentence and nothing else.
        let DenialResponse { status, headers: _, body } = self.in_form(denied, Representation::Grpc);
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn in_form(&self, denied: &DenialContext<'_, '_>, form: Representation) -> DenialResponse {
        let DenialContext { reason, rule, insufficient, seen: _ } = denied;
        match reason.class() {
            Class::Forbidden => {
                // What a rule says of itself comes before what is said of permissions.
                let of_rule = rule.filter(|_| !self.by_rule.is_empty()).and_then(|rule| self.by_rule.get(rule));
                if let Some(forms) = of_rule {
                    return forms.get(form).clone();
                }
                if let (true, Some(insufficient)) = (self.discloses_permissions(), insufficient) {
                    let status = self.style.status(Class::Forbidden);
                    return answer(*reason, status, &insufficient.to_string(), form, &self.style);
                }
            }
            Class::Unauthenticated | Class::BadRequest | Class::Unavailable => {}
        }
        self.general(*reason, form)
    }

    fn general(&self, reason: Reason, form: Representation) -> DenialResponse {
        // `Reason::ALL` is in the order of declaration, so the number of a variant is its place.
        let made = self.by_reason.get(reason as usize).map(|forms| forms.get(form).clone());
        made.unwrap_or_else(|| {
            let status = self.style.status(reason.class());
            answer(reason, status, text::of(reason, self.style.body), form, &self.style)
        })
    }

    fn redirected(&self, redirect: &Redirect, request: &Request<'_>) -> DenialResponse {
        let mut headers = vec![
            AnswerHeader::made("location", redirect.location(request)),
            AnswerHeader::fixed("cache-control", "no-store"),
        ];
        headers.extend(self.style.extra.iter().map(ExtraHeader::header));
        DenialResponse { status: Status::FOUND, headers, body: Bytes::new() }
    }
}

fn answer(reason: Reason, status: Status, text: &str, form: Representation, style: &Style) -> DenialResponse {
    let mut headers = Vec::with_capacity(style.extra.len().saturating_add(6));
    headers.push(AnswerHeader::fixed("content-type", form.media_type(style.body)));
    // For calls too: Envoy turns a denial of gRPC into HTTP 200, and browsers read grpc-web.
    headers.push(AnswerHeader::fixed("cache-control", "no-store"));
    headers.push(AnswerHeader::fixed("x-content-type-options", "nosniff"));
    if form == Representation::Html {
        headers.push(AnswerHeader::fixed("content-security-policy", html::POLICY));
    }
    headers.extend(challenge::of(reason, style).map(|value| AnswerHeader::made("www-authenticate", value)));
    headers.extend(retry_after::after(reason).map(|seconds| AnswerHeader::made("retry-after", seconds.to_string())));
    headers.extend(style.extra.iter().map(ExtraHeader::header));
    let body = form.body(style.body, status, text);
    DenialResponse { status, headers, body: Bytes::from(body) }
}
