//! Quotients of whole numbers beside tensors: Rust rounds them, and PyTorch does not. What is written says by
//! itself what it leaves; of constants and counters rustc is asked while it walks over the types. Knows no tensors.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{BinOp, Expr, ExprBinary, ExprLit, ExprUnary, Lit};

use super::expressions::unparenthesized;
use super::extents::is_float;
use super::numbers::whole;
use super::scope::Scope;
use crate::ast::Place;
use crate::body::Value;
use crate::free::Origin;
use crate::mistakes::spaced;
use crate::naming::KILN;

/// What is known of a number with quotients, for those that stand for it by a name.
#[derive(Clone)]
pub enum Quotient {
    /// It is rounded; what to write instead.
    Rounded(String),
    /// Statements which fail while rustc runs where it is.
    Asked(TokenStream),
}

/// A quotient of whole numbers that are written, which leaves something.
fn rounded_quotient(number: &Expr) -> Option<&ExprBinary> {
    match unparenthesized(number) {
        Expr::Binary(quotient @ ExprBinary { left, op, right, .. }) => {
            let inner = rounded_quotient(left).or_else(|| rounded_quotient(right));
            inner.or_else(|| {
                let rest = || whole(left)?.checked_rem(whole(right)?);
                (matches!(op, BinOp::Div(_)) && rest().is_some_and(|rest| rest != 0)).then_some(quotient)
            })
        }
        Expr::Unary(ExprUnary { expr, .. }) => rounded_quotient(expr),
        _ => None,
    }
}

/// What to write instead of a number with a quotient that Rust rounds.
fn instead_of_rounded(number: &Expr) -> Option<String> {
    let quotient = rounded_quotient(number)?;
    let (left, right) = (whole(&quotient.left)?, whole(&quotient.right)?);
    Some(format!("write `{left}.0 / {right}.0`"))
}

/// Whether a number may be whole, and is made of names and literals alone: a call may be of a function that rustc can not
/// evaluate.
fn is_asked(number: &Expr) -> bool {
    match unparenthesized(number) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => !number.suffix().starts_with('f'),
        Expr::Path(_) => true,
        Expr::Unary(ExprUnary { expr, .. }) => is_asked(expr),
        Expr::Binary(ExprBinary { left, right, .. }) => is_asked(left) && is_asked(right),
        Expr::Cast(cast) => !is_float(&cast.ty) && is_asked(&cast.expr),
        _ => false,
    }
}

/// A number as one with a fraction.
fn with_fraction(number: &Expr) -> String {
    match (whole(number), number) {
        (Some(number), _) => format!("{number}.0"),
        (None, Expr::Binary(_)) => format!("({}) as f64", spaced(number)),
        (None, _) => format!("{} as f64", spaced(number)),
    }
}

