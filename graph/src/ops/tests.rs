//! The type rules, legal and illegal uses of each operation, and evaluations worked out by hand. Gradients are
//! `tests/gradcheck`'s.

use crate::graph::Type;
use crate::interpret::Tensor;
use crate::op::{
    ArgOp, Axes, BinaryOp, CompareOp, Convolution, MAX_SPATIAL, Op, PadSpec, ReduceOp, SliceSpec, Sliding, UnaryOp,
    Window, WindowOp,
};
use crate::shape::{DType, MAX_ELEMENTS, MAX_RANK, Shape, ShapeError};

fn f32(extents: &[usize]) -> Type {
    Type::f32(extents)
}

fn i32(extents: &[usize]) -> Type {
    Type::i32(extents)
}

fn bool(extents: &[usize]) -> Type {
    Type::bool(extents)
}

/// A sliding over `K` axes with the given stride and padding.
fn sliding<const K: usize>(stride: [usize; K], padding: [(usize, usize); K]) -> Sliding {
    let mut sliding = Sliding::unit(K);
    sliding.stride[..K].copy_from_slice(&stride);
    sliding.padding[..K].copy_from_slice(&padding);
    sliding
}

fn conv(sliding: Sliding, groups: usize) -> Op {
    Op::Conv(Convolution { sliding, groups }.into())
}

fn window<const K: usize>(kernel: [usize; K], sliding: Sliding, ceil: bool) -> Window {
    let mut window = Window { kernel: [1; MAX_SPATIAL], sliding, ceil };
    window.kernel[..K].copy_from_slice(&kernel);
    window
}

fn max_window(window: Window) -> Op {
    Op::WindowReduce { op: WindowOp::Max, window: window.into() }
}

/// A slice of the first axis.
fn slice(start: usize, limit: usize, step: usize) -> Op {
    let mut slice = SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] };
    (slice.start[0], slice.limit[0], slice.step[0]) = (start, limit, step);
    Op::Slice(slice.into())
}

fn pad(low: usize, high: usize) -> Op {
    let mut pads = ([0; MAX_RANK], [0; MAX_RANK]);
    (pads.0[0], pads.1[0]) = (low, high);
    Op::Pad(PadSpec { low: pads.0, high: pads.1 }.into())
}

fn transpose(axes: &[u8]) -> Op {
    let mut permutation = std::array::from_fn(|axis| axis as u8);
    permutation[..axes.len()].copy_from_slice(axes);
    Op::Transpose(permutation)
}

fn reduce(op: ReduceOp, axes: &[usize]) -> Op {
    Op::Reduce { op, axes: Axes::new(axes.iter().copied()) }
}

