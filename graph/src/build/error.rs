//! What can go wrong when a graph is built. Knows names and types, and not how graphs are built.

use crate::graph::{NodeId, Type};
use crate::ops::scan::ScanError;
use crate::setting::InvalidSetting;
use crate::shape::{Shape, ShapeError};

/// What can go wrong when a graph is built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Shapes or element types that do not fit.
    #[error("{}{error}", in_scope(scope, error))]
    Shape {
        /// The layer in which it happened (`head.fc2`); empty outside of layers.
        scope: String,
        /// What is wrong.
        #[source]
        error: ShapeError,
    },
    /// Indices that are computed, such as positions in a sequence, of which one is that of no row of a table.
    #[error(
        "{}row {found} is looked up in a table of {rows} rows, counted from 0{}",
        if layer.is_empty() { String::new() } else { format!("layer {layer}: ") },
        if *found < 0 { "" } else { ": positions need a table as long as the sequence" }
    )]
    NoRow {
        /// The layer in which it happened; empty outside of layers.
        layer: String,
        /// The index.
        found: i32,
        /// How many rows there are.
        rows: usize,
    },
    /// A value of another builder.
    #[error("a value of graph `{found}` is used in graph `{expected}`")]
    ForeignValue {
        /// The name of the graph in which it is used.
        expected: String,
        /// The name of the value's graph.
        found: String,
    },
    /// A target of a loss of several outputs that is to be like an output which is not there.
    #[error(
        "target {target} of the loss is that of output {output}, but the loss takes {outputs} outputs: 0 to {}",
        outputs.saturating_sub(1)
    )]
    JointTarget {
        /// The position of the target.
        target: usize,
        /// The position of the output.
        output: usize,
        /// The number of outputs.
        outputs: usize,
    },
    /// Two inputs of one name, or a data input and a state of one name.
    #[error("there are two inputs with the name `{name}`")]
    DuplicateInput {
        /// The name.
        name: String,
    },
    /// Two outputs of one name.
    #[error("there are two outputs with the name `{name}`")]
    DuplicateOutput {
        /// The name.
        name: String,
    },
    /// A state that is to hold something of a shard's data which has no mean over shards.
    #[error(
        "state `{name}` ({found}) is updated with what depends on the data of one shard of a batch; only f32 states have \
         a mean over shards"
    )]
    ShardState {
        /// The state's name.
        name: String,
        /// Its type.
        found: Type,
    },
    /// A state asked for with two types, or updated with a value of another type.
    #[error("state `{name}` is {expected}, not {found}")]
    StateType {
        /// The state's name.
        name: String,
        /// Its type.
        expected: Type,
        /// The other type.
        found: Type,
    },
    /// An update of a value that is no state.
    #[error("only a state can be updated, not {value}: {ty}")]
    NotAState {
        /// The value's node.
        value: NodeId,
        /// The value's type.
        ty: Type,
    },
    /// A loss that is not an f32 scalar.
    #[error("gradients are taken of an f32 scalar, but the loss is {found}: reduce it with sum or mean")]
    LossType {
        /// The loss's type.
        found: Type,
    },
    /// An optimizer that is to minimize what none of its parameters changes.
    #[error(
        "{optimizer} can not minimize this loss: it depends on none of its {parameters} parameters, or only through a detach"
    )]
    NoGradient {
        /// The optimizer, by its name in the model if it has one.
        optimizer: String,
        /// How many parameters it trains.
        parameters: usize,
    },
    /// A parameter that is no matrix, for an optimizer that steps matrices alone.
    #[error(
        "Muon steps matrices, and `{parameter}` has the shape {found}: give what is none an optimizer of its own, \
         `.others(Select::not_matrices(), AdamW::new(1e-3))`"
    )]
    NoMatrix {
        /// The parameter.
        parameter: String,
        /// Its shape.
        found: Shape,
    },
    /// A schedule of the momentum for an optimizer that has none.
    #[error(
        "the schedule of {optimizer} changes the momentum, which that does not have: give the schedule `.cycle_momentum(false)`"
    )]
    NoMomentum {
        /// The optimizer, by its name in the model if it has one.
        optimizer: String,
    },
    /// A group of parameters that none belongs to.
    #[error(
        "group {group} of {optimizer} ({select}) has none of its {parameters} parameters: no name fits, or a group before has them"
    )]
    EmptyGroup {
        /// The optimizer, by its name in the model if it has one.
        optimizer: String,
        /// The group's number, counted from 1.
        group: usize,
        /// What it selects.
        select: String,
        /// How many parameters the optimizer trains.
        parameters: usize,
    },
    /// A part of a model that is to take the values of another one, which is not of its structure.
    #[error("`{part}` can not take the values of `{from}`, which is not of the same structure: {difference}")]
    Structure {
        /// The part.
        part: String,
        /// The other part.
        from: String,
        /// The first difference.
        difference: String,
    },
    /// Class weights of a loss that are not one for each class.
    #[error(
        "{loss}: `weight` has the shape {found}, but the prediction has {classes} classes: give one weight for each"
    )]
    ClassWeights {
        /// The loss: `cross_entropy`.
        loss: &'static str,
        /// The number of classes that the prediction has scores for.
        classes: usize,
        /// The shape of the weights.
        found: Shape,
    },
    /// Weights of a loss that do not broadcast to the prediction.
    #[error(
        "{loss}: `{setting}` has the shape {found}, which does not broadcast to that of the prediction, {expected}"
    )]
    LossWeights {
        /// The loss: `bce_with_logits`.
        loss: &'static str,
        /// The weights: `pos_weight`.
        setting: &'static str,
        /// The shape of the prediction.
        expected: Shape,
        /// The shape of the weights.
        found: Shape,
    },
    /// A setting of a loss or an optimizer that is out of its range.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
    /// A scan whose operands do not fit its body.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A part of the graph that was made from something else, such as a file of another format.
    #[error("{0}")]
    Foreign(String),
    /// A gradient in a value that is not f32.
    #[error("there is no gradient in a value of type {found}")]
    GradientType {
        /// The value's type.
        found: Type,
    },
}

impl GraphError {
    /// Whether it may be another one, or none, with other extents.
    pub const fn is_of_extents(&self) -> bool {
        match self {
            GraphError::Shape { .. } | GraphError::NoRow { .. } | GraphError::LossType { .. } => true,
            GraphError::ClassWeights { .. } | GraphError::LossWeights { .. } => true,
            GraphError::Scan(_) | GraphError::Foreign(_) => true,
            GraphError::ForeignValue { .. } | GraphError::JointTarget { .. } | GraphError::GradientType { .. } => false,
            GraphError::DuplicateInput { .. } | GraphError::DuplicateOutput { .. } => false,
            GraphError::ShardState { .. } | GraphError::StateType { .. } | GraphError::NotAState { .. } => false,
            GraphError::NoGradient { .. } | GraphError::NoMatrix { .. } | GraphError::NoMomentum { .. } => false,
            GraphError::EmptyGroup { .. } | GraphError::Structure { .. } | GraphError::Setting(_) => false,
        }
    }
}

fn in_scope(scope: &str, error: &ShapeError) -> String {
    if scope.is_empty() { String::new() } else { format!("{} in layer {scope}: ", error.head()) }
}

impl From<ShapeError> for GraphError {
    fn from(error: ShapeError) -> GraphError {
        GraphError::Shape { scope: String::new(), error }
    }
}
