//! Time windows in conditions, also at changes of the clock: the recipes of `docs/authorization.md`.

use super::{CallerPresence, Condition, Env, Inputs};
use crate::authz::AuthzError;
use crate::http::request::{Headers, Request};
use crate::time::Timestamp;
use chrono::DateTime;

const OFFICE_HOURS: &str = "now.getDayOfWeek('Europe/Berlin') in [1, 2, 3, 4, 5] && now.getHours('Europe/Berlin') >= 8 && now.getHours('Europe/Berlin') < 18";
const NIGHT: &str = "now.getHours('Europe/Berlin') >= 22 || now.getHours('Europe/Berlin') < 6";
/// In Berlin there is no such hour on 2026-03-29, and two on 2026-10-25.
const THIRD_HOUR: &str = "now.getHours('Europe/Berlin') == 2";
const HALF_PAST: &str = "now.getHours('Asia/Kolkata') == 9 && now.getMinutes('Asia/Kolkata') < 30";
const FIRST_OF_MONTH: &str = "now.getDate('America/New_York') == 1";
const PERIOD: &str = "now >= timestamp('2026-12-24T00:00:00+01:00') && now < timestamp('2027-01-02T00:00:00+01:00')";

fn is_true(condition: &str, time: &str) -> bool {
    let now = Timestamp::from_secs(u64::try_from(DateTime::parse_from_rfc3339(time).unwrap().timestamp()).unwrap());
    let env = Env::Rule { callers: CallerPresence::Never, patterns: &[] };
    let condition = Condition::compile(condition, &env).unwrap();
    let request = Request::parse(b"GET", b"/", b"api.example.com", Headers::default()).unwrap();
    match condition.check(&Inputs { request: &request, pattern: None, rule: None, principal: None, now }) {
        Ok(()) => true,
        Err(AuthzError::ConditionFalse) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn windows_follow_the_clock_of_their_zone() {
    for (condition, time, expected) in [
        // Winter, UTC+1.
        (OFFICE_HOURS, "2026-01-15T06:59:59Z", false),
        (OFFICE_HOURS, "2026-01-15T07:00:00Z", true),
        (OFFICE_HOURS, "2026-01-15T16:59:59Z", true),
        (OFFICE_HOURS, "2026-01-15T17:00:00Z", false),
        // Summer, UTC+2, from the first working day after the change on.
        (OFFICE_HOURS, "2026-03-27T06:59:59Z", false),
        (OFFICE_HOURS, "2026-03-30T05:59:59Z", false),
        (OFFICE_HOURS, "2026-03-30T06:00:00Z", true),
        (OFFICE_HOURS, "2026-03-30T16:00:00Z", false),
        // Winter again.
        (OFFICE_HOURS, "2026-10-23T06:00:00Z", true),
        (OFFICE_HOURS, "2026-10-26T06:00:00Z", false),
        (OFFICE_HOURS, "2026-10-26T07:00:00Z", true),
        // Saturday, Sunday; Monday in Berlin while it is Sunday by UTC.
        (OFFICE_HOURS, "2026-01-17T10:00:00Z", false),
        (OFFICE_HOURS, "2026-01-18T10:00:00Z", false),
        ("now.getDayOfWeek('Europe/Berlin') == 1", "2026-01-18T23:30:00Z", true),
        ("now.getDayOfWeek() == 0", "2026-01-18T23:30:00Z", true),
        // Across midnight.
        (NIGHT, "2026-01-15T20:59:59Z", false),
        (NIGHT, "2026-01-15T21:00:00Z", true),
        (NIGHT, "2026-01-16T04:59:59Z", true),
        (NIGHT, "2026-01-16T05:00:00Z", false),
        // The clock goes from 02:00 to 03:00.
        (THIRD_HOUR, "2026-03-29T00:59:59Z", false),
        (THIRD_HOUR, "2026-03-29T01:00:00Z", false),
        // And from 03:00 back to 02:00: the hour occurs twice.
        (THIRD_HOUR, "2026-10-24T23:59:59Z", false),
        (THIRD_HOUR, "2026-10-25T00:00:00Z", true),
        (THIRD_HOUR, "2026-10-25T01:00:00Z", true),
        (THIRD_HOUR, "2026-10-25T02:00:00Z", false),
        // A zone with half an hour, and days on the other side of the date.
        (HALF_PAST, "2026-01-15T03:29:59Z", false),
        (HALF_PAST, "2026-01-15T03:30:00Z", true),
        (HALF_PAST, "2026-01-15T03:59:59Z", true),
        (HALF_PAST, "2026-01-15T04:00:00Z", false),
        (FIRST_OF_MONTH, "2026-02-01T04:59:59Z", false),
        (FIRST_OF_MONTH, "2026-02-01T05:00:00Z", true),
        (FIRST_OF_MONTH, "2026-02-02T04:59:59Z", true),
        // A period, whose end does not belong to it.
        (PERIOD, "2026-12-23T22:59:59Z", false),
        (PERIOD, "2026-12-23T23:00:00Z", true),
        (PERIOD, "2027-01-01T22:59:59Z", true),
        (PERIOD, "2027-01-01T23:00:00Z", false),
    ] {
        assert_eq!(is_true(condition, time), expected, "{condition} at {time}");
    }
}
