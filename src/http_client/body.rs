//! Response bodies, read up to a limit.

use super::FetchError;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

/// Reads a body of at most `most` bytes. A body with a larger announced size is not read at all.
pub(super) async fn read(mut body: impl BodyExt<Data = Bytes> + Unpin, most: usize) -> Result<Bytes, FetchError> {
    let size = || FetchError::Size { most };
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > most) {
        return Err(size());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are ignored.
        let Ok(data) = frame.map_err(|_| FetchError::Broken)?.into_data() else { continue };
        if data.len() > most.saturating_sub(whole.len()) {
            return Err(size());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
