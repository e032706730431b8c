//! The members of variables: the available ones, and those that an expression reads.

use super::{Key, Kind, Walk};
use crate::authz::PathPattern;
use crate::authz::condition::declarations::{Holds, PRINCIPAL, REQUEST, Variable, listed};
use crate::authz::condition::error::ExpressionError;
use crate::authz::condition::expression::Env;
use crate::authz::condition::references::Names;
use crate::http::header::HeaderName;
use crate::http::query::is_plain;
use cel::common::ast::IdedExpr;

impl<'e> Walk<'_, 'e> {
    pub(super) fn member(&mut self, of: Kind, key: Key<'e>, expression: &IdedExpr) -> Kind {
        let at = self.at(expression);
        match (of, key) {
            (Kind::Anything, _) | (Kind::List, Key::Any) => Kind::Anything,
            (Kind::Whole(Variable::Now | Variable::Rule) | Kind::Scalar | Kind::List, Key::Named(name)) => {
                self.faults.push(ExpressionError::NoMembers { name: name.into(), at });
                Kind::Anything
            }
            (Kind::Whole(Variable::Now | Variable::Rule) | Kind::Scalar, Key::Any) => {
                self.faults.push(ExpressionError::NoMembers { name: "[…]".into(), at });
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
                    self.faults.push(ExpressionError::HeaderName { name: name.into(), at });
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
                let patterns = match *self.scope {
                    Env::Rule { callers: _, patterns } => patterns,
                    Env::Told => &[],
                };
                if patterns.is_empty() || !patterns.iter().all(everywhere) {
                    self.faults.push(ExpressionError::NoParameter { name: name.into(), at });
                }
                self.reads.path.add(name);
                Kind::Scalar
            }
            (Kind::Whole(Variable::Query), Key::Named(name)) => {
                if !is_plain(name) {
                    self.faults.push(ExpressionError::QueryName { name: name.into(), at });
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
            self.faults.push(ExpressionError::UnknownField { of: of.name(), name: name.into(), at, known });
            return Kind::Anything;
        };
        match holds {
            // The enclosing expression determines the header.
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
}
