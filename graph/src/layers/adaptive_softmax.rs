//! Adaptive softmax: classes in clusters, of which rare ones have fewer features. That the frequent ones come first is
//! taken for granted.

use super::linear::linear;
use super::several::{Several, alone, one_of, rejected};
use crate::build::{Builder, Classes, Value};
use crate::model::{Init, Layer, Parameter, Path};
use crate::shape::functions::Types;
use crate::shape::rules::{self, Clusters};
use crate::shape::{DType, Shape, ShapeError, Type};

/// The weights of an adaptive softmax.
#[derive(Clone, Debug)]
pub struct AdaptiveWeights<'g> {
    /// `[cutoffs[0] + clusters, in]`: a row for each frequent class, then one for each cluster.
    pub head: Value<'g>,
    /// Of the head.
    pub head_bias: Option<Value<'g>>,
    /// Of each cluster `[features, in]` and `[its classes, features]`.
    pub tail: Vec<[Value<'g>; 2]>,
}

/// The logarithms of the probabilities of all classes, `[N, in]` to `[N, classes]`: of a frequent class the head's, of
/// another one the head's of its cluster plus its own among the cluster's.
pub fn adaptive_log_prob<'g>(input: Value<'g>, weights: &AdaptiveWeights<'g>, of: &Clusters) -> Value<'g> {
    let g = input.graph();
    if let Err(error) = rules::adaptive_log_prob(input.ty(), of) {
        g.fail(error.into());
        return g.poison(input.ty());
    }
    let frequent = of.cutoffs.dim(0);
    let head = linear(input, weights.head, weights.head_bias).log_softmax(-1);
    let mut parts = vec![head.slice(-1, 0..frequent, 1)];
    for (cluster, [to_features, to_classes]) in weights.tail.iter().enumerate() {
        let place = frequent + cluster;
        let own = linear(linear(input, *to_features, None), *to_classes, None).log_softmax(-1);
        parts.push(own + head.slice(-1, place..place + 1, 1));
    }
    g.concat(&parts, -1)
}

/// The logarithm of the probability of each one's class, `[N]`, and minus their mean, the loss.
pub fn adaptive_log_softmax<'g>(
    input: Value<'g>,
    target: Value<'g>,
    weights: &AdaptiveWeights<'g>,
    of: &Clusters,
) -> [Value<'g>; 2] {
    let g = input.graph();
    if let Err(error) = rules::adaptive_log_softmax(input.ty(), target.ty(), of) {
        g.fail(error.into());
        return [g.poison(Type::f32(Shape::SCALAR)); 2];
    }
    g.note_classes(target, Classes { count: of.classes, ignored: None });
    let probabilities = adaptive_log_prob(input, weights, of);
    let output = probabilities.gather(-1, target.unsqueeze(-1)).reshape(target.shape());
    [output, -output.mean(..)]
}

/// The settings of [`AdaptiveLogSoftmaxWithLoss`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveLogSoftmaxWithLossSettings {
    cutoffs: Shape,
    div_value: f64,
    head_bias: bool,
}

impl AdaptiveLogSoftmaxWithLossSettings {
    /// PyTorch's defaults, without cutoffs, which there must be.
    pub const fn new() -> AdaptiveLogSoftmaxWithLossSettings {
        AdaptiveLogSoftmaxWithLossSettings { cutoffs: Shape::SCALAR, div_value: 4.0, head_bias: false }
    }

    /// The first class of each cluster, in order; the classes before the first one are the head's own. There is no default.
    pub const fn cutoffs<const K: usize>(mut self, cutoffs: [usize; K]) -> AdaptiveLogSoftmaxWithLossSettings {
        self.cutoffs = Shape::new(&cutoffs);
        self
    }

    /// By how much each cluster has fewer features than the one before. Default: `4.0`.
    pub const fn div_value(mut self, div_value: f64) -> AdaptiveLogSoftmaxWithLossSettings {
        self.div_value = div_value;
        self
    }

    /// Whether the head has a bias. Default: `false`.
    pub const fn head_bias(mut self, head_bias: bool) -> AdaptiveLogSoftmaxWithLossSettings {
        self.head_bias = head_bias;
        self
    }
}

impl Default for AdaptiveLogSoftmaxWithLossSettings {
    fn default() -> AdaptiveLogSoftmaxWithLossSettings {
        AdaptiveLogSoftmaxWithLossSettings::new()
    }
}

