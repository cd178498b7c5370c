//! Batch normalization: one function for any number of axes, and a typed layer for each of PyTorch's three. Of other
//! shards of a batch they know only that sums over all can be had.

use ndarray::{ArrayD, IxDyn};

use super::layer_norm::{visit_affine, visit_affine_mut};
use super::parameter::affine_parameter;
use super::resample::before_axes;
use crate::build::{AxisList, Builder, GraphError, Value};
use crate::counter;
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;

/// The states of a batch normalization: each holds on to what [`batch_norm`] finds in training.
#[derive(Clone, Copy, Debug)]
pub struct Running<'g> {
    /// The average of the batches' means, `[C]`.
    pub mean: Value<'g>,
    /// The average of the batches' unbiased variances, `[C]`.
    pub variance: Value<'g>,
    /// The number of batches so far: the state of a [counter], or a scalar; where nothing counts them, batches have the weight of
    /// the momentum, which there must be.
    pub batches: Option<Value<'g>>,
}

/// How much a batch counts in the running statistics, and what keeps the root from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Added to the variance.
    pub eps: f64,
    /// The weight of the newest batch; none: the same for all batches so far.
    pub momentum: Option<f64>,
}

/// One number of so many is looked at for a number near the mean.
pub(super) const SHARE: usize = 64;

/// `(x - mean) / sqrt(variance + eps) * weight + bias` with a mean and a variance for each channel (axis 1) of
/// `x [N, C, ..]`.
///
/// In training, and where there are no running statistics, they are those of `x` (the variance divides by the number
/// of elements, of which there must be two or more for each channel), else the running ones. In training the running
/// statistics are updated; a layer that is applied twice in a step updates them twice.
pub fn batch_norm<'g>(
    x: Value<'g>,
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    running: Option<Running<'g>>,
    statistics: Statistics,
) -> Value<'g> {
    let (g, shape) = (x.graph(), x.shape());
    let of_batch = g.training() || running.is_none();
    if let Err(error) = rules::statistics(statistics.eps, statistics.momentum) {
        g.fail(error.into());
        return x;
    }
    if shape.rank() < 2 {
        g.fail(ShapeError::InputRank { least: 2, most: crate::shape::MAX_RANK, found: shape }.into());
        return x;
    }
    let channels = shape.dim(1);
    let count = (shape.elements() / channels.max(1)) as f64;
    if of_batch && count <= 1.0 && !g.syncs_batch_norm() {
        g.fail(ShapeError::OneValue { found: shape }.into());
        return x;
    }
    let per_channel = |v: Value<'g>| before_axes(v, shape.rank() - 2);

    let (centred, mean, variance) = match running.filter(|_| !of_batch) {
        Some(running) => {
            let (mean, variance) = (g.current(running.mean), g.current(running.variance));
            return by_statistics(x, mean, variance, weight, bias, statistics.eps);
        }
        None if g.syncs_batch_norm() => {
            let (mean, variance, count) = of_all_shards(x, count);
            if let Some(running) = running {
                update(running, mean, variance * (count / (count - 1.0)), statistics.momentum);
            }
            (x - per_channel(mean), g.full(mean.shape(), 0.0), variance)
        }
        None => {
            let others: Vec<usize> = (0..shape.rank()).filter(|&axis| axis != 1).collect();
            let others = AxisList::from(others.as_slice());
            // Both moments in one pass, of the distances from a number near the mean: that of m >= n / 64 of all n numbers.
            // Whatever they are, (origin - mean)^2 <= (n / m - 1) variance, so that the difference below loses at most 6 of
            // its bits.
            let samples = shape.dim(0).div_ceil(SHARE);
            let mut part = x.detach().slice(0, 0..samples, 1);
            if shape.rank() > 2 {
                let rows = (shape.dim(2) * shape.dim(0)).div_ceil(SHARE * samples);
                part = part.slice(2, 0..rows, 1);
            }
            let origin = part.mean(others.clone());
            let centred = x - per_channel(origin);
            let mean = centred.mean(others.clone());
            let variance = (centred.square().mean(others) - mean.square()).maximum(0.0);
            if let Some(running) = running {
                update(running, origin + mean, variance * (count / (count - 1.0)), statistics.momentum);
            }
            (centred, mean, variance)
        }
    };
    // One multiplication and one addition for each element; its gradient needs two sums.
    let root = (variance + statistics.eps).rsqrt();
    let scale = weight.map_or(root, |weight| root * weight);
    let shift = bias.map_or_else(|| -(mean * scale), |bias| bias - mean * scale);
    centred * per_channel(scale) + per_channel(shift)
}

