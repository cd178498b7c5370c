//! Matrix products and convolutions: forward, input gradient, weight gradient; operands and results lie as wanted.

use kiln_graph::Op;
use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::shape::Shape;
use kiln_jit::contraction::{Operand, Source, preferred_layouts, recipe};
use kiln_jit::kernel::{Element, Kernel};
use kiln_jit::layout::PreferredLayout;

use crate::runner::Runner;
use crate::{Case, Unit};

/// A convolution whose images and kernels have equal extents along all axes: 2 of them, where not said.
#[derive(Clone, Copy)]
struct Layer {
    name: &'static str,
    spatial: usize,
    batch: usize,
    channels: usize,
    extent: usize,
    features: usize,
    kernel: usize,
    padding: usize,
    stride: usize,
    dilation: usize,
    groups: usize,
}

const fn layer(name: &'static str, batch: usize, channels: usize, extent: usize, features: usize) -> Layer {
    let kernel = 3;
    Layer { name, spatial: 2, batch, channels, extent, features, kernel, padding: 1, stride: 1, dilation: 1, groups: 1 }
}

/// The layers of LeNet, VGG and ResNet-18 on images of 32 x 32.
const LAYERS: &[Layer] = &[
    Layer { kernel: 5, padding: 0, ..layer("lenet conv1", 64, 1, 28, 20) },
    Layer { kernel: 5, padding: 0, ..layer("lenet conv2", 64, 20, 12, 64) },
    layer("vgg first", 16, 3, 32, 64),
    Layer { groups: 4, ..layer("hourglass 36 ch in 4 groups", 4, 36, 32, 36) },
    Layer { kernel: 4, stride: 2, ..layer("dcgan 64 to 128 4x4 stride 2", 64, 64, 16, 128) },
    layer("resnet 32 ch 32x32", 16, 32, 32, 32),
    layer("resnet 64 ch 32x32", 16, 64, 32, 64),
    layer("resnet 128 ch 16x16", 16, 128, 16, 128),
    layer("resnet 256 ch 8x8", 16, 256, 8, 256),
    layer("resnet 512 ch 4x4", 16, 512, 4, 512),
    Layer { stride: 2, ..layer("resnet 64 to 128 stride 2", 16, 64, 32, 128) },
    Layer { kernel: 1, padding: 0, stride: 2, ..layer("resnet 64 to 128 1x1 stride 2", 16, 64, 32, 128) },
];

/// Layers of odd shapes. The input gradients of the first ones are transposed convolutions of few features.
const ODD_LAYERS: &[Layer] = &[
    Layer {
        spatial: 1,
        kernel: 1024,
        padding: 0,
        stride: 256,
        ..layer("odd 1d 1 to 1026 ch stride 256", 1, 1, 58112, 1026)
    },
    Layer { kernel: 4, stride: 2, ..layer("odd 3 to 64 ch 4x4 stride 2", 16, 3, 64, 64) },
    Layer { kernel: 16, stride: 8, padding: 4, ..layer("odd 1 to 256 ch 16x16 stride 8", 4, 1, 224, 256) },
    Layer { spatial: 3, kernel: 4, stride: 4, padding: 0, ..layer("odd 3d 1 to 32 ch 4x4x4 stride 4", 2, 1, 32, 32) },
    Layer { groups: 256, ..layer("odd depthwise 256 ch", 1, 256, 56, 256) },
    Layer { groups: 256, stride: 2, ..layer("odd depthwise 256 ch stride 2", 1, 256, 56, 256) },
    Layer { groups: 256, kernel: 7, padding: 3, ..layer("odd depthwise 256 ch 7x7", 1, 256, 28, 256) },
    Layer { groups: 32, stride: 2, ..layer("odd 32 groups of 2 ch stride 2", 32, 64, 16, 64) },
    Layer { groups: 32, stride: 3, ..layer("odd 32 groups of 2 ch stride 3", 32, 64, 16, 64) },
    Layer { dilation: 2, padding: 2, ..layer("odd 64 ch dilation 2", 4, 64, 56, 64) },
    Layer { dilation: 3, padding: 3, ..layer("odd 64 ch dilation 3", 4, 64, 57, 64) },
    Layer { dilation: 4, padding: 4, ..layer("odd 64 ch dilation 4", 4, 64, 56, 64) },
];

