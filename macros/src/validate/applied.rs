//! Layers applied to tensors in a body: their inputs and flags, by position or by name as the table of layers has them.
//! Whether the tensors fit is for rustc to find.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Expr;

use super::expressions::{Meaning, unparenthesized};
use super::functions::{fits, named};
use super::scope::Scope;
use crate::ast::{Node, Place};
use crate::body::{Access, Apply, Tensor, Value};
use crate::layers::{Applied, Method, one_slip};
use crate::methods::Kind;
use crate::mistakes::spaced;

impl Scope<'_> {
    /// A layer applied to tensors.
    pub fn apply<'e>(
        &mut self,
        layer: Access,
        arguments: impl Iterator<Item = &'e Expr>,
        place: Place,
        callee: impl ToTokens,
    ) -> Option<Meaning> {
        self.used_by(&layer);
        let text = spaced(&callee);
        let mut applied = None;
        let one = match layer.find(self.layers) {
            Some(Node::List { .. }) => {
                let message = format!(
                    "`{text}` is a list of layers: apply one of them, as in `{text}[0](x)`, or go through them with `for \
                     layer in {text}.iter()`"
                );
                return self.mistake(callee, message);
            }
            Some(Node::Layer(super::Layer { kind: super::LayerKind::Known { values: [""], .. }, .. })) => {
                return self
                    .mistake(callee, format!("`{text}` is a parameter, and is not applied: it is a value itself"));
            }
            Some(Node::Layer(super::Layer { kind: super::LayerKind::Model, .. })) => false,
            Some(Node::Layer(super::Layer { kind: super::LayerKind::Known { applied: found, .. }, .. })) => {
                applied = *found;
                found.is_none()
            }
            _ => true,
        };
        let arguments: Vec<&Expr> = arguments.collect();
        if let Some(applied) = applied {
            let (inputs, flags) = self.inputs(applied, &text, &arguments, &callee)?;
            return Some(Tensor::Apply(Box::new(Apply { layer, method: None, inputs, flags, place })).into());
        }
        if arguments.is_empty() || (one && arguments.len() > 1) {
            return self.mistake(callee, format!("a layer is applied to one tensor: `{text}(x)`"));
        }
        let mut inputs = Vec::new();
        for argument in arguments {
            match self.value(argument)? {
                Value::Tensor(tensor) => inputs.push(Some(tensor)),
                _ => return self.mistake(argument, "a layer is applied to a tensor, and this is a number"),
            }
        }
        Some(Tensor::Apply(Box::new(Apply { layer, method: None, inputs, flags: Vec::new(), place })).into())
    }

    /// A method of a layer, `layer.log_prob(x)`.
    pub fn apply_method(
        &mut self,
        layer: Access,
        method: &'static Method,
        arguments: &[&Expr],
        place: Place,
        callee: impl ToTokens,
    ) -> Option<Meaning> {
        self.used_by(&layer);
        let (inputs, flags) = self.inputs(&method.applied, &spaced(&callee), arguments, &callee)?;
        Some(Tensor::Apply(Box::new(Apply { layer, method: Some(method), inputs, flags, place })).into())
    }

    /// What a layer computes beside what it is for, by this name.
    pub fn method_of(&self, layer: &Access, name: &str) -> Option<&'static Method> {
        match layer.find(self.layers)? {
            Node::Layer(super::Layer { kind: super::LayerKind::Known { methods, .. }, .. }) => {
                methods.iter().find(|method| method.name == name)
            }
            _ => None,
        }
    }

    /// The inputs and the flags of a layer that takes several tensors or gives several, by position or by name.
    fn inputs(
        &mut self,
        applied: &'static Applied,
        text: &str,
        arguments: &[&Expr],
        callee: impl ToTokens,
    ) -> Option<(Vec<Option<Tensor>>, Vec<TokenStream>)> {
        let usage = || format!("`{text}` takes {}: `{}`", applied.signature(), applied.usage.replace("NAME", text));
        let mut given: Vec<Option<&Expr>> = vec![None; applied.inputs.len()];
        let mut flags: Vec<TokenStream> = applied.flags.iter().map(|(_, default)| quote!(#default)).collect();
        let mut open = 0..applied.positions;
        for argument in arguments {
            let (word, value) = named(argument);
            let place = match word {
                None => open.next(),
                Some(word) => applied.inputs.iter().position(|input| word == input.name),
            };
            let flag = word.and_then(|word| applied.flags.iter().position(|(name, _)| word == name));
            match (place, flag, word) {
                (Some(place), _, _) if given[place].is_some() => {
                    let name = applied.inputs[place].name;
                    return self.mistake(argument, format!("`{name}` of `{text}` is given twice"));
                }
                (Some(place), _, _) => given[place] = Some(value),
                (None, Some(flag), _) => {
                    flags[flag] = match fits(unparenthesized(value), Kind::Flag).then(|| self.value(value)) {
                        Some(Some(Value::Number(number))) => number,
                        Some(None) => return None,
                        _ => {
                            let name = applied.flags[flag].0;
                            return self.mistake(value, format!("`{name}` of `{text}` must be `true` or `false`"));
                        }
                    };
                }
                (None, None, Some(word)) if word == "need_weights" => {
                    let usage = applied.usage.replace("NAME", text);
                    let message = format!("leave `need_weights` out: two names take the weights, too, as in `{usage}`");
                    return self.mistake(word, message);
                }
                (None, None, Some(word)) => {
                    let mut names = applied.inputs.iter().map(|input| input.name);
                    let near = names.find(|name| one_slip(name, &word.to_string()));
                    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    return self.mistake(word, format!("`{text}` has no input `{word}`{hint} ({})", usage()));
                }
                (None, None, None) => return self.mistake(callee, usage()),
            }
        }
        let mut inputs = Vec::new();
        for (input, given) in applied.inputs.iter().zip(given) {
            let none = |value: &Expr| matches!(value, Expr::Path(path) if path.path.is_ident("None"));
            let Some(value) = given.filter(|value| !(input.optional && none(value))) else {
                if !input.optional {
                    return self.mistake(callee, format!("`{}` is missing: {}", input.name, usage()));
                }
                inputs.extend((0..input.parts).map(|_| None));
                continue;
            };
            let parts: Vec<&Expr> = match unparenthesized(value) {
                Expr::Tuple(parts) if parts.elems.len() == input.parts => parts.elems.iter().collect(),
                _ if input.parts == 1 => vec![value],
                _ => return self.mistake(callee, usage()),
            };
            for part in parts {
                match self.value(part)? {
                    Value::Tensor(tensor) => inputs.push(Some(tensor)),
                    _ => {
                        let message = format!("`{}` of `{text}` must be a tensor, and this is none", input.name);
                        return self.mistake(part, message);
                    }
                }
            }
        }
        Some((inputs, flags))
    }
}
