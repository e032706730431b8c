//! Reads the body of an answer, up to a bound.

use super::FetchError;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

/// The whole body, if it is not larger than `most` bytes. One that says that it is larger is not read at all.
pub(super) async fn read(mut body: impl BodyExt<Data = Bytes> + Unpin, most: usize) -> Result<Bytes, FetchError> {
    let size = || FetchError::Size { most };
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > most) {
        return Err(size());
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers say nothing here.
        let Ok(data) = frame.map_err(|_| FetchError::Broken)?.into_data() else { continue };
        if data.len() > most.saturating_sub(whole.len()) {
            return Err(size());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
