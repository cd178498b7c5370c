//! Loops read what lies elsewhere where it lies: slices, transposes and other views of inputs, states and what was
//! computed, as rows, as what is the same in each step, and as what is carried.

use std::collections::HashMap;

use kiln_graph::build::Value;
use kiln_graph::{Builder, Graph, Type, optimize};
use kiln_jit::Target;
use kiln_jit::plan::plan;

use crate::run;

/// What a loop goes over, in so many steps: `[STEPS, 2, 10]`.
const ROWS: [usize; 3] = [4, 2, 10];

/// A view of [`ROWS`].
struct View {
    name: &'static str,
    /// What it is a view of.
    of: &'static [usize],
    view: for<'g> fn(Value<'g>) -> Value<'g>,
}

const VIEWS: [View; 18] = [
    View { name: "itself", of: &ROWS, view: |x| x },
    View { name: "some rows", of: &[7, 2, 10], view: |x| x.slice(0, 2..6, 1) },
    View { name: "every second row", of: &[9, 2, 10], view: |x| x.slice(0, 1..9, 2) },
    View { name: "some columns", of: &[4, 2, 25], view: |x| x.slice(2, 9..19, 1) },
    View { name: "every third column", of: &[4, 2, 31], view: |x| x.slice(2, 1..31, 3) },
    View { name: "of all axes", of: &[5, 4, 12], view: |x| x.slice(0, 1..5, 1).slice(1, 1..4, 2).slice(2, 2..12, 1) },
    View { name: "batch first", of: &[2, 4, 10], view: |x| x.transpose(0, 1) },
    View { name: "features first", of: &[10, 4, 2], view: |x| x.permute(&[1, 2, 0]) },
    View { name: "steps last", of: &[2, 10, 4], view: |x| x.permute(&[2, 0, 1]) },
    View { name: "rows reversed", of: &ROWS, view: |x| x.reverse(0) },
    View { name: "columns reversed", of: &ROWS, view: |x| x.reverse(2) },
    View { name: "all reversed", of: &ROWS, view: |x| x.reverse([0, 1, 2]) },
    View { name: "of a vector", of: &[80], view: |x| x.reshape(ROWS) },
    View { name: "cut and merged", of: &[8, 10], view: |x| x.reshape(ROWS) },
    View { name: "the same row", of: &[2, 10], view: |x| x.broadcast_to(ROWS) },
    View { name: "the same column", of: &[4, 1, 10], view: |x| x.broadcast_to(ROWS) },
    View {
        name: "one of three, batch first",
        of: &[2, 5, 30],
        view: |x| x.slice(2, 10..20, 1).slice(1, 0..4, 1).transpose(0, 1),
    },
    View {
        name: "every second, backwards, heads apart",
        of: &[2, 8, 30],
        view: |x| {
            x.reshape([2, 8, 3, 10])
                .slice(2, 1..2, 1)
                .reshape([2, 8, 10])
                .slice(1, 1..8, 2)
                .transpose(0, 1)
                .reverse([0, 2])
        },
    },
];

/// Where that of which there is a view comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    Data,
    Computed,
    State,
}

/// Two operands of a loop are views, its rows and what is the same in each step, of which it carries one, too. With the
/// gradients of both; a state has an update behind the loop.
fn graph(View { name, of, view }: &View, from: From, reverse: bool) -> Graph {
    let g = Builder::new(*name);
    let source = |name: &str| match from {
        From::Data => g.input(name, *of),
        From::Computed => (g.input(name, *of) * 0.5).tanh(),
        From::State => g.state(name, Type::f32(*of)),
    };
    let [x, c] = ["x", "c"].map(source);
    let body = g.body("step");
    let row = body.input("row", [2, 10]);
    let [constant, carried] = ["constant", "carried"].map(|name| body.state(name, Type::f32(ROWS)));
    let products = row.matmul(constant.transpose(1, 2)).matmul(constant);
    let new = (carried * 0.5 + products * 0.1).tanh();
    body.carry(carried, new);
    body.output("y", new.sum(0) * row);
    let results = g.scan(body, &[view(x), view(c), view(c)], ROWS[0], reverse);
    g.output("last", results[0]);
    g.output("y", results[1]);
    let loss = results.iter().map(|result| result.square().mean(..)).reduce(|a, b| a + b).expect("two results");
    for ((name, source), gradient) in
        [("x", x), ("c", c)].into_iter().zip(g.gradients(loss, [x, c]).expect("gradients"))
    {
        match from {
            From::State => g.update(source, source - gradient),
            From::Data | From::Computed => g.output(&format!("d{name}"), gradient),
        }
    }
    optimize(&g.finish().expect("a graph"))
}

#[test]
fn loops_over_views_agree_with_the_interpreter() {
    for (number, view) in VIEWS.iter().enumerate() {
        for (place, from) in [From::Data, From::Computed, From::State].into_iter().enumerate() {
            let turn = number + place;
            let graph = graph(view, from, turn % 2 == 1);
            let name = format!("{} of {from:?}", view.name);
            let target = Target::with_lanes([4, 8, 16][turn % 3]);
            run::check_plan(&name, &graph, &plan(&graph, &target, &HashMap::new()).expect("a plan"));
            // Each view by each emitter, and each kind of source.
            run::check_compiled_in_turns(turn + 1, &name, &graph);
        }
    }
}

/// Nothing is copied for a loop that only reads.
#[test]
fn loops_read_views_where_the_value_lies() {
    for View { name, of, view } in VIEWS {
        let g = Builder::new(name);
        let x = g.input("x", of);
        let body = g.body("step");
        let (row, constant) = (body.input("row", [2, 10]), body.state("constant", Type::f32(ROWS)));
        body.output("y", row.exp() * constant.sum(0));
        g.output("y", g.scan(body, &[view(x), view(x)], ROWS[0], false)[0]);
        let plan =
            plan(&optimize(&g.finish().expect("a graph")), &Target::with_lanes(8), &HashMap::new()).expect("a plan");
        let before = &plan.calls[..plan.loops[0].calls.start];
        assert!(before.iter().all(|call| call.label.contains("sum")), "{name}\n{plan}");
    }
}
