//! gRPC clients are denied in gRPC's own words: HTTP 200, and the status that fits (gRPC's `http-grpc-status-mapping`).

use super::tokens::{claims, sign};
use super::{ask, body, replaced, testbed};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use modgud_testbed::{Setup, Testbed};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

#[tokio::test]
async fn a_denied_call_gets_a_grpc_status() {
    let mut testbed = testbed(Setup::default()).await;
    let token = sign(&testbed.key, &claims());
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
        let status = call(&testbed, prefix, authorization).await;
        assert_eq!(status.code(), code, "{prefix}: {status:?}");
        // With another HTTP status than 200, tonic would make a code up and say so in the message.
        assert_eq!(status.message(), text, "{prefix}");
        let cache = status.metadata().get("cache-control").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(cache.as_deref(), Some("no-store"), "{prefix}: {status:?}");
    }

    testbed.kill_modgud().await;
    let status = call(&testbed, "/crm", Some(format!("JWT {token}"))).await;
    assert_eq!((status.code(), status.message()), (Code::Unavailable, ""), "{status:?}");
    testbed.stop().await;
}

/// A browser's call is turned away with 401 and `cache-control: no-store`; an Envoy that knows grpc-web adds the status of gRPC.
#[tokio::test]
async fn a_denied_grpc_web_call_is_kept_in_no_cache() {
    fn with_grpc_web(yaml: &str) -> String {
        let cors = "                  - name: envoy.filters.http.cors\n";
        let filter = concat!(
            "                  - name: envoy.filters.http.grpc_web\n",
            "                    typed_config:\n",
            "                      \"@type\": type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb\n\n",
        );
        replaced(yaml, cors, &format!("{filter}{cors}"))
    }
    for edit in [None, Some(with_grpc_web as fn(&str) -> String)] {
        let testbed = testbed(Setup { edit, ..Setup::default() }).await;
        for kind in ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"] {
            let lines = [format!("Content-Type: {kind}"), "X-Grpc-Web: 1".to_owned(), "Content-Length: 0".to_owned()];
            let answer = ask(testbed.gateway, "POST", "/crm/a.B/C", &lines).await;
            let at = format!("{kind}: {:?} {}", answer.headers, body(&answer));
            assert_eq!(answer.status, 401, "{at}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{at}");
            assert_eq!(answer.header("grpc-status"), edit.map(|_| "16"), "{at}");
        }
        testbed.stop().await;
    }
}

/// A call over HTTP/2 without TLS, to a method below `prefix`.
async fn call(testbed: &Testbed, prefix: &str, authorization: Option<String>) -> Status {
    let gateway = format!("http://{}", testbed.gateway);
    let channel = Channel::from_shared(gateway).unwrap().connect().await.unwrap();
    let origin = format!("http://api.example.com{prefix}").parse().unwrap();
    let mut request = Request::new(CheckRequest::default());
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    AuthorizationClient::with_origin(channel, origin).check(request).await.err().expect("the call is denied")
}
