//! The responses to denied clients: status, headers and body for each reason, in the representation that the client accepts.
//!
//! All parts are built once per configuration, except a redirect and a list of permissions, which depend on the request. A response
//! holds no claim, key name or configuration, unless the operator has chosen a style that discloses it.

mod accept;
mod body;
mod custom_headers;
mod redirect;
mod rule;
mod style;
mod text;

#[cfg(test)]
mod tests;

pub use crate::detail::{DetailError, DetailText};
pub(crate) use custom_headers::HOP_BY_HOP;
pub use custom_headers::{ExtraHeader, ExtraHeaderError};
pub use redirect::{OwnHost, OwnHostError, Redirect, ReturnParameter, ReturnParameterError};
pub use rule::{DenialPage, DenialPageError, RuleDenial, SetCookie, SetCookieError};
pub use style::{BodyStyle, ChallengeSchemes, OnError, Realm, RealmError, Status, StatusError, Style};
use text::Challenge;
pub use text::Insufficient;

use crate::http::request::{Headers, Request};
use crate::reason::{Class, Reason};
use body::Representation;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The header of challenges.
const CHALLENGE: &str = "www-authenticate";

/// The header of a page's content security policy.
const CONTENT_SECURITY_POLICY: &str = "content-security-policy";

/// A complete response to a denied client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialResponse {
    /// The HTTP status: 400, 401, 403 or 503, the operator's replacement for 401 and 403, or 302 to log in.
    pub status: Status,
    /// The headers, each once but `set-cookie`, with names in lower case.
    pub headers: Vec<ResponseHeader>,
    /// The body.
    pub body: Bytes,
}

/// One header of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The name, in lower case.
    pub name: Bytes,
    /// The value: visible ASCII.
    pub value: Bytes,
}

impl ResponseHeader {
    const fn fixed(name: &'static str, value: &'static str) -> Self {
        Self { name: Bytes::from_static(name.as_bytes()), value: Bytes::from_static(value.as_bytes()) }
    }

    fn made(name: &'static str, value: impl Into<Bytes>) -> Self {
        Self { name: Bytes::from_static(name.as_bytes()), value: value.into() }
    }
}

impl DenialResponse {
    /// Returns the value of a header, by its name in lower case; `None` if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|header| header.name == name.as_bytes()).map(|header| &*header.value)
    }
}

/// The facts that a denial response depends on.
#[derive(Debug, Clone, Copy)]
pub struct DenialContext<'d, 'r> {
    /// The reason.
    pub reason: Reason,
    /// The name of the rule that decided; `None` if no rule did.
    pub rule: Option<&'d str>,
    /// True if the caller's token lacks a scope.
    pub lacks_scope: bool,
    /// The permissions that the caller lacks, if [`DenialResponses::discloses_permissions`].
    pub insufficient: Option<&'d Insufficient>,
    /// The text that replaces the general one of the reason; `None` if it does not.
    pub text: Option<&'d str>,
    /// The parsed parts of the request.
    pub request: ParsedRequest<'d, 'r>,
}

/// The parsed parts of a denied request.
#[derive(Debug, Clone, Copy)]
pub enum ParsedRequest<'d, 'r> {
    /// Nothing: the request was not read.
    None,
    /// The headers; the rest is invalid.
    HeadersOnly(&'d Headers<'r>),
    /// The whole request.
    Full(&'d Request<'r>),
}

impl<'d, 'r> ParsedRequest<'d, 'r> {
    /// Returns the request if it was parsed, otherwise its headers if they were.
    #[must_use]
    pub const fn of(request: Option<&'d Request<'r>>, headers: Option<&'d Headers<'r>>) -> Self {
        match (request, headers) {
            (Some(request), _) => Self::Full(request),
            (None, Some(headers)) => Self::HeadersOnly(headers),
            (None, None) => Self::None,
        }
    }
}

/// The denial responses of a configuration.
#[derive(Debug)]
pub struct DenialResponses {
    style: Style,
    by_reason: Vec<Variants>,
    by_rule: BTreeMap<Box<str>, Variants>,
    /// The scopes that challenges name, by rule: separated by spaces. A rule with its own denial has none.
    scopes: BTreeMap<Box<str>, Box<str>>,
    redirect: Option<Redirect>,
}

/// One denial in each representation.
#[derive(Debug)]
struct Variants([DenialResponse; Representation::ALL.len()]);

