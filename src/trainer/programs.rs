//! The compiled programs of one model (a training step, an evaluation, a prediction, the steps of a `model!`), each for
//! the sizes that were asked for last, over one set of states and in one arena. It knows graphs and the compiler; it
//! checks no user's input.

mod sharded;

pub use sharded::OwnValues;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use kiln_graph::build::{BATCH_ROWS, SHARD_NUMBER, SHARD_ROWS};
use kiln_graph::indices::{IndexRule, index_rule};
use kiln_graph::optimizers::Optimization;
use kiln_graph::passes::in_precision;
use kiln_graph::shape::Sizes;
use kiln_graph::{Element, Elements, Graph, Input, Parameters, Role, Shape};
use kiln_jit::plan::{Argument, EXCHANGE};
use kiln_jit::{Arena, Plan, Session, States};
use kiln_rt::Pool;
use ndarray::{ArrayD, ArrayViewD};

use super::builder::Settings;
use super::error::TrainError;
use super::planning::{keeps, layouts, plan_graph, read_parameters, take_parameters};
use super::shards::Shards;
use super::view;
use crate::numerics::Checked;
use crate::report::{CachedProgram, CachedPrograms, Profile, Tuning};
use crate::tuning::Tuner;

/// The program of loss, gradients and update, in training mode; inputs: samples, targets.
pub const TRAIN: &str = "train";
/// The program of loss and prediction; inputs: samples, targets.
pub const EVALUATE: &str = "evaluate";
/// The program of the prediction; input: samples.
pub const PREDICT: &str = "predict";

/// The outputs that count the numbers which a function does not take: `outside.0.bce.0..1`.
pub const OUTSIDE: &str = "outside.";

/// The outputs that are the mean and its divisor of each loss of a step: `loss.0.mean`.
pub const PART: &str = "loss.";

/// What builds a program's graph for some sizes. Not a type of its own for each model: programs are then looked up and
/// compiled by the same code, which is compiled once and not in the user's crate.
pub type GraphOf<'a> = &'a mut dyn FnMut(Sizes) -> Result<Graph, TrainError>;

/// What gives a program its inputs: some rows of the batch.
pub type GiveRows<'a> = &'a mut dyn FnMut(&mut Compiled, Range<usize>) -> Result<(), TrainError>;

/// Whether a data input is none that a user gives.
fn is_of_shards(name: &str) -> bool {
    [SHARD_ROWS, BATCH_ROWS, SHARD_NUMBER].contains(&name) || name.starts_with(EXCHANGE)
}

/// A compiled program of the model, with its memory.
pub struct Compiled {
    name: &'static str,
    sizes: Sizes,
    /// How often it has run.
    uses: u64,
    /// Whether it takes averages in the place of parameters.
    averaged: bool,
    session: Session,
    /// The data inputs, in order: where each stands among all inputs, and what indices in it must obey.
    inputs: Vec<(usize, Option<IndexRule>)>,
    /// Masks that are given, as programs read them.
    flags: Vec<i32>,
    /// The outputs that count numbers which a function does not take, each with the function and what it takes.
    outside: Vec<(usize, String, String)>,
    /// See [`Compiled::parts`].
    parts: usize,
    /// Where results are looked at.
    checked: Option<Box<Checked>>,
}

/// What a compiled program knows of its graph, which need not be there any more when the program gets its memory.
pub(crate) struct OfGraph {
    /// For each input by its name what indices in it must obey.
    rules: Vec<(String, Option<IndexRule>)>,
    checked: Option<Box<Checked>>,
}

impl OfGraph {
    pub(crate) fn new(graph: &Graph, sizes: &Sizes, settings: &Settings) -> OfGraph {
        let rule = |input: &Input| (input.name.clone(), index_rule(graph, input.node));
        let checked = || Box::new(Checked::new(graph, sizes.batch(), settings.flush_denormal));
        let rules = graph.inputs.iter().filter(|input| input.role == Role::Data).map(rule).collect();
        OfGraph { rules, checked: settings.check_numerics.then(checked) }
    }
}

