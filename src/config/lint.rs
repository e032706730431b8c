//! Warnings about valid but risky settings.
//!
//! A warning never prevents a configuration from serving; problems do (`validate`). An operator can follow each warning, or silence it by
//! writing the intended value explicitly. A warning that stays teaches operators to ignore all of them.
//!
//! Settings that are always a deliberate choice cause no warning: `audiences: any`, no `max_lifetime`, `server.admin` beyond this machine
//! (Prometheus and probes must reach it).

mod authenticators;
mod claims;
mod denials;
pub(super) mod jwks;
mod names;
mod rules;
mod server;
mod upstream;

use super::Config;
use super::diagnostic::Located;
use super::path::Path;
use super::quoted::Quoted;
use super::raw::Document;
use crate::jwks::CacheDistrust;
use crate::net::tls::Warning as ServerCertificate;
use crate::yaml::Node;
use modgud_core::authz::condition::NeverEqual;
use modgud_core::jose::SkippedKey;
use modgud_core::time::Timestamp;

/// Finds all warnings of a valid configuration. `document` and `root` are its two forms; `profile` is the base of the user's file.
pub(super) fn find(document: &Document, root: &Node, profile: &Document, config: &Config) -> Vec<Located<Warning>> {
    let mut warnings = Warnings { root, found: Vec::new() };
    rules::find(document, profile, &config.snapshot.rules, &mut warnings);
    authenticators::find(document, profile, config.snapshot.authenticators.list(), &mut warnings);
    upstream::find(&document.upstream, &profile.upstream, &mut warnings);
    denials::find(document, &mut warnings);
    server::find(&document.server, &config.server.grpc, &mut warnings);
    claims::find(document, &mut warnings);
    names::find(document, &mut warnings);
    warnings.found
}

/// The warnings so far, with their locations.
struct Warnings<'a> {
    root: &'a Node,
    found: Vec<Located<Warning>>,
}

impl Warnings<'_> {
    fn add(&mut self, path: &Path, warning: Warning) {
        self.found.push(Located::new(path, self.root, warning));
    }

    /// Returns true if the configuration has a value here.
    fn is_said(&self, path: &Path) -> bool {
        path.is_said(self.root)
    }
}

