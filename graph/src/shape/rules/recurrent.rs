//! The shapes of recurrent layers: sequences, states, and one step. Of a step it knows the number of gates.

use super::{probability, tensor, weight};
use crate::shape::functions::Types;
use crate::shape::{DType, Shape, ShapeError, Type};

/// What decides on the shapes of a recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recurrent {
    /// Features of the input.
    pub inputs: usize,
    /// Features of a state.
    pub hidden: usize,
    /// How many gates a step has: rows of the weights for each feature of a state.
    pub gates: usize,
    /// How many states there are: 2 with a memory cell.
    pub states: usize,
    /// Features that the first state of a step with a memory cell is projected to; 0 where it is not.
    pub projection: usize,
    /// Layers on top of one another.
    pub layers: usize,
    /// 2 where sequences are gone through both ways.
    pub directions: usize,
    /// Whether the batch is the first axis of sequences, and not the second.
    pub batch_first: bool,
    /// The probability with which what one layer gives the next is dropped.
    pub dropout: f64,
}

impl Recurrent {
    /// Features of a state: the first is projected, if any is.
    pub const fn features(&self, state: usize) -> usize {
        if state == 0 && self.projection > 0 { self.projection } else { self.hidden }
    }
}

/// An input `[length, N, inputs]` (or `[N, length, inputs]`, or `[length, inputs]`) and, if they are given, its initial
/// states `[layers * directions, N, hidden]`: the outputs `[length, N, directions * hidden]`, then the last states.
/// Outputs and the first state have as many features as it is projected to.
pub const fn recurrent(inputs: &[Type], of: &Recurrent) -> Result<Types, ShapeError> {
    if of.layers == 0 {
        return Err(ShapeError::Setting { setting: "num_layers", rule: "must be at least 1" });
    }
    ok!(probability_of(of.dropout));
    ok!(projection(of));
    ok!(number_of_inputs(inputs, of.states));
    let x = ok!(features(inputs[0], 2, 3, of.inputs));
    ok!(weights(of));
    let last = x.rank() - 1;
    let output = x.with(last, of.features(0).saturating_mul(of.directions));
    let state = match last {
        1 => Shape::new(&[of.layers * of.directions, of.hidden]),
        _ => Shape::new(&[of.layers * of.directions, x.dim(if of.batch_first { 0 } else { 1 }), of.hidden]),
    };
    states(Types::none().and(Type::new(DType::F32, ok!(tensor(output)))), inputs, state, of)
}

/// An input `[N, inputs]` or `[inputs]` of one step and, if they are given, the states before it, `[N, hidden]`: the
/// states behind it.
pub const fn recurrent_cell(inputs: &[Type], of: &Recurrent) -> Result<Types, ShapeError> {
    ok!(number_of_inputs(inputs, of.states));
    let x = ok!(features(inputs[0], 1, 2, of.inputs));
    ok!(weights(of));
    states(Types::none(), inputs, x.with(x.rank() - 1, of.hidden), of)
}

const fn probability_of(p: f64) -> Result<(), ShapeError> {
    match probability(Shape::SCALAR, p) {
        Ok(_) => Ok(()),
        Err(_) => Err(ShapeError::Setting { setting: "dropout", rule: "must be a probability, between 0 and 1" }),
    }
}

const fn projection(of: &Recurrent) -> Result<(), ShapeError> {
    let rule = match of.projection {
        0 => return Ok(()),
        _ if of.states == 1 => "is only that of an LSTM",
        size if size >= of.hidden => "must be less than `hidden_size`",
        _ => return Ok(()),
    };
    Err(ShapeError::Setting { setting: "proj_size", rule })
}

const fn weights(of: &Recurrent) -> Result<(), ShapeError> {
    let rows = of.gates.saturating_mul(of.hidden);
    ok!(weight(&[rows, of.inputs], None));
    ok!(weight(&[rows, of.features(0).saturating_mul(of.directions)], None));
    Ok(())
}

/// The input alone, or all states with it.
const fn number_of_inputs(inputs: &[Type], states: usize) -> Result<(), ShapeError> {
    if inputs.len() == 1 || inputs.len() == 1 + states {
        return Ok(());
    }
    Err(ShapeError::Inputs { expected: 1 + states, found: inputs.len() })
}

const fn features(x: Type, least: usize, most: usize, features: usize) -> Result<Shape, ShapeError> {
    if !matches!(x.dtype, DType::F32) {
        return Err(ShapeError::Holds { expected: DType::F32, found: x.dtype });
    }
    let x = x.shape;
    if x.rank() < least || x.rank() > most {
        return Err(ShapeError::InputRank { least, most, found: x });
    }
    if x.dim(x.rank() - 1) != features {
        return Err(ShapeError::InputSize { expected: features, found: x });
    }
    Ok(x)
}

/// The types of the states behind those of the outputs; `state` is the shape of one that is not projected. Those that
/// are given have the same.
const fn states(mut types: Types, inputs: &[Type], state: Shape, of: &Recurrent) -> Result<Types, ShapeError> {
    let mut number = 0;
    while number < of.states {
        let shape = ok!(tensor(state.with(state.rank() - 1, of.features(number))));
        let expected = Type::new(DType::F32, shape);
        if inputs.len() > 1 {
            let found = inputs[1 + number];
            if !found.same(&expected) {
                return Err(ShapeError::State { expected, found });
            }
        }
        types = types.and(expected);
        number += 1;
    }
    Ok(types)
}
