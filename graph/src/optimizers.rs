//! Optimizers as graph updates: compositions of primitives that record the new values of parameters and of their own
//! states, so that they fuse like anything else. PyTorch's semantics, defaults and names. A rule knows parameters,
//! their gradients and its own states, and neither model nor loss; what is done for all rules alike (clipping,
//! accumulation, averages, groups, schedules) stands in files of its own, which know no rule.

mod accumulate;
mod adafactor;
mod adagrad;
mod adam;
mod asgd;
mod averages;
mod clip;
mod groups;
mod minimize;
mod muon;
mod options;
mod radam;
mod rmsprop;
mod settings;
mod sgd;
mod signs;

pub use adafactor::Adafactor;
pub use adagrad::{Adadelta, Adagrad};
pub use adam::{Adam, AdamW, Adamax, NAdam};
pub use asgd::ASGD;
pub use averages::Averaging;
pub use clip::{clip_grad_norm, clip_grad_value};
pub use groups::{Group, Select};
pub use minimize::{GRADIENT, Optimization, Rate};
pub use muon::{AdjustLr, Muon};
pub use options::Options;
pub use radam::RAdam;
pub use rmsprop::RMSprop;
pub use sgd::Sgd;
pub use signs::{Lion, Rprop};

use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::setting::InvalidSetting;
use crate::shape::Shape;

#[cfg(test)]
mod matrix_tests;
#[cfg(test)]
mod tests;

/// The state that holds the learning rate, so that it can be set between steps.
pub const LEARNING_RATE: &str = "optimizer.lr";

/// The state that counts the steps taken.
pub const STEP: &str = "optimizer.step";

/// The state that holds the momentum, where a schedule changes it.
pub const MOMENTUM: &str = "optimizer.momentum";

/// A rule that changes parameters by their gradients.
///
/// All names of states go through [`Builder::path`]: two optimizers in one program stand in scopes of their own.
pub trait Optimizer {
    /// Records the updates of the parameters (states, by name) and of the optimizer's own states.
    ///
    /// Scalars that all parameters share (the rate, bias corrections) are computed once. Settings out of range are
    /// recorded as errors. What the [`options`](Optimizer::options) say is done by [`Optimization::minimize`].
    fn apply<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]);

    /// The optimizer's states before the first step, for parameters of the given names and shapes: of each its name, its shape
    /// and the number that all its elements are.
    fn initial_state(&self, parameters: &[(String, Shape)]) -> Vec<(String, Shape, f32)>;

    /// The learning rate before anybody sets another one.
    fn learning_rate(&self) -> f64;

    /// Its name in reports: that of its type.
    fn name(&self) -> &'static str {
        let path = std::any::type_name::<Self>();
        let path = path.split_once('<').map_or(path, |(path, _)| path);
        path.rsplit_once("::").map_or(path, |(_, name)| name)
    }

    /// Whether the settings are in their range.
    ///
    /// # Errors
    /// The first setting that is not.
    fn check(&self) -> Result<(), InvalidSetting>;

    /// Whether it has a momentum (or a first beta) that a schedule may change: [`Optimizer::apply`] then takes it from the
    /// state [`MOMENTUM`] where the program has that.
    fn has_momentum(&self) -> bool {
        false
    }

    /// What is done beside the rule: clipping, accumulation, averages of parameters, a schedule. Default: nothing.
    fn options(&self) -> &Options {
        static NONE: Options = Options::NONE;
        &NONE
    }

    /// The groups of parameters that have settings of their own, each with the rule for them. A parameter belongs to the
    /// first group that selects it. Default: none.
    fn groups(&self) -> Vec<(&Select, &dyn Optimizer)> {
        Vec::new()
    }
}

/// A scalar state.
fn scalar_state<'g>(g: &'g Builder, name: &str) -> Value<'g> {
    g.state(&g.path(name), Type::f32(Shape::SCALAR))
}

/// The step that is being taken, from 1; records that it is taken.
fn count_step(g: &Builder) -> Value<'_> {
    let step = scalar_state(g, STEP);
    let next = g.current(step) + 1.0;
    g.update(step, next);
    next
}

