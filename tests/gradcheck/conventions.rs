//! Gradients where there is no derivative, or where a formula for it has no value: what PyTorch gives.

use kiln_graph::build::{Builder, Value};
use kiln_graph::interpret::{Tensor, interpret};
use kiln_graph::op::{Op, Sliding, Window};

/// The value of a function of two vectors at one place, and the gradients of its sum in both.
struct Convention {
    name: &'static str,
    function: for<'g> fn(Value<'g>, Value<'g>) -> Value<'g>,
    a: &'static [f64],
    b: &'static [f64],
    value: &'static [f64],
    gradient_a: &'static [f64],
    gradient_b: &'static [f64],
}

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// The places at which PyTorch's choices show; functions of one vector have a `b` that nothing reads.
fn conventions() -> Vec<Convention> {
    fn one(
        name: &'static str,
        function: for<'g> fn(Value<'g>, Value<'g>) -> Value<'g>,
        a: &'static [f64],
        value: &'static [f64],
        gradient_a: &'static [f64],
    ) -> Convention {
        Convention { name, function, a, b: &[0.0], value, gradient_a, gradient_b: &[0.0] }
    }
    vec![
        one("abs", |a, _| a.abs(), &[-2.0, 0.0, 3.0], &[2.0, 0.0, 3.0], &[-1.0, 0.0, 1.0]),
        one("sign", |a, _| a.sign() * a, &[-2.0, 0.0, 3.0], &[2.0, 0.0, 3.0], &[-1.0, 0.0, 1.0]),
        one("relu", |a, _| a.relu(), &[-2.0, 0.0, 3.0, NAN], &[0.0, 0.0, 3.0, NAN], &[0.0, 0.0, 1.0, 1.0]),
        one(
            "clamp",
            |a, _| a.clamp(-1.0, 2.0),
            &[-2.0, -1.0, 0.0, 2.0, 3.0],
            &[-1.0, -1.0, 0.0, 2.0, 2.0],
            &[0.0, 0.0, 1.0, 0.0, 0.0],
        ),
        one(
            "clamp, bounds exchanged",
            |a, _| a.clamp(2.0, -1.0),
            &[-2.0, 0.0, 3.0],
            &[-1.0, -1.0, -1.0],
            &[0.0, 0.0, 0.0],
        ),
        one("sqrt", |a, _| a.sqrt(), &[0.0, 4.0], &[0.0, 2.0], &[INF, 0.25]),
        one("pow by 0, 1, 2", |a, _| a.pow(0.0) + a.pow(1.0) + a.pow(2.0), &[0.0, -3.0], &[1.0, 7.0], &[1.0, -5.0]),
        one("amax", |a, _| a.amax(0), &[1.0, 4.0, 4.0, 2.0], &[4.0], &[0.0, 0.5, 0.5, 0.0]),
        one("amin", |a, _| a.amin(0), &[1.0, 4.0, 1.0, 1.0], &[1.0], &[1.0 / 3.0, 0.0, 1.0 / 3.0, 1.0 / 3.0]),
        one("detach", |a, _| a.detach() * a, &[2.0, 3.0], &[4.0, 9.0], &[2.0, 3.0]),
        one("unreachable", |a, _| a.detach().exp(), &[0.0], &[1.0], &[0.0]),
        one(
            "window maximum: the first of a tie",
            |a, _| {
                let window = Window { kernel: [3, 1, 1], sliding: Sliding::unit(1), ceil: false };
                a.reshape([1, 1, a.shape().elements()]).max_window(window)
            },
            &[1.0, 5.0, 5.0, 5.0, NAN],
            &[5.0, 5.0, NAN],
            &[0.0, 2.0, 0.0, 0.0, 1.0],
        ),
        one(
            "argmax: the first of a tie, NaN wins",
            |a, _| {
                let indices = a.argmax(0).reshape([1]);
                a.detach().gather(0, indices) + a.sum_keep(0) * 0.0
            },
            &[1.0, 5.0, 5.0],
            &[5.0],
            &[0.0, 0.0, 0.0],
        ),
        Convention {
            name: "maximum",
            function: |a, b| a.maximum(b),
            a: &[1.0, 2.0, 3.0, NAN],
            b: &[2.0, 2.0, 2.0, 1.0],
            value: &[2.0, 2.0, 3.0, NAN],
            gradient_a: &[0.0, 0.5, 1.0, 1.0],
            gradient_b: &[1.0, 0.5, 0.0, 1.0],
        },
        Convention {
            name: "minimum",
            function: |a, b| a.minimum(b),
            a: &[1.0, 2.0, 3.0, 1.0],
            b: &[2.0, 2.0, 2.0, NAN],
            value: &[1.0, 2.0, 2.0, NAN],
            gradient_a: &[1.0, 0.5, 0.0, 1.0],
            gradient_b: &[0.0, 0.5, 1.0, 1.0],
        },
        Convention {
            name: "pow at 0",
            function: |a, b| a.pow(b),
            a: &[0.0, 0.0, 0.0, 2.0],
            b: &[0.0, 1.0, 2.0, 0.0],
            value: &[1.0, 0.0, 0.0, 1.0],
            gradient_a: &[0.0, 1.0, 0.0, 0.0],
            gradient_b: &[0.0, 0.0, 0.0, std::f64::consts::LN_2],
        },
        // Second gradients: those of the first one.
        one("slope of pow(0)", |a, _| slope(a.pow(0.0), a), &[-2.0, -0.0, 0.0, 2.0], &[0.0; 4], &[0.0; 4]),
        one("slope of pow(1)", |a, _| slope(a.pow(1.0), a), &[-2.0, -0.0, 0.0, 2.0], &[1.0; 4], &[0.0; 4]),
        one("slope of pow(2)", |a, _| slope(a.pow(2.0), a), &[-2.0, -0.0, 0.0], &[-4.0, -0.0, 0.0], &[2.0; 3]),
        one("slope of pow(3)", |a, _| slope(a.pow(3.0), a), &[-0.0, 0.0, 2.0], &[0.0, 0.0, 12.0], &[-0.0, 0.0, 12.0]),
        one("slope of pow(0.5)", |a, _| slope(a.pow(0.5), a), &[0.0, 0.25], &[INF, 1.0], &[-INF, -2.0]),
        one("slope of pow(-1)", |a, _| slope(a.pow(-1.0), a), &[0.0, 2.0], &[-INF, -0.25], &[INF, 0.25]),
    ]
}

