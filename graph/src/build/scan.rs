//! Scans: a body that is built by a builder of its own, and run step by step. What a body computes is not looked at,
//! only what it takes, carries on and gives.

use super::{Builder, GraphError, Value};
use crate::graph::{Graph, NodeId, Operands, Output, Type, Update};
use crate::op::Op;
use crate::ops::scan::{ScanError, TOKEN, check_operands};

impl Builder {
    /// The builder of a body for [`Builder::scan`], in the same mode.
    ///
    /// Its data inputs are rows of sequences; a state to which [`Builder::carry`] gives a new value is carried from step
    /// to step; any other state is the same in all steps.
    pub fn body(&self, name: &str) -> Builder {
        let body = Builder::new(name);
        body.set_mode(self.mode.get());
        body
    }

    /// In the body of a scan: the next step finds `new` in the state. The last one wins.
    ///
    /// Unlike [`Builder::update`], it lets gradients through.
    pub fn carry(&self, state: Value<'_>, new: Value<'_>) {
        if !self.owns(state) || !self.owns(new) {
            return;
        }
        let Some(input) = self.state_index(state) else {
            return self.fail(GraphError::NotAState { value: state.id(), ty: state.ty() });
        };
        if state.ty() != new.ty() {
            let name = self.graph.borrow().inputs[input].name.clone();
            return self.fail(GraphError::StateType { name, expected: state.ty(), found: new.ty() });
        }
        let updates = &mut self.graph.borrow_mut().updates;
        let mut index = self.index.borrow_mut();
        match index.update(input) {
            Some(position) => updates[position].node = new.id(),
            None => {
                index.add_update(input, updates.len());
                updates.push(Update { input, node: new.id() });
            }
        }
    }

    /// Runs a body `length` times. There is an operand for each of its inputs, in their order: the rows of all steps,
    /// `[length, ..]`, or what a state holds before the first step. In `reverse` the steps go from the last row to the
    /// first.
    ///
    /// The results are those states that the body [carries](Builder::carry), in that order, as the last step leaves
    /// them; then for each of its outputs the rows of all steps, `[length, ..]`. A body with errors, or operands that do
    /// not fit it, are an error of this builder.
    ///
    /// ```
    /// use kiln_graph::{Builder, Type};
    ///
    /// let g = Builder::new("running sums");
    /// let (x, zero) = (g.input("x", [10, 3]), g.full([3], 0.0));
    /// let body = g.body("sum");
    /// let (row, sum) = (body.input("x", [3]), body.state("sum", Type::f32([3])));
    /// let next = sum + row;
    /// body.carry(sum, next);
    /// body.output("sums", next);
    /// let results = g.scan(body, &[x, zero], 10, false);
    /// g.output("total", results[0]);
    /// g.output("sums", results[1]);
    /// # g.finish()?;
    /// # Ok::<(), kiln_graph::GraphError>(())
    /// ```
    pub fn scan<'g>(&'g self, body: Builder, operands: &[Value<'g>], length: usize, reverse: bool) -> Vec<Value<'g>> {
        let (body, error) = (body.graph.into_inner(), body.error.into_inner());
        let results = body.updates.len() + body.outputs.len();
        let types: Vec<Type> = operands.iter().map(|operand| operand.ty()).collect();
        let own = operands.iter().all(|&operand| self.owns(operand));
        let fits = match error {
            Some(error) => Err(error),
            None => check_operands(&body, length, &types).map_err(GraphError::from),
        };
        if let Err(error) = fits {
            self.fail(error);
        }
        if self.first_error().is_err() || !own {
            let plausible = |index: usize| body.scan_result(length, index).unwrap_or(TOKEN);
            return (0..results).map(|index| self.poison(plausible(index))).collect();
        }
        let scan = self.push_scan(body, operands.iter().map(|operand| operand.id()).collect(), length, reverse);
        (0..results).map(|index| self.scan_result(scan, index)).collect()
    }

    /// The node of a scan whose operands fit its body.
    pub(crate) fn push_scan(&self, body: Graph, operands: Operands, length: usize, reverse: bool) -> NodeId {
        let number = {
            let bodies = &mut self.graph.borrow_mut().bodies;
            bodies.push(body);
            bodies.len() as u32 - 1
        };
        self.push(Op::Scan { body: number, length, reverse }, operands, TOKEN).id()
    }

    /// A result of a scan.
    pub(crate) fn scan_result(&self, scan: NodeId, index: usize) -> Value<'_> {
        let Op::Scan { body, length, .. } = self.node(scan).op else { unreachable!("the node of a scan") };
        let ty = self.graph.borrow().bodies[body as usize].scan_result(length, index).expect("a result of the scan");
        self.push(Op::ScanResult { index: index as u32 }, Operands::from_slice(&[scan]), ty)
    }

    /// The rows of all steps of a node of a scan's body, which becomes an output of the body if it is none.
    ///
    /// # Errors
    /// A node with as many axes as a tensor may have.
    pub(crate) fn scan_rows(&self, scan: NodeId, node: NodeId) -> Result<Value<'_>, ScanError> {
        let Op::Scan { body, length, .. } = self.node(scan).op else { unreachable!("the node of a scan") };
        let index = {
            let body = &mut self.graph.borrow_mut().bodies[body as usize];
            let known = body.outputs.iter().position(|output| output.node == node);
            let position = known.unwrap_or_else(|| {
                let name = unused(&node.to_string(), |name| body.outputs.iter().any(|output| output.name == name));
                body.outputs.push(Output { name, node });
                body.outputs.len() - 1
            });
            let index = body.updates.len() + position;
            body.scan_result(length, index).ok_or(ScanError::Rank(body.ty(node)))?;
            index
        };
        Ok(self.scan_result(scan, index))
    }

    /// A copy of the body of a scan.
    pub(crate) fn body_of(&self, scan: NodeId) -> Graph {
        let Op::Scan { body, .. } = self.node(scan).op else { unreachable!("the node of a scan") };
        self.graph.borrow().bodies[body as usize].clone()
    }

    /// Adds to the body of a scan.
    pub(crate) fn change_body_of<R>(&self, scan: NodeId, change: impl FnOnce(&mut Graph) -> R) -> R {
        let Op::Scan { body, .. } = self.node(scan).op else { unreachable!("the node of a scan") };
        change(&mut self.graph.borrow_mut().bodies[body as usize])
    }

    /// A copy of a node of another graph, on other operands.
    pub(crate) fn copy(&self, op: Op, operands: Operands, ty: Type) -> Value<'_> {
        self.push(op, operands, ty)
    }

    /// The number of nodes so far.
    pub(crate) fn nodes(&self) -> usize {
        self.graph.borrow().nodes.len()
    }

    /// The graph so far, whatever errors were recorded.
    pub(crate) fn into_graph(self) -> Graph {
        self.graph.into_inner()
    }
}

/// A name that is not taken: the given one, with as many strokes as it takes.
pub(crate) fn unused(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = name.to_owned();
    while is_taken(&name) {
        name.push('\'');
    }
    name
}
