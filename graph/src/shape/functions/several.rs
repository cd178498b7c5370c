//! The shape rules of the functions that give several values: parts of an axis, an extreme and its index. They know
//! types; which value is which result, `crate::functions` knows.

use super::{known_axis, reduce_one};
use crate::shape::{DType, Shape, ShapeError, Type, extent, rules};

/// The largest number of values that one function gives.
pub const MAX_RESULTS: usize = 16;

/// The values of a function that gives several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types {
    list: [Type; MAX_RESULTS],
    count: usize,
}

impl Types {
    /// No values.
    pub(crate) const fn none() -> Types {
        Types { list: [Type::new(DType::F32, Shape::SCALAR); MAX_RESULTS], count: 0 }
    }

    /// With one more.
    pub(crate) const fn and(mut self, ty: Type) -> Types {
        self.list[self.count] = ty;
        self.count += 1;
        self
    }

    /// One tensor of f32.
    pub(crate) const fn one(shape: Shape) -> Types {
        Types::none().and(Type::new(DType::F32, shape))
    }

    /// Those of the inputs that are given.
    pub(crate) const fn given(inputs: &[Option<Type>]) -> Types {
        let mut types = Types::none();
        let mut position = 0;
        while position < inputs.len() {
            if let Some(ty) = inputs[position] {
                types = types.and(ty);
            }
            position += 1;
        }
        types
    }

    /// All of them, in order.
    pub const fn as_slice(&self) -> &[Type] {
        self.list.split_at(self.count).0
    }
}

/// The first of these types.
pub const fn first(types: Result<Types, ShapeError>, count: usize) -> Result<Types, ShapeError> {
    match types {
        Ok(types) if count < types.count => Ok(Types { count, ..types }),
        other => other,
    }
}

/// `chunks` parts of an axis of (but for the last one) equal extent; fewer if the extent is too small.
pub const fn chunk(op: &'static str, x: Type, chunks: usize, dim: isize) -> Result<Types, ShapeError> {
    let axis = ok!(known_axis(op, x.shape, dim));
    if chunks == 0 {
        return Err(ShapeError::Attribute { op, rule: "the number of chunks must be at least 1" });
    }
    let extent = x.shape.dim(axis);
    if let (true, Some(part), Some(true), true) = (
        extent::is_free(extent),
        extent::divided(extent, chunks),
        extent::is_multiple(extent, chunks),
        chunks <= MAX_RESULTS,
    ) {
        let mut types = Types::none();
        while types.count < chunks {
            types = types.and(Type::new(x.dtype, x.shape.with(axis, part)));
        }
        return Ok(types);
    }
    let size = ok!(rules::number(op, extent)).div_ceil(chunks);
    split(op, x, if size == 0 { 1 } else { size }, dim)
}

/// Parts of an axis of extent `size`, the last one with what is left.
pub const fn split(op: &'static str, x: Type, size: usize, dim: isize) -> Result<Types, ShapeError> {
    let axis = ok!(known_axis(op, x.shape, dim));
    if size == 0 {
        return Err(ShapeError::Attribute { op, rule: "the extent of a part must be at least 1" });
    }
    let extent = ok!(rules::number(op, x.shape.dim(axis)));
    if extent.div_ceil(size) > MAX_RESULTS {
        return Err(ShapeError::Attribute { op, rule: "at most 16 parts are possible" });
    }
    let mut types = Types::none();
    let mut start = 0;
    while start < extent {
        let part = if extent - start < size { extent - start } else { size };
        types = types.and(Type::new(x.dtype, x.shape.with(axis, part)));
        start += part;
    }
    Ok(types)
}

/// Parts of an axis of the given extents, which add up to its own.
pub const fn split_with_sizes(op: &'static str, x: Type, sizes: &[usize], dim: isize) -> Result<Types, ShapeError> {
    let axis = ok!(known_axis(op, x.shape, dim));
    if sizes.len() > MAX_RESULTS {
        return Err(ShapeError::Attribute { op, rule: "at most 16 parts are possible" });
    }
    let mut types = Types::none();
    let mut sum = 0usize;
    let mut part = 0;
    while part < sizes.len() {
        types = types.and(Type::new(x.dtype, x.shape.with(axis, sizes[part])));
        sum = ok!(rules::sum(op, sum, sizes[part]));
        part += 1;
    }
    if sum != x.shape.dim(axis) {
        return Err(ShapeError::Mismatch { op, left: x.shape, right: x.shape.with(axis, sum) });
    }
    Ok(types)
}

/// The extreme along an axis, and its i32 index.
pub const fn extreme(op: &'static str, x: Type, dim: isize, keepdim: bool) -> Result<Types, ShapeError> {
    let shape = ok!(reduce_one(op, x.shape, Some(dim), keepdim));
    Ok(Types::none().and(Type::new(x.dtype, shape)).and(Type::new(DType::I32, shape)))
}
