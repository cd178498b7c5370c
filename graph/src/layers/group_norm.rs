//! Normalization of each sample by itself, over groups of channels: group normalization, and instance normalization,
//! whose groups are single channels and which may keep running statistics. Moments that samples have in common are
//! `batch_norm.rs`'s.

use ndarray::{ArrayD, IxDyn};

use super::batch_norm::{BatchNorm, BatchNormSettings, RUNNING, Running, SHARE, Statistics, batch_norm};
use super::layer_norm::{visit_affine, visit_affine_mut};
use super::parameter::affine_parameter;
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::op::Axes;
use crate::shape::{Shape, ShapeError, rules};
use crate::whole::Whole;

/// `(x - mean) / sqrt(variance + eps) * weight + bias`, with a mean and a variance (divided by the number of elements)
/// of each of `groups` groups of neighbouring channels of each sample of `x [N, C, ..]`; weight and bias are `[C]`.
pub fn group_norm<'g>(
    x: Value<'g>,
    groups: usize,
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    eps: f64,
) -> Value<'g> {
    let shape = x.shape();
    let channels = if shape.rank() < 2 { 0 } else { shape.dim(1) };
    if let Err(error) = rules::group_norm(shape, groups, channels, eps) {
        x.graph().fail(error.into());
        return x;
    }
    if shape.elements() == groups {
        x.graph().fail(ShapeError::OneValue { found: shape }.into());
        return x;
    }
    normalized(x, groups, weight, bias, eps).values
}

/// A normalized tensor, and the statistics of its groups, `[N, groups]`.
struct Normalized<'g> {
    values: Value<'g>,
    mean: Value<'g>,
    variance: Value<'g>,
}

fn normalized<'g>(
    x: Value<'g>,
    groups: usize,
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    eps: f64,
) -> Normalized<'g> {
    let shape = x.shape();
    let (samples, channels) = (shape.dim(0), shape.dim(1));
    // Only vectors of channels are ever seen by groups: `[N, C, ..]` is read and written as it lies in memory.
    let of_channels = |v: Value<'g>| if shape.rank() == 2 { v } else { v.mean(Axes::new(2..shape.rank())) };
    let of_groups = |v: Value<'g>| v.reshape([samples, groups, channels / groups]).mean(2);
    let each = |v: Value<'g>| {
        let all = v.unsqueeze(2).broadcast_to([samples, groups, channels / groups]).reshape([samples, channels]);
        (2..shape.rank()).fold(all, |v, axis| v.unsqueeze(axis))
    };
    let per_channel = |v: Value<'g>| v.reshape((2..shape.rank()).fold(Shape::new(&[channels]), |s, _| s.insert(1, 1)));
    // Both moments in one pass, of the distances from a number near the mean, as a batch normalization takes them.
    let part = match shape.rank() {
        2 => x,
        _ => x.slice(2, 0..shape.dim(2).div_ceil(SHARE), 1),
    };
    let origin = of_groups(of_channels(part.detach()));
    let centred = x - each(origin);
    let mean = of_groups(of_channels(centred));
    let variance = (of_groups(of_channels(centred.square())) - mean.square()).maximum(0.0);
    let scale = each((variance + eps).rsqrt());
    let scale = weight.map_or(scale, |weight| scale * per_channel(weight));
    let shift = -(each(mean) * scale);
    let shift = bias.map_or(shift, |bias| shift + per_channel(bias));
    let values = (centred * scale + shift).known_as(Whole::GroupNorm { groups, eps }, &[Some(x), weight, bias]);
    Normalized { values, mean: origin + mean, variance }
}

