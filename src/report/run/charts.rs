//! The curves of a history as charts: which belong together, and their lines as inline SVG with the points for the
//! page's script. It knows curves, and nothing of the page around them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::plots::Axis;
use super::super::text::escape;
use crate::history::{Curve, History, Point, short};

/// Curves in one chart.
pub struct Chart<'h> {
    pub title: String,
    pub lines: Vec<Line<'h>>,
}

/// A curve, and what the key calls it.
pub struct Line<'h> {
    pub name: String,
    /// The part of the page's style that it has: `step`, `train`, `valid`, or a number of a series.
    pub style: String,
    pub curve: &'h Curve,
}

/// A line has at most twice so many points: more than there are pixels shows nothing more.
const BUCKETS: usize = 400;

/// The charts of a history: what ends alike (`train.loss`, `valid.loss`) is in one; losses come first, then other figures, then
/// rates and times.
pub fn charts(history: &History) -> Vec<Chart<'_>> {
    let mut charts: Vec<Chart<'_>> = Vec::new();
    for curve in history.curves().iter().filter(|curve| !curve.points.is_empty()) {
        let (group, figure) = match curve.name.split_once('.') {
            Some(("learning_rate", optimizer)) => (optimizer, "learning_rate"),
            Some((group, figure)) => (group, figure),
            None => ("", curve.name.as_str()),
        };
        let position = charts.iter().position(|chart| chart.title == figure).unwrap_or_else(|| {
            charts.push(Chart { title: figure.to_owned(), lines: Vec::new() });
            charts.len() - 1
        });
        let lines = &mut charts[position].lines;
        let (name, style) = match group {
            "step" => ("each step".to_owned(), "step".to_owned()),
            "train" => ("training".to_owned(), "train".to_owned()),
            "valid" => ("validation".to_owned(), "valid".to_owned()),
            "" => (String::new(), "one".to_owned()),
            other => (other.to_owned(), format!("more{}", lines.len() % 4)),
        };
        lines.push(Line { name, style, curve });
    }
    let rank = |chart: &Chart<'_>| match chart.title.as_str() {
        "loss" => 0,
        title if title.ends_with("loss") => 1,
        "learning_rate" => 3,
        "samples_per_second" => 4,
        "seconds" => 5,
        _ => 2,
    };
    charts.sort_by_key(rank);
    charts
}

/// A name as words.
pub fn words(name: &str) -> String {
    match name {
        "seconds" => "seconds an epoch".to_owned(),
        "samples_per_second" => "samples a second".to_owned(),
        name => name.replace('_', " "),
    }
}

/// Points of which no more can be seen: of many, the least and the most of each part of the range.
fn thinned(points: &[Point]) -> Vec<Point> {
    let finite: Vec<Point> = points.iter().copied().filter(|point| point.value.is_finite()).collect();
    if finite.len() <= 2 * BUCKETS {
        return finite;
    }
    let parts = finite.chunks(finite.len().div_ceil(BUCKETS));
    let extremes = parts.flat_map(|part| {
        let of = |better: fn(f64, f64) -> bool| {
            part.iter().fold(part[0], |best, point| if better(point.value, best.value) { *point } else { best })
        };
        let (low, high) = (of(|a, b| a < b), of(|a, b| a > b));
        if low.step <= high.step { [low, high] } else { [high, low] }
    });
    let mut kept: Vec<Point> = extremes.collect();
    kept.dedup_by_key(|point| point.step);
    kept
}

/// An axis' tick, short enough to stand beside it.
fn tick(axis: &Axis, value: f64) -> String {
    let text = axis.name(value);
    let size = value.abs();
    if text.len() <= 6 || (1e-3..1e5).contains(&size) {
        return text;
    }
    if size == 0.0 {
        return "0".to_owned();
    }
    // As many digits as tell neighbours apart, without zeros behind them.
    let digits = (size.log10().floor() - axis.step().log10().floor()).clamp(0.0, 12.0) as usize;
    let rounded: f64 = format!("{value:.digits$e}").parse().unwrap_or(value);
    format!("{rounded:e}")
}