#[test]
fn operands_that_fit_have_a_result() {
    let halves = sliding([2, 2], [(1, 1), (0, 1)]);
    let conv_attributes = Convolution { sliding: halves, groups: 2 };
    let pool = window([3, 2], halves, false);
    let cases: Vec<(Op, Vec<Type>, Type)> = vec![
        (Op::Iota { axis: 1, shape: Shape::new(&[2, 3]) }, vec![], i32(&[2, 3])),
        (Op::Unary(UnaryOp::Exp), vec![f32(&[2])], f32(&[2])),
        (Op::Unary(UnaryOp::Not), vec![bool(&[2])], bool(&[2])),
        (Op::Binary(BinaryOp::Add), vec![i32(&[2]), i32(&[2])], i32(&[2])),
        (Op::Compare(CompareOp::Lt), vec![f32(&[2]), f32(&[2])], bool(&[2])),
        (Op::Select, vec![bool(&[2]), i32(&[2]), i32(&[2])], i32(&[2])),
        (Op::Convert(DType::I32), vec![f32(&[2])], i32(&[2])),
        (Op::Detach, vec![bool(&[2])], bool(&[2])),
        (Op::Exchange { number: 0 }, vec![f32(&[2])], f32(&[2])),
        (reduce(ReduceOp::Sum, &[0, 2]), vec![f32(&[2, 3, 4])], f32(&[3])),
        (reduce(ReduceOp::Sum, &[0]), vec![f32(&[0, 3])], f32(&[3])),
        (Op::ArgReduce { op: ArgOp::Max, axis: 0 }, vec![f32(&[2, 3])], i32(&[3])),
        (Op::Dot, vec![f32(&[7, 2, 3]), f32(&[7, 3, 4])], f32(&[7, 2, 4])),
        (Op::Conv(conv_attributes.into()), vec![f32(&[5, 4, 6, 7]), f32(&[8, 2, 3, 2])], f32(&[5, 8, 3, 4])),
        (
            Op::ConvGradInput { conv: conv_attributes.into(), input: [6, 7, 1] },
            vec![f32(&[5, 8, 3, 4]), f32(&[8, 2, 3, 2])],
            f32(&[5, 4, 6, 7]),
        ),
        (
            Op::ConvGradWeight { conv: conv_attributes.into(), kernel: [3, 2, 1] },
            vec![f32(&[5, 4, 6, 7]), f32(&[5, 8, 3, 4])],
            f32(&[8, 2, 3, 2]),
        ),
        (max_window(pool), vec![f32(&[5, 4, 6, 7])], f32(&[5, 4, 3, 4])),
        (max_window(window([2], sliding([2], [(0, 0)]), true)), vec![f32(&[1, 1, 5])], f32(&[1, 1, 3])),
        // The third window would start in the high padding.
        (max_window(window([2], sliding([3], [(0, 2)]), true)), vec![f32(&[1, 1, 6])], f32(&[1, 1, 2])),
        (Op::WindowMaxGrad(pool.into()), vec![f32(&[5, 4, 6, 7]), f32(&[5, 4, 3, 4])], f32(&[5, 4, 6, 7])),
        (Op::WindowMaxPick(pool.into()), vec![f32(&[5, 4, 6, 7]), f32(&[5, 4, 6, 7])], f32(&[5, 4, 3, 4])),
        (Op::WindowArgMax(pool.into()), vec![f32(&[5, 4, 6, 7])], i32(&[5, 4, 3, 4])),
        (Op::WindowSumGrad { window: pool.into(), input: [6, 7, 1] }, vec![f32(&[5, 4, 3, 4])], f32(&[5, 4, 6, 7])),
        (Op::Reshape(Shape::new(&[3, 2])), vec![bool(&[6])], bool(&[3, 2])),
        (transpose(&[2, 0, 1]), vec![f32(&[2, 3, 4])], f32(&[4, 2, 3])),
        (Op::Broadcast(Shape::new(&[2, 3])), vec![f32(&[2, 1])], f32(&[2, 3])),
        (slice(1, 6, 2), vec![f32(&[6])], f32(&[3])),
        (pad(1, 2), vec![i32(&[2, 3]), i32(&[])], i32(&[5, 3])),
        (Op::Concat { axis: 1 }, vec![f32(&[2, 1]), f32(&[2, 3])], f32(&[2, 4])),
        (Op::Reverse(Axes::new([1])), vec![f32(&[2, 3])], f32(&[2, 3])),
        (Op::Gather { axis: 1 }, vec![f32(&[2, 5]), i32(&[2, 3])], f32(&[2, 3])),
        (Op::ScatterAdd { axis: 1, extent: 5 }, vec![i32(&[2, 3]), f32(&[2, 3])], f32(&[2, 5])),
        (Op::TakeRows, vec![f32(&[9, 4]), i32(&[2, 3])], f32(&[2, 3, 4])),
        (Op::ScatterRows { rows: 9 }, vec![i32(&[2, 3]), f32(&[2, 3, 4])], f32(&[9, 4])),
        (Op::Random { shape: Shape::new(&[2, 3]), seed: 0, stream: 0 }, vec![i32(&[])], f32(&[2, 3])),
        (Op::Random { shape: Shape::new(&[2, 3]), seed: 0, stream: 0 }, vec![i32(&[]), i32(&[])], f32(&[2, 3])),
    ];
    for (op, operands, expected) in cases {
        assert_eq!(op.infer(&operands), Ok(expected), "{op:?} of {operands:?}");
        assert_eq!(op.check(&operands, expected), Ok(()));
        let other = Type { shape: expected.shape.insert(0, 2), ..expected };
        assert!(matches!(op.check(&operands, other), Err(ShapeError::Declared { .. })), "{op:?}");
    }
}

