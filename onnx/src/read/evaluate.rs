//! Goes through the nodes of a graph: each becomes values of Kiln's graph, or is computed beforehand where all of its
//! operands are known. Knows no operators' meaning.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use kiln_graph::shape::rules;
use kiln_graph::{Builder, DType, Parameter, Value};
use rustc_hash::FxHashMap;

use super::context::Context;
use super::fold;
use super::graph::{Graph, Node, Place, Stored};
use super::item::{Applied, Item, Tensor, is_simple};
use crate::constant::{Constant, Data};
use crate::error::{Fault, OnnxError};
use crate::operators::Fold;

/// As many uses of nodes at most, those of loops counted each time: a debug build on a busy machine takes half a second for
/// those of functions (Emerald Rapids, 2026-11-29).
pub const MOST_NODES: usize = 100_000;

/// As many nodes over known operands within one another at most; behind them values are of the graph alone.
const DEEPEST: usize = 128;

/// Goes through the nodes of a model.
pub struct Evaluator<'m, 'g> {
    /// The graph that is built.
    pub g: &'g Builder,
    stored: &'m [Stored],
    parameters: &'m [(String, Parameter)],
    /// Whether steps of training normalize by the batch's statistics.
    batch_statistics: bool,
    left: Cell<usize>,
}

/// What names stand for; those of the graphs around are seen, too.
pub struct Scope<'a, 'g> {
    outer: Option<&'a Scope<'a, 'g>>,
    items: FxHashMap<&'a str, Item<'g>>,
}

impl<'a, 'g> Scope<'a, 'g> {
    /// One within another.
    pub fn new(outer: Option<&'a Scope<'a, 'g>>) -> Scope<'a, 'g> {
        Scope { outer, items: FxHashMap::default() }
    }

    /// Gives a name to an item.
    pub fn set(&mut self, name: &'a str, item: Item<'g>) {
        self.items.insert(name, item);
    }

    /// What a name stands for.
    pub fn get(&self, name: &str) -> Option<&Item<'g>> {
        let mut scope = self;
        loop {
            if let Some(item) = scope.items.get(name) {
                return Some(item);
            }
            scope = scope.outer?;
        }
    }
}

impl<'m, 'g> Evaluator<'m, 'g> {
    /// Over the tensors and the parameters of a model.
    pub fn new(
        g: &'g Builder,
        stored: &'m [Stored],
        parameters: &'m [(String, Parameter)],
        batch_statistics: bool,
    ) -> Evaluator<'m, 'g> {
        Evaluator { g, stored, parameters, batch_statistics, left: Cell::new(MOST_NODES) }
    }

