//! The errors of an expression at load and during evaluation. Their texts hold no value of a request or a claim.

use super::declarations::{MAX_BYTES, MAX_DEPTH, MAX_GROWTH, MAX_LOOPS, MAX_STEPS, functions};

/// The reason why an expression is rejected. Positions are characters of the expression, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// White space only.
    #[error("an expression is empty; write one such as `claims.organization == path.org`")]
    Empty,
    /// Too many bytes.
    #[error("an expression has {0} bytes, more than {MAX_BYTES}; move a long list into a claim")]
    TooLong(usize),
    /// Too many levels.
    #[error("an expression has more than {MAX_DEPTH} levels; write fewer, and use `in` for lists")]
    TooDeep,
    /// Invalid CEL syntax.
    #[error("is not a CEL expression from character {at} on{near}")]
    Syntax {
        /// The position of the error.
        at: usize,
        /// `` , at `text` ``: the text at the position; empty at the end.
        near: String,
    },
    /// A feature of CEL that is not supported.
    #[error("{what}, at character {at}, is not supported")]
    Unsupported {
        /// The feature.
        what: &'static str,
        /// The position.
        at: usize,
    },
    /// An unknown variable.
    #[error("`{name}`, at character {at}, is not a variable; {hint}use one of {known}", hint = hint(.name))]
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
        "`{name}`, at character {at}, is client data, which readers would take for a fact of modgud; leave it out, because the module receives it anyway"
    )]
    ClientData {
        /// The variable.
        name: &'static str,
        /// The position.
        at: usize,
    },
    /// The caller, where the request has no authentication.
    #[error(
        "`{name}`, at character {at}, is about the caller, whom this rule does not authenticate; leave it out, or use `access: optional`"
    )]
    NoCaller {
        /// The variable.
        name: &'static str,
        /// The position.
        at: usize,
    },
    /// A path parameter that not every pattern has.
    #[error("`path.{name}`, at character {at}, is not a parameter of every pattern in the rule's `paths`")]
    NoParameter {
        /// The unknown name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// An unknown field of a variable.
    #[error("`{of}` has no `{name}` (character {at}); {hint}use one of {known}", hint = hint(.name))]
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
    #[error("the value before `.{name}`, at character {at}, has no members")]
    NoMembers {
        /// The name of the member.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// An invalid name of a header.
    #[error("`{name}`, at character {at}, is not a header name in lower case")]
    HeaderName {
        /// The invalid name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// An ambiguous name of a query parameter.
    #[error(
        "`{name}`, at character {at}, is a query parameter that servers read differently; use a name of letters, digits, `-`, `.`, `_` and `~`"
    )]
    QueryName {
        /// The ambiguous name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// An unknown function.
    #[error("`{name}`, at character {at}, is not a function; {hint}use one of {}", functions(), hint = hint(.name))]
    UnknownFunction {
        /// The unknown name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// A function call with other arguments or in another form.
    #[error("`{name}`, at character {at}, is called in another way; write {form}")]
    Arguments {
        /// The function.
        name: Box<str>,
        /// The position.
        at: usize,
        /// The calling convention.
        form: &'static str,
    },
    /// A constant that fails in every evaluation.
    #[error("`{name}`, at character {at}, always fails: {why}")]
    Constant {
        /// The function or operator.
        name: Box<str>,
        /// The position.
        at: usize,
        /// The reason, and what to write instead.
        why: String,
    },
    /// A loop variable with the name of a variable.
    #[error("`{name}`, at character {at}, is the name of a variable; use another name for the elements of the list")]
    Shadowed {
        /// The name.
        name: Box<str>,
        /// The position.
        at: usize,
    },
    /// Loops that are nested too deeply.
    #[error("the loop at character {at} is inside {MAX_LOOPS} others; use at most {MAX_LOOPS} levels")]
    Loops {
        /// The position of the innermost loop.
        at: usize,
    },
    /// Loops that enlarge their lists too much.
    #[error(
        "the loops up to character {at} could enlarge a list more than {MAX_GROWTH} times; use the loop variable less often"
    )]
    Growth {
        /// The position of the last loop.
        at: usize,
    },
    /// A condition that can't be true or false.
    #[error("results in {0}, and a condition must be true or false; compare it with a value")]
    NeverBool(&'static str),
    /// The parser failed internally.
    #[error("can't be parsed, because the CEL parser fails; write it in another way")]
    Parser,
}

/// Returns what to write instead of a name of other systems; empty for any other name.
fn hint(name: &str) -> &'static str {
    match name {
        "matches" => {
            "regular expressions are not supported: write `startsWith`, `endsWith` or `contains`, or a pattern in `match.paths`; or "
        }
        "remote_ip" | "client_ip" | "ip" | "address" | "remote_addr" => {
            "the client's address is `source.address`, as in `cidr('10.0.0.0/8').containsIP(source.address)`; or "
        }
        "body" => {
            "bodies are not available: give each operation a path or a method of its own, or let the service decide; or "
        }
        "content_length" => "the size of the body is `request.size`; or ",
        _ => "",
    }
}

/// The reason why an evaluation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// A missing member.
    #[error("the expression reads `{0}`, which is missing")]
    Missing(Box<str>),
    /// A missing member whose name comes from the request or a claim.
    #[error("the expression reads a missing member")]
    MissingMember,
    /// An ambiguous header or parameter.
    #[error("the expression reads `{0}`, which is repeated or ambiguous")]
    Ambiguous(Box<str>),
    /// A claim with a number that represents more than one number of the token.
    #[error("the expression reads `{0}`, which has a number beyond 64 bits")]
    Number(Box<str>),
    /// An operator or function that does not support the types of its arguments.
    #[error("the expression applies `{0}` to values of unsupported types")]
    Types(Box<str>),
    /// A conversion that fails.
    #[error("the expression applies `{0}` to a value that it can't convert")]
    Conversion(Box<str>),
    /// A division by zero, or a number that is too large.
    #[error("the expression divides by zero, or a number overflows")]
    Arithmetic,
    /// An element that the list does not have.
    #[error("the expression reads an element that the list does not have")]
    Index,
    /// Too much work.
    #[error("the expression visits more than {MAX_STEPS} elements")]
    TooManySteps,
    /// A result of an unsupported type.
    #[error("the expression results in a value of an unsupported type")]
    Result,
    /// Any other error.
    #[error("the expression can't be evaluated")]
    Other,
}
