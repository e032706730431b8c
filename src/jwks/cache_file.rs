//! The last valid JWKS of a provider in a file, for a start while the provider is unreachable. The file's modification
//! time is the fetch time, so an unchanged JWKS is not rewritten.

use super::provider::Location;
use crate::read_limit::{open_at_once, read_to_limit};
use bytes::Bytes;
use modgud_core::time::Timestamp;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::NamedTempFile;

/// Maximum size of a cache file: a JWKS of the maximum size as a JSON string, and its wrapper. A larger file is an
/// error.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// Maximum lead of the file's time over the clock. With a larger lead the age of the keys is unknown, and the file is
/// unused.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// The content of the file. It names the provider, so that its keys never serve for another one.
#[derive(Serialize, Deserialize)]
struct Content {
    provider: String,
    /// The JWKS as the provider wrote it.
    keys: String,
}

/// Errors of the cache file.
#[derive(Debug, thiserror::Error)]
pub(super) enum CacheError {
    #[error("the file can't be read: {0}")]
    Read(io::Error),
    #[error("the file can't be written: {0}")]
    Write(io::Error),
    #[error("the file was not written by modgud")]
    Form,
    #[error("the file has the keys of another provider")]
    Other,
    #[error("the file's modification time is in the future, so the age of its keys is unknown")]
    Ahead,
    #[error("the file was not accessed within 5 s")]
    Late,
    #[error("internal error while accessing the file")]
    Internal,
    /// Larger than any file that modgud writes. Truncated, it would be another text.
    #[error("the file is larger than {MAX_BYTES} bytes, which modgud never writes; remove it")]
    TooLarge,
    /// The file is not trusted.
    #[error(transparent)]
    Untrusted(#[from] CacheDistrust),
}

/// Reasons to distrust a cache file: another user could have written keys into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CacheDistrust {
    /// A directory, a pipe, or a device.
    #[error("the file is not a regular file; remove it")]
    NotAFile,
    /// Its owner is neither this process's user nor root.
    #[error(
        "the file's owner has id {owner}, and modgud runs with id {own}, so its keys may be forged; remove it, or run `chown {own}`"
    )]
    Owner {
        /// The file's owner. For a symbolic link, that of its target.
        owner: u32,
        /// The effective user of this process.
        own: u32,
    },
    /// Group or others can write it.
    #[error("other users can write the file, so its keys may be forged; make it writable by its owner only")]
    WritableByOthers,
}

impl CacheDistrust {
    /// The user whose files are always trusted: root can replace modgud itself.
    const ROOT: u32 = 0;

    /// Checks an open file, so that the checked file is the one read.
    fn check(data: &Metadata, own: u32) -> Result<(), Self> {
        let owner = data.uid();
        if !data.is_file() {
            return Err(Self::NotAFile);
        }
        if owner != own && owner != Self::ROOT {
            return Err(Self::Owner { owner, own });
        }
        if data.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(Self::WritableByOthers);
        }
        Ok(())
    }
}

/// Returns why a process of this user would distrust the file at a path. `None` if it trusts the file, or can't open
/// it.
#[must_use]
pub fn distrust(path: &Path) -> Option<CacheDistrust> {
    let data = open_at_once(path, OFlags::empty()).ok()?.metadata().ok()?;
    CacheDistrust::check(&data, own_user()).err()
}

/// Write permission of group and others (POSIX mode bits).
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A JWKS from a file.
#[derive(Debug)]
pub(super) struct CachedJwks {
    /// The text of the JWKS.
    pub(super) text: Bytes,
    /// The fetch time.
    pub(super) fetched_at: Timestamp,
}

/// Reads the JWKS of this provider; `None` if there is no file. A symbolic link is followed, and its target is checked.
pub(super) fn read(path: &Path, location: &Location, now: Timestamp) -> Result<Option<CachedJwks>, CacheError> {
    read_as(own_user(), path, location, now)
}

