//! Constants of the user's that stand for tensors: numbers, flags, and arrays of such, which say by their type what
//! they are. It knows no other tensors.

use super::on;
use crate::build::{Builder, Value};
use crate::shape::{DType, MAX_RANK, Message, Shape, Type};

/// The most numbers that a body holds as one tensor: each is a node of the graph.
const MAX_NUMBERS: usize = 256;

/// A constant that stands for a tensor.
#[diagnostic::on_unimplemented(message = "`tensor` takes numbers, flags, and arrays of these, and this is a `{Self}`")]
pub trait Constant: Numbers {
    /// Whole numbers are i32, those with fractions f32.
    const TYPE: Type;
}

/// The numbers of such a constant.
pub trait Numbers {
    /// Its elements, behind one another.
    fn push_to(&self, elements: &mut Vec<f64>);
}

/// A constant that is taken as a tensor: its type and its elements. Both walks over a body take it in the same words, so that
/// rustc says once what is none.
#[derive(Clone, Copy)]
pub struct Taken<'c> {
    ty: Type,
    elements: &'c dyn Numbers,
}

macro_rules! constants {
    ($dtype:ident, $value:ident => $number:expr; $($ty:ty)*) => {$(
        impl Constant for $ty {
            const TYPE: Type = Type::new(DType::$dtype, Shape::SCALAR);
        }

        impl Numbers for $ty {
            fn push_to(&self, elements: &mut Vec<f64>) {
                let $value = *self;
                elements.push($number);
            }
        }
    )*};
}

constants! { F32, value => f64::from(value); f32 }
constants! { F32, value => value; f64 }
constants! { I32, value => value as f64; i8 i16 i32 i64 isize u8 u16 u32 u64 usize }
constants! { Bool, value => f64::from(u8::from(value)); bool }

impl<T: Constant, const K: usize> Constant for [T; K] {
    const TYPE: Type = Type::new(T::TYPE.dtype, rows(K, T::TYPE.shape));
}

impl<T: Numbers, const K: usize> Numbers for [T; K] {
    fn push_to(&self, elements: &mut Vec<f64>) {
        self.iter().for_each(|element| element.push_to(elements));
    }
}

/// The shape of so many rows.
const fn rows(count: usize, row: Shape) -> Shape {
    assert!(row.rank() < MAX_RANK, "this constant has more axes than a tensor may have");
    assert!(count > 0, "a tensor has at least one element");
    row.insert(0, count)
}

/// A constant, as what follows takes it.
pub const fn taken<T: Constant>(constant: &T) -> Taken<'_> {
    Taken { ty: T::TYPE, elements: constant }
}

/// The type of a constant as a tensor.
///
/// # Panics
/// If these are too many numbers; in a constant that is a compile error.
#[track_caller]
pub const fn type_of(Taken { ty, .. }: Taken<'_>) -> Type {
    let count = ty.shape.elements();
    if count > MAX_NUMBERS {
        let message =
            Message::new().text("`tensor` holds at most ").number(MAX_NUMBERS).text(" numbers, and these are ");
        let message = message.number(count).text(": take them as an input, as in `t: ");
        panic!("{}", message.shape(&ty.shape).text("`").as_str())
    }
    ty
}

/// A constant as a tensor, where the caller stands.
#[track_caller]
pub fn constant<'g>(g: &'g Builder, taken: Taken<'_>) -> Value<'g> {
    let Type { dtype, shape } = taken.ty;
    on(g);
    let mut elements = Vec::new();
    taken.elements.push_to(&mut elements);
    let elements: Vec<Value<'g>> = elements.into_iter().map(|element| g.scalar_of(dtype, element)).collect();
    if let ([one], 0) = (elements.as_slice(), shape.rank()) {
        return *one;
    }
    crate::functions::stack(&elements, 0).reshape(shape)
}
