//! From a [`Decision`] to Envoy's message: the one place that builds an answer. Each function below fixes status and body
//! together, because Envoy lets a request through when the status is OK, whatever the body says (tried on 1.40).

use super::metadata;
use super::proto::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse, HttpStatus,
    OkHttpResponse, RpcStatus,
};
use crate::answer::{Answer, Answers};
use crate::decision::{Decision, Verdict};
use crate::reason::Reason;
use crate::upstream::{Metadata, Mutations};
use bytes::Bytes;
use tonic::Code;

/// The answer to a check, and what Envoy is told beside it.
#[must_use]
pub fn response(decision: Decision, answers: &Answers, metadata: &Metadata) -> CheckResponse {
    let dynamic_metadata = metadata::of(&decision, metadata);
    let answer = match decision.verdict {
        Verdict::Allow(mutations) => allow(mutations),
        Verdict::Deny(fault) => denial(fault.reason(), answers),
    };
    CheckResponse { dynamic_metadata, ..answer }
}

/// The answer that turns a client away.
fn denial(reason: Reason, answers: &Answers) -> CheckResponse {
    let Answer { status, challenge, content_type, body } = answers.get(reason);
    let mut headers = vec![overwrite(Bytes::from_static(b"content-type"), Bytes::from_static(content_type.as_bytes()))];
    if let Some(challenge) = challenge {
        headers.push(overwrite(Bytes::from_static(b"www-authenticate"), challenge));
    }
    // Only "OK" lets through. Which other code it is makes no difference to Envoy: the HTTP status is in the body.
    let code = Code::PermissionDenied;
    let denied = DeniedHttpResponse { status: Some(HttpStatus { code: i32::from(status.code()) }), headers, body };
    answer(code, HttpResponse::DeniedResponse(denied))
}

fn allow(mutations: Mutations) -> CheckResponse {
    let Mutations { set, remove, remove_query, dropped: _ } = mutations;
    let headers = set.into_iter().map(|(name, value)| overwrite(name.bytes().clone(), value.bytes().clone())).collect();
    let ok = OkHttpResponse {
        headers,
        headers_to_remove: remove,
        query_parameters_to_remove: remove_query,
        ..OkHttpResponse::default()
    };
    answer(Code::Ok, HttpResponse::OkResponse(ok))
}

fn answer(code: Code, http_response: HttpResponse) -> CheckResponse {
    let status = RpcStatus { code: code as i32, ..RpcStatus::default() };
    CheckResponse { status: Some(status), http_response: Some(http_response), dynamic_metadata: Bytes::new() }
}

/// Writes a header over whatever is there. Both forms are set, as some versions of Envoy read one and some the other.
fn overwrite(key: Bytes, value: Bytes) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key, value, raw_value: Bytes::new() }),
        append: Some(false),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        keep_empty_value: false,
    }
}
