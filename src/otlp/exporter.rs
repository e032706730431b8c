//! The exporter: a queue, and a task that sends what is in it.

use super::counts::{DropReason, SpanCounts};
use super::span::{SpanRecord, encode};
use super::transport::{ExportError, Transport};
use super::{Collector, Protocol, ResourceAttribute};
use crate::backoff::{Backoff, with_jitter};
use crate::log_throttle::LogThrottle;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Maximum number of spans in one request, as in OpenTelemetry's own exporters: it keeps requests below the 4 MiB that gRPC servers accept.
const MAX_BATCH: usize = 512;

/// Time that a span waits for others, to be sent with them.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// Maximum number of requests for one batch. Beyond it the batch is dropped.
const MAX_ATTEMPTS: usize = 5;

/// The longest delay between two requests while the collector fails.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Time at the end of an exporter to send what is in its queue. Beyond it the rest is dropped.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A running exporter. Its drop begins its end, which [`Exporter::close`] describes.
#[derive(Debug)]
pub struct Exporter {
    queue: Sender<SpanRecord>,
    counts: Arc<SpanCounts>,
    collector: Collector,
    closing: CancellationToken,
    ended: CancellationToken,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl Exporter {
    /// Starts an exporter. It connects once there is a span.
    #[must_use]
    pub fn start(collector: Collector, counts: Arc<SpanCounts>) -> Self {
        let (queue, spans) = mpsc::channel(collector.queue);
        let (closing, ended) = (CancellationToken::new(), CancellationToken::new());
        let worker = Worker {
            spans,
            transport: Transport::new(&collector),
            resource: collector.resource.clone().into(),
            counts: Arc::clone(&counts),
            closing: closing.clone(),
            backoff: Backoff::new(MAX_DELAY),
            log: StateLog::of(&collector),
            _ended: ended.clone().drop_guard(),
        };
        tokio::spawn(worker.run());
        Self { queue, counts, collector, closing, ended }
    }

    /// Returns the collector.
    #[must_use]
    pub const fn collector(&self) -> &Collector {
        &self.collector
    }

    /// Queues a span. If there is no room, counts it as dropped.
    pub fn offer(&self, span: SpanRecord) {
        if let Err(error) = self.queue.try_send(span) {
            let reason = match error {
                mpsc::error::TrySendError::Full(_) => DropReason::QueueFull,
                mpsc::error::TrySendError::Closed(_) => DropReason::Shutdown,
            };
            self.counts.add_dropped(reason, 1);
        }
    }

    /// Ends the exporter: sends what is in the queue, without repeated requests and for at most [`FLUSH_TIMEOUT`], and drops the rest. Returns
    /// when that is done.
    pub async fn close(&self) {
        self.closing.cancel();
        self.ended.cancelled().await;
    }
}

/// The task of an exporter.
struct Worker {
    spans: Receiver<SpanRecord>,
    transport: Transport,
    resource: Arc<[ResourceAttribute]>,
    counts: Arc<SpanCounts>,
    closing: CancellationToken,
    backoff: Backoff,
    log: StateLog,
    _ended: DropGuard,
}

impl Worker {
    async fn run(mut self) {
        let closing = self.closing.clone();
        let time_is_up = async {
            closing.cancelled().await;
            sleep(FLUSH_TIMEOUT).await;
        };
        // A request under way is abandoned as well: its collector may hang.
        tokio::select! {
            () = self.export_all() => {}
            () = time_is_up => {}
        }
        self.spans.close();
        while self.spans.try_recv().is_ok() {
            self.counts.add_dropped(DropReason::Shutdown, 1);
        }
    }