/// A chart as a part of a page, and what the script knows of it.
pub fn chart(chart: &Chart<'_>, number: usize) -> (String, Value) {
    let lines: Vec<Vec<Point>> = chart.lines.iter().map(|line| thinned(&line.curve.points)).collect();
    let title = escape(&words(&chart.title));
    let alone = if chart.lines.len() == 1 { " alone" } else { "" };
    let mut html = format!("<figure class=\"chart{alone}\"><figcaption><b>{title}</b><span class=\"keys\">");
    // Writing to a String does not fail.
    for (line, points) in chart.lines.iter().zip(&lines) {
        let last = points.last().map_or(String::new(), |point| short(point.value));
        let _ = write!(html, "<span class=\"key {}\"><i></i>{} <b>{last}</b></span>", line.style, escape(&line.name));
    }
    html += "</span></figcaption>";
    let all = || lines.iter().flatten();
    if all().next().is_none() {
        html += "<p class=\"empty\">Not one of the figures is finite.</p></figure>\n";
        return (html, Value::Null);
    }
    // A figure that stays has room above and below it.
    let same = all().next().filter(|first| first.value != 0.0 && all().all(|point| point.value == first.value));
    let around = same.map(|point| [0.5 * point.value, 1.5 * point.value]);
    let values = all().map(|point| point.value).chain(around.into_iter().flatten());
    let (x, y) = (Axis::over(all().map(|point| point.step as f64), 5), Axis::over(values, 4));
    // The lines fill the width; ticks stand at round numbers within it.
    let (first, last) = all().fold((u64::MAX, 0), |(low, high), point| (low.min(point.step), high.max(point.step)));
    let (low, high) = if first < last { (first as f64, last as f64) } else { (x.low, x.high) };
    let across = |step: f64| (step - low) / (high - low);
    let _ = write!(
        html,
        "<div class=\"plot\" data-plot=\"{number}\" tabindex=\"0\" role=\"group\" aria-label=\"{title} over steps; arrow keys move \
         over its points\"><div class=\"area\"><svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
    );
    for value in y.ticks() {
        let at = 1000.0 * (1.0 - y.fraction(value));
        let _ = write!(html, "<path class=\"grid\" d=\"M0 {at:.0}H1000\"/>");
    }
    for (line, points) in chart.lines.iter().zip(&lines) {
        let mut path = String::new();
        for point in points {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let (x, y) = (1000.0 * across(point.step as f64), 1000.0 * (1.0 - y.fraction(point.value)));
            let _ = write!(path, "{letter}{x:.1} {y:.1}");
        }
        if points.len() == 1 {
            path += "h0";
        }
        let single = if points.len() == 1 { " single" } else { "" };
        let _ = write!(html, "<path class=\"line {}{single}\" d=\"{path}\"/>", line.style);
    }
    html += "</svg><span class=\"cursor\"></span></div>";
    for value in y.ticks() {
        let at = 100.0 * y.fraction(value);
        let _ = write!(
            html,
            "<span class=\"y\" style=\"bottom:calc(22px + (100% - 30px) * {:.4})\">{}</span>",
            at / 100.0,
            tick(&y, value)
        );
    }
    for value in x.ticks().filter(|value| (low..=high).contains(value)) {
        let at = across(value);
        let edge = if at > 0.94 { " end" } else { "" };
        let _ = write!(
            html,
            "<span class=\"x{edge}\" style=\"left:calc(52px + (100% - 60px) * {at:.4})\">{}</span>",
            tick(&x, value)
        );
    }
    html += "<span class=\"x name\">step</span>";
    html += "<span class=\"x name\">step</span><output class=\"tip\"></output></div></figure>\n";
    let known: Vec<Value> = (chart.lines.iter().zip(&lines))
        .map(|(line, points)| {
            let steps: Vec<u64> = points.iter().map(|point| point.step).collect();
            let values: Vec<String> = points.iter().map(|point| short(point.value)).collect();
            json!({ "name": line.name, "style": line.style, "x": steps, "y": values })
        })
        .collect();
    (html, json!({ "low": low, "high": high, "lines": known }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_read_differently() {
        let cases = [
            ([0.0, 1.8e6], "0 500000 1e6 1.5e6 2e6"),
            ([0.0, 9e-7], "0 5e-7 1e-6"),
            ([1e9, 1e9 + 4.0], "1e9 1.000000001e9 1.000000002e9 1.000000003e9 1.000000004e9"),
            ([-3.0, 3.0], "-4 -2 0 2 4"),
        ];
        for (ends, expected) in cases {
            let axis = Axis::over(ends.into_iter(), 4);
            assert_eq!(axis.ticks().map(|value| tick(&axis, value)).collect::<Vec<_>>().join(" "), expected);
        }
    }

    #[test]
    fn curves_that_end_alike_share_a_chart() {
        let mut history = History::default();
        let names = [
            "step.loss",
            "train.loss",
            "learning_rate.g",
            "learning_rate.d",
            "seconds",
            "valid.loss",
            "valid.f1",
            "score",
        ];
        names.iter().for_each(|name| history.push(name, 1, 0.5));
        let found = charts(&history);
        let shown: Vec<String> = (found.iter())
            .map(|chart| {
                let lines: Vec<&str> = chart.lines.iter().map(|line| line.name.as_str()).collect();
                format!("{}: {}", chart.title, lines.join(", "))
            })
            .collect();
        assert_eq!(
            shown,
            ["loss: each step, training, validation", "f1: validation", "score: ", "learning_rate: g, d", "seconds: "]
        );
    }

    #[test]
    fn many_points_keep_their_peaks() {
        let points: Vec<Point> = (0..100_000)
            .map(|step| Point { step, value: if step == 77_777 { 9.0 } else { (step % 7) as f64 } })
            .collect();
        let kept = thinned(&points);
        assert!(kept.len() <= 2 * BUCKETS + 2, "{}", kept.len());
        assert!(kept.iter().any(|point| point.value == 9.0 && point.step == 77_777));
        assert!(kept.is_sorted_by_key(|point| point.step));
        assert_eq!(thinned(&points[..5]).len(), 5);
    }
}
