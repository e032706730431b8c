//! DenialResponses messages by what the core decides. The one thing beside it is which permission a message asks for, which is held against
//! the caller as that of a rule is.

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

/// The variable that the key of `init` stands for.
const KEY: &str = "JWT_PUBLIC_KEY";
/// What is told while there is no key, so that no token is good.
const NO_KEY: (u16, &str) = (401, "Invalid or expired token");
/// What is told of a path that no service has.
const NO_SERVICE: (u16, &str) = (404, "No service for this path");

/// A gateway: nobody is let through before it has a key.
pub(super) struct Gateway {
    file: Option<PathBuf>,
    overrides: Overrides,
    environment: Environment,
    services: Services,
    snapshot: Option<Snapshot>,
}

/// The key of a message can't be used.
pub(super) struct InitError {
    pub(super) id: MessageId,
    pub(super) error: ConfigError,
}

/// A status and what is told with it.
type Refusal = (u16, String);

impl Gateway {
    /// A gateway by this configuration.
    ///
    /// # Errors
    /// What is wrong with the configuration, whatever the key will be.
    pub(super) fn new(
        file: Option<PathBuf>,
        profile: Option<ProfileName>,
        environment: Environment,
        services: Services,
    ) -> Result<Self, ConfigError> {
        // Without a file there is nobody else to name a profile.
        let profile = profile.or_else(|| file.is_none().then_some(ProfileName::Bearer));
        let overrides = Overrides { profile, ..Overrides::default() };
        load_with_keys(file.as_deref(), &overrides, &environment, Keys::Replaced(EphemeralKeys::default()))?;
        Ok(Self { file, overrides, environment, services, snapshot: None })
    }

    /// The reply to a message, and what its sender need not know.
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

    /// Takes another key in the place of the one before. One that can't be used leaves none: whoever changes a key does not want the
    /// old one to be good any longer.
    fn init(&mut self, key: &str) -> Result<(), ConfigError> {
        self.snapshot = None;
        let environment = self.environment.with(KEY, key);
        let mut snapshot = load(self.file.as_deref(), &self.overrides, &environment)?.config.snapshot;
        // Nobody is told by headers here: a name that none can hold is no reason to turn its bearer away.
        snapshot.shape.identity = IdentityHeaders::default();
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

    /// The service that a request is for, and who asks.
    fn outcome(
        &self,
        snapshot: &Snapshot,
        (method, path, headers): (&str, &str, Headers<'_>),
        permission: Option<&str>,
        now: Timestamp,
    ) -> Result<(String, UserContext), Refusal> {
        let told = |reason, rule: Option<&RuleName>, insufficient: Option<&Insufficient>| {
            let rule = rule.map(RuleName::as_str);
            refusal(&snapshot.answers, &DenialContext { reason, rule, insufficient, seen: ParsedRequest::None })
        };
        let request = Request::parse(method.as_bytes(), path.as_bytes(), b"", headers)
            .map_err(|fault| told(fault.reason(), None, None))?;
        let Decision { verdict, rule, authenticator: _, insufficient, principal: caller, computed: _, tried: _ } =
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
    let (status, text) = answers.sentence(denied);
    (status.code(), text)
}
