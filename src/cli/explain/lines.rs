//! The lines of a log of any length, read one by one into bounded memory.

use crate::cli::explain::log::MAX_LINE_BYTES;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Opens a log, or standard input. Returns its name for messages, and its content.
pub(super) fn open(file: &Path) -> (String, io::Result<Box<dyn BufRead>>) {
    if file.as_os_str() == "-" {
        return ("standard input".to_owned(), Ok(Box::new(io::stdin().lock())));
    }
    let opened = File::open(file).map(|file| Box::new(BufReader::new(file)) as Box<dyn BufRead>);
    (file.display().to_string(), opened)
}

/// The lines of a stream.
pub(super) struct Lines<R> {
    from: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(from: R) -> Self {
        Self { from, line: Vec::new() }
    }

    /// Returns the next line, without its end; `None` at the end of the stream. Of a line that is too long, only so much is kept that
    /// it is recognized as one. Bytes that are no UTF-8 text are replaced.
    pub(super) fn next(&mut self) -> io::Result<Option<String>> {
        self.line.clear();
        loop {
            let read = match self.from.fill_buf() {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read.is_empty() {
                return Ok((!self.line.is_empty()).then(|| self.text()));
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
            let room = MAX_LINE_BYTES.saturating_add(1).saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
            let used = part.len().saturating_add(usize::from(end.is_some()));
            self.from.consume(used);
            if end.is_some() {
                return Ok(Some(self.text()));
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.line).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use crate::cli::explain::log::MAX_LINE_BYTES;
    use std::io::{BufReader, Read, repeat};

    fn all(text: &[u8]) -> Vec<String> {
        // A small buffer, so that lines span several reads.
        let mut lines = Lines::new(BufReader::with_capacity(3, text));
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn lines_are_split_at_their_ends() {
        assert_eq!(all(b""), [""; 0]);
        assert_eq!(all(b"\n"), [""]);
        assert_eq!(all(b"abcdef\n\nxy"), ["abcdef", "", "xy"]);
        assert_eq!(all(b"a\xffb\n"), ["a\u{fffd}b"]);
    }

    #[test]
    fn of_a_huge_line_only_the_start_is_kept() {
        let stream = repeat(b'x').take(50_000_000).chain(&b"\nend"[..]);
        let mut lines = Lines::new(BufReader::new(stream));
        assert_eq!(lines.next().unwrap().unwrap().len(), MAX_LINE_BYTES + 1);
        assert!(lines.line.capacity() < 4 * MAX_LINE_BYTES, "{}", lines.line.capacity());
        assert_eq!(lines.next().unwrap().as_deref(), Some("end"));
    }
}
