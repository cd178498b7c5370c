//! Recurrent layers over sequences, and single steps of them: RNN, LSTM, GRU. What follows from the inputs of all steps
//! alone is one product in front of the loop; a step ([`Builder::scan`]) does the rest. How the loop runs is not known
//! here.

mod cells;
mod stacks;

pub use cells::{GRUCell, LSTMCell, RNNCell, RecurrentCellSettings};
pub use stacks::{GRU, LSTM, RNN, RecurrentSettings};

use super::dropout::dropout;
use super::linear::linear;
use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::model::{Init, Parameter, Path};
use crate::shape::ShapeError;
use crate::shape::rules::{self, Recurrent};
use crate::whole::Whole;

/// The step of a recurrent layer, for inputs `x` and the state `h` (and `c`) before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recurrence {
    /// `h' = f(W_ih x + b_ih + W_hh h + b_hh)`.
    Rnn(Nonlinearity),
    /// `c' = f c + i g` and `h' = o tanh(c')`, or with a projection `W_hr (o tanh(c'))`, with the gates
    /// `i, f, o = sigmoid(..)` and `g = tanh(..)`, each of `W_ih x + b_ih + W_hh h + b_hh`; their rows in the weights are
    /// those of `i, f, g, o`.
    Lstm,
    /// `h' = (1 - z) n + z h` with `r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)` and
    /// `n = tanh(W_in x + b_in + r (W_hn h + b_hn))`; their rows in the weights are those of `r, z, n`.
    Gru,
}

/// What an RNN applies to its sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nonlinearity {
    /// The hyperbolic tangent.
    #[default]
    Tanh,
    /// The rectifier.
    Relu,
}

impl Recurrence {
    /// How many gates a step has.
    pub const fn gates(self) -> usize {
        match self {
            Recurrence::Rnn(_) => 1,
            Recurrence::Lstm => 4,
            Recurrence::Gru => 3,
        }
    }

    /// How many states it keeps.
    pub const fn states(self) -> usize {
        match self {
            Recurrence::Rnn(_) | Recurrence::Gru => 1,
            Recurrence::Lstm => 2,
        }
    }

    /// What is added to all sums, and what to those of the state alone, which is a part of the GRU's.
    fn biases<'g>(self, weights: &Weights<'g>) -> [Option<Value<'g>>; 2] {
        let Some([of_inputs, of_state]) = weights.biases else { return [None, None] };
        match self {
            Recurrence::Rnn(_) | Recurrence::Lstm => [Some(of_inputs + of_state), None],
            // The last gate's is within a product.
            Recurrence::Gru => {
                let rows = of_state.shape().dim(0);
                let mask = of_state.graph().iota([rows], 0).lt((rows / 3 * 2) as i32);
                [Some(of_inputs + mask.select(of_state, 0.0)), Some(of_state)]
            }
        }
    }

    /// The states behind a step. `projected` is the product with the inputs, `projection` that of
    /// [`Weights::projection`]; the biases are those of [`Recurrence::biases`], the first one if it is not in that
    /// product.
    fn step<'g>(
        self,
        projected: Value<'g>,
        states: &[Value<'g>],
        weight: Value<'g>,
        projection: Option<Value<'g>>,
        [bias, of_state]: [Option<Value<'g>>; 2],
    ) -> Vec<Value<'g>> {
        let h = states[0];
        let hidden = weight.shape().dim(0) / self.gates();
        let gate = |all: Value<'g>, number: usize| all.slice(-1, number * hidden..(number + 1) * hidden, 1);
        let product = h.matmul(weight.transpose(0, 1));
        let with_bias = |sum: Value<'g>| bias.map_or(sum, |bias| sum + bias);
        match self {
            Recurrence::Rnn(nonlinearity) => {
                let sum = with_bias(projected) + product;
                vec![match nonlinearity {
                    Nonlinearity::Tanh => sum.tanh(),
                    Nonlinearity::Relu => sum.relu(),
                }]
            }
            Recurrence::Lstm => {
                let sum = with_bias(projected) + product;
                let [i, f, o] = [0, 1, 3].map(|number| gate(sum, number).sigmoid());
                let c = f * states[1] + i * gate(sum, 2).tanh();
                let h = o * c.tanh();
                vec![projection.map_or(h, |weight| h.matmul(weight.transpose(0, 1))), c]
            }
            Recurrence::Gru => {
                let projected = with_bias(projected);
                let [r, z] = [0, 1].map(|number| (gate(projected, number) + gate(product, number)).sigmoid());
                let of_state = of_state.map_or(gate(product, 2), |bias| gate(product, 2) + gate(bias, 2));
                let n = (gate(projected, 2) + r * of_state).tanh();
                vec![n + z * (h - n)]
            }
        }
    }
}

