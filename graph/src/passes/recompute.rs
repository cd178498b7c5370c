//! Recomputation (rematerialization): values that are computed early and read late, as a backward pass reads a forward
//! one's, are computed again where they are read late, so that no memory keeps them in between. PyTorch's
//! `torch.utils.checkpoint`, for any values of a graph.
//!
//! Which values those are, the planner decides: it knows what lies in memory. This pass writes the graph. It is exact,
//! as far as the same operations on the same operands are.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::rewrite::rebuilt;
use crate::graph::{Graph, Node, NodeId, Operands};
use crate::op::Family;

/// A graph in which some values are computed twice.
#[derive(Clone, Debug)]
pub struct Recomputed {
    /// The graph.
    pub graph: Graph,
    /// For each of its nodes: 0, or that it is computed again, and how many times the graph had begun to do so before
    /// that. Nodes of one number are made for one reader, each as late as possible.
    pub times: Vec<u32>,
    /// For each of its nodes the one that it is, or is a copy of, in the graph from which it was made.
    pub origins: Vec<NodeId>,
}

/// The graph in which the `dropped` values are computed again for those readers that stand at the given node or behind
/// it, and for all else that is computed again. `stored` are the nodes whose values lie in memory: dropped ones are among
/// them, the others are computed wherever they are read. Inputs lie in memory from the start.
///
/// Each dropped value is computed again once, right before the first of its late readers, from values in memory or from
/// others that are computed again; those that lie in memory are needed until then.
pub fn recompute(graph: &Graph, stored: &[bool], dropped: &BTreeMap<NodeId, NodeId>) -> Recomputed {
    // before:  a = f(x)   b = g(a)   ..   d = h(a, ..)        a lies in memory all the time
    // after:   a = f(x)   b = g(a)   ..   a' = f(x)   d = h(a', ..)
    let mut copies = Copies {
        from: graph,
        stored,
        dropped,
        again: FxHashMap::default(),
        copies: FxHashMap::default(),
        of_nodes: Vec::new(),
        time: 0,
    };
    let recomputed = rebuilt(graph, |result, places, id| {
        let node = graph.node(id);
        let begun = copies.time;
        copies.time = begun + 1;
        let made = result.nodes.len();
        // What is computed where it is read is copied with its readers, and stays as it is for the others.
        let of = |&operand: &NodeId| match stored[id.index()] {
            true => copies.resolve(result, places, operand, id),
            false => places[operand.index()],
        };
        let inputs: Operands = node.inputs.iter().map(of).collect();
        // A number is taken only where something was copied.
        if result.nodes.len() == made {
            copies.time = begun;
        }
        let place = result.push(Node { inputs, ..node.clone() });
        copies.of_nodes.push((0, id));
        place
    });
    let (times, origins) = copies.of_nodes.into_iter().unzip();
    Recomputed { graph: recomputed, times, origins }
}

struct Copies<'a> {
    from: &'a Graph,
    stored: &'a [bool],
    dropped: &'a BTreeMap<NodeId, NodeId>,
    /// The copies of dropped values.
    again: FxHashMap<NodeId, NodeId>,
    /// By a node, the operands of its copy, and the time for which it is made: that copy.
    copies: FxHashMap<(NodeId, Operands, u32), NodeId>,
    /// Of each node of the new graph: its number, and its origin.
    of_nodes: Vec<(u32, NodeId)>,
    time: u32,
}