/// Rows of products with a weight of `[columns, depth]`, as `Linear` has it: `depth, columns`.
const ODD_LINEAR: [(usize, usize); 2] = [(4096, 4096), (4095, 4097)];

/// `name, rows, depth, columns, left transposed, right transposed`.
const PRODUCTS: &[(&str, usize, usize, usize, bool, bool)] = &[
    ("matmul 64", 64, 64, 64, false, false),
    ("matmul 128", 128, 128, 128, false, false),
    ("matmul 256", 256, 256, 256, false, false),
    ("matmul 512", 512, 512, 512, false, false),
    ("matmul 768", 768, 768, 768, false, false),
    ("matmul 1024", 1024, 1024, 1024, false, false),
    ("matmul 2048", 2048, 2048, 2048, false, false),
    ("matmul 128 input gradient", 128, 128, 128, false, true),
    ("matmul 128 weight gradient", 128, 128, 128, true, false),
    ("matmul 256 input gradient", 256, 256, 256, false, true),
    ("matmul 256 weight gradient", 256, 256, 256, true, false),
    ("matmul 512 input gradient", 512, 512, 512, false, true),
    ("matmul 512 weight gradient", 512, 512, 512, true, false),
    ("matmul 1024 input gradient", 1024, 1024, 1024, false, true),
    ("matmul 1024 weight gradient", 1024, 1024, 1024, true, false),
    ("matmul 2048 input gradient", 2048, 2048, 2048, false, true),
    ("matmul 2048 weight gradient", 2048, 2048, 2048, true, false),
    ("linear 1024x256x1024", 1024, 256, 1024, false, false),
    ("linear 1024x256x1024 input gradient", 1024, 1024, 256, false, true),
    ("linear 1024x256x1024 weight gradient", 256, 1024, 1024, true, false),
    ("linear 1024x1024x256", 1024, 1024, 256, false, false),
    ("linear 1024x1024x256 input gradient", 1024, 256, 1024, false, true),
    ("linear 1024x1024x256 weight gradient", 1024, 1024, 256, true, false),
    ("linear 1024x256x768", 1024, 256, 768, false, false),
    ("linear 1024x256x768 input gradient", 1024, 768, 256, false, true),
    ("linear 1024x256x768 weight gradient", 256, 1024, 768, true, false),
    ("linear 1024x128x512 weight gradient", 128, 1024, 512, true, false),
    ("linear 1024x512x128 weight gradient", 512, 1024, 128, true, false),
    ("linear 1024x128x384 weight gradient", 128, 1024, 384, true, false),
    ("linear 3200x128x512 weight gradient", 128, 3200, 512, true, false),
    ("linear 3200x64x512 weight gradient", 64, 3200, 512, true, false),
    ("linear 64x784x512", 64, 784, 512, false, false),
    ("linear 64x784x512 input gradient", 64, 512, 784, false, true),
    ("linear 64x784x512 weight gradient", 784, 64, 512, true, false),
    ("linear 64x1024x128", 64, 1024, 128, false, false),
    ("linear 64x1024x128 input gradient", 64, 128, 1024, false, true),
    ("linear 64x1024x128 weight gradient", 1024, 64, 128, true, false),
    ("linear 64x128x10", 64, 128, 10, false, false),
    ("linear 32x10x10", 32, 10, 10, false, false),
    ("linear 1x784x512", 1, 784, 512, false, false),
];

