//! The second, naive router: works on the texts of entries and requests, compares all of them, and selects the best rank.

/// A rank, of which a smaller one is more specific: one digit per segment from the left, then one for the method.
type Rank = (Vec<u8>, u8);

fn pieces(path: &str) -> Vec<&str> {
    path.split('/').filter(|piece| !piece.is_empty()).collect()
}

fn rank(entry: &str, method: &str, path: &str) -> Option<Rank> {
    let (methods, pattern) = entry.split_once(' ')?;
    let method_rank = match methods {
        "*" => 2,
        named if named.split(',').any(|name| name == method) => 0,
        named if method == "HEAD" && named.split(',').any(|name| name == "GET") => 1,
        _ => return None,
    };
    let (pattern, path) = (pieces(pattern), pieces(path));
    let mut ranks = Vec::new();
    for (index, piece) in pattern.iter().enumerate() {
        if piece.starts_with("{*") {
            ranks.push(2);
            return Some((ranks, method_rank));
        }
        let segment = path.get(index)?;
        match piece.starts_with('{') {
            true => ranks.push(1),
            false if piece == segment => ranks.push(0),
            false => return None,
        }
    }
    // The end of the path ranks like a literal.
    ranks.push(0);
    (pattern.len() == path.len()).then_some((ranks, method_rank))
}

pub(super) fn find<'a>(entries: &'a [String], method: &str, path: &str) -> Option<&'a str> {
    let ranked = entries.iter().filter_map(|entry| Some((rank(entry, method, path)?, entry)));
    ranked.min_by(|one, other| one.0.cmp(&other.0)).map(|(_, entry)| entry.as_str())
}

pub(super) fn collide(one: &str, other: &str) -> bool {
    let shape = |pattern| -> Vec<&str> {
        let shape = |piece: &'static str, text| if piece.is_empty() { text } else { piece };
        let kind = |text: &str| match text {
            text if text.starts_with("{*") => "{*}",
            text if text.starts_with('{') => "{}",
            _ => "",
        };
        pieces(pattern).into_iter().map(|text| shape(kind(text), text)).collect()
    };
    let ((methods, pattern), (other_methods, other_pattern)) =
        (one.split_once(' ').unwrap(), other.split_once(' ').unwrap());
    shape(pattern) == shape(other_pattern)
        && methods.split(',').any(|method| other_methods.split(',').any(|other| method == other))
}
