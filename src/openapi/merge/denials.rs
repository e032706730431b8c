//! The gateway's own responses: components that operations refer to, for the statuses that modgud denies with.

use super::names::Names;
use modgud_core::decide::Snapshot;
use modgud_core::denial::{BodyStyle, Status};
use serde_json::{Value, json};

/// The responses that operations refer to, by name.
#[derive(Debug)]
pub(super) struct Denials<'s> {
    snapshot: &'s Snapshot,
    /// The name of the schema of every body.
    pub(super) schema: String,
    /// The responses so far: what they are for, the name and the response.
    pub(super) responses: Vec<(Cause, String, Value)>,
}

/// The cause of a denial, with its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    BadRequest,
    Unauthenticated(Status),
    Forbidden(Status),
    /// The statuses of both are the same.
    Either(Status),
    Unavailable,
}

impl Cause {
    const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated(status) | Self::Forbidden(status) | Self::Either(status) => status.code(),
            Self::Unavailable => 503,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::Unauthenticated(_) => "Unauthenticated",
            Self::Forbidden(_) => "Forbidden",
            Self::Either(_) => "Denied",
            Self::Unavailable => "Unavailable",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::BadRequest => "The gateway rejects the request, because it can be read in more than one way.",
            Self::Unauthenticated(_) => "The gateway denies the request: it has no valid credential.",
            Self::Forbidden(_) => "The gateway denies the request: the caller lacks access.",
            Self::Either(_) => {
                "The gateway denies the request: it has no valid credential, or the caller lacks access."
            }
            Self::Unavailable => "The gateway can't decide at the moment.",
        }
    }
}

impl<'s> Denials<'s> {
    pub(super) fn new(snapshot: &'s Snapshot, names: &mut Names) -> Self {
        Self { snapshot, schema: names.unique("schemas", "gateway_Denial"), responses: Vec::new() }
    }

    /// Returns the responses of an operation: statuses with names of components. `rule` is the name of its rule.
    pub(super) fn of(&mut self, rule: Option<&str>, is_public: bool, names: &mut Names) -> Vec<(u16, String)> {
        let style = self.snapshot.denials.style();
        let own = rule.and_then(|rule| self.snapshot.denials.status_of_rule(rule));
        let (unauthenticated, forbidden) = (style.unauthenticated, own.unwrap_or(style.forbidden));
        let mut causes = vec![Cause::BadRequest];
        if !is_public {
            if unauthenticated == forbidden {
                causes.push(Cause::Either(forbidden));
            } else {
                causes.extend([Cause::Unauthenticated(unauthenticated), Cause::Forbidden(forbidden)]);
            }
        }
        causes.push(Cause::Unavailable);
        // With unusual statuses, two causes can have one. The first describes it.
        let mut responses: Vec<(u16, String)> = Vec::new();
        for cause in causes {
            if responses.iter().all(|(code, _)| *code != cause.code()) {
                responses.push((cause.code(), self.component(cause, names)));
            }
        }
        responses
    }

    fn component(&mut self, cause: Cause, names: &mut Names) -> String {
        if let Some((_, name, _)) = self.responses.iter().find(|(known, ..)| *known == cause) {
            return name.clone();
        }
        let style = self.snapshot.denials.style();
        let suffix = match cause {
            Cause::Forbidden(status) if status != style.forbidden => format!("_{}", status.code()),
            _ => String::new(),
        };
        let name = names.unique("responses", &format!("gateway_{}{suffix}", cause.name()));
        let reference = format!("#/components/schemas/{}", self.schema);
        let media_type = style.body.media_type();
        let mut response = json!({
            "description": cause.description(),
            "content": { media_type: { "schema": { "$ref": reference } } },
        });
        let header = match cause {
            Cause::Unauthenticated(_) | Cause::Either(_) => Some(("WWW-Authenticate", "The accepted credentials.")),
            Cause::Unavailable => Some(("Retry-After", "Seconds until a new attempt makes sense.")),
            Cause::BadRequest | Cause::Forbidden(_) => None,
        };
        if let (Some((header, description)), Some(object)) = (header, response.as_object_mut()) {
            let header = json!({ header: { "description": description, "schema": { "type": "string" } } });
            object.insert("headers".to_owned(), header);
        }
        self.responses.push((cause, name.clone(), response));
        name
    }

    /// Returns the schema of every body.
    pub(super) fn body(&self) -> Value {
        let text = json!({ "type": "string" });
        let status = json!({ "type": "integer" });
        match self.snapshot.denials.style().body {
            BodyStyle::Problem => json!({
                "type": "object",
                "description": "Problem details (RFC 9457) of a denial by the gateway.",
                "required": ["type", "title", "status", "detail"],
                "properties": { "type": text, "title": text, "status": status, "detail": text },
            }),
            BodyStyle::Detail => json!({
                "type": "object",
                "description": "A denial by the gateway.",
                "required": ["detail"],
                "properties": { "detail": text },
            }),
            BodyStyle::Error => json!({
                "type": "object",
                "description": "A denial by the gateway.",
                "required": ["error"],
                "properties": { "error": text },
            }),
            BodyStyle::Orchescala => json!({
                "type": "object",
                "description": "A denial by the gateway.",
                "required": ["errorCode", "errorMsg"],
                "properties": { "errorCode": status, "errorMsg": text },
            }),
        }
    }
}
