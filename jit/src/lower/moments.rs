//! Moments of a contraction's results, taken while they are in registers: for each place along one axis the sums of `x - origin`
//! and of its square along all others, which a batch norm asks for, without a pass that reads the results again.
//!
//! Each task of the contraction fills a row of its own, so that no bit depends on the threads: for each place along the kept
//! axis a pivot, which is the first value that the task meets, the sum of the distances from it and the sum of their squares. The
//! rows are merged in order. With `d = pivot - origin` and `n` values in a row,
//!
//! ```text
//! sum(x - origin)   = sum over rows of  s + n d
//! sum((x - origin)^2) = sum over rows of  q + d (2 s + n d)
//! ```
//!
//! A pivot is one of the values, so that the distances are as small as those from any origin among them, which need not be
//! known before the last value is. It knows expressions and places; it knows neither contractions nor the plan.

use kiln_graph::DType;
use kiln_graph::op::{BinaryOp, ReduceOp, Scalar};

use super::expression::{Affine, Argument, Expression, Storage, Term, TermId};
use super::tile::Place;
use super::{UNROLL, vectors};
use crate::kernel::{Access, BufferId, Compare, Element, Index, KernelBuilder, Operation, Value, Variable};

/// What a row holds for each place along the kept axis: a pivot, the sum of distances, the sum of their squares.
const PARTS: usize = 3;

/// Reductions of an expression that are moments of one tensor.
#[derive(Clone, Debug)]
pub struct Moments {
    /// The tensor.
    pub of: Storage,
    /// Its element at each place.
    pub access: Affine,
    /// The axis along which nothing is folded.
    pub axis: usize,
    origin: TermId,
    /// For each reduction whether it adds squares.
    squares: Vec<bool>,
}

impl Moments {
    /// `None` where a reduction is another one than the sum of `x - origin` or of its square along all axes but one, `x` being an
    /// element of a tensor and `origin` the same along the folded axes.
    pub fn find(expression: &Expression, values: &[(TermId, ReduceOp)]) -> Option<Moments> {
        let mut kept = (0..expression.rank()).filter(|&axis| !expression.folded[axis]);
        let (axis, None) = (kept.next()?, kept.next()) else { return None };
        let term = |id: TermId| &expression.terms[id.index()];
        let mut distance = None;
        let mut squares = Vec::new();
        for &(value, op) in values {
            let (of, square) = match *term(value) {
                Term::Binary(BinaryOp::Mul, a, b) if a == b => (a, true),
                _ => (value, false),
            };
            if op != ReduceOp::Sum || *distance.get_or_insert(of) != of {
                return None;
            }
            squares.push(square);
        }
        let &Term::Binary(BinaryOp::Sub, x, origin) = term(distance?) else { return None };
        let Term::Load { argument, access } = term(x) else { return None };
        let fixed = |affine: &Affine| (0..expression.rank()).all(|a| a == axis || affine.strides[a] == 0);
        let constant = |id: &TermId| match term(*id) {
            Term::Root(_) => false,
            other => other.affine().is_none_or(fixed),
        };
        expression.needed([origin]).iter().all(constant).then(|| Moments {
            of: expression.arguments[*argument].storage,
            access: access.clone(),
            axis,
            origin,
            squares,
        })
    }

    /// The reductions as those of the rows of a contraction, each of which is about as many values.
    pub fn merge(&self, expression: &Expression, rows: &Rows) -> (Expression, Vec<(TermId, ReduceOp)>) {
        let mut merged = expression.clone();
        let folded: Vec<usize> = (0..merged.rank()).filter(|&axis| axis != self.axis).collect();
        folded.iter().for_each(|&axis| merged.extents[axis] = 1);
        let along = folded.first().copied();
        along.into_iter().for_each(|axis| merged.extents[axis] = rows.count);
        let places = merged.extents[self.axis];
        let (storage, elements) = (rows.storage, elements(places, rows.count));
        merged.arguments.push(Argument { storage, element: Element::F32, elements, read: true, written: false });
        let argument = merged.arguments.len() - 1;
        let mut add = |term: Term| merged.push(term, DType::F32);
        let [pivot, sum, square] = [0, 1, 2].map(|part| {
            let mut access = Affine::axis(expression.rank(), self.axis).shifted((part * places) as i64);
            along.into_iter().for_each(|axis| access.strides[axis] = (PARTS * places) as i64);
            add(Term::Load { argument, access })
        });
        let count = add(Term::Constant(Scalar(rows.values as f64)));
        let distance = add(Term::Binary(BinaryOp::Sub, pivot, self.origin));
        let moved = add(Term::Binary(BinaryOp::Mul, distance, count));
        let sums = add(Term::Binary(BinaryOp::Add, sum, moved));
        let twice = add(Term::Binary(BinaryOp::Add, sums, sum));
        let moved = add(Term::Binary(BinaryOp::Mul, distance, twice));
        let squares = add(Term::Binary(BinaryOp::Add, square, moved));
        let values: Vec<TermId> =
            self.squares.iter().map(|&of_squares| if of_squares { squares } else { sums }).collect();
        let values = merged.prune(&values);
        (merged, values.into_iter().map(|value| (value, ReduceOp::Sum)).collect())
    }
}

/// What a contraction's tasks have found.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Where the rows lie, one after the other.
    pub storage: Storage,
    /// How many there are.
    pub count: usize,
    /// The number of values that each holds of each place along the kept axis.
    pub values: usize,
}

/// The length of so many rows, each of so many places along the kept axis.
fn elements(places: usize, rows: usize) -> usize {
    PARTS * places * rows
}