/// A softmax over very many classes, sorted by how frequent they are, with its loss: the frequent ones have weights over all
/// features, the others are in clusters, each with fewer features than the one before.
///
/// * In a body: `let (output, loss) = layer(input, target)`, `layer.log_prob(input)`, `layer.predict(input)`.
/// * Shapes: `input [N, I]` (or `[I]`) and `target [N]` (or `[]`), i32, to `output [N]`, the logarithm of the probability of
///   each target, and `loss []`. `log_prob` gives `[N, C]`, the logarithms of the probabilities of all classes, `predict`
///   the likeliest class, `[N]` of i32.
/// * Parameters: `head.weight [cutoffs[0] + K, I]` and perhaps `head.bias`, for `K` clusters; for cluster `k`
///   `tail.k.0.weight [F, I]` with `F = I // div_value^(k + 1)`, and `tail.k.1.weight [its classes, F]`.
/// * Formula: with the head's `h = log_softmax(W x)`, `log p(c) = h[c]` for a class before the first cutoff, else
///   `h[cutoffs[0] + k] + log_softmax(W1 W0 x)[c - cutoffs[k]]` with the weights of its cluster; `loss = -mean(output)`.
/// * Settings: `cutoffs`, the first class of each cluster, which must be given; `div_value = 4`, `head_bias = false`.
/// * Initial values: weights and bias uniform in ± `1 / sqrt(features they are for)`, as of [`Linear`](super::Linear).
/// * Errors: [`ShapeError::Setting`] for cutoffs that are not in order or leave a cluster empty, and for a `div_value` that
///   leaves one without features; [`ShapeError::Features`], [`ShapeError::Given`]. A target outside `0..C` is an error of
///   the call.
/// * Source: Grave et al., "Efficient softmax approximation for GPUs"; PyTorch's `nn.AdaptiveLogSoftmaxWithLoss`. Shapes
///   do not follow from data here, so that each cluster is computed for all samples, not for those alone that are in it.
#[derive(Clone, Debug)]
pub struct AdaptiveLogSoftmaxWithLoss<const I: usize, const C: usize> {
    /// `[cutoffs[0] + K, I]`.
    pub head_weight: Parameter,
    /// `[cutoffs[0] + K]`, or none.
    pub head_bias: Option<Parameter>,
    /// Of each cluster `[F, I]` and `[its classes, F]`.
    pub tail: Vec<[Parameter; 2]>,
    settings: AdaptiveLogSoftmaxWithLossSettings,
}

impl<const I: usize, const C: usize> AdaptiveLogSoftmaxWithLoss<I, C> {
    const fn clusters(settings: &AdaptiveLogSoftmaxWithLossSettings) -> Clusters {
        Clusters { inputs: I, classes: C, cutoffs: settings.cutoffs, div_value: settings.div_value }
    }

    /// The types of the results.
    pub const fn types(
        inputs: &[Option<Type>],
        _flags: &[bool],
        settings: &AdaptiveLogSoftmaxWithLossSettings,
    ) -> Result<Types, ShapeError> {
        let inputs = Types::given(inputs);
        let &[input, target] = inputs.as_slice() else {
            return Err(ShapeError::Inputs { expected: 2, found: inputs.as_slice().len() });
        };
        rules::adaptive_log_softmax(input, target, &Self::clusters(settings))
    }

    /// The type of what `log_prob` gives.
    pub const fn log_prob_types(
        inputs: &[Option<Type>],
        _flags: &[bool],
        settings: &AdaptiveLogSoftmaxWithLossSettings,
    ) -> Result<Types, ShapeError> {
        let inputs = Types::given(inputs);
        let &[input] = inputs.as_slice() else {
            return Err(ShapeError::Inputs { expected: 1, found: inputs.as_slice().len() });
        };
        Ok(Types::one(ok!(rules::adaptive_log_prob(input, &Self::clusters(settings)))))
    }

    /// The type of what `predict` gives.
    pub const fn predict_types(
        inputs: &[Option<Type>],
        flags: &[bool],
        settings: &AdaptiveLogSoftmaxWithLossSettings,
    ) -> Result<Types, ShapeError> {
        let shape = ok!(one_of(Self::log_prob_types(inputs, flags, settings)));
        Ok(Types::none().and(Type::new(DType::I32, shape.remove(shape.rank() - 1))))
    }

    /// The error that it takes two inputs.
    pub const fn shape(input: Shape, settings: &AdaptiveLogSoftmaxWithLossSettings) -> Result<Shape, ShapeError> {
        one_of(Self::types(&alone(input), &[], settings))
    }

