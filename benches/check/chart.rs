//! A bar chart as SVG, for light and dark pages.

use super::stats::Spread;
use std::fmt::{self, Write};

const WIDTH: f64 = 760.0;
/// Width of the labels, left of the bars.
const LABELS: f64 = 290.0;
/// Width of the longest bar; its figure has the rest.
const BARS: f64 = 390.0;
const BAR_HEIGHT: f64 = 13.0;
/// The distance between two lines of text.
const LINE: f64 = 22.0;

/// One class for each figure of a bar, then the line from the least to the most.
const STYLE: &str =
    "text { fill: #1f2328; font-family: system-ui, sans-serif; font-size: 13px } .title { font-weight: 600 } .end { text-anchor: end }
.a { fill: #0969da } .b { fill: #8c959f } .range { stroke: #1f2328 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .a { fill: #4493f8 } .b { fill: #7d8590 } .range { stroke: #e6edf3 }
}";
const CLASSES: [&str; 2] = ["a", "b"];

/// Bars of one unit, which share a scale.
pub(crate) struct Panel<'a> {
    pub(crate) title: &'a str,
    /// The name of each figure of a bar: two, or none for bars of one figure.
    pub(crate) legend: Vec<&'a str>,
    pub(crate) bars: Vec<Bar>,
}

/// A label with one bar for each figure.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) figures: Vec<Spread>,
}

/// Draws panels below each other.
pub(crate) fn svg(title: &str, panels: &[Panel<'_>]) -> Result<String, fmt::Error> {
    let mut body = String::new();
    let mut y = LINE;
    for panel in panels {
        y = draw(&mut body, panel, y)? + LINE;
    }
    let title = escape(title);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" role=\"img\" aria-label=\"{title}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}\n</style>\n{body}</svg>\n"
    ))
}

/// Draws a panel; returns where it ends.
fn draw(out: &mut String, panel: &Panel<'_>, mut y: f64) -> Result<f64, fmt::Error> {
    let Panel { title, legend, bars } = panel;
    let figures = || bars.iter().flat_map(|bar| &bar.figures);
    // One odd round must not shorten all bars: its line may be cut.
    let highest = figures().map(|figure| figure.median).fold(0.0, f64::max) * 1.5;
    let scale = BARS / figures().map(|figure| figure.max).fold(0.0, f64::max).min(highest).max(f64::MIN_POSITIVE);
    writeln!(out, "<text class=\"title\" x=\"0\" y=\"{y}\">{}</text>", escape(title))?;
    let mut x = LABELS;
    y += if legend.is_empty() { 0.0 } else { LINE };
    for (name, class) in legend.iter().zip(CLASSES) {
        writeln!(out, "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"13\" height=\"13\"/>", y - 11.0)?;
        writeln!(out, "<text x=\"{}\" y=\"{y}\">{}</text>", x + 20.0, escape(name))?;
        x += 150.0;
    }
    y += LINE / 2.0;
    for Bar { label, figures } in bars {
        writeln!(out, "<text class=\"end\" x=\"{}\" y=\"{}\">{}</text>", LABELS - 10.0, y + 11.0, escape(label))?;
        for (Spread { min, median, max }, class) in figures.iter().zip(CLASSES) {
            let (length, middle) = (median * scale, y + BAR_HEIGHT / 2.0);
            let (from, to) = (LABELS + min * scale, LABELS + (max * scale).min(BARS));
            writeln!(
                out,
                "<rect class=\"{class}\" x=\"{LABELS}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\"/>\n\
                 <line class=\"range\" x1=\"{from:.1}\" y1=\"{middle}\" x2=\"{to:.1}\" y2=\"{middle}\"/>\n\
                 <text x=\"{:.1}\" y=\"{}\">{median:.1}</text>",
                to.max(LABELS + length) + 6.0,
                y + 11.0
            )?;
            y += BAR_HEIGHT + 1.0;
        }
        y += 8.0;
    }
    Ok(y)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
