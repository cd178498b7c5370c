//! Numbers of a body that depend on free extents, which rustc's walk over types knows by name alone: what may be
//! computed with them, and that nothing is decided by them.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{BinOp, Expr, ExprBinary, Type};

use super::assign::number_as_tensor;
use super::expressions::round;
use super::numbers::is_flag;
use super::scope::Scope;
use crate::ast::Place;
use crate::body::{Argument, Scalar, Value};
use crate::free::{self, Origin};

impl Scope<'_> {
    /// How a number came to be.
    pub fn origin(&self, number: &Expr) -> Origin {
        if !self.has_free && !self.is_batch(number) {
            return Origin::Constant;
        }
        match number {
            Expr::Paren(inner) => self.origin(&inner.expr),
            Expr::Group(inner) => self.origin(&inner.expr),
            Expr::Unary(unary) => self.origin(&unary.expr),
            Expr::Path(path) => path.path.get_ident().map_or(Origin::Constant, |name| {
                let text = name.to_string();
                match self.extents.iter().rev().find(|(known, _)| *known == text) {
                    Some((_, origin)) => *origin,
                    None if self.names.find(&text).is_none() && (name == "N" || self.free.contains(name)) => {
                        Origin::Extent
                    }
                    None => Origin::Constant,
                }
            }),
            Expr::Binary(binary) => match self.origin(&binary.left).and(self.origin(&binary.right)) {
                Origin::Extent if self.has_fraction(number) => Origin::Made,
                origin => origin,
            },
            Expr::Cast(cast) => match self.origin(&cast.expr) {
                Origin::Extent if !is_usize(&cast.ty) => Origin::Made,
                origin => origin,
            },
            Expr::MethodCall(call) if call.method == "size" => Origin::Extent,
            Expr::MethodCall(call) => match call
                .args
                .iter()
                .map(|argument| self.origin(argument))
                .fold(self.origin(&call.receiver), Origin::and)
            {
                Origin::Constant => Origin::Constant,
                Origin::Extent | Origin::Made => Origin::Made,
            },
            Expr::Call(call) if call.args.iter().any(|argument| self.origin(argument) != Origin::Constant) => {
                Origin::Made
            }
            _ => Origin::Constant,
        }
    }

    /// Whether a number is the batch size by itself.
    fn is_batch(&self, number: &Expr) -> bool {
        matches!(number, Expr::Path(path) if path.path.is_ident("N")) && self.names.find("N").is_none()
    }

    /// Two numbers of which at least one depends on free extents.
    pub fn of_extents(
        &mut self,
        binary: &ExprBinary,
        operator: &BinOp,
        left: TokenStream,
        right: TokenStream,
    ) -> Option<Value> {
        let ExprBinary { left: l, right: r, .. } = binary;
        let span = Place::of(l).first;
        let number = match (free::function(operator), self.origin(l).and(self.origin(r))) {
            (Some(_), _) if self.has_fraction(l) != self.has_fraction(r) => {
                let [left, right] = [(l, left), (r, right)].map(|(side, number)| self.taken_as("float", side, number));
                quote!((#left as f64) #operator (#right as f64))
            }
            (Some(function), Origin::Extent) => free::arithmetic(function, &left, &right, Place::of(binary)),
            (Some(_), _) => quote!(#left #operator #right),
            (None, _) => {
                let (left, right) = (self.fixed(l, left), self.fixed(r, right));
                quote!(#left #operator #right)
            }
        };
        self.complete.then(|| Value::Number(round(number, span)))
    }

    /// A number that may come of free extents, as an `extent` or a `float`.
    pub fn taken_as(&self, function: &str, expression: &Expr, number: TokenStream) -> TokenStream {
        match self.origin(expression) {
            Origin::Extent => free::taken_as(function, &number, Place::of(expression)),
            Origin::Constant | Origin::Made => number,
        }
    }

    /// A number that stands beside tensors.
    pub fn scalar(&mut self, expression: &Expr, number: TokenStream) -> Option<Scalar> {
        let quotients = self.not_rounded(expression)?;
        let known = match self.origin(expression) {
            Origin::Extent => Some(false),
            _ => self.has_fraction(expression).then_some(true),
        };
        Some(Scalar::new(self.taken_as("float", expression, number), known, quotients))
    }

    /// A number that stands beside tensors, as what takes it has it: `true` is a mask.
    pub fn operand(&mut self, expression: &Expr, number: TokenStream) -> Option<Argument> {
        if is_flag(expression) {
            return Some(Argument::Tensor(number_as_tensor(number, expression, None)));
        }
        Some(Argument::Number(self.scalar(expression, number)?))
    }

    /// Takes note of how the number came to be that a name stands for from now on.
    pub fn now(&mut self, target: &Expr, origin: Origin) {
        if let Expr::Path(path) = target
            && let Some(name) = path.path.get_ident()
        {
            self.extents.push((name.to_string(), origin));
        }
    }

    /// A number that a function of Rust's or of the user's is given, which computes with it: where it is an extent, it is
    /// no free one.
    pub fn computed_with(&self, expression: &Expr, number: TokenStream) -> TokenStream {
        match self.origin(expression) {
            Origin::Extent => free::known(&number, Place::of(expression)),
            Origin::Constant | Origin::Made => number,
        }
    }

    /// A condition: what it compares depends on no free extent.
    pub fn fixed_condition(&mut self, condition: &Expr, number: TokenStream) -> TokenStream {
        // Those of a comparison were looked at where it was read.
        let is_compared = matches!(super::expressions::unparenthesized(condition), Expr::Binary(_) | Expr::Unary(_));
        if is_compared { number } else { self.fixed(condition, number) }
    }

    /// A number that something is decided by, so that it depends on no free extent.
    pub fn fixed(&mut self, expression: &Expr, number: TokenStream) -> TokenStream {
        match self.origin(expression) {
            Origin::Constant => number,
            Origin::Extent => free::known(&number, Place::of(expression)),
            Origin::Made if self.given_as_they_are() => {
                let known = self.given.iter().map(|name| free::known(&quote!(#name), Place::of(expression)));
                quote!({ #(#known;)* #number })
            }
            Origin::Made => {
                let message = "this depends on an extent that is not known while the model compiles: neither conditions, \
                               bounds of loops nor functions of your own can depend on it";
                self.mistake::<()>(expression, message);
                number
            }
        }
    }

    /// Whether all free extents come of parameters whose names still stand for what was given: then what is made of them
    /// is known where they are.
    fn given_as_they_are(&self) -> bool {
        let is_declared_once = |name: &Ident| self.names.iter().filter(|known| name == *known).count() == 1;
        let is_noted_once = |name: &Ident| self.extents.iter().filter(|(known, _)| name == known).count() == 1;
        !self.given.is_empty() && self.given.iter().all(|name| is_declared_once(name) && is_noted_once(name))
    }
}

/// Whether a type holds extents as they are.
pub fn is_usize(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("usize"))
}

/// Whether a type is of floating-point numbers.
pub fn is_float(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("f32") || path.path.is_ident("f64"))
}
