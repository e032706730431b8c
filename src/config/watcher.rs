//! A watcher of the files that a configuration was made from, by their metadata.
//!
//! It polls instead of using the kernel's notifications. Polling works alike for a swapped symlink (Kubernetes swaps `..data`), an editor
//! that renames, a late file, and a network file system. It costs a few system calls twice a second.

use modgud_core::time::Timestamp;
use std::fs::metadata;
use std::io;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The state of a file: device, inode, size, and the times of change in nanoseconds. `None` if the file is inaccessible.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

/// Files, with their last seen state.
#[derive(Debug, Default)]
pub struct FileWatcher {
    files: Vec<(PathBuf, Stamp)>,
    /// True if a file was unreadable for a reason that can pass without a change of the file.
    passing: bool,
}

/// The result of comparing files with their last seen state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// No file has changed.
    None,
    /// At least one file has changed.
    Some,
}

impl FileWatcher {
    /// Adds a file in its current state. Call it before reading the file, so that no later change is missed.
    pub fn add(&mut self, file: &Path) {
        self.files.push((file.to_path_buf(), stamp(file)));
    }

    /// Returns the time of a file's last change when it was added. `None` if it was inaccessible, or the time is before 1970.
    pub(super) fn changed(&self, file: &Path) -> Option<Timestamp> {
        let (_, stamp) = self.files.iter().find(|(known, _)| known == file)?;
        let (_, _, _, (seconds, _), _) = (*stamp)?;
        u64::try_from(seconds).ok().map(Timestamp::from_secs)
    }

    /// Records a read error. An error outside the file (no descriptors left, a failing disk) can pass without a visible change: the next
    /// look then reports one.
    pub fn unread(&mut self, error: &io::Error) {
        use io::ErrorKind::{InvalidData, IsADirectory, NotADirectory, NotFound, PermissionDenied};
        let lasting = [InvalidData, IsADirectory, NotADirectory, NotFound, PermissionDenied].contains(&error.kind());
        self.passing |= !lasting;
    }

    /// Compares the files with their last seen state, and updates that state.
    pub fn look(&mut self) -> Change {
        let mut change = if mem::take(&mut self.passing) { Change::Some } else { Change::None };
        for (file, before) in &mut self.files {
            let now = stamp(file);
            if now != *before {
                *before = now;
                change = Change::Some;
            }
        }
        change
    }

    /// Returns true if any file has changed since the last look. The next look reports it too.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        self.files.iter().any(|(file, before)| stamp(file) != *before)
    }
}

fn stamp(file: &Path) -> Stamp {
    let data = metadata(file).ok()?;
    Some((data.dev(), data.ino(), data.len(), (data.mtime(), data.mtime_nsec()), (data.ctime(), data.ctime_nsec())))
}

#[cfg(test)]
mod tests {
    use super::{Change, FileWatcher};
    use std::fs::{create_dir, remove_file, rename, write};
    use std::io::{Error, ErrorKind};
    use std::os::unix::fs::symlink;

    #[test]
    fn every_way_of_changing_a_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        create_dir(at("one")).unwrap();
        create_dir(at("two")).unwrap();
        write(at("one/file"), "a").unwrap();
        write(at("two/file"), "a").unwrap();
        symlink("one", at("..data")).unwrap();
        symlink("..data/file", at("file")).unwrap();
        let mut watched = FileWatcher::default();
        watched.add(&at("file"));
        watched.add(&at("late"));
        assert_eq!(watched.look(), Change::None);

        write(at("one/file"), "b and more").unwrap();
        assert_eq!((watched.look(), watched.look()), (Change::Some, Change::None), "written over");

        symlink("two", at("..data_tmp")).unwrap();
        rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!((watched.look(), watched.look()), (Change::Some, Change::None), "symlink swapped");

        write(at("new"), "a").unwrap();
        rename(at("new"), at("two/file")).unwrap();
        assert_eq!((watched.look(), watched.look()), (Change::Some, Change::None), "renamed over");

        write(at("late"), "").unwrap();
        assert_eq!((watched.look(), watched.look()), (Change::Some, Change::None), "come late");

        remove_file(at("two/file")).unwrap();
        assert!(watched.have_changed() && watched.have_changed(), "asking does not make it the state before");
        assert_eq!((watched.look(), watched.look()), (Change::Some, Change::None), "gone");
        assert!(!watched.have_changed());
    }

    #[test]
    fn what_may_pass_by_itself_is_looked_at_again() {
        const EIO: i32 = 5;
        const EMFILE: i32 = 24;
        let mut watched = FileWatcher::default();
        for (error, expected) in [
            (Error::from_raw_os_error(EIO), Change::Some),
            (Error::from_raw_os_error(EMFILE), Change::Some),
            (Error::from(ErrorKind::NotFound), Change::None),
            (Error::from(ErrorKind::PermissionDenied), Change::None),
            (Error::from(ErrorKind::InvalidData), Change::None),
        ] {
            watched.unread(&error);
            assert_eq!((watched.look(), watched.look()), (expected, Change::None), "{error}");
        }
    }
}
