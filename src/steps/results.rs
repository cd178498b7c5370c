//! What the methods of a trainer give back: the Rust type of each result, chosen by rustc from the result's type in the
//! graph, and reading it after a run. Knows sessions, and no program.
//!
//! | in the program | in Rust |
//! | --- | --- |
//! | `[]`: a loss, a sum, a count | `f32`, `i32` or `bool` |
//! | `[N, ..]` and any other tensor | `ArrayD<f32>`, `ArrayD<i32>` or `ArrayD<bool>` |
//!
//! Where batches have shards, a tensor with rows is that of this rank's rows: of all of its shards, in order.

use kiln_graph::shape::{Message, Sizes};
use kiln_graph::{DType, Type};
use kiln_jit::Session;
use ndarray::{ArrayD, Axis, concatenate};

use crate::trainer::{Shards, TrainError};

/// The results of a call, by their positions in the declaration.
pub struct Results<'t> {
    pub(super) program: &'static str,
    /// The program that ran; of several shards' that of the last one.
    pub(super) session: &'t Session,
    /// All of them, for a batch of such sizes.
    pub(super) shards: Option<&'t Shards>,
    pub(super) sizes: Sizes,
    /// Of each result the axis of rows, where it has one.
    pub(super) axes: &'t [Option<usize>],
}

impl Results<'_> {
    /// A result; a tensor is in row-major order.
    ///
    /// # Errors
    /// [`TrainError::StepResult`] if there is no such result, or it is of another type.
    pub fn get<R: ResultValue>(&self, result: usize) -> Result<R, TrainError> {
        let (program, expected) = (self.program, R::NAME);
        let Some(output) = self.session.program().plan().outputs.get(result) else {
            return Err(TrainError::StepResult { program, result: result.to_string(), expected, found: "nothing" });
        };
        let found = name(output.ty);
        if found != expected {
            return Err(TrainError::StepResult { program, result: output.name.clone(), expected, found });
        }
        Ok(R::read(self, result))
    }

    /// A tensor, as `read` has it of one program: of several shards one behind the other.
    fn tensor<T: Clone>(&self, result: usize, read: impl Fn(&Session) -> ArrayD<T>) -> ArrayD<T> {
        let (Some(shards), Some(&Some(axis))) = (self.shards, self.axes.get(result)) else { return read(self.session) };
        let parts: Vec<ArrayD<T>> = shards.sessions(self.program, &self.sizes).map(&read).collect();
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        // Without a shard that has rows, none.
        concatenate(Axis(axis), &views).unwrap_or_else(|_| {
            let mut none = read(self.session);
            none.slice_axis_inplace(Axis(axis), (0..0).into());
            none
        })
    }
}

/// A Rust type in which a result of a program is given.
pub trait ResultValue: private::Read {}

impl<R: private::Read> ResultValue for R {}

mod private {
    /// How results of a type are read.
    pub trait Read: Sized {
        /// The type's name, as [`super::name`] gives it.
        const NAME: &'static str;

        /// Reads a result of this type.
        fn read(results: &super::Results<'_>, result: usize) -> Self;
    }
}

/// The type in Rust that a value of the graph has as a result.
const fn name(ty: Type) -> &'static str {
    match (ty.dtype, ty.shape.rank()) {
        (DType::F32, 0) => "f32",
        (DType::I32, 0) => "i32",
        (DType::Bool, 0) => "bool",
        (DType::F32, _) => "ArrayD<f32>",
        (DType::Bf16 | DType::U8 | DType::I8, _) => panic!("no result of a step is narrow"),
        (DType::I32, _) => "ArrayD<i32>",
        (DType::Bool, _) => "ArrayD<bool>",
    }
}

/// Stands for the type in Rust with this number, which [`kind`] gives; the macro writes `<Kind<{ .. }> as Returned>::Type`
/// where it can not see what a result is.
pub struct Kind<const NUMBER: u8>;

/// The number of the type in Rust that a value of the graph has as a result.
pub const fn kind(ty: Type) -> u8 {
    let of_arrays = match ty.dtype {
        DType::F32 => 0,
        DType::Bf16 | DType::U8 | DType::I8 => panic!("no result of a step is narrow"),
        DType::I32 => 2,
        DType::Bool => 4,
    };
    of_arrays + (ty.shape.rank() == 0) as u8
}

/// The type in Rust that a [`Kind`] stands for.
pub trait Returned {
    /// The type.
    type Type: ResultValue;
}

/// The compile-time check that a result is what a method says: always so for what rustc has found, as long as a model's
/// const parameters do not decide what its results hold.
///
/// # Panics
/// If it is of another type; in a constant that is a compile error.
#[track_caller]
pub const fn check_result<R: ResultValue>(result: &str, found: Type) {
    let (expected, actual) = (R::NAME.as_bytes(), name(found).as_bytes());
    let mut same = expected.len() == actual.len();
    let mut byte = 0;
    while same && byte < expected.len() {
        same = expected[byte] == actual[byte];
        byte += 1;
    }
    if !same {
        let message = Message::new().text("the result ").text(result).text(" is given as ").text(R::NAME);
        let message = message.text(", but is ").text(name(found)).text(" for these const parameters: they may change ");
        let message = message.text("extents, but neither the elements nor whether a result is a scalar");
        panic!("{}", message.as_str())
    }
}

macro_rules! results {
    ($($number:literal $name:literal $ty:ty, |$results:ident, $result:ident| $read:expr;)*) => {
        $(
            impl Returned for Kind<$number> {
                type Type = $ty;
            }

            impl private::Read for $ty {
                const NAME: &'static str = $name;

                fn read($results: &Results<'_>, $result: usize) -> $ty {
                    $read
                }
            }
        )*
    };
}

results! {
    0 "ArrayD<f32>" ArrayD<f32>, |results, result| {
        results.tensor(result, |session| session.output(result).as_standard_layout().into_owned())
    };
    1 "f32" f32, |results, result| results.session.scalar(result);
    2 "ArrayD<i32>" ArrayD<i32>, |results, result| {
        results.tensor(result, |session| session.output_i32(result).as_standard_layout().into_owned())
    };
    3 "i32" i32, |results, result| results.session.output_i32(result).sum();
    4 "ArrayD<bool>" ArrayD<bool>, |results, result| {
        results.tensor(result, |session| session.output_i32(result).as_standard_layout().mapv(|flag| flag != 0))
    };
    5 "bool" bool, |results, result| results.session.output_i32(result).sum() != 0;
}

#[cfg(test)]
mod tests {
    use kiln_graph::Shape;

    use super::*;

    #[test]
    fn each_type_is_that_of_its_number() {
        fn check<const NUMBER: u8>(dtype: DType)
        where
            Kind<NUMBER>: Returned,
        {
            let ranks: &[&[usize]] = if NUMBER % 2 == 1 { &[&[]] } else { &[&[Shape::N], &[1], &[0, 3, 1]] };
            for extents in ranks {
                let ty = Type::new(dtype, Shape::new(extents));
                assert_eq!(kind(ty), NUMBER, "{ty}");
                check_result::<<Kind<NUMBER> as Returned>::Type>("x", ty);
            }
        }
        check::<0>(DType::F32);
        check::<1>(DType::F32);
        check::<2>(DType::I32);
        check::<3>(DType::I32);
        check::<4>(DType::Bool);
        check::<5>(DType::Bool);
    }
}
