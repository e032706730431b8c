//! Providers and authorization servers, as this machine reaches them.

use super::clocks::Clock;
use super::code::Code;
use super::configuration::Configuration;
use super::finding::Finding;
use crate::cli::counted;
use crate::cli::input::random_token;
use crate::clock::Clock as SystemClock;
use crate::config::Config;
use crate::introspection::IntrospectionSource;
use crate::jwks::{JwksSummary, KeySource};
use modgud_core::authn::{Authenticator, IntrospectionResponse};
use std::time::Duration;
use tokio::task::JoinSet;

/// Maximum number of requests at once; further ones wait.
const MAX_CONCURRENT: usize = 8;

/// What was found out about them.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) findings: Vec<Finding>,
    pub(super) clocks: Vec<Clock>,
}

/// One server to ask.
enum Server {
    Provider(KeySource, Duration),
    Introspection(IntrospectionSource, Duration),
}

pub(super) async fn examine(configuration: &Configuration) -> Examined {
    let Some(config) = configuration.config() else { return Examined::default() };
    let mut servers: Vec<Server> = Vec::new();
    for source in &config.key_sources {
        let leeway = leeway(config, |one| {
            one.as_jwt().filter(|jwt| jwt.keys.remote.contains(&source.keys)).map(|jwt| jwt.checks.leeway)
        });
        servers.push(Server::Provider(source.clone(), leeway));
    }
    // Replaced secrets would be wrong ones.
    for source in config.introspection_sources.iter().filter(|_| configuration.has_secrets()) {
        let leeway = leeway(config, |one| {
            let one = one.as_introspection().filter(|one| one.name == source.authenticator)?;
            Some(one.checks.leeway)
        });
        servers.push(Server::Introspection(source.clone(), leeway));
    }
    let mut examined = Examined::default();
    let mut waiting = servers.into_iter();
    let mut asked = JoinSet::new();
    loop {
        while asked.len() < MAX_CONCURRENT
            && let Some(server) = waiting.next()
        {
            asked.spawn(server.ask());
        }
        match asked.join_next().await {
            Some(Ok((finding, clock))) => {
                examined.findings.push(finding);
                examined.clocks.extend(clock);
            }
            Some(Err(error)) => examined.findings.push(Finding::not_examined("a provider", error)),
            None => return examined,
        }
    }
}

/// Returns the least leeway of the authenticators that read the times of a server.
fn leeway(config: &Config, of: impl Fn(&Authenticator) -> Option<Duration>) -> Duration {
    config.snapshot.authenticators.list().iter().filter_map(of).min().unwrap_or_default()
}

impl Server {
    /// Asks it once. Its clock is known if it answers at all.
    async fn ask(self) -> (Finding, Option<Clock>) {
        let mut offset = None;
        let (about, finding, leeway) = match self {
            Self::Provider(source, leeway) => {
                let about = format!("provider {} from here", source.provider.location);
                let fetched = source.fetch_timed(SystemClock::System.now(), &mut offset).await;
                let finding = match fetched {
                    Ok(JwksSummary { usable, skipped }) => {
                        let keys = counted(usable.len(), "usable key", "usable keys");
                        let seen = match skipped.len() {
                            0 => keys,
                            others => format!("{keys}, {others} not used"),
                        };
                        Finding::new(Code::Provider, &about, seen)
                    }
                    Err(error) => Finding::new(Code::ProviderFails, &about, error),
                };
                (about, finding, leeway)
            }
            Self::Introspection(source, leeway) => {
                let about = format!("authorization server {} from here", source.url);
                let finding = match random_token() {
                    Err(error) => Finding::not_examined(&about, error),
                    Ok(token) => match source.introspect_timed(&token, &mut offset).await {
                        Ok(IntrospectionResponse::Inactive) => {
                            Finding::new(Code::IntrospectionServer, &about, "a random token is not active")
                        }
                        Ok(IntrospectionResponse::Active(_)) => {
                            Finding::new(Code::IntrospectionAcceptsAll, &about, "a random token is active")
                        }
                        Err(error) => Finding::new(Code::IntrospectionFails, &about, error),
                    },
                };
                (about, finding, leeway)
            }
        };
        // A server that did not answer has a finding already; one without a `Date` that answered has none yet.
        let clock = (offset.is_some() || finding.is_ok()).then_some(Clock { about, offset, leeway });
        (finding, clock)
    }
}
