//! A compiled program whose results are looked at after each run. Where there is NaN or infinity, the run is computed
//! again from what was kept of before it. It knows the graph that the program was compiled of, and no kernel.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use kiln_graph::interpret::{Tensor, find_non_finite};
use kiln_graph::{DType, Elements, Graph, Role, Type};
use kiln_jit::{Session, States};

use super::nodes::Nodes;
use super::{NonFinite, Unexplained};
use crate::trainer::TrainError;

/// What a program keeps that is looked at.
#[derive(Clone)]
pub struct Checked {
    /// As it was built: no pass has changed it.
    graph: Graph,
    samples: usize,
    flush: bool,
    /// The data inputs of the next run, in their order.
    inputs: Vec<Option<Tensor<f32>>>,
    /// The places of infinities in outputs that were found to be no alarm: those of a mask come again in each run.
    harmless: Option<u64>,
}

impl Checked {
    /// Looks at a program of a graph for so many samples that counts subnormal numbers as 0 or not.
    pub fn new(graph: &Graph, samples: usize, flush: bool) -> Checked {
        let data = graph.inputs.iter().filter(|input| input.role == Role::Data).count();
        Checked { graph: graph.clone(), samples, flush, inputs: vec![None; data], harmless: None }
    }

    /// Takes note of a data input, by its position among them.
    pub fn give(&mut self, input: usize, given: &Elements<'_>) {
        self.inputs[input] = Some(match given {
            Elements::F32(numbers) => Tensor::F(numbers.as_standard_layout().into_owned()),
            Elements::I32(numbers) => Tensor::I(numbers.as_standard_layout().into_owned()),
            Elements::Bool(flags) => Tensor::B(flags.as_standard_layout().into_owned()),
        });
    }

    /// Before a run: keeps the states where the run changes some.
    pub fn begin(&self, states: &mut States) {
        if !self.graph.updates.is_empty() {
            states.keep();
        }
    }

    /// After a run: an error where a result is not finite that should be; the states are then what they were before the run.
    ///
    /// # Errors
    /// [`TrainError::Numerics`]; [`TrainError::Unexplained`].
    pub fn end(&mut self, session: &Session, states: &mut States) -> Result<(), TrainError> {
        let Some(bad) = self.alarm(session, states) else { return Ok(()) };
        // The replay begins where the run began.
        let after = bad.iter().any(|result| !result.is_output).then(|| self.after(states));
        if !self.graph.updates.is_empty() {
            states.take_back();
        }
        self.replay(session, states, bad)?;
        // Infinities that inputs and constants hold, and no NaN of them.
        after.into_iter().flatten().try_for_each(|(name, value)| write(states, &name, &value))
    }

    /// As [`Checked::end`], of a program that writes no states.
    pub fn end_shared(&mut self, session: &Session, states: &States) -> Result<(), TrainError> {
        self.alarm(session, states).map_or(Ok(()), |bad| self.replay(session, states, bad))
    }

    /// The results that are not finite, unless they are those of the last time that were no alarm.
    fn alarm(&self, session: &Session, states: &States) -> Option<Vec<Bad>> {
        let bad = self.bad(session, states);
        let may_be_harmless = bad.iter().all(|result| result.is_output && !result.is_nan);
        let is_known = may_be_harmless && self.harmless.is_some_and(|known| known == places(session));
        (!bad.is_empty() && !is_known).then_some(bad)
    }

    /// Computes the run again, from states that are as they were before it: an error that names what went wrong; none if it is
    /// no alarm.
    fn replay(&mut self, session: &Session, states: &States, bad: Vec<Bad>) -> Result<(), TrainError> {
        let feeds = self.feeds(states);
        for mut nodes in [Nodes::large(), Nodes::all()] {
            let evaluate = &mut |op: &_, operands: &[&_], ty| nodes.evaluate(op, operands, ty);
            let findings = find_non_finite(&self.graph, &feeds, self.samples, self.flush, evaluate)
                .expect("a checked program has a value for each input");
            if let Some(source) = findings.first() {
                let report = NonFinite::new(&self.graph, session.program().plan(), &findings, source);
                return Err(TrainError::Numerics(Box::new(report)));
            }
            if !findings.results.is_empty() {
                self.harmless = Some(places(session));
                return Ok(());
            }
        }
        let results = bad.into_iter().map(|result| result.name).collect();
        Err(TrainError::Unexplained(Box::new(Unexplained { program: self.graph.name.clone(), results })))
    }

