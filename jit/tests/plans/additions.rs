//! Additions at indices, which may meet: tasks that share them are disjoint, and the sums have the same bits with any
//! number of threads.

use kiln_graph::functions::{index_add, scatter, scatter_add};
use kiln_graph::layers::embedding_bag::{BagMode, embedding_bag};
use kiln_graph::layers::fold::fold_windows;
use kiln_graph::layers::unpool::max_unpool;
use kiln_graph::{Builder, DType, Type, Value, optimize};
use kiln_jit::CompileOptions;

use crate::cases::window;
use crate::run;

/// Indices into a few places, so that many meet, some of them clamped.
fn indices<'g>(g: &'g Builder, shape: &[usize]) -> Value<'g> {
    g.input_of("indices", Type { dtype: DType::I32, shape: shape.into() }) - 1
}

/// The gradient of a table, of whose rows something is made.
fn table_gradient<'g>(g: &'g Builder, [rows, width]: [usize; 2], f: impl Fn(Value<'g>) -> Value<'g>) {
    let table = g.state("table", Type::f32([rows, width]));
    let loss = f(table).square().sum(..);
    let gradient = g.gradients_of(loss, &[table]).expect("a gradient")[0];
    g.update(table, table - gradient * 0.01);
}

/// A name, how many kernels add and are shared among threads, and what is built.
type Case = (&'static str, usize, fn(&Builder));

const CASES: &[Case] = &[
    ("embedding", 1, |g| {
        let x = indices(g, &[4, 32]);
        table_gradient(g, [9, 256], |table| table.take_rows(x));
    }),
    ("embedding of odd width", 1, |g| {
        let x = indices(g, &[70]);
        table_gradient(g, [7, 300], |table| table.take_rows(x));
    }),
    // The rows are too short to be cut.
    ("embedding of few features", 0, |g| {
        let x = indices(g, &[400]);
        table_gradient(g, [6, 30], |table| table.take_rows(x));
    }),
    ("embedding of one index", 1, |g| {
        let x = indices(g, &[1]);
        table_gradient(g, [3, 8192], |table| table.take_rows(x));
    }),
    ("embedding_bag", 1, |g| {
        let x = indices(g, &[16, 5]);
        table_gradient(g, [9, 128], |table| embedding_bag(x, table, BagMode::Mean, None));
    }),
    ("index_add in front", 1, |g| {
        let [x, source] = [("x", 6), ("source", 40)].map(|(name, rows)| g.input(name, [rows, 3, 96]));
        g.output("y", index_add(x, 0, indices(g, &[40]), source, 0.5));
    }),
    ("index_add within", 1, |g| {
        let [x, source] = [("x", 6), ("source", 40)].map(|(name, columns)| g.input(name, [3, columns, 77]));
        g.output("y", index_add(x, 1, indices(g, &[40]), source, 1.0));
    }),
    // The axis between the indices' own is cut into parts of one place, and none is left for the lanes.
    ("scatter_add of indices for several places", 1, |g| {
        let [x, source] = [("x", 5), ("source", 40)].map(|(name, rows)| g.input(name, [rows, 3, 200]));
        let index = indices(g, &[40, 1, 200]).broadcast_to([40, 3, 200]);
        g.output("y", scatter_add(x, 0, index, source));
    }),
    ("scatter_add in front", 1, |g| {
        let [x, source] = [("x", 5), ("source", 40)].map(|(name, rows)| g.input(name, [rows, 192]));
        g.output("y", scatter_add(x, 0, indices(g, &[40, 192]), source));
    }),
    ("scatter_add behind", 1, |g| {
        let [x, source] = [("x", 5), ("source", 192)].map(|(name, columns)| g.input(name, [40, columns]));
        g.output("y", scatter_add(x, 1, indices(g, &[40, 192]), source));
    }),
    ("scatter_add within", 1, |g| {
        let [x, source] = [("x", 5), ("source", 31)].map(|(name, rows)| g.input(name, [3, rows, 64]));
        g.output("y", scatter_add(x, 1, indices(g, &[3, 31, 64]), source));
    }),
    // One index for all rows: the lanes lie in front of the indices.
    ("scatter_add of one index for all", 1, |g| {
        let [x, source] = [("x", 5), ("source", 19)].map(|(name, columns)| g.input(name, [320, columns]));
        g.output("y", scatter_add(x, 1, indices(g, &[19]).broadcast_to([320, 19]), source));
    }),
    ("scatter_add of one row of tasks", 0, |g| {
        let [x, source] = [("x", 5), ("source", 5000)].map(|(name, places)| g.input(name, [places]));
        g.output("y", scatter_add(x, 0, indices(g, &[5000]), source));
    }),
    // What stays, by each of five bits of its place, and where it goes.
    ("scatter", 7, |g| {
        let [x, source] = [("x", 5), ("source", 24)].map(|(name, rows)| g.input(name, [rows, 192]));
        g.output("y", scatter(x, 0, indices(g, &[24, 192]), source));
    }),
    ("fold", 1, |g| {
        let x = g.input("x", [32, 4 * 9, 16]);
        g.output("y", fold_windows(x, [6, 6], window(&[3, 3], &[1, 1], &[(0, 0), (0, 0)], false)));
    }),
    ("fold with gaps", 1, |g| {
        let x = g.input("x", [16, 8 * 4, 9]);
        g.output("y", fold_windows(x, [5, 5], window(&[2, 2], &[2, 2], &[(1, 0), (1, 0)], false)));
    }),
    ("max_unpool", 1, |g| {
        let x = g.input("x", [5, 12, 10, 10]);
        let pooled = window(&[2, 2], &[2, 2], &[(0, 0), (0, 0)], false);
        g.output("y", max_unpool(x, indices(g, &[5, 12, 10, 10]), pooled, None));
    }),
    ("max_unpool of windows that overlap", 2, |g| {
        let x = g.input("x", [40, 11, 11]);
        let pooled = window(&[3, 3], &[2, 2], &[(0, 0), (0, 0)], false);
        g.output("y", max_unpool(x, indices(g, &[40, 11, 11]), pooled, None));
    }),
];

#[test]
fn additions_are_shared_and_have_the_same_bits_with_any_number_of_threads() {
    for &(name, shared, build) in CASES {
        let builder = Builder::new(name);
        build(&builder);
        let graph = optimize(&builder.finish().unwrap_or_else(|error| panic!("{name}: {error}")));
        run::check(name, &graph);
        run::check_compiled(name, &graph);
        let plan = CompileOptions::default().plan(&graph).unwrap();
        let adds = |label: &str| label.contains("scatter") && !label.contains("clear");
        let calls = plan.calls.iter().filter(|call| adds(&call.label));
        let found = calls.filter(|call| plan.kernels[call.kernel].tasks() > 1).count();
        assert_eq!(found, shared, "{name}:\n{plan}");
    }
}
