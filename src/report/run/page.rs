//! The page of a report: its parts in order, as HTML that needs nothing else. It knows how things look, not where they
//! come from.

use std::fmt::Write as _;

use super::Report;
use super::charts::{chart, charts, words};
use super::facts::Table;
use crate::history::{Curve, History, short};
use crate::metrics::ConfusionMatrix;
use crate::report::text::{escape, thousands};

/// The most rows of the table of epochs; of more an even part is shown.
const EPOCHS: usize = 500;
/// The most classes whose confusion matrix is shown whole; of more the pairs that are most often mistaken.
const CLASSES: usize = 40;
const MISTAKES: usize = 40;

/// The report as one file.
pub fn html(report: &Report) -> String {
    let Report { title, history, facts, confusion } = report;
    let title = escape(title);
    let style = concat!(include_str!("../colours.css"), include_str!("page.css"));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>\n{style}</style></head>\n<body><main>\n\
         <header><h1>{title}</h1></header>\n"
    );
    // Writing to a String does not fail.
    page += "<dl class=\"short\">";
    for [name, value] in overview(history).iter().chain(&facts.short) {
        let _ = write!(page, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    }
    page += "</dl>\n<section class=\"charts\">\n";
    let mut known = Vec::new();
    for (number, one) in charts(history).iter().enumerate() {
        let (html, points) = chart(one, number);
        page += &html;
        known.push(points);
    }
    if known.is_empty() {
        page += "<p class=\"empty\">Nothing was measured yet.</p>";
    }
    page += "</section>\n";
    if let Some(matrix) = confusion.as_ref().filter(|matrix| !matrix.counts().is_empty()) {
        page += &confusion_matrix(matrix);
    }
    for facts in &facts.tables {
        page += &table(facts);
    }
    page += &epochs(history);
    if let Some(graph) = &facts.graph {
        let _ = writeln!(
            page,
            "<section><details><summary><h2>Graph</h2></summary><iframe title=\"The graph\" loading=\"lazy\" srcdoc=\"{}\"></iframe>\
             </details></section>",
            escape(graph)
        );
    }
    // A `<` within a script could end it.
    let known = serde_json::Value::from(known).to_string().replace('<', "\\u003c");
    let script = include_str!("page.js");
    let _ = write!(page, "</main>\n<script>\nconst PLOTS = {known};\n{script}</script>\n</body></html>\n");
    page
}

/// The figures that one looks for first.
fn overview(history: &History) -> Vec<[String; 2]> {
    let of = |name: &str| history.curves().iter().find(|curve| curve.name == name);
    let mut all = Vec::new();
    let epochs = of("seconds").map_or(0, |curve| curve.points.len());
    let steps = history.curves().iter().filter_map(|curve| curve.points.last()).map(|point| point.step).max();
    all.push(["epochs".to_owned(), epochs.to_string()]);
    all.extend(steps.map(|steps| ["steps".to_owned(), thousands(steps)]));
    if let Some(curve) = of("seconds") {
        all.push(["time".to_owned(), time(curve.points.iter().map(|point| point.value).sum())]);
    }
    if let Some(curve) = of("samples_per_second") {
        let mut rates: Vec<f64> = curve.points.iter().map(|point| point.value).collect();
        rates.sort_by(f64::total_cmp);
        all.extend(rates.get(rates.len() / 2).map(|&rate| ["samples a second".to_owned(), thousands(rate as u64)]));
    }
    for curve in history.curves() {
        let Some(figure) = curve.name.strip_prefix("valid.") else { continue };
        let goal = crate::checkpoints::Goal::from(figure);
        let best =
            curve.points.iter().fold(None, |best: Option<f64>, point| match goal.is_better(point.value, best, 0.0) {
                true => Some(point.value),
                false => best,
            });
        all.extend(best.map(|best| [format!("best {}", words(figure)), short(best)]));
    }
    all
}

/// A time in the units that people use.
fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..100 => format!("{seconds:.1} s"),
        100..6000 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// A table of facts; the share of a whole is a bar behind its last column.
fn table(table: &Table) -> String {
    let Table { title, note, texts, head, rows, parts } = table;
    let mut html = format!("<section><h2>{}</h2><div class=\"scroll\"><table><thead><tr>", escape(title));
    let class = |column: usize| if column < *texts { "" } else { " class=\"number\"" };
    for (column, name) in head.iter().enumerate() {
        let _ = write!(html, "<th{}>{}</th>", class(column), escape(name));
    }
    html += if parts.is_empty() { "" } else { "<th></th>" };
    html += "</tr></thead><tbody>";
    for (number, row) in rows.iter().enumerate() {
        html += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(html, "<td{}>{}</td>", class(column), escape(cell));
        }
        if let Some(part) = parts.get(number) {
            let part = 100.0 * part.clamp(0.0, 1.0);
            let _ = write!(html, "<td class=\"share\"><span style=\"--part:{part:.1}%\"></span>{part:.1} %</td>");
        }
        html += "</tr>";
    }
    let _ = writeln!(html, "</tbody></table></div><p class=\"note\">{}</p></section>", escape(note));
    html
}

