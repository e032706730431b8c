//! The state that the authenticators of a new configuration take over from the replaced ones, or share with other authenticators.

use super::super::RemoteJwks;
use super::super::introspection::IntrospectionCache;
use super::{Authenticator, Authenticators};
use crate::principal::AuthenticatorName;

impl Authenticators {
    /// Inherits the tokens that the replaced authenticators have verified, if these would verify the same ones and see the same caller in
    /// each: with equal keys and checks, and an equal mapping of claims. Whatever is checked on each use may differ. It must follow
    /// [`attach_jwks`](Self::attach_jwks), since another JWKS is another source of keys.
    pub fn inherit_tokens(&mut self, before: &Self) {
        let jwt = Authenticator::as_jwt;
        let same = self.list.iter().map(jwt).eq(before.list.iter().map(jwt));
        if same && self.verified.limit() == before.verified.limit() {
            self.verified = before.verified.clone();
        }
    }

    /// Inherits the replay cache of the replaced authenticators, so that a reload makes no proof acceptable again.
    pub fn inherit_replay_cache(&mut self, before: &Self) {
        self.replay_cache = before.replay_cache.clone();
        self.remember_proofs();
    }

    /// Replaces `own` by `shared` in every authenticator that reads it.
    pub fn attach_jwks(&mut self, own: &RemoteJwks, shared: &RemoteJwks) {
        for authenticator in &mut self.list {
            match authenticator {
                Authenticator::Jwt(jwt) => {
                    jwt.keys.remote.iter_mut().filter(|keys| keys.ptr_eq(own)).for_each(|keys| *keys = shared.clone());
                }
                Authenticator::Introspection(_)
                | Authenticator::ApiKey(_)
                | Authenticator::Mtls(_)
                | Authenticator::Custom(_) => {}
            }
        }
    }

    /// Replaces the introspection cache of the authenticator of this name.
    pub fn attach_cache(&mut self, name: &AuthenticatorName, answers: &IntrospectionCache) {
        for authenticator in &mut self.list {
            match authenticator {
                Authenticator::Introspection(one) if one.name == *name => one.known = answers.clone(),
                Authenticator::Introspection(_)
                | Authenticator::Jwt(_)
                | Authenticator::ApiKey(_)
                | Authenticator::Mtls(_)
                | Authenticator::Custom(_) => {}
            }
        }
    }

    /// Inherits the last use of each API key of the replaced authenticators, by the names of authenticator and key.
    pub fn inherit_last_use(&mut self, before: &Self) {
        for authenticator in &mut self.list {
            let Authenticator::ApiKey(own) = authenticator else { continue };
            let mut known = before.list.iter().filter_map(Authenticator::as_api_key);
            if let Some(known) = known.find(|known| known.name == own.name) {
                own.keys.inherit_last_use(&known.keys);
            }
        }
    }
}
