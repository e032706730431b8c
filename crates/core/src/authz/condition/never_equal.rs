//! Comparisons whose sides are never equal, because modgud normalizes the request: they pass every check at load, and deny or admit every
//! request.

use super::constants::{position, shown};
use super::environment::{self, parts};
use cel::common::ast::{Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use std::net::IpAddr;

/// A comparison whose sides are never equal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("compares `{field}` with {literal} at character {at}, and the two are never alike: {why}")]
pub struct NeverEqual {
    field: String,
    literal: String,
    at: usize,
    why: String,
}

/// Returns the comparisons of an expression whose sides are never equal. None for an invalid expression.
#[must_use]
pub fn never_equal(text: &str) -> Vec<NeverEqual> {
    let mut found = Vec::new();
    if let Ok((expression, source)) = environment::parse(text) {
        visit(&expression, &source, &mut found);
    }
    found
}

/// The way in which a text is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Test {
    Equal,
    Start,
    End,
    Contain,
}

/// A value that modgud normalizes, or whose type is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Host,
    Method,
    Scheme,
    Path,
    Port,
    Text,
    Client,
    Now,
}

fn visit(expression: &IdedExpr, source: &SourceInfo, found: &mut Vec<NeverEqual>) {
    if let Expr::Call(call) = &expression.expr {
        let mut compare = |field: &IdedExpr, literal: &IdedExpr, mode: Test| {
            let Some((kind, field)) = self::field(field) else { return };
            let Expr::Literal(value) = &literal.expr else { return };
            let Some(why) = why(kind, value, mode) else { return };
            let at = position(source, expression);
            found.push(NeverEqual { field, literal: literal_shown(value), at, why });
        };
        let mode = match call.func_name.as_str() {
            "startsWith" => Test::Start,
            "endsWith" => Test::End,
            "contains" => Test::Contain,
            _ => Test::Equal,
        };
        match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            (
                operators::EQUALS
                | operators::NOT_EQUALS
                | operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS,
                None,
                [one, other],
            ) => {
                // An order is only impossible between types.
                let is_order = !matches!(call.func_name.as_str(), operators::EQUALS | operators::NOT_EQUALS);
                let mode = if is_order { Test::Contain } else { Test::Equal };
                if !is_order || has_other_type(one, other) || has_other_type(other, one) {
                    compare(one, other, mode);
                    compare(other, one, mode);
                }
            }
            (operators::IN, None, [one, IdedExpr { expr: Expr::List(list), .. }]) => {
                list.elements.iter().for_each(|element| compare(one, element, Test::Equal));
            }
            (_, Some(field), [literal]) if mode != Test::Equal => compare(field, literal, mode),
            _ => {}
        }
    }
    for part in parts(expression) {
        visit(part, source, found);
    }
}

/// Returns true if the field never has the type of the literal.
fn has_other_type(field: &IdedExpr, literal: &IdedExpr) -> bool {
    match (self::field(field), &literal.expr) {
        (Some((Field::Now, _)), Expr::Literal(_)) => true,
        (Some((Field::Port, _)), Expr::Literal(value)) => matches!(value, LiteralValue::String(_)),
        (Some(_), Expr::Literal(value)) => !matches!(value, LiteralValue::String(_)),
        _ => false,
    }
}

/// Returns the field that an expression reads, and its name.
fn field(expression: &IdedExpr) -> Option<(Field, String)> {
    let (of, name) = match &expression.expr {
        Expr::Ident(name) if name == "now" => return Some((Field::Now, name.clone())),
        Expr::Select(select) if !select.test => (&*select.operand, select.field.as_str()),
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [of, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }] => (of, name.inner()),
            _ => return None,
        },
        _ => return None,
    };
    let variable = match &of.expr {
        Expr::Ident(variable) => variable.as_str(),
        Expr::Select(select) if select.field == "headers" => match &select.operand.expr {
            Expr::Ident(variable) if variable == "request" => {
                return Some((Field::Text, format!("request.headers['{name}']")));
            }
            _ => return None,
        },
        _ => return None,
    };
    let kind = match (variable, name) {
        ("request", "host") => Field::Host,
        ("request", "method") => Field::Method,
        ("request", "scheme") => Field::Scheme,
        ("request", "path") => Field::Path,
        ("request", "port" | "size") => Field::Port,
        ("source", "address") => Field::Client,
        ("path" | "query" | "context", _) | ("principal", "subject" | "organization" | "authenticator") => Field::Text,
        _ => return None,
    };
    Some((kind, format!("{variable}.{name}")))
}

