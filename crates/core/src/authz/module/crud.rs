//! The permissions of an organization in a module: `BiFrost`'s four bits, and the methods that require them.

use crate::http::method::Method;
use bitflags::bitflags;
use std::fmt;

bitflags! {
    /// A set of create, read, update and delete, possibly empty. The bits are those of `BiFrost`'s masks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct CrudPermissions: u8 {
        /// POST.
        const CREATE = 8;
        /// GET and HEAD.
        const READ = 4;
        /// PUT and PATCH.
        const UPDATE = 2;
        /// DELETE.
        const DELETE = 1;
    }
}

impl CrudPermissions {
    /// Returns the permission that a method requires; `None` for a method without a bit in `BiFrost`.
    #[must_use]
    pub fn of_method(method: Method<'_>) -> Option<Self> {
        match method.as_str() {
            "POST" => Some(Self::CREATE),
            "GET" | "HEAD" => Some(Self::READ),
            "PUT" | "PATCH" => Some(Self::UPDATE),
            "DELETE" => Some(Self::DELETE),
            _ => None,
        }
    }

    /// Creates the permissions of a mask, with the bits added up. `None` above 15.
    #[must_use]
    pub fn from_mask(mask: u64) -> Option<Self> {
        Self::from_bits(u8::try_from(mask).ok()?)
    }

    /// Returns the names that a configuration uses, create first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [(Self::CREATE, "create"), (Self::READ, "read"), (Self::UPDATE, "update"), (Self::DELETE, "delete")];
        all.into_iter().filter(move |(one, _)| self.contains(*one)).map(|(_, name)| name)
    }
}

/// For a sentence: `` `read` and `update` ``, or `nothing`.
impl fmt::Display for CrudPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.names().peekable();
        let Some(first) = names.next() else { return f.write_str("nothing") };
        write!(f, "`{first}`")?;
        while let Some(name) = names.next() {
            write!(f, "{}`{name}`", if names.peek().is_some() { ", " } else { " and " })?;
        }
        Ok(())
    }
}