fn read_as(own: u32, path: &Path, location: &Location, now: Timestamp) -> Result<Option<CachedJwks>, CacheError> {
    let file = match open_at_once(path, OFlags::empty()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CacheError::Read(error)),
    };
    let data = file.metadata().map_err(CacheError::Read)?;
    CacheDistrust::check(&data, own)?;
    let changed = data.modified().map_err(CacheError::Read)?;
    let fetched_at = changed.duration_since(UNIX_EPOCH).map_or(Timestamp::EPOCH, |since| Timestamp::EPOCH.plus(since));
    if fetched_at > now.plus(MAX_CLOCK_SKEW) {
        return Err(CacheError::Ahead);
    }
    let text = read_to_limit(file, MAX_BYTES).map_err(CacheError::Read)?.ok_or(CacheError::TooLarge)?;
    let Content { provider, keys } = serde_json::from_slice(&text).map_err(|_| CacheError::Form)?;
    if provider != name(location) {
        return Err(CacheError::Other);
    }
    Ok(Some(CachedJwks { text: Bytes::from(keys), fetched_at: fetched_at.min(now) }))
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Writes a JWKS with its fetch time. A temporary file and a rename ensure that readers find the old or the new
/// content. If the content is unchanged, only the time is set. Symbolic links and files of other users are replaced,
/// never written to.
pub(super) fn write(path: &Path, location: &Location, text: &Bytes, fetched_at: Timestamp) -> Result<(), CacheError> {
    let keys = std::str::from_utf8(text).map_err(|_| CacheError::Form)?.to_owned();
    let content = Content { provider: name(location), keys };
    let content = serde_json::to_vec(&content).map_err(|_| CacheError::Form)?;
    let when = UNIX_EPOCH.checked_add(Duration::from_millis(fetched_at.as_millis())).unwrap_or(UNIX_EPOCH);
    if let Some(file) = same_file(path, &content) {
        return file.set_modified(when).map_err(CacheError::Write);
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    };
    // Created with mode 0600.
    let mut file = NamedTempFile::new_in(folder).map_err(CacheError::Write)?;
    file.write_all(&content).map_err(CacheError::Write)?;
    file.as_file().set_modified(when).map_err(CacheError::Write)?;
    file.as_file().sync_all().map_err(CacheError::Write)?;
    file.persist(path).map(drop).map_err(|error| CacheError::Write(error.error))
}

/// Returns the file if this process's user owns it and it holds exactly this content; else `None`.
fn same_file(path: &Path, content: &[u8]) -> Option<File> {
    let mut file = open_at_once(path, OFlags::NOFOLLOW).ok()?;
    let (data, own) = (file.metadata().ok()?, own_user());
    let size = u64::try_from(content.len()).ok()?;
    if CacheDistrust::check(&data, own).is_err() || data.uid() != own || data.len() != size {
        return None;
    }
    let before = read_to_limit(&mut file, size).ok()??;
    (before == content).then_some(file)
}

