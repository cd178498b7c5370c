//! The element types of files, and how their numbers become those that a program asks for. It knows neither shapes nor
//! formats.

use super::half::{F16, bfloat16};

/// An element type of a file's tensors; it prints as safetensors names it: `F32`, `BF16`, `BOOL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Element {
    /// Floats of 16 bits, IEEE 754's binary16.
    F16,
    /// Floats of 16 bits, the first half of an f32.
    BF16,
    /// Floats of 32 bits.
    F32,
    /// Floats of 64 bits.
    F64,
    /// Whole numbers of 8 bits.
    I8,
    /// Whole numbers of 16 bits.
    I16,
    /// Whole numbers of 32 bits.
    I32,
    /// Whole numbers of 64 bits.
    I64,
    /// Whole numbers of 8 bits, none negative.
    U8,
    /// Whole numbers of 16 bits, none negative.
    U16,
    /// Whole numbers of 32 bits, none negative.
    U32,
    /// Whole numbers of 64 bits, none negative.
    U64,
    /// 0 or 1, in 8 bits.
    Bool,
    /// One that is known by its name and its bytes, and not read: complex numbers, quantized ones, floats of 8 bits.
    Other(&'static str, usize),
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The order of a number's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    /// A number's bytes, the lowest first.
    fn little<const W: usize>(self, mut word: [u8; W]) -> [u8; W] {
        if self == Order::Big {
            word.reverse();
        }
        word
    }
}

/// A number on its way from one type to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    Whole(i128),
    Real(f64),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Whole(number) => write!(f, "{number}"),
            Scalar::Real(number) => write!(f, "{number}"),
        }
    }
}

/// A number that the type asked for does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Misfit {
    /// Where it stands, counted in elements.
    pub place: usize,
    /// What it is.
    pub found: Scalar,
}

impl Element {
    /// Bytes of a number; 0 where they are not whole ones.
    pub fn width(self) -> usize {
        match self {
            Element::I8 | Element::U8 | Element::Bool => 1,
            Element::F16 | Element::BF16 | Element::I16 | Element::U16 => 2,
            Element::F32 | Element::I32 | Element::U32 => 4,
            Element::F64 | Element::I64 | Element::U64 => 8,
            Element::Other(_, width) => width,
        }
    }

    /// As safetensors names it.
    pub fn name(self) -> &'static str {
        match self {
            Element::F16 => "F16",
            Element::BF16 => "BF16",
            Element::F32 => "F32",
            Element::F64 => "F64",
            Element::I8 => "I8",
            Element::I16 => "I16",
            Element::I32 => "I32",
            Element::I64 => "I64",
            Element::U8 => "U8",
            Element::U16 => "U16",
            Element::U32 => "U32",
            Element::U64 => "U64",
            Element::Bool => "BOOL",
            Element::Other(name, _) => name,
        }
    }

    /// Whether its numbers are floats that are read: not [`Element::Other`].
    pub fn is_float(self) -> bool {
        matches!(self, Element::F16 | Element::BF16 | Element::F32 | Element::F64)
    }

    /// Appends the numbers in these bytes as those of another type. There are none of [`Element::Other`].
    pub(crate) fn append<T: Number>(self, bytes: &[u8], order: Order, numbers: &mut Vec<T>) -> Result<(), Misfit> {
        if self == T::ELEMENT {
            T::same(bytes, order, numbers);
            return Ok(());
        }
        let whole = |number: i128| Scalar::Whole(number);
        match self {
            Element::F16 => {
                each(bytes, order, numbers, |word| Scalar::Real(F16::from_bits(u16::from_le_bytes(word)).into()))
            }
            Element::BF16 => {
                each(bytes, order, numbers, |word| Scalar::Real(bfloat16(u16::from_le_bytes(word)).into()))
            }
            Element::F32 => each(bytes, order, numbers, |word| Scalar::Real(f32::from_le_bytes(word).into())),
            Element::F64 => each(bytes, order, numbers, |word| Scalar::Real(f64::from_le_bytes(word))),
            Element::I8 => each(bytes, order, numbers, |word| whole(i8::from_le_bytes(word).into())),
            Element::I16 => each(bytes, order, numbers, |word| whole(i16::from_le_bytes(word).into())),
            Element::I32 => each(bytes, order, numbers, |word| whole(i32::from_le_bytes(word).into())),
            Element::I64 => each(bytes, order, numbers, |word| whole(i64::from_le_bytes(word).into())),
            Element::U8 => each(bytes, order, numbers, |word| whole(u8::from_le_bytes(word).into())),
            Element::U16 => each(bytes, order, numbers, |word| whole(u16::from_le_bytes(word).into())),
            Element::U32 => each(bytes, order, numbers, |word| whole(u32::from_le_bytes(word).into())),
            Element::U64 => each(bytes, order, numbers, |word| whole(u64::from_le_bytes(word).into())),
            Element::Bool => each(bytes, order, numbers, |[byte]| whole((byte != 0).into())),
            Element::Other(..) => Ok(()),
        }
    }
}