/// A state of one parameter, of the parameter's shape: `fc1.weight.exp_avg`.
fn moment<'g>(g: &'g Builder, parameter: &(String, Value<'g>), name: &str) -> Value<'g> {
    g.state(&g.path(&moment_name(&parameter.0, name)), parameter.1.ty())
}

fn moment_name(parameter: &str, name: &str) -> String {
    format!("{parameter}.{name}")
}

/// Whether the program has a state for the momentum, which a schedule changes.
fn cycles_momentum(g: &Builder) -> bool {
    g.has_state(&g.path(MOMENTUM))
}

/// A part that is kept from step to step: a number, or one that a schedule changes.
#[derive(Clone, Copy)]
enum Share<'g> {
    Fixed(f64),
    State(Value<'g>),
}

impl<'g> Share<'g> {
    /// The momentum: a setting, or a state where the program has one.
    fn momentum(g: &'g Builder, setting: f64) -> Share<'g> {
        if cycles_momentum(g) { Share::State(scalar_state(g, MOMENTUM)) } else { Share::Fixed(setting) }
    }

    /// The share of a value.
    fn of(self, x: Value<'g>) -> Value<'g> {
        match self {
            Share::Fixed(share) => x * share,
            Share::State(share) => x * share,
        }
    }

    /// The rest of a value.
    fn rest_of(self, x: Value<'g>) -> Value<'g> {
        match self {
            Share::Fixed(share) => x * (1.0 - share),
            Share::State(share) => x * (1.0 - share),
        }
    }
}

/// `1 - beta^step` without cancellation.
fn bias_correction<'g>(step: Value<'g>, beta: Share<'g>) -> Value<'g> {
    match beta {
        Share::Fixed(0.0) => step.graph().scalar(1.0),
        Share::Fixed(beta) => -(step * beta.ln()).expm1(),
        Share::State(beta) => -(step * beta.log()).expm1(),
    }
}

/// A running average of a parameter: `a = kept * a + (1 - kept) * next`, which is recorded.
fn average<'g>(
    g: &'g Builder,
    parameter: &(String, Value<'g>),
    name: &str,
    kept: Share<'g>,
    next: Value<'g>,
) -> Value<'g> {
    let state = moment(g, parameter, name);
    let average = kept.of(g.current(state)) + kept.rest_of(next);
    g.update(state, average);
    average
}

/// The states of an optimizer and what they begin with.
struct Kept {
    /// Those that all parameters share, beside the rate.
    scalars: Vec<(&'static str, f32)>,
    /// Those that each parameter has.
    moments: Vec<(&'static str, f32)>,
    /// Those of other shapes than the parameter's, which begin with 0.
    shaped: fn(Shape) -> Vec<(&'static str, Shape)>,
}

impl Kept {
    fn new(counter: Option<(&'static str, f32)>, moments: impl IntoIterator<Item = (&'static str, f32)>) -> Kept {
        Kept { scalars: counter.into_iter().collect(), moments: moments.into_iter().collect(), shaped: |_| Vec::new() }
    }

    /// With a counter of the steps.
    fn counting(moments: impl IntoIterator<Item = (&'static str, f32)>) -> Kept {
        Kept::new(Some((STEP, 0.0)), moments)
    }

    fn scalar(mut self, name: &'static str, value: f32) -> Kept {
        self.scalars.push((name, value));
        self
    }

    fn shaped(mut self, shaped: fn(Shape) -> Vec<(&'static str, Shape)>) -> Kept {
        self.shaped = shaped;
        self
    }

    /// By their names: of each its shape and the number that all its elements are.
    fn initial(&self, rate: f64, parameters: &[(String, Shape)]) -> Vec<(String, Shape, f32)> {
        let scalars = std::iter::once((LEARNING_RATE, rate as f32)).chain(self.scalars.iter().copied());
        let mut states: Vec<_> = scalars.map(|(name, value)| (name.to_owned(), Shape::SCALAR, value)).collect();
        for (parameter, shape) in parameters {
            let of_this = |&(name, value): &(&str, f32)| (moment_name(parameter, name), *shape, value);
            states.extend(self.moments.iter().map(of_this));
            let shaped = (self.shaped)(*shape).into_iter();
            states.extend(shaped.map(|(name, shape)| (moment_name(parameter, name), shape, 0.0)));
        }
        states
    }
}

/// The gradient with the sign and the L2 penalty that the settings ask for.
fn penalized<'g>(gradient: Value<'g>, parameter: Value<'g>, maximize: bool, weight_decay: f64) -> Value<'g> {
    let gradient = if maximize { -gradient } else { gradient };
    if weight_decay == 0.0 { gradient } else { gradient + parameter * weight_decay }
}

/// A weight decay that may stand apart from the gradient, and the gradient's sign.
struct Decay<'g> {
    maximize: bool,
    /// The factor of the penalty.
    penalty: f64,
    /// What is left of a parameter, where the decay stands apart.
    kept: Option<Value<'g>>,
}

impl<'g> Decay<'g> {
    fn new(lr: Value<'g>, maximize: bool, weight_decay: f64, decoupled: bool) -> Decay<'g> {
        let kept = (decoupled && weight_decay > 0.0).then(|| 1.0 - lr * weight_decay);
        Decay { maximize, penalty: if decoupled { 0.0 } else { weight_decay }, kept }
    }

    fn gradient(&self, gradient: Value<'g>, parameter: Value<'g>) -> Value<'g> {
        penalized(gradient, parameter, self.maximize, self.penalty)
    }

    fn parameter(&self, parameter: Value<'g>) -> Value<'g> {
        self.kept.map_or(parameter, |kept| parameter * kept)
    }
}

/// That betas are at least 0 and below 1.
const fn check_betas(owner: &'static str, (first, second): (f64, f64)) -> Result<(), InvalidSetting> {
    let rule = "must be at least 0 and below 1";
    ok!(InvalidSetting::unless(first >= 0.0 && first < 1.0, owner, "betas.0", first, rule));
    InvalidSetting::unless(second >= 0.0 && second < 1.0, owner, "betas.1", second, rule)
}
