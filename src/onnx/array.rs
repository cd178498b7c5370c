//! An array of one of the types that inputs and outputs of a file's model have. It knows no files.

use kiln_graph::{DType, Elements};
use ndarray::ArrayD;

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
