//! What can be wrong with `modules` and `core`.

use super::Quoted;
use crate::net::upstream_addr::EndpointError;
use modgud_core::authz::PrefixError;

/// One thing that is wrong with a module, or with what belongs to none.
#[derive(Debug, thiserror::Error)]
pub enum ModuleProblem {
    /// A rule that is called as a module's own.
    #[error("{0} is the name of a module's own rule, as `module:` says; write another name")]
    RuleName(Quoted),
    /// The name of a cluster that Envoy has anyhow.
    #[error(
        "{0} is what the core service and modgud itself are called in Envoy: `core` and `modgud`; write another name"
    )]
    Name(Quoted),
    /// A prefix that is none.
    #[error("{prefix} is not a prefix: {fault}")]
    Prefix {
        /// What was written.
        prefix: Quoted,
        /// What is wrong with it.
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
    /// An ending that is none.
    #[error(
        "{0} is not an ending that can be cut off; write it without the dot, with letters, digits, `-` and `_`, such as `json`"
    )]
    Suffix(Quoted),
    /// An ending that is there twice.
    #[error("{suffix} is cut off already{}; leave it out", if *folds { ", since case is folded" } else { "" })]
    SuffixTwice {
        /// What was written.
        suffix: Quoted,
        /// Whether the module folds case.
        folds: bool,
    },
    /// A prefix that belongs to the core service.
    #[error(
        "{first} is reserved for the core service, so that no module can begin with it; reserved are {all}; write another one"
    )]
    Reserved {
        /// The first segment of the prefix.
        first: Quoted,
        /// Every name that is reserved.
        all: String,
    },
    /// An address that is none.
    #[error("{found} is not an address; {fault}")]
    Upstream {
        /// What was written.
        found: Quoted,
        /// What is wrong with it.
        fault: EndpointError,
    },
    /// A mask above 15.
    #[error(
        "`{0}` is not a mask; add up 8 for `create`, 4 for `read`, 2 for `update` and 1 for `delete`, or write the words"
    )]
    Mask(u64),
    /// A name that is not one segment.
    #[error(
        "{0} is not a name that can be reserved; write one segment of letters, digits, `-`, `.`, `_` and `~`, such as `admin`"
    )]
    ReservedName(Quoted),
    /// A name that is there twice.
    #[error("{0} is reserved already; leave it out")]
    ReservedTwice(Quoted),
    /// A core service to which nothing leads.
    #[error("no name is reserved, so nothing leads to this service; name its first segments under `core.reserved`")]
    CoreWithoutNames,
}
