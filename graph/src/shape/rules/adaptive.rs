//! The shapes of an adaptive softmax: classes in clusters, the frequent ones first. How rare a class is does not matter
//! to them.

use super::{axes, floats, weight};
use crate::shape::functions::Types;
use crate::shape::{DType, Shape, ShapeError, Type};

/// What decides on the clusters of an adaptive softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clusters {
    /// Features of the input.
    pub inputs: usize,
    /// The number of classes.
    pub classes: usize,
    /// The first class of each cluster; those before are the head's own.
    pub cutoffs: Shape,
    /// By how much each cluster has fewer features than the one before.
    pub div_value: f64,
}

impl Clusters {
    /// The number of clusters.
    pub const fn count(&self) -> usize {
        self.cutoffs.rank()
    }

    /// The rows of the head: a class or a cluster each.
    pub const fn head(&self) -> usize {
        self.cutoffs.dim(0) + self.count()
    }

    /// The first class of a cluster, and the one behind its last.
    pub const fn range(&self, cluster: usize) -> (usize, usize) {
        let end = if cluster + 1 < self.count() { self.cutoffs.dim(cluster + 1) } else { self.classes };
        (self.cutoffs.dim(cluster), end)
    }

    /// The features of a cluster: `inputs // div_value^(cluster + 1)`.
    pub const fn features(&self, cluster: usize) -> usize {
        let mut power = 0;
        let mut divisor = 1.0;
        while power <= cluster {
            divisor *= self.div_value;
            power += 1;
        }
        // As Python's `//`: of 11 and 1.1, which is a little more than 1.1, it is 9.
        let inputs = self.inputs as f64;
        ((inputs - inputs % divisor) / divisor + 0.5) as usize
    }

    /// That the clusters are in order, and that none is empty.
    pub const fn check(&self) -> Result<(), ShapeError> {
        const CUTOFFS: ShapeError = ShapeError::Setting {
            setting: "cutoffs",
            rule: "must be one or more whole numbers, each above the one before, the first at least 1, the last below \
                   `n_classes`",
        };
        if self.count() == 0 || self.cutoffs.dim(0) == 0 {
            return Err(CUTOFFS);
        }
        if self.div_value.is_nan() || self.div_value <= 0.0 {
            return Err(ShapeError::Setting { setting: "div_value", rule: "must be above 0" });
        }
        ok!(weight(&[self.head(), self.inputs], None));
        let mut cluster = 0;
        while cluster < self.count() {
            let (begin, end) = self.range(cluster);
            if begin >= end {
                return Err(CUTOFFS);
            }
            let features = self.features(cluster);
            if features == 0 {
                let rule = "must leave each cluster a feature: `in_features // div_value^(cluster + 1)`";
                return Err(ShapeError::Setting { setting: "div_value", rule });
            }
            ok!(weight(&[features, self.inputs], None));
            ok!(weight(&[end - begin, features], None));
            cluster += 1;
        }
        Ok(())
    }
}

/// An input `[N, inputs]` or `[inputs]` becomes logarithms of probabilities, `[N, classes]` or `[classes]`.
pub const fn adaptive_log_prob(input: Type, of: &Clusters) -> Result<Shape, ShapeError> {
    ok!(of.check());
    ok!(floats("input", input));
    let shape = ok!(axes(input.shape, 1, 2));
    let last = shape.rank() - 1;
    if shape.dim(last) != of.inputs {
        return Err(ShapeError::Features { expected: of.inputs, found: shape });
    }
    Ok(shape.with(last, of.classes))
}

/// An input `[N, inputs]` (or `[inputs]`) and its classes `[N]` (or `[]`), i32: the logarithm of each one's probability,
/// and the loss, a scalar.
pub const fn adaptive_log_softmax(input: Type, target: Type, of: &Clusters) -> Result<Types, ShapeError> {
    let shape = ok!(adaptive_log_prob(input, of));
    let expected = Type::new(DType::I32, shape.remove(shape.rank() - 1));
    if !target.same(&expected) {
        return Err(ShapeError::Given { input: "target", expected, found: target });
    }
    Ok(Types::one(expected.shape).and(Type::new(DType::F32, Shape::SCALAR)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_those_of_python() {
        // `inputs // div_value ** (cluster + 1)` by CPython 3.11.
        for (inputs, div_value, expected) in [
            (64, 4.0, [16, 4]),
            (11, 1.1, [9, 9]),
            (13, 1.3, [9, 7]),
            (22, 2.2, [9, 4]),
            (26, 1.3, [19, 15]),
            (9, 2.0, [4, 2]),
        ] {
            let clusters = Clusters { inputs, classes: 10, cutoffs: Shape::new(&[2, 5]), div_value };
            assert_eq!([clusters.features(0), clusters.features(1)], expected, "{inputs} // {div_value}");
        }
    }
}
