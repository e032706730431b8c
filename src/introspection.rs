//! Introspection of opaque tokens at authorization servers (RFC 7662). All checks that wait for the same token share
//! one request; while the circuit breaker is open, none is sent. `authn` judges the responses.

mod absence;
mod breaker;
mod credential;
mod error;
mod log;
mod server;
mod single_flight;

pub use credential::{ClientAuthentication, ClientCredential};
pub use error::IntrospectionError;
pub use server::AskedCounts;

use crate::clock::Clock;
use crate::http_client::{FetchUrl, TrustAnchors};
use modgud_core::authn::{
    Authenticator, Authenticators, CachedResponses, IntrospectionAuthenticator, IntrospectionCache,
    IntrospectionOutcome, LookupResult,
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
    pub roots: TrustAnchors,
    /// Maximum number of concurrent requests; a further check counts as busy.
    pub most: usize,
}

impl IntrospectionSource {
    /// Returns true if server and client are the same, so that cached responses stay valid.
    fn asks_as(&self, other: &Self) -> bool {
        let Self { authenticator, url, client, roots, most: _ } = self;
        (authenticator, url, client, roots) == (&other.authenticator, &other.url, &other.client, &other.roots)
    }
}

/// The authorization servers of the active configuration.
#[derive(Debug)]
pub struct Introspection {
    clock: Clock,
    /// Responses of all servers. Those of a removed server become unreachable, and are evicted over time.
    known: IntrospectionCache,
    seconds: Histogram,
    /// Not locked by checks that need no lookup.
    servers: Mutex<Servers>,
}

#[derive(Debug, Default)]
struct Servers {
    present: Vec<Arc<Server>>,
    /// The servers of the previous configuration: for checks that began with it.
    before: Vec<Arc<Server>>,
    /// The last server number assigned.
    numbers: u64,
}

/// The current state of a server, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerStatus {
    /// Outcomes per token.
    pub asked: AskedCounts,
    /// True while the circuit breaker is open.
    pub paused: bool,
}

impl Introspection {
    /// Creates a client without servers.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let (known, seconds) = (IntrospectionCache::default(), Histogram::new(SECONDS));
        Self { clock, known, seconds, servers: Mutex::default() }
    }

    /// Replaces the servers. A known server keeps its cache and its circuit breaker; `authenticators` get the caches.
    pub fn follow(&self, sources: Vec<IntrospectionSource>, authenticators: &mut Authenticators) {
        let mut servers = self.servers();
        let mut next = Vec::new();
        for source in sources {
            let known = servers.present.iter().find(|server| server.source().asks_as(&source)).map(Arc::clone);
            let server = known.unwrap_or_else(|| {
                servers.numbers = servers.numbers.saturating_add(1);
                let known = self.known.of_server(servers.numbers);
                Arc::new(Server::new(source.clone(), known, self.clock.clone(), self.seconds.clone()))
            });
            server.limit(source.most);
            authenticators.attach_cache(&source.authenticator, server.known());
            next.push(server);
        }
        servers.before = mem::replace(&mut servers.present, next);
    }

    /// Introspects the token of a request, for the authenticator that lacks the response.
    pub async fn supply(&self, request: &Request<'_>, snapshot: &Snapshot, by: AuthenticatorId) -> LookupResult {
        let authenticator = snapshot.authenticators.list().get(by.0).and_then(Authenticator::as_introspection);
        let credential = snapshot.extractor.find(request).ok().flatten();
        LookupResult::Introspection(match (authenticator, credential) {
            (Some(authenticator), Some(credential)) => self.ask(authenticator, credential.token).await,
            // A pending lookup implies that there is a token.
            (None, _) | (_, None) => IntrospectionOutcome::Failed,
        })
    }

    /// Returns the state of an authenticator's server; `None` if the authenticator is not in the active configuration.
    #[must_use]
    pub fn status(&self, authenticator: &IntrospectionAuthenticator) -> Option<ServerStatus> {
        let server = self.of(authenticator)?;
        Some(ServerStatus { asked: server.counts(), paused: server.is_paused() })
    }

    /// Returns the number of cached responses.
    #[must_use]
    pub fn known(&self) -> CachedResponses {
        self.known.counts()
    }

    /// Returns the response time histogram, for `/metrics`.
    #[must_use]
    pub const fn seconds(&self) -> &Histogram {
        &self.seconds
    }

    async fn ask(&self, authenticator: &IntrospectionAuthenticator, token: RawToken<'_>) -> IntrospectionOutcome {
        match self.of(authenticator) {
            Some(server) => server.ask(authenticator, token).await,
            None => IntrospectionOutcome::Failed,
        }
    }

    fn of(&self, authenticator: &IntrospectionAuthenticator) -> Option<Arc<Server>> {
        let servers = self.servers();
        let mut all = servers.present.iter().chain(&servers.before);
        all.find(|server| server.known().same_cache(&authenticator.known)).map(Arc::clone)
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        // Code under the lock never panics half-way.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
