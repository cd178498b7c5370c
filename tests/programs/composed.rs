//! A network that is put together while the program runs, through the public traits and functions, from a random program.
//! What it computes is what `source.rs` writes for the macros.

use kiln::graph::layers::activation::{elu, hardswish, hardtanh, leaky_relu, mish, relu6, selu, silu, softplus};
use kiln::graph::layers::conv::conv;
use kiln::graph::layers::conv_transpose::conv_transpose;
use kiln::graph::layers::dropout::dropout;
use kiln::graph::layers::embedding::embedding;
use kiln::graph::layers::linear::linear;
use kiln::graph::layers::pool::{Divisor, avg_pool, max_pool};
use kiln::graph::layers::upsample::upsample;
use kiln::graph::model::not_of_one;
use kiln::graph::op::{Convolution, MAX_SPATIAL, Sliding as Windows, Window};
use kiln::graph::shape::{extent::free, only};
use kiln::graph::{Builder, DType, Init, Type, Value, functions};
use kiln::layers::{BatchNormSettings, LayerNormSettings, PerAxis, RecurrentSettings};
use kiln::prelude::*;

use crate::named::Named;
use crate::program::{Call, Program, SIZES, Sliding};
use crate::words::{WORDS, Words};

/// Numbers of a sample; a program takes the first of them.
pub const MOST: usize = 400;
/// Numbers of a result.
pub const OUTPUTS: usize = 3;

/// A network of a random program.
pub struct Composed {
    pub program: Program,
    parts: Vec<Part>,
}

/// A network of a random program that takes words, too.
pub struct WithWords(pub Composed);

/// What a step has of its own.
enum Part {
    Nothing,
    Words { table: Parameter, gru: Option<Box<dyn Layer>> },
    Weights { weight: Parameter, bias: Option<Parameter> },
    Layer(Box<dyn Layer>),
}

impl Model for Composed {
    type Input = f32;
    type Output = f32;
    const INPUT: Shape = Shape::new(&[Shape::N, MOST]);
    const OUTPUT: Shape = Shape::new(&[Shape::N, OUTPUTS]);

    /// The seed of the parameters decides the program, too.
    fn new(init: &mut Init) -> Composed {
        let seed = init.uniform([1], 1.0)[[0]].to_bits();
        Composed::of(Program::random(seed.into(), Some(OUTPUTS), MOST), init)
    }
}

impl Model for WithWords {
    type Input = (f32, i32);
    type Output = f32;
    const INPUT: Shape = only("WithWords", "inputs", Self::INPUTS);
    const OUTPUT: Shape = Composed::OUTPUT;
    const INPUTS: &'static [Type] =
        &[Type::new(DType::F32, Composed::INPUT), Type::new(DType::I32, Shape::new(&[Shape::N, free("T")]))];
    const INPUT_NAMES: &'static [&'static str] = &["x", "words"];

    fn new(init: &mut Init) -> WithWords {
        WithWords(Composed::new(init))
    }

    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Value<'g>]) -> Vec<Value<'g>> {
        vec![self.0.result(g, inputs[0], Some(inputs[1]))]
    }
}

impl Layer for WithWords {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        not_of_one::<WithWords>(g, x)
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        self.0.visit(path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.0.visit_mut(path, f);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        self.0.describe(path, f);
    }
}

impl Composed {
    /// With parameters drawn from `init`.
    pub fn of(program: Program, init: &mut Init) -> Composed {
        let parts = program.steps.iter().map(|step| part(&step.call, init)).collect();
        Composed { program, parts }
    }
}

