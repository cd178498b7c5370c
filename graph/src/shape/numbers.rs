//! Numbers of a body, over types: those that stand for tensors without axes, and those that loops count. Knows element
//! types, and no operation.

use super::{DType, Message, Shape, Type, extent};

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

/// That a quotient of whole numbers, beside tensors, leaves nothing.
///
/// # Panics
/// If it does, as Rust rounds it; in a constant that is a compile error.
#[track_caller]
pub const fn check_quotient(text: &str, instead: &str, [left, right]: [i128; 2], is_float: bool) {
    if !is_float && right != 0 && left % right != 0 {
        rounded(text, instead)
    }
}

/// [`check_quotient`] of extents, which may be free: it leaves nothing whatever they will be.
///
/// # Panics
/// If it may leave something.
#[track_caller]
pub const fn check_quotient_of_extents(text: &str, instead: &str, [left, right]: [usize; 2]) {
    let is_multiple = !extent::is_free(right) && matches!(extent::is_multiple(left, right), Some(true));
    if right != 0 && left != right && !is_multiple {
        rounded(text, instead)
    }
}

#[track_caller]
const fn rounded(text: &str, instead: &str) -> ! {
    let message = Message::new().text("`").text(text).text("` of whole numbers is rounded down in Rust: write `");
    panic!("{}", message.text(instead).text("`").as_str())
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
    fn quotients_leave_nothing() {
        for (sides, is_float, fits) in [
            ([4, 2], false, true),
            ([1, 4], false, false),
            ([1, 4], true, true),
            ([-7, 7], false, true),
            ([1, 0], false, true),
        ] {
            let check = || check_quotient("l / r", "l as f64 / r as f64", sides, is_float);
            assert_eq!(std::panic::catch_unwind(check).is_ok(), fits, "{sides:?}");
        }
    }

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
