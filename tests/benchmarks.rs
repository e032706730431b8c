//! The parts of `make bench` that compute, draw and write: percentiles, intervals, the chart and the page.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so does a benchmark"
)]

#[path = "../benches/check/chart.rs"]
mod chart;
#[path = "../benches/check/page.rs"]
#[expect(dead_code, reason = "a benchmark asks for machine, versions and the chart's file")]
mod page;
#[path = "../benches/check/stats.rs"]
mod stats;

use chart::{Bar, Panel, svg};
use stats::{Interval, Percentiles, Spread, thousands};
use std::fs;

#[test]
fn percentiles_are_those_of_all_values() {
    let Percentiles { p50, p90, p99, p999, max } = Percentiles::of((1..=1_000).rev().collect());
    assert_eq!((p50, p90, p99, p999, max), (500, 900, 990, 999, 1_000));
    assert_eq!(Percentiles::of(vec![7]).p99, 7);
    assert_eq!(Percentiles::of(Vec::new()).max, 0);
}

#[test]
fn a_spread_is_the_median_with_least_and_most() {
    assert_eq!(format!("{:.1}", Spread::of([3.0, 1.0, 2.0])), "2.0 (1.0–3.0)");
    assert_eq!(format!("{:.2}", Spread::of([4.0, 1.0, 2.0, 3.0])), "2.50 (1.00–4.00)");
}

#[test]
fn thousands_have_commas() {
    assert_eq!([7, 999, 1_000, 10_000, 1_000_000].map(thousands), ["7", "999", "1,000", "10,000", "1,000,000"]);
}

/// Of 15 values, those from the third to the thirteenth hold the median with 99 %: the binomial tail of two is 0.4 %.
#[test]
fn an_interval_leaves_out_what_chance_explains() {
    let Interval { low, median, high } = Interval::of((1..=15).map(f64::from));
    assert_eq!((low, median, high), (3.0, 8.0, 13.0));
    let Interval { low, high, .. } = Interval::of([1.0, 2.0]);
    assert_eq!((low, high), (1.0, 2.0));
}

#[test]
fn the_page_has_a_part_for_figures() {
    let page = fs::read_to_string(page::PAGE).unwrap();
    let written = page::replace(&page, "new figures").unwrap();
    assert!(written.contains("\nnew figures\n"));
    let again = page::replace(&written, "others").unwrap();
    assert!(again.contains("others") && !again.contains("new figures"));
    assert_eq!(page::replace(&again, "new figures").as_ref(), Some(&written));
    assert_eq!(page::replace("no comments", "new figures"), None);
}

/// Bars of one panel share a scale, and an odd round does not shorten them.
#[test]
fn bars_are_as_long_as_their_figures() {
    let figures = |median: f64, max: f64| vec![Spread { min: 1.0, median, max }];
    let bars = vec![
        Bar { label: "half <a>".to_owned(), figures: figures(10.0, 11.0) },
        Bar { label: "whole".to_owned(), figures: figures(20.0, 900.0) },
    ];
    let drawn = svg("A & B", &[Panel { title: "CPU, µs", legend: Vec::new(), bars }]).unwrap();
    let widths: Vec<f64> = drawn
        .lines()
        .filter(|line| line.starts_with("<rect") && !line.contains("width=\"13\""))
        .map(|line| line.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(widths, [130.0, 260.0]);
    assert!(drawn.contains("half &lt;a>") && drawn.contains("A &amp; B"), "{drawn}");
    assert!(drawn.contains("CPU, µs") && drawn.contains(">20.0<"), "{drawn}");
    assert!(drawn.contains("prefers-color-scheme: dark"), "{drawn}");
}
