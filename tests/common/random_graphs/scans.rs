//! Productions of scans: random bodies whose states are carried, or stay the same.

use kiln_graph::op::UnaryOp;
use kiln_graph::{DType, Graph, Node, NodeId, Op, Operands, Output, Role, Type, Update};

use super::{Maker, Random};

impl Maker {
    /// A scan of a random body; all of its results are in the pool.
    pub(super) fn scan(&mut self) {
        let (length, reverse) = (self.random.pick(&[1, 2, 3, 5]), self.random.chance(40));
        let body = self.body();
        let operands: Operands = (0..body.inputs.len())
            .map(|input| self.value_of(body.scan_operand(length, input).expect("few axes")))
            .collect();
        let (updates, results) = (body.updates.len(), body.updates.len() + body.outputs.len());
        let types: Vec<Type> = (0..results).map(|index| body.scan_result(length, index).expect("few axes")).collect();
        self.graph.bodies.push(body);
        let op = Op::Scan { body: self.graph.bodies.len() as u32 - 1, length, reverse };
        let ty = kiln_graph::ops::scan::TOKEN;
        let scan = self.graph.push(Node { op, inputs: operands, ty, scope: 0 });
        for (index, ty) in types.into_iter().enumerate() {
            // Some last states are not looked at.
            if index >= updates || self.random.chance(60) || results == 1 {
                let (op, inputs) = (Op::ScanResult { index: index as u32 }, Operands::from_slice(&[scan]));
                let result = self.graph.push(Node { op, inputs, ty, scope: 0 });
                self.pool.push(result);
            }
        }
        if self.random.chance(50) {
            self.produce();
        }
    }

    fn body(&mut self) -> Graph {
        let random = Random::new(self.random.next());
        let mut inner = Maker { random, graph: Graph::new("step"), pool: Vec::new(), depth: self.depth + 1 };
        for role in [Role::Data, Role::State] {
            let rank = inner.random.below(3);
            let shape = inner.shape(rank);
            inner.input(Type::f32(shape), role);
        }
        for _ in 0..1 + inner.random.below(5) {
            inner.produce();
        }
        if inner.depth == 1 && inner.random.chance(15) {
            inner.scan();
        }
        for index in 0..inner.graph.inputs.len() {
            let input = inner.graph.inputs[index].clone();
            let ty = inner.graph.ty(input.node);
            if input.role == Role::Data || !inner.random.chance(70) {
                continue;
            }
            let node = if ty.dtype == DType::F32 && inner.random.chance(70) {
                let other = inner.value(DType::F32);
                let fitted = inner.fitted(other, ty.shape);
                let sum = inner.binary(kiln_graph::op::BinaryOp::Add, fitted, input.node);
                inner.unary(UnaryOp::Tanh, sum)
            } else {
                let same: Vec<NodeId> = inner.pool.iter().copied().filter(|&id| inner.graph.ty(id) == ty).collect();
                inner.random.pick(&same)
            };
            inner.graph.updates.push(Update { input: index, node });
        }
        let fits = |id: &NodeId| inner.graph.shape(*id).elements() <= super::ELEMENTS / 5;
        let candidates: Vec<NodeId> = inner.pool.iter().copied().filter(fits).collect();
        let outputs = 1 + inner.random.below(3);
        for number in 0..outputs {
            let back = inner.random.below(candidates.len()).min(inner.random.below(candidates.len()));
            let node = candidates[candidates.len() - 1 - back];
            inner.graph.outputs.push(Output { name: format!("y{number}"), node });
        }
        inner.graph
    }
}
