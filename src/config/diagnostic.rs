//! Errors of a configuration. Messages show what the user wrote, but never a key or secret. `located` adds the location.

mod keep;
mod located;
mod module;

pub use keep::KeepProblem;
pub use located::Located;
pub(super) use located::{MAX_REPORTED, Problems};
pub use module::ModuleProblem;

use super::de::FormError;
use super::profile::Profiles;
use super::quoted::Quoted;
use super::revocations::RevocationsError;
use super::secret_source::SourceError;
use crate::http_client::{CaError, UrlError};
use crate::net::listen_addr::AddressError;
use crate::net::tls::TlsError;
use modgud_core::authn::{ApiKeyDigestError, PrincipalPatternError};
use modgud_core::authz::condition::ExpressionError;
use modgud_core::authz::{HostPatternError, PatternError, TenancyError};
use modgud_core::credential::{CookieNameError, QueryNameError, SchemeError};
use modgud_core::denial::{DetailError, ExtraHeaderError, OwnHostError, RealmError, ReturnParameterError, StatusError};
use modgud_core::http::header::{HeaderNameError, HeaderTextError};
use modgud_core::http::method::MethodError;
use modgud_core::jose::{Fingerprint, JwksError, KeyError, KeySetError, SigningError};
use modgud_core::principal::ClaimPathError;
use modgud_core::upstream::StripPatternError;

