//! What a rule asks of a request in the words of CEL: `when`. Owns that anything but true lets nobody through. How expressions are
//! read and evaluated belongs to `expression`, which others use too.

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

/// An expression that has to be true.
#[derive(Debug)]
pub struct Condition(Expression);

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// Everything that is wrong with it; also an expression that can be neither true nor false.
    pub fn compile(text: &str, scope: &Env<'_>) -> Result<Self, Vec<ExpressionError>> {
        let expression = Expression::compile(text, scope)?;
        match expression.never_a_bool() {
            Some(what) => Err(vec![ExpressionError::NeverABool(what)]),
            None => Ok(Self(expression)),
        }
    }

    /// Returns the names of the request headers that it reads; none if it reads whichever there are.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.0.header_names()
    }

    /// Holds a request against it.
    ///
    /// # Errors
    /// [`AuthzError::ConditionFalse`] when it is false, [`AuthzError::ConditionError`] when it comes to nothing, or to something
    /// that is neither true nor false.
    pub fn check(&self, inputs: &Inputs<'_>) -> Result<(), AuthzError> {
        match self.0.is_true(inputs) {
            Ok(true) => Ok(()),
            Ok(false) => Err(AuthzError::ConditionFalse),
            Err(fault) => Err(AuthzError::ConditionError(fault)),
        }
    }

    /// The same for people, with what it has read.
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
