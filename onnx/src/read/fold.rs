//! Computes nodes whose operands are known: by graphs of one node each, which the reference interpreter evaluates, so
//! that nothing is said twice. Elements that are only moved may be of any type; whole numbers have 64 bits where
//! [`whole`](super::whole) knows the operator.

use std::collections::HashMap;

use kiln_graph::interpret::{Tensor as Evaluated, interpret};
use kiln_graph::{Builder, DType, Shape, Type};

use super::evaluate::Evaluator;
use super::graph::Node;
use super::item::{Item, Tensor};
use super::whole;
use crate::constant::{Constant, Data};
use crate::element::Element;
use crate::error::Fault;
use crate::operators::Fold;

/// Operands and results of more elements are left to the graph.
const MOST: usize = 1 << 16;

/// So are computations with larger values in between.
const MOST_BETWEEN: usize = 1 << 20;

/// The results, if they are to be computed beforehand.
pub fn fold(
    evaluator: &Evaluator<'_, '_>,
    node: &Node,
    inputs: &[Item<'_>],
    way: Fold,
) -> Result<Option<Vec<Constant>>, Fault> {
    let known: Vec<Option<&Constant>> = inputs
        .iter()
        .map(|item| match item {
            Item::Tensor(tensor) => tensor.constant().map(|constant| &**constant),
            Item::Absent | Item::Sequence(_) => None,
        })
        .collect();
    if known.iter().flatten().map(|constant| constant.data.len()).sum::<usize>() > MOST {
        return Ok(None);
    }
    if let Some(result) = whole::compute(&node.operator, &known) {
        return Ok(Some(vec![result]));
    }
    let moved: &dyn Fn(usize) -> bool = match way {
        Fold::Never => return Ok(None),
        Fold::Compute => &|_| false,
        Fold::Move => &|position| position == 0,
        Fold::MoveAll => &|_| true,
    };
    let g = Builder::new("known");
    let mut feeds = HashMap::new();
    let mut operands = Vec::with_capacity(inputs.len());
    // Of what is moved: elements of all such operands, one behind the other.
    let mut sources: Vec<&Constant> = Vec::new();
    let mut before = 0;
    for (position, constant) in known.iter().enumerate() {
        let Some(constant) = constant else {
            operands.push(Item::Absent);
            continue;
        };
        let shape = Shape::new(&constant.shape);
        let (stand_in, feed) = if moved(position) {
            let places = before..before + constant.data.len() as i32;
            before = places.end;
            if let Some(first) = sources.first().filter(|first| first.element != constant.element) {
                let (one, other) = (first.element, constant.element);
                return Err(Fault::invalid(format!("elements of type {one} and of type {other} together")));
            }
            sources.push(constant);
            let numbers: Vec<i64> = places.clone().map(i64::from).collect();
            let stand_in = Constant { element: Element::I64, shape: constant.shape.clone(), data: Data::Ints(numbers) };
            (stand_in, Some(Evaluated::ints(shape, places)))
        } else {
            ((*constant).clone(), feed(constant, shape))
        };
        let tensor = match feed {
            Some(feed) if !stand_in.data.is_empty() => {
                let name = position.to_string();
                let value = g.input_of(&name, feed.ty());
                feeds.insert(name, feed);
                Tensor::known_as(stand_in.into(), value)
            }
            // It has no value in a graph: asking for one is an error.
            _ => Tensor::known(stand_in),
        };
        operands.push(Item::Tensor(tensor));
    }
    let beside = evaluator.beside(&g);
    let results = beside.apply(node, &operands)?;
    let mut elements = Vec::with_capacity(results.len());
    // What has no elements has no value in a graph.
    let mut empty: Vec<Option<Constant>> = Vec::with_capacity(results.len());
    for (position, result) in results.iter().enumerate() {
        let Item::Tensor(tensor) = result else { return Ok(None) };
        if tensor.shape().elements() > MOST {
            return Ok(None);
        }
        elements.push(tensor.element());
        let constant = tensor.constant().filter(|constant| constant.data.is_empty());
        empty.push(constant.map(|constant| match sources.first() {
            Some(source) => Constant {
                element: source.element,
                shape: constant.shape.clone(),
                data: source.data.pick(std::iter::empty()),
            },
            None => Constant::clone(constant),
        }));
        if constant.is_some() {
            continue;
        }
        g.output(&position.to_string(), tensor.value(&beside)?);
    }
    drop((results, operands));
    let graph = g.finish()?;
    if graph.nodes.iter().any(|node| node.ty.shape.elements() > MOST_BETWEEN) {
        return Ok(None);
    }
    let mut computed = interpret::<f32>(&graph, &feeds).map_err(|error| Fault::invalid(error.to_string()))?.outputs;
    let mut constants = Vec::with_capacity(elements.len());
    for (position, (element, empty)) in elements.into_iter().zip(empty).enumerate() {
        if let Some(constant) = empty {
            constants.push(constant);
            continue;
        }
        let Some(result) = computed.remove(&position.to_string()) else { return Ok(None) };
        constants.push(if sources.is_empty() { of_result(result, element) } else { picked(result, &sources) });
    }
    Ok(Some(constants))
}

/// What the interpreter takes; nothing for what no graph carries.
fn feed(constant: &Constant, shape: Shape) -> Option<Evaluated<f32>> {
    match &constant.data {
        Data::Floats(list) => Some(Evaluated::floats(shape, list.iter().map(|&number| f64::from(number)))),
        Data::Ints(list) => {
            let small: Option<Vec<i32>> = list.iter().map(|&number| i32::try_from(number).ok()).collect();
            Some(Evaluated::ints(shape, small?))
        }
        Data::Bools(list) => Some(Evaluated::bools(shape, list.iter().copied())),
        Data::Texts(_) => None,
    }
}

fn of_result(result: Evaluated<f32>, element: Element) -> Constant {
    let Type { dtype, shape } = result.ty();
    let data = match result {
        Evaluated::F(array) => Data::Floats(array.iter().copied().collect()),
        Evaluated::H(array) => Data::Floats(array.iter().map(|&number| number.into()).collect()),
        Evaluated::I(array) => Data::Ints(array.iter().map(|&number| i64::from(number)).collect()),
        Evaluated::U(array) => Data::Ints(array.iter().map(|&number| i64::from(number)).collect()),
        Evaluated::S(array) => Data::Ints(array.iter().map(|&number| i64::from(number)).collect()),
        Evaluated::B(array) => Data::Bools(array.iter().copied().collect()),
    };
    let element = if element.carrier() == Some(dtype) { element } else { Element::of_values(dtype) };
    Constant { element, shape: shape.dims().to_vec(), data }
}

/// The elements at the places that were computed.
fn picked(places: Evaluated<f32>, sources: &[&Constant]) -> Constant {
    debug_assert_eq!(places.ty().dtype, DType::I32, "places are whole numbers");
    let shape = places.ty().shape.dims().to_vec();
    let places = places.to_f64().into_iter().map(|place| place as usize);
    let data = match sources {
        [only] => only.data.pick(places),
        _ => joined(sources).pick(places),
    };
    Constant { element: sources[0].element, shape, data }
}

fn joined(sources: &[&Constant]) -> Data {
    fn all<T: Clone>(sources: &[&Constant], list: impl Fn(&Data) -> Option<&Vec<T>>) -> Vec<T> {
        sources.iter().filter_map(|source| list(&source.data)).flatten().cloned().collect()
    }
    match &sources[0].data {
        Data::Floats(_) => {
            Data::Floats(all(sources, |data| if let Data::Floats(list) = data { Some(list) } else { None }))
        }
        Data::Ints(_) => Data::Ints(all(sources, |data| if let Data::Ints(list) = data { Some(list) } else { None })),
        Data::Bools(_) => {
            Data::Bools(all(sources, |data| if let Data::Bools(list) = data { Some(list) } else { None }))
        }
        Data::Texts(_) => {
            Data::Texts(all(sources, |data| if let Data::Texts(list) = data { Some(list) } else { None }))
        }
    }
}
