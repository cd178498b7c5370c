//! The expressions of a `forward`: what is a tensor, what a number, and which layer is applied to what.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::quote;
use syn::{BinOp, Expr, ExprBinary, ExprCall, ExprMethodCall, UnOp};

use super::forward::{Binding, Scope, compound};
use crate::ast::{Node, Place};
use crate::body::{Access, Binary, Operator, Step, Tensor, Value};
use crate::layers::{Known, one_slip};
use crate::methods;
use crate::mistakes::spaced;

/// What an expression stands for.
enum Meaning {
    Value(Value),
    Layer(Access),
}

impl From<Tensor> for Meaning {
    fn from(tensor: Tensor) -> Meaning {
        Meaning::Value(Value::Tensor(tensor))
    }
}

impl Scope<'_> {
    /// What a name in scope stands for; a local one hides a field.
    pub fn find(&self, name: &Ident) -> Option<Binding> {
        let text = name.to_string();
        if let Some((_, binding)) = self.names.iter().rev().find(|(known, _)| *known == text) {
            return Some(binding.clone());
        }
        let access = Access { steps: vec![Step::Member(syn::Member::Named(name.clone()))] };
        access.find(self.layers).is_some().then_some(Binding::Layer(access))
    }

    pub fn not_in_scope<T>(&mut self, name: &Ident) -> Option<T> {
        let text = name.to_string();
        let fields = self.layers.members.iter().filter_map(|member| match &member.name {
            syn::Member::Named(name) => Some(name.to_string()),
            syn::Member::Unnamed(_) => None,
        });
        let near = self
            .names
            .iter()
            .map(|(known, _)| known.clone())
            .chain(fields)
            .find(|known| known.len() > 2 && one_slip(known, &text));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        self.mistake(name, format!("`{name}` is not in scope: it is neither a value nor a layer of this model{hint}"))
    }

    /// An expression that is a tensor or a number.
    pub fn value(&mut self, expression: &Expr) -> Option<Value> {
        match self.meaning(expression)? {
            Meaning::Value(value) => Some(value),
            Meaning::Layer(layer) => {
                let text = spaced(expression);
                let message = match layer.find(self.layers) {
                    Some(Node::List { .. }) => {
                        format!("`{text}` is a list of layers: apply one of them, as in `{text}[0](x)`")
                    }
                    _ => format!("`{text}` is a layer: apply it, as in `{text}(x)`"),
                };
                self.mistake(expression, message)
            }
        }
    }

    /// An expression that may be a layer; nothing is reported if it is a value.
    pub fn layer(&mut self, expression: &Expr) -> Option<Access> {
        match self.meaning(expression)? {
            Meaning::Layer(layer) => Some(layer),
            Meaning::Value(_) => None,
        }
    }

    fn number(&mut self, expression: &Expr) -> Option<TokenStream> {
        match self.value(expression)? {
            Value::Number(number) => Some(number),
            Value::Tensor(_) => self.mistake(expression, "expected a constant number, and this is a tensor"),
        }
    }

    fn meaning(&mut self, expression: &Expr) -> Option<Meaning> {
        let number = |tokens: TokenStream| Some(Meaning::Value(Value::Number(tokens)));
        match expression {
            Expr::Paren(inner) => Some(match self.meaning(&inner.expr)? {
                Meaning::Value(Value::Number(value)) => {
                    Meaning::Value(Value::Number(round(value, inner.paren_token.span.join())))
                }
                other => other,
            }),
            Expr::Group(inner) => self.meaning(&inner.expr),
            Expr::Lit(literal) => number(quote!(#literal)),
            Expr::Path(path) => match path.path.get_ident() {
                Some(name) => self.name(name),
                // A constant of the user's.
                None => number(quote!(#path)),
            },
            Expr::Cast(cast) => {
                let (value, ty) = (self.number(&cast.expr)?, &cast.ty);
                number(round(quote!(#value as #ty), Place::of(cast).first))
            }
            Expr::Unary(unary) => {
                let operator = &unary.op;
                match (self.value(&unary.expr)?, operator) {
                    (Value::Number(value), _) => number(round(quote!(#operator #value), Place::of(operator).first)),
                    (Value::Tensor(tensor), UnOp::Neg(_)) => {
                        let method = Ident::new("neg", Place::of(operator).first);
                        Some(Tensor::Elementwise { of: Box::new(tensor), method }.into())
                    }
                    (Value::Tensor(_), _) => self.mistake(unary, "a tensor takes the operators `+`, `-`, `*` and `/`"),
                }
            }
            Expr::Binary(binary) => self.binary(binary).map(Meaning::Value),
            Expr::Index(index) => {
                let base = self.meaning(&index.expr);
                let position = self.number(&index.index)?;
                match base? {
                    Meaning::Value(Value::Number(base)) => {
                        let position = group(Delimiter::Bracket, position, index.bracket_token.span.join());
                        number(quote!(#base #position))
                    }
                    Meaning::Value(Value::Tensor(_)) => {
                        self.mistake(expression, "Kiln does not have the indexing of tensors yet")
                    }
                    Meaning::Layer(layer) => {
                        let step = Step::Index { index: position, place: Place::of(&index.index), certain: false };
                        self.step(layer, step, &index.expr)
                    }
                }
            }
            Expr::Field(field) => match self.meaning(&field.base)? {
                Meaning::Layer(layer) => self.step(layer, Step::Member(field.member.clone()), &field.base),
                Meaning::Value(_) => self.mistake(&field.member, "only a model and a `Sequential` have fields"),
            },
            Expr::Call(call) => self.call(call),
            Expr::MethodCall(call) => self.method(call),
            Expr::If(choice) => {
                let choice = self.choice(choice, true)?;
                Some(Tensor::If(Box::new(choice)).into())
            }
            Expr::Block(block) => {
                let inner = self.block(&block.block.stmts, true);
                match inner.value {
                    Some(Value::Tensor(_)) => Some(Tensor::Block(Box::new(inner)).into()),
                    Some(Value::Number(_)) => self.mistake(block, "a block gives a tensor, and this is a number"),
                    None => self.mistake(block, "this block gives no value: end it with a tensor, without a semicolon"),
                }
            }
            Expr::Range(_) => self.mistake(expression, "a range stands in a `for` only"),
            Expr::Assign(_) | Expr::ForLoop(_) => self.mistake(expression, "this is a statement, and gives no value"),
            Expr::While(_) | Expr::Loop(_) => {
                self.mistake(expression, "the graph is fixed before it runs: a loop is a `for` over a constant range")
            }
            other => {
                let message = "this is not part of the language of `forward`: it takes `let`, assignments, `for`, `if`, \
                               arithmetic, calls of layers and methods of tensors";
                self.mistake(other, message)
            }
        }
    }

    /// A name by itself. One that is not in scope is a constant if it is written like one.
    fn name(&mut self, name: &Ident) -> Option<Meaning> {
        match self.find(name) {
            Some(Binding::Tensor) => Some(Tensor::Variable(name.clone()).into()),
            Some(Binding::Number) => Some(Meaning::Value(Value::Number(quote!(#name)))),
            Some(Binding::Layer(layer)) => Some(Meaning::Layer(layer)),
            Some(Binding::Unknown) => None,
            None if name.to_string().starts_with(char::is_uppercase) => {
                Some(Meaning::Value(Value::Number(quote!(#name))))
            }
            None => self.not_in_scope(name),
        }
    }

    /// One step further into the layers.
    fn step(&mut self, layer: Access, step: Step, base: &Expr) -> Option<Meaning> {
        let message = match (&step, layer.find(self.layers)) {
            (Step::Index { .. }, Some(Node::List { .. })) => None,
            (Step::Member(_), Some(Node::Sequence(_))) => None,
            (Step::Index { .. }, _) => Some(format!("`{}` is no list of layers", spaced(base))),
            (Step::Member(_), Some(Node::List { .. })) => {
                Some(format!("`{0}` is a list of layers: choose one, as in `{0}[0]`", spaced(base)))
            }
            (Step::Member(_), _) => Some(format!("`{}` is one layer: only a `Sequential` has members", spaced(base))),
        };
        if let Some(message) = message {
            return self.mistake(base, message);
        }
        let name = if let Step::Member(name) = &step { Some(name.clone()) } else { None };
        let layer = layer.then(step);
        match (layer.find(self.layers), name) {
            (None, Some(name)) => self.mistake(name, format!("`{}` has no layer of this name", spaced(base))),
            _ => Some(Meaning::Layer(layer)),
        }
    }

    /// `left + right`; also that of `left += right`.
    pub fn binary(&mut self, binary: &ExprBinary) -> Option<Value> {
        let ExprBinary { left, op, right, .. } = binary;
        let (l, r) = (self.value(left), self.value(right));
        let plain = compound(op).unwrap_or(*op);
        let (l, r) = match (l?, r?) {
            (Value::Number(l), Value::Number(r)) => {
                return Some(Value::Number(round(quote!(#l #plain #r), Place::of(left).first)));
            }
            tensors => tensors,
        };
        let operator = match plain {
            BinOp::Add(_) => Operator::Add,
            BinOp::Sub(_) => Operator::Sub,
            BinOp::Mul(_) => Operator::Mul,
            BinOp::Div(_) => Operator::Div,
            BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_) | BinOp::Eq(_) | BinOp::Ne(_) => {
                let message = "a condition is a constant, as the graph is fixed before it runs; this compares a tensor";
                return self.mistake(binary, message);
            }
            _ => return self.mistake(op, "a tensor takes the operators `+`, `-`, `*` and `/`"),
        };
        let (text, place) = (spaced(binary), Place::of(binary));
        Some(Value::Tensor(Tensor::Binary(Box::new(Binary { left: l, operator, right: r, text, place }))))
    }

    fn call(&mut self, call: &ExprCall) -> Option<Meaning> {
        let ExprCall { func, args, .. } = call;
        let path = if let Expr::Path(path) = &**func { Some(&path.path) } else { None };
        if let Some(name) = path.and_then(|path| path.get_ident()) {
            match self.find(name) {
                Some(Binding::Layer(_) | Binding::Unknown) => {}
                Some(Binding::Tensor | Binding::Number) => {
                    return self.mistake(name, format!("`{name}` is a value, and no layer that could be applied"));
                }
                None if Known::find(&name.to_string()).is_some() => {
                    let message = format!(
                        "a layer has parameters, so it is a field: declare `name: {name}(..)` in the struct, \
                                           and apply it here as `name(x)`"
                    );
                    return self.mistake(name, message);
                }
                None => return self.function(call, Some(name)),
            }
        } else if path.is_some() {
            return self.function(call, None);
        }
        let Some(layer) = self.layer(func) else {
            let reported = path.is_some();
            return if reported { None } else { self.mistake(func, "only a layer can be applied") };
        };
        self.apply(layer, args.iter(), Place::of(call), func)
    }

    /// A constant function of the user's.
    fn function(&mut self, call: &ExprCall, name: Option<&Ident>) -> Option<Meaning> {
        let mut numbers = Vec::new();
        for argument in &call.args {
            match (self.value(argument)?, name) {
                (Value::Number(number), _) => numbers.push(number),
                (Value::Tensor(_), Some(name)) => return self.not_in_scope(name),
                (Value::Tensor(_), None) => {
                    return self.mistake(&call.func, "only a layer of this model can be applied to a tensor");
                }
            }
        }
        let function = &call.func;
        let arguments = round(quote!(#(#numbers),*), call.paren_token.span.join());
        Some(Meaning::Value(Value::Number(quote!(#function #arguments))))
    }

    fn apply<'e>(
        &mut self,
        layer: Access,
        arguments: impl Iterator<Item = &'e Expr>,
        place: Place,
        callee: impl quote::ToTokens,
    ) -> Option<Meaning> {
        if let Some(Step::Member(syn::Member::Named(name))) = layer.steps.first() {
            self.used.push(name.to_string());
        }
        let text = spaced(&callee);
        if let Some(Node::List { .. }) = layer.find(self.layers) {
            let message = format!(
                "`{text}` is a list of layers: apply one of them, as in `{text}[0](x)`, or go through \
                                   them with `for layer in {text}.iter()`"
            );
            return self.mistake(callee, message);
        }
        let arguments: Vec<&Expr> = arguments.collect();
        let [input] = arguments.as_slice() else {
            return self.mistake(callee, format!("a layer is applied to one tensor: `{text}(x)`"));
        };
        match self.value(input)? {
            Value::Tensor(tensor) => Some(Tensor::Apply { layer, input: Box::new(tensor), place }.into()),
            Value::Number(_) => self.mistake(input, "a layer is applied to a tensor, and this is a number"),
        }
    }

    fn method(&mut self, call: &ExprMethodCall) -> Option<Meaning> {
        let ExprMethodCall { receiver, method, args, .. } = call;
        let name = method.to_string();
        let tensor = match self.meaning(receiver)? {
            Meaning::Layer(layer) => match (layer.find(self.layers), name.as_str()) {
                (Some(Node::List { length, .. }), "len") if args.is_empty() => {
                    return Some(Meaning::Value(Value::Number(quote!((#length)))));
                }
                (Some(Node::List { .. }), "iter") => {
                    return self.mistake(method, "a list of layers is iterated in a `for` only");
                }
                _ => {
                    let step = Step::Member(syn::Member::Named(method.clone()));
                    let Meaning::Layer(layer) = self.step(layer, step, receiver)? else { return None };
                    return self.apply(layer, args.iter(), Place::of(call), quote!(#receiver.#method));
                }
            },
            Meaning::Value(Value::Number(number)) => {
                let arguments = args.iter().map(|argument| self.number(argument)).collect::<Option<Vec<_>>>()?;
                let arguments = round(quote!(#(#arguments),*), call.paren_token.span.join());
                return Some(Meaning::Value(Value::Number(quote!(#number.#method #arguments))));
            }
            Meaning::Value(Value::Tensor(tensor)) => tensor,
        };
        if methods::ELEMENTWISE.contains(&name.as_str()) {
            if let Some(argument) = args.first() {
                return self.mistake(argument, format!("`{name}` takes no arguments"));
            }
            return Some(Tensor::Elementwise { of: Box::new(tensor), method: method.clone() }.into());
        }
        if name == "detach_" {
            return self.mistake(method, "`detach_` is a statement; in an expression write `detach`");
        }
        if name.ends_with('_') {
            return self.in_place(call);
        }
        let hint = match methods::nearest(&name) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; those that a `forward` may call are {}", methods::ELEMENTWISE.join(", ")),
        };
        self.mistake(method, format!("a tensor has no method `{name}`{hint}"))
    }
}

/// Tokens in parentheses. rustc takes the parentheses' span for that of the whole expression if it holds it, so that
/// theirs is the user's as well.
fn round(tokens: TokenStream, span: Span) -> TokenStream {
    group(Delimiter::Parenthesis, tokens, span)
}

fn group(delimiter: Delimiter, tokens: TokenStream, span: Span) -> TokenStream {
    let mut group = Group::new(delimiter, tokens);
    group.set_span(span);
    quote!(#group)
}
