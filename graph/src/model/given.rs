//! What a function of another model is given, over types and over values: tensors, and numbers in their place or for
//! themselves. Knows no function.

use crate::build::{Builder, Value};
use crate::shape::{DType, Message, Rounded, Shape, Type};
use crate::written::Number;

/// What stands for a tensor in [`Given`].
#[derive(Clone, Copy)]
pub struct Tensor;

/// An argument over types: a tensor, or a number of this type.
#[derive(Clone, Copy)]
pub struct Given<T> {
    /// Of a tensor.
    ty: Option<Type>,
    is_float: bool,
    /// Of a number.
    rounded: Rounded,
    /// The number.
    pub value: T,
}

impl Given<Tensor> {
    /// A tensor of this type.
    pub const fn a_tensor(ty: Type) -> Given<Tensor> {
        Given { ty: Some(ty), is_float: true, rounded: Rounded::NOTHING, value: Tensor }
    }
}

impl<T: Number> Given<T> {
    /// A number.
    pub const fn a_number(value: T) -> Given<T> {
        Given { ty: None, is_float: T::IS_FLOAT, rounded: Rounded::NOTHING, value }
    }

    /// The number, in which this was found of the quotients.
    pub const fn rounded(self, rounded: Rounded) -> Given<T> {
        Given { rounded, ..self }
    }
}

impl<T: Copy> Given<T> {
    /// The tensor that a function takes for an argument, of these elements where they are declared: a number stands for one
    /// without axes.
    ///
    /// # Panics
    /// If it is a number where no tensor of numbers is declared, or one that Rust rounds; in a constant that is a compile
    /// error.
    #[track_caller]
    pub const fn tensor(self, function: &str, argument: &str, declared: Option<DType>) -> Type {
        let expected = match (self.ty, declared) {
            (Some(ty), _) => return ty,
            (None, None) => "a tensor, and is a number here: a tensor without axes is `tensor(..)` of it",
            (None, Some(DType::I32)) if self.is_float => "a tensor of whole numbers, and has a fraction here",
            (None, Some(DType::Bool)) => "a mask, and is a number here: a mask without axes is `tensor(true)`",
            (None, Some(dtype)) => {
                self.rounded.check();
                return Type::new(dtype, Shape::SCALAR);
            }
        };
        let message = Message::new().text("`").text(argument).text("` of `").text(function).text("` is ");
        panic!("{}", message.text(expected).as_str())
    }
}

/// An argument over values.
#[derive(Clone, Copy)]
pub enum Argument<'g> {
    /// A tensor.
    Tensor(Value<'g>),
    /// A number, also as a whole one.
    Number(f64, i128),
}

impl<'g> Argument<'g> {
    /// The tensor that a function takes, of these elements where it is given as a number.
    #[track_caller]
    pub fn tensor(self, g: &'g Builder, dtype: DType) -> Value<'g> {
        match self {
            Argument::Tensor(value) => value,
            Argument::Number(number, _) => super::number(g, dtype, number),
        }
    }

    /// The number that a function takes.
    pub fn number<T: Number>(self) -> T {
        match self {
            Argument::Number(real, whole) => T::of(real, whole),
            Argument::Tensor(_) => unreachable!("over types a tensor is no number"),
        }
    }
}

impl<'g> From<Value<'g>> for Argument<'g> {
    fn from(value: Value<'g>) -> Argument<'g> {
        Argument::Tensor(value)
    }
}

/// A number as an argument.
pub fn given_number<'g, T: Number>(number: T) -> Argument<'g> {
    Argument::Number(number.real(), number.whole())
}
