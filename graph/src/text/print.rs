//! Printing graphs. Prints broken graphs too, for the verifier's messages: an operand that does not exist is `%?7`.
//! Attributes it knows by `op/table.rs` alone.

use std::fmt::{self, Write};
use std::ops::RangeInclusive;

use super::{Place, is_handle, is_label, is_word};
use rustc_hash::FxHashSet;

use crate::graph::{Graph, NodeId, Role, Scope};
use crate::op::Op;
use crate::op::table::{Attributes, attributes};
use crate::shape::DType;

/// A header longer than this has one input a line.
const WIDTH: usize = 120;

/// The graph as text, ending with a newline.
pub fn print(graph: &Graph) -> String {
    lines(graph).into_iter().fold(String::new(), |text, (_, line)| text + &line + "\n")
}

/// The graph as text, with `# error: MESSAGE` at the end of the line that says what is at `place`.
pub fn annotate(graph: &Graph, place: Place, message: &str) -> String {
    let lines = lines(graph);
    let guilty = lines.iter().position(|&(at, _)| at == place).unwrap_or(0);
    let mut text = String::new();
    for (number, (_, line)) in lines.iter().enumerate() {
        text += line;
        if number == guilty {
            text += "  # error: ";
            text += message;
        }
        text += "\n";
    }
    text
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(self))
    }
}

fn lines(graph: &Graph) -> Vec<(Place, String)> {
    let names = Names::new(graph);
    let mut lines = header(graph, &names);
    for (number, body) in graph.bodies.iter().enumerate() {
        lines.extend(self::lines(body).into_iter().map(|(_, line)| (Place::Body(number), format!("  {line}"))));
    }
    for id in graph.ids().filter(|id| !names.is_input[id.index()]) {
        lines.push((Place::Node(id), names.node_line(graph, id)));
    }
    for (index, update) in graph.updates.iter().enumerate() {
        let state = names.inputs.get(update.input).map_or(format!("%?{}", update.input), String::clone);
        lines.push((Place::Update(index), format!("  update {state} = {}", names.of(update.node))));
    }
    let outputs = graph.outputs.iter().enumerate().map(|(position, output)| {
        let value = names.of(output.node);
        if output.name == position.to_string() {
            value
        } else if is_word(&output.name) {
            format!("{}={value}", output.name)
        } else {
            format!("{:?}={value}", output.name)
        }
    });
    lines.push((Place::Return, format!("  return {}", outputs.collect::<Vec<_>>().join(", ")).trim_end().to_string()));
    lines.push((Place::End, "}".to_string()));
    lines
}

fn header(graph: &Graph, names: &Names) -> Vec<(Place, String)> {
    let name = if is_word(&graph.name) { graph.name.clone() } else { format!("{:?}", graph.name) };
    let inputs: Vec<String> = graph
        .inputs
        .iter()
        .zip(&names.inputs)
        .map(|(input, handle)| {
            let role = match input.role {
                Role::Data if input.common => "common ",
                Role::Data => "",
                Role::State => "state ",
            };
            let quoted = if handle[1..] == input.name { String::new() } else { format!(" {:?}", input.name) };
            let ty = graph.nodes.get(input.node.index()).map_or("?".to_string(), |node| node.ty.to_string());
            format!("{role}{handle}{quoted}: {ty}")
        })
        .collect();
    let line = format!("graph {name}({}) {{", inputs.join(", "));
    if line.len() <= WIDTH {
        return vec![(Place::Header, line)];
    }
    let mut lines = vec![(Place::Header, format!("graph {name}("))];
    lines.extend(inputs.into_iter().enumerate().map(|(index, input)| (Place::Input(index), format!("  {input},"))));
    lines.push((Place::End, ") {".to_string()));
    lines
}

/// What each node and input is called.
struct Names {
    nodes: Vec<String>,
    inputs: Vec<String>,
    is_input: Vec<bool>,
}

