//! The typed recurrent layers over sequences. They hold parameters and settings; the functions beside them compute.

use super::super::several::{Several, alone, one_of, present};
use super::{Nonlinearity, Recurrence, RecurrentWeights, Stacking, Weights, recurrent};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::functions::Types;
use crate::shape::rules::{self, Recurrent};
use crate::shape::{Shape, ShapeError, Type};

/// The settings of [`RNN`], [`LSTM`] and [`GRU`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecurrentSettings {
    num_layers: usize,
    nonlinearity: Nonlinearity,
    bias: bool,
    batch_first: bool,
    dropout: f64,
    bidirectional: bool,
    proj_size: usize,
}

impl RecurrentSettings {
    /// PyTorch's defaults: one layer in one direction, with biases.
    pub const fn new() -> RecurrentSettings {
        RecurrentSettings {
            num_layers: 1,
            nonlinearity: Nonlinearity::Tanh,
            bias: true,
            batch_first: false,
            dropout: 0.0,
            bidirectional: false,
            proj_size: 0,
        }
    }

    /// How many layers lie on top of one another. Default: 1.
    pub const fn num_layers(self, num_layers: usize) -> RecurrentSettings {
        RecurrentSettings { num_layers, ..self }
    }

    /// What an [`RNN`] applies to its sums. Default: the hyperbolic tangent.
    pub const fn nonlinearity(self, nonlinearity: Nonlinearity) -> RecurrentSettings {
        RecurrentSettings { nonlinearity, ..self }
    }

    /// Whether biases are added. Default: `true`.
    pub const fn bias(self, bias: bool) -> RecurrentSettings {
        RecurrentSettings { bias, ..self }
    }

    /// Whether the batch is the first axis of inputs and outputs, `[N, length, ..]`. Default: `false`, `[length, N, ..]`.
    pub const fn batch_first(self, batch_first: bool) -> RecurrentSettings {
        RecurrentSettings { batch_first, ..self }
    }

    /// The probability with which an element that one layer gives the next is dropped in training. Default: 0.
    pub const fn dropout(self, dropout: f64) -> RecurrentSettings {
        RecurrentSettings { dropout, ..self }
    }

    /// Whether sequences are gone through both ways. Default: `false`.
    pub const fn bidirectional(self, bidirectional: bool) -> RecurrentSettings {
        RecurrentSettings { bidirectional, ..self }
    }

    /// Features that the state of an [`LSTM`] is projected to, less than those of its memory cell. Default: 0, it is not.
    pub const fn proj_size(self, proj_size: usize) -> RecurrentSettings {
        RecurrentSettings { proj_size, ..self }
    }

    const fn directions(&self) -> usize {
        1 + self.bidirectional as usize
    }

    const fn of(&self, step: Recurrence, inputs: usize, hidden: usize) -> Recurrent {
        Recurrent {
            inputs,
            hidden,
            gates: step.gates(),
            states: step.states(),
            projection: self.proj_size,
            layers: self.num_layers,
            directions: self.directions(),
            batch_first: self.batch_first,
            dropout: self.dropout,
        }
    }

    /// What the names of the parameters of a layer in a direction end in.
    fn place(&self, number: usize) -> String {
        let (layer, direction) = (number / self.directions(), number % self.directions());
        format!("_l{layer}{}", if direction == 0 { "" } else { "_reverse" })
    }

    /// The settings that are not the defaults.
    fn words(&self) -> String {
        let usual = RecurrentSettings::new();
        let mut words = String::new();
        if self.num_layers != usual.num_layers {
            words += &format!(", num_layers = {}", self.num_layers);
        }
        if self.nonlinearity != usual.nonlinearity {
            words += ", nonlinearity = relu";
        }
        if self.dropout != usual.dropout {
            words += &format!(", dropout = {}", self.dropout);
        }
        let flags = [
            ("bias", self.bias, usual.bias),
            ("batch_first", self.batch_first, usual.batch_first),
            ("bidirectional", self.bidirectional, usual.bidirectional),
        ];
        if self.proj_size != usual.proj_size {
            words += &format!(", proj_size = {}", self.proj_size);
        }
        for (name, found, _) in flags.into_iter().filter(|(_, found, usual)| found != usual) {
            words += &format!(", {name} = {found}");
        }
        words
    }
}

impl Default for RecurrentSettings {
    fn default() -> RecurrentSettings {
        RecurrentSettings::new()
    }
}

