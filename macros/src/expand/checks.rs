//! The compile-time checks: constants that hold the shape after each layer, and one constant for each layer that
//! fails to evaluate, on the user's own line, if the layer can not take its input. Whether anything fits is not known
//! before rustc evaluates them.
//!
//! After a mismatch the shape is assumed that the layer would have had from its right input, so that each wrong layer
//! is reported once and later ones still are.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;

use super::body::{Expansion, Target};
use super::label::{Label, join};
use super::owner::{Owner, all_have_defaults, holder, is_generic, settings as settings_name};
use super::walk::segment;
use crate::ast::{Extents, Node, Parameter, ParameterKind, Place, Sequence};
use crate::body::{Forward, Helper};
use crate::layers::Applied;
use crate::naming::KILN;
use crate::validate::{Layer, LayerKind, Optimizer, Program, Validated, batch};

/// The constant that holds the types of the model's inputs.
pub const INPUTS: &str = "INPUTS";
/// The constant that holds the types of the model's outputs.
pub const OUTPUTS: &str = "OUTPUTS";

/// Whether an expression gives one tensor or an array of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    One,
    Several(usize),
}

impl Want {
    pub fn of(count: usize) -> Want {
        if count == 1 { Want::One } else { Want::Several(count) }
    }

    pub fn count(self) -> usize {
        match self {
            Want::One => 1,
            Want::Several(count) => count,
        }
    }
}

/// What a declaration's checks expand to.
pub struct Checks {
    /// The constants, and what evaluates them where the model is declared.
    pub items: TokenStream,
    /// The statement that evaluates them where a model with const parameters is made, so that a build reports what
    /// `cargo check` can not know.
    pub when_instantiated: TokenStream,
}

