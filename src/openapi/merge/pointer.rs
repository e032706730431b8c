//! References within a document: JSON pointers (RFC 6901) through maps and lists, each resolved once.

use super::error::MergeFinding;
use crate::diagnostic::{Located, Quoted};
use crate::openapi::finding::Finding;
use crate::openapi::resolver::NodeRef;
use crate::yaml::Node;
use modgud_core::http::percent;
use std::collections::HashMap;

/// Maximum number of references that lead to one another, which may be a circle. More are an error.
const MAX_CHAIN: usize = 8;

/// A map with fewer members is searched without an index.
const SMALL: usize = 16;

/// The targets of references in one document.
#[derive(Debug)]
pub(super) struct Pointers<'d> {
    root: NodeRef<'d>,
    resolved: HashMap<String, Option<NodeRef<'d>>>,
    /// The members of large maps, by the map's address.
    indexed: HashMap<usize, HashMap<&'d str, usize>>,
}

/// Splits a JSON pointer in the fragment of a reference into its tokens; `None` if it is none.
pub(super) fn tokens(reference: &str) -> Option<Vec<String>> {
    let token = |token: &str| {
        let decoded = String::from_utf8(percent::decode(token.as_bytes())?).ok()?;
        Some(decoded.replace("~1", "/").replace("~0", "~"))
    };
    reference.strip_prefix("#/")?.split('/').map(token).collect()
}

/// Returns a token of a JSON pointer in a fragment.
pub(super) fn escaped(token: &str) -> String {
    let mut escaped = String::with_capacity(token.len());
    for byte in token.bytes() {
        match byte {
            b'~' => escaped.push_str("~0"),
            b'/' => escaped.push_str("~1"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'$' | b'*' | b'+' | b'=' | b':' | b'@' => {
                escaped.push(char::from(byte));
            }
            other => escaped.extend(["%".to_owned(), format!("{other:02X}")]),
        }
    }
    escaped
}

impl<'d> Pointers<'d> {
    pub(super) fn new(root: &'d Node) -> Self {
        Self { root: NodeRef::root(root), resolved: HashMap::new(), indexed: HashMap::new() }
    }

    pub(super) const fn root(&self) -> &NodeRef<'d> {
        &self.root
    }

    /// Resolves a reference; `None` if it leads nowhere in this document.
    pub(super) fn target(&mut self, reference: &str) -> Option<NodeRef<'d>> {
        if let Some(known) = self.resolved.get(reference) {
            return known.clone();
        }
        let target = self.find(reference);
        self.resolved.insert(reference.to_owned(), target.clone());
        target
    }

    fn find(&mut self, reference: &str) -> Option<NodeRef<'d>> {
        let mut at = self.root.clone();
        for token in tokens(reference)? {
            at = match at.element(&token) {
                Some(element) => element,
                None => self.member(&at, &token)?,
            };
        }
        Some(at)
    }

    fn member(&mut self, at: &NodeRef<'d>, key: &str) -> Option<NodeRef<'d>> {
        let node = at.node;
        let members = node.members();
        if members.len() < SMALL {
            return at.member(key);
        }
        let index = self.indexed.entry(std::ptr::from_ref(node).addr()).or_insert_with(|| {
            members.iter().enumerate().map(|(number, member)| (member.key.as_str(), number)).collect()
        });
        members.get(*index.get(key)?).map(|member| at.of(member))
    }

    /// Returns a value, or the target of its chain of references. Values next to a reference are not read.
    pub(super) fn follow(&mut self, at: &NodeRef<'d>, found: &mut Vec<Located<MergeFinding>>) -> Option<NodeRef<'d>> {
        let mut target = at.clone();
        for _ in 0..MAX_CHAIN {
            let Some(reference) = target.member("$ref") else { return Some(target) };
            target = self.lead(&reference, found)?;
        }
        let written = at.member("$ref").and_then(|reference| reference.node.text()).unwrap_or_default();
        found.push(at.locate(MergeFinding::Circle(Quoted::new(written))));
        None
    }

    /// Returns the target of the value of a `$ref`, and reports one that leads nowhere, or out of the file.
    pub(super) fn lead(
        &mut self,
        reference: &NodeRef<'d>,
        found: &mut Vec<Located<MergeFinding>>,
    ) -> Option<NodeRef<'d>> {
        let text = reference.node.text().unwrap_or_default();
        let target = self.target(text);
        if target.is_none() {
            found.push(reference.locate(broken(text)));
        }
        target
    }
}

/// Returns the finding of a reference that can't be resolved.
pub(super) fn broken(reference: &str) -> MergeFinding {
    let leads_out = !reference.is_empty() && !reference.starts_with('#');
    let kind = if leads_out { Finding::OtherDocument } else { Finding::Reference };
    MergeFinding::Check(kind(Quoted::new(reference)))
}

#[cfg(test)]
mod tests {
    use super::{escaped, tokens};

    #[test]
    fn a_token_is_the_same_after_both_ways() {
        for token in ["/pets/{id}", "a~b", "Page«Pet»", "a%2Fb", ""] {
            assert_eq!(tokens(&format!("#/{}", escaped(token))), Some(vec![token.to_owned()]), "{token}");
        }
        assert_eq!(tokens("#"), None);
        assert_eq!(tokens("other.yaml#/a"), None);
    }
}
