//! Where NaN and infinity come from: evaluates a graph node by node and tells of the first one that made one out of
//! finite numbers, of those from which the results have theirs. It knows operations by their families; what a layer or
//! a line is, and what to do about it, is for others to say.
//!
//! A value that is not finite was *made* by a node all of whose operands were finite at the places that it was computed
//! from; else it came with an operand, and so from where that had it. What inputs and constants hold was made by no
//! node: infinities of these (masks) are no alarm, a NaN that a node makes of them is.

use std::collections::HashMap;

use super::{InterpretError, Tensor, needed};
use crate::graph::{Graph, NodeId, Role, Type};
use crate::op::{Family, Op, ReduceOp};
use crate::ops::scan::evaluate_scan;
use crate::shape::Shape;

/// What made a NaN or an infinity.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The node, in the graph itself: for one in the body of a scan, that of the scan.
    pub node: NodeId,
    /// The operation.
    pub op: Op,
    /// The scope of the node in the body of a scan and the step, if it is in one.
    pub step: Option<(u32, usize)>,
    /// How it came about.
    pub cause: Cause,
    /// The type of the result.
    pub ty: Type,
    /// The first place in the result.
    pub index: Vec<usize>,
    /// What is there.
    pub found: f32,
    /// How many elements of the result are not finite.
    pub count: usize,
    /// What the operands were.
    pub operands: Vec<Used>,
    /// The sample of the batch, where the first axis of the result is known to be that of the samples.
    pub sample: Option<usize>,
}

/// How a NaN or an infinity came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Of finite numbers.
    Made,
    /// A NaN of infinities that inputs or constants hold.
    OfGiven,
    /// It is an input or a constant itself, which holds a NaN.
    Given,
}

/// An operand of a [`Source`].
#[derive(Clone, Debug, PartialEq)]
pub struct Used {
    /// The input that it is, if it is one.
    pub input: Option<String>,
    /// The number where the result is not finite; nothing where it was computed from several.
    pub there: Option<f32>,
    /// Its type.
    pub ty: Type,
    /// The smallest and the largest of its numbers, NaN left aside; of bool values and of nothing none.
    pub range: Option<(f32, f32)>,
}

/// From where the results of a graph have NaN and infinity.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Findings {
    /// For each output and then each update that is not finite its position, and its source in `sources` if it has one.
    pub results: Vec<(usize, Option<usize>)>,
    /// In the order in which they were computed.
    pub sources: Vec<Source>,
}

impl Findings {
    /// The first source of a result.
    pub fn first(&self) -> Option<&Source> {
        let number = self.results.iter().filter_map(|(_, source)| *source).min()?;
        self.sources.get(number)
    }
}

/// Computes a node in another way than the interpreter does, if it likes to.
pub type Evaluate<'a> = &'a mut dyn FnMut(&Op, &[&Tensor<f32>], Type) -> Option<Tensor<f32>>;

/// Looks for the sources of NaN and infinity in the results of a verified graph. `feeds` holds a value for each input;
/// `samples` is the extent of the first axis of data inputs. With `flush` subnormal numbers count as 0, as in compiled
/// programs.
///
/// # Errors
/// As for [`interpret`](super::interpret).
pub fn find_non_finite(
    graph: &Graph,
    feeds: &HashMap<String, Tensor<f32>>,
    samples: usize,
    flush: bool,
    evaluate: Evaluate<'_>,
) -> Result<Findings, InterpretError> {
    let given = graph.inputs.iter().zip(super::given(graph, feeds)?).map(|(input, value)| {
        let by_sample = input.role == Role::Data && !input.common && is_by_sample(value.ty().shape, samples);
        Traced { value, source: None, by_sample }
    });
    let given = given.collect();
    let mut search = Search { samples, flush, evaluate, sources: Vec::new() };
    let (outputs, updates) = search.run(graph, given, None);
    let results = outputs.iter().chain(&updates).enumerate().filter(|(_, result)| !result.is_finite());
    let results = results.map(|(position, result)| (position, result.source)).collect();
    Ok(Findings { results, sources: search.sources })
}

/// A value, and from where it has what is not finite in it.
#[derive(Clone)]
struct Traced {
    value: Tensor<f32>,
    source: Option<usize>,
    by_sample: bool,
}

