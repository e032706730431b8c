//! The file of a log: opened for appending, without waiting for what is not a file.

use rustix::fs::{FileType, Mode, OFlags, fcntl_setfl, fstat, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The mode of a new file, less the umask: the group may read it, such as that of a log shipper.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);

/// An error that makes a path useless as the file of a log.
#[derive(Debug, thiserror::Error)]
pub enum LogFileError {
    /// The system refuses it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is a directory.
    #[error("it is a directory; write the path of a file")]
    Directory,
    /// It is a FIFO, or a socket. A reader that is absent or slow would hold lines back.
    #[error("it is a FIFO or a socket; write the path of a file, or `stdout` and start modgud with a pipe")]
    Pipe,
    /// It is a disk.
    #[error("it is a block device; write the path of a file")]
    Device,
}

/// Opens a file, and creates it if it is missing. Character devices such as `/dev/null` are accepted.
///
/// # Errors
/// [`LogFileError`] if it can't be opened, or is of another type.
pub(super) fn open_for_lines(path: &Path) -> Result<File, LogFileError> {
    // Without `NONBLOCK`, a FIFO without a reader would not open.
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = open(path, flags | OFlags::NONBLOCK, FILE_MODE).map_err(|error| match error {
        Errno::ISDIR => LogFileError::Directory,
        Errno::NXIO => LogFileError::Pipe,
        error => LogFileError::Io(error.into()),
    })?;
    match FileType::from_raw_mode(fstat(&file).map_err(io::Error::from)?.st_mode) {
        FileType::RegularFile | FileType::CharacterDevice => {}
        FileType::Fifo | FileType::Socket => return Err(LogFileError::Pipe),
        FileType::Directory => return Err(LogFileError::Directory),
        FileType::BlockDevice | FileType::Symlink | FileType::Unknown => return Err(LogFileError::Device),
    }
    fcntl_setfl(&file, OFlags::APPEND).map_err(io::Error::from)?;
    Ok(File::from(file))
}

/// Returns true if the file's last line lacks its end, as after a crash. False if it can't be read.
pub(super) fn is_torn(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(b'\n');
        }
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        let [last] = last;
        Ok(last)
    };
    last().is_ok_and(|last| last != b'\n')
}

#[cfg(test)]
mod tests {
    use super::{LogFileError, is_torn, open_for_lines};
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::tempdir;

    #[test]
    fn a_new_file_is_not_for_all_and_an_old_one_is_continued() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("decisions.log");
        open_for_lines(&path).unwrap().write_all(b"one\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
        assert!(!is_torn(&path));
        open_for_lines(&path).unwrap().write_all(b"tw").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntw");
        assert!(is_torn(&path));
    }

    #[test]
    fn only_files_and_character_devices_are_opened() {
        let folder = tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(matches!(open_for_lines(&fifo), Err(LogFileError::Pipe)));
        let _reader = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        assert!(matches!(open_for_lines(&fifo), Err(LogFileError::Pipe)));
        assert!(matches!(open_for_lines(folder.path()), Err(LogFileError::Directory)));
        let missing = open_for_lines(&folder.path().join("a/b")).unwrap_err();
        assert!(missing.to_string().starts_with("No such file or directory"), "{missing}");
        assert!(open_for_lines("/dev/null".as_ref()).is_ok() && !is_torn("/dev/null".as_ref()));
    }
}
