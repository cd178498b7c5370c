//! The table of operations: for each its mnemonic, its number of operands and its attributes by name.
//!
//! The printer, the parser and the plan's names all read this one table, so they can not disagree. It knows nothing of
//! syntax (how an attribute is written) and nothing of types (which operands are legal).

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use super::functions::names;
use super::{
    ArgOp, Axes, BinaryOp, CompareOp, Convolution, MAX_SPATIAL, Op, PadSpec, ReduceOp, Scalar, SliceSpec, Sliding,
    UnaryOp, Window, WindowOp,
};
use crate::shape::{DType, MAX_RANK, Shape};

names! { ReduceOp { Sum = "sum", Prod = "prod", Max = "amax", Min = "amin" } }
names! { ArgOp { Max = "argmax", Min = "argmin" } }
names! { WindowOp { Max = "window_max", Sum = "window_sum" } }

/// One row per operation: a pattern, its mnemonic, its number of operands (`None`: any number from one up) and the
/// members with neutral attributes, which the parser fills in.
macro_rules! table {
    ($($pattern:pat => $mnemonic:expr, $operands:expr, $members:expr;)*) => {
        impl Op {
            /// The name of the operation in text.
            pub const fn mnemonic(&self) -> &'static str {
                match *self { $($pattern => $mnemonic),* }
            }

            /// The number of operands; `None` is any number from one up.
            #[allow(unused_variables)]
            pub const fn operands(&self) -> Option<usize> {
                match *self { $($pattern => $operands),* }
            }

            /// One operation of each mnemonic, with neutral attributes.
            pub fn all() -> Vec<Op> {
                let mut members = Vec::new();
                $(members.extend::<Vec<Op>>($members);)*
                members
            }

            /// The operation of a mnemonic, with neutral attributes.
            pub fn of_mnemonic(mnemonic: &str) -> Option<Op> {
                // Made once: texts ask for each of their nodes.
                static ALL: LazyLock<Vec<Op>> = LazyLock::new(Op::all);
                ALL.iter().find(|op| op.mnemonic() == mnemonic).cloned()
            }
        }
    };
}

table! {
    Op::Input => "input", Some(0), vec![Op::Input];
    Op::Constant(_) => "const", Some(0), vec![Op::Constant(Scalar(0.0))];
    Op::Iota { .. } => "iota", Some(0), vec![Op::Iota { axis: 0, shape: Shape::SCALAR }];
    Op::Unary(op) => op.mnemonic(), Some(1), UnaryOp::ALL.iter().copied().map(Op::Unary).collect();
    Op::Binary(op) => op.mnemonic(), Some(2), BinaryOp::ALL.iter().copied().map(Op::Binary).collect();
    Op::Compare(op) => op.mnemonic(), Some(2), CompareOp::ALL.iter().copied().map(Op::Compare).collect();
    Op::Select => "select", Some(3), vec![Op::Select];
    Op::Convert(_) => "convert", Some(1), vec![Op::Convert(DType::F32)];
    Op::Reduce { op, .. } => op.mnemonic(), Some(1),
        ReduceOp::ALL.iter().map(|&op| Op::Reduce { op, axes: Axes::default() }).collect();
    Op::ArgReduce { op, .. } => op.mnemonic(), Some(1),
        ArgOp::ALL.iter().map(|&op| Op::ArgReduce { op, axis: 0 }).collect();
    Op::Dot => "dot", Some(2), vec![Op::Dot];
    Op::Conv(_) => "conv", Some(2), vec![Op::Conv(CONVOLUTION.into())];
    Op::ConvGradInput { .. } => "conv_grad_input", Some(2),
        vec![Op::ConvGradInput { conv: CONVOLUTION.into(), input: [1; MAX_SPATIAL] }];
    Op::ConvGradWeight { .. } => "conv_grad_weight", Some(2),
        vec![Op::ConvGradWeight { conv: CONVOLUTION.into(), kernel: [1; MAX_SPATIAL] }];
    Op::WindowReduce { op, .. } => op.mnemonic(), Some(1),
        WindowOp::ALL.iter().map(|&op| Op::WindowReduce { op, window: WINDOW.into() }).collect();
    Op::WindowMaxGrad(_) => "window_max_grad", Some(2), vec![Op::WindowMaxGrad(WINDOW.into())];
    Op::WindowMaxPick(_) => "window_max_pick", Some(2), vec![Op::WindowMaxPick(WINDOW.into())];
    Op::WindowArgMax(_) => "window_argmax", Some(1), vec![Op::WindowArgMax(WINDOW.into())];
    Op::WindowSumGrad { .. } => "window_sum_grad", Some(1),
        vec![Op::WindowSumGrad { window: WINDOW.into(), input: [1; MAX_SPATIAL] }];
    Op::Reshape(_) => "reshape", Some(1), vec![Op::Reshape(Shape::SCALAR)];
    Op::Transpose(_) => "transpose", Some(1), vec![Op::Transpose([0, 1, 2, 3, 4, 5, 6, 7])];
    Op::Broadcast(_) => "broadcast", Some(1), vec![Op::Broadcast(Shape::SCALAR)];
    Op::Slice(_) => "slice", Some(1),
        vec![Op::Slice(SliceSpec { start: [0; MAX_RANK], limit: [0; MAX_RANK], step: [1; MAX_RANK] }.into())];
    Op::Pad(_) => "pad", Some(2), vec![Op::Pad(PadSpec { low: [0; MAX_RANK], high: [0; MAX_RANK] }.into())];
    Op::Concat { .. } => "concat", None, vec![Op::Concat { axis: 0 }];
    Op::Reverse(_) => "reverse", Some(1), vec![Op::Reverse(Axes::default())];
    Op::Gather { .. } => "gather", Some(2), vec![Op::Gather { axis: 0 }];
    Op::ScatterAdd { .. } => "scatter_add", Some(2), vec![Op::ScatterAdd { axis: 0, extent: 0 }];
    Op::TakeRows => "take_rows", Some(2), vec![Op::TakeRows];
    Op::ScatterRows { .. } => "scatter_rows", Some(2), vec![Op::ScatterRows { rows: 0 }];
    Op::Random { .. } => "random", None, vec![Op::Random { shape: Shape::SCALAR, seed: 0, stream: 0 }];
    Op::Detach => "detach", Some(1), vec![Op::Detach];
    Op::Exchange { .. } => "exchange", None, vec![Op::Exchange { number: 0 }];
    Op::Scan { .. } => "scan", None, vec![Op::Scan { body: 0, length: 1, reverse: false }];
    Op::ScanResult { .. } => "scan_result", Some(1), vec![Op::ScanResult { index: 0 }];
}