fn each<T: Number, const W: usize>(
    bytes: &[u8],
    order: Order,
    numbers: &mut Vec<T>,
    scalar: impl Fn([u8; W]) -> Scalar,
) -> Result<(), Misfit> {
    for (place, &word) in bytes.as_chunks::<W>().0.iter().enumerate() {
        let found = scalar(order.little(word));
        numbers.push(T::of(found).ok_or(Misfit { place, found })?);
    }
    Ok(())
}

/// A type of numbers that files of arrays are read as and written from: `f32`, `f64`, [`F16`], `i8` to `i64`, `u8` to `u64` and
/// `bool`.
///
/// A file may hold another type than is asked for. Numbers become floats as by NumPy's `astype`: the nearest is taken. What
/// is no whole number, or beyond the range of an integer type, is an error; so is what is neither 0 nor 1 where `bool` is asked
/// for.
pub trait Number: Sealed {}

/// What [`Number`] is made of: only the types here have it.
pub trait Sealed: Copy {
    const ELEMENT: Element;

    /// Rust's name of the type.
    const NAME: &'static str;

    /// The number, if there is one of this type.
    fn of(scalar: Scalar) -> Option<Self>;

    /// Appends numbers of this very type.
    fn same(bytes: &[u8], order: Order, numbers: &mut Vec<Self>);

    /// Its bytes, the lowest first.
    fn append(self, bytes: &mut Vec<u8>);
}

/// Appends numbers with the bits that they have in the file.
fn words<T, const W: usize>(bytes: &[u8], order: Order, numbers: &mut Vec<T>, number: impl Fn([u8; W]) -> T) {
    let words = bytes.as_chunks::<W>().0;
    match order {
        Order::Little => numbers.extend(words.iter().map(|&word| number(word))),
        Order::Big => numbers.extend(words.iter().map(|&word| number(order.little(word)))),
    }
}

macro_rules! numbers {
    ($($ty:ty, $element:ident, $scalar:pat => $number:expr;)*) => {$(
        impl Number for $ty {}

        impl Sealed for $ty {
            const ELEMENT: Element = Element::$element;
            const NAME: &'static str = stringify!($ty);

            fn of(scalar: Scalar) -> Option<Self> {
                let $scalar = scalar;
                $number
            }

            fn same(bytes: &[u8], order: Order, numbers: &mut Vec<Self>) {
                words(bytes, order, numbers, <$ty>::from_le_bytes)
            }

            fn append(self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }
        }
    )*};
}

numbers! {
    f32, F32, scalar => Some(real(scalar) as f32);
    f64, F64, scalar => Some(real(scalar));
    i8, I8, scalar => whole(scalar)?.try_into().ok();
    i16, I16, scalar => whole(scalar)?.try_into().ok();
    i32, I32, scalar => whole(scalar)?.try_into().ok();
    i64, I64, scalar => whole(scalar)?.try_into().ok();
    u8, U8, scalar => whole(scalar)?.try_into().ok();
    u16, U16, scalar => whole(scalar)?.try_into().ok();
    u32, U32, scalar => whole(scalar)?.try_into().ok();
    u64, U64, scalar => whole(scalar)?.try_into().ok();
}

impl Number for bool {}

impl Sealed for bool {
    const ELEMENT: Element = Element::Bool;
    const NAME: &'static str = "bool";

    fn of(scalar: Scalar) -> Option<bool> {
        [false, true].get(usize::try_from(whole(scalar)?).ok()?).copied()
    }

    fn same(bytes: &[u8], order: Order, numbers: &mut Vec<Self>) {
        words(bytes, order, numbers, |[byte]| byte != 0)
    }

    fn append(self, bytes: &mut Vec<u8>) {
        bytes.push(self.into());
    }
}

impl Number for F16 {}

impl Sealed for F16 {
    const ELEMENT: Element = Element::F16;
    const NAME: &'static str = "F16";

    fn of(scalar: Scalar) -> Option<F16> {
        Some(real(scalar).into())
    }

    fn same(bytes: &[u8], order: Order, numbers: &mut Vec<Self>) {
        words(bytes, order, numbers, |word| F16::from_bits(u16::from_le_bytes(word)))
    }

    fn append(self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_bits().to_le_bytes());
    }
}

fn real(scalar: Scalar) -> f64 {
    match scalar {
        Scalar::Whole(number) => number as f64,
        Scalar::Real(number) => number,
    }
}

/// The whole number that it is, if it is one.
fn whole(scalar: Scalar) -> Option<i128> {
    match scalar {
        Scalar::Whole(number) => Some(number),
        // All whole numbers of an f64 below 2^64 are some of i128.
        Scalar::Real(number) if number.fract() == 0.0 && number.abs() < 2e19 => Some(number as i128),
        Scalar::Real(_) => None,
    }
}
