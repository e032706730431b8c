//! Names in the merged document: unique, and with the characters that component names may have.

use std::collections::{HashMap, HashSet};

/// Maximum number of characters of a name, so that code generators can use it in file names. A longer one is cut.
const MAX_NAME_CHARS: usize = 160;

/// The names taken so far, by what they name.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashMap<&'static str, HashSet<String>>,
    /// The last number that made a name unique, so that many equal names don't search from the start.
    numbers: HashMap<(&'static str, String), usize>,
}

impl Names {
    /// Returns this name, or one with a number if it is taken. `of` is the kind of the named object.
    pub(super) fn unique(&mut self, of: &'static str, wanted: &str) -> String {
        let taken = self.taken.entry(of).or_default();
        if taken.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let number = self.numbers.entry((of, wanted.to_owned())).or_insert(1);
        loop {
            *number = number.saturating_add(1);
            let name = format!("{wanted}_{number}");
            if taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// Returns a text with the characters of component names (`OpenAPI` 3.1 §4.8.7): every other one becomes `_`.
pub(super) fn plain(text: &str) -> String {
    let one = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    text.chars().take(MAX_NAME_CHARS).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::{Names, plain};

    #[test]
    fn names_are_unique_for_each_kind() {
        let mut names = Names::default();
        assert_eq!(names.unique("schemas", "a"), "a");
        assert_eq!(names.unique("schemas", "a_2"), "a_2");
        assert_eq!(names.unique("schemas", "a"), "a_3");
        assert_eq!(names.unique("responses", "a"), "a");
    }

    #[test]
    fn names_have_the_characters_of_components() {
        assert_eq!(plain("api/v1.Page«Pet»-x"), "api_v1.Page_Pet_-x");
        assert_eq!(plain(&"é".repeat(1_000)).len(), 160);
    }
}
