//! Asks authorization servers about tokens that only they can read (RFC 7662), once for all who wait for the same answer, and not at
//! all while a server does not answer. Decides nothing about a token: what is said of it is for `authn` to judge.

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
    AnswerCounts, Authenticator, Authenticators, IntrospectionAuthenticator, IntrospectionCache, IntrospectionOutcome,
    LookupResult,
};
use modgud_core::credential::{AuthenticatorId, RawToken};
use modgud_core::decide::Snapshot;
use modgud_core::http::request::Request;
use modgud_core::principal::AuthenticatorName;
use prometheus_client::metrics::histogram::Histogram;
use server::Server;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long an answer may take, in seconds: where the histogram of answers has its bounds.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0];

/// An authorization server as an authenticator's configuration names it.
#[derive(Debug, Clone)]
pub struct IntrospectionSource {
    /// The authenticator.
    pub authenticator: AuthenticatorName,
    /// Where the server is asked.
    pub url: FetchUrl,
    /// What modgud shows it.
    pub client: ClientCredential,
    /// Whose certificates are trusted.
    pub roots: TrustAnchors,
    /// How many questions may be under way at once.
    pub most: usize,
}

impl IntrospectionSource {
    /// Whether this is the same server, asked by the same client: its answers are those of the other one.
    fn asks_as(&self, other: &Self) -> bool {
        let Self { authenticator, url, client, roots, most: _ } = self;
        (authenticator, url, client, roots) == (&other.authenticator, &other.url, &other.client, &other.roots)
    }
}

/// Every authorization server that the present configuration names.
#[derive(Debug)]
pub struct Introspection {
    clock: Clock,
    /// Of all servers; those of a server that is named no more are not found any more, and make room by and by.
    known: IntrospectionCache,
    seconds: Histogram,
    /// Never asked for on the way of a request that lacks nothing.
    servers: Mutex<Servers>,
}

#[derive(Debug, Default)]
struct Servers {
    present: Vec<Arc<Server>>,
    /// Those of the configuration before: for checks that began with it.
    before: Vec<Arc<Server>>,
    /// How many numbers have been given.
    numbers: u64,
}

/// A server as it is now, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerStatus {
    /// What became of each token that it was to be asked about.
    pub asked: AskedCounts,
    /// Whether it is not asked at present because it does not answer.
    pub paused: bool,
}

impl Introspection {
    /// No server is known yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let (known, seconds) = (IntrospectionCache::default(), Histogram::new(SECONDS));
        Self { clock, known, seconds, servers: Mutex::default() }
    }

    /// Asks these servers from now on. One that is known keeps its answers, and what is known about its being down; `authenticators`
    /// get the answers.
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

    /// Asks about the token of a request, for the authenticator that lacks the answer.
    pub async fn supply(&self, request: &Request<'_>, snapshot: &Snapshot, by: AuthenticatorId) -> LookupResult {
        let authenticator = snapshot.authenticators.list().get(by.0).and_then(Authenticator::as_introspection);
        let credential = snapshot.places.find(request).ok().flatten();
        LookupResult::Introspection(match (authenticator, credential) {
            (Some(authenticator), Some(credential)) => self.ask(authenticator, credential.token).await,
            // What is lacking is lacking for a token that is there.
            (None, _) | (_, None) => IntrospectionOutcome::Failed,
        })
    }

    /// How the server of an authenticator is; `None` when the authenticator is not of the present configuration.
    #[must_use]
    pub fn status(&self, authenticator: &IntrospectionAuthenticator) -> Option<ServerStatus> {
        let server = self.of(authenticator)?;
        Some(ServerStatus { asked: server.counts(), paused: server.is_paused() })
    }

    /// How many answers are held.
    #[must_use]
    pub fn known(&self) -> AnswerCounts {
        self.known.counts()
    }

    /// How long answers took, for `/metrics`.
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
        all.find(|server| server.known().is(&authenticator.known)).map(Arc::clone)
    }

    fn servers(&self) -> MutexGuard<'_, Servers> {
        // Nothing that could panic half-way is done under the lock.
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
