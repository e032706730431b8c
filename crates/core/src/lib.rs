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
//! | [`reason`], [`explain`], [`time`] | reason codes, traces of decisions, points in time |

pub mod authn;
pub mod authz;
pub mod credential;
pub mod decide;
pub mod denial;
pub mod explain;
pub mod http;
pub mod jose;
pub mod principal;
pub mod reason;
pub mod time;
pub mod upstream;