    /// The same over another graph.
    pub fn beside<'h>(&self, g: &'h Builder) -> Evaluator<'m, 'h> {
        Evaluator { g, left: Cell::new(self.left.get()), ..*self }
    }

    /// Whether a tensor of the file is a parameter, whose value may change.
    pub fn is_parameter(&self, number: usize) -> bool {
        matches!(self.stored[number].place, Place::Parameter(_))
            && self.stored[number].element.carrier() == Some(DType::F32)
    }

    /// The name of the first parameter among tensors of the file.
    fn parameter_of(&self, mut tensors: impl Iterator<Item = usize>) -> Option<&'m str> {
        tensors.find_map(|number| match self.stored[number].place {
            Place::Parameter(parameter) => Some(self.parameters[parameter].0.as_str()),
            Place::Written | Place::Halves(_) => None,
        })
    }

    /// The value of a tensor of the file that is a parameter.
    pub fn parameter(&self, number: usize) -> Option<Value<'g>> {
        let stored = &self.stored[number];
        let of = |parameter: usize| {
            let (name, parameter) = &self.parameters[parameter];
            self.g.parameter(name, parameter)
        };
        let dtype = stored.element.carrier().unwrap_or(DType::F32);
        match stored.place {
            Place::Written => None,
            Place::Parameter(parameter) => Some(of(parameter).convert(dtype)),
            Place::Halves(parameter) => {
                let (low, high) = (of(parameter).convert(DType::I32), of(parameter + 1).convert(DType::I32));
                Some(high * 65536 + low)
            }
        }
    }

    /// The states of running statistics, in a step of training that follows them.
    pub fn followed(&self, tensors: [&Tensor<'g>; 2]) -> Option<[Value<'g>; 2]> {
        if !self.batch_statistics || !self.g.training() {
            return None;
        }
        let state = |tensor: &Tensor<'g>| match self.stored[tensor.number()?].place {
            Place::Parameter(parameter) => {
                let (name, parameter) = &self.parameters[parameter];
                Some(self.g.parameter_state(name, parameter))
            }
            Place::Written | Place::Halves(_) => None,
        };
        Some([state(tensors[0])?, state(tensors[1])?])
    }

    /// What a graph gives for its operands.
    pub fn graph<'a>(
        &self,
        graph: &'a Graph,
        outer: Option<&'a Scope<'a, 'g>>,
        inputs: Vec<Item<'g>>,
    ) -> Result<Vec<Item<'g>>, OnnxError> {
        let mut scope = Scope::new(outer);
        for (input, item) in graph.inputs.iter().zip(inputs) {
            scope.set(&input.name, item);
        }
        for (name, number) in &graph.constants {
            let Stored { element, shape, constant, .. } = &self.stored[*number];
            scope.set(name, Item::Tensor(Tensor::stored(*number, *element, shape, constant.clone())));
        }
        for node in &graph.nodes {
            let results = self.node(node, &scope)?;
            for (name, item) in node.outputs.iter().zip(results) {
                if !name.is_empty() {
                    scope.set(name, item);
                }
            }
        }
        let missing =
            |name: &str| OnnxError::Format { reason: format!("output `{name}` of a graph is given by no node") };
        graph.outputs.iter().map(|name| scope.get(name).cloned().ok_or_else(|| missing(name))).collect()
    }

    fn node(&self, node: &Arc<Node>, scope: &Scope<'_, 'g>) -> Result<Vec<Item<'g>>, OnnxError> {
        let failed = |fault| match fault {
            Fault::Inside(error) => *error,
            fault => {
                OnnxError::Node { node: node.name.clone(), operator: node.operator.clone(), fault: Box::new(fault) }
            }
        };
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            inputs.push(match scope.get(name) {
                _ if name.is_empty() => Item::Absent,
                Some(item) => item.clone(),
                None => return Err(failed(Fault::invalid(format!("input `{name}` is given by no node before")))),
            });
        }
        self.results(node, inputs, scope).map_err(failed)
    }

    fn results(&self, node: &Arc<Node>, inputs: Vec<Item<'g>>, scope: &Scope<'_, 'g>) -> Result<Vec<Item<'g>>, Fault> {
        self.count()?;
        let row = node.row.ok_or(Fault::Operator)?;
        if let Some(constant) = without_elements(&node.operator, &inputs) {
            return Ok(vec![constant.into()]);
        }
        let known = |item: &Item<'g>| match item {
            Item::Absent => true,
            Item::Tensor(tensor) => tensor.constant().is_some(),
            Item::Sequence(_) => false,
        };
        let depth_of = |item: &Item<'g>| if let Item::Tensor(tensor) = item { tensor.depth() } else { 0 };
        let depth = 1 + inputs.iter().map(depth_of).max().unwrap_or(0);
        if depth <= DEEPEST
            && row.fold != Fold::Never
            && inputs.iter().all(known)
            && let Some(results) = fold::fold(self, node, &inputs, row.fold)?
        {
            let changes = inputs.iter().any(|item| matches!(item, Item::Tensor(t) if t.changes(self)));
            let applied = Rc::new(Applied { node: node.clone(), inputs, changes, depth, results: None.into() });
            let item = |(result, constant): (usize, Constant)| {
                // What few numbers make is written out, and begins anew.
                let tensor = match !changes && is_simple(&constant) {
                    true => Tensor::known(constant),
                    false => Tensor::applied(applied.clone(), result, constant),
                };
                Item::Tensor(tensor)
            };
            return Ok(results.into_iter().enumerate().map(item).collect());
        }
        self.apply_in(node, &inputs, Some(scope))
    }

    /// Counts a use of a node, or of a graph that a node holds.
    pub fn count(&self) -> Result<(), Fault> {
        let left = self.left.get();
        if left == 0 {
            return Err(Fault::unsupported(format!("more than {MOST_NODES} nodes, those of loops counted each time")));
        }
        self.left.set(left - 1);
        Ok(())
    }

    /// The results of a node in the graph.
    pub fn apply(&self, node: &Node, inputs: &[Item<'g>]) -> Result<Vec<Item<'g>>, Fault> {
        self.apply_in(node, inputs, None)
    }

    fn apply_in(
        &self,
        node: &Node,
        inputs: &[Item<'g>],
        scope: Option<&Scope<'_, 'g>>,
    ) -> Result<Vec<Item<'g>>, Fault> {
        let row = node.row.ok_or(Fault::Operator)?;
        let weights =
            inputs.iter().filter_map(|item| if let Item::Tensor(tensor) = item { tensor.number() } else { None });
        let _part = self.parameter_of(weights).map(|name| self.g.part(layer_of(name)));
        let _function = self.g.function(row.name);
        let results = (row.apply)(&Context { g: self.g, evaluator: self, scope, node, inputs })?;
        if let Some(error) = self.g.error() {
            return Err(error.into());
        }
        for item in &results {
            if let Item::Tensor(tensor) = item
                && tensor.constant().is_none()
            {
                rules::tensor(tensor.shape()).map_err(|error| Fault::Graph(error.into()))?;
            }
        }
        Ok(results)
    }
}

/// The layer that a parameter belongs to, as reports show it: `conv1` of `conv1.weight`; one without a dot is one by itself.
pub fn layer_of(parameter: &str) -> &str {
    parameter.rsplit_once('.').map_or(parameter, |(layer, _)| layer)
}

/// The result of arithmetic with an operand that has no elements, which no graph carries.
fn without_elements(operator: &str, inputs: &[Item<'_>]) -> Option<Constant> {
    let [Item::Tensor(a), Item::Tensor(b)] = inputs else { return None };
    let empty = [a, b].into_iter().find_map(|tensor| tensor.constant().filter(|known| known.data.is_empty()))?;
    if !matches!(operator, "Add" | "Sub" | "Mul" | "Div" | "Pow") {
        return None;
    }
    let shape = rules::broadcast("arithmetic", a.shape(), b.shape()).ok()?;
    let none = shape.dims().contains(&0);
    let data = empty.data.pick(std::iter::empty());
    none.then(|| Constant { element: empty.element, shape: shape.dims().to_vec(), data })
}

/// The array of a known tensor's numbers as f32, which are exact for all but f32 where they are of 24 bits.
pub fn as_floats(constant: &Constant) -> Vec<f32> {
    match &constant.data {
        Data::Floats(list) => list.clone(),
        Data::Ints(list) => list.iter().map(|&number| number as f32).collect(),
        Data::Bools(list) => list.iter().map(|&holds| f32::from(u8::from(holds))).collect(),
        Data::Texts(_) => Vec::new(),
    }
}
