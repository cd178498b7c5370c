//! The kernel IR: structured loops over affine indices, loop-carried vector values and straight-line
//! bodies of vector operations in SSA form. Data only: it knows no graph, no target and no emitter.
//!
//! Every value is a vector of [`Kernel::lanes`] lanes of 32 bits; only in memory is an element shorter. Every extent is
//! static, so every access is checked to lie inside its buffer before a kernel is emitted (`kernel/check.rs`).

mod ahead;
mod build;
mod check;
mod disjoint;
mod interpret;
mod iterations;
mod pairs;
mod parse;
mod print;
mod quads;
pub mod tiles;
mod visit;

pub use ahead::Lines;
pub use build::KernelBuilder;
pub use check::{KernelError, Violation};
pub use disjoint::{Dependence, Origin, Reason};
pub(crate) use disjoint::{Footprints, RowFootprints, apart_rows};
pub use interpret::{Slice, interpret, interpret_words};
pub use iterations::{Move, Moving, origins};
pub use parse::{ParseError, parse, parse_all};

use kiln_graph::Few;
pub use tiles::{Factors, Tile, TileShape, TileStatement};

/// One function: a grid of independent tasks over buffers.
///
/// The emitted function runs the tasks `begin..end` of the grid, in order. Where tasks are proved to be disjoint
/// ([`Kernel::disjoint`]), any split of the grid over threads gives the same bits; others run on one thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// For people: prints, profiles, symbol names.
    pub name: String,
    /// The number of lanes of every value: 1, 4, 8 or 16.
    pub lanes: usize,
    /// The arguments.
    pub buffers: Vec<Buffer>,
    /// The shapes of the tile registers, in most kernels none.
    pub tiles: Vec<TileShape>,
    /// Extents of the parallel dimensions, row-major; dimension `d` is loop variable `d`. Empty: one task.
    pub grid: Vec<usize>,
    /// What one task does.
    pub body: Vec<Statement>,
    /// The type of each value, indexed by [`Value`].
    pub values: Vec<ValueType>,
    /// The number of loop variables, the grid's included.
    pub variables: u32,
}

/// An argument: a place in memory that the caller provides, aligned to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// For people.
    pub name: String,
    /// The element type.
    pub element: Element,
    /// The number of elements that may be touched.
    pub elements: usize,
    /// What the kernel does to it.
    pub access: Access,
}

/// The element type of a buffer. Booleans are stored as i32 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Element {
    F32,
    I32,
    /// The upper 16 bits of an f32. What is loaded is an f32, exactly; a store of an f32 rounds ([`Bf16::nearest`](kiln_graph::Bf16::nearest)).
    Bf16,
    /// 0 to 255. What is loaded is an i32; a store of an i32 keeps the low 8 bits.
    U8,
    /// -128 to 127. What is loaded is an i32; a store of an i32 keeps the low 8 bits.
    I8,
    /// Four neighbouring u8, the first one in the low bits, as the bits of an i32.
    U8x4,
    /// Four neighbouring i8, likewise.
    I8x4,
}

impl Element {
    /// Bytes of an element in memory.
    pub const fn bytes(self) -> usize {
        match self {
            Element::F32 | Element::I32 | Element::U8x4 | Element::I8x4 => 4,
            Element::Bf16 => 2,
            Element::U8 | Element::I8 => 1,
        }
    }

    /// The type of the values that are loaded from such a buffer, and stored to it.
    pub const fn value_type(self) -> ValueType {
        match self {
            Element::F32 | Element::Bf16 => ValueType::F32,
            Element::I32 | Element::U8 | Element::I8 | Element::U8x4 | Element::I8x4 => ValueType::I32,
        }
    }

    /// Whether an element has 8 bits.
    pub const fn is_byte(self) -> bool {
        matches!(self, Element::U8 | Element::I8)
    }

    /// Four bytes as one element; others as they are.
    pub const fn four(self) -> Element {
        match self {
            Element::U8 => Element::U8x4,
            Element::I8 => Element::I8x4,
            other => other,
        }
    }
}

/// What a kernel does to a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Access {
    Read,
    Write,
    ReadWrite,
}

/// The type of a value: `lanes` lanes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ValueType {
    F32,
    I32,
    Mask,
}

/// An SSA value; prints as `%3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

/// A loop variable; prints as `i3`. The first ones are the grid's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variable(pub u32);

/// A buffer, by its position in [`Kernel::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

/// A position in a buffer, in elements: `offset + sum of variable * stride (+ row * stride)`.
#[derive(Debug, PartialEq, Eq, Hash, Default)]
pub struct Index {
    /// The constant part; may be negative where the terms make up for it.
    pub offset: i64,
    /// Loop variables with their strides; each variable at most once.
    pub terms: Few<(Variable, i64), 3>,
    /// A position that is known only at run time.
    pub row: Option<Row>,
}

