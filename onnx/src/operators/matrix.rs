//! Matrices as such: triangles, determinants.

use kiln_graph::{DType, Value};

use super::{Fold, Row};
use crate::constant::Constant;
use crate::error::Fault;
use crate::read::context::{Context, Results, one, shape};

pub const TABLE: &[Row] =
    &[Row::new("Det", 11, determinant), Row::new("Trilu", 14, triangle).fold(Fold::Never).statics(&[1])];

/// What lies on and above a diagonal, or on and below it.
fn triangle<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    let from = c.shape(0)?;
    let Some(rank) = from.rank().checked_sub(2) else {
        return Err(Fault::invalid(format!("{from} is no matrix")));
    };
    let diagonal = if c.has(1) { c.int(1)? } else { 0 };
    let upper = c.flag("upper", true)?;
    if from.elements() == 0 {
        return super::shapes::empty(c.element(0)?, from);
    }
    // Beyond the matrix all diagonals are alike.
    let bound = from.dim(rank).max(from.dim(rank + 1)) as i64 + 1;
    let diagonal = diagonal.clamp(-bound, bound) as i32;
    if let Some(constant) = c.tensor(0)?.constant()
        && let Some(list) = constant.whole()
    {
        let (rows, columns) = (from.dim(rank) as i64, from.dim(rank + 1) as i64);
        let stays = |place: i64| {
            let distance = place % columns - place / columns % rows - i64::from(diagonal);
            if upper { distance >= 0 } else { distance <= 0 }
        };
        if !matches!(constant.data, crate::constant::Data::Bools(_)) {
            let numbers =
                list.iter().enumerate().map(|(at, &number)| if stays(at as i64) { number } else { 0 }).collect();
            return one(Constant {
                element: constant.element,
                shape: constant.shape.clone(),
                ..Constant::ints(numbers)
            });
        }
    }
    let distance = c.g.iota(from, rank + 1) - c.g.iota(from, rank);
    let stays = if upper { distance.ge(diagonal) } else { distance.le(diagonal) };
    let x = c.value(0)?;
    c.like(0, if x.dtype() == DType::Bool { x & stays } else { stays.select(x, x.graph().scalar_of(x.dtype(), 0.0)) })
}

/// By elimination with the largest element of a column as pivot.
///
/// ```text
/// for each column k
///     p = the row, of those from k on, with the largest |m[p, k]|
///     det *= +-m[p, k];  swap rows k and p
///     m[i, ..] -= m[i, k] / m[k, k] m[k, ..]     i > k
/// ```
fn determinant<'g>(c: &Context<'_, 'g>) -> Results<'g> {
    const LARGEST: usize = 64;
    let from = c.shape(0)?;
    let (order, outer) = match from.dims() {
        [outer @ .., rows, columns] if rows == columns && *rows > 0 => (*rows, outer.to_vec()),
        _ => return Err(Fault::invalid(format!("{from} holds no square matrices"))),
    };
    if order > LARGEST {
        return Err(Fault::unsupported(format!("determinants of {order} x {order}; there are some to {LARGEST}")));
    }
    let count: usize = outer.iter().product();
    let mut m = c.float(0)?.reshape(shape(&[count, order, order])?);
    let mut result: Option<Value<'g>> = None;
    for left in (1..=order).rev() {
        let column = m.slice(2, 0..1, 1).squeeze(2);
        let place = column.detach().abs().argmax(1);
        let is_pivot = c.g.iota([count, left], 1).eq(place.unsqueeze(1).broadcast_to([count, left]));
        let pivot_row = is_pivot.unsqueeze(2).broadcast_to(m.shape()).select(m, 0.0).sum(1);
        let pivot = pivot_row.slice(1, 0..1, 1).squeeze(1);
        // A row that goes to another place turns the sign.
        let signed = place.eq(0).select(pivot, -pivot);
        result = Some(result.map_or(signed, |before| before * signed));
        if left > 1 {
            // The first row goes where the pivot's was.
            let first = m.slice(1, 0..1, 1).broadcast_to(m.shape());
            let swapped = is_pivot.unsqueeze(2).broadcast_to(m.shape()).select(first, m);
            let rest = swapped.slice(1, 1..left, 1);
            let safe = pivot.eq(0.0).select(1.0, pivot);
            let factor = rest.slice(2, 0..1, 1) / safe.reshape([count, 1, 1]).broadcast_to([count, left - 1, 1]);
            let row = pivot_row.slice(1, 1..left, 1).unsqueeze(1);
            m = rest.slice(2, 1..left, 1) - factor * row;
        }
    }
    c.like(0, result.unwrap_or(c.g.scalar(1.0)).reshape(shape(&outer)?))
}
