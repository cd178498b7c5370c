//! Random small networks, as data: what is applied to what, with shapes that fit. A seed decides all of it. It knows the
//! rules of shapes, and neither how a network is written nor how it is built.

use crate::named::Named;
use crate::random::Random;
use crate::words::Words;

/// Numbers of channels and features.
pub const SIZES: [usize; 17] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 24, 31, 32, 33, 40];

/// No value has more elements for each sample.
const LARGEST: usize = 700;

/// Functions of one tensor, which are also methods of that name without arguments.
pub const FUNCTIONS: [&str; 20] = [
    "abs",
    "cos",
    "elu",
    "erf",
    "gelu",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "mish",
    "neg",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "square",
    "tanh",
    "expm1",
];

/// A window that slides over the last axes: an entry for each.
#[derive(Clone, Debug)]
pub struct Sliding {
    pub kernel: Vec<usize>,
    pub stride: Vec<usize>,
    pub padding: Vec<usize>,
    pub dilation: Vec<usize>,
}

impl Sliding {
    fn extents(&self, from: &[usize]) -> Option<Vec<usize>> {
        let mut to = Vec::new();
        for (axis, &extent) in from.iter().enumerate() {
            let span = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let room = extent + 2 * self.padding[axis];
            to.push(room.checked_sub(span)? / self.stride[axis] + 1);
        }
        Some(to)
    }
}

/// What is applied. Axes count from 0, the batch axis.
#[derive(Clone, Debug)]
pub enum Call {
    Linear {
        inputs: usize,
        outputs: usize,
        bias: bool,
    },
    Conv {
        inputs: usize,
        outputs: usize,
        groups: usize,
        sliding: Sliding,
        bias: bool,
    },
    ConvTranspose {
        inputs: usize,
        outputs: usize,
        sliding: Sliding,
        bias: bool,
    },
    BatchNorm {
        channels: usize,
        spatial: usize,
        affine: bool,
    },
    LayerNorm {
        features: usize,
    },
    MaxPool {
        sliding: Sliding,
    },
    AvgPool {
        sliding: Sliding,
        count_include_pad: bool,
    },
    Upsample {
        factor: usize,
        spatial: usize,
        linear: bool,
    },
    Dropout {
        p: f64,
    },
    /// One of [`FUNCTIONS`].
    Function(&'static str),
    /// `(x.square() + 0.5).NAME()`, for functions with poles.
    Positive(&'static str),
    Clamp {
        low: f64,
        high: f64,
    },
    /// `a OP b`; or a method of both.
    Binary(&'static str),
    /// `a / (b.square() + 1)`.
    Divide,
    /// `where(a > b, a * 0.5, b)`.
    Where,
    /// `a.masked_fill(b < 0, 0.25)`.
    MaskedFill,
    /// `x.NAME(axis, keepdim = true)`.
    Reduce {
        name: &'static str,
        axis: usize,
    },
    /// `x.NAME(axis)`: softmax and its like.
    Along {
        name: &'static str,
        axis: usize,
    },
    /// The values of `x.max(axis)`, plus a little of the indices.
    Extreme {
        axis: usize,
    },
    /// The elements of `b` where `a` is largest along an axis, and `a`.
    Gather {
        axis: usize,
    },
    Transpose {
        a: usize,
        b: usize,
    },
    Reshape {
        extents: Vec<usize>,
    },
    Flip {
        axis: usize,
    },
    Narrow {
        axis: usize,
        start: usize,
        length: usize,
    },
    Slice {
        axis: usize,
        start: usize,
        end: usize,
        step: usize,
    },
    Select {
        axis: usize,
        index: usize,
    },
    Pad {
        low: usize,
        high: usize,
    },
    Cat {
        axis: usize,
    },
    /// Both halves of an axis, the other way round, with different weights.
    Chunk {
        axis: usize,
    },
    /// `x.matmul(x.transpose(-1, -2))`.
    Gram,
    /// `a + b.detach()`.
    Detach,
    /// A sequence of features, gone through by a recurrent layer of three hidden features.
    Recurrent {
        name: &'static str,
        features: usize,
        bidirectional: bool,
    },
    Named(Named),
    /// What is made of the second input; its operand is ignored.
    Words(Words),
}

/// A call, and the values that it takes: 0 is the input, `i + 1` what step `i` gives.
#[derive(Clone, Debug)]
pub struct Step {
    pub call: Call,
    pub from: Vec<usize>,
}

impl Step {
    /// A group of these without any is refused.
    fn has_bias_or_norm(&self) -> bool {
        match &self.call {
            Call::Linear { bias, .. } | Call::Conv { bias, .. } | Call::ConvTranspose { bias, .. } => *bias,
            Call::BatchNorm { affine, .. } => *affine,
            Call::LayerNorm { .. } | Call::Recurrent { .. } => true,
            Call::Words(words) => words.through == "GRU",
            _ => false,
        }
    }
}

/// What is minimized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    Mse { sum: bool },
    L1,
    Bce,
    Huber,
    CrossEntropy { label_smoothing: bool, weight: bool, ignore: bool },
}

/// By what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    Sgd {
        momentum: bool,
        nesterov: bool,
        weight_decay: bool,
    },
    Adam {
        amsgrad: bool,
        weight_decay: bool,
    },
    AdamW,
    RmsProp {
        centered: bool,
        momentum: bool,
    },
    /// One of those without options of their own.
    Other(&'static str),
}

/// What an optimizer does beside its rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beside {
    /// Biases and norms are a group with a rate of their own.
    pub groups: bool,
    pub clip_grad_norm: bool,
}

