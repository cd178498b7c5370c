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
    /// Layers on top of one another.
    pub layers: usize,
    /// 2 where sequences are gone through both ways.
    pub directions: usize,
    /// Whether the batch is the first axis of sequences, and not the second.
    pub batch_first: bool,
    /// The probability with which what one layer gives the next is dropped.
    pub dropout: f64,
}

/// An input `[length, N, inputs]` (or `[N, length, inputs]`, or `[length, inputs]`) and, if they are given, its initial
/// states `[layers * directions, N, hidden]`: the outputs `[length, N, directions * hidden]`, then the last states.
pub const fn recurrent(inputs: &[Type], of: &Recurrent) -> Result<Types, ShapeError> {
    if of.layers == 0 {
        return Err(ShapeError::Setting { setting: "num_layers", rule: "must be at least 1" });
    }
    ok!(probability_of(of.dropout));
    ok!(number_of_inputs(inputs, of.states));
    let x = ok!(features(inputs[0], 2, 3, of.inputs));
    ok!(weights(of));
    let last = x.rank() - 1;
    let output = x.with(last, of.hidden.saturating_mul(of.directions));
    let state = match last {
        1 => Shape::new(&[of.layers * of.directions, of.hidden]),
        _ => Shape::new(&[of.layers * of.directions, x.dim(if of.batch_first { 0 } else { 1 }), of.hidden]),
    };
    Ok(states(Types::none().and(Type::new(DType::F32, ok!(tensor(output)))), ok!(given(inputs, state)), of.states))
}

/// An input `[N, inputs]` or `[inputs]` of one step and, if they are given, the states before it, `[N, hidden]`: the
/// states behind it.
pub const fn recurrent_cell(inputs: &[Type], of: &Recurrent) -> Result<Types, ShapeError> {
    ok!(number_of_inputs(inputs, of.states));
    let x = ok!(features(inputs[0], 1, 2, of.inputs));
    ok!(weights(of));
    let state = ok!(given(inputs, x.with(x.rank() - 1, of.hidden)));
    Ok(states(Types::none(), state, of.states))
}

const fn probability_of(p: f64) -> Result<(), ShapeError> {
    match probability(Shape::SCALAR, p) {
        Ok(_) => Ok(()),
        Err(_) => Err(ShapeError::Setting { setting: "dropout", rule: "must be a probability, between 0 and 1" }),
    }
}

const fn weights(of: &Recurrent) -> Result<(), ShapeError> {
    let rows = of.gates.saturating_mul(of.hidden);
    ok!(weight(&[rows, of.inputs], None));
    ok!(weight(&[rows, of.hidden.saturating_mul(of.directions)], None));
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

/// The shape of the states, which those that are given have.
const fn given(inputs: &[Type], state: Shape) -> Result<Shape, ShapeError> {
    ok!(tensor(state));
    let mut position = 1;
    while position < inputs.len() {
        let (expected, found) = (Type::new(DType::F32, state), inputs[position]);
        if !found.same(&expected) {
            return Err(ShapeError::State { expected, found });
        }
        position += 1;
    }
    Ok(state)
}

const fn states(mut types: Types, state: Shape, count: usize) -> Types {
    let mut number = 0;
    while number < count {
        types = types.and(Type::new(DType::F32, state));
        number += 1;
    }
    types
}
