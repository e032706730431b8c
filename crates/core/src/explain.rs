//! The steps of one decision, reported as they are taken. The server decides with `NoopObserver`; `modgud explain` observes the
//! same evaluation.

use serde::Serialize;

/// A receiver of the steps of a decision.
pub trait Observer {
    /// Receives a step. An observer calls the closure only if it keeps the step, so unused texts are never built.
    fn step(&mut self, step: impl FnOnce() -> Step);

    /// Returns true if steps are kept. Facts that only a step needs are copied only then.
    fn keeps_steps(&self) -> bool;
}

/// An observer that discards every step at no cost.
#[derive(Debug, Clone, Copy)]
pub struct NoopObserver;

impl Observer for NoopObserver {
    fn step(&mut self, _: impl FnOnce() -> Step) {}

    fn keeps_steps(&self) -> bool {
        false
    }
}

/// An observer that keeps every step, in order.
#[derive(Debug, Default)]
pub struct Steps(Vec<Step>);

impl Observer for Steps {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.0.push(step());
    }

    fn keeps_steps(&self) -> bool {
        true
    }
}

impl Steps {
    /// Returns the steps in the order in which they were taken.
    #[must_use]
    pub fn into_vec(self) -> Vec<Step> {
        self.0
    }
}

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The subject of the step: `rule`, `credential`, `signature`, `exp` and so on.
    pub what: &'static str,
    /// The result of the step.
    pub outcome: Outcome,
    /// The details. They may hold client data and claims, so only the operator sees them.
    pub found: String,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The requirement is met.
    Passed,
    /// The requirement is not met, and the request is denied for it.
    Failed,
    /// Information without a requirement.
    Noted,
}

impl Step {
    /// Creates a step whose requirement is met.
    #[must_use]
    pub fn passed(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, outcome: Outcome::Passed, found: found.into() }
    }

    /// Creates a step for which the request is denied.
    #[must_use]
    pub fn failed(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, outcome: Outcome::Failed, found: found.into() }
    }

    /// Creates a step that only informs.
    #[must_use]
    pub fn noted(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, outcome: Outcome::Noted, found: found.into() }
    }

    /// Creates a step that passed or failed, from a result. The error is the text of a failed step.
    #[must_use]
    pub fn of<T, E: std::fmt::Display>(what: &'static str, result: &Result<T, E>, passed: impl Into<String>) -> Self {
        match result {
            Ok(_) => Self::passed(what, passed),
            Err(error) => Self::failed(what, error.to_string()),
        }
    }
}