/// [`group_norm`] of `x [N, C, ..]` with groups of single channels, over the axes behind them.
///
/// With running statistics, training updates them by the averages over the samples (of the unbiased variances), and
/// evaluation takes them in place of the sample's own. The number of batches is not counted, as in PyTorch.
pub fn instance_norm<'g>(
    x: Value<'g>,
    weight: Option<Value<'g>>,
    bias: Option<Value<'g>>,
    running: Option<Running<'g>>,
    eps: f64,
    momentum: f64,
) -> Value<'g> {
    let (g, shape) = (x.graph(), x.shape());
    let channels = if shape.rank() < 2 { 0 } else { shape.dim(1) };
    let tracks = running.is_some() && !g.training();
    if let Err(error) = rules::instance_norm(shape, channels, eps, momentum, tracks) {
        g.fail(error.into());
        return x;
    }
    if tracks {
        return batch_norm(x, weight, bias, running, Statistics { eps, momentum: Some(momentum) });
    }
    let Normalized { values, mean, variance } = normalized(x, channels, weight, bias, eps);
    if let Some(running) = running {
        let count = (shape.elements() / (shape.dim(0) * channels)) as f64;
        let unbiased = variance * (count / (count - 1.0));
        for (state, found) in [(running.mean, mean), (running.variance, unbiased)] {
            let before = g.current(state);
            g.update(state, before + (found.mean(0).detach() - before) * momentum);
        }
    }
    values
}

/// The settings of [`GroupNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormSettings {
    eps: f64,
    affine: bool,
    bias: bool,
}

impl GroupNormSettings {
    /// PyTorch's defaults: eps 1e-5, with weight and bias.
    pub const fn new() -> GroupNormSettings {
        GroupNormSettings { eps: 1e-5, affine: true, bias: true }
    }

    /// What keeps the root from 0. Default: 1e-5.
    pub const fn eps(mut self, eps: f64) -> GroupNormSettings {
        self.eps = eps;
        self
    }

    /// Whether there are a weight and a bias. Default: `true`.
    pub const fn affine(mut self, affine: bool) -> GroupNormSettings {
        self.affine = affine;
        self
    }

    /// Whether there is a bias where there is a weight. Default: `true`.
    pub const fn bias(mut self, bias: bool) -> GroupNormSettings {
        self.bias = bias;
        self
    }
}

impl Default for GroupNormSettings {
    fn default() -> GroupNormSettings {
        GroupNormSettings::new()
    }
}

/// Normalizes each sample over `G` groups of neighbouring channels, of which there are `C`: `GroupNorm<1, C>` over all
/// of them, `GroupNorm<C, C>` over each.
///
/// `y = (x - mean) / sqrt(variance + eps) * weight + bias`, with a mean and a variance (divided by the number of
/// elements) of each group of each sample, and a weight and a bias for each channel, in training and in evaluation.
///
/// * Shapes: `[N, C, ..]`, unchanged; `weight [C]`, `bias [C]`.
/// * Settings: `eps = 1e-5`, `affine = true`, `bias = true`.
/// * Initial values: weight 1, bias 0.
/// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::Groups`] if the groups do not
///   divide the channels, [`ShapeError::OneValue`] of one sample with one value for each group, [`ShapeError::Setting`]
///   (`eps`, a `num_groups` of 0).
/// * Source: Wu and He, "Group Normalization"; PyTorch's `nn.GroupNorm`.
#[derive(Clone, Debug)]
pub struct GroupNorm<const G: usize, const C: usize> {
    /// `[C]`, or none.
    pub weight: Option<Parameter>,
    /// `[C]`, or none.
    pub bias: Option<Parameter>,
    settings: GroupNormSettings,
}

impl<const G: usize, const C: usize> GroupNorm<G, C> {
    /// The result's shape: the input's.
    pub const fn shape(input: Shape, settings: &GroupNormSettings) -> Result<Shape, ShapeError> {
        rules::group_norm(input, G, C, settings.eps)
    }

    /// The result's shape, or after a mismatch that of an input with `C` channels.
    pub const fn shape_or_assumed(input: Shape, settings: &GroupNormSettings) -> Shape {
        match Self::shape(input, settings) {
            Err(ShapeError::InputChannels { .. }) => input.with(1, C),
            Ok(_) | Err(_) => input,
        }
    }

    /// The shape of `weight` or `bias`, for bodies that use it as a value.
    pub const fn parameter(name: &str, settings: &GroupNormSettings) -> Result<Shape, ShapeError> {
        let weight = if settings.affine { Some(Shape::new(&[C])) } else { None };
        affine_parameter(name, weight, if settings.bias { weight } else { None }, "affine")
    }

