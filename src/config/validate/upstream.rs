//! Validates `upstream`: modgud alone writes each identity header, and no header is removed that modules need.

mod source;

pub(super) use source::source;
use source::{encoding, header_source, on_encode_error};

use super::{SizeRange, header_name, scheme};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Claim, HeaderSource, MetadataSource};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::credential::CredentialExtractor;
use modgud_core::http::header::{
    CREDENTIAL_HEADERS, HeaderName, HeaderText, PROTOCOL_HEADERS, fold_byte, folds_to_same_name,
};
use modgud_core::upstream::{
    BUILTIN_KEYS, Forward, HeaderLimits, HeaderValueSource, IdentityHeader, IdentityHeaders, Metadata, Mint, Minter,
    OVERRIDE_HEADERS, OnEncodeError, OverrideHeader, Removals, RequestMutator, StripPattern, ValueSource,
};
use std::collections::{BTreeMap, HashMap};

/// Returns the headers with another owner: HTTP, Envoy, and the credential. They are neither written as identity headers nor removed by strip
/// patterns.
fn reserved() -> impl Iterator<Item = &'static str> {
    PROTOCOL_HEADERS.into_iter().chain(CREDENTIAL_HEADERS)
}

/// The prefixes of headers, apart from the override headers, from which some proxies and servers read a part of the request or of its
/// connection.
///
/// None can hold an identity; a client's may be stripped.
const ABOUT_THE_REQUEST_PREFIXES: [&str; 2] = ["x-envoy-", "x-forwarded-"];

pub(super) fn check(
    upstream: &raw::Upstream,
    required: &[&Claim],
    locations: &CredentialExtractor,
    (mints, written): (Vec<Mint>, &[raw::Mint]),
    diagnostics: &mut Diagnostics,
) -> RequestMutator {
    let raw::Upstream { headers, strip, keep, credential, metadata, max_header_bytes, on_too_large } = upstream;
    let max_bytes = SizeRange { least: ("1KiB", 1 << 10), most: ("48KiB", 48 << 10) }.read(
        &Path::root("upstream").key("max_header_bytes"),
        max_header_bytes.as_ref(),
        diagnostics,
    );
    let on_too_large = match on_too_large.unwrap_or_default() {
        raw::TooLarge::Drop => OnEncodeError::Drop,
        raw::TooLarge::Deny => OnEncodeError::Deny,
    };
    let mut identity: Vec<IdentityHeader> = Vec::new();
    let mut taken: HashMap<Vec<u8>, &str> = HashMap::new();
    for (written, source) in headers {
        let at = Path::root("upstream").key("headers").key(written);
        let Some(name) = diagnostics.ok_or_report(&at, header_name(written)) else { continue };
        let bytes = name.as_str().as_bytes();
        if let Some(issue) = refused(written, &name, locations) {
            diagnostics.add(at.clone(), issue);
        }
        if let Some(other) = taken.insert(bytes.iter().copied().map(fold_byte).collect(), written) {
            diagnostics.add(at.clone(), headers_alike(other, written));
        }
        let HeaderSource { claim, principal, value, cel, form: _, encode: _ } = source;
        let form = encoding(&at, source, diagnostics);
        let source = header_source(&at, (claim.as_ref(), *principal, value.as_ref(), cel.as_deref()), diagnostics);
        let Some(source) = source else { continue };
        if let HeaderValueSource::Source(ValueSource::Constant(text)) = &source
            && let Err(error) = HeaderText::parse(text)
        {
            let message = format!("the value (not shown) {error}");
            let help = "write visible ASCII characters, with spaces only between them";
            diagnostics.add(at.key("value"), Issue::error("header-value-invalid", message, help));
        }
        let unwritable = on_encode_error(&source, required);
        identity.push(IdentityHeader { name, source, encoding: form, on_error: unwritable });
    }
    let mut patterns = Vec::new();
    for (number, pattern) in strip.iter().enumerate() {
        let at = Path::root("upstream").key("strip").position(number);
        let parsed = StripPattern::parse(pattern).map_err(|error| {
            let message = format!("{}: {error}", Quoted::new(pattern));
            Issue::error(
                "strip-pattern-invalid",
                message,
                "write a name such as `x-user-id`, or a prefix such as `x-user-*`",
            )
        });
        let Some(parsed) = diagnostics.ok_or_report(&at, parsed) else { continue };
        if let Some(header) = reserved().find(|header| parsed.matches(header.as_bytes())) {
            let message =
                format!("{} would remove `{header}`, which Envoy, HTTP or the module needs", Quoted::new(pattern));
            diagnostics.add(at.clone(), Issue::error("strip-reserved", message, "write a narrower pattern"));
        } else if let Some(header) = locations.headers().find(|header| parsed.matches(header.bytes())) {
            let message = format!(
                "{} would remove {}, from which an authenticator reads the credential",
                Quoted::new(pattern),
                Quoted::new(header.as_str())
            );
            let help = "write a narrower pattern; `upstream.credential` sets what modules receive of the credential";
            diagnostics.add(at.clone(), Issue::error("strip-credential", message, help));
        }
        patterns.push((pattern.as_str(), parsed));
    }
    let kept = kept(keep, &identity, &patterns, diagnostics);
    let names: Vec<&HeaderName> = identity.iter().map(|header| &header.name).collect();
    let patterns = patterns.into_iter().map(|(_, pattern)| pattern).collect();
    let removals = Removals::new(&names, patterns, kept);
    RequestMutator {
        identity: IdentityHeaders::new(identity, removals, HeaderLimits { max_bytes, on_too_large }),
        forward: forward(credential.as_ref(), (mints, written), diagnostics),
        metadata: self::metadata(metadata, diagnostics),
    }
}

