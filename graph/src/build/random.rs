//! Random values: pure functions of a seed, a counter and the place in the graph, so that a run can be repeated. Knows
//! nothing of what the numbers are for.

use super::{Builder, Value};
use crate::graph::Type;
use crate::op::Op;
use crate::shape::{DType, Shape};

/// The state that counts the runs of the programs that [draw](Builder::draw): an i32 that all programs of a model share.
pub const RUN: &str = "random.run";

impl Builder {
    /// f32 uniform in [0, 1), a pure function of the seed, the step counter (an i32 scalar) and the number of random
    /// tensors made before this one. At most `2**32` elements.
    pub fn random<'g>(&'g self, shape: impl Into<Shape>, seed: u64, step: Value<'g>) -> Value<'g> {
        let stream = self.streams.replace(self.streams.get() + 1);
        self.apply(Op::Random { shape: shape.into(), seed, stream }, &[step])
    }

    /// [`Builder::random`] that every run draws anew: with the seed of [`Builder::set_seed`] and the state [`RUN`], to
    /// which each run adds 1.
    pub fn draw(&self, shape: impl Into<Shape>) -> Value<'_> {
        let run = self.state(RUN, Type::i32(Shape::SCALAR));
        self.update(run, run + 1);
        self.random(shape, self.seed.get(), self.count_of_shard(run))
    }

    /// f32 uniform in [0, 1) that are the same in every run and for every seed, and need no state.
    pub fn draw_once(&self, shape: impl Into<Shape>) -> Value<'_> {
        self.random(shape, 0, self.scalar_of(DType::I32, 0.0))
    }

    /// Sets the seed of [`Builder::draw`]. Default: 0.
    pub fn set_seed(&self, seed: u64) {
        self.seed.set(seed);
    }
}