    /// Exports batch after batch. Returns when the exporter ends and the queue is empty.
    async fn export_all(&mut self) {
        loop {
            let mut batch = Vec::new();
            let Self { spans, closing, .. } = self;
            tokio::select! {
                received = spans.recv_many(&mut batch, MAX_BATCH) => if received == 0 { return },
                () = closing.cancelled(), if !spans.is_closed() => {
                    spans.close();
                    continue;
                }
            }
            let delay = sleep(BATCH_DELAY);
            tokio::pin!(delay);
            while batch.len() < MAX_BATCH && !closing.is_cancelled() {
                let room = MAX_BATCH.saturating_sub(batch.len());
                tokio::select! {
                    received = spans.recv_many(&mut batch, room) => if received == 0 { break },
                    () = &mut delay => break,
                    () = closing.cancelled() => break,
                }
            }
            self.deliver(batch).await;
        }
    }

    /// Sends one batch, again after a failure that may pass.
    async fn deliver(&mut self, batch: Vec<SpanRecord>) {
        let pending = Pending::new(&batch, &self.counts);
        let resource = Arc::clone(&self.resource);
        // Not on the threads that answer checks: encoding many spans takes a while.
        let Ok(message) = spawn_blocking(move || encode(&resource, batch)).await else {
            self.log.failed(&ExportError::Internal);
            return pending.drop_for(DropReason::ExportFailed);
        };
        for attempt in 1..=MAX_ATTEMPTS {
            match self.transport.send(Bytes::clone(&message)).await {
                Ok(rejected) => {
                    self.backoff = Backoff::new(MAX_DELAY);
                    // A collector may name any number.
                    let rejected = rejected.min(pending.spans);
                    self.log.succeeded(rejected);
                    return pending.accepted(rejected);
                }
                Err(error) => {
                    self.log.failed(&error);
                    if !error.is_retryable() || attempt == MAX_ATTEMPTS || self.closing.is_cancelled() {
                        break;
                    }
                }
            }
            let delay = with_jitter(self.backoff.delay());
            self.backoff = self.backoff.doubled();
            tokio::select! {
                () = sleep(delay) => {}
                () = self.closing.cancelled() => {}
            }
        }
        pending.drop_for(DropReason::ExportFailed);
    }
}

/// Spans that are being sent. Its drop without an outcome is the end of the exporter.
struct Pending {
    spans: u64,
    counts: Arc<SpanCounts>,
}

impl Pending {
    fn new(batch: &[SpanRecord], counts: &Arc<SpanCounts>) -> Self {
        Self { spans: u64::try_from(batch.len()).unwrap_or(u64::MAX), counts: Arc::clone(counts) }
    }

    /// Counts the spans as exported, except the rejected ones. A collector can't reject more than it got.
    fn accepted(mut self, rejected: u64) {
        self.counts.add_dropped(DropReason::Rejected, rejected);
        self.counts.add_exported(self.spans.saturating_sub(rejected));
        self.spans = 0;
    }

    fn drop_for(mut self, reason: DropReason) {
        self.counts.add_dropped(reason, self.spans);
        self.spans = 0;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.counts.add_dropped(DropReason::Shutdown, self.spans);
    }
}

/// The last logged state: there is one message per change, not one per request.
struct StateLog {
    collector: String,
    protocol: Protocol,
    is_failing: bool,
    rejected: LogThrottle,
}

impl StateLog {
    fn of(collector: &Collector) -> Self {
        let Collector { url, protocol, .. } = collector;
        Self { collector: url.to_string(), protocol: *protocol, is_failing: false, rejected: LogThrottle::default() }
    }

    fn failed(&mut self, error: &ExportError) {
        if !self.is_failing {
            let (collector, protocol) = (self.collector.as_str(), self.protocol.name());
            tracing::warn!(collector, protocol, %error, "spans not exported");
        }
        self.is_failing = true;
    }

    fn succeeded(&mut self, rejected: u64) {
        let collector = self.collector.as_str();
        if self.is_failing {
            tracing::info!(collector, "spans are exported again");
        }
        self.is_failing = false;
        if rejected > 0
            && let Some(before) = self.rejected.tick()
        {
            tracing::warn!(collector, rejected, before, "collector rejected spans");
        }
    }
}
