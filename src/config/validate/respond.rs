//! Validates `respond` of rules: the headers on responses to allowed requests.

use super::header_name;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Respond};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authz::Access;
use modgud_core::respond::{AddedHeader, RuleResponses};

/// Returns the headers of each rule.
pub(super) fn check(rules: &[raw::Rule], diagnostics: &mut Diagnostics) -> RuleResponses {
    let mut responses = RuleResponses::default();
    for (number, rule) in rules.iter().enumerate() {
        let Some(Respond { headers }) = &rule.respond else { continue };
        let at = Path::root("rules").position(number).key("respond");
        let unused = match rule.access {
            _ if rule.shadow => Some("has no effect, because a shadow rule is never enforced"),
            Access::Denied => Some("has no effect, because the rule allows no request"),
            Access::Authenticated | Access::Optional | Access::Public | Access::Preflight => None,
        };
        if let Some(message) = unused {
            diagnostics.add(at.clone(), Issue::error("respond-unused", message, "leave it out"));
        }
        let at = at.key("headers");
        if headers.is_empty() {
            diagnostics.add(at, Issue::error("empty", "is empty", "name at least one header, or leave `respond` out"));
            continue;
        }
        if headers.len() > AddedHeader::MAX_COUNT {
            let message = format!("has {} headers", headers.len());
            let help = format!("write at most {}", AddedHeader::MAX_COUNT);
            diagnostics.add(at, Issue::error("respond-headers-too-many", message, help));
            continue;
        }
        let mut added: Vec<AddedHeader> = Vec::new();
        for (written, value) in headers {
            let at = at.key(written);
            let Some(name) = diagnostics.ok_or_report(&at, header_name(written)) else { continue };
            let header = AddedHeader::new(name, value).map_err(|error| {
                Issue::parse("respond-header-invalid", format!("{} can't be added: {error}", Quoted::new(written)))
            });
            let Some(header) = diagnostics.ok_or_report(&at, header) else { continue };
            if added.iter().any(|other| other.name() == header.name()) {
                let message = format!("{} is a duplicate, because names of headers ignore case", Quoted::new(written));
                diagnostics.add(at, Issue::error("header-duplicate", message, "leave it out"));
                continue;
            }
            added.push(header);
        }
        responses.add(&rule.name, &added);
    }
    responses
}
