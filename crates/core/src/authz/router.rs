//! The lookup of the most specific entry for a method and a path. Hosts have one router each. A CORS preflight, as the calling code
//! detects it, is one more method, more specific than `OPTIONS`.
//!
//! A lookup in the layer [`Layer::Shadow`] also finds shadow entries. One for the same requests as an enforced entry hides that
//! entry.
//!
//! Paths are compared segment by segment from the left. A literal is more specific than `{name}`; both, and the path's end, are
//! more specific than `{*rest}`. Among entries of one path pattern, one that names the method is more specific than one for any
//! method. One for `GET` is also one for `HEAD`, unless another entry names `HEAD` (RFC 9110 §9.3.2). An entry for other methods
//! does not match at all, so a less specific path that does match decides. The order of insertion is irrelevant.
//!
//! For a rule or module that folds letters or cuts suffixes ([`reading`](super::reading)), the tree's keys are folded, and each
//! entry found is compared once more. A literal is equally specific with and without folding. One that contains the suffix is more
//! specific than one that matches without it. A router without folding uses a separate tree and has none of these costs.
//!
//! A lookup descends a tree of segments. It costs one or two hash lookups per segment, regardless of the number of entries.
//! Backtracking adds to that only at nodes with both a literal and a `{name}`, and never visits a node twice.

mod folded;
mod tree;

#[cfg(test)]
mod tests;

use super::pattern::PathPattern;
use super::reading::{Breadth, Case, PathReadings, folded};
use crate::http::method::Method;
use crate::http::path::CanonicalPath;
use folded::{FoldedLeaf, PathLookup};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
pub use tree::{Layer, MethodMatcher, MethodQuery};
use tree::{Leaf, LeafEntries, Node};

/// A router to entries of `T`, each for a path pattern and some methods.
#[derive(Debug)]
pub struct Router<T> {
    tree: Tree,
    /// The values behind the leaves' indices: one value may serve several methods.
    values: Vec<T>,
}

#[derive(Debug)]
enum Tree {
    /// A tree that compares paths as sent.
    AsSent(Box<Node<Leaf>>),
    /// A tree that compares paths as read.
    AsRead(Box<Node<FoldedLeaf>>, Arc<PathReadings>),
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl<T> Router<T> {
    /// Creates an empty router for paths as modules read them; `None` means as sent.
    #[must_use]
    pub fn new(readings: Option<Arc<PathReadings>>) -> Self {
        let tree = match readings {
            None => Tree::AsSent(Box::default()),
            Some(readings) => Tree::AsRead(Box::default(), readings),
        };
        Self { tree, values: Vec::new() }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// `InsertError` if no request distinguishes the entry from an earlier one of its layer. That is the same pattern, regardless
    /// of parameter names, and a common method, or any method for both. The router is then unchanged.
    pub fn insert(
        &mut self,
        layer: Layer,
        methods: MethodMatcher<'_>,
        pattern: &PathPattern,
        value: T,
    ) -> Result<(), InsertError<'_, T>> {
        let next = self.values.len();
        let conflict = match &mut self.tree {
            Tree::AsSent(root) => {
                let slots = root.leaf_mut(pattern, |literal| literal.into()).layer_mut(layer);
                let conflict = slots.conflict(methods);
                if conflict.is_none() {
                    slots.insert(methods, next);
                }
                conflict
            }
            Tree::AsRead(root, _) => {
                let leaf = root.leaf_mut(pattern, |literal| folded(literal).into());
                let conflict = leaf.conflict(layer, methods, pattern);
                if conflict.is_none() {
                    leaf.insert(layer, methods, pattern, next);
                }
                conflict
            }
        };
        if let Some(index) = conflict {
            #[expect(clippy::indexing_slicing, reason = "a leaf holds only indices that were pushed below")]
            return Err(InsertError { earlier: &self.values[index] });
        }
        self.values.push(value);
        Ok(())
    }

    /// Returns the value of the most specific matching entry; `None` if no entry matches.
    #[must_use]
    pub fn find(&self, layer: Layer, method: Method<'_>, path: &CanonicalPath<'_>) -> Option<&T> {
        self.find_read(layer, method, path, Breadth::Sure)
    }

    /// Finds the most specific matching entry for this reading of the path.
    pub(super) fn find_read(
        &self,
        layer: Layer,
        method: Method<'_>,
        path: &CanonicalPath<'_>,
        breadth: Breadth,
    ) -> Option<&T> {
        let index = match &self.tree {
            Tree::AsSent(root) => root.find(layer, path.segments(), method),
            Tree::AsRead(root, readings) => {
                let reading = readings.of(path, breadth);
                let found = root.walk(reading.pieces(&folded(path.as_str())), &mut |leaf| match leaf.find(
                    layer,
                    MethodQuery::Method(method),
                    PathLookup { path, reading },
                ) {
                    Some(index) => ControlFlow::Break(index),
                    None => ControlFlow::Continue(()),
                });
                found.break_value()
            }
        };
        index.and_then(|index| self.values.get(index))
    }

    /// Returns the values of all matching entries, the most specific first. The first one is the result of [`find`](Self::find).
    #[must_use]
    pub fn find_all(&self, layer: Layer, query: MethodQuery<'_>, path: &CanonicalPath<'_>) -> Vec<&T> {
        self.find_all_read(layer, query, path, Breadth::Sure)
    }

    /// Finds all matching entries for this reading of the path.
    pub(super) fn find_all_read(
        &self,
        layer: Layer,
        query: MethodQuery<'_>,
        path: &CanonicalPath<'_>,
        breadth: Breadth,
    ) -> Vec<&T> {
        let mut found = Vec::new();
        match &self.tree {
            Tree::AsSent(root) => root.find_all(layer, path.segments(), query, &mut found),
            Tree::AsRead(root, readings) => {
                let reading = readings.of(path, breadth);
                let _ = root.walk(reading.pieces(&folded(path.as_str())), &mut |leaf| {
                    found.extend(leaf.all(layer, query, PathLookup { path, reading }));
                    ControlFlow::<()>::Continue(())
                });
            }
        }
        found.into_iter().filter_map(|index| self.values.get(index)).collect()
    }
}

impl<T> Router<T> {
    /// Returns the entries that never decide a request, each with the more specific entries that match in its place.
    ///
    /// This requires more specific patterns for every length of path below a `{*rest}`: one ends at once, and one continues after a
    /// further segment. Shadow entries are checked as if all of them were enforced.
    #[must_use]
    pub fn unreachable_rules(&self) -> Vec<Unreachable<'_, T>> {
        let mut found = Vec::new();
        match &self.tree {
            Tree::AsSent(root) => root.unreachable_rules(&mut found),
            Tree::AsRead(root, _) => root.unreachable_rules(&mut found),
        }
        let value = |index: usize| self.values.get(index);
        let named = |(index, by): (usize, BTreeSet<usize>)| {
            Some(Unreachable { entry: value(index)?, by: by.into_iter().filter_map(value).collect() })
        };
        found.into_iter().filter_map(named).collect()
    }
}