impl Traced {
    fn is_finite(&self) -> bool {
        bad(&self.value).is_none()
    }
}

/// The place of the first number that is not finite.
fn bad(value: &Tensor<f32>) -> Option<usize> {
    match value {
        Tensor::F(_) => value.as_floats().iter().position(|x| !x.is_finite()),
        Tensor::H(_) => value.as_halves().iter().position(|&x| !f32::from(x).is_finite()),
        Tensor::I(_) | Tensor::U(_) | Tensor::S(_) | Tensor::B(_) => None,
    }
}

fn is_by_sample(shape: Shape, samples: usize) -> bool {
    shape.rank() > 0 && shape.dim(0) == samples
}

/// Where a body is run from.
#[derive(Clone, Copy)]
struct Around {
    scan: NodeId,
    step: usize,
}

struct Search<'e> {
    samples: usize,
    flush: bool,
    evaluate: Evaluate<'e>,
    sources: Vec<Source>,
}

impl Search<'_> {
    /// The outputs and the updates.
    fn run(&mut self, graph: &Graph, given: Vec<Traced>, around: Option<Around>) -> (Vec<Traced>, Vec<Traced>) {
        let mut values: Vec<Option<Traced>> = vec![None; graph.nodes.len()];
        for (input, mut value) in graph.inputs.iter().zip(given) {
            self.flush(&mut value.value);
            if around.is_none() && value.value.as_nan() {
                value.source = Some(self.add(graph, input.node, None, Cause::Given, &value));
            }
            values[input.node.index()] = Some(value);
        }
        let needed = needed(graph);
        let ends = ends(graph, &needed);
        let mut scans: HashMap<NodeId, Vec<Traced>> = HashMap::new();
        for id in graph.ids().filter(|id| needed[id.index()]) {
            let node = graph.node(id);
            if node.op == Op::Input {
                continue;
            }
            let operands: Vec<&Traced> =
                node.inputs.iter().filter_map(|&input| values[input.index()].as_ref()).collect();
            let result = match node.op {
                Op::Scan { body, length, reverse } => {
                    let scan = around.map_or(id, |around| around.scan);
                    let results = self.scan(&graph.bodies[body as usize], (length, reverse), scan, &operands);
                    scans.insert(id, results);
                    Traced { value: Tensor::ints(node.ty.shape, [length as i32]), source: None, by_sample: false }
                }
                Op::ScanResult { index } => scans[&node.inputs[0]][index as usize].clone(),
                _ => self.node(graph, id, around, &operands),
            };
            values[id.index()] = Some(result);
            // What nobody reads any more goes.
            for &operand in node.inputs.iter().filter(|operand| ends[operand.index()] == id.index()) {
                values[operand.index()] = None;
            }
        }
        let of = |node: NodeId| values[node.index()].clone().expect("a verified graph defines every result");
        (graph.outputs.iter().map(|o| of(o.node)).collect(), graph.updates.iter().map(|u| of(u.node)).collect())
    }

    /// All results of a scan.
    fn scan(&mut self, body: &Graph, loops: (usize, bool), scan: NodeId, operands: &[&Traced]) -> Vec<Traced> {
        let samples = self.samples;
        let row_of = |operand: &Traced, row| {
            let value = operand.value.row(row);
            let by_sample = is_by_sample(value.ty().shape, samples);
            Traced { source: operand.source.filter(|_| bad(&value).is_some()), value, by_sample }
        };
        let stacked = |rows: Vec<Traced>| {
            let source = rows.iter().filter_map(|row| row.source).min();
            let values: Vec<Tensor<f32>> = rows.into_iter().map(|row| row.value).collect();
            Traced { value: Tensor::stacked(&values), source, by_sample: false }
        };
        evaluate_scan(body, loops, operands, row_of, stacked, |inputs, step| {
            self.run(body, inputs, Some(Around { scan, step }))
        })
    }

    /// The value of a node that is no scan.
    fn node(&mut self, graph: &Graph, id: NodeId, around: Option<Around>, operands: &[&Traced]) -> Traced {
        let node = graph.node(id);
        let values: Vec<&Tensor<f32>> = operands.iter().map(|operand| &operand.value).collect();
        let result = (self.evaluate)(&node.op, &values, node.ty);
        let mut value = result.unwrap_or_else(|| node.op.evaluate(&values, node.ty));
        self.flush(&mut value);
        let by_sample = is_by_sample(node.ty.shape, self.samples) && keeps_samples(&node.op, operands);
        let mut traced = Traced { value, source: None, by_sample };
        if traced.is_finite() {
            return traced;
        }
        // For each operand that is not finite whether the elements of the result are computed from such numbers.
        let mut from_bad = vec![false; node.ty.shape.elements()];
        let mut inherited: Option<usize> = None;
        let numbers = traced.value.to_f64();
        for (position, operand) in operands.iter().enumerate().filter(|(_, operand)| !operand.is_finite()) {
            let touched = touched(&node.op, &values, position, node.ty);
            let mut passes = false;
            for ((from_bad, touched), number) in from_bad.iter_mut().zip(&touched).zip(&numbers) {
                *from_bad |= touched;
                passes |= *touched && !number.is_finite();
            }
            if passes {
                inherited = inherited.into_iter().chain(operand.source).min();
            }
        }
        if inherited.is_some() {
            traced.source = inherited;
            return traced;
        }
        let made = numbers.iter().zip(&from_bad).position(|(x, from_bad)| !x.is_finite() && !from_bad);
        let no_nan = !values.iter().any(|value| value.as_nan());
        let cause = match (node.op.traits().family, made) {
            (Family::Source, _) if traced.value.as_nan() => Cause::Given,
            (Family::Source, _) => return traced,
            (_, Some(_)) => Cause::Made,
            (_, None) if no_nan && traced.value.as_nan() => Cause::OfGiven,
            (_, None) => return traced,
        };
        let place = match cause {
            Cause::Made => made,
            Cause::OfGiven | Cause::Given => None,
        };
        let number = self.add(graph, id, around, cause, &traced);
        self.sources[number].describe(&traced.value, place, &node.inputs, graph, &values);
        traced.source = Some(number);
        traced
    }

    /// Takes note of a source.
    fn add(&mut self, graph: &Graph, id: NodeId, around: Option<Around>, cause: Cause, result: &Traced) -> usize {
        let node = graph.node(id);
        let mut source = Source {
            node: around.map_or(id, |around| around.scan),
            op: node.op.clone(),
            step: around.map(|around| (node.scope, around.step)),
            cause,
            ty: node.ty,
            index: Vec::new(),
            found: f32::NAN,
            count: 0,
            operands: Vec::new(),
            sample: None,
        };
        source.describe(&result.value, None, &[], graph, &[]);
        source.sample = source.index.first().copied().filter(|_| result.by_sample);
        self.sources.push(source);
        self.sources.len() - 1
    }

    fn flush(&self, value: &mut Tensor<f32>) {
        if let (true, Tensor::F(numbers)) = (self.flush, value) {
            numbers.mapv_inplace(|x| if x.is_subnormal() { 0.0_f32.copysign(x) } else { x });
        }
    }
}

