//! Expressions of a subset of the language with their own evaluation, which is as simple as possible and shares no code with the
//! real one.

use proptest::prelude::*;

/// An expression of a subset of the language.
#[derive(Debug, Clone)]
pub(super) enum E {
    Value(V),
    Read(&'static str),
    Has(&'static str),
    Element,
    Not(Box<E>),
    Two(&'static str, Box<E>, Box<E>),
    If(Box<E>, Box<E>, Box<E>),
    List(Vec<E>),
    Loop(&'static str, Box<E>, Box<E>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum V {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<V>),
}

/// The error of an evaluation.
pub(super) struct Nothing;

/// The readable values, by their names in an expression. The last is always missing, and the one before it is ambiguous.
const READABLE: [&str; 9] = [
    "claims.org",
    "claims.level",
    "claims.admin",
    "claims.roles",
    "path.org",
    "principal.roles",
    "query.q",
    "query.two",
    "claims.nope",
];

fn stands_there(name: &str) -> Option<V> {
    let text = |text: &str| V::Text(text.to_owned());
    let texts = |list: &[&str]| V::List(list.iter().map(|one| text(one)).collect());
    Some(match name {
        "claims.org" | "path.org" => text("acme"),
        "claims.level" => V::Int(3),
        "claims.admin" => V::Bool(true),
        "claims.roles" => texts(&["a", "b"]),
        "principal.roles" => texts(&["reader", "editor"]),
        "query.q" => text("a b"),
        _ => return None,
    })
}

impl E {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Value(value) => value.text(),
            Self::Read(name) => (*name).to_owned(),
            Self::Has(name) => format!("has({name})"),
            Self::Element => "x".to_owned(),
            Self::Not(of) => format!("(!({}))", of.text()),
            Self::Two(operator, left, right) => format!("({} {operator} {})", left.text(), right.text()),
            Self::If(condition, yes, no) => format!("({} ? {} : {})", condition.text(), yes.text(), no.text()),
            Self::List(list) => format!("[{}]", list.iter().map(Self::text).collect::<Vec<_>>().join(", ")),
            Self::Loop(which, list, body) => format!("({}).{which}(x, {})", list.text(), body.text()),
        }
    }

    /// Returns the value, with this element of the enclosing loop.
    pub(super) fn value(&self, element: Option<&V>) -> Result<V, Nothing> {
        let bool = |of: &Self, element| match of.value(element) {
            Ok(V::Bool(value)) => Ok(value),
            Ok(_) | Err(Nothing) => Err(Nothing),
        };
        Ok(match self {
            Self::Value(value) => value.clone(),
            Self::Read(name) => stands_there(name).ok_or(Nothing)?,
            Self::Has(name) => V::Bool(stands_there(name).is_some()),
            Self::Element => element.cloned().ok_or(Nothing)?,
            Self::Not(of) => V::Bool(!bool(of, element)?),
            Self::Two("&&", left, right) => match (bool(left, element), bool(right, element)) {
                (Ok(false), _) | (_, Ok(false)) => V::Bool(false),
                (Ok(true), Ok(true)) => V::Bool(true),
                (_, Err(Nothing)) | (Err(Nothing), _) => return Err(Nothing),
            },
            Self::Two("||", left, right) => match (bool(left, element), bool(right, element)) {
                (Ok(true), _) | (_, Ok(true)) => V::Bool(true),
                (Ok(false), Ok(false)) => V::Bool(false),
                (_, Err(Nothing)) | (Err(Nothing), _) => return Err(Nothing),
            },
            Self::Two(operator, left, right) => two(operator, left.value(element)?, right.value(element)?)?,
            Self::If(condition, yes, no) => if bool(condition, element)? { yes } else { no }.value(element)?,
            Self::List(list) => V::List(list.iter().map(|one| one.value(element)).collect::<Result<_, _>>()?),
            Self::Loop(which, list, body) => {
                let V::List(list) = list.value(element)? else { return Err(Nothing) };
                let each: Vec<Result<bool, Nothing>> = list.iter().map(|one| bool(body, Some(one))).collect();
                let decides = *which == "exists";
                if each.iter().any(|one| matches!(one, Ok(value) if *value == decides)) {
                    V::Bool(decides)
                } else if each.iter().all(Result::is_ok) {
                    V::Bool(!decides)
                } else {
                    return Err(Nothing);
                }
            }
        })
    }

    pub(super) fn names(&self, name: &str) -> bool {
        self.text().contains(name)
    }
}

fn two(operator: &str, left: V, right: V) -> Result<V, Nothing> {
    Ok(match (operator, left, right) {
        ("==", left, right) => V::Bool(left == right),
        ("!=", left, right) => V::Bool(left != right),
        ("<", V::Int(left), V::Int(right)) => V::Bool(left < right),
        ("<", V::Text(left), V::Text(right)) => V::Bool(left < right),
        ("<", V::Bool(left), V::Bool(right)) => V::Bool(!left & right),
        ("+", V::Int(left), V::Int(right)) => V::Int(left.checked_add(right).ok_or(Nothing)?),
        ("+", V::Text(left), V::Text(right)) => V::Text(left + &right),
        ("+", V::List(left), V::List(right)) => V::List([left, right].concat()),
        ("/", V::Int(left), V::Int(right)) => V::Int(left.checked_div(right).ok_or(Nothing)?),
        ("in", left, V::List(right)) => V::Bool(right.contains(&left)),
        (_, _, _) => return Err(Nothing),
    })
}

impl V {
    fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(i64::MIN) => "-9223372036854775808".to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Text(text) => format!("'{text}'"),
            Self::List(list) => format!("[{}]", list.iter().map(Self::text).collect::<Vec<_>>().join(", ")),
        }
    }
}

