//! Headers that Envoy writes or removes after modgud, and texts in which Envoy puts parts of the request.

use super::Context;
use super::code::Code;
use super::settings::{is_of, is_same};
use super::view::At;
use modgud_core::upstream::OverrideHeader;

/// The operators of Envoy's texts whose values no client chooses, by the beginning of their names. All others may be the client's.
const NOT_OF_CLIENTS: [&str; 12] = [
    "CONNECTION_ID",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_LOCAL_",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_PORT",
    "ENVIRONMENT",
    "HOSTNAME",
    "ROUTE_NAME",
    "START_TIME",
    "UPSTREAM_",
    "VIRTUAL_CLUSTER_NAME",
];

/// Returns the operators of a text, such as `REQ(x-user)`.
fn operators(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        if let Some(literal) = after.strip_prefix('%') {
            rest = literal;
            continue;
        }
        // The arguments can have a `%` of their own.
        let name = after.find(['%', '(']).unwrap_or(after.len());
        let is_open = after.get(name..).is_some_and(|rest| rest.starts_with('('));
        let arguments = if is_open { after.find(')').unwrap_or(after.len()) } else { name };
        let end = after
            .get(arguments..)
            .and_then(|rest| rest.find('%'))
            .map_or(after.len(), |end| arguments.saturating_add(end));
        found.push(after.get(..end).unwrap_or_default());
        rest = after.get(end.saturating_add(1)..).unwrap_or_default();
    }
    found
}

/// Returns true if a client can choose a part of what Envoy makes of this text.
pub(super) fn is_of_client(text: &str) -> bool {
    operators(text).iter().any(|operator| !NOT_OF_CLIENTS.iter().any(|known| operator.starts_with(known)))
}

/// Returns true if Envoy makes of this text only what modgud decided on: the method, the host and the path.
fn is_of_decision(text: &str) -> bool {
    operators(text).iter().all(|operator| operator.starts_with("REQ(:"))
}

/// Checks a header that Envoy writes after modgud.
pub(super) fn check_added(context: &Context<'_, '_>, added: &At<'_>) {
    let (Some(header), Some(settings)) = (added.field("header"), context.settings) else { return };
    let name = header.text("key").unwrap_or_default().to_ascii_lowercase();
    let value = header.text("value").unwrap_or_default();
    if settings.identity.iter().any(|own| is_same(own, &name)) {
        let found = if is_of_client(value) {
            "is written from what the client sends"
        } else {
            "gets a value that is not modgud's"
        };
        header.report(Code::IdentityOverwritten, format!("`{name}` {found}"));
        return;
    }
    let overrides = OverrideHeader::of(name.as_bytes()).is_some()
        && !settings.filter.spared.iter().any(|kept| is_same(kept, &name))
        && !is_of_decision(value);
    let is_removed = settings.filter.removed_early.iter().any(|own| is_of(own, &name));
    if is_of_client(value) && (overrides || is_removed || name == "authorization") {
        header.report(Code::IdentityOverwritten, format!("`{name}` is written from what the client sends"));
    }
}

/// Checks the name of a header that Envoy removes after modgud.
pub(super) fn check_removed(context: &Context<'_, '_>, removed: &At<'_>) {
    let (Some(name), Some(settings)) = (removed.as_text(), context.settings) else { return };
    if settings.identity.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        removed.report(Code::IdentityRemoved, format!("`{}` is removed", name.to_ascii_lowercase()));
    }
}
