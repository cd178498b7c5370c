//! WGAN-GP's double backward: the loss of a critic holds the norm of its own gradient, and is differentiated in the
//! critic's parameters. By the interpreter in f64 against central differences, and as native code against the interpreter.

use std::sync::Arc;

use kiln_graph::build::{Builder, Value};
use kiln_graph::graph::{Graph, Type};
use kiln_graph::interpret::Tensor;
use kiln_graph::layers::activation::leaky_relu;
use kiln_graph::layers::conv::conv;
use kiln_graph::layers::linear::linear;
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::optimize;
use kiln_graph::shape::Shape;
use kiln_jit::{CompileOptions, Program, Session, States};
use kiln_rt::random::uniform;
use kiln_rt::threads::Pool;
use ndarray::{ArrayD, IxDyn};

use crate::{Feeds, central_difference, evaluate, only};

type Activation = for<'g> fn(Value<'g>) -> Value<'g>;

/// The parameters of the critic.
const PARAMETERS: [(&str, &[usize]); 6] = [
    ("conv1.weight", &[4, 2, 3, 3]),
    ("conv1.bias", &[4]),
    ("conv2.weight", &[3, 4, 2, 2]),
    ("conv2.bias", &[3]),
    ("fc.weight", &[1, 12]),
    ("fc.bias", &[1]),
];

/// The critic's score of each sample, `[N]`.
fn critic<'g>(x: Value<'g>, parameters: &[Value<'g>], act: Activation) -> Value<'g> {
    let [w1, b1, w2, b2, w3, b3] = *parameters else { unreachable!("six parameters") };
    let mut strided = Sliding::unit(2);
    strided.stride = [2, 2, 1];
    strided.padding = [(1, 1), (1, 1), (0, 0)];
    let x = act(conv(x, w1, Some(b1), Convolution { sliding: strided, groups: 1 }));
    let x = act(conv(x, w2, Some(b2), Convolution { sliding: Sliding::unit(2), groups: 1 }));
    linear(x.flatten(1), w3, Some(b3)).squeeze(1)
}

/// The critic's loss, `mean(D(fake)) - mean(D(real)) + 10 mean((|grad D(between)| - 1)^2)`, and its gradients.
fn graph(act: Activation) -> (Graph, Feeds) {
    let g = Builder::new("critic");
    let mut feeds = Feeds::new();
    let mut input = |name: &str, extents: &[usize], scale: f64| {
        let (shape, stream) = (Shape::new(extents), feeds.len() as u32);
        let number = |i: usize| (2.0 * f64::from(uniform(3, 0, stream, i as u64)) - 1.0) * scale;
        feeds.insert(name.to_owned(), Tensor::floats(shape, (0..shape.elements()).map(number)));
        g.input_of(name, Type::f32(shape))
    };
    let parameters: Vec<Value<'_>> = PARAMETERS.iter().map(|(name, extents)| input(name, extents, 0.7)).collect();
    let [real, fake] = ["real", "fake"].map(|name| input(name, &[3, 2, 5, 5], 1.0));
    let share = input("share", &[3, 1, 1, 1], 0.5) + 0.5;

    let between = real * share + fake * (1.0 - share);
    let [slope] = g.gradients(critic(between, &parameters, act).sum(..), [between]).expect("the sum is a scalar");
    let penalty = (slope.square().sum([1, 2, 3]).sqrt() - 1.0).square().mean(..);
    let loss = critic(fake, &parameters, act).mean(..) - critic(real, &parameters, act).mean(..) + penalty * 10.0;
    g.output("loss", loss);
    let gradients = g.gradients_of(loss, &parameters).expect("the loss is a scalar");
    for ((name, _), gradient) in PARAMETERS.iter().zip(gradients) {
        g.output(&format!("gradient of {name}"), gradient);
    }
    (g.finish().expect("nothing is wrong"), feeds)
}

/// The outputs of the compiled graph, in order.
fn compiled(graph: &Graph, feeds: &Feeds) -> Vec<Vec<f64>> {
    let program = Program::compile(&optimize(graph), &CompileOptions::default()).expect("it compiles");
    let mut states = States::new();
    let mut session =
        Session::new(Arc::new(program), &mut states, Arc::new(Pool::new(2))).expect("it has no states to differ about");
    for (position, input) in graph.inputs.iter().enumerate() {
        let numbers = feeds[&input.name].to_f64().into_iter().map(|number| number as f32).collect();
        let array = ArrayD::from_shape_vec(IxDyn(graph.shape(input.node).dims()), numbers).expect("as many numbers");
        session.write_input_f32(position, array.view()).expect("it has this shape");
    }
    session.run(&mut states).expect("all inputs are written");
    (0..graph.outputs.len()).map(|output| session.output(output).iter().map(|&x| f64::from(x)).collect()).collect()
}

#[test]
fn the_gradient_of_a_gradient_penalty_is_right() {
    let activations: [(&str, Activation); 2] = [("leaky ReLU", |x| leaky_relu(x, 0.2)), ("tanh", |x| x.tanh())];
    for (name, act) in activations {
        let (graph, feeds) = graph(act);
        let loss = only(&graph, "loss");
        let mut exact = vec![evaluate(&graph, &feeds, "loss")];
        for (parameter, extents) in PARAMETERS {
            let found = evaluate(&graph, &feeds, &format!("gradient of {parameter}"));
            let count = extents.iter().product();
            for (place, &found) in found.iter().enumerate() {
                let unit: Vec<f64> = (0..count).map(|i| f64::from(u8::from(i == place))).collect();
                let expected = central_difference(&loss, &feeds, "loss", parameter, &unit);
                // Central differences of a number near 10 with steps of 1e-5 are exact to about 1e-9.
                assert!(
                    (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
                    "{name}: the gradient of {parameter} at {place} is {found}, but should be {expected}"
                );
            }
            exact.push(found);
        }
        // The penalty's part is there: the weights of the last layer enter it.
        assert!(exact[5].iter().any(|gradient| gradient.abs() > 0.1), "{:?}", exact[5]);
        for (output, (exact, found)) in exact.iter().zip(compiled(&graph, &feeds)).enumerate() {
            for (exact, found) in exact.iter().zip(found) {
                // f32 through two backward passes over sums of up to 50 products.
                assert!((exact - found).abs() <= 1e-5 + 1e-4 * exact.abs(), "{name}, output {output}: {exact} {found}");
            }
        }
    }
}
