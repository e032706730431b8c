//! A reader of JSON values in a stream with arbitrary text between them. After text between values, reading continues at
//! the next `{`. After a malformed object it continues at the next line that begins with `{`, so that no part of the object
//! is taken for a message. Each byte is scanned a fixed number of times, whatever the input. Messages never repeat input,
//! since it may be a credential.

mod scanner;

use super::message::UnreadableId;
use scanner::{Scanner, Step};
use std::fmt;

/// Maximum size of a value, 1 MiB: it bounds the buffer. Beyond it the value is an error, and is
/// skipped as a malformed one.
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
    /// The line of the last error, unless a value followed it.
    reported: Option<usize>,
    /// Consumed line ends.
    lines: usize,
    /// Consumed characters of the current line.
    columns: usize,
    skipping: Skipping,
    end: End,
}

/// The kind of input to skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skipping {
    /// Blanks.
    Blanks,
    /// The rest of reported text between values, up to the next `{`.
    Stray,
    /// The rest of the line of a reported object, and then lines that do not begin with `{`.
    Line,
    /// Blanks at the start of a line after a reported object.
    LineStart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Reached,
}

/// A place in the input, from 1. Columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Invalid input, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{at} of the input: {kind}")]
pub(super) struct StreamError {
    pub(super) at: Position,
    pub(super) kind: ErrorKind,
}

/// Kinds of invalid input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ErrorKind {
    #[error("this is not a JSON object; reading continues at the next one")]
    NoObject,
    #[error(
        "the JSON object from {start} on is malformed here; write {expected}; reading continues at the next line that begins with `{{`"
    )]
    Syntax { start: Position, expected: &'static str },
    #[error("the JSON object that begins here is incomplete at the end of the input")]
    CutOff,
    #[error("the JSON object that begins here is larger than {} MiB; reading continues at the next line that begins with `{{`", MAX_BYTES / 1024 / 1024)]
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
            columns: 0,
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
    /// object, whose texts may not be Unicode. Of consecutive errors on a line, only the first is returned: the others are
    /// consequences of it.
    pub(super) fn next<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<T, UnreadableId>,
    ) -> Option<Result<T, StreamError>> {
        loop {
            let found = self.found(&parse)?;
            let line = found.as_ref().err().map(|error| error.at.line);
            if line.is_none() || line != self.reported {
                self.reported = line;
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
        let start = self.position();
        let error = |kind| Some(Err(StreamError { at: start, kind }));
        while let Some(byte) = self.ahead().get(self.seen).copied() {
            let expected = self.scanner.expected();
            match self.scanner.step(byte) {
                // Consumes at least the beginning of this value: the next one begins later.
                Step::Wrong => {
                    let seen = self.ahead().get(..self.seen).unwrap_or_default();
                    let is_line_start =
                        seen.iter().rev().find(|byte| !is_blank(**byte) || **byte == b'\n') == Some(&b'\n');
                    self.leave(self.seen);
                    self.skipping = if is_line_start { Skipping::LineStart } else { Skipping::Line };
                    return Some(Err(StreamError { at: self.position(), kind: ErrorKind::Syntax { start, expected } }));
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
                    return Some(value.map_err(|error| StreamError { at: start, kind: error.into() }));
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
        let mut found = None;
        loop {
            let next = self.ahead().iter().position(|byte| match self.skipping {
                Skipping::Blanks | Skipping::LineStart => !is_blank(*byte),
                Skipping::Stray => *byte == b'{',
                Skipping::Line => *byte == b'\n',
            });
            self.leave(next.unwrap_or(usize::MAX));
            let Some(first) = self.ahead().first() else { return found };
            self.skipping = match (self.skipping, first) {
                (Skipping::Blanks | Skipping::LineStart, b'{') | (Skipping::Stray, _) => {
                    self.skipping = Skipping::Blanks;
                    return found;
                }
                (Skipping::Blanks, _) => {
                    found = Some(StreamError { at: self.position(), kind: ErrorKind::NoObject });
                    Skipping::Stray
                }
                (Skipping::LineStart, _) => Skipping::Line,
                (Skipping::Line, _) => Skipping::LineStart,
            };
        }
    }

    /// Returns the unconsumed bytes.
    fn ahead(&self) -> &[u8] {
        self.buffer.get(self.left..).unwrap_or_default()
    }

    /// Returns the place of the next unconsumed byte.
    const fn position(&self) -> Position {
        Position { line: self.lines.saturating_add(1), column: self.columns.saturating_add(1) }
    }

    /// Consumes `length` bytes, or all if there are fewer.
    fn leave(&mut self, length: usize) {
        let ahead = self.ahead();
        let behind = ahead.get(..length).unwrap_or(ahead);
        let (length, lines) = (behind.len(), behind.split(|byte| *byte == b'\n').skip(1).count());
        // The bytes of a character after its first one are 0x80 to 0xBF (RFC 3629 §3).
        let columns = behind.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let columns = columns.iter().filter(|byte| !matches!(byte, 0x80..=0xbf)).count();
        self.columns = if lines == 0 { self.columns.saturating_add(columns) } else { columns };
        self.left = self.left.saturating_add(length);
        self.lines = self.lines.saturating_add(lines);
        self.seen = 0;
        self.scanner = Scanner::default();
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests;
