//! Scans: a body that is run step by step. What a body gives is said by the body, so that the rules here take it beside
//! the operation. How a step is evaluated is told by the caller.

mod gradient;
mod last_step;

pub(crate) use gradient::gradient_scan;

use ndarray::{Axis, stack};

use crate::graph::{Graph, Role, Type};
use crate::interpret::{Real, Tensor};
use crate::shape::{DType, Shape};

/// The type of the node that stands for all results of a scan.
pub const TOKEN: Type = Type::new(DType::I32, Shape::SCALAR);

/// Why a scan does not fit its body.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScanError {
    /// The graph has no such body.
    #[error("there is no body {0}")]
    Body(u32),
    /// Another scan has the body.
    #[error("another scan has body {0}")]
    Shared(u32),
    /// There are no steps.
    #[error("a scan has at least one step")]
    Length,
    /// Not an operand for each of the body's inputs.
    #[error("the body takes {expected} operands, found {found}")]
    Operands {
        /// The number of the body's inputs.
        expected: usize,
        /// The number of operands.
        found: usize,
    },
    /// An operand of another type.
    #[error("operand {operand} of the scan is {found}, but the body's input `{input}` takes {expected}")]
    Operand {
        /// Its position.
        operand: usize,
        /// The name of the body's input.
        input: String,
        /// The type that it takes.
        expected: Type,
        /// The operand's type.
        found: Type,
    },
    /// Rows with as many axes as a tensor may have.
    #[error("rows of type {0} can not be stacked: a tensor has no more axes")]
    Rank(Type),
    /// Results are read of something else.
    #[error("results are read of a scan alone")]
    NoScan,
    /// No such result.
    #[error("the scan has {results} results, no result {index}")]
    Result {
        /// How many there are.
        results: usize,
        /// Which was asked for.
        index: u32,
    },
    /// A result of another type.
    #[error("the result is {expected}, not {found}")]
    ResultType {
        /// Its type.
        expected: Type,
        /// The type of the node.
        found: Type,
    },
}

/// Whether operands of the given types fit a valid body that is run so many times.
///
/// # Errors
/// No steps, other operands than the body takes, results with too many axes.
pub fn check_operands(body: &Graph, length: usize, operands: &[Type]) -> Result<(), ScanError> {
    if length == 0 {
        return Err(ScanError::Length);
    }
    if operands.len() != body.inputs.len() {
        return Err(ScanError::Operands { expected: body.inputs.len(), found: operands.len() });
    }
    for (operand, (input, &found)) in body.inputs.iter().zip(operands).enumerate() {
        let expected = body.scan_operand(length, operand).ok_or(ScanError::Rank(body.ty(input.node)))?;
        if found != expected {
            return Err(ScanError::Operand { operand, input: input.name.clone(), expected, found });
        }
    }
    match body.outputs.iter().zip(body.updates.len()..).find(|(_, index)| body.scan_result(length, *index).is_none()) {
        Some((output, _)) => Err(ScanError::Rank(body.ty(output.node))),
        None => Ok(()),
    }
}

/// Whether a node of the given type may read a result of a valid body that is run so many times.
///
/// # Errors
/// No such result, or one of another type.
pub fn check_result(body: &Graph, length: usize, index: u32, found: Type) -> Result<(), ScanError> {
    let results = body.updates.len() + body.outputs.len();
    match body.scan_result(length, index as usize) {
        None => Err(ScanError::Result { results, index }),
        Some(expected) if expected != found => Err(ScanError::ResultType { expected, found }),
        Some(_) => Ok(()),
    }
}

/// What a step gives: outputs, and new values of the states that it updates.
pub(crate) type Step<V> = (Vec<V>, Vec<V>);

/// All results of a scan over values of any kind: `row_of` takes a row of an operand, `stacked` puts rows together, `step` runs the
/// body on a value for each of its inputs, for the row of a number.
pub(crate) fn evaluate_scan<V: Clone>(
    body: &Graph,
    (length, reverse): (usize, bool),
    operands: &[&V],
    row_of: impl Fn(&V, usize) -> V,
    stacked: impl Fn(Vec<V>) -> V,
    mut step: impl FnMut(Vec<V>, usize) -> Step<V>,
) -> Vec<V> {
    let mut states: Vec<V> = operands.iter().map(|&operand| operand.clone()).collect();
    let mut rows: Vec<Vec<V>> = vec![Vec::new(); body.outputs.len()];
    for number in 0..length {
        let row = if reverse { length - 1 - number } else { number };
        let inputs = body.inputs.iter().zip(operands).zip(&states).map(|((input, operand), state)| match input.role {
            Role::Data => row_of(operand, row),
            Role::State => state.clone(),
        });
        let (outputs, updates) = step(inputs.collect(), row);
        for (update, new) in body.updates.iter().zip(updates) {
            states[update.input] = new;
        }
        rows.iter_mut().zip(outputs).for_each(|(rows, row)| rows.push(row));
    }
    let last = body.updates.iter().map(|update| states[update.input].clone());
    let stacked = rows.into_iter().map(|mut rows| {
        if reverse {
            rows.reverse();
        }
        stacked(rows)
    });
    last.chain(stacked).collect()
}

impl<T: Real> Tensor<T> {
    /// A row along the first axis.
    pub(crate) fn row(&self, row: usize) -> Tensor<T> {
        match self {
            Tensor::F(a) => Tensor::F(a.index_axis(Axis(0), row).to_owned()),
            Tensor::H(a) => Tensor::H(a.index_axis(Axis(0), row).to_owned()),
            Tensor::U(a) => Tensor::U(a.index_axis(Axis(0), row).to_owned()),
            Tensor::S(a) => Tensor::S(a.index_axis(Axis(0), row).to_owned()),
            Tensor::I(a) => Tensor::I(a.index_axis(Axis(0), row).to_owned()),
            Tensor::B(a) => Tensor::B(a.index_axis(Axis(0), row).to_owned()),
        }
    }

    /// Rows of one type, along a new first axis.
    pub(crate) fn stacked(rows: &[Tensor<T>]) -> Tensor<T> {
        macro_rules! stacked {
            ($kind:path) => {{
                let views: Vec<_> =
                    rows.iter().filter_map(|row| if let $kind(a) = row { Some(a.view()) } else { None }).collect();
                $kind(stack(Axis(0), &views).expect("rows of one shape"))
            }};
        }
        match rows[0] {
            Tensor::F(_) => stacked!(Tensor::F),
            Tensor::H(_) => stacked!(Tensor::H),
            Tensor::U(_) => stacked!(Tensor::U),
            Tensor::S(_) => stacked!(Tensor::S),
            Tensor::I(_) => stacked!(Tensor::I),
            Tensor::B(_) => stacked!(Tensor::B),
        }
    }
}
