//! Rules on shapes with a batch axis, and what is said where they refuse.

use super::*;

const N: usize = Shape::N;
const REST: usize = Shape::INFERRED;

fn shape(extents: &[usize]) -> Shape {
    Shape::new(extents)
}

/// The message, or the shape as text.
fn text(result: Result<Shape, ShapeError>) -> String {
    result.map_or_else(|error| error.to_string(), |shape| shape.to_string())
}

#[test]
fn reshapes_keep_the_batch_axis() {
    let cases: [(&[usize], &[usize], &str); 10] = [
        (&[N, 8, 8], &[N, 64], "[N, 64]"),
        (&[N, 8, 8], &[N, REST], "[N, 64]"),
        (&[N, 8, 8], &[REST, 64], "[N, 64]"),
        (&[N, 8, 8], &[N, 4, REST, 2], "[N, 4, 8, 2]"),
        (&[6], &[2, REST], "[2, 3]"),
        (&[N, 8, 8], &[N, 63], "shape [N, 8, 8] has N * 64 elements, shape [N, 63] has N * 63"),
        (&[N, 8, 8], &[REST, 8], "[8 * N, 8]"),
        (&[N, 8, 8], &[REST, 9], "shape [N, 8, 8] has N * 64 elements, shape [-1, 9] has -1 * 9"),
        (&[N, 8], &[REST, REST], "reshape: only one extent can be -1"),
        (&[N, 8], &[8], "shape [N, 8] has N * 8 elements, shape [8] has 8"),
    ];
    for (from, to, expected) in cases {
        assert_eq!(text(reshape("reshape", shape(from), to)), expected);
    }
}

#[test]
fn axes_count_from_both_ends() {
    let x = shape(&[N, 2, 3, 1]);
    assert_eq!(text(transpose("transpose", x, 1, -1)), "[N, 1, 3, 2]");
    assert_eq!(text(permute("permute", x, &[0, -1, 1, 2])), "[N, 1, 2, 3]");
    assert_eq!(
        text(permute("permute", x, &[0, 3, 1, -1])),
        "axis -1 of permute is not one of shape [N, 2, 3, 1], or is given twice"
    );
    assert_eq!(text(squeeze("squeeze", x, &[-1, 1])), "[N, 2, 3]");
    assert_eq!(text(unsqueeze("unsqueeze", x, -1)), "[N, 2, 3, 1, 1]");
    assert_eq!(text(reduce("sum", x, Some(&[1, -1]), false)), "[N, 3]");
    assert_eq!(text(reduce("sum", x, None, false)), "[]");
    assert_eq!(text(reduce("sum", x, Some(&[1]), true)), "[N, 1, 3, 1]");
    assert_eq!(text(select("select", x, 2, 2)), "[N, 2, 1]");
    assert_eq!(text(narrow("narrow", x, 2, 1, 3)), "the slice 1..4 along axis 2 does not lie in shape [N, 2, 3, 1]");
    assert_eq!(text(select("select", x, 2, -3)), "[N, 2, 1]");
    assert!(text(select("select", x, 2, -4)).ends_with("an index that counts from the end lies before the first one"));
    assert_eq!(text(narrow("narrow", x, 2, -3, 2)), "[N, 2, 2, 1]");
    assert_eq!(text(narrow("narrow", x, 2, -2, 3)), "the slice 1..4 along axis 2 does not lie in shape [N, 2, 3, 1]");
    for (start, end, expected) in [(0, -1, 2), (-2, isize::MAX, 2), (1, isize::MAX, 2), (-3, -2, 1)] {
        assert_eq!(text(slice("slice", x, 2, start, end, 1)), format!("[N, 2, {expected}, 1]"), "{start}..{end}");
    }
    assert!(text(narrow("narrow", x, 0, 0, 1)).starts_with("narrow can neither take apart nor extend the batch axis"));
    let twice = shape(&[extent::times(N, 2).unwrap(), 3]);
    assert!(text(narrow("narrow", twice, 0, 0, 1)).starts_with("narrow: an axis that is a multiple of the batch size"));
}

