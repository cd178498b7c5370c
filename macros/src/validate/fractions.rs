//! Numbers that are computed with one another: a whole one becomes what stands beside it, as in PyTorch. What has a
//! fraction is told by what is written; the type of a constant is not known here.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{BinOp, Expr, ExprBinary, ExprLit, Lit, UnOp};

use super::expressions::{compound, round, unparenthesized};
use super::extents::is_float;
use super::numbers::whole;
use super::scope::Scope;
use crate::ast::Place;

/// What is known of a number that a name stands for.
#[derive(Clone)]
pub struct NumberName {
    /// The place of the name.
    pub place: usize,
    /// Whether a `let` gives it, which may become one of a tensor.
    pub is_of_let: bool,
    /// The variable that holds what is found of the quotients in it.
    pub rounded: Option<Ident>,
    /// Whether it is of a type that has fractions, where what is written says so.
    pub has_fraction: Option<bool>,
    /// Whether nothing says of which of these types it is.
    pub has_no_type: bool,
}

/// The functions of numbers that give an `f64`.
pub const REAL: [&str; 10] = ["sqrt", "exp", "ln", "log", "log2", "log10", "sin", "cos", "powi", "powf"];

impl Scope<'_> {
    /// Whether what is written says that a number is of a type that has fractions.
    pub fn has_fraction(&self, number: &Expr) -> bool {
        let is_float_path = |path: &syn::Path| {
            path.segments.len() > 1
                && path.segments.iter().any(|segment| segment.ident == "f32" || segment.ident == "f64")
        };
        match unparenthesized(number) {
            Expr::Lit(ExprLit { lit: Lit::Float(_), .. }) => true,
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.suffix().starts_with('f'),
            Expr::Unary(unary) => matches!(unary.op, UnOp::Neg(_)) && self.has_fraction(&unary.expr),
            Expr::Binary(ExprBinary { left, op, right, .. }) => {
                let is_number = matches!(
                    compound(op).unwrap_or(*op),
                    BinOp::Add(_) | BinOp::Sub(_) | BinOp::Mul(_) | BinOp::Div(_) | BinOp::Rem(_)
                );
                is_number && (self.has_fraction(left) || self.has_fraction(right))
            }
            Expr::Cast(cast) => is_float(&cast.ty),
            Expr::Path(path) => match path.path.get_ident() {
                Some(name) => self.number_name(name).is_some_and(|known| known.has_fraction == Some(true)),
                None => is_float_path(&path.path),
            },
            Expr::MethodCall(call) => REAL.iter().any(|known| call.method == known),
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) => {
                    is_float_path(&path.path)
                        || path.path.get_ident().is_some_and(|name| REAL.iter().any(|known| name == known))
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a number is computed with fractions of which nothing that is written says the type, `D * 0.5`: Rust takes
    /// it for one where it is used, and before a method for none.
    pub fn has_no_type(&self, number: &Expr) -> bool {
        match unparenthesized(number) {
            Expr::Path(path) => path
                .path
                .get_ident()
                .is_some_and(|name| self.number_name(name).is_some_and(|known| known.is_of_let && known.has_no_type)),
            Expr::Lit(_) | Expr::Unary(_) | Expr::Binary(_) => self.has_fraction(number) && !self.says_type(number),
            _ => false,
        }
    }

    fn says_type(&self, number: &Expr) -> bool {
        match unparenthesized(number) {
            Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => !number.suffix().is_empty(),
            Expr::Unary(unary) => self.says_type(&unary.expr),
            Expr::Binary(ExprBinary { left, right, .. }) => self.says_type(left) || self.says_type(right),
            Expr::Path(path) => match path.path.get_ident() {
                Some(name) => {
                    self.number_name(name).is_some_and(|known| known.has_fraction == Some(true) && !known.has_no_type)
                }
                None => self.has_fraction(number),
            },
            other => self.has_fraction(other),
        }
    }

    /// What is known of the number that a name stands for.
    pub fn number_name(&self, name: &Ident) -> Option<&NumberName> {
        let at = self.names.find(&name.to_string())?;
        self.numbers.iter().rev().find(|known| known.place == at)
    }

    /// `left operator right`. A whole number that is written beside one of another type is of that type: where that has no
    /// sign, and the number has one, rustc says so. Any other number is, beside one with a fraction.
    pub fn of_one_type(
        &self,
        left: (&Expr, TokenStream),
        operator: &BinOp,
        right: (&Expr, TokenStream),
    ) -> TokenStream {
        let sides =
            [left, right].map(|(side, given)| (Place::of(side).first, whole(side), self.has_fraction(side), given));
        let [(first, one, left_has, _), (_, other, right_has, _)] = &sides;
        let (first, is_written, has_fraction) = (*first, one.is_some() != other.is_some(), left_has != right_has);
        if !is_written && !has_fraction {
            let [(.., l), (.., r)] = sides;
            return round(quote!(#l #operator #r), first);
        }
        let mut names = ["left", "right"].into_iter();
        let sides = sides.map(|(place, whole, has, given)| {
            let name = Ident::new(names.next().unwrap_or_default(), place.resolved_at(Span::mixed_site()));
            match whole {
                // The sign is put before it when it is of its type.
                Some(number) if is_written => {
                    let sign = (number < 0).then(|| quote_spanned!(place=> -));
                    (name.clone(), of_any_type(number.unsigned_abs(), place), quote!(#sign #name))
                }
                _ if !is_written && !has => (name.clone(), quote_spanned!(place=> #given as _), quote!(#name)),
                _ => (name.clone(), given, quote!(#name)),
            }
        });
        let [(a, l, left), (b, r, right)] = sides;
        round(quote!({ let [#a, #b] = [#l, #r]; #left #operator #right }), first)
    }
}

/// A whole number of the type that is needed. Where that is not known yet, a literal before `as` is an `i32`; one that is
/// no `i32` stands alone, as `as` would cut it beside one: rustc says that it is too large there, or beside a float that it
/// is none.
fn of_any_type(number: u128, place: Span) -> TokenStream {
    let mut literal = Literal::u128_unsuffixed(number);
    literal.set_span(place);
    if i32::try_from(number).is_ok() { quote!(#literal as _) } else { quote!(#literal) }
}
