//! Validates `upstream`: modgud alone writes each identity header, and no header is removed that modules need.

mod keep;

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw::{self, Claim, Encode, HeaderForm, HeaderSource, MetadataSource, PrincipalWord};
use super::principal::claim_path;
use super::{SizeRange, header_name, scheme};
use modgud_core::authz::condition::{Env, Expression};
use modgud_core::credential::CredentialExtractor;
use modgud_core::http::header::{HeaderName, HeaderText, fold_byte, folds_to_same_name};
use modgud_core::upstream::{
    BUILTIN_KEYS, Forward, HeaderEncoding, HeaderLimits, HeaderValueSource, IdentityHeader, IdentityHeaders, Metadata,
    Mint, Minter, OnEncodeError, OverrideHeader, PrincipalField, Removals, RequestMutator, StripPattern, ValueSource,
};
use std::collections::{BTreeMap, HashMap};

/// Headers with another owner: HTTP's own framing and routing, Envoy, and the credential. They are neither written as identity headers nor
/// removed by strip patterns.
const RESERVED: [&str; 26] = [
    "accept",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "dpop",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// The prefixes of headers, apart from the override headers, from which some proxies and servers read a part of the request or of its
/// connection.
///
/// None can hold an identity; a client's may be stripped.
const ABOUT_THE_REQUEST_PREFIXES: [&str; 2] = ["x-envoy-", "x-forwarded-"];

pub(super) fn check(
    upstream: &raw::Upstream,
    required: &[&Claim],
    places: &CredentialExtractor,
    (mints, written): (Vec<Mint>, &[raw::Mint]),
    problems: &mut Problems,
) -> RequestMutator {
    let raw::Upstream { headers, strip, keep, credential, metadata, max_header_bytes, on_too_large } = upstream;
    let max_bytes = SizeRange { least: ("1KiB", 1 << 10), most: ("48KiB", 48 << 10) }.read(
        &Path::root("upstream").key("max_header_bytes"),
        max_header_bytes.as_ref(),
        problems,
    );
    let on_too_large = match on_too_large.unwrap_or_default() {
        raw::TooLarge::Drop => OnEncodeError::Drop,
        raw::TooLarge::Deny => OnEncodeError::Deny,
    };
    let mut identity: Vec<IdentityHeader> = Vec::new();
    let mut taken: HashMap<Vec<u8>, &str> = HashMap::new();
    for (written, source) in headers {
        let at = Path::root("upstream").key("headers").key(written);
        let Some(name) = problems.take(&at, header_name(written)) else { continue };
        let bytes = name.as_str().as_bytes();
        if let Some(problem) = refused(written, &name, places) {
            problems.add(at.clone(), problem);
        }
        if let Some(other) = taken.insert(bytes.iter().copied().map(fold_byte).collect(), written) {
            problems.add(at.clone(), Problem::HeadersAlike(Quoted::new(other), Quoted::new(written)));
        }
        let HeaderSource { claim, principal, value, cel, form: _, encode: _ } = source;
        let form = form(&at, source, problems);
        let source = origin(&at, (claim.as_ref(), *principal, value.as_ref(), cel.as_deref()), problems);
        let Some(source) = source else { continue };
        if let HeaderValueSource::Source(ValueSource::Constant(text)) = &source
            && let Err(fault) = HeaderText::parse(text)
        {
            problems.add(at.key("value"), Problem::HeaderValue(fault));
        }
        let unwritable = unwritable(&source, required);
        identity.push(IdentityHeader { name, source, encoding: form, on_error: unwritable });
    }
    let mut patterns = Vec::new();
    for (number, pattern) in strip.iter().enumerate() {
        let at = Path::root("upstream").key("strip").position(number);
        let parsed =
            StripPattern::parse(pattern).map_err(|fault| Problem::Strip { found: Quoted::new(pattern), fault });
        let Some(parsed) = problems.take(&at, parsed) else { continue };
        if let Some(header) = RESERVED.into_iter().find(|header| parsed.matches(header.as_bytes())) {
            problems.add(at.clone(), Problem::StripReserved { pattern: Quoted::new(pattern), header });
        } else if let Some(header) = places.headers().find(|header| parsed.matches(header.bytes())) {
            let header = Quoted::new(header.as_str());
            problems.add(at.clone(), Problem::StripCredential { pattern: Quoted::new(pattern), header });
        }
        patterns.push((pattern.as_str(), parsed));
    }
    let kept = keep::check(keep, &identity, &patterns, problems);
    let names: Vec<&HeaderName> = identity.iter().map(|header| &header.name).collect();
    let patterns = patterns.into_iter().map(|(_, pattern)| pattern).collect();
    let removals = Removals::new(&names, patterns, kept);
    RequestMutator {
        identity: IdentityHeaders::new(identity, removals, HeaderLimits { max_bytes, on_too_large }),
        forward: forward(credential.as_ref(), (mints, written), problems),
        metadata: self::metadata(metadata, problems),
    }
}

/// Returns the reason why modgud can't write a header. `None` if it can.
pub(super) fn refused(written: &str, name: &HeaderName, places: &CredentialExtractor) -> Option<Problem> {
    let bytes = name.as_str().as_bytes();
    if RESERVED.iter().any(|reserved| folds_to_same_name(reserved.as_bytes(), bytes)) || places.reads_header(name) {
        Some(Problem::HeaderReserved(Quoted::new(written)))
    } else if is_about_the_request(bytes) {
        Some(Problem::HeaderAboutTheRequest(Quoted::new(written)))
    } else {
        None
    }
}

/// Returns the source of a value, which exactly one of three keys names.
pub(super) fn source(
    at: &Path,
    written: (Option<&Claim>, Option<PrincipalWord>, Option<&raw::Text>),
    problems: &mut Problems,
) -> Option<ValueSource> {
    match written {
        (Some(claim), None, None) => Some(ValueSource::Claim(problems.take(&at.key("claim"), claim_path(claim))?)),
        (None, Some(word), None) => Some(ValueSource::Principal(fact(word))),
        (None, None, Some(text)) => Some(ValueSource::Constant(text.0.as_str().into())),
        (claim, principal, value) => {
            let written = [claim.is_some(), principal.is_some(), value.is_some()];
            let found = written.into_iter().filter(|is| *is).count();
            problems.add(at.clone(), Problem::OneSource { found, of: "`claim`, `principal`, `value`" });
            None
        }
    }
}

/// Returns the source of a value, which exactly one of four keys names.
fn origin(
    at: &Path,
    (claim, principal, value, cel): (Option<&Claim>, Option<PrincipalWord>, Option<&raw::Text>, Option<&str>),
    problems: &mut Problems,
) -> Option<HeaderValueSource> {
    let written = [claim.is_some(), principal.is_some(), value.is_some(), cel.is_some()];
    let found = written.into_iter().filter(|is| *is).count();
    if found != 1 {
        problems.add(at.clone(), Problem::OneSource { found, of: "`claim`, `principal`, `value`, `cel`" });
        return None;
    }
    let Some(text) = cel else { return source(at, (claim, principal, value), problems).map(HeaderValueSource::Source) };
    match Expression::compile(text, &Env::Value) {
        Ok(expression) => Some(HeaderValueSource::Computed(Box::new(expression))),
        Err(faults) => {
            for fault in faults {
                problems.add(at.key("cel"), Problem::Expression(fault));
            }
            None
        }
    }
}

const fn fact(word: PrincipalWord) -> PrincipalField {
    match word {
        PrincipalWord::Subject => PrincipalField::Subject,
        PrincipalWord::Organization => PrincipalField::Organization,
        PrincipalWord::Role => PrincipalField::FirstRole,
        PrincipalWord::Roles => PrincipalField::Roles,
        PrincipalWord::Permissions => PrincipalField::Permissions,
        PrincipalWord::Scopes => PrincipalField::Scopes,
        PrincipalWord::Authenticator => PrincipalField::Authenticator,
    }
}

fn form(at: &Path, source: &HeaderSource, problems: &mut Problems) -> HeaderEncoding {
    let HeaderSource { claim: _, principal: _, cel: _, value, form, encode } = source;
    if value.is_some() {
        let written = [("as", form.is_some()), ("encode", encode.is_some())];
        for (key, _) in written.into_iter().filter(|(_, written)| *written) {
            problems.add(at.key(key), Problem::FormOfConstant);
        }
        return HeaderEncoding::Plain;
    }
    match (form, encode) {
        (None, None) => HeaderEncoding::Plain,
        (None, Some(Encode::Percent)) => HeaderEncoding::Percent,
        (Some(form), encode) => {
            if encode.is_some() {
                problems.add(at.key("encode"), Problem::EncodedAlready);
            }
            match form {
                HeaderForm::List => HeaderEncoding::List,
                HeaderForm::Json => HeaderEncoding::Json,
            }
        }
    }
}

fn unwritable(origin: &HeaderValueSource, required: &[&Claim]) -> OnEncodeError {
    match origin {
        // The caller's identity is never omitted: the request would look anonymous.
        HeaderValueSource::Source(ValueSource::Principal(PrincipalField::Subject | PrincipalField::Organization)) => {
            OnEncodeError::Deny
        }
        HeaderValueSource::Source(ValueSource::Claim(path))
            if required.iter().any(|claim| claim_path(claim).as_ref().ok() == Some(path)) =>
        {
            OnEncodeError::Deny
        }
        // Modules rely on these values, and so on what is computed from them.
        HeaderValueSource::Computed(expression)
            if expression.names_caller()
                || required
                    .iter()
                    .filter_map(|claim| claim_path(claim).ok())
                    .any(|path| expression.names_claim(path.first())) =>
        {
            OnEncodeError::Deny
        }
        HeaderValueSource::Source(
            ValueSource::Claim(_)
            | ValueSource::Principal(
                PrincipalField::FirstRole
                | PrincipalField::Roles
                | PrincipalField::Permissions
                | PrincipalField::Scopes
                | PrincipalField::Authenticator,
            )
            | ValueSource::Constant(_),
        )
        | HeaderValueSource::Computed(_) => OnEncodeError::Drop,
    }
}

fn is_about_the_request(name: &[u8]) -> bool {
    let begins =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|head| folds_to_same_name(prefix.as_bytes(), head));
    match OverrideHeader::of(name) {
        Some(header) => !header.is_identity(),
        None => ABOUT_THE_REQUEST_PREFIXES.iter().any(|prefix| begins(prefix)),
    }
}