/// `index_select` along an axis with so many indices; those along the batch axis are one for each sample.
#[test]
fn the_batch_axis_is_chosen_from_whole() {
    let cases = [
        (shape(&[N, 3]), 0, N, "[N, 3]"),
        (shape(&[N, 3]), 1, 5, "[N, 5]"),
        (shape(&[N, 3]), 1, N, "[N, N]"),
        (shape(&[4, 3]), 0, N, "[N, 3]"),
        (shape(&[3, N]), 1, N, "[3, N]"),
    ];
    for (x, dim, indices, expected) in cases {
        assert_eq!(text(index_select("index_select", x, dim, shape(&[indices]))), expected);
    }
    for (x, dim, indices) in [(shape(&[N, 3]), 0, 5), (shape(&[3, N]), 1, 3)] {
        assert!(text(index_select("index_select", x, dim, shape(&[indices]))).contains("the batch axis N"));
    }
}

#[test]
fn parts_fit_together() {
    let (a, b) = (shape(&[N, 3, 8]), shape(&[N, 1, 8]));
    assert_eq!(text(cat("cat", &[a, b, a], 1)), "[N, 7, 8]");
    assert_eq!(text(cat("cat", &[a, b], 2)), "cat can not combine shapes [N, 3, 8] and [N, 1, 8]");
    assert_eq!(text(cat("cat", &[a, a], 0)), "[2 * N, 3, 8]");
    assert_eq!(text(cat("cat", &[a, shape(&[5, 3, 8])], 0)), "[N + 5, 3, 8]");
    let both = Type::new(DType::F32, cat("cat", &[a, a], 0).unwrap());
    let parts = chunk("chunk", both, 2, 0).map(|types| types.as_slice().to_vec());
    assert_eq!(parts, Ok(vec![Type::f32([N, 3, 8]); 2]));
    assert_eq!(text(narrow("narrow", both.shape, 0, extent::BATCH as isize, N)), "[N, 3, 8]");
    assert_eq!(text(stack("stack", &[a, a], 1)), "[N, 2, 3, 8]");
    let parts = chunk("chunk", Type::new(DType::F32, a), 2, 1).map(|types| types.as_slice().to_vec());
    assert_eq!(parts, Ok(vec![Type::f32([N, 2, 8]), Type::f32([N, 1, 8])]));
}

#[test]
fn an_index_is_at_most_as_large_as_what_it_looks_up() {
    let gather = |x: &[usize], dim, index: &[usize]| text(gather("gather", shape(x), dim, shape(index)));
    assert_eq!(gather(&[N, 3, 8], 2, &[N, 3, 9]), "[N, 3, 9]");
    assert_eq!(gather(&[N, 3, 8], -1, &[N, 2, 1]), "[N, 2, 1]");
    assert_eq!(gather(&[5, 3], 1, &[2, 7]), "[2, 7]");
    for (x, index) in
        [(&[N, 3, 8][..], &[N, 4, 8][..]), (&[N, 3, 8], &[2, 3, 8]), (&[5, 3, 8], &[N, 3, 8]), (&[N, 3], &[N, 3, 1])]
    {
        assert!(gather(x, -1, index).starts_with("gather can not combine shapes"), "{x:?} {index:?}");
    }
}

#[test]
fn whole_numbers_have_no_powers_below_zero() {
    let power = |dtype, exponent| super::power("pow", Type::new(dtype, shape(&[N, 3])), exponent).is_ok();
    assert!(power(DType::F32, -1.0) && power(DType::I32, 0.0) && power(DType::I32, 2.0));
    assert!(!power(DType::I32, -1.0));
}