impl Source {
    /// Says what was found: at a place, else at the first NaN, else at the first that is not finite.
    fn describe(
        &mut self,
        result: &Tensor<f32>,
        place: Option<usize>,
        inputs: &[NodeId],
        graph: &Graph,
        operands: &[&Tensor<f32>],
    ) {
        let numbers: Vec<f32> = result.to_f64().into_iter().map(|x| x as f32).collect();
        let place = place.or_else(|| numbers.iter().position(|x| x.is_nan())).or_else(|| bad(result)).unwrap_or(0);
        let had = self.sample.is_some();
        self.index = crate::indices::place(place, self.ty.shape.dims());
        self.sample = self.index.first().copied().filter(|_| had);
        self.found = numbers[place];
        self.count = numbers.iter().filter(|x| !x.is_finite()).count();
        let there = |operand: &Tensor<f32>| match self.op.traits().family {
            Family::Elementwise => operand.to_f64().get(place).map(|&x| x as f32),
            Family::Source
            | Family::Movement
            | Family::Reduce
            | Family::Contraction
            | Family::Window
            | Family::Indexing
            | Family::Random
            | Family::Scan
            | Family::Exchange => None,
        };
        let input = |id: &NodeId| graph.inputs.iter().find(|input| input.node == *id).map(|input| input.name.clone());
        let used = inputs.iter().zip(operands).map(|(id, operand)| Used {
            input: input(id),
            there: there(operand),
            ty: operand.ty(),
            range: range(operand),
        });
        self.operands = used.collect();
    }
}

