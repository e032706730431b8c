//! The rights of an organization in a module: `BiFrost`'s four bits, and the methods that require them.

use crate::http::method::Method;
use std::fmt;

/// A right, for one kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// POST.
    Create,
    /// GET and HEAD.
    Read,
    /// PUT and PATCH.
    Update,
    /// DELETE.
    Delete,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 4] = [Self::Create, Self::Read, Self::Update, Self::Delete];

    /// Returns the right that a method requires; `None` for a method without a bit in `BiFrost`.
    #[must_use]
    pub fn of(method: Method<'_>) -> Option<Self> {
        match method.as_str() {
            "POST" => Some(Self::Create),
            "GET" | "HEAD" => Some(Self::Read),
            "PUT" | "PATCH" => Some(Self::Update),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    /// Returns the name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Create => 8,
            Self::Read => 4,
            Self::Update => 2,
            Self::Delete => 1,
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of the four rights, possibly empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// The largest mask: all rights. A larger one is rejected.
    pub const MAX_MASK: u8 = 15;

    /// Creates the rights of a mask: create 8, read 4, update 2, delete 1, added up. `None` above 15.
    #[must_use]
    pub fn of_mask(mask: u64) -> Option<Self> {
        u8::try_from(mask).ok().filter(|mask| *mask <= Self::MAX_MASK).map(Self)
    }

    /// Creates a set of these rights.
    #[must_use]
    pub fn of(rights: impl IntoIterator<Item = Right>) -> Self {
        Self(rights.into_iter().fold(0, |mask, right| mask | right.bit()))
    }

    /// Returns the union of both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns true if the set contains this right.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }
}

/// For a sentence: `` `read` and `update` ``, or `nothing`.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before: Option<Right> = None;
        let mut started = false;
        for right in Right::ALL.into_iter().filter(|right| self.has(*right)) {
            if let Some(before) = before.replace(right) {
                write!(f, "{}`{before}`", if started { ", " } else { "" })?;
                started = true;
            }
        }
        match before {
            None => f.write_str("nothing"),
            Some(last) => write!(f, "{}`{last}`", if started { " and " } else { "" }),
        }
    }
}
