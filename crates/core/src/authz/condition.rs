//! CEL expressions, compiled at load and evaluated per request, and the condition of a rule, `when`. Any result of a condition but
//! true denies the request.

mod constants;
mod declarations;
mod environment;
mod error;
mod names;
mod networks;
mod never_equal;
mod references;
#[cfg(test)]
mod tests;
mod values;

pub use declarations::{CallerPresence, Env};
pub use error::{EvaluationError, ExpressionError};
pub use never_equal::{NeverEqual, never_equal};
pub use values::Inputs;

use super::AuthzError;
use crate::explain::Step;
use crate::principal::ClaimPath;
use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::CelBool;
use cel::common::value::Val;
use cel::{Context, ExecutionError, Value};
use declarations::Variable;
use environment::{ENVIRONMENT, begin, is_bound};
use references::References;
use serde_json::Map;
use std::sync::Arc;

/// An expression that must be true.
#[derive(Debug)]
pub struct Condition(Expression);

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// All errors of the expression, and `ExpressionError::NeverBool` for one that can't be true or false.
    pub fn compile(text: &str, scope: &Env<'_>) -> Result<Self, Vec<ExpressionError>> {
        let expression = Expression::compile(text, scope)?;
        match expression.never_bool() {
            Some(what) => Err(vec![ExpressionError::NeverBool(what)]),
            None => Ok(Self(expression)),
        }
    }

    /// Returns the names of the request headers that it reads; none if it may read any header.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.0.header_names()
    }

    /// Returns true if it may read the request header of this name, in lower case.
    #[must_use]
    pub fn may_read_header(&self, name: &str) -> bool {
        self.0.may_read_header(name)
    }

    /// Returns true if it reads the query.
    #[must_use]
    pub const fn reads_query(&self) -> bool {
        self.0.reads.query.is_something()
    }

    /// Returns true if it may read a request header that is not known, by its name in lower case.
    #[must_use]
    pub fn reads_headers_beyond(&self, is_known: impl Fn(&str) -> bool) -> bool {
        self.0.reads.headers.reach_beyond(is_known)
    }

    /// Returns true if it may read a context extension that is not known.
    #[must_use]
    pub fn reads_context_beyond(&self, is_known: impl Fn(&str) -> bool) -> bool {
        self.0.reads.context.reach_beyond(is_known)
    }

    /// Returns true if it reads this field of `request`.
    #[must_use]
    pub fn reads_field(&self, name: &str) -> bool {
        self.0.reads.request.has(name)
    }

    /// Returns true if it reads the client's address.
    #[must_use]
    pub const fn reads_client(&self) -> bool {
        self.0.reads.source.is_something()
    }

    /// Returns true if it reads the context extensions of Envoy's route.
    #[must_use]
    pub const fn reads_context(&self) -> bool {
        self.0.reads.context.is_something()
    }

    /// Evaluates the condition for a request.
    ///
    /// # Errors
    /// [`AuthzError::ConditionFalse`] if it is false, [`AuthzError::ConditionError`] if the evaluation fails or its result is
    /// neither true nor false.
    pub fn check(&self, inputs: &Inputs<'_>) -> Result<(), AuthzError> {
        match self.0.is_true(inputs) {
            Ok(true) => Ok(()),
            Ok(false) => Err(AuthzError::ConditionFalse),
            Err(error) => Err(AuthzError::ConditionError(error)),
        }
    }

    /// Describes the outcome for people, with the values that the condition read.
    pub(super) fn describe(&self, inputs: &Inputs<'_>, outcome: &Result<(), AuthzError>) -> Step {
        let text = self.0.text().lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let read = self.0.read(inputs).unwrap_or_default();
        let read = if read.is_empty() { String::new() } else { format!(": {}", read.join(", ")) };
        match outcome {
            Ok(()) => Step::passed("when", format!("`{text}` is true{read}")),
            Err(AuthzError::ConditionFalse) => Step::failed("when", format!("`{text}` is false{read}")),
            Err(error) => Step::failed("when", format!("`{text}`: {error}{read}")),
        }
    }
}

/// A CEL expression in which every name is known.
#[derive(Debug)]
pub struct Expression {
    text: Box<str>,
    compiled: IdedExpr,
    reads: References,
    /// The claim that is the whole expression.
    claim: Option<ClaimPath>,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// All errors of the expression.
    pub fn compile(text: &str, scope: &Env<'_>) -> Result<Self, Vec<ExpressionError>> {
        let (compiled, source) = environment::parse(text).map_err(|error| vec![error])?;
        let reads = names::check(&compiled, &source, scope)?;
        let errors = constants::check(&compiled, &source);
        if !errors.is_empty() {
            return Err(errors);
        }
        let claim = claim_path(&compiled);
        Ok(Self { text: text.into(), compiled, reads, claim })
    }

    /// Returns the expression as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns true if the expression names this claim.
    #[must_use]
    pub fn names_claim(&self, name: &str) -> bool {
        self.reads.claims.names(name)
    }

    /// Returns true if the expression names the caller's subject or organization.
    #[must_use]
    pub fn names_caller(&self) -> bool {
        ["subject", "organization"].into_iter().any(|name| self.reads.principal.names(name))
    }