/// A network from an input `[N, input..]`, and one of words `[N, T; i32]` if [`Program::takes_words`], to `[N, outputs]`.
#[derive(Clone, Debug)]
pub struct Program {
    pub seed: u64,
    pub input: Vec<usize>,
    pub steps: Vec<Step>,
    pub outputs: usize,
    pub goal: Goal,
    pub rule: Rule,
    pub beside: Beside,
}

impl Program {
    /// The program of a seed. With `outputs` and `input` that the caller wishes, if any: the number of results, and of elements that
    /// a sample has at most.
    pub fn random(seed: u64, outputs: Option<usize>, most: usize) -> Program {
        let mut random = Random::new(seed);
        let input = random_input(&mut random, most);
        let outputs = outputs.unwrap_or(1 + random.below(6));
        let count = 1 + random.below(if seed.is_multiple_of(3) { 12 } else { 5 });
        let mut maker = Maker { random, values: vec![input.clone()], steps: Vec::new() };
        for _ in 0..count {
            maker.step();
        }
        // Numbers of their own, so that a seed has the network that it had without these.
        let mut more = Random::new(seed ^ 0x3057);
        let words = more.chance(30).then(|| Words::draw(&mut more));
        let beside = Beside { groups: more.chance(30), clip_grad_norm: more.chance(20) };
        maker.finish(outputs, words);
        let Maker { mut random, steps, .. } = maker;
        let steps = needed(steps);
        let beside = Beside { groups: beside.groups && steps.iter().any(Step::has_bias_or_norm), ..beside };
        let goal = match random.below(6) {
            0 => Goal::Mse { sum: random.chance(30) },
            1 => Goal::L1,
            2 => Goal::Bce,
            3 => Goal::Huber,
            _ => Goal::CrossEntropy {
                label_smoothing: random.chance(30),
                weight: random.chance(30),
                ignore: random.chance(30),
            },
        };
        let rule = match random.below(5) {
            0 => {
                let momentum = random.chance(60);
                Rule::Sgd { momentum, nesterov: momentum && random.chance(30), weight_decay: random.chance(30) }
            }
            1 => Rule::Adam { amsgrad: random.chance(30), weight_decay: random.chance(30) },
            2 => Rule::AdamW,
            3 => Rule::Other(random.pick(&["Adagrad", "Adamax", "NAdam"])),
            _ => Rule::RmsProp { centered: random.chance(30), momentum: random.chance(50) },
        };
        Program { seed, input, steps, outputs, goal, rule, beside }
    }