/// Returns the reason why modgud can't write a header. `None` if it can.
pub(super) fn refused(written: &str, name: &HeaderName, locations: &CredentialExtractor) -> Option<Issue> {
    let bytes = name.as_str().as_bytes();
    if reserved().any(|reserved| folds_to_same_name(reserved.as_bytes(), bytes)) || locations.reads_header(name) {
        let message = format!(
            "{} can't be an identity header, because Envoy, HTTP or the credential itself needs it",
            Quoted::new(written)
        );
        Some(Issue::error("identity-header-reserved", message, "write another name"))
    } else if is_about_the_request(bytes) {
        let message = format!(
            "{} can't be an identity header, because some servers read from it the request's own path, method, host or client",
            Quoted::new(written)
        );
        Some(Issue::error("identity-header-override", message, "write another name"))
    } else {
        None
    }
}

/// Returns the error about two headers that a server can't distinguish.
pub(super) fn headers_alike(one: &str, other: &str) -> Issue {
    let message = format!(
        "{} and {} are one header to many servers, which ignore case and treat `_` like `-`",
        Quoted::new(one),
        Quoted::new(other)
    );
    Issue::error("headers-alike", message, "keep one of them")
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
fn metadata(list: &BTreeMap<String, MetadataSource>, diagnostics: &mut Diagnostics) -> Metadata {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let (mut known, mut computed) = (Vec::new(), Vec::new());
    for (name, written) in list {
        let at = Path::root("upstream").key("metadata").key(name);
        if BUILTIN_KEYS.contains(&name.as_str()) {
            let message = format!("{} is always sent, with a fixed meaning", Quoted::new(name));
            diagnostics.add(at.clone(), Issue::error("metadata-name-reserved", message, "write another name"));
        } else if !matches!(name.len(), 1..=64) || !name.bytes().all(plain) {
            let message = format!("{} is not a name of dynamic metadata", Quoted::new(name));
            let help = "write 1 to 64 letters, digits, `_`, `-` and `.`";
            diagnostics.add(at.clone(), Issue::error("metadata-name-invalid", message, help));
        }
        let MetadataSource { claim, principal, value, cel } = written;
        match header_source(&at, (claim.as_ref(), *principal, value.as_ref(), cel.as_deref()), diagnostics) {
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
    diagnostics: &mut Diagnostics,
) -> Forward {
    let at = Path::root("upstream").key("credential");
    match credential {
        Some(raw::Forward::Keep) => Forward::Keep,
        Some(raw::Forward::Remove) | None => Forward::Remove,
        Some(raw::Forward::As(text)) => {
            let scheme = diagnostics.ok_or_report(&at.key("forward"), scheme(text));
            match (scheme, HeaderName::parse("authorization")) {
                (Some(scheme), Ok(header)) => Forward::As { scheme, header },
                (None, _) | (_, Err(_)) => Forward::Remove,
            }
        }
        Some(raw::Forward::Mint(name)) => {
            if !written.iter().any(|mint| mint.name == *name) {
                let message = format!("{} is not the name of an entry of `mint`", Quoted::new(name));
                diagnostics.add(at.key("mint"), Issue::error("mint-unknown", message, "write the name of an entry"));
            }
            // An invalid entry has an error of its own.
            let mint = mints.into_iter().find(|mint| *mint.name == **name);
            match (mint, HeaderName::parse("authorization")) {
                (Some(mint), Ok(header)) => Forward::Mint { minter: Box::new(Minter::new(mint)), header },
                (None, _) | (_, Err(_)) => Forward::Remove,
            }
        }
    }
}

/// Validates `keep`: each name is an override header, and nothing else removes it.
///
/// Returns the kept headers. `strip` is the list as written, and `patterns` its parsed form.
fn kept(
    keep: &[String],
    identity: &[IdentityHeader],
    patterns: &[(&str, StripPattern)],
    diagnostics: &mut Diagnostics,
) -> Vec<HeaderName> {
    let mut kept = Vec::new();
    for (number, written) in keep.iter().enumerate() {
        let at = Path::root("upstream").key("keep").position(number);
        let Some(name) = diagnostics.ok_or_report(&at, header_name(written)) else { continue };
        let quoted = Quoted::new(written);
        if OverrideHeader::of(name.bytes()).is_none() {
            let names = OVERRIDE_HEADERS.iter().map(|header| format!("`{}`", header.name));
            let list = names.collect::<Vec<_>>().join(", ");
            let message = format!("{quoted} overrides no part of the request, so modgud never removes it");
            diagnostics.add(at, Issue::error("keep-not-an-override", message, format!("write one of {list}")));
        } else if let Some((pattern, _)) = patterns.iter().find(|(_, pattern)| pattern.matches(name.bytes())) {
            let message = format!("{} of `upstream.strip` removes {quoted}, which is kept here", Quoted::new(pattern));
            diagnostics.add(at, Issue::error("keep-and-strip", message, "write it in one of the two"));
        } else if identity.iter().any(|header| folds_to_same_name(header.name.bytes(), name.bytes())) {
            let message = format!("{quoted} is one of `upstream.headers`, which modgud writes or removes itself");
            diagnostics.add(at, Issue::error("keep-and-write", message, "write it in one of the two"));
        } else {
            kept.push(name);
        }
    }
    kept
}
