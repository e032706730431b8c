//! Decides answered checks again and counts and logs what differs. Whatever becomes of one, a panic too, the next one is decided.

use super::super::check::{request_id, shown};
use super::super::log_throttle::LogThrottle;
use super::{Answered, Difference};
use crate::envoy::proto::CheckRequest;
use crate::envoy::read;
use crate::telemetry::metrics::{Counted, ShadowConfigMetrics};
use modgud_core::authz::RuleName;
use modgud_core::http::request::SchemeSource;
use modgud_core::reason::Reason;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many checks are decided at once, at most: those that wait for another server do not keep the others waiting.
const MAX_CONCURRENT: usize = 256;

/// A check that was decided again. Has no `Debug`, as what it holds has none.
pub struct Compared {
    /// The check, as it was answered.
    pub answered: Answered,
    /// What differs, if something does.
    pub difference: Option<Difference>,
}

/// Decides what is handed in until nobody hands in anything any more. On a thread of its own, inside a
/// [`LocalSet`](tokio::task::LocalSet).
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

/// What is said by itself: one kind of difference.
type Kind = (Option<RuleName>, &'static str, &'static str);

/// Counts a difference, and says so if its kind has not just been said.
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
        // As many as are counted one by one are said one by one.
        Counted::WithOthers => (None, enforced, shadow),
    };
    let Some(before) = said.entry(kind).or_default().now() else { return };
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
