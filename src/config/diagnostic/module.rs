//! Errors of `modules` and `core`.

use super::Quoted;
use crate::net::upstream_addr::EndpointError;
use modgud_core::authz::PrefixError;

/// A problem of a module, of the core service or of a reserved name.
#[derive(Debug, thiserror::Error)]
pub enum ModuleProblem {
    /// A rule with a name that is reserved for modules' own rules.
    #[error("{0} is the name of a module's own rule, as `module:` says; write another name")]
    RuleName(Quoted),
    /// A module with the name of another cluster in Envoy.
    #[error(
        "{0} is what the core service and modgud itself are called in Envoy: `core` and `modgud`; write another name"
    )]
    Name(Quoted),
    /// An invalid prefix.
    #[error("{prefix} is not a prefix: {fault}")]
    Prefix {
        /// The value as written.
        prefix: Quoted,
        /// The cause.
        fault: PrefixError,
    },
    /// Two modules with one prefix.
    #[error("{prefix} is the prefix of module {of} too, and a request goes to one module; write another one")]
    PrefixTaken {
        /// The prefix.
        prefix: Quoted,
        /// The other module.
        of: Quoted,
    },
    /// An invalid suffix.
    #[error(
        "{0} is not an ending that can be cut off; write it without the dot, with letters, digits, `-` and `_`, such as `json`"
    )]
    Suffix(Quoted),
    /// A repeated suffix.
    #[error("{suffix} is cut off already{}; leave it out", if *folds { ", since case is folded" } else { "" })]
    SuffixTwice {
        /// The value as written.
        suffix: Quoted,
        /// True if the module folds case.
        folds: bool,
    },
    /// A prefix that belongs to the core service.
    #[error(
        "{first} is reserved for the core service, so that no module can begin with it; reserved are {all}; write another one"
    )]
    Reserved {
        /// The first segment of the prefix.
        first: Quoted,
        /// All reserved names.
        all: String,
    },
    /// An invalid address.
    #[error("{found} is not an address; {fault}")]
    Upstream {
        /// The value as written.
        found: Quoted,
        /// The cause.
        fault: EndpointError,
    },
    /// A mask above 15.
    #[error(
        "`{0}` is not a mask; add up 8 for `create`, 4 for `read`, 2 for `update` and 1 for `delete`, or write the words"
    )]
    Mask(u64),
    /// A reserved name that is not one segment.
    #[error(
        "{0} is not a name that can be reserved; write one segment of letters, digits, `-`, `.`, `_` and `~`, such as `admin`"
    )]
    ReservedName(Quoted),
    /// A repeated reserved name.
    #[error("{0} is reserved already; leave it out")]
    ReservedTwice(Quoted),
    /// A core service without a reserved name, to which no request leads.
    #[error("no name is reserved, so nothing leads to this service; name its first segments under `core.reserved`")]
    CoreWithoutNames,
}