impl Tensor<f32> {
    /// Whether there is a NaN in it.
    fn as_nan(&self) -> bool {
        match self {
            Tensor::F(_) => self.as_floats().iter().any(|x| x.is_nan()),
            Tensor::H(_) => self.as_halves().iter().any(|&x| f32::from(x).is_nan()),
            Tensor::I(_) | Tensor::U(_) | Tensor::S(_) | Tensor::B(_) => false,
        }
    }
}

fn range(value: &Tensor<f32>) -> Option<(f32, f32)> {
    let numbers: Vec<f32> = match value {
        Tensor::U(_) | Tensor::S(_) | Tensor::B(_) => return None,
        Tensor::F(_) => value.as_floats().iter().copied().filter(|x| !x.is_nan()).collect(),
        Tensor::H(_) => value.as_halves().iter().map(|&x| f32::from(x)).filter(|x| !x.is_nan()).collect(),
        Tensor::I(_) => value.as_ints().iter().map(|&x| x as f32).collect(),
    };
    let least = numbers.iter().copied().reduce(f32::min)?;
    Some((least, numbers.into_iter().reduce(f32::max)?))
}

/// For each node the last one that reads it, or one past all if it is a result.
fn ends(graph: &Graph, needed: &[bool]) -> Vec<usize> {
    let mut ends = vec![usize::MAX; graph.nodes.len()];
    for id in graph.ids().filter(|id| needed[id.index()]) {
        graph.node(id).inputs.iter().for_each(|input| ends[input.index()] = id.index());
    }
    graph.roots().for_each(|root| ends[root.index()] = usize::MAX);
    ends
}

/// For each element of a result whether it is computed from an element of the operand at a position that is not finite.
fn touched(op: &Op, operands: &[&Tensor<f32>], position: usize, ty: Type) -> Vec<bool> {
    let filled = |value: f64, ty: Type| Tensor::<f32>::floats(ty.shape, vec![value; ty.shape.elements()]);
    let flags = operands[position].to_f64().into_iter().map(|x| f64::from(u8::from(!x.is_finite())));
    let flags = Tensor::<f32>::floats(operands[position].ty().shape, flags);
    // The operation on flags, with something neutral in the place of the other numbers.
    let with = |op: &Op, neutral: f64, kept: Option<usize>| {
        let others: Vec<Tensor<f32>> = operands
            .iter()
            .enumerate()
            .map(|(other, &operand)| match operand {
                _ if other == position => flags.clone(),
                Tensor::F(_) | Tensor::H(_) if kept != Some(other) => filled(neutral, operand.ty()),
                _ => operand.clone(),
            })
            .collect();
        op.evaluate(&others.iter().collect::<Vec<_>>(), ty)
    };
    let result = match (op.traits().family, op) {
        (Family::Elementwise, Op::Select) => with(op, 0.0, None),
        (Family::Elementwise, _) => flags.clone(),
        (Family::Reduce, &Op::Reduce { axes, .. }) => with(&Op::Reduce { op: ReduceOp::Max, axes }, 0.0, None),
        (Family::Contraction, _) => with(op, 1.0, None),
        // The first operand says where the others go.
        (Family::Window, Op::WindowMaxGrad(_) | Op::WindowMaxPick(_)) if position == 0 => filled(0.0, ty),
        (Family::Window, Op::WindowMaxGrad(_) | Op::WindowMaxPick(_)) => with(op, 0.0, Some(0)),
        (Family::Movement | Family::Indexing | Family::Window | Family::Exchange, _) => with(op, 0.0, None),
        (Family::Reduce | Family::Source | Family::Random | Family::Scan, _) => filled(1.0, ty),
    };
    // A window of the padding alone has the maximum -inf.
    result.to_f64().into_iter().map(|flag| flag > 0.0).collect()
}

