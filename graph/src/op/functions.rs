//! The functions of single elements, each with all that is plainly so of it: its name, what it costs, how it treats
//! errors of its operand. What they compute stands in `ops/elementwise.rs`; this file knows no types and no operations.

/// Gives an enumeration of operations its names and the list of its members, from one list.
macro_rules! names {
    ($type:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $type {
            /// Every member, in the order of declaration.
            pub const ALL: &[$type] = &[$($type::$variant),*];

            /// The name used in text.
            pub const fn mnemonic(self) -> &'static str {
                match self { $($type::$variant => $name),* }
            }
        }
    };
}
pub(crate) use names;

/// An elementwise function of one operand. `f32 -> f32`, except [`UnaryOp::Not`]: `bool -> bool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum UnaryOp {
    Neg,
    Abs,
    /// -1, 0 or 1; 0 for 0.
    Sign,
    Exp,
    /// `exp(x) - 1`, exact near 0.
    Expm1,
    Log,
    /// `log(1 + x)`, exact near 0.
    Log1p,
    Sqrt,
    Rsqrt,
    Reciprocal,
    Sin,
    Cos,
    /// The angle in -pi/2..pi/2 whose sine is given.
    Asin,
    /// The angle in 0..pi whose cosine is given.
    Acos,
    Sinh,
    Cosh,
    Tanh,
    /// The number whose hyperbolic sine is given.
    Asinh,
    /// The number of at least 0 whose hyperbolic cosine is given.
    Acosh,
    /// The number whose hyperbolic tangent is given.
    Atanh,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    Erf,
    Floor,
    /// To the nearest whole number, halves to the even one.
    Round,
    Not,
}

names! { UnaryOp {
    Neg = "neg", Abs = "abs", Sign = "sign", Exp = "exp", Expm1 = "expm1", Log = "log", Log1p = "log1p", Sqrt = "sqrt",
    Rsqrt = "rsqrt", Reciprocal = "reciprocal", Sin = "sin", Cos = "cos", Asin = "asin", Acos = "acos",
    Sinh = "sinh", Cosh = "cosh", Tanh = "tanh", Asinh = "asinh", Acosh = "acosh", Atanh = "atanh", Sigmoid = "sigmoid",
    Erf = "erf", Floor = "floor", Round = "round", Not = "not",
} }

/// What is plainly so of a [`UnaryOp`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FunctionTraits {
    /// As [`Traits::weight`](super::Traits::weight).
    pub weight: u64,
    /// As [`Traits::is_exact`](super::Traits::is_exact).
    pub is_exact: bool,
    /// What applying the function to its own result does.
    pub twice: Twice,
    /// Its results are whole numbers, and its derivative is 0 wherever it has one.
    pub is_stepwise: bool,
    /// It gives whole numbers as they are.
    pub keeps_whole: bool,
    /// What becomes of an error of its operand.
    pub sensitivity: Sensitivity,
}

/// What applying a function to its own result does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twice {
    /// It gives the operand back: `--x` is `x`.
    Undoes,
    /// It changes nothing: `||x||` is `|x|`.
    Settles,
    /// Something else.
    Differs,
}

/// What becomes of a small error of a function's operand, rounding of the result left aside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sensitivity {
    /// It stays as it is, and the result is exact.
    Same,
    /// It vanishes, unless the operand comes close to where the function jumps.
    Jumps(Jumps),
    /// It grows at most so many times.
    Bounded(f64),
    /// It grows as `e^x`.
    Exponential,
    /// It grows at most as `e^|x|`.
    Hyperbolic,
    /// It grows at most as `1 / (1 - |x|)`; the function is defined where `|x| < 1`.
    Inside,
    /// As that of `(x + offset)^power` (of the logarithm of that, if the power is 0), which is defined where `x +
    /// offset > 0`.
    Pole {
        /// The offset.
        offset: f64,
        /// The power.
        power: f64,
    },
}

/// Where a function that is constant elsewhere jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jumps {
    /// At 0.
    AtZero,
    /// At whole numbers.
    AtWhole,
    /// Halfway between whole numbers.
    AtHalves,
    /// Nowhere: its operands have no errors.
    Nowhere,
}

/// A function that a mathematical library approximates.
const APPROXIMATED: FunctionTraits = FunctionTraits {
    weight: 20,
    is_exact: false,
    twice: Twice::Differs,
    is_stepwise: false,
    keeps_whole: false,
    sensitivity: Sensitivity::Bounded(1.0),
};

/// An instruction that gives the exact result.
const EXACT: FunctionTraits =
    FunctionTraits { weight: 1, is_exact: true, sensitivity: Sensitivity::Same, ..APPROXIMATED };

/// A function that rounds to a whole number.
const fn rounding(jumps: Jumps) -> FunctionTraits {
    let sensitivity = Sensitivity::Jumps(jumps);
    FunctionTraits { twice: Twice::Settles, is_stepwise: true, keeps_whole: true, sensitivity, ..EXACT }
}

