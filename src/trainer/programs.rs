//! The compiled programs of one model: a training step, an evaluation and a prediction, each for every batch size that
//! was asked for, over one set of states. It knows graphs and the compiler; it checks no user's input.

use std::sync::Arc;

use kiln_graph::losses::Loss;
use kiln_graph::optimizers::Optimizer;
use kiln_graph::{Builder, Element, Elements, Graph, Kind, Layer, Model, Path, Role, Shape, Type, Value, optimize};
use kiln_jit::{CompileOptions, Plan, Program, Session, States};
use kiln_runtime::Pool;
use ndarray::{ArrayView, ArrayViewD};

use super::error::TrainError;
use super::targets::TargetElement;
use crate::report::Profile;

/// What a program computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Loss, gradients and update, in training mode.
    Train,
    /// Loss and prediction.
    Evaluate,
    /// The prediction.
    Predict,
}

/// The name of the data input of samples.
const INPUT: &str = "x";
/// The name of the data input of targets.
const TARGET: &str = "y";

/// The parameters that an optimizer changes, in order.
pub fn trained(model: &impl Layer) -> Vec<(String, Shape)> {
    let mut parameters = Vec::new();
    model.visit(&mut Path::default(), &mut |name, parameter| {
        if parameter.kind == Kind::Trained {
            parameters.push((name.to_string(), parameter.shape()));
        }
    });
    parameters
}

/// The graph of a prediction for `batch` samples. The builder's mode says whether layers behave as in training.
fn forward<'g, M: Model>(g: &'g Builder, model: &M, batch: usize) -> Value<'g> {
    let x = g.input_of(INPUT, Type::new(M::Input::DTYPE, M::INPUT.with(0, batch)));
    model.forward(g, x)
}

/// The graph that predicts `batch` samples: output `prediction`.
pub fn predict_graph<M: Model>(model: &M, batch: usize) -> Result<Graph, TrainError> {
    let g = Builder::new("predict");
    let prediction = forward(&g, model, batch);
    g.output("prediction", prediction);
    Ok(g.finish()?)
}

/// The graph that predicts `batch` samples and compares with their targets: outputs `loss` and `prediction`.
pub fn evaluate_graph<M: Model>(model: &M, loss: &impl Loss, batch: usize) -> Result<Graph, TrainError> {
    let g = Builder::new("evaluate");
    let prediction = forward(&g, model, batch);
    let target = g.input_of(TARGET, loss.target_type(prediction.shape()));
    g.output("loss", loss.loss(&g, prediction, target));
    g.output("prediction", prediction);
    Ok(g.finish()?)
}

/// The graph of one training step for `batch` samples: output `loss`, and updates of all states. What layers draw depends
/// on the seed.
pub fn train_graph<M: Model>(
    model: &M,
    loss: &impl Loss,
    optimizer: &impl Optimizer,
    batch: usize,
    seed: u64,
) -> Result<Graph, TrainError> {
    let g = Builder::new("train");
    g.set_training(true);
    g.set_seed(seed);
    let prediction = forward(&g, model, batch);
    let target = g.input_of(TARGET, loss.target_type(prediction.shape()));
    let value = loss.loss(&g, prediction, target);
    let state = |(name, shape): (String, Shape)| {
        let value = g.state(&name, Type::f32(shape));
        (name, value)
    };
    let parameters: Vec<(String, Value<'_>)> = trained(model).into_iter().map(state).collect();
    let values: Vec<Value<'_>> = parameters.iter().map(|(_, value)| *value).collect();
    let gradients = g.gradients_of(value, &values)?;
    optimizer.apply(&g, &parameters, &gradients);
    g.output("loss", value);
    Ok(g.finish()?)
}

/// A compiled program of the model, with its memory.
pub struct Compiled {
    task: Task,
    batch: usize,
    session: Session,
    samples: usize,
    /// A prediction has no targets.
    targets: Option<usize>,
}

impl Compiled {
    /// Writes the inputs (targets in the given shape; a prediction takes none), and runs.
    pub fn run<T: TargetElement>(
        &mut self,
        states: &mut States,
        samples: Elements<'_>,
        targets: &[T],
        shape: Shape,
    ) -> Result<(), TrainError> {
        match samples {
            Elements::F32(numbers) => self.session.write_input_f32(self.samples, numbers)?,
            Elements::I32(indices) => self.session.write_input_i32(self.samples, indices)?,
            Elements::Bool(flags) => self.session.write_input_i32(self.samples, flags.mapv(i32::from).view())?,
        }
        if let Some(input) = self.targets {
            let targets = ArrayView::from_shape(shape.dims(), targets).expect("as many targets as their shape says");
            T::write(&mut self.session, input, targets)?;
        }
        Ok(self.session.run(states)?)
    }

    /// Times the program; the states are afterwards what they were before.
    pub fn profile(&mut self, states: &mut States, graph: &Graph) -> Result<Profile, TrainError> {
        Ok(Profile::measure(&mut self.session, states, graph)?)
    }

    /// The loss of the last run.
    pub fn loss(&self) -> f32 {
        self.session.scalar(0)
    }

    /// The prediction of the last run.
    pub fn prediction(&self) -> ArrayViewD<'_, f32> {
        self.session.output(if self.task == Task::Predict { 0 } else { 1 })
    }
}

