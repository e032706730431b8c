//! The steps of one decision, told as they are taken. The server decides without an audience; `modgud explain` listens to the
//! same evaluation. Owns no decision and no text but what the steps say.

use serde::Serialize;

/// Listens to a decision.
pub trait Observer {
    /// A step was taken. What it says is put together only for somebody who listens.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

/// NoopObserver listens: costs nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoopObserver;

impl Observer for NoopObserver {
    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

/// Keeps every step, in order.
#[derive(Debug, Default)]
pub struct Steps(Vec<Step>);

impl Observer for Steps {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.0.push(step());
    }
}

impl Steps {
    /// The steps, in the order in which they were taken.
    #[must_use]
    pub fn into_vec(self) -> Vec<Step> {
        self.0
    }
}

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What was looked at: `rule`, `credential`, `signature`, `exp` and so on.
    pub what: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found. May hold what a client sent, and claims: for the operator's own eyes.
    pub found: String,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is as it has to be.
    Passed,
    /// It is not, and the request is turned away for it.
    Failed,
    /// Nothing was asked of it.
    Noted,
}

impl Step {
    /// A step that is as it has to be.
    #[must_use]
    pub fn passed(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, outcome: Outcome::Passed, found: found.into() }
    }

    /// A step that the request is turned away for.
    #[must_use]
    pub fn failed(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, outcome: Outcome::Failed, found: found.into() }
    }

    /// A step that only says something.
    #[must_use]
    pub fn noted(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, outcome: Outcome::Noted, found: found.into() }
    }

    /// A step that passed or failed.
    #[must_use]
    pub fn of<T, E: std::fmt::Display>(what: &'static str, result: &Result<T, E>, passed: impl Into<String>) -> Self {
        match result {
            Ok(_) => Self::passed(what, passed),
            Err(fault) => Self::failed(what, fault.to_string()),
        }
    }
}
