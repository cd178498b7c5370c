//! Functions that scan: recurrences whose states, rows and constants are used in the ways that have rules of their own.

use kiln_graph::build::{Builder, Value};
use kiln_graph::graph::{Graph, Type};
use kiln_graph::op::Op;
use kiln_graph::shape::DType;
use kiln_graph::{optimize, parse, print, verify};

use crate::rows::{any, indices, positive, row};
use crate::{Case, Feeds, build, evaluate};

/// The sum of all results, each weighted by its place among them.
fn all<'g>(results: Vec<Value<'g>>) -> Value<'g> {
    let sums =
        results.into_iter().enumerate().map(|(place, result)| result.convert(DType::F32).sum(..) * (place + 1) as f64);
    sums.reduce(|a, b| a + b).expect("a scan with results")
}

/// A row of a sequence, seen through a transpose.
fn row_of(rows: Value<'_>, at: usize) -> Value<'_> {
    rows.transpose(0, 1).slice(1, at..at + 1, 1).squeeze(1)
}

pub fn scans() -> Vec<Case> {
    vec![
        // h = tanh(x W^T + h V^T + b): products with constants, and one that is added.
        row("recurrence", [any(&[3, 2, 2]), any(&[2, 3]), any(&[3, 2]), any(&[3, 3]), any(&[3])], |g, v| {
            let body = g.body("step");
            let (x, h) = (body.input("x", [2, 2]), body.state("h", Type::f32([2, 3])));
            let [w, u] = [("w", [3, 2]), ("u", [3, 3])].map(|(name, shape)| body.state(name, Type::f32(shape)));
            let b = body.state("b", Type::f32([3]));
            let new = (x.matmul(w.transpose(0, 1)) + h.matmul(u.transpose(0, 1)) + b).tanh();
            body.carry(h, new);
            body.output("h", new);
            let results = g.scan(body, v, 3, false);
            results[1] * results[0].square()
        }),
        row("reverse", [any(&[4, 2]), positive(&[2]), any(&[2])], |g, v| {
            let body = g.body("step");
            let (x, s, c) = (body.input("x", [2]), body.state("s", Type::f32([2])), body.state("c", Type::f32([2])));
            let new = s * c.square() + x.exp();
            body.carry(s, new);
            body.output("before", s);
            body.output("squares", (new * x).square());
            all(g.scan(body, v, 4, true))
        }),
        // The last row alone, seen through a transpose, of what is carried and of what is not.
        row("last", [any(&[4, 2, 3]), any(&[2, 3]), any(&[3])], |g, v| {
            let last = |reverse: bool| {
                let body = g.body("step");
                let (x, s) = (body.input("x", [2, 3]), body.state("s", Type::f32([2, 3])));
                let new = (s * body.state("c", Type::f32([3])) + x).sin();
                body.carry(s, new);
                body.output("new", new);
                body.output("square", new.square());
                let results = g.scan(body, v, 4, reverse);
                let at = if reverse { 0 } else { 3 };
                row_of(results[1], at) * row_of(results[2], 3 - at) + results[0]
            };
            last(false) + last(true) * 0.5
        }),
        // Constants on the left, with batches, and as both operands.
        row("products", [any(&[2, 2, 2, 3]), any(&[2, 3, 2]), any(&[2, 2])], |g, v| {
            let body = g.body("step");
            let x = body.input("x", [2, 2, 3]);
            let (c, s) = (body.state("c", Type::f32([2, 3, 2])), body.state("s", Type::f32([2, 2])));
            let left = c.matmul(x).sin();
            let right = x.transpose(-1, -2).transpose(-1, -2).matmul(c.exp());
            let fixed = c.matmul(c.transpose(-1, -2)).sum(..);
            body.output("left", left);
            body.output("right", right * fixed);
            body.output("constant", c);
            body.carry(s, s.matmul(right.slice(0, 0..1, 1).reshape([2, 2])) + fixed);
            all(g.scan(body, v, 2, false))
        }),
        // States that follow one another, one that nothing looks at, a value that is given twice.
        row("delay", [any(&[4, 3]), any(&[3])], |g, v| {
            let body = g.body("step");
            let x = body.input("x", [3]);
            let [first, second, idle] = ["first", "second", "idle"].map(|name| body.state(name, Type::f32([3])));
            let c = body.state("c", Type::f32([3]));
            body.carry(first, x);
            body.carry(second, first);
            body.carry(idle, idle.sin());
            body.output("delayed", second * c + c);
            let results = g.scan(body, &[v[0], v[1], v[1], v[1], v[1]], 4, false);
            results[3] * (results[0] + results[1])
        }),
        // A state of whole numbers chooses; a mask is kept.
        row("choices", [any(&[5, 2]), indices(&[], &[0]), any(&[2])], |g, v| {
            let body = g.body("step");
            let (x, count) = (body.input("x", [2]), body.state("count", Type::i32([])));
            let s = body.state("s", Type::f32([2]));
            let even = count.eq(0).broadcast_to([2]);
            let new = even.select(s + x.square(), x.relu() * s);
            body.carry(count, count * -1 + 1);
            body.carry(s, new);
            body.output("new", new.sin());
            let results = g.scan(body, v, 5, false);
            results[1].square().sum(..) + results[2] + results[0].convert(DType::F32)
        }),
        // A scan within a scan.
        row("nested", [any(&[2, 3, 2]), any(&[2]), any(&[2, 2])], |g, v| {
            let body = g.body("outer");
            let (x, s) = (body.input("x", [3, 2]), body.state("s", Type::f32([2])));
            let c = body.state("c", Type::f32([2, 2]));
            let inner = body.body("inner");
            let (y, t) = (inner.input("y", [2]), inner.state("t", Type::f32([2])));
            let d = inner.state("d", Type::f32([2, 2]));
            let new = (t.matmul(d) + y).sin();
            inner.carry(t, new);
            inner.output("new", new.square());
            let results = body.scan(inner, &[x, s, c.exp()], 3, true);
            body.carry(s, results[0] + c.sum(0));
            body.output("rows", results[1]);
            all(g.scan(body, v, 2, false))
        }),
    ]
}

fn check(expected: &Graph, feeds: &Feeds, found: &Graph, what: &str) {
    verify(found).unwrap_or_else(|violation| panic!("{what} of {}: {violation}", expected.name));
    for output in &expected.outputs {
        let [expected, found] = [expected, found].map(|graph| evaluate(graph, feeds, &output.name));
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
        assert!(expected.iter().zip(&found).all(near), "{what}, {}: {expected:?} became {found:?}", output.name);
    }
}

#[test]
fn scans_mean_the_same_as_text_and_optimized() {
    for case in scans() {
        let (graph, feeds) = build(&case);
        check(&graph, &feeds, &graph, "building");
        let text = print(&graph);
        let read = parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
        assert_eq!(print(&read), text, "print and parse are inverses");
        check(&graph, &feeds, &read, "parsing");
        check(&graph, &feeds, &optimize(&graph), "optimizing");
    }
}

/// The products of a recurrence with its weights are no part of the loop that goes back.
#[test]
fn gradients_of_weights_are_products_of_all_steps() {
    let (graph, _) = build(&scans()[0]);
    let graph = only_first(&optimize(&graph));
    let dots = |graph: &Graph| graph.nodes.iter().filter(|node| node.op == Op::Dot).count();
    // A step forward has two, one back has two for its operands, and the two weights have one each.
    assert_eq!(graph.bodies.iter().map(dots).collect::<Vec<_>>(), [2, 2], "{graph}");
    assert_eq!(dots(&graph), 2, "{graph}");
}

/// Who reads the last row of what is carried gives its gradient without a sequence of zeros.
#[test]
fn gradients_of_a_last_row_are_no_sequence() {
    for (reverse, at, pads) in [(false, 3, 0), (true, 0, 0), (false, 0, 1), (true, 3, 1)] {
        let g = Builder::new("last");
        let [x, s] = [g.input("x", [4, 2, 3]), g.input("s", [2, 3])];
        let body = g.body("step");
        let (row, state) = (body.input("x", [2, 3]), body.state("s", Type::f32([2, 3])));
        let new = (state + row).sin();
        body.carry(state, new);
        body.output("new", new);
        let last = row_of(g.scan(body, &[x, s], 4, reverse)[1], at);
        g.output("gradient", g.gradients_of(last.sum(..), &[x]).expect("a gradient")[0]);
        let graph = optimize(&g.finish().expect("a graph"));
        let found = graph.nodes.iter().filter(|node| matches!(node.op, Op::Pad(_))).count();
        assert_eq!(found, pads, "row {at}, reverse: {reverse}: {graph}");
    }
}

/// Without the second gradients.
fn only_first(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    graph.outputs.retain(|output| output.name.starts_with("functional"));
    optimize(&graph)
}
