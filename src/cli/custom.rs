//! Calls of custom authenticators that wait, by commands without a server.

use super::runtime;
use crate::envoy::proto::CheckRequest;
use crate::envoy::{Check, read};
use crate::server::custom_calls::call_once;
use modgud_core::authn::LookupResult;
use modgud_core::credential::AuthenticatorId;
use modgud_core::decide::Snapshot;
use modgud_core::http::request::Request;
use modgud_core::time::Timestamp;
use std::io;
use tokio::runtime::Runtime;

/// The runtime of all calls of a command: connections that an authenticator keeps belong to it.
#[derive(Default)]
pub(super) struct CustomRuntime(Option<Runtime>);

impl CustomRuntime {
    /// Calls the authenticator that a check needs.
    ///
    /// # Errors
    /// The system's error if no runtime can be created.
    pub(super) fn call_for_check(
        &mut self,
        check: &CheckRequest,
        snapshot: &Snapshot,
        by: AuthenticatorId,
        now: Timestamp,
    ) -> io::Result<LookupResult> {
        // A pending lookup implies that the request can be read.
        match read(&mut Check::of(check), snapshot.request) {
            Ok(request) => self.call(&request, snapshot, by, now),
            Err(_) => Ok(LookupResult::Nothing),
        }
    }

    /// Calls the authenticator that a request needs.
    ///
    /// # Errors
    /// The system's error if no runtime can be created.
    pub(super) fn call(
        &mut self,
        request: &Request<'_>,
        snapshot: &Snapshot,
        by: AuthenticatorId,
        now: Timestamp,
    ) -> io::Result<LookupResult> {
        let runtime = match self.0.take() {
            Some(runtime) => runtime,
            None => runtime()?,
        };
        let outcome = runtime.block_on(call_once(request, snapshot, by, now));
        self.0 = Some(runtime);
        Ok(LookupResult::Custom(outcome))
    }
}