/// Each epoch's figures, as numbers.
fn epochs(history: &History) -> String {
    let of_epochs = |curve: &&Curve| !curve.name.starts_with("step.") && !curve.points.is_empty();
    let columns: Vec<&Curve> = history.curves().iter().filter(of_epochs).collect();
    let mut steps: Vec<u64> = columns.iter().flat_map(|curve| curve.points.iter().map(|point| point.step)).collect();
    steps.sort_unstable();
    steps.dedup();
    if steps.is_empty() {
        return String::new();
    }
    let every = steps.len().div_ceil(EPOCHS);
    let mut html = "<section><details><summary><h2>Epochs</h2></summary><div class=\"scroll tall\"><table><thead><tr>\
                    <th class=\"number\">epoch</th><th class=\"number\">step</th>"
        .to_owned();
    for curve in &columns {
        let _ = write!(html, "<th class=\"number\">{}</th>", escape(&curve.name));
    }
    html += "</tr></thead><tbody>";
    for (number, step) in steps.iter().enumerate() {
        if number % every != 0 && number + 1 != steps.len() {
            continue;
        }
        let _ = write!(html, "<tr><td class=\"number\">{}</td><td class=\"number\">{step}</td>", number + 1);
        for curve in &columns {
            let found = curve.points.binary_search_by_key(step, |point| point.step).ok();
            let text = found.map_or(String::new(), |at| short(curve.points[at].value));
            let _ = write!(html, "<td class=\"number\">{text}</td>");
        }
        html += "</tr>";
    }
    html += "</tbody></table></div></details></section>\n";
    html
}

/// How many samples of each class were taken for each; the deeper a cell, the larger its part of the row.
fn confusion_matrix(matrix: &ConfusionMatrix) -> String {
    let counts = matrix.counts();
    let classes = counts.nrows();
    let mut html = "<section><h2>Confusion matrix</h2>".to_owned();
    if classes > CLASSES {
        let wrong = counts.indexed_iter().filter(|&((class, taken), &count)| class != taken && count > 0);
        let mut wrong: Vec<_> = wrong.collect();
        wrong.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
        let rows = wrong.iter().take(MISTAKES).map(|&((class, taken), &count)| {
            vec![
                matrix.class_name(class),
                matrix.class_name(taken),
                thousands(count),
                thousands(counts.row(class).sum()),
            ]
        });
        let shown = Table {
            title: "Most often mistaken".to_owned(),
            note: format!("Of {classes} classes, in the last validation."),
            texts: 2,
            head: ["class", "taken for", "times", "of"].map(str::to_owned).into(),
            rows: rows.collect(),
            parts: Vec::new(),
        };
        return table(&shown);
    }
    html += "<div class=\"scroll\"><table class=\"confusion\"><thead><tr><th>true, taken for</th>";
    for class in 0..classes {
        let _ = write!(html, "<th class=\"number\">{}</th>", escape(&matrix.class_name(class)));
    }
    html += "<th class=\"number\">recall</th></tr></thead><tbody>";
    for (class, row) in counts.rows().into_iter().enumerate() {
        let all = row.sum();
        let name = escape(&matrix.class_name(class));
        let _ = write!(html, "<tr><th>{name}</th>");
        for (taken, &count) in row.iter().enumerate() {
            let part = if all == 0 { 0.0 } else { 100.0 * count as f64 / all as f64 };
            let right = match class == taken {
                true => "right",
                false if count > 0 => "wrong",
                false => "none",
            };
            let deep = if part > 55.0 { " deep" } else { "" };
            let text = if count == 0 { "·".to_owned() } else { thousands(count) };
            let _ = write!(
                html,
                "<td class=\"{right}{deep}\" style=\"--part:{part:.0}%\" title=\"{name} taken for {}: {count} of {all}\">{text}</td>",
                escape(&matrix.class_name(taken))
            );
        }
        let recall =
            if all == 0 { "–".to_owned() } else { format!("{:.1} %", 100.0 * row[class] as f64 / all as f64) };
        let _ = write!(html, "<td class=\"number\">{recall}</td></tr>");
    }
    html += "</tbody></table></div><p class=\"note\">A row is a true class, a column what its samples were taken for, in the last \
             validation.</p></section>\n";
    html
}
