//! Random numbers are those of `kiln_rt::random`, wherever they stand in their stream.

use std::collections::HashMap;

use kiln_graph::Builder;
use kiln_jit::Target;
use kiln_jit::plan::plan;

use crate::run::run;

/// A few elements out of tensors of up to 2**32, which are never there as a whole.
#[test]
fn places_far_out_are_counted_right() {
    // (rows, elements of a row, a row, the first element that is taken of it)
    for (rows, columns, row, first) in [
        (3, 1000, 1, 17),
        (2, 1 << 30, 1, (1 << 30) - 9),
        (3, 1 << 30, 2, 0),
        (4, 1 << 30, 3, (1 << 30) - 7),
        (1 << 16, 1 << 16, (1 << 16) - 1, (1 << 16) - 7),
    ] {
        let g = Builder::new("far");
        let draw = g.draw_once([rows, columns]);
        g.output("y", draw.slice(0, row..row + 1, 1).slice(1, first..first + 7, 1) * 2.0);
        let graph = kiln_graph::optimize(&g.finish().expect("a graph"));
        let expected: Vec<u32> = (0..7)
            .map(|number| (row * columns + first + number) as u64)
            .map(|index| (kiln_rt::random::uniform(0, 0, 0, index) * 2.0).to_bits())
            .collect();
        for lanes in [4, 8, 16] {
            let plan = plan(&graph, &Target::with_lanes(lanes), &HashMap::new()).expect("a plan");
            assert!(plan.arena_bytes < 1 << 20, "{plan}");
            assert_eq!(run(&plan, &HashMap::new()).outputs["y"], expected, "row {row}, {lanes} lanes");
        }
    }
}
