//! The errors of an expression at load and during evaluation. Their texts hold no value of a request or a claim.

use super::declarations::{MAX_BYTES, MAX_DEPTH, MAX_GROWTH, MAX_LOOPS, MAX_STEPS, functions};

/// The reason why an expression is rejected. Positions are characters of the expression, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// White space only.
    #[error("an expression is empty; write one such as `claims.organization == path.org`")]
    Empty,
    /// Too many bytes.
    #[error(
        "an expression has {0} bytes, and at most {MAX_BYTES} are read; put the list that makes it long into a claim"
    )]
    TooLong(usize),
    /// Too many levels.
    #[error("an expression is nested more than {MAX_DEPTH} levels deep; write it flatter, lists with `in`")]
    TooDeep,
    /// Invalid CEL syntax.
    #[error("is not an expression of CEL from character {at} on{near}")]
    Syntax {
        /// The position of the error.
        at: usize,
        /// `` , at `text` ``: the text at the position; empty at the end.
        near: String,
    },
    /// A feature of CEL that is not supported.
    #[error("{what}, at character {at}, is not taken here")]
    NotTaken {
        /// The feature.
        what: &'static str,
        /// The position.
        at: usize,
    },
    /// An unknown variable.
    #[error("`{name}`, at character {at}, is not a variable; there are {known}")]
    UnknownVariable {
        /// The unknown name.
        name: Box<str>,
        /// The position.
        at: usize,
        /// The available variables.
        known: String,
    },
    /// A client-controlled variable in a value that asserts facts to modules or Envoy.
    #[error(
        "`{name}`, at character {at}, is what the client says, and whoever reads this takes it for what modgud says; leave it out, \
             the module sees it anyway"
    )]
    ClientsOwn {
        /// The variable.
        name: &'static str,
        /// The position.
        at: usize,
    },
    /// The caller, where the request has no authentication.
    #[error(
        "`{name}`, at character {at}, says something of the caller, and nobody is asked for here; leave it out, or ask for one with \
             `access: optional`"
    )]
    NoCaller {
        /// The variable.
        name: &'static str,
        /// The position.
        at: usize,
    },
    /// A path parameter that not every pattern has.
    #[error("`path.{name}`, at character {at}, is not a parameter of each of the rule's `paths`")]
    NoParameter {
        /// The unknown name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// An unknown field of a variable.
    #[error("`{of}` has no `{name}` (character {at}); it has {known}")]
    UnknownField {
        /// The variable.
        of: &'static str,
        /// The unknown name.
        name: Box<str>,
        /// The position.
        at: usize,
        /// The available fields.
        known: String,
    },
    /// A member of a value without members.
    #[error("what stands before `.{name}`, at character {at}, has no members")]
    NoMembers {
        /// The name of the member.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// An invalid name of a header.
    #[error("`{name}`, at character {at}, is not the name of a header in lower case")]
    HeaderName {
        /// The invalid name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// An ambiguous name of a query parameter.
    #[error(
        "`{name}`, at character {at}, is not a parameter that servers read alike; its name has to be made of letters, digits, `-`, \
             `.`, `_` and `~`"
    )]
    QueryName {
        /// The ambiguous name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// An unknown function.
    #[error("`{name}`, at character {at}, is not a function; there are {}", functions())]
    UnknownFunction {
        /// The unknown name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// A function call with other arguments or in another form.
    #[error("`{name}`, at character {at}, is written {form}")]
    Arguments {
        /// The function.
        name: Box<str>,
        /// The position.
        at: usize,
        /// The calling convention.
        form: &'static str,
    },
    /// A loop variable with the name of a variable.
    #[error("`{name}`, at character {at}, is a variable's name; give what the list's elements are called another one")]
    Shadowed {
        /// The name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// Loops that are nested too deeply.
    #[error(
        "the list that is gone through at character {at} stands inside {MAX_LOOPS} others; at most {MAX_LOOPS} go into each other"
    )]
    Loops {
        /// The position of the innermost loop.
        at: usize,
    },
    /// Loops that enlarge their lists too much.
    #[error(
        "the loops up to character {at} could make what they are given more than {MAX_GROWTH} times as large; say what stands for an element less often"
    )]
    Growth {
        /// The position of the last loop.
        at: usize,
    },
    /// A condition that can't be true or false.
    #[error("comes to {0}, and a condition comes to true or false; compare it with something")]
    NeverABool(&'static str),
    /// The parser failed internally.
    #[error("can't be read: CEL's parser fails on it; write it in another way")]
    Parser,
}

/// The reason why an evaluation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// A missing member.
    #[error("the expression reads `{0}`, which is not there")]
    Missing(Box<str>),
    /// A missing member whose name comes from the request or a claim.
    #[error("the expression reads a member that is not there")]
    MissingMember,
    /// An ambiguous header or parameter.
    #[error("the expression reads `{0}`, which stands there more than once or can be read in more than one way")]
    Ambiguous(Box<str>),
    /// A claim with a number that represents more than one number of the token.
    #[error("the expression reads `{0}`, which holds a number that 64 bits don't hold")]
    Number(Box<str>),
    /// An operator or function that does not support the types of its arguments.
    #[error("the expression applies `{0}` to values of types that it is not for")]
    Types(Box<str>),
    /// A conversion that fails.
    #[error("the expression applies `{0}` to a value that it can't make anything of")]
    Conversion(Box<str>),
    /// A division by zero, or a number that is too large.
    #[error("the expression divides by zero, or a number leaves the range of numbers")]
    Arithmetic,
    /// An element that the list does not have.
    #[error("the expression reads an element that the list does not have")]
    Index,
    /// Too much work.
    #[error("the expression goes through more than {MAX_STEPS} elements")]
    TooManySteps,
    /// A result of an unsupported type.
    #[error("the expression comes to a value of a type that can't be used here")]
    Result,
    /// Any other error.
    #[error("the expression can't be evaluated")]
    Other,
}
