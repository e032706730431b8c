//! The networks of clients that rules require. They are checked before the credential, so that a client elsewhere causes no lookup, and can't
//! try credentials.

use super::AuthzError;
use super::matched::{Denial, MatchedPolicy};
use super::rule::{Requirement, Rule, RuleName};
use super::rules::Rules;
use crate::authz::condition::Condition;
use crate::explain::{Observer, Step};
use crate::http::request::Request;

impl Requirement {
    /// Checks the client's address.
    ///
    /// # Errors
    /// [`AuthzError::ClientUnknown`] or [`AuthzError::ClientNotAllowed`], if there are networks.
    pub fn check_client(&self, request: &Request<'_>) -> Result<(), AuthzError> {
        if self.clients.is_empty() {
            return Ok(());
        }
        let client = request.client().ok_or(AuthzError::ClientUnknown)?;
        let is_allowed = self.clients.iter().any(|network| network.contains(client));
        if is_allowed { Ok(()) } else { Err(AuthzError::ClientNotAllowed) }
    }
}

impl MatchedPolicy<'_, '_> {
    /// Returns true if the client's address is in the networks that each rule of the policy requires.
    #[must_use]
    pub fn admits_client(&self, request: &Request<'_>) -> bool {
        self.rules().all(|rule| rule.require.check_client(request).is_ok())
    }

    /// Checks the client's address against each rule of the policy.
    ///
    /// # Errors
    /// [`Denial`] of the first rule that does not admit it.
    pub(super) fn check_client(&self, request: &Request<'_>, observer: &mut impl Observer) -> Result<(), Denial> {
        for rule in self.rules().filter(|rule| !rule.require.clients.is_empty()) {
            let outcome = rule.require.check_client(request);
            observer.step(|| describe(rule, request, &outcome));
            outcome.map_err(|error| Denial::of(Some(rule), error))?;
        }
        Ok(())
    }
}

impl Rules {
    /// Returns true if a rule of this name reads the client's address.
    #[must_use]
    pub fn reads_client(&self, name: &str) -> bool {
        self.named.get(name).into_iter().flatten().any(|rule| !rule.require.clients.is_empty())
            || self.has_condition(name, Condition::reads_client)
    }

    /// Returns the names of the rules that read the client's address.
    pub fn reading_client(&self) -> impl Iterator<Item = &str> {
        self.names().into_iter().map(RuleName::as_str).filter(|name| self.reads_client(name))
    }
}

fn describe(rule: &Rule, request: &Request<'_>, outcome: &Result<(), AuthzError>) -> Step {
    const WHAT: &str = "client";
    let source = request.client_source.name();
    let networks: Vec<String> = rule.require.clients.iter().map(|network| format!("`{network}`")).collect();
    let networks = networks.join(", ");
    match (outcome, request.client()) {
        (Ok(()), Some(client)) => Step::passed(WHAT, format!("{client} is of {networks} (`request.client: {source}`)")),
        (Ok(()), None) => Step::passed(WHAT, "any client"),
        (Err(error), Some(client)) => {
            Step::failed(WHAT, format!("{error}: {client} is not of {networks} (`request.client: {source}`)"))
        }
        (Err(error), None) => Step::failed(WHAT, format!("{error}: {networks} (`request.client: {source}`)")),
    }
}
