//! What an operator sees of the node that uses it: attributes with their defaults, operands as values or as known
//! numbers. Knows no operators.

use std::sync::Arc;

use kiln_graph::shape::{MAX_ELEMENTS, MAX_EXTENT, MAX_RANK};
use kiln_graph::{Builder, DType, Shape, Value};

use super::evaluate::{Evaluator, Scope};
use super::graph::{Attribute, Graph, Node};
use super::item::{Item, Tensor};
use crate::constant::Constant;
use crate::element::Element;
use crate::error::Fault;

/// A node with its operands, for the operator that it uses.
pub struct Context<'a, 'g> {
    /// The graph that is built.
    pub g: &'g Builder,
    /// What goes through the nodes.
    pub evaluator: &'a Evaluator<'a, 'g>,
    /// What the names around the node stand for, where it may hold graphs.
    pub scope: Option<&'a Scope<'a, 'g>>,
    /// The node.
    pub node: &'a Node,
    /// Its operands.
    pub inputs: &'a [Item<'g>],
}

/// What an operator gives: a value for each result.
pub type Results<'g> = Result<Vec<Item<'g>>, Fault>;

/// The only result.
pub fn one<'g>(value: impl Into<Item<'g>>) -> Results<'g> {
    Ok(vec![value.into()])
}

impl<'a, 'g> Context<'a, 'g> {
    /// The version of the operators that the file asks for.
    pub fn version(&self) -> i64 {
        self.node.version
    }

    /// The number of operands, the last ones that were left out not counted.
    pub fn count(&self) -> usize {
        self.inputs.iter().rposition(|item| !matches!(item, Item::Absent)).map_or(0, |last| last + 1)
    }

    /// Whether an operand is there.
    pub fn has(&self, position: usize) -> bool {
        !matches!(self.inputs.get(position), None | Some(Item::Absent))
    }

    /// Whether a result is wanted.
    pub fn wants(&self, position: usize) -> bool {
        self.node.outputs.get(position).is_some_and(|name| !name.is_empty())
    }

    fn name(&self, position: usize) -> String {
        self.node.inputs.get(position).cloned().unwrap_or_default()
    }

