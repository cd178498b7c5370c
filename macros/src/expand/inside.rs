//! What models take from one another: the functions that a declaration has for those who hold it, the list of its
//! values, and the calls of both. What another model has is not looked at: its functions are named, and rustc finds
//! them.
//!
//! A function `embed` is called by two others of the model, one over values and one over types. That over types is
//! called `pub_fn_embed`, as rustc shows it where there is no function of the user's that is public; that over values
//! is then one of a trait, so that nothing is said of it.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::Visibility;
use syn::ext::IdentExt;

use super::applied;
use super::around::line;
use super::body::{Expansion, Target, computation_of, element_type, way};
use super::checks::{Want, at, call, declared_types};
use super::owner::Owner;
use super::walk::segment;
use crate::ast::{Member, Node, Parameter, ParameterKind, Place};
use crate::body::{Access, Called, GivenNumber, Helper, Inside, Step};
use crate::naming::KILN;
use crate::validate::{Element, Layer, LayerKind, Validated, batch};

/// The function over values, and `pub_fn_embed`, that over types.
fn names(function: &Ident, place: Span) -> (Ident, Ident) {
    let function = function.unraw();
    (format_ident!("values_of_pub_fn_{function}", span = place), format_ident!("pub_fn_{function}", span = place))
}

/// A parameter of a model that was declared elsewhere, or what a function of it gives.
pub fn take(expansion: &Expansion<'_>, inside: &Inside, want: Want) -> TokenStream {
    let Inside { model, way: behind, call: called, place } = inside;
    let (label, mut indices) = expansion.label(model);
    let Some(Node::Layer(Layer { ty, .. })) = model.find(expansion.layers) else { return TokenStream::new() };
    let given = called.iter().flat_map(|called| &called.given);
    let (given, places): (Vec<TokenStream>, Vec<Span>) =
        given.map(|(value, place)| (expansion.value(value, Want::One), at(place.first))).unzip();
    match (expansion.target, called) {
        (Target::Computation(owner), Some(called)) => {
            let (held, segments) = way(model, owner);
            let (name, _) = names(&called.function, at(called.function.span()));
            let (batch, line) = (batch(), line(place.first));
            let taken = taken(called, &places, expansion.target);
            let function = quote_spanned!(at(place.first)=> <#ty>::#name);
            let otherwise = otherwise(&name);
            let all = emit!(#function(&#held, g, #batch, #taken));
            let result = match want {
                Want::One => emit!(let [x] = #KILN::graph::model::exactly(g, &#all); x),
                Want::Several(_) => emit!(#KILN::graph::model::exactly(g, &#all)),
            };
            emit!({ #otherwise let given = (#(#given,)*); #line #(let _scope = g.enter(#segments);)* #result })
        }
        (Target::Types(_), Some(called)) => {
            let (_, function) = names(&called.function, at(called.function.span()));
            let (name, batch) = (label.bind(), batch());
            let taken = taken(called, &places, expansion.target);
            let types = quote_spanned!(at(place.last)=> (#batch, #taken));
            let function = quote_spanned!(at(place.first)=> <#ty>::#function);
            let types = emit!(#function #types);
            let count = call(*place, emit!(shape::check_outputs), emit!(name, &types));
            let result = if want == Want::One { emit!(let [x] = #count; x) } else { count };
            emit!({ #indices #name let given = (#(#given,)*); let types = #types; #result })
        }
        (Target::Computation(owner), None) => {
            let ((held, segments), line) = (way(model, owner), line(place.first));
            let (_, names) = way(&Access { steps: behind.clone() }, &held);
            emit!({
                #line
                #(let _scope = g.enter(#segments);)*
                #KILN::layers::parameter_of(g, &#held, &[#(#names),*].join("."))
            })
        }
        (Target::Types(_), None) => {
            let names = behind.iter().map(|step| match step {
                Step::Member(name) => segment(name),
                Step::Index { .. } => String::new(),
            });
            let positions = behind.iter().filter_map(|step| match step {
                Step::Member(_) => None,
                Step::Index { index, .. } => Some(index),
            });
            indices.extend(label.bind());
            let arguments = emit!(name, <#ty as #KILN::graph::Model>::FIELDS, &[#(#names),*], &[#(#positions),*]);
            let value = call(*place, emit!(model::check_field), arguments);
            // Fields that are private stay so. It is not called, and stands here so that rustc says one thing of what is none.
            let (held, field) = field(behind, *place);
            emit!({ #indices let _ = |#held: &#ty| { let _ = &#field; }; #value })
        }
    }
}

/// A variable that stands for a model, and the field that is a way behind it, at the user's tokens.
fn field(behind: &[Step], place: Place) -> (Ident, TokenStream) {
    let held = Ident::new("held", place.first.resolved_at(Span::mixed_site()));
    // A place at the end is no field.
    let last = behind.iter().rposition(|step| matches!(step, Step::Member(_))).map_or(0, |last| last + 1);
    let (field, _) = way(&Access { steps: behind[..last].to_vec() }, &held.to_token_stream());
    // A field is named by the user, a place in brackets is not.
    let field = field.into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &mut token {
            group.set_span(place.last.resolved_at(group.span()));
        }
        token
    });
    (held, field.collect())
}

/// A function for models that have none of this name, which rustc says of the one over types. A model's own comes first.
fn otherwise(function: &Ident) -> TokenStream {
    emit! {
        #[allow(dead_code, non_camel_case_types)]
        trait __KilnOtherwise {
            fn #function<'g>(
                &self,
                _: &'g #KILN::graph::Builder,
                _: usize,
                _: &[usize],
                _: &[#KILN::graph::model::Argument<'g>],
            ) -> [#KILN::graph::Value<'g>; 1] {
                ::core::unreachable!()
            }
        }
        impl<T> __KilnOtherwise for T {}
    }
}

/// What a function is given, of the variable that holds it: the places in lists, and the arguments. What does not fit
/// is said at the user's tokens, over types: over values anything is taken, so that it is said once.
fn taken(called: &Called, places: &[Span], target: Target<'_>) -> TokenStream {
    let each = called.given.iter().zip(places).enumerate().map(|(position, (_, place))| {
        let given = Ident::new("given", place.resolved_at(Span::mixed_site()));
        let index = syn::Index { index: position as u32, span: *place };
        let given = quote_spanned!(*place=> #given.#index);
        if position < called.places {
            return given;
        }
        let kiln = KILN.at(*place);
        let function = match (target, &called.numbers[position]) {
            (Target::Computation(_), Some(_)) => quote_spanned!(*place=> given_number),
            (Target::Computation(_), None) => quote_spanned!(*place=> Argument::Tensor),
            (Target::Types(_), Some(GivenNumber { is_whole, quotients })) => {
                let function = Ident::new(if *is_whole { "a_whole" } else { "a_number" }, *place);
                let rounded = emit!(#KILN::graph::shape::Rounded::NOTHING #(.or(#quotients))*);
                return quote_spanned!(*place=> #kiln::graph::model::Given::#function(#given, #rounded));
            }
            (Target::Types(_), None) => quote_spanned!(*place=> Given::a_tensor),
        };
        quote_spanned!(*place=> #kiln::graph::model::#function(#given))
    });
    let each: Vec<TokenStream> = each.collect();
    let (positions, arguments) = each.split_at(called.places);
    let positions = quote_spanned!(at(called.function.span())=> [#(#positions),*]);
    let arguments = match target {
        Target::Computation(_) => quote_spanned!(at(called.parentheses)=> &[#(#arguments),*]),
        Target::Types(_) => quote_spanned!(at(called.parentheses)=> (#(#arguments,)*)),
    };
    match target {
        Target::Computation(_) => emit!(&#positions, #arguments),
        Target::Types(_) => emit!(#positions, #arguments),
    }
}

/// The functions that others call, and the checks of those that say all their types.
pub fn functions(declaration: &Validated) -> TokenStream {
    if declaration.inputs.is_empty() {
        return TokenStream::new();
    }
    let is_public = |visibility: &Visibility| !matches!(visibility, Visibility::Inherited);
    let helpers = declaration.helpers.iter().filter(|helper| is_public(&helper.visibility));
    let mut functions: Vec<TokenStream> = helpers.map(|helper| of_helper(helper, declaration)).collect();
    for member in declaration.body.members.iter().filter(|member| is_public(&member.visibility)) {
        let syn::Member::Named(name) = &member.name else { continue };
        functions.push(match applied::of_field(member) {
            Some(access) => of_layer(name, &member.visibility, &access, declaration),
            None => of_no_layer(name, member),
        });
    }
    hidden(declaration, &functions)
}

/// Functions of the model's type that are no part of what users see.
fn hidden(declaration: &Validated, functions: &[TokenStream]) -> TokenStream {
    if functions.is_empty() {
        return TokenStream::new();
    }
    let name = &declaration.name;
    let (parameters, arguments, bounds) = declaration.generics.split_for_impl();
    emit! {
        #[doc(hidden)]
        #[allow(dead_code)]
        impl #parameters #name #arguments #bounds {
            #(#functions)*
        }
    }
}

/// For the fallback: functions over types that others may call, of which nothing is said, as the input's constant is wrong
/// already. Those over values are found where there are none.
pub fn stubs(declaration: &Validated) -> TokenStream {
    let is_public = |visibility: &Visibility| !matches!(visibility, Visibility::Inherited);
    let helpers = declaration.helpers.iter().filter(|helper| is_public(&helper.visibility));
    let helpers = helpers.map(|helper| (&helper.visibility, &helper.name, helper.results.max(1)));
    let members = declaration.body.members.iter().filter(|member| is_public(&member.visibility));
    let members = members.filter_map(|member| match &member.name {
        syn::Member::Named(name) => Some((&member.visibility, name, 1)),
        syn::Member::Unnamed(_) => None,
    });
    let mut known = std::collections::HashSet::new();
    let each = helpers.chain(members).filter(|(_, name, _)| known.insert(name.to_string()));
    let functions = each.map(|(visibility, name, results)| {
        let (_, types) = names(name, at(name.span()));
        emit! {
            #visibility const fn #types<T: ::core::marker::Copy, const K: usize>(
                _: usize,
                _: [usize; K],
                _: T,
            ) -> [#KILN::graph::Type; #results] {
                [#KILN::graph::Type::new(#KILN::graph::DType::F32, <Self as #KILN::graph::Model>::INPUT); #results]
            }
        }
    });
    let functions: Vec<TokenStream> = functions.collect();
    hidden(declaration, &functions)
}

fn of_helper(helper: &Helper, declaration: &Validated) -> TokenStream {
    let Helper { visibility, name, parameters, results, .. } = helper;
    let (owner, batch, place) = (Owner::of(declaration), batch(), Place::of(name));
    let (compute, types) = names(name, at(name.span()));
    let given: Vec<&Ident> = parameters.iter().map(|parameter| &parameter.name).collect();
    // All in one tuple, as the user gives them: rustc counts no others where these are too many.
    let held: Vec<Ident> =
        (0..parameters.len()).map(|at| format_ident!("Argument{at}", span = Span::mixed_site())).collect();
    let types_of = parameters.iter().zip(&held).map(|(Parameter { kind, .. }, held)| match kind {
        ParameterKind::Tensor(_) => emit!(#KILN::graph::model::Given<#KILN::graph::model::Tensor, #held>),
        ParameterKind::Number(ty) => emit!(#KILN::graph::model::Given<#ty>),
    });
    let kinds = quote_spanned!(at(name.span())=> (#(#given,)*): (#(#types_of,)*));
    let kinds = emit!(_: [usize; 0], #kinds);
    let held: Vec<&Ident> = (parameters.iter().zip(&held))
        .filter_map(|(parameter, held)| matches!(parameter.kind, ParameterKind::Tensor(_)).then_some(held))
        .collect();
    let text = name.unraw().to_string();
    let unpacked = parameters.iter().map(|Parameter { name, kind }| {
        let argument = name.unraw().to_string();
        let declared = match kind {
            ParameterKind::Number(_) => return emit!(let #name = #name.number(#text, #argument);),
            ParameterKind::Tensor(None) => emit!(::core::option::Option::None),
            ParameterKind::Tensor(Some(extents)) => {
                let dtype = element_type(Element::of(extents));
                emit!(::core::option::Option::Some(#dtype))
            }
        };
        emit!(let #name = #name.tensor(#text, #argument, #declared);)
    });
    let unpacked: Vec<TokenStream> = unpacked.collect();
    let values = parameters.iter().enumerate().map(|(at, Parameter { name, kind })| match kind {
        ParameterKind::Number(ty) => emit!(let #name: #ty = given[#at].number();),
        ParameterKind::Tensor(extents) => {
            let dtype = element_type(extents.as_ref().map_or(Element::F32, Element::of));
            emit!(let #name = given[#at].tensor(g, #dtype);)
        }
    });
    let values: Vec<TokenStream> = values.collect();
    let checks = declared_types(parameters).map(|(argument, extents)| {
        let (argument_text, declared) = (argument.unraw().to_string(), owner.extents(extents));
        let check = call(place, emit!(shape::check_argument), emit!(#text, #argument_text, #declared, #argument));
        emit!(let #argument = #check;)
    });
    let checks: Vec<TokenStream> = checks.collect();
    let (function, walk) = (computation_of(helper, &declaration.name), owner.function(name, place));
    let (computed, walked) = (emit!(#function(self, g, #batch, #(#given),*)), emit!(#walk(#batch, #(#given),*)));
    let (computed, walked) = if *results == 1 { (emit!([#computed]), emit!([#walked])) } else { (computed, walked) };
    emit! {
        #[track_caller]
        #visibility fn #compute<'g>(
            &self,
            g: &'g #KILN::graph::Builder,
            #batch: usize,
            _: &[usize],
            given: &[#KILN::graph::model::Argument<'g>],
        ) -> [#KILN::graph::Value<'g>; #results] {
            #(#values)*
            #computed
        }

        #[track_caller]
        #visibility const fn #types<#(#held: ::core::marker::Copy),*>(
            #batch: usize,
            #kinds
        ) -> [#KILN::graph::Type; #results] {
            #(#unpacked)*
            #(#checks)*
            #walked
        }
    }
}

/// A field that others may see is applied by them as a function: a list takes the place in it first.
fn of_layer(name: &Ident, visibility: &Visibility, access: &Access, declaration: &Validated) -> TokenStream {
    let Some(function) = applied::of_access(access, &declaration.body) else { return TokenStream::new() };
    let (compute, types) = names(name, at(name.span()));
    let positions: Vec<Ident> = access.steps.iter().filter_map(applied::position_of).collect();
    let x = emit!(x);
    let depth = positions.len();
    let given =
        quote_spanned!(at(name.span())=> (#x,): (#KILN::graph::model::Given<#KILN::graph::model::Tensor, Argument>,));
    let places = quote_spanned!(at(name.span())=> [#(#positions),*]: [usize; #depth]);
    let values = (0..depth).map(|at| emit!(places[#at]));
    let values = emit!(#(let #positions = #values;)* let #x = given[0].tensor(g, #KILN::graph::DType::F32););
    let text = name.unraw().to_string();
    let computed = function.compute(&declaration.name, &emit!(self), Some(&x), at(name.span()));
    let owner = Owner::of(declaration);
    let (_, within) = super::checks::expansion(declaration, &owner).label(access);
    let walked = function.check(&owner, Some(&x), Place::of(name));
    emit! {
        #[track_caller]
        #visibility fn #compute<'g>(
            &self,
            g: &'g #KILN::graph::Builder,
            _: usize,
            places: &[usize],
            given: &[#KILN::graph::model::Argument<'g>],
        ) -> [#KILN::graph::Value<'g>; 1] {
            #values
            [#computed]
        }

        #[track_caller]
        #visibility const fn #types<Argument: ::core::marker::Copy>(
            _: usize,
            #places,
            #given,
        ) -> [#KILN::graph::Type; 1] {
            let #x = #x.tensor(#text, "input", ::core::option::Option::None);
            #within
            [#walked]
        }
    }
}

/// A field that others see and can not apply: whoever tries is told why, whatever it is given.
fn of_no_layer(name: &Ident, member: &Member<Layer>) -> TokenStream {
    let (compute, types) = names(name, at(name.span()));
    let (visibility, text) = (&member.visibility, name.unraw().to_string());
    let is_parameter = matches!(&member.node, Node::Layer(Layer { kind: LayerKind::Known { values: [""], .. }, .. }));
    let reason = if is_parameter {
        format!("`{text}` of another model is a parameter, which is not applied: it is a value itself")
    } else {
        format!(
            "`{text}` of another model takes or gives several tensors: give that model a function which applies it, \
             `pub fn name(x) {{ .. }}`"
        )
    };
    emit! {
        #[track_caller]
        #visibility fn #compute<'g>(
            &self,
            _: &'g #KILN::graph::Builder,
            _: usize,
            _: &[usize],
            _: &[#KILN::graph::model::Argument<'g>],
        ) -> [#KILN::graph::Value<'g>; 1] {
            ::core::panic!("{}", #reason)
        }

        #[track_caller]
        #visibility const fn #types<T: ::core::marker::Copy, const K: usize>(
            _: usize,
            _: [usize; K],
            _: T,
        ) -> [#KILN::graph::Type; 1] {
            ::core::panic!("{}", #reason)
        }
    }
}

/// The settings of layers whose parameters others use though their field is not `pub`: tied weights.
const TABLES: [&str; 3] = ["LinearSettings", "EmbeddingSettings", "ParameterSettings"];

/// What others may take as values: the parameters of layers, by the fields that lead there.
pub fn fields(declaration: &Validated) -> TokenStream {
    let owner = Owner::of(declaration);
    let fields = declaration.body.members.iter().filter_map(|member| {
        let is_shown = !matches!(member.visibility, Visibility::Inherited);
        of_member(member, is_shown, &owner)
    });
    match listed(fields.collect()) {
        Some(fields) => emit!(const FIELDS: &'static [#KILN::graph::model::Field] = #fields;),
        None => TokenStream::new(),
    }
}

fn of_member(member: &Member<Layer>, is_shown: bool, owner: &Owner) -> Option<TokenStream> {
    let (name, holds) = (segment(&member.name), of_node(&member.node, is_shown, owner)?);
    Some(emit!(#KILN::graph::model::Field { name: #name, holds: #holds }))
}

fn listed(fields: Vec<TokenStream>) -> Option<TokenStream> {
    (!fields.is_empty()).then(|| emit!(&[#(#fields),*]))
}

/// What is in a field, which is `pub` or not. Most layers are convolutions and norms, of which others seldom use a
/// parameter: rustc would take a third longer for a network of these if all were listed.
fn of_node(node: &Node<Layer>, is_shown: bool, owner: &Owner) -> Option<TokenStream> {
    let holds = emit!(#KILN::graph::model::Holds);
    Some(match node {
        Node::Layer(Layer { id, ty, kind: LayerKind::Known { settings_type, values, .. }, .. }) => {
            let name = settings_type.clone().into_iter().last().map(|name| name.to_string()).unwrap_or_default();
            if !is_shown && !TABLES.contains(&name.as_str()) {
                return None;
            }
            let settings = owner.settings(*id);
            let value = |name: &&str| emit!(#holds::Value { shape: <#ty>::parameter(#name, &#settings) });
            match values {
                [] => return None,
                [""] => value(&""),
                values => {
                    let fields = values.iter().map(|name| {
                        let value = value(name);
                        emit!(#KILN::graph::model::Field { name: #name, holds: #value })
                    });
                    emit!(#holds::Fields { fields: &[#(#fields),*] })
                }
            }
        }
        Node::Layer(Layer { ty, kind: LayerKind::Model, .. }) => {
            emit!(#holds::Fields { fields: <#ty as #KILN::graph::Model>::FIELDS })
        }
        Node::List { element, length } => {
            let element = of_node(element, is_shown, owner)?;
            let length = length.to_token_stream();
            emit!(#holds::List { length: #length, element: &#element })
        }
        Node::Sequence(inner) => {
            let fields = inner.members.iter().filter_map(|member| of_member(member, is_shown, owner));
            let fields = listed(fields.collect())?;
            emit!(#holds::Fields { fields: #fields })
        }
    })
}
