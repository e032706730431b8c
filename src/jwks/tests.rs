//! Tests of results combined from several providers.

use super::worse;
use modgud_core::authn::JwksRefresh::{Failed, RateLimited, Refreshed};
use modgud_core::time::Timestamp;

#[test]
fn the_worst_answer_counts_because_the_key_may_be_of_that_provider() {
    let (early, late) = (RateLimited { last: Timestamp::from_secs(1) }, RateLimited { last: Timestamp::from_secs(2) });
    let order = [Failed, early, late, Refreshed];
    for (worse_place, one) in order.into_iter().enumerate() {
        for other in order.into_iter().skip(worse_place) {
            assert_eq!((worse(one, other), worse(other, one)), (one, one));
        }
    }
}
