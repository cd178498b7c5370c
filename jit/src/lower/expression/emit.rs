//! Writes the terms of an [`Expression`] as vector operations of the kernel IR. It knows no loops: it is told the place
//! of lane 0 and how the lanes lie.

use kiln_graph::DType;
use kiln_graph::op::{BinaryOp, CompareOp, UnaryOp};

use super::{Affine, Expression, Store, Term, TermId};
use crate::kernel::{
    Access, BufferId, Compare, Convert, Float1, Float2, Index, Int2, KernelBuilder, Mask2, Operation, Value, ValueType,
};
use crate::lower::{math, random};

/// A vector of places of an iteration space.
#[derive(Clone, Debug)]
pub struct Point {
    /// The place of lane 0 along each axis.
    pub coordinates: Vec<Index>,
    /// How far the lanes are apart along each axis: 0 or 1, at most one of them 1.
    pub lanes: Vec<i64>,
    /// How many lanes count.
    pub active: usize,
}

impl Point {
    /// One place: all lanes hold the same.
    pub fn single(coordinates: Vec<Index>) -> Point {
        let lanes = vec![0; coordinates.len()];
        Point { coordinates, lanes, active: 1 }
    }

    /// `active` neighbours along one axis.
    pub fn along(axis: usize, coordinates: Vec<Index>, active: usize) -> Point {
        let mut point = Point { active, ..Point::single(coordinates) };
        point.lanes[axis] = 1;
        point
    }

    /// The index of lane 0, and the distance of the lanes.
    pub fn access(&self, affine: &Affine) -> (Index, i64) {
        let mut index = Index::at(affine.offset);
        let mut lanes = 0;
        for (axis, &stride) in affine.strides.iter().enumerate() {
            if stride != 0 {
                index.add_index(&self.coordinates[axis], stride);
                lanes += self.lanes[axis] * stride;
            }
        }
        (index, lanes)
    }
}

/// An expression inside a kernel: its arguments are the kernel's buffers, and values that were computed stay known.
#[derive(Clone, Debug)]
pub struct Evaluation<'a> {
    expression: &'a Expression,
    buffers: Vec<BufferId>,
    values: Vec<Option<Value>>,
}

