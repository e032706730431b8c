//! What is wrong with a configuration. Shows what the user wrote, never the content of a key or secret. Where it stands is told in `placed`.

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

/// One thing that is wrong with a document.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Its form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A document beside the configuration that is no YAML.
    #[error("{0}")]
    Syntax(String),
    /// A file that does not name its profile.
    #[error(
        "the file does not name its profile, and profiles differ in the paths that they open without a credential; write one of \
             {}, or name it on the command line: `--profile` (for a shadow configuration `--shadow-profile`)",
        Profiles
    )]
    ProfileMissing,
    /// A duration that is none.
    #[error("{0} is not a duration; write a number and a unit, such as `150ms`, `20s` or `5m`")]
    Duration(Quoted),
    /// A duration outside its bounds.
    #[error("{found} is out of range; it must be from `{least}` to `{most}`")]
    DurationRange {
        /// What was written.
        found: Quoted,
        /// The lower bound.
        least: &'static str,
        /// The upper bound.
        most: &'static str,
    },
    /// A limit outside its bounds.
    #[error("`{0}` is out of range; it must be from `1` to `1000000`")]
    InFlight(u32),
    /// A number of connections outside its bounds.
    #[error("`{0}` is out of range; it must be from `16` to `65536`")]
    Connections(u32),
    /// An address that is none.
    #[error("{0} is not an address; write an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`")]
    Address(Quoted),
    /// An address for checks that is none.
    #[error("{found} is not an address; {fault}")]
    CheckAddress {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: AddressError,
    },
    /// A file that TLS can't be had with.
    #[error("{origin} {fault}")]
    Tls {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        fault: TlsError,
    },
    /// A name that logs and metrics can't show.
    #[error("{0} is not a name; write 1 to 128 visible ASCII characters without a space, such as `reports-read`")]
    Name(Quoted),
    /// A name that stands there twice.
    #[error("the name {0} is taken by an earlier entry; names tell entries apart in logs and metrics")]
    NameTaken(Quoted),
    /// A list or a text that may not be empty.
    #[error("is empty; {0}")]
    Empty(&'static str),
    /// An algorithm that is not known.
    #[error(
        "{0} is not an algorithm that can be used; write one of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, \
             `ES256`, `ES384` or `EdDSA`, or with a `secret` `HS256`, `HS384` or `HS512`"
    )]
    Algorithm(Quoted),
    /// Two authenticators look in the same place for tokens of the same issuer.
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
    /// A key that can't be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A key for a policy test that can't be made.
    #[error("the key that is made for this run can't be had: {0}")]
    ThrowAway(#[from] SigningError),
    /// A key that can't be used.
    #[error("{origin} does not hold a usable key: {fault}")]
    Key {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        fault: KeyError,
    },
    /// A key of two issuers.
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
    /// An algorithm that none of the keys serves.
    #[error("no key of this authenticator serves `{0}`; add one under `keys`, or leave the algorithm out")]
    AlgorithmWithoutKey(&'static str),
    /// A JWK set that can't be used.
    #[error("{origin} does not hold a usable JWK set: {fault}")]
    Jwks {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        fault: JwksError,
    },
    /// A JWK set that stands nowhere, or in two places.
    #[error("has to have either `file` or `url`")]
    JwksPlace,
    /// A key that says how an address is asked, where none is asked.
    #[error("belongs to a `url`, and this set is read from a `file`; leave it out")]
    OfUrlOnly,
    /// An address that may not be asked. It is not shown: it may hold a password.
    #[error("what stands here (not shown) {0}")]
    Url(UrlError),
    /// An issuer with a query.
    #[error("an OpenID issuer has no query (not shown); leave out what stands after `?`")]
    IssuerQuery,
    /// A provider whose tokens are not accepted.
    #[error("is not the `issuer` of the tokens, which is {0}; the two must be the same, character for character")]
    IssuerOther(Quoted),
    /// Keys that would go stale while all is well.
    #[error("{0} is less than twice `refresh`: one failed fetch would take the keys away; write a longer time")]
    StaleBeforeRefresh(Quoted),
    /// Two providers that would write over each other's keys.
    #[error("this file is that of another provider's keys too; name another one")]
    CacheFileTaken,
    /// Authorities that can't be used.
    #[error("{origin} {fault}")]
    Ca {
        /// Where they came from.
        origin: String,
        /// What is wrong with them.
        fault: CaError,
    },
    /// A server that would be asked over a network, in plain.
    #[error(
        "is plain `http` to another machine, where anybody on the way can read tokens and answer in the server's place; write \
             `https://`, or `insecure_http: true` beside it"
    )]
    PlainIntrospection,
    /// No address of a server.
    #[error(
        "what stands here (not shown) is not a URL with a host; write one such as `https://login.example.com/introspect`"
    )]
    IntrospectionUrl,
    /// A number of questions outside its bounds.
    #[error("`{0}` is out of range; it must be from `1` to `10000`")]
    Concurrent(u32),
    /// A header name that is none.
    #[error("{found} is not a header name: {fault}; write one such as `x-user-id`")]
    HeaderName {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: HeaderNameError,
    },
    /// A header that modgud may not write or remove as an identity header.
    #[error("{0} can't be an identity header: Envoy, HTTP or the credential itself needs it; write another name")]
    HeaderReserved(Quoted),
    /// A header that says something of the request itself to whoever reads it.
    #[error(
        "{0} can't be an identity header: some proxies and servers read it as the request's own path, method, host or client; \
             write another name"
    )]
    HeaderAboutTheRequest(Quoted),
    /// An override header that is to be kept.
    #[error(transparent)]
    Keep(#[from] KeepProblem),
    /// A header whose value comes from nowhere, or from two places.
    #[error("names {found} sources and needs one; write exactly one of {of}")]
    OneSource {
        /// How many there are.
        found: usize,
        /// Of which keys.
        of: &'static str,
    },
    /// A constant that no header can hold. It is not shown.
    #[error("what stands here (not shown) {0}; write visible ASCII characters, with spaces only between them")]
    HeaderValue(HeaderTextError),
    /// A form of what is written as it stands.
    #[error("has no meaning for a `value`, which is written as it stands; leave it out")]
    FormOfConstant,
    /// An encoding of what is encoded in any case.
    #[error("has no meaning beside `as`: the items of a list and JSON are encoded in any case; leave it out")]
    EncodedAlready,
    /// A private key that can't be used.
    #[error("{origin} does not hold a key to sign with: {fault}")]
    PrivateKey {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        fault: SigningError,
    },
    /// Public keys beside a secret.
    #[error("has no meaning for {0}, whose secret has no public half; leave it out, or sign with `EdDSA`")]
    NothingToPublish(&'static str),
    /// A claim that is modgud's own to write.
    #[error("{0} is written by modgud, or left out on purpose, in every token that it mints; write another name")]
    ClaimOfOurs(Quoted),
    /// A claim without a name.
    #[error("a claim has a name; write one such as `username`")]
    ClaimUnnamed,
    /// Metadata that is told in any case.
    #[error("{0} is told in any case, and always means the same; write another name")]
    ToldAlways(Quoted),
    /// A name that formats of access logs can't hold.
    #[error("{0} is not the name of a value that Envoy can be told; write 1 to 64 letters, digits, `_`, `-` and `.`")]
    MetadataName(Quoted),
    /// A mint that is not there.
    #[error("{0} is not the name of an entry of `mint`; write one of those")]
    MintUnknown(Quoted),
    /// Two identity headers that a server can't tell apart.
    #[error("{0} and {1} are one header to many servers, which tell neither case nor `_` from `-`; keep one of them")]
    HeadersAlike(Quoted, Quoted),
    /// A strip pattern that is none.
    #[error("{found}: {fault}; write a name such as `x-user-id`, or a prefix such as `x-user-*`")]
    Strip {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: StripPatternError,
    },
    /// A strip pattern that reaches a header that must stay.
    #[error("{pattern} would remove `{header}`, which Envoy, HTTP or the module needs; write a narrower one")]
    StripReserved {
        /// The pattern.
        pattern: Quoted,
        /// The header.
        header: &'static str,
    },
    /// An authenticator that is of no kind, or of two.
    #[error("has {found} kinds and needs one; write exactly one of {known}")]
    Kind {
        /// How many there are.
        found: usize,
        /// The kinds that there are.
        known: &'static str,
    },
    /// Two authenticators for what is no signed token look in one place.
    #[error(
        "looks in {place}, as {other} does, and both are for credentials that are no signed tokens, so that they could not be told \
             apart; let one of them look elsewhere"
    )]
    OpaqueTaken {
        /// The place.
        place: String,
        /// The other authenticator.
        other: Quoted,
    },
    /// Modules, or what belongs to none.
    #[error(transparent)]
    Module(#[from] ModuleProblem),
    /// A list of revocations that can't be read.
    #[error(transparent)]
    Revocations(#[from] RevocationsError),
    /// An authenticator of certificates that looks for a credential.
    #[error(
        "has no meaning for `mtls`, which looks at the connection's certificate and at nothing in the request; leave it out"
    )]
    MtlsFrom,
    /// A second authenticator of certificates.
    #[error("is the kind of {0} too, and a connection has one certificate; put the principals of both into one list")]
    MtlsTwice(Quoted),
    /// The lifetime of proofs that nobody asks for.
    #[error("has a meaning with `sender_constraint: dpop` only; leave it out")]
    ProofLifetime,
    /// A place where a token could stand that needs a proof, and not after the scheme that says so.
    #[error(
        "is no place for tokens that need a proof (`sender_constraint: dpop`): they stand in a header after the scheme `DPoP` and \
             nowhere else; write `{{ header: authorization, schemes: [DPoP] }}`"
    )]
    PlaceOfProofs,
    /// The scheme of tokens that need a proof, for tokens that need none.
    #[error(
        "is the scheme of tokens that need a proof, and no proof is asked for here: add `sender_constraint: dpop`, or \
             leave the scheme out"
    )]
    SchemeOfProofs,
    /// A pattern of principals that is none.
    #[error("{found} is no principal: {fault}")]
    Peer {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: PrincipalPatternError,
    },
    /// What should be the digest of an API key. It is not shown: it may be the key itself.
    #[error("what stands here (not shown: it may be the key) is no digest: {0}")]
    ApiKeyDigest(ApiKeyDigestError),
    /// Two entries for one API key.
    #[error("is the digest of {0} too; one key has one entry")]
    ApiKeyTwice(Quoted),
    /// The subject of an API key, and another one among its claims.
    #[error("stands among the claims too, as {0}, and says something else there; write it once")]
    SubjectTwice(Quoted),
    /// The token's id among an API key's claims.
    #[error("the claims hold `jti`, which is the entry's `id`: by it a key is revoked; leave it out")]
    TokenIdClaimed,
    /// A claim of an API key that has another type than a token's may have.
    #[error("{0}; as with tokens, rules and revocations would not know the caller")]
    ApiKeyClaim(modgud_core::principal::IdentityClaimError),
    /// A role or a permission of an API key without a name.
    #[error("has an item that is empty; leave it out")]
    ApiKeyEmptyItem,
    /// A point in time that is none.
    #[error("{0} is not a point in time; write it as `2027-01-31T12:00:00Z`, or a date as `2027-01-31`")]
    Time(Quoted),
    /// The same beside a key, which may have been put here.
    #[error(
        "what stands here (not shown: it may be a secret) is not a point in time; write it as `2027-01-31T12:00:00Z`, or a date as \
             `2027-01-31`"
    )]
    TimeHidden,
    /// A place that is none, or two at once.
    #[error(
        "is not one place; write `{{ header: authorization, schemes: [Bearer] }}`, `{{ header: x-api-key }}`, \
             `{{ cookie: session }}` or `{{ query: access_token }}`"
    )]
    Place,
    /// A header in which one authenticator looks for a scheme and another for a token by itself.
    #[error(
        "{0} is looked into with schemes by one authenticator and without by another; choose one form for the header"
    )]
    TwoForms(Quoted),
    /// A cookie's name that is none.
    #[error("{found} can't be looked for: {fault}")]
    Cookie {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: CookieNameError,
    },
    /// A query parameter's name that is none.
    #[error("{found} can't be looked for: {fault}")]
    Query {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: QueryNameError,
    },
    /// A header that holds many cookies, or none.
    #[error("a credential in a cookie is found by the cookie's name; write `{{ cookie: session }}`")]
    CookieHeader,
    /// The way to a claim that is none.
    #[error("{found}: {fault}")]
    Claim {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: ClaimPathError,
    },
    /// A strip pattern that reaches the credential.
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
    /// A scheme that is none.
    #[error("{found} is not a scheme: {fault}")]
    Scheme {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: SchemeError,
    },
    /// A method that is none.
    #[error("{found} is not a method: {fault}; write one such as `GET`")]
    Method {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: MethodError,
    },
    /// `*`, which HTTP takes for a method of that name.
    #[error("`*` would match requests of the method `*` only; leave out `methods` to match every method")]
    AnyMethod,
    /// A host pattern that is none.
    #[error("{found} is not a host: {fault}")]
    Host {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: HostPatternError,
    },
    /// An authenticator that a rule asks for and that is not there.
    #[error("{0} is not the name of an authenticator; write that of an entry of `authenticators`")]
    AuthenticatorUnknown(Quoted),
    /// A requirement where nobody is asked for.
    #[error(
        "asks something of the caller, and with access `{0}` there may be none; write `access: authenticated`, or leave it out"
    )]
    RequireWithoutCaller(&'static str),
    /// A rule that asks for a caller, or turns everybody away, and is to open by name.
    #[error(
        "opens routes that name this rule, which needs `access: public`, and the access is `{0}`; leave one of them out"
    )]
    AllowByName(&'static str),
    /// A rule that only its name leads to, with requests that it is for.
    #[error(
        "has no meaning beside `by_name: true`, which says that only a route that names the rule leads to it; leave out one of them"
    )]
    MatchByName,
    /// A rule that nothing leads to.
    #[error(
        "says for no path that the rule is for it; write `match: {{ paths: [\"/docs/{{*rest}}\"] }}`, or `by_name: true` if routes name it"
    )]
    NoMatch,
    /// A rule for preflights that only its name leads to.
    #[error("has no meaning with `access: preflight`: a name can't make a request a preflight; write `match`")]
    PreflightByName,
    /// A method for preflights that is not theirs.
    #[error("{0} is not the method of a preflight, which is always `OPTIONS`; leave `methods` out")]
    MethodOfPreflights(Quoted),
    /// An expression that can't be used.
    #[error(transparent)]
    Expression(ExpressionError),
    /// A condition where nobody gets through.
    #[error("has no meaning with access `denied`: nobody gets through, whatever it says; leave it out")]
    ConditionDenied,
    /// A place of the request's organization that is none.
    #[error("{found}: {fault}")]
    Tenancy {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: TenancyError,
    },
    /// A path pattern that is none.
    #[error("{pattern}: {fault}")]
    Pattern {
        /// The pattern.
        pattern: Quoted,
        /// What is wrong with it.
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
        /// The others.
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
    /// The same but for the case of letters.
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
    /// A status that would not turn anybody away.
    #[error("`{found}` is not the status of a denial: {fault}")]
    Status {
        /// What was written.
        found: u16,
        /// What is wrong with it.
        fault: StatusError,
    },
    /// A realm that is none.
    #[error("{found} is not a realm: {fault}")]
    Realm {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: RealmError,
    },
    /// A header that denials can't have.
    #[error("{found} can't be added to denials: {fault}")]
    DenialHeader {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: ExtraHeaderError,
    },
    /// A header that denials would have twice.
    #[error("{0} is there already; names of headers tell no case")]
    DenialHeaderTwice(Quoted),
    /// An answer of a rule that gives none.
    #[error(
        "says what is told to whoever is turned away, and a rule with access `public` turns nobody away; leave it out"
    )]
    DenyOfPublic,
    /// A text that can't be told to clients.
    #[error("{found} can't be told: {fault}")]
    Detail {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: DetailError,
    },
    /// No address of a login page. It is not shown: it may hold a secret.
    #[error(
        "what stands here (not shown) is not the address of a login page; write an `https` one (plain `http` only to this machine) \
             without user and fragment, such as `https://login.example.com/`"
    )]
    LoginPage,
    /// A parameter that can't be told where to come back to.
    #[error("{found} can't be the parameter: {fault}")]
    ReturnParameter {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: ReturnParameterError,
    },
    /// A host of the operator's that is none.
    #[error("{found} is not a host: {fault}; write one such as `app.example.com`")]
    OwnHost {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: OwnHostError,
    },
    /// A value that stands nowhere, or in two places.
    #[error("has to have either `header` or `body`, which says for whom a caller acts")]
    ImpersonationPlace,
    /// A path that names no process instance.
    #[error("{0} has no parameter `{{process_instance}}`; write one such as `/process/{{process_instance}}/{{*rest}}`")]
    NoProcessInstance(Quoted),
    /// An authenticator that the program does not bring.
    #[error("{found} is not the name of an authenticator of this program{known}")]
    CustomUnknown {
        /// What was written.
        found: Quoted,
        /// Those that it brings, in words.
        known: String,
    },
}
