//! Introspection of opaque tokens at authorization servers (RFC 7662). All checks that wait for the same token share
//! one request; while the circuit breaker is open, none is sent. `authn` judges the responses.

mod absence;
mod breaker;
mod credential;
mod error;
mod server;

pub use credential::{ClientAuthentication, ClientCredential};
pub use error::IntrospectionError;
pub use server::IntrospectionCounts;

use crate::clock::Clock;
use crate::http_client::{ClockOffset, FetchUrl, HttpClient, TrustAnchors};
use modgud_core::authn::{
    Authenticator, Authenticators, CachedResponses, IntrospectionAuthenticator, IntrospectionCache,
    IntrospectionOutcome, IntrospectionResponse, LookupResult,
};
use modgud_core::credential::{AuthenticatorId, RawToken};
use modgud_core::decide::Snapshot;
use modgud_core::http::request::Request;
use modgud_core::principal::AuthenticatorName;
use prometheus_client::metrics::histogram::Histogram;
use server::Server;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bucket bounds of the response time histogram, in seconds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0];

/// The authorization server of an authenticator, as configured.
#[derive(Debug, Clone)]
pub struct IntrospectionSource {
    /// The authenticator.
    pub authenticator: AuthenticatorName,
    /// The introspection endpoint.
    pub url: FetchUrl,
    /// modgud's credential as a client.
    pub client: ClientCredential,
    /// Trust anchors for its certificate.
    pub trust_anchors: TrustAnchors,
    /// Maximum number of concurrent requests; a further check counts as busy.
    pub max_concurrent: usize,
}

impl IntrospectionSource {
    /// Introspects a token once, without a cache and a circuit breaker: for commands.
    ///
    /// # Errors
    /// [`IntrospectionError`] if there is no usable response.
    pub async fn introspect_once(&self, token: &str) -> Result<IntrospectionResponse, IntrospectionError> {
        self.introspect_timed(token, &mut None).await
    }

    /// Introspects a token like [`Self::introspect_once`]. Sets `clock` to the offset of the server's clock if a response has a `Date`.
    ///
    /// # Errors
    /// The errors of [`Self::introspect_once`].
    pub async fn introspect_timed(
        &self,
        token: &str,
        clock: &mut Option<ClockOffset>,
    ) -> Result<IntrospectionResponse, IntrospectionError> {
        server::post(&HttpClient::new(self.trust_anchors.clone()), self, token, clock).await
    }

    /// Returns true if server and client are the same, so that cached responses stay valid.
    fn is_same_client(&self, other: &Self) -> bool {
        let Self { authenticator, url, client, trust_anchors, max_concurrent: _ } = self;
        (authenticator, url, client, trust_anchors)
            == (&other.authenticator, &other.url, &other.client, &other.trust_anchors)
    }
}

/// The authorization servers of the active configuration.
#[derive(Debug)]
pub struct Introspection {
    clock: Clock,
    /// Responses of all servers. Those of a removed server become unreachable, and are evicted over time.
    cache: IntrospectionCache,
    durations: Histogram,
    /// Not locked by checks that need no lookup.
    servers: Mutex<Servers>,
}

#[derive(Debug, Default)]
struct Servers {
    active: Vec<Arc<Server>>,
    /// The servers of the previous configuration: for checks that began with it.
    previous: Vec<Arc<Server>>,
    /// The last server number assigned.
    numbers: u64,
}

/// The current state of a server, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerStatus {
    /// Outcomes per token.
    pub counts: IntrospectionCounts,
    /// True while the circuit breaker is open.
    pub is_open: bool,
}

impl Introspection {
    /// Creates a client without servers.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let (cache, durations) = (IntrospectionCache::default(), Histogram::new(SECONDS));
        Self { clock, cache, durations, servers: Mutex::default() }
    }

    /// Replaces the servers. A known server keeps its cache and its circuit breaker; `authenticators` get the caches.
    pub fn replace(&self, sources: Vec<IntrospectionSource>, authenticators: &mut Authenticators) {
        let mut servers = self.servers();
        let mut next = Vec::new();
        for source in sources {
            let current = servers.active.iter().find(|server| server.source().is_same_client(&source)).map(Arc::clone);
            let server = current.unwrap_or_else(|| {
                servers.numbers = servers.numbers.saturating_add(1);
                let cache = self.cache.of_server(servers.numbers);
                Arc::new(Server::new(source.clone(), cache, self.clock.clone(), self.durations.clone()))
            });
            server.set_max_concurrent(source.max_concurrent);
            authenticators.attach_cache(&source.authenticator, server.cache());
            next.push(server);
        }
        servers.previous = mem::replace(&mut servers.active, next);
    }

    /// Introspects the token of a request, for the authenticator that needs the response.
    pub async fn introspect(&self, request: &Request<'_>, snapshot: &Snapshot, by: AuthenticatorId) -> LookupResult {
        let authenticator = snapshot.authenticators.list().get(by.0).and_then(Authenticator::as_introspection);
        let credential = snapshot.extractor.find(request).ok().flatten();
        LookupResult::Introspection(match (authenticator, credential) {
            (Some(authenticator), Some(credential)) => self.send(authenticator, credential.token).await,
            // A pending lookup implies that there is a token.
            (None, _) | (_, None) => IntrospectionOutcome::Failed,
        })
    }

    /// Returns the state of an authenticator's server; `None` if the authenticator is not in the active configuration.
    #[must_use]
    pub fn status(&self, authenticator: &IntrospectionAuthenticator) -> Option<ServerStatus> {
        let server = self.server(authenticator)?;
        Some(ServerStatus { counts: server.counts(), is_open: server.is_open() })
    }

    /// Returns the number of cached responses.
    #[must_use]
    pub fn cache_counts(&self) -> CachedResponses {
        self.cache.counts()
    }

    /// Returns the response time histogram, for `/metrics`.
    #[must_use]
    pub const fn durations(&self) -> &Histogram {
        &self.durations
    }

    async fn send(&self, authenticator: &IntrospectionAuthenticator, token: RawToken<'_>) -> IntrospectionOutcome {
        match self.server(authenticator) {
            Some(server) => server.introspect(authenticator, token).await,
            None => IntrospectionOutcome::Failed,
        }
    }

    fn server(&self, authenticator: &IntrospectionAuthenticator) -> Option<Arc<Server>> {
        let servers = self.servers();
        let mut all = servers.active.iter().chain(&servers.previous);
        all.find(|server| server.cache().same_cache(&authenticator.known)).map(Arc::clone)
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        // Code under the lock never panics half-way.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