#[test]
fn products_treat_vectors_as_pytorch_does() {
    let cases: [(&[usize], &[usize], &str); 7] = [
        (&[N, 3], &[3, 4], "[N, 4]"),
        (&[3], &[3], "[]"),
        (&[N, 5, 3], &[3], "[N, 5]"),
        (&[3], &[N, 3, 2], "[N, 2]"),
        (&[N, 1, 5, 3], &[7, 3, 2], "[N, 7, 5, 2]"),
        (&[N, 3], &[N, 3], "matmul can not combine shapes [N, 3] and [N, 3]"),
        (&[], &[3], "matmul can not combine shapes [] and [3]"),
    ];
    for (left, right, expected) in cases {
        assert_eq!(text(matmul("matmul", shape(left), shape(right))), expected);
    }
}

#[test]
fn element_types_are_compared() {
    use DType::{Bool, F32, I32};
    use Elements::{Any, Float, Mask, Number};
    let of = |op, operands: &[(Elements, DType)]| {
        let typed = operands.iter().map(|(elements, dtype)| (*elements, Type::new(*dtype, Shape::SCALAR)));
        elements(op, &typed.collect::<Vec<_>>())
    };
    assert_eq!(of("where", &[(Mask, Bool), (Number, I32), (Number, I32)]), Ok(I32));
    assert_eq!(of("cat", &[(Any, Bool)]), Ok(Bool));
    assert_eq!(of("zero", &[]), Ok(F32));
    let error = |operands: &[(Elements, DType)]| of("add", operands).map_err(|error| error.to_string());
    assert_eq!(error(&[(Float, I32)]), Err("operand 0 of add must be f32, but is i32: `.float()` makes it so".into()));
    assert_eq!(
        error(&[(Number, F32), (Number, I32)]),
        Err("operand 1 of add must be f32, but is i32: `.float()` makes it so".into())
    );
}