fn literal_shown(value: &LiteralValue) -> String {
    match value {
        LiteralValue::String(text) => shown(text.inner()),
        LiteralValue::Int(number) => shown(&number.inner().to_string()),
        LiteralValue::UInt(number) => shown(&number.inner().to_string()),
        LiteralValue::Double(number) => shown(&number.inner().to_string()),
        LiteralValue::Boolean(value) => shown(&value.inner().to_string()),
        LiteralValue::Null => "`null`".to_owned(),
        LiteralValue::Bytes(_) => "bytes".to_owned(),
    }
}

/// Returns the reason why a field never equals a literal, and what to write instead. `None` if it can.
fn why(field: Field, literal: &LiteralValue, mode: Test) -> Option<String> {
    let text = match (field, literal) {
        (Field::Now, _) => {
            return Some("it is a time; write one such as `timestamp('2030-01-31T12:00:00Z')`".to_owned());
        }
        (Field::Port, LiteralValue::String(text)) => {
            return Some(format!("it is a number; write {}", shown(text.inner())));
        }
        (Field::Port, _) | (_, LiteralValue::Null) => return None,
        (_, LiteralValue::String(text)) => text.inner(),
        (_, other) => {
            let written = literal_shown(other);
            return Some(format!("it is a text; write `'{}'`", written.trim_matches('`')));
        }
    };
    match field {
        Field::Host => host(text, mode),
        Field::Method if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            Some(format!("methods are in capitals; write {}", shown(&text.to_ascii_uppercase())))
        }
        Field::Scheme if mode == Test::Equal && !matches!(text, "http" | "https") => {
            Some("it is `http` or `https`; write one of them".to_owned())
        }
        Field::Path => path(text, mode),
        Field::Client if mode == Test::Equal => client(text),
        Field::Method | Field::Scheme | Field::Text | Field::Client | Field::Port | Field::Now => None,
    }
}

fn host(written: &str, mode: Test) -> Option<String> {
    let port = written.rsplit_once(':').filter(|(name, port)| {
        !name.contains([':', '[']) && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    if written.contains('/') {
        Some("a host has neither scheme nor path; write its name alone".to_owned())
    } else if let Some((name, port)) = port {
        let name = if name.is_empty() { String::new() } else { format!("{}, and ", shown(name)) };
        let also = if name.is_empty() { "" } else { " too" };
        Some(format!("the host has no port; write {name}`request.port == {port}`{also}"))
    } else if written.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some(format!("hosts are in lower case; write {}", shown(&written.to_ascii_lowercase())))
    } else if matches!(mode, Test::Equal | Test::End) && written.len() > 1 && written.ends_with('.') {
        Some(format!("a host has no dot at its end; write {}", shown(written.trim_end_matches('.'))))
    } else {
        None
    }
}

fn client(written: &str) -> Option<String> {
    if written.contains('/') {
        let network = shown(written);
        let network = network.trim_matches('`');
        return Some(format!("it is one address; write `cidr('{network}').containsIP(source.address)`"));
    }
    match written.parse().map(|address: IpAddr| address.to_canonical().to_string()) {
        Ok(address) if address == written => None,
        Ok(address) => Some(format!("addresses are in their shortest form; write {}", shown(&address))),
        Err(_) => Some("it is an IP address; write one such as `10.0.0.7`".to_owned()),
    }
}

fn path(written: &str, mode: Test) -> Option<String> {
    let escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let is_root = written == "/";
    if written.contains('?') {
        Some("the path has no query; compare a parameter, such as `query.page`".to_owned())
    } else if written.contains(['#', ';', '\\']) || written.contains("//") {
        Some("requests with such a path are denied before; leave it out".to_owned())
    } else if written.split('%').skip(1).any(escape) {
        Some("the path is decoded; write the characters themselves".to_owned())
    } else if matches!(mode, Test::Equal | Test::Start)
        && !written.starts_with('/')
        && (mode == Test::Equal || !written.is_empty())
    {
        Some(format!("paths begin with `/`; write {}", shown(&format!("/{written}"))))
    } else if matches!(mode, Test::Equal | Test::End) && !is_root && written.ends_with('/') {
        Some(format!("the path has no slash at its end; write {}", shown(written.trim_end_matches('/'))))
    } else {
        None
    }
}
