//! The access lists of the modules behind Envoy: the rights of organizations in each module. The rule that a module implies is a
//! normal rule (see `rules`).

mod crud;
mod prefix;
#[cfg(test)]
mod tests;

pub use crud::CrudPermissions;
pub use prefix::{ModulePrefix, PrefixError};

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
    /// Creates a name; `config::validate` has checked that it is not empty and unique.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// Returns the name as text.
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

/// The access list of one module. Masks of the same organization, and masks for any, are combined.
#[derive(Debug)]
pub struct ModuleAccess {
    module: ModuleName,
    any: CrudPermissions,
    organizations: HashMap<Box<str>, CrudPermissions>,
}

/// The organizations of an entry in an access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Organizations<'a> {
    /// Every caller, including callers without an organization.
    Any,
    /// Callers of this organization.
    One(&'a str),
}

impl ModuleAccess {
    /// Creates a list that denies everything.
    #[must_use]
    pub fn new(module: ModuleName) -> Self {
        Self { module, any: CrudPermissions::empty(), organizations: HashMap::new() }
    }

    /// Adds permissions for organizations to their existing ones.
    pub fn allow(&mut self, who: Organizations<'_>, permissions: CrudPermissions) {
        let known = match who {
            Organizations::Any => &mut self.any,
            Organizations::One(name) => self.organizations.entry(name.into()).or_insert(CrudPermissions::empty()),
        };
        known.insert(permissions);
    }

    /// Returns the permissions of callers of this organization, or without an organization.
    fn of(&self, organization: Option<&str>) -> CrudPermissions {
        let own = organization.and_then(|name| self.organizations.get(name)).copied();
        own.map_or(self.any, |own| own.union(self.any))
    }

    fn check(&self, method: Method<'_>, principal: &Principal) -> Result<(), ModuleError> {
        let identity = principal.identity();
        match identity.reach {
            PermissionScope::All => return Ok(()),
            PermissionScope::Listed => {}
        }
        let module = || self.module.clone();
        let Some(asked) = CrudPermissions::of_method(method) else {
            return Err(ModuleError::Method { module: module(), method: method.as_str().into() });
        };
        let may = self.of(identity.organization.as_deref());
        if may.contains(asked) { Ok(()) } else { Err(ModuleError::Permission { module: module(), asked, may }) }
    }
}

/// The reason why a module's access list denies a request. For operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// The organization lacks the permission.
    #[error("in module `{module}` the request asks for {asked}, and the caller's organization may {may}")]
    Permission {
        /// The module.
        module: ModuleName,
        /// The permission that the request's method requires.
        asked: CrudPermissions,
        /// The permissions of the organization.
        may: CrudPermissions,
    },
    /// No list can allow the method.
    #[error("module `{module}` has an access list, and `{method}` is none of the methods that one can allow")]
    Method {
        /// The module.
        module: ModuleName,
        /// The request's method.
        method: Box<str>,
    },
}

/// The access lists of all modules. It exists only if a module has a list, so other configurations need no lookup.
#[derive(Debug)]
pub struct Modules(Router<Option<ModuleAccess>>);

impl Modules {
    /// Creates the lists of modules by their prefixes, which must differ; `None` if no module has a list.
    #[must_use]
    pub fn new(modules: Vec<(ModulePrefix, Option<ModuleAccess>)>) -> Option<Self> {
        modules.iter().any(|(_, access)| access.is_some()).then(|| {
            let mut router = Router::default();
            for (prefix, access) in modules {
                // A repeated prefix keeps its first module; `config::validate` rejects repeated prefixes.
                let _ = router.insert(Layer::Enforced, MethodMatcher::Methods(&[]), prefix.pattern(), access);
            }
            Self(router)
        })
    }

    /// Returns the access list of a request: that of the module with the longest prefix. `None` if this module has no list.
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
    /// Returns the module.
    pub(super) const fn module(&self) -> &ModuleName {
        &self.access.module
    }

    /// Checks a caller against the list. A caller whose role grants everything passes.
    ///
    /// # Errors
    /// [`AuthzError::Module`] if the caller lacks the right for the request's method.
    pub(super) fn check(&self, principal: &Principal) -> Result<(), AuthzError> {
        self.access.check(self.method, principal).map_err(|fault| AuthzError::Module(Box::new(fault)))
    }

    /// Describes the result of the list for the outcome of authentication.
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