/// Whether the first axis of a result, which is as long as there are samples, goes by samples.
fn keeps_samples(op: &Op, operands: &[&Traced]) -> bool {
    let first = operands.first().is_some_and(|operand| operand.by_sample);
    let any = operands.iter().any(|operand| operand.by_sample);
    match *op {
        Op::Reduce { axes, .. } => first && !axes.contains(0),
        Op::ArgReduce { axis, .. } => first && axis != 0,
        Op::Concat { axis } => any && axis != 0,
        Op::Transpose(permutation) => first && permutation[0] == 0,
        Op::Slice(ref spec) => first && spec.step[0] == 1,
        Op::Reverse(axes) => first && !axes.contains(0),
        Op::Gather { axis } => any && axis != 0,
        Op::ScatterAdd { axis, .. } => any && axis != 0,
        Op::TakeRows => operands.get(1).is_some_and(|indices| indices.by_sample),
        Op::ScatterRows { .. } | Op::ConvGradWeight { .. } => false,
        Op::Dot | Op::Conv(_) | Op::ConvGradInput { .. } => first,
        _ => match op.traits().family {
            Family::Elementwise | Family::Movement | Family::Window => any,
            Family::Source
            | Family::Reduce
            | Family::Contraction
            | Family::Indexing
            | Family::Random
            | Family::Scan
            | Family::Exchange => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::Builder;

    /// The operation, the cause, the place and the number of what made the first bad number of a function of `x`.
    fn check(
        x: &[f64],
        function: impl for<'g> Fn(crate::Value<'g>) -> crate::Value<'g>,
        expected: Option<(&str, Cause, &[usize], f32)>,
    ) {
        let g = Builder::new("g");
        let input = g.input("x", [x.len()]);
        g.output("y", function(input));
        let graph = g.finish().expect("nothing is wrong");
        let feeds = HashMap::from([("x".to_owned(), Tensor::floats([x.len()], x.iter().copied()))]);
        let found = find_non_finite(&graph, &feeds, x.len(), true, &mut |_, _, _| None).expect("x is given");
        let source = found.first();
        let found = source.map(|source| (source.op.mnemonic(), source.cause, source.index.clone(), source.found));
        match (&found, expected) {
            (None, None) => {}
            (Some((op, cause, index, number)), Some(expected)) => {
                assert_eq!((*op, *cause, index.as_slice()), (expected.0, expected.1, expected.2), "{source:?}");
                assert!(*number == expected.3 || number.is_nan() && expected.3.is_nan(), "{source:?}");
            }
            _ => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn the_first_source_of_a_result_is_found() {
        use Cause::{Given, Made, OfGiven};
        let inf = f32::INFINITY;
        let nan = f32::NAN;
        check(&[1.0, 0.0], |x| x.log(), Some(("log", Made, &[1], -inf)));
        check(&[1.0, -1.0], |x| x.sqrt() * 2.0, Some(("sqrt", Made, &[1], nan)));
        check(&[1.0, 100.0], |x| x.exp(), Some(("exp", Made, &[1], inf)));
        // An infinity that goes away again is nothing.
        check(&[1.0, 100.0], |x| 1.0 / x.exp(), None);
        // The exponential is not the source of what the logarithm gives.
        check(&[0.0, 100.0], |x| 1.0 / x.exp() + x.log(), Some(("log", Made, &[0], -inf)));
        // Masks: infinities that are constants, and those of inputs.
        check(&[0.5, 2.0], |x| x.lt(1.0).select(x, f64::NEG_INFINITY), None);
        check(&[2.0, 2.0], |x| x.lt(1.0).select(x, f64::NEG_INFINITY).softmax(0), Some(("sub", OfGiven, &[0], nan)));
        check(&[0.5, 2.0], |x| x.lt(1.0).select(x, f64::NEG_INFINITY).softmax(0), None);
        // What is not taken is no source.
        check(&[0.5, 0.0], |x| x.gt(0.0).select(x.log(), 0.0), None);
        check(&[1.0, f64::INFINITY], |x| x * 2.0, None);
        check(&[1.0, f64::INFINITY], |x| x - x, Some(("sub", OfGiven, &[1], nan)));
        check(&[1.0, f64::NAN], |x| x.exp(), Some(("input", Given, &[1], nan)));
        // Subnormal numbers count as 0.
        check(&[1.0, 1e-40], |x| x.log(), Some(("log", Made, &[1], -inf)));
        check(&[3e38, 3e38], |x| x.sum(..), Some(("sum", Made, &[], inf)));
        check(&[f64::INFINITY, 3e38, 3e38], |x| x.sum(..), None);
        check(&[0.0, 0.0], |x| x / x.sum(..), Some(("div", Made, &[0], nan)));
    }
}
