//! Where a nest of loops over the axes of a contraction has arrived, and the loops. It knows no strategy.

use crate::contraction::problem::{Axis, Contraction};
use crate::contraction::tiling::{Level, Steps};
use crate::kernel::{Index, KernelBuilder, Variable};

/// Where a loop nest has arrived.
#[derive(Clone)]
pub struct Position {
    /// Per axis, the index of its first place.
    pub at: Vec<Index>,
    /// Per axis, how many places from there on are to be covered.
    pub extent: Vec<usize>,
}

impl Position {
    /// Before all loops.
    pub fn of(axes: &[Axis]) -> Position {
        Position { at: vec![Index::default(); axes.len()], extent: axes.iter().map(|axis| axis.extent).collect() }
    }

    fn moved(&self, level: Level, size: usize, by: impl FnOnce(Index) -> Index) -> Position {
        let mut moved = self.clone();
        let at = &mut moved.at[level.axis];
        *at = by(std::mem::take(at));
        moved.extent[level.axis] = size;
        moved
    }

    /// At the only step of some steps, or at one of them, by a loop variable.
    pub fn step(&self, level: Level, steps: Steps, variable: Option<Variable>) -> Position {
        let start = steps.start as i64;
        self.moved(level, steps.size, |index| match variable {
            Some(variable) => index.shifted(start).plus(variable, steps.size as i64),
            None => index.shifted(start),
        })
    }
}

/// Where results lie along the axes of the output, those at some places along the axes of the contraction.
pub fn coordinates(contraction: &Contraction, at: &[Index]) -> Vec<Index> {
    let coordinate = contraction.output.iter().map(|coordinate| {
        let mut index = Index::at(coordinate.offset);
        for &(axis, factor) in &coordinate.terms {
            index.add_index(&at[axis], factor);
        }
        index
    });
    coordinate.collect()
}

/// Runs the body at each of some steps.
pub fn each(
    kernel: &mut KernelBuilder,
    position: &Position,
    level: Level,
    steps: impl IntoIterator<Item = Steps>,
    body: &mut dyn FnMut(&mut KernelBuilder, &Position),
) {
    for steps in steps {
        if steps.count == 1 {
            body(kernel, &position.step(level, steps, None));
        } else {
            kernel.for_each(steps.count, &[], |kernel, variable, _| {
                body(kernel, &position.step(level, steps, Some(variable)));
                Vec::new()
            });
        }
    }
}
