//! Whether any of the files that a configuration was made from has changed. Looks at their metadata and reads nothing.
//!
//! Files are looked at again and again rather than watched by the kernel: that sees a symlink that is swapped (Kubernetes
//! updates mounted files by swapping `..data`), an editor that renames, a file that comes late, and a network file system, all
//! in the same way, and costs a handful of system calls twice a second.

use modgud_core::time::Timestamp;
use std::fs::metadata;
use std::io;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another: device, inode, size, and the times of change in nanoseconds. `None` when the
/// file can't be had.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

/// Files, and how they were when last looked at.
#[derive(Debug, Default)]
pub struct FileWatcher {
    files: Vec<(PathBuf, Stamp)>,
    /// Whether one could not be read for a reason that passes without a trace in the file.
    passing: bool,
}

/// What has become of the files since they were last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// At least one is another than before.
    Some,
}

impl FileWatcher {
    /// Adds a file as it is now. To be called before it is read, so that no change after that is missed.
    pub fn add(&mut self, file: &Path) {
        self.files.push((file.to_path_buf(), stamp(file)));
    }

    /// When a file was last written, as it was added; `None` when it could not be had, or says a time before 1970.
    pub(super) fn changed(&self, file: &Path) -> Option<Timestamp> {
        let (_, stamp) = self.files.iter().find(|(known, _)| known == file)?;
        let (_, _, _, (seconds, _), _) = (*stamp)?;
        u64::try_from(seconds).ok().map(Timestamp::from_secs)
    }

    /// Notes why a file could not be read. What is not in the file (no descriptors left, a disk that fails) can pass without
    /// a change to see: the next look is then to say that there is one.
    pub fn unread(&mut self, error: &io::Error) {
        use io::ErrorKind::{InvalidData, IsADirectory, NotADirectory, NotFound, PermissionDenied};
        let lasting = [InvalidData, IsADirectory, NotADirectory, NotFound, PermissionDenied].contains(&error.kind());
        self.passing |= !lasting;
    }

    /// Looks again.
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

    /// Whether any is another than when it was last looked at. The next look says so too.
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
