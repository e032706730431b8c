//! Input of commands: a file, or `-` for standard input, read up to a limit.

use crate::read_limit::{read_file_to_limit, read_to_limit};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Maximum size of an input, 4 MiB: Envoy's checks and their headers are far smaller. A larger input is an error.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a file, or standard input. Returns its name for messages, and its text.
pub(super) fn read(file: &Path) -> (String, io::Result<String>) {
    let (name, content) = if file.as_os_str() == "-" {
        ("standard input".to_owned(), read_to_limit(io::stdin().lock(), MAX_BYTES))
    } else {
        (file.display().to_string(), read_file_to_limit(file, MAX_BYTES))
    };
    let text = content.and_then(|content| {
        let large =
            || io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {} MiB", MAX_BYTES / 1024 / 1024));
        String::from_utf8(content.ok_or_else(large)?)
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
    });
    (name, text)
}