/// A function with a pole, as in [`Sensitivity::Pole`].
const fn pole(offset: f64, power: f64) -> FunctionTraits {
    FunctionTraits { weight: 15, sensitivity: Sensitivity::Pole { offset, power }, ..APPROXIMATED }
}

impl UnaryOp {
    /// What is plainly so of the function.
    pub const fn traits(self) -> FunctionTraits {
        match self {
            UnaryOp::Neg => FunctionTraits { twice: Twice::Undoes, ..EXACT },
            UnaryOp::Abs => FunctionTraits { twice: Twice::Settles, ..EXACT },
            UnaryOp::Not => {
                FunctionTraits { twice: Twice::Undoes, sensitivity: Sensitivity::Jumps(Jumps::Nowhere), ..EXACT }
            }
            UnaryOp::Sign => FunctionTraits { weight: 2, keeps_whole: false, ..rounding(Jumps::AtZero) },
            UnaryOp::Floor => rounding(Jumps::AtWhole),
            UnaryOp::Round => rounding(Jumps::AtHalves),
            UnaryOp::Exp | UnaryOp::Expm1 => {
                FunctionTraits { weight: 15, sensitivity: Sensitivity::Exponential, ..APPROXIMATED }
            }
            UnaryOp::Log => pole(0.0, 0.0),
            UnaryOp::Log1p => pole(1.0, 0.0),
            UnaryOp::Sqrt => FunctionTraits { weight: 5, is_exact: true, ..pole(0.0, 0.5) },
            // The root is rounded before its reciprocal is taken.
            UnaryOp::Rsqrt => FunctionTraits { weight: 5, ..pole(0.0, -0.5) },
            UnaryOp::Reciprocal => FunctionTraits { weight: 5, is_exact: true, ..pole(0.0, -1.0) },
            UnaryOp::Sin | UnaryOp::Cos | UnaryOp::Tanh | UnaryOp::Sigmoid | UnaryOp::Asinh => APPROXIMATED,
            UnaryOp::Sinh | UnaryOp::Cosh => FunctionTraits { sensitivity: Sensitivity::Hyperbolic, ..APPROXIMATED },
            UnaryOp::Asin | UnaryOp::Acos | UnaryOp::Atanh => {
                FunctionTraits { weight: 30, sensitivity: Sensitivity::Inside, ..APPROXIMATED }
            }
            // Its slope is below that of a logarithm.
            UnaryOp::Acosh => FunctionTraits { weight: 30, ..pole(-1.0, 0.0) },
            UnaryOp::Erf => FunctionTraits { sensitivity: Sensitivity::Bounded(1.2), ..APPROXIMATED },
        }
    }
}

/// An elementwise function of two operands of one type and shape (broadcast first, with
/// [`Op::Broadcast`](super::Op::Broadcast)). Arithmetic takes f32, or i32 but for `Div`, `Pow` and `Atan2` (it wraps
/// around); `And` and `Or` take bool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    /// The larger; NaN if either is. At a tie each operand gets half of the gradient, as in PyTorch.
    Max,
    /// The smaller; NaN if either is.
    Min,
    /// `a ** b`.
    Pow,
    /// The angle of the point `(b, a)`, from -pi to pi.
    Atan2,
    And,
    Or,
}

names! { BinaryOp {
    Add = "add", Sub = "sub", Mul = "mul", Div = "div", Max = "max", Min = "min", Pow = "pow",
    Atan2 = "atan2", And = "and", Or = "or",
} }

impl BinaryOp {
    /// As [`Traits::weight`](super::Traits::weight).
    pub const fn weight(self) -> u64 {
        match self {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Max | BinaryOp::Min => 1,
            BinaryOp::And | BinaryOp::Or => 1,
            BinaryOp::Div => 5,
            BinaryOp::Atan2 => 25,
            BinaryOp::Pow => 30,
        }
    }

    /// As [`Traits::is_exact`](super::Traits::is_exact).
    pub const fn is_exact(self) -> bool {
        match self {
            BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div | BinaryOp::Max | BinaryOp::Min => true,
            BinaryOp::And | BinaryOp::Or => true,
            BinaryOp::Pow | BinaryOp::Atan2 => false,
        }
    }

    /// As [`Traits::commutes`](super::Traits::commutes).
    pub const fn commutes(self) -> bool {
        match self {
            BinaryOp::Add | BinaryOp::Mul | BinaryOp::And | BinaryOp::Or => true,
            BinaryOp::Sub | BinaryOp::Div | BinaryOp::Max | BinaryOp::Min | BinaryOp::Pow | BinaryOp::Atan2 => false,
        }
    }
}

/// A comparison of two operands of one type and shape, f32 or i32; the result is bool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

names! { CompareOp { Eq = "eq", Ne = "ne", Lt = "lt", Le = "le", Gt = "gt", Ge = "ge" } }

impl CompareOp {
    /// As [`Traits::commutes`](super::Traits::commutes).
    pub const fn commutes(self) -> bool {
        match self {
            CompareOp::Eq | CompareOp::Ne => true,
            CompareOp::Lt | CompareOp::Le | CompareOp::Gt | CompareOp::Ge => false,
        }
    }
}