#[test]
fn operands_that_do_not_fit_have_none() {
    let unit = Sliding::unit(2);
    let wrong_type = |op, operand, expected, found| ShapeError::ElementType { op, operand, expected, found };
    let mismatch =
        |op, left: &[usize], right: &[usize]| ShapeError::Mismatch { op, left: left.into(), right: right.into() };
    let wrong_rank = |op, expected, found: &[usize]| ShapeError::Rank { op, expected, found: found.into() };
    let no_axis = |op, axis, shape: &[usize]| ShapeError::Axis { op, axis, shape: shape.into() };
    let rule = |op, rule| ShapeError::Attribute { op, rule };
    let cases: Vec<(Op, Vec<Type>, ShapeError)> = vec![
        (Op::Input, vec![], ShapeError::Undetermined { op: "input" }),
        (Op::Dot, vec![f32(&[2, 2])], ShapeError::Operands { op: "dot", expected: 2, found: 1 }),
        (Op::Concat { axis: 0 }, vec![], ShapeError::Operands { op: "concat", expected: 1, found: 0 }),
        (Op::Iota { axis: 1, shape: Shape::new(&[2]) }, vec![], no_axis("iota", 1, &[2])),
        (Op::Unary(UnaryOp::Exp), vec![i32(&[2])], wrong_type("exp", 0, "f32", DType::I32)),
        (Op::Unary(UnaryOp::Not), vec![f32(&[2])], wrong_type("not", 0, "bool", DType::F32)),
        (Op::Binary(BinaryOp::Add), vec![f32(&[2]), f32(&[3])], mismatch("add", &[2], &[3])),
        (Op::Binary(BinaryOp::Add), vec![f32(&[2]), i32(&[2])], wrong_type("add", 1, "f32", DType::I32)),
        (Op::Binary(BinaryOp::Add), vec![bool(&[2]); 2], wrong_type("add", 0, "f32 or i32", DType::Bool)),
        (Op::Binary(BinaryOp::Div), vec![i32(&[2]); 2], wrong_type("div", 0, "f32", DType::I32)),
        (Op::Binary(BinaryOp::And), vec![f32(&[2]); 2], wrong_type("and", 0, "bool", DType::F32)),
        (Op::Compare(CompareOp::Eq), vec![bool(&[2]); 2], wrong_type("eq", 0, "f32 or i32", DType::Bool)),
        (Op::Select, vec![f32(&[2]); 3], wrong_type("select", 0, "bool", DType::F32)),
        (Op::Select, vec![bool(&[2]), f32(&[2]), f32(&[3])], mismatch("select", &[2], &[3])),
        (Op::Select, vec![bool(&[1]), f32(&[2]), f32(&[2])], mismatch("select", &[1], &[2])),
        (reduce(ReduceOp::Sum, &[1]), vec![f32(&[2])], no_axis("sum", 1, &[2])),
        (reduce(ReduceOp::Prod, &[0]), vec![i32(&[2])], wrong_type("prod", 0, "f32", DType::I32)),
        (reduce(ReduceOp::Max, &[0]), vec![f32(&[0])], rule("amax", "the reduced axes must not be empty")),
        (Op::ArgReduce { op: ArgOp::Min, axis: 0 }, vec![f32(&[])], no_axis("argmin", 0, &[])),
        (Op::Dot, vec![f32(&[2, 3]), f32(&[2, 3])], mismatch("dot", &[2, 3], &[2, 3])),
        (Op::Dot, vec![f32(&[5, 2, 3]), f32(&[4, 3, 2])], mismatch("dot", &[5, 2, 3], &[4, 3, 2])),
        (Op::Dot, vec![f32(&[2, 3]), f32(&[1, 3, 2])], wrong_rank("dot", 2, &[1, 3, 2])),
        (Op::Dot, vec![f32(&[3]), f32(&[3])], wrong_rank("dot", 2, &[3])),
        (conv(unit, 1), vec![f32(&[1, 3, 5]), f32(&[2, 3, 3, 3])], wrong_rank("conv", 4, &[1, 3, 5])),
        (
            conv(unit, 1),
            vec![f32(&[1, 2, 5, 5]), f32(&[2, 3, 3, 3])],
            ShapeError::InputChannels { expected: 3, found: Shape::new(&[1, 2, 5, 5]) },
        ),
        (
            conv(unit, 2),
            vec![f32(&[1, 6, 5, 5]), f32(&[5, 3, 3, 3])],
            ShapeError::Groups { groups: 2, channels: 5, side: "output" },
        ),
        (
            conv(unit, 1),
            vec![f32(&[1, 3, 5, 2]), f32(&[2, 3, 3, 3])],
            ShapeError::Window { op: "conv", axis: 1, span: 3, extent: 2 },
        ),
        (
            conv(Sliding::unit(0), 1),
            vec![f32(&[1, 3]), f32(&[2, 3])],
            rule("conv", "there must be 1, 2 or 3 spatial axes"),
        ),
        (
            max_window(window([2], sliding([0], [(0, 0)]), false)),
            vec![f32(&[1, 1, 4])],
            rule("window_max", "the stride must be at least 1"),
        ),
        (
            Op::WindowMaxGrad(window([2, 2], unit, false).into()),
            vec![f32(&[1, 1, 4, 4]), f32(&[1, 1, 4, 4])],
            mismatch("window_max_grad", &[1, 1, 3, 3], &[1, 1, 4, 4]),
        ),
        (
            Op::WindowSumGrad { window: window([2, 2], unit, false).into(), input: [5, 4, 1] },
            vec![f32(&[1, 1, 3, 3])],
            mismatch("window_sum_grad", &[1, 1, 4, 3], &[1, 1, 3, 3]),
        ),
        (
            Op::Reshape(Shape::new(&[4])),
            vec![f32(&[6])],
            ShapeError::Elements { from: Shape::new(&[6]), to: Shape::new(&[4]) },
        ),
        (transpose(&[0, 0]), vec![f32(&[2, 3])], no_axis("transpose", 0, &[2, 3])),
        (transpose(&[0, 2, 1]), vec![f32(&[2, 3])], no_axis("transpose", 2, &[2, 3])),
        (Op::Broadcast(Shape::new(&[3])), vec![f32(&[2])], mismatch("broadcast", &[2], &[3])),
        (Op::Broadcast(Shape::new(&[2, 3])), vec![f32(&[3])], wrong_rank("broadcast", 2, &[3])),
        (slice(0, 4, 1), vec![f32(&[3])], ShapeError::Range { axis: 0, start: 0, limit: 4, shape: Shape::new(&[3]) }),
        (slice(0, 3, 0), vec![f32(&[3])], rule("slice", "the step must be at least 1")),
        (slice(1, 6, 2), vec![f32(&[6, 2])], ShapeError::Empty { shape: Shape::new(&[3, 0]) }),
        (
            Op::Broadcast(Shape::new(&[MAX_ELEMENTS, 2])),
            vec![f32(&[1, 2])],
            ShapeError::TooLarge { shape: Shape::new(&[MAX_ELEMENTS, 2]) },
        ),
        (pad(1, 1), vec![f32(&[2]), i32(&[])], wrong_type("pad", 1, "f32", DType::I32)),
        (pad(1, 1), vec![f32(&[2]), f32(&[1])], wrong_rank("pad", 0, &[1])),
        (Op::Concat { axis: 0 }, vec![f32(&[2, 1]), f32(&[2, 3])], mismatch("concat", &[2, 1], &[2, 3])),
        (Op::Reverse(Axes::new([2])), vec![f32(&[2, 3])], no_axis("reverse", 2, &[2, 3])),
        (Op::Gather { axis: 0 }, vec![f32(&[2, 5]), i32(&[2, 3])], mismatch("gather", &[2, 5], &[2, 3])),
        (Op::Gather { axis: 0 }, vec![f32(&[2]), f32(&[2])], wrong_type("gather", 1, "i32", DType::F32)),
        (Op::Gather { axis: 0 }, vec![f32(&[0]), i32(&[2])], rule("gather", "the indexed axis must not be empty")),
        (
            Op::TakeRows,
            vec![f32(&[2, 1, 1, 1, 1]), i32(&[1, 1, 1, 1, 1])],
            ShapeError::TooManyAxes { op: "take_rows", found: 9 },
        ),
        (Op::ScatterRows { rows: 2 }, vec![i32(&[3]), f32(&[2, 4])], mismatch("scatter_rows", &[3], &[2, 4])),
        (
            Op::Random { shape: Shape::new(&[1 << 16, 1 << 16, 2]), seed: 0, stream: 0 },
            vec![i32(&[])],
            rule("random", "a tensor of random values may have at most 4294967296 elements"),
        ),
        (
            Op::Random { shape: Shape::SCALAR, seed: 0, stream: 0 },
            vec![i32(&[]), f32(&[])],
            wrong_type("random", 1, "i32", DType::F32),
        ),
        (
            Op::Random { shape: Shape::SCALAR, seed: 0, stream: 0 },
            vec![f32(&[])],
            wrong_type("random", 0, "i32", DType::F32),
        ),
    ];
    for (op, operands, expected) in cases {
        assert_eq!(op.infer(&operands), Err(expected), "{op:?} of {operands:?}");
    }
}

