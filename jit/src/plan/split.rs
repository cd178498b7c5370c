//! The first stage: cuts a graph at its exchanges. What is added up over the shards of a batch becomes an output, and
//! the sum an input, so that whoever runs the plan can bring both together between two calls:
//!
//! ```text
//!   %7 = exchange(%6)        output exchange.3.given = %6
//!   %8 = mul(%7, %2)         %7 = input exchange.3.taken
//!                            %8 = mul(%7, %2)
//! ```
//!
//! Of exchanges that take place where a flag is true, the flag is an output, too: one for all that have the same.
//!
//! It knows graphs alone. From the names, which outlast all passes, it knows an exchange again.

use std::borrow::Cow;

use kiln_graph::op::Op;
use kiln_graph::{Graph, Input, NodeId, Operands, Output, Role};

/// An exchange of a graph that is cut: its number, the output that is handed over, the input that takes the sum, and the
/// output that says whether it takes place, where it does not always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exchanged {
    pub number: u32,
    pub output: usize,
    pub input: usize,
    pub when: Option<usize>,
}

/// What names of inputs and outputs begin with that belong to exchanges.
pub const EXCHANGE: &str = "exchange.";

/// The graph, cut.
pub fn split(graph: &Graph) -> Cow<'_, Graph> {
    let mut result = Cow::Borrowed(graph);
    let mut flags: Vec<(NodeId, u32)> = Vec::new();
    for id in graph.ids() {
        let node = graph.node(id);
        let Op::Exchange { number } = node.op else { continue };
        let result = result.to_mut();
        let mut given = format!("{EXCHANGE}{number}.given");
        if let Some(&when) = node.inputs.get(1) {
            let known = flags.iter().find(|(flag, _)| *flag == when).map(|(_, first)| *first);
            let first = known.unwrap_or(number);
            if known.is_none() {
                flags.push((when, first));
                result.outputs.push(Output { name: format!("{EXCHANGE}{first}.when"), node: when });
            }
            given = format!("{EXCHANGE}{number}.{first}.given");
        }
        result.outputs.push(Output { name: given, node: node.inputs[0] });
        result.inputs.push(Input::new(format!("{EXCHANGE}{number}.taken"), Role::Data, id));
        let node = &mut result.nodes[id.index()];
        (node.op, node.inputs) = (Op::Input, Operands::new());
    }
    result
}

/// The exchanges at which a graph was cut, in the order of their numbers.
pub fn exchanges(graph: &Graph) -> Vec<Exchanged> {
    let place = |name: String| graph.outputs.iter().position(|output| output.name == name);
    let mut exchanges = Vec::new();
    for (output, given) in graph.outputs.iter().enumerate() {
        let numbers = given.name.strip_prefix(EXCHANGE).and_then(|name| name.strip_suffix(".given"));
        let Some(numbers) = numbers else { continue };
        let (number, first) = match numbers.split_once('.') {
            Some((number, first)) => (number, Some(first)),
            None => (numbers, None),
        };
        let Ok(of) = number.parse() else { continue };
        let taken = format!("{EXCHANGE}{number}.taken");
        let input = graph.inputs.iter().position(|input| input.name == taken);
        let when = first.map(|first| place(format!("{EXCHANGE}{first}.when")).expect("the flag is an output"));
        exchanges.push(Exchanged { number: of, output, input: input.expect("what is given is taken"), when });
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

/// What depends on data other than through an exchange: all else is the same in the programs of all shards.
pub struct OfShard {
    /// For each level whether something of it does.
    pub levels: Vec<bool>,
    /// The states that do, by their inputs' numbers: each shard has its own value of them.
    pub states: Vec<usize>,
}

/// What depends on a shard's data.
pub fn of_shard(graph: &Graph, exchanges: &[Exchanged]) -> OfShard {
    let levels = levels(graph, exchanges);
    let mut states: Vec<usize> = Vec::new();
    // A state that depends on data brings what reads it in the next run: each walk may find more.
    loop {
        let mut depends = vec![false; graph.nodes.len()];
        for (number, input) in graph.inputs.iter().enumerate() {
            let is_taken = exchanges.iter().any(|exchange| exchange.input == number);
            depends[input.node.index()] = match input.role {
                Role::Data => !is_taken && !input.common,
                Role::State => !exchanges.is_empty() && states.contains(&number),
            };
        }
        let last = levels.iter().copied().max().unwrap_or(0);
        let mut of_levels = vec![false; last as usize + 1];
        for id in graph.ids() {
            let of_operands = graph.node(id).inputs.iter().any(|operand| depends[operand.index()]);
            depends[id.index()] |= of_operands;
            of_levels[levels[id.index()] as usize] |= depends[id.index()];
        }
        let dependent = graph.updates.iter().filter(|update| depends[update.node.index()]);
        let found: Vec<usize> =
            if exchanges.is_empty() { Vec::new() } else { dependent.map(|update| update.input).collect() };
        if found == states {
            return OfShard { levels: of_levels, states };
        }
        states = found;
    }
}
