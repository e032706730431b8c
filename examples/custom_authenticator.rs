//! modgud with a custom authenticator: all of the command `modgud`, and tokens in a format that it does not know.
//!
//! ```sh
//! cargo run --example custom_authenticator -- check --config examples/custom_authenticator.yaml
//! cargo run --example custom_authenticator -- explain --config examples/custom_authenticator.yaml \
//!     --header "Authorization: Bearer valid-alice-1893456000"
//! ```
//!
//! `modgud-core` has the trait and its types, `modgud` the commands. docs/custom.md shows the `Cargo.toml` of such a program.

use modgud_core::authn::{CustomAuthenticator, CustomAuthenticators, CustomError};
use modgud_core::http::request::Request;
use modgud_core::jose::Claims;
use modgud_core::principal::Identity;
use modgud_core::time::Timestamp;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// An authenticator for tokens of the form `valid-USER-EXPIRY`, with the time in seconds since 1970. A real one would
/// look into a table, or verify a MAC: these tokens are trivial to forge.
#[derive(Debug)]
pub struct ValidPrefix;

impl CustomAuthenticator for ValidPrefix {
    fn authenticate(&self, token: &str, _: &Request<'_>, now: Timestamp) -> Result<Map<String, Value>, CustomError> {
        let rest = token.strip_prefix("valid-").ok_or(CustomError::Rejected)?;
        let (user, expiry) = rest.rsplit_once('-').filter(|(user, _)| !user.is_empty()).ok_or(CustomError::Rejected)?;
        let expiry = expiry.parse().map(Timestamp::from_secs).map_err(|_| CustomError::Rejected)?;
        if now >= expiry {
            return Err(CustomError::Expired);
        }
        let claims = json!({ "sub": user, "email": format!("{user}@example.com") });
        Ok(claims.as_object().cloned().unwrap_or_default())
    }

    /// Extends the identity from the configuration's `principal`: Alice gets the permission `delete`.
    fn identity(&self, _: &Claims, mut read: Identity) -> Identity {
        if read.subject.as_deref() == Some("alice") {
            read.permissions.push("delete".into());
        }
        read
    }
}

/// Returns the authenticators that a configuration can name by `custom: NAME`.
#[must_use]
pub fn authenticators() -> CustomAuthenticators {
    CustomAuthenticators::default().with("valid-prefix", ValidPrefix)
}

/// Runs the command `modgud` with these authenticators.
fn main() -> ExitCode {
    modgud::cli::run_with(authenticators()).into()
}
