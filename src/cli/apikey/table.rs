//! Appends the line of a key to a table. The file changes only if the result is a valid table.

use crate::config::{ConfigError, read_api_key_ids};
use crate::read_limit::read_regular_file_to_limit;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Maximum size of a table: the same as for serving. A larger one is an error.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Permissions of a new table: it holds digests only, and modgud may run as another user.
const NEW_FILE_MODE: u32 = 0o644;

/// Errors of appending to a table. Each leaves the file as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    #[error("{} can't be read: {error}", .file.display())]
    Read { file: PathBuf, error: io::Error },
    #[error("{} can't be written: {error}", .file.display())]
    Write { file: PathBuf, error: io::Error },
    #[error("{} is larger than {MAX_BYTES} bytes, the limit for a table of API keys", .0.display())]
    TooLarge(PathBuf),
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    #[error("{} is not a table of API keys, and was not changed:\n{error}", .file.display())]
    NotATable { file: PathBuf, error: ConfigError },
    #[error("`{id}` is in {} already; write another `--id`", .file.display())]
    Taken { id: String, file: PathBuf },
    #[error("a line can't be appended to {}, which was not changed; write one entry per line, each after `- `", .0.display())]
    Layout(PathBuf),
}

/// Appends an entry to a table, or creates the table.
pub(super) fn append(file: &Path, id: &str, entry: &str) -> Result<(), TableError> {
    let unreadable = |error| TableError::Read { file: file.to_path_buf(), error };
    let (target, known) = match fs::metadata(file) {
        // The target of a symbolic link is replaced, not the link.
        Ok(known) => (fs::canonicalize(file).map_err(unreadable)?, Some(known)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (file.to_path_buf(), None),
        Err(error) => return Err(unreadable(error)),
    };
    let text = match &known {
        Some(_) => {
            let content = read_regular_file_to_limit(&target, MAX_BYTES).map_err(unreadable)?;
            let content = content.ok_or_else(|| TableError::TooLarge(file.to_path_buf()))?;
            String::from_utf8(content).map_err(|_| TableError::NotText(file.to_path_buf()))?
        }
        None => String::new(),
    };
    let extended = extend(file, &text, id, entry)?;
    replace(&target, known.as_ref(), &extended).map_err(|error| TableError::Write { file: file.to_path_buf(), error })
}

/// Returns the text with the entry at its end.
fn extend(file: &Path, text: &str, id: &str, entry: &str) -> Result<String, TableError> {
    let origin = file.display().to_string();
    let not_a_table = |error| TableError::NotATable { file: file.to_path_buf(), error };
    let has_content = text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let mut ids = if has_content { read_api_key_ids(&origin, text).map_err(not_a_table)? } else { Vec::new() };
    if ids.iter().any(|known| known == id) {
        return Err(TableError::Taken { id: id.to_owned(), file: file.to_path_buf() });
    }
    // `[]` is how an empty table is written.
    let text = if ids.is_empty() { text.trim_end().strip_suffix("[]").unwrap_or(text) } else { text };
    let first = text.lines().find(|line| line.trim_start().starts_with("- "));
    let indent = first.map_or("", |line| line.split('-').next().unwrap_or_default());
    let separator = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let extended = format!("{text}{separator}{indent}- {entry}\n");
    ids.push(id.to_owned());
    match read_api_key_ids(&origin, &extended) {
        Ok(found) if found == ids => Ok(extended),
        Ok(_) | Err(_) => Err(TableError::Layout(file.to_path_buf())),
    }
}

/// Replaces a file as a whole, so that a server that reads it never sees a part. Owner and permissions stay.
fn replace(target: &Path, known: Option<&Metadata>, text: &str) -> io::Result<()> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Some(known) = known {
        let own = file.as_file().metadata()?;
        if (own.uid(), own.gid()) != (known.uid(), known.gid()) {
            fchown(file.as_file(), Some(known.uid()), Some(known.gid()))?;
        }
    }
    let mode = known.map_or(NEW_FILE_MODE, |known| known.permissions().mode());
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(target)?;
    Ok(())
}