/// In one piece: kernels are full of these.
impl Clone for Index {
    fn clone(&self) -> Index {
        Index { terms: Few::from_slice(&self.terms), ..*self }
    }
}

/// A run-time part of an index: lane 0 of an i32 value, clamped to `0..extent`, times `stride`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The value whose lane 0 counts.
    pub value: Value,
    /// The number of rows: the value is clamped to `0..extent`.
    pub extent: u32,
    /// Elements from row to row.
    pub stride: i64,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Statement {
    /// Defines a value.
    Let(Value, Operation),
    /// Writes the first `active` lanes of a value, `stride` elements apart (1: contiguous).
    Store {
        /// Where.
        buffer: BufferId,
        /// The place of lane 0.
        index: Index,
        /// Distance of the lanes, in elements.
        stride: i64,
        /// How many lanes are written, 1 to `lanes`.
        active: usize,
        /// What.
        value: Value,
    },
    /// Asks for the line of a place that is needed soon, or written, from beyond the second-level cache. It changes nothing but the
    /// time, and the place need not lie inside the buffer; a row is not allowed.
    Prefetch {
        /// Where.
        buffer: BufferId,
        /// The place.
        index: Index,
    },
    /// Changes a tile register, or stores it.
    Tile(TileStatement),
    /// A counted loop.
    For(Loop),
}

/// `for variable in 0..extent`, with values carried from iteration to iteration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Loop {
    /// The loop variable.
    pub variable: Variable,
    /// The number of iterations, at least 1.
    pub extent: usize,
    /// A mask: the only iteration is left out where none of its lanes holds, and the results are the initial values. It saves the time of
    /// what is rarely needed; none in most loops.
    pub guard: Option<Value>,
    /// The carried values.
    pub carried: Vec<Carried>,
    /// What an iteration does.
    pub body: Vec<Statement>,
}

/// A value carried through a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Carried {
    /// The value before the first iteration, defined outside.
    pub initial: Value,
    /// The value at the start of an iteration; defined by the loop, seen in its body.
    pub current: Value,
    /// The value at the end of an iteration: defined in the body (or `current` itself, or from outside).
    pub next: Value,
    /// The value after the last iteration; defined by the loop, seen after it.
    pub result: Value,
}

/// What computes a value. Operands are values of the stated type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The same f32 in every lane.
    ConstantF32(Constant),
    /// The same i32 in every lane.
    ConstantI32(i32),
    /// An affine expression of loop variables in every lane, as i32 (`row` is not allowed).
    Affine(Index),
    /// i32 `0, 1, 2, ..`: the number of the lane.
    Lane,
    /// The first `active` lanes from memory, `stride` elements apart (1: contiguous); the other lanes are 0.
    Load {
        /// Where.
        buffer: BufferId,
        /// The place of lane 0.
        index: Index,
        /// Distance of the lanes, in elements.
        stride: i64,
        /// How many lanes are read, 1 to `lanes`.
        active: usize,
    },
    /// The first `active` lanes as pairs: of a buffer of bf16, each element and the one behind it, which is the upper half of
    /// the i32. The lanes are `stride` elements apart (2: contiguous; 0: one pair for all); the other lanes are 0.
    LoadPairs {
        /// Where.
        buffer: BufferId,
        /// The place of lane 0's even element.
        index: Index,
        /// Distance of the lanes, in elements.
        stride: i64,
        /// How many lanes are read, 1 to `lanes`.
        active: usize,
    },
    /// One element from memory in every lane.
    Splat {
        /// Where.
        buffer: BufferId,
        /// Which element.
        index: Index,
    },
    /// The first `active` lanes from memory, each `places` (its own lane of an i32) elements from an index; the other lanes
    /// are 0. The places are bounded by what computes them: by a minimum and a maximum, at the latest.
    Gather {
        /// Where.
        buffer: BufferId,
        /// What the places are counted from.
        index: Index,
        /// The distances, in elements.
        places: Value,
        /// How many lanes are read, 1 to `lanes`.
        active: usize,
    },
    /// f32 to f32.
    Float1(Float1, Value),
    /// f32, f32 to f32.
    Float2(Float2, Value, Value),
    /// `a * b + c`, rounded once.
    Fma(Value, Value, Value),
    /// `a, b, c`: to `c` the products of the four bytes of each lane of `a`, which are u8, with those of `b`, which are i8; wrapping.
    FmaQuads(Value, Value, Value),
    /// i32, i32, f32 to f32: `c + odd a * odd b + even a * even b`, where an i32 holds two bf16, the even one in its lower half.
    /// Each product is exact, the odd one is added first, and either sum is rounded once, as `vdpbf16ps` does it: denormal
    /// operands and sums count as 0. That of emitters without this instruction holds only where the floating-point mode says
    /// so, too, as it does in programs.
    FmaPairs(Value, Value, Value),
    /// i32, i32 to i32, wrapping.
    Int2(Int2, Value, Value),
    /// i32 shifted by a constant number of bits.
    Shift(Shift, Value, u8),
    /// f32, f32 to mask; false where an operand is NaN, but for `Ne`, which is true there.
    CompareF32(Compare, Value, Value),
    /// i32, i32 to mask, signed.
    CompareI32(Compare, Value, Value),
    /// mask, mask to mask.
    Mask2(Mask2, Value, Value),
    /// mask to mask.
    MaskNot(Value),
    /// `mask, a, b`: `a` in the lanes of the mask, else `b`; both f32 or both i32.
    Select(Value, Value, Value),
    /// One type to another.
    Convert(Convert, Value),
    /// Lanes of two f32.
    Shuffle(Shuffle, Value, Value),
    /// All lanes of an f32 folded by halves (lane `i` with lane `i + lanes / 2`, and so on); the result in every lane.
    Fold(Float2, Value),
}

