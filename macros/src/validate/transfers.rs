//! `target.copy_from(online)` and `target.lerp_from(online, 0.005)`: parts of a model that take the values of others,
//! or parameters that take computed ones. What can be seen of parts' structure is compared here, their types by rustc.

use syn::{Expr, ExprMethodCall};

use super::expressions::Meaning;
use super::scope::{Binding, Scope};
use super::steps::{Part, part};
use super::{Layer, LayerKind};
use crate::ast::{Node, Place, Sequence};
use crate::body::{Statement, Take, Tensor, Transfer, Value};
use crate::expand::segment;
use crate::mistakes::spaced;

/// Whether a call is one of these two.
pub fn is_transfer(call: &ExprMethodCall) -> bool {
    call.method == "copy_from" || call.method == "lerp_from"
}

impl Scope<'_> {
    /// Whether a name, or a path of fields, is that of a layer, without looking for mistakes.
    pub fn is_layer(&self, target: &Expr) -> bool {
        match target {
            Expr::Path(path) => {
                let binding = path.path.get_ident().and_then(|name| self.find(name));
                matches!(binding, Some(Binding::Layer(_)))
            }
            Expr::Index(index) => self.is_layer(&index.expr),
            Expr::Field(field) => self.is_layer(&field.base),
            _ => false,
        }
    }

    /// `ema = 0.9 * ema + 0.1 * net;`
    pub fn layer_takes_no_value<T>(&mut self, target: &Expr) -> Option<T> {
        let text = spaced(target);
        let message = format!(
            "`{text}` is part of the model, whose parameters take the values of others in a `step`: \
             `{text}.copy_from(source);`, or a part of the way, `{text}.lerp_from(source, 0.1);`"
        );
        self.mistake(target, message)
    }

    /// `target.copy_from(online);` or `target.lerp_from(online, 0.005);`
    pub fn transfer(&mut self, call: &ExprMethodCall) -> Option<Statement> {
        let (method, receiver) = (&call.method, spaced(&call.receiver));
        let arguments: Vec<_> = call.args.iter().collect();
        let (source, rate) = match (arguments.as_slice(), method == "lerp_from") {
            ([source], false) => (*source, None),
            ([source, rate], true) => (*source, Some(*rate)),
            (_, false) => {
                let message = format!(
                    "`copy_from` takes a part or a value: `{receiver}.copy_from(PART)`, `{receiver}.copy_from(x.mean(0))`"
                );
                return self.mistake(call, message);
            }
            (_, true) => {
                let message = format!(
                    "`lerp_from` takes a part or a value, and the rate at which to go there: \
                     `{receiver}.lerp_from(PART, 0.005)`, `{receiver}.lerp_from(x.mean(0), 0.1)`"
                );
                return self.mistake(call, message);
            }
        };
        if !self.updates {
            let message = format!("`{method}` changes parameters, which only a `step` does: write it there");
            return self.mistake(call, message);
        }
        let before = self.now_known();
        let meaning = self.meaning(source);
        self.back_to(before);
        let is_value = match &meaning {
            Some(Meaning::Value(Value::Tensor(Tensor::Parameter(parameter)))) => !parameter.name.is_empty(),
            Some(Meaning::Value(_)) => true,
            // A parameter of another model, or a part of it.
            Some(Meaning::Inside(_)) => self.is_parameter(&call.receiver),
            Some(Meaning::Layer(_)) | None => false,
        };
        if is_value {
            return self.take(call, source, rate);
        }
        let expected = format!(
            "`{method}` is between parts of the model: name fields, as in `target.{method}(online)` or \
             `target.features.{method}(online.features)`"
        );
        let (to, from) = (part(&call.receiver, self, &expected), part(source, self, &expected));
        let rate = match rate {
            None => Some(None),
            Some(rate) => self.value(rate).map(Some),
        };
        let (target, from, rate) = (to?, from?, rate?);
        if target.text == from.text {
            return self
                .mistake(source, format!("`{}` is the part that takes the values: name another one", from.text));
        }
        if let Some(difference) = self.difference(&target, &from) {
            let message = format!("`{}` and `{}` are not of the same structure: {difference}", target.text, from.text);
            return self.mistake(call, message);
        }
        for part in [&target, &from] {
            self.used.extend(part.given().field().cloned());
        }
        self.transfers = true;
        let rate = rate.filter(|rate| !matches!(rate, Value::Tuple(_)));
        Some(Statement::Transfer(Box::new(Transfer { target, source: from, rate, place: Place::of(call) })))
    }

    /// Whether an expression is a parameter of the model's own.
    fn is_parameter(&mut self, expression: &Expr) -> bool {
        let before = self.now_known();
        let meaning = self.meaning(expression);
        self.back_to(before);
        matches!(meaning, Some(Meaning::Value(Value::Tensor(Tensor::Parameter(_)))))
    }

    /// `center.copy_from(x.mean(0));`
    fn take(&mut self, call: &ExprMethodCall, value: &Expr, rate: Option<&Expr>) -> Option<Statement> {
        let (method, text) = (&call.method, spaced(&call.receiver));
        let target = match self.meaning(&call.receiver)? {
            Meaning::Value(Value::Tensor(target @ Tensor::Parameter(_))) => target,
            Meaning::Inside(inside) => match self.value_inside(inside) {
                Value::Tensor(target) => target,
                _ => return None,
            },
            Meaning::Layer(_) => {
                let message = format!(
                    "`{text}` is no parameter, which alone takes a value: a `Parameter`, or the weight of a layer, as in \
                     `{text}.weight.{method}(..)`; of a part of the model take another part"
                );
                return self.mistake(&call.receiver, message);
            }
            Meaning::Value(_) => {
                let message = format!(
                    "`{text}` is a value of the body, and values are immutable: only parameters of the model take others, \
                     for a name write `{text} = ..;`"
                );
                return self.mistake(&call.receiver, message);
            }
        };
        let number = spaced(value);
        let Value::Tensor(value) = self.value(value)? else {
            let message = format!("`{text}` takes a tensor, and this is a number: `full_like({text}, {number})`");
            return self.mistake(value, message);
        };
        let rate = match rate {
            None => None,
            Some(rate) => Some(self.value(rate)?),
        };
        self.transfers = true;
        Some(Statement::Take(Box::new(Take { target, text, value, rate, place: Place::of(call) })))
    }

    /// In what two parts differ, as far as can be seen here.
    fn difference(&self, target: &Part, source: &Part) -> Option<String> {
        if !target.inside.is_empty() || !source.inside.is_empty() {
            return None;
        }
        let (to, from) = (target.access.find(self.layers)?, source.access.find(self.layers)?);
        difference((&target.text, to), (&source.text, from))
    }
}

