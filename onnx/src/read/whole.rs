//! Arithmetic on known whole numbers of 64 bits, which shapes are computed with. What it does not know, or what
//! overflows, is nothing to it. Knows no graphs.

use crate::constant::{Constant, Data};
use crate::element::Element;

/// The result of an elementwise operator over known whole numbers.
pub fn compute(operator: &str, inputs: &[Option<&Constant>]) -> Option<Constant> {
    let [Some(a), Some(b)] = *inputs else { return None };
    let (Data::Ints(left), Data::Ints(right)) = (&a.data, &b.data) else { return None };
    // Of 64 bits alone: others overflow in their own way.
    if a.element != Element::I64 || b.element != Element::I64 || left.is_empty() || right.is_empty() {
        return None;
    }
    let number: fn(i64, i64) -> Option<i64> = match operator {
        "Add" => i64::checked_add,
        "Sub" => i64::checked_sub,
        "Mul" => i64::checked_mul,
        "Div" => i64::checked_div,
        "Max" => |a, b| Some(a.max(b)),
        "Min" => |a, b| Some(a.min(b)),
        "Equal" => |a, b| Some(i64::from(a == b)),
        "Less" => |a, b| Some(i64::from(a < b)),
        "Greater" => |a, b| Some(i64::from(a > b)),
        "LessOrEqual" => |a, b| Some(i64::from(a <= b)),
        "GreaterOrEqual" => |a, b| Some(i64::from(a >= b)),
        _ => return None,
    };
    let (shape, places) = broadcast(&a.shape, &b.shape)?;
    let numbers: Option<Vec<i64>> = places.into_iter().map(|(l, r)| number(left[l], right[r])).collect();
    let truth = !matches!(operator, "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min");
    Some(if truth {
        let data = Data::Bools(numbers?.into_iter().map(|number| number != 0).collect());
        Constant { element: Element::BOOL, shape, data }
    } else {
        Constant { element: Element::I64, shape, data: Data::Ints(numbers?) }
    })
}

/// The shape of two tensors together, and which element of each belongs to which of the result's.
#[allow(clippy::type_complexity)]
fn broadcast(a: &[usize], b: &[usize]) -> Option<(Vec<usize>, Vec<(usize, usize)>)> {
    const MOST: usize = 1 << 16;
    let rank = a.len().max(b.len());
    let aligned = |shape: &[usize]| [vec![1; rank - shape.len()], shape.to_vec()].concat();
    let (a, b) = (aligned(a), aligned(b));
    let mut shape = Vec::with_capacity(rank);
    for (&left, &right) in a.iter().zip(&b) {
        if left != right && left != 1 && right != 1 {
            return None;
        }
        shape.push(left.max(right));
    }
    let elements: usize = shape.iter().product();
    if elements > MOST || elements == 0 {
        return None;
    }
    let place = |own: &[usize], mut index: usize| {
        let (mut place, mut stride) = (0, 1);
        for axis in (0..rank).rev() {
            let at = index % shape[axis];
            index /= shape[axis];
            place += if own[axis] == 1 { 0 } else { at * stride };
            stride *= own[axis];
        }
        place
    };
    let places = (0..elements).map(|index| (place(&a, index), place(&b, index))).collect();
    Some((shape, places))
}