/// The parameters of one layer in one direction: `weight_ih [gates * hidden, inputs]`, `weight_hh [gates * hidden,
/// hidden]`, and `bias_ih`, `bias_hh [gates * hidden]`. Where a state is projected to `P` features, `weight_hr [P, hidden]`
/// does that, and `weight_hh` is `[gates * hidden, P]`.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'g> {
    /// For the input.
    pub inputs: Value<'g>,
    /// For the state.
    pub state: Value<'g>,
    /// Of the input and of the state.
    pub biases: Option<[Value<'g>; 2]>,
    /// What an LSTM's state is multiplied by before it goes on, to the outputs and to the next step.
    pub projection: Option<Value<'g>>,
}

impl Weights<'_> {
    /// Features of the memory cell, or of a state that is not projected.
    fn hidden(&self, step: Recurrence) -> usize {
        self.state.shape().dim(0) / step.gates()
    }

    /// Features that the first state is projected to; 0 where it is not.
    fn projected(&self) -> usize {
        self.projection.map_or(0, |weight| weight.shape().dim(0))
    }
}

/// What goes with the step in a recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stacking {
    /// Whether sequences are gone through both ways.
    pub bidirectional: bool,
    /// Whether the batch is the first axis of sequences, and not the second.
    pub batch_first: bool,
    /// The probability with which what one layer gives the next is dropped in training.
    pub dropout: f64,
}