impl Compiled {
    pub(crate) fn new(name: &'static str, sizes: Sizes, of_graph: OfGraph, session: Session) -> Compiled {
        let OfGraph { rules, checked } = of_graph;
        let inputs = session.program().plan().inputs.iter().enumerate();
        let is_given = |input: &Argument| input.role == Role::Data && !is_of_shards(&input.name);
        let data = inputs.filter(|(_, input)| is_given(input)).map(|(position, input)| {
            let rule = rules.iter().find(|(name, _)| *name == input.name);
            (position, rule.and_then(|(_, rule)| rule.clone()))
        });
        let outputs = &session.program().plan().outputs;
        // Each has a mean and a divisor.
        let parts = outputs.iter().filter(|output| output.name.starts_with(PART)).count() / 2;
        let outside = outputs.iter().enumerate().filter_map(|(position, output)| {
            let (_, said) = output.name.strip_prefix(OUTSIDE)?.split_once('.')?;
            let (function, range) = said.split_once('.')?;
            Some((position, function.to_owned(), range.replace("..", " to ")))
        });
        Compiled {
            name,
            sizes,
            uses: 0,
            averaged: false,
            inputs: data.collect(),
            flags: Vec::new(),
            outside: outside.collect(),
            parts,
            checked,
            session,
        }
    }

    /// Sets a data input, by its position among them.
    ///
    /// # Errors
    /// [`TrainError::Index`] for an index that points at nothing.
    pub fn write<T: Element>(&mut self, input: usize, from: ArrayViewD<'_, T>) -> Result<(), TrainError> {
        self.write_elements(input, T::elements(from))
    }

    /// As [`Compiled::write`], of elements of any type.
    pub fn write_elements(&mut self, input: usize, from: Elements<'_>) -> Result<(), TrainError> {
        if let Some(checked) = &mut self.checked {
            checked.give(input, &from);
        }
        let (input, rule) = &self.inputs[input];
        match from {
            Elements::F32(numbers) => self.session.write_input_f32(*input, numbers)?,
            Elements::I32(indices) => {
                rule.as_ref().map_or(Ok(()), |rule| rule.check(&indices))?;
                self.session.write_input_i32(*input, indices)?;
            }
            Elements::Bool(flags) => {
                self.flags.clear();
                self.flags.extend(flags.iter().map(|&flag| i32::from(flag)));
                self.session.write_input_i32(*input, view(&self.flags, Shape::from(flags.shape())))?;
            }
        }
        Ok(())
    }

    /// Runs it; all data inputs have been written.
    ///
    /// # Errors
    /// [`TrainError::Outside`] where a function was given numbers that it does not take; with `check_numerics`
    /// [`TrainError::Numerics`] and [`TrainError::Unexplained`]; the states are then as they were.
    pub fn run(&mut self, states: &mut States) -> Result<(), TrainError> {
        if let Some(checked) = &self.checked {
            checked.begin(states);
        }
        self.session.run(states)?;
        self.uses += 1;
        self.check_outside()?;
        match &mut self.checked {
            Some(checked) => checked.end(&self.session, states),
            None => Ok(()),
        }
    }

    /// As [`Compiled::run`], of a program that writes no states; forks run at once.
    pub fn run_shared(&mut self, states: &States) -> Result<(), TrainError> {
        self.session.run_shared(states)?;
        self.check_outside()?;
        match &mut self.checked {
            Some(checked) => checked.end_shared(&self.session, states),
            None => Ok(()),
        }
    }

    /// Takes note of a run that somebody else has seen to.
    ///
    /// # Errors
    /// As for [`Compiled::run`].
    pub fn ran(&mut self) -> Result<(), TrainError> {
        self.uses += 1;
        self.check_outside()
    }

