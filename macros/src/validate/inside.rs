//! What a body takes from a model that was declared elsewhere: its parameters by the fields that lead there, and its
//! public functions. Which there are, rustc knows.

use proc_macro2::{Ident, Span};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprCall, Token};

use super::expressions::Meaning;
use super::numbers::{rounded, wide};
use super::scope::Scope;
use crate::ast::Place;
use crate::body::{Access, Called, GivenNumber, Inside, Step, Tensor, Value};
use crate::expand::segment;
use crate::mistakes::spaced;

impl Scope<'_> {
    /// Takes note that a field is used.
    pub fn used_by(&mut self, layer: &Access) {
        if let Some(Step::Member(syn::Member::Named(name))) = layer.steps.first() {
            self.used.push(name.to_string());
        }
    }

    /// `encoder.fc.weight`
    pub fn value_inside(&mut self, inside: Inside) -> Value {
        self.used_by(&inside.model);
        Value::Tensor(Tensor::Inside(Box::new(inside)))
    }

    /// `encoder.blocks[1](x)`: a layer of the model is applied by the function that its field has.
    pub fn call_inside(&mut self, inside: Inside, call: &ExprCall) -> Option<Meaning> {
        let mut way = inside.way.iter();
        let (Some(Step::Member(syn::Member::Named(name))), rest) = (way.next(), way) else {
            return self.too_deep(&inside, &call.func);
        };
        let indices: Option<Vec<(Value, Place)>> = rest
            .map(|step| match step {
                Step::Index { index, place, .. } => Some((Value::Number(index.clone()), *place)),
                Step::Member(_) => None,
            })
            .collect();
        match indices {
            Some(indices) => {
                let name = name.clone();
                let arguments = (&call.args, call.paren_token.span.join());
                self.function_of(inside.model, &name, indices, arguments, Place::of(call))
            }
            None => self.too_deep(&inside, &call.func),
        }
    }

    /// `encoder.embed(x)`, or with the place in a list before its arguments, `encoder.blocks[1](x)`.
    pub fn function_of(
        &mut self,
        model: Access,
        name: &Ident,
        mut given: Vec<(Value, Place)>,
        (arguments, parentheses): (&Punctuated<Expr, Token![,]>, Span),
        place: Place,
    ) -> Option<Meaning> {
        self.used_by(&model);
        let places = given.len();
        let mut numbers: Vec<Option<GivenNumber>> = given.iter().map(|_| None).collect();
        for argument in arguments {
            let (value, place) = (self.value(argument)?, Place::of(argument));
            // Its type is that of an argument which is not known here.
            let (value, number) = match value {
                Value::Number(number) => {
                    let (written, quotients) = (rounded(argument), self.held(argument));
                    let number = written.map_or(number, |written| wide(written, place.first));
                    (Value::Number(number), Some(GivenNumber { is_whole: written.is_some(), quotients }))
                }
                tensor => (tensor, None),
            };
            given.push((value, place));
            numbers.push(number);
        }
        let call = Some(Called { function: name.clone(), given, places, numbers, parentheses });
        Some(Tensor::Inside(Box::new(Inside { model, way: Vec::new(), call, place })).into())
    }

    /// What lies in a model within the model is called by a function of the latter.
    pub fn too_deep<T>(&mut self, inside: &Inside, at: impl quote::ToTokens) -> Option<T> {
        let way = |steps: &[Step]| {
            let mut text = String::new();
            for step in steps {
                match step {
                    Step::Member(name) if text.is_empty() => text = segment(name),
                    Step::Member(name) => text = format!("{text}.{}", segment(name)),
                    Step::Index { .. } => text.push_str("[i]"),
                }
            }
            text
        };
        let (model, what) = (way(&inside.model.steps), way(&inside.way));
        let message = format!(
            "`{}` is behind `{what}` of another model: give that model a function of its own, `pub fn name(x) {{ .. }}`, and call \
             it as `{model}.name(x)`",
            spaced(&at)
        );
        self.mistake(at, message)
    }
}

impl Inside {
    /// One step further.
    pub fn then(mut self, step: Step, place: Place) -> Inside {
        self.way.push(step);
        Inside { place, ..self }
    }
}
