//! An expression, compiled at load and evaluated per request. `condition` decides if its value allows the request.

use super::declarations::Variable;
use super::environment::{self, ENVIRONMENT, begin, is_bound};
use super::error::{EvaluationError, ExpressionError};
use super::names;
use super::references::References;
use super::trace;
use super::values::{self, Inputs};
use crate::authz::PathPattern;
use cel::common::ast::IdedExpr;
use cel::common::types::CelBool;
use cel::common::value::Val;
use cel::{Context, ExecutionError, Value};
use serde_json::Map;
use std::sync::Arc;

/// A CEL expression in which every name is known.
#[derive(Debug)]
pub struct Expression {
    text: Box<str>,
    compiled: IdedExpr,
    reads: References,
}

/// The environment of an expression, which determines the available names.
#[derive(Debug, Clone, Copy)]
pub enum Env<'p> {
    /// A rule's condition.
    Rule {
        /// The presence of a caller.
        callers: CallerPresence,
        /// The patterns of the rule. A path parameter must be in each of them. Empty without parameters.
        patterns: &'p [PathPattern],
    },
    /// A value for modules or Envoy, after any rule. It can use the rule's name, but neither path parameters nor data that a client
    /// controls: headers and the query.
    Told,
}

/// The presence of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerPresence {
    /// A caller is required or optional.
    Asked,
    /// The caller is not authenticated: `claims` and `principal` hold no data.
    NotAsked,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// All errors of the expression.
    pub fn compile(text: &str, scope: &Env<'_>) -> Result<Self, Vec<ExpressionError>> {
        let (compiled, source) = environment::parse(text).map_err(|fault| vec![fault])?;
        let reads = names::check(&compiled, &source, scope)?;
        Ok(Self { text: text.into(), compiled, reads })
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
        self.with_result(inputs, |value| json(&Value::try_from(value).map_err(|_| EvaluationError::Result)?))
    }

    /// Returns true if the expression is true.
    pub(super) fn is_true(&self, inputs: &Inputs<'_>) -> Result<bool, EvaluationError> {
        let bool = |value: &dyn Val| value.downcast_ref::<CelBool>().map(|value| *value.inner());
        self.with_result(inputs, |value| bool(value).ok_or(EvaluationError::Result))
    }

    /// Returns a name for the result if it can't be true or false; `None` if it can be.
    pub(super) const fn never_a_bool(&self) -> Option<&'static str> {
        self.reads.never_a_bool
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
        Ok(trace::shown(&self.reads, value))
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
        let value = Value::resolve_val(&self.compiled, &context).map_err(|fault| self.fault(fault))?;
        read(value.as_ref())
    }

    /// Converts an error and removes its values.
    fn fault(&self, fault: ExecutionError) -> EvaluationError {
        match fault {
            // A name in the expression is no secret; a name from the request or a claim could be.
            ExecutionError::NoSuchKey(name) if self.text.contains(name.as_str()) => {
                EvaluationError::Missing(name.as_str().into())
            }
            ExecutionError::NoSuchKey(_) => EvaluationError::MissingMember,
            ExecutionError::NoSuchOverload(fault) => EvaluationError::Types(operator(fault.function()).into()),
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