    fn check_outside(&self) -> Result<(), TrainError> {
        match self.outside.iter().find(|(position, ..)| self.session.scalar(*position) > 0.0) {
            None => Ok(()),
            Some((position, function, range)) => Err(TrainError::Outside {
                function: function.clone(),
                range: range.clone(),
                count: self.session.scalar(*position) as usize,
            }),
        }
    }

    /// Another one with the same code and states, without an arena: both run at once.
    pub fn fork(&self) -> Compiled {
        Compiled {
            uses: 0,
            session: self.session.fork(),
            inputs: self.inputs.clone(),
            flags: Vec::new(),
            outside: self.outside.clone(),
            checked: self.checked.clone(),
            ..*self
        }
    }

    /// What a report says of it.
    pub(crate) fn cached(&self, settings: &Settings, uses: u64) -> CachedProgram {
        let program = self.session.program();
        let bytes = self.session.arena_bytes();
        CachedProgram {
            name: self.name.to_owned(),
            sizes: self.sizes,
            usual: settings.are_usual(&self.sizes),
            bytes,
            kept_bytes: program.plan().arena_bytes - bytes,
            code_bytes: program.code_bytes(),
            uses,
        }
    }

    /// Times the program; the states are afterwards what they were before.
    pub fn profile(&mut self, states: &mut States, graph: &Graph) -> Result<Profile, TrainError> {
        Ok(Profile::measure(&mut self.session, states, graph)?)
    }

    /// Its memory, which holds the results of the last run.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The losses of which a trainer's step gives mean and divisor, behind its loss.
    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// The same, to give it an arena and to take it.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is compiled for.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Whether it is the program of a name for some sizes.
    pub fn is(&self, name: &str, sizes: &Sizes) -> bool {
        self.sizes == *sizes && self.name == name
    }
}

/// A model's compiled programs, the states that they share, and the arena in which one of them computes at a time.
pub struct Programs {
    pool: Arc<Pool>,
    states: States,
    /// The one that was asked for last comes first, and has the arena.
    compiled: Vec<Compiled>,
    settings: Settings,
    tuner: Option<Tuner>,
    averages: Averages,
    /// The steps of this rank's shards, where batches have shards.
    shards: Option<Shards>,
    /// The states that count batches of which several make one step.
    counters: Vec<String>,
}

/// The averages of parameters that optimizers keep.
#[derive(Default)]
struct Averages {
    /// By the parameter, the state that holds its average.
    states: HashMap<String, String>,
    /// The programs that train, which never take them.
    training: Vec<&'static str>,
    /// Whether the others take them in the place of the parameters.
    used: bool,
}

impl Averages {
    /// Whether a program takes them.
    fn are_for(&self, name: &str) -> bool {
        self.used && !self.training.contains(&name)
    }

    /// The state that holds a parameter's value.
    fn state<'n>(&'n self, parameter: &'n str) -> &'n str {
        let average = self.states.get(parameter).filter(|_| self.used);
        average.map_or(parameter, String::as_str)
    }

    /// The graph, with averages in the place of parameters.
    fn of(&self, graph: &Graph) -> Graph {
        let mut graph = graph.clone();
        for input in graph.inputs.iter_mut().filter(|input| input.role == Role::State) {
            input.name = self.state(&input.name).to_owned();
        }
        graph
    }
}

impl Programs {
    /// None yet; the tuner, if there is one, plans them.
    pub fn new(pool: Arc<Pool>, settings: Settings, tuner: Option<Tuner>) -> Programs {
        Programs {
            pool,
            states: States::new(),
            compiled: Vec::new(),
            settings,
            tuner,
            averages: Averages::default(),
            shards: None,
            counters: Vec::new(),
        }
    }

    /// The states: parameters, and what loss and optimizer keep.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// The states: parameters, and what loss and optimizer keep.
    pub fn states_mut(&mut self) -> &mut States {
        &mut self.states
    }

