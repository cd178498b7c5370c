//! A drawing in the language of Graphviz: `dot -Tsvg step.dot > step.svg`. Where boxes stand is Graphviz's to find.

use std::fmt::Write as _;

use kiln_graph::Graph;

use super::outline::{Diagram, Item, Kind, Outline, is_port};

/// The file's text.
pub fn dot(outline: &Outline, graph: &Graph) -> String {
    let mut text = format!("digraph {} {{\n", quoted(&graph.name));
    text += "  graph [fontname=\"Helvetica\", fontsize=11, compound=true, nodesep=0.3, ranksep=0.35];\n";
    text += "  node [fontname=\"Helvetica\", fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=white, color=\"#64748b\"];\n";
    text += "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#2563eb\", fontcolor=\"#6b7686\"];\n";
    // Boxes with boxes in them are drawn around these, so that no line needs their ports.
    boxes(&mut text, outline);
    text += "}\n";
    text
}

/// What is still to be written.
enum Pending<'a> {
    /// An item within so many boxes.
    Item(usize, usize),
    /// The end of a box.
    End(usize),
    /// The values that pass between boxes.
    Edges(&'a Diagram, usize),
}

fn boxes(text: &mut String, outline: &Outline) {
    // The next last: boxes lie within boxes to any depth.
    let mut open = Vec::new();
    begin(&mut open, &outline.root, 1);
    while let Some(next) = open.pop() {
        match next {
            Pending::Item(number, depth) => {
                let (item, indent) = (&outline.items[number], "  ".repeat(depth));
                // Writing to a String does not fail.
                let _ = match &item.inside {
                    Some(inside) => {
                        open.push(Pending::End(depth));
                        begin(&mut open, inside, depth + 1);
                        let label = quoted(&label(item));
                        let look = "style=rounded; color=\"#94a3b8\";";
                        writeln!(
                            text,
                            "{indent}subgraph cluster_{number} {{\n{indent}  label={label};\n{indent}  {look}"
                        )
                    }
                    None => writeln!(text, "{indent}n{number} [label={}{}];", quoted(&label(item)), look(item)),
                };
            }
            Pending::End(depth) => {
                let _ = writeln!(text, "{}}}", "  ".repeat(depth));
            }
            Pending::Edges(diagram, depth) => edges(text, outline, diagram, depth),
        }
    }
}

fn begin<'a>(open: &mut Vec<Pending<'a>>, diagram: &'a Diagram, depth: usize) {
    open.push(Pending::Edges(diagram, depth));
    open.extend(diagram.items.iter().rev().map(|&item| Pending::Item(item, depth)));
}

fn edges(text: &mut String, outline: &Outline, diagram: &Diagram, depth: usize) {
    let indent = "  ".repeat(depth);
    for edge in &diagram.edges {
        let (from, to) = (edge.exit.unwrap_or(edge.from), edge.entrance.unwrap_or(edge.to));
        let arrow = if is_port(&outline.items[to]) { ", arrowhead=none" } else { "" };
        let _ = writeln!(text, "{indent}n{from} -> n{to} [label={}{arrow}];", quoted(&edge.shape));
        if edge.gradient {
            let _ = writeln!(text, "{indent}n{to} -> n{from} [color=\"#d9480f\", style=dashed, constraint=false];");
        }
    }
}

fn label(item: &Item) -> String {
    let second = if item.kind == Kind::Layer { item.detail.as_str() } else { "" };
    if second.is_empty() { item.title.clone() } else { format!("{}\n{second}", item.title) }
}

fn look(item: &Item) -> &'static str {
    match item.kind {
        Kind::Data | Kind::Result => ", shape=plaintext, fontcolor=\"#0f766e\"",
        Kind::Layer => "",
        Kind::Function => ", color=\"#be185d\"",
        Kind::Operation => ", shape=ellipse",
        Kind::Cut => ", color=\"#d6224a\", fontcolor=\"#d6224a\", style=\"dashed,bold\"",
        Kind::Entrance | Kind::Exit => ", shape=point",
    }
}

/// A string of the language: in quotes, with those within it and backslashes marked; a line break is `\n`.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
