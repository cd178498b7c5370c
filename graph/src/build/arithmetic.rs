//! Elementwise functions of values, with PyTorch's broadcasting. Of axes it knows only that shapes are brought to one
//! by repeating.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::{Builder, Value};
use crate::graph::Type;
use crate::op::{BinaryOp, CompareOp, Op, UnaryOp};
use crate::shape::{DType, rules};
use crate::whole::Curve;

/// A value, or a number that becomes a constant of the other operand's element type.
pub trait Operand<'g> {
    /// The element type; none for a number.
    fn operand_type(&self) -> Option<DType>;

    /// This operand as a value.
    fn into_value(self, graph: &'g Builder, dtype: DType) -> Value<'g>;
}

impl<'g> Operand<'g> for Value<'g> {
    fn operand_type(&self) -> Option<DType> {
        Some(self.dtype())
    }

    fn into_value(self, _: &'g Builder, _: DType) -> Value<'g> {
        self
    }
}

/// Numbers as operands, on either side of an operator.
macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl<'g> Operand<'g> for $number {
            fn operand_type(&self) -> Option<DType> {
                None
            }

            fn into_value(self, graph: &'g Builder, dtype: DType) -> Value<'g> {
                graph.number_of(dtype, f64::from(self))
            }
        }

        numbers!(@left $number, Add add, Sub sub, Mul mul, Div div);
    )*};
    (@left $number:ty, $($operator:ident $method:ident),*) => {$(
        impl<'g> $operator<Value<'g>> for $number {
            type Output = Value<'g>;

            fn $method(self, other: Value<'g>) -> Value<'g> {
                self.into_value(other.graph(), other.dtype()).$method(other)
            }
        }
    )*};
}

numbers!(f32, f64, i32);

/// The operators of values.
macro_rules! operators {
    ($($operator:ident $method:ident $function:ident),*) => {$(
        impl<'g, B: Operand<'g>> $operator<B> for Value<'g> {
            type Output = Value<'g>;

            fn $method(self, other: B) -> Value<'g> {
                self.binary(BinaryOp::$function, other)
            }
        }
    )*};
}

operators!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, BitAnd bitand And, BitOr bitor Or);

impl<'g> Neg for Value<'g> {
    type Output = Value<'g>;

    fn neg(self) -> Value<'g> {
        self.unary(UnaryOp::Neg)
    }
}

/// Of bool values.
impl<'g> Not for Value<'g> {
    type Output = Value<'g>;

    fn not(self) -> Value<'g> {
        self.unary(UnaryOp::Not)
    }
}

