//! Warnings about comparisons in conditions: those whose sides are never equal, and those with a client address that the client writes.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::Document;
use crate::diagnostic::Issue;
use modgud_core::authz::condition::never_equal;
use modgud_core::http::client::EXTERNAL_ADDRESS;

/// Headers from which conditions take the client's address.
const CLIENT_ADDRESS_HEADERS: [&str; 6] =
    ["x-forwarded-for", EXTERNAL_ADDRESS, "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip"];

pub(super) fn find(document: &Document, diagnostics: &mut Diagnostics) {
    let rules = document
        .rules
        .iter()
        .enumerate()
        .map(|(number, rule)| (Path::root("rules").position(number), rule.when.as_ref()));
    let templates =
        document.templates.iter().map(|(name, template)| (Path::root("templates").key(name), template.when.as_ref()));
    for (at, when) in rules.chain(templates) {
        let Some(when) = when else { continue };
        let at = at.key("when");
        for comparison in never_equal(when) {
            let issue = Issue::parse_warning("never-equal", comparison);
            diagnostics.add(at.clone(), issue);
        }
        let when: String = when.chars().filter(|c| !c.is_whitespace()).collect();
        let is_read = |name: &&str| ["'", "\""].iter().any(|q| when.contains(&format!("headers[{q}{name}{q}]")));
        if let Some(name) = CLIENT_ADDRESS_HEADERS.into_iter().find(is_read) {
            let message = format!("clients can write `{name}` themselves, so the condition can't rely on it");
            let help = match &document.server.http {
                None if name == EXTERNAL_ADDRESS => {
                    "write `source.address`, and `request: { client: external }`, with which `modgud envoy` removes the client's own header"
                }
                None => "write `source.address`, or `require: { clients: [10.0.0.0/8] }`, and see `request.client`",
                Some(_) => {
                    "restrict client addresses in the proxy; or see that the proxy overwrites the header in every request, also in its check"
                }
            };
            diagnostics.add(at, Issue::warning("client-address-header", message, help));
        }
    }
}
