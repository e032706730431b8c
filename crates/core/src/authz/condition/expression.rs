//! An expression, compiled at load and evaluated for a request. Owns what it may speak of; whether its value lets anybody through
//! is `condition`'s to say.

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

/// An expression of CEL, of which every name is known.
#[derive(Debug)]
pub struct Expression {
    text: Box<str>,
    compiled: IdedExpr,
    reads: References,
}

/// What an expression may speak of, where it stands.
#[derive(Debug, Clone, Copy)]
pub enum Env<'p> {
    /// A rule's condition.
    Rule {
        /// Whether there can be a caller.
        callers: CallerPresence,
        /// The patterns of which one has matched: a path parameter has to be one of each. None where there are no parameters.
        patterns: &'p [PathPattern],
    },
    /// What modules and Envoy are told, whichever rule has decided. It can name the rule; it has no path parameters, and reads nothing
    /// that a client can write as it likes: headers and the query.
    Told,
}

/// Whether there can be a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerPresence {
    /// There is one, or could be one.
    Asked,
    /// Nobody is asked who they are: `claims` and `principal` say nothing.
    NotAsked,
}

impl Expression {
    /// References an expression.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(text: &str, scope: &Env<'_>) -> Result<Self, Vec<ExpressionError>> {
        let (compiled, source) = environment::parse(text).map_err(|fault| vec![fault])?;
        let reads = names::check(&compiled, &source, scope)?;
        Ok(Self { text: text.into(), compiled, reads })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names this claim.
    #[must_use]
    pub fn names_claim(&self, name: &str) -> bool {
        self.reads.claims.names(name)
    }

    /// Whether it names who the caller is, or for which organization.
    #[must_use]
    pub fn names_caller(&self) -> bool {
        ["subject", "organization"].into_iter().any(|name| self.reads.principal.names(name))
    }

    /// Returns the names of the request headers that it reads; none if it reads whichever there are.
    pub(super) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.reads.headers.named()
    }

    /// What it comes to, as JSON: a time as RFC 3339 has it, a duration as seconds with an `s`.
    ///
    /// # Errors
    /// [`EvaluationError`]: a value that is not there, of another type, ambiguous, or too much work. A fault in a part that `&&`,
    /// `||` or `?:` does not depend on is none, as CEL has it.
    pub fn evaluate(&self, inputs: &Inputs<'_>) -> Result<serde_json::Value, EvaluationError> {
        self.with_result(inputs, |value| json(&Value::try_from(value).map_err(|_| EvaluationError::Result)?))
    }

    /// Whether it is true.
    pub(super) fn is_true(&self, inputs: &Inputs<'_>) -> Result<bool, EvaluationError> {
        let bool = |value: &dyn Val| value.downcast_ref::<CelBool>().map(|value| *value.inner());
        self.with_result(inputs, |value| bool(value).ok_or(EvaluationError::Result))
    }

    /// What it comes to, if that is certainly neither true nor false.
    pub(super) const fn never_a_bool(&self) -> Option<&'static str> {
        self.reads.never_a_bool
    }

    /// What it reads, for people.
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

    /// The same fault without any value.
    fn fault(&self, fault: ExecutionError) -> EvaluationError {
        match fault {
            // What is named in the expression is no secret; a name that comes from the request or a claim could be.
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

/// An operator as it is written: CEL's `_==_` is `==`.
fn operator(name: &str) -> &str {
    match name {
        "_?_:_" => "?:",
        "_[_]" => "[]",
        "_._" => ".",
        "@in" => "in",
        name => name.trim_matches('_'),
    }
}

/// A value as JSON.
fn json(value: &Value) -> Result<serde_json::Value, EvaluationError> {
    Ok(match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::UInt(value) => (*value).into(),
        // What is no number in JSON would become `null`.
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
