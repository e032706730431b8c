//! Validates `require` of an authenticator: the claims that a token must have, and their values.

use super::super::principal::claim_path;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Claim, Required, RequiredValue, Value};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authn::{AllowedValue, AllowedValueError, RequiredClaim};

/// Returns a required claim; `None` if its name is not one.
pub(super) fn check(at: &Path, required: &Required, diagnostics: &mut Diagnostics) -> Option<RequiredClaim> {
    match required {
        Required::Claim(claim) => {
            let path = diagnostics.ok_or_report(at, claim_path(claim))?;
            Some(RequiredClaim { path, values: Vec::new() })
        }
        Required::Value(RequiredValue { claim, values: written }) => {
            let path = diagnostics.ok_or_report(&at.key("claim"), own_check(claim).and_then(|()| claim_path(claim)));
            let at = at.key("values");
            if written.is_empty() {
                let help = "name the allowed values, or write the name of the claim alone";
                diagnostics
                    .add(at.clone(), Issue::error("empty", "is empty, so that no token would be accepted", help));
            }
            let mut values = Vec::new();
            for (number, value) in written.iter().enumerate() {
                values.extend(diagnostics.ok_or_report(&at.position(number), allowed(value)));
            }
            Some(RequiredClaim { path: path?, values })
        }
    }
}

fn allowed(value: &Value) -> Result<AllowedValue, Issue> {
    let text = match value {
        Value::Bool(value) => return Ok(AllowedValue::Bool(*value)),
        Value::Text(text) => text,
    };
    AllowedValue::parse(text).map_err(|error| {
        let help = match error {
            AllowedValueError::Empty => "write the value, or leave it out",
            AllowedValueError::Anything => "to allow every value, write the name of the claim alone",
            AllowedValueError::Inside => "write each value, or `*` at the end alone, such as `acme-*`",
        };
        Issue::error("claim-value-invalid", format!("{} {error}", Quoted::new(text)), help)
    })
}

/// Refuses claims that are no texts, or for which another key has the right check.
fn own_check(claim: &Claim) -> Result<(), Issue> {
    let name = match claim {
        Claim::Text(name) => name,
        Claim::Names(names) => match names.as_slice() {
            [name] => name,
            _ => return Ok(()),
        },
    };
    let help = match name.as_str() {
        "aud" => "use `audiences`",
        "iss" => "use `issuer`",
        "exp" | "nbf" | "iat" => "use `leeway` and `max_lifetime`",
        "scope" | "scp" => "use `require: { scopes: […] }` of a rule",
        _ => return Ok(()),
    };
    let message = format!("{} has a check of its own, which values of a text can't replace", Quoted::new(name));
    Err(Issue::error("claim-has-own-check", message, help))
}
