use super::{PREFIX_BYTES, Unfinished};

/// Builds a message with its prefix.
fn message(bytes: usize) -> Vec<u8> {
    let length = u32::try_from(bytes).unwrap().to_be_bytes();
    [&[0], length.as_slice(), &vec![7; bytes]].concat()
}

#[test]
fn a_message_is_unfinished_until_its_last_byte_and_then_no_more() {
    let bytes = [message(300), message(0), message(1), message(70_000), message(0)].concat();
    for size in [1, 3, PREFIX_BYTES, 6, 100, 305, 70_000, bytes.len()] {
        let mut unfinished = Unfinished::NONE;
        let mut most = 0;
        for part in bytes.chunks(size) {
            unfinished.note(part);
            most = most.max(unfinished.bytes);
        }
        assert_eq!(unfinished.bytes, 0, "{size} bytes at a time");
        assert!(most < 70_000 + PREFIX_BYTES, "{size} bytes at a time: {most}");
    }
}

/// A few bytes make the decoder reserve the whole length.
#[test]
fn an_announced_length_counts_before_it_has_arrived() {
    let mut unfinished = Unfinished::NONE;
    let bytes = message(900_000);
    unfinished.note(&bytes[..4]);
    assert_eq!(unfinished.kept_bytes(), 4);
    unfinished.note(&bytes[4..12]);
    assert_eq!(unfinished.kept_bytes(), 900_000);
    unfinished.note(&bytes[12..]);
    assert_eq!(unfinished.kept_bytes(), 0);
}

/// Covers a call that never ends: answered messages do not count any more.
#[test]
fn messages_that_are_whole_do_not_add_up() {
    let mut unfinished = Unfinished::NONE;
    for _ in 0..1_000 {
        let bytes = message(3_800);
        let (first, rest) = bytes.split_at(2_000);
        unfinished.note(first);
        assert_eq!(unfinished.bytes, 2_000);
        unfinished.note(rest);
        assert_eq!(unfinished.bytes, 0);
    }
}

#[test]
fn the_longest_length_is_one() {
    let mut unfinished = Unfinished::NONE;
    unfinished.note(&[0xff; 4]);
    unfinished.note(&[0xff; 4]);
    assert_eq!(unfinished.bytes, 8);
}