impl<'a> Evaluation<'a> {
    /// Adds the expression's arguments to the kernel.
    pub fn new(expression: &'a Expression, kernel: &mut KernelBuilder) -> Evaluation<'a> {
        let buffers = expression
            .arguments
            .iter()
            .enumerate()
            .map(|(number, argument)| {
                let access = match (argument.read, argument.written) {
                    (_, false) => Access::Read,
                    (false, true) => Access::Write,
                    (true, true) => Access::ReadWrite,
                };
                kernel.buffer(format!("b{number}"), argument.element, argument.elements, access)
            })
            .collect();
        Evaluation { expression, buffers, values: vec![None; expression.terms.len()] }
    }

    /// The kernel's buffer of an argument.
    pub fn buffer(&self, argument: usize) -> BufferId {
        self.buffers[argument]
    }

    /// Computes what does not vary over the space, so that no loop computes it again.
    pub fn prepare(&mut self, kernel: &mut KernelBuilder, roots: impl IntoIterator<Item = TermId>) {
        self.prepare_within(kernel, roots, |_| false, &Point::single(vec![Index::default(); self.expression.rank()]));
    }

    /// Computes what varies along the axes in `known` at most, at the point's place.
    pub fn prepare_within(
        &mut self,
        kernel: &mut KernelBuilder,
        roots: impl IntoIterator<Item = TermId>,
        known: impl Fn(usize) -> bool,
        point: &Point,
    ) {
        let mut fixed = vec![false; self.expression.terms.len()];
        for id in self.expression.needed(roots) {
            let term = &self.expression.terms[id.index()];
            // A root's result belongs to the innermost place, though it has no strides that say so.
            let here = !matches!(term, Term::Root(_))
                && term.affine().is_none_or(|a| a.strides.iter().enumerate().all(|(axis, &s)| s == 0 || known(axis)));
            // Leaves decide, and users follow: in `scale * 2 + x[i]` the product is computed once, before the loop over
            // i.
            fixed[id.index()] = here && term.operands().iter().all(|operand| fixed[operand.index()]);
            if fixed[id.index()] {
                self.value(kernel, id, point, &[]);
            }
        }
    }

    /// The value of a term, all of whose needs are computed on the way; `roots` is what the kernel's roots have found.
    pub fn term(&mut self, kernel: &mut KernelBuilder, id: TermId, point: &Point, roots: &[Value]) -> Value {
        if let Some(value) = self.values[id.index()] {
            return value;
        }
        for needed in self.unknown(id) {
            self.value(kernel, needed, point, roots);
        }
        self.values[id.index()].expect("just computed")
    }

    /// What a term needs and is not known, itself included, in order.
    fn unknown(&self, id: TermId) -> Vec<TermId> {
        // Operands have smaller numbers than their users, so that one walk downwards finds all. It ends with the last
        // open one, as expressions are long and most of what a term needs is known.
        let mut asked = vec![false; id.index() + 1];
        asked[id.index()] = true;
        let mut unknown = Vec::new();
        let mut open = 1;
        let mut index = id.index() + 1;
        while open > 0 {
            index -= 1;
            if !asked[index] {
                continue;
            }
            open -= 1;
            unknown.push(TermId(index as u32));
            for operand in &self.expression.terms[index].operands() {
                let operand = operand.index();
                if self.values[operand].is_none() && !asked[operand] {
                    asked[operand] = true;
                    open += 1;
                }
            }
        }
        unknown.reverse();
        unknown
    }

    /// Computes and writes all that is stored, at a point. Nothing computed here is kept.
    pub fn store(&self, kernel: &mut KernelBuilder, point: &Point, roots: &[Value]) {
        let mut scope = self.clone();
        // `p' = p - lr * m'`, `m' = b * m + g`, both over their old values: with m' written first, a load of m would
        // find m'.
        // All is computed before anything is written: a store may hit what another term loads.
        let terms = self.expression.stores.iter().map(|store| self.stored(store));
        let values: Vec<Value> = terms.map(|term| scope.term(kernel, term, point, roots)).collect();
        for (store, &value) in self.expression.stores.iter().zip(&values) {
            let value = match kernel.ty(value) {
                ValueType::Mask => kernel.convert(Convert::MaskToI32, value),
                ValueType::F32 | ValueType::I32 => value,
            };
            let (index, lanes) = point.access(&store.access);
            let stride = if point.active == 1 { 1 } else { lanes };
            kernel.store(self.buffers[store.argument], index, stride, point.active, value);
        }
    }

    /// Where what is stored at a point goes: the last element in each tensor in which its lanes are neighbours.
    pub fn stores(&self, point: &Point) -> Vec<(BufferId, Index)> {
        let stores = self.expression.stores.iter().filter_map(|store| {
            let (index, lanes) = point.access(&store.access);
            let last = index.shifted(point.active as i64 - 1);
            (lanes == 1 || point.active == 1).then_some((self.buffers[store.argument], last))
        });
        stores.collect()
    }

    /// The term whose value is written: a store to bf16 rounds by itself.
    fn stored(&self, store: &Store) -> TermId {
        match self.expression.terms[store.term.index()] {
            Term::Convert(exact) if self.expression.types[store.term.index()] == DType::Bf16 => exact,
            _ => store.term,
        }
    }

    fn value(&mut self, kernel: &mut KernelBuilder, id: TermId, point: &Point, roots: &[Value]) {
        if self.values[id.index()].is_some() {
            return;
        }
        let dtype = self.expression.types[id.index()];
        let of = |id: TermId| self.values[id.index()].expect("operands come first");
        let value = match &self.expression.terms[id.index()] {
            Term::Load { argument, access } => {
                let (index, lanes) = point.access(access);
                let buffer = self.buffers[*argument];
                // An element that all lanes share is loaded once into all of them.
                let raw = match lanes {
                    0 => kernel.splat(buffer, index),
                    stride => kernel.push(Operation::Load { buffer, index, stride, active: point.active }),
                };
                if dtype == DType::Bool { kernel.convert(Convert::I32ToMask, raw) } else { raw }
            }
            Term::Constant(value) => match dtype {
                DType::F32 | DType::Bf16 => kernel.f32(value.0 as f32),
                DType::I32 | DType::U8 | DType::I8 => kernel.i32(value.0 as i32),
                DType::Bool => {
                    let raw = kernel.i32((value.0 != 0.0) as i32);
                    kernel.convert(Convert::I32ToMask, raw)
                }
            },
            Term::Position(affine) => position(kernel, point, affine),
            Term::Root(number) => roots[*number],
            Term::Random { seed, stream, step, first, position: affine } => {
                let step = of(*step);
                let mut at = position(kernel, point, affine);
                if let Some(first) = first {
                    at = kernel.int2(Int2::Add, at, of(*first));
                }
                random::uniform(kernel, *seed, *stream, step, at)
            }
            Term::Unary(function, a) => unary(kernel, *function, of(*a)),
            Term::Binary(function, a, b) => {
                let never_nan = |id: &TermId| match self.expression.terms[id.index()] {
                    Term::Constant(value) => !value.0.is_nan(),
                    _ => false,
                };
                match function {
                    // A bound that is a constant (`max(x, 0)`) is never NaN, which saves the comparison.
                    BinaryOp::Max if dtype == DType::F32 => {
                        extremum(kernel, Float2::Max, of(*a), of(*b), never_nan(a), never_nan(b))
                    }
                    BinaryOp::Min if dtype == DType::F32 => {
                        extremum(kernel, Float2::Min, of(*a), of(*b), never_nan(a), never_nan(b))
                    }
                    _ => binary(kernel, *function, dtype, of(*a), of(*b)),
                }
            }
            Term::Compare(function, a, b) => kernel.compare(comparison(*function), of(*a), of(*b)),
            Term::Select(condition, a, b) => select(kernel, of(*condition), of(*a), of(*b)),
            Term::Convert(a) => convert(kernel, self.expression.types[a.index()], dtype, of(*a)),
        };
        self.values[id.index()] = Some(value);
    }
}

/// An affine function of the place, in each lane.
fn position(kernel: &mut KernelBuilder, point: &Point, affine: &Affine) -> Value {
    let (index, lanes) = point.access(affine);
    let start = kernel.affine(index);
    if lanes == 0 {
        return start;
    }
    // position of lane i = position of lane 0 + i * stride
    let lane = kernel.push(Operation::Lane);
    let stride = kernel.i32(lanes as i32);
    let offset = if lanes == 1 { lane } else { kernel.int2(Int2::Mul, lane, stride) };
    kernel.int2(Int2::Add, start, offset)
}

/// The larger or smaller of two f32, NaN if either is.
///
/// The machine's instruction gives its second operand where either is NaN, so it is exact alone where the first operand
/// is never NaN.
pub fn extremum(
    kernel: &mut KernelBuilder,
    function: Float2,
    a: Value,
    b: Value,
    a_is_number: bool,
    b_is_number: bool,
) -> Value {
    if a_is_number {
        return kernel.float2(function, a, b);
    }
    let found = if b_is_number { kernel.float2(function, b, a) } else { kernel.float2(function, a, b) };
    if b_is_number {
        return found;
    }
    let nan = kernel.compare(Compare::Ne, a, a);
    kernel.select(nan, a, found)
}

fn unary(kernel: &mut KernelBuilder, function: UnaryOp, a: Value) -> Value {
    match function {
        UnaryOp::Neg => kernel.float1(Float1::Neg, a),
        UnaryOp::Abs => kernel.float1(Float1::Abs, a),
        UnaryOp::Sign => sign(kernel, a),
        UnaryOp::Exp => math::exp(kernel, a),
        UnaryOp::Expm1 => math::expm1(kernel, a),
        UnaryOp::Log => math::log(kernel, a),
        UnaryOp::Log1p => math::log1p(kernel, a),
        UnaryOp::Sqrt => kernel.float1(Float1::Sqrt, a),
        UnaryOp::Rsqrt => math::rsqrt(kernel, a),
        UnaryOp::Reciprocal => math::reciprocal(kernel, a),
        UnaryOp::Sin => math::sin(kernel, a),
        UnaryOp::Cos => math::cos(kernel, a),
        UnaryOp::Asin => math::asin(kernel, a),
        UnaryOp::Acos => math::acos(kernel, a),
        UnaryOp::Sinh => math::sinh(kernel, a),
        UnaryOp::Cosh => math::cosh(kernel, a),
        UnaryOp::Tanh => math::tanh(kernel, a),
        UnaryOp::Asinh => math::asinh(kernel, a),
        UnaryOp::Acosh => math::acosh(kernel, a),
        UnaryOp::Atanh => math::atanh(kernel, a),
        UnaryOp::Sigmoid => math::sigmoid(kernel, a),
        UnaryOp::Erf => math::erf(kernel, a),
        UnaryOp::Floor => kernel.float1(Float1::Floor, a),
        UnaryOp::Round => kernel.float1(Float1::Nearest, a),
        UnaryOp::Not => kernel.push(Operation::MaskNot(a)),
    }
}

/// 1, -1, or 0 where the operand is neither positive nor negative (a zero or NaN, as in PyTorch).
fn sign(kernel: &mut KernelBuilder, a: Value) -> Value {
    let (zero, one, minus) = (kernel.f32(0.0), kernel.f32(1.0), kernel.f32(-1.0));
    let positive = kernel.compare(Compare::Gt, a, zero);
    let negative = kernel.compare(Compare::Lt, a, zero);
    let rest = kernel.select(negative, minus, zero);
    kernel.select(positive, one, rest)
}

/// But for the larger and the smaller of f32, which know whether an operand may be NaN.
fn binary(kernel: &mut KernelBuilder, function: BinaryOp, dtype: DType, a: Value, b: Value) -> Value {
    let float = dtype == DType::F32;
    match function {
        BinaryOp::Add if float => kernel.add(a, b),
        BinaryOp::Sub if float => kernel.sub(a, b),
        BinaryOp::Mul if float => kernel.mul(a, b),
        BinaryOp::Add => kernel.int2(Int2::Add, a, b),
        BinaryOp::Sub => kernel.int2(Int2::Sub, a, b),
        BinaryOp::Mul => kernel.int2(Int2::Mul, a, b),
        BinaryOp::Max => kernel.int2(Int2::Max, a, b),
        BinaryOp::Min => kernel.int2(Int2::Min, a, b),
        BinaryOp::Div => kernel.div(a, b),
        BinaryOp::Pow => math::pow(kernel, a, b),
        BinaryOp::Atan2 => math::atan2(kernel, a, b),
        BinaryOp::And => kernel.push(Operation::Mask2(Mask2::And, a, b)),
        BinaryOp::Or => kernel.push(Operation::Mask2(Mask2::Or, a, b)),
    }
}

fn comparison(function: CompareOp) -> Compare {
    match function {
        CompareOp::Eq => Compare::Eq,
        CompareOp::Ne => Compare::Ne,
        CompareOp::Lt => Compare::Lt,
        CompareOp::Le => Compare::Le,
        CompareOp::Gt => Compare::Gt,
        CompareOp::Ge => Compare::Ge,
    }
}

/// `condition ? a : b`, of masks too.
fn select(kernel: &mut KernelBuilder, condition: Value, a: Value, b: Value) -> Value {
    match kernel.ty(a) {
        ValueType::F32 | ValueType::I32 => kernel.select(condition, a, b),
        ValueType::Mask => {
            // Selections are of vectors of numbers alone. Of masks: (c and a) or (not c and b).
            let yes = kernel.push(Operation::Mask2(Mask2::And, condition, a));
            let not = kernel.push(Operation::MaskNot(condition));
            let no = kernel.push(Operation::Mask2(Mask2::And, not, b));
            kernel.push(Operation::Mask2(Mask2::Or, yes, no))
        }
    }
}

/// An i32 as the nearest number of 8 bits, which is an i32 in a register.
fn saturate(kernel: &mut KernelBuilder, to: DType, a: Value) -> Value {
    let (least, greatest) = if to == DType::U8 { (0, 255) } else { (-128, 127) };
    let [least, greatest] = [least, greatest].map(|bound| kernel.i32(bound));
    let a = kernel.int2(Int2::Max, a, least);
    kernel.int2(Int2::Min, a, greatest)
}

fn convert(kernel: &mut KernelBuilder, from: DType, to: DType, a: Value) -> Value {
    match (from, to) {
        // In a register a number of 8 bits is the i32 that it stands for.
        (DType::U8 | DType::I8, _) if from == to => a,
        (DType::U8 | DType::I8, DType::I32) => a,
        (DType::U8 | DType::I8, DType::F32) => kernel.convert(Convert::ToF32, a),
        (DType::I32, DType::U8 | DType::I8) => saturate(kernel, to, a),
        (DType::F32, DType::U8 | DType::I8) => {
            let whole = kernel.convert(Convert::Truncate, a);
            saturate(kernel, to, whole)
        }
        (DType::U8 | DType::I8, _) | (_, DType::U8 | DType::I8) => {
            unreachable!("what has 8 bits comes from numbers and becomes one")
        }
        (DType::F32, DType::F32) | (DType::I32, DType::I32) | (DType::Bool, DType::Bool) => a,
        // In a register a bf16 is the f32 that it stands for.
        (DType::Bf16, DType::Bf16 | DType::F32) => a,
        (DType::F32, DType::Bf16) => kernel.float1(Float1::Bf16, a),
        (DType::Bf16, DType::I32 | DType::Bool) | (DType::I32 | DType::Bool, DType::Bf16) => {
            unreachable!("bf16 comes from f32 and becomes f32")
        }
        (DType::F32, DType::I32) => kernel.convert(Convert::Truncate, a),
        (DType::I32, DType::F32) => kernel.convert(Convert::ToF32, a),
        (DType::Bool, DType::I32) => kernel.convert(Convert::MaskToI32, a),
        (DType::I32, DType::Bool) => kernel.convert(Convert::I32ToMask, a),
        (DType::Bool, DType::F32) => {
            let (one, zero) = (kernel.f32(1.0), kernel.f32(0.0));
            kernel.select(a, one, zero)
        }
        (DType::F32, DType::Bool) => {
            let zero = kernel.f32(0.0);
            kernel.compare(Compare::Ne, a, zero)
        }
    }
}
