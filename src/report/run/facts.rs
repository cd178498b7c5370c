//! What a report says of a model beside figures: tables, short facts, a drawing. As JSON, too, so that they can lie
//! beside a log. How they look is `page.rs`'s.

use kiln_graph::{Graph, Stage};
use serde_json::{Value, json};

use super::super::text::{places, si, thousands};
use super::super::{Profile, Summary};
use crate::plan::Plan;

/// What a report says of a model.
#[doc(hidden)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// A name and a number, short.
    pub(super) short: Vec<[String; 2]>,
    pub(super) tables: Vec<Table>,
    /// The page of a drawing.
    pub(super) graph: Option<String>,
    /// The names of its parameters, and the graph of a step: for logs, and not kept as JSON.
    pub(crate) parameters: Vec<String>,
    pub(crate) program: Option<Graph>,
}

/// A table, whose first columns are texts and whose others are numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub title: String,
    /// What stands below.
    pub note: String,
    /// How many columns are texts.
    pub texts: usize,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// The part of a whole that each row is, which is drawn; or nothing.
    pub parts: Vec<f64>,
}

/// The most kernels of a profile that have a row.
const KERNELS: usize = 30;

impl Facts {
    pub(crate) fn add_summary(&mut self, summary: &Summary) {
        let rows = summary.layers.iter().map(|row| {
            let frozen = if row.frozen > 0 { ", frozen" } else { "" };
            let [parameters, flops] = [row.parameters as u64, row.flops].map(thousands);
            vec![row.name.clone(), format!("{}{frozen}", row.layer), row.output.to_string(), parameters, flops]
        });
        let [parameters, frozen] = [summary.parameters(), summary.frozen()].map(|count| thousands(count as u64));
        self.replace(Table {
            title: "Layers".to_owned(),
            note: format!(
                "{parameters} parameters, {frozen} of them frozen; {}FLOP for a sample forward.",
                si(summary.flops())
            ),
            texts: 3,
            head: ["layer", "", "output", "parameters", "FLOP / sample"].map(str::to_owned).into(),
            rows: rows.collect(),
            parts: Vec::new(),
        });
        self.short.push(["parameters".to_owned(), si(summary.parameters() as u64).trim_end().to_owned()]);
    }

    pub(crate) fn add_plan(&mut self, plan: &Plan) {
        let pieces = [
            ("parameters, statistics and what the optimizer keeps", plan.state_bytes()),
            ("values in between, their places shared", plan.arena_bytes),
        ];
        let whole = plan.peak_bytes().max(1) as f64;
        self.replace(Table {
            title: "Memory".to_owned(),
            note: format!(
                "Of the program \"{}\": {}B together, planned before the first step; {} kernel calls, {}FLOP, {}B moved in a run.",
                plan.name,
                si(plan.peak_bytes() as u64),
                plan.calls.len(),
                si(plan.flops()),
                si(plan.bytes())
            ),
            texts: 1,
            head: ["what", "bytes"].map(str::to_owned).into(),
            rows: pieces.iter().map(|&(name, bytes)| vec![name.to_owned(), thousands(bytes as u64)]).collect(),
            parts: pieces.iter().map(|&(_, bytes)| bytes as f64 / whole).collect(),
        });
        self.short.push(["memory".to_owned(), format!("{}B", si(plan.peak_bytes() as u64))]);
    }

    pub(crate) fn add_profile(&mut self, profile: &Profile) {
        let mut rows: Vec<_> = profile.rows.iter().collect();
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        let total = profile.seconds.max(f64::MIN_POSITIVE);
        let left = rows.len().saturating_sub(KERNELS);
        let left_seconds: f64 = rows[rows.len() - left..].iter().map(|row| row.seconds).sum();
        rows.truncate(KERNELS);
        let stage = |stage| match stage {
            Stage::Forward => "forward",
            Stage::Backward => "backward",
            Stage::Update => "update",
        };
        let mut note = format!(
            "\"{}\" on {} threads: {:.1} us in the shortest of {} runs; \"limit\" is the part of what the machine can do at most.",
            profile.name,
            profile.threads,
            1e6 * profile.seconds,
            profile.runs
        );
        if left > 0 {
            note += &format!(" {left} shorter kernels take {:.1} us.", 1e6 * left_seconds);
        }
        self.replace(Table {
            title: "Profile".to_owned(),
            note,
            texts: 3,
            head: ["kernel", "source", "stage", "us", "FLOP", "bytes", "limit"].map(str::to_owned).into(),
            rows: (rows.iter())
                .map(|row| {
                    vec![
                        row.name.clone(),
                        places(&row.lines),
                        stage(row.stage).to_owned(),
                        format!("{:.1}", 1e6 * row.seconds),
                        si(row.flops).trim_end().to_owned(),
                        si(row.bytes).trim_end().to_owned(),
                        format!("{:.0} %", 100.0 * row.limit),
                    ]
                })
                .collect(),
            parts: rows.iter().map(|row| row.seconds / total).collect(),
        });
    }

    pub(crate) fn set_graph(&mut self, page: String) {
        self.graph = Some(page);
    }

    fn replace(&mut self, table: Table) {
        self.tables.retain(|other| other.title != table.title);
        self.tables.push(table);
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Facts::default()
    }

    pub(crate) fn to_json(&self) -> Value {
        let table = |table: &Table| {
            let Table { title, note, texts, head, rows, parts } = table;
            json!({ "title": title, "note": note, "texts": texts, "head": head, "rows": rows, "parts": parts })
        };
        let tables: Vec<Value> = self.tables.iter().map(table).collect();
        json!({ "short": self.short, "tables": tables, "graph": self.graph })
    }

    /// What [`Facts::to_json`] gave; what is not of this form is left out.
    pub(crate) fn of_json(value: &Value) -> Facts {
        fn list<T>(value: &Value, of: impl Fn(&Value) -> Option<T>) -> Vec<T> {
            value.as_array().into_iter().flatten().filter_map(of).collect()
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let table = |value: &Value| {
            Some(Table {
                title: text(&value["title"])?,
                note: text(&value["note"])?,
                texts: usize::try_from(value["texts"].as_u64()?).ok()?,
                head: list(&value["head"], text),
                rows: list(&value["rows"], |row| Some(list(row, text))),
                parts: list(&value["parts"], Value::as_f64),
            })
        };
        Facts {
            short: list(&value["short"], |pair| Some([text(&pair[0])?, text(&pair[1])?])),
            tables: list(&value["tables"], table),
            graph: text(&value["graph"]),
            parameters: Vec::new(),
            program: None,
        }
    }
}
