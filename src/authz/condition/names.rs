//! Looks at every name of an expression: is there such a variable, field, function? Notes what is read, so that nothing else has
//! to be made ready when the expression is evaluated. Evaluates nothing.

use super::environment::parts;
use super::expression::{Callers, Scope};
use super::fault::ExpressionFault;
use super::vocabulary::{FUNCTIONS, Holds, MAX_LOOPS, PRINCIPAL, REQUEST, TYPES, Variable, listed};
use crate::authz::PathPattern;
use crate::header::HeaderName;
use crate::query::is_plain;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use std::collections::BTreeSet;

/// What an expression reads.
#[derive(Debug, Default)]
pub(super) struct Reads {
    pub(super) request: Names,
    pub(super) headers: Names,
    pub(super) path: Names,
    pub(super) query: Names,
    pub(super) claims: Names,
    pub(super) principal: Names,
    pub(super) context: Names,
    /// The time; it has no members.
    pub(super) now: Names,
    /// What it comes to, if that is certainly neither true nor false.
    pub(super) never_a_bool: Option<&'static str>,
}

/// Which members of a variable.
#[derive(Debug, Default)]
pub(super) enum Names {
    /// The variable is not spoken of.
    #[default]
    Nothing,
    /// These, and no others.
    These(BTreeSet<Box<str>>),
    /// Whichever there are: the expression goes through them, or the request says which.
    All,
}

impl Names {
    fn add(&mut self, name: &str) {
        match self {
            Self::Nothing => *self = Self::These(BTreeSet::from([name.into()])),
            Self::These(names) => {
                names.insert(name.into());
            }
            Self::All => {}
        }
    }

    /// Whether a member of this name is read.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(names) => names.contains(name),
            Self::All => true,
        }
    }

    /// Whether anything is.
    pub(super) const fn is_something(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(_) | Self::All => true,
        }
    }
}

/// What is known of a part of an expression before it is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Anything,
    Whole(Variable),
    Headers,
    List,
    Scalar,
}

/// Which member is read.
#[derive(Clone, Copy)]
enum Key<'e> {
    Named(&'e str),
    /// What it is called is not known before.
    Any,
}

/// Looks at every name.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn check(
    expression: &IdedExpr,
    source: &SourceInfo,
    scope: &Scope<'_>,
) -> Result<Reads, Vec<ExpressionFault>> {
    let mut walk = Walk { scope, source, reads: Reads::default(), faults: Vec::new(), locals: Vec::new() };
    let kind = walk.kind(expression);
    walk.whole(kind);
    walk.reads.never_a_bool = match kind {
        Kind::Anything => None,
        Kind::Scalar | Kind::Whole(Variable::Now) => Some("a text, a number or a time"),
        Kind::List => Some("a list"),
        Kind::Headers | Kind::Whole(_) => Some("a map"),
    };
    if walk.faults.is_empty() { Ok(walk.reads) } else { Err(walk.faults) }
}

struct Walk<'w, 'e> {
    scope: &'w Scope<'w>,
    source: &'w SourceInfo,
    reads: Reads,
    faults: Vec<ExpressionFault>,
    /// The names that the loops around this place give to elements.
    locals: Vec<&'e str>,
}

