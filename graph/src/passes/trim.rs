//! Drops what scans compute for nobody: outputs of bodies whose rows are not read, states that no result follows from,
//! inputs that nothing looks at. Exact.

use super::sweep::sweep;
use crate::graph::{Graph, NodeId};
use crate::op::Op;

/// Lets scans compute what is read of them alone.
pub fn trim(graph: &mut Graph) -> bool {
    let mut changed = false;
    for id in graph.ids() {
        let Op::Scan { body: number, .. } = graph.node(id).op else { continue };
        let body = &graph.bodies[number as usize];
        let results = body.updates.len() + body.outputs.len();
        let mut read = vec![false; results];
        for node in graph.nodes.iter().filter(|node| node.inputs.first() == Some(&id)) {
            if let Op::ScanResult { index } = node.op {
                read[index as usize] = true;
            }
        }
        let kept = Kept::new(body, &read);
        if !kept.results.contains(&false) && !kept.inputs.contains(&false) {
            continue;
        }
        changed = true;
        graph.bodies[number as usize] = kept.of(body);
        let operands = graph.node(id).inputs.iter().zip(&kept.inputs).filter(|(_, kept)| **kept);
        graph.nodes[id.index()].inputs = operands.map(|(operand, _)| *operand).collect();
        for node in graph.nodes.iter_mut().filter(|node| node.inputs.first() == Some(&id)) {
            if let Op::ScanResult { index } = &mut node.op {
                *index = kept.results[..*index as usize].iter().filter(|&&kept| kept).count() as u32;
            }
        }
    }
    changed
}

/// What stays of a body.
struct Kept {
    inputs: Vec<bool>,
    /// Updates, then outputs.
    results: Vec<bool>,
}

impl Kept {
    fn new(body: &Graph, read: &[bool]) -> Kept {
        let mut results = read.to_vec();
        let updates = body.updates.len();
        loop {
            let mut live = vec![false; body.nodes.len()];
            let roots: Vec<NodeId> =
                body.updates.iter().map(|u| u.node).chain(body.outputs.iter().map(|o| o.node)).collect();
            roots.iter().zip(&results).for_each(|(root, &kept)| live[root.index()] |= kept);
            for id in body.ids().rev() {
                if live[id.index()] {
                    body.node(id).inputs.iter().for_each(|operand| live[operand.index()] = true);
                }
            }
            // A state that is read needs what the step before leaves in it.
            let mut changed = false;
            for (update, kept) in body.updates.iter().zip(&mut results[..updates]) {
                changed |= live[body.inputs[update.input].node.index()] && !std::mem::replace(kept, true);
            }
            if changed {
                continue;
            }
            let mut inputs: Vec<bool> = body.inputs.iter().map(|input| live[input.node.index()]).collect();
            body.updates.iter().zip(&results).for_each(|(update, &kept)| inputs[update.input] |= kept);
            // A scan has an operand.
            if !inputs.contains(&true) {
                inputs[0] = true;
            }
            return Kept { inputs, results };
        }
    }

    fn of(&self, body: &Graph) -> Graph {
        let mut body = body.clone();
        let (updates, outputs) = self.results.split_at(body.updates.len());
        let (mut updates, mut outputs, mut inputs) = (updates.iter(), outputs.iter(), self.inputs.iter());
        body.updates.retain(|_| *updates.next().expect("as many as updates"));
        body.outputs.retain(|_| *outputs.next().expect("as many as outputs"));
        body.inputs.retain(|_| *inputs.next().expect("as many as inputs"));
        for update in &mut body.updates {
            update.input = self.inputs[..update.input].iter().filter(|&&kept| kept).count();
        }
        sweep(&mut body);
        body
    }
}
