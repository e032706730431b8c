//! The names that an expression reads. They are determined when it is compiled, so that an evaluation prepares only these.

use std::collections::BTreeSet;

/// The names that an expression reads.
#[derive(Debug, Default)]
pub(super) struct References {
    pub(super) request: Names,
    pub(super) headers: Names,
    pub(super) path: Names,
    pub(super) query: Names,
    pub(super) claims: Names,
    pub(super) principal: Names,
    pub(super) context: Names,
    /// The time; it has no members.
    pub(super) now: Names,
    /// The name of the deciding rule; it has no members.
    pub(super) rule: Names,
    /// A name for the result if it can't be true or false; `None` if it can be.
    pub(super) never_a_bool: Option<&'static str>,
}

/// The members of a variable that are read.
#[derive(Debug, Default)]
pub(super) enum Names {
    /// None: the variable is not used.
    #[default]
    Nothing,
    /// Only these members.
    These(BTreeSet<Box<str>>),
    /// Any member: the expression iterates over them, or the request determines the name.
    All,
}

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        match self {
            Self::Nothing => *self = Self::These(BTreeSet::from([name.into()])),
            Self::These(names) => {
                names.insert(name.into());
            }
            Self::All => {}
        }
    }

    /// Returns true if the member of this name is read.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(names) => names.contains(name),
            Self::All => true,
        }
    }

    /// Returns true if the member of this name is read by its name.
    pub(super) fn names(&self, name: &str) -> bool {
        match self {
            Self::Nothing | Self::All => false,
            Self::These(names) => names.contains(name),
        }
    }

    /// Returns the members that are read by name; none if any member may be read.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Nothing | Self::All => None,
            Self::These(names) => Some(names),
        };
        names.into_iter().flatten().map(|name| &**name)
    }

    /// Returns true if the variable is used.
    pub(super) const fn is_something(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(_) | Self::All => true,
        }
    }
}
