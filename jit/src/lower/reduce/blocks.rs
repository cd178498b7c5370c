//! How long sums keep their digits: accumulators take short blocks of terms, and the total of the blocks is
//! compensated. It knows loops and accumulators, and not what is folded.

use super::fold::{Fold, Reduction};
use crate::cost::params::reductions::BLOCK;
use crate::kernel::{Compare, Float1, Index, KernelBuilder, Value};
use crate::lower::loops::nest;

impl Reduction<'_> {
    /// What the accumulators, which are `neutral` in the beginning, find along all folded axes.
    ///
    /// Accumulators that take many terms begin anew after [`BLOCK`] of them, and what they have found is added to
    /// totals with the roundings of these additions carried along ([`Reduction::settle`]): so a sum is as right as that
    /// of a block, however long it is.
    pub(super) fn fold(
        &self,
        kernel: &mut KernelBuilder,
        outer: &[(usize, usize)],
        inner: &Innermost<'_>,
        coordinates: &[Index],
        neutral: &[Value],
    ) -> Vec<Value> {
        if self.is_empty() {
            return neutral.to_vec();
        }
        // `outer[at..]` are the loops that a block takes whole, with `terms` terms of each accumulator; those before
        // them are around the blocks. All of it within one block needs no totals.
        let mut terms = inner.terms();
        let mut at = outer.len();
        while at > 0 && terms * outer[at - 1].1 <= BLOCK {
            at -= 1;
            terms *= outer[at].1;
        }
        if at == 0 && terms <= BLOCK {
            return inner.within(kernel, outer, coordinates, neutral.to_vec());
        }
        // Carried from block to block: a total for each accumulator, and behind them what each sum among the totals
        // lacks.
        let begin = [neutral, &self.corrections(kernel, neutral.len())].concat();
        let block = |kernel: &mut KernelBuilder,
                     totals: &[Value],
                     run: &dyn Fn(&mut KernelBuilder, Vec<Value>) -> Vec<Value>| {
            let sums = run(kernel, neutral.to_vec());
            self.add_block(kernel, totals, &sums)
        };
        let totals = if terms > BLOCK {
            // Blocks of the innermost loop:
            // for outer / for block of inner { sums = 0; for BLOCK of it { sums += .. }; total += sums }, then the rest
            nest(kernel, outer, coordinates, &begin, &mut |kernel, coordinates, totals| {
                let (blocks, left) = (inner.count / BLOCK, inner.count % BLOCK);
                let totals = looped(kernel, blocks, totals, |kernel, number, totals| {
                    let start = inner.at(coordinates, number, BLOCK);
                    block(kernel, totals, &|kernel, sums| inner.some(kernel, BLOCK, &start, sums))
                });
                let start = inner.at(coordinates, &Index::at(blocks as i64), BLOCK);
                if left == 0 && !inner.rest {
                    return totals;
                }
                block(kernel, &totals, &|kernel, sums| inner.last(kernel, left, &start, sums))
            })
        } else {
            // Blocks of a loop around it, of which each takes `length` iterations:
            // for outer[..at - 1] / for block of outer[at - 1] { sums = 0;
            //     for length of it / for outer[at..] / for inner { sums += .. }; total += sums }, then what is left
            let (axis, extent) = outer[at - 1];
            let length = (BLOCK / terms).min(extent);
            nest(kernel, &outer[..at - 1], coordinates, &begin, &mut |kernel, coordinates, totals| {
                let part = |kernel: &mut KernelBuilder, start: &Index, length: usize, totals: &[Value]| {
                    block(kernel, totals, &|kernel, sums| {
                        looped(kernel, length, &sums, |kernel, number, sums| {
                            let mut coordinates = coordinates.to_vec();
                            coordinates[axis] = coordinates[axis].clone().plus_index(start, 1).plus_index(number, 1);
                            inner.within(kernel, &outer[at..], &coordinates, sums.to_vec())
                        })
                    })
                };
                let (blocks, left) = (extent / length, extent % length);
                let totals = looped(kernel, blocks, totals, |kernel, number, totals| {
                    part(kernel, &Index::default().plus_index(number, length as i64), length, totals)
                });
                if left == 0 { totals } else { part(kernel, &Index::at((extent - left) as i64), left, &totals) }
            })
        };
        self.settle(kernel, &totals, neutral.len())
    }

    /// The fold of an accumulator, by its place among them.
    fn fold_of(&self, accumulator: usize) -> Fold {
        self.values[accumulator % self.values.len()].fold
    }

    /// What the first totals lack: nothing, once for each that is a sum.
    fn corrections(&self, kernel: &mut KernelBuilder, accumulators: usize) -> Vec<Value> {
        let sums = (0..accumulators).filter(|&accumulator| self.fold_of(accumulator).is_sum());
        sums.map(|_| kernel.f32(0.0)).collect()
    }

    /// Totals, and behind them what the sums among them lack, with a block more: `t = s + x`, lacking `(s - t) + x`,
    /// which is exact where `s` is the larger one, and no worse than a rounding of `x` elsewhere.
    fn add_block(&self, kernel: &mut KernelBuilder, totals: &[Value], block: &[Value]) -> Vec<Value> {
        let (totals, lacking) = totals.split_at(block.len());
        let (mut next, mut next_lacking) = (Vec::new(), Vec::new());
        let mut lacking = lacking.iter();
        for (accumulator, (&total, &part)) in totals.iter().zip(block).enumerate() {
            let fold = self.fold_of(accumulator);
            let sum = fold.combine(kernel, total, part);
            if fold.is_sum() {
                // t is `sum`, s `total`, x `part`. `taken` is -(what s has gained); with x added, what x was meant to
                // give and did not.
                let taken = kernel.sub(total, sum);
                let lost = kernel.add(taken, part);
                let before = *lacking.next().expect("one for each sum");
                next_lacking.push(kernel.add(before, lost));
            }
            next.push(sum);
        }
        [next, next_lacking].concat()
    }

    /// Totals with what they lack added; an infinite one lacks no number.
    fn settle(&self, kernel: &mut KernelBuilder, totals: &[Value], accumulators: usize) -> Vec<Value> {
        let (totals, lacking) = totals.split_at(accumulators);
        let mut lacking = lacking.iter();
        let settled = totals.iter().enumerate().map(|(accumulator, &total)| {
            if !self.fold_of(accumulator).is_sum() {
                return total;
            }
            let corrected = kernel.add(total, *lacking.next().expect("one for each sum"));
            let size = kernel.float1(Float1::Abs, total);
            let infinity = kernel.f32(f32::INFINITY);
            // Of an infinite total the lost part is infinity - infinity: NaN, which would take the place of the
            // infinity.
            let finite = kernel.compare(Compare::Lt, size, infinity);
            kernel.select(finite, corrected, total)
        });
        settled.collect()
    }
}