    /// The program of a name for some sizes, and the states to run it with. It is compiled from `graph` where there is none;
    /// its states then take the layouts that they have in the programs compiled before. What other programs hold in the arena
    /// is lost.
    pub fn get(
        &mut self,
        name: &'static str,
        sizes: Sizes,
        graph: GraphOf<'_>,
    ) -> Result<(&mut Compiled, &mut States), TrainError> {
        let averaged = self.averages.are_for(name);
        let found = self.compiled.iter().position(|program| program.is(name, &sizes) && program.averaged == averaged);
        let place = match found {
            Some(place) => place,
            None if averaged => {
                let graph = self.settings.at(&sizes, graph(sizes))?;
                let averaged = self.averages.of(&graph);
                drop(graph);
                self.add(name, sizes, averaged)?;
                self.compiled[0].averaged = true;
                0
            }
            None => {
                let graph = self.settings.at(&sizes, graph(sizes))?;
                self.add(name, sizes, graph)?;
                0
            }
        };
        if place > 0 || !self.compiled[0].session.is_attached() {
            let arena = self.take_arena();
            self.compiled[..=place].rotate_right(1);
            self.compiled[0].session.attach(arena)?;
        }
        Ok((&mut self.compiled[0], &mut self.states))
    }

    fn add(&mut self, name: &'static str, sizes: Sizes, graph: Graph) -> Result<(), TrainError> {
        let (plan, of_graph) = self.planned(sizes, graph)?;
        let arena = self.take_arena();
        self.forget_one(&sizes);
        let keeps = self.keeps(&plan, &sizes);
        let mut session = self.session(plan, arena, keeps)?;
        if !self.settings.are_usual(&sizes) {
            // Users see the plans of the usual sizes alone.
            session.forget_calls();
        }
        self.compiled.insert(0, Compiled::new(name, sizes, of_graph, session));
        Ok(())
    }

    /// The plan of a graph. It takes the graph: that of a large network is some MiB, and what comes next is the program's
    /// memory.
    fn planned(&mut self, sizes: Sizes, graph: Graph) -> Result<(Plan, OfGraph), TrainError> {
        let graph = &*in_precision(&graph, self.settings.precision);
        let layouts = layouts(graph, &self.states);
        let plan = plan_graph(graph, sizes, layouts, &self.settings, self.tuner.as_mut())?;
        Ok((plan, OfGraph::new(graph, &sizes, &self.settings)))
    }

    fn session(&mut self, plan: Plan, arena: Arena, keeps: bool) -> Result<Session, TrainError> {
        let (plan, pool) = (plan.for_running(), self.pool.clone());
        let mut session = Session::of_plan::<TrainError>(plan, &mut self.states, arena, keeps, pool)?;
        session.set_flush_denormal(self.settings.flush_denormal);
        Ok(session)
    }

    /// Takes the arena from the program that was asked for last, which has it unless something failed since.
    fn take_arena(&mut self) -> Arena {
        self.compiled.first_mut().map(|program| program.session.detach()).unwrap_or_default()
    }

    /// Makes room for a program of some sizes: of those of other sizes than the usual ones, the one goes that was not asked
    /// for the longest.
    fn forget_one(&mut self, sizes: &Sizes) {
        let settings = self.settings;
        let is_other = |program: &Compiled| !settings.are_usual(&program.sizes);
        let room = if settings.are_usual(sizes) {
            self.settings.cached_programs
        } else {
            self.settings.cached_programs.saturating_sub(1)
        };
        let others = self.compiled.iter().filter(|program| is_other(program)).count();
        if others > room
            && let Some(last) = self.compiled.iter().rposition(is_other)
        {
            self.compiled.remove(last);
        }
    }

    /// Whether a program has memory of its own for what it keeps from run to run, so that it need not make it anew after another
    /// one has run: where that is little.
    fn keeps(&self, plan: &Plan, sizes: &Sizes) -> bool {
        keeps(plan, sizes, &self.settings, self.compiled.iter())
    }