    /// The input's shape without its features.
    pub const fn shape_or_assumed(input: Shape, settings: &AdaptiveLogSoftmaxWithLossSettings) -> Shape {
        let _ = settings;
        if input.rank() == 0 { Shape::new(&[Shape::N]) } else { input.remove(input.rank() - 1) }
    }

    /// A layer with fresh parameters.
    pub fn new(settings: AdaptiveLogSoftmaxWithLossSettings, init: &mut Init) -> AdaptiveLogSoftmaxWithLoss<I, C> {
        let of = Self::clusters(&settings);
        // Wrong settings are told when a graph is built.
        let (head, clusters) = if of.check().is_ok() { (of.head(), of.count()) } else { (0, 0) };
        let head_weight = Parameter::trained(init.kaiming_uniform([head, I], I));
        let head_bias = settings.head_bias.then(|| Parameter::trained(init.kaiming_uniform([head], I)));
        let cluster = |cluster: usize| {
            let ((begin, end), features) = (of.range(cluster), of.features(cluster));
            [init.kaiming_uniform([features, I], I), init.kaiming_uniform([end - begin, features], features)]
                .map(Parameter::trained)
        };
        AdaptiveLogSoftmaxWithLoss { head_weight, head_bias, tail: (0..clusters).map(cluster).collect(), settings }
    }

    fn weights<'g>(&self, g: &'g Builder) -> AdaptiveWeights<'g> {
        let head_bias = self.head_bias.as_ref().map(|bias| g.parameter("head.bias", bias));
        let tail = self.tail.iter().enumerate().map(|(cluster, [to_features, to_classes])| {
            let name = |part: usize| format!("tail.{cluster}.{part}.weight");
            [g.parameter(&name(0), to_features), g.parameter(&name(1), to_classes)]
        });
        AdaptiveWeights { head: g.parameter("head.weight", &self.head_weight), head_bias, tail: tail.collect() }
    }

    /// The logarithms of the probabilities of all classes: `[N, I]` to `[N, C]`.
    pub fn log_prob<'g>(&self, g: &'g Builder, input: Value<'g>) -> Value<'g> {
        adaptive_log_prob(input, &self.weights(g), &Self::clusters(&self.settings))
    }

    /// The likeliest class of each: `[N, I]` to `[N]`, i32.
    pub fn predict<'g>(&self, g: &'g Builder, input: Value<'g>) -> Value<'g> {
        self.log_prob(g, input).argmax(-1)
    }
}

impl<const I: usize, const C: usize> Several for AdaptiveLogSoftmaxWithLoss<I, C> {
    fn forward_all<'g>(&self, g: &'g Builder, inputs: &[Option<Value<'g>>], _flags: &[bool]) -> Vec<Value<'g>> {
        let &[Some(input), Some(target)] = inputs else {
            return vec![rejected(g, ShapeError::Inputs { expected: 2, found: inputs.len() })];
        };
        adaptive_log_softmax(input, target, &self.weights(g), &Self::clusters(&self.settings)).into()
    }
}

impl<const I: usize, const C: usize> Layer for AdaptiveLogSoftmaxWithLoss<I, C> {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        self.forward_all(g, &[Some(x)], &[])[0]
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        f(&path.name("head.weight"), &self.head_weight);
        if let Some(bias) = &self.head_bias {
            f(&path.name("head.bias"), bias);
        }
        for (cluster, weights) in self.tail.iter().enumerate() {
            f(&path.name(&format!("tail.{cluster}.0.weight")), &weights[0]);
            f(&path.name(&format!("tail.{cluster}.1.weight")), &weights[1]);
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f(&path.name("head.weight"), &mut self.head_weight);
        if let Some(bias) = &mut self.head_bias {
            f(&path.name("head.bias"), bias);
        }
        for (cluster, weights) in self.tail.iter_mut().enumerate() {
            let [to_features, to_classes] = weights;
            f(&path.name(&format!("tail.{cluster}.0.weight")), to_features);
            f(&path.name(&format!("tail.{cluster}.1.weight")), to_classes);
        }
    }

    fn describe(&self, path: &mut Path, f: &mut dyn FnMut(&str, &str)) {
        let AdaptiveLogSoftmaxWithLossSettings { cutoffs, div_value, head_bias } = self.settings;
        let bias = if head_bias { ", head_bias" } else { "" };
        let text = format!("AdaptiveLogSoftmaxWithLoss({I}, {C}, cutoffs {cutoffs}, div_value {div_value}{bias})");
        f(path.as_str(), &text);
    }
}
