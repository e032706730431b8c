use super::{Counted, FrameCounter, HEADER_BYTES};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, 0, 0, 0, 0, 1], payload].concat()
}

/// A connection's bytes: payloads that look like frames of the counted types are among them.
fn bytes() -> (Vec<u8>, Counted) {
    let lookalike = [frame(1, b""), frame(3, b"1234")].concat();
    let mut bytes = [PREFACE, &frame(4, b"")].concat();
    for _ in 0..3 {
        bytes.extend(frame(1, &lookalike));
        bytes.extend(frame(0, &[3; 300]));
        bytes.extend(frame(3, b"1234"));
        bytes.extend(frame(1, b""));
    }
    (bytes, Counted { headers: 6, resets: 3 })
}

#[test]
fn frames_are_counted_however_the_bytes_arrive() {
    let (bytes, expected) = bytes();
    for size in [1, 2, 8, 9, 10, 33, 100, bytes.len()] {
        let mut counter = FrameCounter::default();
        let mut sum = Counted::default();
        for part in bytes.chunks(size) {
            let Counted { headers, resets } = counter.count(part);
            sum = Counted { headers: sum.headers + headers, resets: sum.resets + resets };
        }
        assert_eq!(sum, expected, "{size} bytes at a time");
        assert_eq!(counter.bytes_for(0), 0);
    }
}

#[test]
fn what_may_be_read_ends_with_a_header() {
    let mut counter = FrameCounter::default();
    assert_eq!(counter.bytes_for(1), PREFACE.len() + HEADER_BYTES);
    counter.count(PREFACE);
    let data = frame(0, &[0; 1_000]);
    counter.count(&data[..HEADER_BYTES - 1]);
    assert_eq!(counter.bytes_for(1), 1);
    assert_eq!(counter.bytes_for(3), 1 + 2 * HEADER_BYTES);
    counter.count(&data[HEADER_BYTES - 1..HEADER_BYTES + 10]);
    assert_eq!(counter.bytes_for(1), 990 + HEADER_BYTES);
    assert_eq!(counter.bytes_for(usize::MAX), usize::MAX);
}

/// No bytes make it panic: other protocols, and lengths up to the largest.
#[test]
fn arbitrary_bytes_are_counted_without_a_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut counter = FrameCounter::default();
    for length in 0..2_000 {
        let part: Vec<u8> = (0..length % 50)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect();
        counter.count(&part);
        if counter.bytes_for(0) > 1 << 12 {
            counter = FrameCounter::default();
        }
    }
    let mut counter = FrameCounter::default();
    counter.count(&[0xff; 24 + HEADER_BYTES]);
    assert_eq!(counter.bytes_for(0), (1 << 24) - 1);
}
