//! The functions of a declaration that its bodies call where they call a function of the table: one over values and one
//! over types for each way in which one is called, so that a statement is one short call. What is literal in a call is
//! part of the function; tensors and all other arguments are its own. Each asks for its caller's place: notes of lines
//! and errors are the statement's. What a function computes is not known here.

use std::collections::HashSet;
use std::fmt::Write;

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};

use super::applied::bodies;
use super::around::{at as noted, written};
use super::body::Expansion;
use super::checks::{at, call as check_at};
use super::owner::Owner;
use crate::body::{Argument, Attribute, Call, Scalar, Tensor};
use crate::methods::{Builds, Elements, Gives, Kind};
use crate::naming::KILN;
use crate::validate::{Validated, batch};

fn is_broadcast(call: &Call) -> bool {
    matches!(call.function.rule, "unchanged" | "broadcast" | "broadcast_three")
}

/// The tensors of a function whose operands broadcast: a number fits any shape, and there are no attributes.
fn operands(call: &Call) -> impl Iterator<Item = (Elements, &Tensor)> {
    let arguments = call.arguments.iter().zip(call.function.parameters);
    arguments.filter_map(|(argument, parameter)| match (argument, parameter.kind) {
        (Argument::Tensor(tensor), Kind::Tensor(of) | Kind::Operand(of)) => Some((call.taken(of), tensor)),
        _ => None,
    })
}

/// Whether operands of several types become those of one.
fn mixes(call: &Call) -> bool {
    of_each(call).any(|(_, elements)| elements.mixes())
}

/// The arguments that are tensors, with the elements that they may hold.
fn of_each(call: &Call) -> impl Iterator<Item = (usize, Elements)> {
    let arguments = call.arguments.iter().zip(call.function.parameters).enumerate();
    arguments.filter_map(|(position, (argument, parameter))| match (argument, parameter.kind) {
        (Argument::Tensor(_), Kind::Tensor(of) | Kind::Operand(of)) => Some((position, call.taken(of))),
        (Argument::Tensors(_), Kind::Tensors) if call.function.mixes_tensors() => Some((position, Elements::Alike)),
        _ => None,
    })
}

/// The variable that holds whether a number is of a type that has fractions, where only rustc knows that.
fn asked(call: &Call, position: usize) -> Option<Ident> {
    match &call.arguments[position] {
        Argument::Number(Scalar { is_float: None, .. }) if mixes(call) => {
            Some(format_ident!("is_float_{position}", span = Span::mixed_site()))
        }
        _ => None,
    }
}

