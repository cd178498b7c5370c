//! Lists of tensors: `let mut outputs = vec![];`, which loops fill, index and go through, and which `cat` and `stack`
//! put together. How many tensors are in one is known where a body is walked, over types as over values.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{BinOp, Expr, ExprBinary, ExprIndex, ExprLit, ExprMethodCall, ExprUnary, Lit, Pat, Token, UnOp};

use super::assign::detached;
use super::expressions::unparenthesized;
use super::scope::{Binding, Scope};
use crate::ast::Place;
use crate::body::{Change, Statement, Tensor, Value};
use crate::mistakes::spaced;

impl Scope<'_> {
    /// The list that an expression names.
    pub fn list_of(&self, expression: &Expr) -> Option<Ident> {
        let expression = match unparenthesized(expression) {
            Expr::Reference(reference) => &reference.expr,
            other => other,
        };
        let Expr::Path(path) = expression else { return None };
        let name = path.path.get_ident()?;
        matches!(self.find(name), Some(Binding::List)).then(|| name.clone())
    }

    /// `let outputs = vec![];`, where it is a list that is declared.
    pub fn new_list(&mut self, local: &syn::Local) -> Option<Option<Statement>> {
        let init = local.init.as_ref().filter(|init| init.diverge.is_none())?;
        let elements: Vec<Expr> = match unparenthesized(&init.expr) {
            Expr::Array(array) => array.elems.iter().cloned().collect(),
            Expr::Repeat(repeat) => return Some(self.repeated(local, &repeat.expr, &repeat.len)),
            Expr::Macro(call) if call.mac.path.is_ident("vec") => {
                let tokens = call.mac.tokens.clone();
                if let Ok(repeat) = syn::parse2::<syn::ExprRepeat>(quote!([#tokens])) {
                    return Some(self.repeated(local, &repeat.expr, &repeat.len));
                }
                let parsed = call.mac.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
                parsed.ok()?.into_iter().collect()
            }
            Expr::Call(call) if call.args.is_empty() && spaced(&call.func) == "Vec::new" => Vec::new(),
            // Room is made as it is needed.
            Expr::Call(call) if call.args.len() == 1 && spaced(&call.func) == "Vec::with_capacity" => Vec::new(),
            _ => return None,
        };
        if !elements.is_empty() && elements.iter().all(is_number) {
            return Some(self.listed_numbers(local, &elements));
        }
        let tensors = self.tensors(elements.iter());
        Some(self.listed(local, tensors.map(|tensors| Change::New(tensors, Place::of(&init.expr)))))
    }

    /// `let widths = [1, 2, 4];`, which is no list of tensors.
    fn listed_numbers(&mut self, local: &syn::Local, elements: &[Expr]) -> Option<Statement> {
        let Some(name) = name_of(&local.pat) else {
            return self.mistake(&local.pat, "numbers in brackets have one name: `let widths = [1, 2, 4];`");
        };
        self.names.declare(&name.to_string(), Binding::Number);
        Some(Statement::Set { declares: true, name, value: Value::Number(quote!([#(#elements),*])), rounded: None })
    }

    /// `let states = [zeros(N, 8); 2];`
    fn repeated(&mut self, local: &syn::Local, element: &Expr, count: &Expr) -> Option<Statement> {
        let tensors = self.tensors([element].into_iter());
        let count = match self.value(count) {
            Some(Value::Number(number)) => Some(self.fixed(count, number)),
            Some(_) => self.mistake(count, "the length of a list is a constant, and this is a tensor"),
            None => None,
        };
        let tensor = tensors.and_then(|mut tensors| tensors.pop());
        let place = Place::of(local.init.as_ref().map(|init| &init.expr));
        self.listed(local, tensor.zip(count).map(|(tensor, count)| Change::Repeated(tensor, count, place)))
    }

    fn listed(&mut self, local: &syn::Local, change: Option<Change>) -> Option<Statement> {
        let Some(name) = name_of(&local.pat) else {
            return self.mistake(&local.pat, "a list has one name: `let mut outputs = vec![];`");
        };
        let binding = if change.is_some() { Binding::List } else { Binding::Unknown };
        self.names.declare(&name.to_string(), binding);
        Some(Statement::List { name, change: change? })
    }

    /// `outputs = outputs + [x];`
    pub fn list_takes_no_value<T>(&mut self, list: impl quote::ToTokens) -> Option<T> {
        let name = spaced(&list);
        let message = format!(
            "`{name}` is a list of tensors: it takes one more by `{name}.push(x);`, one element by `{name}[0] = x;`"
        );
        self.mistake(list, message)
    }

    /// `outputs.push(x);`
    pub fn change_list(&mut self, call: &ExprMethodCall) -> Option<Statement> {
        let name = self.list_of(&call.receiver)?;
        let arguments: Vec<&Expr> = call.args.iter().collect();
        if call.method != "push" {
            let method = &call.method;
            let element = if let [element] = arguments[..] { spaced(element) } else { "x".to_string() };
            let message = format!(
                "a list of tensors has no method `{method}`: it takes one tensor more by `{name}.push({element});`, another \
                 one in its place by `{name}[0] = {element};`; an empty one is `let mut {name} = vec![];`"
            );
            return self.mistake(method, message);
        }
        let [element] = arguments[..] else {
            return self.mistake(call, format!("a list takes one tensor more: `{name}.push(x);`"));
        };
        let tensor = self.tensors([element].into_iter())?.pop()?;
        let tensor = self.kept(&name, tensor, Place::of(element));
        Some(Statement::List { name, change: Change::Push(tensor, Place::of(call)) })
    }

    /// `outputs[0] = x;`
    pub fn put(&mut self, list: &Ident, index: &ExprIndex, value: Value) -> Option<Statement> {
        let Value::Tensor(tensor) = value else {
            return self.mistake(index, format!("`{list}` is a list of tensors, and this is a number"));
        };
        let place = self.place_in(list, &index.index)?;
        let tensor = self.kept(list, tensor, Place::of(index));
        Some(Statement::List { name: list.clone(), change: Change::Put(place, tensor, Place::of(index)) })
    }

    /// A tensor for a list, without its gradient where that leaves a `no_grad`.
    fn kept(&self, list: &Ident, tensor: Tensor, place: Place) -> Tensor {
        if self.leaves_cut(list) { detached(tensor, list.span(), "", place) } else { tensor }
    }

    /// `outputs[-1]`
    pub fn element(&mut self, list: Ident, index: &ExprIndex) -> Option<Tensor> {
        let place = self.place_in(&list, &index.index)?;
        Some(Tensor::Element { list, index: place, place: Place::of(index) })
    }

    /// A place in a list; a negative literal counts from the end, as in Python.
    fn place_in(&mut self, list: &Ident, index: &Expr) -> Option<TokenStream> {
        if let Expr::Unary(unary) = unparenthesized(index)
            && let (UnOp::Neg(_), Expr::Lit(ExprLit { lit: Lit::Int(back), .. })) = (&unary.op, &*unary.expr)
        {
            return Some(quote!((#list.len().wrapping_sub(#back))));
        }
        if let Expr::Binary(ExprBinary { left, op: BinOp::Sub(_), right, .. }) = unparenthesized(index)
            && let Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) = unparenthesized(left)
            && let Expr::Lit(ExprLit { lit: Lit::Int(back), .. }) = &**expr
            && let Value::Number(further) = self.value(right)?
        {
            let further = self.fixed(right, further);
            return Some(quote!((#list.len().wrapping_sub(#back).wrapping_sub(#further))));
        }
        match self.value(index)? {
            Value::Number(number) => Some(self.fixed(index, number)),
            _ => self.mistake(index, "a place in a list is a constant number, and this is a tensor"),
        }
    }

    /// What is said of what a list does where it is done to a tensor.
    pub fn tensor_is_no_list<T>(&mut self, method: &Ident, tensor: &str) -> Option<T> {
        let message = format!(
            "`{tensor}` is a tensor: a list is declared in the body that fills it, `let mut outputs = vec![];`, and given \
             to functions as one tensor, `cat(outputs, dim = 1)` or `stack(outputs, dim = 1)`"
        );
        self.mistake(method, message)
    }

    /// What is said of a list where a tensor is expected.
    pub fn list_is_no_tensor<T>(&mut self, name: &Ident) -> Option<T> {
        let message = format!(
            "`{name}` is a list of tensors: take one of them, `{name}[0]`, or put all together, `cat({name}, dim = 1)` or \
             `stack({name}, dim = 1)`"
        );
        self.mistake(name, message)
    }
}

/// The name of a list, which may say its type: `outputs: Vec<_>`.
fn name_of(pattern: &Pat) -> Option<Ident> {
    match pattern {
        Pat::Ident(pattern) => Some(pattern.ident.clone()),
        Pat::Type(typed) if matches!(*typed.ty, syn::Type::Array(_)) || spaced(&typed.ty).starts_with("Vec") => {
            name_of(&typed.pat)
        }
        _ => None,
    }
}

/// `3`, `-0.5`
fn is_number(element: &Expr) -> bool {
    match unparenthesized(element) {
        Expr::Lit(literal) => !matches!(literal.lit, Lit::Str(_)),
        Expr::Unary(unary) => matches!(unary.op, UnOp::Neg(_)) && is_number(&unary.expr),
        _ => false,
    }
}