fn part(call: &Call, init: &mut Init) -> Part {
    let mut weights = |shape: &[usize], bias: Option<usize>| {
        let fan_in = shape[1..].iter().product();
        let mut draw = |shape: &[usize]| Parameter::trained(init.kaiming_uniform(Shape::new(shape), fan_in));
        Part::Weights { weight: draw(shape), bias: bias.map(|outputs| draw(&[outputs])) }
    };
    match call {
        Call::Linear { inputs, outputs, bias } => weights(&[*outputs, *inputs], bias.then_some(*outputs)),
        Call::Conv { inputs, outputs, groups, sliding, bias } => {
            weights(&[&[*outputs, inputs / groups], &sliding.kernel[..]].concat(), bias.then_some(*outputs))
        }
        Call::ConvTranspose { inputs, outputs, sliding, bias } => {
            weights(&[&[*inputs, *outputs], &sliding.kernel[..]].concat(), bias.then_some(*outputs))
        }
        Call::BatchNorm { channels, spatial, affine } => {
            Part::Layer(batch_norm(*channels, *spatial, BatchNormSettings::new().affine(*affine), init))
        }
        Call::LayerNorm { features } => Part::Layer(layer_norm(*features, init)),
        Call::Recurrent { name, features, bidirectional } => {
            let settings = RecurrentSettings::new().batch_first(true).bidirectional(*bidirectional);
            Part::Layer(recurrent(name, *features, settings, init))
        }
        Call::Words(words) => {
            let settings = RecurrentSettings::new().batch_first(true);
            let gru = (words.through == "GRU").then(|| recurrent("GRU", words.row(), settings, init));
            Part::Words { table: Parameter::trained(init.normal([WORDS, words.row()])), gru }
        }
        _ => Part::Nothing,
    }
}

/// Calls the macro with a size as a constant.
macro_rules! with_size {
    ($size:expr, $body:ident) => {
        match SIZES.iter().position(|size| *size == $size).expect("a known size") {
            0 => $body!(1),
            1 => $body!(2),
            2 => $body!(3),
            3 => $body!(4),
            4 => $body!(5),
            5 => $body!(6),
            6 => $body!(7),
            7 => $body!(8),
            8 => $body!(9),
            9 => $body!(12),
            10 => $body!(16),
            11 => $body!(17),
            12 => $body!(24),
            13 => $body!(31),
            14 => $body!(32),
            15 => $body!(33),
            _ => $body!(40),
        }
    };
}

fn batch_norm(channels: usize, spatial: usize, settings: BatchNormSettings, init: &mut Init) -> Box<dyn Layer> {
    macro_rules! of {
        ($size:literal) => {
            match spatial {
                0 | 1 => Box::new(BatchNorm1d::<$size>::new(settings, init)) as Box<dyn Layer>,
                2 => Box::new(BatchNorm2d::<$size>::new(settings, init)),
                _ => Box::new(BatchNorm3d::<$size>::new(settings, init)),
            }
        };
    }
    with_size!(channels, of)
}

fn layer_norm(features: usize, init: &mut Init) -> Box<dyn Layer> {
    macro_rules! of {
        ($size:literal) => {
            Box::new(LayerNorm::<$size>::new(LayerNormSettings::new(), init))
        };
    }
    with_size!(features, of)
}

fn recurrent(name: &str, features: usize, settings: RecurrentSettings, init: &mut Init) -> Box<dyn Layer> {
    macro_rules! of {
        ($size:literal) => {
            match name {
                "GRU" => Box::new(GRU::<$size, 3>::new(settings, init)) as Box<dyn Layer>,
                _ => Box::new(LSTM::<$size, 3>::new(settings, init)),
            }
        };
    }
    with_size!(features, of)
}

impl Composed {
    fn result<'g>(&self, g: &'g Builder, x: Value<'g>, words: Option<Value<'g>>) -> Value<'g> {
        let count = self.program.input.iter().product();
        let mut values = vec![reshaped(functions::narrow(x, 1, 0, count), &self.program.input)];
        for (number, (step, part)) in self.program.steps.iter().zip(&self.parts).enumerate() {
            let _scope = g.enter(&number.to_string());
            let a = values[step.from[0]];
            let b = values[*step.from.last().expect("a value")];
            values.push(match part {
                Part::Layer(layer) => layer.forward(g, a),
                Part::Weights { weight, bias } => {
                    let bias = bias.as_ref().map(|bias| g.parameter("bias", bias));
                    weighted(&step.call, a, g.parameter("weight", weight), bias)
                }
                Part::Words { table, gru } => {
                    let Call::Words(made) = &step.call else { unreachable!("{:?} has no table", step.call) };
                    let words = words.expect("a program that takes words");
                    of_words(g, made, words, g.parameter("table", table), gru.as_deref())
                }
                Part::Nothing => plain(&step.call, a, b),
            });
        }
        values[values.len() - 1]
    }
}

