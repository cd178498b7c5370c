//! Element types and shapes: plain values, usable in constants, so that one rule serves the
//! compile-time checks of the macros and the run-time builder. Knows no operation.

mod checks;
pub mod error;
pub mod extent;
pub mod functions;
mod list;
pub mod losses;
mod message;
mod numbers;
pub mod real;
pub mod rules;
mod sizes;

use std::fmt;
use std::hash::{Hash, Hasher};

pub use checks::{
    check_argument, check_call, check_elementwise, check_extents, check_index, check_inputs, check_layer, check_one,
    check_optimizer, check_output, check_outputs, check_parameter, check_rate, check_rate_type, check_rows,
    check_scalar, check_several, check_sizes, check_taken, check_two, check_types, fail, only,
};
pub use error::ShapeError;
pub use list::{List, MAX_LIST, Shapes, check_element, check_list, check_push, check_put, check_repeated};
pub use message::Message;
pub use numbers::{
    Rounded, check_number, check_quotient, check_quotient_of_extents, check_quotient_of_name, check_step, element_of,
    exponent, quotient, quotient_of_extents, steps,
};
pub use sizes::{MAX_FREE, Misfit, Sizes};

/// The largest extent of an axis: an i32 is to index it.
pub const MAX_EXTENT: usize = i32::MAX as usize;

/// The largest number of elements of a tensor: what is above is more than any memory holds.
pub const MAX_ELEMENTS: usize = 1 << 44;

/// The largest number of axes of a tensor.
pub const MAX_RANK: usize = 8;

/// The element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE binary32; the interpreter may evaluate it in f64.
    F32,
    /// The upper half of an f32 ([`Bf16`](crate::Bf16)): operands of contractions and what lies in memory between
    /// kernels. A value of it is an f32 that [`Op::Convert`](crate::op::Op::Convert) has rounded, or a movement of one;
    /// it is read by movements, conversions to f32 and contractions. Neither models nor files declare it.
    Bf16,
    /// Indices and class labels.
    I32,
    /// 0 to 255: activations of quantized networks, the one operand of contractions whose sums are i32.
    /// [`Op::Convert`](crate::op::Op::Convert) makes it of numbers; it is read by movements, conversions to f32 and i32,
    /// and contractions with [`DType::I8`]. Only states, programs' own, are declared with it.
    U8,
    /// -128 to 127: weights of quantized networks, the other operand. Otherwise as [`DType::U8`].
    I8,
    /// Results of comparisons.
    Bool,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 6] = [DType::F32, DType::Bf16, DType::I32, DType::U8, DType::I8, DType::Bool];

    /// The name used in text: `f32`, `bf16`, `i32`, `u8`, `i8`, `bool`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::Bf16 => "bf16",
            DType::I32 => "i32",
            DType::U8 => "u8",
            DType::I8 => "i8",
            DType::Bool => "bool",
        }
    }

    /// Whether it is one of the types of 8 bits whose products are added up as i32.
    pub const fn is_byte(self) -> bool {
        matches!(self, DType::U8 | DType::I8)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The extents of a tensor's axes, outermost first; at most [`MAX_RANK`] of them.
///
/// In a graph every extent is a number. In the compile-time checks the batch axis is [`Shape::N`],
/// which prints as `N`, and others may be free, which print by their names: see [`extent`].
#[derive(Clone, Copy)]
pub struct Shape {
    rank: u8,
    dims: [usize; MAX_RANK],
}

impl Shape {
    /// The extent that stands for "the batch size, whatever it will be" in compile-time checks.
    pub const N: usize = usize::MAX;

    /// The extent that stands for "what is left", PyTorch's `-1`, where a reshape takes a shape.
    pub const INFERRED: usize = usize::MAX - 1;

    /// The shape of a scalar.
    pub const SCALAR: Shape = Shape { rank: 0, dims: [0; MAX_RANK] };

    /// A shape of the given extents.
    ///
    /// # Panics
    /// With more than [`MAX_RANK`] extents.
    #[track_caller]
    pub const fn new(extents: &[usize]) -> Shape {
        assert!(extents.len() <= MAX_RANK, "a tensor has at most 8 axes");
        let mut dims = [0; MAX_RANK];
        let mut axis = 0;
        while axis < extents.len() {
            dims[axis] = extents[axis];
            axis += 1;
        }
        Shape { rank: extents.len() as u8, dims }
    }

    /// The number of axes.
    pub const fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The extents, outermost first.
    pub const fn dims(&self) -> &[usize] {
        // By patterns: without optimization a range of a slice is several calls, and all ask for extents.
        match (self.rank, &self.dims) {
            (0, _) => &[],
            (1, [dims @ .., _, _, _, _, _, _, _]) => dims,
            (2, [dims @ .., _, _, _, _, _, _]) => dims,
            (3, [dims @ .., _, _, _, _, _]) => dims,
            (4, [dims @ .., _, _, _, _]) => dims,
            (5, [dims @ .., _, _, _]) => dims,
            (6, [dims @ .., _, _]) => dims,
            (7, [dims @ .., _]) => dims,
            (_, dims) => dims,
        }
    }

    /// The extent of one axis.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub const fn dim(&self, axis: usize) -> usize {
        assert!(axis < self.rank as usize, "no such axis");
        self.dims[axis]
    }

    /// The number of elements; 1 for a scalar.
    pub const fn elements(&self) -> usize {
        let mut product = 1;
        let mut axis = 0;
        while axis < self.rank as usize {
            product *= self.dims[axis];
            axis += 1;
        }
        product
    }

    /// The number of elements per index of the axes before `first`; `None` if one of the axes is [`Shape::N`], or more
    /// than one is free.
    pub const fn elements_from(&self, first: usize) -> Option<usize> {
        let mut product = 1usize;
        let mut axis = first;
        while axis < self.rank as usize {
            let extent = self.dims[axis];
            product = if extent == Shape::N {
                return None;
            } else if extent::is_free(product) || extent::is_free(extent) {
                match extent::times(product, extent) {
                    Some(product) => product,
                    None => return None,
                }
            } else {
                product.saturating_mul(extent)
            };
            axis += 1;
        }
        Some(product)
    }

    /// This shape with one axis set to another extent.
    #[track_caller]
    pub const fn with(mut self, axis: usize, extent: usize) -> Shape {
        assert!(axis < self.rank as usize, "no such axis");
        self.dims[axis] = extent;
        self
    }

    /// This shape with an axis of the given extent put before `axis`.
    #[track_caller]
    pub const fn insert(self, axis: usize, extent: usize) -> Shape {
        assert!(axis <= self.rank as usize && (self.rank as usize) < MAX_RANK, "no place for an axis");
        let mut dims = [0; MAX_RANK];
        let mut from = 0;
        let mut to = 0;
        while to <= self.rank as usize {
            if to == axis {
                dims[to] = extent;
            } else {
                dims[to] = self.dims[from];
                from += 1;
            }
            to += 1;
        }
        Shape { rank: self.rank + 1, dims }
    }

    /// This shape without one axis.
    #[track_caller]
    pub const fn remove(self, axis: usize) -> Shape {
        assert!(axis < self.rank as usize, "no such axis");
        let mut dims = [0; MAX_RANK];
        let mut from = 0;
        let mut to = 0;
        while from < self.rank as usize {
            if from != axis {
                dims[to] = self.dims[from];
                to += 1;
            }
            from += 1;
        }
        Shape { rank: self.rank - 1, dims }
    }

    /// Whether both shapes have the same extents.
    pub const fn same(&self, other: &Shape) -> bool {
        if self.rank != other.rank {
            return false;
        }
        let mut axis = 0;
        while axis < self.rank as usize {
            if self.dims[axis] != other.dims[axis] {
                return false;
            }
            axis += 1;
        }
        true
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Shape) -> bool {
        self.same(other)
    }
}

