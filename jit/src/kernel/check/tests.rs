//! What the checker lets pass, and what it says of the rest. The kernels are never emitted or run.

use super::*;

/// A kernel over `x: f32[16]`, read and written, with a loop of 3 iterations whose body `write` fills.
fn kernel(write: impl FnOnce(&mut KernelBuilder, BufferId, Variable, Value)) -> Kernel {
    let mut b = KernelBuilder::new("k", 4);
    let x = b.buffer("x", Element::F32, 16, Access::ReadWrite);
    let one = b.f32(1.0);
    b.for_each(3, &[], |b, i, _| {
        write(b, x, i, one);
        Vec::new()
    });
    b.finish()
}

fn check(kernel: Kernel, expected: &str) {
    let found = kernel.check().map_or_else(|error| error.to_string(), |()| "fine".to_owned());
    assert_eq!(found, expected, "in\n{kernel}");
}

#[test]
fn accesses_stay_inside() {
    let at = |index: fn(Variable) -> Index, stride, active| {
        kernel(move |b, x, i, one| b.store(x, index(i), stride, active, one))
    };
    check(at(|i| Index::of(i, 4), 1, 4), "fine");
    check(at(|i| Index::of(i, 6), 1, 4), "fine");
    check(at(|i| Index::of(i, -4).shifted(8), 1, 4), "fine");
    check(at(|i| Index::of(i, 1), 5, 4), BEYOND);
    check(at(|i| Index::of(i, 1), 4, 3), "fine");
    check(
        at(|i| Index::of(i, -4), 1, 4),
        "kernel k: places -8 to 3 of buffer `x`, which has 16 elements, in `store x[-4*i0], %0`",
    );
    check(at(|i| Index::of(i, 4), 1, 5), "kernel k: 5 active lanes of 4, in `store x[4*i0], %0 active 5`");
    check(
        at(|i| Index::of(i, 4), 0, 2),
        "kernel k: 2 lanes stored to one place, in `store x[4*i0], %0 stride 0 active 2`",
    );
}

const BEYOND: &str = "kernel k: places 0 to 17 of buffer `x`, which has 16 elements, in `store x[i0], %0 stride 5`";

#[test]
fn gathered_places_are_bounded_by_what_computes_them() {
    let gathered = |least: i32, greatest: i32, factor: i32| {
        kernel(move |b, x, i, one| {
            let anything = b.convert(Convert::Truncate, one);
            let [least, greatest, factor] = [least, greatest, factor].map(|number| b.i32(number));
            let places = b.int2(Int2::Max, anything, least);
            let places = b.int2(Int2::Min, places, greatest);
            let places = b.int2(Int2::Mul, places, factor);
            b.push(Operation::Gather { buffer: x, index: Index::of(i, 1), places, active: 3 });
        })
    };
    check(gathered(0, 13, 1), "fine");
    check(gathered(0, 6, 2), "fine");
    let beyond = |least, greatest| {
        format!(
            "kernel k: places {least} to {greatest} of buffer `x`, which has 16 elements, in `%8 = gather x[i0] at %7 \
             active 3`"
        )
    };
    check(gathered(0, 14, 1), &beyond(0, 16));
    check(gathered(-1, 13, 1), &beyond(-1, 15));
    check(gathered(0, i32::MAX, 2), &beyond(i32::MIN as i64, i32::MAX as i64 + 2));
}

#[test]
fn values_are_defined_before_their_uses() {
    let undefined = "kernel k: %9 is used, but not defined in an enclosing block before, in `store x[0], %9`";
    check(kernel(|b, x, _, _| b.store(x, Index::at(0), 1, 4, Value(9))), undefined);
    let mut escaped = kernel(|b, _, _, _| {
        b.f32(2.0);
    });
    let value = Value(1);
    escaped.body.push(Statement::Store { buffer: BufferId(0), index: Index::at(0), stride: 1, active: 4, value });
    check(escaped, "kernel k: %1 is used, but not defined in an enclosing block before, in `store x[0], %1`");
    let mut doubled = kernel(|b, _, _, _| {
        b.f32(2.0);
    });
    let again = doubled.body[0].clone();
    doubled.body.push(again);
    check(
        doubled,
        "kernel k: %0 is defined twice, or not numbered below the kernel's number of values, in `%0 = constant 1.0`",
    );
}

