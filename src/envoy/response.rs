//! Conversion of a [`Decision`] to Envoy's message, the one place that builds a response. Each function below sets
//! status and body together: Envoy allows a request if the status is OK, whatever the body contains (tested with 1.40).

use super::metadata;
use super::proto::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse, HttpStatus,
    OkHttpResponse, RpcStatus,
};
use bytes::Bytes;
use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, DecisionError, Snapshot, Verdict};
use modgud_core::denial::{DenialContext, DenialResponse, OnError, ParsedRequest, ResponseHeader};
use modgud_core::upstream::Mutations;
use tonic::Code;

/// Builds the response to a check, with its dynamic metadata. `seen` is the parsed part of the request.
#[must_use]
pub fn response(decision: Decision, seen: ParsedRequest<'_, '_>, snapshot: &Snapshot) -> CheckResponse {
    let Snapshot { denials, responses, upstream, .. } = snapshot;
    let dynamic_metadata = metadata::of(&decision, &upstream.metadata);
    let Decision {
        verdict,
        rule,
        authenticator: _,
        principal: _,
        computed: _,
        insufficient,
        shadow: _,
        credential_for: _,
    } = decision;
    let response = match verdict {
        Verdict::Allow(mutations) => allow(mutations, responses.of(rule.as_ref().map(RuleName::as_str))),
        Verdict::Deny(error) => {
            let rule = rule.as_ref().map(RuleName::as_str);
            let denied = DenialContext {
                reason: error.reason(),
                rule,
                lacks_scope: error.lacks_scope(),
                insufficient: insufficient.as_deref(),
                text: error.client_text(),
                request: seen,
            };
            denial(&error, denials.to(&denied), denials.on_error())
        }
    };
    CheckResponse { dynamic_metadata, ..response }
}

/// Builds a denial. It is an error response if modgud could not decide and the operator defers that to Envoy. Envoy
/// before 1.37 treats it as a denial.
fn denial(error: &DecisionError, response: DenialResponse, undecided: OnError) -> CheckResponse {
    let DenialResponse { status, headers, body } = response;
    // Of a denial, Envoy reads only headers that replace others, and keeps several of one name: cookies (tested with 1.40).
    let headers = headers.into_iter().map(|ResponseHeader { name, value }| overwrite(name, value)).collect();
    let denied = DeniedHttpResponse { status: Some(HttpStatus { code: i32::from(status.code()) }), headers, body };
    // Only "OK" allows. Envoy treats all other codes alike: the HTTP status is in the body.
    match undecided {
        OnError::DeferToEnvoy if error.honours_failure_mode_allow() => {
            check_response(Code::Unavailable, HttpResponse::ErrorResponse(denied))
        }
        OnError::DeferToEnvoy | OnError::Deny => {
            check_response(Code::PermissionDenied, HttpResponse::DeniedResponse(denied))
        }
    }
}

fn allow(mutations: Mutations, on_response: &[ResponseHeader]) -> CheckResponse {
    let Mutations { set, remove, remove_query, dropped: _ } = mutations;
    let headers = set.into_iter().map(|(name, value)| overwrite(name.into_bytes(), value.into_bytes())).collect();
    let ok = OkHttpResponse {
        headers,
        headers_to_remove: remove,
        query_parameters_to_remove: remove_query,
        response_headers_to_add: on_response
            .iter()
            .map(|ResponseHeader { name, value }| overwrite(name.clone(), value.clone()))
            .collect(),
        ..OkHttpResponse::default()
    };
    check_response(Code::Ok, HttpResponse::OkResponse(ok))
}

fn check_response(code: Code, http_response: HttpResponse) -> CheckResponse {
    let status = RpcStatus { code: code as i32, ..RpcStatus::default() };
    CheckResponse { status: Some(status), http_response: Some(http_response), dynamic_metadata: Vec::new() }
}

/// Returns a header that replaces any existing one. Both forms are set, because Envoy versions differ in the one they
/// read.
fn overwrite(key: Bytes, value: Bytes) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key, value: value.into(), raw_value: Bytes::new() }),
        append: Some(false),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        keep_empty_value: false,
    }
}