#[test]
fn evaluations_are_those_worked_out_by_hand() {
    let f = |extents: &[usize], values: &[f64]| Tensor::<f32>::floats(extents, values.iter().copied());
    let i = |extents: &[usize], values: &[i32]| Tensor::<f32>::ints(extents, values.iter().copied());
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let cases: Vec<(Op, Vec<Tensor<f32>>, Tensor<f32>)> = vec![
        (Op::Unary(UnaryOp::Rsqrt), vec![f(&[3], &[4.0, 0.0, inf])], f(&[3], &[0.5, inf, 0.0])),
        (Op::Unary(UnaryOp::Sign), vec![f(&[3], &[-0.0, 2.5, -inf])], f(&[3], &[0.0, 1.0, -1.0])),
        (Op::Unary(UnaryOp::Sigmoid), vec![f(&[3], &[0.0, 1e4, -1e4])], f(&[3], &[0.5, 1.0, 0.0])),
        (Op::Binary(BinaryOp::Add), vec![i(&[1], &[i32::MAX]), i(&[1], &[1])], i(&[1], &[i32::MIN])),
        (Op::Convert(DType::I32), vec![f(&[4], &[-1.9, 1.9, nan, 1e20])], i(&[4], &[-1, 1, 0, i32::MAX])),
        (reduce(ReduceOp::Sum, &[0]), vec![f(&[2, 2], &[1.0, 2.0, 3.0, 4.0])], f(&[2], &[4.0, 6.0])),
        (reduce(ReduceOp::Max, &[1]), vec![i(&[2, 2], &[1, 2, -3, -4])], i(&[2], &[2, -3])),
        (
            Op::ArgReduce { op: ArgOp::Min, axis: 1 },
            vec![f(&[2, 3], &[2.0, 1.0, 1.0, 5.0, nan, 0.0])],
            i(&[2], &[1, 1]),
        ),
        (
            Op::Dot,
            vec![f(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), f(&[2, 3], &[1.0, 0.0, 2.0, 0.0, 1.0, 3.0])],
            f(&[2, 3], &[1.0, 2.0, 8.0, 3.0, 4.0, 18.0]),
        ),
        // Cross-correlation: the kernel is not turned round.
        (
            conv(sliding([2], [(1, 0)]), 1),
            vec![f(&[1, 1, 4], &[1.0, 2.0, 3.0, 4.0]), f(&[1, 1, 2], &[10.0, 1.0])],
            f(&[1, 1, 2], &[1.0, 23.0]),
        ),
        // Each group has its own channels.
        (
            conv(Sliding::unit(1), 2),
            vec![f(&[1, 2, 2], &[1.0, 2.0, 3.0, 4.0]), f(&[2, 1, 1], &[10.0, 100.0])],
            f(&[1, 2, 2], &[10.0, 20.0, 300.0, 400.0]),
        ),
        (
            max_window(window([2], sliding([2], [(0, 0)]), true)),
            vec![f(&[1, 1, 5], &[1.0, 2.0, nan, 3.0, -4.0])],
            f(&[1, 1, 3], &[2.0, nan, -4.0]),
        ),
        // The first of equals, a NaN before all; a window that lies in the padding has 0.
        (
            Op::WindowArgMax(window([2], sliding([2], [(2, 0)]), true).into()),
            vec![f(&[1, 2, 5], &[1.0, 2.0, nan, 3.0, -inf, 0.0, 0.0, 5.0, 4.0, 9.0])],
            i(&[1, 2, 4], &[0, 1, 2, 4, 0, 0, 2, 4]),
        ),
        (
            Op::WindowReduce { op: WindowOp::Sum, window: window([2], sliding([1], [(1, 1)]), false).into() },
            vec![f(&[1, 1, 2], &[1.0, 2.0])],
            f(&[1, 1, 3], &[1.0, 3.0, 2.0]),
        ),
        (transpose(&[1, 0]), vec![i(&[2, 3], &[0, 1, 2, 3, 4, 5])], i(&[3, 2], &[0, 3, 1, 4, 2, 5])),
        (Op::Broadcast(Shape::new(&[2, 2])), vec![i(&[2, 1], &[0, 1])], i(&[2, 2], &[0, 0, 1, 1])),
        (slice(1, 5, 2), vec![i(&[5], &[0, 1, 2, 3, 4])], i(&[2], &[1, 3])),
        (pad(1, 2), vec![i(&[1, 2], &[1, 2]), i(&[], &[9])], i(&[4, 2], &[9, 9, 1, 2, 9, 9, 9, 9])),
        (Op::Concat { axis: 1 }, vec![i(&[2, 1], &[1, 2]), i(&[2, 2], &[3, 4, 5, 6])], i(&[2, 3], &[1, 3, 4, 2, 5, 6])),
        (Op::Reverse(Axes::new([1])), vec![i(&[2, 2], &[1, 2, 3, 4])], i(&[2, 2], &[2, 1, 4, 3])),
        (Op::Iota { axis: 0, shape: Shape::new(&[2, 2]) }, vec![], i(&[2, 2], &[0, 0, 1, 1])),
        (Op::Gather { axis: 1 }, vec![i(&[2, 2], &[1, 2, 3, 4]), i(&[2, 1], &[1, -5])], i(&[2, 1], &[2, 3])),
        (
            Op::ScatterAdd { axis: 1, extent: 2 },
            vec![i(&[1, 3], &[1, 1, 0]), f(&[1, 3], &[1.0, 2.0, 4.0])],
            f(&[1, 2], &[4.0, 3.0]),
        ),
        (Op::TakeRows, vec![i(&[2, 2], &[1, 2, 3, 4]), i(&[], &[1])], i(&[2], &[3, 4])),
        (
            Op::ScatterRows { rows: 2 },
            vec![i(&[2], &[1, 1]), f(&[2, 2], &[1.0, 2.0, 3.0, 4.0])],
            f(&[2, 2], &[0.0, 0.0, 4.0, 6.0]),
        ),
    ];
    for (op, operands, expected) in cases {
        let types: Vec<Type> = operands.iter().map(Tensor::ty).collect();
        let ty = op.infer(&types).expect("the operands fit");
        let found = op.evaluate(&Vec::from_iter(&operands), ty);
        assert_eq!(found.ty(), expected.ty(), "{op:?}");
        // As text, in which NaN equals itself.
        assert_eq!(format!("{:?}", found.to_f64()), format!("{:?}", expected.to_f64()), "{op:?} of {operands:?}");
    }
}
