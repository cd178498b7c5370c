//! The values of the interpreter: arrays of the element types, and the places of elements. It knows element types and
//! row-major places, and no operation.

use ndarray::{ArrayD, IxDyn};

use crate::bf16::Bf16;
use crate::graph::Type;
use crate::shape::{DType, Shape};

/// A type that stands for f32 elements in an evaluation. All arithmetic is done in f64 and rounded to it, which for
/// single operations of f32 gives the same bits as f32 arithmetic.
pub trait Real: Copy + PartialEq + PartialOrd + std::fmt::Debug + 'static {
    /// The nearest value.
    fn from_f64(x: f64) -> Self;

    /// The same value.
    fn to_f64(self) -> f64;
}

impl Real for f32 {
    fn from_f64(x: f64) -> f32 {
        x as f32
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn from_f64(x: f64) -> f64 {
        x
    }

    fn to_f64(self) -> f64 {
        self
    }
}

/// A value of a graph: an array of the element type that stands for the graph's.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor<T> {
    /// Of f32 values.
    F(ArrayD<T>),
    /// Of bf16 values.
    H(ArrayD<Bf16>),
    /// Of i32 values.
    I(ArrayD<i32>),
    /// Of u8 values.
    U(ArrayD<u8>),
    /// Of i8 values.
    S(ArrayD<i8>),
    /// Of bool values.
    B(ArrayD<bool>),
}

impl<T: Real> Tensor<T> {
    /// An f32 tensor of numbers in row-major order, each rounded to the nearest `T`.
    ///
    /// # Panics
    /// If there are not as many numbers as the shape has elements; so do the other constructors.
    pub fn floats(shape: impl Into<Shape>, values: impl IntoIterator<Item = f64>) -> Tensor<T> {
        Tensor::F(array(shape.into(), values.into_iter().map(T::from_f64).collect()))
    }

    /// A bf16 tensor of numbers in row-major order, each rounded to the nearest f32 and then to the nearest bf16.
    pub fn halves(shape: impl Into<Shape>, values: impl IntoIterator<Item = f64>) -> Tensor<T> {
        Tensor::H(array(shape.into(), values.into_iter().map(|x| Bf16::nearest(x as f32)).collect()))
    }

    /// An i32 tensor of numbers in row-major order.
    pub fn ints(shape: impl Into<Shape>, values: impl IntoIterator<Item = i32>) -> Tensor<T> {
        Tensor::I(array(shape.into(), values.into_iter().collect()))
    }

    /// A tensor of u8 or i8 of numbers in row-major order, each truncated to the nearest in range; NaN is 0.
    pub fn bytes(dtype: DType, shape: impl Into<Shape>, values: impl IntoIterator<Item = f64>) -> Tensor<T> {
        match dtype {
            DType::U8 => Tensor::U(array(shape.into(), values.into_iter().map(|x| x as u8).collect())),
            DType::I8 => Tensor::S(array(shape.into(), values.into_iter().map(|x| x as i8).collect())),
            DType::F32 | DType::Bf16 | DType::I32 | DType::Bool => unreachable!("numbers of 8 bits"),
        }
    }

    /// A bool tensor of truth values in row-major order.
    pub fn bools(shape: impl Into<Shape>, values: impl IntoIterator<Item = bool>) -> Tensor<T> {
        Tensor::B(array(shape.into(), values.into_iter().collect()))
    }

    /// The element type and shape.
    pub fn ty(&self) -> Type {
        let (dtype, extents) = match self {
            Tensor::F(a) => (DType::F32, a.shape()),
            Tensor::H(a) => (DType::Bf16, a.shape()),
            Tensor::I(a) => (DType::I32, a.shape()),
            Tensor::U(a) => (DType::U8, a.shape()),
            Tensor::S(a) => (DType::I8, a.shape()),
            Tensor::B(a) => (DType::Bool, a.shape()),
        };
        Type { dtype, shape: Shape::from(extents) }
    }

    /// The elements in row-major order as f64; true is 1.
    pub fn to_f64(&self) -> Vec<f64> {
        match self {
            Tensor::F(a) => a.iter().map(|x| x.to_f64()).collect(),
            Tensor::H(a) => a.iter().map(|&x| f64::from(f32::from(x))).collect(),
            Tensor::I(a) => a.iter().map(|&x| f64::from(x)).collect(),
            Tensor::U(a) => a.iter().map(|&x| f64::from(x)).collect(),
            Tensor::S(a) => a.iter().map(|&x| f64::from(x)).collect(),
            Tensor::B(a) => a.iter().map(|&x| f64::from(u8::from(x))).collect(),
        }
    }

