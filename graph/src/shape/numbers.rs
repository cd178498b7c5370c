//! Numbers of a body, over types: those that stand for tensors without axes, and those that loops count. Knows element
//! types, and no operation.

use super::{DType, Message, Shape, Type};

/// The element type of the input of a model that has this place among them; f32 where there is none, which is said
/// where they are counted.
pub const fn element_of(inputs: &[Type], position: usize) -> DType {
    if position < inputs.len() { inputs[position].dtype } else { DType::F32 }
}

/// The type of a number as a tensor of these elements.
///
/// # Panics
/// If it is none of them; in a constant that is a compile error.
#[track_caller]
pub const fn check_number(dtype: DType, number: f64) -> Type {
    let expected = match dtype {
        DType::I32 if number != number as i32 as f64 => "a whole number of i32",
        DType::Bool if number != 0.0 && number != 1.0 => "`true` or `false`",
        _ => return Type::new(dtype, Shape::SCALAR),
    };
    panic!("{}", Message::new().text("expected ").text(expected).text(", and this is another number").as_str())
}

/// How many numbers `(start..end).step_by(step)` has.
///
/// # Panics
/// For a step of 0 or below; in a constant that is a compile error.
#[track_caller]
pub const fn steps(start: i64, end: i64, step: i64) -> usize {
    check_step(step);
    if end <= start { 0 } else { ((end - start) as usize).div_ceil(step as usize) }
}

/// That a loop comes to its end.
///
/// # Panics
/// For a step of 0 or below; in a constant that is a compile error.
#[track_caller]
pub const fn check_step(step: i64) {
    assert!(step > 0, "the step of a loop, `.step_by(..)`, is at least 1; `.rev()` counts down");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_have_the_rounds_of_rust() {
        for (start, end, step) in [(0, 8, 2), (0, 7, 2), (1, 8, 3), (8, 4, 2), (4, 4, 1), (0, 3, 8), (-5, 8, 3)] {
            let expected = (start..end).step_by(step).count();
            assert_eq!(steps(start, end, step as i64), expected, "({start}..{end}).step_by({step})");
        }
        for step in [0, -1] {
            assert!(std::panic::catch_unwind(|| steps(0, 8, step)).is_err(), "{step}");
        }
    }
}