impl<'e> Walk<'_, 'e> {
    fn at(&self, expression: &IdedExpr) -> usize {
        let start = self.source.offset_for(expression.id).map_or(0, |(start, _)| start);
        usize::try_from(start).unwrap_or_default().saturating_add(1)
    }

    /// A part whose value is used as it is.
    fn value(&mut self, expression: &'e IdedExpr) {
        let kind = self.kind(expression);
        self.whole(kind);
    }

    /// A variable that is used with all its members.
    fn whole(&mut self, kind: Kind) {
        match kind {
            Kind::Whole(variable) => {
                *self.names(variable) = Names::All;
                if variable == Variable::Request {
                    self.reads.headers = Names::All;
                }
            }
            Kind::Headers => self.reads.headers = Names::All,
            Kind::Anything | Kind::List | Kind::Scalar => {}
        }
    }

    fn names(&mut self, variable: Variable) -> &mut Names {
        match variable {
            Variable::Request => &mut self.reads.request,
            Variable::Path => &mut self.reads.path,
            Variable::Query => &mut self.reads.query,
            Variable::Claims => &mut self.reads.claims,
            Variable::Principal => &mut self.reads.principal,
            Variable::Context => &mut self.reads.context,
            Variable::Now => &mut self.reads.now,
        }
    }

    fn kind(&mut self, expression: &'e IdedExpr) -> Kind {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(LiteralValue::Boolean(_)) => Kind::Anything,
            Expr::Literal(_) => Kind::Scalar,
            Expr::Ident(name) => self.ident(name, expression),
            Expr::Select(select) => {
                let of = self.kind(&select.operand);
                let found = self.member(of, Key::Named(&select.field), expression);
                // `has` tells whether it is there.
                if select.test { Kind::Anything } else { found }
            }
            Expr::Call(call) => self.call(call, expression),
            Expr::List(list) => {
                list.elements.iter().for_each(|element| self.value(element));
                Kind::List
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    match &entry.expr {
                        EntryExpr::MapEntry(entry) => {
                            self.value(&entry.key);
                            self.value(&entry.value);
                        }
                        EntryExpr::StructField(field) => self.value(&field.value),
                    }
                }
                Kind::Anything
            }
            Expr::Struct(_) => {
                let at = self.at(expression);
                self.faults.push(ExpressionFault::NotTaken { what: "a message (`Name{…}`)", at });
                Kind::Anything
            }
            Expr::Comprehension(list) => {
                self.comprehension(list, expression);
                Kind::Anything
            }
        }
    }

    fn ident(&mut self, name: &'e str, expression: &IdedExpr) -> Kind {
        // What CEL's macros make is called so.
        if name.starts_with('@') || self.locals.contains(&name) || TYPES.contains(&name) {
            return Kind::Anything;
        }
        let at = self.at(expression);
        let Some(variable) = Variable::of(name) else {
            self.faults.push(ExpressionFault::UnknownVariable { name: name.into(), at });
            return Kind::Anything;
        };
        match (variable, self.scope.callers) {
            (Variable::Claims | Variable::Principal, Callers::NotAsked) => {
                self.faults.push(ExpressionFault::NoCaller { name: variable.name(), at });
            }
            (Variable::Claims | Variable::Principal, Callers::Asked)
            | (Variable::Request | Variable::Path | Variable::Query | Variable::Context | Variable::Now, _) => {}
        }
        Kind::Whole(variable)
    }

    fn member(&mut self, of: Kind, key: Key<'e>, expression: &IdedExpr) -> Kind {
        let at = self.at(expression);
        match (of, key) {
            (Kind::Anything, _) | (Kind::List, Key::Any) => Kind::Anything,
            (Kind::Whole(Variable::Now) | Kind::Scalar | Kind::List, Key::Named(name)) => {
                self.faults.push(ExpressionFault::NoMembers { name: name.into(), at });
                Kind::Anything
            }
            (Kind::Whole(Variable::Now) | Kind::Scalar, Key::Any) => {
                self.faults.push(ExpressionFault::NoMembers { name: "[…]".into(), at });
                Kind::Anything
            }
            (Kind::Headers, Key::Any) => {
                self.reads.headers = Names::All;
                Kind::Scalar
            }
            (Kind::Whole(_), Key::Any) => {
                self.whole(of);
                Kind::Anything
            }
            (Kind::Headers, Key::Named(name)) => {
                if HeaderName::parse(name).is_err() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    self.faults.push(ExpressionFault::HeaderName { name: name.into(), at });
                }
                self.reads.headers.add(name);
                Kind::Scalar
            }
            (Kind::Whole(Variable::Request), Key::Named(name)) => self.field(Variable::Request, &REQUEST, name, at),
            (Kind::Whole(Variable::Principal), Key::Named(name)) => {
                self.field(Variable::Principal, &PRINCIPAL, name, at)
            }
            (Kind::Whole(Variable::Path), Key::Named(name)) => {
                let everywhere = |pattern: &PathPattern| pattern.names().any(|known| known == name);
                if self.scope.patterns.is_empty() || !self.scope.patterns.iter().all(everywhere) {
                    self.faults.push(ExpressionFault::NoParameter { name: name.into(), at });
                }
                self.reads.path.add(name);
                Kind::Scalar
            }
            (Kind::Whole(Variable::Query), Key::Named(name)) => {
                if !is_plain(name) {
                    self.faults.push(ExpressionFault::QueryName { name: name.into(), at });
                }
                self.reads.query.add(name);
                Kind::Scalar
            }
            (Kind::Whole(Variable::Context), Key::Named(name)) => {
                self.reads.context.add(name);
                Kind::Scalar
            }
            (Kind::Whole(Variable::Claims), Key::Named(name)) => {
                self.reads.claims.add(name);
                Kind::Anything
            }
        }
    }

    fn field(&mut self, of: Variable, fields: &[(&'static str, Holds)], name: &str, at: usize) -> Kind {
        let Some((field, holds)) = fields.iter().find(|(field, _)| *field == name) else {
            let known = listed(fields.iter().map(|(field, _)| *field));
            self.faults.push(ExpressionFault::UnknownField { of: of.name(), name: name.into(), at, known });
            return Kind::Anything;
        };
        match holds {
            // Which of them is said by what stands around this.
            Holds::Headers => Kind::Headers,
            Holds::List => {
                self.names(of).add(field);
                Kind::List
            }
            Holds::Scalar => {
                self.names(of).add(field);
                Kind::Scalar
            }
        }
    }

    fn call(&mut self, call: &'e CallExpr, expression: &'e IdedExpr) -> Kind {
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            (operators::INDEX, None, [of, index]) => {
                let kind = self.kind(of);
                let key = text(index).map_or(Key::Any, Key::Named);
                self.value(index);
                self.member(kind, key, expression)
            }
            (operators::IN, None, [name, of]) => {
                self.value(name);
                match (self.kind(of), text(name)) {
                    (kind @ (Kind::Whole(_) | Kind::Headers), name) => {
                        self.member(kind, name.map_or(Key::Any, Key::Named), expression);
                    }
                    (Kind::Anything | Kind::List | Kind::Scalar, _) => {}
                }
                Kind::Anything
            }
            (name, target, arguments) => {
                // Operators are no names.
                if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
                    self.function(name, target.is_some(), arguments.len(), expression);
                }
                parts(expression).into_iter().for_each(|part| self.value(part));
                Kind::Anything
            }
        }
    }

    fn function(&mut self, name: &str, is_member: bool, arguments: usize, expression: &IdedExpr) {
        let at = self.at(expression);
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
            self.faults.push(ExpressionFault::UnknownFunction { name: name.into(), at });
            return;
        };
        let counts = if is_member { &function.member } else { &function.alone };
        if !counts.contains(&arguments) {
            self.faults.push(ExpressionFault::Arguments { name: name.into(), at, form: function.form });
        }
    }

    fn comprehension(&mut self, list: &'e ComprehensionExpr, expression: &IdedExpr) {
        // The list itself is gone through outside of the loop.
        self.value(&list.iter_range);
        let at = self.at(expression);
        let name = list.iter_var.as_str();
        if Variable::of(name).is_some() || TYPES.contains(&name) {
            self.faults.push(ExpressionFault::Shadowed { name: name.into(), at });
        }
        if self.locals.len() >= MAX_LOOPS {
            self.faults.push(ExpressionFault::Loops { at });
        }
        self.locals.push(name);
        for part in [&list.accu_init, &list.loop_cond, &list.loop_step, &list.result] {
            self.value(part);
        }
        self.locals.pop();
    }
}

/// The text that an expression is, if it is written out.
fn text(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
