//! The expressions of a body: what is a tensor, what a number, and which layer is applied to what. No number is
//! computed: rustc evaluates them.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::quote;
use syn::{BinOp, Expr, ExprBinary, ExprLit, Lit, UnOp};

use super::extents::is_float;
use super::numbers::holds_numbers;
use super::scope::{Binding, Scope};
use super::{Layer, LayerKind, batch};
use crate::ast::{Node, Place};
use crate::body::{Access, Argument, Call, Inside, LayerParameter, Step, Tensor, Value};
use crate::free::{self, Origin};
use crate::layers::one_slip;
use crate::methods::{Form, Function};
use crate::mistakes::spaced;

/// What an expression stands for.
pub enum Meaning {
    Value(Value),
    Layer(Access),
    /// A place in a model that was declared elsewhere.
    Inside(Inside),
}

impl From<Tensor> for Meaning {
    fn from(tensor: Tensor) -> Meaning {
        Meaning::Value(Value::Tensor(tensor))
    }
}

pub const OPERATORS: &str = "a tensor takes the operators `+`, `-`, `*` and `/`, and comparisons";

impl Scope<'_> {
    /// What a name in scope stands for; a local one hides a field.
    pub fn find(&self, name: &Ident) -> Option<Binding> {
        let text = name.to_string();
        if let Some(place) = self.names.find(&text) {
            return Some(self.names.at(place).clone());
        }
        let access = Access { steps: vec![Step::Member(syn::Member::Named(name.clone()))] };
        access.find(self.layers).is_some().then_some(Binding::Layer(access))
    }

    pub fn not_in_scope<T>(&mut self, name: &Ident) -> Option<T> {
        let text = name.to_string();
        if text == "self" {
            let message = "the model's layers and functions are in scope by their names: `layer(x)`; `self(x)` is the model \
                           itself; an optimizer names the parts that it trains: `Adam((encoder, head), lr = 1e-3)`";
            return self.mistake(name, message);
        }
        let fields = self.layers.members.iter().filter_map(|member| match &member.name {
            syn::Member::Named(name) => Some(name.to_string()),
            syn::Member::Unnamed(_) => None,
        });
        let near = self
            .names
            .iter()
            .cloned()
            .chain(fields)
            .chain(self.helpers.iter().map(|helper| helper.name.to_string()))
            .find(|known| known.len() > 2 && one_slip(known, &text));
        let hint = match (text.as_str(), near) {
            ("pi" | "math" | "np", _) => "; numbers of Rust have paths: `std::f64::consts::PI`".to_string(),
            ("autograd", _) => "; the gradient of a loss in `x` is `grad(loss, x)`".to_string(),
            ("inf" | "nan", _) => "; numbers of Rust have paths: `f64::INFINITY`".to_string(),
            ("torch" | "nn" | "F", _) => "; functions stand alone: `relu(x)`, not `torch.relu(x)`".to_string(),
            (_, near) => near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default(),
        };
        self.mistake(name, format!("`{name}` is not in scope: it is neither a value nor a layer of this model{hint}"))
    }

    /// An expression that is a tensor, several, or a number.
    pub fn values(&mut self, expression: &Expr) -> Option<Value> {
        if let Expr::Tuple(tuple) = expression {
            return self.tensors(tuple.elems.iter()).map(Value::Tuple);
        }
        match self.meaning(expression)? {
            Meaning::Value(value) => Some(value),
            Meaning::Inside(inside) => Some(self.value_inside(inside)),
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

    /// An expression that is a tensor or a number.
    pub fn value(&mut self, expression: &Expr) -> Option<Value> {
        match self.values(expression)? {
            Value::Tuple(_) => self.mistake(expression, "expected one tensor, and these are several"),
            value => {
                if let Value::Tensor(_) = value {
                    self.gives(&value, 1, expression, "expected")?;
                }
                Some(value)
            }
        }
    }

    /// Expressions that are tensors.
    pub fn tensors<'e>(&mut self, expressions: impl Iterator<Item = &'e Expr>) -> Option<Vec<Tensor>> {
        let mut tensors = Vec::new();
        let mut complete = true;
        for expression in expressions {
            match self.value(expression) {
                Some(Value::Tensor(tensor)) => tensors.push(tensor),
                Some(_) => {
                    complete = self.mistake(expression, "expected a tensor, and this is a number").unwrap_or(false)
                }
                None => complete = false,
            }
        }
        complete.then_some(tensors)
    }

    /// An expression that may be a layer; nothing is reported if it is a value.
    pub fn layer(&mut self, expression: &Expr) -> Option<Access> {
        match self.meaning(expression)? {
            Meaning::Layer(layer) => Some(layer),
            Meaning::Value(Value::Tensor(Tensor::Parameter(parameter))) if parameter.name.is_empty() => {
                Some(parameter.layer)
            }
            Meaning::Value(_) => None,
            Meaning::Inside(inside) => {
                let message = format!(
                    "`{}` lies in another model, of which a body takes parameters and functions alone",
                    spaced(expression)
                );
                self.used_by(&inside.model);
                self.mistake(expression, message)
            }
        }
    }

    fn number(&mut self, expression: &Expr) -> Option<TokenStream> {
        match self.value(expression)? {
            Value::Number(number) => Some(number),
            _ => self.mistake(expression, "expected a constant number, and this is a tensor"),
        }
    }

    pub fn meaning(&mut self, expression: &Expr) -> Option<Meaning> {
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
            Expr::Cast(cast) if self.is_tensor(&cast.expr) => {
                let tensor = spaced(&cast.expr);
                let message = format!(
                    "a tensor is not cast by `as`: write `{tensor}.float()`, `{tensor}.int()` or `{tensor}.bool()`"
                );
                self.mistake(cast, message)
            }
            Expr::Cast(cast) => {
                let (mut value, ty) = (self.number(&cast.expr)?, &cast.ty);
                if is_float(ty) {
                    value = self.taken_as("float", &cast.expr, value);
                }
                number(round(quote!(#value as #ty), Place::of(cast).first))
            }
            Expr::Unary(unary) => {
                let operator = &unary.op;
                let name = match (self.value(&unary.expr)?, operator) {
                    (Value::Number(value), _) => {
                        return number(round(quote!(#operator #value), Place::of(operator).first));
                    }
                    (Value::Tensor(tensor), UnOp::Neg(_)) => ("neg", tensor),
                    (Value::Tensor(tensor), UnOp::Not(_)) => ("logical_not", tensor),
                    (_, UnOp::Deref(_)) => {
                        let message = format!("values are not borrowed: write `{}`", spaced(&unary.expr));
                        return self.mistake(unary, message);
                    }
                    _ => return self.mistake(unary, OPERATORS),
                };
                let (name, tensor) = name;
                Some(self.operator(name, vec![Argument::Tensor(tensor)], expression).into())
            }
            Expr::Binary(binary) if compound(&binary.op).is_some() => {
                self.mistake(expression, "this is a statement, and gives no value")
            }
            Expr::Binary(binary) => self.binary(binary).map(Meaning::Value),
            Expr::Index(index) if self.list_of(&index.expr).is_some() => {
                let list = self.list_of(&index.expr)?;
                self.element(list, index).map(Meaning::from)
            }
            Expr::Index(index) => {
                let base = match self.meaning(&index.expr)? {
                    Meaning::Value(value @ (Value::Tensor(_) | Value::Tuple(_))) => {
                        return self.one_of_several(index, value);
                    }
                    base => base,
                };
                let position = self.number(&index.index)?;
                match base {
                    Meaning::Inside(inside) => {
                        let place = Place::of(&index.index);
                        let step = Step::Index { index: position, place, certain: false };
                        Some(Meaning::Inside(inside.then(step, Place::of(index))))
                    }
                    Meaning::Value(base) => {
                        let Value::Number(base) = base else { return None };
                        let position = self.fixed(&index.index, position);
                        let position = group(Delimiter::Bracket, position, index.bracket_token.span.join());
                        number(quote!(#base #position))
                    }
                    Meaning::Layer(layer) => {
                        let certain = self.is_within(&index.index, &layer);
                        let step = Step::Index { index: position, place: Place::of(&index.index), certain };
                        self.step(layer, step, &index.expr)
                    }
                }
            }
            Expr::Field(field) => match self.meaning(&field.base)? {
                Meaning::Layer(layer) => self.step(layer, Step::Member(field.member.clone()), &field.base),
                Meaning::Inside(inside) => {
                    Some(Meaning::Inside(inside.then(Step::Member(field.member.clone()), Place::of(field))))
                }
                Meaning::Value(Value::Tensor(_) | Value::Tuple(_)) => {
                    let tensor = spaced(&field.base);
                    let message = match &field.member {
                        syn::Member::Named(name) if name == "shape" => {
                            format!("a tensor has no fields; the extent of axis 1 is `{tensor}.size(1)`")
                        }
                        syn::Member::Named(name) if name == "grad" => {
                            format!("a tensor has no fields; the gradient of a loss in it is `grad(loss, {tensor})`")
                        }
                        syn::Member::Named(name) if name == "data" => {
                            format!("a tensor has no fields; without its gradient it is `{tensor}.detach()`")
                        }
                        syn::Member::Named(name)
                            if Function::find(&name.to_string()).is_some_and(|known| known.form != Form::Function) =>
                        {
                            format!("a tensor has no fields; a method is called: `{tensor}.{name}(..)`")
                        }
                        syn::Member::Named(name) if name == "T" || name == "mT" => {
                            format!("a tensor has no fields; transposed it is `{tensor}.transpose(-2, -1)`")
                        }
                        _ => "a tensor has no fields; several values are taken apart by `let (a, b) = ..;`".to_string(),
                    };
                    self.mistake(&field.member, message)
                }
                Meaning::Value(Value::Number(_)) => {
                    self.mistake(&field.member, "only a model and a `Sequential` have fields")
                }
            },
            Expr::Call(call) => self.call(call),
            Expr::MethodCall(call) => self.method(call),
            Expr::If(choice) => {
                let choice = self.choice(choice, true)?;
                Some(Tensor::If(Box::new(choice)).into())
            }
            Expr::Block(block) => {
                let inner = self.braces(block, true)?;
                match inner.value {
                    Some(Value::Tensor(_) | Value::Tuple(_)) => Some(Tensor::Block(Box::new(inner)).into()),
                    Some(Value::Number(_)) => self.mistake(block, "a block gives a tensor, and this is a number"),
                    None if !self.complete => None,
                    None => self.mistake(block, "this block gives no value: end it with a tensor, without a semicolon"),
                }
            }
            Expr::Range(_) => self.mistake(expression, "a range stands in a `for` only"),
            Expr::Assign(_) | Expr::ForLoop(_) => self.mistake(expression, "this is a statement, and gives no value"),
            Expr::While(_) | Expr::Loop(_) => {
                self.mistake(expression, "the graph is fixed before it runs: a loop is a `for` over a constant range")
            }
            Expr::Tuple(_) => self.mistake(expression, "expected one tensor, and these are several"),
            Expr::Array(_) if holds_numbers(expression) => {
                let message = format!("numbers in brackets are a tensor by `tensor({})`", spaced(expression));
                self.mistake(expression, message)
            }
            Expr::Array(_) | Expr::Repeat(_) => {
                let message = "a list of tensors is declared by a `let`, as in `let mut list = vec![];`, and takes one more by \
                               `list.push(x);`";
                self.mistake(expression, message)
            }
            Expr::Return(syn::ExprReturn { expr: Some(result), .. }) => {
                let result = spaced(result);
                self.mistake(
                    expression,
                    format!("the result stands at the end, without `return` and without a semicolon: `{result}`"),
                )
            }
            Expr::Reference(reference) => {
                let of = spaced(&reference.expr);
                self.mistake(expression, format!("values are not borrowed: write `{of}`"))
            }
            Expr::Closure(_) => {
                let message = "a function of the model's own stands beside `forward`: `fn name(x) { .. }`";
                self.mistake(expression, message)
            }
            // What could not be read, which is said.
            Expr::Verbatim(tokens) if tokens.is_empty() => {
                self.complete = false;
                None
            }
            other => {
                let message = format!(
                    "this is not part of the language of `{}`: it takes `let`, assignments, `for`, `if`, arithmetic, \
                     calls of layers and methods of tensors",
                    self.function
                );
                self.mistake(other, message)
            }
        }
    }

    /// Whether an index and the length of the list are written, and the index is within.
    fn is_within(&self, index: &Expr, list: &Access) -> bool {
        match list.find(self.layers) {
            Some(Node::List { length, .. }) => {
                literal(index).zip(literal(length)).is_some_and(|(index, length)| index < length)
            }
            _ => false,
        }
    }

    /// `x[0]`: says what to write.
    pub fn index_of_tensor<T>(&mut self, index: &syn::ExprIndex) -> Option<T> {
        let tensor = spaced(&index.expr);
        let message = match unparenthesized(&index.index) {
            at if self.is_tensor(at) => format!(
                "a tensor is not indexed in brackets: the elements of an axis at places that a tensor holds are \
                 `{tensor}.index_select(0, {0})`, or `{tensor}.gather(1, {0})` of each row",
                spaced(at)
            ),
            Expr::Range(_) => format!(
                "a tensor is not indexed, as its first axis is the batch: take a part of an axis with `{tensor}.slice(1, \
                 START, END)`"
            ),
            _ => format!(
                "a tensor is not indexed, as its first axis is the batch: take one element of an axis with \
                 `{tensor}.select(1, {})`, or a part of it with `{tensor}.narrow(1, START, LENGTH)`",
                spaced(&index.index).trim_matches(['(', ')'])
            ),
        };
        self.mistake(index, message)
    }

    /// A name by itself. One that is not in scope is a constant if it is written like one.
    fn name(&mut self, name: &Ident) -> Option<Meaning> {
        match self.find(name) {
            Some(Binding::Tensor) => Some(Tensor::Variable(name.clone()).into()),
            Some(Binding::Number) => Some(Meaning::Value(Value::Number(quote!(#name)))),
            Some(Binding::List) => self.list_is_no_tensor(name),
            Some(Binding::Layer(layer)) => Some(self.or_parameter(layer, Place::of(name))),
            Some(Binding::Optimizer(_)) => {
                self.mistake(name, format!("`{name}` is an optimizer: the statement is `{name}.minimize(loss);`"))
            }
            Some(Binding::Unknown) => None,
            None if self.free.contains(name) => {
                let name = free::local(name);
                Some(Meaning::Value(Value::Number(quote!(#name))))
            }
            None if name == "N" => {
                let batch = batch();
                Some(Meaning::Value(Value::Number(free::batch(&quote!(#batch), Place::of(name)))))
            }
            None if self.is_constant_name(name) => Some(Meaning::Value(Value::Number(quote!(#name)))),
            None => self.not_in_scope(name),
        }
    }

    /// Whether a name of nothing in scope is that of a constant of the file.
    pub fn is_constant_name(&self, name: &Ident) -> bool {
        let is_known = self.find(name).is_some() || self.free.contains(name) || name == "N";
        !is_known && name.to_string().starts_with(char::is_uppercase)
    }

    /// One step further into the layers.
    pub fn step(&mut self, layer: Access, step: Step, base: &Expr) -> Option<Meaning> {
        let message = match (&step, layer.find(self.layers)) {
            (Step::Index { .. }, Some(Node::List { .. })) => None,
            (Step::Member(_), Some(Node::Sequence(_))) => None,
            (Step::Index { .. }, _) => Some(format!("`{}` is no list of layers", spaced(base))),
            (Step::Member(_), Some(Node::List { .. })) => {
                Some(format!("`{0}` is a list of layers: choose one, as in `{0}[0]`", spaced(base)))
            }
            (Step::Member(name), Some(Node::Layer(Layer { kind: LayerKind::Model, .. }))) => {
                let place = Place::of(base).to(Place::of(name));
                return Some(Meaning::Inside(Inside { model: layer, way: vec![step], call: None, place }));
            }
            (Step::Member(name), Some(Node::Layer(of))) => match value_of(of, &crate::expand::segment(name)) {
                Some(value) => return Some(self.parameter(layer, value, Place::of(base).to(Place::of(name)))),
                None => Some(no_member(of, &spaced(base))),
            },
            (Step::Member(_), None) => Some(format!("`{}` has no members", spaced(base))),
        };
        if let Some(message) = message {
            return self.mistake(base, message);
        }
        let name = if let Step::Member(name) = &step { Some(name.clone()) } else { None };
        let layer = layer.then(step);
        match (layer.find(self.layers), name) {
            (None, Some(name)) => self.mistake(name, format!("`{}` has no layer of this name", spaced(base))),
            _ => Some(self.or_parameter(layer, Place::of(base))),
        }
    }

    /// A layer; one that is a parameter by itself is a value.
    fn or_parameter(&mut self, layer: Access, place: Place) -> Meaning {
        let value = match layer.find(self.layers) {
            Some(Node::Layer(of)) => value_of(of, ""),
            _ => None,
        };
        match value {
            Some(name) => self.parameter(layer, name, place),
            None => Meaning::Layer(layer),
        }
    }

    fn parameter(&mut self, layer: Access, name: &'static str, place: Place) -> Meaning {
        self.used_by(&layer);
        Tensor::Parameter(Box::new(LayerParameter { layer, name, place })).into()
    }

    /// `left + right`; also that of `left += right`.
    pub fn binary(&mut self, binary: &ExprBinary) -> Option<Value> {
        let ExprBinary { left, op, right, .. } = binary;
        if let (BinOp::Mul(_), Expr::Unary(syn::ExprUnary { op: UnOp::Deref(_), expr, .. })) = (op, &**right) {
            // `x * 2 ** i` is read from the left.
            let mut left = &**left;
            while let Expr::Binary(product) = left {
                left = &product.right;
            }
            let (base, power) = (spaced(left), spaced(expr));
            let written = match unparenthesized(left) {
                Expr::Lit(_) if self.is_tensor(expr) => format!("pow({base}, {power})"),
                Expr::Lit(ExprLit { lit: Lit::Int(_), .. }) => {
                    format!("{base}_f64.powi({power})` beside tensors, and as an extent `{base}_usize.pow({power})")
                }
                _ => format!("{base}.pow({power})"),
            };
            return self.mistake(binary, format!("a power `{base} ** {power}` is written `{written}`"));
        }
        let (l, r) = (self.value(left), self.value(right));
        let plain = compound(op).unwrap_or(*op);
        let (l, r) = match (l?, r?) {
            (Value::Number(_), Value::Number(_))
                if matches!(plain, BinOp::BitXor(_)) && (self.has_fraction(left) || self.has_fraction(right)) =>
            {
                let power = format!("`{}.powf({})`", spaced(left), spaced(right));
                return self.mistake(op, format!("`^` is of bits: a power is {power}"));
            }
            (Value::Number(l), Value::Number(r)) if self.origin(left).and(self.origin(right)) != Origin::Constant => {
                return self.of_extents(binary, &plain, l, r);
            }
            (Value::Number(l), Value::Number(r)) => {
                return Some(Value::Number(self.of_one_type((left, l), &plain, (right, r))));
            }
            tensors => tensors,
        };
        let name = match plain {
            BinOp::Add(_) => "add",
            BinOp::Sub(_) => "sub",
            BinOp::Mul(_) => "mul",
            BinOp::Div(_) => "div",
            BinOp::Lt(_) => "lt",
            BinOp::Le(_) => "le",
            BinOp::Gt(_) => "gt",
            BinOp::Ge(_) => "ge",
            BinOp::Eq(_) => "eq",
            BinOp::Ne(_) => "ne",
            BinOp::BitAnd(_) => "logical_and",
            BinOp::BitOr(_) => "logical_or",
            _ => return self.no_operator(binary, &plain),
        };
        if let (BinOp::BitAnd(_) | BinOp::BitOr(_), Some(number)) =
            (&plain, [left, right].into_iter().find(|side| holds_numbers(side)))
        {
            let number = spaced(number);
            let message = format!("`&` and `|` combine masks, which comparisons give, and `{number}` is a number");
            return self.mistake(op, message);
        }
        let number = if matches!(l, Value::Number(_)) { &**left } else { &**right };
        // The methods behind comparisons are those of the left operand.
        let (name, l, r) = match (mirrored(name), &l) {
            (Some(mirrored), Value::Number(_)) => (mirrored, r, l),
            _ => (name, l, r),
        };
        let mut argument = |value: Value| match value {
            Value::Tensor(tensor) => Some(Argument::Tensor(tensor)),
            Value::Number(value) => self.operand(number, value),
            Value::Tuple(_) => None,
        };
        let arguments = [argument(l)?, argument(r)?].into();
        Some(Value::Tensor(self.operator(name, arguments, &Expr::Binary(binary.clone()))))
    }

    /// The function behind an operator.
    fn operator(&mut self, name: &str, arguments: Vec<Argument>, expression: &Expr) -> Tensor {
        let function = Function::find(name).expect("operators are rows of the table");
        let (text, place) = (spaced(expression), Place::of(expression));
        Tensor::Call(Box::new(Call { function, name: place.first, arguments, text, place }))
    }
}

/// The comparison with its sides exchanged.
fn mirrored(comparison: &str) -> Option<&'static str> {
    Some(match comparison {
        "lt" => "gt",
        "le" => "ge",
        "gt" => "lt",
        "ge" => "le",
        "eq" => "eq",
        "ne" => "ne",
        _ => return None,
    })
}

/// The operator of `x += y`.
pub fn compound(operator: &BinOp) -> Option<BinOp> {
    Some(match operator {
        BinOp::AddAssign(_) => BinOp::Add(Default::default()),
        BinOp::SubAssign(_) => BinOp::Sub(Default::default()),
        BinOp::MulAssign(_) => BinOp::Mul(Default::default()),
        BinOp::DivAssign(_) => BinOp::Div(Default::default()),
        _ => return None,
    })
}

/// An expression without the parentheses around it.
pub fn unparenthesized(expression: &Expr) -> &Expr {
    match expression {
        Expr::Paren(inner) => unparenthesized(&inner.expr),
        Expr::Group(inner) => unparenthesized(&inner.expr),
        other => other,
    }
}

/// Tokens in parentheses. rustc takes the parentheses' span for that of the whole expression if it holds it, so that
/// theirs is the user's as well.
pub fn round(tokens: TokenStream, span: Span) -> TokenStream {
    group(Delimiter::Parenthesis, tokens, span)
}

fn group(delimiter: Delimiter, tokens: TokenStream, span: Span) -> TokenStream {
    let mut group = Group::new(delimiter, tokens);
    group.set_span(span);
    quote!(#group)
}

/// A whole number that is written as such.
fn literal(value: &Expr) -> Option<u64> {
    match unparenthesized(value) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        _ => None,
    }
}

/// The parameter of a layer that a body may use as a value by this name.
fn value_of(layer: &Layer, name: &str) -> Option<&'static str> {
    match &layer.kind {
        LayerKind::Known { values, .. } => values.iter().copied().find(|value| *value == name),
        LayerKind::Model => None,
    }
}

/// Why a layer has no member to take.
fn no_member(layer: &Layer, text: &str) -> String {
    match &layer.kind {
        LayerKind::Model => format!("`{text}` is a model: apply it, as in `{text}(x)`"),
        LayerKind::Known { values: [], .. } => {
            format!(
                "`{text}` is one layer, and its parameters are its own; as values a body uses weights of `Linear`, \
                 `Embedding`, convolutions and norms, and a field `{text}_scale: Parameter(..)` of its own"
            )
        }
        LayerKind::Known { values: [""], .. } => format!("`{text}` is a parameter, which has no members"),
        LayerKind::Known { values, .. } => {
            let values = values.iter().map(|value| format!("`{text}.{value}`"));
            format!("`{text}` is one layer: apply it, as in `{text}(x)`, or use {} as a value", super::list(values))
        }
    }
}