impl Names {
    fn new(graph: &Graph) -> Names {
        let mut nodes = vec![String::new(); graph.nodes.len()];
        let mut is_input = vec![false; graph.nodes.len()];
        let mut inputs: Vec<String> = Vec::new();
        let mut taken: FxHashSet<String> = FxHashSet::default();
        for (index, input) in graph.inputs.iter().enumerate() {
            let mut handle = format!("%{}", input.name);
            let mut plain = is_handle(&input.name);
            while !plain || !taken.insert(handle.clone()) {
                let last = if plain { handle + "_" } else { format!("%input{index}") };
                (handle, plain) = (last, true);
            }
            if let Some(name) = nodes.get_mut(input.node.index()) {
                name.clone_from(&handle);
                is_input[input.node.index()] = true;
            }
            inputs.push(handle);
        }
        let unnamed = nodes.iter_mut().zip(&is_input).filter(|&(_, &is_input)| !is_input);
        for (number, (name, _)) in unnamed.enumerate() {
            *name = format!("%{number}");
        }
        Names { nodes, inputs, is_input }
    }

    fn of(&self, id: NodeId) -> String {
        self.nodes.get(id.index()).map_or(format!("%?{}", id.0), String::clone)
    }

    fn node_line(&self, graph: &Graph, id: NodeId) -> String {
        let node = graph.node(id);
        let mut line = format!("  {}: {} = {}", self.of(id), node.ty, node.op.mnemonic());
        for (position, &operand) in node.inputs.iter().enumerate() {
            line += if position == 0 { " " } else { ", " };
            line += &self.of(operand);
        }
        line += &written_attributes(&node.op, node.ty.shape.rank());
        match graph.scopes.get(node.scope as usize) {
            None => line += &format!(" @?{}", node.scope),
            Some(Scope { layer, .. }) if layer.is_empty() => {}
            Some(Scope { layer, .. }) if is_label(layer) => line += &format!(" @{layer}"),
            Some(Scope { layer, .. }) => line += &format!(" @{layer:?}"),
        }
        line
    }
}

/// An operation with its attributes, for a result of the given rank: `sum {axes=[1]}`.
pub fn operation(op: &Op, rank: usize) -> String {
    op.mnemonic().to_owned() + &written_attributes(op, rank)
}

/// ` {axes=[1]}`, or the value of a constant.
fn written_attributes(op: &Op, rank: usize) -> String {
    let mut writer = Writer::default();
    attributes(&mut op.clone(), rank, &mut writer);
    match (writer.literal, writer.named.is_empty()) {
        (Some(literal), _) => format!(" {literal}"),
        (None, true) => String::new(),
        (None, false) => format!(" {{{}}}", writer.named),
    }
}

#[derive(Default)]
struct Writer {
    literal: Option<String>,
    named: String,
}

impl Writer {
    fn named(&mut self, name: &str, value: impl fmt::Display) {
        let comma = if self.named.is_empty() { "" } else { ", " };
        write!(self.named, "{comma}{name}={value}").expect("strings take any text");
    }
}

impl Attributes for Writer {
    fn scalar(&mut self, value: &mut f64) {
        self.literal = Some(literal(*value));
    }

    fn number(&mut self, name: &'static str, value: &mut u64, _most: u64) {
        self.named(name, value);
    }

    fn flag(&mut self, name: &'static str, value: &mut bool) {
        self.named(name, value);
    }

    fn dtype(&mut self, name: &'static str, value: &mut DType) {
        self.named(name, value);
    }

    fn list(&mut self, name: &'static str, values: &mut Vec<usize>, _length: RangeInclusive<usize>, _below: usize) {
        let values: Vec<String> = values.iter().map(usize::to_string).collect();
        self.named(name, format_args!("[{}]", values.join(",")));
    }
}

/// The shortest text that reads back as the same bits.
fn literal(value: f64) -> String {
    if value.is_nan() {
        let usual = value.to_bits() == f64::NAN.to_bits();
        return if usual { "nan".to_string() } else { format!("nan.{:x}", value.to_bits()) };
    }
    let text = format!("{value:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}
