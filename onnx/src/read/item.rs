//! The values that nodes take and give: tensors that are known, or computed by the graph, or both; lists of them. Knows
//! no operators.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use kiln_graph::{Builder, DType, Shape, Value};

use super::evaluate::Evaluator;
use super::graph::Node;
use crate::constant::{Constant, Data};
use crate::element::Element;
use crate::error::Fault;

/// As many elements of a tensor that was computed beforehand are written out as numbers at most; longer ones, unless they
/// are of a simple form, are computed by the graph again.
const WRITTEN: usize = 16;

/// As many pieces are put together at most.
const PIECES: usize = 4096;

/// What a name stands for.
#[derive(Clone)]
pub enum Item<'g> {
    /// Nothing: an operand that was left out, an optional value that is not there.
    Absent,
    /// A tensor.
    Tensor(Tensor<'g>),
    /// A list.
    Sequence(Vec<Item<'g>>),
}

impl<'g> From<Value<'g>> for Item<'g> {
    fn from(value: Value<'g>) -> Item<'g> {
        Item::Tensor(Tensor::of_value(value, Element::of_values(value.dtype())))
    }
}

impl From<Constant> for Item<'_> {
    fn from(constant: Constant) -> Self {
        Item::Tensor(Tensor::known(constant))
    }
}

/// A tensor; copies are the same one.
#[derive(Clone)]
pub struct Tensor<'g>(Rc<Inner<'g>>);

struct Inner<'g> {
    element: Element,
    shape: Shape,
    constant: Option<Arc<Constant>>,
    source: Source<'g>,
    value: Cell<Option<Value<'g>>>,
}

/// Where the value in the graph comes from.
enum Source<'g> {
    Value,
    /// Numbers that are written out.
    Written,
    /// A tensor of the file.
    Stored(usize),
    /// A node over known operands, and which of its results it is.
    Applied(Rc<Applied<'g>>, usize),
}

/// A node whose results are known; the graph computes them where it needs them and they are not simple.
pub struct Applied<'g> {
    /// The node.
    pub node: Arc<Node>,
    /// Its operands.
    pub inputs: Vec<Item<'g>>,
    /// Whether a parameter is among what they come from: then the graph computes them whatever they are.
    pub changes: bool,
    /// How many such nodes lie within one another, this one included: values are asked for by recursion.
    pub depth: usize,
    /// What the graph has of it.
    pub results: RefCell<Option<Vec<Item<'g>>>>,
}

