//! What the statements of a body become, for the macros: each function here takes note of the user's line and is one
//! short call, as a body may have thousands. Knows values; no layer.

mod constant;

use std::panic::Location;

use crate::build::{Builder, Value};
use crate::shape::functions::{self, Elements};
use crate::shape::{DType, Type};

pub use constant::{Constant, Numbers, Taken, constant, taken, type_of};

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

/// The operands of a function that are to hold the same elements, which they do afterwards: see [`Elements`]. Beside them
/// may stand a number of a type that has fractions.
#[track_caller]
pub fn alike<'g, const K: usize>(is_float: bool, operands: [(Elements, Value<'g>); K]) -> [Value<'g>; K] {
    let types = operands.map(|(taken, operand)| (taken.beside(is_float), operand.ty()));
    let common = match types.as_slice() {
        [(taken, ty)] => functions::element("", *taken, *ty),
        _ => functions::elements("", &types),
    };
    match common {
        Ok(common) if types.iter().any(|(_, ty)| ty.dtype != common) => {
            operands.map(|(_, operand)| at(operand).convert(common))
        }
        // What does not fit is refused where it is computed.
        _ => operands.map(|(_, operand)| operand),
    }
}

/// The tensors of a list, of one type where they are put together.
#[track_caller]
pub fn all_alike<'g>(list: &[Value<'g>]) -> Vec<Value<'g>> {
    let types: Vec<(Elements, Type)> = list.iter().map(|value| (Elements::Alike, value.ty())).collect();
    match functions::elements("", &types) {
        Ok(common) => {
            list.iter().map(|value| if value.dtype() == common { *value } else { at(*value).convert(common) }).collect()
        }
        Err(_) => list.to_vec(),
    }
}

/// A number that a body computes with, as Rust has it.
pub trait Number: Copy {
    /// Whether it may have a fraction.
    const IS_FLOAT: bool;

    /// Itself with its fraction.
    fn real(self) -> f64;

    /// Itself as a whole number.
    fn whole(self) -> i128;

    /// The number of this type which is this one, with its fraction or whole.
    fn of(real: f64, whole: i128) -> Self;
}

macro_rules! numbers {
    ($is_float:literal: $($number:ty)*) => {$(
        impl Number for $number {
            const IS_FLOAT: bool = $is_float;

            fn real(self) -> f64 {
                self as f64
            }

            fn whole(self) -> i128 {
                self as i128
            }

            fn of(real: f64, whole: i128) -> $number {
                if $is_float { real as $number } else { whole as $number }
            }
        }
    )*};
}

/// A condition, which counts as 0 or 1.
impl Number for bool {
    const IS_FLOAT: bool = false;

    fn real(self) -> f64 {
        f64::from(u8::from(self))
    }

    fn whole(self) -> i128 {
        i128::from(self)
    }

    fn of(_: f64, whole: i128) -> bool {
        whole != 0
    }
}

numbers! { true: f32 f64 }
numbers! { false: i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize }

/// Whether a number is of a type that has fractions.
pub const fn is_float<T: Number>(_number: T) -> bool {
    T::IS_FLOAT
}

/// [`is_float`] of what a closure would give, which is not called: in a constant it could not be.
pub const fn is_float_of<T: Number, F: Fn() -> T>(_number: &F) -> bool {
    T::IS_FLOAT
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
    let operand = at(operand);
    if operand.dtype() == DType::I32 { 0 - operand } else { -operand }
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