/// Whether a number is of a type that has fractions. Only its type is asked for where it holds a call, which may be of
/// a function that is no `const fn`.
fn asks(number: &TokenStream) -> TokenStream {
    let written = emit!(#KILN::graph::written);
    if holds_call(number.clone()) {
        emit!(#written::is_float_of(&|| #number))
    } else {
        emit!(#written::is_float(#number))
    }
}

/// Whether something in parentheses follows a name or other parentheses: a call, a method's too, or a macro's.
fn holds_call(number: TokenStream) -> bool {
    let mut callee = false;
    number.into_iter().any(|token| match token {
        TokenTree::Group(group) => {
            let is_call = callee && group.delimiter() == Delimiter::Parenthesis;
            callee = true;
            is_call || holds_call(group.stream())
        }
        TokenTree::Ident(name) => {
            callee = name != "as" && name != "in" && name != "return";
            false
        }
        TokenTree::Punct(punct) => {
            // `f::<T>(x)`, `call!(x)`
            callee = matches!(punct.as_char(), '>' | '!');
            false
        }
        TokenTree::Literal(_) => {
            callee = false;
            false
        }
    })
}

/// Whether some number of a call makes f32 of whole numbers.
fn is_beside_float(call: &Call) -> TokenStream {
    let written = call.numbers().any(|is_float| is_float == Some(true)).then(|| emit!(true));
    let asked =
        (0..call.arguments.len()).filter_map(|position| asked(call, position).map(|name| name.to_token_stream()));
    written.into_iter().chain(asked).reduce(|one, other| emit!(#one || #other)).unwrap_or_else(|| emit!(false))
}

/// What stands behind the model's name in the name of both functions: all that tells one way of calling from another.
fn name(call: &Call) -> String {
    let function = call.function;
    let mut name = format!("call_{}_by_{}", function.name, function.rule);
    for (argument, parameter) in call.arguments.iter().zip(function.parameters) {
        let _ = match (argument, parameter.kind) {
            (Argument::Tensor(_), Kind::OptionalTensor(_)) => write!(name, "_some"),
            (Argument::Tensor(_), _) => write!(name, "_x"),
            (Argument::Tensors(tensors), _) => write!(name, "_{}x", tensors.len()),
            (Argument::List(_), _) => write!(name, "_list"),
            (Argument::Number(Scalar { is_float: Some(true), .. }), _) => write!(name, "_float"),
            (Argument::Number(Scalar { is_float: None, .. }), _) => write!(name, "_number"),
            (Argument::Number(_), _) | (Argument::Attribute(Attribute { fixed: None, .. }), _) => write!(name, "_n"),
            (Argument::Attribute(Attribute { fixed: Some(text), .. }), _) => write!(name, "_is{}", word(text)),
        };
    }
    name
}

/// A text as a part of a name, another one for each.
fn word(text: &str) -> String {
    let mut word = String::new();
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
        } else {
            let _ = write!(word, "_{:x}_", u32::from(letter));
        }
    }
    word
}

/// Whether something literal in the call is the batch size, which its functions then take.
fn takes_batch(call: &Call) -> bool {
    let says_it = |argument: &Argument| match argument {
        Argument::Attribute(Attribute { fixed: Some(text), .. }) => text.contains('N'),
        _ => false,
    };
    call.arguments.iter().any(says_it)
}

/// Whether the function over values takes the graph.
fn takes_graph(call: &Call) -> bool {
    matches!(call.function.builds, Builds::Made(_)) || call.function.gives == Gives::Several
}

/// The type of an argument that is no tensor.
fn type_of(kind: Kind) -> TokenStream {
    let (of, optional) = match kind {
        Kind::Axis | Kind::Whole | Kind::End => (emit!(isize), false),
        Kind::OptionalAxis | Kind::OptionalWhole => (emit!(isize), true),
        Kind::Axes | Kind::Wholes => (emit!(&[isize]), false),
        Kind::OptionalAxes => (emit!(&[isize]), true),
        Kind::Shape | Kind::Sizes => (emit!(&[usize]), false),
        Kind::Size => (emit!(usize), false),
        Kind::OptionalSize => (emit!(usize), true),
        Kind::Numbers => (emit!(&[f64]), false),
        Kind::PairOfAxes => (emit!((&[isize], &[isize])), false),
        Kind::Text => (emit!(&str), false),
        Kind::OptionalNumber => (emit!(f64), true),
        Kind::Flag => (emit!(bool), false),
        // A number in the place of a tensor, too.
        Kind::Number
        | Kind::Scalar
        | Kind::OptionalScalar
        | Kind::Operand(_)
        | Kind::Tensor(_)
        | Kind::OptionalTensor(_)
        | Kind::Tensors => (emit!(f64), false),
    };
    if optional { emit!(::core::option::Option<#of>) } else { of }
}

/// The call over values, at the user's token.
pub fn compute(expansion: &Expansion<'_>, call: &Call) -> TokenStream {
    let name = format_ident!("{}_{}", expansion.model, name(call), span = call.name);
    let mut arguments = Vec::new();
    arguments.extend(takes_graph(call).then(|| emit!(g)));
    arguments.extend(takes_batch(call).then(|| batch().to_token_stream()));
    for (position, argument) in call.arguments.iter().enumerate() {
        match argument {
            Argument::Attribute(Attribute { tokens, fixed: None }) => arguments.push(tokens.clone()),
            Argument::Attribute(Attribute { fixed: Some(_), .. }) => {}
            Argument::Number(Scalar { tokens, .. }) => {
                arguments.push(emit!((#tokens as f64)));
                arguments.extend(asked(call, position).map(|_| asks(tokens)));
            }
            Argument::List(list) => arguments.push(emit!(&#list)),
            Argument::Tensor(_) | Argument::Tensors(_) => arguments.extend(expansion.tensors(argument.tensors())),
        }
    }
    let arguments = emit!(#(#arguments),*);
    quote_spanned!(call.name=> #name(#arguments))
}

/// The call over types, whose errors are those of a place.
pub fn check(expansion: &Expansion<'_>, owner: &Owner, call: &Call) -> TokenStream {
    let function = owner.own_function(&format!("type_of_{}", name(call)), call.place);
    let mut arguments = vec![call.text.to_token_stream()];
    let mut quotients = TokenStream::new();
    arguments.extend(takes_batch(call).then(|| batch().to_token_stream()));
    for (position, argument) in call.arguments.iter().enumerate() {
        match argument {
            Argument::Attribute(Attribute { tokens, fixed: None }) => arguments.push(tokens.clone()),
            Argument::Attribute(Attribute { fixed: Some(_), .. }) => {}
            // A number in the place of a tensor fits any shape.
            Argument::Number(Scalar { tokens, quotients: of_number, .. }) => {
                arguments.extend(asked(call, position).map(|_| asks(tokens)));
                quotients.extend(of_number.clone());
            }
            Argument::List(list) => arguments.push(emit!(&#list)),
            Argument::Tensor(_) | Argument::Tensors(_) => arguments.extend(expansion.tensors(argument.tensors())),
        }
    }
    let arguments = quote_spanned!(at(call.place.last)=> (#(#arguments),*));
    if quotients.is_empty() { emit!(#function #arguments) } else { emit!({ #quotients #function #arguments }) }
}

/// Calls `f` once for each way in which some body calls a function of the table.
fn each(declaration: &Validated, mut f: impl FnMut(&Call)) {
    let mut known = HashSet::new();
    let mut found = |tensor: &Tensor| {
        if let Tensor::Call(call) = tensor
            && known.insert(name(call))
        {
            f(call);
        }
    };
    bodies(declaration).for_each(|body| body.each_tensor(&mut found));
}

/// The variables for what a call is given: for each argument those of its tensors, or of the number that it is.
fn variables(call: &Call) -> Vec<Vec<Ident>> {
    let each = call.arguments.iter().enumerate().map(|(position, argument)| {
        let count = match argument {
            Argument::Tensor(_) | Argument::Tensors(_) => argument.tensors().len(),
            Argument::List(_) | Argument::Number(_) | Argument::Attribute(Attribute { fixed: None, .. }) => 1,
            Argument::Attribute(Attribute { fixed: Some(_), .. }) => 0,
        };
        let variable = |at| format_ident!("argument_{position}_{at}", span = Span::mixed_site());
        (0..count).map(variable).collect()
    });
    each.collect()
}

/// The functions over values.
pub fn computations(declaration: &Validated) -> TokenStream {
    let model = &declaration.name;
    let mut functions = TokenStream::new();
    each(declaration, |call| {
        let (variables, batch) = (variables(call), batch());
        let value = emit!(#KILN::graph::Value<'g>);
        let mut parameters = Vec::new();
        parameters.extend(takes_graph(call).then(|| emit!(g: &'g #KILN::graph::Builder)));
        parameters.extend(takes_batch(call).then(|| emit!(#batch: usize)));
        let each = call.arguments.iter().zip(call.function.parameters).zip(&variables).enumerate();
        for (position, ((argument, parameter), names)) in each {
            let ty = match argument {
                Argument::Tensor(_) | Argument::Tensors(_) => value.clone(),
                Argument::List(_) => emit!(&[#value]),
                Argument::Number(_) | Argument::Attribute(_) => type_of(parameter.kind),
            };
            parameters.extend(names.iter().map(|name| emit!(#name: #ty)));
            parameters.extend(asked(call, position).map(|name| emit!(#name: bool)));
        }
        let alike = alike(call, &variables);
        let name = format_ident!("{}_{}", model, name(call), span = Span::call_site());
        let (of_count, result, body) = match call.function.gives {
            Gives::Several => {
                let body = built(call, &variables);
                (
                    emit!(, const COUNT_OF_RESULTS: usize),
                    emit!([#value; COUNT_OF_RESULTS]),
                    emit!(#KILN::graph::model::exactly(g, &#body)),
                )
            }
            Gives::Same | Gives::F32 | Gives::I32 | Gives::Bool => (TokenStream::new(), value, built(call, &variables)),
        };
        functions.extend(emit! {
            #[track_caller]
            fn #name<'g #of_count>(#(#parameters),*) -> #result { #alike #body }
        });
    });
    functions
}

/// What brings the operands of a call to one type where they may be of several.
fn alike(call: &Call, variables: &[Vec<Ident>]) -> TokenStream {
    if let Some(Argument::List(_)) = call.arguments.first()
        && call.function.mixes_tensors()
    {
        let list = &variables[0][0];
        let alike = written(Span::call_site(), "all_alike", &emit!(#list));
        return emit!(let #list = &#alike;);
    }
    if !mixes(call) {
        return TokenStream::new();
    }
    let operands: Vec<(TokenStream, &Ident)> = of_each(call)
        .filter(|(_, elements)| *elements != Elements::Mask)
        .flat_map(|(position, elements)| variables[position].iter().map(move |name| (elements_of(elements), name)))
        .collect();
    let names = operands.iter().map(|(_, name)| name);
    let given = operands.iter().map(|(elements, name)| emit!((#elements, #name)));
    let given = emit!([#(#given),*]);
    let is_float = is_beside_float(call);
    let alike = written(Span::call_site(), "alike", &emit!(#is_float, #given));
    emit!(let [#(#names),*] = #alike;)
}

/// What computes a call of these variables, the last tensor of which takes note of the line.
fn built(call: &Call, variables: &[Vec<Ident>]) -> TokenStream {
    let place = Span::call_site();
    let last = call.arguments.iter().rposition(|argument| !argument.tensors().is_empty());
    let arguments = call.arguments.iter().zip(call.function.parameters).zip(variables).enumerate();
    let arguments = arguments.map(|(position, ((argument, parameter), names))| {
        let tensor = |at: usize| {
            let name = names[at].to_token_stream();
            if last == Some(position) && at + 1 == names.len() { noted(place, &name) } else { name }
        };
        match argument {
            Argument::Tensor(_) if matches!(parameter.kind, Kind::OptionalTensor(_)) => {
                let one = tensor(0);
                emit!(::core::option::Option::Some(#one))
            }
            Argument::Tensor(_) => tensor(0),
            Argument::Tensors(_) => {
                let tensors = (0..names.len()).map(tensor);
                emit!(&[#(#tensors),*])
            }
            Argument::Attribute(Attribute { tokens, fixed: Some(_) }) => tokens.clone(),
            Argument::List(_) => written(place, "all", &emit!(#(#names)*)),
            Argument::Number(_) if parameter.kind == Kind::OptionalScalar => {
                emit!(::core::option::Option::Some(#(#names)*))
            }
            Argument::Number(_) | Argument::Attribute(_) => emit!(#(#names)*),
        }
    });
    let arguments: Vec<TokenStream> = arguments.collect();
    match call.function.builds {
        Builds::Operator(operator) => operation(operator, call, variables),
        Builds::Value(method) => {
            let method = Ident::new(method, Span::mixed_site());
            emit!(#KILN::graph::Value::#method(#(#arguments),*))
        }
        Builds::Function(function) => {
            let function = Ident::new(function, Span::mixed_site());
            emit!(#KILN::graph::functions::#function(#(#arguments),*))
        }
        Builds::Made(function) => {
            let function = Ident::new(function, Span::mixed_site());
            let g = written(place, "on", &emit!(g));
            emit!(#KILN::graph::functions::#function(#g, #(#arguments),*))
        }
    }
}

/// An operator, of one operand or two, of which one may be a number.
fn operation(operator: &str, call: &Call, variables: &[Vec<Ident>]) -> TokenStream {
    let word = match (operator, variables.len()) {
        ("+", _) => "add",
        ("-", 1) => "neg",
        ("-", _) => "sub",
        ("*", _) => "mul",
        ("/", _) => "div",
        ("&", _) => "and",
        ("|", _) => "or",
        _ => "not",
    };
    let function = match call.arguments.as_slice() {
        [Argument::Number(_), _] => format!("number_{word}"),
        [_, Argument::Number(_)] => format!("{word}_number"),
        _ => word.to_string(),
    };
    let operands = variables.iter().flatten();
    written(Span::call_site(), &function, &emit!(#(#operands),*))
}

/// The functions over types.
pub fn types(declaration: &Validated, owner: &Owner) -> TokenStream {
    let mut functions = TokenStream::new();
    each(declaration, |call| {
        let (variables, batch) = (variables(call), batch());
        let mut parameters = Vec::new();
        parameters.extend(takes_batch(call).then(|| emit!(#batch: usize)));
        let each = call.arguments.iter().zip(call.function.parameters).zip(&variables).enumerate();
        for (position, ((argument, parameter), names)) in each {
            let ty = match argument {
                Argument::Number(_) => {
                    parameters.extend(asked(call, position).map(|name| emit!(#name: bool)));
                    continue;
                }
                Argument::Tensor(_) | Argument::Tensors(_) => emit!(#KILN::graph::Type),
                Argument::List(_) => emit!(&#KILN::graph::shape::List),
                Argument::Attribute(_) => type_of(parameter.kind),
            };
            parameters.extend(names.iter().map(|name| emit!(#name: #ty)));
        }
        let name = owner.own_name(&format!("type_of_{}", name(call)));
        let (of_count, result) = match call.function.gives {
            Gives::Several => {
                // A model may have parameters of any usual name, in whose scope this stands.
                (emit!(<const COUNT_OF_RESULTS: usize>), emit!([#KILN::graph::Type; COUNT_OF_RESULTS]))
            }
            Gives::Same | Gives::F32 | Gives::I32 | Gives::Bool => (TokenStream::new(), emit!(#KILN::graph::Type)),
        };
        let body = if is_broadcast(call) { checked_elementwise(call, &variables) } else { checked(call, &variables) };
        functions.extend(emit! {
            #[track_caller]
            const fn #name #of_count(text: &str, #(#parameters),*) -> #result { #body }
        });
    });
    functions
}

/// The rule of a function, called with the types of these variables.
fn checked(call: &Call, variables: &[Vec<Ident>]) -> TokenStream {
    let function = call.function;
    let (mut elements, mut arguments, mut list) = (Vec::new(), Vec::new(), None);
    let (several, is_float) = (function.gives == Gives::Several, is_beside_float(call));
    for ((argument, parameter), names) in call.arguments.iter().zip(function.parameters).zip(variables) {
        let mut operands = Vec::new();
        if let Argument::List(_) = argument {
            list = names.first();
            arguments.push(if several { emit!(#(#names)*.types()) } else { emit!(#(#names)*.shapes().as_slice()) });
            continue;
        }
        if let Argument::Tensor(_) | Argument::Tensors(_) = argument {
            let of = match parameter.kind {
                Kind::Tensor(of) => beside(call, of, &is_float),
                Kind::Operand(of) | Kind::OptionalTensor(of) => elements_of(of),
                Kind::Tensors => elements_of(function.of_list()),
                _ => elements_of(Elements::Any),
            };
            for name in names {
                elements.push(emit!(#of, #name));
                operands.push(if several { emit!(#name) } else { emit!(#name.shape) });
            }
        }
        arguments.push(match (argument, parameter.kind) {
            (Argument::Tensor(_), Kind::OptionalTensor(_)) => emit!(::core::option::Option::Some(#(#operands)*)),
            (Argument::Tensor(_), _) => emit!(#(#operands)*),
            (Argument::Tensors(_), _) => emit!(&[#(#operands),*]),
            (Argument::Attribute(Attribute { tokens, fixed: Some(_) }), _) => tokens.clone(),
            (Argument::Attribute(_), _) => emit!(#(#names)*),
            // Whatever it is.
            (Argument::Number(_), Kind::OptionalScalar) => emit!(::core::option::Option::Some(0.0)),
            // A number fits any shape; a list stands here already.
            (Argument::Number(_) | Argument::List(_), _) => emit!(#KILN::graph::Shape::SCALAR),
        });
    }
    let name = function.name;
    let dtype = match elements.as_slice() {
        [] if list.is_some() => {
            let of = elements_of(function.of_list());
            emit!(#list.element(#name, #of))
        }
        [one] => emit!(#KILN::graph::shape::functions::element(#name, #one)),
        several => emit!(#KILN::graph::shape::functions::elements(#name, &[#((#several)),*])),
    };
    let dtype = match given(function.gives) {
        Some(gives) => emit!(#KILN::graph::shape::functions::gives(#gives, #dtype)),
        None => dtype,
    };
    let rule = Ident::new(function.rule, Span::mixed_site());
    let rule = emit!(#KILN::graph::shape::functions::#rule(#name, #(#arguments),*));
    let check = if several { emit!(shape::check_several) } else { emit!(shape::check_call) };
    check_at(call.place, check, emit!(text, #dtype, #rule))
}

/// The elements that an operand may hold, also beside a number.
fn beside(call: &Call, of: Elements, is_float: &TokenStream) -> TokenStream {
    let elements = elements_of(of);
    if of.mixes() && call.has_number() { emit!(#elements.beside(#is_float)) } else { elements }
}

/// The rule of a function whose operands broadcast.
fn checked_elementwise(call: &Call, variables: &[Vec<Ident>]) -> TokenStream {
    let name = call.function.name;
    let is_float = is_beside_float(call);
    let tensors = call.arguments.iter().zip(variables).filter(|(argument, _)| !argument.tensors().is_empty());
    let (elements, names): (Vec<Elements>, Vec<&Ident>) =
        operands(call).zip(tensors.flat_map(|(_, names)| names)).map(|((of, _), name)| (of, name)).unzip();
    if call.function.gives == Gives::Same
        && let [of] | [of, _] = elements.as_slice()
        && elements.iter().all(|other| other == of)
    {
        let of = beside(call, *of, &is_float);
        let check = if names.len() == 1 { emit!(shape::check_one) } else { emit!(shape::check_two) };
        return check_at(call.place, check, emit!(text, #name, #of, #(#names),*));
    }
    let gives = match given(call.function.gives) {
        Some(gives) => emit!(::core::option::Option::Some(#gives)),
        None => emit!(::core::option::Option::None),
    };
    let elements = elements.iter().map(|of| beside(call, *of, &is_float));
    check_at(call.place, emit!(shape::check_elementwise), emit!(text, #name, #gives, &[#((#elements, #names)),*]))
}

/// The element type that a function gives whatever its operands hold.
fn given(gives: Gives) -> Option<TokenStream> {
    let name = match gives {
        Gives::Same | Gives::Several => return None,
        Gives::F32 => "F32",
        Gives::I32 => "I32",
        Gives::Bool => "Bool",
    };
    let name = Ident::new(name, Span::mixed_site());
    Some(emit!(#KILN::graph::DType::#name))
}

/// The elements that a function takes, as its shape rule names them.
pub fn elements_of(elements: Elements) -> TokenStream {
    let elements = format_ident!("{elements:?}", span = Span::mixed_site());
    emit!(#KILN::graph::shape::functions::Elements::#elements)
}