/// The cases whose name holds the filter.
pub fn cases(filter: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for &(name, m, k, n, left, right) in PRODUCTS {
        if name.contains(filter) {
            cases.push(case(name.into(), Op::Dot, [[m, k].into(), [k, n].into()], [m, n].into(), [left, right]));
        }
    }
    for (depth, columns) in ODD_LINEAR {
        for rows in 1..=8 {
            let name = format!("odd linear {rows}x{depth}x{columns}");
            if name.contains(filter) {
                let shapes = [[rows, depth].into(), [depth, columns].into()];
                cases.push(case(name, Op::Dot, shapes, [rows, columns].into(), [false, true]));
            }
        }
    }
    for &Layer { name, spatial, batch, channels, extent, features, kernel, padding, stride, dilation, groups } in
        LAYERS.iter().chain(ODD_LAYERS)
    {
        let out = (extent + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
        let shape = |first: usize, second: usize, extent: usize| {
            Shape::new(&[&[first, second], &vec![extent; spatial][..]].concat())
        };
        let x = shape(batch, channels, extent);
        let w = shape(features, channels / groups, kernel);
        let y = shape(batch, features, out);
        let each = |value: usize| std::array::from_fn(|axis| if axis < spatial { value } else { 1 });
        let padding = std::array::from_fn(|axis| if axis < spatial { (padding, padding) } else { (0, 0) });
        let sliding = Sliding { spatial, stride: each(stride), padding, dilation: each(dilation) };
        let conv = Convolution { sliding, groups };
        let operations = [
            ("forward", Op::Conv(conv.into()), [x, w], y),
            ("input gradient", Op::ConvGradInput { conv: conv.into(), input: each(extent) }, [y, w], x),
            ("weight gradient", Op::ConvGradWeight { conv: conv.into(), kernel: each(kernel) }, [x, y], w),
        ];
        for (what, op, operands, result) in operations {
            let name = format!("{name} {what}");
            if name.contains(filter) {
                let mut case = case(name, op, operands, result, [false, false]);
                case.work = 2.0 * (y.elements() * w.elements() / features) as f64;
                cases.push(case);
            }
        }
    }
    cases
}

/// A transposed operand lies in the reversed order of the wanted one; the weight of an input gradient lies as the forward
/// convolution wants it.
fn case(name: String, op: Op, operands: [Shape; 2], result: Shape, transposed: [bool; 2]) -> Case {
    let target = crate::target();
    let [left, mut right, output] = preferred_layouts(&op, operands[0], operands[1], result).expect("a contraction");
    if let Op::ConvGradInput { conv, .. } = &op {
        let forward = preferred_layouts(&Op::Conv(conv.clone()), result, operands[1], operands[0]);
        right = forward.expect("a contraction")[1].clone();
    }
    let operand = |shape: Shape, wanted: &PreferredLayout, transposed: bool| {
        let mut wanted = wanted.clone();
        if transposed {
            wanted.order.reverse();
        }
        let (layout, halo) = (wanted.layout(shape), wanted.halo);
        Operand { shape, element: Element::F32, rounded: false, layout, halo, invariant: false }
    };
    let left = operand(operands[0], &left, transposed[0]);
    let right = operand(operands[1], &right, transposed[1]);
    let recipe = recipe(&op, &left, &right, result, &target).expect("a contraction");
    let output = output.layout(result);
    let mut lengths = vec![left.layout.elements, right.layout.elements, output.elements];
    lengths.extend(&recipe.scratch);
    let number = |source: Source| match source {
        Source::Left => 0,
        Source::Right => 1,
        Source::Scratch(number) => 3 + number,
    };
    let kernel = |stage: &kiln_jit::contraction::Stage| -> (Kernel, Vec<usize>, u64) {
        let mut numbers: Vec<usize> = stage.buffers.iter().map(|&(source, _)| number(source)).collect();
        let of_stage: Vec<_> = numbers.iter().map(|&number| (Element::F32, lengths[number])).collect();
        numbers.extend(stage.results.then_some(2));
        (stage.plain(&name, &of_stage, [false; 2], &output, target.lanes), numbers, stage.flops)
    };
    let kernels = recipe.stages.iter().map(kernel).collect();
    let work = match op {
        Op::Dot => 2.0 * (operands[0].elements() * result.dim(result.rank() - 1)) as f64,
        _ => 0.0,
    };
    Case { name, unit: Unit::Flops, work, runner: Runner::new(kernels, &lengths) }
}