/// In what two parts with these names differ; the types of layers are left to rustc.
fn difference((target, to): (&str, &Node<Layer>), (source, from): (&str, &Node<Layer>)) -> Option<String> {
    match (to, from) {
        (Node::Sequence(to), Node::Sequence(from)) => of_sequences((target, to), (source, from)),
        (Node::List { element: to, .. }, Node::List { element: from, .. }) => {
            difference((&format!("{target}[0]"), to), (&format!("{source}[0]"), from))
        }
        (Node::Layer(to), Node::Layer(from)) => match (&to.kind, &from.kind) {
            (LayerKind::Known { structure: to, .. }, LayerKind::Known { structure: from, .. }) => {
                let differs = |one: &&(&'static str, String), others: &[(&'static str, String)]| !others.contains(one);
                let option = to.iter().find(|one| differs(one, from)).or(from.iter().find(|one| differs(one, to)))?.0;
                Some(format!("`{target}` and `{source}` differ in `{option}`, which must be written alike in both"))
            }
            _ => None,
        },
        (to, from) => {
            let (to, from) = (kind(to), kind(from));
            Some(format!("`{target}` is {to}, and `{source}` is {from}"))
        }
    }
}

fn of_sequences((target, to): (&str, &Sequence<Layer>), (source, from): (&str, &Sequence<Layer>)) -> Option<String> {
    let (mut left, mut right) = (to.members.iter(), from.members.iter());
    loop {
        let (one, other) = match (left.next(), right.next()) {
            (None, None) => return None,
            (Some(one), None) => return Some(format!("`{source}` has no `{}`, as `{target}` has", segment(&one.name))),
            (None, Some(one)) => return Some(format!("`{target}` has no `{}`, as `{source}` has", segment(&one.name))),
            (Some(one), Some(other)) => (one, other),
        };
        let (one_name, other_name) =
            (format!("{target}.{}", segment(&one.name)), format!("{source}.{}", segment(&other.name)));
        if segment(&one.name) != segment(&other.name) {
            return Some(format!("where one has `{one_name}`, the other has `{other_name}`"));
        }
        if let Some(found) = difference((&one_name, &one.node), (&other_name, &other.node)) {
            return Some(found);
        }
    }
}

fn kind(node: &Node<Layer>) -> &'static str {
    match node {
        Node::Layer(_) => "one layer",
        Node::List { .. } => "a list of layers",
        Node::Sequence(_) => "a `Sequential`",
    }
}