    /// What is kept compiled.
    pub fn cached(&self) -> CachedPrograms {
        CachedPrograms::new(
            self.compiled.iter().map(|program| program.cached(&self.settings, program.uses)),
            1,
            &self.settings,
        )
    }

    /// The seed of what layers draw.
    pub fn seed(&self) -> u64 {
        self.settings.seed
    }

    /// What was chosen, where programs are tuned.
    pub fn tuning(&self) -> Option<&Tuning> {
        self.tuner.as_ref().map(Tuner::report)
    }

    /// The plan of a program, if it was compiled.
    pub fn plan(&self, name: &str, sizes: Sizes) -> Option<&Plan> {
        let found = self.compiled.iter().find(|program| program.is(name, &sizes));
        let plan = found.map(|program| program.session.program().plan());
        plan.or_else(|| self.shards.as_ref()?.plan(name, &sizes))
    }

    /// Sets a state, if a program uses it.
    fn initialise(&mut self, name: &str, value: ArrayViewD<'_, f32>) -> Result<(), TrainError> {
        if self.states.layout(name).is_some() {
            self.states.write(name, value)?;
        }
        Ok(())
    }

    /// Sets states that no program has run with yet, each to one number everywhere, if a program uses it.
    fn fill(&mut self, states: Vec<(String, Shape, f32)>) -> Result<(), TrainError> {
        // States come into being full of zeros.
        for (name, shape, value) in states.into_iter().filter(|(.., value)| value.to_bits() != 0) {
            self.initialise(&name, ArrayD::from_elem(shape.dims(), value).view())?;
        }
        Ok(())
    }

    /// Sets what optimizers and losses keep to what it is before the first step, and takes note of the optimizers. All
    /// programs that train have been compiled.
    pub fn begin_training(
        &mut self,
        optimizers: &[Optimization<'_>],
        of_losses: Vec<(String, ArrayD<f32>)>,
        training: Vec<&'static str>,
    ) -> Result<(), TrainError> {
        for optimizer in optimizers {
            self.fill(optimizer.initial_state())?;
        }
        self.note_optimizers(optimizers, training)?;
        for (name, value) in of_losses {
            self.initialise(&name, value.view())?;
        }
        Ok(())
    }

    /// Takes note of what optimizers count, of the averages that they keep of parameters, which begin with these, and of the
    /// programs that train.
    fn note_optimizers(
        &mut self,
        optimizers: &[Optimization<'_>],
        training: Vec<&'static str>,
    ) -> Result<(), TrainError> {
        self.counters = optimizers.iter().filter_map(Optimization::counter).collect();
        let averages = optimizers.iter().flat_map(|optimizer| optimizer.averages());
        // An average is no state where no loss reaches the parameter.
        let kept: Vec<_> = averages.filter(|(_, average)| self.states.ty(average).is_some()).collect();
        for (parameter, average) in &kept {
            if let Some(value) = self.states.read(parameter) {
                self.states.write(average, value.view())?;
            }
        }
        self.averages = Averages { states: kept.into_iter().collect(), training, used: false };
        Ok(())
    }

    /// Lets all programs but those that train take averages in the place of parameters, or parameters again.
    pub fn use_averages(&mut self, used: bool) -> Result<(), TrainError> {
        if used && self.averages.states.is_empty() {
            return Err(TrainError::NoAverages);
        }
        self.averages.used = used;
        Ok(())
    }

    /// Moves the model's parameters to the states, which those programs share that are compiled from then on.
    pub fn take_parameters(&mut self, model: &mut impl Parameters) -> Result<(), TrainError> {
        take_parameters(&mut self.states, model)
    }

    /// Brings the model's parameters up to date with the states; with averages, where these are used.
    pub fn read_parameters(&self, model: &mut impl Parameters) {
        read_parameters(&self.states, model, |name| self.states.read(self.averages.state(name)));
    }
}