/// The mean and the variance of each channel in all shards of a batch, and of how many numbers they are, of which this
/// shard has `count`.
fn of_all_shards<'g>(x: Value<'g>, count: f64) -> (Value<'g>, Value<'g>, Value<'g>) {
    let (g, rank) = (x.graph(), x.shape().rank());
    let others: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
    let others = AxisList::from(others.as_slice());
    let count = g.exchange(g.scalar(count));
    let mean = g.exchange(x.sum(others.clone())) / count;
    let centred = x - before_axes(mean, rank - 2);
    let variance = g.exchange(centred.square().sum(others)) / count;
    (mean, variance, count)
}

/// [`batch_norm`] by a mean and a variance that are given, `[C]`.
pub fn by_statistics<'g>(
    x: Value<'g>,
    mean: Value<'g>,
    variance: Value<'g>,
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    eps: f64,
) -> Value<'g> {
    let per_channel = |v: Value<'g>| before_axes(v, x.shape().rank() - 2);
    let centred = x - per_channel(mean);
    let root = (variance + eps).rsqrt();
    let scaled = centred * per_channel(weight.map_or(root, |weight| root * weight));
    let y = bias.map_or(scaled, |bias| scaled + per_channel(bias));
    y.known_as(Whole::BatchNorm { eps }, &[Some(x), weight, bias, Some(mean), Some(variance)])
}

/// Takes a batch into the running statistics.
fn update<'g>(running: Running<'g>, mean: Value<'g>, variance: Value<'g>, momentum: Option<f64>) {
    let g = mean.graph();
    let batches = running.batches.map(|state| {
        let batches = counter::next(g.current(state));
        g.update(state, batches);
        batches
    });
    let newest = match (momentum.filter(|_| !g.cumulative_statistics()), batches) {
        (Some(momentum), _) => g.scalar(momentum),
        (None, Some(batches)) => counter::number(batches).reciprocal(),
        (None, None) => return g.fail(GraphError::Foreign("the batches of running statistics are not counted".into())),
    };
    for (state, found) in [(running.mean, mean), (running.variance, variance)] {
        let before = g.current(state);
        g.update(state, before + (found.detach() - before) * newest);
    }
}

/// The settings of [`BatchNorm1d`], [`BatchNorm2d`] and [`BatchNorm3d`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormSettings {
    eps: f64,
    momentum: Option<f64>,
    affine: bool,
    track_running_stats: bool,
    bias: bool,
}

impl BatchNormSettings {
    /// PyTorch's defaults: eps 1e-5, momentum 0.1, with weight and bias, with running statistics.
    pub const fn new() -> BatchNormSettings {
        BatchNormSettings { eps: 1e-5, momentum: Some(0.1), affine: true, track_running_stats: true, bias: true }
    }

    /// What keeps the root from 0. Default: 1e-5.
    pub const fn eps(mut self, eps: f64) -> BatchNormSettings {
        self.eps = eps;
        self
    }

    /// The weight of the newest batch in the running statistics; `None`: they are the averages of all batches so far.
    /// Default: 0.1.
    pub const fn momentum(mut self, momentum: Option<f64>) -> BatchNormSettings {
        self.momentum = momentum;
        self
    }

    /// Whether there are a weight and a bias. Default: `true`.
    pub const fn affine(mut self, affine: bool) -> BatchNormSettings {
        self.affine = affine;
        self
    }

