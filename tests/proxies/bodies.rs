//! Bodies reach the service unchanged, and modgud never gets them. A protocol that modgud could not look into is not switched to.

use super::upstream::Received;
use super::{Gateway, Kind};
use modgud_testbed::http::Exchange;

pub(super) async fn arrive(kind: Kind) {
    let gateway = Gateway::start(kind).await;
    let good = gateway.good();
    let head = |framing: &str| {
        format!("POST /crm/a HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{good}\r\n{framing}\r\n\r\n")
    };
    // Longer than the buffers of a proxy.
    let long = "0123456789;".repeat(15_000);
    let text = "name=value&_method=DELETE\r\n\r\nGET /crm/admin/x HTTP/1.1\r\n\r\n";
    for body in ["", text, &long] {
        let request = format!("{}{body}", head(&format!("Content-Length: {}", body.len())));
        assert_eq!(received(&gateway.raw(request.as_bytes()).await).body, *body, "{}", kind.name());
    }
    let chunked = format!("{}{:x}\r\n{text}\r\n0\r\n\r\n", head("Transfer-Encoding: chunked"), text.len());
    let received = received(&gateway.raw(chunked.as_bytes()).await);
    assert!(received.body.contains(text), "{}: {}", kind.name(), received.body);

    // A denied request with a body: the denial arrives nevertheless.
    let denied = format!(
        "POST /crm/a HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    assert_eq!(gateway.raw(denied.as_bytes()).await.status, 401, "{}", kind.name());

    let token = ["Authorization: JWT {good}".to_owned()];
    let upgrade = |protocol: &str, more: &[String]| {
        let connection = "Connection: keep-alive, Upgrade, HTTP2-Settings, x-scope".to_owned();
        // The example of RFC 6455 §1.3.
        let key = ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"].map(str::to_owned);
        [[format!("Upgrade: {protocol}"), connection].as_slice(), &key, more].concat()
    };
    for protocol in ["websocket", "WebSocket"] {
        let echoed = gateway.websocket("/chat/room", &upgrade(protocol, &token)).await;
        assert_eq!(echoed.as_deref(), Some("echo"), "{}: {protocol}", kind.name());
        // Without a token, and to a module that has no WebSocket.
        assert_eq!(gateway.switched("/chat/room", &upgrade(protocol, &[])).await, None, "{}", kind.name());
        assert_eq!(gateway.switched("/crm/public", &upgrade(protocol, &[])).await, None, "{}", kind.name());
    }
    for protocol in ["h2c", "h2c, websocket", "websocket, h2c", "tls/1.2", "anything"] {
        for target in ["/chat/room", "/crm/a"] {
            let switched = gateway.switched(target, &upgrade(protocol, &token)).await;
            assert_eq!(switched, None, "{}: {target}: {protocol}", kind.name());
        }
    }
    // Of two lines, the service gets at most the one that is allowed.
    for protocols in ["h2c\r\nUpgrade: websocket", "websocket\r\nUpgrade: h2c"] {
        let switched = gateway.switched("/chat/room", &upgrade(protocols, &token)).await;
        assert!(switched.is_none_or(|protocol| protocol == "websocket"), "{}: {protocols}", kind.name());
    }
    gateway.stop().await;
}

fn received(answer: &Exchange) -> Received {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}
