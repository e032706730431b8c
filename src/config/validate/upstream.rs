//! Checks `upstream`: that every identity header is ours alone, and that nothing is removed that must arrive.

mod keep;

use super::super::document::{self, Claim, Encode, HeaderForm, HeaderSource, MetadataSource, PrincipalWord};
use super::super::path::Path;
use super::super::problem::{Problem, Problems};
use super::super::quoted::Quoted;
use super::principal::claim_path;
use super::{header_name, scheme};
use modgud_core::authz::condition::{Expression, Scope};
use modgud_core::credential::Places;
use modgud_core::http::header::{HeaderName, HeaderText, fold, same_to_a_server};
use modgud_core::upstream::{
    ALWAYS_TOLD, Fact, Form, Forward, IdentityHeader, IdentityHeaders, Metadata, Mint, Minter, Origin, OverrideHeader,
    Removals, Shape, Source, StripPattern, Unwritable,
};
use std::collections::{BTreeMap, HashMap};

/// Headers that are somebody else's: HTTP's own framing and routing, Envoy's, and the credential. Neither written as an
/// identity header nor removed by a strip pattern.
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

/// The beginnings of headers, beside the override headers, from which some proxies and servers read a part of the request or of its
/// connection: none can hold an identity, and a client's may well be stripped.
const ABOUT_THE_REQUEST_PREFIXES: [&str; 2] = ["x-envoy-", "x-forwarded-"];

