//! Headers that Envoy removes before any filter (`early_header_mutation_extensions`).

use super::Context;
use super::code::Code;
use super::matcher::TextMatcher;
use super::view::At;

const HEADER_MUTATION: &str = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";

/// The early removal of a connection manager.
pub(super) struct EarlyRemoval {
    matchers: Vec<TextMatcher>,
    /// True if Envoy rejects requests with `_` in a header's name, or drops such headers.
    refuses_underscores: bool,
}

impl EarlyRemoval {
    pub(super) fn of(manager: &At<'_>, refuses_underscores: bool) -> Self {
        let mut matchers = Vec::new();
        for extension in manager.items("early_header_mutation_extensions") {
            let Some(typed) = extension.field("typed_config").filter(|typed| typed.message() == Some(HEADER_MUTATION))
            else {
                extension.report(Code::FilterUndecided, "its kind is not examined here");
                continue;
            };
            for mutation in typed.items("mutations") {
                matchers.extend(mutation.text("remove").map(|name| TextMatcher::Exact(name.to_ascii_lowercase())));
                let by_name = mutation.at(&["remove_on_match", "key_matcher"]);
                matchers.extend(by_name.map(|matcher| TextMatcher::of(&matcher)));
            }
        }
        Self { matchers, refuses_underscores }
    }

    /// Returns true if a client's header of this name reaches no filter.
    pub(super) fn removes(&self, name: &str) -> bool {
        (self.refuses_underscores && name.contains('_')) || self.matchers.iter().any(|matcher| matcher.matches(name))
    }

    /// Returns a spelling of an identity header that is not removed.
    fn missing(&self, context: &Context<'_, '_>) -> Option<String> {
        let names = &context.names;
        let spellings = |name: &String| [name.clone(), name.replace('-', "_"), name.replace('-', ".")];
        // Without a configuration it is unknown which of them modgud reads, and therefore keeps.
        if context.settings.is_none() && names.written.iter().any(|name| self.removes(name)) {
            return None;
        }
        let mut all = names.written.iter().flat_map(spellings);
        all.find(|name| !names.read.contains(name) && !self.removes(name))
    }

    /// Reports headers that are not removed. It matters only where modgud does not remove them.
    pub(super) fn check(&self, context: &Context<'_, '_>, manager: &At<'_>) {
        if let Some(name) = self.missing(context) {
            let found = format!("a client's `{name}` is not removed early");
            manager.report_field("early_header_mutation_extensions", Code::EarlyRemoval, found);
        }
    }
}