    /// An operand, whatever it is.
    pub fn item(&self, position: usize) -> Result<&Item<'g>, Fault> {
        match self.inputs.get(position) {
            None | Some(Item::Absent) => Err(Fault::invalid(format!("input {position} is missing"))),
            Some(item) => Ok(item),
        }
    }

    /// An operand that is a tensor.
    pub fn tensor(&self, position: usize) -> Result<&Tensor<'g>, Fault> {
        match self.item(position)? {
            Item::Tensor(tensor) => Ok(tensor),
            Item::Absent | Item::Sequence(_) => Err(Fault::NoTensor),
        }
    }

    /// The element type of an operand.
    pub fn element(&self, position: usize) -> Result<Element, Fault> {
        Ok(self.tensor(position)?.element())
    }

    /// The shape of an operand.
    pub fn shape(&self, position: usize) -> Result<Shape, Fault> {
        Ok(self.tensor(position)?.shape())
    }

    /// An operand as a value of the graph.
    pub fn value(&self, position: usize) -> Result<Value<'g>, Fault> {
        self.tensor(position)?.value(self.evaluator)
    }

    /// An operand that may be left out.
    pub fn optional(&self, position: usize) -> Result<Option<Value<'g>>, Fault> {
        if self.has(position) { self.value(position).map(Some) } else { Ok(None) }
    }

    /// An operand as a value of f32.
    pub fn float(&self, position: usize) -> Result<Value<'g>, Fault> {
        let value = self.value(position)?;
        match value.dtype() {
            DType::F32 => Ok(value),
            DType::Bf16 | DType::U8 | DType::I8 | DType::I32 | DType::Bool => {
                Err(self.wrong_element(position, "floating-point numbers"))
            }
        }
    }

    /// An operand as a value of numbers: f32 or i32.
    pub fn number(&self, position: usize) -> Result<Value<'g>, Fault> {
        let value = self.value(position)?;
        match value.dtype() {
            DType::F32 | DType::I32 => Ok(value),
            DType::Bf16 | DType::U8 | DType::I8 | DType::Bool => Err(self.wrong_element(position, "numbers")),
        }
    }

    /// An operand as a mask.
    pub fn mask(&self, position: usize) -> Result<Value<'g>, Fault> {
        let value = self.value(position)?;
        match value.dtype() {
            DType::Bool => Ok(value),
            DType::F32 | DType::Bf16 | DType::U8 | DType::I8 | DType::I32 => Err(self.wrong_element(position, "bool")),
        }
    }

    fn wrong_element(&self, position: usize, expected: &str) -> Fault {
        let found = self.element(position).map(|element| element.to_string()).unwrap_or_default();
        Fault::invalid(format!(
            "input {position} (`{}`) should hold {expected}, but holds {found}",
            self.name(position)
        ))
    }

    /// An operand that must be known.
    pub fn constant(&self, position: usize) -> Result<&Arc<Constant>, Fault> {
        let constant = self.tensor(position)?.constant();
        constant.ok_or_else(|| Fault::Dynamic { position, input: self.name(position) })
    }

    /// An operand's whole numbers, which must be known.
    pub fn ints(&self, position: usize) -> Result<Vec<i64>, Fault> {
        self.constant(position)?.whole().ok_or_else(|| self.wrong_element(position, "whole numbers"))
    }

    /// An operand's whole numbers as extents, which must be known.
    pub fn extents(&self, position: usize) -> Result<Vec<usize>, Fault> {
        self.ints(position)?.into_iter().map(extent).collect()
    }

    /// The only whole number of an operand, which must be known.
    pub fn int(&self, position: usize) -> Result<i64, Fault> {
        match self.ints(position)?[..] {
            [number] => Ok(number),
            ref numbers => Err(Fault::invalid(format!("input {position} should be one number, not {}", numbers.len()))),
        }
    }

    /// An operand's numbers, which must be known.
    pub fn numbers(&self, position: usize) -> Result<Vec<f64>, Fault> {
        self.constant(position)?.numbers().ok_or_else(|| self.wrong_element(position, "numbers"))
    }

    /// The only number of an operand, which must be known.
    pub fn single(&self, position: usize) -> Result<f64, Fault> {
        match self.numbers(position)?[..] {
            [number] => Ok(number),
            ref numbers => Err(Fault::invalid(format!("input {position} should be one number, not {}", numbers.len()))),
        }
    }

    /// A result of the element type of an operand.
    pub fn like(&self, position: usize, value: Value<'g>) -> Results<'g> {
        one(self.typed(value, self.element(position)?))
    }

    /// A result of an element type.
    pub fn typed(&self, value: Value<'g>, element: Element) -> Item<'g> {
        let element =
            if element.carrier() == Some(value.dtype()) { element } else { Element::of_values(value.dtype()) };
        Item::Tensor(Tensor::of_value(value, element))
    }

    /// Whether an attribute is there.
    pub fn has_attribute(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&'a Attribute> {
        self.node.attributes.iter().find(|(own, _)| own == name).map(|(_, attribute)| attribute)
    }

    fn wrong_attribute<T>(&self, name: &str, expected: &str) -> Result<T, Fault> {
        Err(Fault::invalid(format!("attribute `{name}` should be {expected}")))
    }

    /// A whole number.
    pub fn int_attribute(&self, name: &str, default: i64) -> Result<i64, Fault> {
        Ok(self.int_of(name)?.unwrap_or(default))
    }

    /// A whole number that may be left out.
    pub fn int_of(&self, name: &str) -> Result<Option<i64>, Fault> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Int(number)) => Ok(Some(*number)),
            Some(_) => self.wrong_attribute(name, "a whole number"),
        }
    }

    /// A whole number that says yes or no.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Fault> {
        Ok(self.int_attribute(name, i64::from(default))? != 0)
    }

    /// Whole numbers that may be left out.
    pub fn ints_of(&self, name: &str) -> Result<Option<Vec<i64>>, Fault> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Ints(numbers)) => Ok(Some(numbers.clone())),
            Some(_) => self.wrong_attribute(name, "a list of whole numbers"),
        }
    }

    /// A number.
    pub fn float_attribute(&self, name: &str, default: f64) -> Result<f64, Fault> {
        Ok(self.float_of(name)?.unwrap_or(default))
    }

    /// A number that may be left out.
    pub fn float_of(&self, name: &str) -> Result<Option<f64>, Fault> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Float(number)) => Ok(Some(f64::from(*number))),
            Some(_) => self.wrong_attribute(name, "a number"),
        }
    }

    /// Numbers that may be left out.
    pub fn floats_of(&self, name: &str) -> Result<Option<Vec<f64>>, Fault> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Floats(numbers)) => Ok(Some(numbers.iter().map(|&number| f64::from(number)).collect())),
            Some(_) => self.wrong_attribute(name, "a list of numbers"),
        }
    }

    /// A text.
    pub fn text<'t>(&self, name: &str, default: &'t str) -> Result<&'t str, Fault>
    where
        'a: 't,
    {
        match self.attribute(name) {
            None => Ok(default),
            Some(Attribute::Text(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(text),
                Err(_) => self.wrong_attribute(name, "a text"),
            },
            Some(_) => self.wrong_attribute(name, "a text"),
        }
    }

    /// Texts that may be left out.
    pub fn texts_of(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Texts(list)) => {
                Ok(Some(list.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()))
            }
            Some(_) => self.wrong_attribute(name, "a list of texts"),
        }
    }

    /// An element type that may be left out.
    pub fn element_of(&self, name: &str) -> Result<Option<Element>, Fault> {
        let Some(number) = self.int_of(name)? else { return Ok(None) };
        match i32::try_from(number).ok().and_then(Element::of) {
            Some(element) => Ok(Some(element)),
            None => Err(Fault::invalid(format!("attribute `{name}` is {number}, which is no element type"))),
        }
    }

    /// A tensor that may be left out.
    pub fn tensor_of(&self, name: &str) -> Result<Option<&'a Arc<Constant>>, Fault> {
        match self.attribute(name) {
            None => Ok(None),
            Some(Attribute::Tensor(tensor)) => Ok(Some(tensor)),
            Some(_) => self.wrong_attribute(name, "a tensor"),
        }
    }

    /// A graph.
    pub fn graph(&self, name: &str) -> Result<&'a Graph, Fault> {
        match self.attribute(name) {
            Some(Attribute::Graph(graph)) => Ok(graph),
            _ => self.wrong_attribute(name, "a graph"),
        }
    }
}

