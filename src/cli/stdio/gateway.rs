//! Replies to messages from the core's decisions, with the drivers of `modgud serve`: JWKS of providers, and
//! introspection. A message's own permission is checked against the caller like that of a rule.

use super::denial::Denial;
use super::message::{ApiRequest, Content, Message, MessageId};
use super::reply::{Reply, ReplyBody, UserContext};
use super::service::Services;
use crate::clock::Clock;
use crate::config::{
    Config, ConfigError, Environment, EphemeralKeys, Keys, Overrides, ProfileName, load, load_with_keys,
};
use crate::server::authorizer::Authorizer;
use modgud_core::authn::{AuthnError, LookupResult, ReplayMode};
use modgud_core::authz::{AuthzError, Entitlements, Requirement};
use modgud_core::decide::{Decision, Snapshot, Verdict, decide, decide_with};
use modgud_core::denial::Insufficient;
use modgud_core::explain::NoopObserver;
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::principal::Principal;
use modgud_core::upstream::IdentityHeaders;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The variable that the key of `init` replaces.
const KEY: &str = "JWT_PUBLIC_KEY";
/// The member of `init` that holds the key.
const MEMBER: &str = "`jwt_public_key`";
/// The status of the response to an invalid message.
const INVALID: u16 = 400;
/// Time to wait for the first JWKS of every provider. Beyond it requests are decided without those that are missing, as
/// while a provider is down.
const FIRST_JWKS_TIMEOUT: Duration = Duration::from_secs(3);

/// A gateway: it denies all requests while it has no key that its configuration needs.
pub(super) struct Gateway {
    file: Option<PathBuf>,
    overrides: Overrides,
    environment: Environment,
    services: Arc<Services>,
    /// Kept over several `init`, with its JWKS and introspection responses.
    authorizer: Option<Arc<Authorizer>>,
    snapshot: Option<Arc<Snapshot>>,
    key_use: KeyUse,
}

/// The use of the key of `init`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyUse {
    /// The configuration is invalid without it.
    Required,
    /// The configuration is valid without it.
    None,
}

/// A key of `init` that no token is verified with.
enum InitError {
    /// The configuration is invalid with it.
    Invalid(ConfigError),
    /// The configuration does not use it.
    Unused,
}

impl InitError {
    /// Returns the line for the operator.
    fn report(&self, id: &MessageId) -> String {
        match self {
            // The sender knows the member, not the variable that it replaces.
            Self::Invalid(error) => format!(
                "{MEMBER} of message {id} is invalid, so all tokens are rejected: {}",
                error.to_string().replace(&format!("the environment variable {KEY}"), MEMBER)
            ),
            Self::Unused => {
                format!("the key of message {id} is not used: the configuration has no `pem: {{ env: {KEY} }}`")
            }
        }
    }
}

impl Gateway {
    /// Creates a gateway from a configuration. One that does not use the key of `init` decides at once.
    ///
    /// # Errors
    /// `ConfigError` if the configuration is invalid with any key.
    pub(super) async fn new(
        file: Option<PathBuf>,
        profile: Option<ProfileName>,
        environment: Environment,
        services: Services,
    ) -> Result<Self, ConfigError> {
        // Without a file, nothing else names a profile.
        let profile = profile.or_else(|| file.is_none().then_some(ProfileName::Bearer));
        let overrides = Overrides { profile, exact_dates: true, ..Overrides::default() };
        load_with_keys(file.as_deref(), &overrides, &environment, Keys::Replaced(EphemeralKeys::default()))?;
        let services = Arc::new(services);
        let (authorizer, snapshot, key_use) = (None, None, KeyUse::Required);
        let mut gateway = Self { file, overrides, environment, services, authorizer, snapshot, key_use };
        // Without a key, a configuration that uses it is invalid, and waits for `init`.
        if gateway.init("").await.is_ok() {
            gateway.key_use = KeyUse::None;
        }
        Ok(gateway)
    }

