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

/// Of a number that a body has a name for: the first quotient in it of whole numbers that leaves something, which Rust
/// rounds; and what to write instead.
#[derive(Clone, Copy)]
pub struct Rounded(Option<[&'static str; 2]>);

impl Rounded {
    /// There is none.
    pub const NOTHING: Rounded = Rounded(None);

    /// This one, or else the other.
    #[must_use]
    pub const fn or(self, other: Rounded) -> Rounded {
        if self.0.is_some() { self } else { other }
    }

    /// That there is none.
    ///
    /// # Panics
    /// If there is one; in a constant that is a compile error.
    #[track_caller]
    pub const fn check(self) {
        if let Some([text, instead]) = self.0 {
            let message =
                Message::new().text("`").text(text).text("` of whole numbers is rounded down in Rust: write `");
            panic!("{}", message.text(instead).text("`").as_str())
        }
    }
}

/// What is to be said of a quotient of whole numbers.
pub const fn quotient(text: &'static str, instead: &'static str, [left, right]: [i128; 2], is_float: bool) -> Rounded {
    Rounded(if !is_float && right != 0 && left % right != 0 { Some([text, instead]) } else { None })
}

/// What is to be said of a quotient of extents, which may be free: whether it leaves nothing whatever they will be.
pub const fn quotient_of_extents(text: &'static str, instead: &'static str, [left, right]: [usize; 2]) -> Rounded {
    let is_multiple = !extent::is_free(right) && matches!(extent::is_multiple(left, right), Some(true));
    Rounded(if right != 0 && left != right && !is_multiple { Some([text, instead]) } else { None })
}

/// That a power of whole numbers is one of them.
///
/// # Panics
/// If its exponent is negative or too large; in a constant that is a compile error.
#[track_caller]
pub const fn exponent(number: i128) -> u32 {
    if number < 0 {
        let message = Message::new().text("a whole number has no power of -").number(number.unsigned_abs() as usize);
        panic!("{}", message.text(": write `(base as f64).powi(..)`").as_str())
    }
    assert!(number <= u32::MAX as i128, "this exponent is too large for a power of whole numbers");
    number as u32
}

/// That a quotient of whole numbers, beside tensors, leaves nothing.
///
/// # Panics
/// If it does, as Rust rounds it; in a constant that is a compile error.
#[track_caller]
pub const fn check_quotient(text: &'static str, instead: &'static str, sides: [i128; 2], is_float: bool) {
    quotient(text, instead, sides, is_float).check();
}

/// [`check_quotient`] of extents, which may be free: it leaves nothing whatever they will be.
///
/// # Panics
/// If it may leave something.
#[track_caller]
pub const fn check_quotient_of_extents(text: &'static str, instead: &'static str, sides: [usize; 2]) {
    quotient_of_extents(text, instead, sides).check();
}

/// [`check_quotient`] of those in the number that a name stands for.
///
/// # Panics
/// If one of them leaves something.
#[track_caller]
pub const fn check_quotient_of_name(name: &str, found: Rounded) {
    if let Some([text, instead]) = found.0 {
        let message = Message::new().text("`").text(name).text("` is computed by `").text(text);
        let message = message.text("` of whole numbers, which is rounded down in Rust: write `");
        panic!("{}", message.text(instead).text("` there").as_str())
    }
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
