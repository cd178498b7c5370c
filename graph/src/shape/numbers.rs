//! Numbers that stand for tensors without axes in a body, over types. Knows element types, and no operation.

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