pub(super) fn any_expression() -> impl Strategy<Value = E> {
    let value = prop_oneof![
        any::<bool>().prop_map(V::Bool),
        prop::sample::select(vec![0, 1, 3, -1, i64::MAX, i64::MIN]).prop_map(V::Int),
        prop::sample::select(vec!["", "acme", "a", "editor"]).prop_map(|text| V::Text(text.to_owned())),
    ];
    let name = || prop::sample::select(READABLE.to_vec());
    // Ambiguity always fails, and would dominate the samples.
    let common = || prop::sample::select(READABLE.into_iter().filter(|name| *name != "query.two").collect::<Vec<_>>());
    let leaf = prop_oneof![
        4 => value.prop_map(E::Value),
        8 => common().prop_map(E::Read),
        2 => common().prop_map(E::Has),
        1 => name().prop_map(E::Read),
    ];
    leaf.prop_recursive(5, 24, 3, |inner| {
        let boxed = move || inner.clone().prop_map(Box::new);
        let operator = prop::sample::select(vec!["&&", "&&", "||", "||", "==", "!=", "<", "+", "/", "in", "in"]);
        let which = prop::sample::select(vec!["all", "exists"]);
        let body =
            prop_oneof![
                boxed(),
                (prop::sample::select(vec!["==", "!=", "<", "in"]), boxed())
                    .prop_map(|(operator, with)| Box::new(E::Two(operator, Box::new(E::Element), with))),
            ];
        prop_oneof![
            1 => boxed().prop_map(E::Not),
            6 => (operator, boxed(), boxed()).prop_map(|(operator, left, right)| E::Two(operator, left, right)),
            1 => (boxed(), boxed(), boxed()).prop_map(|(condition, yes, no)| E::If(condition, yes, no)),
            1 => prop::collection::vec(boxed().prop_map(|one| *one), 0..3).prop_map(E::List),
            2 => (which, boxed(), body).prop_map(|(which, list, body)| E::Loop(which, list, body)),
        ]
    })
}
