//! The access lists of the modules behind Envoy: the rights of organizations in each module. The rule that a module implies is a
//! normal rule (see `rules`).

#[cfg(test)]
mod tests;

use super::AuthzError;
use super::reading::{ModuleReading, PathReadings};
use super::router::{Layer, MethodMatcher, Router};
use super::syntax::ModulePrefix;
use crate::authn::Authentication;
use crate::explain::Step;
use crate::http::method::Method;
use crate::http::request::Request;
use crate::principal::{PermissionScope, Principal};
use bitflags::bitflags;
use std::collections::HashMap;
use std::fmt;

name! {
    /// The name of a module.
    ModuleName
}

bitflags! {
    /// A set of create, read, update and delete, possibly empty. The bits are those of `BiFrost`'s masks.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct CrudPermissions: u8 {
        /// POST.
        const CREATE = 8;
        /// GET and HEAD.
        const READ = 4;
        /// PUT and PATCH.
        const UPDATE = 2;
        /// DELETE.
        const DELETE = 1;
    }
}

impl CrudPermissions {
    /// Returns the permission that a method requires; `None` for a method without a bit in `BiFrost`.
    #[must_use]
    pub fn of_method(method: Method<'_>) -> Option<Self> {
        match method.as_str() {
            "POST" => Some(Self::CREATE),
            "GET" | "HEAD" => Some(Self::READ),
            "PUT" | "PATCH" => Some(Self::UPDATE),
            "DELETE" => Some(Self::DELETE),
            _ => None,
        }
    }

    /// Creates the permissions of a mask, with the bits added up. `None` above 15.
    #[must_use]
    pub fn from_mask(mask: u64) -> Option<Self> {
        Self::from_bits(u8::try_from(mask).ok()?)
    }

    /// Returns the names that a configuration uses, create first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [(Self::CREATE, "create"), (Self::READ, "read"), (Self::UPDATE, "update"), (Self::DELETE, "delete")];
        all.into_iter().filter(move |(one, _)| self.contains(*one)).map(|(_, name)| name)
    }
}

/// For a sentence: `` `read` and `update` ``, or `nothing`.
impl fmt::Display for CrudPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = self.names().peekable();
        let Some(first) = names.next() else { return f.write_str("nothing") };
        write!(f, "`{first}`")?;
        while let Some(name) = names.next() {
            write!(f, "{}`{name}`", if names.peek().is_some() { ", " } else { " and " })?;
        }
        Ok(())
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
    pub fn allow(&mut self, organizations: Organizations<'_>, permissions: CrudPermissions) {
        let known = match organizations {
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
        match identity.permission_scope() {
            PermissionScope::All => return Ok(()),
            PermissionScope::Listed => {}
        }
        let module = || self.module.clone();
        let Some(required) = CrudPermissions::of_method(method) else {
            return Err(ModuleError::Method { module: module(), method: method.as_str().into() });
        };
        let granted = self.of(identity.organization());
        if granted.contains(required) {
            Ok(())
        } else {
            Err(ModuleError::Permission { module: module(), required, granted })
        }
    }
}

/// The reason why a module's access list denies a request. For operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// The organization lacks the permission.
    #[error("in module `{module}` the request requires {required}, and the caller's organization has {granted}")]
    Permission {
        /// The module.
        module: ModuleName,
        /// The permission that the request's method requires.
        required: CrudPermissions,
        /// The permissions of the organization.
        granted: CrudPermissions,
    },
    /// No list can allow the method.
    #[error("module `{module}` has an access list, and no access list can allow the method `{method}`")]
    Method {
        /// The module.
        module: ModuleName,
        /// The request's method.
        method: Box<str>,
    },
}

/// The access lists of all modules. It exists only if a module has a list, so other configurations need no lookup.
#[derive(Debug)]
pub struct Modules {
    lists: Vec<Option<ModuleAccess>>,
    /// The index of the list of each prefix, for paths as sent: as Envoy chooses the module.
    as_sent: Router<usize>,
    /// The same for paths as modules read them; `None` if all of them read paths as sent.
    as_read: Option<Router<usize>>,
}

