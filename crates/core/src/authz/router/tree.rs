//! The tree of segments that holds the entries, here as indices. `router` defines their meaning.

use crate::authz::pattern::PathPattern;
use crate::authz::reading::Piece;
use crate::authz::syntax::Segment;
use crate::http::method::Method;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

/// The entries that a lookup considers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Enforced entries only.
    Enforced,
    /// Enforced and shadow entries; a shadow entry replaces an enforced one for the same requests.
    Shadow,
}

/// The requests that an entry is for, among those to the paths of its pattern.
#[derive(Debug, Clone, Copy)]
pub enum MethodMatcher<'m> {
    /// Requests of these methods; an empty list means any method.
    Methods(&'m [Method<'m>]),
    /// CORS preflights.
    Preflight,
}

/// The kind of request to find entries for.
#[derive(Debug, Clone, Copy)]
pub enum MethodQuery<'m> {
    /// A request of this method.
    Method(Method<'m>),
    /// A CORS preflight, which is also a request of the method `OPTIONS`.
    Preflight,
}

/// A node: the possible continuations of one prefix of segments. A tree is at most as deep as its longest pattern.
#[derive(Debug, Default)]
pub(super) struct Node<L> {
    literals: HashMap<Box<str>, Self>,
    parameter: Option<Box<Self>>,
    /// Patterns that end here.
    end: L,
    /// Patterns that continue with `{*rest}`.
    rest: L,
}

impl<L: Default> Node<L> {
    /// Returns the leaf of a pattern and creates missing nodes. `key` maps each of its literals to a key.
    pub(super) fn leaf_mut(&mut self, pattern: &PathPattern, key: impl Fn(&str) -> Box<str>) -> &mut L {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(key(text)).or_default(),
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
            };
        }
        if pattern.rest().is_some() { &mut node.rest } else { &mut node.end }
    }

    /// Visits every leaf that a path may match, the most specific first: a literal as sent before one without its suffix.
    pub(super) fn walk<'p, B>(
        &self,
        mut pieces: impl Iterator<Item = Piece<'p>> + Clone,
        visit: &mut impl FnMut(&L) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match pieces.next() {
            None => visit(&self.end)?,
            Some(Piece { text, stem }) => {
                let literals = [Some(text), stem].into_iter().flatten().filter_map(|text| self.literals.get(text));
                for node in literals.chain(self.parameter.as_deref()) {
                    node.walk(pieces.clone(), visit)?;
                }
            }
        }
        visit(&self.rest)
    }

    /// Visits every leaf, in no order.
    pub(super) fn leaves<'t>(&'t self, visit: &mut impl FnMut(&'t L)) {
        visit(&self.end);
        visit(&self.rest);
        self.literals.values().chain(self.parameter.as_deref()).for_each(|node| node.leaves(visit));
    }
}

impl Node<Leaf> {
    pub(super) fn find<'p>(
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

    pub(super) fn find_all<'p>(
        &self,
        layer: Layer,
        mut segments: impl Iterator<Item = &'p str> + Clone,
        query: MethodQuery<'_>,
        found: &mut Vec<usize>,
    ) {
        match segments.next() {
            None => found.extend(self.end.all(layer, query)),
            Some(segment) => {
                let nodes = self.literals.get(segment).into_iter().chain(self.parameter.as_deref());
                nodes.for_each(|node| node.find_all(layer, segments.clone(), query, found));
            }
        }
        found.extend(self.rest.all(layer, query));
    }
}

/// The entries at one node of a tree.
pub(super) trait LeafEntries {
    /// The property that distinguishes patterns at one node.
    type Variant;

    /// Returns every entry with its methods, except those for preflights. `None` as a method means any.
    fn entries(&self) -> impl Iterator<Item = Entry<'_, Self::Variant>>;

    /// Returns every entry for preflights, without methods.
    fn preflights(&self) -> impl Iterator<Item = Entry<'_, Self::Variant>>;

    /// Returns the entry that decides every request of a method, or of any, where a pattern of this variant continues.
    fn always(&self, layer: Layer, method: Option<&str>, variant: &Self::Variant) -> Option<usize>;
}

/// An entry of a node.
pub(super) struct Entry<'l, S> {
    pub(super) layer: Layer,
    pub(super) index: usize,
    pub(super) methods: Vec<Option<&'l str>>,
    pub(super) variant: &'l S,
}

impl<'l> Entry<'l, ()> {
    /// Returns the entry as one of a pattern.
    pub(super) fn of<S>(self, variant: &'l S) -> Entry<'l, S> {
        let Self { layer, index, methods, variant: () } = self;
        Entry { layer, index, methods, variant }
    }
}

impl<L: LeafEntries> Node<L> {
    pub(super) fn unreachable_rules(&self, found: &mut Vec<(usize, BTreeSet<usize>)>) {
        for Entry { layer, index, methods, variant } in self.rest.entries() {
            let mut by = BTreeSet::new();
            if methods.iter().all(|method| self.decides_all(layer, *method, variant, &mut by)) {
                found.push((index, by));
            }
        }
        self.literals.values().chain(self.parameter.as_deref()).for_each(|node| node.unreachable_rules(found));
    }

