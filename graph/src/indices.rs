//! Which whole numbers an i32 input may hold: those that every gather and every table that looks its elements up has a
//! place for. A graph clamps indices, so those who take them from users check them first; those that a graph computes
//! of nothing else are looked at while it is built. Knows movements and look-ups, and no layer.

use ndarray::ArrayViewD;

use crate::graph::{Graph, NodeId};
use crate::interpret::Tensor;
use crate::op::{Family, Indices, Op};
use crate::shape::DType;

/// Where something stands, as messages say it: ` at [3, 0]`, and nothing of a number by itself.
pub fn at(place: &[usize]) -> String {
    if place.is_empty() { String::new() } else { format!(" at {place:?}") }
}

/// The indices along the axes of the element at a position in row-major order.
pub fn place(position: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    let mut rest = position;
    for (index, &extent) in place.iter_mut().zip(shape).rev() {
        (*index, rest) = (rest % extent, rest / extent);
    }
    place
}

/// An index that points at nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("index {found}{} is out of range: there are {below} rows, 0 to {}", at(place), below - 1)]
pub struct IndexError {
    /// Where it stands among the indices given.
    pub place: Vec<usize>,
    /// The index.
    pub found: i32,
    /// How many rows there are; indices lie below this number.
    pub below: i32,
}

/// The number that each element of an input must lie below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRule {
    /// In row-major order; [`FREE`] where the element looks nothing up.
    below: Vec<i32>,
}

/// Any number will do.
const FREE: i32 = i32::MAX;

impl IndexRule {
    /// What each element must lie below, in row-major order; `i32::MAX` where any number will do.
    pub fn below(&self) -> &[i32] {
        &self.below
    }

    /// Whether all elements are in range, which have the input's shape.
    ///
    /// # Errors
    /// The first element that is not.
    pub fn check(&self, indices: &ArrayViewD<'_, i32>) -> Result<(), IndexError> {
        let outside = |((_, found), below): &((_, &i32), &i32)| **below != FREE && !(0..**below).contains(*found);
        match indices.indexed_iter().zip(&self.below).find(outside) {
            Some(((place, &found), &below)) => {
                Err(IndexError { place: ndarray::Dimension::slice(&place).to_vec(), found, below })
            }
            None => Ok(()),
        }
    }
}

/// The rule for an i32 input: nothing if no element of it looks anything up.
///
/// Elements that arithmetic has changed on their way to a look-up have no rule.
pub fn index_rule(graph: &Graph, input: NodeId) -> Option<IndexRule> {
    let ty = graph.ty(input);
    if ty.dtype != DType::I32 {
        return None;
    }
    let count = ty.shape.elements();
    let mut below = vec![FREE; count];
    // Each element is followed by its number, and what is none of them by -1.
    let mut followed: Vec<Option<Tensor<f32>>> = vec![None; graph.nodes.len()];
    followed[input.index()] = Some(Tensor::ints(ty.shape, 0..count as i32));
    for id in graph.ids() {
        let node = graph.node(id);
        if let Some((indices, rows)) = looked_up(graph, id)
            && let Some(numbers) = &followed[indices.index()]
        {
            for &number in numbers.as_ints() {
                if let Some(below) = usize::try_from(number).ok().and_then(|number| below.get_mut(number)) {
                    *below = rows.min(*below);
                }
            }
        }
        if id != input
            && node.op.family() == Family::Movement
            && node.inputs.iter().any(|of| followed[of.index()].is_some())
        {
            let others: Vec<Tensor<f32>> = node.inputs.iter().map(|&of| unknown(graph, of)).collect();
            let operands: Vec<&Tensor<f32>> = node
                .inputs
                .iter()
                .zip(&others)
                .map(|(of, other)| followed[of.index()].as_ref().unwrap_or(other))
                .collect();
            followed[id.index()] = Some(node.op.evaluate(&operands, node.ty));
        }
    }
    below.iter().any(|&below| below != FREE).then_some(IndexRule { below })
}

/// Of indices that a graph computes of no input, such as positions in a sequence: the first that points at none of so many
/// rows.
pub(crate) fn known_outside(graph: &Graph, indices: NodeId, rows: usize) -> Option<i32> {
    let numbers = known(graph, indices, &mut { FOLLOWED })?;
    numbers.as_ints().iter().copied().find(|&number| usize::try_from(number).map_or(true, |number| number >= rows))
}