impl Modules {
    /// Creates the lists of modules by their prefixes, which must differ; `None` if no module has a list.
    #[must_use]
    pub fn new(modules: Vec<(ModulePrefix, ModuleReading, Option<ModuleAccess>)>) -> Option<Self> {
        modules.iter().any(|(_, _, access)| access.is_some()).then(|| {
            let readings = modules.iter().map(|(prefix, reading, _)| (prefix.clone(), reading.clone())).collect();
            let mut as_sent = Router::default();
            let mut as_read = PathReadings::new(readings, false).map(|readings| Router::new(Some(readings)));
            let mut lists = Vec::new();
            for (prefix, _, access) in modules {
                let (pattern, index) = (prefix.pattern(), lists.len());
                lists.push(access);
                for router in [Some(&mut as_sent), as_read.as_mut()].into_iter().flatten() {
                    // A repeated prefix keeps its first module; `config::validate` rejects repeated prefixes.
                    let _ = router.insert(Layer::Enforced, MethodMatcher::Methods(&[]), &pattern, index);
                }
            }
            Self { lists, as_sent, as_read }
        })
    }

    /// Returns the access lists of a request: that of the module with the longest prefix, and that of the module that has the path as the
    /// first one reads it. `/api/users.json` goes to the module `/api`, and if that one cuts `json` off, its service takes the path for
    /// `/api/users`. `None` if these modules have no list.
    #[must_use]
    pub fn constraint<'s, 'a>(&'s self, request: &Request<'a>) -> Option<ModuleConstraint<'s, 'a>> {
        let find = |router: &Router<usize>| router.find(Layer::Enforced, request.method, &request.path).copied();
        let sent = find(&self.as_sent);
        let read = self.as_read.as_ref().and_then(find).filter(|read| Some(*read) != sent);
        let list = |index: Option<usize>| self.lists.get(index?)?.as_ref();
        let (access, other) = match (list(sent), list(read)) {
            (Some(sent), read) => (sent, read),
            (None, read) => (read?, None),
        };
        Some(ModuleConstraint { access, other, method: request.method })
    }
}

/// A request in a module that has an access list.
#[derive(Debug, Clone, Copy)]
pub struct ModuleConstraint<'s, 'a> {
    access: &'s ModuleAccess,
    /// A second list that the caller must pass too.
    other: Option<&'s ModuleAccess>,
    method: Method<'a>,
}

impl ModuleConstraint<'_, '_> {
    /// Returns the module.
    pub(super) const fn module(&self) -> &ModuleName {
        &self.access.module
    }

    /// Checks a caller against the lists.
    fn check_lists(&self, principal: &Principal) -> Result<(), ModuleError> {
        self.access.check(self.method, principal)?;
        self.other.map_or(Ok(()), |other| other.check(self.method, principal))
    }

    /// Checks a caller against the lists. A caller whose role grants everything passes.
    ///
    /// # Errors
    /// [`AuthzError::Module`] if the caller lacks the right for the request's method.
    pub(super) fn check(&self, principal: &Principal) -> Result<(), AuthzError> {
        self.check_lists(principal).map_err(|error| AuthzError::Module(Box::new(error)))
    }

    /// Describes the result of the list for the outcome of authentication.
    pub(crate) fn describe(&self, authentication: &Authentication) -> Step {
        const WHAT: &str = "module";
        let Self { access: ModuleAccess { module, .. }, other: _, method } = self;
        match authentication {
            Authentication::Authenticated(principal) => {
                let passed = match principal.identity().permission_scope() {
                    PermissionScope::All => {
                        format!("the access list of `{module}`: a role of the caller grants everything")
                    }
                    PermissionScope::Listed => format!("the access list of `{module}` allows {}", method.as_str()),
                };
                Step::of(WHAT, &self.check_lists(principal), passed)
            }
            Authentication::NotRequired => {
                Step::noted(WHAT, format!("`{module}` has an access list, which the rule's access skips"))
            }
            Authentication::Missing | Authentication::Failed(_) => {
                Step::noted(WHAT, format!("`{module}` has an access list, and the caller is not authenticated"))
            }
        }
    }
}
