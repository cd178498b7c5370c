//! The first stage: cuts a graph at its exchanges. What is added up over the shards of a batch becomes an output, and the
//! sum an input, so that whoever runs the plan can bring both together between two calls:
//!
//! ```text
//!   %7 = exchange(%6)        output exchange.3.given = %6
//!   %8 = mul(%7, %2)         %7 = input exchange.3.taken
//!                            %8 = mul(%7, %2)
//! ```
//!
//! It knows graphs alone. From the names, which outlast all passes, it knows an exchange again.

use std::borrow::Cow;

use kiln_graph::op::Op;
use kiln_graph::{Graph, Input, Operands, Output, Role};

/// An exchange of a graph that is cut: its number, the output that is handed over, and the input that takes the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exchanged {
    pub number: u32,
    pub output: usize,
    pub input: usize,
}

/// What names of inputs and outputs begin with that belong to exchanges.
pub const EXCHANGE: &str = "exchange.";

/// The graph, cut.
pub fn split(graph: &Graph) -> Cow<'_, Graph> {
    let mut result = Cow::Borrowed(graph);
    for id in graph.ids() {
        let node = graph.node(id);
        let Op::Exchange { number } = node.op else { continue };
        let result = result.to_mut();
        result.outputs.push(Output { name: format!("{EXCHANGE}{number}.given"), node: node.inputs[0] });
        result.inputs.push(Input { name: format!("{EXCHANGE}{number}.taken"), role: Role::Data, node: id });
        let node = &mut result.nodes[id.index()];
        (node.op, node.inputs) = (Op::Input, Operands::new());
    }
    result
}

/// The exchanges at which a graph was cut, in the order of their numbers.
pub fn exchanges(graph: &Graph) -> Vec<Exchanged> {
    let number = |name: &str, end: &str| name.strip_prefix(EXCHANGE)?.strip_suffix(end)?.parse().ok();
    let mut exchanges = Vec::new();
    for (output, given) in graph.outputs.iter().enumerate() {
        let Some(of) = number(&given.name, ".given") else { continue };
        let input = graph.inputs.iter().position(|input| number(&input.name, ".taken") == Some(of));
        exchanges.push(Exchanged { number: of, output, input: input.expect("what is given is taken") });
    }
    exchanges.sort_unstable();
    exchanges
}

/// For each node how many exchanges, one after the other, it waits for.
pub fn levels(graph: &Graph, exchanges: &[Exchanged]) -> Vec<u32> {
    let mut levels = vec![0; graph.nodes.len()];
    // An output may stand behind the input that takes it: each walk brings one level more.
    loop {
        let mut changed = false;
        for &Exchanged { output, input, .. } in exchanges {
            let level = levels[graph.outputs[output].node.index()] + 1;
            let taken = &mut levels[graph.inputs[input].node.index()];
            changed |= *taken != level;
            *taken = level;
        }
        if !changed {
            return levels;
        }
        for id in graph.ids() {
            let of_operands = graph.node(id).inputs.iter().map(|operand| levels[operand.index()]).max();
            let level = &mut levels[id.index()];
            *level = of_operands.unwrap_or(*level);
        }
    }
}

/// For each level whether something of it depends on data, other than through an exchange.
pub fn of_shard(graph: &Graph, exchanges: &[Exchanged]) -> Vec<bool> {
    let levels = levels(graph, exchanges);
    let mut depends = vec![false; graph.nodes.len()];
    for (number, input) in graph.inputs.iter().enumerate() {
        let is_taken = exchanges.iter().any(|exchange| exchange.input == number);
        depends[input.node.index()] = input.role == Role::Data && !is_taken;
    }
    let last = levels.iter().copied().max().unwrap_or(0);
    let mut of_shard = vec![false; last as usize + 1];
    for id in graph.ids() {
        let of_operands = graph.node(id).inputs.iter().any(|operand| depends[operand.index()]);
        depends[id.index()] |= of_operands;
        of_shard[levels[id.index()] as usize] |= depends[id.index()];
    }
    of_shard
}
