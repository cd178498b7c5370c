//! Graphs that are deep and narrow: chains with skips near and far, normalizations, products, statistics and, mostly, the gradients and
//! updates of all of it, so that groups are joined across long distances.

use kiln_graph::{Builder, Role, Type, Value};

use super::{Case, Random};

/// The deep case of a seed.
pub fn deep_case(seed: u64) -> Case {
    let mut random = Random::new(seed.wrapping_add(0xdee9));
    let g = Builder::new(format!("deep_{seed}"));
    let (rows, columns) = (random.pick(&[1, 2, 3, 5]), random.pick(&[1, 3, 4, 8, 9]));
    let mut values = vec![g.input("x", [rows, columns])];
    let mut states: Vec<(Value, bool)> = Vec::new();
    let steps = 20 + random.below(60);
    for number in 0..steps {
        let last = values[values.len() - 1];
        let back = random.below(values.len()).min(random.below(values.len()));
        let other = if random.chance(30) { values[0] } else { values[values.len() - 1 - back] };
        let state = |shape: &[usize]| g.state(&format!("layer.w{number}"), Type::f32(shape));
        let value = match random.below(14) {
            0 => last.tanh(),
            1 => last.sigmoid() + other * 0.5,
            2 => (last * other).tanh(),
            3 => last.gt(other * 0.5).select(last, other),
            4 => last - last.mean_keep([1]),
            5 => (last - last.mean_keep([0])) * (last.var([0], 0.0) + 0.5).rsqrt(),
            6 => (last + other) * 0.5,
            7 => last.le(0.0).select(last * 0.25, last),
            8 => {
                let weight = state(&[columns, columns]);
                states.push((weight, true));
                last.matmul(weight).tanh() + other
            }
            9 => {
                let bias = state(&[columns]);
                states.push((bias, true));
                last + bias
            }
            10 => {
                // A running statistic.
                let mean = state(&[columns]);
                states.push((mean, false));
                g.update(mean, mean * 0.75 + last.mean([0]) * 0.25);
                last * 0.5 - mean
            }
            11 => last * (other.sum(..) * 0.125).tanh(),
            12 => last.reverse([1]).reshape([columns, rows]).transpose(0, 1) + other * 0.25,
            _ => (last.reshape([rows * columns]) * 0.75).reshape([rows, columns]),
        };
        // Numbers stay small whatever is added up.
        values.push(if number % 7 == 6 { value.tanh() } else { value });
        if random.chance(4) {
            g.output(&format!("y{number}"), value);
        }
    }
    let loss = values[values.len() - 1].square().mean(..);
    g.output("loss", loss);
    let trained: Vec<Value> = states.iter().filter(|state| state.1).map(|state| state.0).collect();
    if random.chance(75) && !trained.is_empty() {
        let gradients = g.gradients_of(loss, &trained).unwrap_or_else(|error| panic!("{error}"));
        for (number, (&parameter, gradient)) in trained.iter().zip(gradients).enumerate() {
            let moment = g.state(&format!("layer.m{number}"), Type::f32(parameter.shape()));
            let next = moment * 0.5 + gradient * 0.5;
            g.update(moment, next);
            g.update(parameter, parameter - next * 0.125);
        }
    }
    let graph = g.finish().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let mut feed = |input: &kiln_graph::Input| {
        let mut values = random.feed(graph.ty(input.node), false);
        if input.role == Role::State {
            values.iter_mut().for_each(|value| *value *= 0.25);
        }
        values
    };
    let values = graph.inputs.iter().map(&mut feed).collect();
    Case { graph, values, wild: false }
}
