//! The environment that a configuration refers to: variables, and custom authenticators. No value of a variable is ever shown.

use super::secret_source::{SourceError, Wanted};
use modgud_core::authn::CustomAuthenticators;
use std::collections::HashMap;
use std::sync::Arc;

/// The environment of a configuration: variables, and authenticators that the program provides.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: Variables,
    authenticators: CustomAuthenticators,
}

#[derive(Clone)]
enum Variables {
    /// The variables of this process, overridden and extended by these.
    OfTheProcess(Arc<HashMap<String, String>>),
    /// These variables only: tests run concurrently in one process.
    Fixed(Arc<HashMap<String, String>>),
}

/// Shows names only: a value may be a secret.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, own) = match self {
            Self::OfTheProcess(own) => ("OfTheProcess", own),
            Self::Fixed(own) => ("Fixed", own),
        };
        f.debug_tuple(kind).field(&own.keys().collect::<Vec<_>>()).finish()
    }
}

impl Environment {
    /// Returns the environment of this process.
    #[must_use]
    pub fn process() -> Self {
        Self::of(Variables::OfTheProcess(Arc::default()))
    }

    /// Returns an environment of these variables only.
    #[must_use]
    pub fn fixed<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self::of(Variables::Fixed(Arc::new(variables.into_iter().map(own).collect())))
    }

    fn of(variables: Variables) -> Self {
        Self { variables, authenticators: CustomAuthenticators::default() }
    }

    /// Returns the environment with these authenticators.
    #[must_use]
    pub fn with_authenticators(self, authenticators: CustomAuthenticators) -> Self {
        Self { authenticators, ..self }
    }

    /// Returns the environment with another value of one variable.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let put = |own: &Arc<HashMap<String, String>>| {
            let mut own = HashMap::clone(own);
            own.insert(name.to_owned(), value.to_owned());
            Arc::new(own)
        };
        let variables = match &self.variables {
            Variables::OfTheProcess(own) => Variables::OfTheProcess(put(own)),
            Variables::Fixed(own) => Variables::Fixed(put(own)),
        };
        Self { variables, authenticators: self.authenticators.clone() }
    }

    /// Returns the authenticators that the program provides.
    pub(super) const fn authenticators(&self) -> &CustomAuthenticators {
        &self.authenticators
    }

    /// Returns the value of a variable.
    pub(super) fn get(&self, name: &str, wanted: Wanted) -> Result<String, SourceError> {
        let missing = || SourceError::NotSet(name.to_owned(), wanted);
        match &self.variables {
            Variables::OfTheProcess(own) => match own.get(name) {
                Some(value) => Ok(value.clone()),
                None => of_the_process(name, missing),
            },
            Variables::Fixed(variables) => variables.get(name).cloned().ok_or_else(missing),
        }
    }
}

fn of_the_process(name: &str, missing: impl FnOnce() -> SourceError) -> Result<String, SourceError> {
    #[expect(clippy::disallowed_methods, reason = "this is the one owner of the environment")]
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => missing(),
        std::env::VarError::NotUnicode(_) => SourceError::VariableNotText(name.to_owned()),
    })
}