impl Eq for Shape {}

impl Hash for Shape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.dims().hash(state);
    }
}

impl<const R: usize> From<[usize; R]> for Shape {
    fn from(extents: [usize; R]) -> Shape {
        Shape::new(&extents)
    }
}

impl From<&[usize]> for Shape {
    fn from(extents: &[usize]) -> Shape {
        Shape::new(extents)
    }
}

/// `[64, 1, 28, 28]`, the symbolic batch axis as `N`; `[]` for a scalar.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (axis, &extent) in self.dims().iter().enumerate() {
            if axis > 0 {
                f.write_str(", ")?;
            }
            match extent {
                Shape::N => f.write_str("N")?,
                Shape::INFERRED => f.write_str("-1")?,
                extent => f.write_str(Message::new().number(extent).as_str())?,
            }
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The type of a value: its element type and its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// The element type.
    pub dtype: DType,
    /// The extents.
    pub shape: Shape,
}

impl Type {
    /// A tensor of an element type; usable in constants.
    pub const fn new(dtype: DType, shape: Shape) -> Type {
        Type { dtype, shape }
    }

    /// The extent of an axis, which may count from the end: PyTorch's `x.size(1)`.
    ///
    /// # Panics
    /// If there is no such axis, or if it is the batch axis of a compile-time check, whose extent is not known.
    #[track_caller]
    pub const fn size(self, axis: isize) -> usize {
        match rules::axis("size", axis, &self.shape) {
            Ok(axis) if self.shape.dim(axis) == Shape::N => {
                panic!("the batch size is not known while the model compiles: write `x.size(0)` or `N`")
            }
            Ok(axis) => self.shape.dim(axis),
            Err(error) => panic!("{}", error.message().as_str()),
        }
    }

    /// That there are so many axes, which are taken apart.
    ///
    /// # Panics
    /// If there are more or fewer; in a constant that is a compile error.
    #[track_caller]
    pub const fn of_axes(self, count: usize) {
        if self.shape.rank() != count {
            let message =
                Message::new().text("the sizes of all axes are ").number(self.shape.rank()).text(" numbers, not ");
            panic!("{}", message.number(count).text(": it has shape ").shape(&self.shape).as_str())
        }
    }

    /// The shape, as [`Value`](crate::Value) gives it.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The extent of an axis as a number of a body, of the batch axis, too; else as [`Type::size`].
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub const fn size_of_any(self, axis: isize) -> usize {
        match rules::axis("size", axis, &self.shape) {
            Ok(axis) => extent::arithmetic::batch(self.shape.dim(axis)),
            Err(error) => panic!("{}", error.message().as_str()),
        }
    }

    /// Whether both have the same element type and the same extents.
    pub const fn same(&self, other: &Type) -> bool {
        self.dtype as u8 == other.dtype as u8 && self.shape.same(&other.shape)
    }

    /// An f32 tensor.
    pub fn f32(shape: impl Into<Shape>) -> Type {
        Type { dtype: DType::F32, shape: shape.into() }
    }

    /// An i32 tensor.
    pub fn i32(shape: impl Into<Shape>) -> Type {
        Type { dtype: DType::I32, shape: shape.into() }
    }

    /// A bool tensor.
    pub fn bool(shape: impl Into<Shape>) -> Type {
        Type { dtype: DType::Bool, shape: shape.into() }
    }
}

/// `f32[64,10]`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (axis, extent) in self.shape.dims().iter().enumerate() {
            write!(f, "{}{}", if axis == 0 { "" } else { "," }, Message::new().number(*extent).as_str())?;
        }
        f.write_str("]")
    }
}