    /// Returns true if a more specific entry than a `{*rest}` here decides every path below this node.
    fn decides_all(&self, layer: Layer, method: Option<&str>, variant: &L::Variant, by: &mut BTreeSet<usize>) -> bool {
        let Some(end) = self.end.always(layer, method, variant) else { return false };
        by.insert(end);
        let Some(next) = self.parameter.as_deref() else { return false };
        match next.rest.always(layer, method, variant) {
            Some(rest) => {
                by.insert(rest);
                true
            }
            None => next.decides_all(layer, method, variant, by),
        }
    }
}

impl LeafEntries for Leaf {
    type Variant = ();

    fn entries(&self) -> impl Iterator<Item = Entry<'_, ()>> {
        self.layers().flat_map(|(layer, slots)| {
            let of_slots = slots.entries().into_iter();
            of_slots.map(move |(index, methods)| Entry { layer, index, methods, variant: &() })
        })
    }

    fn preflights(&self) -> impl Iterator<Item = Entry<'_, ()>> {
        let entry = |(layer, slots): (_, &Slots)| {
            Some(Entry { layer, index: slots.preflight?, methods: Vec::new(), variant: &() })
        };
        self.layers().filter_map(entry)
    }

    fn always(&self, layer: Layer, method: Option<&str>, (): &()) -> Option<usize> {
        let named = |method: &str| self.slot(layer, |slots| slots.named.get(method).copied());
        let of_method = method.and_then(|method| named(method).or_else(|| named("GET").filter(|_| method == "HEAD")));
        of_method.or_else(|| self.slot(layer, |slots| slots.any))
    }
}

/// The entries of one path pattern.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    enforced: Slots,
    shadow: Option<Box<Slots>>,
}

/// The entries of one layer, as indices.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) preflight: Option<usize>,
    pub(super) named: HashMap<Box<str>, usize>,
    pub(super) any: Option<usize>,
}

impl Leaf {
    pub(super) fn layer_mut(&mut self, layer: Layer) -> &mut Slots {
        match layer {
            Layer::Enforced => &mut self.enforced,
            Layer::Shadow => self.shadow.get_or_insert_default(),
        }
    }

    fn find(&self, layer: Layer, method: Method<'_>) -> Option<usize> {
        self.all(layer, MethodQuery::Method(method)).next()
    }

    /// Returns the matching entries, the more specific first.
    fn all(&self, layer: Layer, query: MethodQuery<'_>) -> impl Iterator<Item = usize> {
        let named = |method: &str| self.slot(layer, |slots| slots.named.get(method).copied());
        let (preflight, method) = match query {
            MethodQuery::Method(method) => (None, method.as_str()),
            MethodQuery::Preflight => (self.slot(layer, |slots| slots.preflight), "OPTIONS"),
        };
        let own = named(method);
        let read = if method == "HEAD" { named("GET") } else { None };
        let any = self.slot(layer, |slots| slots.any);
        preflight.into_iter().chain(own).chain(read.filter(|read| own != Some(*read))).chain(any)
    }

    /// Returns the layers that have entries.
    fn layers(&self) -> impl Iterator<Item = (Layer, &Slots)> {
        let shadow = self.shadow.as_deref().map(|slots| (Layer::Shadow, slots));
        [(Layer::Enforced, &self.enforced)].into_iter().chain(shadow)
    }

    /// Returns the entries of one layer; `None` if it has none.
    pub(super) fn layer(&self, layer: Layer) -> Option<&Slots> {
        match layer {
            Layer::Enforced => Some(&self.enforced),
            Layer::Shadow => self.shadow.as_deref(),
        }
    }

    /// Returns an entry of this layer; a shadow entry hides an enforced one for the same requests.
    fn slot(&self, layer: Layer, of: impl Fn(&Slots) -> Option<usize>) -> Option<usize> {
        let shadow = match layer {
            Layer::Enforced => None,
            Layer::Shadow => self.shadow.as_deref().and_then(&of),
        };
        shadow.or_else(|| of(&self.enforced))
    }
}

impl Slots {
    /// Returns every entry with its methods, except the one for preflights. `None` as a method means any.
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

    /// Returns the existing entry that conflicts with a new one; `None` without a conflict.
    pub(super) fn conflict(&self, methods: MethodMatcher<'_>) -> Option<usize> {
        match methods {
            MethodMatcher::Preflight => self.preflight,
            MethodMatcher::Methods([]) => self.any,
            MethodMatcher::Methods(list) => list.iter().find_map(|method| self.named.get(method.as_str()).copied()),
        }
    }

    pub(super) fn insert(&mut self, methods: MethodMatcher<'_>, index: usize) {
        match methods {
            MethodMatcher::Preflight => self.preflight = Some(index),
            MethodMatcher::Methods([]) => self.any = Some(index),
            MethodMatcher::Methods(list) => {
                self.named.extend(list.iter().map(|method| (method.as_str().into(), index)));
            }
        }
    }
}
