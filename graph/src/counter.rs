//! Counters: whole numbers of 64 bits, in graphs whose whole numbers have 32. It knows no layer.
//!
//! A counter is a state `i32[2]` of two digits: the lower 32 bits, and the upper ones. Counting on is exact up to 2^63.

use crate::build::Value;
use crate::graph::Type;
use crate::shape::{DType, Shape};

/// The type of a counter's state.
pub const TYPE: Type = Type::new(DType::I32, Shape::new(&[2]));

/// What the upper digit counts.
const UNIT: f64 = 4_294_967_296.0;

/// The digits of a count.
pub fn digits(count: i64) -> [i32; 2] {
    [count as i32, (count >> 32) as i32]
}

/// The count that has these digits.
pub fn count([low, high]: [i32; 2]) -> i64 {
    i64::from(high) << 32 | i64::from(low as u32)
}

/// The count one higher. (A scalar, of f32 or i32, counts by itself: up to 2^24 or 2^31.)
pub fn next(counter: Value<'_>) -> Value<'_> {
    if counter.ty() != TYPE {
        return counter + 1.0;
    }
    let is_low = counter.graph().iota(TYPE.shape, 0).eq(0.0);
    // Additions of i32 wrap around: the lower digit is full where all of its bits are set, which is -1.
    let carry = counter.slice(0, 0..1, 1).eq(-1.0).convert(DType::I32).broadcast_to(TYPE.shape);
    counter + is_low.select(1.0, carry)
}

/// The count as the nearest f32 number, a scalar.
pub fn number(counter: Value<'_>) -> Value<'_> {
    if counter.ty() != TYPE {
        return counter.convert(DType::F32);
    }
    let digit = |at: usize| counter.slice(0, at..at + 1, 1).reshape(Shape::SCALAR);
    let (low, high) = (digit(0), digit(1).convert(DType::F32) * UNIT);
    let low = low.lt(0.0).select(UNIT, 0.0) + low.convert(DType::F32);
    high + low
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::build::Builder;
    use crate::interpret::{Tensor, interpret};

    #[test]
    fn counters_count_on_from_any_number() {
        let edges = [0, 1, 1 << 24, 1 << 31, 1 << 32, 1 << 33, 1 << 53, 1 << 62];
        let counts = edges.into_iter().flat_map(|edge: i64| (edge - 3).max(0)..edge + 4).chain([i64::MAX - 1]);
        let g = Builder::new("count");
        let state = g.state("batches", TYPE);
        g.update(state, next(state));
        g.output("number", number(state));
        let graph = g.finish().expect("nothing is wrong");
        for before in counts {
            assert_eq!(count(digits(before)), before);
            let feeds = HashMap::from([("batches".to_owned(), Tensor::<f32>::ints([2], digits(before)))]);
            let results = interpret(&graph, &feeds).expect("the graph is valid");
            let after: [i32; 2] = results.updates["batches"].as_ints().try_into().expect("two digits");
            assert_eq!(count(after), before + 1);
            assert_eq!(results.outputs["number"].as_floats(), [before as f32], "{before}");
        }
    }
}
