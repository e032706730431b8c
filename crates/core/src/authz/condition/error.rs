//! What is wrong with an expression, at load and when it is evaluated. No text of it holds a value of a request or a claim.

use super::declarations::{MAX_BYTES, MAX_DEPTH, MAX_GROWTH, MAX_LOOPS, MAX_STEPS, functions};

/// Why an expression is refused. Positions are characters of the expression, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Nothing but white space.
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
    /// Not CEL.
    #[error("is not an expression of CEL from character {at} on{near}")]
    Syntax {
        /// Where it stops being one.
        at: usize,
        /// `` , at `text` ``: what stands there, if anything does.
        near: String,
    },
    /// Something that CEL has and that is not taken.
    #[error("{what}, at character {at}, is not taken here")]
    NotTaken {
        /// What it is.
        what: &'static str,
        /// Where it stands.
        at: usize,
    },
    /// A variable that is not there.
    #[error("`{name}`, at character {at}, is not a variable; there are {known}")]
    UnknownVariable {
        /// What was written.
        name: Box<str>,
        /// Where it stands.
        at: usize,
        /// What there is.
        known: String,
    },
    /// What a client writes, where others are told what modgud knows.
    #[error(
        "`{name}`, at character {at}, is what the client says, and whoever reads this takes it for what modgud says; leave it out, \
             the module sees it anyway"
    )]
    ClientsOwn {
        /// The variable.
        name: &'static str,
        /// Where it stands.
        at: usize,
    },
    /// The caller, where nobody is asked who they are.
    #[error(
        "`{name}`, at character {at}, says something of the caller, and nobody is asked for here; leave it out, or ask for one with \
             `access: optional`"
    )]
    NoCaller {
        /// The variable.
        name: &'static str,
        /// Where it stands.
        at: usize,
    },
    /// A path parameter that not every pattern has.
    #[error("`path.{name}`, at character {at}, is not a parameter of each of the rule's `paths`")]
    NoParameter {
        /// What was written.
        name: Box<str>,
        /// Where it stands.
        at: usize,
    },
    /// A field that a variable does not have.
    #[error("`{of}` has no `{name}` (character {at}); it has {known}")]
    UnknownField {
        /// The variable.
        of: &'static str,
        /// What was written.
        name: Box<str>,
        /// Where it stands.
        at: usize,
        /// What there is.
        known: String,
    },
    /// A member of something that has none.
    #[error("what stands before `.{name}`, at character {at}, has no members")]
    NoMembers {
        /// What was written.
        name: Box<str>,
        /// Where it stands.
        at: usize,
    },
    /// A header that no request can have under this name.
    #[error("`{name}`, at character {at}, is not the name of a header in lower case")]
    HeaderName {
        /// What was written.
        name: Box<str>,
        /// Where it stands.
        at: usize,
    },
    /// A parameter of the query that can't be read in one way.
    #[error(
        "`{name}`, at character {at}, is not a parameter that servers read alike; its name has to be made of letters, digits, `-`, \
             `.`, `_` and `~`"
    )]
    QueryName {
        /// What was written.
        name: Box<str>,
        /// Where it stands.
        at: usize,
    },
    /// A function that is not there.
    #[error("`{name}`, at character {at}, is not a function; there are {}", functions())]
    UnknownFunction {
        /// What was written.
        name: Box<str>,
        /// Where it stands.
        at: usize,
    },
    /// A function that is called otherwise.
    #[error("`{name}`, at character {at}, is written {form}")]
    Arguments {
        /// The function.
        name: Box<str>,
        /// Where it stands.
        at: usize,
        /// How it is called.
        form: &'static str,
    },
    /// A loop's own name that is a variable's.
    #[error("`{name}`, at character {at}, is a variable's name; give what the list's elements are called another one")]
    Shadowed {
        /// The name.
        name: Box<str>,
        /// Where it stands.
        at: usize,
    },
    /// Loops in loops.
    #[error(
        "the list that is gone through at character {at} stands inside {MAX_LOOPS} others; at most {MAX_LOOPS} go into each other"
    )]
    Loops {
        /// Where the innermost stands.
        at: usize,
    },
    /// Loops that make more and more of what they are given.
    #[error(
        "the loops up to character {at} could make what they are given more than {MAX_GROWTH} times as large; say what stands for an element less often"
    )]
    Growth {
        /// Where the last one stands.
        at: usize,
    },
    /// A condition that can't be met or not met.
    #[error("comes to {0}, and a condition comes to true or false; compare it with something")]
    NeverABool(&'static str),
    /// The parser failed inside.
    #[error("can't be read: CEL's parser fails on it; write it in another way")]
    Parser,
}

/// Why an expression came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// A member that is not there.
    #[error("the expression reads `{0}`, which is not there")]
    Missing(Box<str>),
    /// A member that is not there, whose name the request or a claim says.
    #[error("the expression reads a member that is not there")]
    MissingMember,
    /// A header or a parameter that can't be read in one way.
    #[error("the expression reads `{0}`, which stands there more than once or can be read in more than one way")]
    Ambiguous(Box<str>),
    /// A claim with a number that stands for more than one number of the token.
    #[error("the expression reads `{0}`, which holds a number that 64 bits don't hold")]
    Number(Box<str>),
    /// An operator or function for values of other types.
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
    /// A result that can't be handed on.
    #[error("the expression comes to a value of a type that can't be used here")]
    Result,
    /// Anything else.
    #[error("the expression can't be evaluated")]
    Other,
}