/// The checks of a declaration.
pub fn checks(declaration: &Validated) -> Checks {
    let mut constants = Constants::new(declaration);
    constants.all(declaration);
    let Constants { definitions, checks, .. } = constants;
    if !is_generic(declaration) {
        return Checks { items: definitions, when_instantiated: TokenStream::new() };
    }
    let generics = &declaration.generics;
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let holder = holder(declaration);
    // The notes that rustc adds about these uses of a failing constant stand on the user's line, too.
    let all_of = |owner: TokenStream| -> Vec<TokenStream> {
        checks.iter().map(|(check, place)| constant_at(check, *place, &owner)).collect()
    };
    let with_defaults = if all_have_defaults(declaration) { all_of(emit!(#holder)) } else { Vec::new() };
    let instantiated = all_of(emit!(#holder #arguments));
    let items = emit! {
        struct #holder #generics #bounds;
        impl #parameters #holder #arguments #bounds {
            #definitions
        }
        #(const _: () = { let _ = (#with_defaults,); };)*
    };
    Checks { items, when_instantiated: emit!(let _ = (#(#instantiated,)*);) }
}

/// An associated constant, named at a place.
fn constant_at(name: &Ident, place: Place, owner: &TokenStream) -> TokenStream {
    let name = Ident::new(&name.to_string(), at(place.last));
    let owner = quote_spanned!(at(place.first)=> <#owner>::);
    emit!(#owner #name)
}

/// The constants while they are collected.
struct Constants {
    /// As seen from one another.
    owner: Owner,
    definitions: TokenStream,
    /// Those that fail if something is wrong, and where.
    checks: Vec<(Ident, Place)>,
    names: HashSet<String>,
    /// The constant that holds the shape so far.
    shape: TokenStream,
}

impl Constants {
    fn new(declaration: &Validated) -> Constants {
        let owner = Owner::within(declaration);
        let inputs = owner.constant(INPUTS);
        let shape = emit!(#inputs[0]);
        Constants { owner, definitions: TokenStream::new(), checks: Vec::new(), names: HashSet::new(), shape }
    }

    fn all(&mut self, declaration: &Validated) {
        self.free();
        self.definitions.extend(super::applied::types(declaration, &self.owner));
        self.definitions.extend(super::called::types(declaration, &self.owner));
        self.definitions.extend(super::losses::types(declaration, &self.owner));
        for helper in &declaration.helpers {
            self.helper(helper, declaration);
        }
        match &declaration.forward {
            _ if declaration.inputs.is_empty() => {
                declaration.body.members.iter().for_each(|member| self.settings(&member.node));
            }
            Some(forward) => self.forward(forward, declaration),
            None => self.in_order(declaration),
        }
        self.programs(declaration);
    }

    /// A constant for each name that may be free: the free extent, or the value of the constant that the name is. In a
    /// pattern it is a constant where there is one, and else a new name, so that rustc decides.
    fn free(&mut self) {
        for name in &self.owner.free {
            let text = name.to_string();
            let constant = self.owner.name(&format!("free_{name}"));
            let place = at(name.span());
            let name = Ident::new(&text, name.span());
            let (kiln, text) = (KILN.at(place), syn::LitStr::new(&text, place));
            let module = quote_spanned!(place=> #kiln::graph::shape::extent);
            let next = emit!((#text, next));
            let (free, next) =
                (quote_spanned!(place=> #module::free(#text)), quote_spanned!(place=> #module::constant #next));
            self.definitions.extend(emit! {
                #[allow(irrefutable_let_patterns, unused_variables, non_snake_case, long_running_const_eval)]
                const #constant: usize = {
                    let mut extent = #free;
                    let mut next = 0;
                    loop {
                        if let #name = extent {
                            break extent;
                        }
                        extent = #next;
                        next += 1;
                    }
                };
            });
        }
    }

    /// One constant for each program, and for the settings of each optimizer and the indices in its parts.
    fn programs(&mut self, declaration: &Validated) {
        for optimizer in &declaration.steps.optimizers {
            let Optimizer { name, ty, value, place, .. } = optimizer;
            let (text, settings) = (name.unraw().to_string(), self.owner.optimizer(name));
            let constant = self.owner.name(&settings_name(format_args!("of_{text}")));
            self.definitions.extend(emit!(const #constant: #ty = #value;));
            // A value with a destructor is not dropped in a constant: it is forgotten.
            let checked = emit!({
                let settings = #settings;
                let result = settings.check();
                ::std::mem::forget(settings);
                result
            });
            let check = call(*place, emit!(shape::check_optimizer), emit!(#text, #checked));
            self.check(format!("optimizer_{text}"), *place, emit!(()), check);
            let expansion = expansion(declaration, &self.owner);
            let parts = optimizer.parts.iter().map(|part| expansion.label(&part.access).1);
            let check = emit!({ #(#parts)* });
            self.check(format!("parts_of_{}", optimizer.name), Place::of(&optimizer.name), emit!(()), check);
        }
        for program in &declaration.steps.programs {
            let batch = batch();
            let inputs = program.inputs.iter().map(|input| {
                let (name, ty) = (&input.name, self.owner.extents(&input.extents));
                emit!(let mut #name = #ty;)
            });
            let body = expansion(declaration, &self.owner).block(&program.body, Want::One);
            let results: Vec<&Ident> = program.results.iter().map(|result| &result.name).collect();
            let certain = program.results.iter().enumerate().filter(|(_, result)| result.certain.is_type());
            let certain = certain.map(|(position, result)| {
                let name = &result.name;
                self.check_result(program, position, emit!(#name), None)
            });
            let certain: Vec<TokenStream> = certain.collect();
            let count = results.len();
            let free = self.owner.bind_types(program.inputs.iter().map(|input| &input.extents));
            let check = emit!({
                let #batch = #KILN::graph::Shape::N;
                #free
                #(#inputs)*
                #body
                #(#certain)*
                [#(#results),*]
            });
            let place = Place::of(&program.name);
            let ty = emit!([#KILN::graph::Type; #count]);
            self.check(program.name.to_string(), place, ty, check);
            self.defaults(program, place, declaration);
        }
    }

    /// The check that what is found with the defaults of the const parameters is so with all others.
    fn defaults(&mut self, program: &Program, place: Place, declaration: &Validated) {
        let walk = Owner::of_defaults(declaration).filter(|_| is_generic(declaration));
        let Some(walk) = walk else { return };
        let types = self.owner.constant(&program.name.to_string());
        let found = program.results.iter().enumerate().filter(|(_, result)| !result.certain.is_type());
        let found =
            found.map(|(position, _)| self.check_result(program, position, emit!(#types[#position]), Some(&walk)));
        let check: Vec<TokenStream> = found.collect();
        if !check.is_empty() {
            self.check(format!("results_of_{}", program.name), place, emit!(()), emit!({ #(#check)* }));
        }
    }

    /// The check that a result is of the type that its method gives.
    fn check_result(
        &self,
        program: &Program,
        position: usize,
        found: TokenStream,
        walk: Option<&Owner>,
    ) -> TokenStream {
        let name = &program.results[position].name;
        let (text, ty) =
            (name.unraw().to_string(), super::steps::result_type(program, position, super::Found::Walk(walk)));
        emit!(#KILN::steps::check_result::<#ty>(#text, #found);)
    }

    /// The checks of layers that are applied in order.
    fn in_order(&mut self, declaration: &Validated) {
        self.define_all(INPUTS, &declaration.inputs);
        self.sequence(&declaration.body, "");
        let found = self.shape.clone();
        match declaration.outputs.first() {
            None => {
                let name = self.owner.name(OUTPUTS);
                self.definitions.extend(emit!(const #name: [#KILN::graph::Type; 1] = [#found];));
            }
            Some(output) => {
                self.define_all(OUTPUTS, &declaration.outputs);
                let check = self.declared_output(declaration, 0, output.place, &found);
                self.check("declared_output".to_string(), output.place, emit!(#KILN::graph::Type), check);
            }
        }
    }

    /// The check that a declared output is the one found.
    fn declared_output(
        &self,
        declaration: &Validated,
        position: usize,
        place: Place,
        found: &TokenStream,
    ) -> TokenStream {
        let declared = self.owner.constant(OUTPUTS);
        let name = if declaration.outputs.len() > 1 {
            format!("output {position} of {}", declaration.name.unraw())
        } else {
            format!("output of {}", declaration.name.unraw())
        };
        call(place, emit!(shape::check_output), emit!(#name, #declared[#position], #found))
    }

    /// The types of the inputs or outputs.
    fn define_all(&mut self, name: &str, types: &[Extents]) {
        let name = self.owner.name(name);
        let count = types.len();
        let types = types.iter().map(|extents| self.owner.extents(extents));
        self.definitions.extend(emit!(const #name: [#KILN::graph::Type; #count] = [#(#types),*];));
    }

    fn define(&mut self, name: &str, value: impl ToTokens) {
        let name = self.owner.name(name);
        self.definitions.extend(emit!(const #name: #KILN::graph::Type = #value;));
    }

    /// A constant that is named after a field, as rustc shows its name.
    fn check(&mut self, mut name: String, place: Place, ty: TokenStream, value: TokenStream) {
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        let name = self.owner.name(&name);
        let definition = emit! {
            #[allow(unused_variables, unused_assignments)]
            const #name: #ty = #value;
        };
        self.definitions.extend(definition);
        self.checks.push((name, place));
    }

    fn sequence(&mut self, body: &Sequence<Layer>, path: &str) {
        for member in &body.members {
            let path = join(path, &segment(&member.name));
            match &member.node {
                Node::Sequence(inner) => self.sequence(inner, &path),
                node @ (Node::Layer(_) | Node::List { .. }) => {
                    self.settings(node);
                    for leaf in leaves(node) {
                        let check = Check { only: Some(leaf.id), label: &Label::new(&path), place: None };
                        let run = run(node, &self.owner, Some(check));
                        let before = &self.shape;
                        let name = format!("layer_{}", path.replace('.', "_"));
                        let check = emit!({ let x = #before; #run });
                        self.check(name, leaf.place, emit!(#KILN::graph::Type), check);
                    }
                    let name = format!("SHAPE_{}", self.names.len());
                    let after = run(node, &self.owner, None);
                    let before = &self.shape;
                    self.define(&name, emit!({ let x = #before; #after }));
                    self.shape = self.owner.constant(&name);
                }
            }
        }
    }

    /// One constant for the whole body, with the check of its results, so that nothing uses a constant that failed; and
    /// a function for each of the model's own functions.
    fn forward(&mut self, forward: &Forward, declaration: &Validated) {
        for member in &declaration.body.members {
            self.settings(&member.node);
        }
        self.define_all(INPUTS, &declaration.inputs);
        self.define_all(OUTPUTS, &declaration.outputs);
        let (inputs, batch) = (self.owner.constant(INPUTS), batch());
        let names = &forward.inputs;
        let positions = 0..names.len();
        let count = declaration.outputs.len();
        let body = expansion(declaration, &self.owner).block(&forward.body, Want::of(count));
        let free = self.owner.bind_types(&declaration.inputs);
        let body = emit!({
            let #batch = #KILN::graph::Shape::N;
            #free
            #(let mut #names = #inputs[#positions];)*
            #body
        });
        let results = declaration.outputs.iter().map(|output| output.place);
        let checks = self.results(results, body, |constants, position, place, found| {
            constants.declared_output(declaration, position, place, found)
        });
        let ty = types(count);
        self.check("forward".to_string(), Place::of(&names[0]), ty, checks);
    }

    /// Results, each with its check, which is reported at its place.
    fn results(
        &self,
        places: impl ExactSizeIterator<Item = Place>,
        found: TokenStream,
        check: impl Fn(&Constants, usize, Place, &TokenStream) -> TokenStream,
    ) -> TokenStream {
        if places.len() == 1 {
            return places.map(|place| check(self, 0, place, &found)).collect();
        }
        let checks = places.enumerate().map(|(position, place)| check(self, position, place, &emit!(found[#position])));
        let ty = types(checks.len());
        emit!({ let found: #ty = #found; [#(#checks),*] })
    }

    /// The walk over the types of one of the model's own functions.
    fn helper(&mut self, helper: &Helper, declaration: &Validated) {
        let batch = batch();
        let parameters = helper.parameters.iter().map(|Parameter { name, kind }| match kind {
            ParameterKind::Tensor(_) => emit!(mut #name: #KILN::graph::Type),
            ParameterKind::Number(ty) => emit!(mut #name: #ty),
        });
        let mut body = expansion(declaration, &self.owner).block(&helper.body, Want::of(helper.results));
        let tensors: Vec<_> = declared_types(&helper.parameters).collect();
        let free = self.owner.bind_sizes(&helper.name, &tensors);
        if let Some(declared) = &helper.declared {
            let places = declared.iter().map(|result| result.place);
            body = self.results(places, emit!({ #body }), |_, position, place, found| {
                let name = match declared.len() {
                    1 => format!("result of {}", helper.name),
                    _ => format!("result {position} of {}", helper.name),
                };
                let declared = self.owner.extents(&declared[position]);
                let declared = if free.is_empty() { declared } else { emit!(sizes.ty(#declared)) };
                call(place, emit!(shape::check_output), emit!(#name, #declared, #found))
            });
        }
        let (name, ty) = (self.owner.name(&helper.name.to_string()), types(helper.results));
        self.definitions.extend(emit! {
            #[allow(unused_variables, unused_assignments)]
            const fn #name(#batch: usize, #(#parameters),*) -> #ty { #free #body }
        });
        let is_public = !matches!(helper.visibility, syn::Visibility::Inherited);
        if is_public && tensors.len() == helper.parameters.len() {
            // Whoever calls it, it is right by itself.
            let place = Place::of(&helper.name);
            let (function, taken) = (
                self.owner.function(&helper.name, place),
                tensors.iter().map(|(_, extents)| self.owner.extents(extents)),
            );
            let check = emit!(#function(#KILN::graph::Shape::N, #(#taken),*));
            self.check(format!("pub_fn_{}", helper.name.unraw()), place, ty, check);
        }
    }

    /// The settings of the layers in a node.
    fn settings(&mut self, node: &Node<Layer>) {
        for layer in leaves(node) {
            if let LayerKind::Known { settings_type, settings, .. } = &layer.kind {
                let name = self.owner.name(&settings_name(layer.id));
                self.definitions.extend(emit!(const #name: #settings_type = #settings;));
            }
        }
    }
}

/// The tensors among a function's parameters that say their type.
pub fn declared_types(parameters: &[Parameter]) -> impl Iterator<Item = (&Ident, &Extents)> {
    parameters.iter().filter_map(|Parameter { name, kind }| match kind {
        ParameterKind::Tensor(Some(extents)) => Some((name, extents)),
        ParameterKind::Tensor(None) | ParameterKind::Number(_) => None,
    })
}

/// The type of one value over which a body is walked, or of several.
fn types(count: usize) -> TokenStream {
    if count == 1 { emit!(#KILN::graph::Type) } else { emit!([#KILN::graph::Type; #count]) }
}

fn expansion<'a>(declaration: &'a Validated, owner: &'a Owner) -> Expansion<'a> {
    let Validated { body, helpers, name, .. } = declaration;
    Expansion { target: Target::Types(owner), layers: body, helpers, model: name }
}

/// All layers in a node.
fn leaves(node: &Node<Layer>) -> Vec<&Layer> {
    match node {
        Node::Layer(layer) => vec![layer],
        Node::List { element, .. } => leaves(element),
        Node::Sequence(body) => body.members.iter().flat_map(|member| leaves(&member.node)).collect(),
    }
}

/// What is to be checked in a node.
#[derive(Clone, Copy)]
pub struct Check<'a> {
    /// The number of the one layer; else all of them are checked.
    pub only: Option<usize>,
    /// The name of the node.
    pub label: &'a Label,
    /// Where a mistake is reported; else where the layer is declared.
    pub place: Option<Place>,
}

/// The statements that turn `x`, the type before a node, into the type after it: assumed where it does not fit, so
/// that they never fail, but for what is to be checked.
pub fn run(node: &Node<Layer>, owner: &Owner, check: Option<Check<'_>>) -> TokenStream {
    match node {
        Node::Layer(layer) => {
            let check = check.filter(|check| check.only.is_none_or(|only| only == layer.id));
            let Some(check) = check else { return assumed(layer, owner) };
            let place = check.place.unwrap_or(layer.place);
            match &layer.kind {
                LayerKind::Known { indexed, .. } => {
                    let result = result(layer, *indexed, owner);
                    let shape = check.label.checked(place, emit!(shape::check_layer), &result);
                    emit!(#KILN::graph::Type::new(#KILN::graph::DType::F32, #shape))
                }
                LayerKind::Model => {
                    let types = model_types(layer, check.label, place, Want::One);
                    emit!({ let inputs = [x]; #types })
                }
            }
        }
        Node::List { element, length } => {
            let outer = Label::new("");
            let label = check.map_or(&outer, |check| check.label);
            let (index, inner) = (label.index(), label.element());
            let run = run(element, owner, check.map(|check| Check { label: &inner, ..check }));
            emit! {
                let mut x = x;
                let mut #index = 0;
                while #index < #length {
                    x = { #run };
                    #index += 1;
                }
                x
            }
        }
        Node::Sequence(body) => {
            let steps = body.members.iter().map(|member| {
                let label = check.map(|check| check.label.member(&segment(&member.name)));
                let check = check.zip(label.as_ref()).map(|(check, label)| Check { label, ..check });
                let run = run(&member.node, owner, check);
                emit!(let x = { #run };)
            });
            emit!(#(#steps)* x)
        }
    }
}

/// The shape after a layer of Kiln, or what is wrong.
fn result(layer: &Layer, indexed: bool, owner: &Owner) -> TokenStream {
    let (ty, settings) = (&layer.ty, owner.settings(layer.id));
    let taken = if indexed { emit!(I32) } else { emit!(F32) };
    emit!(#KILN::graph::shape::rules::takes(#KILN::graph::DType::#taken, x, <#ty>::shape(x.shape, &#settings)))
}

/// The check that a model takes `inputs`, and the types of what it gives.
pub fn model_types(layer: &Layer, label: &Label, place: Place, want: Want) -> TokenStream {
    let (ty, name) = (&layer.ty, label.bind());
    let model = emit!(<#ty as #KILN::graph::Model>);
    let taken = emit!(#KILN::graph::shape::rules::inputs(#model::INPUTS, &inputs));
    let taken = call(place, emit!(shape::check_inputs), emit!(name, #taken));
    let outputs = call(place, emit!(shape::check_outputs), emit!(name, #model::OUTPUTS));
    let given = emit!(#KILN::graph::shape::rules::outputs(#model::INPUTS, &inputs, #outputs));
    let given = match want {
        Want::One => emit!(let [x] = #given; x),
        Want::Several(_) => given,
    };
    emit!(#name #taken; #given)
}

/// The check that a layer of several inputs or results takes `inputs` with these flags, and the types of what it gives.
pub fn several_types(
    layer: &Layer,
    (applied, rule): (&Applied, &str),
    flags: &[TokenStream],
    owner: &Owner,
    label: &Label,
    place: Place,
    want: Want,
) -> TokenStream {
    let (ty, name, settings) = (&layer.ty, label.bind(), owner.settings(layer.id));
    let rule = Ident::new(rule, Span::mixed_site());
    let mut types = emit!(<#ty>::#rule(&inputs, &[#(#flags),*], &#settings));
    if let Some(count) = applied.part(want.count()) {
        types = emit!(#KILN::graph::shape::functions::first(#types, #count));
    }
    let types = emit!(name, #types);
    let given = match want {
        Want::One => {
            let one = call(place, emit!(shape::check_types), types);
            emit!(let [x] = #one; x)
        }
        Want::Several(_) => call(place, emit!(shape::check_types), types),
    };
    emit!(#name #given)
}

/// The type after a layer, assumed if its input does not fit.
fn assumed(layer: &Layer, owner: &Owner) -> TokenStream {
    let ty = &layer.ty;
    match &layer.kind {
        LayerKind::Known { .. } => {
            let settings = owner.settings(layer.id);
            emit!(#KILN::graph::Type::new(#KILN::graph::DType::F32, <#ty>::shape_or_assumed(x.shape, &#settings)))
        }
        LayerKind::Model => {
            let model = emit!(<#ty as #KILN::graph::Model>);
            let outputs = emit!(#KILN::graph::shape::rules::outputs(#model::INPUTS, &[x], [#model::OUTPUTS[0]]));
            emit!({ let [x] = #outputs; x })
        }
    }
}

/// A call whose failure is reported for a place: its path takes the first token's span and its arguments the last's.
pub fn call(place: Place, function: TokenStream, arguments: TokenStream) -> TokenStream {
    let (first, last) = (at(place.first), at(place.last));
    let kiln = KILN.at(first);
    let path = quote_spanned!(first=> #kiln::graph::);
    let function = function.into_iter().map(|mut token| {
        token.set_span(first);
        token
    });
    let arguments = quote_spanned!(last=> (#arguments));
    emit!(#path #(#function)* #arguments)
}

/// A span of the user's that resolves names as the macro's own.
pub fn at(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}
