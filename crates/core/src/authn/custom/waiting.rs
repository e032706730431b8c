//! Custom authenticators that wait: the form in which they are stored, their calls, and the cache of their answers.

use super::{AsyncCustomAuthenticator, CorrelationValues, CustomCallError, CustomClaims, CustomDenial, CustomError};
use super::{CustomInput, catch};
use crate::cache::{ByteCache, Digest, Weigh, byte_cache, sha256};
use crate::http::request::Request;
use crate::jose::Claims;
use crate::principal::Identity;
use crate::time::Timestamp;
use serde_json::Value;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

type Answering<'a> = Pin<Box<dyn Future<Output = Result<CustomClaims, CustomDenial>> + Send + 'a>>;

/// [`AsyncCustomAuthenticator`] with a boxed future, so that authenticators of all types can be in one list.
pub(super) trait DynAuthenticator: Send + Sync {
    fn authenticate<'a>(
        &'a self,
        credential: &'a str,
        request: Option<&'a Request<'_>>,
        now: Timestamp,
    ) -> Answering<'a>;

    fn identity(&self, claims: &Claims, read: Identity) -> Identity;

    fn correlation(
        &self,
        claims: &Claims,
        request: &Request<'_>,
        read: CorrelationValues,
    ) -> Result<CorrelationValues, CustomError>;
}

impl<T: AsyncCustomAuthenticator> DynAuthenticator for T {
    fn authenticate<'a>(
        &'a self,
        credential: &'a str,
        request: Option<&'a Request<'_>>,
        now: Timestamp,
    ) -> Answering<'a> {
        Box::pin(AsyncCustomAuthenticator::authenticate(self, credential, request, now))
    }

    fn identity(&self, claims: &Claims, read: Identity) -> Identity {
        AsyncCustomAuthenticator::identity(self, claims, read)
    }

    fn correlation(
        &self,
        claims: &Claims,
        request: &Request<'_>,
        read: CorrelationValues,
    ) -> Result<CorrelationValues, CustomError> {
        AsyncCustomAuthenticator::correlation(self, claims, request, read)
    }
}

/// An authenticator that waits, with the cache of its answers. A program has one for each registered name, which all its
/// configurations share.
pub struct WaitingAuthenticator {
    pub(super) inner: Box<dyn DynAuthenticator>,
    input: CustomInput,
    max_concurrent: usize,
    cache: AnswerCache,
}

/// Hides the authenticator itself.
impl fmt::Debug for WaitingAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingAuthenticator").field("input", &self.input).finish_non_exhaustive()
    }
}

impl WaitingAuthenticator {
    /// The most calls in progress that an authenticator may allow. A higher number counts as this one.
    pub const MAX_CONCURRENT: usize = 10_000;
    /// The longest time for which an answer is reused. A longer one counts as this one.
    pub const MAX_REUSE: Duration = Duration::from_secs(3_600);

    pub(super) fn new(authenticator: impl AsyncCustomAuthenticator) -> Self {
        let input = authenticator.input();
        let max_concurrent = authenticator.max_concurrent().clamp(1, Self::MAX_CONCURRENT);
        Self { inner: Box::new(authenticator), input, max_concurrent, cache: AnswerCache::default() }
    }

    /// Returns what its answers depend on.
    #[must_use]
    pub const fn input(&self) -> CustomInput {
        self.input
    }

    /// Returns the most calls that may be in progress.
    #[must_use]
    pub const fn max_concurrent(&self) -> usize {
        self.max_concurrent
    }

    /// Computes the cache key of a credential.
    #[must_use]
    pub fn key(&self, credential: &str) -> CredentialDigest {
        CredentialDigest(sha256(&[credential.as_bytes()]))
    }

    /// Returns the cached answer for a credential; `None` if there is none.
    #[must_use]
    pub fn cached(&self, credential: &str, now: Timestamp) -> Option<CustomAnswer> {
        match self.input {
            CustomInput::Credential => self.cache.get(&self.key(credential), now),
            CustomInput::Request => None,
        }
    }