impl Layer for Composed {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        self.result(g, x, None)
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        for (number, part) in self.parts.iter().enumerate() {
            path.enter(&number.to_string(), |path| match part {
                Part::Nothing => {}
                Part::Weights { weight, bias } => {
                    f(&path.name("weight"), weight);
                    bias.iter().for_each(|bias| f(&path.name("bias"), bias));
                }
                Part::Words { table, gru } => {
                    f(&path.name("table"), table);
                    gru.iter().for_each(|gru| gru.visit(path, f));
                }
                Part::Layer(layer) => layer.visit(path, f),
            });
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        for (number, part) in self.parts.iter_mut().enumerate() {
            path.enter(&number.to_string(), |path| match part {
                Part::Nothing => {}
                Part::Weights { weight, bias } => {
                    f(&path.name("weight"), weight);
                    bias.iter_mut().for_each(|bias| f(&path.name("bias"), bias));
                }
                Part::Words { table, gru } => {
                    f(&path.name("table"), table);
                    gru.iter_mut().for_each(|gru| gru.visit_mut(path, f));
                }
                Part::Layer(layer) => layer.visit_mut(path, f),
            });
        }
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        for (number, step) in self.program.steps.iter().enumerate() {
            path.enter(&number.to_string(), |path| f(path.as_str(), &format!("{:?}", step.call)));
        }
    }
}

/// The batch axis stays; the others become `extents`.
fn reshaped<'g>(x: Value<'g>, extents: &[usize]) -> Value<'g> {
    functions::reshape(x, &[&[x.shape().dim(0)], extents].concat())
}

fn axes(values: &[usize]) -> [usize; MAX_SPATIAL] {
    let mut axes = [1; MAX_SPATIAL];
    axes[..values.len()].copy_from_slice(values);
    axes
}

fn windows(sliding: &Sliding) -> Windows {
    let mut padding = [(0, 0); MAX_SPATIAL];
    sliding.padding.iter().zip(&mut padding).for_each(|(&from, to)| *to = (from, from));
    Windows { spatial: sliding.kernel.len(), stride: axes(&sliding.stride), padding, dilation: axes(&sliding.dilation) }
}

/// A layer with a weight.
fn weighted<'g>(call: &Call, x: Value<'g>, weight: Value<'g>, bias: Option<Value<'g>>) -> Value<'g> {
    match call {
        Call::Linear { .. } => linear(x, weight, bias),
        Call::Conv { groups, sliding, .. } => {
            conv(x, weight, bias, Convolution { sliding: windows(sliding), groups: *groups })
        }
        Call::ConvTranspose { sliding, .. } => {
            let conv = Convolution { sliding: windows(sliding), groups: 1 };
            conv_transpose(x, weight, bias, conv, [0; MAX_SPATIAL])
        }
        _ => unreachable!("{call:?} has no weight"),
    }
}

/// What [`Words`] says, of a table.
fn of_words<'g>(
    g: &'g Builder,
    made: &Words,
    words: Value<'g>,
    table: Value<'g>,
    gru: Option<&dyn Layer>,
) -> Value<'g> {
    let h = embedding(words, table, None);
    let length = h.shape().dim(1);
    let h = match made.through {
        "" => h,
        "cumsum" => h.cumsum(1),
        "softmax" => h.softmax(1),
        "attention" => functions::scaled_dot_product_attention(h, h, h, None, 0.0, false, None, false),
        "flip" => h + functions::flip(h, &[1]) * 0.5,
        "places" => h + functions::arange_to(g, length as isize).convert(DType::F32).unsqueeze(1) * 0.125,
        "turned" => reshaped(h.transpose(1, 2), &[length, made.row()]),
        "reversed_words" => h * embedding(functions::flip(words, &[1]), table, None),
        _ => gru.expect("a recurrent layer").forward(g, h),
    };
    let dim = [1];
    match made.then {
        "mean" => functions::mean(h, Some(&dim), false),
        "sum" => functions::sum(h, Some(&dim), false),
        "amax" => functions::amax(h, Some(&dim), false),
        "logsumexp" => functions::logsumexp(h, &[1], false),
        "last" => functions::select(h, 1, -1),
        _ => functions::sum(h * words.gt(2).convert(DType::F32).unsqueeze(2), Some(&dim), false),
    }
}