const SLIDING: Sliding =
    Sliding { spatial: 1, stride: [1; MAX_SPATIAL], padding: [(0, 0); MAX_SPATIAL], dilation: [1; MAX_SPATIAL] };
const CONVOLUTION: Convolution = Convolution { sliding: SLIDING, groups: 1 };
const WINDOW: Window = Window { kernel: [1; MAX_SPATIAL], sliding: SLIDING, ceil: false };

/// What looks at the attributes of an operation, or fills them in.
///
/// A reader leaves a value as it is where it has nothing legal to put there, and remembers why: whatever it puts is
/// within the limits that the call states.
pub(crate) trait Attributes {
    /// The value of a constant, which stands without a name.
    fn scalar(&mut self, value: &mut f64);
    /// A number up to `most`.
    fn number(&mut self, name: &'static str, value: &mut u64, most: u64);
    /// Yes or no.
    fn flag(&mut self, name: &'static str, value: &mut bool);
    /// An element type.
    fn dtype(&mut self, name: &'static str, value: &mut DType);
    /// Several numbers: how many may be given, and a bound that they stay below.
    fn list(&mut self, name: &'static str, values: &mut Vec<usize>, length: RangeInclusive<usize>, below: usize);
}

/// What extents and other numbers of attributes stay below, so that an i32 can index along every axis and arithmetic on
/// a few of them can not overflow.
pub(crate) const LIMIT: usize = 1 << 31;

/// Shows the attributes of an operation, one after the other, to `attributes`; `rank` is the rank of the result.
pub(crate) fn attributes(op: &mut Op, rank: usize, to: &mut impl Attributes) {
    match op {
        Op::Input
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::Select
        | Op::Dot
        | Op::TakeRows
        | Op::Detach => {}
        Op::Constant(Scalar(value)) => to.scalar(value),
        Op::Iota { axis: along, shape } => {
            axis(to, along);
            extents(to, shape);
        }
        Op::Convert(dtype) => to.dtype("to", dtype),
        Op::Reduce { op: _, axes: set } | Op::Reverse(set) => {
            let mut list: Vec<usize> = set.iter().collect();
            to.list("axes", &mut list, 0..=MAX_RANK, MAX_RANK);
            *set = Axes::new(list);
        }
        Op::ArgReduce { op: _, axis: along } | Op::Concat { axis: along } | Op::Gather { axis: along } => {
            axis(to, along);
        }
        Op::Conv(conv) => convolution(to, conv),
        Op::ConvGradInput { conv, input } => {
            convolution(to, conv);
            part(to, "input", input, conv.sliding.spatial, 1);
        }
        Op::ConvGradWeight { conv, kernel } => {
            convolution(to, conv);
            part(to, "kernel", kernel, conv.sliding.spatial, 1);
        }
        Op::WindowReduce { op: _, window: shape }
        | Op::WindowMaxGrad(shape)
        | Op::WindowMaxPick(shape)
        | Op::WindowArgMax(shape) => window(to, shape),
        Op::WindowSumGrad { window: shape, input } => {
            window(to, shape);
            part(to, "input", input, shape.sliding.spatial, 1);
        }
        Op::Reshape(shape) | Op::Broadcast(shape) => extents(to, shape),
        Op::Transpose(permutation) => {
            let mut list: Vec<usize> = permutation[..rank].iter().map(|&axis| axis.into()).collect();
            to.list("permutation", &mut list, rank..=rank, MAX_RANK);
            *permutation = std::array::from_fn(|axis| list.get(axis).map_or(axis as u8, |&from| from as u8));
        }
        Op::Slice(spec) => {
            part(to, "start", &mut spec.start, rank, 0);
            part(to, "limit", &mut spec.limit, rank, 0);
            part(to, "step", &mut spec.step, rank, 1);
        }
        Op::Pad(spec) => {
            part(to, "low", &mut spec.low, rank, 0);
            part(to, "high", &mut spec.high, rank, 0);
        }
        Op::ScatterAdd { axis: along, extent } => {
            axis(to, along);
            size(to, "extent", extent, LIMIT - 1);
        }
        Op::ScatterRows { rows } => size(to, "rows", rows, LIMIT - 1),
        Op::Scan { body, length, reverse } => {
            count(to, "body", body);
            size(to, "length", length, LIMIT - 1);
            to.flag("reverse", reverse);
        }
        Op::ScanResult { index } => count(to, "index", index),
        Op::Exchange { number } => count(to, "number", number),
        Op::Random { shape, seed, stream } => {
            extents(to, shape);
            to.number("seed", seed, u64::MAX);
            count(to, "stream", stream);
        }
    }
}

fn size(to: &mut impl Attributes, name: &'static str, value: &mut usize, most: usize) {
    let mut number = *value as u64;
    to.number(name, &mut number, most as u64);
    *value = number as usize;
}

fn count(to: &mut impl Attributes, name: &'static str, value: &mut u32) {
    let mut number = u64::from(*value);
    to.number(name, &mut number, u32::MAX.into());
    *value = number as u32;
}

fn axis(to: &mut impl Attributes, axis: &mut usize) {
    size(to, "axis", axis, MAX_RANK - 1);
}

fn extents(to: &mut impl Attributes, shape: &mut Shape) {
    let mut list = shape.dims().to_vec();
    to.list("shape", &mut list, 0..=MAX_RANK, LIMIT);
    *shape = Shape::new(&list);
}

/// The first `count` numbers of an array; the others hold `unused`.
fn part<const K: usize>(
    to: &mut impl Attributes,
    name: &'static str,
    array: &mut [usize; K],
    count: usize,
    unused: usize,
) {
    let count = count.min(K);
    let mut list = array[..count].to_vec();
    to.list(name, &mut list, count..=count, LIMIT);
    *array = std::array::from_fn(|i| list.get(i).copied().unwrap_or(unused));
}

/// How many spatial axes there are is told by the first list, the strides.
fn sliding(to: &mut impl Attributes, sliding: &mut Sliding) {
    let mut stride = sliding.stride[..sliding.spatial.min(MAX_SPATIAL)].to_vec();
    to.list("stride", &mut stride, 1..=MAX_SPATIAL, LIMIT);
    sliding.spatial = stride.len();
    sliding.stride = std::array::from_fn(|i| stride.get(i).copied().unwrap_or(1));
    let mut low = sliding.padding.map(|(low, _)| low);
    let mut high = sliding.padding.map(|(_, high)| high);
    part(to, "low", &mut low, sliding.spatial, 0);
    part(to, "high", &mut high, sliding.spatial, 0);
    sliding.padding = std::array::from_fn(|i| (low[i], high[i]));
    part(to, "dilation", &mut sliding.dilation, sliding.spatial, 1);
}

fn convolution(to: &mut impl Attributes, conv: &mut Convolution) {
    sliding(to, &mut conv.sliding);
    size(to, "groups", &mut conv.groups, LIMIT - 1);
}

fn window(to: &mut impl Attributes, window: &mut Window) {
    sliding(to, &mut window.sliding);
    part(to, "kernel", &mut window.kernel, window.sliding.spatial, 1);
    to.flag("ceil", &mut window.ceil);
}
