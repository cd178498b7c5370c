//! Recurrent layers as ONNX's `RNN`, `LSTM` and `GRU`, one for each layer of a stack. Their weights are the parameters
//! in ONNX's order of gates, one behind another for both directions. That there is such a layer was noted when the
//! graph was built; it is not looked for among operations.

use kiln_graph::NodeId;
use kiln_graph::layers::Nonlinearity;
use kiln_graph::layers::recurrent::Recurrence;
use kiln_graph::whole::Noted;

use super::error::WriteError;
use super::protos::{self, node};
use super::writer::Writer;
use crate::proto::tensor_proto::DataType;

/// The operands of one layer in one direction: `weight_ih, weight_hh, [bias_ih], [bias_hh]`.
const WEIGHTS: usize = 4;

/// The gates in ONNX's order, by their places in PyTorch's, of an operator of a recurrent layer; nothing for others.
pub fn gates_of(operator: &str) -> Option<&'static [usize]> {
    match operator {
        "RNN" => Some(&[0]),
        // i, f, g, o to i, o, f, c.
        "LSTM" => Some(&[0, 3, 1, 2]),
        // r, z, n to z, r, h.
        "GRU" => Some(&[1, 0, 2]),
        _ => None,
    }
}

fn operator(step: Recurrence) -> &'static str {
    match step {
        Recurrence::Rnn(_) => "RNN",
        Recurrence::Lstm => "LSTM",
        Recurrence::Gru => "GRU",
    }
}