    /// Whether evaluation takes the running statistics, not the batch's own. Default: `true`.
    pub const fn track_running_stats(mut self, track_running_stats: bool) -> BatchNormSettings {
        self.track_running_stats = track_running_stats;
        self
    }

    /// Whether there is a bias where there is a weight. Default: `true`.
    pub const fn bias(mut self, bias: bool) -> BatchNormSettings {
        self.bias = bias;
        self
    }
}

impl Default for BatchNormSettings {
    fn default() -> BatchNormSettings {
        BatchNormSettings::new()
    }
}

/// What the layers for all numbers of axes have in common.
#[derive(Clone, Debug)]
pub(super) struct BatchNorm {
    pub(super) weight: Option<Parameter>,
    pub(super) bias: Option<Parameter>,
    /// Mean, variance and the number of batches.
    pub(super) running: Option<[Parameter; 3]>,
    settings: BatchNormSettings,
}

/// The names of the running statistics.
pub(super) const RUNNING: [&str; 3] = ["running_mean", "running_var", "num_batches_tracked"];

impl BatchNorm {
    pub(super) fn new(channels: usize, settings: BatchNormSettings) -> BatchNorm {
        let filled = |value: f32| ArrayD::from_elem(IxDyn(&[channels]), value);
        let count = Parameter::counter(0);
        let running = [Parameter::buffer(filled(0.0)), Parameter::buffer(filled(1.0)), count];
        BatchNorm {
            weight: settings.affine.then(|| Parameter::trained(filled(1.0))),
            bias: (settings.affine && settings.bias).then(|| Parameter::trained(filled(0.0))),
            running: settings.track_running_stats.then_some(running),
            settings,
        }
    }

    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>, checked: Result<Shape, ShapeError>) -> Value<'g> {
        if let Err(error) = checked {
            g.fail(error.into());
            return x;
        }
        let weight = self.weight.as_ref().map(|weight| g.parameter("weight", weight));
        let bias = self.bias.as_ref().map(|bias| g.parameter("bias", bias));
        let running = self.running.as_ref().map(|running| {
            let [mean, variance, batches] = std::array::from_fn(|i| g.parameter_state(RUNNING[i], &running[i]));
            Running { mean, variance, batches: Some(batches) }
        });
        let BatchNormSettings { eps, momentum, .. } = self.settings;
        batch_norm(x, weight, bias, running, Statistics { eps, momentum })
    }

    pub(super) fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        visit_affine(&self.weight, &self.bias, path, f);
        for (name, buffer) in RUNNING.iter().zip(self.running.iter().flatten()) {
            f(&path.name(name), buffer);
        }
    }

    pub(super) fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        visit_affine_mut(&mut self.weight, &mut self.bias, path, f);
        for (name, buffer) in RUNNING.iter().zip(self.running.iter_mut().flatten()) {
            f(&path.name(name), buffer);
        }
    }

    fn describe(&self, layer: &str, channels: usize, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let (settings, usual) = (&self.settings, BatchNormSettings::new());
        let mut text = format!("{layer}({channels}");
        if settings.eps != usual.eps {
            text += &format!(", eps {}", settings.eps);
        }
        if settings.momentum != usual.momentum {
            text += &settings.momentum.map_or(", cumulative".into(), |momentum| format!(", momentum {momentum}"));
        }
        for (name, on) in [
            ("affine", settings.affine),
            ("track_running_stats", settings.track_running_stats),
            ("bias", settings.bias),
        ] {
            if !on {
                text += &format!(", {name} = false");
            }
        }
        f(path.as_str(), &(text + ")"));
    }
}