fn plain<'g>(call: &Call, x: Value<'g>, b: Value<'g>) -> Value<'g> {
    let one = |axis: &usize| [*axis as isize];
    match call {
        Call::MaxPool { sliding } => {
            max_pool(x, Window { kernel: axes(&sliding.kernel), sliding: windows(sliding), ceil: false })
        }
        Call::AvgPool { sliding, count_include_pad } => avg_pool(
            x,
            Window { kernel: axes(&sliding.kernel), sliding: windows(sliding), ceil: false },
            Divisor { count_include_pad: *count_include_pad, divisor_override: None },
        ),
        Call::Upsample { factor, spatial, linear } => {
            let mode = match (linear, spatial) {
                (false, _) => UpsampleMode::Nearest,
                (true, 1) => UpsampleMode::Linear,
                (true, 2) => UpsampleMode::Bilinear,
                (true, _) => UpsampleMode::Trilinear,
            };
            let factor = PerAxis::<1, f64>::all(*factor as f64);
            upsample(x, &UpsampleSettings::new().scale_factor(factor).mode(mode))
        }
        Call::Dropout { p } => dropout(x, *p),
        Call::Function(name) => function(name, x),
        Call::Positive(name) => {
            let x = x.square() + 0.5;
            match *name {
                "log" => x.log(),
                "log1p" => x.log1p(),
                "sqrt" => x.sqrt(),
                "rsqrt" => x.rsqrt(),
                _ => x.reciprocal(),
            }
        }
        Call::Clamp { low, high } => functions::clamp(x, Some(*low), Some(*high)),
        Call::Binary(name) => match *name {
            "+" => x + b,
            "-" => x - b,
            "*" => x * b,
            "maximum" => x.maximum(b),
            _ => x.minimum(b),
        },
        Call::Divide => x / (b.square() + 1.0),
        Call::Where => functions::where_(x.gt(b), x * 0.5, b),
        Call::MaskedFill => functions::masked_fill(x, b.lt(0.0), 0.25),
        Call::Reduce { name, axis } => {
            let dim = one(axis);
            match *name {
                "sum" => functions::sum(x, Some(&dim), true),
                "mean" => functions::mean(x, Some(&dim), true),
                "amax" => functions::amax(x, Some(&dim), true),
                "amin" => functions::amin(x, Some(&dim), true),
                "var" => functions::var(x, Some(&dim), 1.0, true),
                "std" => functions::std(x, Some(&dim), 1.0, true),
                _ => functions::logsumexp(x, &dim, true),
            }
        }
        Call::Along { name, axis } => match *name {
            "softmax" => x.softmax(*axis),
            "log_softmax" => x.log_softmax(*axis),
            _ => x.cumsum(*axis),
        },
        Call::Extreme { axis } => {
            let found = functions::max(x, *axis as isize, true);
            found[0] + found[1].convert(DType::F32) * 0.125
        }
        Call::Gather { axis } => x + b.gather(*axis, functions::argmax(x, Some(*axis as isize), true)),
        Call::Transpose { a, b } => x.transpose(*a, *b),
        Call::Reshape { extents } => reshaped(x, extents),
        Call::Flip { axis } => functions::flip(x, &one(axis)),
        Call::Narrow { axis, start, length } => functions::narrow(x, *axis as isize, *start as isize, *length),
        Call::Slice { axis, start, end, step } => {
            functions::slice(x, *axis as isize, *start as isize, *end as isize, *step)
        }
        Call::Select { axis, index } => functions::select(x, *axis as isize, *index as isize),
        Call::Pad { low, high } => functions::pad(x, &[*low as isize, *high as isize], "constant", None),
        Call::Cat { axis } => functions::cat(&[x, b], *axis as isize),
        Call::Chunk { axis } => {
            let halves = functions::chunk(x, 2, *axis as isize);
            functions::cat(&[halves[1] * 0.5, halves[0]], *axis as isize)
        }
        Call::Gram => x.matmul(x.transpose(-1, -2)),
        Call::Detach => x + b.detach(),
        Call::Named(called) => named(called, x),
        _ => unreachable!("{call:?} has parts"),
    }
}

