//! What a body takes from a model that was declared elsewhere: its parameters by the fields that lead there, and its
//! public functions. Which there are, rustc knows.

use proc_macro2::{Ident, TokenStream};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprCall, Token};

use super::expressions::Meaning;
use super::scope::Scope;
use crate::ast::Place;
use crate::body::{Access, Inside, Step, Tensor, Value};
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
        let indices: Option<Vec<TokenStream>> = rest
            .map(|step| match step {
                Step::Index { index, .. } => Some(index.clone()),
                Step::Member(_) => None,
            })
            .collect();
        match indices {
            Some(indices) => {
                let name = name.clone();
                self.function_of(inside.model, &name, indices, &call.args, Place::of(call))
            }
            None => self.too_deep(&inside, &call.func),
        }
    }

    /// `encoder.embed(x)`
    pub fn function_of(
        &mut self,
        model: Access,
        name: &Ident,
        indices: Vec<TokenStream>,
        arguments: &Punctuated<Expr, Token![,]>,
        place: Place,
    ) -> Option<Meaning> {
        self.used_by(&model);
        let mut given: Vec<Value> = indices.into_iter().map(Value::Number).collect();
        for argument in arguments {
            given.push(self.value(argument)?);
        }
        Some(
            Tensor::Inside(Box::new(Inside { model, way: Vec::new(), call: Some((name.clone(), given)), place }))
                .into(),
        )
    }

    /// What lies in a model within the model is called by a function of the latter.
    pub fn too_deep<T>(&mut self, inside: &Inside, at: impl quote::ToTokens) -> Option<T> {
        let way = |steps: &[Step]| {
            let names = steps.iter().map(|step| match step {
                Step::Member(name) => segment(name),
                Step::Index { .. } => "_".to_string(),
            });
            names.collect::<Vec<_>>().join(".")
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
