//! Scans: ONNX's `Scan` runs a graph of its own step by step, too. States that stay as they are it reads from the graph
//! around it. What a step computes does not matter here.

use kiln_graph::{NodeId, Op, Role};

use super::error::WriteError;
use super::level::Level;
use super::protos::node;
use super::writer::Writer;
use crate::proto::GraphProto;

impl Writer<'_> {
    /// Writes a scan whose operands are there; its results are read by [`Op::ScanResult`].
    pub(super) fn write_scan(&mut self, id: NodeId) -> Result<String, WriteError> {
        let Op::Scan { reverse, .. } = self.level().node(id).op else { unreachable!("the node of a scan") };
        let operands = self.level().node(id).inputs.to_vec();
        let outer: Vec<String> = operands.iter().map(|&operand| self.value(operand).to_owned()).collect();
        let bodies = self.level().bodies(id);
        let graph = bodies[0];
        let carried = |input: usize| graph.updates.iter().any(|update| update.input == input);
        let rows: Vec<usize> =
            (0..graph.inputs.len()).filter(|&input| graph.inputs[input].role == Role::Data).collect();
        let results: Vec<NodeId> =
            graph.updates.iter().map(|update| update.node).chain(graph.outputs.iter().map(|o| o.node)).collect();

        let outer_results: Vec<String> = (0..results.len()).map(|_| self.result_names(["scan"])[0].clone()).collect();
        self.begin_level(Level::new(bodies, &[]))?;
        let mut inputs = Vec::new();
        for input in graph.updates.iter().map(|update| update.input).chain(rows.iter().copied()) {
            let name = self.result_names([&graph.inputs[input].name])[0].clone();
            inputs.push(self.info(graph.inputs[input].node, &name)?);
            self.level_mut().values.insert(graph.inputs[input].node, name);
        }
        for (input, outer) in outer.iter().enumerate() {
            if graph.inputs[input].role == Role::State && !carried(input) {
                self.level_mut().values.insert(graph.inputs[input].node, outer.clone());
            }
        }
        let mut outputs = Vec::new();
        for &result in &results {
            let name = self.result_names(["result"])[0].clone();
            outputs.push(self.info(result, &name)?);
            self.level_mut().wanted.entry(result).or_default().push(name);
        }
        self.write_all(results.iter().copied())?;
        let (nodes, value_info) = self.end_level();
        let body = GraphProto {
            name: Some(if graph.name.is_empty() { "step".into() } else { graph.name.clone() }),
            node: nodes,
            input: inputs,
            output: outputs,
            value_info,
            ..GraphProto::default()
        };

        self.enter_again(id);
        let given = graph.updates.iter().map(|update| update.input).chain(rows.iter().copied());
        let given: Vec<&str> = given.map(|input| &outer[input][..]).collect();
        let direction = i64::from(reverse);
        let mut scan = node("Scan", &given).int("num_scan_inputs", rows.len() as i64).graph("body", body);
        if !rows.is_empty() {
            scan = scan.ints("scan_input_directions", vec![direction; rows.len()]);
        }
        if !graph.outputs.is_empty() {
            scan = scan.ints("scan_output_directions", vec![direction; graph.outputs.len()]);
        }
        self.push_as(scan, outer_results.clone());
        let name = outer_results.first().cloned().unwrap_or_default();
        let depth = self.depth();
        self.scan_results.insert((depth, id), outer_results);
        Ok(name)
    }
}