/// Folds what lies at a place and behind it into accumulators: what a whole iteration takes, or what is left at last.
type Iteration<'a> = &'a dyn Fn(&mut KernelBuilder, &[Index], &mut [Value], bool);

/// The innermost loop of a reduction: iterations of as many places along an axis, and what is left.
pub(super) struct Innermost<'a> {
    /// `None`: nothing is folded, and there is one iteration.
    pub axis: Option<usize>,
    /// How many places an iteration takes.
    pub step: i64,
    /// The number of whole iterations.
    pub count: usize,
    /// Whether something is left behind them.
    pub rest: bool,
    pub iteration: Iteration<'a>,
}

impl Innermost<'_> {
    /// The most terms that an accumulator takes.
    fn terms(&self) -> usize {
        self.count + usize::from(self.rest)
    }

    /// The place that lies `number * of` iterations behind another.
    fn at(&self, coordinates: &[Index], number: &Index, of: usize) -> Vec<Index> {
        let mut coordinates = coordinates.to_vec();
        if let Some(axis) = self.axis {
            coordinates[axis] = coordinates[axis].clone().plus_index(number, of as i64 * self.step);
        }
        coordinates
    }

    /// So many iterations.
    fn some(&self, kernel: &mut KernelBuilder, count: usize, start: &[Index], sums: Vec<Value>) -> Vec<Value> {
        looped(kernel, count, &sums, |kernel, number, sums| {
            let mut sums = sums.to_vec();
            (self.iteration)(kernel, &self.at(start, number, 1), &mut sums, true);
            sums
        })
    }

    /// So many iterations, and what is left.
    fn last(&self, kernel: &mut KernelBuilder, count: usize, start: &[Index], sums: Vec<Value>) -> Vec<Value> {
        let mut sums = self.some(kernel, count, start, sums);
        if self.rest {
            (self.iteration)(kernel, &self.at(start, &Index::at(count as i64), 1), &mut sums, false);
        }
        sums
    }

    /// All iterations, at each place along the axes around them.
    fn within(
        &self,
        kernel: &mut KernelBuilder,
        outer: &[(usize, usize)],
        coordinates: &[Index],
        sums: Vec<Value>,
    ) -> Vec<Value> {
        nest(kernel, outer, coordinates, &sums, &mut |kernel, coordinates, sums| {
            self.last(kernel, self.count, coordinates, sums.to_vec())
        })
    }
}

/// A loop of any number of iterations, whose body gets the number of each; no loop is written for one or none.
fn looped(
    kernel: &mut KernelBuilder,
    count: usize,
    carried: &[Value],
    mut body: impl FnMut(&mut KernelBuilder, &Index, &[Value]) -> Vec<Value>,
) -> Vec<Value> {
    match count {
        0 => carried.to_vec(),
        1 => body(kernel, &Index::default(), carried),
        _ => {
            kernel.for_each(count, carried, |kernel, variable, carried| body(kernel, &Index::of(variable, 1), carried))
        }
    }
}
