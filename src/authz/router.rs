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
//! A lookup goes down a tree of segments. It costs one or two hash look-ups a segment however many entries there are;
//! going back adds to that only where a literal and a `{name}` stand side by side, and never visits a node twice.

mod tree;

#[cfg(test)]
mod tests;

use super::pattern::PathPattern;
use crate::method::Method;
use crate::path::CanonicalPath;
use std::collections::BTreeSet;
use tree::Node;

/// Entries of `T`, each for a path pattern and some methods.
#[derive(Debug)]
pub struct Router<T> {
    root: Node,
    /// What the leaves' indices mean: one value may serve several methods.
    values: Vec<T>,
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self { root: Node::default(), values: Vec::new() }
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
pub enum Served<'m> {
    /// Those of these methods; none: of any.
    Methods(&'m [Method<'m>]),
    /// CORS preflights.
    Preflight,
}

/// What kind of request is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'m> {
    /// One of this method.
    Method(Method<'m>),
    /// A CORS preflight, which is one of the method `OPTIONS` too.
    Preflight,
}

impl<T> Router<T> {
    /// Adds an entry.
    ///
    /// # Errors
    /// When no request could tell the entry from an earlier one of its layer: the same pattern, whatever its parameters are called,
    /// and a method in common, or both for any method. The router is then as it was.
    pub fn insert(
        &mut self,
        layer: Layer,
        served: Served<'_>,
        pattern: &PathPattern,
        value: T,
    ) -> Result<(), Collision<'_, T>> {
        let slots = self.root.leaf_mut(pattern).layer_mut(layer);
        if let Some(index) = slots.taken(served) {
            #[expect(clippy::indexing_slicing, reason = "a leaf holds only indices that were pushed below")]
            return Err(Collision { earlier: &self.values[index] });
        }
        slots.take(served, self.values.len());
        self.values.push(value);
        Ok(())
    }

    /// The value of the most specific entry that matches.
    #[must_use]
    pub fn find(&self, layer: Layer, method: Method<'_>, path: &CanonicalPath<'_>) -> Option<&T> {
        self.root.find(layer, path.segments(), method).and_then(|index| self.values.get(index))
    }

    /// The values of all entries that match, the most specific first: [`find`](Self::find) gives the first of them.
    #[must_use]
    pub fn find_all(&self, layer: Layer, wanted: Wanted<'_>, path: &CanonicalPath<'_>) -> Vec<&T> {
        let mut found = Vec::new();
        self.root.find_all(layer, path.segments(), wanted, &mut found);
        found.into_iter().filter_map(|index| self.values.get(index)).collect()
    }
}

impl<T> Router<T> {
    /// The entries that no request is ever decided by, each with those that come before it wherever it matches. That takes a `{*rest}`
    /// below which a more specific pattern stands for every length: one that ends at once, and one with a segment more that goes on.
    /// Those that are tried out are looked at as if all of them counted.
    #[must_use]
    pub fn covered(&self) -> Vec<Covered<'_, T>> {
        let mut found = Vec::new();
        self.root.covered(&mut found);
        let value = |index: usize| self.values.get(index);
        let named = |(index, by): (usize, BTreeSet<usize>)| {
            Some(Covered { entry: value(index)?, by: by.into_iter().filter_map(value).collect() })
        };
        found.into_iter().filter_map(named).collect()
    }
}

/// An entry that no request is ever decided by.
#[derive(Debug, PartialEq, Eq)]
pub struct Covered<'a, T> {
    /// The value of the entry.
    pub entry: &'a T,
    /// The values of those that come before it, in the order in which they were added.
    pub by: Vec<&'a T>,
}

/// Two entries that no request could tell apart.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an earlier entry has the same path pattern and a method in common")]
pub struct Collision<'a, T> {
    /// The value of the entry that was there first.
    pub earlier: &'a T,
}