pub(super) fn check(
    upstream: &document::Upstream,
    required: &[&Claim],
    places: &Places,
    (mints, written): (Vec<Mint>, &[document::Mint]),
    problems: &mut Problems,
) -> Shape {
    let document::Upstream { headers, strip, keep, credential, metadata } = upstream;
    let mut identity: Vec<IdentityHeader> = Vec::new();
    let mut taken: HashMap<Vec<u8>, &str> = HashMap::new();
    for (written, source) in headers {
        let at = Path::root("upstream").key("headers").key(written);
        let Some(name) = problems.take(&at, header_name(written)) else { continue };
        let bytes = name.as_str().as_bytes();
        if let Some(problem) = refused(written, &name, places) {
            problems.add(at.clone(), problem);
        }
        if let Some(other) = taken.insert(bytes.iter().copied().map(fold).collect(), written) {
            problems.add(at.clone(), Problem::HeadersAlike(Quoted::new(other), Quoted::new(written)));
        }
        let HeaderSource { claim, principal, value, cel, form: _, encode: _ } = source;
        let form = form(&at, source, problems);
        let source = origin(&at, (claim.as_ref(), *principal, value.as_ref(), cel.as_deref()), problems);
        let Some(source) = source else { continue };
        if let Origin::Source(Source::Constant(text)) = &source
            && let Err(fault) = HeaderText::parse(text)
        {
            problems.add(at.key("value"), Problem::HeaderValue(fault));
        }
        let unwritable = unwritable(&source, required);
        identity.push(IdentityHeader { name, source, form, unwritable });
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
    Shape {
        identity: IdentityHeaders::new(identity, removals),
        forward: forward(credential.as_ref(), (mints, written), problems),
        metadata: self::metadata(metadata, problems),
    }
}

/// What keeps a header from being ours, if something does.
pub(super) fn refused(written: &str, name: &HeaderName, places: &Places) -> Option<Problem> {
    let bytes = name.as_str().as_bytes();
    if RESERVED.iter().any(|reserved| same_to_a_server(reserved.as_bytes(), bytes)) || places.looks_in(name) {
        Some(Problem::HeaderReserved(Quoted::new(written)))
    } else if is_about_the_request(bytes) {
        Some(Problem::HeaderAboutTheRequest(Quoted::new(written)))
    } else {
        None
    }
}

/// Where a value comes from that is named by exactly one of three keys.
pub(super) fn source(
    at: &Path,
    written: (Option<&Claim>, Option<PrincipalWord>, Option<&document::Text>),
    problems: &mut Problems,
) -> Option<Source> {
    match written {
        (Some(claim), None, None) => Some(Source::Claim(problems.take(&at.key("claim"), claim_path(claim))?)),
        (None, Some(word), None) => Some(Source::Principal(fact(word))),
        (None, None, Some(text)) => Some(Source::Constant(text.0.as_str().into())),
        (claim, principal, value) => {
            let written = [claim.is_some(), principal.is_some(), value.is_some()];
            let found = written.into_iter().filter(|is| *is).count();
            problems.add(at.clone(), Problem::OneSource { found, of: "`claim`, `principal`, `value`" });
            None
        }
    }
}

/// The same by one of four.
fn origin(
    at: &Path,
    (claim, principal, value, cel): (Option<&Claim>, Option<PrincipalWord>, Option<&document::Text>, Option<&str>),
    problems: &mut Problems,
) -> Option<Origin> {
    let written = [claim.is_some(), principal.is_some(), value.is_some(), cel.is_some()];
    let found = written.into_iter().filter(|is| *is).count();
    if found != 1 {
        problems.add(at.clone(), Problem::OneSource { found, of: "`claim`, `principal`, `value`, `cel`" });
        return None;
    }
    let Some(text) = cel else { return source(at, (claim, principal, value), problems).map(Origin::Source) };
    match Expression::compile(text, &Scope::Told) {
        Ok(expression) => Some(Origin::Computed(Box::new(expression))),
        Err(faults) => {
            for fault in faults {
                problems.add(at.key("cel"), Problem::Expression(fault));
            }
            None
        }
    }
}

const fn fact(word: PrincipalWord) -> Fact {
    match word {
        PrincipalWord::Subject => Fact::Subject,
        PrincipalWord::Organization => Fact::Organization,
        PrincipalWord::Role => Fact::FirstRole,
        PrincipalWord::Roles => Fact::Roles,
        PrincipalWord::Permissions => Fact::Permissions,
        PrincipalWord::Scopes => Fact::Scopes,
        PrincipalWord::Authenticator => Fact::Authenticator,
    }
}

fn form(at: &Path, source: &HeaderSource, problems: &mut Problems) -> Form {
    let HeaderSource { claim: _, principal: _, cel: _, value, form, encode } = source;
    if value.is_some() {
        let written = [("as", form.is_some()), ("encode", encode.is_some())];
        for (key, _) in written.into_iter().filter(|(_, written)| *written) {
            problems.add(at.key(key), Problem::FormOfConstant);
        }
        return Form::Plain;
    }
    match (form, encode) {
        (None, None) => Form::Plain,
        (None, Some(Encode::Percent)) => Form::Percent,
        (Some(form), encode) => {
            if encode.is_some() {
                problems.add(at.key("encode"), Problem::EncodedAlready);
            }
            match form {
                HeaderForm::List => Form::List,
                HeaderForm::Json => Form::Json,
            }
        }
    }
}

fn unwritable(origin: &Origin, required: &[&Claim]) -> Unwritable {
    match origin {
        // Who the caller is, is never left out: nobody is handed on as nobody.
        Origin::Source(Source::Principal(Fact::Subject | Fact::Organization)) => Unwritable::Deny,
        Origin::Source(Source::Claim(path))
            if required.iter().any(|claim| claim_path(claim).as_ref().ok() == Some(path)) =>
        {
            Unwritable::Deny
        }
        // What is made of these is relied on as they are.
        Origin::Computed(expression)
            if expression.names_caller()
                || required
                    .iter()
                    .filter_map(|claim| claim_path(claim).ok())
                    .any(|path| expression.names_claim(path.first())) =>
        {
            Unwritable::Deny
        }
        Origin::Source(
            Source::Claim(_)
            | Source::Principal(Fact::FirstRole | Fact::Roles | Fact::Permissions | Fact::Scopes | Fact::Authenticator)
            | Source::Constant(_),
        )
        | Origin::Computed(_) => Unwritable::Drop,
    }
}

fn is_about_the_request(name: &[u8]) -> bool {
    let begins = |prefix: &str| name.get(..prefix.len()).is_some_and(|head| same_to_a_server(prefix.as_bytes(), head));
    match OverrideHeader::of(name) {
        Some(header) => !header.is_identity(),
        None => ABOUT_THE_REQUEST_PREFIXES.iter().any(|prefix| begins(prefix)),
    }
}

/// What Envoy is told: under names that the formats of its access log can hold, and none of those that are told always.
fn metadata(list: &BTreeMap<String, MetadataSource>, problems: &mut Problems) -> Metadata {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let (mut known, mut computed) = (Vec::new(), Vec::new());
    for (name, written) in list {
        let at = Path::root("upstream").key("metadata").key(name);
        if ALWAYS_TOLD.contains(&name.as_str()) {
            problems.add(at.clone(), Problem::ToldAlways(Quoted::new(name)));
        } else if !matches!(name.len(), 1..=64) || !name.bytes().all(plain) {
            problems.add(at.clone(), Problem::MetadataName(Quoted::new(name)));
        }
        let MetadataSource { claim, principal, value, cel } = written;
        match origin(&at, (claim.as_ref(), *principal, value.as_ref(), cel.as_deref()), problems) {
            Some(Origin::Source(source)) => known.push((name.as_str().into(), source)),
            Some(Origin::Computed(expression)) => computed.push((name.as_str().into(), *expression)),
            None => {}
        }
    }
    Metadata::new(known, computed)
}

fn forward(
    credential: Option<&document::Forward>,
    (mints, written): (Vec<Mint>, &[document::Mint]),
    problems: &mut Problems,
) -> Forward {
    let at = Path::root("upstream").key("credential");
    match credential {
        Some(document::Forward::Keep) => Forward::Keep,
        Some(document::Forward::Remove) | None => Forward::Remove,
        Some(document::Forward::As(text)) => {
            let scheme = problems.take(&at.key("forward"), scheme(text));
            match (scheme, HeaderName::parse("authorization")) {
                (Some(scheme), Ok(header)) => Forward::As { scheme, header },
                (None, _) | (_, Err(_)) => Forward::Remove,
            }
        }
        Some(document::Forward::Mint(name)) => {
            if !written.iter().any(|mint| mint.name == *name) {
                problems.add(at.key("mint"), Problem::MintUnknown(Quoted::new(name)));
            }
            // One that is written and not there has a problem of its own.
            let mint = mints.into_iter().find(|mint| *mint.name == **name);
            match (mint, HeaderName::parse("authorization")) {
                (Some(mint), Ok(header)) => Forward::Mint { minter: Box::new(Minter::new(mint)), header },
                (None, _) | (_, Err(_)) => Forward::Remove,
            }
        }
    }
}
