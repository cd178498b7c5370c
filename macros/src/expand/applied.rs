//! The functions of a declaration that its bodies call where they apply a layer, a list or a sequence of them to one
//! tensor, or use a parameter as a value: one over values and one over types for each of these, so that a statement
//! is one short call, however many statements there are. Each asks for its caller's place: notes of lines and errors
//! are the statement's. What a layer makes of its input is for its rule to say.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::Visibility;

use super::body::{Expansion, Target, way};
use super::checks::{Check, Want, at, run};
use super::owner::{Owner, const_parameters};
use super::walk;
use crate::ast::{Member, Node, Place, Sequence};
use crate::body::{Access, Apply, Block, Step, Tensor};
use crate::naming::KILN;
use crate::validate::{Layer, LayerKind, Validated};

/// What a body does with what stands at a place of the model.
#[derive(Clone, Copy)]
enum Use<'a> {
    /// It applies it.
    Applied,
    /// It takes the parameter of this name.
    Parameter(&'a str),
}

/// The function for a layer that is applied to one tensor and gives one; none where it takes or gives several.
pub fn of_apply(apply: &Apply, want: Want, layers: &Sequence<Layer>) -> Option<Function> {
    let one = apply.inputs.len() == 1 && apply.method.is_none() && want == Want::One;
    match apply.layer.find(layers)? {
        Node::Layer(Layer { kind: LayerKind::Known { applied: Some(_), .. }, .. }) => None,
        Node::Layer(_) | Node::List { .. } | Node::Sequence(_) => {
            one.then(|| Function::new(&apply.layer, Use::Applied, layers))
        }
    }
}

/// The way to what a field is applied as: to each element of a list; none of what takes or gives several tensors, or is no
/// layer.
pub fn of_field(member: &Member<Layer>) -> Option<Access> {
    let mut access = Access { steps: vec![Step::Member(member.name.clone())] };
    let mut node = &member.node;
    while let Node::List { element, .. } = node {
        let (position, place) = (format_ident!("position_{}", access.steps.len()), Place::of(&member.name));
        access = access.then(Step::Index { index: position.to_token_stream(), place, certain: true });
        node = element;
    }
    match node {
        Node::Layer(Layer { kind: LayerKind::Known { applied: Some(_), .. }, .. })
        | Node::Layer(Layer { kind: LayerKind::Known { values: [""], .. }, .. }) => None,
        Node::Layer(_) | Node::List { .. } | Node::Sequence(_) => Some(access),
    }
}

/// The variable of an index on such a way.
pub fn position_of(step: &Step) -> Option<Ident> {
    match step {
        Step::Member(_) => None,
        Step::Index { index, .. } => syn::parse2(index.clone()).ok(),
    }
}

/// The function for a field that is applied.
pub fn of_access(access: &Access, layers: &Sequence<Layer>) -> Option<Function> {
    access.find(layers).map(|_| Function::new(access, Use::Applied, layers))
}

/// The function for a parameter.
pub fn of_parameter(layer: &Access, name: &str, layers: &Sequence<Layer>) -> Function {
    Function::new(layer, Use::Parameter(name), layers)
}

/// A function, by what stands behind the model's name in its own. No function of the user's has one that begins so.
pub struct Function {
    name: String,
    /// The indices on the way to what it is of.
    indices: Vec<TokenStream>,
}

impl Function {
    fn new(access: &Access, used: Use<'_>, layers: &Sequence<Layer>) -> Function {
        let place = place_name(access, layers);
        let name = match used {
            Use::Applied => format!("apply_{place}"),
            Use::Parameter(parameter) => format!("parameter_{parameter}_of_{place}"),
        };
        Function { name, indices: indices(access) }
    }

