//! Paths to values in a document, such as `rules[2].match.paths[0]`.

use crate::diagnostic::{Diagnostic, Issue, Located, ShownKey};
use crate::yaml::{Element, Location, Member, Node, Number, Value};
use std::fmt;

/// A step into a map or into a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// The position in the tree, which differs from the index of the file once elements were removed.
    Position(usize),
}

/// The steps from the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    /// Returns the path to a value of the root.
    pub(super) fn root(key: &str) -> Self {
        Self::default().key(key)
    }

    /// Returns the path of steps in reverse order, the innermost first.
    pub(super) fn from_inside(mut steps: Vec<Step>) -> Self {
        steps.reverse();
        Self(steps)
    }

    /// Returns the path to a member of this map.
    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// Returns the path to an element of this list.
    pub(super) fn position(&self, position: usize) -> Self {
        self.with(Step::Position(position))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Returns the location of the value, or, if it is missing, of its nearest parent.
    pub(super) fn location<'n>(&self, root: &'n Node) -> &'n Location {
        let mut location = &root.place;
        let mut node = Some(root);
        for step in &self.0 {
            node = node.and_then(|node| node.step(step));
            location = node.map_or(location, |node| &node.place);
        }
        location
    }

    /// Returns true if the path leads further than to a member of the root.
    pub(super) fn is_within_a_section(&self) -> bool {
        self.0.len() > 1
    }

    /// Returns true if the last step is this key.
    pub(super) fn ends_with(&self, key: &str) -> bool {
        matches!(self.0.last(), Some(Step::Key(last)) if last == key)
    }

    /// Returns true if the value is a map without members.
    pub(super) fn is_empty_map(&self, root: &Node) -> bool {
        matches!(self.find(root).map(|node| &node.value), Some(Value::Map(entries)) if entries.is_empty())
    }

    /// Returns true if there is a value.
    pub(super) fn exists(&self, root: &Node) -> bool {
        self.find(root).is_some()
    }

    /// Returns true if the value comes from a file: neither from a profile or the defaults, nor from the command line.
    pub(super) fn is_in_a_file(&self, root: &Node) -> bool {
        let Location { origin, position } = self.location(root);
        self.exists(root) && position.is_some() && **origin != *"default" && !origin.starts_with("profile ")
    }

    fn find<'n>(&self, root: &'n Node) -> Option<&'n Node> {
        self.0.iter().try_fold(root, |node, step| node.step(step))
    }

    /// Attaches the location of the value, or, if it is missing, of its nearest parent.
    pub(super) fn locate<T>(&self, root: &Node, what: T) -> Located<T> {
        Located::here(self.location(root).clone(), self.shown(root).to_string(), what)
    }

    /// Returns a diagnostic of the value, or, if it is missing, of its nearest parent. A message that begins with a number shows it as the
    /// document has it.
    pub(super) fn diagnostic(&self, root: &Node, issue: Issue) -> Diagnostic {
        let mut diagnostic = self.locate(root, ()).diagnostic(issue);
        if let Some(Value::Number(number @ Number { value, written: Some(_) })) =
            self.find(root).map(|node| &node.value)
            && let Some(rest) = diagnostic.message.strip_prefix(&format!("`{value}`"))
        {
            diagnostic.message = format!("`{number}`{rest}");
        }
        diagnostic
    }

    /// Returns the path as messages show it, with the indices of the file.
    pub(super) fn shown<'p>(&'p self, root: &'p Node) -> Shown<'p> {
        Shown { path: self, root }
    }

    /// Removes the value from the tree. `None` if it is missing, or is the root, which can't be removed.
    pub(super) fn take_out(&self, root: &mut Node) -> Option<Node> {
        let (last, parent) = self.0.split_last()?;
        let node = parent.iter().try_fold(root, |node, step| node.step_mut(step))?;
        match (&mut node.value, last) {
            (Value::Map(entries), Step::Key(key)) => {
                let at = entries.iter().position(|entry| entry.key == *key)?;
                Some(entries.remove(at).node)
            }
            (Value::List(items), Step::Position(at)) if *at < items.len() => Some(items.remove(*at).node),
            (_, Step::Key(_) | Step::Position(_)) => None,
        }
    }
}

/// A path, as messages show it.
pub(super) struct Shown<'p> {
    path: &'p Path,
    root: &'p Node,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut node = Some(self.root);
        let mut separator = "";
        for step in &self.path.0 {
            match step {
                Step::Key(key) => write!(f, "{separator}{}", ShownKey(key))?,
                Step::Position(at) => {
                    let index = node.and_then(|node| node.item(*at)).map_or(*at, |item| item.index);
                    write!(f, "[{index}]")?;
                }
            }
            separator = ".";
            node = node.and_then(|node| node.step(step));
        }
        Ok(())
    }
}

impl Node {
    fn step(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Map(entries), Step::Key(key)) => entries.iter().find(|entry| entry.key == *key).map(Member::node),
            (Value::List(_), Step::Position(at)) => self.item(*at).map(|item| &item.node),
            (_, Step::Key(_) | Step::Position(_)) => None,
        }
    }

    fn step_mut(&mut self, step: &Step) -> Option<&mut Self> {
        match (&mut self.value, step) {
            (Value::Map(entries), Step::Key(key)) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.node)
            }
            (Value::List(items), Step::Position(at)) => items.get_mut(*at).map(|item| &mut item.node),
            (_, Step::Key(_) | Step::Position(_)) => None,
        }
    }

    fn item(&self, position: usize) -> Option<&Element> {
        match &self.value {
            Value::List(items) => items.get(position),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Map(_) => None,
        }
    }
}

impl Member {
    fn node(&self) -> &Node {
        &self.node
    }
}
