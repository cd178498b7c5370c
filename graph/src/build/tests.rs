//! What is recorded, what is remembered, and what comes back of a bad use. Nothing is evaluated: what the values are is
//! for `tests/gradcheck`.

use super::{Builder, GraphError, Value};
use crate::functions;
use crate::graph::{NodeId, Scope, Stage, Type};
use crate::shape::{Shape, ShapeError};

/// The error of a graph over `x: f32[2,3]` and the state `s: f32[3]`.
fn error_of(build: for<'g> fn(&'g Builder, Value<'g>, Value<'g>)) -> Option<GraphError> {
    let g = Builder::new("g");
    let (x, s) = (g.input("x", [2, 3]), g.state("s", Type::f32([3])));
    build(&g, x, s);
    g.finish().err()
}

/// What the padding of axes may be.
const PAIRS: &str = "`pad` holds two numbers for each axis, the last axis first";

#[test]
fn bad_uses_are_recorded() {
    let shape = |scope: &str, error| Some(GraphError::Shape { scope: scope.into(), error });
    let mismatch = |op, left, right| ShapeError::Mismatch { op, left, right };
    let (x, other) = (Shape::new(&[2, 3]), Shape::new(&[2]));
    type Build = for<'g> fn(&'g Builder, Value<'g>, Value<'g>);
    let cases: Vec<(Build, Option<GraphError>)> = vec![
        (|_, x, s| _ = x * s + 1.0, None),
        (|g, x, _| _ = x + g.full([2], 1.0), shape("", mismatch("add", x, other))),
        // The first error is the one that counts, and carries the layer that it happened in.
        (
            |g, x, _| {
                let _outer = g.enter("head");
                let _inner = g.enter("fc1");
                let wrong = x.matmul(g.full([2], 1.0));
                wrong.sum(7).output_of(g);
            },
            shape("head.fc1", mismatch("dot", x, Shape::new(&[2, 1]))),
        ),
        (|_, x, _| _ = x.sum([0, -2]), shape("", ShapeError::Axis { op: "sum", axis: -2, shape: x })),
        (|_, x, _| _ = x.softmax(2), shape("", ShapeError::Axis { op: "softmax", axis: 2, shape: x })),
        (|_, x, _| _ = x.permute(&[1, 1]), shape("", ShapeError::Axis { op: "transpose", axis: 1, shape: x })),
        (|_, x, _| _ = x.permute(&[0, 99]), shape("", ShapeError::Axis { op: "transpose", axis: 7, shape: x })),
        (|_, x, _| _ = x.pad(&[0, 0, 1], &[], 0.0), shape("", ShapeError::Axis { op: "pad", axis: 2, shape: x })),
        (
            |_, x, _| _ = functions::pad(x, &[1], "constant", None),
            shape("", ShapeError::Attribute { op: "pad", rule: PAIRS }),
        ),
        (
            |_, x, _| _ = functions::pad(x, &[0; 6], "constant", None),
            shape("", ShapeError::Attribute { op: "pad", rule: PAIRS }),
        ),
        (|_, x, _| _ = x.squeeze(0), shape("", ShapeError::Elements { from: x, to: Shape::new(&[3]) })),
        (|g, _, _| _ = g.input("x", [1]), Some(GraphError::DuplicateInput { name: "x".into() })),
        (|g, _, _| _ = g.input("s", [1]), Some(GraphError::DuplicateInput { name: "s".into() })),
        (|g, _, _| _ = g.state("x", Type::f32([2, 3])), Some(GraphError::DuplicateInput { name: "x".into() })),
        (
            |g, _, _| _ = g.state("s", Type::i32([3])),
            Some(GraphError::StateType { name: "s".into(), expected: Type::f32([3]), found: Type::i32([3]) }),
        ),
        (
            |g, x, s| g.update(s, x),
            Some(GraphError::StateType { name: "s".into(), expected: Type::f32([3]), found: Type::f32([2, 3]) }),
        ),
        (|g, x, _| g.update(x, x), Some(GraphError::NotAState { value: crate::NodeId(0), ty: Type::f32([2, 3]) })),
        (
            |g, x, s| {
                g.output("y", x);
                g.output("y", s);
            },
            Some(GraphError::DuplicateOutput { name: "y".into() }),
        ),
        (
            |g, _, _| {
                let other = Builder::new("other");
                g.update(g.state("s", Type::f32([3])), other.full([3], 0.0));
            },
            Some(GraphError::ForeignValue { expected: "g".into(), found: "other".into() }),
        ),
        (|g, x, _| _ = g.concat(&[x, x.transpose(0, 1)], 0), shape("", mismatch("concat", x, Shape::new(&[3, 2])))),
        (|g, _, _| _ = g.concat(&[], 0), shape("", ShapeError::Operands { op: "concat", expected: 1, found: 0 })),
    ];
    for (position, (build, expected)) in cases.into_iter().enumerate() {
        assert_eq!(error_of(build), expected, "case {position}");
    }
}

