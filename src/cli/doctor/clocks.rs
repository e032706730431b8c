//! Clocks: modgud's and Envoy's are compared with this machine's, those of providers with modgud's.

use super::code::Code;
use super::finding::Finding;
use crate::http_client::ClockOffset;
use std::time::Duration;

/// The tolerated difference of modgud's clock, which decides about tokens.
const TOLERATED: Duration = Duration::from_secs(1);

/// The tolerated difference of Envoy's clock, which only writes logs.
const TOLERATED_OF_ENVOY: Duration = Duration::from_secs(5);

/// A clock that was read.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) about: String,
    /// Its offset from this machine's; `None` if the responses have no `Date`.
    pub(super) offset: Option<ClockOffset>,
    /// The least `leeway` of authenticators that read its times.
    pub(super) leeway: Duration,
}

/// The clocks of all that answered.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    pub(super) modgud: Option<Clock>,
    pub(super) providers: Vec<Clock>,
    pub(super) envoy: Option<Clock>,
}

impl Clocks {
    pub(super) fn compare(self) -> Vec<Finding> {
        let Self { modgud, providers, envoy } = self;
        let of_modgud = modgud.as_ref().and_then(|clock| clock.offset);
        let modgud =
            modgud.map(|clock| judge(&clock, ClockOffset::NONE, (Code::ClockOfModgud, TOLERATED), "this machine's"));
        // Without modgud's clock, this machine's is the best guess: it often is the same.
        let (base, name) = match of_modgud {
            Some(offset) => (offset, "modgud's"),
            None => (ClockOffset::NONE, "this machine's"),
        };
        let providers =
            providers.into_iter().map(|clock| judge(&clock, base, (Code::ClockOfProvider, clock.leeway), name));
        let envoy = envoy
            .map(|clock| judge(&clock, ClockOffset::NONE, (Code::ClockOfEnvoy, TOLERATED_OF_ENVOY), "this machine's"));
        modgud.into_iter().chain(providers).chain(envoy).collect()
    }
}

fn judge(clock: &Clock, base: ClockOffset, (code, tolerated): (Code, Duration), other: &str) -> Finding {
    let Clock { about, offset, .. } = clock;
    let Some(offset) = offset else {
        return Finding::new(Code::ClockUnknown, about, "no `Date` in the response");
    };
    let (differs, is_ahead) = offset.from(base).certain();
    let side = if is_ahead { "ahead of" } else { "behind" };
    let seen = format!("at least {:.1} s {side} {other}", differs.as_secs_f64());
    if differs > tolerated {
        let tolerated = format!("{seen}; {:.1} s are tolerated", tolerated.as_secs_f64());
        return Finding::new(code, about, tolerated);
    }
    if differs.is_zero() {
        Finding::new(Code::Clock, about, format!("as {other}, within 2 s"))
    } else {
        Finding::new(Code::Clock, about, seen)
    }
}
