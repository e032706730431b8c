//! What a rule asks of a request in the words of CEL: `when`. Owns that anything but true lets nobody through. How expressions are
//! read and evaluated belongs to `expression`, which others use too.

mod environment;
mod expression;
mod fault;
mod names;
mod reads;
mod shown;
#[cfg(test)]
mod tests;
mod values;
mod vocabulary;

pub use expression::{Callers, Expression, Scope};
pub use fault::{EvaluationFault, ExpressionFault};
pub use values::Inputs;

use super::AuthzFault;
use crate::explain::Step;

/// An expression that has to be true.
#[derive(Debug)]
pub struct Condition(Expression);

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// Everything that is wrong with it; also an expression that can be neither true nor false.
    pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Self, Vec<ExpressionFault>> {
        let expression = Expression::compile(text, scope)?;
        match expression.never_a_bool() {
            Some(what) => Err(vec![ExpressionFault::NeverABool(what)]),
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
    /// [`AuthzFault::ConditionFalse`] when it is false, [`AuthzFault::ConditionError`] when it comes to nothing, or to something
    /// that is neither true nor false.
    pub fn check(&self, inputs: &Inputs<'_>) -> Result<(), AuthzFault> {
        match self.0.is_true(inputs) {
            Ok(true) => Ok(()),
            Ok(false) => Err(AuthzFault::ConditionFalse),
            Err(fault) => Err(AuthzFault::ConditionError(fault)),
        }
    }

    /// The same for people, with what it has read.
    pub(super) fn describe(&self, inputs: &Inputs<'_>, outcome: &Result<(), AuthzFault>) -> Step {
        let text = self.0.text().lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let read = self.0.read(inputs).unwrap_or_default();
        let read = if read.is_empty() { String::new() } else { format!(": {}", read.join(", ")) };
        match outcome {
            Ok(()) => Step::passed("when", format!("`{text}` is true{read}")),
            Err(AuthzFault::ConditionFalse) => Step::failed("when", format!("`{text}` is false{read}")),
            Err(fault) => Step::failed("when", format!("`{text}`: {fault}{read}")),
        }
    }
}