/// A method for each function of one operand.
macro_rules! unary_methods {
    ($($(#[$documentation:meta])* $method:ident $function:ident),* $(,)?) => {
        impl<'g> Value<'g> {$(
            $(#[$documentation])*
            pub fn $method(self) -> Value<'g> {
                self.unary(UnaryOp::$function)
            }
        )*}
    };
}

unary_methods! {
    /// `|x|`; the gradient at 0 is 0.
    abs Abs,
    /// -1, 0 or 1.
    sign Sign,
    /// `e^x`.
    exp Exp,
    /// `e^x - 1`, exact near 0.
    expm1 Expm1,
    /// The natural logarithm.
    log Log,
    /// `log(1 + x)`, exact near 0.
    log1p Log1p,
    /// The square root.
    sqrt Sqrt,
    /// `1 / sqrt(x)`.
    rsqrt Rsqrt,
    /// `1 / x`.
    reciprocal Reciprocal,
    /// The sine.
    sin Sin,
    /// The cosine.
    cos Cos,
    /// The angle in -pi/2..pi/2 whose sine x is; NaN outside of -1..1.
    asin Asin,
    /// The angle in 0..pi whose cosine x is; NaN outside of -1..1.
    acos Acos,
    /// The hyperbolic sine: `(e^x - e^-x) / 2`.
    sinh Sinh,
    /// The hyperbolic cosine: `(e^x + e^-x) / 2`.
    cosh Cosh,
    /// The hyperbolic tangent.
    tanh Tanh,
    /// The number whose hyperbolic sine x is.
    asinh Asinh,
    /// The number of at least 0 whose hyperbolic cosine x is; NaN below 1.
    acosh Acosh,
    /// The number whose hyperbolic tangent x is; NaN outside of -1..1.
    atanh Atanh,
    /// `1 / (1 + e^-x)`.
    sigmoid Sigmoid,
    /// The error function.
    erf Erf,
    /// The largest whole number not above x.
    floor Floor,
    /// The nearest whole number, of two that are as near the even one. The gradient is 0.
    round Round,
}

impl<'g> Value<'g> {
    /// Applies an elementwise function of one operand.
    pub fn unary(self, function: UnaryOp) -> Value<'g> {
        self.graph().apply(Op::Unary(function), &[self])
    }

    /// Applies an elementwise function of two operands, broadcasting them.
    pub fn binary(self, function: BinaryOp, other: impl Operand<'g>) -> Value<'g> {
        let other = other.into_value(self.graph(), self.dtype());
        self.broadcast_with(Op::Binary(function), self.ty(), other)
    }

    /// Compares with another value, broadcasting both.
    pub fn compare(self, function: CompareOp, other: impl Operand<'g>) -> Value<'g> {
        let other = other.into_value(self.graph(), self.dtype());
        self.broadcast_with(Op::Compare(function), Type::bool(self.shape()), other)
    }

    fn broadcast_with(self, op: Op, plausible: Type, other: Value<'g>) -> Value<'g> {
        let shape = rules::broadcast(op.mnemonic(), self.shape(), other.shape());
        let result = shape.map(|s| self.graph().apply(op, &[self.broadcast_to(s), other.broadcast_to(s)]));
        self.or_poison_of(plausible, result)
    }

    /// `self` (bool): where it holds `a`, else `b`; all three are broadcast. A number becomes a constant of the other
    /// branch's element type; two numbers become f32.
    pub fn select(self, a: impl Operand<'g>, b: impl Operand<'g>) -> Value<'g> {
        let graph = self.graph();
        let dtype = a.operand_type().or(b.operand_type()).unwrap_or(DType::F32);
        let (a, b) = (a.into_value(graph, dtype), b.into_value(graph, dtype));
        let both = rules::broadcast("select", a.shape(), b.shape());
        let shape = both.and_then(|s| rules::broadcast("select", self.shape(), s));
        let result = shape.map(|s| graph.apply(Op::Select, &[self, a, b].map(|v| v.broadcast_to(s))));
        a.or_poison(result)
    }

    /// The value in another element type; f32 to i32 truncates.
    pub fn convert(self, dtype: DType) -> Value<'g> {
        if self.dtype() == dtype { self } else { self.graph().apply(Op::Convert(dtype), &[self]) }
    }

    /// The value, through which no gradient passes.
    pub fn detach(self) -> Value<'g> {
        self.graph().apply(Op::Detach, &[self])
    }

    /// `x * x`.
    pub fn square(self) -> Value<'g> {
        self * self
    }

    /// `self ^ exponent`, elementwise.
    pub fn pow(self, exponent: impl Operand<'g>) -> Value<'g> {
        self.binary(BinaryOp::Pow, exponent)
    }

    /// The angle of the point `(other, self)`, from -pi to pi; its sign is that of `self`.
    pub fn atan2(self, other: impl Operand<'g>) -> Value<'g> {
        self.binary(BinaryOp::Atan2, other)
    }

    /// The larger of two values; NaN if either is. At a tie each gets half of the gradient.
    pub fn maximum(self, other: impl Operand<'g>) -> Value<'g> {
        self.binary(BinaryOp::Max, other)
    }

    /// The smaller of two values; NaN if either is. At a tie each gets half of the gradient.
    pub fn minimum(self, other: impl Operand<'g>) -> Value<'g> {
        self.binary(BinaryOp::Min, other)
    }

    /// `max(x, 0)`, but with the gradient 0 at 0; NaN stays NaN. (Hence no maximum, which would share a tie, and not
    /// `x > 0`, which NaN fails.)
    pub fn relu(self) -> Value<'g> {
        let _function = self.graph().function("relu");
        self.le(0.0).select(0.0, self).curve(Curve::Relu, self)
    }

    /// The value, but at least `low` and at most `high` (`high` if `low` is larger than it); an infinite bound is none.
    /// The gradient is 1 between them, 0 outside and at both (as PyTorch 2.15 has it); NaN stays NaN, with the gradient 0.
    pub fn clamp(self, low: f64, high: f64) -> Value<'g> {
        if self.dtype() == DType::I32 {
            let least = if low > f64::NEG_INFINITY { self.maximum(low) } else { self };
            return if high < f64::INFINITY { least.minimum(high) } else { least };
        }
        let _function = self.graph().function("clamp");
        let (bound, low) = (self.detach(), low.min(high));
        let clamped = match (low > f64::NEG_INFINITY, high < f64::INFINITY) {
            (true, true) => (self.gt(low) & self.lt(high)).select(self, bound.maximum(low).minimum(high)),
            (true, false) => self.gt(low).select(self, bound.maximum(low)),
            (false, true) => self.lt(high).select(self, bound.minimum(high)),
            (false, false) => self,
        };
        clamped.curve(Curve::Clamp { low, high }, self)
    }

    /// Whether the elements are equal.
    pub fn eq(self, other: impl Operand<'g>) -> Value<'g> {
        self.compare(CompareOp::Eq, other)
    }

    /// Whether the elements differ; NaN differs from itself.
    pub fn ne(self, other: impl Operand<'g>) -> Value<'g> {
        self.compare(CompareOp::Ne, other)
    }

    /// Whether `self < other`.
    pub fn lt(self, other: impl Operand<'g>) -> Value<'g> {
        self.compare(CompareOp::Lt, other)
    }

    /// Whether `self <= other`.
    pub fn le(self, other: impl Operand<'g>) -> Value<'g> {
        self.compare(CompareOp::Le, other)
    }

    /// Whether `self > other`.
    pub fn gt(self, other: impl Operand<'g>) -> Value<'g> {
        self.compare(CompareOp::Gt, other)
    }

    /// Whether `self >= other`.
    pub fn ge(self, other: impl Operand<'g>) -> Value<'g> {
        self.compare(CompareOp::Ge, other)
    }
}