impl Variants {
    /// Builds the representations: `reason` determines the headers; `status` and `text` are sent.
    fn new(reason: Reason, status: Status, text: &str, style: &Style) -> Self {
        Self(Representation::ALL.map(|representation| response(reason, status, (text, None), representation, style)))
    }

    /// Builds the representations of a rule's own denial.
    fn of_rule(own: &RuleDenial, style: &Style) -> Self {
        let text = own.detail.as_ref().map_or_else(|| own.status.canonical_reason(), DetailText::as_str);
        Self(Representation::ALL.map(|representation| {
            let general = response(Reason::RuleDenied, own.status, (text, None), representation, style);
            own.complete(general, representation == Representation::Html)
        }))
    }

    const fn get(&self, representation: Representation) -> &DenialResponse {
        let Self([own, text, html, grpc]) = self;
        match representation {
            Representation::Default => own,
            Representation::Text => text,
            Representation::Html => html,
            Representation::Grpc => grpc,
        }
    }
}

impl DenialResponses {
    /// Builds the denials in a style, including those of rules with their own, and the optional redirect to a login page.
    #[must_use]
    pub fn new(style: Style, rules: &[RuleDenial], redirect: Option<Redirect>) -> Self {
        let general =
            |reason: &Reason| Variants::new(*reason, style.status(*reason), text::of(*reason, style.body), &style);
        let by_reason = Reason::ALL.iter().map(general).collect();
        let of_rule = |own: &RuleDenial| (own.rule.clone(), Variants::of_rule(own, &style));
        let by_rule = rules.iter().map(of_rule).collect();
        Self { style, by_reason, by_rule, scopes: BTreeMap::new(), redirect }
    }

    /// Returns the denials with challenges that name the required scopes: the text for each rule (RFC 6749 §3.3). A rule with its own denial
    /// discloses none.
    #[must_use]
    pub fn with_scopes(mut self, scopes: HashMap<Box<str>, Box<str>>) -> Self {
        self.scopes = scopes.into_iter().filter(|(rule, _)| !self.by_rule.contains_key(rule)).collect();
        self
    }

    /// Returns the style.
    #[must_use]
    pub const fn style(&self) -> &Style {
        &self.style
    }

    /// Returns the status of a rule's own denials; `None` if the rule has the general ones.
    #[must_use]
    pub fn status_of_rule(&self, rule: &str) -> Option<Status> {
        self.by_rule.get(rule).map(|variants| variants.get(Representation::Default).status)
    }

    /// Returns the statuses of all denials, without the redirect to log in.
    #[must_use]
    pub fn statuses(&self) -> BTreeSet<u16> {
        let all = self.by_reason.iter().chain(self.by_rule.values());
        all.map(|variants| variants.get(Representation::Default).status.code()).collect()
    }

    /// Returns the handling of a check that could not be decided.
    #[must_use]
    pub const fn on_error(&self) -> OnError {
        self.style.on_error
    }

    /// Returns true if a response lists the permissions that the caller lacks.
    #[must_use]
    pub const fn discloses_permissions(&self) -> bool {
        match self.style.body {
            BodyStyle::Error => true,
            BodyStyle::Problem | BodyStyle::Detail | BodyStyle::Orchescala => false,
        }
    }

    /// Returns the response to a denied client.
    #[must_use]
    pub fn to(&self, denied: &DenialContext<'_, '_>) -> DenialResponse {
        let representation = match denied.request {
            ParsedRequest::None => Representation::Default,
            ParsedRequest::HeadersOnly(headers) => accept::representation(headers, self.style.body),
            ParsedRequest::Full(request) => accept::representation(&request.headers, self.style.body),
        };
        if let (Some(redirect), Representation::Html, ParsedRequest::Full(request), Class::Unauthenticated) =
            (&self.redirect, representation, denied.request, denied.reason.class())
            && redirect::is_navigation(request)
        {
            return self.redirected(redirect, request);
        }
        let mut response = self.in_representation(denied, representation);
        if let Some(scope) = self.scope(denied) {
            let challenge = Challenge { reason: denied.reason, description: denied.text, scope: Some(scope) };
            set_challenge(&mut response, text::challenge(&challenge, &self.style));
        }
        response
    }

