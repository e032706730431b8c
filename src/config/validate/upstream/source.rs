//! Validates the source and the format of a value in a header, in metadata or in a minted token.

use super::super::principal::claim_path;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Claim, Encode, HeaderForm, HeaderSource};
use crate::diagnostic::Issue;
use modgud_core::authz::condition::{Env, Expression};
use modgud_core::upstream::{HeaderEncoding, HeaderValueSource, OnEncodeError, PrincipalField, ValueSource};

/// Returns the error about a value without a source, or with several.
fn source_count(found: usize, keys: &str) -> Issue {
    let help = format!("write exactly one of {keys}");
    match found {
        0 => Issue::error("source-missing", "has no source", help),
        found => Issue::error("sources-several", format!("has {found} sources"), help),
    }
}

/// Returns the source of a value, which exactly one of three keys names.
pub(in crate::config::validate) fn source(
    at: &Path,
    written: (Option<&Claim>, Option<PrincipalField>, Option<&raw::Text>),
    diagnostics: &mut Diagnostics,
) -> Option<ValueSource> {
    match written {
        (Some(claim), None, None) => {
            Some(ValueSource::Claim(diagnostics.ok_or_report(&at.key("claim"), claim_path(claim))?))
        }
        (None, Some(word), None) => Some(ValueSource::Principal(word)),
        (None, None, Some(text)) => Some(ValueSource::Constant(text.0.as_str().into())),
        (claim, principal, value) => {
            let written = [claim.is_some(), principal.is_some(), value.is_some()];
            let found = written.into_iter().filter(|is| *is).count();
            diagnostics.add(at.clone(), source_count(found, "`claim`, `principal`, `value`"));
            None
        }
    }
}

/// Returns the source of a value, which exactly one of four keys names.
pub(super) fn header_source(
    at: &Path,
    (claim, principal, value, cel): (Option<&Claim>, Option<PrincipalField>, Option<&raw::Text>, Option<&str>),
    diagnostics: &mut Diagnostics,
) -> Option<HeaderValueSource> {
    let written = [claim.is_some(), principal.is_some(), value.is_some(), cel.is_some()];
    let found = written.into_iter().filter(|is| *is).count();
    if found != 1 {
        diagnostics.add(at.clone(), source_count(found, "`claim`, `principal`, `value`, `cel`"));
        return None;
    }
    let Some(text) = cel else {
        return source(at, (claim, principal, value), diagnostics).map(HeaderValueSource::Source);
    };
    match Expression::compile(text, &Env::Value) {
        Ok(expression) => Some(HeaderValueSource::Computed(Box::new(expression))),
        Err(errors) => {
            for error in errors {
                diagnostics.add(at.key("cel"), Issue::parse("expression-invalid", error));
            }
            None
        }
    }
}

pub(super) fn encoding(at: &Path, source: &HeaderSource, diagnostics: &mut Diagnostics) -> HeaderEncoding {
    let HeaderSource { claim: _, principal: _, cel: _, value, form, encode } = source;
    if value.is_some() {
        let written = [("as", form.is_some()), ("encode", encode.is_some())];
        for (key, _) in written.into_iter().filter(|(_, written)| *written) {
            let message = "has no effect on a `value`, which is written unchanged";
            diagnostics.add(at.key(key), Issue::error("constant-format", message, "leave it out"));
        }
        return HeaderEncoding::Plain;
    }
    match (form, encode) {
        (None, None) => HeaderEncoding::Plain,
        (None, Some(Encode::Percent)) => HeaderEncoding::Percent,
        (Some(form), encode) => {
            if encode.is_some() {
                let message = "has no effect with `as`, which always encodes items and JSON";
                diagnostics.add(at.key("encode"), Issue::error("encode-with-as", message, "leave it out"));
            }
            match form {
                HeaderForm::List => HeaderEncoding::List,
                HeaderForm::Json => HeaderEncoding::Json,
            }
        }
    }
}

pub(super) fn on_encode_error(source: &HeaderValueSource, required: &[&Claim]) -> OnEncodeError {
    match source {
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
