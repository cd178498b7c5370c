//! Elements in order: by a network of comparisons, which is the same whatever stands in them. It knows one axis.

use super::{positions, refused, rules};
use crate::build::Value;
use crate::shape::DType;
use crate::whole::Whole;

/// The elements along an axis in order, and their i32 indices. Equal elements keep their order; NaN counts as larger than
/// all numbers. The gradient of each goes to where it came from.
///
/// By a network of `log2(n) (log2(n) + 1) / 2` layers of comparisons (Batcher's bitonic one), each one elementwise kernel
/// over indices and elements.
pub fn sort(x: Value<'_>, dim: isize, descending: bool) -> Vec<Value<'_>> {
    match rules::sort("sort", x.ty(), dim, descending) {
        Ok(_) => {
            let _function = x.graph().function("sort");
            let index = order(x.detach(), positions(x, &[dim])[0], descending);
            let sorted = x.gather(dim, index);
            known_as_sorted(x, dim, descending, &[index, sorted]);
            vec![sorted, index]
        }
        Err(error) => vec![refused(x, error)],
    }
}

/// The i32 indices along an axis that [`sort`] the elements.
pub fn argsort(x: Value<'_>, dim: isize, descending: bool) -> Value<'_> {
    match rules::argsort("argsort", x.shape(), dim, descending) {
        Ok(_) => {
            let _function = x.graph().function("argsort");
            let index = order(x.detach(), positions(x, &[dim])[0], descending);
            known_as_sorted(x, dim, descending, &[index]);
            index
        }
        Err(error) => refused(x, error),
    }
}

/// The `k` largest (or smallest) elements along an axis in order, and their i32 indices.
pub fn topk(x: Value<'_>, k: usize, dim: isize, largest: bool) -> Vec<Value<'_>> {
    if let Err(error) = rules::topk("topk", x.ty(), k, dim, largest) {
        return vec![refused(x, error)];
    }
    let _function = x.graph().function("topk");
    let index = order(x.detach(), positions(x, &[dim])[0], largest).slice(dim, 0..k, 1);
    let sorted = x.gather(dim, index);
    known_as_sorted(x, dim, largest, &[index, sorted]);
    vec![sorted, index]
}

/// Notes indices, and the elements that have them.
fn known_as_sorted<'g>(x: Value<'g>, dim: isize, descending: bool, results: &[Value<'g>]) {
    let axis = positions(x, &[dim])[0];
    let count = results[0].shape().dim(axis);
    x.graph().note_whole(Whole::Sort { axis, count, descending }, &[Some(x)], results);
}

/// The indices of the elements in order along an axis.
///
/// ```text
/// for width in 1, 2, 4, ..           runs of `width` elements are in order
///     compare i with 2 width - 1 - i     within each pair of runs: the second one is met from its end
///     for distance in width / 2, .., 1   what each half got is in order up to swaps at that distance
///         compare i with i + distance
/// ```
fn order(x: Value<'_>, axis: usize, descending: bool) -> Value<'_> {
    let (g, shape) = (x.graph(), x.shape());
    let extent = shape.dim(axis);
    let filled = extent.next_power_of_two();
    // What fills up comes last: no element is behind NaN (or before -inf where the largest come first), and of equals
    // the one with the larger index is.
    let filler = match (descending, x.dtype()) {
        (false, DType::F32) => f64::NAN,
        (true, DType::F32) => f64::NEG_INFINITY,
        (false, _) => f64::from(i32::MAX),
        (true, _) => f64::from(i32::MIN),
    };
    let mut high = vec![0; axis + 1];
    high[axis] = filled - extent;
    let mut sorted =
        Sorted { keys: x.pad(&[], &high, filler), places: g.iota(shape.with(axis, filled), axis), axis, descending };
    let mut width = 1;
    while width < filled {
        sorted.compare(width, true);
        let mut distance = width / 2;
        while distance > 0 {
            sorted.compare(distance, false);
            distance /= 2;
        }
        width *= 2;
    }
    sorted.places.slice(axis, 0..extent, 1)
}

/// Elements that are being put in order, and their indices.
struct Sorted<'g> {
    keys: Value<'g>,
    places: Value<'g>,
    axis: usize,
    descending: bool,
}

impl<'g> Sorted<'g> {
    /// In each group of `2 width` elements compares those of the first half with those of the second, which is mirrored
    /// or not, and swaps those that are out of order.
    fn compare(&mut self, width: usize, mirrored: bool) {
        let (axis, shape) = (self.axis, self.keys.shape());
        let halves = |x: Value<'g>| {
            // The axis of one extent is three here: groups, halves, elements. Axes before it are one, and those behind.
            let before: usize = shape.dims()[..axis].iter().product();
            let behind: usize = shape.dims()[axis + 1..].iter().product();
            let x = x.reshape([before, shape.dim(axis) / (2 * width), 2, width, behind]);
            let second = x.slice(2, 1..2, 1);
            (x.slice(2, 0..1, 1), if mirrored { second.reverse(3) } else { second })
        };
        let ((a, b), (i, j)) = (halves(self.keys), halves(self.places));
        // NaN is above all numbers.
        let above = |a: Value<'g>, b: Value<'g>| match a.dtype() {
            DType::F32 => a.gt(b) | (a.ne(a) & b.eq(b)),
            _ => a.gt(b),
        };
        let (first, second) = if self.descending { (b, a) } else { (a, b) };
        let wrong = above(first, second) | (!above(second, first) & i.gt(j));
        let joined = |a: Value<'g>, b: Value<'g>| {
            let (low, high) = (wrong.select(b, a), wrong.select(a, b));
            let high = if mirrored { high.reverse(3) } else { high };
            a.graph().concat(&[low, high], 2).reshape(shape)
        };
        (self.keys, self.places) = (joined(a, b), joined(i, j));
    }
}