/// An enforced entry, and the requests that it is for.
pub(super) struct RouterEntry<'r, T> {
    /// The value.
    pub(super) value: &'r T,
    /// The comparison of the pattern's literals.
    pub(super) case: Case,
    /// The methods.
    pub(super) served: Served<'r>,
}

/// The methods of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Served<'r> {
    /// Any method.
    Any,
    /// These methods, in alphabetical order.
    Methods(Vec<&'r str>),
    /// CORS preflights.
    Preflights,
}

impl<T> Router<T> {
    /// Returns the entries of a layer, in no order.
    pub(super) fn entries<'r>(&'r self, wanted: Layer) -> Vec<RouterEntry<'r, T>> {
        let mut all = Vec::new();
        let mut keep = |layer: Layer, index: usize, case: Case, served: Served<'r>| {
            let value = self.values.get(index).filter(|_| layer == wanted);
            all.extend(value.map(|value| RouterEntry { value, case, served }));
        };
        match &self.tree {
            Tree::AsSent(root) => root.leaves(&mut |leaf| {
                leaf.entries().for_each(|one| keep(one.layer, one.index, Case::Exact, Served::of(one.methods)));
                leaf.preflights().for_each(|one| keep(one.layer, one.index, Case::Exact, Served::Preflights));
            }),
            Tree::AsRead(root, _) => root.leaves(&mut |leaf| {
                leaf.entries().for_each(|one| keep(one.layer, one.index, one.variant.case(), Served::of(one.methods)));
                leaf.preflights().for_each(|one| keep(one.layer, one.index, one.variant.case(), Served::Preflights));
            }),
        }
        all
    }
}

impl<'r> Served<'r> {
    fn of(methods: Vec<Option<&'r str>>) -> Self {
        let named: Option<Vec<&str>> = methods.into_iter().collect();
        named.map_or(Self::Any, |mut named| {
            named.sort_unstable();
            Self::Methods(named)
        })
    }
}

/// An entry that never decides a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreachable<'a, T> {
    /// The value of the entry.
    pub entry: &'a T,
    /// The values of the entries that take precedence, in the order of insertion.
    pub by: Vec<&'a T>,
}

/// The error of an entry that no request distinguishes from an earlier one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an earlier entry has the same path pattern and a method in common")]
pub struct InsertError<'a, T> {
    /// The value of the earlier entry.
    pub earlier: &'a T,
}
