//! Weights of recurrent layers: ONNX has those of all directions in one tensor, with gates in its own order; files of
//! weights have PyTorch's. It knows names and bytes.

use kiln_onnx::proto::{GraphProto, NodeProto};
use kiln_onnx::write::gates_of;

/// A tensor of PyTorch's as a part of one of an ONNX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `lstm.weight_ih_l0_reverse`.
    pub name: String,
    /// `lstm.W_l0`.
    pub within: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How many elements lie before it.
    pub start: usize,
    /// The gates in the file's order, by their places in PyTorch's.
    pub gates: &'static [usize],
}

impl Part {
    /// The bytes as the file has them.
    pub fn in_order(&self, bytes: &[u8]) -> Vec<u8> {
        let gate = bytes.len() / self.gates.len();
        self.gates.iter().flat_map(|&place| &bytes[place * gate..(place + 1) * gate]).copied().collect()
    }
}

/// The parts of all recurrent layers whose tensors are called as Kiln's writer does: `W_l0`, `R_l0`, `B_l0`.
pub fn parts(graph: &GraphProto) -> Vec<Part> {
    graph.node.iter().flat_map(|node| of_node(graph, node)).collect()
}

fn of_node(graph: &GraphProto, node: &NodeProto) -> Vec<Part> {
    let Some(gates) = gates_of(node.op_type()) else { return Vec::new() };
    let mut parts = Vec::new();
    for (input, letter, words) in
        [(1, "W", &["weight_ih"][..]), (2, "R", &["weight_hh"]), (3, "B", &["bias_ih", "bias_hh"])]
    {
        let Some(within) = node.input.get(input) else { continue };
        let (layer, own) = within.rsplit_once('.').map_or(("", within.as_str()), |(layer, own)| (layer, own));
        let number = own.strip_prefix(letter).and_then(|rest| rest.strip_prefix("_l"));
        let Some(number) = number.filter(|number| number.parse::<usize>().is_ok()) else { continue };
        let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.name() == within) else { continue };
        let dims: Vec<usize> = tensor.dims.iter().map(|&extent| usize::try_from(extent).unwrap_or(0)).collect();
        let [directions, ref rest @ ..] = dims[..] else { continue };
        let rows = rest.first().copied().unwrap_or(0) / words.len();
        let axes = if letter == "B" { 2 } else { 3 };
        if rows == 0 || !rows.is_multiple_of(gates.len()) || directions > 2 || dims.len() != axes {
            continue;
        }
        let shape: Vec<usize> = std::iter::once(rows).chain(rest[1..].iter().copied()).collect();
        // Files are hostile: of more elements than can be, there are no parts.
        let count = shape.iter().try_fold(1, |count: usize, &extent| count.checked_mul(extent));
        let Some(count) = count.filter(|count| count.checked_mul(2 * words.len()).is_some()) else { continue };
        for direction in 0..directions {
            for (place, word) in words.iter().enumerate() {
                let before = if layer.is_empty() { String::new() } else { format!("{layer}.") };
                let behind = if direction == 1 { "_reverse" } else { "" };
                parts.push(Part {
                    name: format!("{before}{word}_l{number}{behind}"),
                    within: within.clone(),
                    shape: shape.clone(),
                    start: (direction * words.len() + place) * count,
                    gates,
                });
            }
        }
    }
    parts
}
