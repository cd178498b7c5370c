//! The factors of an affine function, one an axis, in one piece: expressions are full of them, and in a debug build
//! each step that a vector takes on the way to its elements is a call. It knows numbers alone.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut, Index, IndexMut};

/// The axes of an iteration space are at most so many: those of a tensor or of windows over one, and the cuts that
/// tasks, partial sums and copies make.
pub const MOST_AXES: usize = 14;

/// Up to `MOST_AXES` (14) numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Strides {
    length: usize,
    /// 0 past the length.
    values: [i64; MOST_AXES],
}

impl Strides {
    /// So many zeros.
    ///
    /// # Panics
    /// If they are more than `MOST_AXES` (14).
    pub fn zeros(length: usize) -> Strides {
        assert!(length <= MOST_AXES, "{length} axes");
        Strides { length, values: [0; MOST_AXES] }
    }

    /// Adds `factor` times another one of the same length.
    pub fn add(&mut self, other: &Strides, factor: i64) {
        let mut axis = 0;
        while axis < self.length {
            self.values[axis] += factor * other.values[axis];
            axis += 1;
        }
    }

    fn push(&mut self, value: i64) {
        assert!(self.length < MOST_AXES, "{} axes", self.length);
        self.values[self.length] = value;
        self.length += 1;
    }

    /// Puts a number in front of that at a position.
    ///
    /// # Panics
    /// If there are `MOST_AXES` (14) already, or fewer than `position`.
    pub fn insert(&mut self, position: usize, value: i64) {
        assert!(position <= self.length, "position {position} of {}", self.length);
        self.push(0);
        self.values.copy_within(position..self.length - 1, position + 1);
        self.values[position] = value;
    }
}

impl Deref for Strides {
    type Target = [i64];

    fn deref(&self) -> &[i64] {
        &self.values[..self.length]
    }
}

impl DerefMut for Strides {
    fn deref_mut(&mut self) -> &mut [i64] {
        &mut self.values[..self.length]
    }
}

impl Index<usize> for Strides {
    type Output = i64;

    fn index(&self, axis: usize) -> &i64 {
        assert!(axis < self.length, "axis {axis} of {}", self.length);
        &self.values[axis]
    }
}

impl IndexMut<usize> for Strides {
    fn index_mut(&mut self, axis: usize) -> &mut i64 {
        assert!(axis < self.length, "axis {axis} of {}", self.length);
        &mut self.values[axis]
    }
}

impl FromIterator<i64> for Strides {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Strides {
        let mut strides = Strides::zeros(0);
        for value in values {
            strides.push(value);
        }
        strides
    }
}

impl Hash for Strides {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.deref().hash(state);
    }
}

impl fmt::Debug for Strides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}