    /// The results that are not finite.
    fn bad(&self, session: &Session, states: &States) -> Vec<Bad> {
        let outputs = outputs(session).filter_map(|(name, position)| {
            let output = session.output(position);
            let is_nan = output.iter().any(|x| x.is_nan());
            let is_bad = is_nan || output.iter().any(|x| !x.is_finite());
            is_bad.then(|| Bad { name: name.to_owned(), is_output: true, is_nan })
        });
        let updated = self.graph.updates.iter().map(|update| self.graph.inputs[update.input].name.as_str());
        let updated = updated.filter(|name| !states.is_finite(name));
        outputs.chain(updated.map(|name| Bad { name: name.to_owned(), is_output: false, is_nan: false })).collect()
    }

    /// What a run has made of the states that it updates.
    fn after(&self, states: &States) -> Vec<(String, Tensor<f32>)> {
        let updated = self.graph.updates.iter().map(|update| &self.graph.inputs[update.input]);
        updated
            .filter_map(|input| Some((input.name.clone(), read(states, &input.name, self.graph.ty(input.node))?)))
            .collect()
    }

    /// A value for each input.
    fn feeds(&self, states: &States) -> HashMap<String, Tensor<f32>> {
        let mut data = self.inputs.iter();
        let mut feeds = HashMap::new();
        for input in &self.graph.inputs {
            let ty = self.graph.ty(input.node);
            let value = match input.role {
                Role::Data => data.next().and_then(|given| as_type(given.clone()?, ty)),
                Role::State => read(states, &input.name, ty),
            };
            // An input that nothing uses is in no program.
            feeds.insert(input.name.clone(), value.unwrap_or_else(|| zeros(ty)));
        }
        feeds
    }
}

/// A result that is not finite.
struct Bad {
    name: String,
    is_output: bool,
    is_nan: bool,
}

/// The outputs of f32, with their positions.
fn outputs(session: &Session) -> impl Iterator<Item = (&str, usize)> {
    let outputs = session.program().plan().outputs.iter().enumerate();
    outputs
        .filter(|(_, output)| output.ty.dtype == DType::F32)
        .map(|(position, output)| (output.name.as_str(), position))
}

/// Tells apart at which places outputs are not finite.
fn places(session: &Session) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (_, position) in outputs(session) {
        let bad = session.output(position);
        let bad = bad.iter().enumerate().filter(|(_, x)| !x.is_finite());
        bad.for_each(|(place, x)| {
            hasher.write_usize(place);
            hasher.write_u8(u8::from(*x > 0.0));
        });
        hasher.write_usize(usize::MAX);
    }
    hasher.finish()
}

fn read(states: &States, name: &str, ty: Type) -> Option<Tensor<f32>> {
    match ty.dtype {
        DType::F32 => states.read(name).map(Tensor::F),
        DType::Bf16 | DType::U8 => None,
        DType::I8 => states.read_i8(name).map(Tensor::S),
        DType::I32 => states.read_i32(name).map(Tensor::I),
        DType::Bool => states.read_i32(name).map(|flags| Tensor::B(flags.mapv(|flag| flag != 0))),
    }
}

fn write(states: &mut States, name: &str, value: &Tensor<f32>) -> Result<(), TrainError> {
    match value {
        Tensor::F(numbers) => states.write(name, numbers.view())?,
        Tensor::H(_) | Tensor::U(_) | Tensor::S(_) => {
            unreachable!("neither inputs nor what is updated are narrow")
        }
        Tensor::I(numbers) => states.write_i32(name, numbers.view())?,
        Tensor::B(flags) => states.write_i32(name, flags.mapv(i32::from).view())?,
    }
    Ok(())
}

/// What was given, as the input takes it: whole numbers stand for truth values, too.
fn as_type(given: Tensor<f32>, ty: Type) -> Option<Tensor<f32>> {
    let given = match (given, ty.dtype) {
        (Tensor::I(numbers), DType::Bool) => Tensor::B(numbers.mapv(|number| number != 0)),
        (Tensor::B(flags), DType::I32) => Tensor::I(flags.mapv(i32::from)),
        (given, _) => given,
    };
    (given.ty() == ty).then_some(given)
}

fn zeros(ty: Type) -> Tensor<f32> {
    let count = ty.shape.elements();
    match ty.dtype {
        DType::F32 => Tensor::floats(ty.shape, vec![0.0; count]),
        DType::Bf16 => Tensor::halves(ty.shape, vec![0.0; count]),
        DType::U8 | DType::I8 => Tensor::bytes(ty.dtype, ty.shape, vec![0.0; count]),
        DType::I32 => Tensor::ints(ty.shape, vec![0; count]),
        DType::Bool => Tensor::bools(ty.shape, vec![false; count]),
    }
}