impl Copies<'_> {
    /// What stands for a value where a reader reads it: the value itself, or a copy.
    fn resolve(&mut self, result: &mut Graph, places: &[NodeId], id: NodeId, reader: NodeId) -> NodeId {
        // Values with the question whether they are read for a copy of a dropped one, for which all dropped ones are
        // computed again. A list and no recursion: chains of them may be as long as a network is deep.
        let mut open = vec![(id, false)];
        let mut done: FxHashMap<(NodeId, bool), NodeId> = FxHashMap::default();
        while let Some(&(next, for_copy)) = open.last() {
            let node = self.from.node(next);
            let is_dropped = self.dropped.get(&next).is_some_and(|&from| for_copy || from <= reader);
            if done.contains_key(&(next, for_copy)) {
                open.pop();
                continue;
            }
            let known = match is_dropped {
                true => self.again.get(&next).copied(),
                false => {
                    (node.op.family() == Family::Source || self.stored[next.index()]).then(|| places[next.index()])
                }
            };
            if let Some(place) = known {
                done.insert((next, for_copy), place);
                open.pop();
                continue;
            }
            let before = open.len();
            let operands = node.inputs.iter().map(|&operand| (operand, for_copy || is_dropped));
            open.extend(operands.clone().filter(|operand| !done.contains_key(operand)));
            if open.len() > before {
                continue;
            }
            open.pop();
            let inputs: Operands = operands.map(|operand| done[&operand]).collect();
            let is_same = node.inputs.iter().zip(&inputs).all(|(operand, &place)| places[operand.index()] == place);
            // What a copy is computed from where it is computed is copied in any case: two users of the original, one of
            // them early, would let it lie in memory.
            let place = match is_same && !is_dropped && !for_copy {
                true => places[next.index()],
                false => self.copy(result, next, inputs),
            };
            if is_dropped {
                self.again.insert(next, place);
            }
            done.insert((next, for_copy), place);
        }
        done[&(id, false)]
    }

    /// The copy of a node over operands of the new graph, one for each time.
    fn copy(&mut self, result: &mut Graph, id: NodeId, inputs: Operands) -> NodeId {
        let key = (id, inputs.clone(), self.time);
        if let Some(&copy) = self.copies.get(&key) {
            return copy;
        }
        let copy = result.push(Node { inputs, ..self.from.node(id).clone() });
        self.of_nodes.push((self.time, id));
        self.copies.insert(key, copy);
        copy
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::build::Builder;
    use crate::interpret::{Tensor, interpret};
    use crate::op::{Op, UnaryOp};

    /// `h1 = tanh(x)`, `h2 = tanh(h1)`, .., and behind all of them the product of the last one with each, the last one
    /// first, as a backward pass would read them.
    fn chain(depth: usize) -> (Graph, Vec<NodeId>) {
        let g = Builder::new("chain");
        let x = g.input("x", [4]);
        let mut values = vec![x.tanh()];
        for _ in 1..depth {
            values.push(values[values.len() - 1].tanh());
        }
        let mut product = values[depth - 1];
        for value in values.iter().rev() {
            product = product * *value;
        }
        g.output("product", product);
        let graph = g.finish().expect("a graph");
        let ids = graph.ids().filter(|id| graph.node(*id).op == Op::Unary(UnaryOp::Tanh)).collect();
        (graph, ids)
    }

    /// At which time each copy is made, where the values of such numbers are dropped; results stay the same.
    fn check(depth: usize, dropped: &[usize], expected: &[u32]) {
        let (graph, values) = chain(depth);
        let stored: Vec<bool> = graph.ids().map(|id| graph.node(id).op != Op::Input).collect();
        let last = values[depth - 1];
        let dropped = dropped.iter().map(|&number| (values[number], NodeId(last.0 + 1))).collect();
        let recomputed = recompute(&graph, &stored, &dropped);
        let copies = recomputed.graph.ids().filter(|id| recomputed.times[id.index()] > 0);
        assert_eq!(copies.map(|id| recomputed.times[id.index()]).collect::<Vec<_>>(), expected, "{}", recomputed.graph);
        for id in recomputed.graph.ids() {
            assert_eq!(recomputed.graph.node(id).op, graph.node(recomputed.origins[id.index()]).op);
        }
        let feeds = HashMap::from([("x".to_owned(), Tensor::<f64>::floats([4], [0.3, -1.0, 2.0, 0.0]))]);
        let [before, after] = [&graph, &recomputed.graph].map(|graph| interpret(graph, &feeds).expect("a result"));
        assert_eq!(before.outputs["product"].to_f64(), after.outputs["product"].to_f64());
    }

    #[test]
    fn dropped_values_are_computed_again_once_for_their_late_readers() {
        check(4, &[], &[]);
        check(4, &[2], &[1]);
        // The third is read first, and needs the second.
        check(4, &[1, 2], &[1, 1]);
        check(5, &[1, 3], &[1, 2]);
        check(300, &(0..300).collect::<Vec<_>>(), &[1; 300]);
    }
}
