use super::{Counted, FrameCounter, HEADER_BYTES};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    on_stream(kind, 0, 1, payload)
}

fn on_stream(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns a connection's bytes, with payloads that look like frames of the counted types.
fn bytes() -> (Vec<u8>, Counted) {
    let lookalike = [frame(1, b""), frame(3, b"1234")].concat();
    let mut bytes = [PREFACE, &frame(4, b"")].concat();
    for stream in [1, 3, 5] {
        bytes.extend(on_stream(1, 0, stream, &lookalike));
        bytes.extend(on_stream(9, 4, stream, b"12"));
        bytes.extend(frame(0, &[3; 300]));
        bytes.extend(frame(3, b"1234"));
        // Trailers of a stream whose reserved bit is set.
        bytes.extend(on_stream(1, 0, stream | 1 << 31, b"123"));
        bytes.extend(on_stream(9, 4, stream, b"4567"));
        bytes.extend(on_stream(4, 1, 0, b""));
        bytes.extend(on_stream(4, 0, 0, b"123456"));
    }
    (bytes, Counted { headers: 3, resets: 3, settings: 4, trailer_bytes: 3 * (9 + 3 + 9 + 4) })
}

#[test]
fn frames_are_counted_however_the_bytes_arrive() {
    let (bytes, expected) = bytes();
    for size in [1, 2, 8, 9, 10, 33, 100, bytes.len()] {
        let mut counter = FrameCounter::default();
        let mut sum = Counted::default();
        for part in bytes.chunks(size) {
            let Counted { headers, resets, settings, trailer_bytes } = counter.count(part);
            sum = Counted {
                headers: sum.headers + headers,
                resets: sum.resets + resets,
                settings: sum.settings + settings,
                trailer_bytes: sum.trailer_bytes + trailer_bytes,
            };
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

#[test]
fn a_header_block_is_open_until_its_last_frame() {
    let mut counter = FrameCounter::default();
    counter.count(PREFACE);
    assert_eq!(counter.open_block(), None);
    for (number, (frame, open)) in [
        (on_stream(1, 5, 1, b"whole"), None),
        (on_stream(1, 1, 3, b"begins"), Some(2)),
        (on_stream(9, 0, 3, b"goes on"), Some(2)),
        (on_stream(9, 4, 3, b"ends"), None),
        (on_stream(1, 0, 5, b"begins"), Some(3)),
    ]
    .iter()
    .enumerate()
    {
        counter.count(frame);
        assert_eq!(counter.open_block(), *open, "{number}");
    }
}

/// No input makes it panic: neither other protocols nor lengths up to the largest.
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
