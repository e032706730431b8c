//! The output of log lines: batches of whole lines, each written at once. A line that was torn ends before the next one begins.

use super::file::{LogFileError, is_torn, open_for_lines};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Maximum bytes of lines that are written at once. A pipe takes as many without mixing them with those of another program (`PIPE_BUF` of Linux).
pub(super) const MAX_WRITE_BYTES: usize = 4 * 1024;

/// A file to which lines are written. For standard output it lacks the exception that Rust makes for a closed one: a line is written, or it
/// is counted as failed.
#[derive(Debug)]
pub(super) struct Output {
    /// `None` if it can't be opened.
    file: Option<File>,
    /// The path of the file; `None` for standard output.
    path: Option<PathBuf>,
    /// Whole lines that are written together.
    batch: Vec<u8>,
    /// True if the last line that was written lacks its end.
    is_torn: bool,
}

impl Output {
    /// Returns standard output.
    pub(super) fn stdout() -> Self {
        Self::new(io::stdout().as_fd().try_clone_to_owned().ok().map(File::from))
    }

    pub(super) const fn new(file: Option<File>) -> Self {
        Self { file, path: None, batch: Vec::new(), is_torn: false }
    }

    /// Opens the file at this path.
    ///
    /// # Errors
    /// [`LogFileError`] if it can't be opened.
    pub(super) fn open(path: PathBuf) -> Result<Self, LogFileError> {
        let file = open_for_lines(&path)?;
        let is_torn = is_torn(&path);
        Ok(Self { file: Some(file), path: Some(path), batch: Vec::new(), is_torn })
    }

    /// Writes the batch to the open file, and opens its path again: the file may have been renamed. If that fails, the open file stays in use.
    /// Returns the number of lines that could not be written.
    pub(super) fn reopen(&mut self) -> u64 {
        let failed = self.send();
        let Some(path) = &self.path else { return failed };
        let file = path.display();
        match open_for_lines(path) {
            Ok(opened) => {
                if self.is_torn {
                    // The old file gets no other line, which would end this one. If it takes no more, it stays torn.
                    let _ = self.file.as_mut().map(|file| file.write(b"\n"));
                }
                self.file = Some(opened);
                self.is_torn = is_torn(path);
                tracing::info!(%file, "decision log reopened");
            }
            Err(error) => tracing::error!(%file, %error, "decision log not reopened; the open file stays in use"),
        }
        failed
    }

    /// Adds a line to the batch, and writes the batch first if there is no room in it. Returns the number of lines that could not be written.
    pub(super) fn add(&mut self, line: &[u8]) -> u64 {
        let failed = if self.batch.len().saturating_add(line.len()) > MAX_WRITE_BYTES { self.send() } else { 0 };
        if self.is_torn && self.batch.is_empty() {
            self.batch.push(b'\n');
            self.is_torn = false;
        }
        self.batch.extend_from_slice(line);
        failed
    }

    /// Writes the batch. Returns the number of lines that could not be written whole.
    pub(super) fn send(&mut self) -> u64 {
        let mut rest = self.batch.as_slice();
        while let Some(file) = self.file.as_mut().filter(|_| !rest.is_empty()) {
            match file.write(rest) {
                Ok(0) => break,
                Ok(written) => {
                    let (done, left) = rest.split_at_checked(written).unwrap_or((rest, &[]));
                    self.is_torn = !done.ends_with(b"\n");
                    rest = left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // A batch is made of whole lines.
        let failed = rest.split_inclusive(|byte| *byte == b'\n').count();
        self.batch.clear();
        u64::try_from(failed).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_WRITE_BYTES, Output};
    use std::fs::File;
    use std::io::{PipeReader, Read, pipe};
    use std::os::fd::OwnedFd;
    use std::thread;

    fn output() -> (PipeReader, Output) {
        let (reader, writer) = pipe().unwrap();
        (reader, Output::new(Some(File::from(OwnedFd::from(writer)))))
    }

    #[test]
    fn lines_that_no_reader_takes_are_counted() {
        let (reader, mut output) = output();
        assert_eq!((output.add(b"a line\n"), output.send()), (0, 0));
        drop(reader);
        assert_eq!((output.add(b"a line\n"), output.add(b"another\n")), (0, 0));
        assert_eq!((output.send(), output.send()), (2, 0));
    }

    #[test]
    fn a_batch_is_made_of_whole_lines_up_to_a_limit() {
        const LINES: usize = 20_000;
        let (mut reader, mut output) = output();
        let line = [&[b'a'; 299][..], b"\n"].concat();
        let reading = thread::spawn(move || {
            let mut taken = Vec::new();
            reader.read_to_end(&mut taken).unwrap();
            taken
        });
        for _ in 0..LINES {
            assert_eq!(output.add(&line), 0);
            assert!(output.batch.len() <= MAX_WRITE_BYTES && output.batch.ends_with(b"\n"));
        }
        assert_eq!(output.send(), 0);
        drop(output);
        assert_eq!(reading.join().unwrap(), line.repeat(LINES));
    }

    /// A pipe that does not block takes a part of a line when it is nearly full.
    #[test]
    fn after_a_torn_line_the_next_one_begins_anew() {
        let (mut reader, mut output) = output();
        rustix::io::ioctl_fionbio(output.file.as_ref().unwrap(), true).unwrap();
        // Longer than a pipe, so that only its beginning is written.
        let long = [vec![b'a'; 1 << 20], b"\n".to_vec()].concat();
        assert_eq!((output.add(&long), output.send()), (0, 1));
        let mut buffer = vec![0; 1 << 20];
        let taken = reader.read(&mut buffer).unwrap();
        assert!(taken > 0 && buffer[..taken].iter().all(|byte| *byte == b'a'));
        assert_eq!((output.add(b"whole\n"), output.send()), (0, 0));
        let taken = reader.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..taken], b"\nwhole\n");
    }
}
