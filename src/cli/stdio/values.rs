//! Takes JSON values out of a stream, whatever stands between them. What is no value costs itself and not the next one: reading
//! goes on at the next `{`. Nothing of what was sent is repeated in a message about it, since it may be a credential.

use serde::de::{DeserializeOwned, IgnoredAny};

/// The largest value that is read: 1 MiB.
const MOST_BYTES: usize = 1024 * 1024;

/// What has been read of a stream and not been given on yet.
#[derive(Debug)]
pub(super) struct Values {
    buffer: Vec<u8>,
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
#[derive(Debug, PartialEq, Eq)]
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
    #[error("the JSON value that begins here is larger than {} MiB; reading goes on in the next line", MOST_BYTES / 1024 / 1024)]
    TooLarge,
    #[error(
        "the JSON value that begins here is no message: `src`, `dest`, and a `body` of the type `init` (`msg_id`, `jwt_public_key`) or \
             `api_request` (`msg_id`, `method`, `path`) are needed"
    )]
    NoMessage,
}

impl Default for Values {
    fn default() -> Self {
        Self { buffer: Vec::new(), lines: 0, skipping: Skipping::Blanks, end: End::Open }
    }
}

impl Values {
    /// More of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// There is no more.
    pub(super) fn end(&mut self) {
        self.end = End::Reached;
    }

    /// The next value, or the next thing that is none; `None` when more of the stream is needed.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Option<Result<T, Broken>> {
        if let Some(broken) = self.skip() {
            return Some(Err(broken));
        }
        if self.buffer.is_empty() {
            return None;
        }
        let line = self.line();
        let mut values = serde_json::Deserializer::from_slice(&self.buffer).into_iter::<IgnoredAny>();
        let what = match values.next()? {
            Ok(_) if values.byte_offset() > MOST_BYTES => (values.byte_offset(), Skipping::Blanks, What::TooLarge),
            Ok(_) => {
                let length = values.byte_offset();
                let value = serde_json::from_slice(self.buffer.get(..length).unwrap_or_default());
                self.leave(length);
                return Some(value.map_err(|_| Broken { line, what: What::NoMessage }));
            }
            Err(error) if error.is_eof() && self.buffer.len() > MOST_BYTES => {
                (MOST_BYTES, Skipping::Line, What::TooLarge)
            }
            Err(error) if error.is_eof() => match self.end {
                End::Open => return None,
                End::Reached => (self.buffer.len(), Skipping::Blanks, What::CutOff),
            },
            Err(error) => {
                let at = offset(&self.buffer, error.line(), error.column());
                // At least the beginning of this value is left behind: the next one begins later.
                (at.max(1), Skipping::Broken, What::Syntax)
            }
        };
        let (length, skipping, what) = what;
        self.leave(length);
        self.skipping = skipping;
        Some(Err(Broken { line, what }))
    }

    /// Passes over what is before the next value. Something there that is no blank is told once.
    fn skip(&mut self) -> Option<Broken> {
        if self.skipping == Skipping::Line {
            let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
                self.leave(self.buffer.len());
                return None;
            };
            self.leave(end);
            self.skipping = Skipping::Blanks;
        }
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let blanks = self.buffer.iter().position(|byte| !blank(byte)).unwrap_or(self.buffer.len());
        self.leave(blanks);
        if self.buffer.first().is_none_or(|byte| *byte == b'{') {
            if !self.buffer.is_empty() {
                self.skipping = Skipping::Blanks;
            }
            return None;
        }
        let line = self.line();
        let known = self.skipping == Skipping::Broken;
        self.skipping = Skipping::Broken;
        let next = self.buffer.iter().position(|byte| *byte == b'{').unwrap_or(self.buffer.len());
        self.leave(next);
        if known { self.skip() } else { Some(Broken { line, what: What::NoObject }) }
    }

    /// The line in which the buffer begins, from 1.
    const fn line(&self) -> usize {
        self.lines.saturating_add(1)
    }

    fn leave(&mut self, length: usize) {
        let left = self.buffer.drain(..length.min(self.buffer.len()));
        self.lines = self.lines.saturating_add(left.filter(|byte| *byte == b'\n').count());
    }
}

/// Where a place stands that is told as line and column, both from 1.
fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let before = text.split(|byte| *byte == b'\n').take(line.saturating_sub(1));
    let start = before.fold(0, |sum: usize, line| sum.saturating_add(line.len()).saturating_add(1));
    start.saturating_add(column.saturating_sub(1))
}

#[cfg(test)]
mod tests;
