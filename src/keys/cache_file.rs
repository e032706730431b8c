//! The last good keys of a provider in a file, for a start while the provider can't be asked. How old they are is the file's time of
//! change, so that keys that stay the same are not written again.

use super::source::Location;
use crate::clock::Timestamp;
use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::NamedTempFile;

/// The most that is read: a set of the size that a provider may send, as a JSON text, and what stands around it.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// How far the file's time may lie ahead of ours. Further ahead nobody can tell how old the keys are.
const AHEAD: Duration = Duration::from_secs(300);

/// What stands in the file. The provider stands there too: the keys of one never serve as those of another.
#[derive(Serialize, Deserialize)]
struct Content {
    provider: String,
    /// The set as the provider wrote it.
    keys: String,
}

/// Why there are no keys from a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum CacheFault {
    #[error("the file can't be read: {0}")]
    Read(io::Error),
    #[error("the file can't be written: {0}")]
    Write(io::Error),
    #[error("the file holds no keys that modgud has written")]
    Form,
    #[error("the file holds the keys of another provider")]
    Other,
    #[error("the file's time of change lies ahead, so that nobody can tell how old the keys in it are")]
    Ahead,
    #[error("modgud failed inside while it used the file")]
    Internal,
    /// Something else stands in its place.
    #[error("it is no regular file; what stands there is not read")]
    NotAFile,
    /// Others could have written keys of their own into it.
    #[error(
        "others than its owner may write it, and so could have put in keys of their own; make it writable by its owner only"
    )]
    WritableByOthers,
}

/// Group and others may write (mode bits of POSIX).
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Keys from a file.
#[derive(Debug)]
pub(super) struct Kept {
    /// The text of the set.
    pub(super) text: Bytes,
    /// When it was had.
    pub(super) had: Timestamp,
}

/// Reads the keys of this provider; `None` when there is no file.
pub(super) fn read(path: &Path, location: &Location, now: Timestamp) -> Result<Option<Kept>, CacheFault> {
    // A pipe in its place would be waited for without end.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from) {
        Ok(file) => File::from(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CacheFault::Read(error)),
    };
    let data = file.metadata().map_err(CacheFault::Read)?;
    if !data.is_file() {
        return Err(CacheFault::NotAFile);
    }
    if data.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(CacheFault::WritableByOthers);
    }
    let changed = data.modified().map_err(CacheFault::Read)?;
    let had = changed.duration_since(UNIX_EPOCH).map_or(Timestamp::EPOCH, |since| Timestamp::EPOCH.plus(since));
    if had > now.plus(AHEAD) {
        return Err(CacheFault::Ahead);
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(CacheFault::Read)?;
    let Content { provider, keys } = serde_json::from_slice(&text).map_err(|_| CacheFault::Form)?;
    if provider != name(location) {
        return Err(CacheFault::Other);
    }
    Ok(Some(Kept { text: Bytes::from(keys), had: had.min(now) }))
}

/// Keeps the keys that were had at a time: writes them beside and renames, so that whoever reads finds the whole or what was
/// there before. When the file holds the very same, only its time is set.
pub(super) fn write(path: &Path, location: &Location, text: &Bytes, had: Timestamp) -> Result<(), CacheFault> {
    let keys = std::str::from_utf8(text).map_err(|_| CacheFault::Form)?.to_owned();
    let content = Content { provider: name(location), keys };
    let content = serde_json::to_vec(&content).map_err(|_| CacheFault::Form)?;
    let when = UNIX_EPOCH.checked_add(Duration::from_millis(had.as_millis())).unwrap_or(UNIX_EPOCH);
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let as_long = std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() == size);
    if as_long && std::fs::read(path).is_ok_and(|before| before == content) {
        let file = OpenOptions::new().write(true).open(path).map_err(CacheFault::Write)?;
        return file.set_modified(when).map_err(CacheFault::Write);
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    };
    // Made with mode 0600.
    let mut file = NamedTempFile::new_in(folder).map_err(CacheFault::Write)?;
    file.write_all(&content).map_err(CacheFault::Write)?;
    file.as_file().set_modified(when).map_err(CacheFault::Write)?;
    file.as_file().sync_all().map_err(CacheFault::Write)?;
    file.persist(path).map(drop).map_err(|error| CacheFault::Write(error.error))
}

