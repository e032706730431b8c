//! The decision function of modgud: maps a request, a snapshot of the configuration and a time to a decision.
//!
//! The entry point is [`decide::decide`]. The crate is free of I/O: it reads no file, network, environment or clock, and never
//! waits. Data that only another server has is returned as a pending lookup; the calling code supplies the result. Imports point
//! only downward:
//!
//! | modules | contents |
//! |---|---|
//! | [`decide`] | the decision and its types |
//! | [`upstream`], [`denial`] | changes to the request for the upstream; responses to denied clients |
//! | [`authz`] | rules, modules, conditions |
//! | [`authn`] | authenticators: JWT, API key, introspection, mTLS, DPoP, custom |
//! | [`credential`], [`principal`] | credentials in requests; authenticated callers |
//! | [`jose`], [`http`] | tokens and keys; requests, paths, queries, headers |
//! | [`reason`], `detail`, [`explain`], [`time`] | reason codes, texts for clients, traces of decisions, points in time |

/// Defines a name that the operator wrote, shared by its clones.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        // One word wide, since each cached token has names.
        pub struct $name(std::sync::Arc<Box<str>>);

        impl $name {
            /// Creates a name; the configuration has checked that it is not empty and unique.
            #[must_use]
            pub fn new(name: &str) -> Self {
                Self(std::sync::Arc::new(name.into()))
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub mod authn;
pub mod authz;
mod cache;
pub mod credential;
pub mod decide;
pub mod denial;
mod detail;
pub mod explain;
pub mod http;
pub mod jose;
pub mod principal;
pub mod protected_resource;
pub mod reason;
pub mod respond;
pub mod time;
pub mod upstream;
