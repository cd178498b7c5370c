//! Building graphs: [`Builder`] appends nodes, [`Value`] is a node that can be calculated with.
//!
//! Nothing here panics: a bad use is recorded in the builder with the layer it happened in, gives a
//! value of a plausible type so that building can go on, and comes back from
//! [`Builder::gradients`] or [`Builder::finish`]. Knows no layer, loss or optimizer.

mod arithmetic;
mod axes;
mod contract;
mod error;
mod index;
mod movement;
mod notes;
mod random;
mod reduce;
mod scan;
mod shards;
mod states;
mod value;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::panic::Location;

use rustc_hash::FxHashMap;

pub use arithmetic::Operand;
pub use axes::{Axis, AxisList};
pub use error::GraphError;
pub(crate) use movement::whole;
pub use notes::{Classes, Range};
pub use random::RUN;
pub(crate) use scan::unused;
pub use shards::{BATCH_ROWS, SHARD_NUMBER, SHARD_ROWS};
pub use states::OnlyWhere;
pub use value::Value;

use index::Index;
use shards::Shards;

use crate::graph::{Graph, Input, Line, Node, NodeId, Operands, Output, Role, Scope, Stage, Type};
use crate::op::{Op, Scalar};
use crate::shape::{DType, Shape, ShapeError, rules};
use crate::whole::Noted;

/// Builds one [`Graph`].
///
/// ```
/// use kiln_graph::build::Builder;
///
/// let g = Builder::new("square");
/// let v = g.input("v", [2, 2]);
/// let loss = (v * v).mean(..);
/// let [gradient] = g.gradients(loss, [v])?;
/// g.output("gradient", gradient);
/// let graph = g.finish()?;
/// # Ok::<(), kiln_graph::build::GraphError>(())
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    graph: RefCell<Graph>,
    /// Where what has a name stands in it.
    index: RefCell<Index>,
    /// The first error.
    error: RefCell<Option<GraphError>>,
    /// The names of the entered scopes, joined by dots; the last is the current one.
    path: RefCell<Vec<String>>,
    /// The index in [`Graph::scopes`] for new nodes.
    scope: Cell<u32>,
    mode: Cell<Mode>,
    /// Whether running statistics are those of all batches alike.
    cumulative: Cell<bool>,
    /// The seed of [`Builder::draw`].
    seed: Cell<u64>,
    /// The number of random nodes so far.
    streams: Cell<u32>,
    /// Values that states were updated to before the last update, by the input's position.
    replaced: RefCell<FxHashMap<usize, Vec<NodeId>>>,
    /// The classes that i32 values may name.
    classes: RefCell<Vec<(NodeId, Classes)>>,
    /// What f32 values are to lie in.
    ranges: RefCell<Vec<(NodeId, Range)>>,
    /// What updates depend on; see [`Builder::only_where`].
    condition: Cell<Option<NodeId>>,
    /// What the program knows of the shards of a batch, where it computes one; see [`Builder::set_shards`].
    shards: Cell<Option<Shards>>,
    /// The states of which each shard has its own value, by the inputs' positions.
    of_shard: RefCell<Vec<usize>>,
    /// Values with a derivative of their own; see [`Value::with_slope`].
    slopes: RefCell<FxHashMap<NodeId, (NodeId, Slope)>>,
    /// What values are as a whole, if somebody asks for it; see [`Builder::keep_wholes`].
    wholes: RefCell<Option<Vec<Noted>>>,
    /// Whether only shapes are asked for; see [`Builder::never_run`].
    is_unrun: Cell<bool>,
}

/// The derivative of a function of one element, at a value.
pub type Slope = for<'g> fn(Value<'g>) -> Value<'g>;

/// Whether layers behave as in training (they drop out, normalize by the batch, keep running statistics) or as in
/// evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// As in training.
    Train,
    /// As in evaluation.
    #[default]
    Eval,
}

