//! The request, its caller and the time as values of an expression, limited to the names that it reads. An ambiguous value is an
//! error, not an absent value.

use super::declarations::Variable;
use super::error::EvaluationError;
use super::references::{Names, References};
use crate::authz::pattern::{AmbiguousPath, PathPattern};
use crate::http::query::Query;
use crate::http::request::{HeaderLookup, Request};
use crate::jose::{JsonRef, is_beyond_64_bits};
use crate::principal::{Principal, Texts};
use crate::time::Timestamp;
use cel::Context;
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp, CelUInt,
};
use cel::common::value::Val;
use chrono::DateTime;
use std::borrow::Cow;
use std::collections::HashMap;

/// The inputs of an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// The pattern that has matched; `None` if the expression does not belong to a rule.
    pub pattern: Option<&'a PathPattern>,
    /// The name of the deciding rule; `None` for the fallback, and before a rule has decided.
    pub rule: Option<&'a str>,
    /// The caller; `None` if no credential was required or presented.
    pub principal: Option<&'a Principal>,
    /// The time.
    pub now: Timestamp,
}

type Boxed<'v> = Box<dyn Val + 'v>;

/// The members of a map.
#[derive(Default)]
struct Members<'v>(HashMap<CelMapKey<'v>, Boxed<'v>>);

impl<'v> Members<'v> {
    fn add(&mut self, name: impl Into<CelMapKey<'v>>, value: Boxed<'v>) {
        self.0.insert(name.into(), value);
    }

    fn boxed(self) -> Boxed<'v> {
        Box::new(CelMap::from(self.0))
    }
}

/// Binds the values that are read to their variables.
pub(super) fn bind<'v>(
    reads: &References,
    inputs: &'v Inputs<'v>,
    mut context: Context<'v, 'v>,
) -> Result<Context<'v, 'v>, EvaluationError> {
    let References {
        request,
        headers,
        path,
        query,
        claims,
        principal,
        context: envoy,
        source,
        now,
        rule,
        never_bool: _,
    } = reads;
    let mut add = |variable: Variable, value: Boxed<'v>| context.add_variable_as_val(variable.name(), value);
    if request.is_something() || headers.is_something() {
        add(Variable::Request, self::request(request, headers, inputs)?);
    }
    if path.is_something() {
        add(Variable::Path, self::path(path, inputs));
    }
    if query.is_something() {
        add(Variable::Query, self::query(query, inputs.request)?);
    }
    if claims.is_something() {
        add(Variable::Claims, self::claims(claims, inputs.principal)?);
    }
    if principal.is_something() {
        add(Variable::Principal, self::principal(principal, inputs.principal));
    }
    if envoy.is_something() {
        let mut members = Members::default();
        for (name, value) in inputs.request.context.iter().filter(|(name, _)| envoy.has(name)) {
            members.add(name, text(value));
        }
        add(Variable::Context, members.boxed());
    }
    if source.is_something() {
        // Without an address the member is missing, so that every use of it fails.
        let mut members = Members::default();
        if let Some(client) = inputs.request.client() {
            members.add("address", owned(client.to_string()));
        }
        add(Variable::Source, members.boxed());
    }
    if now.is_something() {
        add(Variable::Now, time(inputs.now));
    }
    if rule.is_something() {
        add(Variable::Rule, inputs.rule.map_or_else(|| -> Boxed<'v> { Box::new(CelNull) }, text));
    }
    Ok(context)
}

fn text(text: &str) -> Boxed<'_> {
    Box::new(CelString::from(text))
}

fn owned<'v>(text: String) -> Boxed<'v> {
    Box::new(CelString::from(text))
}

/// Converts a time. One beyond CEL's range becomes `null`, so every use of it fails.
fn time<'v>(now: Timestamp) -> Boxed<'v> {
    let millis = i64::try_from(now.as_millis()).ok();
    match millis.and_then(DateTime::from_timestamp_millis) {
        Some(time) => Box::new(CelTimestamp::from(time.fixed_offset())),
        None => Box::new(CelNull),
    }
}

fn request<'v>(fields: &Names, headers: &Names, inputs: &'v Inputs<'v>) -> Result<Boxed<'v>, EvaluationError> {
    let Inputs { request, pattern, .. } = *inputs;
    let mut members = Members::default();
    let mut add = |name: &'static str, value: Option<Boxed<'v>>| {
        if let Some(value) = value.filter(|_| fields.has(name)) {
            members.add(name, value);
        }
    };
    let scheme = std::str::from_utf8(request.scheme).ok().filter(|scheme| !scheme.is_empty());
    add("method", Some(text(request.method.as_str())));
    add("scheme", scheme.map(text));
    add("host", request.host.name().map(text));
    add("port", request.port.map(|port| -> Boxed<'v> { Box::new(CelInt::from(i64::from(port))) }));
    if fields.has("path") {
        // A condition sees the path that its rule compares; values for modules and Envoy use the path as sent.
        let path = match pattern {
            None => Cow::Borrowed(request.path.without_trailing_slash()),
            Some(pattern) => pattern
                .compared(&request.path)
                .map_err(|AmbiguousPath| EvaluationError::Ambiguous("request.path".into()))?,
        };
        add("path", Some(Box::new(CelString::from(path))));
    }
    if fields.has("size")
        && let Some(size) = request.size().and_then(|size| i64::try_from(size).ok())
    {
        members.add("size", Box::new(CelInt::from(size)));
    }
    if headers.is_something() {
        members.add("headers", self::headers(headers, request)?);
    }
    Ok(members.boxed())
}

fn headers<'v>(names: &Names, request: &'v Request<'v>) -> Result<Boxed<'v>, EvaluationError> {
    let mut members = Members::default();
    let mut add = |name: &str| {
        let ambiguous = || EvaluationError::Ambiguous(format!("request.headers['{name}']").into());
        match request.headers.sole(name) {
            HeaderLookup::Absent => {}
            HeaderLookup::One(value) => {
                let value = std::str::from_utf8(value).map_err(|_| ambiguous())?;
                members.add(name.to_owned(), text(value));
            }
            HeaderLookup::Repeated => return Err(ambiguous()),
        }
        Ok(())
    };
    match names {
        Names::Nothing => {}
        Names::These(names) => names.iter().try_for_each(|name| add(name))?,
        Names::All => {
            for field in request.headers.iter() {
                // The error must not repeat a name that a client chose.
                let any = || EvaluationError::Ambiguous("request.headers".into());
                let name = std::str::from_utf8(field.name).map_err(|_| any())?.to_ascii_lowercase();
                add(&name).map_err(|_| any())?;
            }
        }
    }
    Ok(members.boxed())
}

fn path<'v>(names: &Names, inputs: &'v Inputs<'v>) -> Boxed<'v> {
    let mut members = Members::default();
    let parameters = inputs.pattern.iter().flat_map(|pattern| pattern.parameters(&inputs.request.path));
    for (name, value) in parameters.filter(|(name, _)| names.has(name)) {
        members.add(name, owned(value.into_owned()));
    }
    members.boxed()
}

fn query<'v>(names: &Names, request: &Request<'v>) -> Result<Boxed<'v>, EvaluationError> {
    let query = Query::new(request.query);
    let mut members = Members::default();
    match names {
        Names::Nothing => {}
        Names::These(names) => {
            for name in names {
                let value = query.get(name);
                let value = value.map_err(|_| EvaluationError::Ambiguous(format!("query.{name}").into()))?;
                if let Some(value) = value {
                    members.add(name.to_string(), owned(value));
                }
            }
        }
        Names::All => {
            for (name, value) in query.all().map_err(|_| EvaluationError::Ambiguous("query".into()))? {
                members.add(name, owned(value));
            }
        }
    }
    Ok(members.boxed())
}

fn claims<'v>(names: &Names, principal: Option<&'v Principal>) -> Result<Boxed<'v>, EvaluationError> {
    let mut members = Members::default();
    if let Some(principal) = principal {
        let mut add = |name: &'v str, value: JsonRef<'v>| {
            if let Some(value) = principal.present(value) {
                members.add(name, json(value, principal)?);
            }
            Some(())
        };
        match names {
            Names::Nothing => {}
            Names::These(names) => {
                for (name, value) in names.iter().filter_map(|name| principal.claims().get_key_value(name)) {
                    add(name, value).ok_or_else(|| EvaluationError::Number(format!("claims.{name}").into()))?;
                }
            }
            Names::All => {
                let added = principal.claims().iter().try_for_each(|(name, value)| add(name, value));
                added.ok_or_else(|| EvaluationError::Number("claims".into()))?;
            }
        }
    }
    Ok(members.boxed())
}

