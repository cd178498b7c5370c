//! Lists of tensors: `let mut outputs = vec![];`, which loops fill, index and go through, and which `cat` and `stack`
//! put together. How many tensors are in one is known where a body is walked, over types as over values.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprIndex, ExprLit, ExprMethodCall, Lit, Pat, Token, UnOp};

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
            _ => return None,
        };
        let tensors = self.tensors(elements.iter());
        Some(self.listed(local, tensors.map(Change::New)))
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
        self.listed(local, tensor.zip(count).map(|(tensor, count)| Change::Repeated(tensor, count)))
    }

    fn listed(&mut self, local: &syn::Local, change: Option<Change>) -> Option<Statement> {
        let Pat::Ident(pattern) = &local.pat else {
            return self.mistake(&local.pat, "a list has one name: `let mut outputs = vec![];`");
        };
        let name = pattern.ident.clone();
        let binding = if change.is_some() { Binding::List } else { Binding::Unknown };
        self.names.declare(&name.to_string(), binding);
        Some(Statement::List { name, change: change? })
    }

    /// `outputs.push(x);`
    pub fn change_list(&mut self, call: &ExprMethodCall) -> Option<Statement> {
        let name = self.list_of(&call.receiver)?;
        let [element] = call.args.iter().collect::<Vec<_>>()[..] else {
            return self.mistake(call, format!("a list takes one tensor more: `{name}.push(x);`"));
        };
        if call.method != "push" {
            let (method, element) = (&call.method, spaced(element));
            let message = format!(
                "a list of tensors has no method `{method}`: it takes one tensor more by `{name}.push({element});`"
            );
            return self.mistake(method, message);
        }
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
        match self.value(index)? {
            Value::Number(number) => Some(self.fixed(index, number)),
            _ => self.mistake(index, "a place in a list is a constant number, and this is a tensor"),
        }
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
