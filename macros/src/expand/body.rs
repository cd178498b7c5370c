//! The two expansions of a body: the computation over `Value`s in ordinary Rust, loops and all, and the same walk over
//! `Type`s in a constant, where each operation's rule is called with the spans of the user's tokens. Which rule that
//! is, the tables say; what it says, rustc finds.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::ext::IdentExt;

use super::around::{at, cut, line};
use super::checks::{Check, Want, call, model_types, run, several_types};
use super::label::Label;
use super::owner::Owner;
use super::{applied, called, inside, loops, losses, walk};
use crate::ast::{Node, ParameterKind, Place, Sequence};
use crate::body::{
    Access, Apply, Block, Gradient, Helper, Holds, If, LayerParameter, Number, Rounded, Source, Statement, Step, Take,
    Tensor, Transfer, Value,
};
use crate::naming::KILN;
use crate::validate::{Element, Layer, LayerKind, batch, round};

/// What a body is expanded to.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// The computation over the model at the given place.
    Computation(&'a TokenStream),
    Types(&'a Owner),
}

/// The expansion of one body of a model with these layers and functions.
#[derive(Clone, Copy)]
pub struct Expansion<'a> {
    pub target: Target<'a>,
    pub layers: &'a Sequence<Layer>,
    pub helpers: &'a [Helper],
    /// The name of the model.
    pub model: &'a Ident,
}

