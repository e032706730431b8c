//! Decides answered checks again, and counts and logs differences. After a failure of one, even a panic, the next one is decided.

use super::super::check::{request_id, shown};
use super::{Answered, Difference};
use crate::envoy::proto::CheckRequest;
use crate::envoy::read;
use crate::log_throttle::LogThrottle;
use crate::telemetry::metrics::{Counted, ShadowConfigMetrics};
use modgud_core::authz::RuleName;
use modgud_core::http::request::SchemeSource;
use modgud_core::reason::Reason;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Maximum number of concurrent decisions: checks that wait for another server must not delay the others. Beyond it checks stay in the
/// queue.
const MAX_CONCURRENT: usize = 256;

/// A check that was decided again. Has no `Debug`, since `Answered` has none.
pub struct Compared {
    /// The answered check.
    pub answered: Answered,
    /// The difference; `None` if the outcomes are equal.
    pub difference: Option<Difference>,
}

/// Decides queued checks until all senders are gone. Runs on a thread of its own, inside a [`LocalSet`](tokio::task::LocalSet).
pub async fn work<E, F>(mut queue: mpsc::Receiver<Answered>, metrics: Arc<ShadowConfigMetrics>, decide: E)
where
    E: Fn(Answered) -> F,
    F: Future<Output = Compared> + 'static,
{
    let mut said = HashMap::new();
    let mut deciding = JoinSet::new();
    loop {
        tokio::select! {
            answered = queue.recv(), if deciding.len() < MAX_CONCURRENT => match answered {
                Some(answered) => {
                    deciding.spawn_local(decide(answered));
                }
                None => return,
            },
            Some(decided) = deciding.join_next() => match decided {
                Ok(Compared { difference: None, .. }) => metrics.compared(),
                Ok(Compared { answered, difference: Some(difference) }) => {
                    metrics.compared();
                    tell(&difference, &answered.check, &metrics, &mut said);
                }
                Err(_) => metrics.failed(),
            },
        }
    }
}

/// A kind of difference with a throttle of its own: the rule and both outcomes.
type Kind = (Option<RuleName>, &'static str, &'static str);

/// Counts a difference, and logs it unless its kind has just been logged.
fn tell(
    difference: &Difference,
    check: &CheckRequest,
    metrics: &ShadowConfigMetrics,
    said: &mut HashMap<Kind, LogThrottle>,
) {
    let Difference { rule, enforced, shadow, shadow_rule, detail } = difference;
    let (enforced, shadow) = (enforced.map_or("allowed", Reason::code), shadow.code());
    let kind = match metrics.differs(rule.as_ref(), enforced, shadow) {
        Counted::AsItself => (rule.clone(), enforced, shadow),
        // The log distinguishes as many rules as the metrics do.
        Counted::WithOthers => (None, enforced, shadow),
    };
    let Some(before) = said.entry(kind).or_default().tick() else { return };
    let (rule, shadow_rule) = (rule.as_ref().map(RuleName::as_str), shadow_rule.as_ref().map(RuleName::as_str));
    let request = read(check, SchemeSource::default()).ok();
    let method = request.as_ref().map(|request| request.method.as_str());
    let path = request.as_ref().map(|request| shown(request.path.as_str()));
    let (path, detail) = (path.as_deref(), detail.as_deref());
    let request_id = request.as_ref().and_then(request_id);
    tracing::info!(
        rule,
        enforced,
        shadow,
        shadow_rule,
        detail,
        method,
        path,
        request_id,
        before,
        "shadow configuration"
    );
}
