//! The condition of a rule, `when`: a CEL expression. Any result but true denies the request. Parsing and evaluation are in
//! `expression`, which other modules share.

mod declarations;
mod environment;
mod error;
mod expression;
mod names;
mod references;
#[cfg(test)]
mod tests;
mod trace;
mod values;

pub use error::{EvaluationError, ExpressionError};
pub use expression::{CallerPresence, Env, Expression};
pub use values::Inputs;

use super::AuthzError;
use crate::explain::Step;

/// An expression that must be true.
#[derive(Debug)]
pub struct Condition(Expression);

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// All errors of the expression, and `ExpressionError::NeverABool` for one that can't be true or false.
    pub fn compile(text: &str, scope: &Env<'_>) -> Result<Self, Vec<ExpressionError>> {
        let expression = Expression::compile(text, scope)?;
        match expression.never_a_bool() {
            Some(what) => Err(vec![ExpressionError::NeverABool(what)]),
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

    /// Evaluates the condition for a request.
    ///
    /// # Errors
    /// [`AuthzError::ConditionFalse`] if it is false, [`AuthzError::ConditionError`] if the evaluation fails or its result is
    /// neither true nor false.
    pub fn check(&self, inputs: &Inputs<'_>) -> Result<(), AuthzError> {
        match self.0.is_true(inputs) {
            Ok(true) => Ok(()),
            Ok(false) => Err(AuthzError::ConditionFalse),
            Err(fault) => Err(AuthzError::ConditionError(fault)),
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
            Err(fault) => Step::failed("when", format!("`{text}`: {fault}{read}")),
        }
    }
}