/// The way to a layer from the model: the expression for it, and for the name of each step.
pub fn way(access: &Access, model: &TokenStream) -> (TokenStream, Vec<TokenStream>) {
    let mut place = model.clone();
    let mut names = Vec::new();
    for step in &access.steps {
        match step {
            Step::Member(name) => {
                let segment = walk::segment(name);
                place = emit!(#place.#name);
                names.push(emit!(#segment));
            }
            Step::Index { index, .. } => {
                place = emit!(#place[#index]);
                names.push(emit!(&::std::string::ToString::to_string(&(#index as usize))));
            }
        }
    }
    (place, names)
}

/// The name of the function that computes one of the model's own functions.
pub fn computation_of(helper: &Helper, model: &Ident) -> Ident {
    format_ident!("{}_compute_{}", model, helper.name, span = Span::call_site())
}

impl Expansion<'_> {
    /// The statements of a block, and its value.
    pub fn block(&self, block: &Block, want: Want) -> TokenStream {
        let statements = block.statements.iter().map(|statement| self.statement(statement));
        let begins = match self.target {
            Target::Computation(_) if block.evaluates => emit!(let _evaluating = g.evaluating();),
            Target::Computation(_) | Target::Types(_) => TokenStream::new(),
        };
        let statements = emit!(#begins #(#statements)*);
        let Some(value) = &block.value else { return statements };
        let value = self.value(value, want);
        if let (Some(_), Target::Computation(_)) = (block.cuts, self.target) {
            let cut = cut(emit!({ #statements #value }), want);
            return emit!({ #cut });
        }
        emit!(#statements #value)
    }

    fn statement(&self, statement: &Statement) -> TokenStream {
        match statement {
            Statement::Set { declares, name, value, rounded } => {
                let value = self.value(value, Want::One);
                match rounded {
                    None if *declares => emit!(let mut #name = #value;),
                    None => emit!(#name = #value;),
                    Some(Rounded { name: beside, found }) => {
                        let nothing = emit!(#KILN::graph::shape::Rounded::NOTHING);
                        let found = emit!(#nothing #(.or(#found))*);
                        if *declares {
                            emit!(let (mut #name, mut #beside) = (#value, #found);)
                        } else {
                            emit!((#name, #beside) = (#value, #found);)
                        }
                    }
                }
            }
            Statement::Unpack { declares, names, value, cuts } => {
                let want = Want::Several(names.len());
                let mut value = self.value(value, want);
                if let (true, Target::Computation(_)) = (cuts, self.target) {
                    value = cut(value, want);
                }
                let names = names.iter().map(|name| match name {
                    Some(name) if *declares => emit!(mut #name),
                    Some(name) => name.to_token_stream(),
                    None => emit!(_),
                });
                if *declares { emit!(let [#(#names),*] = #value;) } else { emit!([#(#names),*] = #value;) }
            }
            Statement::For { variable, source, body, sets } => {
                let is_short = match body.statements.as_slice() {
                    [Statement::Set { value: Value::Tensor(value), .. }] => {
                        !matches!(value, Tensor::Block(_) | Tensor::If(_))
                    }
                    _ => false,
                };
                let changes = self.changes_more(body);
                let body = self.block(body, Want::One);
                // Over types all rounds are alike where none depends on a number, that of the round or another.
                let settles = matches!(self.target, Target::Types(_)) && !changes && !loops::names(&body, variable);
                match source {
                    Source::Range(range) => loops::over_range(variable, range, &body, sets, is_short, settles),
                    Source::Array(array) => loops::over_array(variable, array, &body, sets, settles),
                }
            }
            Statement::If(choice) => self.choice(choice, Want::One),
            Statement::Block(block) => {
                let block = self.block(block, Want::One);
                emit!({ #block })
            }
            Statement::Minimize { optimizer, loss, text, place } => {
                let loss = self.tensor(loss, Want::One);
                match self.target {
                    Target::Computation(model) => {
                        let loss = at(place.first, &loss);
                        emit!(#KILN::Steps::optimizers(#model)[#optimizer].minimize(g, #loss);)
                    }
                    Target::Types(_) => {
                        let check = call(*place, emit!(shape::check_scalar), emit!(#text, loss));
                        emit!({ let loss = #loss; #check; })
                    }
                }
            }
            Statement::Transfer(transfer) => self.transfer(transfer),
            Statement::Take(take) => self.take(take),
            Statement::List { name, change } => super::lists::change(self, name, change),
        }
    }

    /// Whether a block changes more than tensors: a list of them, or a number of around it.
    fn changes_more(&self, block: &Block) -> bool {
        let mut changes = false;
        block.each_statement(&mut |statement| {
            changes |= matches!(
                statement,
                Statement::List { .. } | Statement::Set { declares: false, value: Value::Number(_), .. }
            );
        });
        changes
    }

    /// The values of parameters that others take, or the checks of what rustc knows of it.
    fn transfer(&self, transfer: &Transfer) -> TokenStream {
        let Transfer { target, source, rate, place } = transfer;
        let rate = rate.as_ref().map(|rate| (matches!(rate, Value::Number(_)), self.value(rate, Want::One)));
        match self.target {
            Target::Computation(model) => {
                let alike = super::transfers::alike(target, source, self.layers, model, *place);
                let [target, source] = [target, source].map(|part| super::transfers::part(part, self.layers, model));
                let take = match rate {
                    None => emit!(#KILN::graph::transfer::copy_from(g, &#target, &#source)),
                    Some((true, rate)) => {
                        emit!(#KILN::graph::transfer::lerp_from(g, &#target, &#source, (#rate) as f64))
                    }
                    Some((false, rate)) => emit!(#KILN::graph::transfer::lerp_from(g, &#target, &#source, #rate)),
                };
                let line = line(place.first);
                emit!({ #alike #line #take; })
            }
            Target::Types(_) => {
                let indices = [target, source].map(|part| self.label(&part.access).1);
                let check = rate.map(|(constant, rate)| check_rate(constant, rate, *place));
                emit!({ #(#indices)* #check })
            }
        }
    }

    /// A value that a parameter takes, or the check that it is of its type.
    fn take(&self, take: &Take) -> TokenStream {
        let Take { target, text, value, rate, place } = take;
        let value = self.tensor(value, Want::One);
        let rate = rate.as_ref().map(|rate| (matches!(rate, Value::Number(_)), self.value(rate, Want::One)));
        match self.target {
            Target::Computation(model) => {
                let parameter = super::transfers::parameter(target, self.layers, model);
                let line = line(place.first);
                let taken = match rate {
                    None => emit!(#KILN::graph::transfer::take(g, #parameter, value)),
                    Some((true, rate)) => {
                        emit!(#KILN::graph::transfer::take_part_way(g, #parameter, value, (#rate) as f64))
                    }
                    Some((false, rate)) => emit!(#KILN::graph::transfer::take_part_way(g, #parameter, value, #rate)),
                };
                emit!({ let value = #value; #line #taken; })
            }
            Target::Types(_) => {
                let declared = self.tensor(target, Want::One);
                let check = call(*place, emit!(shape::check_taken), emit!(#text, #declared, value));
                let rate = rate.map(|(constant, rate)| check_rate(constant, rate, *place));
                emit!({ let value = #value; #check; #rate })
            }
        }
    }

    fn choice(&self, choice: &If, want: Want) -> TokenStream {
        let (condition, then) = (&choice.condition, self.block(&choice.then, want));
        let otherwise = choice.otherwise.as_ref().map(|block| {
            let block = self.block(block, want);
            emit!(else { #block })
        });
        emit!(if #condition { #then } #otherwise)
    }

    pub fn value(&self, value: &Value, want: Want) -> TokenStream {
        match value {
            Value::Tensor(tensor) => self.tensor(tensor, want),
            Value::Number(number) => number.clone(),
            Value::Tuple(tensors) => {
                let tensors = self.tensors(tensors);
                emit!([#(#tensors),*])
            }
        }
    }

    pub fn tensors(&self, tensors: &[Tensor]) -> Vec<TokenStream> {
        tensors.iter().map(|tensor| self.tensor(tensor, Want::One)).collect()
    }

    /// An array in which those that are left out are none.
    fn optional_tensors(&self, tensors: &[Option<Tensor>]) -> TokenStream {
        let each = tensors.iter().map(|tensor| match tensor {
            Some(tensor) => {
                let tensor = self.tensor(tensor, Want::One);
                emit!(::core::option::Option::Some(#tensor))
            }
            None => emit!(::core::option::Option::None),
        });
        emit!([#(#each),*])
    }

    pub fn tensor(&self, tensor: &Tensor, want: Want) -> TokenStream {
        match tensor {
            Tensor::Variable(name) => name.to_token_stream(),
            Tensor::Parameter(parameter) => self.parameter(parameter),
            Tensor::Number(number) => self.number(number),
            Tensor::Call(call) => match self.target {
                Target::Computation(_) => called::compute(self, call),
                Target::Types(owner) => called::check(self, owner, call),
            },
            Tensor::Apply(apply) => match self.target {
                Target::Computation(model) => self.compute_apply(apply, model, want),
                Target::Types(owner) => self.check_apply(apply, owner, want),
            },
            Tensor::Helper { helper, arguments, place } => {
                let helper = &self.helpers[*helper];
                let mut given: Vec<TokenStream> = arguments.iter().map(|value| self.value(value, Want::One)).collect();
                let batch = batch();
                match self.target {
                    Target::Computation(model) => {
                        let function = computation_of(helper, self.model);
                        emit!(#function(#model, g, #batch, #(#given),*))
                    }
                    Target::Types(owner) => {
                        for (given, parameter) in given.iter_mut().zip(&helper.parameters) {
                            if let ParameterKind::Tensor(Some(extents)) = &parameter.kind {
                                let (function, name) =
                                    (helper.name.unraw().to_string(), parameter.name.unraw().to_string());
                                let declared = owner.extents(extents);
                                let arguments = emit!(#function, #name, #declared, #given);
                                *given = call(*place, emit!(shape::check_argument), arguments);
                            }
                        }
                        let function = owner.function(&helper.name, *place);
                        emit!(#function(#batch, #(#given),*))
                    }
                }
            }
            Tensor::Element { list, index, place } => super::lists::element(self, list, index, *place),
            Tensor::Inside(of) => inside::take(self, of, want),
            Tensor::Whole { inputs, place } => self.whole(inputs, *place, want),
            Tensor::If(choice) => {
                let choice = self.choice(choice, want);
                emit!((#choice))
            }
            Tensor::Block(block) => {
                let block = self.block(block, want);
                emit!({ #block })
            }
            Tensor::Loss(loss) => match self.target {
                Target::Computation(_) => losses::compute(self, loss),
                Target::Types(owner) => losses::check(self, owner, loss),
            },
            Tensor::Gradient(gradient) => {
                let Gradient { loss, of, text, place } = &**gradient;
                let loss = self.tensor(loss, Want::One);
                match self.target {
                    Target::Computation(_) => {
                        let loss = at(place.first, &loss);
                        emit!(g.gradient(#loss, #of))
                    }
                    Target::Types(_) => {
                        let check = call(*place, emit!(shape::check_scalar), emit!(#text, loss));
                        emit!({ let loss = #loss; #check; #of })
                    }
                }
            }
        }
    }

    /// A number as a tensor without axes.
    fn number(&self, Number { number, holds, place }: &Number) -> TokenStream {
        let dtype = match holds {
            Holds::Constant => {
                let first = super::checks::at(place.first);
                let taken = super::around::written(first, "taken", &quote_spanned!(first=> &#number));
                return match self.target {
                    Target::Computation(_) => super::around::written(first, "constant", &emit!(g, #taken)),
                    Target::Types(_) => call(*place, emit!(written::type_of), taken),
                };
            }
            Holds::Known(element) => element_type(*element),
            Holds::Met(element) => element_type(element.get().unwrap_or(Element::F32)),
            Holds::Input(model, position) => {
                let Some(Node::Layer(Layer { ty, .. })) = model.find(self.layers) else { return TokenStream::new() };
                emit!(#KILN::graph::shape::element_of(<#ty as #KILN::graph::Model>::INPUTS, #position))
            }
        };
        let first = super::checks::at(place.first);
        let number = round(quote_spanned!(first=> #number as f64), first);
        match self.target {
            Target::Computation(_) => {
                let kiln = KILN.at(first);
                let g = emit!(g);
                quote_spanned!(first=> #kiln::graph::model::number(#g, #dtype, #number))
            }
            Target::Types(_) => call(*place, emit!(shape::check_number), emit!(#dtype, #number)),
        }
    }

    /// A parameter as a value.
    fn parameter(&self, LayerParameter { layer, name, place }: &LayerParameter) -> TokenStream {
        let function = applied::of_parameter(layer, name, self.layers);
        match self.target {
            Target::Computation(model) => function.compute(self.model, model, None, place.first),
            Target::Types(owner) => {
                let (_, indices) = self.label(layer);
                within(indices, function.check(owner, None, *place))
            }
        }
    }

    /// The model itself.
    fn whole(&self, inputs: &[(String, Tensor)], place: Place, want: Want) -> TokenStream {
        let values: Vec<TokenStream> = inputs.iter().map(|(_, tensor)| self.tensor(tensor, Want::One)).collect();
        match (self.target, want, values.as_slice()) {
            (Target::Computation(model), Want::One, [x]) => emit!(#KILN::graph::Layer::forward(#model, g, #x)),
            (Target::Computation(model), want, _) => {
                let count = want.count();
                let all = emit!(#KILN::graph::Model::forward_all(#model, g, &inputs));
                let all = emit!(#KILN::graph::model::exactly(g, &#all));
                let result = if count == 1 { emit!(let [x] = #all; x) } else { all };
                emit!({ let inputs = [#(#values),*]; #result })
            }
            (Target::Types(owner), ..) => {
                let (taken, given) = (owner.constant(super::checks::INPUTS), owner.constant(super::checks::OUTPUTS));
                let checks = inputs.iter().zip(values).enumerate().map(|(position, ((name, _), value))| {
                    let arguments = emit!("forward", #name, #taken[#position], #value);
                    call(place, emit!(shape::check_argument), arguments)
                });
                let agree = emit!(#KILN::graph::shape::rules::inputs(&#taken, &inputs));
                let agree = call(place, emit!(shape::check_inputs), emit!("forward", #agree));
                let given = emit!(#KILN::graph::shape::rules::outputs(&#taken, &inputs, #given));
                let result = if want == Want::One { emit!(let [x] = #given; x) } else { given };
                emit!({ let inputs = [#(#checks),*]; #agree; #result })
            }
        }
    }

    /// A layer applied within the scopes of its name.
    fn compute_apply(&self, apply: &Apply, model: &TokenStream, want: Want) -> TokenStream {
        let inputs: Vec<TokenStream> =
            apply.inputs.iter().flatten().map(|tensor| self.tensor(tensor, Want::One)).collect();
        if let (Some(function), [x]) = (applied::of_apply(apply, want, self.layers), inputs.as_slice()) {
            return function.compute(self.model, model, Some(x), apply.place.first);
        }
        let (place, names) = way(&apply.layer, model);
        let line = line(apply.place.first);
        let scopes = emit!(#line #(let _scope = g.enter(#names);)*);
        let Some(node) = apply.layer.find(self.layers) else { return TokenStream::new() };
        if let Node::Layer(Layer { ty, kind: LayerKind::Model, .. }) = node {
            let all = emit!(<#ty as #KILN::graph::Model>::forward_all(&#place, g, &inputs));
            let result = match want {
                Want::One => emit!(let [x] = #KILN::graph::model::exactly(g, &#all); x),
                Want::Several(_) => emit!(#KILN::graph::model::exactly(g, &#all)),
            };
            return emit!({ let inputs = [#(#inputs),*]; #scopes #result });
        }
        if let Some(method) = apply.method {
            let name = Ident::new(method.name, Span::mixed_site());
            let x = Ident::new("x", Span::mixed_site());
            return emit!({ let #x = #(#inputs)*; #scopes (&#place).#name(g, #x) });
        }
        if let Node::Layer(Layer { kind: LayerKind::Known { applied: Some(applied), .. }, .. }) = node {
            let (inputs, flags) = (self.optional_tensors(&apply.inputs), &apply.flags);
            let all = emit!(#KILN::layers::Several::forward_all(&#place, g, &inputs, &[#(#flags),*]));
            let taken = applied.part(want.count()).map(|count| emit!([..#count]));
            let result = match want {
                Want::One => emit!(let [x] = #KILN::graph::model::exactly(g, &#all #taken); x),
                Want::Several(_) => emit!(#KILN::graph::model::exactly(g, &#all #taken)),
            };
            return emit!({ let inputs = #inputs; #scopes #result });
        }
        let result = walk::forward_node(node, &place);
        emit!({ let x = #(#inputs)*; #scopes #result })
    }

    fn check_apply(&self, apply: &Apply, owner: &Owner, want: Want) -> TokenStream {
        let (label, indices) = self.label(&apply.layer);
        let Some(node) = apply.layer.find(self.layers) else { return TokenStream::new() };
        let inputs: Vec<TokenStream> =
            apply.inputs.iter().flatten().map(|tensor| self.tensor(tensor, Want::One)).collect();
        if let (Some(function), [x]) = (applied::of_apply(apply, want, self.layers), inputs.as_slice()) {
            if indices.is_empty() {
                return function.check(owner, Some(x), apply.place);
            }
            let check = function.check(owner, Some(&emit!(x)), apply.place);
            return emit!({ let x = #x; #indices #check });
        }
        if let Node::Layer(layer @ Layer { kind: LayerKind::Model, .. }) = node {
            let result = model_types(layer, &label, apply.place, want);
            return emit!({ let inputs = [#(#inputs),*]; #indices #result });
        }
        if let Node::Layer(layer @ Layer { kind: LayerKind::Known { applied: Some(applied), .. }, .. }) = node {
            let inputs = self.optional_tensors(&apply.inputs);
            let (applied, rule) = match apply.method {
                Some(method) => (&method.applied, format!("{}_types", method.name)),
                None => (*applied, "types".to_owned()),
            };
            let result = several_types(layer, (applied, &rule), &apply.flags, owner, &label, apply.place, want);
            return emit!({ let inputs = #inputs; #indices #result });
        }
        let run = run(node, owner, Some(Check { only: None, label: &label, place: Some(apply.place) }));
        let x = emit!(#(#inputs)*);
        if let Want::Several(_) = want {
            // Only a model gives several.
            let name = label.bind();
            let count = call(apply.place, emit!(shape::check_outputs), emit!(name, &[x]));
            return emit!({ let x = #x; #indices let x = { #run }; #name #count });
        }
        emit!({ let x = #x; #indices #run })
    }

    /// The layer's name as the message gives it, and the checks of the indices on the way.
    pub fn label(&self, layer: &Access) -> (Label, TokenStream) {
        let mut label: Option<Label> = None;
        let mut checks = TokenStream::new();
        let mut way = Access { steps: Vec::new() };
        for step in &layer.steps {
            match (step, label.take()) {
                (Step::Member(name), None) => label = Some(Label::new(&walk::segment(name))),
                (Step::Member(name), Some(outer)) => label = Some(outer.member(&walk::segment(name))),
                (Step::Index { index, place, certain }, outer) => {
                    let outer = outer.unwrap_or_else(|| Label::new(""));
                    if let (false, Some(Node::List { length, .. })) = (certain, way.find(self.layers)) {
                        checks.extend(outer.check_index(*place, index, &length.to_token_stream()));
                    }
                    label = Some(outer.at(index));
                }
            }
            way.steps.push(step.clone());
        }
        (label.unwrap_or_else(|| Label::new("")), checks)
    }
}

pub fn element_type(element: Element) -> TokenStream {
    let name = Ident::new(&format!("{element:?}"), Span::mixed_site());
    emit!(#KILN::graph::DType::#name)
}

/// The check of a rate of `lerp_from`.
fn check_rate(constant: bool, rate: TokenStream, place: Place) -> TokenStream {
    let (check, rate) = if constant {
        (emit!(shape::check_rate), emit!((#rate) as f64))
    } else {
        (emit!(shape::check_rate_type), rate)
    };
    let check = call(place, check, rate);
    emit!(#check;)
}

/// What is checked behind other checks.
fn within(checks: TokenStream, value: TokenStream) -> TokenStream {
    if checks.is_empty() { value } else { emit!({ #checks #value }) }
}
