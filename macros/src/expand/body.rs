//! The two expansions of a `forward`: the computation over `Value`s in ordinary Rust, loops and all, and the same walk
//! over shapes in a constant, where each operation's shape rule is called with the spans of the user's tokens.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;

use super::checks::{Check, Label, Owner, at, call, run};
use super::walk;
use crate::ast::{Node, Sequence};
use crate::body::{Access, Binary, Block, Forward, If, Operator, Range, Statement, Step, Tensor, Value};
use crate::validate::Layer;

/// What the body is expanded to.
enum Target<'a> {
    Computation,
    Shapes(&'a Owner),
}

/// The computation, from the value `x` in the graph `g`.
pub fn computation(forward: &Forward, layers: &Sequence<Layer>) -> TokenStream {
    let (input, body) = (&forward.input, Expansion { target: Target::Computation, layers }.block(&forward.body));
    emit!(let mut #input = x; #body)
}

/// The shape of the result, from the shape `input`.
pub fn shapes(forward: &Forward, layers: &Sequence<Layer>, owner: &Owner, input: &TokenStream) -> TokenStream {
    let name = &forward.input;
    let body = Expansion { target: Target::Shapes(owner), layers }.block(&forward.body);
    emit!({ let mut #name = #input; #body })
}

/// A use of a deprecated constant for each layer that `forward` does not apply: a warning on its name.
pub fn warnings(forward: &Forward) -> TokenStream {
    let warnings = forward.unused.iter().map(|name| {
        let note =
            format!("`forward` never applies the layer `{name}`: its parameters are kept and saved, but not trained");
        let warning = Ident::new("unused_layer", at(name.span()));
        emit! {
            const _: () = {
                #[deprecated(note = #note)]
                const #warning: () = ();
                #warning
            };
        }
    });
    emit!(#(#warnings)*)
}

struct Expansion<'a> {
    target: Target<'a>,
    layers: &'a Sequence<Layer>,
}

impl Expansion<'_> {
    fn block(&self, block: &Block) -> TokenStream {
        let statements = block.statements.iter().map(|statement| self.statement(statement));
        let value = block.value.as_ref().map(|value| self.value(value));
        emit!(#(#statements)* #value)
    }

    fn statement(&self, statement: &Statement) -> TokenStream {
        match statement {
            Statement::Set { declares, name, value } => {
                let value = self.value(value);
                if *declares { emit!(let mut #name = #value;) } else { emit!(#name = #value;) }
            }
            Statement::For { variable, range, body } => self.for_loop(variable, range, &self.block(body)),
            Statement::If(choice) => self.choice(choice),
        }
    }

    /// Constants have no `for`: there the loop counts by itself.
    fn for_loop(&self, variable: &Ident, range: &Range, body: &TokenStream) -> TokenStream {
        let Range { start, end, inclusive, reversed } = range;
        match (&self.target, reversed) {
            (Target::Computation, false) if *inclusive => emit!(for #variable in #start..=#end { #body }),
            (Target::Computation, false) => emit!(for #variable in #start..#end { #body }),
            (Target::Computation, true) if *inclusive => emit!(for #variable in (#start..=#end).rev() { #body }),
            (Target::Computation, true) => emit!(for #variable in (#start..#end).rev() { #body }),
            (Target::Shapes(_), false) => {
                let before = if *inclusive { emit!(<=) } else { emit!(<) };
                emit! {{
                    let mut counter = #start;
                    let end = #end;
                    while counter #before end {
                        let #variable = counter;
                        { #body }
                        counter += 1;
                    }
                }}
            }
            (Target::Shapes(_), true) => {
                let behind = if *inclusive { emit!(#end + 1) } else { end.clone() };
                emit! {{
                    let start = #start;
                    let mut counter = #behind;
                    while counter > start {
                        counter -= 1;
                        let #variable = counter;
                        { #body }
                    }
                }}
            }
        }
    }

    fn choice(&self, choice: &If) -> TokenStream {
        let (condition, then) = (&choice.condition, self.block(&choice.then));
        let otherwise = choice.otherwise.as_ref().map(|block| {
            let block = self.block(block);
            emit!(else { #block })
        });
        emit!(if #condition { #then } #otherwise)
    }

    fn value(&self, value: &Value) -> TokenStream {
        match value {
            Value::Tensor(tensor) => self.tensor(tensor),
            Value::Number(number) => number.clone(),
        }
    }

    fn tensor(&self, tensor: &Tensor) -> TokenStream {
        match tensor {
            Tensor::Variable(name) => name.to_token_stream(),
            Tensor::Elementwise { of, method } => {
                let of = self.tensor(of);
                match &self.target {
                    Target::Computation if method == "neg" => emit!(::core::ops::Neg::neg(#of)),
                    Target::Computation => emit!(::kiln::graph::Value::#method(#of)),
                    Target::Shapes(_) => of,
                }
            }
            Tensor::Binary(binary) => self.binary(binary),
            Tensor::Apply { layer, input, place } => {
                let input = self.tensor(input);
                match &self.target {
                    Target::Computation => self.apply(layer, &input),
                    Target::Shapes(owner) => {
                        let (label, indices) = self.label(layer);
                        let Some(node) = layer.find(self.layers) else { return TokenStream::new() };
                        let run = run(node, owner, Some(Check { only: None, label: &label, place: Some(*place) }));
                        emit!({ let x = #input; #indices #run })
                    }
                }
            }
            Tensor::If(choice) => {
                let choice = self.choice(choice);
                emit!((#choice))
            }
            Tensor::Block(block) => {
                let block = self.block(block);
                emit!({ #block })
            }
        }
    }

    fn binary(&self, binary: &Binary) -> TokenStream {
        let Binary { left, operator, right, text, place } = binary;
        if let Target::Computation = self.target {
            let operand = |value: &Value| match value {
                Value::Tensor(tensor) => self.tensor(tensor),
                Value::Number(number) => emit!((#number as f64)),
            };
            let (left, right) = (operand(left), operand(right));
            return match operator {
                Operator::Add => emit!((#left + #right)),
                Operator::Sub => emit!((#left - #right)),
                Operator::Mul => emit!((#left * #right)),
                Operator::Div => emit!((#left / #right)),
            };
        }
        match (left, right) {
            (Value::Tensor(left), Value::Tensor(right)) => {
                let (left, right, name) = (self.tensor(left), self.tensor(right), operator.name());
                let rule = emit!(::kiln::graph::shape::rules::broadcast(#name, left, right));
                let check = call(*place, emit!(shape::check_operation), emit!(#text, #rule));
                emit!({ let left = #left; let right = #right; #check })
            }
            (Value::Tensor(tensor), Value::Number(_)) | (Value::Number(_), Value::Tensor(tensor)) => {
                self.tensor(tensor)
            }
            (Value::Number(left), Value::Number(_)) => left.clone(),
        }
    }

    /// A layer applied within the scopes of its name.
    fn apply(&self, layer: &Access, input: &TokenStream) -> TokenStream {
        let mut place = emit!(self);
        let mut scopes = TokenStream::new();
        for step in &layer.steps {
            match step {
                Step::Member(name) => {
                    let segment = walk::segment(name);
                    place = emit!(#place.#name);
                    scopes.extend(emit!(let _scope = g.enter(#segment);));
                }
                Step::Index { index, .. } => {
                    place = emit!(#place[#index]);
                    scopes
                        .extend(emit!(let _scope = g.enter(&::std::string::ToString::to_string(&(#index as usize)));));
                }
            }
        }
        let Some(node) = layer.find(self.layers) else { return TokenStream::new() };
        let result = walk::forward_node(node, &place);
        emit!({ let x = #input; #scopes #result })
    }

    /// The layer's name as the message gives it, and the checks of the indices on the way.
    fn label(&self, layer: &Access) -> (Label, TokenStream) {
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
                        let message = outer.message();
                        let check = call(*place, emit!(shape::check_index), emit!(list.as_str(), #index, #length));
                        checks.extend(emit!({ let list = #message; #check; }));
                    }
                    label = Some(outer.at(index));
                }
            }
            way.steps.push(step.clone());
        }
        (label.unwrap_or_else(|| Label::new("")), checks)
    }
}