    /// Replaces the key. An unusable key leaves none, because a sender that replaces a key wants the old one to be
    /// invalid.
    async fn init(&mut self, key: &str) -> Result<(), InitError> {
        self.snapshot = None;
        let environment = self.environment.with(KEY, key);
        let loaded = load(self.file.as_deref(), &self.overrides, &environment).map_err(InitError::Invalid)?;
        let Config {
            server: _,
            tls: _,
            mut snapshot,
            gateway: _,
            key_sources,
            introspection_sources,
            otlp: _,
            shown: _,
        } = loaded.config;
        // This protocol has no identity headers: a name that no header can hold is no reason to deny the request.
        snapshot.upstream.identity = IdentityHeaders::default();
        let authorizer = match &self.authorizer {
            None => {
                let authorizer = Authorizer::new(snapshot, key_sources, introspection_sources, Clock::System);
                Arc::clone(self.authorizer.insert(Arc::new(authorizer)))
            }
            Some(authorizer) => {
                authorizer.replace(snapshot, key_sources, introspection_sources);
                Arc::clone(authorizer)
            }
        };
        wait_for_keys(&authorizer).await;
        self.snapshot = Some(Arc::clone(&authorizer.snapshot()));
        match self.key_use {
            KeyUse::Required => Ok(()),
            KeyUse::None => Err(InitError::Unused),
        }
    }

    /// Replies to a message that is no valid request, or returns the evaluation of the request.
    pub(super) async fn receive(&mut self, message: Message) -> Answer {
        let Message { id, envelope, content } = message;
        let denied = |in_reply_to, error: String| ReplyBody::Denied { in_reply_to, status: INVALID, error };
        let (body, report) = match content {
            Content::Init { jwt_public_key } => {
                let error = self.init(&jwt_public_key).await.err();
                let report = error.map(|error| error.report(&id));
                (ReplyBody::InitOk { in_reply_to: id }, report)
            }
            Content::InvalidInit(error) => {
                // The sender wants the old key to be invalid, as with an unusable one.
                self.snapshot = None;
                (denied(id, error.into_text()), None)
            }
            Content::Invalid(error) => (denied(id, error.into_text()), None),
            Content::ApiRequest(request) => {
                let decider = self.authorizer.clone().zip(self.snapshot.clone()).map(|(authorizer, snapshot)| {
                    let services = Arc::clone(&self.services);
                    Decider { authorizer, snapshot, services }
                });
                return Answer::Later(Box::pin(async move {
                    let outcome = match decider {
                        None => Err(Denial::no_key()),
                        Some(decider) => decider.outcome(&request).await,
                    };
                    let report = outcome.as_ref().err().map(|denial| denial.report(&id));
                    Answered { reply: Reply::new(envelope, ReplyBody::decided(id, outcome)), report }
                }));
            }
        };
        Answer::Now(Answered { reply: Reply::new(envelope, body), report })
    }
}

/// A reply, and the line for the operator that belongs to it.
pub(super) struct Answered {
    pub(super) reply: Reply,
    pub(super) report: Option<String>,
}

/// A reply, or the evaluation that ends with it.
pub(super) enum Answer {
    Now(Answered),
    Later(Pin<Box<dyn Future<Output = Answered> + Send>>),
}

impl ReplyBody {
    fn decided(in_reply_to: MessageId, outcome: Result<(String, UserContext), Denial>) -> Self {
        match outcome {
            Ok((service, user_context)) => Self::Allowed { in_reply_to, status: 200, service, user_context },
            Err(Denial { status, text: error, .. }) => Self::Denied { in_reply_to, status, error },
        }
    }
}

/// Waits for the first fetch from every provider, successful or not.
async fn wait_for_keys(authorizer: &Authorizer) {
    let keys = authorizer.keys();
    let mut changes = keys.changes();
    let fetched = async { while !keys.has_fetched_all_once() && changes.changed().await.is_ok() {} };
    // A provider that is late counts as one that is down.
    let _ = timeout(FIRST_JWKS_TIMEOUT, fetched).await;
}

