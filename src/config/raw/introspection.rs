//! `introspection` of an authenticator, as it is written.

use super::authenticators::{Audiences, Claim, SecretSource, Sender};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Tokens that an authorization server is asked about (RFC 7662), and what it must say of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Introspection {
    /// The address of the server's introspection endpoint: `https`, and plain `http` only to this machine. No redirect is followed.
    #[schemars(example = &"https://login.example.com/introspect")]
    pub(in super::super) url: String,
    /// The id by which the server knows modgud.
    #[schemars(example = &"modgud")]
    pub(in super::super) client_id: String,
    /// The secret that belongs to the id, without the spaces and line ends around it.
    pub(in super::super) client_secret: SecretSource,
    /// How id and secret are shown to the server (RFC 6749 §2.3.1): `basic` in a header, `post` in the form. Default: `basic`.
    pub(in super::super) client_authentication: Option<ClientAuthentication>,
    /// How long it counts that a token is active: from `0s` to `1h`, and never beyond the token's `exp`. A token that is withdrawn at
    /// the server is accepted for so long. Default: `30s`.
    pub(in super::super) cache: Option<String>,
    /// How long it counts that a token is not active: from `0s` to `1h`. Default: `5s`.
    pub(in super::super) negative_cache: Option<String>,
    /// How much longer than `cache` it counts that a token is active, while the server can't be asked: from `0s` to `24h`. Default:
    /// `0s`, with which such tokens get 503.
    #[schemars(example = &"5m")]
    pub(in super::super) stale_if_error: Option<String>,
    /// How many questions to the server may be under way at once, from 1 to 10000. Above it, a token that is not known gets 503 at
    /// once. Default: 64.
    pub(in super::super) max_concurrent: Option<u32>,
    /// A file with the certificates (PEM) of the authorities that the server's certificate may come from, instead of the public ones.
    /// When the file changes, it is read again.
    #[schemars(example = &"company-ca.crt")]
    pub(in super::super) ca: Option<PathBuf>,
    /// Whether plain `http` may lead to another machine, where whoever is on the way can read tokens and answer as they like. Default:
    /// `false`.
    #[serde(default)]
    pub(in super::super) insecure_http: bool,
    /// What `iss` must be, if the server says one. Default: it is not looked at.
    #[schemars(example = &"https://login.example.com")]
    pub(in super::super) issuer: Option<String>,
    /// Whom tokens must be meant for: a list of which `aud` must name one, or the word `any`, which turns the check off. Default:
    /// `[]`, with which a token that names any audience is refused.
    #[serde(default)]
    #[schemars(example = ["orders-api"])]
    pub(in super::super) audiences: Audiences,
    /// What the server must say of a token, each with a value: such as `[sub, scope]`. Default: nothing but `active`.
    #[serde(default)]
    pub(in super::super) require: Vec<Claim>,
    /// How far the server's clock may be from ours when `exp` and `nbf` are looked at: from `0s` to `5m`. Default: `0s`.
    #[schemars(example = &"30s")]
    pub(in super::super) leeway: Option<String>,
    /// What the token's holder has to prove beside having it. Default: nothing. Once it is asked for, a token that is bound to nobody
    /// is refused.
    pub(in super::super) sender_constraint: Option<Sender>,
    /// With `sender_constraint: dpop`, how long a proof is good after its `iat`: as under `jwt`. Default: `60s`.
    pub(in super::super) proof_lifetime: Option<String>,
}

/// How a client shows who it is.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum ClientAuthentication {
    /// In the header `Authorization`, by the scheme `Basic`.
    #[default]
    Basic,
    /// In the form, beside the token.
    Post,
}