macro_rules! stack {
    ($(#[$documentation:meta])* $name:ident, $settings:ident => $step:expr) => {
        $(#[$documentation])*
        #[derive(Clone, Debug)]
        pub struct $name<const I: usize, const H: usize> {
            /// The parameters of each layer, in each of its directions: `_l0`, `_l0_reverse`, `_l1`, ...
            pub weights: Vec<RecurrentWeights>,
            settings: RecurrentSettings,
        }

        impl<const I: usize, const H: usize> $name<I, H> {
            const fn step($settings: &RecurrentSettings) -> Recurrence {
                $step
            }

            /// The types of the outputs and of the last states.
            pub const fn types(inputs: &[Option<Type>], _flags: &[bool], settings: &RecurrentSettings) -> Result<Types, ShapeError> {
                rules::recurrent(Types::given(inputs).as_slice(), &settings.of(Self::step(settings), I, H))
            }

            /// [`ShapeError::Results`]: it gives several values.
            pub const fn shape(input: Shape, settings: &RecurrentSettings) -> Result<Shape, ShapeError> {
                one_of(Self::types(&alone(input), &[], settings))
            }

            /// The shape of the outputs, or one with their features.
            pub const fn shape_or_assumed(input: Shape, settings: &RecurrentSettings) -> Shape {
                match Self::types(&alone(input), &[], settings) {
                    Ok(types) => types.as_slice()[0].shape,
                    Err(_) => {
                        let features = settings.of(Self::step(settings), I, H).features(0);
                        Shape::new(&[Shape::N, features.saturating_mul(settings.directions())])
                    }
                }
            }

            /// A layer with fresh parameters.
            pub fn new(settings: RecurrentSettings, init: &mut Init) -> $name<I, H> {
                let of = settings.of(Self::step(&settings), I, H);
                let inputs = |number: usize| if number < of.directions { I } else { of.directions * of.features(0) };
                let weights = (0..of.layers * of.directions)
                    .map(|number| RecurrentWeights::new(&of, inputs(number), settings.bias, init))
                    .collect();
                $name { weights, settings }
            }
        }

        impl<const I: usize, const H: usize> Several for $name<I, H> {
            fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], _flags: &[bool]) -> Vec<Value<'g>> {
                let RecurrentSettings { bidirectional, batch_first, dropout, .. } = self.settings;
                let numbered = self.weights.iter().enumerate();
                let weights: Vec<Weights<'g>> =
                    numbered.map(|(number, weights)| weights.values(g, &self.settings.place(number))).collect();
                let stacking = Stacking { bidirectional, batch_first, dropout };
                recurrent(Self::step(&self.settings), &present(inputs), &weights, stacking)
            }
        }

        /// Gives the outputs alone, from states of zeros; `forward_all` gives the last states, too.
        impl<const I: usize, const H: usize> Layer for $name<I, H> {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                self.forward_all(g, &[Some(x)], &[])[0]
            }

            fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
                for (number, weights) in self.weights.iter().enumerate() {
                    weights.visit(&self.settings.place(number), path, f);
                }
            }

            fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
                for (number, weights) in self.weights.iter_mut().enumerate() {
                    weights.visit_mut(&self.settings.place(number), path, f);
                }
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let words = self.settings.words();
                f(path.as_str(), &format!("{}({I}, {H}{words})", stringify!($name)));
            }
        }
    };
}

stack! {
    /// Recurrent layers: `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`, or with a rectifier.
    ///
    /// * Shapes: `x [length, N, I]` (with `batch_first` `[N, length, I]`; one sequence `[length, I]`) and, if it is not
    ///   zeros, `h [layers * directions, N, H]`, to the outputs `[length, N, directions * H]` and the last states, which
    ///   have the shape of `h`. In a body: `let (y, h) = rnn(x);` or `rnn(x, h)`.
    /// * Settings: `num_layers = 1`, `nonlinearity = "tanh"` (or `"relu"`), `bias = true`, `batch_first = false`,
    ///   `dropout = 0.0` (between layers), `bidirectional = false`.
    /// * Parameters: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, `weight_ih_l0_reverse`, ..
    /// * Initial values: uniform in ± `1 / sqrt(H)`.
    /// * Errors: [`ShapeError::InputSize`], [`ShapeError::InputRank`], [`ShapeError::State`],
    ///   [`ShapeError::Setting`] for no layers or a `dropout` that is no probability.
    /// * Source: PyTorch's `nn.RNN`.
    RNN, settings => Recurrence::Rnn(settings.nonlinearity)
}

stack! {
    /// Layers of long short-term memory: `c' = f c + i g` and `h' = o tanh(c')`, where the gates `i, f, o` are sigmoids
    /// and `g` is a hyperbolic tangent of `W_ih x + b_ih + W_hh h + b_hh`; the weights hold the rows of `i, f, g, o`.
    ///
    /// * Shapes: `x [length, N, I]` (with `batch_first` `[N, length, I]`; one sequence `[length, I]`) and, if they are not
    ///   zeros, `h` and `c [layers * directions, N, H]`, to the outputs `[length, N, directions * H]` and the last states,
    ///   which have the shapes of `h` and `c`. In a body: `let (y, (h, c)) = lstm(x);` or `lstm(x, (h, c))`. With
    ///   `proj_size = P`, `h` and the outputs of each direction have `P` features, `c` has `H`.
    /// * Settings: `num_layers = 1`, `bias = true`, `batch_first = false`, `dropout = 0.0` (between layers),
    ///   `bidirectional = false`, `proj_size = 0`, with which `h' = W_hr (o tanh(c'))`.
    /// * Parameters: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, of a projection `weight_hr_l0 [P, H]`,
    ///   `weight_ih_l0_reverse`, ..
    /// * Initial values: uniform in ± `1 / sqrt(H)`.
    /// * Errors: as for [`RNN`]; [`ShapeError::Setting`] for a `proj_size` that is not less than `H`.
    /// * Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; of the projection Sak and others, "Long
    ///   Short-Term Memory Based Recurrent Neural Network Architectures for Large Vocabulary Speech Recognition", 2014;
    ///   PyTorch's `nn.LSTM`.
    LSTM, _settings => Recurrence::Lstm
}

stack! {
    /// Layers of gated recurrent units: `h' = (1 - z) n + z h` with `r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)` and
    /// `n = tanh(W_in x + b_in + r (W_hn h + b_hn))`; the weights hold the rows of `r, z, n`.
    ///
    /// * Shapes, settings, parameters, initial values and errors are those of [`LSTM`], but that there is one state, which
    ///   is not projected. In a body: `let (y, h) = gru(x);` or `gru(x, h)`.
    /// * Source: Cho and others, "Learning Phrase Representations using RNN Encoder-Decoder", 2014; PyTorch's `nn.GRU`.
    GRU, _settings => Recurrence::Gru
}
