//! What the log says about an authorization server: that it fails, once a minute at the most, and when it is left alone and asked
//! again. Never a token, and never what a server answered.

use super::IntrospectionSource;
use super::breaker::Change;
use super::error::IntrospectionError;
use modgud_core::time::Timestamp;
use std::time::Duration;

/// How long nothing more is said of failures.
const QUIET: Duration = Duration::from_secs(60);

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Told {
    failure: Option<Timestamp>,
}

impl Told {
    /// Whether a failure at a time is to be told.
    pub(super) fn tells(&mut self, now: Timestamp) -> bool {
        let quiet = self.failure.is_some_and(|told| told <= now && now < told.plus(QUIET));
        if !quiet {
            self.failure = Some(now);
        }
        !quiet
    }
}

/// A question has failed.
pub(super) fn failed(source: &IntrospectionSource, error: &IntrospectionError) {
    let (authenticator, server) = (source.authenticator.as_str(), &source.url);
    tracing::warn!(authenticator, %server, %error, "the authorization server gave no answer about a token; further failures are counted and told once a minute");
}

/// The server is left alone, or asked again.
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
