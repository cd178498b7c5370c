//! What the tensors of a file become in a graph: parameters, or numbers that are written out. Knows of operators which
//! of their operands are weights, statistics or settings.

use kiln_graph::Parameter;
use ndarray::{ArrayD, IxDyn};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::constant::Data;
use crate::read::evaluate::as_floats;
use crate::read::graph::{Attribute, Graph, Node, Place, Stored};

/// Parameters of as many elements at most are known as numbers, too, where a shape may depend on them.
const KNOWN: usize = 4096;

/// What a tensor of the file is used for.
#[derive(Clone, Copy, Default)]
struct Use {
    /// In a graph, and not only to find out a shape.
    value: bool,
    /// As a weight.
    weight: bool,
    /// As statistics, which training may change.
    statistics: bool,
}

/// The names of constants around a graph.
struct Names<'a> {
    outer: Option<&'a Names<'a>>,
    own: FxHashMap<&'a str, usize>,
    /// What is given by inputs or nodes, and hides outer constants.
    other: FxHashSet<&'a str>,
}

impl Names<'_> {
    fn find(&self, name: &str) -> Option<usize> {
        match self.own.get(name) {
            Some(number) => Some(*number),
            None if self.other.contains(name) => None,
            None => self.outer?.find(name),
        }
    }
}

/// Notes what each tensor of the file is used for.
fn mark(graph: &Graph, outer: Option<&Names<'_>>, uses: &mut [Use]) {
    let own = graph.constants.iter().map(|(name, number)| (name.as_str(), *number)).collect();
    let other = graph.inputs.iter().map(|input| input.name.as_str()).collect();
    let mut names = Names { outer, own, other };
    for node in &graph.nodes {
        for (position, name) in node.inputs.iter().enumerate() {
            let Some(number) = names.find(name) else { continue };
            let fixed = node.row.is_some_and(|row| row.statics.contains(&position));
            let weight = node.row.is_some_and(|row| row.weights.contains(&position));
            uses[number].value |= !fixed;
            uses[number].weight |= weight;
            uses[number].statistics |= node.row.is_some_and(|row| row.statistics.contains(&position));
        }
        for (_, attribute) in &node.attributes {
            if let Attribute::Graph(inner) = attribute {
                mark(inner, Some(&names), uses);
            }
        }
        names.other.extend(node.outputs.iter().map(String::as_str));
    }
    for name in &graph.outputs {
        if let Some(number) = names.find(name) {
            uses[number].value = true;
        }
    }
}

/// Whether a graph, or one that a node of it holds, has nodes with statistics of batches.
pub fn follows_batches(graph: &Graph) -> bool {
    let inner = |(_, attribute): &(String, Attribute)| matches!(attribute, Attribute::Graph(g) if follows_batches(g));
    let follows = |node: &Node| node.row.is_some_and(|row| !row.statistics.is_empty());
    graph.nodes.iter().any(|node| follows(node) || node.attributes.iter().any(inner))
}

/// Makes parameters of those tensors of the file that a graph can not write out.
pub fn parameters(graph: &Graph, stored: &mut [Stored]) -> Vec<(String, Parameter)> {
    let mut uses = vec![Use::default(); stored.len()];
    mark(graph, None, &mut uses);
    let mut parameters = Vec::new();
    let mut add = |name: String, shape: &[usize], numbers: Vec<f32>, trained: bool| {
        let Ok(array) = ArrayD::from_shape_vec(IxDyn(shape), numbers) else {
            unreachable!("a tensor of the file has as many elements as its shape");
        };
        parameters.push((name, if trained { Parameter::trained(array) } else { Parameter::buffer(array) }));
        parameters.len() - 1
    };
    for (tensor, used) in stored.iter_mut().zip(&uses) {
        let Some(constant) = &tensor.constant else { continue };
        if !used.value || constant.data.is_empty() {
            continue;
        }
        let many = constant.data.len() > 16 && constant.uniform().is_none();
        match &constant.data {
            Data::Floats(list)
                if used.weight || used.statistics || many || (list.len() > 1 && constant.uniform().is_none()) =>
            {
                let numbers = list.clone();
                tensor.place = Place::Parameter(add(tensor.name.clone(), &tensor.shape, numbers, used.weight));
                if list.len() > KNOWN {
                    tensor.constant = None;
                }
            }
            Data::Ints(list) if many => {
                let Some(most) = list.iter().map(|number| number.unsigned_abs()).max() else { continue };
                if most > i32::MAX as u64 {
                    continue;
                }
                if most <= 1 << 24 {
                    let numbers = as_floats(constant);
                    tensor.place = Place::Parameter(add(tensor.name.clone(), &tensor.shape, numbers, false));
                } else {
                    let low = list.iter().map(|number| number.rem_euclid(65536) as f32).collect();
                    let high = list.iter().map(|number| number.div_euclid(65536) as f32).collect();
                    let first = add(tensor.name.clone(), &tensor.shape, low, false);
                    add(format!("{}.high", tensor.name), &tensor.shape, high, false);
                    tensor.place = Place::Halves(first);
                }
            }
            Data::Bools(_) if many => {
                let numbers = as_floats(constant);
                tensor.place = Place::Parameter(add(tensor.name.clone(), &tensor.shape, numbers, false));
            }
            Data::Floats(_) | Data::Ints(_) | Data::Bools(_) | Data::Texts(_) => {}
        }
    }
    parameters
}