/// Returns the provider's name in the file. It contains a hash of the whole URL: providers may differ only in the
/// query, and a query may be a secret.
fn name(location: &Location) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let whole = match location {
        Location::Jwks(url) => format!("jwks {}", url.to_string_with_query()),
        Location::Certificates(url) => format!("certificates {}", url.to_string_with_query()),
        Location::Oidc { issuer, discovery: _ } => format!("oidc {issuer}"),
    };
    format!("{location} {}", URL_SAFE_NO_PAD.encode(digest(&SHA256, whole.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::{
        CacheDistrust, CacheError, Location, MAX_BYTES, distrust, open_at_once, own_user, read, read_as, write,
    };
    use crate::http_client::{AllowInsecure, FetchUrl};
    use bytes::Bytes;
    use modgud_core::time::Timestamp;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::time::Duration;

    fn location(url: &str) -> Location {
        Location::Jwks(FetchUrl::parse(url, AllowInsecure::Loopback).unwrap())
    }

    #[test]
    fn what_others_could_have_written_is_not_believed_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (one, now) = (location("https://a.example/keys"), Timestamp::from_secs(1_700_000_000));
        write(&path, &one, &Bytes::from_static(b"{}"), now).unwrap();
        for mode in [0o620, 0o602, 0o666] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(
                matches!(read(&path, &one, now), Err(CacheError::Untrusted(CacheDistrust::WritableByOthers))),
                "{mode:o}"
            );
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path, &one, now).unwrap().is_some());
        assert!(matches!(read(folder.path(), &one, now), Err(CacheError::Untrusted(CacheDistrust::NotAFile))));
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        assert!(matches!(read(&pipe, &one, now), Err(CacheError::Untrusted(CacheDistrust::NotAFile))));
    }

    /// Checks that another user's cache is rejected. If root runs this test, it gives a file away with `chown`;
    /// otherwise it checks with another own user.
    #[test]
    fn cache_file_of_another_owner_is_distrusted_directly_or_through_a_symlink() {
        const STRANGER: u32 = 65_533;
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("theirs.json"), folder.path().join("keys.json"));
        let (one, now) = (location("https://a.example/keys"), Timestamp::from_secs(1_700_000_000));
        let text = Bytes::from_static(b"{}");
        write(&path, &one, &text, now).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read(&link, &one, now).unwrap().is_some(), "a link to one's own file");
        let own = own_user();
        if own == 0 {
            std::os::unix::fs::chown(&path, Some(STRANGER), None).unwrap();
            for path in [&path, &link] {
                let expected = CacheDistrust::Owner { owner: STRANGER, own };
                assert!(matches!(read(path, &one, now), Err(CacheError::Untrusted(found)) if found == expected));
                assert_eq!(distrust(path), Some(expected));
            }
            // A modgud of that user trusts it, and one of a third user does not.
            assert!(read_as(STRANGER, &link, &one, now).unwrap().is_some());
            assert!(matches!(read_as(STRANGER - 1, &link, &one, now), Err(CacheError::Untrusted(_))));
            // The new file replaces the link, and leaves the other user's file unchanged.
            let before = path.metadata().unwrap().modified().unwrap();
            write(&link, &one, &text, now.plus(Duration::from_secs(9))).unwrap();
            assert!(std::fs::symlink_metadata(&link).unwrap().is_file());
            assert_eq!((link.metadata().unwrap().uid(), path.metadata().unwrap().uid()), (own, STRANGER));
            assert_eq!(path.metadata().unwrap().modified().unwrap(), before);
            // Equal content in another user's file does not make the file one's own.
            std::fs::rename(&path, &link).unwrap();
            write(&link, &one, &text, now).unwrap();
            assert_eq!(link.metadata().unwrap().uid(), own);
            // Every user trusts root's files.
            assert!(read_as(STRANGER, &link, &one, now).unwrap().is_some());
        } else {
            eprintln!(
                "not run as root: no file can be given to another user, so the same check is asked with another own user"
            );
            for path in [&path, &link] {
                let found = read_as(STRANGER, path, &one, now);
                let expected = CacheDistrust::Owner { owner: own, own: STRANGER };
                assert!(matches!(found, Err(CacheError::Untrusted(found)) if found == expected));
            }
        }
        let text = CacheDistrust::Owner { owner: 12, own: 34 }.to_string();
        assert!(text.contains("id 12") && text.contains("id 34") && text.contains("`chown 34`"), "{text}");
    }

    #[test]
    fn a_cache_file_above_the_bound_is_refused_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (one, now) = (location("https://a.example/keys"), Timestamp::NEVER);
        write(&path, &one, &Bytes::from_static(b"{}"), Timestamp::EPOCH).unwrap();
        let mut content = std::fs::read(&path).unwrap();
        content.resize(usize::try_from(MAX_BYTES).unwrap(), b' ');
        std::fs::write(&path, &content).unwrap();
        assert!(read(&path, &one, now).unwrap().is_some(), "white space up to the bound");
        content.push(b' ');
        std::fs::write(&path, &content).unwrap();
        assert!(matches!(read(&path, &one, now), Err(CacheError::TooLarge)));
    }

    #[test]
    fn a_dangling_link_is_no_file_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("elsewhere.json"), folder.path().join("keys.json"));
        let (one, now) = (location("https://a.example/keys"), Timestamp::from_secs(1_700_000_000));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(read(&link, &one, now).unwrap().is_none());
        write(&link, &one, &Bytes::from_static(b"{}"), now).unwrap();
        assert!(!target.exists() && open_at_once(&link, rustix::fs::OFlags::NOFOLLOW).is_ok());
        assert_eq!(read(&link, &one, now).unwrap().unwrap().fetched_at, now);
    }

    #[test]
    fn a_cached_jwks_is_found_with_its_age_and_only_for_its_provider() {
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
        let cached = read(&path, &one, later).unwrap().unwrap();
        assert_eq!((cached.text, cached.fetched_at), (text.clone(), now));
        assert!(matches!(read(&path, &other, later), Err(CacheError::Other)));
        assert!(matches!(read(&path, &one, now.minus(Duration::from_secs(301))), Err(CacheError::Ahead)));
        let before = now.minus(Duration::from_secs(299));
        assert_eq!(read(&path, &one, before).unwrap().unwrap().fetched_at, before, "no age below zero");

        let inode = path.metadata().unwrap().ino();
        write(&path, &one, &text, later).unwrap();
        assert_eq!(path.metadata().unwrap().ino(), inode, "the same is not written again");
        assert_eq!(read(&path, &one, later).unwrap().unwrap().fetched_at, later);
        write(&path, &one, &Bytes::from_static(b"{}"), later).unwrap();
        assert_ne!(path.metadata().unwrap().ino(), inode, "what differs is put in its place");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left lying around");
    }

    #[test]
    fn a_file_that_modgud_did_not_write_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let now = Timestamp::NEVER;
        for text in ["", "{}", "{\"keys\": \"\"}", "{\"provider\": \"x\"", "[]", "\0"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(read(&path, &location("https://a.example/"), now), Err(CacheError::Form)), "{text}");
        }
        assert!(matches!(
            read(folder.path(), &location("https://a.example/"), now),
            Err(CacheError::Untrusted(CacheDistrust::NotAFile))
        ));
        let nowhere = folder.path().join("none/keys.json");
        let text = Bytes::from_static(b"{}");
        let written = write(&nowhere, &location("https://a.example/"), &text, Timestamp::EPOCH);
        assert!(matches!(written, Err(CacheError::Write(_))));
    }
}
