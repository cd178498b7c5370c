//! An optimizer's hold on a part of a model: differentiating a loss and updating that part, within a program that may
//! do other things before and after. Knows no particular optimizer.

use rustc_hash::FxHashSet;

use super::accumulate::{BATCHES, accumulate};
use super::averages::averaged_name;
use super::{LEARNING_RATE, MOMENTUM, Optimizer, clip_grad_norm, clip_grad_value, moment, moment_name, scalar_state};
use crate::build::{Builder, GraphError, Value};
use crate::graph::{Stage, Type};
use crate::model::{Kind, Parameter, Path};
use crate::schedules::Scheduler;
use crate::shape::Shape;

/// An optimizer, its name in the model, and the parameters that it trains.
///
/// Its states lie under its name: `opt_g.optimizer.lr`, `opt_g.generator.conv1.weight.exp_avg`; those of a
/// [group](Optimizer::groups) under its number, counted from 1: `opt_g.group_1.optimizer.lr`. The only optimizer of a model
/// may go without a name: `optimizer.lr`.
pub struct Optimization<'a> {
    name: &'a str,
    rule: &'a dyn Optimizer,
    parameters: Vec<(String, Shape)>,
    /// Of each parameter its group; 0 for those that no group selects.
    groups: Vec<usize>,
}

/// Where the rate of a group of parameters lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// The rate before the first step.
    pub rate: f64,
    /// The state that holds it.
    pub state: String,
    /// The state that holds the momentum, where a schedule changes it.
    pub momentum: Option<String>,
}

/// What the states are called that hold gradients, under the parameters' names.
pub const GRADIENT: &str = "gradient";

/// The name of what a group's states lie under; nothing for group 0.
fn group_name(group: usize) -> Option<String> {
    (group > 0).then(|| format!("group_{group}"))
}