    /// Whether one sample alone can be trained with: batch norm needs two.
    pub fn takes_one(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.call, Call::BatchNorm { .. }))
    }

    pub fn takes_words(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.call, Call::Words(_)))
    }
}

/// Extents of a sample: features, signals, images, volumes.
fn random_input(random: &mut Random, most: usize) -> Vec<usize> {
    loop {
        let channels = random.pick(&SIZES[..9]);
        let extents = match random.below(10) {
            0..3 => vec![random.pick(&SIZES)],
            3..5 => vec![channels, 1 + random.below(40)],
            5..9 => vec![channels, 1 + random.below(12), 1 + random.below(12)],
            _ => vec![1 + random.below(3), 1 + random.below(5), 1 + random.below(5), 1 + random.below(5)],
        };
        if extents.iter().product::<usize>() <= most.min(LARGEST) {
            return extents;
        }
    }
}

/// The steps that the last one depends on.
fn needed(steps: Vec<Step>) -> Vec<Step> {
    let mut needed = vec![false; steps.len() + 1];
    needed[steps.len()] = true;
    for (number, step) in steps.iter().enumerate().rev() {
        if needed[number + 1] {
            step.from.iter().for_each(|&from| needed[from] = true);
        }
    }
    // Where each value that stays is found then.
    let places: Vec<usize> =
        (0..=steps.len()).map(|value| needed[1..=value].iter().filter(|stays| **stays).count()).collect();
    let kept = steps.into_iter().enumerate().filter(|(number, _)| needed[number + 1]);
    kept.map(|(_, step)| Step { from: step.from.iter().map(|&from| places[from]).collect(), ..step }).collect()
}

struct Maker {
    random: Random,
    /// Extents of all values.
    values: Vec<Vec<usize>>,
    steps: Vec<Step>,
}

impl Maker {
    fn push(&mut self, call: Call, from: Vec<usize>, extents: Vec<usize>) {
        self.values.push(extents);
        self.steps.push(Step { call, from });
    }

    /// One more call, mostly of the newest value.
    fn step(&mut self) {
        loop {
            let x = if self.random.chance(80) { self.values.len() - 1 } else { self.random.below(self.values.len()) };
            let found = match self.random.below(12) {
                0..4 => self.layer(x),
                4..6 => self.elementwise(x),
                6..7 => self.several(x),
                7..8 => self.along(x),
                8..10 => self.movement(x),
                _ => {
                    let named = Named::draw(&mut self.random, &self.values[x]);
                    named.map(|(named, to)| (Call::Named(named), vec![x], to))
                }
            };
            if let Some((call, from, extents)) = found
                && extents.iter().product::<usize>() <= LARGEST
                && !extents.contains(&0)
                && extents.len() <= 4
            {
                return self.push(call, from, extents);
            }
        }
    }

    /// A linear layer to so many results, behind a flattening, and what is made of words.
    fn finish(&mut self, outputs: usize, words: Option<Words>) {
        let x = self.values.len() - 1;
        let mut inputs = self.values[x].iter().product();
        self.push(Call::Reshape { extents: vec![inputs] }, vec![x], vec![inputs]);
        let x = match words {
            None => x,
            Some(words) => {
                let features = words.features();
                inputs += features;
                self.push(Call::Words(words), vec![0], vec![features]);
                self.push(Call::Cat { axis: 1 }, vec![x + 1, x + 2], vec![inputs]);
                x + 2
            }
        };
        let bias = self.random.chance(80);
        self.push(Call::Linear { inputs, outputs, bias }, vec![x + 1], vec![outputs]);
    }