/// An axis counted from the front, of a tensor of a rank.
pub fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
    let found = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(found) {
        Ok(found) if found < rank => Ok(found),
        _ => Err(Fault::invalid(format!("axis {axis} of a tensor of {rank} axes"))),
    }
}

/// Axes counted from the front, each at most once.
pub fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, Fault> {
    let mut found = Vec::with_capacity(list.len().min(MAX_RANK));
    for &entry in list {
        let entry = axis(entry, rank)?;
        if found.contains(&entry) {
            return Err(Fault::invalid(format!("axis {entry} twice")));
        }
        found.push(entry);
    }
    Ok(found)
}

/// The shape of extents, if a tensor may have it.
pub fn shape(extents: &[usize]) -> Result<Shape, Fault> {
    if extents.len() > MAX_RANK {
        return Err(Fault::invalid(format!("a tensor of {} axes; there are at most {MAX_RANK}", extents.len())));
    }
    let elements = extents.iter().fold(1usize, |product, &extent| product.saturating_mul(extent));
    if extents.iter().any(|&extent| extent > MAX_EXTENT) || elements > MAX_ELEMENTS {
        return Err(Fault::invalid(format!("the shape {extents:?}, which is too large")));
    }
    Ok(Shape::new(extents))
}

/// The extents of what lies along one axis of a tensor of a rank: 1 along the others.
pub fn along(rank: usize, axis: usize, extent: usize) -> Vec<usize> {
    let mut extents = vec![1; rank];
    extents[axis] = extent;
    extents
}

/// A number of elements or places: not negative, and not more than an extent may be.
pub fn extent(number: i64) -> Result<usize, Fault> {
    let extent = usize::try_from(number).ok().filter(|extent| *extent <= MAX_EXTENT);
    extent.ok_or_else(|| Fault::invalid(format!("{number} as an extent")))
}
