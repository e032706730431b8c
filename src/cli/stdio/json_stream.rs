//! A reader of JSON values in a stream with arbitrary text between them. Invalid text costs only itself: reading goes
//! on at the next `{`. Each byte is scanned a fixed number of times, whatever the input. Messages never repeat input,
//! since it may be a credential.

mod scanner;

use super::message::UnreadableId;
use scanner::{Scanner, Step};

/// Maximum size of a value, 1 MiB: it bounds the buffer. Beyond it the value is an error, and the rest of its line is
/// skipped.
const MAX_BYTES: usize = 1024 * 1024;

/// The unconsumed input of a stream.
#[derive(Debug)]
pub(super) struct JsonStream {
    buffer: Vec<u8>,
    /// Consumed bytes of the buffer.
    left: usize,
    /// Scanned bytes of the current value.
    seen: usize,
    scanner: Scanner,
    /// The last error reported, unless a value followed it.
    reported: Option<StreamError>,
    /// Consumed line ends.
    lines: usize,
    skipping: Skipping,
    end: End,
}

/// The kind of input to skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skipping {
    /// Blanks.
    Blanks,
    /// The rest of something broken and reported, up to the next `{`.
    Broken,
    /// The rest of something broken and reported, up to the end of the line.
    Line,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Reached,
}

/// Invalid input, and its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamError {
    pub(super) line: usize,
    pub(super) kind: ErrorKind,
}

/// Kinds of invalid input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ErrorKind {
    #[error("this is not a JSON object; reading continues at the next one")]
    NoObject,
    #[error("the JSON object that begins here is malformed; reading continues at the next one")]
    Syntax,
    #[error("the JSON object that begins here is incomplete at the end of the input")]
    CutOff,
    #[error("the JSON object that begins here is larger than {} MiB; reading continues in the next line", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    #[error("the JSON object that begins here gets no reply: {0}")]
    NoReply(#[from] UnreadableId),
}

impl Default for JsonStream {
    fn default() -> Self {
        let (skipping, end) = (Skipping::Blanks, End::Open);
        Self {
            buffer: Vec::new(),
            left: 0,
            seen: 0,
            scanner: Scanner::default(),
            reported: None,
            lines: 0,
            skipping,
            end,
        }
    }
}

impl JsonStream {
    /// Adds input.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.left));
        self.buffer.extend_from_slice(bytes);
    }

    /// Marks the end of the input.
    pub(super) fn end(&mut self) {
        self.end = End::Reached;
    }

    /// Returns the next value, parsed, or error; `None` if it needs more input. `parse` receives a well-formed JSON
    /// object, whose texts may not be Unicode. Of consecutive errors of one kind on a line, only the first is returned.
    pub(super) fn next<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<T, UnreadableId>,
    ) -> Option<Result<T, StreamError>> {
        loop {
            let found = self.found(&parse)?;
            let error = found.as_ref().err().copied();
            let is_repeatable =
                error.is_some_and(|error| matches!(error.kind, ErrorKind::NoObject | ErrorKind::Syntax));
            if !is_repeatable || error != std::mem::replace(&mut self.reported, error) {
                self.reported = error;
                return Some(found);
            }
        }
    }

    fn found<T>(&mut self, parse: impl Fn(&[u8]) -> Result<T, UnreadableId>) -> Option<Result<T, StreamError>> {
        if self.seen == 0
            && let Some(broken) = self.skip()
        {
            return Some(Err(broken));
        }
        let line = self.line();
        let error = |kind| Some(Err(StreamError { line, kind }));
        while let Some(byte) = self.ahead().get(self.seen).copied() {
            match self.scanner.step(byte) {
                // Consumes at least the beginning of this value: the next one begins later.
                Step::Wrong => {
                    self.leave(self.seen);
                    self.skipping = Skipping::Broken;
                    return error(ErrorKind::Syntax);
                }
                Step::On | Step::End if self.seen >= MAX_BYTES => {
                    self.leave(self.seen);
                    self.skipping = Skipping::Line;
                    return error(ErrorKind::TooLarge);
                }
                Step::On => self.seen = self.seen.saturating_add(1),
                Step::End => {
                    let length = self.seen.saturating_add(1);
                    let value = parse(self.ahead().get(..length).unwrap_or_default());
                    self.leave(length);
                    return Some(value.map_err(|error| StreamError { line, kind: error.into() }));
                }
            }
        }
        if self.end == End::Reached && self.seen > 0 {
            self.leave(self.seen);
            return error(ErrorKind::CutOff);
        }
        None
    }

    /// Skips to the next value. Returns an error once if there is anything but blanks.
    fn skip(&mut self) -> Option<StreamError> {
        if self.skipping == Skipping::Line {
            let end = self.ahead().iter().position(|byte| *byte == b'\n');
            self.leave(end.unwrap_or(usize::MAX));
            end?;
            self.skipping = Skipping::Blanks;
        }
        let mut found = None;
        loop {
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let blanks = self.ahead().iter().position(|byte| !blank(byte));
            self.leave(blanks.unwrap_or(usize::MAX));
            match self.ahead().first() {
                Some(b'{') => {
                    self.skipping = Skipping::Blanks;
                    return found;
                }
                None => return found,
                Some(_) if self.skipping == Skipping::Broken => {}
                Some(_) => found = Some(StreamError { line: self.line(), kind: ErrorKind::NoObject }),
            }
            self.skipping = Skipping::Broken;
            let next = self.ahead().iter().position(|byte| *byte == b'{');
            self.leave(next.unwrap_or(usize::MAX));
        }
    }

    /// Returns the unconsumed bytes.
    fn ahead(&self) -> &[u8] {
        self.buffer.get(self.left..).unwrap_or_default()
    }

    /// Returns the line of the next unconsumed byte, from 1.
    const fn line(&self) -> usize {
        self.lines.saturating_add(1)
    }

    /// Consumes `length` bytes, or all if there are fewer.
    fn leave(&mut self, length: usize) {
        let ahead = self.ahead();
        let behind = ahead.get(..length).unwrap_or(ahead);
        let (length, lines) = (behind.len(), behind.split(|byte| *byte == b'\n').skip(1).count());
        self.left = self.left.saturating_add(length);
        self.lines = self.lines.saturating_add(lines);
        self.seen = 0;
        self.scanner = Scanner::default();
    }
}

#[cfg(test)]
mod tests;
