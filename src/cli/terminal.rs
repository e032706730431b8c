//! The terminal that a command writes explanations to: colors, and lines that fit its width. Without a terminal the text stays as it is.

use crate::config::Environment;
use clap::ColorChoice;
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal};

/// The least width at which lines are wrapped. A narrower terminal would show one word a line.
const MIN_WIDTH: usize = 40;

/// The column at which the text of a step begins.
const STEP_INDENT: usize = 17;

/// The column at which the text of other lines begins.
const INDENT: usize = 12;

/// The marks of steps.
const MARKS: [char; 5] = ['✓', '✗', '·', '!', '?'];

/// The starts of the further lines of a finding.
const EXPLANATIONS: [&str; 2] = ["means: ", "do: "];

const RESET: &str = "\u{1b}[0m";
const BOLD_GREEN: &str = "\u{1b}[1;32m";
const BOLD_RED: &str = "\u{1b}[1;31m";
const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const YELLOW: &str = "\u{1b}[33m";
const DIM: &str = "\u{1b}[2m";

/// The properties of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terminal {
    has_colors: bool,
    /// The width in columns; `None` without a terminal.
    width: Option<usize>,
}

impl Terminal {
    pub(super) fn new(choice: ColorChoice, environment: &Environment) -> Self {
        let output = io::stdout();
        let size = tcgetwinsize(&output).ok().filter(|_| output.is_terminal());
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width >= MIN_WIDTH);
        let has_colors = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => output.is_terminal() && wants_colors(environment),
        };
        Self { has_colors, width }
    }

    /// Formats the text of a report, whose values hold no control characters.
    pub(super) fn show(self, text: &str) -> String {
        let lines: Vec<String> = text.lines().map(|line| self.line(line)).collect();
        lines.join("\n")
    }

    fn line(self, line: &str) -> String {
        let (sign, rest) = match line.split_at_checked(2) {
            Some((sign @ ("- " | "+ "), rest)) => (sign, rest),
            Some((sign @ "  ", rest)) if rest.starts_with(MARKS) => (sign, rest),
            _ => ("", line),
        };
        // Lines with values to copy, such as headers, stay whole.
        let is_explanation = rest.get(..STEP_INDENT).is_some_and(|indent| indent.trim().is_empty())
            && EXPLANATIONS.iter().any(|start| rest.trim_start().starts_with(start));
        let indent = if rest.starts_with(MARKS) || is_explanation {
            Some(STEP_INDENT)
        } else if rest.starts_with("denied ") || rest.starts_with("  missing ") {
            Some(INDENT)
        } else {
            None
        };
        let wrapped = match (self.width, indent) {
            (Some(width), Some(indent)) => wrap(line, width, indent.saturating_add(sign.len())),
            _ => line.to_owned(),
        };
        if !self.has_colors {
            return wrapped;
        }
        let color = match sign {
            "- " => return paint(&wrapped, RED, usize::MAX),
            "+ " => return paint(&wrapped, GREEN, usize::MAX),
            _ if rest.starts_with('✓') => GREEN,
            _ if rest.starts_with('✗') => RED,
            _ if rest.starts_with(['!', '?']) => YELLOW,
            _ if rest.starts_with('·') => DIM,
            // The headings of a compared log.
            _ if rest == "changed" => BOLD_RED,
            _ if rest == "undecided" => YELLOW,
            _ if rest == "skipped" => DIM,
            _ if rest == "allowed" => BOLD_GREEN,
            _ if rest.starts_with("denied ") => BOLD_RED,
            _ => return wrapped,
        };
        let marked = sign.len().saturating_add(rest.chars().take_while(|c| *c != ' ').count());
        paint(&wrapped, color, marked)
    }
}

/// Returns true unless the environment refuses colors (<https://no-color.org>).
fn wants_colors(environment: &Environment) -> bool {
    let refused = environment.variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && environment.variable("TERM").is_none_or(|term| term != "dumb")
}

