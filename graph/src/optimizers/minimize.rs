//! An optimizer's hold on a part of a model: differentiating a loss and updating that part, within a program that may do
//! other things before and after. Knows no particular optimizer.

use rustc_hash::FxHashSet;

use super::Optimizer;
use crate::build::{Builder, GraphError, Value};
use crate::graph::Type;
use crate::model::{Kind, Parameter, Path};
use crate::shape::Shape;

/// An optimizer, its name in the model, and the parameters that it trains.
///
/// Its states lie under its name: `opt_g.optimizer.lr`, `opt_g.generator.conv1.weight.exp_avg`. The only optimizer of a
/// model may go without a name: `optimizer.lr`.
pub struct Optimization<'a> {
    name: &'a str,
    rule: &'a dyn Optimizer,
    parameters: Vec<(String, Shape)>,
}

impl<'a> Optimization<'a> {
    /// An optimizer of the [trained](Kind::Trained) ones among the parameters that `visit` calls its argument with. A
    /// parameter that comes again counts once.
    pub fn new(
        name: &'a str,
        rule: &'a dyn Optimizer,
        visit: impl FnOnce(&mut Path, &mut dyn FnMut(&str, &'a Parameter)),
    ) -> Optimization<'a> {
        let mut parameters: Vec<(String, Shape)> = Vec::new();
        let mut known: FxHashSet<String> = FxHashSet::default();
        visit(&mut Path::new(), &mut |name, parameter| {
            if parameter.kind == Kind::Trained && known.insert(name.to_owned()) {
                parameters.push((name.to_owned(), parameter.shape()));
            }
        });
        Optimization { name, rule, parameters }
    }

    /// The optimizer's name in the model.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The names and shapes of the parameters that it trains.
    pub fn parameters(&self) -> &[(String, Shape)] {
        &self.parameters
    }

    /// The full name of one of its states: `opt_g.optimizer.lr`.
    pub fn state(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) }
    }

    /// Its states before the first step, by their full names: of each its shape and the number that all its elements are.
    pub fn initial_state(&self) -> Vec<(String, Shape, f32)> {
        let states = self.rule.initial_state(&self.parameters);
        states.into_iter().map(|(name, shape, value)| (self.state(&name), shape, value)).collect()
    }

    /// PyTorch's `zero_grad()`, `loss.backward()`, `step()`: records the update of the parameters by the gradients of the
    /// loss, an f32 scalar. What is built afterwards sees the updated parameters.
    ///
    /// The loss may have come about before and after earlier updates of a parameter: the gradients in all its values add
    /// up. A parameter that the loss does not depend on stays as it is, and its states, too.
    ///
    /// Errors are recorded in the builder: those of [`Builder::gradients`], [`GraphError::NoGradient`], and settings out
    /// of range.
    pub fn minimize<'g>(&self, g: &'g Builder, loss: Value<'g>) {
        let mut states = Vec::new();
        let mut versions = Vec::new();
        for (name, shape) in &self.parameters {
            let state = g.state(name, Type::f32(*shape));
            let values = g.versions(state);
            states.push(((name.clone(), state), values.len()));
            versions.extend(values);
        }
        let gradients = match g.gradients_through(loss, &versions) {
            Ok(gradients) => gradients,
            Err(error) => return g.fail(error),
        };
        let mut gradients = gradients.into_iter();
        let mut reached = Vec::new();
        let mut sums = Vec::new();
        for (parameter, count) in states {
            let through = gradients.by_ref().take(count).flatten();
            if let Some(sum) = through.reduce(|sum, gradient| sum + gradient) {
                reached.push(parameter);
                sums.push(sum);
            }
        }
        if reached.is_empty() {
            let optimizer = if self.name.is_empty() { "the optimizer".into() } else { format!("`{}`", self.name) };
            let parameters = self.parameters.len();
            return g.fail(GraphError::NoGradient { optimizer, parameters });
        }
        let _scope = (!self.name.is_empty()).then(|| g.enter(self.name));
        self.rule.apply(g, &reached, &sums);
    }
}