/// An f32 that compares and hashes by its bits: kernels are equal only if they compute the same, and -0 is not 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Constant(u32);

impl Constant {
    /// The number.
    pub fn value(self) -> f32 {
        f32::from_bits(self.0)
    }
}

impl From<f32> for Constant {
    fn from(value: f32) -> Constant {
        Constant(value.to_bits())
    }
}

impl std::fmt::Debug for Constant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.value())
    }
}

/// An elementary function of one f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Float1 {
    Neg,
    Abs,
    Sqrt,
    Floor,
    /// To the nearest integer, ties to even.
    Nearest,
    /// To the [nearest bf16](kiln_graph::Bf16::nearest), as a store to a buffer of bf16 rounds.
    Bf16,
}

/// A function of two f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Float2 {
    Add,
    Sub,
    Mul,
    Div,
    /// `a < b ? a : b`: the second operand where either is NaN or both are equal (x86's `minps`).
    Min,
    /// `a > b ? a : b`: the second operand where either is NaN or both are equal (x86's `maxps`).
    Max,
}

/// Which lanes of two values `a` and `b` make a third one. Every group of 4 lanes is treated alike; together the six
/// transpose a square of lanes ([`KernelBuilder::transpose`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shuffle {
    /// `a0 b0 a1 b1`.
    LowLanes,
    /// `a2 b2 a3 b3`.
    HighLanes,
    /// `a0 a1 b0 b1`.
    LowPairs,
    /// `a2 a3 b2 b3`.
    HighPairs,
    /// The groups of `a` with even numbers, then those of `b`; of 8 lanes or more.
    EvenGroups,
    /// The groups of `a` with odd numbers, then those of `b`; of 8 lanes or more.
    OddGroups,
}

impl Shuffle {
    /// For each lane of the result, of so many, the lane that it is of `a` and `b` one after the other.
    pub fn lane(self, lane: usize, lanes: usize) -> usize {
        let (group, within) = (lane / 4 * 4, lane % 4);
        let groups = |odd: usize| {
            let (second, number) = (lane / (lanes / 2), lane / 4 % (lanes / 8).max(1));
            second * lanes + 4 * (2 * number + odd) + within
        };
        match self {
            Shuffle::LowLanes => within % 2 * lanes + group + within / 2,
            Shuffle::HighLanes => within % 2 * lanes + group + within / 2 + 2,
            Shuffle::LowPairs => within / 2 * lanes + group + within % 2,
            Shuffle::HighPairs => within / 2 * lanes + group + within % 2 + 2,
            Shuffle::EvenGroups => groups(0),
            Shuffle::OddGroups => groups(1),
        }
    }

    /// The fewest lanes of values that it takes.
    pub fn least_lanes(self) -> usize {
        match self {
            Shuffle::LowLanes | Shuffle::HighLanes | Shuffle::LowPairs | Shuffle::HighPairs => 4,
            Shuffle::EvenGroups | Shuffle::OddGroups => 8,
        }
    }
}

/// A function of two i32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Int2 {
    Add,
    Sub,
    Mul,
    /// The high 32 bits of the unsigned product.
    MulHighUnsigned,
    And,
    Or,
    Xor,
    Min,
    Max,
}

/// A shift by a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Shift {
    Left,
    RightLogical,
    RightArithmetic,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// A function of two masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Mask2 {
    And,
    Or,
    Xor,
}

/// A conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convert {
    /// f32 to i32, towards zero; saturating, NaN is 0.
    Truncate,
    /// i32 to f32, to nearest.
    ToF32,
    /// f32 to i32, the same bits.
    BitsToI32,
    /// i32 to f32, the same bits.
    BitsToF32,
    /// mask to i32: 1 or 0.
    MaskToI32,
    /// i32 to mask: `!= 0`.
    I32ToMask,
}
