//! The permissions that a caller lacks, for clients that may see them (`denials.body: error`).

use std::fmt;

/// The required and the existing permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insufficient {
    /// The required permissions.
    pub required: Vec<Box<str>>,
    /// The caller's permissions.
    pub have: Vec<Box<str>>,
}

/// `Insufficient permissions: required [delete], have [read]`; long lists are truncated.
impl fmt::Display for Insufficient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { required, have } = self;
        write!(f, "Insufficient permissions: required [{}], have [{}]", List(required), List(have))
    }
}

struct List<'l>(&'l [Box<str>]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The maximum length of a displayed list, in bytes. An item beyond it is replaced by `…`, which ends the list.
        const SHOWN: usize = 1_024;
        let mut left = SHOWN;
        for (number, item) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            match left.checked_sub(item.len()) {
                None => return f.write_str("…"),
                Some(rest) => left = rest,
            }
            // A claim can hold any character; a line break would start a second line in a text body.
            item.chars().filter(|c| !c.is_control()).try_for_each(|c| fmt::Write::write_char(f, c))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Insufficient;

    #[test]
    fn lists_are_told_and_bounded() {
        let told = |required: &[&str], have: &[&str]| {
            let list = |texts: &[&str]| texts.iter().map(|text| Box::from(*text)).collect();
            Insufficient { required: list(required), have: list(have) }.to_string()
        };
        assert_eq!(told(&["delete"], &["read"]), "Insufficient permissions: required [delete], have [read]");
        assert_eq!(told(&["a", "b"], &[]), "Insufficient permissions: required [a, b], have []");
        assert_eq!(told(&["a"], &["b\r\nc"]), "Insufficient permissions: required [a], have [bc]");
        let long = "x".repeat(600);
        assert!(told(&["a"], &[&long, &long]).ends_with(", …]"));
    }
}
