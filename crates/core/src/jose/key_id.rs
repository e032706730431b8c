//! Key ids, their limit and their display.

use std::fmt;

use crate::jose::key::Thumbprint;

/// The longest `kid` that is read, in bytes; a longer one is rejected.
pub(super) const MAX_KEY_ID_BYTES: usize = 256;

/// A `kid` (RFC 7515 §4.1.4, RFC 7517 §4.5): an opaque name of at most 256 bytes. It is only compared, and never a path, a URL or part of a
/// query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// Builds a key id; `None` if the text is longer than 256 bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (text.len() <= MAX_KEY_ID_BYTES).then(|| Self(text.to_owned()))
    }

    /// Returns the name as it is spelled. It may contain any character.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The default name of a key. Other systems compute the same one (RFC 7638).
impl From<Thumbprint> for KeyId {
    fn from(thumbprint: Thumbprint) -> Self {
        Self(thumbprint.to_string())
    }
}

/// The text for people: the name between backticks, or only its length if showing it could mislead them.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = !self.0.is_empty() && self.0.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if printable && !self.0.contains('`') {
            write!(f, "`{}`", self.0)
        } else {
            write!(f, "of {} bytes that can't be shown", self.0.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyId, MAX_KEY_ID_BYTES};

    #[test]
    fn only_what_can_be_shown_is_shown() {
        let shown = |text: &str| KeyId::new(text).map(|id| id.to_string());
        assert_eq!(shown("2024-01 a/b").as_deref(), Some("`2024-01 a/b`"));
        for hidden in ["", "a\nb", "\u{1b}[2J", "é", "a`b"] {
            assert_eq!(shown(hidden), Some(format!("of {} bytes that can't be shown", hidden.len())));
        }
        assert!(KeyId::new(&"k".repeat(MAX_KEY_ID_BYTES)).is_some());
        assert_eq!(KeyId::new(&"k".repeat(MAX_KEY_ID_BYTES + 1)), None);
    }
}