/// The gradient of the sum of a value.
fn slope<'g>(value: Value<'g>, of: Value<'g>) -> Value<'g> {
    value.graph().gradients(value.sum(..), [of]).expect("the sum is a scalar")[0]
}

fn check(convention: &Convention) {
    let name = convention.name;
    let g = Builder::new(name);
    let (a, b) = (g.input("a", [convention.a.len()]), g.input("b", [convention.b.len()]));
    let value = (convention.function)(a, b);
    let gradients = g.gradients(value.sum(..), [a, b]).expect(name);
    g.output("value", value);
    g.output("gradient of a", gradients[0]);
    g.output("gradient of b", gradients[1]);
    let graph = g.finish().expect(name);
    let feed = |values: &[f64]| Tensor::<f64>::floats([values.len()], values.iter().copied());
    let feeds = [("a".into(), feed(convention.a)), ("b".into(), feed(convention.b))].into();
    let outputs = interpret(&graph, &feeds).expect(name).outputs;
    for (output, expected) in [
        ("value", convention.value),
        ("gradient of a", convention.gradient_a),
        ("gradient of b", convention.gradient_b),
    ] {
        let found = outputs[output].to_f64();
        let same = |(x, y): (&f64, &f64)| x == y || (x.is_nan() && y.is_nan());
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(same),
            "{name}: the {output} is {found:?}, but should be {expected:?}"
        );
    }
}

#[test]
fn conventions_are_those_of_pytorch() {
    conventions().iter().for_each(check);
}

/// What nobody asks for is not built: the first convolution's input has no gradient.
#[test]
fn data_inputs_get_no_gradient() {
    let g = Builder::new("first layer");
    let x = g.input("x", [2, 1, 4, 4]);
    let weight = g.input("weight", [3, 1, 3, 3]);
    let conv = kiln_graph::op::Convolution { sliding: Sliding::unit(2), groups: 1 };
    let y = x.conv(weight, conv).relu();
    let [gradient] = g.gradients(y.sum(..), [weight]).expect("the loss is a scalar");
    g.output("gradient", gradient);
    let graph = g.finish().expect("nothing is wrong");
    let count = |f: fn(&Op) -> bool| graph.nodes.iter().filter(|node| f(&node.op)).count();
    assert_eq!(count(|op| matches!(op, Op::ConvGradInput { .. })), 0);
    assert_eq!(count(|op| matches!(op, Op::ConvGradWeight { .. })), 1);
}
