//! The settings of modgud's filter in Envoy: request data that it sees, headers that it may change, and headers that Envoy
//! removes before any filter. Headers are regular expressions (RE2) for names in every spelling that servers fold into one,
//! except spared spellings.

use modgud_core::http::client::{ClientSource, EXTERNAL_ADDRESS};
use modgud_core::http::header::{PROTOCOL_HEADERS, fold_byte};
use modgud_core::upstream::OVERRIDE_HEADERS;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The expression for every name of a header in lower case (RFC 9110 §5.1). No name of a pseudo-header matches.
pub(super) const ANY_HEADER: &str = "[!#$%&'*+.^_`|~0-9a-z-]+";

/// Envoy's handling of requests for modgud.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Client headers that Envoy removes before any filter, also on routes without modgud: names in any case, and
    /// prefixes such as `x-core-*`.
    pub removed_early: Vec<String>,
    /// Header names, in lower case, that are not removed early: modgud reads them, or `upstream.keep` names them.
    pub spared: BTreeSet<String>,
    /// The source of the client's address. If it is `x-envoy-external-address`, the client's own header is removed early: Envoy does not
    /// overwrite it in requests that it takes for internal ones.
    pub client: ClientSource,
    /// True if Envoy sends cookies to modgud, because an authenticator or an expression may read them.
    pub sends_cookies: bool,
    /// True if Envoy sends the certificate of the client's connection to modgud.
    pub sends_certificate: bool,
    /// True if Envoy sends bodies to modgud.
    pub sends_bodies: bool,
}

impl Filter {
    /// Returns the expression for headers that are removed early. If all are spared, it matches no name.
    pub(crate) fn early_expression(&self) -> String {
        let overrides = OVERRIDE_HEADERS.iter().map(|header| header.name);
        let is_external = self.client == ClientSource::External;
        let external = is_external.then_some(EXTERNAL_ADDRESS);
        let removed = self.removed_early.iter().map(String::as_str).chain(overrides).chain(external);
        let mut spared = Cow::Borrowed(&self.spared);
        if is_external {
            spared.to_mut().remove(EXTERNAL_ADDRESS);
        }
        expression(removed, &spared).unwrap_or_else(|| "[^ -~]".to_owned())
    }
}

/// Returns the expression for the headers that modgud must not change, in every spelling that a server folds into them.
/// It does not depend on the configuration, so that a reload needs no other rules.
pub(super) fn immutable_expression() -> String {
    expression(PROTOCOL_HEADERS, &BTreeSet::new()).unwrap_or_default()
}

/// One character of a folded name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A letter or digit.
    Letter(u8),
    /// Any punctuation.
    Punctuation,
    /// Any characters to the end.
    Rest,
}

/// Returns an expression for these names and prefixes, such as `x-core-*`, without the exact, lower-case `spared`
/// names. It omits names that a prefix covers. `None` if nothing is left.
fn expression<'n>(names: impl IntoIterator<Item = &'n str>, spared: &BTreeSet<String>) -> Option<String> {
    let folded: BTreeSet<String> = names.into_iter().map(folded).collect();
    let prefixes: Vec<&str> = folded.iter().filter_map(|name| name.strip_suffix('*')).collect();
    let is_covered = |name: &str| {
        let stem = name.strip_suffix('*').unwrap_or(name);
        prefixes.iter().any(|prefix| stem.starts_with(prefix) && (*prefix != stem || !name.ends_with('*')))
    };
    let expressions: Vec<String> =
        folded.iter().filter(|name| !is_covered(name)).filter_map(|name| expression_of(name, spared)).collect();
    (!expressions.is_empty()).then(|| expressions.join("|"))
}

/// Returns the folded spelling of a name.
fn folded(name: &str) -> String {
    let (stem, star) = name.strip_suffix('*').map_or((name, ""), |stem| (stem, "*"));
    stem.bytes().map(|byte| char::from(fold_byte(byte))).chain(star.chars()).collect()
}

fn expression_of(folded: &str, spared: &BTreeSet<String>) -> Option<String> {
    let parts: Vec<Part> = folded
        .bytes()
        .map(|byte| match byte {
            b'-' => Part::Punctuation,
            b'*' => Part::Rest,
            letter => Part::Letter(letter),
        })
        .collect();
    let (stem, is_prefix) = folded.strip_suffix('*').map_or((folded, false), |stem| (stem, true));
    let is_spelling = |name: &&String| {
        let head = name.as_bytes().get(..stem.len());
        head.is_some_and(|head| head.iter().copied().map(fold_byte).eq(stem.bytes()))
            && (is_prefix || name.len() == stem.len())
    };
    without(&parts, &spared.iter().filter(is_spelling).map(String::as_bytes).collect::<Vec<_>>())
}