/// Validates the dynamic metadata: the formats of Envoy's access log can hold each name, and none is among those always sent.
fn metadata(list: &BTreeMap<String, MetadataSource>, problems: &mut Problems) -> Metadata {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let (mut known, mut computed) = (Vec::new(), Vec::new());
    for (name, written) in list {
        let at = Path::root("upstream").key("metadata").key(name);
        if BUILTIN_KEYS.contains(&name.as_str()) {
            problems.add(at.clone(), Problem::ToldAlways(Quoted::new(name)));
        } else if !matches!(name.len(), 1..=64) || !name.bytes().all(plain) {
            problems.add(at.clone(), Problem::MetadataName(Quoted::new(name)));
        }
        let MetadataSource { claim, principal, value, cel } = written;
        match origin(&at, (claim.as_ref(), *principal, value.as_ref(), cel.as_deref()), problems) {
            Some(HeaderValueSource::Source(source)) => known.push((name.as_str().into(), source)),
            Some(HeaderValueSource::Computed(expression)) => computed.push((name.as_str().into(), *expression)),
            None => {}
        }
    }
    Metadata::new(known, computed)
}

fn forward(
    credential: Option<&raw::Forward>,
    (mints, written): (Vec<Mint>, &[raw::Mint]),
    problems: &mut Problems,
) -> Forward {
    let at = Path::root("upstream").key("credential");
    match credential {
        Some(raw::Forward::Keep) => Forward::Keep,
        Some(raw::Forward::Remove) | None => Forward::Remove,
        Some(raw::Forward::As(text)) => {
            let scheme = problems.take(&at.key("forward"), scheme(text));
            match (scheme, HeaderName::parse("authorization")) {
                (Some(scheme), Ok(header)) => Forward::As { scheme, header },
                (None, _) | (_, Err(_)) => Forward::Remove,
            }
        }
        Some(raw::Forward::Mint(name)) => {
            if !written.iter().any(|mint| mint.name == *name) {
                problems.add(at.key("mint"), Problem::MintUnknown(Quoted::new(name)));
            }
            // An invalid entry has a problem of its own.
            let mint = mints.into_iter().find(|mint| *mint.name == **name);
            match (mint, HeaderName::parse("authorization")) {
                (Some(mint), Ok(header)) => Forward::Mint { minter: Box::new(Minter::new(mint)), header },
                (None, _) | (_, Err(_)) => Forward::Remove,
            }
        }
    }
}
