//! The check of all names in an expression: variables, fields and functions. It records the names that are read, so that an
//! evaluation prepares only these.

use super::constants::position;
use super::declarations::{
    CallerPresence, Env, FieldType, MAX_GROWTH, MAX_LOOPS, PRINCIPAL, REQUEST, SOURCE, TYPES, Variable, function,
    listed,
};
use super::environment::parts;
use super::error::ExpressionError;
use super::networks;
use super::references::{Names, References};
use crate::authz::pattern::PathPattern;
use crate::http::header::HeaderName;
use crate::http::query::is_plain;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

/// The static type of a part of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Anything,
    Whole(Variable),
    Headers,
    List,
    Scalar,
}

/// The member that is read.
#[derive(Clone, Copy)]
enum Key<'e> {
    Named(&'e str),
    /// A member whose name is known only at evaluation.
    Any,
}

/// Checks every name and returns the names that are read.
///
/// # Errors
/// All errors of the expression.
pub(super) fn check(
    expression: &IdedExpr,
    source: &SourceInfo,
    scope: &Env<'_>,
) -> Result<References, Vec<ExpressionError>> {
    let mut walk =
        Walk { scope, source, reads: References::default(), errors: Vec::new(), locals: Vec::new(), growth: 1 };
    let kind = walk.kind(expression);
    walk.whole(kind);
    walk.reject_client_data(expression);
    walk.reads.never_bool = match kind {
        Kind::Anything => None,
        Kind::Scalar | Kind::Whole(Variable::Now | Variable::Rule) => Some("a text, a number or a time"),
        Kind::List => Some("a list"),
        Kind::Headers | Kind::Whole(_) => Some("a map"),
    };
    if walk.errors.is_empty() { Ok(walk.reads) } else { Err(walk.errors) }
}

struct Walk<'w, 'e> {
    scope: &'w Env<'w>,
    source: &'w SourceInfo,
    reads: References,
    errors: Vec<ExpressionError>,
    /// The variables of the enclosing loops.
    locals: Vec<&'e str>,
    /// The maximum factor by which the enclosing loops can enlarge a list.
    growth: usize,
}

impl<'e> Walk<'_, 'e> {
    fn at(&self, expression: &IdedExpr) -> usize {
        position(self.source, expression)
    }

    /// Checks a part whose value is used as a whole.
    fn value(&mut self, expression: &'e IdedExpr) {
        let kind = self.kind(expression);
        self.whole(kind);
    }

    /// Records a variable as read with all its members.
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

    /// Rejects client headers in a value that asserts facts to modules or Envoy.
    fn reject_client_data(&mut self, expression: &IdedExpr) {
        match self.scope {
            Env::Value if self.reads.headers.is_something() => {
                let at = self.at(expression);
                self.errors.push(ExpressionError::ClientData { name: "request.headers", at });
            }
            Env::Value | Env::Rule { .. } => {}
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
            Variable::Source => &mut self.reads.source,
            Variable::Now => &mut self.reads.now,
            Variable::Rule => &mut self.reads.rule,
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
                // `has` returns a boolean.
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
                self.errors.push(ExpressionError::Unsupported { what: "a message (`Name{…}`)", at });
                Kind::Anything
            }
            Expr::Comprehension(list) => {
                self.comprehension(list, expression);
                Kind::Anything
            }
        }
    }

    fn ident(&mut self, name: &'e str, expression: &IdedExpr) -> Kind {
        // Names of this form come from the expansion of CEL's macros.
        if name.starts_with('@') || self.locals.contains(&name) || TYPES.contains(&name) {
            return Kind::Anything;
        }
        let at = self.at(expression);
        let variables: &[Variable] = match self.scope {
            Env::Rule { .. } => &Variable::OF_RULES,
            Env::Value => &Variable::OF_VALUES,
        };
        let variable = match (Variable::of(name), self.scope) {
            (Some(variable), Env::Rule { callers: CallerPresence::Never, patterns: _ }) if variable.is_of_callers() => {
                self.errors.push(ExpressionError::NoCaller { name: variable.name(), at });
                variable
            }
            (Some(variable), _) if variables.contains(&variable) => variable,
            (Some(Variable::Query), Env::Value) => {
                self.errors.push(ExpressionError::ClientData { name: "query", at });
                return Kind::Anything;
            }
            (Some(_) | None, _) => {
                let known = Variable::names(variables);
                self.errors.push(ExpressionError::UnknownVariable { name: name.into(), at, known });
                return Kind::Anything;
            }
        };
        Kind::Whole(variable)
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
            // The target is a namespace, and no value.
            (networks::IS_CANONICAL, Some(IdedExpr { expr: Expr::Ident(of), .. }), [text])
                if of == networks::NAMESPACE && !self.locals.contains(&networks::NAMESPACE) =>
            {
                self.value(text);
                Kind::Anything
            }
            (name, target, arguments) => {
                // Operators are not names.
                if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
                    self.function(name, target.is_some(), arguments.len(), expression);
                }
                for part in parts(expression) {
                    self.value(part);
                }
                if networks::NEVER_BOOL.contains(&name) { Kind::Scalar } else { Kind::Anything }
            }
        }
    }

    fn function(&mut self, name: &str, is_member: bool, arguments: usize, expression: &IdedExpr) {
        let at = self.at(expression);
        let Some(function) = function(name) else {
            self.errors.push(ExpressionError::UnknownFunction { name: name.into(), at });
            return;
        };
        let counts = if is_member { &function.member } else { &function.alone };
        if !counts.as_ref().is_some_and(|counts| counts.contains(&arguments)) {
            self.errors.push(ExpressionError::Arguments { name: name.into(), at, form: function.form });
        }
    }

    fn comprehension(&mut self, list: &'e ComprehensionExpr, expression: &IdedExpr) {
        // The list itself is evaluated outside of the loop.
        self.value(&list.iter_range);
        let at = self.at(expression);
        let name = list.iter_var.as_str();
        if Variable::of(name).is_some() || TYPES.contains(&name) {
            self.errors.push(ExpressionError::Shadowed { name: name.into(), at });
        }
        if self.locals.len() >= MAX_LOOPS {
            self.errors.push(ExpressionError::Loops { at });
        }
        if matches!(list.accu_init.expr, Expr::List(_)) {
            self.growth = self.growth.saturating_mul(uses(name, &list.loop_step).max(1));
            if self.growth > MAX_GROWTH {
                self.errors.push(ExpressionError::Growth { at });
            }
        }
        self.locals.push(name);
        for part in [&list.accu_init, &list.loop_cond, &list.loop_step, &list.result] {
            self.value(part);
        }
        self.locals.pop();
    }
}

