//! Reads files and streams up to a limit, so that unexpected input can't fill the memory. The caller defines the limit and the error
//! message.

use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a stream; `None` if it is larger than `limit` bytes, of which one more is read at most.
pub(crate) fn read_to_limit(from: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    let read = from.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    Ok(u64::try_from(read).is_ok_and(|read| read <= limit).then_some(content))
}

/// Reads a file; `None` if it is larger than `limit` bytes.
pub(crate) fn read_file_to_limit(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    read_to_limit(File::open(path)?, limit)
}

/// Reads a regular file; `None` if it is larger than `limit` bytes. For files that are read again and again: a pipe would block for ever.
pub(crate) fn read_regular_file_to_limit(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = open_at_once(path, OFlags::empty())?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
    }
    read_to_limit(file, limit)
}

/// Opens a file for reading. A pipe is opened at once, instead of blocking for ever.
pub(crate) fn open_at_once(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use super::{read_regular_file_to_limit, read_to_limit};
    use std::fs;
    use std::io::repeat;
    use std::path::Path;
    use std::process::Command;

    #[test]
    fn what_is_larger_than_the_bound_is_not_kept() {
        assert_eq!(read_to_limit(b"".as_slice(), 0).unwrap().as_deref(), Some(b"".as_slice()));
        assert_eq!(read_to_limit(b"abc".as_slice(), 3).unwrap().as_deref(), Some(b"abc".as_slice()));
        assert_eq!(read_to_limit(b"abcd".as_slice(), 3).unwrap(), None);
        assert_eq!(read_to_limit(repeat(b'x'), 1_000).unwrap(), None);
    }
    #[test]
    fn only_a_regular_file_is_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, pipe) = (folder.path().join("file"), folder.path().join("pipe"));
        fs::write(&file, "abc").unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(read_regular_file_to_limit(&file, 3).unwrap().as_deref(), Some(b"abc".as_slice()));
        assert_eq!(read_regular_file_to_limit(&file, 2).unwrap(), None);
        for other in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            let error = read_regular_file_to_limit(other, 3).unwrap_err();
            assert_eq!(error.to_string(), "it is no regular file", "{}", other.display());
        }
    }
}
