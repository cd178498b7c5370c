//! Graphs that are built by hand, through `kiln::program`: what is set and given by name, and every mistake.

use kiln::program::{Builder, Compiled, DType, Graph, ProgramError, Type};
use ndarray::{Array1, arr1, arr2, array};

/// Counts rows looked up in a table: an output and an updated state of each type.
fn lookup() -> Graph {
    let g = Builder::new("lookup");
    let (table, rows) = (g.state("table", Type::f32([3, 2])), g.input_of("rows", Type::i32([4])));
    let unused = g.state("unused", Type::f32([2]));
    let _ = (unused, g.input("ignored", [1]));
    let count = g.state("count", Type::i32([4]));
    g.update(count, count + rows);
    let found = table.take_rows(rows);
    g.output("found", found);
    g.output("positive", found.gt(0.0));
    g.output("twice", rows + rows);
    g.finish().unwrap()
}

#[test]
fn values_are_set_and_read_by_name() {
    for threads in [1, 2] {
        let mut program = Compiled::with_threads(&lookup(), threads).unwrap();
        program.set("table", &arr2(&[[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]])).unwrap();
        program.set("rows", &arr1(&[2, 0, 0, 1])).unwrap();
        program.set("ignored", &arr1(&[0.0])).unwrap();
        program.set("unused", &arr1(&[5.0, 6.0])).unwrap();
        for run in 1..=3i32 {
            program.run().unwrap();
            assert_eq!(program.get("found").unwrap(), array![[3., -3.], [1., -1.], [1., -1.], [2., -2.]].into_dyn());
            assert_eq!(program.get_i32("positive").unwrap().sum(), 4);
            assert_eq!(program.get_i32("twice").unwrap(), array![4, 0, 0, 2].into_dyn());
            assert_eq!(program.get_i32("count").unwrap(), array![2 * run, 0, 0, run].into_dyn());
            assert_eq!(program.get("unused").unwrap(), array![5.0, 6.0].into_dyn());
        }
        program.set("rows", &arr1(&[1, 1, 1, 1])).unwrap();
        program.run().unwrap();
        assert_eq!(program.get("found").unwrap().sum(), 0.0);
    }
}

#[test]
fn mistakes_are_errors_that_say_what_there_is() {
    let mut program = Compiled::with_threads(&lookup(), 1).unwrap();
    let check = |found: Result<(), ProgramError>, expected: &str| assert_eq!(found.unwrap_err().to_string(), expected);
    check(program.run(), "input `rows` was not set before the run");
    check(
        program.set("row", &arr1(&[1])),
        "the graph has no input or state `row`; it has `count`, `ignored`, `rows`, `table`, `unused`",
    );
    check(
        program.set("found", &arr2(&[[1.0]])),
        "the graph has no input or state `found`; it has `count`, `ignored`, `rows`, `table`, `unused`",
    );
    check(program.set("rows", &arr1(&[1])), "`rows` has the shape [4], but the array has the shape [1]");
    check(program.set("rows", &Array1::<f32>::zeros(4)), "`rows` holds i32, not f32");
    check(
        program.set("table", &Array1::<f32>::zeros(6)),
        "`table` has the shape [3, 2], but the array has the shape [6]",
    );
    check(
        program.set("rows", &arr1(&[0, 1, 3, 0])),
        "`rows`: index 3 at [2] is out of range: there are 3 rows, 0 to 2",
    );
    check(program.get("found").map(drop), "`found` is computed by `run`, which was not called yet");
    check(
        program.get("rows").map(drop),
        "the graph has no output or state `rows`; it has `count`, `found`, `positive`, `table`, `twice`, `unused`",
    );
    check(program.get_i32("found").map(drop), "`found` holds f32, not i32");
    check(program.get("count").map(drop), "`count` holds i32, not f32");
    check(Compiled::with_threads(&lookup(), 0).map(drop), "threads should be at least 1, but is 0");
    let mut broken = lookup();
    broken.outputs[0].node = kiln::graph::NodeId(1000);
    assert!(matches!(Compiled::with_threads(&broken, 1), Err(ProgramError::Graph(_))));
    assert_eq!(program.program().plan().inputs.iter().filter(|input| input.ty.dtype == DType::I32).count(), 2);
}

#[test]
fn states_beyond_memory_are_an_error() {
    // Together they take more than there are addresses.
    let g = Builder::new("large");
    for name in ["a", "b", "c"] {
        let state = g.state(name, Type::f32([1 << 30, 1 << 14]));
        g.update(state, state + 1.0);
    }
    let error = Compiled::with_threads(&g.finish().unwrap(), 1).map(drop).unwrap_err();
    let expected = "the parameters and the optimizer's states need 211106232532992 bytes of memory, which the system does \
                    not give";
    assert!(error.to_string().starts_with(expected), "{error}");
}