    /// This tensor with its elements in row-major order in memory, as the evaluations expect them.
    pub(super) fn to_row_major(&self) -> Tensor<T> {
        match self {
            Tensor::F(a) => Tensor::F(a.as_standard_layout().into_owned()),
            Tensor::H(a) => Tensor::H(a.as_standard_layout().into_owned()),
            Tensor::I(a) => Tensor::I(a.as_standard_layout().into_owned()),
            Tensor::U(a) => Tensor::U(a.as_standard_layout().into_owned()),
            Tensor::S(a) => Tensor::S(a.as_standard_layout().into_owned()),
            Tensor::B(a) => Tensor::B(a.as_standard_layout().into_owned()),
        }
    }

    /// The elements of an f32 tensor.
    pub(crate) fn as_floats(&self) -> &[T] {
        match self {
            Tensor::F(a) => elements(a),
            _ => unreachable!("a verified graph has f32 here"),
        }
    }

    /// The elements of a bf16 tensor.
    pub(crate) fn as_halves(&self) -> &[Bf16] {
        match self {
            Tensor::H(a) => elements(a),
            _ => unreachable!("a verified graph has bf16 here"),
        }
    }

    /// The elements of an i32 tensor.
    pub(crate) fn as_ints(&self) -> &[i32] {
        match self {
            Tensor::I(a) => elements(a),
            _ => unreachable!("a verified graph has i32 here"),
        }
    }

    /// The elements of a bool tensor.
    pub(crate) fn as_bools(&self) -> &[bool] {
        match self {
            Tensor::B(a) => elements(a),
            _ => unreachable!("a verified graph has bool here"),
        }
    }

    /// The elements of a u8 tensor.
    fn as_unsigned(&self) -> &[u8] {
        match self {
            Tensor::U(a) => elements(a),
            _ => unreachable!("a verified graph has u8 here"),
        }
    }

    /// The elements of an i8 tensor.
    fn as_signed(&self) -> &[i8] {
        match self {
            Tensor::S(a) => elements(a),
            _ => unreachable!("a verified graph has i8 here"),
        }
    }

    /// The tensor whose elements are those of the operands, taken as one list, at the given places. The operands have
    /// one element type.
    pub(crate) fn pick(operands: &[&Tensor<T>], shape: Shape, places: &[usize]) -> Tensor<T> {
        // Plain loops here and in `places`, for the time of debug builds.
        fn chosen<T, E: Copy>(
            of: fn(&Tensor<T>) -> &[E],
            operands: &[&Tensor<T>],
            shape: Shape,
            places: &[usize],
        ) -> ArrayD<E> {
            let mut list: Vec<E> = Vec::new();
            for operand in operands {
                list.extend_from_slice(of(operand));
            }
            let (list, mut chosen) = (list.as_slice(), Vec::with_capacity(places.len()));
            for &place in places {
                chosen.push(list[place]);
            }
            array(shape, chosen)
        }
        match operands[0] {
            Tensor::F(_) => Tensor::F(chosen(Tensor::as_floats, operands, shape, places)),
            Tensor::H(_) => Tensor::H(chosen(Tensor::as_halves, operands, shape, places)),
            Tensor::I(_) => Tensor::I(chosen(Tensor::as_ints, operands, shape, places)),
            Tensor::U(_) => Tensor::U(chosen(Tensor::as_unsigned, operands, shape, places)),
            Tensor::S(_) => Tensor::S(chosen(Tensor::as_signed, operands, shape, places)),
            Tensor::B(_) => Tensor::B(chosen(Tensor::as_bools, operands, shape, places)),
        }
    }
}

fn array<E>(shape: Shape, values: Vec<E>) -> ArrayD<E> {
    ArrayD::from_shape_vec(IxDyn(shape.dims()), values).expect("as many elements as the shape has")
}

fn elements<E>(a: &ArrayD<E>) -> &[E] {
    a.as_slice().expect("every value of the interpreter is in row-major order")
}

/// The distance in memory between neighbours along each axis, in row-major order.
pub(crate) fn strides(shape: Shape) -> Vec<isize> {
    let mut strides = vec![1; shape.rank()];
    for axis in (1..shape.rank()).rev() {
        strides[axis - 1] = strides[axis] * shape.dim(axis) as isize;
    }
    strides
}

/// `start + sum of index[axis] * strides[axis]` for each index of the shape in row-major order.
pub(crate) fn places(shape: Shape, start: usize, strides: &[isize]) -> Vec<usize> {
    let mut places = vec![start];
    for (&extent, &stride) in shape.dims().iter().zip(strides) {
        let mut inner = Vec::with_capacity(places.len() * extent);
        for mut place in places {
            let mut number = 0;
            while number < extent {
                inner.push(place);
                place = place.wrapping_add_signed(stride);
                number += 1;
            }
        }
        places = inner;
    }
    places
}
