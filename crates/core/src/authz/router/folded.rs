//! The entries of one node in a tree with folded keys. Each keeps its own pattern, which is compared once more, because some
//! entries match `/Admin` for `/admin` and others don't.

use super::tree::{Entry, Layer, Leaf, LeafEntries, MethodMatcher, MethodQuery, Slots};
use crate::authz::pattern::PathPattern;
use crate::authz::reading::Reading;
use crate::http::path::CanonicalPath;

/// The entries of one node.
#[derive(Debug, Default)]
pub(super) struct FoldedLeaf(Vec<(PathPattern, Leaf)>);

/// A path to look up.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathLookup<'p, 'a> {
    pub(super) path: &'p CanonicalPath<'a>,
    pub(super) reading: Reading<'p>,
}

impl FoldedLeaf {
    /// Returns the existing entry that conflicts with a new one; `None` without a conflict.
    pub(super) fn conflict(&self, layer: Layer, methods: MethodMatcher<'_>, pattern: &PathPattern) -> Option<usize> {
        let meeting = self.0.iter().filter(|(other, _)| other.meets(pattern));
        meeting.filter_map(|(_, leaf)| leaf.layer(layer)).find_map(|slots| slots.conflict(methods))
    }

    pub(super) fn insert(&mut self, layer: Layer, methods: MethodMatcher<'_>, pattern: &PathPattern, index: usize) {
        let mut known = self.0.iter_mut();
        if let Some((_, leaf)) = known.find(|(other, _)| other.case() == pattern.case() && other.covers(pattern)) {
            leaf.layer_mut(layer).insert(methods, index);
            return;
        }
        let mut leaf = Leaf::default();
        leaf.layer_mut(layer).insert(methods, index);
        self.0.push((pattern.clone(), leaf));
    }

    pub(super) fn find(&self, layer: Layer, query: MethodQuery<'_>, lookup: PathLookup<'_, '_>) -> Option<usize> {
        self.all(layer, query, lookup).next()
    }

    /// Returns the matching entries, the more specific first.
    pub(super) fn all(
        &self,
        layer: Layer,
        query: MethodQuery<'_>,
        lookup: PathLookup<'_, '_>,
    ) -> impl Iterator<Item = usize> {
        let slot = |of: &dyn Fn(&Slots) -> Option<usize>| {
            let in_layer = |layer| {
                let held = self.0.iter().filter_map(move |(pattern, leaf)| Some((pattern, of(leaf.layer(layer)?)?)));
                { held }.find(|(pattern, _)| pattern.matches_read(lookup.path, lookup.reading)).map(|(_, index)| index)
            };
            match layer {
                Layer::Enforced => in_layer(Layer::Enforced),
                // A shadow entry hides an enforced one for the same requests.
                Layer::Shadow => in_layer(Layer::Shadow).or_else(|| in_layer(Layer::Enforced)),
            }
        };
        let named = |method: &str| slot(&|slots: &Slots| slots.named.get(method).copied());
        let (preflight, method) = match query {
            MethodQuery::Method(method) => (None, method.as_str()),
            MethodQuery::Preflight => (slot(&|slots: &Slots| slots.preflight), "OPTIONS"),
        };
        let own = named(method);
        let read = if method == "HEAD" { named("GET") } else { None };
        let any = slot(&|slots: &Slots| slots.any);
        preflight.into_iter().chain(own).chain(read.filter(|read| own != Some(*read))).chain(any)
    }
}

impl LeafEntries for FoldedLeaf {
    type Variant = PathPattern;

    fn entries(&self) -> impl Iterator<Item = Entry<'_, PathPattern>> {
        self.0.iter().flat_map(|(pattern, leaf)| leaf.entries().map(|entry| entry.of(pattern)))
    }

    fn preflights(&self) -> impl Iterator<Item = Entry<'_, PathPattern>> {
        self.0.iter().flat_map(|(pattern, leaf)| leaf.preflights().map(|entry| entry.of(pattern)))
    }

    fn always(&self, layer: Layer, method: Option<&str>, variant: &PathPattern) -> Option<usize> {
        let covering = self.0.iter().filter(|(pattern, _)| pattern.covers(variant));
        { covering }.find_map(|(_, leaf)| leaf.always(layer, method, &()))
    }
}
