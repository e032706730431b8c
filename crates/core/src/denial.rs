//! What a client is told when it is turned away: status, headers and body for each reason, in the form that the client reads.
//! Everything but what speaks of one request (a redirect, a list of permissions) is made once for a configuration. No claim, no key
//! name and no configuration is ever in an answer, but where an operator has chosen a form that says so.

mod accept;
mod body;
mod challenge;
mod extra;
mod html;
mod permissions;
mod redirect;
mod retry;
mod status;
mod style;
mod text;

#[cfg(test)]
mod tests;

pub use extra::{ExtraHeader, ExtraHeaderFault};
pub use permissions::Insufficient;
pub use redirect::{OwnHost, OwnHostFault, Redirect, ReturnParameter, ReturnParameterFault};
pub use status::{Status, StatusFault};
pub use style::{BodyStyle, ChallengeSchemes, Realm, RealmFault, Style, Undecided};
pub use text::{DetailFault, DetailText};

use crate::http::request::{Headers, Request};
use crate::reason::{Class, Reason};
use body::Form;
use bytes::Bytes;
use std::collections::HashMap;

/// A complete answer to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
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

impl Answer {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|header| header.name == name.as_bytes()).map(|header| &*header.value)
    }
}

/// Who is turned away, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Denied<'d, 'r> {
    /// Why.
    pub reason: Reason,
    /// The name of the rule that decided; `None` when none did.
    pub rule: Option<&'d str>,
    /// What the caller lacks, where [`Answers::tell_permissions`].
    pub insufficient: Option<&'d Insufficient>,
    /// What is known of the request.
    pub seen: Seen<'d, 'r>,
}

/// What is known of a request that is turned away.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'d, 'r> {
    /// Nothing: it was not read.
    Nothing,
    /// Its headers; the rest can't be decided on.
    Headers(&'d Headers<'r>),
    /// All of it.
    Request(&'d Request<'r>),
}

impl<'d, 'r> Seen<'d, 'r> {
    /// What was read of a request: itself, or its headers at least.
    #[must_use]
    pub const fn of(request: Option<&'d Request<'r>>, headers: Option<&'d Headers<'r>>) -> Self {
        match (request, headers) {
            (Some(request), _) => Self::Request(request),
            (None, Some(headers)) => Self::Headers(headers),
            (None, None) => Self::Nothing,
        }
    }
}

/// The answers of a configuration.
#[derive(Debug)]
pub struct Answers {
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
struct Forms([Answer; Form::ALL.len()]);

impl Forms {
    /// `reason` gives the headers, `status` and `text` are what is told.
    fn new(reason: Reason, status: Status, text: &str, style: &Style) -> Self {
        Self(Form::ALL.map(|form| answer(reason, status, text, form, style)))
    }

    const fn get(&self, form: Form) -> &Answer {
        let Self([own, text, html, grpc]) = self;
        match form {
            Form::Own => own,
            Form::Text => text,
            Form::Html => html,
            Form::Grpc => grpc,
        }
    }
}

impl Answers {
    /// Makes the answers in a style, those of rules that have their own, and a way to log in if there is one.
    #[must_use]
    pub fn new(style: Style, rules: &[RuleAnswer], redirect: Option<Redirect>) -> Self {
        let general =
            |reason: &Reason| Forms::new(*reason, style.status(reason.class()), text::of(*reason, style.body), &style);
        let by_reason = Reason::ALL.iter().map(general).collect();
        let of_rule = |RuleAnswer { rule, status, detail }: &RuleAnswer| {
            let text = detail.as_ref().map_or_else(|| status.in_words(), DetailText::as_str);
            (rule.clone(), Forms::new(Reason::RuleDenied, *status, text, &style))
        };
        let by_rule = rules.iter().map(of_rule).collect();
        Self { style, by_reason, by_rule, redirect }
    }

    /// What becomes of a check that could not be decided.
    #[must_use]
    pub const fn undecided(&self) -> Undecided {
        self.style.undecided
    }