/// What decides a request: the configuration at the time of its message.
struct Decider {
    authorizer: Arc<Authorizer>,
    snapshot: Arc<Snapshot>,
    services: Arc<Services>,
}

impl Decider {
    /// Returns the service of a request and its caller.
    async fn outcome(&self, request: &ApiRequest) -> Result<(String, UserContext), Denial> {
        let ApiRequest { method, path, headers, required_permission, at } = request;
        let snapshot = &self.snapshot;
        let began = Instant::now();
        let fields = headers.iter().map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() });
        let request = Request::parse(method.as_bytes(), path.as_bytes(), b"", Headers::new(fields.collect()))
            .map_err(|error| Denial::malformed(error, method, *at, snapshot))?;
        let Decision { verdict, rule, insufficient, principal: caller, .. } = self.decide(&request, began).await;
        let rule = rule.as_ref();
        if let Verdict::Deny(error) = verdict {
            return Err(Denial::new(&error, rule, insufficient.as_deref(), snapshot));
        }
        let caller = match (caller, required_permission) {
            // The rule does not look for a caller, and the message requires one.
            (None, Some(_)) => {
                let found = self.caller_of(&request, began).await;
                Some(found.map_err(|error| Denial::new(&error.into(), rule, None, snapshot))?)
            }
            (caller, _) => caller,
        };
        let caller = caller.as_deref();
        if let (Some(permission), Some(caller)) = (required_permission, caller) {
            let permission: Box<str> = permission.as_str().into();
            let all = Entitlements { permissions: vec![permission.clone()], ..Entitlements::default() };
            let required = Requirement { all, ..Requirement::default() };
            required.check(caller).map_err(|error| {
                let have = caller.identity().permissions().to_vec();
                let insufficient = Insufficient { required: vec![permission], have };
                Denial::new(&error.into(), rule, Some(&insufficient), snapshot)
            })?;
        }
        let service = self.services.of(&request.path).ok_or_else(Denial::no_service)?;
        let user_context = caller.map(|caller| {
            let identity = caller.identity();
            UserContext {
                user_id: identity.subject().map(Box::from),
                role: identity.roles().next().map(Box::from),
                permissions: identity.permissions().to_vec(),
            }
        });
        Ok((service.to_owned(), user_context.unwrap_or_default()))
    }

    /// Decides a request, with the lookup that it needs.
    async fn decide(&self, request: &Request<'_>, began: Instant) -> Decision {
        let Self { authorizer, snapshot, .. } = self;
        let decision = decide(request, snapshot, authorizer.now());
        let Some(pending) = decision.pending_lookup() else { return decision };
        let result = authorizer.look_up(pending, request, snapshot, began).await;
        decide_with(request, snapshot, authorizer.now(), &result)
    }

    /// Authenticates the caller of a request whose rule requires none.
    async fn caller_of(&self, request: &Request<'_>, began: Instant) -> Result<Arc<Principal>, AuthzError> {
        let Self { authorizer, snapshot, .. } = self;
        let credential =
            snapshot.extractor.find(request).map_err(|error| AuthzError::Credential(AuthnError::Credential(error)))?;
        let credential = credential.ok_or(AuthzError::CredentialMissing)?;
        let authenticate = |lookup: &LookupResult| {
            let (now, mode) = (authorizer.now(), ReplayMode::Record);
            snapshot.authenticators.authenticate(&credential, request, now, lookup, mode, &mut NoopObserver).outcome
        };
        let found = match authenticate(&LookupResult::Nothing) {
            Err(AuthnError::LookupRequired(pending)) => {
                authenticate(&authorizer.look_up(pending, request, snapshot, began).await)
            }
            found => found,
        };
        found.map_err(AuthzError::Credential)
    }
}
