//! Replies to messages from the core's decisions. A message's own permission is checked against the caller like that of
//! a rule.

use super::super::custom::CustomRuntime;
use super::message::{ApiRequest, Body, Message, MessageId, Reply, ReplyBody, UserContext};
use crate::config::{ConfigError, Environment, EphemeralKeys, Keys, Overrides, ProfileName, load, load_with_keys};
use modgud_core::authn::{AuthnError, LookupResult, PendingLookup, ReplayMode};
use modgud_core::authz::{AuthzError, Entitlements, Requirement, RuleName};
use modgud_core::credential::CredentialError;
use modgud_core::decide::{Decision, Verdict};
use modgud_core::decide::{Snapshot, decide, decide_with};
use modgud_core::denial::{DenialContext, DenialResponses, Insufficient, ParsedRequest};
use modgud_core::explain::NoopObserver;
use modgud_core::http::path::{CanonicalPath, RequestTarget};
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::principal::Principal;
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use modgud_core::upstream::IdentityHeaders;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

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
    custom: CustomRuntime,
}

/// An unusable key of a message.
pub(super) struct InitError {
    pub(super) id: MessageId,
    pub(super) error: ConfigError,
}

/// A status and its text.
type Denial = (u16, String);

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
        let overrides = Overrides { profile, exact_dates: true, ..Overrides::default() };
        load_with_keys(file.as_deref(), &overrides, &environment, Keys::Replaced(EphemeralKeys::default()))?;
        Ok(Self { file, overrides, environment, services, snapshot: None, custom: CustomRuntime::default() })
    }

    /// Returns the reply to a message, and an error that its sender need not know.
    pub(super) fn answer(&mut self, message: Message, now: Timestamp) -> (Reply, Option<InitError>) {
        let Message { src, dest, body, .. } = message;
        let (body, init_error) = match body {
            Body::Init { msg_id, jwt_public_key } => {
                let init_error = self.init(&jwt_public_key).err();
                let init_error = init_error.map(|error| InitError { id: msg_id.clone(), error });
                (ReplyBody::InitOk { in_reply_to: msg_id }, init_error)
            }
            Body::ApiRequest(request) => (self.decided(request, now), None),
        };
        (Reply { src: dest, dest: src, body }, init_error)
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

    fn decided(&mut self, request: ApiRequest, now: Timestamp) -> ReplyBody {
        let ApiRequest { msg_id: in_reply_to, method, path, headers, required_permission } = request;
        let fields = headers.0.iter().map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() });
        let headers = Headers::new(fields.collect());
        let outcome = match &self.snapshot {
            None => Err((NO_KEY.0, NO_KEY.1.to_owned())),
            Some(snapshot) => {
                let request = (&*method, &*path, headers);
                outcome((snapshot, &mut self.custom), &self.services, request, required_permission.as_deref(), now)
            }
        };
        match outcome {
            Ok((service, user_context)) => ReplyBody::Allowed { in_reply_to, status: 200, service, user_context },
            Err((status, error)) => ReplyBody::Denied { in_reply_to, status, error },
        }
    }
}

