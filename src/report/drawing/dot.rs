//! A drawing in the language of Graphviz: `dot -Tsvg step.dot > step.svg`.

use std::fmt::Write as _;

use kiln_graph::Graph;

use super::outline::{Diagram, Item, Kind, Outline};

/// The file's text.
pub fn dot(outline: &Outline, graph: &Graph) -> String {
    let mut text = format!("digraph {} {{\n", quoted(&graph.name));
    text += "  graph [fontname=\"Helvetica\", fontsize=11, compound=true, nodesep=0.3, ranksep=0.35];\n";
    text += "  node [fontname=\"Helvetica\", fontsize=11, shape=box, style=\"rounded,filled\", fillcolor=white, color=\"#64748b\"];\n";
    text += "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#2563eb\", fontcolor=\"#6b7686\"];\n";
    // Boxes with boxes in them are drawn around these, so that no line needs their ports.
    diagram(&mut text, outline, &outline.root, 1);
    text += "}\n";
    text
}

fn diagram(text: &mut String, outline: &Outline, diagram_: &Diagram, depth: usize) {
    let indent = "  ".repeat(depth);
    for &number in &diagram_.items {
        let item = &outline.items[number];
        match &item.inside {
            Some(inside) => {
                // Writing to a String does not fail.
                let _ =
                    writeln!(text, "{indent}subgraph cluster_{number} {{\n{indent}  label={};", quoted(&label(item)));
                let _ = writeln!(text, "{indent}  style=rounded; color=\"#94a3b8\";");
                diagram(text, outline, inside, depth + 1);
                let _ = writeln!(text, "{indent}}}");
            }
            None => {
                let _ = writeln!(text, "{indent}n{number} [label={}{}];", quoted(&label(item)), look(item));
            }
        }
    }
    for edge in &diagram_.edges {
        let (from, to) = (edge.exit.unwrap_or(edge.from), edge.entrance.unwrap_or(edge.to));
        let ends_at_port = matches!(outline.items[to].kind, Kind::Entrance | Kind::Exit);
        let arrow = if ends_at_port { ", arrowhead=none" } else { "" };
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
