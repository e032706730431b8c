//! From method and path to the one entry that decides. Owns which of several matching entries is the most specific; knows
//! nothing of rules or access. Hosts are not looked at here: who tells them apart keeps one router for each. What a CORS preflight
//! is, is told by whoever asks: here it is one more method, more specific than `OPTIONS`.
//!
//! Entries of the layer that is tried out ([`Layer::Shadow`]) are seen only by who looks for them. They may stand where an entry
//! stands that counts, and then hide it.
//!
//! Paths are compared segment by segment from the left: a literal is more specific than `{name}`, and both are, as is the
//! path's end, more specific than `{*rest}`. Among entries of one path pattern, one that names the method is more specific
//! than one for any method; one for `GET` is one for `HEAD` too, unless another names that (RFC 9110 §9.3.2). An entry for other methods does not match at all, so a less specific path that does match
//! decides. The order of insertion plays no part.
//!
//! Where a rule or a module folds letters or cuts suffixes off ([`reading`](super::reading)), keys of the tree are folded, and each entry
//! that is found is compared once more. A literal is as specific whether it folds or not; one that has the suffix itself is more
//! specific than one that is matched without it. A router in which nothing folds is another one, which pays for none of it.
//!
//! A lookup goes down a tree of segments. It costs one or two hash look-ups a segment however many entries there are;
//! going back adds to that only where a literal and a `{name}` stand side by side, and never visits a node twice.

mod spelled;
mod tree;

#[cfg(test)]
mod tests;

use super::pattern::PathPattern;
use super::reading::{Breadth, PathReadings, folded};
use crate::http::method::Method;
use crate::http::path::CanonicalPath;
use spelled::{Sought, Spelled};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use tree::{Leaf, Node};

/// Entries of `T`, each for a path pattern and some methods.
#[derive(Debug)]
pub struct Router<T> {
    tree: Tree,
    /// What the leaves' indices mean: one value may serve several methods.
    values: Vec<T>,
}

#[derive(Debug)]
enum Tree {
    /// Paths are compared as they were sent.
    AsSent(Box<Node<Leaf>>),
    /// Paths are compared as they are read.
    AsRead(Box<Node<Spelled>>, Arc<PathReadings>),
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self::new(None)
    }
}

/// Which entries count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Those that are enforced, and no others.
    Enforced,
    /// Those that are tried out too, each in the place of one for the same requests.
    Shadow,
}

/// For which requests to the paths of its pattern an entry is.
#[derive(Debug, Clone, Copy)]
pub enum MethodMatcher<'m> {
    /// Those of these methods; none: of any.
    Methods(&'m [Method<'m>]),
    /// CORS preflights.
    Preflight,
}

/// What kind of request is looked for.
#[derive(Debug, Clone, Copy)]
pub enum MethodQuery<'m> {
    /// One of this method.
    Method(Method<'m>),
    /// A CORS preflight, which is one of the method `OPTIONS` too.
    Preflight,
}

impl<T> Router<T> {
    /// No entry, for paths as modules read them; `None`: as they were sent.
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
    /// When no request could tell the entry from an earlier one of its layer: the same pattern, whatever its parameters are called,
    /// and a method in common, or both for any method. The router is then as it was.
    pub fn insert(
        &mut self,
        layer: Layer,
        served: MethodMatcher<'_>,
        pattern: &PathPattern,
        value: T,
    ) -> Result<(), InsertError<'_, T>> {
        let next = self.values.len();
        let taken = match &mut self.tree {
            Tree::AsSent(root) => {
                let slots = root.leaf_mut(pattern, |literal| literal.into()).layer_mut(layer);
                let taken = slots.taken(served);
                if taken.is_none() {
                    slots.take(served, next);
                }
                taken
            }
            Tree::AsRead(root, _) => {
                let spelled = root.leaf_mut(pattern, |literal| folded(literal).into());
                let taken = spelled.taken(layer, served, pattern);
                if taken.is_none() {
                    spelled.take(layer, served, pattern, next);
                }
                taken
            }
        };
        if let Some(index) = taken {
            #[expect(clippy::indexing_slicing, reason = "a leaf holds only indices that were pushed below")]
            return Err(InsertError { earlier: &self.values[index] });
        }
        self.values.push(value);
        Ok(())
    }

    /// The value of the most specific entry that matches.
    #[must_use]
    pub fn find(&self, layer: Layer, method: Method<'_>, path: &CanonicalPath<'_>) -> Option<&T> {
        self.find_read(layer, method, path, Breadth::Sure)
    }

    /// The same for a path that is read in a way.
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
                let found = root.walk(reading.pieces(&folded(path.as_str())), &mut |spelled| match spelled.find(
                    layer,
                    MethodQuery::Method(method),
                    Sought { path, reading },
                ) {
                    Some(index) => ControlFlow::Break(index),
                    None => ControlFlow::Continue(()),
                });
                found.break_value()
            }
        };
        index.and_then(|index| self.values.get(index))
    }

    /// The values of all entries that match, the most specific first: [`find`](Self::find) gives the first of them.
    #[must_use]
    pub fn find_all(&self, layer: Layer, wanted: MethodQuery<'_>, path: &CanonicalPath<'_>) -> Vec<&T> {
        self.find_all_read(layer, wanted, path, Breadth::Sure)
    }

    /// The same for a path that is read in a way.
    pub(super) fn find_all_read(
        &self,
        layer: Layer,
        wanted: MethodQuery<'_>,
        path: &CanonicalPath<'_>,
        breadth: Breadth,
    ) -> Vec<&T> {
        let mut found = Vec::new();
        match &self.tree {
            Tree::AsSent(root) => root.find_all(layer, path.segments(), wanted, &mut found),
            Tree::AsRead(root, readings) => {
                let reading = readings.of(path, breadth);
                let _ = root.walk(reading.pieces(&folded(path.as_str())), &mut |spelled| {
                    found.extend(spelled.all(layer, wanted, Sought { path, reading }));
                    ControlFlow::<()>::Continue(())
                });
            }
        }
        found.into_iter().filter_map(|index| self.values.get(index)).collect()
    }
}

impl<T> Router<T> {
    /// The entries that no request is ever decided by, each with those that come before it wherever it matches. That takes a `{*rest}`
    /// below which a more specific pattern stands for every length: one that ends at once, and one with a segment more that goes on.
    /// Those that are tried out are looked at as if all of them counted.
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

/// An entry that no request is ever decided by.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreachable<'a, T> {
    /// The value of the entry.
    pub entry: &'a T,
    /// The values of those that come before it, in the order in which they were added.
    pub by: Vec<&'a T>,
}

/// Two entries that no request could tell apart.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an earlier entry has the same path pattern and a method in common")]
pub struct InsertError<'a, T> {
    /// The value of the entry that was there first.
    pub earlier: &'a T,
}
