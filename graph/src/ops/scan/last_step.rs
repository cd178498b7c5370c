//! What of a sequence's gradient is there in the last step alone. Who reads the last row of a sequence gives its
//! gradient as a sequence of zeros with one row; where that row is what the scan carries on, it is a gradient of what
//! is carried behind the last step, and no step need look at zeros. It knows no step's gradient, and sees through
//! transposes alone: not that of both directions side by side, of sequences without a batch (a reshape), or of a last
//! row that is read beside the others (a sum).

use crate::build::{Builder, Value};
use crate::op::Op;

/// The last row of a sequence, that of the last step, where all others are zeros: seen through transposes. `reverse` says
/// that the last step is the first row.
pub(super) fn only_last_row<'g>(g: &'g Builder, sequence: Value<'g>, reverse: bool) -> Option<Value<'g>> {
    let rank = sequence.shape().rank();
    let (mut id, mut axis) = (sequence.id(), 0);
    let mut orders: Vec<Vec<usize>> = Vec::new();
    loop {
        let node = g.node(id);
        match &node.op {
            Op::Transpose(order) => {
                let order: Vec<usize> = order[..rank].iter().map(|&axis| axis.into()).collect();
                axis = order[axis];
                orders.push(order);
            }
            Op::Pad(spec) => {
                let operand = g.value(node.inputs[0]);
                let (extent, length) = (operand.shape().dim(axis), node.ty.shape.dim(axis));
                let before = if reverse { 0 } else { length - extent };
                let others = (0..rank).filter(|&other| other != axis);
                let is_dense = others.into_iter().all(|other| spec.low[other] == 0 && spec.high[other] == 0);
                let is_zero = matches!(&g.node(node.inputs[1]).op, Op::Constant(scalar) if scalar.0 == 0.0);
                if extent != 1 || spec.low[axis] != before || !is_dense || !is_zero {
                    return None;
                }
                let row = orders.iter().rev().fold(operand, |row, order| row.permute(order));
                return Some(row.squeeze(0));
            }
            _ => return None,
        }
        id = node.inputs[0];
    }
}
