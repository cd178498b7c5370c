//! The arguments of functions of the table, checked as far as their tokens tell: which parameter each one is for, and
//! what it is as the rule and the builder take it.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, ExprUnary, Lit, Token, UnOp};

use super::calls::batch;
use super::expressions::{Meaning, round, unparenthesized};
use super::scope::Scope;
use crate::ast::Place;
use crate::body::{Argument, Attribute, Call, Tensor, Value};
use crate::layers::one_slip;
use crate::methods::{self, Function, Kind, Parameter};
use crate::mistakes::spaced;
use crate::naming::KILN;

impl Scope<'_> {
    /// A function of the table, as a method of `receiver` or by its name.
    pub fn table(
        &mut self,
        function: &'static Function,
        receiver: Option<Tensor>,
        name: &Ident,
        arguments: &Punctuated<Expr, Token![,]>,
        whole: &Expr,
    ) -> Option<Meaning> {
        let method = receiver.is_some();
        let mut given: Vec<Option<Vec<&Expr>>> = function.parameters.iter().map(|_| None).collect();
        let taken = method.then(|| function.receiver());
        let mut open: Vec<usize> = (0..given.len()).filter(|position| Some(*position) != taken).rev().collect();
        let mut right = true;
        let mut last = None;
        for argument in arguments {
            let (word, value) = named(argument);
            let position = match word {
                Some(word) => function.parameters.iter().position(|parameter| word == parameter.name),
                None => match open.pop() {
                    Some(position) => Some(position),
                    // `x.view(N, 64)` is `x.view([N, 64])`.
                    None => last.filter(|&last: &usize| several(function.parameters[last].kind)),
                },
            };
            let Some(position) = position.filter(|position| Some(*position) != taken) else {
                let message = match word {
                    Some(word) => {
                        let near = function.parameters.iter().find(|parameter| {
                            one_slip(parameter.name, &word.to_string()) || (word == "axis" && parameter.name == "dim")
                        });
                        let hint = match near {
                            Some(near) => format!("; did you mean `{}`?", near.name),
                            None => methods::no_argument(&word.to_string())
                                .map(|instead| format!(": {instead}"))
                                .unwrap_or_default(),
                        };
                        format!(
                            "`{}` has no argument `{word}` (it takes {}){hint}",
                            function.name,
                            function.signature(method),
                        )
                    }
                    None if function.signature(method) == "no arguments" => {
                        format!("`{}` takes no arguments", function.name)
                    }
                    None => {
                        format!("too many arguments: `{}` takes {}", function.name, function.signature(method))
                    }
                };
                match word {
                    Some(word) => self.mistake::<()>(word, message),
                    None => self.mistake::<()>(argument, message),
                };
                right = false;
                continue;
            };
            match &mut given[position] {
                Some(list) if word.is_none() => list.push(value),
                Some(_) => {
                    let message =
                        format!("`{}` of `{}` is given twice", function.parameters[position].name, function.name);
                    self.mistake::<()>(argument, message);
                    right = false;
                }
                place => *place = Some(vec![value]),
            }
            last = word.is_none().then_some(position);
            open.retain(|open| *open != position);
        }
        let missing: Vec<&str> = (function.parameters.iter().zip(&given).enumerate())
            .filter(|(position, (parameter, given))| {
                given.is_none() && parameter.default.is_none() && Some(*position) != taken
            })
            .map(|(_, (parameter, _))| parameter.name)
            .collect();
        if right && !missing.is_empty() {
            let why = missing.iter().find_map(|argument| methods::needed(function.name, argument));
            let message = format!(
                "`{}` needs {}: {}",
                function.name,
                super::list(missing.iter().map(|argument| format!("`{argument}`"))),
                why.map_or_else(|| format!("it takes {}", function.signature(method)), str::to_string),
            );
            return self.mistake(name, message);
        }
        let mut receiver = receiver;
        let mut all = Vec::new();
        for (position, (parameter, given)) in function.parameters.iter().zip(given).enumerate() {
            let argument = match given {
                _ if Some(position) == taken => receiver.take().map(Argument::Tensor),
                Some(values) => self.argument(function, parameter, &values),
                None => default(parameter),
            };
            right &= argument.is_some();
            all.extend(argument);
        }
        if !right {
            self.complete = false;
            return None;
        }
        let (text, place) = (spaced(whole), Place::of(whole));
        Some(Tensor::Call(Box::new(Call { function, name: name.span(), arguments: all, text, place })).into())
    }

    /// One argument, from one value, or from several where they are the elements of a list.
    fn argument(&mut self, function: &Function, parameter: &Parameter, values: &[&Expr]) -> Option<Argument> {
        let kind = parameter.kind;
        let [first, ..] = *values else { return None };
        let elements: Vec<&Expr> = match unparenthesized(first) {
            _ if values.len() > 1 => values.to_vec(),
            Expr::Tuple(tuple) => tuple.elems.iter().collect(),
            Expr::Array(array) => array.elems.iter().collect(),
            one => vec![one],
        };
        let listed = matches!(unparenthesized(first), Expr::Tuple(_) | Expr::Array(_)) || values.len() > 1;
        let none = matches!(first, Expr::Path(path) if path.path.is_ident("None"));
        let some = |Attribute { tokens, fixed }: Attribute| {
            Argument::Attribute(Attribute { tokens: quote!(::core::option::Option::Some(#tokens)), fixed })
        };
        match kind {
            Kind::Tensor(_) | Kind::Operand(_) => match self.value(first)? {
                value @ Value::Tensor(_) => {
                    self.gives(&value, 1, first, "expected")?;
                    let Value::Tensor(tensor) = value else { return None };
                    Some(Argument::Tensor(tensor))
                }
                Value::Number(number) if matches!(kind, Kind::Operand(_)) => self.operand(first, number),
                _ => self.wrong(function, parameter, first, "a number"),
            },
            Kind::OptionalScalar if none => Some(Argument::Attribute(Attribute::none())),
            Kind::Scalar | Kind::OptionalScalar if !fits(unparenthesized(first), Kind::Number) => {
                self.wrong(function, parameter, first, &format!("`{}`", spaced(first)))
            }
            Kind::Scalar | Kind::OptionalScalar => match self.value(first)? {
                Value::Number(_) if literal(unparenthesized(first)).is_some() => {
                    let attribute = self.attribute(function, parameter, first, Kind::Number)?;
                    Some(if kind == Kind::Scalar { Argument::Attribute(attribute) } else { some(attribute) })
                }
                Value::Number(number) => Some(Argument::Number(self.scalar(first, number)?)),
                _ => self.wrong(function, parameter, first, "a tensor"),
            },
            Kind::OptionalTensor(_) if none => Some(Argument::Attribute(Attribute::none())),
            Kind::OptionalTensor(_) => match self.value(first)? {
                Value::Tensor(tensor) => Some(Argument::Tensor(tensor)),
                _ => self.wrong(function, parameter, first, "a number"),
            },
            Kind::Text => match unparenthesized(first) {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                    Some(Argument::Attribute(Attribute { tokens: quote!(#text), fixed: Some(text.value()) }))
                }
                Expr::Path(path) => Some(Argument::Attribute(Attribute { tokens: quote!(#path), fixed: None })),
                other => self.wrong(function, parameter, first, &format!("`{}`", spaced(other))),
            },
            Kind::Tensors if self.list_of(first).is_some() => self.list_of(first).map(Argument::List),
            // `torch.einsum(equation, *operands)`, of which there may be one.
            Kind::Tensors if !listed && parameter.name != "operands" => {
                self.wrong(function, parameter, first, "one value")
            }
            Kind::Tensors if elements.is_empty() => self.wrong(function, parameter, first, "empty"),
            Kind::Tensors => self.tensors(elements.into_iter()).map(Argument::Tensors),
            Kind::OptionalAxis
            | Kind::OptionalAxes
            | Kind::OptionalNumber
            | Kind::OptionalSize
            | Kind::OptionalWhole
                if none =>
            {
                Some(Argument::Attribute(Attribute::none()))
            }
            Kind::Axes | Kind::OptionalAxes => {
                let axes: Option<Vec<Attribute>> =
                    elements.into_iter().map(|axis| self.attribute(function, parameter, axis, Kind::Axis)).collect();
                let axes = Attribute::list(axes?);
                Some(if kind == Kind::Axes { Argument::Attribute(axes) } else { some(axes) })
            }
            Kind::Shape if self.shape_of(first).is_some() => {
                let name = self.shape_of(first)?;
                let tokens = quote!(#name.shape().dims());
                Some(Argument::Attribute(Attribute { tokens, fixed: None }))
            }
            Kind::Shape | Kind::Sizes | Kind::Wholes | Kind::Numbers => {
                let element = match kind {
                    Kind::Shape => Kind::Shape,
                    Kind::Wholes => Kind::Whole,
                    Kind::Numbers => Kind::Number,
                    _ => Kind::Size,
                };
                let extents: Option<Vec<Attribute>> =
                    elements.into_iter().map(|extent| self.attribute(function, parameter, extent, element)).collect();
                Some(Argument::Attribute(Attribute::list(extents?)))
            }
            Kind::PairOfAxes if elements.len() != 2 => {
                self.wrong(function, parameter, first, &format!("`{}`", spaced(first)))
            }
            Kind::PairOfAxes => {
                let mut each = Vec::new();
                for axes in elements {
                    let axes: Vec<&Expr> = match unparenthesized(axes) {
                        Expr::Tuple(tuple) => tuple.elems.iter().collect(),
                        Expr::Array(array) => array.elems.iter().collect(),
                        one => vec![one],
                    };
                    let axes = axes.into_iter().map(|axis| self.attribute(function, parameter, axis, Kind::Axis));
                    each.push(Attribute::list(axes.collect::<Option<Vec<Attribute>>>()?));
                }
                let fixed = each.iter().map(|axes| axes.fixed.clone()).collect::<Option<Vec<String>>>();
                let axes = each.iter().map(|axes| &axes.tokens);
                let tokens = quote!((#(#axes),*));
                Some(Argument::Attribute(Attribute { tokens, fixed: fixed.map(|axes| axes.concat()) }))
            }
            Kind::OptionalAxis => Some(some(self.attribute(function, parameter, first, Kind::Axis)?)),
            Kind::OptionalSize => Some(some(self.attribute(function, parameter, first, Kind::Size)?)),
            Kind::OptionalWhole => Some(some(self.attribute(function, parameter, first, Kind::Whole)?)),
            Kind::OptionalNumber => Some(some(self.attribute(function, parameter, first, Kind::Number)?)),
            Kind::Axis | Kind::Size | Kind::Whole | Kind::End | Kind::Number | Kind::Flag => {
                Some(Argument::Attribute(self.attribute(function, parameter, first, kind)?))
            }
        }
    }

    /// The tensor whose whole shape is asked for: `x.size()`.
    fn shape_of(&self, value: &Expr) -> Option<Ident> {
        let Expr::MethodCall(call) = unparenthesized(value) else { return None };
        let Expr::Path(path) = unparenthesized(&call.receiver) else { return None };
        let name = path.path.get_ident().filter(|_| call.method == "size" && call.args.is_empty())?;
        matches!(self.find(name), Some(super::scope::Binding::Tensor)).then(|| name.clone())
    }

    /// One number or flag, as Rust.
    fn attribute(&mut self, function: &Function, parameter: &Parameter, value: &Expr, kind: Kind) -> Option<Attribute> {
        let plain = unparenthesized(value);
        if matches!(kind, Kind::Shape | Kind::End)
            && matches!(plain, Expr::Path(path) if path.path.is_ident("N"))
            && self.names.find("N").is_none()
        {
            let batch = batch();
            let tokens = match kind {
                Kind::End => quote!(#KILN::graph::shape::functions::batch_end(#batch)),
                _ => quote!(#batch),
            };
            return Some(Attribute { tokens, fixed: Some("N".to_string()) });
        }
        if kind == Kind::Shape && is_minus_one(plain) {
            let (tokens, fixed) = (quote!(#KILN::graph::Shape::INFERRED), Some("-1".to_string()));
            return Some(Attribute { tokens, fixed });
        }
        if !fits(plain, kind) {
            return self.wrong(function, parameter, value, &format!("`{}`", spaced(value)));
        }
        let number = match self.value(value)? {
            Value::Number(number) => number,
            _ => return self.wrong(function, parameter, value, "a tensor"),
        };
        let fixed = literal(plain);
        let number = match kind {
            Kind::Size | Kind::Shape => self.taken_as("extent", value, number),
            Kind::Number => {
                let quotients = self.not_rounded(value)?;
                let number = self.taken_as("float", value, number);
                if quotients.is_empty() { number } else { quote!({ #quotients #number }) }
            }
            _ => number,
        };
        let ty = match kind {
            Kind::Axis | Kind::Whole | Kind::End => quote!(isize),
            Kind::Size | Kind::Shape => quote!(usize),
            Kind::Number => quote!(f64),
            _ => return Some(Attribute { tokens: number, fixed }),
        };
        let number = round(number, Place::of(value).first);
        Some(Attribute { tokens: quote!(#number as #ty), fixed })
    }

    fn wrong<T>(&mut self, function: &Function, parameter: &Parameter, value: &Expr, found: &str) -> Option<T> {
        let expected = match parameter.kind {
            Kind::Tensor(_) => "a tensor",
            Kind::OptionalTensor(_) => "a tensor or `None`",
            Kind::Operand(_) => "a tensor or a number",
            Kind::Tensors => "tensors in parentheses or brackets, as in `(a, b)`",
            Kind::Axis => "the number of an axis",
            Kind::OptionalAxis => "the number of an axis, or `None`",
            Kind::Axes => "the number of an axis, or several as in `[1, 2]`",
            Kind::OptionalAxes => "the number of an axis, several as in `[1, 2]`, or `None`",
            Kind::Shape => "a shape, as in `[N, 64]`, with `-1` for what is left",
            Kind::Sizes => "whole numbers, as in `[1, 1]`",
            Kind::Size => "a whole number",
            Kind::OptionalSize => "a whole number or `None`",
            Kind::Whole | Kind::End => "a whole number, which may be negative",
            Kind::OptionalWhole => "a whole number, which may be negative, or `None`",
            Kind::Wholes => "whole numbers, as in `[1, -1]`",
            Kind::PairOfAxes => "the axes of both tensors, as in `([1], [0])`",
            Kind::Numbers => "numbers, as in `[1.5, 2]`",
            Kind::Text => "a text in quotation marks",
            Kind::Number | Kind::Scalar => "a number",
            Kind::OptionalNumber | Kind::OptionalScalar => "a number or `None`",
            Kind::Flag => "`true` or `false`",
        };
        // PyTorch's `max` of two takes tensors.
        let hint = match (function.name, parameter.name) {
            ("max", "dim") => format!("; at least as much is `x.clamp(min = {})`", spaced(value)),
            ("min", "dim") => format!("; at most as much is `x.clamp(max = {})`", spaced(value)),
            _ => String::new(),
        };
        self.mistake(
            value,
            format!("`{}` of `{}` must be {expected}, and this is {found}{hint}", parameter.name, function.name),
        )
    }
}

/// `dim = 1`
pub fn named(argument: &Expr) -> (Option<&Ident>, &Expr) {
    match argument {
        Expr::Assign(assign) => match &*assign.left {
            Expr::Path(path) => (path.path.get_ident(), &assign.right),
            _ => (None, argument),
        },
        other => (None, other),
    }
}

/// Whether arguments that follow one another are the elements of a list.
pub fn several(kind: Kind) -> bool {
    matches!(kind, Kind::Axes | Kind::Shape | Kind::Sizes | Kind::Wholes | Kind::Numbers | Kind::Tensors)
}

/// The default of a parameter.
pub fn default(parameter: &Parameter) -> Option<Argument> {
    let text = parameter.default?;
    if text == "None" {
        return Some(Argument::Attribute(Attribute::none()));
    }
    let tokens: TokenStream = text.parse().ok()?;
    let tokens = if matches!(parameter.kind, Kind::Sizes | Kind::Numbers) { quote!(&#tokens) } else { tokens };
    Some(Argument::Attribute(Attribute { tokens, fixed: Some(text.to_string()) }))
}

impl Attribute {
    fn none() -> Attribute {
        Attribute { tokens: quote!(::core::option::Option::None), fixed: Some("None".to_string()) }
    }

    fn list(elements: Vec<Attribute>) -> Attribute {
        let mut text = String::from("[");
        for element in &elements {
            text.push_str(element.fixed.as_deref().unwrap_or_default());
            text.push(',');
        }
        let fixed = elements.iter().all(|element| element.fixed.is_some()).then_some(text);
        let elements = elements.iter().map(|element| &element.tokens);
        Attribute { tokens: quote!(&[#(#elements),*]), fixed }
    }
}

/// The text of a literal, which may be negative.
fn literal(value: &Expr) -> Option<String> {
    match unparenthesized(value) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => Some(number.to_string()),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => Some(number.to_string()),
        Expr::Lit(ExprLit { lit: Lit::Bool(flag), .. }) => Some(flag.value.to_string()),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => Some(format!("-{}", literal(expr)?)),
        _ => None,
    }
}

/// `-1`
fn is_minus_one(value: &Expr) -> bool {
    match value {
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => {
            matches!(unparenthesized(expr), Expr::Lit(ExprLit { lit: Lit::Int(one), .. }) if one.base10_digits() == "1")
        }
        _ => false,
    }
}

/// Whether a value can be of a kind; what is no literal is left to rustc.
pub fn fits(value: &Expr, kind: Kind) -> bool {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => match lit {
            Lit::Int(_) => kind != Kind::Flag,
            Lit::Float(_) => kind == Kind::Number,
            Lit::Bool(_) => kind == Kind::Flag,
            _ => false,
        },
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => {
            matches!(kind, Kind::Axis | Kind::Whole | Kind::End | Kind::Number) && fits(unparenthesized(expr), kind)
        }
        Expr::Path(path) => !["True", "False", "None"].iter().any(|word| path.path.is_ident(word)),
        Expr::Array(_) | Expr::Range(_) | Expr::Tuple(_) | Expr::Closure(_) => false,
        _ => true,
    }
}
