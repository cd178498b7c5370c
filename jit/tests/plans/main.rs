//! Plans against the graph interpreter: each lowering at 4, 8 and 16 lanes, through the kernel interpreter; and what
//! the fusion promises.

mod additions;
mod batch_stats;
mod cases;
mod choices;
mod deep;
mod layouts;
mod loop_operands;
mod loops;
mod models;
mod prologue;
mod promises;
mod repeated_packs;
mod row_blocks;
mod run;
mod streams;

#[test]
fn lowerings_agree_with_the_interpreter() {
    let only = std::env::var("CASE").ok();
    for (number, (name, build)) in cases::CASES.iter().enumerate() {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let builder = kiln_graph::Builder::new(*name);
        build(&builder);
        let graph = builder.finish().unwrap_or_else(|error| panic!("{name}: {error}"));
        // As it was built by some lanes, in turns.
        run::check_at(&[[4, 8, 16][number % 3]], name, &graph);
        run::check(name, &kiln_graph::optimize(&graph));
    }
}
