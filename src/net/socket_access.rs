//! Who may connect to a Unix socket in the file system: the mode and the group of its file.

use nix::unistd::Group;
use std::fmt;
use std::io;

/// The mode and the group of a socket's file. Connecting requires write permission (unix(7)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketAccess {
    /// The permission bits.
    pub mode: u32,
    /// The group. `None` leaves the one that the system chooses.
    pub group: Option<SocketGroup>,
}

impl SocketAccess {
    /// The mode if the configuration sets none: the owner and the group may connect.
    pub const DEFAULT_MODE: u32 = 0o660;

    /// Returns true if every user of this machine who can reach the folder may connect.
    #[must_use]
    pub const fn is_open_to_all(&self) -> bool {
        self.mode & 0o002 != 0
    }

    /// Returns true if the members of the group may connect.
    #[must_use]
    pub const fn admits_group(&self) -> bool {
        self.mode & 0o020 != 0
    }
}

impl Default for SocketAccess {
    fn default() -> Self {
        Self { mode: Self::DEFAULT_MODE, group: None }
    }
}

/// A group of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketGroup {
    /// The number of the group, which the machine need not know by name.
    Id(u32),
    /// The name of the group.
    Name(String),
}

/// The number of a group can't be found.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The machine has no group of this name.
    #[error("this machine has no such group; create it, or write its number")]
    Unknown,
    /// The machine could not look it up.
    #[error("it can't be looked up: {0}; write its number")]
    Lookup(io::Error),
}

impl SocketGroup {
    /// Returns the number of the group. Asks the machine's name service for a name, which may know more groups than `/etc/group`.
    ///
    /// # Errors
    /// [`GroupError`] if the name has no number.
    pub fn id(&self) -> Result<u32, GroupError> {
        match self {
            Self::Id(id) => Ok(*id),
            Self::Name(name) => match Group::from_name(name) {
                Ok(Some(group)) => Ok(group.gid.as_raw()),
                Ok(None) => Err(GroupError::Unknown),
                Err(error) => Err(GroupError::Lookup(error.into())),
            },
        }
    }
}

impl fmt::Display for SocketGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GroupError, SocketAccess, SocketGroup};

    #[test]
    fn a_group_is_a_name_of_this_machine_or_any_number() {
        assert_eq!(SocketGroup::Id(4_000_000).id().unwrap(), 4_000_000);
        assert_eq!(SocketGroup::Name("root".to_owned()).id().unwrap(), 0);
        let unknown = SocketGroup::Name("modgud-no-such-group".to_owned()).id();
        assert!(matches!(unknown, Err(GroupError::Unknown)), "{unknown:?}");
    }

    #[test]
    fn connecting_requires_write_permission() {
        for (mode, group, all) in
            [(0o600, false, false), (0o660, true, false), (0o664, true, false), (0o662, true, true)]
        {
            let access = SocketAccess { mode, group: None };
            assert_eq!((access.admits_group(), access.is_open_to_all()), (group, all), "{mode:o}");
        }
    }
}
