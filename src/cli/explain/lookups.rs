//! The lookups that decisions of one run need: keys, introspection, custom authenticators.

use super::report::Report;
use crate::cli::custom::CustomRuntime;
use crate::cli::input::fetch_jwks;
use crate::cli::{print_error, runtime};
use crate::config::Config;
use crate::envoy::proto::CheckRequest;
use crate::envoy::{Check, read};
use modgud_core::authn::{Authenticator, IntrospectionOutcome, JwksRefresh, LookupResult, PendingLookup};
use modgud_core::credential::AuthenticatorId;
use modgud_core::time::Timestamp;
use std::collections::HashMap;
use std::io;

/// The lookups of one run: each JWKS is fetched once, and each token introspected once, however many lines a log has. Their failures are
/// printed on standard error. Custom authenticators are called as a server calls them.
#[derive(Default)]
pub(super) struct Lookups {
    /// The outcome of the fetches; `None` before the first decision.
    jwks: Option<JwksRefresh>,
    /// The outcomes by authenticator and token.
    introspected: HashMap<(usize, String), IntrospectionOutcome>,
    custom: CustomRuntime,
}

impl Lookups {
    /// Decides a check as of a time, with the lookups that it needs, and records every step.
    pub(super) fn decide(&mut self, check: &CheckRequest, config: &Config, now: Timestamp) -> io::Result<Report> {
        let report = self.evaluate(check, config, now, |lookup| {
            let report = Report::of(check, &config.snapshot, now, lookup);
            let pending = report.pending;
            (report, pending)
        });
        Ok(report?.with_module(check, &config.gateway))
    }

    /// Evaluates a check, and again with the result of the lookup that the evaluation returns.
    pub(super) fn evaluate<T>(
        &mut self,
        check: &CheckRequest,
        config: &Config,
        now: Timestamp,
        evaluation: impl Fn(&LookupResult) -> (T, Option<PendingLookup>),
    ) -> io::Result<T> {
        let outcome = self.jwks(config, now)?;
        let (first, pending) = evaluation(&LookupResult::Jwks(outcome));
        let lookup = match pending {
            Some(PendingLookup::Introspection(by) | PendingLookup::ServerUnavailable(by)) => {
                self.introspection(check, config, by)?
            }
            Some(PendingLookup::Custom(by)) => self.custom.call_for_check(check, &config.snapshot, by, now)?,
            Some(PendingLookup::Jwks(_) | PendingLookup::JwksRefresh(_)) | None => return Ok(first),
        };
        Ok(evaluation(&lookup).0)
    }

    /// Fetches the JWKS, or publishes those of the run again, so that they count as fetched at the time of the decision.
    fn jwks(&mut self, config: &Config, now: Timestamp) -> io::Result<JwksRefresh> {
        if let Some(outcome) = self.jwks {
            config.key_sources.iter().for_each(|source| source.publish_as_of(now));
            return Ok(outcome);
        }
        let outcome = if fetch_jwks(config, now)? { JwksRefresh::Refreshed } else { JwksRefresh::Failed };
        self.jwks = Some(outcome);
        Ok(outcome)
    }

    /// Introspects the token at the authorization server.
    fn introspection(
        &mut self,
        check: &CheckRequest,
        config: &Config,
        by: AuthenticatorId,
    ) -> io::Result<LookupResult> {
        let Config { snapshot, introspection_sources, .. } = config;
        let mut check = Check::of(check);
        // A pending lookup implies that the request can be read, and has a token.
        let request = read(&mut check, snapshot.request).ok();
        let token = request.as_ref().and_then(|request| snapshot.extractor.find(request).ok().flatten());
        let name = snapshot.authenticators.list().get(by.0).map(Authenticator::name);
        let source = introspection_sources.iter().find(|source| Some(&source.authenticator) == name);
        let (Some(credential), Some(source)) = (token, source) else { return Ok(LookupResult::Nothing) };
        let token = (by.0, credential.token.as_str().to_owned());
        if let Some(known) = self.introspected.get(&token) {
            return Ok(LookupResult::Introspection(known.clone()));
        }
        let outcome = match runtime()?.block_on(source.introspect_once(&token.1)) {
            Ok(response) => IntrospectionOutcome::Response(response),
            Err(error) => {
                print_error(format_args!("{}: {error}", source.url));
                IntrospectionOutcome::Failed
            }
        };
        self.introspected.insert(token, outcome.clone());
        Ok(LookupResult::Introspection(outcome))
    }
}
