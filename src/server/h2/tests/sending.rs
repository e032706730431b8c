//! How often a connection sends: once for all responses of a turn.

use super::frame;
use crate::clock::{Clock, ManualClock};
use crate::config::{Environment, Overrides, load};
use crate::envoy::proto::{AttributeContext, CheckRequest, HttpRequest};
use crate::server::authorizer::Authorizer;
use crate::server::check::CheckHandler;
use crate::server::connection::{Connection, ReadDeadline, WRITE_BUFFER_BYTES};
use crate::server::connection_slots::ConnectionSlots;
use crate::server::h2::{CHECK_PATH, Services, serve};
use crate::server::limits::Limits;
use crate::telemetry::metrics::{ConnectionCounters, Metrics};
use bytes::Bytes;
use modgud_core::time::Timestamp;
use prost::Message;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// A stream that counts what is sent.
struct CountedSends(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for CountedSends {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for CountedSends {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// Returns a handler that allows every request, with a header of so many bytes for the service.
fn checks_with_header(bytes: usize) -> Arc<CheckHandler> {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    let header = "x".repeat(bytes);
    let rule = "rules: [{ name: all, match: { paths: ['/{*rest}'] }, access: public }]";
    std::fs::write(
        &file,
        format!("profile: none\n{rule}\nupstream: {{ headers: {{ x-large: {{ value: {header} }} }} }}\n"),
    )
    .unwrap();
    let config = load(Some(file.path()), &Overrides::default(), &Environment::fixed([("", "")])).unwrap().config;
    let clock = Clock::Manual(ManualClock::new(Timestamp::from_secs(1)));
    Arc::new(CheckHandler::new(Authorizer::new(config.snapshot, Vec::new(), Vec::new(), clock), Metrics::default()))
}

/// Builds a check on a stream, as Envoy sends it: headers (RFC 7541, appendix A), and a message of gRPC.
fn check_on(stream: u32, message: &[u8]) -> Vec<u8> {
    let literal = |name: &[u8], value: &str| [name, &[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    let headers =
        [&[0x83, 0x86], &*literal(&[0x04], CHECK_PATH), &*literal(&[0x0f, 0x10], "application/grpc")].concat();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [frame(1, 4, stream, &headers), frame(0, 1, stream, &[&[0], &length[..], message].concat())].concat()
}

/// Reads whole frames until so many responses have ended. Returns the bytes of their messages.
async fn read_responses(far: &mut DuplexStream, count: usize) -> usize {
    let (mut ended, mut bytes) = (0, 0);
    while ended < count {
        let mut head = [0; 9];
        far.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]).try_into().unwrap()];
        far.read_exact(&mut payload).await.unwrap();
        match (head[3], head[4] & 1) {
            (0, 0) => bytes = payload.len().saturating_add(bytes),
            (1, 1) => ended = usize::saturating_add(ended, 1),
            _ => {}
        }
    }
    bytes
}

#[tokio::test]
async fn responses_are_sent_together_however_large() {
    const IN_FLIGHT: usize = 32;
    const ROUNDS: usize = 8;
    let http = HttpRequest {
        method: Bytes::from("GET"),
        path: Bytes::from("/"),
        host: Bytes::from("a.example"),
        ..HttpRequest::default()
    };
    let request = Some(crate::envoy::proto::Request { http: Some(http), ..Default::default() });
    let check = CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) };
    let message = check.encode_to_vec();
    for header in [10, 300, 1_000] {
        let (near, mut far) = duplex(1 << 20);
        let sends = Arc::new(AtomicUsize::new(0));
        let slot = ConnectionSlots::new(1, ConnectionCounters::default()).try_take().unwrap();
        let due = tokio::time::Instant::now() + Duration::from_secs(600);
        let stream = CountedSends(near, Arc::clone(&sends));
        let connection = Connection::new(Box::new(stream), slot, ReadDeadline::Bytes(0), due, None);
        let limits = Arc::new(Limits::new(64, 1 << 20));
        let services = Services { checks: checks_with_header(header), limits, others: Routes::default() };
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let served = tokio::spawn(async move {
            let mut served = pin!(serve(connection, services, CancellationToken::new()));
            poll_fn(|context| {
                counted.fetch_add(1, Ordering::Relaxed);
                served.as_mut().poll(context)
            })
            .await;
        });
        // SETTINGS with a window of 1 MiB for each stream, and WINDOW_UPDATE for all of them.
        let window = (1_u32 << 20).to_be_bytes();
        let settings = frame(4, 0, 0, &[&[0, 4], &window[..]].concat());
        far.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*settings, &*frame(8, 0, 0, &window)].concat())
            .await
            .unwrap();
        let mut streams = (1_u32..).step_by(2);
        let mut all_at_once =
            || streams.by_ref().take(IN_FLIGHT).flat_map(|stream| check_on(stream, &message)).collect::<Vec<_>>();
        far.write_all(&all_at_once()).await.unwrap();
        read_responses(&mut far, IN_FLIGHT).await;
        sends.store(0, Ordering::Relaxed);
        turns.store(0, Ordering::Relaxed);
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            far.write_all(&all_at_once()).await.unwrap();
            bytes += read_responses(&mut far, IN_FLIGHT).await;
        }
        assert!(bytes > ROUNDS * IN_FLIGHT * header, "{bytes} bytes are not those of the responses");
        let (sends, turns) = (sends.load(Ordering::Relaxed), turns.load(Ordering::Relaxed));
        // One for each turn, and one for each buffer that is full before. A slow machine answers few checks in a turn of a millisecond.
        let most = turns + bytes * 2 / WRITE_BUFFER_BYTES;
        assert!(sends <= most, "{sends} sends in {turns} turns, with a header of {header} bytes");
        drop(far);
        served.await.unwrap();
    }
}
