//! `telemetry.otlp`, as written.

use super::{Claim, SecretSource};
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The collector of spans.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum Otlp {
    /// Its address, for gRPC.
    Endpoint(String),
    /// Its address, with settings.
    Collector(Collector),
}

/// Unlike the derived one of an untagged enum, its errors name the wrong key.
impl<'de> Deserialize<'de> for Otlp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OtlpVisitor)
    }
}

struct OtlpVisitor;

impl<'de> Visitor<'de> for OtlpVisitor {
    type Value = Otlp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address of a collector, such as `http://127.0.0.1:4317`, or a map with `endpoint`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Otlp, E> {
        Ok(Otlp::Endpoint(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Otlp, A::Error> {
        Collector::deserialize(MapAccessDeserializer::new(map)).map(Otlp::Collector)
    }
}

/// An OpenTelemetry collector, or another server that receives OTLP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OtlpCollector")]
pub(in crate::config) struct Collector {
    /// The address: `https`, or `http` without TLS. Over gRPC without a path; over HTTP, an address without a path means `/v1/traces` there.
    #[schemars(example = &"https://collector.example.com:4317")]
    pub(in crate::config) endpoint: String,
    /// The protocol. Default: `grpc`.
    pub(in crate::config) protocol: Option<OtlpProtocol>,
    /// Headers of each request, such as the collector's `authorization`, each with the source of its value. Default: none.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<String, SecretSource>,
    /// A file with the CA certificates (PEM) for the collector's certificate, instead of the public ones. modgud reads the file again when it
    /// changes.
    #[schemars(example = &"company-ca.crt")]
    pub(in crate::config) ca: Option<PathBuf>,
    /// The maximum number of spans that wait for the collector: from 64 to 65536. Above it, a span is dropped and counted. Default: 2048.
    pub(in crate::config) queue: Option<u32>,
    /// The claims whose values are in spans, which hold no other claim. A value is cut after 256 bytes. Default: none.
    #[serde(default)]
    #[schemars(example = ["organization_uuid"])]
    pub(in crate::config) claims: Vec<Claim>,
}

/// A protocol of OTLP.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum OtlpProtocol {
    /// gRPC, usually on port 4317.
    #[default]
    Grpc,
    /// HTTP/1.1 with Protocol Buffers, usually on port 4318.
    Http,
}