impl Writer<'_> {
    /// Whether all weights are parameters.
    pub(super) fn writes_recurrent(&self, noted: &Noted, step: Recurrence) -> bool {
        let weights = &noted.operands[self.sequence_and_states(noted, step).len()..];
        weights.iter().flatten().all(|&weight| self.parameter(weight).is_some())
    }

    /// The operands that are not weights.
    pub(super) fn sequence_and_states(&self, noted: &Noted, step: Recurrence) -> Vec<NodeId> {
        let states = noted.operands.len().saturating_sub(1) % WEIGHTS;
        debug_assert!(states == 0 || states == step.states());
        noted.operands[..1 + states].iter().flatten().copied().collect()
    }

    /// Writes the stack; the names of the outputs and of the last states.
    pub(super) fn write_recurrent(
        &mut self,
        noted: &Noted,
        step: Recurrence,
        bidirectional: bool,
        batch_first: bool,
    ) -> Result<Vec<String>, WriteError> {
        let given = self.sequence_and_states(noted, step);
        let names: Vec<String> = given.iter().map(|&operand| self.value(operand).to_owned()).collect();
        let directions = 1 + usize::from(bidirectional);
        let weights = &noted.operands[given.len()..];
        let layers = weights.len() / (WEIGHTS * directions);
        let is_single = self.rank(given[0]) == 2;
        // [length, N, features].
        let one = self.int_list(&[1]);
        let mut x = match (is_single, batch_first) {
            (true, _) => self.push(node("Unsqueeze", &[&names[0], &one])),
            (false, true) => self.push(node("Transpose", &[&names[0]]).ints("perm", [1, 0, 2])),
            (false, false) => names[0].clone(),
        };
        let mut states = names[1..].to_vec();
        if is_single {
            states = states.iter().map(|state| self.push(node("Unsqueeze", &[state, &one]))).collect();
        }
        let mut last: Vec<Vec<String>> = vec![Vec::new(); step.states()];
        for (layer, weights) in weights.chunks(WEIGHTS * directions).enumerate() {
            let mut before = Vec::new();
            for state in &states {
                before.push(match layers {
                    1 => state.clone(),
                    _ => {
                        let (first, end) = ((layer * directions) as i64, ((layer + 1) * directions) as i64);
                        let lists = [first, end, 0].map(|number| self.int_list(&[number]));
                        self.push(node("Slice", &[state, &lists[0], &lists[1], &lists[2]]))
                    }
                });
            }
            let outputs = self.write_layer(&x, &before, weights, step);
            last.iter_mut().zip(&outputs[1..]).for_each(|(last, state)| last.push(state.clone()));
            // [length, directions, N, hidden] to [length, N, directions * hidden].
            x = if directions == 1 {
                self.push(node("Squeeze", &[&outputs[0], &one]))
            } else {
                let turned = self.push(node("Transpose", &[&outputs[0]]).ints("perm", [0, 2, 1, 3]));
                let shape = self.int_list(&[0, 0, -1]);
                self.push(node("Reshape", &[&turned, &shape]))
            };
        }
        let mut results = vec![match (is_single, batch_first) {
            (true, _) => self.push(node("Squeeze", &[&x, &one])),
            (false, true) => self.push(node("Transpose", &[&x]).ints("perm", [1, 0, 2])),
            (false, false) => x,
        }];
        for states in last {
            let all = match &states[..] {
                [one] => one.clone(),
                states => {
                    let states: Vec<&str> = states.iter().map(String::as_str).collect();
                    self.push(node("Concat", &states).int("axis", 0))
                }
            };
            results.push(if is_single { self.push(node("Squeeze", &[&all, &one])) } else { all });
        }
        Ok(results)
    }

    /// Writes one layer: the names of `Y` and of the last states.
    fn write_layer(&mut self, x: &str, before: &[String], weights: &[Option<NodeId>], step: Recurrence) -> Vec<String> {
        let directions: Vec<&[Option<NodeId>]> = weights.chunks(WEIGHTS).collect();
        let shape = |place: usize| weights[place].map(|weight| self.level().node(weight).ty.shape);
        let [of_input, of_state] = [0, 1].map(|place| shape(place).expect("both weights are there"));
        let (rows, inputs, hidden) = (of_input.dim(0), of_input.dim(1), of_state.dim(1));
        let count = directions.len() as i64;
        let w = directions.iter().flat_map(|weights| self.in_order(weights[0], step)).collect();
        let r = directions.iter().flat_map(|weights| self.in_order(weights[1], step)).collect();
        let b: Vec<u8> = directions
            .iter()
            .flat_map(|weights| [self.in_order(weights[2], step), self.in_order(weights[3], step)].concat())
            .collect();
        let place = weights[0].and_then(|weight| self.parameter(weight)).map_or("", |(name, _)| name);
        let mut add = |part: &str, dims: [i64; 3], data: Vec<u8>| {
            let name = self.reserve(&place.replacen("weight_ih", part, 1));
            let dims = if data.is_empty() { return String::new() } else { &dims[..if part == "B" { 2 } else { 3 }] };
            self.initializers.push(protos::tensor(&name, DataType::Float, dims, data));
            name
        };
        let w = add("W", [count, rows as i64, inputs as i64], w);
        let r = add("R", [count, rows as i64, hidden as i64], r);
        let b = add("B", [count, 2 * rows as i64, 0], b);
        let state = |number: usize| before.get(number).map_or("", String::as_str);
        let mut layer = match step {
            Recurrence::Lstm => node(operator(step), &[x, &w, &r, &b, "", state(0), state(1)]),
            Recurrence::Gru => node(operator(step), &[x, &w, &r, &b, "", state(0)]).int("linear_before_reset", 1),
            Recurrence::Rnn(nonlinearity) => {
                let word = match nonlinearity {
                    Nonlinearity::Tanh => "Tanh",
                    Nonlinearity::Relu => "Relu",
                };
                node(operator(step), &[x, &w, &r, &b, "", state(0)])
                    .strings("activations", &vec![word; directions.len()])
            }
        };
        layer = layer.int("hidden_size", hidden as i64);
        layer = layer.string("direction", if count == 2 { "bidirectional" } else { "forward" });
        let names = self.result_names(["outputs", "h", "c"]);
        let results = names[..1 + step.states()].to_vec();
        self.push_as(layer, results.clone());
        results
    }

    /// The bytes of a parameter, whose rows are those of gates, in ONNX's order; nothing where there is none.
    fn in_order(&self, parameter: Option<NodeId>, step: Recurrence) -> Vec<u8> {
        let Some((_, bytes)) = parameter.and_then(|parameter| self.parameter(parameter)) else { return Vec::new() };
        let gate = bytes.len() / step.gates();
        let order = gates_of(operator(step)).expect("it is a recurrent layer");
        order.iter().flat_map(|&place| &bytes[place * gate..(place + 1) * gate]).copied().collect()
    }
}