/// Recurrent layers on top of one another, over sequences `[length, N, inputs]` (or `[N, length, inputs]`, or one
/// `[length, inputs]`): the last layer's states of all steps, `[length, N, directions * hidden]`, then the states of all
/// layers behind the last step, `[layers * directions, N, hidden]`. `inputs` are the sequences and, if they are not
/// zeros, the states before the first step. `weights` are those of each layer, in each of its directions.
pub fn recurrent<'g>(
    step: Recurrence,
    inputs: &[Value<'g>],
    weights: &[Weights<'g>],
    stacking: Stacking,
) -> Vec<Value<'g>> {
    let Some((&x, states)) = inputs.split_first() else { return Vec::new() };
    let g = x.graph();
    let directions = 1 + usize::from(stacking.bidirectional);
    let Some(first) = weights.first() else {
        let rule = "must be at least 1";
        g.fail(ShapeError::Setting { setting: "num_layers", rule }.into());
        return vec![x; 1 + step.states()];
    };
    let of = Recurrent {
        inputs: first.inputs.shape().dim(1),
        hidden: first.hidden(step),
        gates: step.gates(),
        states: step.states(),
        projection: first.projected(),
        layers: weights.len() / directions,
        directions,
        batch_first: stacking.batch_first,
        dropout: stacking.dropout,
    };
    let types: Vec<Type> = inputs.iter().map(|input| input.ty()).collect();
    let types = match rules::recurrent(&types, &of) {
        Ok(types) => types,
        Err(error) => return refused(g, error, x.ty(), 1 + step.states()),
    };
    let is_single = x.shape().rank() == 2;
    let turned = |x: Value<'g>| if stacking.batch_first && !is_single { x.transpose(0, 1) } else { x };
    let all = weights;
    let mut x = if is_single { x.unsqueeze(1) } else { turned(x) };
    let [length, batch] = [x.shape().dim(0), x.shape().dim(1)];
    // By state, then by layer and direction.
    let mut last: Vec<Vec<Value<'g>>> = vec![Vec::new(); step.states()];
    for (layer, weights) in weights.chunks(directions).enumerate() {
        if layer > 0 && stacking.dropout > 0.0 {
            x = dropout(x, stacking.dropout);
        }
        let mut outputs = Vec::new();
        for (direction, weights) in weights.iter().enumerate() {
            let number = layer * directions + direction;
            let [bias, of_state] = step.biases(weights);
            // Steps of a training add the bias: its gradient is added up while those of the sums are at hand.
            let (bias, of_steps) = if g.training() { (None, bias) } else { (bias, None) };
            let mut operands = vec![linear(x, weights.inputs, bias)];
            match states {
                [] => operands.extend((0..step.states()).map(|state| g.full([batch, of.features(state)], 0.0))),
                states => {
                    for (which, state) in states.iter().enumerate() {
                        let before = state.slice(0, number..number + 1, 1);
                        operands.push(before.reshape([batch, of.features(which)]));
                    }
                }
            }
            let body = g.body("step");
            let projected = body.input("x", [batch, step.gates() * of.hidden]);
            let states: Vec<Value<'_>> = (["h", "c"].iter().take(step.states()).enumerate())
                .map(|(state, name)| body.state(name, Type::f32([batch, of.features(state)])))
                .collect();
            let weight = body.state("weight_hh", weights.state.ty());
            operands.push(weights.state);
            let projection = weights.projection.map(|weight| {
                operands.push(weight);
                body.state("weight_hr", weight.ty())
            });
            let biases = [("bias", of_steps), ("bias_hh", of_state)].map(|(name, bias)| {
                operands.extend(bias);
                bias.map(|bias| body.state(name, bias.ty()))
            });
            let new = step.step(projected, &states, weight, projection, biases);
            states.iter().zip(&new).for_each(|(&state, &new)| body.carry(state, new));
            body.output("h", new[0]);
            let results = g.scan(body, &operands, length, direction == 1);
            last.iter_mut().zip(&results).for_each(|(last, state)| last.push(state.unsqueeze(0)));
            outputs.push(results[step.states()]);
        }
        x = if let [output] = outputs[..] { output } else { g.concat(&outputs, -1) };
    }
    let y = turned(x);
    let results =
        std::iter::once(y).chain(last.iter().map(|all| if let [one] = all[..] { one } else { g.concat(all, 0) }));
    let results: Vec<Value<'g>> = results
        .zip(types.as_slice())
        .map(|(result, ty)| if is_single { result.reshape(ty.shape) } else { result })
        .collect();
    // ONNX's LSTM has no projection.
    if of.projection == 0 && (stacking.dropout == 0.0 || !g.training()) {
        let Stacking { bidirectional, batch_first, .. } = stacking;
        let mut operands: Vec<Option<Value<'g>>> = inputs.iter().copied().map(Some).collect();
        for Weights { inputs, state, biases, .. } in all {
            operands.extend([Some(*inputs), Some(*state), biases.map(|[bias, _]| bias), biases.map(|[_, bias]| bias)]);
        }
        g.note_whole(Whole::Recurrent { step, bidirectional, batch_first }, &operands, &results);
    }
    results
}

/// One step of a recurrent layer, for inputs `[N, inputs]` or `[inputs]` and, if they are not zeros, the states before
/// it, `[N, hidden]`: the states behind it.
pub fn recurrent_cell<'g>(step: Recurrence, inputs: &[Value<'g>], weights: &Weights<'g>) -> Vec<Value<'g>> {
    let Some((&x, states)) = inputs.split_first() else { return Vec::new() };
    let g = x.graph();
    let of = Recurrent {
        inputs: weights.inputs.shape().dim(1),
        hidden: weights.hidden(step),
        gates: step.gates(),
        states: step.states(),
        projection: weights.projected(),
        layers: 1,
        directions: 1,
        batch_first: false,
        dropout: 0.0,
    };
    let types: Vec<Type> = inputs.iter().map(|input| input.ty()).collect();
    let types = match rules::recurrent_cell(&types, &of) {
        Ok(types) => types,
        Err(error) => return refused(g, error, x.ty(), step.states()),
    };
    let states = match states {
        [] => types.as_slice().iter().map(|ty| g.full(ty.shape, 0.0)).collect(),
        states => states.to_vec(),
    };
    let [bias, of_state] = step.biases(weights);
    step.step(linear(x, weights.inputs, bias), &states, weights.state, weights.projection, [None, of_state])
}

