//! What a function of another model is given, over types and over values: tensors, and numbers in their place or for
//! themselves. Knows no function.

use std::marker::PhantomData;

use crate::build::{Builder, Value};
use crate::shape::{DType, Message, Rounded, Shape, Type};
use crate::written::Number;

/// What stands for a tensor in [`Given`].
#[derive(Clone, Copy)]
pub struct Tensor;

/// An argument over types, of a function that takes `T` there: a tensor, or a number of the type `V`. A whole number that
/// is written is of the type that is taken.
#[derive(Clone, Copy)]
pub struct Given<T, V = T> {
    what: What<V>,
    is_float: bool,
    rounded: Rounded,
    taken: PhantomData<T>,
}

#[derive(Clone, Copy)]
enum What<V> {
    Tensor(Type),
    Number(V),
    Whole(i128),
}

/// What a function takes for an argument where a whole number may be written.
#[diagnostic::on_unimplemented(message = "expected a `{Self}`, and this is a whole number")]
pub trait TakesWhole: Copy {
    /// The type of that number.
    type Whole: Copy;
}

impl TakesWhole for Tensor {
    type Whole = i128;
}

impl Given<Tensor> {
    /// A tensor of this type.
    pub const fn a_tensor(ty: Type) -> Given<Tensor> {
        Given { what: What::Tensor(ty), is_float: true, rounded: Rounded::NOTHING, taken: PhantomData }
    }
}

impl<T: Copy, V: Number> Given<T, V> {
    /// A number, with what is found of the quotients in it.
    pub const fn a_number(value: V, rounded: Rounded) -> Given<T, V> {
        Given { what: What::Number(value), is_float: V::IS_FLOAT, rounded, taken: PhantomData }
    }
}

impl<T: TakesWhole> Given<T, T::Whole> {
    /// A whole number that is written, with what is found of the quotients in it.
    pub const fn a_whole(number: i128, rounded: Rounded) -> Given<T, T::Whole> {
        Given { what: What::Whole(number), is_float: false, rounded, taken: PhantomData }
    }
}

impl<V: Copy> Given<Tensor, V> {
    /// The tensor that a function takes for an argument, of these elements where they are declared: a number stands for one
    /// without axes.
    ///
    /// # Panics
    /// If it is a number where no tensor of numbers is declared, or one that Rust rounded, or too large for its elements; in a
    /// constant that is a compile error.
    #[track_caller]
    pub const fn tensor(self, function: &str, argument: &str, declared: Option<DType>) -> Type {
        let expected = match (self.what, declared) {
            (What::Tensor(ty), _) => return ty,
            (_, None) => "a tensor, and is a number here: a tensor without axes is `tensor(..)` of it",
            (_, Some(DType::I32)) if self.is_float => "a tensor of whole numbers, and has a fraction here",
            (_, Some(DType::Bool)) => "a mask, and is a number here: a mask without axes is `tensor(true)`",
            (What::Whole(number), Some(DType::I32)) if number != number as i32 as i128 => {
                "a tensor of i32, and this number is no i32: these are -2147483648 to 2147483647"
            }
            (_, Some(dtype)) => {
                if matches!(dtype, DType::F32) {
                    self.rounded.check();
                }
                return Type::new(dtype, Shape::SCALAR);
            }
        };
        refuse(function, argument, expected)
    }
}

#[track_caller]
const fn refuse(function: &str, argument: &str, expected: &str) -> ! {
    let message = Message::new().text("`").text(argument).text("` of `").text(function).text("` is ");
    panic!("{}", message.text(expected).as_str())
}

macro_rules! taken {
    ($($number:ident)*) => {$(
        impl TakesWhole for $number {
            type Whole = $number;
        }

        impl Given<$number> {
            /// The number that a function takes for an argument.
            ///
            /// # Panics
            /// If it is none of that type, or one that Rust rounded where it has fractions; in a constant that is a compile error.
            #[track_caller]
            pub const fn number(self, function: &str, argument: &str) -> $number {
                if <$number>::IS_FLOAT {
                    self.rounded.check();
                }
                match self.what {
                    What::Number(value) => value,
                    What::Whole(number) if <$number>::IS_FLOAT => number as $number,
                    // As a `u128` a negative number is one, too.
                    What::Whole(number)
                        if number == number as $number as i128 && (number >= 0 || <$number>::MIN as i128 != 0) =>
                    {
                        number as $number
                    }
                    What::Whole(_) | What::Tensor(_) => {
                        let expected = concat!("a `", stringify!($number), "`, and this number is none");
                        refuse(function, argument, expected)
                    }
                }
            }
        }
    )*};
}

taken! { f32 f64 i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize }

impl Given<bool> {
    /// The flag that a function takes for an argument.
    pub const fn number(self, function: &str, argument: &str) -> bool {
        match self.what {
            What::Number(value) => value,
            What::Whole(_) | What::Tensor(_) => refuse(function, argument, "`true` or `false`"),
        }
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
