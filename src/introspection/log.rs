//! Log messages about an authorization server: failures, at most once a minute, and circuit breaker changes. They
//! contain no tokens and no responses.

use super::IntrospectionSource;
use super::breaker::Change;
use super::error::IntrospectionError;
use modgud_core::time::Timestamp;
use std::time::Duration;

/// Minimum interval between two messages about failures; those in between are not logged.
const QUIET: Duration = Duration::from_secs(60);

/// The last message.
#[derive(Debug, Default)]
pub(super) struct Told {
    failure: Option<Timestamp>,
}

impl Told {
    /// Returns true if a failure at this time should be logged.
    pub(super) fn tells(&mut self, now: Timestamp) -> bool {
        let quiet = self.failure.is_some_and(|told| told <= now && now < told.plus(QUIET));
        if !quiet {
            self.failure = Some(now);
        }
        !quiet
    }
}

/// Logs a failed request.
pub(super) fn failed(source: &IntrospectionSource, error: &IntrospectionError) {
    let (authenticator, server) = (source.authenticator.as_str(), &source.url);
    tracing::warn!(authenticator, %server, %error, "the authorization server gave no answer about a token; further failures are counted and told once a minute");
}

/// Logs a circuit breaker change.
pub(super) fn changed(source: &IntrospectionSource, change: Change) {
    let (authenticator, server) = (source.authenticator.as_str(), &source.url);
    match change {
        Change::Opened => {
            tracing::warn!(authenticator, %server, "the authorization server does not answer: it is left alone but for a trial now and then, and tokens that are not known are answered with 503");
        }
        Change::Closed => tracing::info!(authenticator, %server, "the authorization server answers again"),
    }
}

#[cfg(test)]
mod tests {
    use super::Told;
    use modgud_core::time::Timestamp;

    #[test]
    fn failures_are_told_once_a_minute() {
        let mut told = Told::default();
        let at = Timestamp::from_secs;
        let said: Vec<bool> = [100, 100, 159, 160, 161, 50].into_iter().map(|now| told.tells(at(now))).collect();
        assert_eq!(said, [true, false, false, true, false, true]);
    }
}
