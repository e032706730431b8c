//! gRPC clients are denied in gRPC's own words: HTTP 200, and the status that fits (gRPC's `http-grpc-status-mapping`).

use super::playground;
use super::tokens::{claims, sign};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use modgud::playground::{Playground, Setup};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

#[tokio::test]
async fn a_denied_call_gets_a_grpc_status() {
    let mut playground = playground(Setup::default()).await;
    let token = sign(&playground.key, &claims());
    // Any gRPC call will do; the routes are by path, and this client is at hand.
    let cases = [
        ("/crm", None, Code::Unauthenticated, "Authentication credentials were not provided."),
        ("/crm", Some("JWT a.b.c"), Code::Unauthenticated, "Incorrect authentication credentials."),
        ("/admin", Some("JWT "), Code::PermissionDenied, "You do not have permission to perform this action."),
        ("/crm/a;x=1", Some("JWT "), Code::Internal, "The path must be in its normal form."),
    ];
    for (prefix, authorization, code, text) in cases {
        let authorization =
            authorization.map(|value| if value == "JWT " { format!("JWT {token}") } else { value.to_owned() });
        let status = call(&playground, prefix, authorization).await;
        assert_eq!(status.code(), code, "{prefix}: {status:?}");
        // With another HTTP status than 200, tonic would make a code up and say so in the message.
        assert_eq!(status.message(), text, "{prefix}");
    }

    playground.kill_modgud().await;
    let status = call(&playground, "/crm", Some(format!("JWT {token}"))).await;
    assert_eq!((status.code(), status.message()), (Code::Unavailable, ""), "{status:?}");
    playground.stop().await;
}

/// A call over HTTP/2 without TLS, to a method below `prefix`.
async fn call(playground: &Playground, prefix: &str, authorization: Option<String>) -> Status {
    let gateway = format!("http://{}", playground.gateway);
    let channel = Channel::from_shared(gateway).unwrap().connect().await.unwrap();
    let origin = format!("http://api.example.com{prefix}").parse().unwrap();
    let mut request = Request::new(CheckRequest::default());
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    AuthorizationClient::with_origin(channel, origin).check(request).await.err().expect("the call is denied")
}
