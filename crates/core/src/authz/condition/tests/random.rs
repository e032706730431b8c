//! Random expressions: none panics, and each has the result of a second, simple evaluation. So an expression with an error never
//! allows a request.

mod simple;

use super::{PATTERN, compile, principal, with_inputs};
use crate::authz::condition::{CallerPresence, Condition, Env, ExpressionError};
use crate::authz::{AuthzError, PathPattern};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use simple::{Nothing, V, any_expression};
use std::cell::Cell;

/// Each kind of result must come at least this often. About 30 are expected of the rarest kind; fewer than 3 then have a probability
/// below 10⁻¹⁰, so a failure means that the generator changed.
const FEWEST: u32 = 3;

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

#[test]
fn every_expression_comes_to_what_it_says() {
    let caller = principal();
    let (met, unmet, errors) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |cell: &Cell<u32>| cell.set(cell.get() + 1);
    let tried = runner(600).run(&any_expression(), |expression| {
        let text = expression.text();
        let patterns = [PathPattern::parse(PATTERN).unwrap()];
        let condition =
            match Condition::compile(&text, &Env::Rule { callers: CallerPresence::Possible, patterns: &patterns }) {
                Ok(condition) => condition,
                Err(errors) => {
                    let known = |error: &ExpressionError| {
                        use ExpressionError::{Constant, Growth, Loops, NeverBool, TooDeep};
                        matches!(error, NeverBool(_) | TooDeep | Loops { .. } | Growth { .. } | Constant { .. })
                    };
                    prop_assert!(errors.iter().all(known), "{text}: {errors:?}");
                    return Ok(());
                }
            };
        let found = with_inputs(Some(&caller), |inputs| condition.check(inputs));
        let expected = if expression.names("query.two") { Err(Nothing) } else { expression.value(None) };
        match (&found, expected) {
            (Ok(()), Ok(V::Bool(true))) => count(&met),
            (Err(AuthzError::ConditionFalse), Ok(V::Bool(false))) => count(&unmet),
            (Err(AuthzError::ConditionError(_)), Ok(V::Int(_) | V::Text(_) | V::List(_)) | Err(Nothing)) => {
                count(&errors);
            }
            (found, expected) => {
                prop_assert!(false, "{text}: {found:?}, and not {:?}", expected.ok());
            }
        }
        Ok(())
    });
    tried.unwrap_or_else(|failed| panic!("{failed}"));
    let counts = [met.get(), unmet.get(), errors.get()];
    assert!(counts.iter().all(|count| *count >= FEWEST), "hardly anything was tried: {counts:?}");
}

/// Parts of valid and invalid expressions.
const PIECES: &[&str] = &[
    "claims",
    "path",
    "query",
    "request",
    "principal",
    "now",
    "context",
    ".",
    ".",
    ".org",
    ".level",
    ".max",
    ".min",
    ".roles",
    ".headers",
    ".method",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "?",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "<",
    " in ",
    "&&",
    "||",
    "'",
    "\"",
    "r'",
    "b'",
    "'''",
    "\\",
    "\\x",
    "\\u12",
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "1u",
    "1.5e308",
    "0x",
    "1e",
    "true",
    "null",
    "has(",
    "size(",
    "int(",
    "uint(",
    "double(",
    "string(",
    "timestamp(",
    "duration(",
    "type(",
    "bytes(",
    ".all(x,",
    ".map(x,",
    ".exists_one(x,",
    ".filter(x,",
    "x",
    ".size()",
    ".getHours(",
    ".startsWith(",
    "'P'",
    "'1h'",
    "'Europe/Berlin'",
    "'2030-01-01T00:00:00Z'",
    "é",
    "\u{0}",
    "\n",
    "//",
    " ",
    "as",
    "@in",
    "_",
    "`",
    ";",
    "$",
];

/// Neither the parser nor an evaluation panics on any text.
#[test]
fn nothing_that_is_written_panics() {
    let caller = principal();
    let text = prop::collection::vec(prop::sample::select(PIECES.to_vec()), 1..14).prop_map(|pieces| pieces.concat());
    let compiled = Cell::new(0);
    let tried = runner(1_500).run(&text, |text| {
        match compile(&text) {
            Ok(expression) => {
                compiled.set(compiled.get() + 1);
                // The result is irrelevant.
                let value = with_inputs(Some(&caller), |inputs| expression.evaluate(inputs));
                drop(value);
            }
            Err(errors) => prop_assert!(!errors.contains(&ExpressionError::Parser), "the parser panics: {text:?}"),
        }
        Ok(())
    });
    tried.unwrap_or_else(|failed| panic!("{failed}"));
    assert!(compiled.get() >= FEWEST, "only {} were expressions", compiled.get());
}