/// A problem of a document.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A form error.
    #[error(transparent)]
    Form(#[from] FormError),
    /// An included document that is not YAML.
    #[error("{0}")]
    Syntax(String),
    /// A file that names no profile.
    #[error(
        "the file does not name its profile, and profiles differ in the paths that they open without a credential; write one of \
             {}, or name it on the command line: `--profile` (for a shadow configuration `--shadow-profile`)",
        Profiles
    )]
    ProfileMissing,
    /// An invalid duration.
    #[error("{0} is not a duration; write a number and a unit, such as `150ms`, `20s` or `5m`")]
    Duration(Quoted),
    /// A duration out of range.
    #[error("{found} is out of range; it must be from `{least}` to `{most}`")]
    DurationRange {
        /// The value as written.
        found: Quoted,
        /// The lower bound.
        least: &'static str,
        /// The upper bound.
        most: &'static str,
    },
    /// An invalid size.
    #[error("{0} is not a size; write a number and a unit, such as `64KiB` or `1MiB`, or a number of bytes")]
    Size(Quoted),
    /// A size out of range.
    #[error("{found} is out of range; it must be from `{least}` to `{most}`")]
    SizeRange {
        /// The value as written.
        found: Quoted,
        /// The lower bound.
        least: &'static str,
        /// The upper bound.
        most: &'static str,
    },
    /// A number of concurrent checks out of range.
    #[error("`{0}` is out of range; it must be from `1` to `1000000`")]
    InFlight(u32),
    /// A number of connections out of range.
    #[error("`{0}` is out of range; it must be from `16` to `65536`")]
    Connections(u32),
    /// An invalid address.
    #[error("{0} is not an address; write an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`")]
    Address(Quoted),
    /// An invalid address of the check listener.
    #[error("{found} is not an address; {fault}")]
    CheckAddress {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: AddressError,
    },
    /// A file that is unusable for TLS.
    #[error("{origin} {fault}")]
    Tls {
        /// Its origin, in words.
        origin: String,
        /// The cause.
        fault: TlsError,
    },
    /// A name that logs and metrics can't show.
    #[error("{0} is not a name; write 1 to 128 visible ASCII characters without a space, such as `reports-read`")]
    Name(Quoted),
    /// A name that an earlier entry has.
    #[error("the name {0} is taken by an earlier entry; names tell entries apart in logs and metrics")]
    NameTaken(Quoted),
    /// A list or a text that must not be empty.
    #[error("is empty; {0}")]
    Empty(&'static str),
    /// An unknown algorithm.
    #[error(
        "{0} is not an algorithm that can be used; write one of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, \
             `ES256`, `ES384` or `EdDSA`, or with a `secret` `HS256`, `HS384` or `HS512`"
    )]
    Algorithm(Quoted),
    /// Two authenticators with the same issuer and the same credential location.
    #[error(
        "{issuer} is the issuer of authenticator {of} too, and both look in the same place, so that their tokens could not \
             be told apart; put their keys into one authenticator, or let one look in another header"
    )]
    IssuerTaken {
        /// The issuer.
        issuer: Quoted,
        /// The other authenticator.
        of: Quoted,
    },
    /// Too many keys.
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// A key or secret that can't be loaded.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A key for a policy test that can't be generated.
    #[error("the key that is made for this run can't be had: {0}")]
    ThrowAway(#[from] SigningError),
    /// An unusable key.
    #[error("{origin} does not hold a usable key: {fault}")]
    Key {
        /// Its origin, in words.
        origin: String,
        /// The cause.
        fault: KeyError,
    },
    /// A key that two issuers share.
    #[error(
        "the key {fingerprint} is one of authenticator {of} too, whose issuer is {issuer}: who signs for one issuer could sign \
             for the other; a key belongs to one issuer, so take it out where it is not the issuer's own"
    )]
    KeyShared {
        /// The key.
        fingerprint: Fingerprint,
        /// The other authenticator.
        of: Quoted,
        /// Its issuer.
        issuer: Quoted,
    },
    /// An algorithm without a key.
    #[error("no key of this authenticator serves `{0}`; add one under `keys`, or leave the algorithm out")]
    AlgorithmWithoutKey(&'static str),
    /// An unusable JWKS.
    #[error("{origin} does not hold a usable JWK set: {fault}")]
    Jwks {
        /// Its origin, in words.
        origin: String,
        /// The cause.
        fault: JwksError,
    },
    /// A JWKS without a source, or with two.
    #[error("has to have either `file` or `url`")]
    JwksPlace,
    /// A request setting for a JWKS that is read from a file.
    #[error("belongs to a `url`, and this set is read from a `file`; leave it out")]
    OfUrlOnly,
    /// A forbidden URL. The message does not show it, because it may hold a password.
    #[error("what stands here (not shown) {0}")]
    Url(UrlError),
    /// An issuer with a query.
    #[error("an OpenID issuer has no query (not shown); leave out what stands after `?`")]
    IssuerQuery,
    /// A provider other than the issuer of the tokens.
    #[error("is not the `issuer` of the tokens, which is {0}; the two must be the same, character for character")]
    IssuerOther(Quoted),
    /// A `stale_if_error` so short that keys expire although the provider is available.
    #[error("{0} is less than twice `refresh`: one failed fetch would take the keys away; write a longer time")]
    StaleBeforeRefresh(Quoted),
    /// Two providers with one cache file, which would overwrite each other's keys.
    #[error("this file is that of another provider's keys too; name another one")]
    CacheFileTaken,
    /// Unusable CA certificates.
    #[error("{origin} {fault}")]
    Ca {
        /// Their origin, in words.
        origin: String,
        /// The cause.
        fault: CaError,
    },
    /// A server on another machine with plain HTTP.
    #[error(
        "is plain `http` to another machine, where anybody on the way can read tokens and answer in the server's place; write \
             `https://`, or `insecure_http: true` beside it"
    )]
    PlainIntrospection,
    /// A URL without a host.
    #[error(
        "what stands here (not shown) is not a URL with a host; write one such as `https://login.example.com/introspect`"
    )]
    IntrospectionUrl,
    /// A number of concurrent introspection requests out of range.
    #[error("`{0}` is out of range; it must be from `1` to `10000`")]
    Concurrent(u32),
    /// An invalid header name.
    #[error("{found} is not a header name: {fault}; write one such as `x-user-id`")]
    HeaderName {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: HeaderNameError,
    },
    /// A reserved header, which modgud may neither write nor remove as an identity header.
    #[error("{0} can't be an identity header: Envoy, HTTP or the credential itself needs it; write another name")]
    HeaderReserved(Quoted),
    /// A header from which proxies or servers read a part of the request itself.
    #[error(
        "{0} can't be an identity header: some proxies and servers read it as the request's own path, method, host or client; \
             write another name"
    )]
    HeaderAboutTheRequest(Quoted),
    /// An override header that can't be kept.
    #[error(transparent)]
    Keep(#[from] KeepProblem),
    /// A header without a source, or with several.
    #[error("names {found} sources and needs one; write exactly one of {of}")]
    OneSource {
        /// The number of sources.
        found: usize,
        /// The possible keys.
        of: &'static str,
    },
    /// A constant that no header can hold. The message does not show it.
    #[error("what stands here (not shown) {0}; write visible ASCII characters, with spaces only between them")]
    HeaderValue(HeaderTextError),
    /// A format for a constant, which is written unchanged.
    #[error("has no meaning for a `value`, which is written as it stands; leave it out")]
    FormOfConstant,
    /// An encoding for a format that always encodes.
    #[error("has no meaning beside `as`: the items of a list and JSON are encoded in any case; leave it out")]
    EncodedAlready,
    /// An unusable private key.
    #[error("{origin} does not hold a key to sign with: {fault}")]
    PrivateKey {
        /// Its origin, in words.
        origin: String,
        /// The cause.
        fault: SigningError,
    },
    /// Public keys for a secret, which has no public half.
    #[error("has no meaning for {0}, whose secret has no public half; leave it out, or sign with `EdDSA`")]
    NothingToPublish(&'static str),
    /// A claim that modgud itself writes.
    #[error("{0} is written by modgud, or left out on purpose, in every token that it mints; write another name")]
    ClaimOfOurs(Quoted),
    /// A claim without a name.
    #[error("a claim has a name; write one such as `username`")]
    ClaimUnnamed,
    /// A metadata name that modgud always sends with a fixed meaning.
    #[error("{0} is told in any case, and always means the same; write another name")]
    ToldAlways(Quoted),
    /// A name that formats of access logs can't hold.
    #[error("{0} is not the name of a value that Envoy can be told; write 1 to 64 letters, digits, `_`, `-` and `.`")]
    MetadataName(Quoted),
    /// An unknown entry of `mint`.
    #[error("{0} is not the name of an entry of `mint`; write one of those")]
    MintUnknown(Quoted),
    /// Two identity headers that a server can't distinguish.
    #[error("{0} and {1} are one header to many servers, which tell neither case nor `_` from `-`; keep one of them")]
    HeadersAlike(Quoted, Quoted),
    /// An invalid strip pattern.
    #[error("{found}: {fault}; write a name such as `x-user-id`, or a prefix such as `x-user-*`")]
    Strip {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: StripPatternError,
    },
    /// A strip pattern that matches a required header.
    #[error("{pattern} would remove `{header}`, which Envoy, HTTP or the module needs; write a narrower one")]
    StripReserved {
        /// The pattern.
        pattern: Quoted,
        /// The header.
        header: &'static str,
    },
    /// An authenticator without a kind, or with several.
    #[error("has {found} kinds and needs one; write exactly one of {known}")]
    Kind {
        /// The number of kinds.
        found: usize,
        /// The known kinds.
        known: &'static str,
    },
    /// Two authenticators for credentials other than signed tokens, with the same credential location.
    #[error(
        "looks in {place}, as {other} does, and both are for credentials that are no signed tokens, so that they could not be told \
             apart; let one of them look elsewhere"
    )]
    OpaqueTaken {
        /// The credential location.
        place: String,
        /// The other authenticator.
        other: Quoted,
    },
    /// A problem of modules or the core service.
    #[error(transparent)]
    Module(#[from] ModuleProblem),
    /// An unreadable revocation list.
    #[error(transparent)]
    Revocations(#[from] RevocationsError),
    /// A credential location of an `mtls` authenticator.
    #[error(
        "has no meaning for `mtls`, which looks at the connection's certificate and at nothing in the request; leave it out"
    )]
    MtlsFrom,
    /// A second `mtls` authenticator.
    #[error("is the kind of {0} too, and a connection has one certificate; put the principals of both into one list")]
    MtlsTwice(Quoted),
    /// A lifetime of proofs that no request needs.
    #[error("has a meaning with `sender_constraint: dpop` only; leave it out")]
    ProofLifetime,
    /// A location other than after the scheme `DPoP`, for tokens that require a proof.
    #[error(
        "is no place for tokens that need a proof (`sender_constraint: dpop`): they stand in a header after the scheme `DPoP` and \
             nowhere else; write `{{ header: authorization, schemes: [DPoP] }}`"
    )]
    PlaceOfProofs,
    /// The scheme `DPoP`, for tokens that require no proof.
    #[error(
        "is the scheme of tokens that need a proof, and no proof is asked for here: add `sender_constraint: dpop`, or \
             leave the scheme out"
    )]
    SchemeOfProofs,
    /// An invalid pattern of principals.
    #[error("{found} is no principal: {fault}")]
    Peer {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: PrincipalPatternError,
    },
    /// An invalid digest of an API key. The message does not show it, because it may be the key itself.
    #[error("what stands here (not shown: it may be the key) is no digest: {0}")]
    ApiKeyDigest(ApiKeyDigestError),
    /// Two entries for one API key.
    #[error("is the digest of {0} too; one key has one entry")]
    ApiKeyTwice(Quoted),
    /// A claim that contradicts the subject of an API key.
    #[error("stands among the claims too, as {0}, and says something else there; write it once")]
    SubjectTwice(Quoted),
    /// A token id among an API key's claims.
    #[error("the claims hold `jti`, which is the entry's `id`: by it a key is revoked; leave it out")]
    TokenIdClaimed,
    /// A claim of an API key whose type is invalid in tokens too.
    #[error("{0}; as with tokens, rules and revocations would not know the caller")]
    ApiKeyClaim(modgud_core::principal::IdentityClaimError),
    /// An empty role or permission of an API key.
    #[error("has an item that is empty; leave it out")]
    ApiKeyEmptyItem,
    /// An invalid point in time.
    #[error("{0} is not a point in time; write it as `2027-01-31T12:00:00Z`, or a date as `2027-01-31`")]
    Time(Quoted),
    /// An invalid point in time in the entry of an API key. The message does not show it, because it may be the key.
    #[error(
        "what stands here (not shown: it may be a secret) is not a point in time; write it as `2027-01-31T12:00:00Z`, or a date as \
             `2027-01-31`"
    )]
    TimeHidden,
    /// A credential location without a form, or with two.
    #[error(
        "is not one place; write `{{ header: authorization, schemes: [Bearer] }}`, `{{ header: x-api-key }}`, \
             `{{ cookie: session }}` or `{{ query: access_token }}`"
    )]
    Place,
    /// A header that one authenticator reads with schemes and another one without.
    #[error(
        "{0} is looked into with schemes by one authenticator and without by another; choose one form for the header"
    )]
    TwoForms(Quoted),
    /// An invalid cookie name.
    #[error("{found} can't be looked for: {fault}")]
    Cookie {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: CookieNameError,
    },
    /// An invalid name of a query parameter.
    #[error("{found} can't be looked for: {fault}")]
    Query {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: QueryNameError,
    },
    /// The header `cookie` as a credential location: it holds many cookies, or none.
    #[error("a credential in a cookie is found by the cookie's name; write `{{ cookie: session }}`")]
    CookieHeader,
    /// An invalid path of a claim.
    #[error("{found}: {fault}")]
    Claim {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: ClaimPathError,
    },
    /// A strip pattern that matches the header of a credential.
    #[error(
        "{pattern} would remove {header}, in which an authenticator looks for the credential; write a narrower one: what becomes \
             of the credential is said under `upstream.credential`"
    )]
    StripCredential {
        /// The pattern.
        pattern: Quoted,
        /// The header.
        header: Quoted,
    },
    /// An invalid scheme.
    #[error("{found} is not a scheme: {fault}")]
    Scheme {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: SchemeError,
    },
    /// An invalid method.
    #[error("{found} is not a method: {fault}; write one such as `GET`")]
    Method {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: MethodError,
    },
    /// The method `*`, which is a literal name in HTTP.
    #[error("`*` would match requests of the method `*` only; leave out `methods` to match every method")]
    AnyMethod,
    /// An invalid host pattern.
    #[error("{found} is not a host: {fault}")]
    Host {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: HostPatternError,
    },
    /// An unknown authenticator that a rule requires.
    #[error("{0} is not the name of an authenticator; write that of an entry of `authenticators`")]
    AuthenticatorUnknown(Quoted),
    /// A requirement of a rule that admits requests without a caller.
    #[error(
        "asks something of the caller, and with access `{0}` there may be none; write `access: authenticated`, or leave it out"
    )]
    RequireWithoutCaller(&'static str),
    /// `allow_by_name` on a rule that requires a caller or denies every request.
    #[error(
        "opens routes that name this rule, which needs `access: public`, and the access is `{0}`; leave one of them out"
    )]
    AllowByName(&'static str),
    /// A match of a rule that only its name selects.
    #[error(
        "has no meaning beside `by_name: true`, which says that only a route that names the rule leads to it; leave out one of them"
    )]
    MatchByName,
    /// A rule that no request can select.
    #[error(
        "says for no path that the rule is for it; write `match: {{ paths: [\"/docs/{{*rest}}\"] }}`, or `by_name: true` if routes name it"
    )]
    NoMatch,
    /// A preflight rule that only its name selects.
    #[error("has no meaning with `access: preflight`: a name can't make a request a preflight; write `match`")]
    PreflightByName,
    /// A method of a preflight rule other than `OPTIONS`.
    #[error("{0} is not the method of a preflight, which is always `OPTIONS`; leave `methods` out")]
    MethodOfPreflights(Quoted),
    /// An invalid expression.
    #[error(transparent)]
    Expression(ExpressionError),
    /// A condition of a rule that denies every request.
    #[error("has no meaning with access `denied`: nobody gets through, whatever it says; leave it out")]
    ConditionDenied,
    /// An invalid location of the request's organization.
    #[error("{found}: {fault}")]
    Tenancy {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: TenancyError,
    },
    /// An invalid path pattern.
    #[error("{pattern}: {fault}")]
    Pattern {
        /// The pattern.
        pattern: Quoted,
        /// The cause.
        fault: PatternError,
    },
    /// A pattern of a rule that never decides.
    #[error(
        "{pattern} never decides: whatever it matches is decided by {by}, which are more specific; leave it out, or change what it \
             is for"
    )]
    RuleCovered {
        /// The pattern.
        pattern: Quoted,
        /// The more specific rules.
        by: String,
    },
    /// Two rules for the same requests.
    #[error(
        "{pattern} matches the same requests as rule {with}, and the more specific of two rules decides, which neither is; \
             change or leave out one of them"
    )]
    RuleConflict {
        /// The pattern.
        pattern: Quoted,
        /// The other rule.
        with: Quoted,
    },
    /// Two patterns that differ in the case of letters only, although one of them folds case.
    #[error(
        "{pattern} is {other} of rule {with} but for the case of letters, and one of them takes both for the same (`case: fold`): no \
             rule would be the more specific one; change or leave out one of them"
    )]
    RuleConflictInCase {
        /// The pattern.
        pattern: Quoted,
        /// The other pattern.
        other: Quoted,
        /// Its rule.
        with: Quoted,
    },
    /// A status that does not deny.
    #[error("`{found}` is not the status of a denial: {fault}")]
    Status {
        /// The value as written.
        found: u16,
        /// The cause.
        fault: StatusError,
    },
    /// An invalid realm.
    #[error("{found} is not a realm: {fault}")]
    Realm {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: RealmError,
    },
    /// A header that denials must not have.
    #[error("{found} can't be added to denials: {fault}")]
    DenialHeader {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: ExtraHeaderError,
    },
    /// A header that denials would have twice.
    #[error("{0} is there already; names of headers tell no case")]
    DenialHeaderTwice(Quoted),
    /// A denial response of a rule that denies no request.
    #[error(
        "says what is told to whoever is turned away, and a rule with access `public` turns nobody away; leave it out"
    )]
    DenyOfPublic,
    /// An invalid text for clients.
    #[error("{found} can't be told: {fault}")]
    Detail {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: DetailError,
    },
    /// An invalid URL of a login page. The message does not show it, because it may hold a secret.
    #[error(
        "what stands here (not shown) is not the address of a login page; write an `https` one (plain `http` only to this machine) \
             without user and fragment, such as `https://login.example.com/`"
    )]
    LoginPage,
    /// An invalid name of the parameter that holds the URL to return to.
    #[error("{found} can't be the parameter: {fault}")]
    ReturnParameter {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: ReturnParameterError,
    },
    /// An invalid host of the operator.
    #[error("{found} is not a host: {fault}; write one such as `app.example.com`")]
    OwnHost {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: OwnHostError,
    },
    /// An impersonation without a source, or with two.
    #[error("has to have either `header` or `body`, which says for whom a caller acts")]
    ImpersonationPlace,
    /// A path pattern without a process instance.
    #[error("{0} has no parameter `{{process_instance}}`; write one such as `/process/{{process_instance}}/{{*rest}}`")]
    NoProcessInstance(Quoted),
    /// An unknown custom authenticator.
    #[error("{found} is not the name of an authenticator of this program{known}")]
    CustomUnknown {
        /// The value as written.
        found: Quoted,
        /// The known ones, in words.
        known: String,
    },
}