/// What a provider is called in the file. Whole, so that two that differ in a query only are told apart, and hashed, since a
/// query may be a secret.
fn name(location: &Location) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let whole = match location {
        Location::Jwks(url) => format!("jwks {}", url.exposed()),
        Location::Oidc { issuer, discovery: _ } => format!("oidc {issuer}"),
    };
    format!("{location} {}", URL_SAFE_NO_PAD.encode(digest(&SHA256, whole.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::{CacheFault, Location, read, write};
    use crate::clock::Timestamp;
    use crate::fetch::{FetchUrl, PlainHttp};
    use bytes::Bytes;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::time::Duration;

    fn location(url: &str) -> Location {
        Location::Jwks(FetchUrl::parse(url, PlainHttp::Loopback).unwrap())
    }

    #[test]
    fn what_others_could_have_written_is_not_believed_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (one, now) = (location("https://a.example/keys"), Timestamp::from_secs(1_700_000_000));
        write(&path, &one, &Bytes::from_static(b"{}"), now).unwrap();
        for mode in [0o620, 0o602, 0o666] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read(&path, &one, now), Err(CacheFault::WritableByOthers)), "{mode:o}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path, &one, now).unwrap().is_some());
        assert!(matches!(read(folder.path(), &one, now), Err(CacheFault::NotAFile)));
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        assert!(matches!(read(&pipe, &one, now), Err(CacheFault::NotAFile)));
    }

    #[test]
    fn what_was_kept_is_found_again_with_its_age_and_only_for_its_provider() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (one, other) = (location("https://a.example/keys?p=s3cret"), location("https://a.example/keys?p=other"));
        let now = Timestamp::from_secs(1_700_000_000);
        assert!(read(&path, &one, now).unwrap().is_none());
        let text = Bytes::from_static(b"{ \"keys\": [\"a\",  2] }");
        write(&path, &one, &text, now).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!std::fs::read_to_string(&path).unwrap().contains("s3cret"));

        let later = now.plus(Duration::from_secs(7));
        let kept = read(&path, &one, later).unwrap().unwrap();
        assert_eq!((kept.text, kept.had), (text.clone(), now));
        assert!(matches!(read(&path, &other, later), Err(CacheFault::Other)));
        assert!(matches!(read(&path, &one, now.minus(Duration::from_secs(301))), Err(CacheFault::Ahead)));
        let before = now.minus(Duration::from_secs(299));
        assert_eq!(read(&path, &one, before).unwrap().unwrap().had, before, "no age below zero");

        let inode = path.metadata().unwrap().ino();
        write(&path, &one, &text, later).unwrap();
        assert_eq!(path.metadata().unwrap().ino(), inode, "the same is not written again");
        assert_eq!(read(&path, &one, later).unwrap().unwrap().had, later);
        write(&path, &one, &Bytes::from_static(b"{}"), later).unwrap();
        assert_ne!(path.metadata().unwrap().ino(), inode, "what differs is put in its place");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left lying around");
    }

    #[test]
    fn what_modgud_has_not_written_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let now = Timestamp::NEVER;
        for text in ["", "{}", "{\"keys\": \"\"}", "{\"provider\": \"x\"", "[]", "\0"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(read(&path, &location("https://a.example/"), now), Err(CacheFault::Form)), "{text}");
        }
        assert!(matches!(read(folder.path(), &location("https://a.example/"), now), Err(CacheFault::NotAFile)));
        let nowhere = folder.path().join("none/keys.json");
        let text = Bytes::from_static(b"{}");
        let written = write(&nowhere, &location("https://a.example/"), &text, Timestamp::EPOCH);
        assert!(matches!(written, Err(CacheFault::Write(_))));
    }
}
