//! The semantics of folded letters and cut suffixes, on texts.

use super::semantics::{Module, Policy, Rule, segments};

/// Letters that some services read as `s` or `k`.
pub(super) const ODD_LETTERS: [(&str, &str); 2] = [("%C5%BF", "ſ"), ("%E2%84%AA", "K")];

/// A path as read, with its module and the number of segments of the module's prefix.
pub(super) struct Read<'p> {
    texts: Vec<String>,
    module: Option<(&'p Module, usize)>,
}

impl Policy {
    /// Returns the module with the longest prefix.
    pub(super) fn module(&self, target: &str) -> Option<&Module> {
        let owns = |module: &&Module| segments(target).starts_with(&segments(module.prefix));
        self.modules.iter().filter(owns).max_by_key(|module| segments(module.prefix).len())
    }

    pub(super) fn read(&self, target: &str) -> Read<'_> {
        let decoded = |text: &str| ODD_LETTERS.iter().fold(text.to_owned(), |text, (sent, is)| text.replace(sent, is));
        let module = self.module(target).map(|module| (module, segments(module.prefix).len()));
        Read { texts: segments(target).into_iter().map(decoded).collect(), module }
    }
}

impl Read<'_> {
    /// Returns true if the last segment has at most one suffix, and no other reader would find another one.
    pub(super) fn has_unambiguous_end(&self) -> bool {
        let Some(last) = self.texts.len().checked_sub(1) else { return true };
        match self.cut(last, &self.texts[last], true) {
            None => true,
            Some("") => false,
            Some(stem) => self.cut(last, stem, true).is_none() && self.cut(last, &self.texts[last], false).is_some(),
        }
    }

    /// Returns the value of the parameter at this index.
    pub(super) fn parameter(&self, at: usize) -> Option<&str> {
        let text = self.texts.get(at)?;
        Some(self.stem(at, text, false).unwrap_or(text))
    }

    /// Returns the specificity of a pattern for a path; `None` if it does not match.
    pub(super) fn path_rank(&self, rule: &Rule, pattern: &str, widest: bool) -> Option<Vec<u8>> {
        let mut ranks = Vec::new();
        let mut left = self.texts.iter().enumerate();
        for piece in pattern.split('/').filter(|piece| !piece.is_empty()) {
            if piece.starts_with("{*") {
                ranks.push(0);
                return Some(ranks);
            }
            let (at, text) = left.next()?;
            let folds = rule.folds || self.module.is_some_and(|(module, depth)| at >= depth && module.folds);
            let is = |text: &str| alike(piece, text, folds, widest);
            ranks.push(match piece {
                piece if piece.starts_with('{') => 2,
                _ if is(text) => 4,
                _ if self.stem(at, text, widest).is_some_and(is) => 3,
                _ => return None,
            });
        }
        ranks.push(1);
        if left.next().is_none() { Some(ranks) } else { None }
    }

    fn stem<'t>(&self, at: usize, text: &'t str, widest: bool) -> Option<&'t str> {
        let last = at + 1 == self.texts.len();
        if last || widest { self.cut(at, text, widest).filter(|stem| !stem.is_empty()) } else { None }
    }

    /// Returns a text of the path without its suffix; `None` without one.
    fn cut<'t>(&self, at: usize, text: &'t str, widest: bool) -> Option<&'t str> {
        let (module, _) = self.module.filter(|(_, depth)| at >= *depth)?;
        let (stem, found) = text.rsplit_once('.')?;
        let known = |known: &&str| alike(known, found, module.folds || widest, widest);
        if module.suffixes.iter().any(known) { Some(stem) } else { None }
    }
}

fn alike(one: &str, other: &str, folds: bool, widest: bool) -> bool {
    match (folds, widest) {
        (false, _) => one == other,
        (true, false) => {
            one.bytes().map(|byte| byte.to_ascii_uppercase()).eq(other.bytes().map(|byte| byte.to_ascii_uppercase()))
        }
        (true, true) => one.to_uppercase() == other.to_uppercase() || one.to_lowercase() == other.to_lowercase(),
    }
}

/// Returns true if a path matches two patterns of the same form, as far as their letters are concerned.
pub(super) fn indistinguishable(modules: &[Module], one: (&Rule, &str), other: (&Rule, &str)) -> bool {
    let folds = |(rule, pattern): (&Rule, &str), at: usize| rule.folds || a_module_folds(modules, pattern, at);
    let (own, others) = (segments(one.1), segments(other.1));
    own.len() == others.len()
        && own.iter().zip(&others).enumerate().all(|(at, (own, others))| {
            let kind = |piece: &str| if piece.starts_with("{*") { 2 } else { u8::from(piece.starts_with('{')) };
            match (kind(own), kind(others)) {
                (0, 0) => own == others || alike(own, others, folds(one, at) || folds(other, at), false),
                (own, others) => own == others,
            }
        })
}

/// Returns true if some paths of a pattern are in a module that folds the segment at this index.
fn a_module_folds(modules: &[Module], pattern: &str, at: usize) -> bool {
    let pieces = segments(pattern);
    let same = |(own, piece): (&&str, &&str)| own == piece || (piece.starts_with('{') && !piece.starts_with("{*"));
    let below = |prefix: &[&str]| at >= prefix.len() && pieces.len() >= prefix.len();
    modules.iter().any(|module| {
        let prefix = segments(module.prefix);
        module.folds && below(&prefix) && prefix.iter().zip(&pieces).all(same)
    })
}
