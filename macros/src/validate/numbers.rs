//! Numbers of a body that are a tensor, `tensor([1.0, 2.0])`, whole ones that are written, and the operators that only
//! numbers take.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{BinOp, Expr, ExprBinary, ExprCall, ExprLit, ExprUnary, Lit, UnOp};

use super::assign::number_as_tensor;
use super::certain::Element;
use super::expressions::{OPERATORS, round, unparenthesized};
use super::functions::{default, named};
use super::scope::Scope;
use crate::ast::Place;
use crate::body::{Argument, Call, Holds, Tensor, Value};
use crate::methods::{Function, no_argument};
use crate::mistakes::spaced;

/// The most numbers that a body holds as one tensor: each is a node of the graph.
const MAX_NUMBERS: usize = 256;

/// What a number is that is computed of whole numbers that are written, of quotients such as leave nothing.
pub fn whole(number: &Expr) -> Option<i128> {
    of_written(number, false)
}

/// [`whole`], of quotients what Rust makes of them.
pub fn rounded(number: &Expr) -> Option<i128> {
    of_written(number, true)
}

fn of_written(number: &Expr, rounds: bool) -> Option<i128> {
    match unparenthesized(number) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) if number.suffix().is_empty() => number.base10_parse().ok(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => of_written(expr, rounds)?.checked_neg(),
        Expr::Binary(ExprBinary { left, op, right, .. }) => {
            let (left, right) = (of_written(left, rounds)?, of_written(right, rounds)?);
            match op {
                BinOp::Add(_) => left.checked_add(right),
                BinOp::Sub(_) => left.checked_sub(right),
                BinOp::Mul(_) => left.checked_mul(right),
                BinOp::Div(_) if rounds || left.checked_rem(right)? == 0 => left.checked_div(right),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A whole number that is written, as an `i128`: rustc would take it for an `i32` where nothing else says what it is.
pub fn wide(number: i128, place: Span) -> TokenStream {
    let sign = (number < 0).then(|| quote_spanned!(place=> -));
    let mut literal = Literal::i128_suffixed(number.saturating_abs());
    literal.set_span(place);
    round(quote!(#sign #literal), place)
}

/// Whether brackets hold numbers that are written, in rows or not.
pub fn holds_numbers(list: &Expr) -> bool {
    match unparenthesized(list) {
        Expr::Array(array) => !array.elems.is_empty() && array.elems.iter().all(holds_numbers),
        Expr::Lit(ExprLit { lit: Lit::Int(_) | Lit::Float(_), .. }) => true,
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => holds_numbers(expr),
        _ => false,
    }
}

impl Scope<'_> {
    /// An operator that tensors do not take, with what is written instead.
    pub fn no_operator(&mut self, binary: &ExprBinary, operator: &BinOp) -> Option<Value> {
        let ExprBinary { left, op, right, .. } = binary;
        // Of a comparison `&` would take the number.
        let whole = |side: &Expr| match unparenthesized(side) {
            side @ Expr::Binary(_) => format!("({})", spaced(side)),
            side => spaced(side),
        };
        let (left, right) = (whole(left), whole(right));
        let instead = match operator {
            BinOp::Rem(_) => {
                format!("`{left}.remainder({right})`, whose sign is that of `{right}`, as of PyTorch's `%`")
            }
            BinOp::And(_) => format!("`{left} & {right}` of masks"),
            BinOp::Or(_) => format!("`{left} | {right}` of masks"),
            BinOp::BitXor(_) => {
                let right = right.trim_start_matches('(').trim_end_matches(')');
                format!("`{left}.logical_xor({right})` of masks, and a power as `{left}.pow({right})`")
            }
            _ => return self.mistake(op, OPERATORS),
        };
        self.mistake(op, format!("{OPERATORS}: write {instead}"))
    }

    /// `tensor([1.0, 2.0])`, `tensor([[1, 0], [0, 1]])`: rows of the same length; whole numbers are i32, as in PyTorch.
    pub fn constant(&mut self, call: &ExprCall) -> Option<Tensor> {
        if let Some((word, _)) = call.args.iter().map(named).find(|(word, _)| word.is_some()) {
            let instead = word.and_then(|word| no_argument(&word.to_string())).map(|instead| format!(": {instead}"));
            let message = format!("`tensor` takes numbers alone{}", instead.unwrap_or_default());
            return self.mistake(word, message);
        }
        let [numbers] = call.args.iter().collect::<Vec<_>>()[..] else {
            let message = "`tensor` takes numbers: `tensor([1.0, 2.0])` is of f32, and `tensor([1, 2])` of i32";
            return self.mistake(call, message);
        };
        if matches!(unparenthesized(numbers), Expr::Path(_))
            && let Value::Number(constant) = self.value(numbers)?
        {
            return Some(number_as_tensor(constant, numbers, Some(Holds::Constant)));
        }
        let mut leaves = Vec::new();
        leaves_of(numbers, &mut leaves);
        let is_text = |leaf: &&&Expr| matches!(leaf, Expr::Lit(ExprLit { lit: Lit::Str(_) | Lit::Char(_), .. }));
        if let Some(text) = leaves.iter().find(is_text) {
            return self.mistake(text, format!("`tensor` takes numbers and flags, and `{}` is a text", spaced(text)));
        }
        if leaves.len() > MAX_NUMBERS {
            let message = format!(
                "`tensor` holds at most {MAX_NUMBERS} numbers, and these are {}: take them as an input, as in `t: [{}]`",
                leaves.len(),
                leaves.len()
            );
            return self.mistake(numbers, message);
        }
        let element = if leaves.iter().all(|leaf| whole(leaf).is_some() && !holds_quotient(leaf)) {
            Element::I32
        } else if leaves.iter().all(|leaf| is_flag(leaf)) {
            Element::Bool
        } else {
            Element::F32
        };
        self.rows(numbers, element, call)
    }

    fn rows(&mut self, numbers: &Expr, element: Element, call: &ExprCall) -> Option<Tensor> {
        let elements: Vec<&Expr> = match unparenthesized(numbers) {
            Expr::Array(array) => array.elems.iter().collect(),
            Expr::Tuple(tuple) => tuple.elems.iter().collect(),
            Expr::Repeat(repeat) => {
                let (number, count) = (spaced(&repeat.expr), spaced(&repeat.len));
                return self.mistake(numbers, format!("a number that repeats is `full([{count}], {number})`"));
            }
            number => {
                return match self.value(number)? {
                    Value::Number(tokens) => {
                        let tokens = self.checked(tokens, number)?;
                        Some(number_as_tensor(tokens, number, Some(Holds::Known(element))))
                    }
                    Value::Tensor(_) | Value::Tuple(_) => {
                        let message = "`tensor` takes numbers; tensors are put together by `stack((a, b))`";
                        self.mistake(number, message)
                    }
                };
            }
        };
        if elements.is_empty() {
            return self.mistake(numbers, "a tensor has at least one element");
        }
        let rows: Option<Vec<Tensor>> = elements.into_iter().map(|row| self.rows(row, element, call)).collect();
        let function = Function::find("stack").expect("a row of the table");
        let arguments = [Argument::Tensors(rows?)].into_iter().chain(function.parameters.get(1).and_then(default));
        let (text, place) = (spaced(call), Place::of(call));
        let (name, arguments) = (place.first, arguments.collect());
        Some(Tensor::Call(Box::new(Call { function, name, arguments, text, place })))
    }
}

fn leaves_of<'e>(numbers: &'e Expr, leaves: &mut Vec<&'e Expr>) {
    match unparenthesized(numbers) {
        Expr::Array(array) => array.elems.iter().for_each(|element| leaves_of(element, leaves)),
        Expr::Tuple(tuple) => tuple.elems.iter().for_each(|element| leaves_of(element, leaves)),
        leaf => leaves.push(leaf),
    }
}

fn holds_quotient(number: &Expr) -> bool {
    match unparenthesized(number) {
        Expr::Binary(ExprBinary { left, op, right, .. }) => {
            matches!(op, BinOp::Div(_)) || holds_quotient(left) || holds_quotient(right)
        }
        Expr::Unary(ExprUnary { expr, .. }) => holds_quotient(expr),
        _ => false,
    }
}

/// `true` or `false`
pub fn is_flag(number: &Expr) -> bool {
    matches!(unparenthesized(number), Expr::Lit(ExprLit { lit: Lit::Bool(_), .. }))
}