/// Returns an expression for `parts` without the `spared` texts, all of which match it. `None` if nothing is left.
fn without(parts: &[Part], spared: &[&[u8]]) -> Option<String> {
    if spared.is_empty() {
        return Some(parts.iter().map(|part| part.expression()).collect());
    }
    let (part, rest) = parts.split_first()?;
    let is_rest = *part == Part::Rest;
    let mut by_first: BTreeMap<u8, Vec<&[u8]>> = BTreeMap::new();
    for (first, others) in spared.iter().filter_map(|text| text.split_first()) {
        by_first.entry(*first).or_default().push(others);
    }
    let after = if is_rest { parts } else { rest };
    let mut choices: Vec<String> = by_first
        .iter()
        .filter_map(|(first, others)| without(after, others).map(|rest| format!("{}{rest}", literal(*first))))
        .collect();
    let listed = listed(by_first.keys().copied());
    let all_after: String = after.iter().map(|part| part.expression()).collect();
    match part {
        Part::Letter(_) => {}
        Part::Punctuation => choices.push(format!("[^a-z0-9{listed}]{all_after}")),
        Part::Rest if listed.is_empty() => choices.push(".+".to_owned()),
        Part::Rest => choices.push(format!("[^{listed}].*")),
    }
    let ends_here = is_rest && !spared.iter().any(|text| text.is_empty());
    match (choices.as_slice(), ends_here) {
        ([], false) => None,
        ([], true) => Some(String::new()),
        ([only], false) => Some(only.clone()),
        (all, false) => Some(format!("(?:{})", all.join("|"))),
        (all, true) => Some(format!("(?:{})?", all.join("|"))),
    }
}

impl Part {
    fn expression(self) -> String {
        match self {
            Self::Letter(letter) => char::from(letter).to_string(),
            Self::Punctuation => "[^a-z0-9]".to_owned(),
            Self::Rest => ".*".to_owned(),
        }
    }
}

/// Returns an expression for one character of a name, without a backslash, which YAML would interpret.
fn literal(byte: u8) -> String {
    let text = char::from(byte);
    match byte {
        b'^' => "[!^]".to_owned(), // `[^]` is no class. A name with `!` here is removed anyway, because it is not spared
        byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') => text.to_string(),
        _ => format!("[{text}]"),
    }
}

/// Returns characters for a class: a `-` comes last, where it is no range.
fn listed(bytes: impl Iterator<Item = u8>) -> String {
    let (dash, others): (Vec<u8>, Vec<u8>) = bytes.partition(|byte| *byte == b'-');
    others.into_iter().chain(dash).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::expression;
    use std::collections::BTreeSet;

    fn without(names: &[&str], spared: &[&str]) -> Option<String> {
        let spared: BTreeSet<String> = spared.iter().map(|name| (*name).to_owned()).collect();
        expression(names.iter().copied(), &spared)
    }

    #[test]
    fn only_the_spellings_that_are_spared_are_left_out() {
        for (names, spared, expected) in [
            (&["X-User"][..], &[][..], Some("x[^a-z0-9]user")),
            (&["x-user"], &["x-user"], Some("x[^a-z0-9-]user")),
            (&["x-user"], &["x-users", "x-use", "y-user"], Some("x[^a-z0-9]user")),
            (&["x-user"], &["x-user", "x_user"], Some("x[^a-z0-9_-]user")),
            (&["x-a-b"], &["x-a-b"], Some("x(?:-a[^a-z0-9-]b|[^a-z0-9-]a[^a-z0-9]b)")),
            (&["forwarded"], &["forwarded"], None),
            (&["forwarded", "x-user"], &["forwarded"], Some("x[^a-z0-9]user")),
            (&["x.a"], &["x.a"], Some("x[^a-z0-9.]a")),
            (&["x-*"], &["x-ab"], Some("x(?:-(?:a(?:b.+|[^b].*)?|[^a].*)?|[^a-z0-9-].*)")),
            (&["x-*", "x-core-a"], &[], Some("x[^a-z0-9].*")),
        ] {
            assert_eq!(without(names, spared).as_deref(), expected, "{names:?} without {spared:?}");
        }
    }
}
