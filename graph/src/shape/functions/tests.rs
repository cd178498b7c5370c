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
    let cases: [(&[usize], &[usize], &str); 9] = [
        (&[N, 8, 8], &[N, 64], "[N, 64]"),
        (&[N, 8, 8], &[N, REST], "[N, 64]"),
        (&[N, 8, 8], &[REST, 64], "[N, 64]"),
        (&[N, 8, 8], &[N, 4, REST, 2], "[N, 4, 8, 2]"),
        (&[6], &[2, REST], "[2, 3]"),
        (&[N, 8, 8], &[N, 63], "shape [N, 8, 8] has N * 64 elements, shape [N, 63] has N * 63"),
        (&[N, 8, 8], &[REST, 8], "shape [N, 8, 8] has N * 64 elements, shape [-1, 8] has -1 * 8"),
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
    assert!(text(narrow("narrow", x, 0, 0, 1)).starts_with("narrow can neither take apart nor extend the batch axis"));
}

#[test]
fn parts_fit_together() {
    let (a, b) = (shape(&[N, 3, 8]), shape(&[N, 1, 8]));
    assert_eq!(text(cat("cat", &[a, b, a], 1)), "[N, 7, 8]");
    assert_eq!(text(cat("cat", &[a, b], 2)), "cat can not combine shapes [N, 3, 8] and [N, 1, 8]");
    assert!(text(cat("cat", &[a, a], 0)).contains("batch axis N"));
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
    assert_eq!(error(&[(Float, I32)]), Err("operand 0 of add must be f32, but is i32".into()));
    assert_eq!(error(&[(Number, F32), (Number, I32)]), Err("operand 1 of add must be f32, but is i32".into()));
}