    /// A layer with fresh parameters.
    pub fn new(settings: GroupNormSettings, init: &mut Init) -> GroupNorm<G, C> {
        let _ = init;
        let filled = |value: f32| Parameter::trained(ArrayD::from_elem(IxDyn(&[C]), value));
        GroupNorm {
            weight: settings.affine.then(|| filled(1.0)),
            bias: (settings.affine && settings.bias).then(|| filled(0.0)),
            settings,
        }
    }
}

impl<const G: usize, const C: usize> Layer for GroupNorm<G, C> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        if let Err(error) = Self::shape(x.shape(), &self.settings) {
            g.fail(error.into());
            return x;
        }
        let weight = self.weight.as_ref().map(|weight| g.parameter("weight", weight));
        let bias = self.bias.as_ref().map(|bias| g.parameter("bias", bias));
        group_norm(x, G, weight, bias, self.settings.eps)
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        visit_affine(&self.weight, &self.bias, path, f);
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        visit_affine_mut(&mut self.weight, &mut self.bias, path, f);
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let mut text = format!("GroupNorm({G}, {C}");
        if self.settings.eps != GroupNormSettings::new().eps {
            text += &format!(", eps {}", self.settings.eps);
        }
        for (name, on) in [("affine", self.settings.affine), ("bias", self.settings.bias)] {
            if !on {
                text += &format!(", {name} = false");
            }
        }
        f(path.as_str(), &(text + ")"));
    }
}

/// The settings of [`InstanceNorm1d`], [`InstanceNorm2d`] and [`InstanceNorm3d`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InstanceNormSettings {
    eps: f64,
    momentum: f64,
    affine: bool,
    track_running_stats: bool,
    bias: bool,
}

impl InstanceNormSettings {
    /// PyTorch's defaults: eps 1e-5, momentum 0.1, neither weight nor bias, no running statistics.
    pub const fn new() -> InstanceNormSettings {
        InstanceNormSettings { eps: 1e-5, momentum: 0.1, affine: false, track_running_stats: false, bias: true }
    }

    /// What keeps the root from 0. Default: 1e-5.
    pub const fn eps(mut self, eps: f64) -> InstanceNormSettings {
        self.eps = eps;
        self
    }

    /// The weight of the newest batch in the running statistics. Default: 0.1.
    pub const fn momentum(mut self, momentum: f64) -> InstanceNormSettings {
        self.momentum = momentum;
        self
    }

    /// Whether there are a weight and a bias. Default: `false`.
    pub const fn affine(mut self, affine: bool) -> InstanceNormSettings {
        self.affine = affine;
        self
    }

    /// Whether evaluation takes running statistics, not the sample's own. Default: `false`.
    pub const fn track_running_stats(mut self, track_running_stats: bool) -> InstanceNormSettings {
        self.track_running_stats = track_running_stats;
        self
    }

    /// Whether there is a bias where there is a weight. Default: `true`.
    pub const fn bias(mut self, bias: bool) -> InstanceNormSettings {
        self.bias = bias;
        self
    }
}

impl Default for InstanceNormSettings {
    fn default() -> InstanceNormSettings {
        InstanceNormSettings::new()
    }
}

