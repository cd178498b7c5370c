//! What functions note of values for those who run a graph: which labels there are, and which numbers. Nothing that is
//! computed depends on it.

use super::{Builder, GraphError, Value};
use crate::graph::NodeId;
use crate::indices::known_outside;
use crate::shape::DType;
use crate::whole::{Noted, Whole};

/// What labels may be: see [`Builder::classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Classes {
    /// Labels lie below this number,
    pub count: usize,
    /// or are this one, which the loss passes over.
    pub ignored: Option<i32>,
}

/// Which numbers a function takes: see [`Builder::note_range`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The function: `bce`.
    pub function: &'static str,
    /// The smallest number.
    pub low: f64,
    /// The largest number.
    pub high: f64,
}

impl Builder {
    /// Notes that a value holds class labels; losses do so. Those who take labels from users check them.
    pub fn note_classes(&self, labels: Value<'_>, classes: Classes) {
        if self.owns(labels) {
            self.classes.borrow_mut().push((labels.id(), classes));
        }
    }

    /// What the labels in a value may be: the fewest classes that a loss knows; nothing if no loss takes it for labels.
    pub fn classes(&self, labels: Value<'_>) -> Option<Classes> {
        let noted = self.classes.borrow();
        let of_this = noted.iter().filter(|(node, _)| *node == labels.id()).map(|(_, classes)| *classes);
        of_this.min_by_key(|classes| classes.count)
    }

    /// Notes that a function is not defined for numbers outside a range, or for NaN, in a value. Those who train check it
    /// in each run: see [`Builder::outside`] and [`Builder::keep_unless`].
    pub fn note_range(&self, value: Value<'_>, range: Range) {
        if self.owns(value) {
            self.ranges.borrow_mut().push((value.id(), range));
        }
    }

    /// For each value with a range how many of its elements lie outside: f32 scalars.
    pub fn outside(&self) -> Vec<(Range, Value<'_>)> {
        let noted: Vec<(NodeId, Range)> = self.ranges.borrow().clone();
        let count = |(node, range): (NodeId, Range)| {
            let value = self.value(node);
            let inside = value.ge(range.low) & value.le(range.high);
            (range, (!inside).convert(DType::F32).sum(..))
        };
        noted.into_iter().map(count).collect()
    }

    /// That indices which follow from no input, such as `arange(T)`, have a row each: what is given is checked when it comes.
    pub(crate) fn check_known_indices(&self, indices: Value<'_>, rows: usize) {
        if self.is_unrun.get() {
            return;
        }
        let outside = known_outside(&self.graph.borrow(), indices.id(), rows);
        if let Some(found) = outside {
            let layer = self.path.borrow().last().cloned().unwrap_or_default();
            self.fail(GraphError::NoRow { layer, found, rows });
        }
    }

    /// Nobody runs the graph: only its shapes are asked for, at sizes that nobody has chosen.
    pub fn never_run(&self) {
        self.is_unrun.set(true);
    }

    /// Keeps what functions of several operations note of themselves from here on: see [`Builder::take_wholes`].
    pub fn keep_wholes(&self) {
        self.wholes.borrow_mut().get_or_insert_default();
    }

    /// What was noted since [`Builder::keep_wholes`], and is kept no longer. What lies within another one comes before it.
    pub fn take_wholes(&self) -> Vec<Noted> {
        self.wholes.take().unwrap_or_default()
    }

    /// Notes what values are as a whole. One that is an operand itself, as of a function that leaves it as it is, says
    /// nothing.
    pub(crate) fn note_whole(&self, whole: Whole, operands: &[Option<Value<'_>>], results: &[Value<'_>]) {
        let mut wholes = self.wholes.borrow_mut();
        let Some(wholes) = wholes.as_mut() else { return };
        let operands: Vec<Option<NodeId>> = operands.iter().map(|operand| operand.map(Value::id)).collect();
        let results: Vec<NodeId> = results.iter().map(|result| result.id()).collect();
        if !results.iter().any(|&result| operands.contains(&Some(result))) {
            wholes.push(Noted { whole, operands, results, scope: self.scope.get() });
        }
    }

    /// Lets every update so far take place only where `condition` (a bool scalar) holds; elsewhere states stay as they are.
    pub fn keep_unless(&self, condition: Value<'_>) {
        let updates = self.graph.borrow().updates.clone();
        for (position, update) in updates.iter().enumerate() {
            let state = self.value(self.graph.borrow().inputs[update.input].node);
            let node = condition.select(self.value(update.node), state).detach().id();
            self.graph.borrow_mut().updates[position].node = node;
        }
    }
}
