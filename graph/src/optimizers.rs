//! Optimizers as graph updates: compositions of primitives that record the new values of parameters and of their own
//! states, so that they fuse like anything else. PyTorch's semantics, defaults and names.

mod adam;
mod minimize;
mod rmsprop;
mod sgd;

pub use adam::{Adam, AdamW};
pub use minimize::Optimization;
pub use rmsprop::RMSprop;
pub use sgd::Sgd;

use crate::build::{Builder, Value};
use crate::graph::Type;
use crate::setting::InvalidSetting;
use crate::shape::Shape;

/// The state that holds the learning rate, so that it can be set between steps.
pub const LEARNING_RATE: &str = "optimizer.lr";

/// The state that counts the steps taken.
pub const STEP: &str = "optimizer.step";

/// A rule that changes parameters by their gradients.
///
/// All names of states go through [`Builder::path`]: two optimizers in one program stand in scopes of their own.
pub trait Optimizer {
    /// Records the updates of the parameters (states, by name) and of the optimizer's own states.
    ///
    /// Scalars that all parameters share (the rate, bias corrections) are computed once. Settings out of range are
    /// recorded as errors.
    fn apply<'g>(&self, g: &'g Builder, parameters: &[(String, Value<'g>)], gradients: &[Value<'g>]);

    /// The optimizer's states before the first step, for parameters of the given names and shapes: of each its name, its shape
    /// and the number that all its elements are.
    fn initial_state(&self, parameters: &[(String, Shape)]) -> Vec<(String, Shape, f32)>;

    /// The learning rate before anybody sets another one.
    fn learning_rate(&self) -> f64;

    /// Whether the settings are in their range.
    ///
    /// # Errors
    /// The first setting that is not.
    fn check(&self) -> Result<(), InvalidSetting>;
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

/// The initial values of an optimizer's states: the rate, the step counter if there is one, and zeros for each moment.
fn initial(rate: f64, counts: bool, moments: &[&str], parameters: &[(String, Shape)]) -> Vec<(String, Shape, f32)> {
    let mut states = vec![(LEARNING_RATE.to_owned(), Shape::SCALAR, rate as f32)];
    if counts {
        states.push((STEP.to_owned(), Shape::SCALAR, 0.0));
    }
    for (parameter, shape) in parameters {
        let zeros = |name: &&str| (moment_name(parameter, name), *shape, 0.0);
        states.extend(moments.iter().map(zeros));
    }
    states
}

/// The gradient with the sign and the L2 penalty that the settings ask for.
fn penalized<'g>(gradient: Value<'g>, parameter: Value<'g>, maximize: bool, weight_decay: f64) -> Value<'g> {
    let gradient = if maximize { -gradient } else { gradient };
    if weight_decay == 0.0 { gradient } else { gradient + parameter * weight_decay }
}