impl<'g> Value<'g> {
    fn output_of(self, g: &'g Builder) {
        g.output("y", self);
    }
}

#[test]
fn gradients_need_a_scalar_loss_of_real_values() {
    let g = Builder::new("g");
    let (x, labels) = (g.input("x", [2]), g.input_of("labels", Type::i32([2])));
    assert_eq!(g.gradients(x, [x]).err(), Some(GraphError::LossType { found: Type::f32([2]) }));
    assert_eq!(g.gradients(x.sum(..), [labels]).err(), Some(GraphError::GradientType { found: Type::i32([2]) }));
    let wrong = x + g.full([3], 0.0);
    assert!(matches!(g.gradients(wrong.sum(..), [x]), Err(GraphError::Shape { .. })));
}

#[test]
fn states_are_found_by_name_and_updates_by_state() {
    let g = Builder::new("g");
    let s = g.state("s", Type::f32([]));
    assert_eq!(g.state("s", Type::f32([])).id(), s.id());
    assert_eq!(g.current(s).id(), s.id());
    g.update(s, s + 1.0);
    let next = g.current(s) * 2.0;
    g.update(s, next);
    let current = g.current(s);
    assert_eq!(g.node(current.id()).inputs[..], [next.id()]);
    // An updated state is a value of its own.
    assert_eq!(g.gradients_through(current, &[s]).map(|of| of[0].is_none()), Ok(true));
    assert_eq!(g.versions(s).len(), 3);
    let current = current.id();
    let graph = g.finish().expect("nothing is wrong");
    assert_eq!(graph.updates.iter().map(|u| (u.input, u.node)).collect::<Vec<_>>(), [(0, current)]);
}

#[test]
fn nodes_belong_to_the_layer_that_made_them_and_so_do_their_gradients() {
    let g = Builder::new("g");
    let x = g.input("x", [2]);
    let y = {
        let _scope = g.enter("block");
        assert_eq!(g.path("weight"), "block.weight");
        let _scope = g.enter("act");
        assert_eq!(g.path("weight"), "block.act.weight");
        x.tanh()
    };
    assert_eq!(g.path("weight"), "weight");
    let [gradient] = g.gradients(y.sum(..), [x]).expect("the loss is a scalar");
    let gradient = gradient.id();
    let graph = g.finish().expect("nothing is wrong");
    let twin = graph.scope(gradient);
    assert_eq!((twin.layer.as_str(), twin.stage, twin.outer), ("block.act", Stage::Backward, 2));
    assert_eq!(graph.scope(NodeId(1)), &Scope { layer: "block.act".into(), outer: 1, ..Scope::default() });
}

#[test]
fn scopes_tell_apart_uses_functions_and_stages() {
    let g = Builder::new("g");
    let x = g.input("x", [2]);
    let y = [0, 1].map(|_| {
        let _scope = g.enter("act");
        x.relu()
    });
    let z = {
        let _stage = g.stage(Stage::Update);
        y[0] + y[1]
    };
    let ids = [y[0].id(), y[1].id(), z.id()];
    let graph = g.finish().expect("nothing is wrong");
    let [first, second, last] = ids.map(|id| graph.scope(id));
    assert_eq!((first.layer.as_str(), first.function, first.stage), ("act", "relu", Stage::Forward));
    assert_eq!((second.layer.as_str(), second.function), ("act", "relu"));
    assert_ne!(first.outer, second.outer);
    assert_eq!(last, &Scope { stage: Stage::Update, ..Scope::default() });
}