    /// Calls the authenticator, and caches its answer as it asks for. It gets the request only if its answers depend on it.
    ///
    /// # Errors
    /// [`CustomCallError::Panicked`] if it panics.
    pub async fn call(
        &self,
        credential: &str,
        request: Option<&Request<'_>>,
        now: Timestamp,
    ) -> Result<CustomAnswer, CustomCallError> {
        let request = match self.input {
            CustomInput::Credential => None,
            CustomInput::Request => request,
        };
        let mut answering = catch(|| self.inner.authenticate(credential, request, now))?;
        let answer = poll_fn(|context| match catch(|| answering.as_mut().poll(context)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Err(error) => Poll::Ready(Err(error)),
        })
        .await?;
        let (answer, reuse) = match answer {
            Ok(CustomClaims { claims, expires, reuse }) => {
                let claims = Claims::from_json(Value::Object(claims));
                (CustomAnswer(Ok(Accepted { claims, expires })), reuse)
            }
            Err(CustomDenial { error, reuse }) => (CustomAnswer(Err(error)), reuse),
        };
        if self.input == CustomInput::Credential {
            let until = now.plus(reuse.min(Self::MAX_REUSE));
            self.cache.put(self.key(credential), Entry { answer: answer.clone(), from: now, until });
        }
        Ok(answer)
    }
}

/// An answer of a custom authenticator. Each use of it makes the principal anew.
#[derive(Debug, Clone)]
pub struct CustomAnswer(pub(super) Result<Accepted, CustomError>);

/// An accepted credential.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) claims: Claims,
    pub(super) expires: Timestamp,
}

/// The SHA-256 of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialDigest(Digest);

/// The answers of one authenticator, by credential. Accepted and denied ones have separate caches, so that invented credentials
/// can't evict valid ones.
#[derive(Debug)]
struct AnswerCache {
    accepted: ByteCache<CredentialDigest, Entry>,
    denied: ByteCache<CredentialDigest, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    answer: CustomAnswer,
    from: Timestamp,
    until: Timestamp,
}

impl Entry {
    /// Returns true within the period. A clock that went back extends no answer.
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

impl Weigh for Entry {
    fn weight(&self) -> u64 {
        /// The memory of an entry without its claims or its text.
        const ENTRY_BYTES: usize = 256;
        let content = match &self.answer.0 {
            Ok(Accepted { claims, .. }) => claims.heap_size(),
            Err(error) => error.client_text().map_or(0, str::len),
        };
        u64::try_from(content.saturating_add(ENTRY_BYTES)).unwrap_or(u64::MAX)
    }
}

impl Default for AnswerCache {
    fn default() -> Self {
        Self { accepted: byte_cache(Self::MAX_ACCEPTED_BYTES), denied: byte_cache(Self::MAX_DENIED_BYTES) }
    }
}

impl AnswerCache {
    /// The most memory for accepted credentials, estimated: some 50,000 of ten claims. Beyond it, entries are evicted.
    const MAX_ACCEPTED_BYTES: u64 = 64 * 1024 * 1024;
    /// The most memory for denied credentials: some 40,000 of them. Beyond it, entries are evicted.
    const MAX_DENIED_BYTES: u64 = 16 * 1024 * 1024;

    fn get(&self, key: &CredentialDigest, now: Timestamp) -> Option<CustomAnswer> {
        let fresh = |entry: Option<Entry>| entry.filter(|entry| entry.is_fresh(now)).map(|entry| entry.answer);
        fresh(self.accepted.get(key)).or_else(|| fresh(self.denied.get(key)))
    }

    /// Replaces the answer for a credential. One that may not be reused only removes the previous one.
    fn put(&self, key: CredentialDigest, entry: Entry) {
        let (same, other) =
            if entry.answer.0.is_ok() { (&self.accepted, &self.denied) } else { (&self.denied, &self.accepted) };
        // In this order: at no time is a credential that was just denied cached as accepted only.
        if entry.from < entry.until {
            same.insert(key, entry);
        } else {
            same.remove(&key);
        }
        other.remove(&key);
    }
}
