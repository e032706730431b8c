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
    is_unreadable: bool,
    /// True if a change was seen that has not settled yet.
    is_pending: bool,
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
    /// poll then reports one.
    pub fn retry_after(&mut self, error: &io::Error) {
        use io::ErrorKind::{InvalidData, IsADirectory, NotADirectory, NotFound, PermissionDenied};
        let lasting = [InvalidData, IsADirectory, NotADirectory, NotFound, PermissionDenied].contains(&error.kind());
        self.is_unreadable |= !lasting;
    }

    /// Makes the next quiet poll report a settled change.
    pub const fn mark_changed(&mut self) {
        self.is_pending = true;
    }

    /// Polls the files. Returns true once after a change, when a poll finds no further one: so no file is read while it is being written.
    pub fn has_settled(&mut self) -> bool {
        if self.poll() {
            self.is_pending = true;
            return false;
        }
        mem::take(&mut self.is_pending)
    }

    /// Compares the files with their last seen state, and updates that state. Returns true if one has changed.
    fn poll(&mut self) -> bool {
        let mut has_changed = mem::take(&mut self.is_unreadable);
        for (file, before) in &mut self.files {
            let now = stamp(file);
            if now != *before {
                *before = now;
                has_changed = true;
            }
        }
        has_changed
    }

    /// Returns true if any file has changed since the last poll. The next poll reports it too.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.files.iter().any(|(file, before)| stamp(file) != *before)
    }
}

fn stamp(file: &Path) -> Stamp {
    let data = metadata(file).ok()?;
    Some((data.dev(), data.ino(), data.len(), (data.mtime(), data.mtime_nsec()), (data.ctime(), data.ctime_nsec())))
}

#[cfg(test)]
mod tests {
    use super::FileWatcher;
    use std::fs::{create_dir, remove_file, rename, write};
    use std::io::{Error, ErrorKind};
    use std::os::unix::fs::symlink;

    #[test]
    fn every_kind_of_change_is_seen() {
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
        assert!(!watched.poll());

        write(at("one/file"), "b and more").unwrap();
        assert_eq!((watched.poll(), watched.poll()), (true, false), "written over");

        symlink("two", at("..data_tmp")).unwrap();
        rename(at("..data_tmp"), at("..data")).unwrap();
        assert_eq!((watched.poll(), watched.poll()), (true, false), "symlink swapped");

        write(at("new"), "a").unwrap();
        rename(at("new"), at("two/file")).unwrap();
        assert_eq!((watched.poll(), watched.poll()), (true, false), "renamed over");

        write(at("late"), "").unwrap();
        assert_eq!((watched.poll(), watched.poll()), (true, false), "created late");

        remove_file(at("two/file")).unwrap();
        assert!(watched.has_changed() && watched.has_changed(), "it does not update the state");
        assert_eq!((watched.poll(), watched.poll()), (true, false), "gone");
        assert!(!watched.has_changed());
    }

    #[test]
    fn a_change_settles_when_no_further_one_follows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let mut watched = FileWatcher::default();
        watched.add(&file);
        assert!(!watched.has_settled());
        for text in ["a", "ab"] {
            write(&file, text).unwrap();
            assert!(!watched.has_settled(), "{text}");
        }
        assert_eq!((watched.has_settled(), watched.has_settled()), (true, false));
        watched.mark_changed();
        assert_eq!((watched.has_settled(), watched.has_settled()), (true, false));
    }

    #[test]
    fn a_temporary_failure_is_tried_again() {
        const EIO: i32 = 5;
        const EMFILE: i32 = 24;
        let mut watched = FileWatcher::default();
        for (error, expected) in [
            (Error::from_raw_os_error(EIO), true),
            (Error::from_raw_os_error(EMFILE), true),
            (Error::from(ErrorKind::NotFound), false),
            (Error::from(ErrorKind::PermissionDenied), false),
            (Error::from(ErrorKind::InvalidData), false),
        ] {
            watched.retry_after(&error);
            assert_eq!((watched.poll(), watched.poll()), (expected, false), "{error}");
        }
    }
}