    /// The call over values of the model, at the user's token.
    pub fn compute(
        &self,
        model_name: &Ident,
        model: &TokenStream,
        x: Option<&TokenStream>,
        place: Span,
    ) -> TokenStream {
        let name = format_ident!("{}_{}", model_name, self.name, span = place);
        let arguments = self.indices.iter().chain(x);
        let arguments = emit!(#model, g, #(#arguments),*);
        quote_spanned!(place=> #name(#arguments))
    }

    /// The call over types, whose errors are those of a place.
    pub fn check(&self, owner: &Owner, x: Option<&TokenStream>, place: Place) -> TokenStream {
        let function = owner.own_function(&self.type_name(), place);
        let arguments = self.indices.iter().chain(x);
        let arguments = quote_spanned!(at(place.last)=> (#(#arguments),*));
        emit!(#function #arguments)
    }

    fn type_name(&self) -> String {
        format!("type_of_{}", self.name)
    }
}

/// What is between a model and a place in it: a field's name, or numbers and then a field's name, which no field's begins
/// with.
fn place_name(access: &Access, layers: &Sequence<Layer>) -> String {
    let mut name = String::new();
    let mut way = Access { steps: Vec::new() };
    for (depth, step) in access.steps.iter().enumerate() {
        let inner = match (step, way.find(layers)) {
            (Step::Member(member), Some(Node::Sequence(inner))) => {
                inner.members.iter().position(|one| one.name == *member).map_or_else(String::new, |at| at.to_string())
            }
            (Step::Member(member), _) => walk::segment(member),
            (Step::Index { .. }, _) => "each".to_string(),
        };
        name = if depth == 0 { inner } else { format!("{depth}_{inner}_of_{name}") };
        way.steps.push(step.clone());
    }
    name
}

/// The indices on a way.
fn indices(access: &Access) -> Vec<TokenStream> {
    let index = |step: &Step| match step {
        Step::Member(_) => None,
        Step::Index { index, .. } => Some(index.clone()),
    };
    access.steps.iter().filter_map(index).collect()
}

/// The same way, with a variable for each index.
fn with_variables(access: &Access) -> (Access, Vec<Ident>) {
    let mut variables = Vec::new();
    let mut inner = access.clone();
    for step in &mut inner.steps {
        if let Step::Index { index, certain, .. } = step {
            let variable = format_ident!("position_{}", variables.len(), span = Span::mixed_site());
            (*index, *certain) = (variable.to_token_stream(), true);
            variables.push(variable);
        }
    }
    (inner, variables)
}

/// Calls `f` once for each function that some body calls, with what it is of.
fn each(declaration: &Validated, mut f: impl FnMut(&Function, &Access, Use<'_>)) {
    let layers = &declaration.body;
    let mut known = HashSet::new();
    let mut found = |tensor: &Tensor| {
        let (function, access, used) = match tensor {
            Tensor::Apply(apply) => (of_apply(apply, Want::One, layers), &apply.layer, Use::Applied),
            Tensor::Parameter(parameter) => {
                let function = of_parameter(&parameter.layer, parameter.name, layers);
                (Some(function), &parameter.layer, Use::Parameter(parameter.name))
            }
            _ => return,
        };
        if let Some(function) = function.filter(|function| known.insert(function.name.clone())) {
            f(&function, access, used);
        }
    };
    bodies(declaration).for_each(|body| body.each_tensor(&mut found));
    if declaration.inputs.is_empty() {
        return;
    }
    // Those that others apply.
    for member in layers.members.iter().filter(|member| !matches!(member.visibility, Visibility::Inherited)) {
        if let Some(access) = of_field(member)
            && let Some(function) = of_access(&access, layers).filter(|function| known.insert(function.name.clone()))
        {
            f(&function, &access, Use::Applied);
        }
    }
}

/// All bodies of a declaration.
pub fn bodies(declaration: &Validated) -> impl Iterator<Item = &Block> {
    let forward = declaration.forward.iter().map(|forward| &forward.body);
    let helpers = declaration.helpers.iter().map(|helper| &helper.body);
    forward.chain(helpers).chain(declaration.steps.programs.iter().map(|program| &program.body))
}

/// The functions over values.
pub fn computations(declaration: &Validated) -> TokenStream {
    let Validated { name: model, generics, body: layers, .. } = declaration;
    let (_, arguments, bounds) = generics.split_for_impl();
    let constants = const_parameters(generics);
    let mut functions = TokenStream::new();
    each(declaration, |function, access, used| {
        let (access, variables) = with_variables(access);
        let Some(node) = access.find(layers) else { return };
        let (place, names) = way(&access, &emit!(model));
        let (x, result) = match used {
            Use::Applied => (Some(emit!(x: #KILN::graph::Value<'g>)), walk::forward_node(node, &place)),
            Use::Parameter(name) => (None, emit!(#KILN::layers::parameter_of(g, &#place, #name))),
        };
        let name = format_ident!("{}_{}", model, function.name, span = Span::call_site());
        functions.extend(emit! {
            #[track_caller]
            fn #name<'g, #(#constants),*>(
                model: &#model #arguments,
                g: &'g #KILN::graph::Builder,
                #(#variables: usize,)*
                #x
            ) -> #KILN::graph::Value<'g> #bounds {
                #KILN::graph::written::on(g);
                #(let _scope = g.enter(#names);)*
                #result
            }
        });
    });
    functions
}

/// The functions over types.
pub fn types(declaration: &Validated, owner: &Owner) -> TokenStream {
    let Validated { body: layers, name: model, helpers, .. } = declaration;
    let expansion = Expansion { target: Target::Types(owner), layers, helpers, model };
    let mut functions = TokenStream::new();
    each(declaration, |function, access, used| {
        let (access, variables) = with_variables(access);
        let Some(node) = access.find(layers) else { return };
        let (label, _) = expansion.label(&access);
        let (x, result) = match (used, node) {
            (Use::Applied, node) => {
                let result = run(node, owner, Some(Check { only: None, label: &label, place: None }));
                (Some(emit!(x: #KILN::graph::Type)), result)
            }
            (Use::Parameter(name), Node::Layer(of)) => {
                let (ty, settings) = (&of.ty, owner.settings(of.id));
                let shape = emit!(<#ty>::parameter(#name, &#settings));
                (None, label.checked(of.place, emit!(shape::check_parameter), &shape))
            }
            (Use::Parameter(_), Node::List { .. } | Node::Sequence(_)) => return,
        };
        let name = owner.own_name(&function.type_name());
        functions.extend(emit! {
            #[track_caller]
            const fn #name(#(#variables: usize,)* #x) -> #KILN::graph::Type { #result }
        });
    });
    functions
}
