//! Detection of an absent server from failed requests. Pure logic without I/O.
//!
//! While a server is away, `unavailable: error` defers checks to Envoy, which may allow all of them. So neither a
//! single token nor a flood may make a server count as away.

use modgud_core::authn::CacheKey;

/// Number of tokens that must fail in a row if each failure may come from its token.
const FAILED_TOKENS: usize = 5;

/// Evidence in a failure that the server is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It is away for any request.
    Sure,
    /// It may be away, or a device before the server may reject the token.
    Likely,
    /// No evidence, or evidence that it is there.
    None,
}

/// The failures since the last response.
#[derive(Debug, Default)]
pub(super) struct Absence {
    sure: bool,
    /// The distinct tokens with likely evidence.
    tokens: Vec<CacheKey>,
}

impl Absence {
    /// Records a response.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Records a failure.
    pub(super) fn failed(&mut self, sign: Sign, token: CacheKey) {
        match sign {
            Sign::Sure => self.sure = true,
            Sign::Likely => {
                self.sure = false;
                if self.tokens.len() < FAILED_TOKENS && !self.tokens.contains(&token) {
                    self.tokens.push(token);
                }
            }
            Sign::None => *self = Self::default(),
        }
    }

    /// Returns true if the server is away. `is_open` is the state of the circuit breaker.
    pub(super) const fn is_away(&self, is_open: bool) -> bool {
        self.sure || (is_open && self.tokens.len() >= FAILED_TOKENS)
    }
}

#[cfg(test)]
mod tests {
    use super::{Absence, FAILED_TOKENS, Sign};
    use modgud_core::authn::{CacheKey, IntrospectionCache};

    fn tokens() -> Vec<CacheKey> {
        let cache = IntrospectionCache::default();
        (0..=FAILED_TOKENS).map(|number| cache.key_of(&number.to_string())).collect()
    }

    #[test]
    fn a_sure_sign_is_enough_until_there_is_another() {
        let tokens = tokens();
        for (next, away) in [(Sign::Sure, true), (Sign::Likely, false), (Sign::None, false)] {
            let mut absence = Absence::default();
            absence.failed(Sign::Sure, tokens[0]);
            assert!(absence.is_away(false));
            absence.failed(next, tokens[0]);
            assert_eq!((absence.is_away(false), absence.is_away(true)), (away, away), "{next:?}");
        }
    }

    #[test]
    fn likely_signs_need_several_tokens_and_a_server_that_is_left_alone() {
        let tokens = tokens();
        let mut absence = Absence::default();
        for _ in 0..100 {
            absence.failed(Sign::Likely, tokens[0]);
            assert!(!absence.is_away(true), "one odd token");
        }
        for token in &tokens {
            absence.failed(Sign::Likely, *token);
        }
        assert!(absence.is_away(true) && !absence.is_away(false));
        let failed: fn(&mut Absence, CacheKey) = |absence, token| absence.failed(Sign::None, token);
        for reset in [failed, |absence, _| absence.answered()] {
            let mut absence = Absence::default();
            for token in &tokens[..FAILED_TOKENS - 1] {
                absence.failed(Sign::Likely, *token);
            }
            reset(&mut absence, tokens[0]);
            absence.failed(Sign::Likely, tokens[FAILED_TOKENS]);
            assert!(!absence.is_away(true), "not in a row");
        }
    }
}