impl<'e> Walk<'_, 'e> {
    /// Checks and records the read of a member.
    fn member(&mut self, of: Kind, key: Key<'e>, expression: &IdedExpr) -> Kind {
        let at = self.at(expression);
        match (of, key) {
            (Kind::Anything, _) | (Kind::List, Key::Any) => Kind::Anything,
            (Kind::Whole(Variable::Now | Variable::Rule) | Kind::Scalar | Kind::List, Key::Named(name)) => {
                self.errors.push(ExpressionError::NoMembers { name: name.into(), at });
                Kind::Anything
            }
            (Kind::Whole(Variable::Now | Variable::Rule) | Kind::Scalar, Key::Any) => {
                self.errors.push(ExpressionError::NoMembers { name: "[…]".into(), at });
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
                    self.errors.push(ExpressionError::HeaderName { name: name.into(), at });
                }
                self.reads.headers.add(name);
                Kind::Scalar
            }
            (Kind::Whole(Variable::Request), Key::Named(name)) => self.field(Variable::Request, &REQUEST, name, at),
            (Kind::Whole(Variable::Source), Key::Named(name)) => self.field(Variable::Source, &SOURCE, name, at),
            (Kind::Whole(Variable::Principal), Key::Named(name)) => {
                self.field(Variable::Principal, &PRINCIPAL, name, at)
            }
            (Kind::Whole(Variable::Path), Key::Named(name)) => {
                let everywhere = |pattern: &PathPattern| pattern.names().any(|known| known == name);
                let patterns = match *self.scope {
                    Env::Rule { callers: _, patterns } => patterns,
                    Env::Value => &[],
                };
                if patterns.is_empty() || !patterns.iter().all(everywhere) {
                    self.errors.push(ExpressionError::NoParameter { name: name.into(), at });
                }
                self.reads.path.add(name);
                Kind::Scalar
            }
            (Kind::Whole(Variable::Query), Key::Named(name)) => {
                if !is_plain(name) {
                    self.errors.push(ExpressionError::QueryName { name: name.into(), at });
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

    fn field(&mut self, of: Variable, fields: &[(&'static str, FieldType)], name: &str, at: usize) -> Kind {
        let Some((field, kind)) = fields.iter().find(|(field, _)| *field == name) else {
            let known = listed(fields.iter().map(|(field, _)| *field));
            self.errors.push(ExpressionError::UnknownField { of: of.name(), name: name.into(), at, known });
            return Kind::Anything;
        };
        match kind {
            // The enclosing expression determines the header.
            FieldType::Headers => Kind::Headers,
            FieldType::List => {
                self.names(of).add(field);
                Kind::List
            }
            FieldType::Scalar => {
                self.names(of).add(field);
                Kind::Scalar
            }
        }
    }
}

/// Counts the occurrences of a name in an expression.
fn uses(name: &str, expression: &IdedExpr) -> usize {
    let own = usize::from(matches!(&expression.expr, Expr::Ident(found) if found == name));
    parts(expression).into_iter().map(|part| uses(name, part)).fold(own, usize::saturating_add)
}

/// Returns the text of a string literal; `None` for any other expression.
fn text(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