impl<'g> Tensor<'g> {
    fn new(element: Element, shape: Shape, constant: Option<Arc<Constant>>, source: Source<'g>) -> Tensor<'g> {
        Tensor(Rc::new(Inner { element, shape, constant, source, value: Cell::new(None) }))
    }

    /// That of a graph's value.
    pub fn of_value(value: Value<'g>, element: Element) -> Tensor<'g> {
        let tensor = Tensor::new(element, value.shape(), None, Source::Value);
        tensor.0.value.set(Some(value));
        tensor
    }

    /// One that is known.
    pub fn known(constant: Constant) -> Tensor<'g> {
        let shape = Shape::new(&constant.shape);
        Tensor::new(constant.element, shape, Some(Arc::new(constant)), Source::Written)
    }

    /// One that is known, with the value that stands for it.
    pub fn known_as(constant: Arc<Constant>, value: Value<'g>) -> Tensor<'g> {
        let tensor = Tensor::new(constant.element, Shape::new(&constant.shape), Some(constant), Source::Value);
        tensor.0.value.set(Some(value));
        tensor
    }

    /// A tensor of the file.
    pub fn stored(number: usize, element: Element, shape: &[usize], constant: Option<Arc<Constant>>) -> Tensor<'g> {
        Tensor::new(element, Shape::new(shape), constant, Source::Stored(number))
    }

    /// A result of a node over known operands.
    pub fn applied(applied: Rc<Applied<'g>>, result: usize, constant: Constant) -> Tensor<'g> {
        let shape = Shape::new(&constant.shape);
        Tensor::new(constant.element, shape, Some(Arc::new(constant)), Source::Applied(applied, result))
    }

    /// The element type.
    pub fn element(&self) -> Element {
        self.0.element
    }

    /// The extents.
    pub fn shape(&self) -> Shape {
        self.0.shape
    }

    /// The elements, if they are known.
    pub fn constant(&self) -> Option<&Arc<Constant>> {
        self.0.constant.as_ref()
    }

    /// Its number, if it is a tensor of the file.
    pub fn number(&self) -> Option<usize> {
        if let Source::Stored(number) = self.0.source { Some(number) } else { None }
    }

    /// How many nodes over known operands it comes through.
    pub fn depth(&self) -> usize {
        if let Source::Applied(applied, _) = &self.0.source { applied.depth } else { 0 }
    }

    /// Whether it comes from a parameter, whose value may change.
    pub fn changes(&self, evaluator: &Evaluator<'_, 'g>) -> bool {
        match &self.0.source {
            Source::Value | Source::Written => false,
            Source::Stored(number) => evaluator.is_parameter(*number),
            Source::Applied(applied, _) => applied.changes,
        }
    }

    /// The value in the graph.
    pub fn value(&self, evaluator: &Evaluator<'_, 'g>) -> Result<Value<'g>, Fault> {
        if let Some(value) = self.0.value.get() {
            return Ok(value);
        }
        let value = match &self.0.source {
            Source::Value => unreachable!("the value was given"),
            Source::Written => self.written(evaluator.g)?,
            Source::Stored(number) => match evaluator.parameter(*number) {
                Some(value) => value,
                None => self.written(evaluator.g)?,
            },
            Source::Applied(applied, result) => {
                if applied.results.borrow().is_none() {
                    let results = evaluator.apply(&applied.node, &applied.inputs)?;
                    *applied.results.borrow_mut() = Some(results);
                }
                let item = applied.results.borrow().as_ref().and_then(|results| results.get(*result).cloned());
                match item {
                    // What is computed from shapes alone has no other form.
                    Some(Item::Tensor(tensor)) if matches!(tensor.0.source, Source::Written) => {
                        self.written(evaluator.g)?
                    }
                    Some(Item::Tensor(tensor)) => tensor.value(evaluator)?,
                    _ => self.written(evaluator.g)?,
                }
            }
        };
        self.0.value.set(Some(value));
        Ok(value)
    }

    /// The value as numbers of the graph.
    fn written(&self, g: &'g Builder) -> Result<Value<'g>, Fault> {
        let Some(constant) = &self.0.constant else { unreachable!("what is written out is known") };
        written(g, constant)
    }
}

/// Whether few numbers make it.
pub fn is_simple(constant: &Constant) -> bool {
    constant.data.len() <= WRITTEN || constant.uniform().is_some() || progression(constant).is_some()
}

/// The whole numbers as `start + step * i`, if they are that.
fn progression(constant: &Constant) -> Option<(i32, i32)> {
    let Data::Ints(list) = &constant.data else { return None };
    let [first, second, ..] = list[..] else { return None };
    let step = second.checked_sub(first)?;
    let regular = list.windows(2).all(|pair| pair[1].checked_sub(pair[0]) == Some(step));
    let last = *list.last()?;
    (regular && i32::try_from(last).is_ok()).then_some(())?;
    Some((i32::try_from(first).ok()?, i32::try_from(step).ok()?))
}

/// A known tensor as numbers of a graph.
pub fn written<'g>(g: &'g Builder, constant: &Constant) -> Result<Value<'g>, Fault> {
    let dtype = constant.element.carrier().ok_or(Fault::Element(constant.element))?;
    let shape = Shape::new(&constant.shape);
    if constant.data.is_empty() {
        return Err(Fault::unsupported(format!("a tensor without elements, of the shape {shape}")));
    }
    if let Some(number) = constant.whole().into_iter().flatten().find(|&number| i32::try_from(number).is_err()) {
        return Err(Fault::TooLarge(number));
    }
    if let Some(number) = constant.uniform() {
        return Ok(g.scalar_of(dtype, number).broadcast_to(shape));
    }
    if let Some((start, step)) = progression(constant) {
        let places = g.iota([constant.data.len()], 0);
        return Ok((places * step + start).reshape(shape));
    }
    let numbers = constant.numbers().ok_or(Fault::Element(constant.element))?;
    let mut pieces: Vec<Value<'g>> = Vec::new();
    for run in numbers.chunk_by(|a, b| a.to_bits() == b.to_bits()) {
        if pieces.len() == PIECES {
            return Err(Fault::unsupported(format!("{} numbers that are no tensor of the file", numbers.len())));
        }
        pieces.push(g.scalar_of(dtype, run[0]).broadcast_to([run.len()]));
    }
    let flat = match dtype {
        DType::Bool => {
            let pieces: Vec<Value<'g>> = pieces.iter().map(|piece| piece.convert(DType::I32)).collect();
            g.concat(&pieces, 0).convert(DType::Bool)
        }
        DType::F32 | DType::Bf16 | DType::I32 => g.concat(&pieces, 0),
    };
    Ok(flat.reshape(shape))
}
