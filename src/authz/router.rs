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

#[cfg(test)]
mod tests;

use super::pattern::{PathPattern, Segment};
use crate::method::Method;
use crate::path::CanonicalPath;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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

/// What can follow one prefix of segments. A tree is as deep as its longest pattern has segments, and no deeper.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node>,
    parameter: Option<Box<Node>>,
    /// Patterns that end here.
    end: Leaf,
    /// Patterns that go on with `{*rest}`.
    rest: Leaf,
}

impl Node {
    fn leaf_mut(&mut self, pattern: &PathPattern) -> &mut Leaf {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
            };
        }
        if pattern.rest().is_some() { &mut node.rest } else { &mut node.end }
    }

    fn find<'p>(
        &self,
        layer: Layer,
        mut segments: impl Iterator<Item = &'p str> + Clone,
        method: Method<'_>,
    ) -> Option<usize> {
        let exact = match segments.next() {
            None => self.end.find(layer, method),
            Some(segment) => self
                .literals
                .get(segment)
                .and_then(|node| node.find(layer, segments.clone(), method))
                .or_else(|| self.parameter.as_ref().and_then(|node| node.find(layer, segments, method))),
        };
        exact.or_else(|| self.rest.find(layer, method))
    }

    fn find_all<'p>(
        &self,
        layer: Layer,
        mut segments: impl Iterator<Item = &'p str> + Clone,
        wanted: Wanted<'_>,
        found: &mut Vec<usize>,
    ) {
        match segments.next() {
            None => found.extend(self.end.all(layer, wanted)),
            Some(segment) => {
                let nodes = self.literals.get(segment).into_iter().chain(self.parameter.as_deref());
                nodes.for_each(|node| node.find_all(layer, segments.clone(), wanted, found));
            }
        }
        found.extend(self.rest.all(layer, wanted));
    }
}

impl Node {
    fn covered(&self, found: &mut Vec<(usize, BTreeSet<usize>)>) {
        let of = |layer, slots: &Slots, found: &mut Vec<_>| {
            for (index, methods) in slots.entries() {
                let mut by = BTreeSet::new();
                if methods.iter().all(|method| self.decides_all(layer, *method, &mut by)) {
                    found.push((index, by));
                }
            }
        };
        of(Layer::Enforced, &self.rest.enforced, found);
        if let Some(shadow) = &self.rest.shadow {
            of(Layer::Shadow, shadow, found);
        }
        self.literals.values().chain(self.parameter.as_deref()).for_each(|node| node.covered(found));
    }

    /// Whether what begins here is decided by something more specific than a `{*rest}` here, whatever follows.
    fn decides_all(&self, layer: Layer, method: Option<&str>, by: &mut BTreeSet<usize>) -> bool {
        let Some(end) = self.end.always(layer, method) else { return false };
        by.insert(end);
        let Some(next) = self.parameter.as_deref() else { return false };
        match next.rest.always(layer, method) {
            Some(rest) => {
                by.insert(rest);
                true
            }
            None => next.decides_all(layer, method, by),
        }
    }
}

/// The entries of one path pattern.
#[derive(Debug, Default)]
struct Leaf {
    enforced: Slots,
    shadow: Option<Box<Slots>>,
}

/// Those of one layer, as indices of [`Router::values`].
#[derive(Debug, Default)]
struct Slots {
    preflight: Option<usize>,
    named: HashMap<Box<str>, usize>,
    any: Option<usize>,
}

impl Leaf {
    fn layer_mut(&mut self, layer: Layer) -> &mut Slots {
        match layer {
            Layer::Enforced => &mut self.enforced,
            Layer::Shadow => self.shadow.get_or_insert_default(),
        }
    }

    fn find(&self, layer: Layer, method: Method<'_>) -> Option<usize> {
        self.all(layer, Wanted::Method(method)).next()
    }

    /// The entries that match, the more specific first.
    fn all(&self, layer: Layer, wanted: Wanted<'_>) -> impl Iterator<Item = usize> {
        let named = |method: &str| self.slot(layer, |slots| slots.named.get(method).copied());
        let (preflight, method) = match wanted {
            Wanted::Method(method) => (None, method.as_str()),
            Wanted::Preflight => (self.slot(layer, |slots| slots.preflight), "OPTIONS"),
        };
        let own = named(method);
        let read = if method == "HEAD" { named("GET") } else { None };
        let any = self.slot(layer, |slots| slots.any);
        preflight.into_iter().chain(own).chain(read.filter(|read| own != Some(*read))).chain(any)
    }

    /// The entry that decides every request of a method, or of any.
    fn always(&self, layer: Layer, method: Option<&str>) -> Option<usize> {
        let named = |method: &str| self.slot(layer, |slots| slots.named.get(method).copied());
        let of_method = method.and_then(|method| named(method).or_else(|| named("GET").filter(|_| method == "HEAD")));
        of_method.or_else(|| self.slot(layer, |slots| slots.any))
    }

    /// Of two entries for the same requests, the one that is tried out hides the other.
    fn slot(&self, layer: Layer, of: impl Fn(&Slots) -> Option<usize>) -> Option<usize> {
        let shadow = match layer {
            Layer::Enforced => None,
            Layer::Shadow => self.shadow.as_deref().and_then(&of),
        };
        shadow.or_else(|| of(&self.enforced))
    }
}

impl Slots {
    /// Every entry with its methods, but for that for preflights; none is any method.
    fn entries(&self) -> BTreeMap<usize, Vec<Option<&str>>> {
        let mut entries = BTreeMap::<usize, Vec<Option<&str>>>::new();
        for (method, index) in &self.named {
            entries.entry(*index).or_default().push(Some(method));
        }
        if let Some(index) = self.any {
            entries.entry(index).or_default().push(None);
        }
        entries
    }

    /// The entry that stands where another one would have to.
    fn taken(&self, served: Served<'_>) -> Option<usize> {
        match served {
            Served::Preflight => self.preflight,
            Served::Methods([]) => self.any,
            Served::Methods(methods) => methods.iter().find_map(|method| self.named.get(method.as_str()).copied()),
        }
    }

    fn take(&mut self, served: Served<'_>, index: usize) {
        match served {
            Served::Preflight => self.preflight = Some(index),
            Served::Methods([]) => self.any = Some(index),
            Served::Methods(methods) => {
                self.named.extend(methods.iter().map(|method| (method.as_str().into(), index)));
            }
        }
    }
}