fn named<'g>(called: &Named, x: Value<'g>) -> Value<'g> {
    let Named { name, axis, count, features, rank } = called;
    let (dim, many) = (*axis as isize, *count as isize);
    match *name {
        "norm" => functions::norm(x, 2.0, Some(&[dim]), true),
        "prod" => functions::prod(x, Some(&[dim]), true),
        "cumprod" => x.cumprod(*axis),
        "cummax" => {
            let found = functions::cummax(x, dim);
            found[0] + found[1].convert(DType::F32) * 0.125
        }
        "logcumsumexp" => functions::logcumsumexp(x, dim),
        "sort" => functions::sort(x, dim, *count == 1)[0],
        "topk" => functions::topk(x, *count, dim, true)[0],
        "roll" => functions::roll(x, &[many], &[dim]),
        "tril" => functions::tril(x, many),
        "scaled_dot_product_attention" => {
            functions::scaled_dot_product_attention(x, x, x, None, 0.0, *count == 1, None, false)
        }
        "group_norm" => functions::group_norm(x, *count, None, None, 1e-5),
        "rms_norm" => functions::rms_norm(x, &[*features], None, Some(1e-5)),
        "instance_norm" => functions::instance_norm(x, None, None, None, None, true, 0.1, 1e-5),
        "reflect" | "replicate" | "circular" => functions::pad(x, &[many, many], name, None),
        "adaptive_avg_pool" => match rank {
            2 => functions::adaptive_avg_pool1d(x, &[*count]),
            3 => functions::adaptive_avg_pool2d(x, &[*count]),
            _ => functions::adaptive_avg_pool3d(x, &[*count]),
        },
        "adaptive_max_pool" => match rank {
            2 => functions::adaptive_max_pool1d(x, &[*count]),
            3 => functions::adaptive_max_pool2d(x, &[*count]),
            _ => functions::adaptive_max_pool3d(x, &[*count]),
        },
        "pixel_shuffle" => functions::pixel_shuffle(x, *count),
        "repeat_interleave" => functions::repeat_interleave(x, *count, dim),
        "normalize" => functions::normalize(x, 2.0, dim, 1e-12),
        "diff" => functions::diff(x, 1, dim, None, None),
        _ => unreachable!("{name} is drawn nowhere"),
    }
}

fn function<'g>(name: &str, x: Value<'g>) -> Value<'g> {
    match name {
        "abs" => x.abs(),
        "cos" => x.cos(),
        "elu" => elu(x, 1.0),
        "erf" => x.erf(),
        "expm1" => x.expm1(),
        "gelu" => functions::gelu(x, "none"),
        "hardswish" => hardswish(x),
        "hardtanh" => hardtanh(x, -1.0, 1.0),
        "leaky_relu" => leaky_relu(x, 0.01),
        "mish" => mish(x),
        "neg" => -x,
        "relu" => x.relu(),
        "relu6" => relu6(x),
        "selu" => selu(x),
        "sigmoid" => x.sigmoid(),
        "silu" => silu(x),
        "sin" => x.sin(),
        "softplus" => softplus(x, 1.0, 20.0),
        "square" => x.square(),
        _ => x.tanh(),
    }
}