/// Colors the first characters of a text.
fn paint(text: &str, color: &str, chars: usize) -> String {
    let end = text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
    let (head, tail) = text.split_at_checked(end).unwrap_or((text, ""));
    format!("{color}{head}{RESET}{tail}")
}

/// Breaks a line between words; later lines are indented. A value between backticks, and a word that is too long, stays whole, so that
/// it can be copied.
fn wrap(line: &str, width: usize, indent: usize) -> String {
    let mut wrapped = String::with_capacity(line.len());
    let mut column = 0_usize;
    for word in words(line) {
        let length = word.chars().count();
        let text = word.trim_end_matches(' ').chars().count();
        if column > indent && column.saturating_add(text) > width {
            wrapped.truncate(wrapped.trim_end_matches(' ').len());
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        }
        wrapped.push_str(word);
        column = column.saturating_add(length);
    }
    wrapped
}

/// Splits a line after each run of spaces outside of backticks.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (mut is_quoted, mut has_ended) = (false, false);
        let end = rest.char_indices().find_map(|(at, c)| {
            is_quoted ^= c == '`';
            let is_space = c == ' ' && !is_quoted;
            let is_next = has_ended && !is_space;
            has_ended |= is_space;
            is_next.then_some(at)
        });
        let (word, left) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, ""));
        rest = left;
        (!word.is_empty()).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::{Terminal, wants_colors, wrap};
    use crate::config::Environment;

    const PLAIN: Terminal = Terminal { has_colors: false, width: None };

    #[test]
    fn words_and_values_stay_whole() {
        let line = "✗ access         the caller lacks the role `a long role`; the caller's roles: `b`";
        let wrapped = wrap(line, 44, 17);
        let indent = " ".repeat(17);
        let expected = [
            "✗ access         the caller lacks the role",
            &format!("{indent}`a long role`; the caller's"),
            &format!("{indent}roles: `b`"),
        ];
        assert_eq!(wrapped.lines().collect::<Vec<_>>(), expected);
        // A word that is too long is left to the terminal, which keeps it one word for copying.
        let long = format!("· rule           {}", "x".repeat(100));
        assert_eq!(wrap(&long, 44, 17), long);
        assert_eq!(wrap("· rule           a", 44, 17), "· rule           a");
    }

    #[test]
    fn wrapping_loses_no_word() {
        let line =
            "✗ when           `a && b` is false: request.method = \"PUT\", claims.x is missing, and  more  of it";
        for width in 40..=130 {
            let wrapped = wrap(line, width, 17);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&wrapped), words(line), "{width}");
            assert!(wrapped.lines().all(|line| line.chars().count() <= width), "{width}: {wrapped}");
        }
    }

    #[test]
    fn only_marks_and_decisions_are_colored() {
        let text = "at          now\n✓ access         fine\n✗ when           no\n· rule           `a`\ndenied      x: y\n  body      {}\nallowed\n- ✓ a\n+ ✗ a";
        assert_eq!(PLAIN.show(text), text);
        let colored = Terminal { has_colors: true, ..PLAIN }.show(text);
        let expected = "at          now\n\u{1b}[32m✓\u{1b}[0m access         fine\n\u{1b}[31m✗\u{1b}[0m when           no\n\u{1b}[2m·\u{1b}[0m rule           `a`\n\u{1b}[1;31mdenied\u{1b}[0m      x: y\n  body      {}\n\u{1b}[1;32mallowed\u{1b}[0m\n\u{1b}[31m- ✓ a\u{1b}[0m\n\u{1b}[32m+ ✗ a\u{1b}[0m";
        assert_eq!(colored, expected);
    }

    #[test]
    fn the_environment_can_refuse_colors() {
        assert!(wants_colors(&Environment::fixed([])));
        assert!(wants_colors(&Environment::fixed([("NO_COLOR", ""), ("TERM", "xterm")])));
        assert!(!wants_colors(&Environment::fixed([("NO_COLOR", "1")])));
        assert!(!wants_colors(&Environment::fixed([("TERM", "dumb")])));
    }
}