    fn layer(&mut self, x: usize) -> Option<(Call, Vec<usize>, Vec<usize>)> {
        let extents = self.values[x].clone();
        let (channels, spatial) = (extents[0], extents.len() - 1);
        let features = *extents.last()?;
        let outputs = self.random.pick(&SIZES[..12]);
        let known = SIZES.contains(&channels);
        let with = |axis: usize, extent: usize| {
            let mut to = extents.clone();
            to[axis] = extent;
            to
        };
        let bias = self.random.chance(70);
        Some(match self.random.below(11) {
            0..2 => {
                let call = Call::Linear { inputs: features, outputs, bias };
                (call, vec![x], with(spatial, outputs))
            }
            2..5 if spatial > 0 => {
                let sliding = self.sliding(spatial, true);
                let groups = if channels > 1 && self.random.chance(30) { channels } else { 1 };
                let outputs = if groups > 1 { channels * (1 + self.random.below(2)) } else { outputs };
                let mut to = vec![outputs];
                to.extend(sliding.extents(&extents[1..])?);
                (Call::Conv { inputs: channels, outputs, groups, sliding, bias }, vec![x], to)
            }
            5 if spatial > 0 => {
                let sliding = Sliding { padding: vec![0; spatial], ..self.sliding(spatial, true) };
                let mut to = vec![outputs];
                for (axis, &extent) in extents[1..].iter().enumerate() {
                    let span = sliding.dilation[axis] * (sliding.kernel[axis] - 1) + 1;
                    to.push((extent - 1) * sliding.stride[axis] + span);
                }
                (Call::ConvTranspose { inputs: channels, outputs, sliding, bias }, vec![x], to)
            }
            6 if known => (Call::BatchNorm { channels, spatial, affine: bias }, vec![x], extents),
            // A single number is normalized to 0, whose norm others may divide by.
            7 if features > 1 && SIZES.contains(&features) => (Call::LayerNorm { features }, vec![x], extents),
            8 if spatial > 0 => {
                let maximum = self.random.chance(50);
                let mut sliding = self.sliding(spatial, maximum);
                sliding.padding = sliding.kernel.iter().map(|kernel| self.random.below(kernel / 2 + 1)).collect();
                let mut to = vec![channels];
                to.extend(sliding.extents(&extents[1..])?);
                let count_include_pad = self.random.chance(50);
                let call =
                    if maximum { Call::MaxPool { sliding } } else { Call::AvgPool { sliding, count_include_pad } };
                (call, vec![x], to)
            }
            9 if spatial > 0 => {
                let factor = 2 + self.random.below(2);
                let mut to = extents.clone();
                to[1..].iter_mut().for_each(|extent| *extent *= factor);
                (Call::Upsample { factor, spatial, linear: self.random.chance(50) }, vec![x], to)
            }
            10 if spatial == 1 && SIZES.contains(&features) => {
                let (name, bidirectional) = (self.random.pick(&["GRU", "LSTM"]), self.random.chance(30));
                let outputs = if bidirectional { 6 } else { 3 };
                (Call::Recurrent { name, features, bidirectional }, vec![x], with(1, outputs))
            }
            _ if self.random.chance(30) => (Call::Dropout { p: 0.25 }, vec![x], extents),
            _ => return None,
        })
    }

    fn sliding(&mut self, spatial: usize, dilated: bool) -> Sliding {
        let mut draw = |first: usize, count: usize| -> Vec<usize> {
            let equal = self.random.chance(60);
            let one = first + self.random.below(count);
            (0..spatial).map(|_| if equal { one } else { first + self.random.below(count) }).collect()
        };
        let (kernel, stride, padding) = (draw(1, 4), draw(1, 3), draw(0, 3));
        let dilation = if dilated && self.random.chance(25) { vec![2; spatial] } else { vec![1; spatial] };
        Sliding { kernel, stride, padding, dilation }
    }

    fn elementwise(&mut self, x: usize) -> Option<(Call, Vec<usize>, Vec<usize>)> {
        let call = match self.random.below(10) {
            0..8 => Call::Function(self.random.pick(&FUNCTIONS)),
            8 => Call::Positive(self.random.pick(&["log", "sqrt", "rsqrt", "reciprocal", "log1p"])),
            _ => Call::Clamp { low: -0.75, high: 0.5 },
        };
        Some((call, vec![x], self.values[x].clone()))
    }