/// The statement that fails where a quotient leaves something.
fn check(quotient: &ExprBinary, instead: &str, origin: Origin, left: &TokenStream, right: &TokenStream) -> TokenStream {
    let Place { first, last, .. } = Place::of(quotient);
    let [first, last] = [first, last].map(|span| span.resolved_at(Span::call_site()));
    let kiln = KILN.at(first);
    let text = spaced(quotient);
    let (function, sides) = match origin {
        Origin::Extent => ("check_quotient_of_extents", quote!([#left, #right])),
        Origin::Constant | Origin::Made => {
            // What is written is whole, and may be too large for the i32 that rustc would take it for.
            let sides = [(&quotient.left, left), (&quotient.right, right)];
            let named = sides.into_iter().filter(|(side, _)| whole(side).is_none());
            let asked = named.map(|(_, side)| quote!(#KILN::graph::written::is_float(#side)));
            ("check_quotient", quote!([#left as i128, #right as i128], false #(|| #asked)*))
        }
    };
    let function = Ident::new(function, first);
    let path = quote_spanned!(first=> #kiln::graph::shape::#function);
    let arguments = quote_spanned!(last=> (#text, #instead, #sides));
    quote!(#path #arguments;)
}

impl Scope<'_> {
    /// That a number beside tensors is what it is in PyTorch. Gives what rustc is to check of it.
    pub fn not_rounded(&mut self, number: &Expr) -> Option<TokenStream> {
        if let Some(quotient) = rounded_quotient(number) {
            let instead = instead_of_rounded(number)?;
            return self.mistake(
                quotient,
                format!("`{}` of whole numbers is rounded down in Rust: {instead}", spaced(quotient)),
            );
        }
        if let Some((name, instead)) = self.rounded_name(number) {
            let message = format!("`{name}` is a quotient of whole numbers, which is rounded down in Rust: {instead}");
            return self.mistake(name, message);
        }
        let mut asked = TokenStream::new();
        self.quotients(number, true, &mut asked);
        Some(asked)
    }

    /// What rustc is to check of the quotients in a number.
    fn quotients(&mut self, number: &Expr, locals: bool, asked: &mut TokenStream) {
        match unparenthesized(number) {
            Expr::Binary(quotient @ ExprBinary { left, op, right, .. }) => {
                self.quotients(left, locals, asked);
                self.quotients(right, locals, asked);
                let is_known = whole(left).is_some() && whole(right).is_some();
                let origin = self.origin(left).and(self.origin(right));
                let is_asked = is_asked(left) && is_asked(right) && origin == Origin::Constant;
                if !matches!(op, BinOp::Div(_)) || is_known || !(is_asked || origin == Origin::Extent) {
                    return;
                }
                if !locals && (self.names_local(left) || self.names_local(right)) {
                    return;
                }
                if let (Some(Value::Number(l)), Some(Value::Number(r))) = (self.value(left), self.value(right)) {
                    let instead = format!("{} / {}", with_fraction(left), with_fraction(right));
                    asked.extend(check(quotient, &instead, origin, &l, &r));
                }
            }
            Expr::Unary(ExprUnary { expr, .. }) => self.quotients(expr, locals, asked),
            Expr::Path(path) => {
                if let Some(Quotient::Asked(of_name)) = path.path.get_ident().and_then(|name| self.quotient_of(name)) {
                    asked.extend(of_name.clone());
                }
            }
            _ => {}
        }
    }

    /// What is known of the quotients in a number that a name is to stand for.
    pub fn quotient_in(&mut self, number: &Expr) -> Option<Quotient> {
        let rounded = instead_of_rounded(number).or_else(|| self.rounded_name(number).map(|(_, instead)| instead));
        if let Some(instead) = rounded {
            return Some(Quotient::Rounded(instead));
        }
        let mut asked = TokenStream::new();
        self.quotients(number, false, &mut asked);
        (!asked.is_empty()).then_some(Quotient::Asked(asked))
    }

    /// `name = number`: the name stands for this one from here on. In a block that may be left out, or that comes again, it
    /// may still stand for the one before.
    pub fn now_quotient(&mut self, target: &Expr, number: &Expr) {
        let found = self.quotient_in(number);
        if let Expr::Path(path) = target
            && let Some(name) = path.path.get_ident()
            && let Some(at) = self.names.find(&name.to_string())
            && let Some((_, of_name)) = self.numbers.iter_mut().rev().find(|(place, _)| *place == at)
        {
            let before = of_name.take().filter(|_| at < self.block);
            *of_name = match (before, found) {
                (Some(Quotient::Rounded(instead)), _) | (_, Some(Quotient::Rounded(instead))) => {
                    Some(Quotient::Rounded(instead))
                }
                (Some(Quotient::Asked(mut asked)), Some(Quotient::Asked(more))) => {
                    asked.extend(more);
                    Some(Quotient::Asked(asked))
                }
                (before, found) => before.or(found),
            };
        }
    }

    fn quotient_of(&self, name: &Ident) -> Option<&Quotient> {
        let at = self.names.find(&name.to_string())?;
        self.numbers.iter().rev().find(|(place, _)| *place == at)?.1.as_ref()
    }

    /// A name in a number that stands for one which Rust rounds, with what to write instead.
    fn rounded_name<'e>(&self, number: &'e Expr) -> Option<(&'e Ident, String)> {
        match unparenthesized(number) {
            Expr::Path(path) => {
                let name = path.path.get_ident()?;
                match self.quotient_of(name)? {
                    Quotient::Rounded(instead) => Some((name, instead.clone())),
                    Quotient::Asked(_) => None,
                }
            }
            Expr::Binary(ExprBinary { left, right, .. }) => {
                self.rounded_name(left).or_else(|| self.rounded_name(right))
            }
            Expr::Unary(ExprUnary { expr, .. }) => self.rounded_name(expr),
            _ => None,
        }
    }

    /// Whether a number names a value of the body, which may be another one later.
    fn names_local(&self, number: &Expr) -> bool {
        match unparenthesized(number) {
            Expr::Path(path) => path.path.get_ident().is_some_and(|name| self.names.find(&name.to_string()).is_some()),
            Expr::MethodCall(_) => true,
            Expr::Binary(ExprBinary { left, right, .. }) => self.names_local(left) || self.names_local(right),
            Expr::Unary(ExprUnary { expr, .. }) => self.names_local(expr),
            Expr::Cast(cast) => self.names_local(&cast.expr),
            _ => false,
        }
    }
}
