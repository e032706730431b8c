//! Generates Rust types from `proto/`, without `protoc`. `proto/README.md` documents the meaning of the messages.
//!
//! It produces two descriptions of the same bytes:
//! - the original, with Envoy's names and types, for gRPC reflection and for the tests of the wire;
//! - one for code generation, which [`for_codegen`] changes so that decoding neither copies, nor hashes, nor fails on text.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

/// The folder of the messages, from the package root.
const ROOT: &str = "proto";
/// The file that imports all others.
const ENTRY: &str = "envoy/service/auth/v3/external_auth.proto";
/// A message, and its field that is generated as bytes instead of a message.
const ENCODED: (&str, &str) = ("CheckResponse", "dynamic_metadata");
/// The package whose messages are those of `prost-types`, and so stay as they are.
const WELL_KNOWN: &str = "google.protobuf";
/// The texts that are [`bytes::Bytes`]: all but [`ENCODED`] and the value of a header. Those are made for one response, and encoding would first
/// make a counter of references for each.
const SHARED: [&str; 12] = [
    ".envoy.config.core.v3.Address",
    ".envoy.config.core.v3.HeaderValue.key",
    ".envoy.config.core.v3.HeaderValue.raw_value",
    ".envoy.config.core.v3.Pipe",
    ".envoy.config.core.v3.QueryParameter",
    ".envoy.config.core.v3.SocketAddress",
    ".envoy.type",
    ".google",
    ".envoy.service.auth.v3.AttributeContext",
    ".envoy.service.auth.v3.CheckRequest",
    ".envoy.service.auth.v3.DeniedHttpResponse",
    ".envoy.service.auth.v3.OkHttpResponse",
];
/// The original descriptor set, in `OUT_DIR`.
const DESCRIPTOR_FILE: &str = "modgud_descriptor.bin";
/// The generated modules, nested like their packages, in `OUT_DIR`.
const MODULES_FILE: &str = "modgud_messages.rs";
/// The file of OpenTelemetry's messages that imports all others. They are generated as they are.
const OTLP_ENTRY: &str = "opentelemetry/proto/collector/trace/v1/trace_service.proto";
/// The generated modules of these messages, in `OUT_DIR`.
const OTLP_MODULES_FILE: &str = "modgud_otlp.rs";
/// The packages whose messages hold credentials, or what contains them: their types have no `Debug`.
const SECRET_PACKAGES: [&str; 2] = [".envoy.service.auth.v3", ".envoy.config.core.v3"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ROOT}");

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_file(ENTRY)?;

    let path = out_dir()?.join(DESCRIPTOR_FILE);
    fs::write(&path, compiler.encode_file_descriptor_set())
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;

    SHARED
        .iter()
        .fold(tonic_prost_build::configure(), tonic_prost_build::Builder::bytes)
        .skip_debug(SECRET_PACKAGES)
        .include_file(MODULES_FILE)
        .compile_fds(for_codegen(compiler.file_descriptor_set()))
        .map_err(|error| format!("cannot generate code from {ROOT}/{ENTRY}: {error}"))?;

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).open_file(OTLP_ENTRY)?;
    tonic_prost_build::configure()
        .include_file(OTLP_MODULES_FILE)
        .compile_fds(compiler.file_descriptor_set())
        .map_err(|error| format!("cannot generate code from {ROOT}/{OTLP_ENTRY}: {error}"))?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "cargo names the output directory in the environment only")]
fn out_dir() -> Result<PathBuf, String> {
    std::env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| "OUT_DIR is not set: run by cargo only".to_owned())
}

/// Returns the description that Rust types are generated from. It differs from the original in three ways, none of them visible on the wire
/// (<https://protobuf.dev/programming-guides/encoding/>):
/// - `string` becomes `bytes`, which is encoded alike. A value is then a slice of the network buffer instead of a copy. Text that is not
///   UTF-8 reaches modgud's own checks, which deny it. Otherwise it would fail as a gRPC error, which Envoy's `failure_mode_allow` would
///   let pass.
/// - A map becomes the repeated entries that it is encoded as. Order and duplicates are kept, so that a repeated header is visible, and
///   nothing is hashed.
/// - The metadata of a response is `bytes`: a message in a message is encoded as its length and its bytes. Every response has some, and a
///   `Struct` would be a tree of allocations.
///
/// Comments are left out: the entries of maps have none, which the generator can't take. They are in `proto/`.
fn for_codegen(mut set: FileDescriptorSet) -> FileDescriptorSet {
    set.file.iter_mut().filter(|file| file.package() != WELL_KNOWN).for_each(|file| {
        file.message_type.iter_mut().for_each(untype);
        file.message_type.iter_mut().filter(|message| message.name() == ENCODED.0).for_each(keep_encoded);
        file.source_code_info = None;
    });
    set
}

/// Changes a message field to the bytes of that message.
fn keep_encoded(message: &mut DescriptorProto) {
    for field in message.field.iter_mut().filter(|field| field.name() == ENCODED.1) {
        field.set_type(Type::Bytes);
        field.type_name = None;
    }
}

fn untype(message: &mut DescriptorProto) {
    for field in message.field.iter_mut().filter(|field| field.r#type() == Type::String) {
        field.set_type(Type::Bytes);
    }
    if let Some(options) = &mut message.options {
        options.map_entry = None;
    }
    message.nested_type.iter_mut().for_each(untype);
}