/// Layers behave as in evaluation until it is dropped; see [`Builder::evaluating`].
#[derive(Debug)]
#[must_use = "layers behave as before once it is dropped"]
pub struct Evaluating<'g> {
    builder: &'g Builder,
    before: Mode,
}

impl Drop for Evaluating<'_> {
    fn drop(&mut self) {
        self.builder.mode.set(self.before);
    }
}

/// The scope of new nodes until it is dropped; see [`Builder::enter`].
#[derive(Debug)]
#[must_use = "the scope ends when it is dropped"]
pub struct Entered<'g> {
    builder: &'g Builder,
    outer: u32,
    /// How many names there were in the path.
    names: usize,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.builder.path.borrow_mut().truncate(self.names);
        self.builder.scope.set(self.outer);
    }
}

impl Builder {
    /// A builder of an empty graph, in evaluation mode.
    pub fn new(name: impl Into<String>) -> Builder {
        Builder { graph: RefCell::new(Graph::new(name)), ..Builder::default() }
    }

    /// A builder that goes on with a graph, which must be [valid](crate::verify()); [`Builder::named`] gives its values.
    pub fn resume(graph: Graph) -> Builder {
        let next = |node: &Node| if let Op::Random { stream, .. } = node.op { stream.wrapping_add(1) } else { 0 };
        let streams = graph.nodes.iter().map(next).max().unwrap_or(0);
        let index = RefCell::new(Index::of(&graph));
        Builder { streams: Cell::new(streams), graph: RefCell::new(graph), index, ..Builder::default() }
    }

