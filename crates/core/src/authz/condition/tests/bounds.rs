//! No expression crashes the process: neither the stack of the parser nor that of an evaluation overflows.

use super::{compile, evaluate};
use crate::authz::condition::ExpressionError::{self, TooDeep, TooLong};
use crate::authz::condition::declarations::{MAX_BYTES, MAX_DEPTH};
use std::thread;

fn refused(text: &str) -> Option<ExpressionError> {
    compile(text).err().and_then(|errors| errors.into_iter().next())
}

#[test]
fn long_expressions_are_not_parsed() {
    for text in ["(", "[", "{", "!", "-", "!(", "a.", "a[", "1+", "true?", "f(", "\"", "'", "\\", "/*", "//"] {
        let long = text.repeat(100_000);
        assert_eq!(refused(&long), Some(TooLong(long.len())), "{text}");
    }
    assert_eq!(refused(&" ".repeat(MAX_BYTES)), Some(ExpressionError::Empty));
    assert_eq!(refused(&format!("true{}", " ".repeat(MAX_BYTES - 4))), None);
}

/// Each construct is nested as deeply as the maximum length permits.
#[test]
fn deep_expressions_are_refused_and_nothing_worse() {
    let most = |begin: &str, middle: &str, end: &str| {
        let times = (MAX_BYTES - middle.len()) / (begin.len() + end.len());
        format!("{}{middle}{}", begin.repeat(times), end.repeat(times))
    };
    for text in [
        most("(", "1", ")"),
        most("[", "1", "]"),
        most("{1:", "1", "}"),
        most("int(", "1", ")"),
        most("[!f(a.b+", "1", ")]"),
        most("", "1", "+1"),
        most("", "1", "<1"),
        most("", "1", " in 1"),
        most("", "now", ".b"),
        most("", "now", "[0]"),
        most("", "now", ".size()"),
        most("true?1:", "1", ""),
        most("true?(", "1", "):1"),
        most("[1].all(x,", "1", ")"),
        most("[1].map(x,", "1", ")"),
        most("", "[1]", ".map(x,x)"),
        most("has(", "a.b", ")"),
    ] {
        let shown: String = text.chars().take(30).collect();
        assert_eq!(refused(&text), Some(TooDeep), "{shown}");
    }
    // These are incomplete or have no levels.
    for text in [most("(", "", ""), most("[", "", ""), most("{", "", ""), most("a.", "", ""), most("\"", "", "")] {
        assert!(refused(&text).is_some());
    }
    assert_eq!(refused(&most("!", "true", "")), None);
    assert_eq!(refused(&most("- ", "1", "")), None);
    assert_eq!(refused(&most("", "true", "&&true")), None);
    assert_eq!(refused(&format!("1 in [{}]", vec!["1"; 2_000].join(","))), None);
}

/// The deepest valid expression is evaluated on a smaller stack than any server thread has.
#[test]
fn what_is_taken_fits_on_the_stack() {
    let deepest = |begin: &str, middle: &str, end: &str| {
        let of = |times: usize| format!("{}{middle}{}", begin.repeat(times), end.repeat(times));
        let most = (0..MAX_DEPTH).rev().find(|times| refused(&of(*times)) != Some(TooDeep)).unwrap();
        assert!(most > 5, "{begin}{middle}{end}: only {most}");
        of(most)
    };
    let small = thread::Builder::new().stack_size(3 << 19);
    let run = small.spawn(move || {
        for text in [
            deepest("[", "1", "]"),
            deepest("{1:", "1", "}"),
            deepest("int(", "1", ")"),
            deepest("", "1", "+1"),
            deepest("!(!", "true", ")"),
            deepest("", "claims", ".b"),
            deepest("", "claims", "['a']"),
            deepest("true?(", "1", "):1"),
            deepest("", "[1]", ".map(x,x)"),
            deepest("", "claims.text", ".size()"),
        ] {
            // The result is irrelevant.
            let value = evaluate(&text);
            drop(value);
        }
    });
    run.unwrap().join().unwrap();
}