    /// Returns the names of the request headers that the expression reads; none if it may read any header.
    pub(super) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.reads.headers.named()
    }

    /// Returns true if the expression may read the request header of this name, in lower case.
    #[must_use]
    pub fn may_read_header(&self, name: &str) -> bool {
        self.reads.headers.has(name)
    }

    /// Evaluates the expression to JSON: a time in RFC 3339 format, a duration in seconds with an `s`.
    ///
    /// # Errors
    /// [`EvaluationError`]: a missing value, another type, an ambiguous value, or too much work. As CEL defines, an error in a part
    /// that doesn't affect `&&`, `||` or `?:` is ignored.
    pub fn evaluate(&self, inputs: &Inputs<'_>) -> Result<serde_json::Value, EvaluationError> {
        let value =
            self.with_result(inputs, |value| json(&Value::try_from(value).map_err(|_| EvaluationError::Result)?))?;
        // A condition sees no member that is `null` or counts as none. A claim that is passed on has them all, whichever way it is named.
        let claim = || inputs.principal?.claim(self.claim.as_ref()?);
        Ok(if value.is_object() || value.is_array() { claim().map_or(value, |claim| claim.to_value()) } else { value })
    }

    /// Returns true if the expression is true.
    pub(super) fn is_true(&self, inputs: &Inputs<'_>) -> Result<bool, EvaluationError> {
        let bool = |value: &dyn Val| value.downcast_ref::<CelBool>().map(|value| *value.inner());
        self.with_result(inputs, |value| bool(value).ok_or(EvaluationError::Result))
    }

    /// Returns a name for the result if it can't be true or false; `None` if it can be.
    pub(super) const fn never_bool(&self) -> Option<&'static str> {
        self.reads.never_bool
    }

    /// Lists the values that the expression reads, for people.
    ///
    /// # Errors
    /// [`EvaluationError::Ambiguous`].
    pub(super) fn read(&self, inputs: &Inputs<'_>) -> Result<Vec<String>, EvaluationError> {
        let context = self.context(inputs)?;
        let value = |variable: Variable| {
            let value = context.get_variable(variable.name())?;
            Value::try_from(value.as_ref()).ok().and_then(|value| json(&value).ok())
        };
        Ok(self.reads.values(value))
    }

    fn context<'v>(&self, inputs: &'v Inputs<'v>) -> Result<Context<'v, 'v>, EvaluationError> {
        values::bind(&self.reads, inputs, Context::with_env(Arc::clone(&ENVIRONMENT)))
    }

    fn with_result<T>(
        &self,
        inputs: &Inputs<'_>,
        read: impl FnOnce(&dyn Val) -> Result<T, EvaluationError>,
    ) -> Result<T, EvaluationError> {
        let context = self.context(inputs)?;
        begin();
        let value = Value::resolve_val(&self.compiled, &context).map_err(|error| self.error(error))?;
        read(value.as_ref())
    }

    /// Converts an error and removes its values.
    fn error(&self, error: ExecutionError) -> EvaluationError {
        match error {
            // A name in the expression is no secret; a name from the request or a claim could be.
            ExecutionError::NoSuchKey(name) if self.text.contains(name.as_str()) => {
                EvaluationError::Missing(name.as_str().into())
            }
            ExecutionError::NoSuchKey(_) => EvaluationError::MissingMember,
            ExecutionError::NoSuchOverload(error) => EvaluationError::Types(operator(error.function()).into()),
            ExecutionError::UnsupportedBinaryOperator(operator, ..) => EvaluationError::Types(operator.into()),
            ExecutionError::UnexpectedType { .. }
            | ExecutionError::ValuesNotComparable(..)
            | ExecutionError::UnsupportedKeyType(_) => EvaluationError::Types("an operator".into()),
            ExecutionError::FunctionError { function, .. } if is_bound(&function) => EvaluationError::TooManySteps,
            ExecutionError::FunctionError { function, .. } => EvaluationError::Conversion(function.into()),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) | ExecutionError::Overflow(..) => {
                EvaluationError::Arithmetic
            }
            ExecutionError::IndexOutOfBounds(_) => EvaluationError::Index,
            _ => EvaluationError::Other,
        }
    }
}

/// Returns the claim that is the whole expression, such as `claims.a['b']`; `None` for any other expression.
fn claim_path(expression: &IdedExpr) -> Option<ClaimPath> {
    let mut names = Vec::new();
    let mut rest = expression;
    loop {
        rest = match &rest.expr {
            Expr::Ident(name) if name == Variable::Claims.name() => break,
            Expr::Select(select) if !select.test => {
                names.push(select.field.as_str());
                &select.operand
            }
            Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
                [of, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }] => {
                    names.push(name.inner());
                    of
                }
                _ => return None,
            },
            _ => return None,
        };
    }
    ClaimPath::of(names.into_iter().rev()).ok()
}

/// Returns an operator as written: CEL's `_==_` is `==`.
fn operator(name: &str) -> &str {
    match name {
        "_?_:_" => "?:",
        "_[_]" => "[]",
        "_._" => ".",
        "@in" => "in",
        name => name.trim_matches('_'),
    }
}

/// Converts a value to JSON.
fn json(value: &Value) -> Result<serde_json::Value, EvaluationError> {
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::UInt(value) => (*value).into(),
        // A value that is not a number in JSON would become `null`.
        Value::Float(value) if value.is_finite() => (*value).into(),
        Value::String(text) => text.as_str().into(),
        Value::List(list) => list.iter().map(json).collect::<Result<_, _>>()?,
        Value::Map(map) => {
            let member = |(name, value): (&cel::objects::Key, &Value)| Ok((name.to_string(), json(value)?));
            map.map.iter().map(member).collect::<Result<Map<_, _>, _>>()?.into()
        }
        Value::Timestamp(time) => time.to_utc().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).into(),
        Value::Duration(span) => format!("{}s", span.as_seconds_f64()).into(),
        Value::Float(_) | Value::Bytes(_) | Value::Function(..) | Value::Opaque(_) | Value::Struct(_) => {
            return Err(EvaluationError::Result);
        }
    })
}