/// Returns the service of a request and its caller.
fn outcome(
    (snapshot, custom): (&Snapshot, &mut CustomRuntime),
    services: &Services,
    (method, path, headers): (&str, &str, Headers<'_>),
    permission: Option<&str>,
    now: Timestamp,
) -> Result<(String, UserContext), Denial> {
    let denied_with = |reason, rule: Option<&RuleName>, insufficient: Option<&Insufficient>, text: Option<&str>| {
        let rule = rule.map(RuleName::as_str);
        denial(&snapshot.denials, &DenialContext { reason, rule, insufficient, text, request: ParsedRequest::None })
    };
    let request = Request::parse(method.as_bytes(), path.as_bytes(), b"", headers)
        .map_err(|error| denied_with(error.reason(), None, None, None))?;
    let mut decision = decide(&request, snapshot, now);
    if let Some(PendingLookup::Custom(by)) = decision.pending_lookup()
        && let Ok(answer) = custom.call(&request, snapshot, by, now)
    {
        decision = decide_with(&request, snapshot, now, &answer);
    }
    let Decision { verdict, rule, authenticator: _, insufficient, principal: caller, computed: _, shadow: _ } =
        decision;
    if let Verdict::Deny(error) = verdict {
        return Err(denied_with(error.reason(), rule.as_ref(), insufficient.as_deref(), error.client_text()));
    }
    let caller = match (caller, permission) {
        // The rule does not look for a caller, and the message requires one.
        (None, Some(_)) => {
            let found = caller_of(&request, (snapshot, custom), now);
            Some(found.map_err(|reason| denied_with(reason, rule.as_ref(), None, None))?)
        }
        (caller, _) => caller,
    };
    let caller = caller.as_deref();
    if let (Some(permission), Some(caller)) = (permission, caller) {
        let all = Entitlements { permissions: vec![permission.into()], ..Entitlements::default() };
        let required = Requirement { all, ..Requirement::default() };
        required.check(caller).map_err(|error| {
            let have = caller.identity().permissions.clone();
            let insufficient = Insufficient { required: vec![permission.into()], have };
            denied_with(error.reason(), rule.as_ref(), Some(&insufficient), None)
        })?;
    }
    let service = services.of(&request.path).ok_or_else(|| (NO_SERVICE.0, NO_SERVICE.1.to_owned()))?;
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

/// Authenticates the caller of a request whose rule requires none.
fn caller_of(
    request: &Request<'_>,
    (snapshot, custom): (&Snapshot, &mut CustomRuntime),
    now: Timestamp,
) -> Result<Arc<Principal>, Reason> {
    let credential = snapshot.extractor.find(request).map_err(CredentialError::reason)?;
    let credential = credential.ok_or(AuthzError::CredentialMissing.reason())?;
    let authenticate = |lookup: &LookupResult| {
        let mode = ReplayMode::Record;
        snapshot.authenticators.authenticate(&credential, request, now, lookup, mode, &mut NoopObserver)
    };
    let found = match authenticate(&LookupResult::Nothing) {
        Err(AuthnError::LookupRequired(PendingLookup::Custom(by))) => {
            authenticate(&custom.call(request, snapshot, by, now).unwrap_or_default())
        }
        found => found,
    };
    found.map_err(|error| error.reason())
}

fn denial(answers: &DenialResponses, denied: &DenialContext<'_, '_>) -> Denial {
    let (status, text) = answers.summary(denied);
    (status.code(), text)
}

/// A service and the path prefix of its requests: `PATH=NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    below: Vec<Box<str>>,
    name: Box<str>,
}

impl FromStr for Service {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const HOW: &str = "write it as `/api/users=users-service`";
        let (path, name) = text.rsplit_once('=').filter(|(_, name)| !name.is_empty()).ok_or(HOW)?;
        let target = RequestTarget::parse(path.as_bytes()).map_err(|_| HOW)?;
        match target.query {
            None => Ok(Self { below: target.path.segments().map(Box::from).collect(), name: name.into() }),
            Some(_) => Err(HOW),
        }
    }
}

/// All services.
#[derive(Debug)]
pub(super) struct Services(Vec<Service>);

impl Services {
    /// Creates the list: the longest path wins, and of equal paths the first.
    pub(super) fn new(mut services: Vec<Service>) -> Self {
        services.sort_by_key(|service| std::cmp::Reverse(service.below.len()));
        Self(services)
    }

    /// Returns the services of the exercise that the messages come from.
    pub(super) fn usual() -> Self {
        const USUAL: [(&[&str], &str); 5] = [
            (&["api", "users"], "users-service"),
            (&["api", "orders"], "orders-service"),
            (&["api", "products"], "products-service"),
            (&["api", "payments"], "payments-service"),
            (&["api", "v2", "users"], "users-service"),
        ];
        let service = |(below, name): (&[&str], &str)| Service {
            below: below.iter().map(|segment| Box::from(*segment)).collect(),
            name: name.into(),
        };
        Self::new(USUAL.map(service).into())
    }

    /// Returns the service of a path; `None` if there is none.
    pub(super) fn of(&self, path: &CanonicalPath<'_>) -> Option<&str> {
        let is_below = |service: &&Service| {
            let mut segments = path.segments();
            service.below.iter().all(|segment| segments.next() == Some(&**segment))
        };
        self.0.iter().find(is_below).map(|service| &*service.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestTarget, Service, Services};

    fn of<'s>(services: &'s Services, path: &str) -> Option<&'s str> {
        services.of(&RequestTarget::parse(path.as_bytes()).unwrap().path)
    }

    #[test]
    fn whole_segments_decide() {
        let usual = Services::usual();
        for (path, expected) in [
            ("/api/users/123", Some("users-service")),
            ("/api/users", Some("users-service")),
            ("/api/v2/users/1/2", Some("users-service")),
            ("/api/payments/", Some("payments-service")),
            ("/api/usersx", None),
            ("/api/v2/orders", None),
            ("/API/users", None),
            ("/", None),
        ] {
            assert_eq!(of(&usual, path), expected, "{path}");
        }
    }

    #[test]
    fn the_longest_path_decides() {
        let services = ["/a=one", "/a/b=two", "/=all"].map(|text| text.parse::<Service>().unwrap());
        let services = Services::new(services.into());
        let found = ["/a/c", "/a/b/c", "/x"].map(|path| of(&services, path));
        assert_eq!(found, [Some("one"), Some("two"), Some("all")]);
        for bad in ["", "a=b", "/a", "/a=", "/a?b=c", "/a//b=c"] {
            assert!(bad.parse::<Service>().is_err(), "{bad}");
        }
    }
}
