//! Reads and additions at places that are known only at run time. An index may vary along some axes of the space; the
//! lanes lie along an axis on which it does not, and where there is none only one lane works.

use super::expression::{Affine, Evaluation, Expression, Point, TermId};
use super::{Lowered, nest, vectors};
use crate::kernel::{Convert, Index, KernelBuilder, Operation, Row};
use crate::target::Target;

/// Elements of an argument at a place that an index decides: `access + index * stride`.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// The argument of the expression.
    pub argument: usize,
    /// The element for index 0.
    pub access: Affine,
    /// The i32 index; clamped to `0..extent`.
    pub index: TermId,
    /// The number of places.
    pub extent: usize,
    /// Elements from place to place.
    pub stride: i64,
}

impl Indexed {
    fn at(&self, kernel: &mut KernelBuilder, evaluation: &mut Evaluation<'_>, point: &Point) -> (Index, i64) {
        let value = evaluation.term(kernel, self.index, &Point::single(point.coordinates.clone()), &[]);
        let (mut index, lanes) = point.access(&self.access);
        index.row = Some(Row { value, extent: self.extent as u32, stride: self.stride });
        (index, lanes)
    }
}

/// Gathers: the root of the expression's stores is the indexed element (a mask, if the elements are booleans).
pub fn lower_gather(
    name: &str,
    expression: &Expression,
    indexed: &Indexed,
    booleans: bool,
    target: &Target,
) -> Vec<Lowered> {
    lower(name, expression, indexed, target, true, &mut |kernel, evaluation, point| {
        let mut scope = evaluation.clone();
        let (index, stride) = indexed.at(kernel, &mut scope, point);
        let buffer = evaluation.buffer(indexed.argument);
        let root = match (stride, point.active) {
            (0, 2..) => kernel.splat(buffer, index),
            (_, 1) => kernel.push(Operation::Load { buffer, index, stride: 1, active: 1 }),
            (_, active) => kernel.push(Operation::Load { buffer, index, stride, active }),
        };
        let root = if booleans { kernel.convert(Convert::I32ToMask, root) } else { root };
        scope.store(kernel, point, &[root]);
    })
}

/// Scatters: adds a term to the indexed elements, which have been set to 0 before.
pub fn lower_scatter(
    name: &str,
    expression: &Expression,
    indexed: &Indexed,
    update: TermId,
    target: &Target,
) -> Vec<Lowered> {
    lower(name, expression, indexed, target, false, &mut |kernel, evaluation, point| {
        let mut scope = evaluation.clone();
        let (index, lanes) = indexed.at(kernel, &mut scope, point);
        let buffer = evaluation.buffer(indexed.argument);
        let (stride, active) = if point.active == 1 { (1, 1) } else { (lanes, point.active) };
        let before = kernel.push(Operation::Load { buffer, index: index.clone(), stride, active });
        let update = scope.term(kernel, update, point, &[]);
        let sum = kernel.add(before, update);
        kernel.store(buffer, index, stride, active, sum);
    })
}

/// Loops over the space; with `parallel`, the outermost axis is the grid (else two tasks might add to one place).
fn lower(
    name: &str,
    expression: &Expression,
    indexed: &Indexed,
    target: &Target,
    parallel: bool,
    body: &mut dyn FnMut(&mut KernelBuilder, &Evaluation<'_>, &Point),
) -> Vec<Lowered> {
    if expression.is_empty() {
        return Vec::new();
    }
    let rank = expression.rank();
    let needed = expression.needed([indexed.index]);
    let fixed = |axis: usize| {
        let leaves = needed.iter().filter_map(|id| expression.terms[id.index()].affine());
        leaves.map(|affine| affine.strides[axis]).all(|stride| stride == 0)
    };
    let along =
        (0..rank).rev().find(|&axis| expression.extents[axis] > 1 && fixed(axis) && indexed.access.strides[axis] != 0);
    let mut kernel = KernelBuilder::new(name, target.lanes);
    let mut coordinates = vec![Index::default(); rank];
    let grid = (parallel && rank > 0 && along != Some(0) && expression.places(|_| true) > 4096) as usize;
    if grid == 1 {
        coordinates[0] = Index::of(kernel.grid(expression.extents[0]), 1);
    }
    let mut evaluation = Evaluation::new(expression, &mut kernel);
    let roots: Vec<TermId> = expression.stores.iter().map(|store| store.term).chain([indexed.index]).collect();
    evaluation.prepare(&mut kernel, roots);
    let loops: Vec<(usize, usize)> =
        (grid..rank).filter(|&axis| Some(axis) != along).map(|axis| (axis, expression.extents[axis])).collect();
    nest(&mut kernel, &loops, &coordinates, &[], &mut |kernel, coordinates, _| {
        let Some(axis) = along else {
            body(kernel, &evaluation, &Point::single(coordinates.to_vec()));
            return Vec::new();
        };
        vectors(kernel, expression.extents[axis], 1, &Index::default(), &mut |kernel, group| {
            for (index, active) in group {
                let mut coordinates = coordinates.to_vec();
                coordinates[axis] = index.clone();
                body(kernel, &evaluation, &Point::along(axis, coordinates, *active));
            }
        });
        Vec::new()
    });
    vec![Lowered::new(kernel, expression, expression.flops())]
}