impl<'a> Optimization<'a> {
    /// An optimizer of the [trained](Kind::Trained) ones among the parameters that `visit` calls its argument with. A
    /// parameter that comes again counts once.
    pub fn new(
        name: &'a str,
        rule: &'a dyn Optimizer,
        visit: impl FnOnce(&mut Path, &mut dyn FnMut(&str, &'a Parameter)),
    ) -> Optimization<'a> {
        let mut parameters = Vec::new();
        visit(&mut Path::new(), &mut |name, parameter| parameters.push((name.to_owned(), parameter)));
        Optimization::of(name, rule, parameters)
    }

    /// What does not depend on the model's type, so that it is compiled once.
    fn of(name: &'a str, rule: &'a dyn Optimizer, parameters: Vec<(String, &'a Parameter)>) -> Optimization<'a> {
        let mut known: FxHashSet<String> = FxHashSet::default();
        let trained = parameters
            .into_iter()
            .filter(|(name, parameter)| parameter.kind == Kind::Trained && known.insert(name.clone()))
            .map(|(name, parameter)| (name, parameter.shape()));
        let parameters: Vec<(String, Shape)> = trained.collect();
        let selections = rule.groups();
        let group = |(name, shape): &(String, Shape)| {
            selections.iter().position(|(select, _)| select.selects(name, *shape)).map_or(0, |position| position + 1)
        };
        let groups = parameters.iter().map(group).collect();
        Optimization { name, rule, parameters, groups }
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

    /// The full name of a state of a group.
    fn state_of(&self, group: usize, name: &str) -> String {
        match group_name(group) {
            Some(group) => self.state(&format!("{group}.{name}")),
            None => self.state(name),
        }
    }

    /// The rules of all groups, beginning with that of the parameters that no group selects.
    fn rules(&self) -> Vec<&'a dyn Optimizer> {
        let (rule, groups) = (self.rule, self.rule.groups());
        std::iter::once(rule).chain(groups.into_iter().map(|(_, rule)| rule)).collect()
    }

    /// Where the rates of its groups lie, beginning with that of the parameters that no group selects.
    pub fn rates(&self) -> Vec<Rate> {
        let cycles = self.rule.options().cycles_momentum();
        let rate = |(group, rule): (usize, &dyn Optimizer)| Rate {
            rate: rule.learning_rate(),
            state: self.state_of(group, LEARNING_RATE),
            momentum: cycles.then(|| self.state_of(group, MOMENTUM)),
        };
        self.rules().into_iter().enumerate().map(rate).collect()
    }

    /// Its schedule before the first step.
    pub fn scheduler(&self) -> Scheduler {
        let rates: Vec<f64> = self.rules().iter().map(|rule| rule.learning_rate()).collect();
        Scheduler::of(self.rule.options().schedule.clone(), &rates)
    }

    /// The number of calls that make a step.
    pub fn accumulates(&self) -> u32 {
        self.rule.options().accumulate
    }

    /// The full name of the state that counts the calls since the last step, where several make one.
    pub fn counter(&self) -> Option<String> {
        (self.accumulates() > 1).then(|| self.state(BATCHES))
    }

    /// The parameters of which it keeps averages, each with the name of the state that holds it. Averages begin with the
    /// parameters.
    pub fn averages(&self) -> Vec<(String, String)> {
        if self.rule.options().averaging.is_none() {
            return Vec::new();
        }
        self.parameters.iter().map(|(name, _)| (name.clone(), self.state(&averaged_name(name)))).collect()
    }

    /// The full name of the state that holds a parameter's gradient, where it keeps those.
    pub fn gradient(&self, parameter: &str) -> Option<String> {
        let is_kept = self.rule.options().keep_gradients && self.parameters.iter().any(|(name, _)| name == parameter);
        is_kept.then(|| self.state(&moment_name(parameter, GRADIENT)))
    }

    /// Its states before the first step, by their full names: of each its shape and the number that all its elements are.
    /// ([`Optimization::averages`] are not among them.)
    pub fn initial_state(&self) -> Vec<(String, Shape, f32)> {
        let mut states = Vec::new();
        for (group, rule) in self.rules().into_iter().enumerate() {
            let of_group = self.parameters.iter().zip(&self.groups).filter(|(_, of)| **of == group);
            let parameters: Vec<(String, Shape)> = of_group.map(|(parameter, _)| parameter.clone()).collect();
            let own = rule.initial_state(&parameters).into_iter();
            states.extend(own.map(|(name, shape, value)| (self.state_of(group, &name), shape, value)));
        }
        let averaging = self.rule.options().averaging.and_then(|averaging| averaging.initial_state());
        states.extend(averaging.map(|(name, shape, value)| (self.state(&name), shape, value)));
        states
    }

    /// PyTorch's `zero_grad()`, `loss.backward()`, `step()`: records the update of the parameters by the gradients of the
    /// loss, an f32 scalar. What is built afterwards sees the updated parameters.
    ///
    /// The loss may have come about before and after earlier updates of a parameter: the gradients in all its values add
    /// up. A parameter that the loss does not depend on stays as it is, and its states, too. What the rule's
    /// [options](Optimizer::options) ask for is done in this order: gradients are accumulated, clipped by value and by norm;
    /// then parameters are updated, and taken into averages.
    ///
    /// Errors are recorded in the builder: those of [`Builder::gradients`], [`GraphError::NoGradient`], settings out of
    /// range, [`GraphError::NoMomentum`], [`GraphError::EmptyGroup`].
    pub fn minimize<'g>(&self, g: &'g Builder, loss: Value<'g>) {
        let mut states = Vec::new();
        let mut versions = Vec::new();
        for (name, shape) in &self.parameters {
            let state = g.state(name, Type::f32(*shape));
            let values = g.versions(state);
            states.push(((name.clone(), state), values.len()));
            versions.extend(values);
        }
        let gradients = match g.gradients_through(g.loss_of_shard(loss), &versions) {
            Ok(gradients) => gradients,
            Err(error) => return g.fail(error),
        };
        let mut gradients = gradients.into_iter();
        let (mut reached, mut sums, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for ((parameter, count), group) in states.into_iter().zip(&self.groups) {
            let through = gradients.by_ref().take(count).flatten();
            if let Some(sum) = through.reduce(|sum, gradient| sum + gradient) {
                reached.push(parameter);
                sums.push(sum);
                groups.push(*group);
            }
        }
        if reached.is_empty() {
            return g.fail(GraphError::NoGradient { optimizer: self.shown(), parameters: self.parameters.len() });
        }
        if let Err(error) = self.check() {
            return g.fail(error);
        }
        let _scope = (!self.name.is_empty()).then(|| g.enter(self.name));
        let several = self.rule.options().accumulate > 1;
        let gradients = if several { g.parts_of_gradients(sums) } else { g.gradients_of_batch(sums) };
        self.update(g, &reached, gradients, &groups);
    }

    fn shown(&self) -> String {
        if self.name.is_empty() { "the optimizer".into() } else { format!("`{}`", self.name) }
    }

    /// That settings are in their range and go together.
    fn check(&self) -> Result<(), GraphError> {
        self.rule.check()?;
        let options = self.rule.options();
        options.schedule.as_ref().map_or(Ok(()), |schedule| schedule.check())?;
        let optimizer = self.shown();
        if options.cycles_momentum() && !self.rule.has_momentum() {
            return Err(GraphError::NoMomentum { optimizer });
        }
        let selections = self.rule.groups();
        let empty = selections.iter().enumerate().find(|(position, _)| !self.groups.contains(&(position + 1)));
        match empty {
            Some((position, (select, _))) => {
                let (select, parameters) = (select.to_string(), self.parameters.len());
                Err(GraphError::EmptyGroup { optimizer, group: position + 1, select, parameters })
            }
            None => Ok(()),
        }
    }

    /// Records what becomes of the parameters of the given groups by their gradients.
    fn update<'g>(
        &self,
        g: &'g Builder,
        parameters: &[(String, Value<'g>)],
        mut gradients: Vec<Value<'g>>,
        groups: &[usize],
    ) {
        let _stage = g.stage(Stage::Update);
        let _rule = g.function(self.rule.name());
        let options = self.rule.options();
        let mut due = None;
        if options.accumulate > 1 {
            let (means, last) = accumulate(g, parameters, &gradients, options.accumulate);
            (gradients, due) = (means, Some(last));
        }
        let _only = due.map(|due| g.only_where(due));
        if options.keep_gradients {
            for (parameter, &gradient) in parameters.iter().zip(&gradients) {
                g.update(moment(g, parameter, GRADIENT), gradient);
            }
        }
        if let Some(value) = options.clip_grad_value {
            gradients = clip_grad_value(&gradients, value);
        }
        if let Some(norm) = options.clip_grad_norm {
            gradients = clip_grad_norm(g, &gradients, norm, options.norm_type).0;
        }
        for (group, rule) in self.rules().into_iter().enumerate() {
            let of_group = (0..parameters.len()).filter(|&number| groups[number] == group);
            let (own, of_own): (Vec<_>, Vec<_>) =
                of_group.map(|number| (parameters[number].clone(), gradients[number])).unzip();
            if own.is_empty() {
                continue;
            }
            let _scope = group_name(group).map(|name| g.enter(&name));
            if options.cycles_momentum() {
                scalar_state(g, MOMENTUM);
            }
            rule.apply(g, &own, &of_own);
        }
        if let Some(averaging) = options.averaging {
            averaging.apply(g, parameters);
        }
    }
}
