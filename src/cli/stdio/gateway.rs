//! Replies to messages from the core's decisions. A message's own permission is checked against the caller like that of
//! a rule.

use super::message::{ApiRequest, Body, Message, MessageId};
use super::reply::{Reply, ReplyBody, UserContext};
use super::services::Services;
use crate::config::{ConfigError, Environment, EphemeralKeys, Keys, Overrides, ProfileName, load, load_with_keys};
use modgud_core::authz::{AuthzError, Entitlements, Requirement, RuleName};
use modgud_core::decide::{Decision, Verdict};
use modgud_core::decide::{Snapshot, decide};
use modgud_core::denial::{DenialContext, DenialResponses, Insufficient, ParsedRequest};
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::time::Timestamp;
use modgud_core::upstream::IdentityHeaders;
use std::path::PathBuf;

/// The variable that the key of `init` replaces.
const KEY: &str = "JWT_PUBLIC_KEY";
/// The response while there is no key to verify tokens.
const NO_KEY: (u16, &str) = (401, "Invalid or expired token");
/// The response for a path without a service.
const NO_SERVICE: (u16, &str) = (404, "No service for this path");

/// A gateway: it denies all requests until it has a key.
pub(super) struct Gateway {
    file: Option<PathBuf>,
    overrides: Overrides,
    environment: Environment,
    services: Services,
    snapshot: Option<Snapshot>,
}

/// An unusable key of a message.
pub(super) struct InitError {
    pub(super) id: MessageId,
    pub(super) error: ConfigError,
}

/// A status and its text.
type Refusal = (u16, String);

impl Gateway {
    /// Creates a gateway from a configuration.
    ///
    /// # Errors
    /// `ConfigError` if the configuration is invalid with any key.
    pub(super) fn new(
        file: Option<PathBuf>,
        profile: Option<ProfileName>,
        environment: Environment,
        services: Services,
    ) -> Result<Self, ConfigError> {
        // Without a file, nothing else names a profile.
        let profile = profile.or_else(|| file.is_none().then_some(ProfileName::Bearer));
        let overrides = Overrides { profile, ..Overrides::default() };
        load_with_keys(file.as_deref(), &overrides, &environment, Keys::Replaced(EphemeralKeys::default()))?;
        Ok(Self { file, overrides, environment, services, snapshot: None })
    }

    /// Returns the reply to a message, and an error that its sender need not know.
    pub(super) fn answer(&mut self, message: Message, now: Timestamp) -> (Reply, Option<InitError>) {
        let Message { src, dest, body, .. } = message;
        let (body, noted) = match body {
            Body::Init { msg_id, jwt_public_key } => {
                let noted = self.init(&jwt_public_key).err();
                let noted = noted.map(|error| InitError { id: msg_id.clone(), error });
                (ReplyBody::InitOk { in_reply_to: msg_id }, noted)
            }
            Body::ApiRequest(request) => (self.decided(request, now), None),
        };
        (Reply { src: dest, dest: src, body }, noted)
    }

    /// Replaces the key. An unusable key leaves none, because a sender that replaces a key wants the old one to be
    /// invalid.
    fn init(&mut self, key: &str) -> Result<(), ConfigError> {
        self.snapshot = None;
        let environment = self.environment.with(KEY, key);
        let mut snapshot = load(self.file.as_deref(), &self.overrides, &environment)?.config.snapshot;
        // This protocol has no identity headers: a name that no header can hold is no reason to deny the request.
        snapshot.upstream.identity = IdentityHeaders::default();
        self.snapshot = Some(snapshot);
        Ok(())
    }

    fn decided(&self, request: ApiRequest, now: Timestamp) -> ReplyBody {
        let ApiRequest { msg_id: in_reply_to, method, path, headers, required_permission } = request;
        let fields = headers.0.iter().map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() });
        let headers = Headers::new(fields.collect());
        let outcome = match &self.snapshot {
            None => Err((NO_KEY.0, NO_KEY.1.to_owned())),
            Some(snapshot) => self.outcome(snapshot, (&method, &path, headers), required_permission.as_deref(), now),
        };
        match outcome {
            Ok((service, user_context)) => ReplyBody::Allowed { in_reply_to, status: 200, service, user_context },
            Err((status, error)) => ReplyBody::Refused { in_reply_to, status, error },
        }
    }

    /// Returns the service of a request and its caller.
    fn outcome(
        &self,
        snapshot: &Snapshot,
        (method, path, headers): (&str, &str, Headers<'_>),
        permission: Option<&str>,
        now: Timestamp,
    ) -> Result<(String, UserContext), Refusal> {
        let told = |reason, rule: Option<&RuleName>, insufficient: Option<&Insufficient>| {
            let rule = rule.map(RuleName::as_str);
            refusal(&snapshot.denials, &DenialContext { reason, rule, insufficient, request: ParsedRequest::None })
        };
        let request = Request::parse(method.as_bytes(), path.as_bytes(), b"", headers)
            .map_err(|fault| told(fault.reason(), None, None))?;
        let Decision { verdict, rule, authenticator: _, insufficient, principal: caller, computed: _, shadow: _ } =
            decide(&request, snapshot, now);
        if let Verdict::Deny(fault) = verdict {
            return Err(told(fault.reason(), rule.as_ref(), insufficient.as_deref()));
        }
        let caller = caller.as_deref();
        if let Some(permission) = permission {
            let caller = caller.ok_or_else(|| told(AuthzError::CredentialMissing.reason(), rule.as_ref(), None))?;
            let all = Entitlements { permissions: vec![permission.into()], ..Entitlements::default() };
            let required = Requirement { all, ..Requirement::default() };
            required.check(caller).map_err(|fault| {
                let have = caller.identity().permissions.clone();
                let insufficient = Insufficient { required: vec![permission.into()], have };
                told(fault.reason(), rule.as_ref(), Some(&insufficient))
            })?;
        }
        let service = self.services.of(&request.path).ok_or_else(|| (NO_SERVICE.0, NO_SERVICE.1.to_owned()))?;
        let user_context = caller.map(|caller| {
            let identity = caller.identity();
            UserContext {
                user_id: identity.subject.clone(),
                role: identity.roles.first().cloned(),
                permissions: identity.permissions.clone(),
            }
        });
        Ok((service.to_owned(), user_context.unwrap_or_default()))
    }
}

fn refusal(answers: &DenialResponses, denied: &DenialContext<'_, '_>) -> Refusal {
    let (status, text) = answers.summary(denied);
    (status.code(), text)
}
