//! Calls in a body: of layers, of the model's own functions, and of the functions of tensors in the table. What stands
//! between the parentheses is for `applied.rs` and `functions.rs` to read.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, ExprCall, ExprMethodCall, Token};

use super::assign::number_as_tensor;
use super::certain::Element;
use super::expressions::{Meaning, round, unparenthesized};
use super::extents::is_float;
use super::functions::{named, several};
use super::numbers::{whole, wide};
use super::scope::{Binding, Scope};
use super::{Layer, LayerKind};
use crate::ast::{Node, ParameterKind, Place};
use crate::body::{Holds, Step, Tensor, Value};
use crate::layers::Known;
use crate::losses;
use crate::methods::{self, Builds, Form, Function, Kind};
use crate::mistakes::spaced;
use crate::naming::KILN;

/// The variable that holds the batch size where a body is expanded.
pub fn batch() -> Ident {
    Ident::new("_batch", Span::mixed_site())
}

impl Scope<'_> {
    /// A number that is given where a tensor without axes is taken. Whole numbers that are taken may be rounded.
    fn argument_as_tensor(&mut self, number: TokenStream, written: &Expr, taken: Element) -> Option<Tensor> {
        let number = match whole(written) {
            Some(whole) => wide(whole, Place::of(written).first),
            None if taken == Element::I32 => number,
            None => self.checked(number, written)?,
        };
        Some(number_as_tensor(number, written, Some(Holds::Known(taken))))
    }

    /// A number that a function of the model takes with a fraction: a whole one that is written is one of these.
    fn with_fraction(&mut self, number: TokenStream, written: &Expr, taken: &syn::Type) -> Option<TokenStream> {
        let number = self.checked(number, written)?;
        Some(match whole(written) {
            Some(whole) => {
                let place = Place::of(written).first;
                let whole = wide(whole, place);
                round(quote_spanned!(place=> #whole as #taken), place)
            }
            None => number,
        })
    }

    pub fn call(&mut self, call: &ExprCall) -> Option<Meaning> {
        let ExprCall { func, args, .. } = call;
        let path = if let Expr::Path(path) = &**func { Some(&path.path) } else { None };
        if let Some(name) = path.and_then(|path| path.get_ident()) {
            match self.find(name) {
                Some(Binding::Layer(_) | Binding::Unknown | Binding::Optimizer(_)) => {}
                Some(Binding::Tensor | Binding::Number | Binding::List) => {
                    return self.mistake(name, format!("`{name}` is a value, and no layer that could be applied"));
                }
                None if Known::find(&name.to_string()).is_some() => {
                    return self.not_a_function(name, &name.to_string());
                }
                None => return self.named_call(call, name),
            }
        } else if path.is_some() {
            return self.foreign(call);
        }
        let layer = match self.meaning(func) {
            Some(Meaning::Inside(inside)) => return self.call_inside(inside, call),
            Some(Meaning::Layer(layer)) => Some(layer),
            Some(Meaning::Value(Value::Tensor(Tensor::Parameter(parameter)))) if parameter.name.is_empty() => {
                Some(parameter.layer)
            }
            Some(Meaning::Value(_)) | None => None,
        };
        let Some(layer) = layer else {
            let reported = path.is_some() || !self.complete;
            return if reported { None } else { self.mistake(func, "only a layer can be applied") };
        };
        self.apply(layer, args.iter(), Place::of(call), func)
    }

    /// A call by a name that is no layer's: one of the model's own functions, one of the table if a tensor is among its
    /// arguments, or else a constant function of the user's.
    fn named_call(&mut self, call: &ExprCall, name: &Ident) -> Option<Meaning> {
        if call.args.iter().any(|argument| in_brackets(argument).is_some()) {
            // `stack(vec![a, b])` is `stack([a, b])`.
            let mut call = call.clone();
            call.args
                .iter_mut()
                .for_each(|argument| *argument = in_brackets(argument).unwrap_or_else(|| argument.clone()));
            return self.named_call(&call, name);
        }
        if name == "self" || name == "forward" {
            return self.whole(call, name);
        }
        if let Some(helper) = self.helpers.iter().position(|helper| helper.name == *name) {
            return self.helper_call(call, name, helper);
        }
        let text = name.to_string();
        let text = text.trim_start_matches("r#");
        if text == "grad" {
            return self.gradient(call).map(Meaning::from);
        }
        if text == "tensor" {
            return self.constant(call).map(Meaning::from);
        }
        if let Some(known) = losses::Known::find(text) {
            return self.loss(known, call).map(Meaning::from);
        }
        let function = self.overload(text, false, &call.args);
        if let Some(function) = function
            && (function.form == Form::Function || call.args.iter().any(|argument| self.is_tensor(argument)))
        {
            if function.form == Form::Method {
                let arguments = function.call(true);
                let message = format!("`{text}` is a method: write `x.{text}({arguments})`");
                return self.mistake(name, message);
            }
            return self.table(function, None, name, &call.args, &Expr::Call(call.clone()));
        }
        let listed = call.args.iter().any(|argument| matches!(argument, Expr::Array(_) | Expr::Tuple(_)));
        if let (true, Some(instead)) = (listed, methods::advice(text)) {
            return self.mistake(name, format!("Kiln does not have PyTorch's `{text}`: {instead}"));
        }
        // Any other may be a function of the user's.
        if (text, call.args.len()) == ("pow", 2)
            && call.args.iter().all(|argument| named(argument).0.is_none())
            && call.args.iter().any(|argument| self.has_fraction(argument))
        {
            let (base, power, method) = (&call.args[0], &call.args[1], name);
            return self.method(&syn::parse_quote_spanned!(call.span()=> (#base).#method(#power)));
        }
        if text == "list" && call.args.is_empty() {
            return self.mistake(call, "an empty list of tensors is `vec![]`");
        }
        let Some(numbers) = self.numbers(&call.args)? else {
            if let Some(instead) = methods::advice(text) {
                return self.mistake(name, format!("Kiln does not have PyTorch's `{text}`: {instead}"));
            }
            if let Some(near) = losses::Known::nearest(text) {
                return self.mistake(name, format!("there is no `{text}`; did you mean `{near}`?"));
            }
            let near = methods::nearest(text, false).filter(|_| function.is_none());
            return match near {
                Some(near) => {
                    self.mistake(name, format!("there is no function `{text}` of tensors; did you mean `{near}`?"))
                }
                None => match Known::written_in_snake_case(text) {
                    Some(layer) => self.not_a_function(name, layer.name),
                    None => self.not_in_scope(name),
                },
            };
        };
        if function.is_some()
            && call.args.len() == 1
            && let Some(result) = of_number(text, name.span(), &numbers, 0, &TokenStream::new())
        {
            return Some(Meaning::Value(Value::Number(result)));
        }
        let arguments = round(numbers, call.paren_token.span.join());
        Some(Meaning::Value(Value::Number(quote!(#name #arguments))))
    }

    /// `self(x)` or `forward(x)`: the model itself.
    fn whole(&mut self, call: &ExprCall, name: &Ident) -> Option<Meaning> {
        let Some(whole) = self.whole else {
            let message = format!(
                "`{name}(..)` applies the model itself, which has no `forward`: declare `fn forward(x: [N, ..]) -> [N, ..] \
                 {{ .. }}`"
            );
            return self.mistake(name, message);
        };
        self.calls.push((self.helpers.len(), name.clone()));
        if whole.inputs.len() != call.args.len() {
            let names = super::list(whole.inputs.iter().map(|name| format!("`{name}`")));
            let message = format!("the model itself takes {names}, and is called with {}", call.args.len());
            return self.mistake(call, message);
        }
        let mut inputs = Vec::new();
        for ((name, number), argument) in whole.inputs.iter().zip(&whole.numbers).zip(&call.args) {
            let tensor = match (self.value(argument)?, number) {
                (Value::Tensor(tensor), _) => tensor,
                (Value::Number(given), Some(element)) => self.argument_as_tensor(given, argument, *element)?,
                _ => return self.mistake(argument, "expected a tensor, and this is a number"),
            };
            inputs.push((name.clone(), tensor));
        }
        Some(Tensor::Whole { inputs, place: Place::of(call) }.into())
    }

    /// A layer that is called like a function: `ReLU(x)` or `max_pool2d(x, 2)`.
    fn not_a_function<T>(&mut self, name: &Ident, layer: &str) -> Option<T> {
        let message = format!(
            "a layer is a field of the model: declare `name: {layer}(..)` in the struct, and apply it here as `name(x)`"
        );
        self.mistake(name, message)
    }

    /// The row of a name that the arguments fit as far as their tokens tell, or the first one.
    fn overload(&self, name: &str, method: bool, arguments: &Punctuated<Expr, Token![,]>) -> Option<&'static Function> {
        let fits = |function: &&Function, strictly: bool| {
            let receiver = method.then(|| function.receiver());
            let mut open = (0..function.parameters.len()).filter(|position| Some(*position) != receiver);
            let mut given = Vec::new();
            let each = arguments.iter().all(|argument| {
                let (word, value) = named(argument);
                let position = match word {
                    Some(word) => function.parameters.iter().position(|parameter| word == parameter.name),
                    None => open.next(),
                };
                given.extend(position);
                if position.is_none() && word.is_some() && !strictly {
                    return true;
                }
                let listed =
                    matches!(unparenthesized(value), Expr::Array(_) | Expr::Tuple(_)) || self.list_of(value).is_some();
                let text =
                    matches!(unparenthesized(value), Expr::Lit(literal) if matches!(literal.lit, syn::Lit::Str(_)));
                position.is_some_and(|position| match function.parameters[position].kind {
                    Kind::Tensor(_) => self.is_tensor(value) && !listed,
                    Kind::Operand(_) | Kind::OptionalTensor(_) => !listed,
                    Kind::Tensors | Kind::PairOfAxes => listed,
                    kind if text => kind == Kind::Text,
                    Kind::OptionalAxes => !self.is_tensor(value),
                    kind => !self.is_tensor(value) && (!listed || several(kind)),
                })
            });
            let missing = function.parameters.iter().enumerate().any(|(position, parameter)| {
                parameter.default.is_none() && Some(position) != receiver && !given.contains(&position)
            });
            each && !missing
        };
        // `unfold` by its name is another one than the method.
        let other = if method { Form::Function } else { Form::Method };
        let of_form = || Function::all(name).filter(move |function| function.form != other);
        of_form()
            .find(|function| fits(function, true))
            .or_else(|| of_form().find(|function| fits(function, false)))
            .or_else(|| of_form().next())
            .or_else(|| Function::find(name))
    }

    /// A function by a path, which is a constant one of the user's.
    fn foreign(&mut self, call: &ExprCall) -> Option<Meaning> {
        let Some(numbers) = self.numbers(&call.args)? else {
            let last = if let Expr::Path(path) = &*call.func { path.path.segments.last() } else { None };
            let alone = last
                .map(|last| last.ident.to_string())
                .filter(|name| Function::find(name).is_some() || losses::Known::find(name).is_some());
            let message = match alone {
                Some(name) => format!("functions of tensors stand alone: `{name}(..)`"),
                None => "only a layer of this model, a function of it, or a function of tensors such as `relu(x)` can \
                         be applied to a tensor"
                    .to_string(),
            };
            return self.mistake(&call.func, message);
        };
        let function = &call.func;
        let arguments = round(numbers, call.paren_token.span.join());
        Some(Meaning::Value(Value::Number(quote!(#function #arguments))))
    }

    /// Arguments that are all numbers; if one is a tensor there are none, which is for the caller to report.
    fn numbers(&mut self, arguments: &Punctuated<Expr, Token![,]>) -> Option<Option<TokenStream>> {
        let mut numbers = Vec::new();
        for argument in arguments {
            match self.value(argument)? {
                Value::Number(number) => numbers.push(self.computed_with(argument, number)),
                Value::Tensor(_) | Value::Tuple(_) => return Some(None),
            }
        }
        Some(Some(quote!(#(#numbers),*)))
    }

    /// Whether an argument holds a tensor, without looking for mistakes.
    pub fn is_tensor(&self, argument: &Expr) -> bool {
        match argument {
            Expr::Assign(assign) => self.is_tensor(&assign.right),
            Expr::Paren(inner) => self.is_tensor(&inner.expr),
            Expr::Group(inner) => self.is_tensor(&inner.expr),
            Expr::Unary(unary) => self.is_tensor(&unary.expr),
            Expr::Binary(binary) => self.is_tensor(&binary.left) || self.is_tensor(&binary.right),
            Expr::Tuple(tuple) => tuple.elems.iter().any(|element| self.is_tensor(element)),
            Expr::Array(array) => array.elems.iter().any(|element| self.is_tensor(element)),
            Expr::MethodCall(call) => call.method != "size" && call.method != "len" && self.is_tensor(&call.receiver),
            Expr::Call(call) => {
                self.is_tensor(&call.func) || makes(&call.func) || call.args.iter().any(|arg| self.is_tensor(arg))
            }
            Expr::Index(index) => self.is_tensor(&index.expr),
            Expr::Field(field) => self.is_tensor(&field.base),
            Expr::Path(path) => path.path.get_ident().and_then(|name| self.find(name)).is_some_and(|binding| {
                matches!(binding, Binding::Tensor | Binding::List | Binding::Layer(_) | Binding::Unknown)
            }),
            Expr::Block(_) | Expr::If(_) => true,
            _ => false,
        }
    }

    /// `double(x)`, a function that the model declares.
    fn helper_call(&mut self, call: &ExprCall, name: &Ident, position: usize) -> Option<Meaning> {
        self.calls.push((position, name.clone()));
        let helper = &self.helpers[position];
        if helper.parameters.len() != call.args.len() {
            let names = helper.parameters.iter().map(|parameter| format!("`{}`", parameter.name));
            let names = super::list(names);
            let names = if names.is_empty() { "no arguments".to_string() } else { names };
            return self.mistake(call, format!("`{name}` takes {names}, and is called with {}", call.args.len()));
        }
        let mut arguments = Vec::new();
        let mut right = true;
        for (parameter, argument) in helper.parameters.iter().zip(&call.args) {
            let value = match (self.value(argument), &parameter.kind) {
                (Some(Value::Number(number)), ParameterKind::Tensor(Some(extents)))
                    if extents.values.is_empty() && !extents.batch =>
                {
                    self.argument_as_tensor(number, argument, Element::of(extents)).map(Value::Tensor)
                }
                (Some(Value::Number(number)), ParameterKind::Number(ty)) if is_float(ty) => {
                    self.with_fraction(number, argument, ty).map(Value::Number)
                }
                (value, _) => value,
            };
            let expected = match (&value, &parameter.kind) {
                (Some(Value::Tensor(_)), ParameterKind::Tensor(_))
                | (Some(Value::Number(_)), ParameterKind::Number(_)) => None,
                (None, _) => {
                    right = false;
                    None
                }
                (_, ParameterKind::Tensor(_)) => Some(("a tensor", "a number")),
                (_, ParameterKind::Number(_)) => Some(("a number", "a tensor")),
            };
            if let Some((expected, found)) = expected {
                let hint = match parameter.kind {
                    ParameterKind::Tensor(Some(_)) => String::new(),
                    ParameterKind::Tensor(None) => {
                        format!(": a number's type is said, as in `{}: f32`", parameter.name)
                    }
                    ParameterKind::Number(_) => String::new(),
                };
                let message = format!("`{}` of `{name}` is {expected}, and this is {found}{hint}", parameter.name);
                self.mistake::<()>(argument, message);
                right = false;
            }
            arguments.extend(value);
        }
        right.then(|| Tensor::Helper { helper: position, arguments, place: Place::of(call) }.into())
    }

    pub fn method(&mut self, call: &ExprMethodCall) -> Option<Meaning> {
        let ExprMethodCall { receiver, method, args, .. } = call;
        let name = method.to_string();
        let name = name.trim_start_matches("r#");
        if let (Some(list), "len") = (self.list_of(receiver), name) {
            return Some(Meaning::Value(Value::Number(quote!(#list.len()))));
        }
        let tensor = match self.meaning(receiver)? {
            Meaning::Layer(layer) => match (layer.find(self.layers), name, self.method_of(&layer, name)) {
                (Some(Node::List { length, .. }), "len", _) if args.is_empty() => {
                    return Some(Meaning::Value(Value::Number(quote!((#length)))));
                }
                (Some(Node::List { .. }), "iter", _) => {
                    return self.mistake(method, "a list of layers is iterated in a `for` only");
                }
                (_, _, Some(known)) => {
                    let arguments: Vec<&Expr> = args.iter().collect();
                    return self.apply_method(layer, known, &arguments, Place::of(call), quote!(#receiver.#method));
                }
                (Some(Node::Layer(Layer { kind: LayerKind::Model, .. })), "forward", _) => {
                    let model = spaced(receiver);
                    let message = format!("a model is applied as a layer is: `{model}({})`", spaced(args));
                    return self.mistake(method, message);
                }
                (Some(Node::Layer(Layer { kind: LayerKind::Model, .. })), ..) => {
                    if let Some(instead) = of_no_model(name, &spaced(receiver), args.is_empty()) {
                        return self.mistake(method, instead);
                    }
                    let arguments = (args, call.paren_token.span.join());
                    return self.function_of(layer, method, Vec::new(), arguments, Place::of(call));
                }
                _ => {
                    let step = Step::Member(syn::Member::Named(method.clone()));
                    let Meaning::Layer(layer) = self.step(layer, step, receiver)? else { return None };
                    return self.apply(layer, args.iter(), Place::of(call), quote!(#receiver.#method));
                }
            },
            Meaning::Value(Value::Number(number)) => {
                if name == "pow" && args.iter().any(|argument| self.is_tensor(argument)) {
                    // `2.pow(x)`
                    let all = [&**receiver].into_iter().chain(args).cloned().collect();
                    let function = self.overload(name, false, &all)?;
                    return self.table(function, None, method, &all, &Expr::MethodCall(call.clone()));
                }
                let Some(arguments) = self.numbers(args)? else {
                    // `F.relu(x)`: a name in capitals is taken for a constant.
                    let alone = match &**receiver {
                        Expr::Path(_) if Function::find(name).is_some() || losses::Known::find(name).is_some() => {
                            format!("; functions of tensors stand alone: `{name}(..)`")
                        }
                        _ => String::new(),
                    };
                    return self.mistake(args, format!("expected constant numbers, and this is a tensor{alone}"));
                };
                let number = self.computed_with(receiver, number);
                let is_real = self.has_no_type(receiver);
                let number = if is_real { quote!((#number as f64)) } else { number };
                let name = match args.first() {
                    Some(power) if name == "pow" && (self.has_fraction(power) || self.has_fraction(receiver)) => "powf",
                    _ => name,
                };
                if let Some(result) = of_number(name, method.span(), &number, args.len(), &arguments) {
                    return Some(Meaning::Value(Value::Number(result)));
                }
                if let ("pow", Some(base)) = (name, whole(receiver)) {
                    let power = spaced(args);
                    let message = format!(
                        "rustc does not know of which type `{base}` is here: write `{base}_usize.pow({power})` where it is an \
                         extent, and `{base}_f64.powi({power})` beside tensors"
                    );
                    return self.mistake(call, message);
                }
                // A power of whole numbers is a `u32`, whatever it was computed from.
                let arguments = match args.first() {
                    Some(power) if name == "pow" && args.len() == 1 && !is_constant(power) => {
                        exponent(&arguments, Place::of(power).first)
                    }
                    Some(_) if is_real => {
                        let each = args.iter().map(|argument| match (self.value(argument), whole(argument)) {
                            (Some(Value::Number(_)), Some(whole)) => Some(wide(whole, Place::of(argument).first)),
                            (Some(Value::Number(number)), None) => Some(self.computed_with(argument, number)),
                            _ => None,
                        });
                        let each = each.collect::<Option<Vec<TokenStream>>>()?;
                        quote!(#(#each as f64),*)
                    }
                    _ => arguments,
                };
                let arguments = round(arguments, call.paren_token.span.join());
                return Some(Meaning::Value(Value::Number(quote!(#number.#method #arguments))));
            }
            Meaning::Inside(inside) => {
                if name != "size" && Function::find(name).is_none() {
                    return self.too_deep(&inside, method);
                }
                let Value::Tensor(tensor) = self.value_inside(inside) else { return None };
                tensor
            }
            Meaning::Value(value) => {
                self.gives(&value, 1, receiver, "expected")?;
                let Value::Tensor(tensor) = value else { return None };
                tensor
            }
        };
        if name == "size" {
            return self.size(tensor, call);
        }
        match self.overload(name, true, args) {
            Some(function) if function.form != Form::Function => {
                return self.table(function, Some(tensor), method, args, &Expr::MethodCall(call.clone()));
            }
            Some(function) => {
                let message = format!("`{name}` is a function: write `{name}({})`", function.call(false));
                return self.mistake(method, message);
            }
            None => {}
        }
        if name == "push" {
            return self.tensor_is_no_list(method, &spaced(receiver));
        }
        if name == "detach_" {
            return self.mistake(method, "`detach_` is a statement; in an expression write `detach`");
        }
        if let Some(instead) = methods::advice(name) {
            return self.mistake(method, format!("Kiln does not have PyTorch's `{name}`: {instead}"));
        }
        if name.ends_with('_') {
            return self.in_place(call);
        }
        let hint = match methods::nearest(name, true) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => "; those that a `forward` may call are listed in the documentation of `kiln::model!`".to_string(),
        };
        self.mistake(method, format!("a tensor has no method `{name}`{hint}"))
    }

    /// `x.size(1)`, a number.
    fn size(&mut self, tensor: Tensor, call: &ExprMethodCall) -> Option<Meaning> {
        let Tensor::Variable(name) = tensor else {
            return self.mistake(&call.receiver, "`size` is that of a name: write `let y = ..;`, then `y.size(1)`");
        };
        let [axis] = call.args.iter().collect::<Vec<_>>()[..] else {
            let message = format!(
                "`size` takes the number of an axis: `{name}.size(1)`; `let (n, c) = {name}.size();` gives all of them"
            );
            return self.mistake(call, message);
        };
        let Value::Number(axis) = self.value(axis)? else {
            return self.mistake(axis, "`size` takes the number of an axis, and this is a tensor");
        };
        // Where `N` is computed with, so may be the number of samples.
        let method = if self.has_free && self.given.is_empty() { "size_of_any" } else { "size" };
        let method = Ident::new(method, call.method.span());
        let span = call.paren_token.span.join();
        let axis = round(axis, span);
        let arguments = round(quote!(#axis as isize), span);
        let size = quote!(#name.#method #arguments);
        let size = match self.counted.take() {
            Some(count) => {
                let (all, count) = (Ident::new("of_axes", call.method.span()), round(quote!(#count), span));
                round(quote!({ #name.#all #count; #size }), span)
            }
            None => size,
        };
        Some(Meaning::Value(Value::Number(size)))
    }
}

/// `(D as f64).sqrt()`, or `sqrt(8.0)`: a function of a number that is no function of constants in the standard library. The
/// result is an `f64`.
fn of_number(name: &str, place: Span, number: &TokenStream, count: usize, given: &TokenStream) -> Option<TokenStream> {
    let (function, given) = match (name, count) {
        ("sqrt" | "exp" | "ln" | "log2" | "log10" | "sin" | "cos", 0) => (name, None),
        // PyTorch's and Python's name.
        ("log", 0) => ("ln", None),
        ("powi", 1) => (name, Some(quote!((#given) as i32))),
        ("powf", 1) => (name, Some(quote!((#given) as f64))),
        _ => return None,
    };
    let function = Ident::new(function, place.resolved_at(Span::mixed_site()));
    let given = given.into_iter();
    Some(round(quote!(#KILN::graph::shape::real::#function((#number) as f64 #(, #given)*)), place))
}

/// An exponent of whole numbers, as Rust takes it.
fn exponent(number: &TokenStream, place: Span) -> TokenStream {
    let place = place.resolved_at(Span::call_site());
    let kiln = KILN.at(place);
    quote_spanned!(place=> #kiln::graph::shape::exponent((#number) as i128))
}

/// Whether a number is a constant of the user's, whose type rustc knows and says where it does not fit.
fn is_constant(number: &Expr) -> bool {
    let Expr::Path(path) = unparenthesized(number) else { return false };
    let last = path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
    last.chars().all(|letter| letter.is_uppercase() || matches!(letter, '_' | '0'..='9'))
}

/// What is said of a method that no model has.
fn of_no_model(method: &str, model: &str, no_arguments: bool) -> Option<String> {
    Some(match method {
        "size" | "detach" => format!("`{method}` is of tensors, and `{model}` is a model: apply it, `{model}(x)`"),
        "eval" if no_arguments => {
            format!("what behaves as in evaluation stands in a block: `let y = eval {{ {model}(x) }};`")
        }
        "load_state_dict" | "state_dict" | "copy_" | "lerp" | "lerp_" => format!(
            "parameters take those of another part in a `step`: `{model}.copy_from(source);`, or a part of the way, \
             `{model}.lerp_from(source, 0.1);`"
        ),
        "train" if no_arguments => "layers behave as in training in each `step` and in `fit`: leave it out".to_string(),
        "parameters" if no_arguments => format!("an optimizer names what it trains: `Adam({model}, lr = 1e-3)`"),
        _ => return None,
    })
}

/// `vec![a, b]` as `[a, b]`.
fn in_brackets(argument: &Expr) -> Option<Expr> {
    let Expr::Macro(call) = argument else { return None };
    let elements = || call.mac.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated).ok();
    let elements = call.mac.path.is_ident("vec").then(elements)??;
    Some(syn::parse_quote_spanned!(call.span()=> [#elements]))
}

/// Whether a function of this name makes a tensor of numbers: `zeros`, `tensor`.
fn makes(function: &Expr) -> bool {
    let Expr::Path(path) = function else { return false };
    let name = path.path.get_ident().map(Ident::to_string).unwrap_or_default();
    name == "tensor" || Function::find(&name).is_some_and(|function| matches!(function.builds, Builds::Made(_)))
}
