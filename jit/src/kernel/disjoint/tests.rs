//! Small kernels, with what the proof says and whether the kernel interpreter finds tasks that depend on each other. No
//! threads run them.

use std::panic::catch_unwind;

use super::*;

const NEAR: &str = "what one task touches is not apart from what another does";
const STEPS: &str = "a dimension of the grid moves accesses by different steps";

/// What is so of a kernel.
#[derive(Clone, Copy)]
enum Is {
    Proved,
    /// Not proved for this reason, and rightly.
    Race(&'static str),
    /// Not proved for this reason, though tasks are disjoint.
    Unseen(&'static str),
}

use Is::{Proved, Race, Unseen};

/// Kernels of 4 lanes with the buffers `x`, read and written, and `y` and `n`, which are read; each has 128 elements. A case is the
/// grid, what a task does, and where `y` begins behind `x` (nothing: elsewhere).
const CASES: &[(&[usize], &str, Option<usize>, Is)] = &[
    // One buffer, one dimension.
    (&[4], "store x[4*i0], %0", None, Proved),
    (&[4], "store x[3*i0], %0", None, Race(NEAR)),
    (&[4], "store x[3*i0], %0 active 3", None, Proved),
    (&[4], "store x[-4*i0 + 12], %0", None, Proved),
    (&[4], "store x[i0], %0 stride 4", None, Proved),
    (&[4], "store x[i0], %0 stride 3", None, Race(NEAR)),
    (&[4], "store x[i0 + 12], %0 stride -4", None, Proved),
    (&[4], "store x[0], %0", None, Race("i0 moves no access, so that its tasks touch the same elements")),
    (&[1], "store x[0], %0", None, Proved),
    (&[], "store x[0], %0", None, Proved),
    (&[4], "", None, Proved),
    // Several dimensions.
    (&[2, 3], "store x[12*i0 + 4*i1], %0", None, Proved),
    (&[2, 3], "store x[4*i0 + 8*i1], %0", None, Proved),
    (&[2, 3], "store x[8*i0 + 4*i1], %0", None, Race(NEAR)),
    (&[2, 3], "store x[4*i0], %0", None, Race("i1 moves no access, so that its tasks touch the same elements")),
    (&[2, 1], "store x[4*i0], %0", None, Proved),
    (&[2, 4], "store x[i1 + 64*i0], %0 stride 4", None, Proved),
    (&[4, 4], "store x[i1 + 4*i0], %0 active 1", None, Proved),
    (&[4, 5], "store x[i1 + 4*i0], %0 active 1", None, Race(NEAR)),
    // Loops: columns of a matrix, images of rows with a halo, several rows unrolled, with a gap between their ends.
    (&[4], "for i1 in 0..4 { store x[4*i0 + 16*i1], %0 }", None, Proved),
    (&[4], "for i1 in 0..4 { store x[4*i0 + 12*i1], %0 }", None, Race(NEAR)),
    (&[2], "for i1 in 0..4 { store x[36*i0 + 6*i1 + 7], %0 }", None, Proved),
    (&[4], "for i1 in 0..4 { store x[5*i0 + 20*i1], %0 }", None, Proved),
    (&[4], "store x[4*i0], %0 store x[4*i0 + 20], %0 store x[4*i0 + 40], %0", None, Proved),
    (
        &[4],
        "store x[4*i0], %0 active 2 store x[4*i0 + 2], %0 active 2 store x[4*i0 + 20], %0 active 2
         store x[4*i0 + 22], %0 active 2 store x[4*i0 + 40], %0 active 2 store x[4*i0 + 42], %0 active 2",
        None,
        Proved,
    ),
    (&[4], "store x[4*i0], %0 store x[4*i0 + 12], %0", None, Race(NEAR)),
    (&[2], "for i1 in 0..2 { store x[16*i0 + 64*i1 + 8], %0 store x[16*i0 + 64*i1 + 12], %0 }", None, Proved),
    (
        &[8],
        "for i1 in 0..2 { store x[4*i0 + 64*i1], %0 active 2 store x[4*i0 + 64*i1 + 2], %0 active 2 }",
        None,
        Proved,
    ),
    (
        &[4],
        "store x[2*i0], %0 active 1 store x[2*i0 + 1], %0 active 1 store x[2*i0 + 32], %0 active 1 store x[2*i0 + 33], %0 active 1 \
        store x[2*i0 + 64], %0 active 1",
        None,
        Proved,
    ),
    (&[3], "for i1 in 0..5 { for i2 in 0..2 { store x[8*i0 + 24*i1 + 4*i2], %0 } }", None, Proved),
    // A place that begins behind another one's end of the row before.
    (&[3], "for i1 in 0..2 { store x[30*i0 + 15*i1 + 8], %0 store x[30*i0 + 15*i1 + 15], %0 }", None, Proved),
    (&[4], "for i1 in 0..4 { store x[17*i0 + 16*i1], %0 }", None, Race(NEAR)),
    (&[4], "for i1 in 0..4 { store x[20*i0 + 16*i1], %0 }", None, Unseen(NEAR)),
    // Reads of what is written.
    (&[4], "%1 = load x[4*i0] store x[4*i0], %1", None, Proved),
    (&[4], "%1 = load x[4*i0 + 4] store x[4*i0], %1", None, Race(NEAR)),
    (&[4], "%1 = load x[4*i0 + 64] store x[4*i0], %1", None, Proved),
    (&[4], "%1 = splat x[16] store x[4*i0], %1", None, Unseen(STEPS)),
    (&[4], "%1 = splat x[15] store x[4*i0], %1", None, Race(STEPS)),
    (&[4], "for i1 in 0..4 { %1 = load x[4*i1] store x[4*i0], %1 }", None, Race(STEPS)),
    (&[2], "store x[8*i0], %0 store x[4*i0 + 32], %0", None, Unseen(STEPS)),
    (&[4], "prefetch x[0] store x[4*i0], %0", None, Proved),
    // Run-time places.
    (&[4], "%1 = affine i0 store x[16*i0 + 4*row(%1 < 4)], %0", None, Proved),
    (&[4], "%1 = affine i0 store x[4*i0 + 16*row(%1 < 4)], %0", None, Proved),
    (&[4], "%1 = affine i0 store x[4*i0 + 4*row(%1 < 4)], %0", None, Unseen(NEAR)),
    (&[4], "%1 = affine 4*i0 %2 = gather x[0] at %1 store x[4*i0], %2", None, Unseen("a gather may read any element")),
    (&[4], "%1 = affine 4*i0 %2 = gather y[0] at %1 store x[4*i0], %2", None, Proved),
    (
        &[4],
        "%1 = load n[0] %2 = convert.i32tomask %1 if any %2 for i1 in 0..1 { store x[0], %0 }",
        None,
        Unseen("i0 moves no access, so that its tasks touch the same elements"),
    ),
    // Two buffers in one place.
    (&[4], "%1 = load y[4*i0] store x[4*i0], %1", Some(0), Proved),
    (&[4], "%1 = load y[-4*i0 + 12] store x[4*i0], %1", Some(0), Race(STEPS)),
    (&[4], "%1 = load y[i0] stride 4 store x[4*i0], %1", Some(0), Race(STEPS)),
    (&[4], "%1 = load y[i0] stride 4 store x[4*i0], %1", None, Proved),
    (&[4], "%1 = splat y[0] store x[4*i0], %1", None, Proved),
    (&[4], "%1 = splat y[0] store x[4*i0], %1", Some(128), Proved),
    (&[4], "%1 = splat y[0] store x[4*i0], %1", Some(0), Race(STEPS)),
    (
        &[4],
        "%1 = affine 4*i0 %2 = gather y[0] at %1 store x[4*i0], %2",
        Some(0),
        Unseen("a gather may read any element"),
    ),
    (&[4], "%1 = load y[8*i0] store x[8*i0], %1", Some(4), Proved),
    (&[4], "%1 = load y[8*i0] store x[8*i0], %1", Some(8), Race(NEAR)),
    (&[4], "%1 = load y[8*i0] store x[8*i0], %1", Some(16), Race(NEAR)),
    (&[4], "%1 = load y[8*i0] store x[8*i0], %1", Some(32), Proved),
    (&[4], "%1 = load y[8*i0] store x[8*i0], %1", Some(6), Race(NEAR)),
];

fn check(&(grid, body, distance, is): &(&[usize], &str, Option<usize>, Is)) {
    let open: String = grid.iter().enumerate().map(|(d, extent)| format!("parallel i{d} in 0..{extent} {{ ")).collect();
    let close = "}".repeat(grid.len());
    let head = "kernel k lanes=4 (x: readwrite f32[128], y: f32[128], n: i32[128])";
    let kernel = parse(&format!("{head} {{ {open}%0 = constant 1.0 {body} {close} }}"));
    let kernel = kernel.unwrap_or_else(|error| panic!("{error} in {body}"));
    let at = |memory, element: usize| Origin { memory, byte: 4 * element };
    let second = distance.map_or(at(1, 0), |distance| at(0, distance));
    let found = kernel.disjoint(&[at(0, 0), second, at(2, 0)]).map_err(|error| match error {
        Dependence::Shared { reason, .. } => reason.to_string(),
        other => panic!("{other}"),
    });
    let expected = match is {
        Proved => Ok(()),
        Race(reason) | Unseen(reason) => Err(reason.to_owned()),
    };
    assert_eq!(found, expected, "in\n{kernel}");
    let runs = catch_unwind(|| {
        let places = [0, distance.unwrap_or(256), 512].map(|element| 4 * element);
        interpret_words(&kernel, &mut [0; 640], &places, 0..kernel.tasks());
    });
    assert_eq!(runs.is_err(), matches!(is, Race(_)), "in\n{kernel}");
}

#[test]
fn tasks_are_disjoint_or_a_reason_is_told() {
    CASES.iter().for_each(check);
}

#[test]
fn what_is_no_sound_kernel_is_not_proved() {
    let kernel = |text: &str| parse(text).unwrap_or_else(|error| panic!("{error}"));
    let origins = [Origin { memory: 0, byte: 0 }];
    let check = |text: &str, expected: &str| {
        assert_eq!(kernel(text).disjoint(&origins).expect_err("not proved").to_string(), expected);
    };
    check(
        "kernel k lanes=4 (x: write f32[4]) { parallel i0 in 0..2 { %0 = constant 1.0 store x[4*i0], %0 } }",
        "kernel k: places 0 to 7 of buffer `x`, which has 4 elements, in `store x[4*i0], %0`",
    );
    check("kernel k lanes=4 (x: write f32[4], y: f32[4]) { }", "kernel k has 2 buffers, found origins of 1");
    // As long as no memory is.
    let (stride, elements) = (1u64 << 61, (1u64 << 61) + 4);
    let long = format!(
        "kernel k lanes=4 (x: write f32[{elements}]) {{ parallel i0 in 0..2 {{ %0 = constant 1.0 store x[{stride}*i0], %0 }} }}"
    );
    check(&long, &format!("tasks of kernel k may depend on each other by `x` and `x`: {NEAR}"));
}
