//! What an expression reads: found out once, when it is compiled, so that nothing else has to be made ready for it.

use std::collections::BTreeSet;

/// What an expression reads.
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
    /// The rule that has decided; it has no members.
    pub(super) rule: Names,
    /// What it comes to, if that is certainly neither true nor false.
    pub(super) never_a_bool: Option<&'static str>,
}

/// Which members of a variable.
#[derive(Debug, Default)]
pub(super) enum Names {
    /// The variable is not spoken of.
    #[default]
    Nothing,
    /// These, and no others.
    These(BTreeSet<Box<str>>),
    /// Whichever there are: the expression goes through them, or the request says which.
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

    /// Whether a member of this name is read.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(names) => names.contains(name),
            Self::All => true,
        }
    }

    /// Whether a member of this name is spoken of by it.
    pub(super) fn names(&self, name: &str) -> bool {
        match self {
            Self::Nothing | Self::All => false,
            Self::These(names) => names.contains(name),
        }
    }

    /// Returns the members that are named; none if whichever there are is read.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Nothing | Self::All => None,
            Self::These(names) => Some(names),
        };
        names.into_iter().flatten().map(|name| &**name)
    }

    /// Whether anything is.
    pub(super) const fn is_something(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(_) | Self::All => true,
        }
    }
}