    /// Of two values of equal extents, or of which one has extents 1.
    fn several(&mut self, x: usize) -> Option<(Call, Vec<usize>, Vec<usize>)> {
        let extents = self.values[x].clone();
        let fits = |other: &[usize]| {
            other.len() == extents.len() && other.iter().zip(&extents).all(|(&a, &b)| a == b || a == 1)
        };
        let others: Vec<usize> = (0..self.values.len()).filter(|&other| fits(&self.values[other])).collect();
        let other = self.random.pick(&others);
        let same = self.values[other] == extents;
        let call = match self.random.below(8) {
            0..3 => Call::Binary(self.random.pick(&["+", "-", "*", "maximum", "minimum"])),
            3 => Call::Divide,
            4 => Call::Where,
            5 => Call::MaskedFill,
            6 if same => {
                let axis = 1 + self.random.below(extents.len());
                let mut to = extents;
                to[axis - 1] *= 2;
                return Some((Call::Cat { axis }, vec![x, other], to));
            }
            _ => Call::Detach,
        };
        Some((call, vec![x, other], extents))
    }

    fn along(&mut self, x: usize) -> Option<(Call, Vec<usize>, Vec<usize>)> {
        let extents = self.values[x].clone();
        let axis = 1 + self.random.below(extents.len());
        let mut one = extents.clone();
        one[axis - 1] = 1;
        Some(match self.random.below(6) {
            0..2 => {
                let name = self.random.pick(&["sum", "mean", "amax", "amin", "logsumexp"]);
                (Call::Reduce { name, axis }, vec![x], one)
            }
            2 if extents[axis - 1] > 1 => {
                (Call::Reduce { name: self.random.pick(&["var", "std"]), axis }, vec![x], one)
            }
            3 => (Call::Extreme { axis }, vec![x], one),
            4 => (Call::Gather { axis }, vec![x, x], extents),
            _ => {
                (Call::Along { name: self.random.pick(&["softmax", "log_softmax", "cumsum"]), axis }, vec![x], extents)
            }
        })
    }

    fn movement(&mut self, x: usize) -> Option<(Call, Vec<usize>, Vec<usize>)> {
        let extents = self.values[x].clone();
        let rank = extents.len();
        let axis = 1 + self.random.below(rank);
        let extent = extents[axis - 1];
        let with = |extent: usize| {
            let mut to = extents.clone();
            to[axis - 1] = extent;
            to
        };
        Some(match self.random.below(10) {
            0 if rank > 1 => {
                let b = 1 + self.random.below(rank);
                let mut to = extents.clone();
                to.swap(axis - 1, b - 1);
                (Call::Transpose { a: axis, b }, vec![x], to)
            }
            1 => {
                let count: usize = extents.iter().product();
                let factors: Vec<usize> = (1..=count.min(40)).filter(|factor| count.is_multiple_of(*factor)).collect();
                let first = self.random.pick(&factors);
                let to = if first == 1 { vec![count] } else { vec![first, count / first] };
                (Call::Reshape { extents: to.clone() }, vec![x], to)
            }
            2 => (Call::Flip { axis }, vec![x], extents),
            3 if extent > 1 => {
                let length = 1 + self.random.below(extent);
                let start = self.random.below(extent - length + 1);
                (Call::Narrow { axis, start, length }, vec![x], with(length))
            }
            4 if extent > 1 => {
                let (start, step) = (self.random.below(extent), 1 + self.random.below(3));
                let to = with((extent - start).div_ceil(step));
                (Call::Slice { axis, start, end: extent, step }, vec![x], to)
            }
            5 if rank > 1 => {
                let mut to = extents.clone();
                to.remove(axis - 1);
                (Call::Select { axis, index: self.random.below(extent) }, vec![x], to)
            }
            6 => {
                let (low, high) = (self.random.below(3), self.random.below(3));
                let mut to = extents.clone();
                to[rank - 1] += low + high;
                (Call::Pad { low, high }, vec![x], to)
            }
            7 if extent.is_multiple_of(2) => (Call::Chunk { axis }, vec![x], extents),
            8 if rank > 1 => {
                let mut to = extents.clone();
                to[rank - 1] = to[rank - 2];
                (Call::Gram, vec![x], to)
            }
            _ => return None,
        })
    }
}
