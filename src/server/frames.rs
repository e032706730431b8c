//! Counts the HTTP/2 frames that arrive on a connection by their headers alone (RFC 9113 §4.1); payloads are skipped unread.

#[cfg(test)]
mod tests;

/// Length of the preface, which is no frame (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// Length of a frame's header (RFC 9113 §4.1).
const HEADER_BYTES: usize = 9;
/// The type of a frame that opens a stream, or ends one with trailers (RFC 9113 §6.2).
const HEADERS: u8 = 1;
/// The type of a frame that cancels a stream (RFC 9113 §6.4).
const RST_STREAM: u8 = 3;

/// The type of a frame with settings, or that acknowledges them (RFC 9113 §6.5).
const SETTINGS: u8 = 4;
/// The type of a frame that continues the headers before it (RFC 9113 §6.10).
const CONTINUATION: u8 = 9;
/// The flag of a `SETTINGS` frame that acknowledges some.
const ACK: u8 = 1;
/// The flag of a frame that ends a header block.
const END_HEADERS: u8 = 4;

/// The counts of frames.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// `HEADERS` frames that open a stream: an upper bound of new calls.
    pub(super) headers: usize,
    /// `RST_STREAM` frames.
    pub(super) resets: usize,
    /// `SETTINGS` frames that have to be applied.
    pub(super) settings: usize,
    /// Bytes of `HEADERS` frames on streams that are open already, and of their continuations.
    pub(super) trailer_bytes: usize,
}

/// The position in the frames of one connection.
#[derive(Debug)]
pub(super) struct FrameCounter {
    /// Bytes that are left of the preface or of a payload.
    skip: usize,
    /// The part of a frame's header that has arrived.
    header: [u8; HEADER_BYTES],
    arrived: usize,
    /// The last stream that was opened.
    last_stream: u32,
    /// The number of header blocks that have begun.
    blocks: usize,
    /// True if the last one has not ended.
    is_open: bool,
    /// True if the last one holds trailers.
    is_trailer: bool,
}

impl Default for FrameCounter {
    fn default() -> Self {
        Self {
            skip: PREFACE_BYTES,
            header: [0; HEADER_BYTES],
            arrived: 0,
            last_stream: 0,
            blocks: 0,
            is_open: false,
            is_trailer: false,
        }
    }
}

impl FrameCounter {
    /// Counts the frames whose headers end in these bytes, which follow those of the previous call.
    pub(super) fn count(&mut self, bytes: &[u8]) -> Counted {
        let mut counted = Counted::default();
        let mut rest = bytes;
        loop {
            let skipped = self.skip.min(rest.len());
            self.skip = self.skip.saturating_sub(skipped);
            rest = rest.get(skipped..).unwrap_or_default();
            if rest.is_empty() {
                return counted;
            }
            let header = match rest.split_first_chunk::<HEADER_BYTES>() {
                Some((header, after)) if self.arrived == 0 => {
                    rest = after;
                    *header
                }
                Some(_) | None => {
                    let Some(header) = self.complete(&mut rest) else { return counted };
                    header
                }
            };
            let [high, middle, low, kind, flags, stream @ ..] = header;
            self.skip = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
            match kind {
                HEADERS => {
                    self.blocks = self.blocks.saturating_add(1);
                    // The highest bit is reserved.
                    let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
                    self.is_trailer = stream <= self.last_stream;
                    self.last_stream = self.last_stream.max(stream);
                    if !self.is_trailer {
                        counted.headers = counted.headers.saturating_add(1);
                    }
                }
                CONTINUATION => {}
                RST_STREAM => {
                    counted.resets = counted.resets.saturating_add(1);
                    continue;
                }
                SETTINGS if flags & ACK == 0 => {
                    counted.settings = counted.settings.saturating_add(1);
                    continue;
                }
                _ => continue,
            }
            self.is_open = flags & END_HEADERS == 0;
            if self.is_trailer {
                let bytes = HEADER_BYTES.saturating_add(self.skip);
                counted.trailer_bytes = counted.trailer_bytes.saturating_add(bytes);
            }
        }
    }

    /// Returns the number of the header block that has not ended; `None` if there is none.
    pub(super) const fn open_block(&self) -> Option<usize> {
        if self.is_open { Some(self.blocks) } else { None }
    }

    /// Returns how many bytes may be read so that at most this number of frame headers end in them.
    pub(super) fn bytes_for(&self, headers: usize) -> usize {
        let bytes = headers.saturating_mul(HEADER_BYTES).saturating_sub(self.arrived);
        self.skip.saturating_add(bytes)
    }

    /// Completes a partial header with these bytes. `None` if more are missing.
    fn complete(&mut self, rest: &mut &[u8]) -> Option<[u8; HEADER_BYTES]> {
        let missing = self.header.get_mut(self.arrived..)?;
        let taken = missing.len().min(rest.len());
        let (now, later) = rest.split_at_checked(taken)?;
        missing.get_mut(..taken)?.copy_from_slice(now);
        *rest = later;
        self.arrived = self.arrived.saturating_add(taken);
        if self.arrived < HEADER_BYTES {
            return None;
        }
        self.arrived = 0;
        Some(self.header)
    }
}
