//! Counters and gauges that are read twice: modgud's metrics, in Prometheus' text format, and Envoy's statistics.

use std::collections::BTreeMap;

/// Maximum number of samples of one reading: modgud has at most some ten thousand. Further ones are ignored.
const MAX_SAMPLES: usize = 200_000;

/// One value with its name and labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) name: String,
    labels: Vec<(String, String)>,
}

impl Key {
    /// Returns the value of a label; empty if there is none.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(label, _)| label == name).map_or("", |(_, value)| value.as_str())
    }
}

/// One reading: the whole part of each value.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(BTreeMap<Key, u64>);

impl Samples {
    /// Reads metrics in Prometheus' text format 0.0.4. Lines that can't be read, and negative values, are ignored.
    pub(super) fn prometheus(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(sample).take(MAX_SAMPLES).collect())
    }

    /// Reads statistics of Envoy: `NAME: NUMBER`.
    pub(super) fn envoy(text: &str) -> Self {
        let stat = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((Key { name: name.to_owned(), labels: Vec::new() }, value.trim().parse().ok()?))
        };
        Self(text.lines().filter_map(stat).take(MAX_SAMPLES).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns every value of a name.
    pub(super) fn of<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (&'s Key, u64)> {
        self.iter().filter(move |(key, _)| key.name == name)
    }

    /// Returns all values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, u64)> {
        self.0.iter().map(|(key, value)| (key, *value))
    }

    /// Returns the value of a name that has no labels.
    pub(super) fn one(&self, name: &str) -> Option<u64> {
        self.of(name).next().map(|(_, value)| value)
    }

    fn get(&self, key: &Key) -> u64 {
        self.0.get(key).copied().unwrap_or_default()
    }
}

/// Two readings, one some seconds after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Readings {
    pub(super) first: Samples,
    pub(super) last: Samples,
}

/// A counter: its value, and how much it rose between the readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) total: u64,
    pub(super) rise: u64,
}

impl Count {
    /// Adds another counter.
    pub(super) const fn and(self, other: Self) -> Self {
        Self { total: self.total.saturating_add(other.total), rise: self.rise.saturating_add(other.rise) }
    }
}

impl Readings {
    /// Returns a counter. One that fell was reset, so all of it is a rise.
    pub(super) fn count(&self, key: &Key) -> Count {
        let (first, total) = (self.first.get(key), self.last.get(key));
        Count { total, rise: total.checked_sub(first).unwrap_or(total) }
    }

    /// Returns the sum of the counters that are chosen, by the text that they are chosen for.
    pub(super) fn sums<'s>(&'s self, choose: impl Fn(&'s Key) -> Option<&'s str>) -> BTreeMap<&'s str, Count> {
        let mut sums: BTreeMap<&str, Count> = BTreeMap::new();
        for (key, _) in self.last.iter() {
            if let Some(text) = choose(key) {
                let sum = sums.entry(text).or_default();
                *sum = sum.and(self.count(key));
            }
        }
        sums
    }
}

/// Reads a line `name{label="value",…} number`.
fn sample(line: &str) -> Option<(Key, u64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at_checked(end)?;
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = rest.strip_prefix('}')?;
    }
    let number = rest.split_whitespace().next()?;
    let whole = number.split_once('.').map_or(number, |(whole, _)| whole);
    Some((Key { name: name.to_owned(), labels }, whole.parse().ok()?))
}

/// Reads the rest of a text between quotes; returns what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at.checked_add(1)?..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Count, Readings, Samples};

    #[test]
    fn names_labels_and_whole_numbers_are_read() {
        let text = "# HELP a b\na 3\nb_seconds 17.25\nc{x=\"a\\\"b,c}\\n\",y=\"\"} 4\nbroken{x=\"\nd -1\ne NaN\n f{} 1\ng{} 5\n";
        let samples = Samples::prometheus(text);
        assert_eq!((samples.one("a"), samples.one("b_seconds"), samples.one("g")), (Some(3), Some(17), Some(5)));
        let (key, value) = samples.of("c").next().unwrap();
        assert_eq!((key.label("x"), key.label("y"), key.label("z"), value), ("a\"b,c}\n", "", "", 4));
        assert_eq!(samples.iter().count(), 4);
        assert!(Samples::prometheus("<html>\n{}\n\u{0}").is_empty());
    }

    #[test]
    fn statistics_of_envoy_are_numbers_after_a_name() {
        let samples = Samples::envoy("a.b: 1\nc: No recorded values\nd: P0(nan)\nx: y: 2\n");
        assert_eq!((samples.one("a.b"), samples.one("x: y"), samples.iter().count()), (Some(1), Some(2), 2));
    }

    #[test]
    fn rises_are_added_and_a_reset_is_one() {
        let first = Samples::prometheus("n{r=\"a\",s=\"1\"} 5\nn{r=\"a\",s=\"2\"} 7\nn{r=\"b\",s=\"1\"} 9\n");
        let last = Samples::prometheus(
            "n{r=\"a\",s=\"1\"} 6\nn{r=\"a\",s=\"2\"} 7\nn{r=\"b\",s=\"1\"} 2\nn{r=\"c\",s=\"1\"} 1\n",
        );
        let readings = Readings { first, last };
        let sums: Vec<_> = readings.sums(|key| Some(key.label("r"))).into_iter().collect();
        let count = |total, rise| Count { total, rise };
        assert_eq!(sums, [("a", count(13, 1)), ("b", count(2, 2)), ("c", count(1, 1))]);
    }
}
