//! Files and streams, read to a bound: nobody's memory is filled by what can't be what was asked for. Who reads says what is too much,
//! and in which words.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// All of a stream; `None` when it is larger than `limit` bytes, of which one more is read at most.
pub(crate) fn read_to_limit(from: impl Read, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    let read = from.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    Ok(u64::try_from(read).is_ok_and(|read| read <= limit).then_some(content))
}

/// The same of a file.
pub(crate) fn read_file_to_limit(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    read_to_limit(File::open(path)?, limit)
}

#[cfg(test)]
mod tests {
    use super::read_to_limit;
    use std::io::repeat;

    #[test]
    fn what_is_larger_than_the_bound_is_not_kept() {
        assert_eq!(read_to_limit(b"".as_slice(), 0).unwrap().as_deref(), Some(b"".as_slice()));
        assert_eq!(read_to_limit(b"abc".as_slice(), 3).unwrap().as_deref(), Some(b"abc".as_slice()));
        assert_eq!(read_to_limit(b"abcd".as_slice(), 3).unwrap(), None);
        assert_eq!(read_to_limit(repeat(b'x'), 1_000).unwrap(), None);
    }
}
