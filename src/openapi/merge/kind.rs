//! The kinds of objects in an `OpenAPI` document, and the kinds of their members: where a `$ref` is a reference, and where it is data.

/// The kind of an object (`OpenAPI` 3.1 §4.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Schema,
    Response,
    Parameter,
    Example,
    RequestBody,
    Header,
    Link,
    Callback,
    PathItem,
    MediaType,
    Encoding,
    Operation,
}

/// The kind of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    /// An object.
    One(Kind),
    /// A list of objects.
    List(Kind),
    /// A map of objects.
    Map(Kind),
    /// Data, in which nothing is a reference.
    Data,
}

impl Kind {
    /// The kinds under `components` that the merged document keeps, in the order of the specification. Path items are written where they
    /// are used, because each of their operations depends on its path.
    pub(super) const COMPONENTS: [(&str, Self); 9] = [
        ("schemas", Self::Schema),
        ("responses", Self::Response),
        ("parameters", Self::Parameter),
        ("examples", Self::Example),
        ("requestBodies", Self::RequestBody),
        ("headers", Self::Header),
        ("links", Self::Link),
        ("callbacks", Self::Callback),
        ("mediaTypes", Self::MediaType),
    ];

    /// Returns its key under `components`; `None` if no component has this kind.
    pub(super) fn component(self) -> Option<&'static str> {
        Self::COMPONENTS.into_iter().find(|(_, kind)| *kind == self).map(|(key, _)| key)
    }

    /// Returns the kind of a member.
    pub(super) fn child(self, key: &str) -> Child {
        match (self, key) {
            (
                Self::Schema,
                "not"
                | "additionalProperties"
                | "items"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties"
                | "contentSchema",
            )
            | (Self::Parameter | Self::Header | Self::MediaType, "schema")
            | (Self::MediaType, "itemSchema") => Child::One(Self::Schema),
            (Self::Schema, "allOf" | "anyOf" | "oneOf" | "prefixItems") => Child::List(Self::Schema),
            (
                Self::Schema,
                "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "definitions" | "dependencies",
            ) => Child::Map(Self::Schema),
            (Self::Parameter | Self::Header | Self::RequestBody | Self::Response, "content") => {
                Child::Map(Self::MediaType)
            }
            (Self::Parameter | Self::Header | Self::MediaType, "examples") => Child::Map(Self::Example),
            (Self::Response | Self::Encoding, "headers") => Child::Map(Self::Header),
            (Self::Response, "links") => Child::Map(Self::Link),
            (Self::MediaType | Self::Encoding, "encoding") => Child::Map(Self::Encoding),
            (Self::MediaType | Self::Encoding, "prefixEncoding") => Child::List(Self::Encoding),
            (Self::MediaType | Self::Encoding, "itemEncoding") => Child::One(Self::Encoding),
            (Self::PathItem | Self::Operation, "parameters") => Child::List(Self::Parameter),
            (Self::Operation, "requestBody") => Child::One(Self::RequestBody),
            (Self::Operation, "responses") => Child::Map(Self::Response),
            (Self::Operation, "callbacks") => Child::Map(Self::Callback),
            (Self::Callback, key) if !key.starts_with("x-") => Child::One(Self::PathItem),
            _ => Child::Data,
        }
    }
}
