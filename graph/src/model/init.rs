//! The initial values of parameters. Knows shapes and random numbers; it knows no layer.

use kiln_rt::random::Uniforms;
use ndarray::{ArrayD, IxDyn};

use crate::shape::Shape;

/// Draws the initial values of a model's parameters: each tensor from a stream of its own, counted from the seed.
#[derive(Clone, Debug)]
pub struct Init {
    seed: u64,
    stream: u32,
}

impl Init {
    /// Values that depend on the seed alone.
    pub fn new(seed: u64) -> Init {
        Init { seed, stream: 0 }
    }

    /// The numbers of a stream of its own, for the next tensor.
    fn uniforms(&mut self) -> Uniforms {
        let uniforms = Uniforms::new(self.seed, 0, self.stream);
        self.stream += 1;
        uniforms
    }

    /// A tensor drawn uniformly from `[-bound, bound)`.
    pub fn uniform(&mut self, shape: impl Into<Shape>, bound: f64) -> ArrayD<f32> {
        let (shape, mut uniforms) = (shape.into(), self.uniforms());
        tensor(shape, (0..shape.elements()).map(|_| ((2.0 * f64::from(uniforms.draw()) - 1.0) * bound) as f32))
    }

    /// A tensor drawn from the standard normal distribution (Box and Muller: of two uniform numbers `u`, `v` the values
    /// `sqrt(-2 log(1 - u)) cos(2 pi v)` and the same with the sine).
    pub fn normal(&mut self, shape: impl Into<Shape>) -> ArrayD<f32> {
        let (shape, mut uniforms) = (shape.into(), self.uniforms());
        let mut other = 0.0;
        let draw = |index: usize| {
            if !index.is_multiple_of(2) {
                return other;
            }
            let (u, v) = (f64::from(uniforms.draw()), f64::from(uniforms.draw()));
            let (sine, cosine) = (v * std::f64::consts::TAU).sin_cos();
            let size = (-2.0 * (-u).ln_1p()).sqrt();
            other = (size * sine) as f32;
            (size * cosine) as f32
        };
        tensor(shape, (0..shape.elements()).map(draw))
    }

    /// PyTorch's `kaiming_uniform_(a = sqrt(5))` of a weight of which each output sums over `fan_in` inputs:
    /// uniform in ± `1 / sqrt(fan_in)`. PyTorch draws the bias of such a layer from the same range.
    pub fn kaiming_uniform(&mut self, shape: impl Into<Shape>, fan_in: usize) -> ArrayD<f32> {
        // gain = sqrt(2 / (1 + a^2)) = sqrt(1 / 3) and bound = sqrt(3) * gain / sqrt(fan_in).
        self.uniform(shape, if fan_in > 0 { 1.0 / (fan_in as f64).sqrt() } else { 0.0 })
    }
}

/// A tensor of some values, in memory that a program can use for its own states once it has the values.
pub(super) fn tensor(shape: Shape, elements: impl Iterator<Item = f32>) -> ArrayD<f32> {
    let mut values = kiln_rt::room(shape.elements());
    values.extend(elements);
    ArrayD::from_shape_vec(IxDyn(shape.dims()), values).expect("one value for each element")
}