#[test]
fn types_agree() {
    let mixed = kernel(|b, _, _, one| {
        let two = b.i32(2);
        b.add(one, two);
    });
    check(mixed, "kernel k: %1 is of type i32, expected f32, in `%2 = add %0, %1`");
    let stored = kernel(|b, x, i, _| {
        let lane = b.push(Operation::Lane);
        b.store(x, Index::of(i, 4), 1, 4, lane);
    });
    check(stored, "kernel k: %1 is of type i32, expected f32, in `store x[4*i0], %1`");
}

#[test]
fn shuffles_have_lanes_enough() {
    check(kernel(|b, _, _, one| _ = b.push(Operation::Shuffle(Shuffle::HighPairs, one, one))), "fine");
    check(
        kernel(|b, _, _, one| _ = b.push(Operation::Shuffle(Shuffle::OddGroups, one, one))),
        "kernel k: a shuffle of 4 lanes, expected at least 8, in `%1 = shuffle.oddgroups %0, %0`",
    );
}

#[test]
fn guards_are_masks_of_one_turn() {
    let guarded = |extent: usize| {
        let mut kernel = kernel(|b, _, _, one| {
            let mask = b.compare(Compare::Lt, one, one);
            b.where_any(mask, &[one], |_, values| values.to_vec());
        });
        let Some(Statement::For(outer)) = kernel.body.last_mut() else { unreachable!("a loop") };
        let Some(Statement::For(inner)) = outer.body.last_mut() else { unreachable!("a loop in it") };
        inner.extent = extent;
        kernel
    };
    check(guarded(1), "fine");
    check(
        guarded(2),
        "kernel k: i1 is guarded and has 2 iterations, expected 1, in `%3 = if any %1 for i1 in 0..2 carry (%2 = %0)`",
    );
    let number = kernel(|b, _, _, one| _ = b.where_any(one, &[], |_, _| Vec::new()));
    check(number, "kernel k: %0 is of type f32, expected mask, in `if any %0 for i1 in 0..1`");
}

#[test]
fn variables_rows_and_rights() {
    let foreign = kernel(|b, x, _, one| b.store(x, Index::of(Variable(7), 1), 1, 4, one));
    check(foreign, "kernel k: i7 is not a variable of this place, in `store x[i7], %0`");
    let row = kernel(|b, x, _, one| {
        let lane = b.push(Operation::Lane);
        let index = Index { row: Some(Row { value: lane, extent: 5, stride: 4 }), ..Index::at(0) };
        b.store(x, index, 1, 4, one);
    });
    check(row, "kernel k: places 0 to 19 of buffer `x`, which has 16 elements, in `store x[4*row(%1 < 5)], %0`");
    // A prefetch may ask for any place, by variables that there are.
    check(kernel(|b, x, i, _| b.prefetch(x, Index::of(i, -40).shifted(1000))), "fine");
    let foreign = kernel(|b, x, _, _| b.prefetch(x, Index::of(Variable(7), 1)));
    check(foreign, "kernel k: i7 is not a variable of this place, in `prefetch x[i7]`");
    let row = kernel(|b, x, _, _| {
        let lane = b.push(Operation::Lane);
        b.prefetch(x, Index { row: Some(Row { value: lane, extent: 5, stride: 4 }), ..Index::at(0) });
    });
    check(row, "kernel k: a run-time row in a prefetch, in `prefetch x[4*row(%1 < 5)]`");
    let mut read = kernel(|b, x, i, one| b.store(x, Index::of(i, 4), 1, 4, one));
    read.buffers[0].access = Access::Read;
    check(read, "kernel k: buffer `x` is Read only, in `store x[4*i0], %0`");
    let mut empty = kernel(|_, _, _, _| ());
    empty.grid.push(0);
    check(empty, "kernel k: the extent of i0 is 0, expected at least 1, in `kernel k lanes=4 (x: readwrite f32[16])`");
}
