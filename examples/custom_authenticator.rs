//! modgud with two custom authenticators: all of the command `modgud`, tokens in a format that it does not know, and sessions that
//! another server knows.
//!
//! ```sh
//! cargo run --example custom_authenticator -- check --config examples/custom_authenticator.yaml
//! cargo run --example custom_authenticator -- explain --config examples/custom_authenticator.yaml \
//!     --header "Authorization: Bearer valid-alice-1893456000"
//! SESSION_SERVER=http://127.0.0.1:9000/session cargo run --example custom_authenticator -- explain \
//!     --config examples/custom_authenticator.yaml --header "Cookie: session=4f1c"
//! ```
//!
//! `modgud-core` has the trait and its types, `modgud` the commands. docs/custom.md shows the `Cargo.toml` of such a program.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use modgud_core::authn::{
    AsyncCustomAuthenticator, CorrelationValues, CustomAuthenticator, CustomAuthenticators, CustomClaims, CustomDenial,
    CustomError, CustomInput,
};
use modgud_core::http::request::Request;
use modgud_core::jose::{Claims, read_json};
use modgud_core::principal::Identity;
use modgud_core::time::Timestamp;
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::time::Duration;

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

/// An authenticator for sessions of a website: another server knows their users. It gets `GET`, with the session as a bearer token.
#[derive(Debug)]
pub struct SessionServer {
    url: http::Uri,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl SessionServer {
    /// Creates an authenticator that asks this URL.
    #[must_use]
    pub fn new(url: http::Uri) -> Self {
        Self { url, client: Client::builder(TokioExecutor::new()).build_http() }
    }
}

impl AsyncCustomAuthenticator for SessionServer {
    /// One request to the server is enough for all checks with a session that wait at the same time, and answers may be reused.
    fn input(&self) -> CustomInput {
        CustomInput::Credential
    }

    async fn authenticate(
        &self,
        credential: &str,
        _: Option<&Request<'_>>,
        _: Timestamp,
    ) -> Result<CustomClaims, CustomDenial> {
        /// The largest answer that is read, in bytes.
        const MAX_BYTES: usize = 64 * 1024;
        let unavailable = CustomError::Unavailable;
        let request = http::Request::get(self.url.clone()).header("authorization", format!("Bearer {credential}"));
        let request = request.body(Empty::new()).map_err(|_| unavailable.clone())?;
        let response = self.client.request(request).await.map_err(|_| unavailable.clone())?;
        match response.status().as_u16() {
            200 => {}
            401 => return Err(CustomError::rejected_with("Your session has ended.").reusable_for(REUSE)),
            403 => return Err(CustomError::forbidden_with("Your account is locked.").reusable_for(REUSE)),
            _ => return Err(unavailable.into()),
        }
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await.map_err(|_| unavailable.clone())?;
        // Unlike serde_json, this rejects a name that occurs twice: readers differ in which one counts.
        let Ok(Value::Object(claims)) = read_json(&body.to_bytes()) else { return Err(unavailable.into()) };
        Ok(CustomClaims::new(claims).reusable_for(REUSE))
    }

    /// The correlation of a process engine has the beginning of the session (claim `began`), and not the time of the check.
    fn correlation(
        &self,
        claims: &Claims,
        _: &Request<'_>,
        read: CorrelationValues,
    ) -> Result<CorrelationValues, CustomError> {
        let began = claims.numeric_date("began").map_err(|_| CustomError::Unavailable)?;
        let issued_at = match began {
            Some(date) => date.floor(),
            None => read.issued_at,
        };
        Ok(CorrelationValues { issued_at, ..read })
    }
}

/// The time for which the answer about a session is reused.
const REUSE: Duration = Duration::from_secs(30);

/// Returns the authenticators that a configuration can name by `custom: NAME`.
#[must_use]
pub fn authenticators(sessions: http::Uri) -> CustomAuthenticators {
    CustomAuthenticators::default()
        .with("valid-prefix", ValidPrefix)
        .with_async("session-server", SessionServer::new(sessions))
}

/// Runs the command `modgud` with these authenticators.
#[expect(clippy::disallowed_methods, reason = "a program of its own reads its own variables")]
fn main() -> ExitCode {
    let url = std::env::var("SESSION_SERVER").ok().and_then(|url| url.parse().ok());
    let url = url.unwrap_or_else(|| http::Uri::from_static("http://127.0.0.1:9000/session"));
    modgud::cli::run_with(authenticators(url)).into()
}
