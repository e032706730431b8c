//! Counts the HTTP/2 frames that arrive on a connection by their headers alone (RFC 9113 §4.1); payloads are skipped unread.

#[cfg(test)]
mod tests;

/// The first bytes of a connection, which are no frame (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// The bytes of a frame before its payload (RFC 9113 §4.1).
const HEADER_BYTES: usize = 9;
/// The type of a frame that opens a stream, or ends one with trailers (RFC 9113 §6.2).
const HEADERS: u8 = 1;
/// The type of a frame that cancels a stream (RFC 9113 §6.4).
const RST_STREAM: u8 = 3;

/// The number of frames of each counted type.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// `HEADERS` frames: at most so many new calls.
    pub(super) headers: usize,
    /// `RST_STREAM` frames.
    pub(super) resets: usize,
}

/// The position in the frames of one connection.
#[derive(Debug)]
pub(super) struct FrameCounter {
    /// The bytes that are left of the preface or of a payload.
    skip: usize,
    /// A frame's header, as far as it has arrived.
    header: [u8; HEADER_BYTES],
    arrived: usize,
}

impl Default for FrameCounter {
    fn default() -> Self {
        Self { skip: PREFACE_BYTES, header: [0; HEADER_BYTES], arrived: 0 }
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
            let [high, middle, low, kind, ..] = header;
            self.skip = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
            match kind {
                HEADERS => counted.headers = counted.headers.saturating_add(1),
                RST_STREAM => counted.resets = counted.resets.saturating_add(1),
                _ => {}
            }
        }
    }

    /// Returns how many bytes may be read so that no more than this number of headers end in them.
    pub(super) fn bytes_for(&self, headers: usize) -> usize {
        let bytes = headers.saturating_mul(HEADER_BYTES).saturating_sub(self.arrived);
        self.skip.saturating_add(bytes)
    }

    /// Takes the bytes that are missing from a header. `None` if it is not complete with them.
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
