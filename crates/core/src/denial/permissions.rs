//! What a caller lacks, in words, for clients that are to be told (`denials.body: error`).

use std::fmt;

/// The permissions that are required, and those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insufficient {
    /// What is required.
    pub required: Vec<Box<str>>,
    /// What the caller has.
    pub have: Vec<Box<str>>,
}

/// `Insufficient permissions: required [delete], have [read]`; no list is shown at any length.
impl fmt::Display for Insufficient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { required, have } = self;
        write!(f, "Insufficient permissions: required [{}], have [{}]", List(required), List(have))
    }
}

struct List<'l>(&'l [Box<str>]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How much of a list is shown, in bytes.
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
            // A claim can hold anything; a line break in a body of text would be a second line.
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
