//! An array of one of the types that inputs and outputs of a file's model have. It knows no files.

use kiln_graph::{DType, Elements};
use ndarray::{ArrayD, Axis, concatenate};

/// An array of one of the types that inputs and outputs have. Whole numbers of all types of ONNX's are i32.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum OnnxArray {
    F32(ArrayD<f32>),
    I32(ArrayD<i32>),
    Bool(ArrayD<bool>),
}

impl OnnxArray {
    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.elements().dtype()
    }

    /// Its extents.
    pub fn shape(&self) -> &[usize] {
        match self {
            OnnxArray::F32(array) => array.shape(),
            OnnxArray::I32(array) => array.shape(),
            OnnxArray::Bool(array) => array.shape(),
        }
    }

    /// Its elements, as calls take them.
    pub fn elements(&self) -> Elements<'_> {
        match self {
            OnnxArray::F32(array) => Elements::F32(array.view()),
            OnnxArray::I32(array) => Elements::I32(array.view()),
            OnnxArray::Bool(array) => Elements::Bool(array.view()),
        }
    }

    /// Arrays of one type, and of one shape but for the first axis, one behind the other along that.
    pub(super) fn stacked(arrays: &[&OnnxArray]) -> OnnxArray {
        macro_rules! of_kind {
            ($kind:ident) => {{
                let mut views = Vec::with_capacity(arrays.len());
                for array in arrays {
                    if let OnnxArray::$kind(array) = array {
                        views.push(array.view());
                    }
                }
                OnnxArray::$kind(concatenate(Axis(0), &views).expect("what a program gives for its rows has one shape"))
            }};
        }
        match arrays[0] {
            OnnxArray::F32(_) => of_kind!(F32),
            OnnxArray::I32(_) => of_kind!(I32),
            OnnxArray::Bool(_) => of_kind!(Bool),
        }
    }

    /// Its elements as numbers, in row-major order: 1 where a flag holds.
    pub fn numbers(&self) -> Vec<f64> {
        match self {
            OnnxArray::F32(array) => array.iter().map(|&number| f64::from(number)).collect(),
            OnnxArray::I32(array) => array.iter().map(|&number| f64::from(number)).collect(),
            OnnxArray::Bool(array) => array.iter().map(|&holds| f64::from(u8::from(holds))).collect(),
        }
    }
}

/// Arrays of the types that there are.
macro_rules! arrays {
    ($($ty:ty, $kind:ident;)*) => {$(
        impl From<ArrayD<$ty>> for OnnxArray {
            fn from(array: ArrayD<$ty>) -> OnnxArray {
                OnnxArray::$kind(array)
            }
        }
    )*};
}

arrays! {
    f32, F32;
    i32, I32;
    bool, Bool;
}