/// Declares the layer for inputs with `$axes` axes.
macro_rules! instance_norms {
    ($($(#[$doc:meta])* $name:ident, $axes:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// `y = (x - mean) / sqrt(variance + eps) * weight + bias`, with a mean and a variance (divided by the number
        /// of elements) of each channel of each sample. With `track_running_stats` training also averages them over the
        /// samples, and the running ones become `(1 - momentum) * running + momentum * average`, where the variances
        /// are divided by one element less; evaluation takes the running ones.
        ///
        /// * Parameters, if `affine`: `weight [C]` (ones), `bias [C]` (zeros); if `track_running_stats`: `running_mean
        ///   [C]` (zeros), `running_var [C]` (ones), `num_batches_tracked []` (0, and not counted, as in PyTorch).
        /// * Settings: `eps = 1e-5`, `momentum = 0.1`, `affine = false`, `track_running_stats = false`, `bias = true`.
        /// * Errors: [`ShapeError::InputRank`], [`ShapeError::InputChannels`], [`ShapeError::Attribute`] where the
        ///   statistics are taken of one value for each channel, [`ShapeError::Setting`].
        #[doc = concat!("* Source: Ulyanov, Vedaldi and Lempitsky, \"Instance Normalization\"; PyTorch's `nn.",
            stringify!($name), "`.")]
        #[derive(Clone, Debug)]
        pub struct $name<const C: usize> {
            norm: Box<BatchNorm>,
            settings: InstanceNormSettings,
        }

        impl<const C: usize> $name<C> {
            /// The result's shape: the input's.
            pub const fn shape(input: Shape, settings: &InstanceNormSettings) -> Result<Shape, ShapeError> {
                let InstanceNormSettings { eps, momentum, track_running_stats, .. } = *settings;
                match rules::channels(input, C, $axes, $axes) {
                    // Evaluation needs no statistics of the sample.
                    Ok(_) => rules::instance_norm(input, C, eps, momentum, track_running_stats),
                    error => error,
                }
            }

            /// The result's shape, or after a mismatch that of an input with `C` channels.
            pub const fn shape_or_assumed(input: Shape, settings: &InstanceNormSettings) -> Shape {
                match Self::shape(input, settings) {
                    Err(ShapeError::InputChannels { .. }) => input.with(1, C),
                    Ok(_) | Err(_) => input,
                }
            }

            /// A layer with fresh parameters and statistics.
            pub fn new(settings: InstanceNormSettings, init: &mut Init) -> $name<C> {
                let _ = init;
                let InstanceNormSettings { affine, track_running_stats, bias, .. } = settings;
                let norm = BatchNormSettings::new().affine(affine).bias(bias).track_running_stats(track_running_stats);
                $name { norm: Box::new(BatchNorm::new(C, norm)), settings }
            }

            /// The running mean, `[C]`; none without `track_running_stats`.
            pub fn running_mean(&self) -> Option<&Parameter> {
                self.norm.running.as_ref().map(|[mean, ..]| mean)
            }

            /// The running variance, `[C]`; none without `track_running_stats`.
            pub fn running_var(&self) -> Option<&Parameter> {
                self.norm.running.as_ref().map(|[_, variance, _]| variance)
            }
        }

        impl<const C: usize> Layer for $name<C> {
            fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
                if let Err(error) = Self::shape(x.shape(), &self.settings) {
                    g.fail(error.into());
                    return x;
                }
                let weight = self.norm.weight.as_ref().map(|weight| g.parameter("weight", weight));
                let bias = self.norm.bias.as_ref().map(|bias| g.parameter("bias", bias));
                let running = self.norm.running.as_ref().map(|running| {
                    let [mean, variance, batches] = std::array::from_fn(|i| g.parameter_state(RUNNING[i], &running[i]));
                    Running { mean, variance, batches: Some(batches) }
                });
                instance_norm(x, weight, bias, running, self.settings.eps, self.settings.momentum)
            }

            fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
                self.norm.visit(path, f);
            }

            fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
                self.norm.visit_mut(path, f);
            }

            fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
                let (settings, usual) = (&self.settings, InstanceNormSettings::new());
                let mut text = format!("{}({C}", stringify!($name));
                if settings.eps != usual.eps {
                    text += &format!(", eps {}", settings.eps);
                }
                if settings.momentum != usual.momentum {
                    text += &format!(", momentum {}", settings.momentum);
                }
                for (name, on, usual) in [
                    ("affine", settings.affine, usual.affine),
                    ("track_running_stats", settings.track_running_stats, usual.track_running_stats),
                    ("bias", settings.bias, usual.bias),
                ] {
                    if on != usual {
                        text += &format!(", {name} = {on}");
                    }
                }
                f(path.as_str(), &(text + ")"));
            }
        }
    )*};
}

instance_norms! {
    /// Normalizes each of `C` channels of each signal: `[N, C, L]`.
    InstanceNorm1d, 3;
    /// Normalizes each of `C` channels of each image: `[N, C, H, W]`.
    InstanceNorm2d, 4;
    /// Normalizes each of `C` channels of each volume: `[N, C, D, H, W]`.
    InstanceNorm3d, 5;
}
