//! The typed cells: one step of a recurrent layer. They know no sequence and no stack.

use super::super::several::{Several, alone, one_of, present};
use super::{Nonlinearity, Recurrence, RecurrentWeights, recurrent_cell};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::functions::Types;
use crate::shape::rules::{self, Recurrent};
use crate::shape::{Shape, ShapeError, Type};

/// The settings of [`RNNCell`], [`LSTMCell`] and [`GRUCell`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecurrentCellSettings {
    bias: bool,
    nonlinearity: Nonlinearity,
}

impl RecurrentCellSettings {
    /// PyTorch's defaults: with biases.
    pub const fn new() -> RecurrentCellSettings {
        RecurrentCellSettings { bias: true, nonlinearity: Nonlinearity::Tanh }
    }

    /// Whether biases are added. Default: `true`.
    pub const fn bias(self, bias: bool) -> RecurrentCellSettings {
        RecurrentCellSettings { bias, ..self }
    }

    /// What an [`RNNCell`] applies to its sums. Default: the hyperbolic tangent.
    pub const fn nonlinearity(self, nonlinearity: Nonlinearity) -> RecurrentCellSettings {
        RecurrentCellSettings { nonlinearity, ..self }
    }

    /// The settings that are not the defaults.
    fn words(&self) -> String {
        let bias = if self.bias { "" } else { ", bias = false" };
        let nonlinearity = if self.nonlinearity == Nonlinearity::Tanh { "" } else { ", nonlinearity = relu" };
        format!("{bias}{nonlinearity}")
    }
}

impl Default for RecurrentCellSettings {
    fn default() -> RecurrentCellSettings {
        RecurrentCellSettings::new()
    }
}

macro_rules! cell {
    ($(#[$documentation:meta])* $name:ident, $settings:ident => $step:expr) => {
        $(#[$documentation])*
        #[derive(Clone, Debug)]
        pub struct $name<const I: usize, const H: usize> {
            /// The parameters.
            pub weights: RecurrentWeights,
            settings: RecurrentCellSettings,
        }

        impl<const I: usize, const H: usize> $name<I, H> {
            const fn step($settings: &RecurrentCellSettings) -> Recurrence {
                $step
            }

            const fn of(settings: &RecurrentCellSettings) -> Recurrent {
                let step = Self::step(settings);
                Recurrent {
                    inputs: I,
                    hidden: H,
                    gates: step.gates(),
                    states: step.states(),
                    projection: 0,
                    layers: 1,
                    directions: 1,
                    batch_first: false,
                    dropout: 0.0,
                }
            }

            /// The types of the states behind the step.
            pub const fn types(inputs: &[Option<Type>], _flags: &[bool], settings: &RecurrentCellSettings) -> Result<Types, ShapeError> {
                rules::recurrent_cell(Types::given(inputs).as_slice(), &Self::of(settings))
            }

            /// The shape of the state behind the step; [`ShapeError::Results`] if there are several.
            pub const fn shape(input: Shape, settings: &RecurrentCellSettings) -> Result<Shape, ShapeError> {
                one_of(Self::types(&alone(input), &[], settings))
            }

            /// The shape of a state, or one with its features.
            pub const fn shape_or_assumed(input: Shape, settings: &RecurrentCellSettings) -> Shape {
                match Self::types(&alone(input), &[], settings) {
                    Ok(types) => types.as_slice()[0].shape,
                    Err(_) => Shape::new(&[Shape::N, H]),
                }
            }

            /// A cell with fresh parameters.
            pub fn new(settings: RecurrentCellSettings, init: &mut Init) -> $name<I, H> {
                $name { weights: RecurrentWeights::new(&Self::of(&settings), I, settings.bias, init), settings }
            }
        }

        impl<const I: usize, const H: usize> Several for $name<I, H> {
            fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], _flags: &[bool]) -> Vec<Value<'g>> {
                recurrent_cell(Self::step(&self.settings), &present(inputs), &self.weights.values(g, ""))
            }
        }

        /// Gives the first state behind a step from states of zeros.
        impl<const I: usize, const H: usize> Layer for $name<I, H> {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                self.forward_all(g, &[Some(x)], &[])[0]
            }

            fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
                self.weights.visit("", path, f);
            }

            fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
                self.weights.visit_mut("", path, f);
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let words = self.settings.words();
                f(path.as_str(), &format!("{}({I}, {H}{words})", stringify!($name)));
            }
        }
    };
}

cell! {
    /// One step of an [`RNN`](super::RNN).
    ///
    /// * Shapes: `x [N, I]` or `[I]` and, if it is not zeros, the state `[N, H]` before the step, to the state behind it.
    ///   In a body: `h = cell(x, h);`.
    /// * Settings: `bias = true`, `nonlinearity = "tanh"` (or `"relu"`).
    /// * Parameters: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`; uniform in ± `1 / sqrt(H)`.
    /// * Errors: [`ShapeError::InputSize`], [`ShapeError::InputRank`], [`ShapeError::State`].
    /// * Source: PyTorch's `nn.RNNCell`.
    RNNCell, settings => Recurrence::Rnn(settings.nonlinearity)
}

cell! {
    /// One step of an [`LSTM`](super::LSTM).
    ///
    /// * Shapes: `x [N, I]` or `[I]` and, if they are not zeros, the states `h` and `c [N, H]` before the step, to those
    ///   behind it. In a body: `(h, c) = cell(x, (h, c));`.
    /// * Settings: `bias = true`.
    /// * Parameters, initial values, errors: as for [`RNNCell`].
    /// * Source: PyTorch's `nn.LSTMCell`.
    LSTMCell, _settings => Recurrence::Lstm
}

cell! {
    /// One step of a [`GRU`](super::GRU).
    ///
    /// * Shapes: `x [N, I]` or `[I]` and, if it is not zeros, the state `[N, H]` before the step, to the state behind it.
    ///   In a body: `h = cell(x, h);`.
    /// * Settings: `bias = true`.
    /// * Parameters, initial values, errors: as for [`RNNCell`].
    /// * Source: PyTorch's `nn.GRUCell`.
    GRUCell, _settings => Recurrence::Gru
}