    /// The value of the output, or else of the input, with the given name.
    pub fn named(&self, name: &str) -> Option<Value<'_>> {
        let (graph, index) = (self.graph.borrow(), self.index.borrow());
        let output = index.output(name).map(|position| graph.outputs[position].node);
        let node = output.or_else(|| index.input(name).map(|position| graph.inputs[position].node));
        node.map(|node| self.value(node))
    }

    /// A node with the given operation. Most operations have a method of their own, here or at [`Value`]; inputs and
    /// constants, whose types no operands tell, have only those.
    pub fn apply<'g>(&'g self, op: Op, operands: &[Value<'g>]) -> Value<'g> {
        let plausible = || operands.first().map_or(Type::f32(Shape::SCALAR), |v| v.ty());
        if let Some(foreign) = operands.iter().find(|v| !std::ptr::eq(v.graph(), self)) {
            self.fail(GraphError::ForeignValue { expected: self.name(), found: foreign.graph().name() });
            return self.poison(plausible());
        }
        let result = match *operands {
            // Most have one operand or two: they need no list.
            [a] => op.infer(&[a.ty()]),
            [a, b] => op.infer(&[a.ty(), b.ty()]),
            _ => op.infer(&operands.iter().map(|v| v.ty()).collect::<Vec<Type>>()),
        };
        match result {
            Ok(ty) => {
                let mut inputs = Operands::new();
                for operand in operands {
                    inputs.push(operand.id());
                }
                self.push(op, inputs, ty)
            }
            Err(error) => {
                self.fail(error.into());
                self.poison(plausible())
            }
        }
    }

    /// An f32 data input.
    pub fn input(&self, name: &str, shape: impl Into<Shape>) -> Value<'_> {
        self.input_of(name, Type::f32(shape))
    }

    /// A data input of any type: labels are `Type::i32([n])`.
    pub fn input_of(&self, name: &str, ty: Type) -> Value<'_> {
        if self.find_input(name).is_some() {
            self.fail(GraphError::DuplicateInput { name: name.into() });
            return self.poison(ty);
        }
        self.new_input(name, Role::Data, ty)
    }

    /// An f32 constant without axes; it broadcasts against anything.
    pub fn scalar(&self, v: f64) -> Value<'_> {
        self.scalar_of(DType::F32, v)
    }

    /// A constant without axes of the given element type (numbers other than 0 are true).
    pub fn scalar_of(&self, dtype: DType, v: f64) -> Value<'_> {
        self.push(Op::Constant(Scalar(v)), Operands::new(), Type { dtype, shape: Shape::SCALAR })
    }

    /// As [`Builder::scalar_of`], of a number that users write: whole numbers have no fraction.
    pub(crate) fn number_of(&self, dtype: DType, v: f64) -> Value<'_> {
        if dtype == DType::I32 && v.is_finite() && v.fract() != 0.0 {
            let rule = "whole numbers meet a number with a fraction: `.float()` makes f32 of them";
            self.fail(ShapeError::Attribute { op: "i32", rule }.into());
        }
        self.scalar_of(dtype, v)
    }

    /// An f32 tensor that holds one number everywhere.
    pub fn full(&self, shape: impl Into<Shape>, v: f64) -> Value<'_> {
        self.scalar(v).broadcast_to(shape)
    }

    /// i32 `0, 1, ..` along an axis of the given shape.
    pub fn iota(&self, shape: impl Into<Shape>, axis: impl Into<Axis>) -> Value<'_> {
        let shape = shape.into();
        match axis.into().resolve("iota", shape) {
            Ok(axis) => self.apply(Op::Iota { axis, shape }, &[]),
            Err(error) => {
                self.fail(error.into());
                self.poison(Type::i32(shape))
            }
        }
    }

    /// Names a result.
    pub fn output(&self, name: &str, v: Value<'_>) {
        if self.index.borrow().output(name).is_some() {
            self.fail(GraphError::DuplicateOutput { name: name.into() });
        }
        if self.owns(v) {
            let outputs = &mut self.graph.borrow_mut().outputs;
            self.index.borrow_mut().add_output(name, outputs.len());
            outputs.push(Output { name: name.into(), node: v.id() });
        }
    }

    /// The gradients of a scalar loss in each of `of`, which may be any values; zeros where the loss does not depend
    /// on the value.
    ///
    /// # Errors
    /// The first error that was recorded so far; a loss that is no f32 scalar; a value that is not f32.
    pub fn gradients<'g, const K: usize>(
        &'g self,
        loss: Value<'g>,
        of: [Value<'g>; K],
    ) -> Result<[Value<'g>; K], GraphError> {
        let gradients = self.gradients_of(loss, &of)?;
        Ok(std::array::from_fn(|i| gradients[i]))
    }

    /// [`Builder::gradients`] for a number of values that is not known to the compiler.
    ///
    /// # Errors
    /// As for [`Builder::gradients`].
    pub fn gradients_of<'g>(&'g self, loss: Value<'g>, of: &[Value<'g>]) -> Result<Vec<Value<'g>>, GraphError> {
        let gradients = self.gradients_through(loss, of)?;
        let zeros = |v: &Value<'g>| self.in_gradient_of(&self.node(v.id()), || self.full(v.shape(), 0.0));
        Ok(of.iter().zip(gradients).map(|(v, gradient)| gradient.unwrap_or_else(|| zeros(v))).collect())
    }

    /// The gradient of a scalar loss in a value; errors are recorded.
    pub fn gradient<'g>(&'g self, loss: Value<'g>, of: Value<'g>) -> Value<'g> {
        match self.gradients(loss, [of]) {
            Ok([gradient]) => gradient,
            Err(error) => {
                self.fail(error);
                self.poison(of.ty())
            }
        }
    }

    /// [`Builder::gradients_of`], but nothing where the loss does not depend on the value.
    pub(crate) fn gradients_through<'g>(
        &'g self,
        loss: Value<'g>,
        of: &[Value<'g>],
    ) -> Result<Vec<Option<Value<'g>>>, GraphError> {
        self.owns(loss);
        of.iter().for_each(|&v| _ = self.owns(v));
        self.first_error()?;
        if loss.ty() != Type::f32(Shape::SCALAR) {
            return Err(GraphError::LossType { found: loss.ty() });
        }
        if let Some(v) = of.iter().find(|v| v.dtype() != DType::F32) {
            return Err(GraphError::GradientType { found: v.ty() });
        }
        let gradients = crate::differentiate::differentiate(self, loss, of);
        self.first_error()?;
        Ok(gradients)
    }

    /// Enters a layer: until the result is dropped, names of parameters and nodes begin with `name.`.
    pub fn enter(&self, name: &str) -> Entered<'_> {
        let layer = self.path(name);
        let entered = self.enter_scope(|outer| Scope { layer: layer.clone(), function: "", ..outer });
        self.path.borrow_mut().push(layer);
        entered
    }

    /// Says, until the result is dropped, that new nodes belong to a part of the present layer, which reports show as one. Names
    /// of parameters stay as they are, where [`Builder::enter`] stands before them.
    pub fn part(&self, name: &str) -> Entered<'_> {
        let layer = self.path(name);
        self.enter_scope(|outer| Scope { layer, function: "", ..outer })
    }

    /// Says, until the result is dropped, that new nodes belong to one use of a function of several operations, such as
    /// `cross_entropy`, so that it can be shown as one thing. Names of parameters stay as they are.
    pub fn function(&self, name: &'static str) -> Entered<'_> {
        self.enter_scope(|outer| Scope { function: name, ..outer })
    }

    /// Says, until the result is dropped, what new nodes are computed for.
    pub fn stage(&self, stage: Stage) -> Entered<'_> {
        self.enter_scope(|outer| Scope { function: "", stage, ..outer })
    }

    fn enter_scope(&self, inner: impl FnOnce(Scope) -> Scope) -> Entered<'_> {
        let outer = self.scope.get();
        let scopes = &mut self.graph.borrow_mut().scopes;
        let around = Scope { outer, line: None, ..scopes[outer as usize].clone() };
        scopes.push(inner(around));
        self.scope.set(scopes.len() as u32 - 1);
        Entered { builder: self, outer, names: self.path.borrow().len() }
    }

    /// Begins a body whose operations say their [lines](Builder::line), until [`Builder::end_body`] is given the result. For
    /// the macros.
    #[doc(hidden)]
    pub fn begin_body(&self) -> u32 {
        self.scope.get()
    }

    /// Ends what [`Builder::begin_body`] began, which gave this.
    #[doc(hidden)]
    pub fn end_body(&self, outer: u32) {
        self.scope.set(outer);
    }

    /// Says where the user asked for the nodes that come, until the next line of the body or its end: reports of what went
    /// wrong name it.
    pub(crate) fn line(&self, place: &'static Location<'static>) {
        let line = Line { file: place.file(), line: place.line(), column: place.column() };
        let scopes = &mut self.graph.borrow_mut().scopes;
        let present = self.scope.get();
        // The line before lies beside this one.
        let Scope { outer, line: before, .. } = &scopes[present as usize];
        let outer = if before.is_some() { *outer } else { present };
        self.scope.set(self.index.borrow_mut().line(outer, line, scopes));
    }

    /// A name within the current layer: `conv1.weight`.
    pub fn path(&self, name: &str) -> String {
        match self.path.borrow().last() {
            Some(path) if name.is_empty() => path.clone(),
            Some(path) => format!("{path}.{name}"),
            None => name.into(),
        }
    }

    /// Whether layers that behave differently in training are to do so.
    pub fn training(&self) -> bool {
        self.mode.get() == Mode::Train
    }

    /// Sets how layers behave from here on.
    pub fn set_mode(&self, mode: Mode) {
        self.mode.set(mode);
    }

    /// Lets layers behave as in evaluation until what it gives is dropped.
    pub fn evaluating(&self) -> Evaluating<'_> {
        Evaluating { builder: self, before: self.mode.replace(Mode::Eval) }
    }

    /// Whether batch norms take all batches so far alike, whatever their momentum is.
    pub fn cumulative_statistics(&self) -> bool {
        self.cumulative.get()
    }

    /// Sets that from here on; default: no.
    pub fn set_cumulative_statistics(&self, cumulative: bool) {
        self.cumulative.set(cumulative);
    }

    /// The first error that was recorded so far: what [`Builder::finish`] will return.
    pub fn error(&self) -> Option<GraphError> {
        self.error.borrow().clone()
    }

    /// Records an error, unless there is one already. A [`GraphError::Shape`] without a scope gets the current one.
    pub fn fail(&self, error: GraphError) {
        let error = match error {
            GraphError::Shape { scope, error } if scope.is_empty() => {
                GraphError::Shape { scope: self.path.borrow().last().cloned().unwrap_or_default(), error }
            }
            error => error,
        };
        self.error.borrow_mut().get_or_insert(error);
    }

    /// The graph.
    ///
    /// # Errors
    /// The first error that was recorded; an input without elements or too large, if nothing else was said of it.
    pub fn finish(self) -> Result<Graph, GraphError> {
        if let Some(error) = self.error.into_inner() {
            return Err(error);
        }
        let graph = self.graph.into_inner();
        for input in &graph.inputs {
            rules::tensor(graph.ty(input.node).shape)?;
        }
        Ok(graph)
    }

    /// A value of a wanted type in place of one that could not be built: an unnamed input of a graph that
    /// [`Builder::finish`] does not give out, since an error was [recorded](Builder::fail).
    pub fn poison(&self, ty: Type) -> Value<'_> {
        self.push(Op::Input, Operands::new(), ty)
    }

    /// The value of a node.
    pub(crate) fn value(&self, node: NodeId) -> Value<'_> {
        Value::new(self, node)
    }

    /// What the value of a node is a function of, and its derivative, if that was said: [`Value::with_slope`].
    pub(crate) fn slope(&self, node: NodeId) -> Option<(Value<'_>, Slope)> {
        self.slopes.borrow().get(&node).map(|&(x, slope)| (self.value(x), slope))
    }

    /// A copy of a node; the graph may grow while it is looked at.
    pub(crate) fn node(&self, node: NodeId) -> Node {
        self.graph.borrow().node(node).clone()
    }

    /// Runs a function whose new nodes compute gradients of a node.
    pub(crate) fn in_gradient_of<R>(&self, node: &Node, f: impl FnOnce() -> R) -> R {
        let outer = self.scope.replace(self.gradient_of(node.scope, node.op.mnemonic()));
        let result = f();
        self.scope.set(outer);
        result
    }

    /// The scope for gradients of an operation in a scope; gradients of gradients share theirs.
    fn gradient_of(&self, scope: u32, operation: &'static str) -> u32 {
        let scopes = &mut self.graph.borrow_mut().scopes;
        if scopes[scope as usize].stage == Stage::Backward {
            return scope;
        }
        self.index.borrow_mut().gradient_of(scope, operation, scopes)
    }

    fn name(&self) -> String {
        self.graph.borrow().name.clone()
    }

    fn push(&self, op: Op, inputs: Operands, ty: Type) -> Value<'_> {
        let node = self.graph.borrow_mut().push(Node { op, inputs, ty, scope: self.scope.get() });
        self.value(node)
    }

    fn new_input(&self, name: &str, role: Role, ty: Type) -> Value<'_> {
        let value = self.push(Op::Input, Operands::new(), ty);
        let inputs = &mut self.graph.borrow_mut().inputs;
        self.index.borrow_mut().add_input(name, value.id(), inputs.len());
        inputs.push(Input::new(name, role, value.id()));
        value
    }

    fn find_input(&self, name: &str) -> Option<(Role, NodeId)> {
        let input = &self.graph.borrow().inputs[self.index.borrow().input(name)?];
        Some((input.role, input.node))
    }

    /// Whether the value is one of this builder's; records an error if not.
    fn owns(&self, v: Value<'_>) -> bool {
        let own = std::ptr::eq(v.graph(), self);
        if !own {
            self.fail(GraphError::ForeignValue { expected: self.name(), found: v.graph().name() });
        }
        own
    }

    fn first_error(&self) -> Result<(), GraphError> {
        self.error.borrow().clone().map_or(Ok(()), Err)
    }
}
