//! States that other programs share lie as those say.

use std::collections::HashMap;

use kiln_graph::shape::MAX_RANK;
use kiln_graph::{Builder, Graph, Type};
use kiln_jit::Target;
use kiln_jit::layout::Layout;
use kiln_jit::plan::{PlanError, plan};

use crate::cases::conv;
use crate::run::check_plan;

fn layout(offset: usize, strides: &[i64], elements: usize) -> Layout {
    let mut layout = Layout { offset, strides: [0; MAX_RANK], elements };
    layout.strides[..strides.len()].copy_from_slice(strides);
    layout
}

fn step() -> Graph {
    let g = Builder::new("step");
    let x = g.input("x", [2, 3, 6, 6]);
    let w = g.state("w", Type::f32([4, 3, 3, 3]));
    let l = g.state("l", Type::f32([5, 64]));
    let y = x.conv(w, conv(1, 0, 1)).relu().flatten(1).matmul(l.transpose(0, 1)).tanh();
    let loss = (y * y).mean([0, 1]);
    for (state, gradient) in [w, l].into_iter().zip(g.gradients(loss, [w, l]).expect("gradients")) {
        g.update(state, state - gradient * 0.1);
    }
    g.output("loss", loss);
    kiln_graph::optimize(&g.finish().expect("a graph"))
}

#[test]
fn given_layouts_are_kept() {
    let graph = step();
    // Row-major, as in a file; then with places to spare and an offset.
    let row_major = [("w", layout(0, &[27, 9, 3, 1], 108)), ("l", layout(0, &[64, 1], 320))];
    let spacious = [("w", layout(5, &[1, 4, 40, 13], 140)), ("l", layout(16, &[70, 1], 400))];
    for given in [row_major, spacious] {
        let given: HashMap<String, Layout> = given.map(|(name, layout)| (name.to_owned(), layout)).into();
        for lanes in [4, 16] {
            let plan = plan(&graph, &Target::with_lanes(lanes), &given).expect("a plan");
            for input in plan.inputs.iter().filter(|input| given.contains_key(&input.name)) {
                assert_eq!(input.layout, given[&input.name], "{}", input.name);
            }
            check_plan("given layouts", &graph, &plan);
        }
    }
}

#[test]
fn a_layout_that_does_not_fit_is_refused() {
    let given = HashMap::from([("l".to_owned(), layout(0, &[64, 1], 319))]);
    let error = plan(&step(), &Target::with_lanes(4), &given).expect_err("one element is missing");
    assert_eq!(error, PlanError::StateLayout { name: "l".to_owned(), ty: Type::f32([5, 64]) });
    assert_eq!(error.to_string(), "the layout given for state `l` does not hold a tensor of type f32[5,64]");
}

/// `a0` lies channels last, as a convolution prefers it; `a0 + a1` lies as `a0`, so `a1` as that sum, `a1 + a2` as `a1`,
/// and so on: each link is a turn from a user to another operand of its.
#[test]
fn preferences_reach_whoever_has_a_path_to_them() {
    for links in [1, 3, 8, 600] {
        let g = Builder::new("links");
        let shape = Type::f32([2, 3, 4, 5]);
        let states: Vec<_> = (0..=links).map(|number| g.state(&format!("a{number}"), shape)).collect();
        let w = g.state("w", Type::f32([4, 3, 1, 1]));
        let sums: Vec<_> = states.windows(2).map(|pair| (pair[0] + pair[1]).tanh()).collect();
        let loss = sums.into_iter().fold(states[0].conv(w, conv(1, 0, 1)).sum(..), |loss, sum| loss + sum.sum(..));
        g.output("loss", loss);
        let graph = g.finish().expect("a graph");
        let plan = plan(&graph, &Target::with_lanes(8), &HashMap::new()).expect("a plan");
        for input in plan.inputs.iter().filter(|input| input.name.starts_with('a')) {
            assert_eq!(input.layout.strides[..4], [60, 1, 15, 3], "{} of {links}", input.name);
        }
    }
}