/// A valid but risky setting.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Warning {
    /// A pattern that a rule of the profile denied, and that no rule here denies or opens specifically.
    #[error(
        "the profile's rule {rule} denies {pattern}, and the rules here stand in the place of the profile's: such requests are \
             now decided by {by}; repeat that rule, `{repeat}`, or write one for these paths that says what they ask for"
    )]
    NotDeniedAnyMore {
        /// The rule of the profile.
        rule: Quoted,
        /// Its pattern.
        pattern: Quoted,
        /// The rule or fallback that decides now.
        by: String,
        /// The rule to repeat.
        repeat: String,
    },
    /// Checks in plaintext from other machines.
    #[error(
        "other machines can connect here, ask for decisions, and listen to tokens on the way, which go in plaintext; write \
             `127.0.0.1` or a socket, such as `unix:/run/modgud/check.sock`, or add `server.tls`; `server.insecure_plaintext: true` says \
             that something else keeps others away"
    )]
    Plaintext,
    /// Permission for plaintext although TLS is configured.
    #[error("has no effect beside `tls`, without which nobody can connect; leave it out")]
    PlaintextBesideTls,
    /// A claim name that is a URL, read as names separated by dots.
    #[error(
        "the name {found} is read as the claim {inside}; for a claim whose own name holds dots, write a list: `[\"{whole}\"]`"
    )]
    ClaimNameIsUrl {
        /// The name.
        found: Quoted,
        /// The claim and its enclosing objects.
        inside: String,
        /// The list that was probably meant.
        whole: String,
    },
    /// A list of names, one of which looks like the path of a claim.
    #[error(
        "a list here is one claim, the names from the outside in: the claim {inside}; for one claim inside another write {dotted}, \
             and of several claims name the one that counts"
    )]
    ClaimListIsPath {
        /// The claim and its enclosing objects.
        inside: String,
        /// The item with dots, as a text.
        dotted: Quoted,
    },
    /// A `*` where there are no wildcards.
    #[error("`*` is no wildcard here: only a token that says {0} itself is accepted; name each audience")]
    NoWildcard(Quoted),
    /// A permission or scope with a space, which separates two in a text.
    #[error(
        "{name} has a space, which separates names in a token's text: only an item of a list can match it; write `{words}`"
    )]
    NameWithSpace {
        /// The name.
        name: Quoted,
        /// The list of its words.
        words: String,
    },
    /// A required name with a `*` in it.
    #[error("`*` is no wildcard here: only a caller who has {0} itself passes; write each name")]
    NameWithWildcard(Quoted),
    /// A granted permission with a `*` in it.
    #[error("only `*` alone grants every permission: {0} is the name of one; write each name, or `*`")]
    GrantWithWildcard(Quoted),
    /// A rule that admits callers without a credential wherever no other rule matches.
    #[error(
        "{pattern} matches every path: wherever no other rule matches, rule {rule} lets callers without a credential through; \
             name the paths that are open, and leave the rest to `fallback`"
    )]
    OpenToAll {
        /// The rule.
        rule: Quoted,
        /// Its pattern.
        pattern: Quoted,
    },
    /// A rule that folds case and admits callers without a credential, and so opens every spelling.
    #[error(
        "rule {0} lets callers without a credential through, and folds case: every other spelling of its paths is open, too, whatever the \
             service behind Envoy makes of it; leave `case` out, or, if that service folds case, say so of its module (`modules[].case`)"
    )]
    OpenInAnyCase(Quoted),
    /// A rule that closes one spelling, while another rule decides all others.
    #[error(
        "{pattern} is compared exactly, and every other spelling of such paths is decided by rule {by}, which folds case; write \
             `case: fold` here, too"
    )]
    ClosedInOneCase {
        /// The pattern.
        pattern: Quoted,
        /// The rule that folds.
        by: Quoted,
    },
    /// A condition that compares a path in small letters with capitals.
    #[error(
        "compares `request.path` with {0}, and where case is folded that path is in small letters: the two are never alike; write \
             the text in small letters"
    )]
    ComparedInCapitals(Quoted),
    /// A comparison in a condition whose sides are never equal.
    #[error(transparent)]
    NeverEqual(#[from] NeverEqual),
    /// A cache file of keys that modgud will not trust.
    #[error("{file}: {fault}; until then a restart while the provider is down serves without them")]
    CacheFile {
        /// The file.
        file: Quoted,
        /// The reason.
        fault: CacheDistrust,
    },
    /// An authenticator that replaces one of the profile and silently requires fewer claims.
    #[error(
        "this stands in the place of the profile's authenticator {authenticator}, and does not say which claims it requires: \
             tokens without {claims} are accepted; repeat `require: [{list}]`, or write `require: []` if no claim is needed"
    )]
    RequireLeftOut {
        /// The authenticator of the profile.
        authenticator: Quoted,
        /// The claims, for a sentence.
        claims: String,
        /// The claims, for the list.
        list: String,
    },
    /// A leeway larger than clocks need.
    #[error(
        "{0} is more than clocks that are kept in time are apart, and every token is accepted for that long after it has \
             expired; write `60s` or less"
    )]
    Leeway(Quoted),
    /// Client headers that the profile removes and the file does not.
    #[error(
        "the profile removes {0} from what clients send, and the list here stands in the place of the profile's: modules would \
             take such headers from clients; repeat {0}, or write `strip: []` if nothing is to be removed"
    )]
    NotStrippedAnyMore(Quoted),
    /// An override header that modules receive as clients send it.
    #[error(
        "clients choose {header}, from which some servers take {overrides}, and modgud has decided on the request itself; keep it only \
             if Envoy or a proxy in front of it overwrites it in every request, or no module reads it"
    )]
    OverrideKept {
        /// The header.
        header: Quoted,
        /// The part of the request that it overrides.
        overrides: &'static str,
    },
    /// A status that makes clients repeat the request.
    #[error("`{found}` makes clients and proxies send the request again, to be turned away again; write `{right}`")]
    StatusRetried {
        /// The status.
        found: u16,
        /// The recommended status.
        right: u16,
    },
    /// The status 401 for authenticated callers.
    #[error(
        "`401` makes clients log in again, which does not help a caller who is known and may not; write `403`, or `404` to hide \
             that something is there"
    )]
    ForbiddenAsUnknown,
    /// A setting with which Envoy can admit every request while modgud can't decide.
    #[error(
        "with `error`, an Envoy whose `failure_mode_allow` is `true` lets EVERYBODY pass, with any token or none that modgud could not \
             check, whenever an issuer's keys can't be had or an authorization server is away; write `deny`, unless being open then \
             is worth more than being safe"
    )]
    UndecidedLeftToEnvoy,
    /// An unusable key in a JWKS whose other keys are usable.
    #[error("the set holds a key that can't be used, {0}; the others serve without it; take it out")]
    KeyLeftOut(SkippedKey),
    /// An expired certificate.
    #[error(
        "the certificate here was valid until {0}, and its key goes on verifying tokens, since nothing else is taken from a \
             certificate; write the issuer's present one, or, if the key is still the issuer's, the key alone \
             (`openssl x509 -pubkey -noout` writes it)"
    )]
    CertificateExpired(Timestamp),
    /// A certificate that is not valid yet.
    #[error(
        "the certificate here is valid from {0} only, and its key verifies tokens already, since nothing else is taken from a \
             certificate; write the issuer's present one, or, if the key is the issuer's already, the key alone \
             (`openssl x509 -pubkey -noout` writes it)"
    )]
    CertificateNotYetValid(Timestamp),
    /// A warning about modgud's own server certificate.
    #[error("{0}")]
    ServerCertificate(ServerCertificate),
}

impl Warning {
    /// Returns true if the warning is about the addresses and certificates of `server`.
    #[must_use]
    pub fn concerns_listeners(&self) -> bool {
        matches!(self, Self::Plaintext | Self::PlaintextBesideTls | Self::ServerCertificate(_))
    }
}