/// The most operations that are followed while a graph is built: positions take a few. Unit: operations. A guess.
const FOLLOWED: usize = 64;
/// The most elements of one of them: positions have some thousands. Unit: elements. A guess.
const ELEMENTS: usize = 1 << 20;

/// A value that follows from constants and counters alone.
fn known(graph: &Graph, id: NodeId, left: &mut usize) -> Option<Tensor<f64>> {
    let node = graph.node(id);
    *left = left.checked_sub(1)?;
    let is_plain = match node.op.family() {
        Family::Source => node.op != Op::Input,
        Family::Elementwise | Family::Movement | Family::Reduce => true,
        Family::Contraction | Family::Window | Family::Indexing | Family::Random | Family::Scan | Family::Exchange => {
            false
        }
    };
    if !is_plain || node.ty.shape.elements() > ELEMENTS {
        return None;
    }
    let operands = node.inputs.iter().map(|&of| known(graph, of, left)).collect::<Option<Vec<_>>>()?;
    Some(node.op.evaluate(&operands.iter().collect::<Vec<_>>(), node.ty))
}

/// A value of which no element is one of the input.
fn unknown(graph: &Graph, of: NodeId) -> Tensor<f32> {
    let shape = graph.shape(of);
    Tensor::ints(shape, vec![-1; shape.elements()])
}

/// The indices that a node looks up, and how many places there are for them.
fn looked_up(graph: &Graph, id: NodeId) -> Option<(NodeId, i32)> {
    let node = graph.node(id);
    let (indices, places) = match node.op.traits().indices? {
        Indices::IntoOperand { axis } => (node.inputs[1], graph.shape(node.inputs[0]).dim(axis)),
        Indices::IntoResult { axis } => (node.inputs[0], node.ty.shape.dim(axis)),
    };
    Some((indices, places.try_into().unwrap_or(FREE)))
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::build::{Builder, Value};
    use crate::graph::Type;

    /// The rule for `x: i32[2, 3]` after a graph was built over it and the tables `long: f32[10, 4]`, `short: f32[5, 4]`.
    fn check(build: for<'g> fn(Value<'g>, Value<'g>, Value<'g>) -> Value<'g>, expected: Option<[i32; 6]>) {
        let g = Builder::new("g");
        let x = g.input_of("x", Type::i32([2, 3]));
        let y = build(x, g.input("long", [10, 4]), g.input("short", [5, 4]));
        let node = x.id();
        g.output("y", y);
        let graph = g.finish().expect("nothing is wrong");
        let expected = expected.map(|below| IndexRule { below: below.to_vec() });
        assert_eq!(index_rule(&graph, node), expected);
    }

    #[test]
    fn every_look_up_of_an_element_bounds_it() {
        check(|x, long, _| long.take_rows(x), Some([10; 6]));
        check(|x, long, short| long.take_rows(x) + short.take_rows(x), Some([5; 6]));
        check(|x, long, _| long.take_rows(x.transpose(0, 1).reshape([6])), Some([10; 6]));
        // A column for each table.
        check(
            |x, long, short| long.take_rows(x.slice(1, 0..1, 1)) + short.take_rows(x.slice(1, 2..3, 1)),
            Some([10, FREE, 5, 10, FREE, 5]),
        );
        check(|x, _, short| short.transpose(0, 1).gather(1, x.pad(&[0, 0], &[2, 0], 0.0)), Some([5; 6]));
        check(|x, long, _| long * x.sum(..).convert(DType::F32), None);
        check(|x, long, _| long.take_rows(x + 1), None);
    }

    #[test]
    fn the_first_index_out_of_range_is_told() {
        let rule = IndexRule { below: vec![5, FREE, 5, 5, FREE, 5] };
        let check = |numbers: [i32; 6]| {
            let array = ArrayD::from_shape_vec(IxDyn(&[2, 3]), numbers.to_vec()).expect("six numbers");
            rule.check(&array.view()).map_err(|error| error.to_string())
        };
        assert_eq!(check([0, 99, 4, 1, -7, 2]), Ok(()));
        let expected = |text: &str| Err(text.to_owned());
        assert_eq!(check([0, 0, 5, 9, 0, 0]), expected("index 5 at [0, 2] is out of range: there are 5 rows, 0 to 4"));
        assert_eq!(
            check([0, 0, 0, 0, 0, -1]),
            expected("index -1 at [1, 2] is out of range: there are 5 rows, 0 to 4")
        );
        let alone = IndexError { place: Vec::new(), found: 7, below: 5 };
        assert_eq!(alone.to_string(), "index 7 is out of range: there are 5 rows, 0 to 4");
    }
}