    /// Returns the scopes that the challenge of this denial names; `None` if it names none.
    fn scope(&self, denied: &DenialContext<'_, '_>) -> Option<&str> {
        let has_challenge = match denied.reason.class() {
            Class::Unauthenticated => true,
            // With another scope the request would be denied all the same, unless this is what the token lacks.
            Class::Forbidden => denied.lacks_scope,
            Class::BadRequest | Class::Unavailable => false,
        };
        if self.scopes.is_empty() || !has_challenge {
            return None;
        }
        self.scopes.get(denied.rule?).map(|scope| &**scope)
    }

    /// Returns the status and the sentence alone, for a denial that is not an HTTP response.
    #[must_use]
    pub fn summary(&self, denied: &DenialContext<'_, '_>) -> (Status, String) {
        // The body for a gRPC client is the sentence and nothing else.
        let DenialResponse { status, headers: _, body } = self.in_representation(denied, Representation::Grpc);
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn in_representation(&self, denied: &DenialContext<'_, '_>, representation: Representation) -> DenialResponse {
        let DenialContext { reason, rule, lacks_scope: _, insufficient, text, request: _ } = denied;
        match reason.class() {
            Class::Forbidden => {
                // A rule's own denial takes precedence over the list of permissions.
                let of_rule = rule.filter(|_| !self.by_rule.is_empty()).and_then(|rule| self.by_rule.get(rule));
                if let Some(variants) = of_rule {
                    return variants.get(representation).clone();
                }
                if let (true, Some(insufficient)) = (self.discloses_permissions(), insufficient) {
                    let status = self.style.status(*reason);
                    return response(*reason, status, (&insufficient.to_string(), None), representation, &self.style);
                }
            }
            Class::Unauthenticated | Class::BadRequest | Class::Unavailable => {}
        }
        match text {
            None => self.general(*reason, representation),
            Some(text) => {
                let status = self.style.status(*reason);
                response(*reason, status, (text, Some(text)), representation, &self.style)
            }
        }
    }

    fn general(&self, reason: Reason, representation: Representation) -> DenialResponse {
        // `Reason::ALL` is in the order of declaration, so a variant's discriminant is its index.
        let made = self.by_reason.get(reason as usize).map(|variants| variants.get(representation).clone());
        made.unwrap_or_else(|| {
            let status = self.style.status(reason);
            response(reason, status, (text::of(reason, self.style.body), None), representation, &self.style)
        })
    }

    fn redirected(&self, redirect: &Redirect, request: &Request<'_>) -> DenialResponse {
        let mut headers = vec![
            ResponseHeader::made("location", redirect.location(request)),
            ResponseHeader::fixed("cache-control", "no-store"),
        ];
        headers.extend(self.style.extra.iter().map(ExtraHeader::header));
        DenialResponse { status: Status::FOUND, headers, body: Bytes::new() }
    }
}

/// Replaces the challenge of a response, or adds it.
fn set_challenge(response: &mut DenialResponse, challenge: Option<String>) {
    let Some(challenge) = challenge else { return };
    match response.headers.iter_mut().find(|header| header.name == CHALLENGE.as_bytes()) {
        Some(header) => header.value = challenge.into(),
        None => response.headers.push(ResponseHeader::made(CHALLENGE, challenge)),
    }
}

/// Builds one response. `description` is the text in a challenge; `None` for that of the reason.
fn response(
    reason: Reason,
    status: Status,
    (text, description): (&str, Option<&str>),
    representation: Representation,
    style: &Style,
) -> DenialResponse {
    let mut headers = Vec::with_capacity(style.extra.len().saturating_add(6));
    headers.push(ResponseHeader::fixed("content-type", representation.media_type(style.body)));
    // For gRPC too: Envoy turns a denial of gRPC into HTTP 200, and browsers read grpc-web.
    headers.push(ResponseHeader::fixed("cache-control", "no-store"));
    headers.push(ResponseHeader::fixed("x-content-type-options", "nosniff"));
    if representation == Representation::Html {
        headers.push(ResponseHeader::fixed(CONTENT_SECURITY_POLICY, body::HTML_POLICY));
    }
    let challenge = Challenge { reason, description, scope: None };
    headers.extend(text::challenge(&challenge, style).map(|value| ResponseHeader::made(CHALLENGE, value)));
    headers.extend(text::retry_after(reason).map(|seconds| ResponseHeader::made("retry-after", seconds.to_string())));
    headers.extend(style.extra.iter().map(ExtraHeader::header));
    let body = representation.body(style.body, status, text);
    DenialResponse { status, headers, body: Bytes::from(body) }
}