    /// Whether whoever lacks permissions is told which.
    #[must_use]
    pub const fn tell_permissions(&self) -> bool {
        match self.style.body {
            BodyStyle::Error => true,
            BodyStyle::Problem | BodyStyle::Detail | BodyStyle::Orchescala => false,
        }
    }

    /// The answer to whoever is turned away.
    #[must_use]
    pub fn to(&self, denied: &Denied<'_, '_>) -> Answer {
        let form = match denied.seen {
            Seen::Nothing => Form::Own,
            Seen::Headers(headers) => body::form(headers, self.style.body),
            Seen::Request(request) => body::form(&request.headers, self.style.body),
        };
        if let (Some(redirect), Form::Html, Seen::Request(request), Class::Unauthenticated) =
            (&self.redirect, form, denied.seen, denied.reason.class())
            && redirect::is_navigation(request)
        {
            return self.redirected(redirect, request);
        }
        self.in_form(denied, form)
    }

    /// The status and the sentence alone, for whoever is told in another way than by HTTP.
    #[must_use]
    pub fn sentence(&self, denied: &Denied<'_, '_>) -> (Status, String) {
        // A gRPC client is told the sentence and nothing else.
        let Answer { status, headers: _, body } = self.in_form(denied, Form::Grpc);
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn in_form(&self, denied: &Denied<'_, '_>, form: Form) -> Answer {
        let Denied { reason, rule, insufficient, seen: _ } = denied;
        match reason.class() {
            Class::Forbidden => {
                // What a rule says of itself comes before what is said of permissions.
                let of_rule = rule.filter(|_| !self.by_rule.is_empty()).and_then(|rule| self.by_rule.get(rule));
                if let Some(forms) = of_rule {
                    return forms.get(form).clone();
                }
                if let (true, Some(insufficient)) = (self.tell_permissions(), insufficient) {
                    let status = self.style.status(Class::Forbidden);
                    return answer(*reason, status, &insufficient.to_string(), form, &self.style);
                }
            }
            Class::Unauthenticated | Class::Refused | Class::Unavailable => {}
        }
        self.general(*reason, form)
    }

    fn general(&self, reason: Reason, form: Form) -> Answer {
        // `Reason::ALL` is in the order of declaration, so the number of a variant is its place.
        let made = self.by_reason.get(reason as usize).map(|forms| forms.get(form).clone());
        made.unwrap_or_else(|| {
            let status = self.style.status(reason.class());
            answer(reason, status, text::of(reason, self.style.body), form, &self.style)
        })
    }

    fn redirected(&self, redirect: &Redirect, request: &Request<'_>) -> Answer {
        let mut headers = vec![
            AnswerHeader::made("location", redirect.location(request)),
            AnswerHeader::fixed("cache-control", "no-store"),
        ];
        headers.extend(self.style.extra.iter().map(ExtraHeader::header));
        Answer { status: Status::FOUND, headers, body: Bytes::new() }
    }
}

fn answer(reason: Reason, status: Status, text: &str, form: Form, style: &Style) -> Answer {
    let mut headers = Vec::with_capacity(style.extra.len().saturating_add(6));
    headers.push(AnswerHeader::fixed("content-type", form.media_type(style.body)));
    // For calls too: Envoy turns a denial of gRPC into HTTP 200, and browsers read grpc-web.
    headers.push(AnswerHeader::fixed("cache-control", "no-store"));
    headers.push(AnswerHeader::fixed("x-content-type-options", "nosniff"));
    if form == Form::Html {
        headers.push(AnswerHeader::fixed("content-security-policy", html::POLICY));
    }
    headers.extend(challenge::of(reason, style).map(|value| AnswerHeader::made("www-authenticate", value)));
    headers.extend(retry::after(reason).map(|seconds| AnswerHeader::made("retry-after", seconds.to_string())));
    headers.extend(style.extra.iter().map(ExtraHeader::header));
    let body = form.body(style.body, status, text);
    Answer { status, headers, body: Bytes::from(body) }
}