/// Takes moments in the epilogue of a contraction, vector by vector.
#[derive(Debug)]
pub struct Taking {
    axis: usize,
    /// The number of places along the axis, and of values for each.
    places: usize,
    values: usize,
    /// Known once the grid is.
    share: Option<Option<Share>>,
    /// What the vectors of the tile so far have found.
    pending: Vec<Pending>,
}

/// The row of a task and the places along the kept axis that are its own.
#[derive(Clone, Debug)]
struct Share {
    buffer: BufferId,
    rows: usize,
    row: Index,
    start: Index,
    places: usize,
}

/// Sums of a tile for one vector of places.
#[derive(Debug)]
struct Pending {
    place: Index,
    active: usize,
    pivot: Value,
    sums: [Value; 2],
}

impl Taking {
    /// For results with so many places along an axis, and so many values for each.
    pub fn new(axis: usize, places: usize, values: usize) -> Taking {
        Taking { axis, places, values, share: None, pending: Vec::new() }
    }

    /// Takes in one vector of values.
    pub fn add(&mut self, kernel: &mut KernelBuilder, place: &Place, value: Value) {
        if self.share.is_none() {
            self.share = Some(self.share_out(kernel, place));
        }
        let Some(Some(share)) = self.share.clone() else { return };
        let at = &place.coordinates[self.axis];
        let found = self.pending.iter_mut().find(|pending| pending.place == *at);
        if let Some(Pending { pivot, sums: [sum, square], .. }) = found {
            let distance = kernel.sub(value, *pivot);
            (*sum, *square) = (kernel.add(*sum, distance), kernel.fma(distance, distance, *square));
        } else {
            // A row begins with pivots that are no number.
            let (active, index) = (place.active, self.index(&share, at, 0));
            let before = load(kernel, share.buffer, &index, active);
            let none = kernel.compare(Compare::Ne, before, before);
            let pivot = kernel.select(none, value, before);
            kernel.store(share.buffer, index, 1, active, pivot);
            let distance = kernel.sub(value, pivot);
            let sums = [distance, kernel.mul(distance, distance)];
            self.pending.push(Pending { place: at.clone(), active, pivot, sums });
        }
        if place.last {
            for Pending { place, active, sums, .. } in std::mem::take(&mut self.pending) {
                for (part, sum) in sums.into_iter().enumerate() {
                    let index = self.index(&share, &place, 1 + part);
                    let before = load(kernel, share.buffer, &index, active);
                    let sum = kernel.add(before, sum);
                    kernel.store(share.buffer, index, 1, active, sum);
                }
            }
        }
    }

    fn index(&self, share: &Share, place: &Index, part: usize) -> Index {
        share.row.clone().plus_index(place, 1).shifted((part * self.places) as i64)
    }

    /// Shares rows out among the tasks: those that differ in the place along the kept axis share one. None where lanes are no
    /// neighbours along the axis, where tiles are single vectors, which a pass of its own sums as fast, or where a row would not
    /// be of equal shares.
    fn share_out(&self, kernel: &mut KernelBuilder, place: &Place) -> Option<Share> {
        if place.lanes != Some(self.axis) || place.last {
            return None;
        }
        let at = &place.coordinates[self.axis];
        let grid = kernel.extents().to_vec();
        let stride =
            |task: usize| at.terms.iter().find(|(v, _)| *v == Variable(task as u32)).map(|(_, stride)| *stride);
        let (mut rows, mut row, mut start) = (1, Index::default(), Index::default());
        let mut along: Vec<(i64, usize)> = Vec::new();
        for (task, &extent) in grid.iter().enumerate().rev() {
            let variable = Variable(task as u32);
            if let Some(stride) = stride(task) {
                start = start.plus(variable, stride);
                along.push((stride, extent));
            } else {
                row = row.plus(variable, (rows * PARTS * self.places) as i64);
                rows *= extent;
            }
        }
        along.sort_unstable();
        let places = self.places / along.iter().map(|(_, extent)| extent).product::<usize>();
        let end =
            along.iter().try_fold(places, |next, &(stride, extent)| (stride == next as i64).then_some(next * extent));
        if end != Some(self.places) || !self.values.is_multiple_of(rows) {
            return None;
        }
        let buffer = kernel.buffer("moments", Element::F32, elements(self.places, rows), Access::ReadWrite);
        Some(Share { buffer, rows, row, start, places })
    }

    /// Clears each task's share before anything else. The rows, for which it asks memory of so many elements, that of the
    /// kernel's last buffer; none where nothing was taken.
    pub fn finish(self, kernel: &mut KernelBuilder, scratch: impl FnOnce(usize) -> Storage) -> Option<Rows> {
        let Share { buffer, rows, ref row, ref start, places } = self.share.flatten()?;
        let start = row.clone().plus_index(start, 1);
        kernel.at_start(|kernel| {
            let (nan, zero) = (kernel.f32(f32::NAN), kernel.f32(0.0));
            for (part, value) in [nan, zero, zero].into_iter().enumerate() {
                let start = start.clone().shifted((part * self.places) as i64);
                vectors(kernel, places, UNROLL, &start, &mut |kernel, group| {
                    group.iter().for_each(|(at, active)| kernel.store(buffer, at.clone(), 1, *active, value));
                });
            }
        });
        Some(Rows { storage: scratch(elements(self.places, rows)), count: rows, values: self.values / rows })
    }
}

fn load(kernel: &mut KernelBuilder, buffer: BufferId, index: &Index, active: usize) -> Value {
    kernel.push(Operation::Load { buffer, index: index.clone(), stride: 1, active })
}
