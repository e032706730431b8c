//! `modgud call`: one check on a running server, without writing JSON.

mod connect;

use super::request::{ContextArg, HeaderArg, check_request};
use super::{Exit, fail, runtime, say};
use crate::envoy::proto::{
    AuthorizationClient, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpResponse, OkHttpResponse,
};
use connect::{ConnectError, Tls, connect};

/// Sends one check to a running modgud, as Envoy would, and shows the response.
///
/// Exit code 0: allowed. 3: denied. 1: no response.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud call 127.0.0.1:9191 --path /crm/appointment/ --header \"Authorization: JWT $TOKEN\"\n  modgud call unix:/run/modgud/check.sock --path /crm/\n  modgud call modgud:9191 --tls-ca ca.pem --tls-cert envoy.pem --tls-key envoy.key"
)]
pub(super) struct Args {
    /// The address where modgud serves checks: `HOST:PORT` or `unix:/PATH`
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's path, with its query if it has one
    #[arg(long, default_value = "/")]
    path: String,
    /// The request's host
    #[arg(long, default_value = "api.example.com")]
    host: String,
    /// A header of the request; can be given more than once
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<HeaderArg>,
    /// A context extension of the Envoy route (`context_extensions`); can be given more than once
    #[arg(long = "context", value_name = "KEY=VALUE")]
    context: Vec<ContextArg>,
    #[command(flatten)]
    tls: Tls,
}

#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the server returned a gRPC error instead of a decision: {} ({})", .0.message(), .0.code())]
    Status(Box<tonic::Status>),
    #[error("the server's response has status {code} and no matching body; Envoy would treat it as {}", if *.code == 0 { "an allow" } else { "a denial" })]
    Odd { code: i32 },
}

pub(super) fn run(args: Args) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error),
    };
    match runtime.block_on(call(args)).and_then(show) {
        Ok(exit) => exit,
        Err(error) => fail(error),
    }
}

async fn call(args: Args) -> Result<CheckResponse, CallError> {
    let Args { address, method, path, host, headers, context, tls } = args;
    let channel = connect(&address, tls).await?;
    let check = check_request(method, path, host, headers, context);
    let response =
        AuthorizationClient::new(channel).check(check).await.map_err(|status| CallError::Status(Box::new(status)))?;
    Ok(response.into_inner())
}

/// Prints a response as Envoy would read it.
fn show(response: CheckResponse) -> Result<Exit, CallError> {
    let code = response.status.map_or(0, |status| status.code);
    match (code, response.http_response) {
        (0, Some(HttpResponse::OkResponse(ok))) => {
            let OkHttpResponse { headers, headers_to_remove, .. } = ok;
            say("allowed");
            show_headers("set", &headers);
            for name in &headers_to_remove {
                say(format_args!("  remove {}", plain(name)));
            }
            Ok(Exit::Done)
        }
        (1.., Some(HttpResponse::DeniedResponse(denied))) => {
            let DeniedHttpResponse { status, headers, body } = denied;
            say(format_args!("denied {}", status.map_or(403, |status| status.code)));
            show_headers("header", &headers);
            say(format_args!("  body {}", plain(&body)));
            Ok(Exit::Denied)
        }
        (code, _) => Err(CallError::Odd { code }),
    }
}

fn show_headers(what: &str, options: &[HeaderValueOption]) {
    for header in options.iter().filter_map(|option| option.header.as_ref()) {
        let value = plain(&header.value);
        let shown = if header.key.eq_ignore_ascii_case(b"authorization") { without_credential(&value) } else { value };
        say(format_args!("  {what} {}: {shown}", plain(&header.key)));
    }
}

/// Returns a credential's scheme and length only: output ends up in tickets and build logs, where tokens must not be.
fn without_credential(value: &str) -> String {
    let (scheme, credential) = value.split_once(' ').unwrap_or(("", value));
    format!("{scheme} … ({} characters)", credential.chars().count())
}

/// Returns bytes from the network as text, with control characters replaced: a terminal would act on them.
fn plain(bytes: &[u8]) -> String {
    let harmless = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(bytes).chars().map(harmless).collect()
}
