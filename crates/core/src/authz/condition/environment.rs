//! The CEL environment: its functions, its parser with additional limits, and the count of the elements that loops visit.

use super::declarations::{MAX_BYTES, MAX_DEPTH, MAX_STEPS};
use super::error::ExpressionError;
use super::networks;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, SourceInfo};
use cel::common::types::DYN_TYPE;
use cel::common::value::CowVal;
use cel::parser::ParseErrors;
use cel::{Env, ExecutionError};
use std::cell::Cell;
use std::sync::{Arc, LazyLock};
use std::thread;

/// The stack size of the parser. The parser descends one level per operator of a chain, and [`MAX_BYTES`] holds thousands. Without
/// optimization each level takes tens of kilobytes. Only the used part takes memory.
const PARSER_STACK: usize = if cfg!(debug_assertions) { 512 << 20 } else { 32 << 20 };

/// The function that wraps a loop's list. No expression can contain this name.
const BOUNDED: &str = "@bounded";

/// The functions and macros of CEL, without optional values, those of networks, and [`BOUNDED`].
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib().with_optional_support(false);
    let added = env.add_overload(BOUNDED, "bounded_dyn", vec![DYN_TYPE], bounded);
    let added = added.and_then(|()| networks::add_to(&mut env));
    debug_assert!(added.is_ok(), "the standard library has no functions of these names");
    Arc::new(env)
});

thread_local! {
    /// The number of elements that the current evaluation on this thread may still visit.
    static STEPS_LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Resets the count for a new evaluation.
pub(super) fn begin() {
    STEPS_LEFT.set(MAX_STEPS);
}

/// Returns true if the failed function is [`BOUNDED`].
pub(super) fn is_bound(function: &str) -> bool {
    function == BOUNDED
}

/// Returns a list, if the remaining steps suffice for it.
fn bounded<'b, 'v>(mut arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let list = arguments.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
    let size = list.as_sizer().map_or(0, |sizer| *sizer.size().inner());
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let Some(left) = STEPS_LEFT.get().checked_sub(size) else {
        // Later loops must not continue with the remainder.
        STEPS_LEFT.set(0);
        return Err(ExecutionError::function_error(BOUNDED, "too many steps"));
    };
    STEPS_LEFT.set(left);
    Ok(list)
}

/// Parses an expression on a separate stack. The list of each loop is wrapped, so that its elements are counted.
pub(super) fn parse(text: &str) -> Result<(IdedExpr, SourceInfo), ExpressionError> {
    if text.trim().is_empty() {
        return Err(ExpressionError::Empty);
    }
    if text.len() > MAX_BYTES {
        return Err(ExpressionError::TooLong(text.len()));
    }
    thread::scope(|scope| {
        let parser = thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, || {
            let parsed = ENVIRONMENT.parser().parse_with_source_info(text);
            let (mut expression, source) = parsed.map_err(|errors| syntax(text, &errors))?;
            bound_loops(&mut expression);
            // A rejected expression is dropped here too, where the stack is large enough.
            if is_deeper(&expression, MAX_DEPTH) { Err(ExpressionError::TooDeep) } else { Ok((expression, source)) }
        });
        // A failed thread start or a panic of the parser is also an error.
        parser.ok().and_then(|parser| parser.join().ok()).unwrap_or(Err(ExpressionError::Parser))
    })
}

/// Returns the position where the parser stopped, without its message, which refers to its grammar.
fn syntax(text: &str, errors: &ParseErrors) -> ExpressionError {
    let Some(error) = errors.errors.first() else { return ExpressionError::Parser };
    if errors.errors.iter().any(|error| error.msg.contains("Recursion limit")) {
        return ExpressionError::TooDeep;
    }
    let (line, column) = error.pos;
    let before = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(before).map(|line| line.chars().count()).sum();
    let at = before.saturating_add(usize::try_from(column).unwrap_or(1)).max(1);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let rest: String = text.chars().map(plain).skip(at.saturating_sub(1)).take(20).collect();
    let near = match rest.trim_end() {
        "" => String::new(),
        rest => format!(", at `{rest}`"),
    };
    ExpressionError::Syntax { at, near }
}

/// Returns true if the expression has more levels than this.
fn is_deeper(expression: &IdedExpr, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else { return true };
    parts(expression).into_iter().any(|part| is_deeper(part, levels))
}

/// Returns the direct subexpressions.
pub(super) fn parts(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Comprehension(list) => {
            vec![&list.iter_range, &list.accu_init, &list.loop_cond, &list.loop_step, &list.result]
        }
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// Wraps the list of every loop.
fn bound_loops(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => {
            call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args).for_each(bound_loops);
        }
        Expr::Select(select) => bound_loops(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(bound_loops),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| bound_entry(&mut entry.expr)),
        Expr::Struct(made) => made.entries.iter_mut().for_each(|entry| bound_entry(&mut entry.expr)),
        Expr::Comprehension(list) => {
            let list = &mut **list;
            for part in
                [&mut list.iter_range, &mut list.accu_init, &mut list.loop_cond, &mut list.loop_step, &mut list.result]
            {
                bound_loops(part);
            }
            let range = std::mem::take(&mut list.iter_range);
            let wrapped = CallExpr { func_name: BOUNDED.to_owned(), target: None, args: vec![range] };
            list.iter_range.expr = Expr::Call(wrapped);
        }
    }
}

fn bound_entry(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => bound_loops(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            bound_loops(&mut entry.key);
            bound_loops(&mut entry.value);
        }
    }
}