/// A model's compiled programs and the states that they share.
pub struct Programs {
    pool: Arc<Pool>,
    states: States,
    compiled: Vec<Compiled>,
}

impl Programs {
    /// None yet.
    pub fn new(pool: Arc<Pool>) -> Programs {
        Programs { pool, states: States::new(), compiled: Vec::new() }
    }

    /// The states: parameters, and what loss and optimizer keep.
    pub fn states_mut(&mut self) -> &mut States {
        &mut self.states
    }

    /// The program for a task and a batch size, and the states to run it with. It is compiled from `graph` the first
    /// time; its states then take the layouts that they have in the programs compiled before.
    pub fn get(
        &mut self,
        task: Task,
        batch: usize,
        graph: impl FnOnce() -> Result<Graph, TrainError>,
    ) -> Result<(&mut Compiled, &mut States), TrainError> {
        let known = self.compiled.iter().position(|program| (program.task, program.batch) == (task, batch));
        let place = match known {
            Some(place) => place,
            None => {
                let session = self.compile(&graph()?)?;
                let samples = session.program().input(INPUT).expect("every graph here has samples");
                let targets = session.program().input(TARGET);
                self.compiled.push(Compiled { task, batch, session, samples, targets });
                self.compiled.len() - 1
            }
        };
        Ok((&mut self.compiled[place], &mut self.states))
    }

    fn compile(&mut self, graph: &Graph) -> Result<Session, TrainError> {
        let states = graph.inputs.iter().filter(|input| input.role == Role::State);
        let state_layouts = states.filter_map(|input| Some((input.name.clone(), self.states.layout(&input.name)?)));
        let options = CompileOptions { state_layouts: state_layouts.collect(), ..CompileOptions::default() };
        let program = Program::compile(&optimize(graph), &options)?;
        Ok(Session::new(Arc::new(program), &mut self.states, self.pool.clone())?)
    }

    /// The plan of a program, if it was compiled.
    pub fn plan(&self, task: Task, batch: usize) -> Option<&Plan> {
        let mut programs = self.compiled.iter();
        programs.find(|p| (p.task, p.batch) == (task, batch)).map(|p| p.session.program().plan())
    }

    /// Hands the model's parameters to the states, which must exist.
    pub fn write_parameters(&mut self, model: &impl Layer) -> Result<(), TrainError> {
        let mut result = Ok(());
        model.visit(&mut Path::default(), &mut |name, parameter| {
            if result.is_ok() && self.states.layout(name).is_some() {
                result = self.states.write(name, parameter.value.view());
            }
        });
        Ok(result?)
    }

    /// Brings the model's parameters up to date with the states.
    pub fn read_parameters(&self, model: &mut impl Layer) {
        model.visit_mut(&mut Path::default(), &mut |name, parameter| {
            if let Some(value) = self.states.read(name) {
                parameter.value = value;
            }
        });
    }
}
