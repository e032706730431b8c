//! The comparison of one request: both explanations, line by line, and the change of the decision.

use super::outcome::{FAILED_LOOKUP, Outcome};
use crate::cli::explain::lookups::Lookups;
use crate::cli::explain::report::{Report, to_json};
use crate::cli::explain::{Args, ExplainError, request};
use crate::cli::terminal::Terminal;
use crate::cli::{Exit, print_line};
use crate::clock::Clock;
use crate::config::Config;
use serde::Serialize;

/// Both explanations, for tools.
#[derive(Serialize)]
struct Compared<'r> {
    is_changed: bool,
    /// True if a lookup failed.
    is_undecided: bool,
    old: &'r Report,
    new: &'r Report,
}

/// Compares the decisions of one request.
pub(super) fn run(args: Args, [old, new]: [&Config; 2], terminal: &Terminal) -> Result<Exit, ExplainError> {
    let now = args.at.unwrap_or_else(|| Clock::System.now());
    let as_json = args.json;
    let check = request(args)?;
    let decide = |config| Lookups::default().decide(&check, config, now);
    let (old, new) = (decide(old)?, decide(new)?);
    let (before, after) = (Outcome::of(&old), Outcome::of(&new));
    let is_undecided = old.is_undecided() || new.is_undecided();
    let is_changed = !is_undecided && before != after;
    if as_json {
        print_line(to_json(&Compared { is_changed, is_undecided, old: &old, new: &new })?);
    } else {
        let (old, new) = (old.to_string(), new.to_string());
        let lines = merged(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
        let end = if is_undecided {
            format!("undecided   {FAILED_LOOKUP}")
        } else if is_changed {
            format!("changed     {before} → {after}")
        } else if old == new {
            format!("unchanged   {before}")
        } else {
            format!("unchanged   {before}; the lines with - and + differ")
        };
        print_line(terminal.show(&format!("{}\n{end}", lines.join("\n"))));
    }
    Ok(match (is_undecided, is_changed) {
        (true, _) => Exit::Undecided,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    })
}

/// Merges two texts: `-` marks lines of the old one, `+` of the new one. It is quadratic, and explanations have few lines.
fn merged(old: &[&str], new: &[&str]) -> Vec<String> {
    // The length of the longest common subsequence of what follows each pair of positions.
    let width = new.len().saturating_add(1);
    let mut lengths = vec![0_usize; width.saturating_mul(old.len().saturating_add(1))];
    let at = |old: usize, new: usize| old.saturating_mul(width).saturating_add(new);
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let length = |i: usize, j: usize| lengths.get(at(i, j)).copied().unwrap_or_default();
            let (next_i, next_j) = (i.saturating_add(1), j.saturating_add(1));
            let best = if one == other {
                length(next_i, next_j).saturating_add(1)
            } else {
                length(next_i, j).max(length(i, next_j))
            };
            if let Some(length) = lengths.get_mut(at(i, j)) {
                *length = best;
            }
        }
    }
    let length = |i: usize, j: usize| lengths.get(at(i, j)).copied().unwrap_or_default();
    let (mut i, mut j, mut merged) = (0_usize, 0_usize, Vec::new());
    loop {
        let (next_i, next_j) = (i.saturating_add(1), j.saturating_add(1));
        match (old.get(i), new.get(j)) {
            (Some(one), Some(other)) if one == other => {
                merged.push(format!("  {one}"));
                (i, j) = (next_i, next_j);
            }
            (Some(one), other) if other.is_none() || length(next_i, j) >= length(i, next_j) => {
                merged.push(format!("- {one}"));
                i = next_i;
            }
            (_, Some(other)) => {
                merged.push(format!("+ {other}"));
                j = next_j;
            }
            (_, None) => return merged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn common_lines_are_shown_once() {
        for (old, new, expected) in [
            ("a b c", "a b c", "  a|  b|  c"),
            ("a b c", "a x c", "  a|- b|+ x|  c"),
            ("a b", "a b c", "  a|  b|+ c"),
            ("a b c", "c", "- a|- b|  c"),
            ("", "a", "+ a"),
            ("a", "", "- a"),
        ] {
            let split = |text: &'static str| text.split_whitespace().collect::<Vec<_>>();
            assert_eq!(merged(&split(old), &split(new)).join("|"), expected);
        }
    }
}