/// Converts a claim. A member that is a null string is left out, so that it can't count as a value.
///
/// `None` if the claim holds a number that represents more than one number of a token, because different numbers would compare as
/// equal.
fn json<'v>(value: JsonRef<'v>, principal: &Principal) -> Option<Boxed<'v>> {
    Some(match value {
        JsonRef::Null => Box::new(CelNull),
        JsonRef::Bool(value) => Box::new(CelBool::from(value)),
        JsonRef::Number(number) if is_beyond_64_bits(&number) => return None,
        JsonRef::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => Box::new(CelInt::from(value)),
            (None, Some(value), _) => Box::new(CelUInt::from(value)),
            (None, None, Some(value)) => Box::new(CelDouble::from(value)),
            (None, None, None) => Box::new(CelNull),
        },
        JsonRef::String(value) => text(value),
        JsonRef::Array(list) => {
            let list: Option<Vec<Boxed<'v>>> = list.map(|value| json(value, principal)).collect();
            Box::new(CelList::from(list?))
        }
        JsonRef::Object(object) => {
            let mut members = Members::default();
            for (name, value) in object {
                if let Some(value) = principal.present(value) {
                    members.add(name, json(value, principal)?);
                }
            }
            members.boxed()
        }
    })
}

fn principal<'v>(names: &Names, principal: Option<&'v Principal>) -> Boxed<'v> {
    let mut members = Members::default();
    if let Some(principal) = principal {
        let identity = principal.identity();
        let list = |texts: Texts<'v>| -> Boxed<'v> {
            let texts: Vec<Boxed<'v>> = texts.map(text).collect();
            Box::new(CelList::from(texts))
        };
        let mut add = |name: &'static str, value: &dyn Fn() -> Option<Boxed<'v>>| {
            if let Some(value) = names.has(name).then(value).flatten() {
                members.add(name, value);
            }
        };
        add("subject", &|| identity.subject().map(text));
        add("organization", &|| identity.organization().map(text));
        add("roles", &|| Some(list(identity.roles())));
        add("permissions", &|| Some(list(identity.permissions())));
        add("scopes", &|| Some(list(identity.scopes())));
        add("authenticator", &|| Some(text(principal.authenticator().as_str())));
    }
    members.boxed()
}