fn refused<'g>(g: &'g Builder, error: ShapeError, ty: Type, results: usize) -> Vec<Value<'g>> {
    g.fail(error.into());
    (0..results).map(|_| g.poison(ty)).collect()
}

/// The parameters of one layer in one direction, or of a cell.
#[derive(Clone, Debug)]
pub struct RecurrentWeights {
    /// `[gates * hidden, inputs]`.
    pub weight_ih: Parameter,
    /// `[gates * hidden, hidden]`, of a state that is projected `[gates * hidden, projection]`.
    pub weight_hh: Parameter,
    /// `[gates * hidden]`, or none.
    pub bias_ih: Option<Parameter>,
    /// `[gates * hidden]`, or none.
    pub bias_hh: Option<Parameter>,
    /// Of an LSTM whose state is projected, `[projection, hidden]`.
    pub weight_hr: Option<Parameter>,
}

impl RecurrentWeights {
    /// Uniform in ± `1 / sqrt(hidden)`.
    fn new(of: &Recurrent, inputs: usize, bias: bool, init: &mut Init) -> RecurrentWeights {
        let (rows, hidden) = (of.gates * of.hidden, of.hidden);
        RecurrentWeights {
            weight_ih: Parameter::trained(init.kaiming_uniform([rows, inputs], hidden)),
            weight_hh: Parameter::trained(init.kaiming_uniform([rows, of.features(0)], hidden)),
            bias_ih: bias.then(|| Parameter::trained(init.kaiming_uniform([rows], hidden))),
            bias_hh: bias.then(|| Parameter::trained(init.kaiming_uniform([rows], hidden))),
            weight_hr: (of.projection > 0)
                .then(|| Parameter::trained(init.kaiming_uniform([of.projection, hidden], hidden))),
        }
    }

    /// The parameters as states of a graph. `place` is what their names end in: `_l0_reverse`.
    fn values<'g>(&self, g: &'g Builder, place: &str) -> Weights<'g> {
        let state = |name: &str, parameter: &Parameter| g.parameter(&format!("{name}{place}"), parameter);
        let optional = |name: &str, parameter: &Option<Parameter>| parameter.as_ref().map(|found| state(name, found));
        let inputs = state("weight_ih", &self.weight_ih);
        let of_state = state("weight_hh", &self.weight_hh);
        let biases = optional("bias_ih", &self.bias_ih).zip(optional("bias_hh", &self.bias_hh));
        let projection = optional("weight_hr", &self.weight_hr);
        let biases = biases.map(|(of_inputs, of_state)| [of_inputs, of_state]);
        Weights { inputs, state: of_state, biases, projection }
    }

    fn visit<'a>(&'a self, place: &str, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        f(&path.name(&format!("weight_ih{place}")), &self.weight_ih);
        f(&path.name(&format!("weight_hh{place}")), &self.weight_hh);
        let optional = [("bias_ih", &self.bias_ih), ("bias_hh", &self.bias_hh), ("weight_hr", &self.weight_hr)];
        for (name, parameter) in optional {
            if let Some(parameter) = parameter {
                f(&path.name(&format!("{name}{place}")), parameter);
            }
        }
    }

    fn visit_mut(&mut self, place: &str, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f(&path.name(&format!("weight_ih{place}")), &mut self.weight_ih);
        f(&path.name(&format!("weight_hh{place}")), &mut self.weight_hh);
        let RecurrentWeights { bias_ih, bias_hh, weight_hr, .. } = self;
        for (name, parameter) in [("bias_ih", bias_ih), ("bias_hh", bias_hh), ("weight_hr", weight_hr)] {
            if let Some(parameter) = parameter {
                f(&path.name(&format!("{name}{place}")), parameter);
            }
        }
    }
}
