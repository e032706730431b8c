//! The constant parts of an expression, evaluated at load: one that fails would fail for every request.

use super::declarations::TYPES;
use super::environment::{ENVIRONMENT, begin, parts};
use super::error::ExpressionError;
use super::operator;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use cel::common::types::CelString;
use cel::{Context, ExecutionError, Value};
use std::sync::Arc;

/// The maximum length of a displayed literal, in characters. The rest is cut off.
const MAX_LITERAL_CHARS: usize = 60;

/// Evaluates every constant part, and returns the errors of the innermost ones that fail.
pub(super) fn check(expression: &IdedExpr, source: &SourceInfo) -> Vec<ExpressionError> {
    let mut walk = Walk { source, errors: Vec::new() };
    walk.visit(expression);
    walk.errors
}

/// Returns the position of a part, in characters from 1.
pub(super) fn position(source: &SourceInfo, expression: &IdedExpr) -> usize {
    let start = source.offset_for(expression.id).map_or(0, |(start, _)| start);
    usize::try_from(start).unwrap_or_default().saturating_add(1)
}

/// Returns a text between backticks, shortened.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_LITERAL_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_LITERAL_CHARS).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

struct Walk<'w> {
    source: &'w SourceInfo,
    errors: Vec<ExpressionError>,
}

impl Walk<'_> {
    /// Checks a part. Returns true if it is constant and can be evaluated.
    fn visit(&mut self, expression: &IdedExpr) -> bool {
        // Each part is visited, so that all errors are found.
        let variable = parts(expression).into_iter().filter(|part| !self.visit(part)).count();
        let are_constant = variable == 0;
        match &expression.expr {
            Expr::Literal(_) => true,
            Expr::Ident(name) => TYPES.contains(&name.as_str()),
            Expr::Unspecified | Expr::Comprehension(_) | Expr::Struct(_) => false,
            Expr::Call(call) if are_constant => self.evaluate(expression, call, expression),
            Expr::Call(call) => {
                self.zone(expression, call);
                false
            }
            Expr::Select(_) | Expr::List(_) | Expr::Map(_) => {
                are_constant && self.evaluate(expression, &CallExpr::default(), expression)
            }
        }
    }

    /// Checks the constant time zone of a time that depends on the request, as in `now.getHours('Europe/Berlin')`.
    fn zone(&mut self, expression: &IdedExpr, call: &CallExpr) {
        let [zone @ IdedExpr { expr: Expr::Literal(_), .. }] = call.args.as_slice() else { return };
        if !call.func_name.starts_with("get") || call.target.is_none() {
            return;
        }
        let epoch = LiteralValue::String(CelString::from("1970-01-01T00:00:00Z"));
        let epoch = IdedExpr { id: 0, expr: Expr::Literal(epoch) };
        let epoch = CallExpr { func_name: "timestamp".to_owned(), target: None, args: vec![epoch] };
        let epoch = IdedExpr { id: 0, expr: Expr::Call(epoch) };
        let target = Some(Box::new(epoch));
        let sample = CallExpr { func_name: call.func_name.clone(), target, args: vec![zone.clone()] };
        self.evaluate(&IdedExpr { id: 0, expr: Expr::Call(sample) }, call, expression);
    }

    /// Evaluates a constant. Returns false, and records an error at `place`, if that fails.
    fn evaluate(&mut self, constant: &IdedExpr, call: &CallExpr, place: &IdedExpr) -> bool {
        let context = Context::with_env(Arc::clone(&ENVIRONMENT));
        begin();
        let why = match Value::resolve_val(constant, &context) {
            // CEL's parser ignores what follows a valid duration: `15min` would be 15 minutes, and `1h30` one hour.
            Ok(_) if call.func_name == "duration" && !literal(call).is_none_or(is_duration) => why(call, None),
            Ok(_) => return true,
            Err(error) => why(call, Some(&error)),
        };
        let name = match &place.expr {
            Expr::Call(call) => operator(&call.func_name).into(),
            Expr::Select(select) => format!(".{}", select.field).into(),
            _ => "[…]".into(),
        };
        self.errors.push(ExpressionError::Constant { name, at: position(self.source, place), why });
        false
    }
}

/// Returns the text that is the only argument.
fn literal(call: &CallExpr) -> Option<&str> {
    match call.args.as_slice() {
        [IdedExpr { expr: Expr::Literal(LiteralValue::String(text)), .. }] => Some(text.inner()),
        _ => None,
    }
}

/// Returns the reason why a call fails, and what to write instead.
fn why(call: &CallExpr, error: Option<&ExecutionError>) -> String {
    if let Some(text) = literal(call) {
        let text = shown(text);
        let expected = match call.func_name.as_str() {
            "timestamp" => "a time; write one such as `2030-01-31T12:00:00Z`",
            "duration" => "a duration; write numbers with `h`, `m`, `s`, `ms`, `us` or `ns`, such as `24h` or `1h30m`",
            "int" | "uint" => "a whole number in range; write one such as `42`",
            "double" => "a number; write one such as `0.5`",
            "ip" | "containsIP" => "an IP address; write one such as `10.0.0.7` or `2001:db8::1`",
            "cidr" | "containsCIDR" => "a network; write one such as `10.0.0.0/8` or `2001:db8::/32`",
            "bool" => "a truth value; write `true` or `false`",
            name if name.starts_with("get") => "a time zone; write one such as `Europe/Berlin` or `+02:00`",
            _ => "",
        };
        if !expected.is_empty() {
            return format!("{text} is not {expected}");
        }
    }
    let why = match error {
        Some(ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) | ExecutionError::Overflow(..)) => {
            "it divides by zero, or a number overflows"
        }
        Some(ExecutionError::NoSuchKey(_)) => "the map has no such member",
        Some(ExecutionError::IndexOutOfBounds(_)) => "the list has no such element",
        Some(
            ExecutionError::NoSuchOverload(_)
            | ExecutionError::UnsupportedBinaryOperator(..)
            | ExecutionError::UnexpectedType { .. }
            | ExecutionError::ValuesNotComparable(..)
            | ExecutionError::UnsupportedKeyType(_),
        ) => "its values have unsupported types",
        Some(_) | None => "its value can't be converted",
    };
    why.to_owned()
}

/// Returns true if the whole text is a duration: an optional sign, and numbers with units.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    if rest == "0" {
        return true;
    }
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let after = ["ms", "us", "ns", "h", "m", "s"].into_iter().find_map(|name| unit.strip_prefix(name));
        match after {
            Some(after) if unit.len() < rest.len() => rest = after,
            Some(_) | None => return false,
        }
    }
    !text.is_empty()
}
