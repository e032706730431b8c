//! What the modules behind Envoy add to rules: a list of which organizations may do what in a module. Owns how the module of a
//! request is found and what its list says; the rule that a module is by itself is one like any other (`rules`).

mod prefix;
mod right;
#[cfg(test)]
mod tests;

pub use prefix::{ModulePrefix, PrefixError};
pub use right::{Right, Rights};

use super::AuthzError;
use super::router::{Layer, MethodMatcher, Router};
use crate::authn::Authentication;
use crate::explain::Step;
use crate::http::method::Method;
use crate::http::request::Request;
use crate::principal::{PermissionScope, Principal};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The name of a module, as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModuleName(Arc<str>);

impl ModuleName {
    /// Takes a name; `config::validate` has checked that it is not empty and not taken.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which organizations may do what in one module. Masks of one organization, and those for any, are one.
#[derive(Debug)]
pub struct ModuleAccess {
    module: ModuleName,
    any: Rights,
    organizations: HashMap<Box<str>, Rights>,
}

/// Whom an entry of an access list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Organizations<'a> {
    /// Every caller, those of no organization too.
    Any,
    /// Callers of this one.
    One(&'a str),
}

impl ModuleAccess {
    /// Nobody may do anything.
    #[must_use]
    pub fn new(module: ModuleName) -> Self {
        Self { module, any: Rights::NONE, organizations: HashMap::new() }
    }

    /// Lets organizations do more than what they may already.
    pub fn allow(&mut self, who: Organizations<'_>, rights: Rights) {
        let known = match who {
            Organizations::Any => &mut self.any,
            Organizations::One(name) => self.organizations.entry(name.into()).or_insert(Rights::NONE),
        };
        *known = known.and(rights);
    }

    /// What a caller of this organization, or of none, may do.
    fn of(&self, organization: Option<&str>) -> Rights {
        let own = organization.and_then(|name| self.organizations.get(name)).copied();
        own.map_or(self.any, |own| own.and(self.any))
    }

    fn check(&self, method: Method<'_>, principal: &Principal) -> Result<(), ModuleError> {
        let identity = principal.identity();
        match identity.reach {
            PermissionScope::All => return Ok(()),
            PermissionScope::Listed => {}
        }
        let module = || self.module.clone();
        let Some(asked) = Right::of(method) else {
            return Err(ModuleError::Method { module: module(), method: method.as_str().into() });
        };
        let may = self.of(identity.organization.as_deref());
        if may.has(asked) { Ok(()) } else { Err(ModuleError::Right { module: module(), asked, may }) }
    }
}

/// Why the access list of a module keeps a caller from doing something. For operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// The organization may not do this.
    #[error("in module `{module}` the request asks for `{asked}`, and the caller's organization may {may}")]
    Right {
        /// The module.
        module: ModuleName,
        /// What the request's method asks for.
        asked: Right,
        /// What the organization may do.
        may: Rights,
    },
    /// The method is none that a list can allow.
    #[error("module `{module}` has an access list, and `{method}` is none of the methods that one can allow")]
    Method {
        /// The module.
        module: ModuleName,
        /// The request's method.
        method: Box<str>,
    },
}

/// The access lists of all modules. There is none where no module has a list: then nothing is looked up.
#[derive(Debug)]
pub struct Modules(Router<Option<ModuleAccess>>);

impl Modules {
    /// The modules with their prefixes, which differ; `None` when no module has a list.
    #[must_use]
    pub fn new(modules: Vec<(ModulePrefix, Option<ModuleAccess>)>) -> Option<Self> {
        modules.iter().any(|(_, access)| access.is_some()).then(|| {
            let mut router = Router::default();
            for (prefix, access) in modules {
                // A prefix that is there twice leads to the first of them; `config::validate` lets none be.
                let _ = router.insert(Layer::Enforced, MethodMatcher::Methods(&[]), prefix.pattern(), access);
            }
            Self(router)
        })
    }

    /// The list that narrows a request: that of the module with the longest prefix, if this one has one.
    #[must_use]
    pub fn narrow<'s, 'a>(&'s self, request: &Request<'a>) -> Option<ModuleConstraint<'s, 'a>> {
        let access = self.0.find(Layer::Enforced, request.method, &request.path)?.as_ref()?;
        Some(ModuleConstraint { access, method: request.method })
    }
}

/// A request in a module that has an access list.
#[derive(Debug, Clone, Copy)]
pub struct ModuleConstraint<'s, 'a> {
    access: &'s ModuleAccess,
    method: Method<'a>,
}

impl ModuleConstraint<'_, '_> {
    /// The module.
    pub(super) const fn module(&self) -> &ModuleName {
        &self.access.module
    }

    /// Holds a caller against the list. One whose role grants everything passes.
    ///
    /// # Errors
    /// [`AuthzError::Module`] when it may not do what the request's method asks for.
    pub(super) fn check(&self, principal: &Principal) -> Result<(), AuthzError> {
        self.access.check(self.method, principal).map_err(|fault| AuthzError::Module(Box::new(fault)))
    }

    /// What the list says of whoever is there.
    pub(crate) fn describe(&self, authentication: &Authentication) -> Step {
        const WHAT: &str = "module";
        let Self { access: ModuleAccess { module, .. }, method } = self;
        match authentication {
            Authentication::Authenticated(principal) => {
                let passed = match principal.identity().reach {
                    PermissionScope::All => {
                        format!("the access list of `{module}`: a role of the caller grants everything")
                    }
                    PermissionScope::Listed => format!("the access list of `{module}` allows {}", method.as_str()),
                };
                Step::of(WHAT, &self.access.check(*method, principal), passed)
            }
            Authentication::NotRequired => {
                Step::noted(WHAT, format!("`{module}` has an access list, which the rule's access passes over"))
            }
            Authentication::Missing | Authentication::Failed(_) => {
                Step::noted(WHAT, format!("`{module}` has an access list, and nobody is known to hold against it"))
            }
        }
    }
}