/// Declares the layer for inputs with `$least` to `$most` axes.
macro_rules! batch_norms {
    ($($(#[$doc:meta])* $name:ident, $least:literal, $most:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// `y = (x - mean) / sqrt(variance + eps) * weight + bias`, with one mean, variance, weight and bias for each of
        /// the `C` channels. In training they are the mean and the variance (divided by the number of elements) of the
        /// batch, and the running ones become `(1 - momentum) * running + momentum * batch`, where the batch's variance
        /// is divided by one element less. In evaluation they are the running ones.
        ///
        /// * Parameters: `weight [C]` (ones), `bias [C]` (zeros), `running_mean [C]` (zeros), `running_var [C]` (ones),
        ///   `num_batches_tracked []` (0).
        /// * Settings: `eps = 1e-5`, `momentum = 0.1` (`None`: the average of all batches so far), `affine = true`,
        ///   `track_running_stats = true` (`false`: the batch's statistics in evaluation, too), `bias = true`.
        /// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::OneValue`] where the
        ///   statistics of a batch are taken of one value for each channel.
        #[doc = concat!("* Source: Ioffe and Szegedy, \"Batch Normalization\"; PyTorch's `nn.", stringify!($name), "`.")]
        #[derive(Clone, Debug)]
        pub struct $name<const C: usize> {
            norm: Box<BatchNorm>,
        }

        impl<const C: usize> $name<C> {
            /// The result's shape: the input's.
            pub const fn shape(input: Shape, settings: &BatchNormSettings) -> Result<Shape, ShapeError> {
                if let Err(error) = rules::statistics(settings.eps, settings.momentum) {
                    return Err(error);
                }
                rules::channels(input, C, $least, $most)
            }

            /// The result's shape, or after a mismatch that of an input with `C` channels.
            pub const fn shape_or_assumed(input: Shape, settings: &BatchNormSettings) -> Shape {
                match Self::shape(input, settings) {
                    Ok(shape) => shape,
                    Err(ShapeError::InputChannels { .. }) => input.with(1, C),
                    Err(_) => input,
                }
            }

            /// The shape of `weight` or `bias`, for bodies that use it as a value.
            pub const fn parameter(name: &str, settings: &BatchNormSettings) -> Result<Shape, ShapeError> {
                let weight = if settings.affine { Some(Shape::new(&[C])) } else { None };
                affine_parameter(name, weight, if settings.bias { weight } else { None }, "affine")
            }

            /// A layer with fresh parameters and statistics.
            pub fn new(settings: BatchNormSettings, init: &mut Init) -> $name<C> {
                let _ = init;
                $name { norm: Box::new(BatchNorm::new(C, settings)) }
            }

            /// The running mean and variance; none without `track_running_stats`.
            pub fn running(&self) -> Option<[&Parameter; 2]> {
                self.norm.running.as_ref().map(|[mean, variance, _]| [mean, variance])
            }

            /// The running mean, `[C]`; none without `track_running_stats`.
            pub fn running_mean(&self) -> Option<&Parameter> {
                self.norm.running.as_ref().map(|[mean, ..]| mean)
            }

            /// The running variance, `[C]`; none without `track_running_stats`.
            pub fn running_var(&self) -> Option<&Parameter> {
                self.norm.running.as_ref().map(|[_, variance, _]| variance)
            }

            /// The number of batches that the running statistics have seen; none without `track_running_stats`.
            pub fn num_batches_tracked(&self) -> Option<i64> {
                self.norm.running.as_ref().and_then(|[.., batches]| batches.count())
            }
        }

        impl<const C: usize> Layer for $name<C> {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                self.norm.forward(g, x, Self::shape(x.shape(), &self.norm.settings))
            }

            fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
                self.norm.visit(path, f);
            }

            fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
                self.norm.visit_mut(path, f);
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                self.norm.describe(stringify!($name), C, path, f);
            }
        }
    )*};
}

batch_norms! {
    /// Normalizes each of `C` features (or channels of a signal) over the batch: `[N, C]` or `[N, C, L]`.
    BatchNorm1d, 2, 3;
    /// Normalizes each of `C` channels of images over the batch: `[N, C, H, W]`.
    BatchNorm2d, 4, 4;
    /// Normalizes each of `C` channels of volumes over the batch: `[N, C, D, H, W]`.
    BatchNorm3d, 5, 5;
}
