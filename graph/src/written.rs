//! What the statements of a body become, for the macros: each function here takes note of the user's line and is one
//! short call, as a body may have thousands. Knows values; no layer.

use std::panic::Location;

use crate::build::{Builder, Value};
use crate::shape::Type;

/// The last operand of what is computed next, where the caller stands.
#[track_caller]
pub fn at(operand: Value<'_>) -> Value<'_> {
    operand.graph().line(Location::caller());
    operand
}

/// All operands of what is computed next, where the caller stands.
#[track_caller]
pub fn all<'v, 'g>(operands: &'v [Value<'g>]) -> &'v [Value<'g>] {
    if let Some(first) = operands.first() {
        first.graph().line(Location::caller());
    }
    operands
}

/// The graph, for what is computed next, where the caller stands.
#[track_caller]
pub fn on(g: &Builder) -> &Builder {
    g.line(Location::caller());
    g
}

/// Operators between values, and between a value and a number on either side.
macro_rules! operators {
    ($($operator:tt $both:ident $right_number:ident $left_number:ident;)*) => {$(
        #[doc = concat!("`left ", stringify!($operator), " right`, where the caller stands.")]
        #[track_caller]
        pub fn $both<'g>(left: Value<'g>, right: Value<'g>) -> Value<'g> {
            left $operator at(right)
        }

        #[doc = concat!("`left ", stringify!($operator), " right`, where the caller stands.")]
        #[track_caller]
        pub fn $right_number(left: Value<'_>, right: f64) -> Value<'_> {
            at(left) $operator right
        }

        #[doc = concat!("`left ", stringify!($operator), " right`, where the caller stands.")]
        #[track_caller]
        pub fn $left_number(left: f64, right: Value<'_>) -> Value<'_> {
            left $operator at(right)
        }
    )*};
}

operators! {
    + add add_number number_add;
    - sub sub_number number_sub;
    * mul mul_number number_mul;
    / div div_number number_div;
}

/// `left & right`, of bool values, where the caller stands.
#[track_caller]
pub fn and<'g>(left: Value<'g>, right: Value<'g>) -> Value<'g> {
    left & at(right)
}

/// `left | right`, of bool values, where the caller stands.
#[track_caller]
pub fn or<'g>(left: Value<'g>, right: Value<'g>) -> Value<'g> {
    left | at(right)
}

/// `-operand`, where the caller stands.
#[track_caller]
pub fn neg(operand: Value<'_>) -> Value<'_> {
    -at(operand)
}

/// `!operand`, of bool values, where the caller stands.
#[track_caller]
pub fn not(operand: Value<'_>) -> Value<'_> {
    !at(operand)
}

/// The number of the next round of a loop over types: behind the last one where a round has changed nothing.
pub const fn next_round(round: usize, before: &[Type], after: &[Type]) -> usize {
    let mut position = 0;
    while position < before.len() {
        if !before[position].same(&after[position]) {
            return round + 1;
        }
        position += 1;
    }
    usize::MAX
}

/// An element of an array over which a body loops. It asks nothing of its type, which is often not known before the end
/// of a body: rustc would ask again at each statement in between.
pub const fn element<T>(array: &[T], position: usize) -> &T {
    &array[position]
}