#[test]
fn places_fit_their_axes() {
    let x = shape(&[N, 4, 6]);
    let types = |result: Result<Types, ShapeError>| match result {
        Ok(types) => {
            types.as_slice().iter().map(|ty| format!("{}{}", ty.dtype.name(), ty.shape)).collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    };
    let of = Type::f32(x);
    assert_eq!(types(topk("topk", of, 2, -1, true)), "f32[N, 4, 2] i32[N, 4, 2]");
    assert_eq!(types(topk("topk", of, 7, 2, true)), "the slice 0..7 along axis 2 does not lie in shape [N, 4, 6]");
    for axis in [0, 1] {
        assert_eq!(types(sort("sort", of, axis, false)), "f32[N, 4, 6] i32[N, 4, 6]");
    }
    assert!(types(sort("sort", of, 3, false)).contains("axis 3"));
    let batch = |text: String| assert!(text.contains("batch axis N"), "{text}");
    batch(text(triangle("tril", shape(&[N, 4]), 0)));
    let cases = [
        (roll("roll", x, &[1], &[0]), "[N, 4, 6]"),
        (roll("roll", x, &[1, 2], &[1]), "roll: there is one shift for each axis"),
        (repeat("repeat", x, &[2, 1, 2, 3]), "[2, N, 8, 18]"),
        (repeat("repeat", x, &[2, 1, 3]), "[2 * N, 4, 18]"),
        (repeat("repeat", shape(&[extent::times(N, 2).unwrap(), 4]), &[3, 1]), "[6 * N, 4]"),
        (repeat_interleave("repeat_interleave", x, 3, 0), "[3 * N, 4, 6]"),
        (repeat("repeat", x, &[2, 1]), "repeat: there is a number of repetitions for each axis"),
        (
            repeat_interleave("repeat_interleave", x, 0, 1),
            "repeat_interleave: the number of repetitions must be at least 1",
        ),
        (scatter("scatter", x, 2, shape(&[N, 4, 2]), Shape::SCALAR), "[N, 4, 6]"),
        (
            scatter("scatter", x, 2, shape(&[N, 4, 2]), shape(&[N, 4, 3])),
            "scatter can not combine shapes [N, 4, 2] and [N, 4, 3]",
        ),
        (
            scatter("scatter", x, 2, shape(&[N, 5, 2]), Shape::SCALAR),
            "scatter can not combine shapes [N, 4, 6] and [N, 5, 2]",
        ),
        (index_add("index_add", x, 1, shape(&[3]), shape(&[N, 3, 6]), 1.0), "[N, 4, 6]"),
        (
            index_add("index_add", x, 1, shape(&[3]), shape(&[N, 4, 6]), 1.0),
            "index_add can not combine shapes [N, 3, 6] and [N, 4, 6]",
        ),
        (one_hot("one_hot", shape(&[N, 4]), 10), "[N, 4, 10]"),
        (one_hot("one_hot", shape(&[N, 4]), 0), "one_hot: the number of classes must be at least 1 and below 2^31"),
        (arange("arange", 2, 7, 2), "[3]"),
        (arange("arange", 7, 2, -2), "[3]"),
        (arange("arange", 7, 2, 2), "arange: the steps must lead from `start` towards `end`, which is another number"),
        (linspace("linspace", 0.0, 1.0, 0), "linspace: the number of steps must be at least 1 and below 2^31"),
        (bmm("bmm", x, shape(&[N, 6, 2])), "[N, 4, 2]"),
        (bmm("bmm", x, shape(&[2, 6, 2])), "bmm can not combine shapes [N, 4, 6] and [2, 6, 2]"),
        (cross("cross", x, x, 1), "cross: the axis of the vectors has extent 3"),
        (attention("attention", x, x, x, Some(shape(&[4, 4])), 0.0, true, None, false), "[N, 4, 6]"),
        (
            attention("attention", x, x, x, Some(shape(&[6])), 0.0, true, None, false),
            "attention can not combine shapes [N, 4, 4] and [6]",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(text(found), expected);
    }
}

#[test]
fn equations_name_axes() {
    let (a, b) = (shape(&[N, 3, 4]), shape(&[N, 4, 5]));
    let cases: [(&str, &[Shape], &str); 14] = [
        ("bij,bjk->bik", &[a, b], "[N, 3, 5]"),
        (" b i j , b j k -> k ", &[a, b], "[5]"),
        ("...j,...jk->...k", &[shape(&[N, 4]), b], "[N, 5]"),
        ("bij,bjk", &[a, b], "[3, 5]"),
        ("...", &[a], "[N, 3, 4]"),
        ("bij->", &[a], "[]"),
        ("bij,bik->b", &[a, b], "einsum can not combine shapes [N, 3, 4] and [N, 4, 5]"),
        ("bij->k", &[a], "einsum: a letter of the result is one of no operand"),
        ("bij->bb", &[a], "einsum: a letter stands twice in the result"),
        ("bi->b", &[a], "einsum: an operand has one letter for each axis, or `...`"),
        ("bij", &[a, b], "einsum: the equation has fewer operands than are given"),
        ("bij,bjk", &[a], "einsum: the equation has more operands than are given"),
        ("b1j", &[a], "einsum: axes are called by letters"),
        ("bij-b", &[a], "einsum: an equation is letters, `...`, `,` and one `->`, as in `ij,jk->ik`"),
    ];
    for (equation, shapes, expected) in cases {
        assert_eq!(text(einsum("einsum", equation, shapes)), expected, "{equation}");
    }
}

/// What looks at each place for each index, or at groups of heads, needs an axis more.
#[test]
fn eight_axes_leave_no_room_for_another() {
    let x = Shape::new(&[2; MAX_RANK]);
    let two = Shape::new(&[2]);
    let cases = [
        scatter("scatter", x, 0, x, x),
        scatter_reduce("scatter_reduce", x, 0, x, x, "sum", true),
        index_add("index_add", x, 0, two, x, 1.0),
        index_copy("index_copy", x, 0, two, x),
        index_reduce("index_reduce", x, 0, two, x, "sum", true),
        slice_scatter("slice_scatter", x, x, 0, 0, 2, 1),
        attention("attention", x, x, x, None, 0.0, false, None, true),
    ];
    for found in cases {
        assert!(matches!(found, Err(ShapeError::TooManyAxes { found: 9, .. })), "{found:?}");
    }
}
