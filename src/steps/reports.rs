//! Looking at the programs of a [`StepTrainer`]: drawings, profiles, what tuning has chosen. Each says the program by
//! its name.

use std::path::Path;

use kiln_graph::shape::Sizes;
use kiln_graph::{Graph, Mode};

use super::{StepTrainer, Steps, graph, usual};
use crate::report::{CachedPrograms, DrawError, Drawing, Profile, Tuning};
use crate::trainer::TrainError;

impl<M: Steps> StepTrainer<M> {
    /// Writes a drawing of a program for a full batch, forward and backward side by side, as one HTML file: see
    /// [`Drawing`].
    ///
    /// # Errors
    /// [`DrawError::Write`], [`TrainError::UnknownProgram`].
    pub fn graph_html(&self, program: &str, path: impl AsRef<Path>) -> Result<(), DrawError> {
        let (_, graph) = self.graph(program)?;
        Drawing::new(&graph).plan(self.plan(program)?).layers("", &*self.model).save_html(path)
    }

    /// Writes the drawing of a program for Graphviz: `dot -Tsvg step.dot > step.svg`.
    ///
    /// # Errors
    /// [`DrawError::Write`], [`TrainError::UnknownProgram`].
    pub fn graph_dot(&self, program: &str, path: impl AsRef<Path>) -> Result<(), DrawError> {
        let (_, graph) = self.graph(program)?;
        Drawing::new(&graph).layers("", &*self.model).save_dot(path)
    }

    /// Times each kernel of a program for a full batch; see [`Trainer::profile`](crate::Trainer::profile). The model is
    /// afterwards what it was before.
    ///
    /// # Errors
    /// [`TrainError::Profile`], [`TrainError::UnknownProgram`].
    pub fn profile(&mut self, program: &str) -> Result<Profile, TrainError> {
        let (number, graph) = self.graph(program)?;
        let signature = &M::PROGRAMS[number];
        if signature.mode == Mode::Train && self.programs.shards().is_some() {
            let StepTrainer { programs, model, settings, axes, .. } = self;
            let mut build = |sizes: Sizes| Ok(super::graph(&**model, number, *settings, &axes[number], sizes)?.0);
            return programs.profile_step((signature.name, usual(signature, *settings)), &mut build, &graph);
        }
        let sizes = self.usual(signature);
        let (program, states) = self.programs.get(signature.name, sizes, &mut |_| Ok(graph.clone()))?;
        program.profile(states, &graph)
    }

    /// What is kept compiled: for which sizes, in how much memory, and how often it has run; it prints as a table. The bound
    /// is [`StepTrainerBuilder::cached_programs`](super::StepTrainerBuilder::cached_programs)'s.
    pub fn cached_programs(&self) -> CachedPrograms {
        self.programs.cached()
    }

    /// What [`StepTrainerBuilder::tune`](super::StepTrainerBuilder::tune) has chosen for each program; nothing without it.
    pub fn tuning(&self) -> Option<&Tuning> {
        self.programs.tuning()
    }

    /// The number of a program, and its graph for a full batch.
    pub(super) fn graph(&self, program: &str) -> Result<(usize, Graph), TrainError> {
        let number = M::PROGRAMS.iter().position(|signature| signature.name == program);
        let number = number.ok_or_else(|| Self::unknown(program))?;
        let sizes = self.usual(&M::PROGRAMS[number]);
        Ok((number, self.settings.at(&sizes, graph(&*self.model, number, self.settings, &self.axes[number], sizes))?.0))
    }
}
