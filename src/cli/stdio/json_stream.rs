//! Takes JSON values out of a stream, whatever stands between them. What is no value costs itself and not the next one: reading
//! goes on at the next `{`. Every byte is looked at a fixed number of times, whatever stands there. Nothing of what was sent is repeated
//! in a message about it, since it may be a credential.

mod scanner;

use scanner::{Scanner, Step};
use serde::de::DeserializeOwned;

/// The largest value that is read: 1 MiB.
const MAX_BYTES: usize = 1024 * 1024;

/// What has been read of a stream and not been given on yet.
#[derive(Debug)]
pub(super) struct JsonStream {
    buffer: Vec<u8>,
    /// How much of the buffer has been left behind.
    left: usize,
    /// How much of the value that begins there has been looked at.
    seen: usize,
    scanner: Scanner,
    /// What was told last, unless a value came after it.
    told: Option<Broken>,
    /// How many line ends have been left behind.
    lines: usize,
    skipping: Skipping,
    end: End,
}

/// What is being passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skipping {
    /// Blanks.
    Blanks,
    /// The rest of something broken, which has been told, up to the next `{`.
    Broken,
    /// The same up to the end of the line.
    Line,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Reached,
}

/// Something that is no value, or not the wanted one, and the line in which it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) what: What,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum What {
    #[error("what stands here is no JSON object; reading goes on at the next one")]
    NoObject,
    #[error("the JSON value that begins here ends as none; reading goes on at the next one")]
    Syntax,
    #[error("the JSON value that begins here is cut off by the end of the input")]
    CutOff,
    #[error("the JSON value that begins here is larger than {} MiB; reading goes on in the next line", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    #[error(
        "the JSON value that begins here is no message: `src`, `dest`, and a `body` of the type `init` (`msg_id`, `jwt_public_key`) or \
             `api_request` (`msg_id`, `method`, `path`) are needed; an `api_request` may have `headers` and `required_permission` and nothing else"
    )]
    NoMessage,
}

impl Default for JsonStream {
    fn default() -> Self {
        let (skipping, end) = (Skipping::Blanks, End::Open);
        Self { buffer: Vec::new(), left: 0, seen: 0, scanner: Scanner::default(), told: None, lines: 0, skipping, end }
    }
}

impl JsonStream {
    /// More of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.left));
        self.buffer.extend_from_slice(bytes);
    }

    /// There is no more.
    pub(super) fn end(&mut self) {
        self.end = End::Reached;
    }

    /// The next value, or the next thing that is none; `None` when more of the stream is needed. Of the same kind of rubbish one after
    /// the other on a line only the first is told.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Option<Result<T, Broken>> {
        loop {
            let found = self.found()?;
            let broken = found.as_ref().err().copied();
            let rubbish = broken.is_some_and(|broken| matches!(broken.what, What::NoObject | What::Syntax));
            if !rubbish || broken != std::mem::replace(&mut self.told, broken) {
                self.told = broken;
                return Some(found);
            }
        }
    }

    fn found<T: DeserializeOwned>(&mut self) -> Option<Result<T, Broken>> {
        if self.seen == 0
            && let Some(broken) = self.skip()
        {
            return Some(Err(broken));
        }
        let line = self.line();
        let broken = |what| Some(Err(Broken { line, what }));
        while let Some(byte) = self.ahead().get(self.seen).copied() {
            match self.scanner.step(byte) {
                // At least the beginning of this value is left behind: the next one begins later.
                Step::Wrong => {
                    self.leave(self.seen);
                    self.skipping = Skipping::Broken;
                    return broken(What::Syntax);
                }
                Step::On | Step::End if self.seen >= MAX_BYTES => {
                    self.leave(self.seen);
                    self.skipping = Skipping::Line;
                    return broken(What::TooLarge);
                }
                Step::On => self.seen = self.seen.saturating_add(1),
                Step::End => {
                    let length = self.seen.saturating_add(1);
                    let value = serde_json::from_slice(self.ahead().get(..length).unwrap_or_default());
                    self.leave(length);
                    return Some(value.map_err(|_| Broken { line, what: What::NoMessage }));
                }
            }
        }
        if self.end == End::Reached && self.seen > 0 {
            self.leave(self.seen);
            return broken(What::CutOff);
        }
        None
    }

    /// Passes over what is before the next value. Something there that is no blank is told once.
    fn skip(&mut self) -> Option<Broken> {
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
                Some(_) => found = Some(Broken { line: self.line(), what: What::NoObject }),
            }
            self.skipping = Skipping::Broken;
            let next = self.ahead().iter().position(|byte| *byte == b'{');
            self.leave(next.unwrap_or(usize::MAX));
        }
    }

    /// What has not been left behind.
    fn ahead(&self) -> &[u8] {
        self.buffer.get(self.left..).unwrap_or_default()
    }

    /// The line in which that begins, from 1.
    const fn line(&self) -> usize {
        self.lines.saturating_add(1)
    }

    /// Leaves so many bytes behind, or all that there are.
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
