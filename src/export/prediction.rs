//! What can be written as a file: the `forward` of a model, the `eval`s beside steps, a model of another file. Knows no
//! sizes.

use std::cell::OnceCell;
use std::collections::HashMap;

use kiln_graph::shape::Sizes;
use kiln_graph::whole::Noted;
use kiln_graph::{Builder, Graph, GraphError, Mode, Model, Parameter, ParameterError, Parameters, Type};
use kiln_onnx::{Element, OnnxError, OnnxModel};

use super::ExportError;
use crate::steps::{Steps, eval_graph_with_wholes};
use crate::trainer::{PREDICT, TrainError, predict_graph_with_wholes};

/// A graph that predicts, with its parameters.
pub(super) trait Prediction {
    /// What it takes.
    fn inputs(&self) -> Vec<Type>;

    /// The graph for these sizes, and what its values are as a whole.
    fn graph(&self, sizes: Sizes) -> Result<(Graph, Vec<Noted>), TrainError>;

    /// The name of the model's type.
    fn name(&self) -> String;

    /// The element types of inputs and outputs that the file has beside those of graphs, once a graph was built.
    fn elements(&self) -> HashMap<String, Element> {
        HashMap::new()
    }

    fn check_shapes(&self) -> Result<(), ParameterError>;

    fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter));

    /// Calls `f` with the place of each of Kiln's layers.
    fn each_layer(&self, f: &mut dyn FnMut(&str, &str));
}

/// The `forward` of a model.
pub(super) struct Forward<'m, M>(pub &'m M);

impl<M: Model> Prediction for Forward<'_, M> {
    fn inputs(&self) -> Vec<Type> {
        M::INPUTS.to_vec()
    }

    fn graph(&self, sizes: Sizes) -> Result<(Graph, Vec<Noted>), TrainError> {
        predict_graph_with_wholes(self.0, sizes)
    }

    fn name(&self) -> String {
        short_name::<M>()
    }

    fn check_shapes(&self) -> Result<(), ParameterError> {
        self.0.check_shapes()
    }

    fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter)) {
        self.0.each_parameter(f);
    }

    fn each_layer(&self, f: &mut dyn FnMut(&str, &str)) {
        self.0.each_layer(f);
    }
}

/// A model of a file.
pub(super) struct Imported<'m> {
    model: &'m OnnxModel,
    inputs: Vec<Type>,
    /// Those of the outputs, which a graph tells.
    outputs: OnceCell<Vec<Element>>,
}

impl<'m> Imported<'m> {
    /// One whose open extents are rows, or lengths that it has names for.
    pub fn new(model: &'m OnnxModel) -> Result<Imported<'m>, OnnxError> {
        Ok(Imported { model, inputs: model.free_types()?, outputs: OnceCell::new() })
    }
}

impl Prediction for Imported<'_> {
    fn inputs(&self) -> Vec<Type> {
        self.inputs.clone()
    }

    fn graph(&self, sizes: Sizes) -> Result<(Graph, Vec<Noted>), TrainError> {
        let g = Builder::new(PREDICT);
        g.keep_wholes();
        let results = self.model.typed_results(&g, sizes);
        let results = results.map_err(|error| GraphError::Foreign(error.to_string()))?;
        self.model.outputs().iter().zip(&results).for_each(|(name, (value, _))| g.output(name, *value));
        self.outputs.get_or_init(|| results.iter().map(|(_, element)| *element).collect());
        let wholes = g.take_wholes();
        Ok((g.finish()?, wholes))
    }

    fn name(&self) -> String {
        "model".to_owned()
    }

    fn elements(&self) -> HashMap<String, Element> {
        let inputs = self.model.inputs().iter().filter_map(|input| Some((&input.name, input.element?)));
        let outputs = self.model.outputs().iter().zip(self.outputs.get().into_iter().flatten().copied());
        let all = inputs.chain(outputs).filter(|(_, element)| {
            let written = [Element::F32, Element::I32, Element::BOOL];
            !written.contains(element)
        });
        all.map(|(name, element)| (name.clone(), element)).collect()
    }

    fn check_shapes(&self) -> Result<(), ParameterError> {
        self.model.check_shapes()
    }

    fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter)) {
        self.model.each_parameter(f);
    }

    fn each_layer(&self, f: &mut dyn FnMut(&str, &str)) {
        self.model.each_layer(f);
    }
}

/// An `eval` of a model that is trained by steps.
pub(super) struct Eval<'m, S> {
    model: &'m S,
    number: usize,
}

impl<'m, S: Steps> Eval<'m, S> {
    /// The one of this name.
    pub fn find(model: &'m S, name: &str) -> Result<Eval<'m, S>, ExportError> {
        let Some(number) = S::PROGRAMS.iter().position(|signature| signature.name == name) else {
            let known = S::PROGRAMS.iter().map(|signature| signature.name.to_owned()).collect();
            return Err(TrainError::UnknownProgram { found: name.to_owned(), known }.into());
        };
        match S::PROGRAMS[number].mode {
            Mode::Eval => Ok(Eval { model, number }),
            Mode::Train => Err(ExportError::Step { name: name.to_owned() }),
        }
    }
}

impl<S: Steps> Prediction for Eval<'_, S> {
    fn inputs(&self) -> Vec<Type> {
        S::PROGRAMS[self.number].inputs.iter().map(|taken| taken.ty).collect()
    }

    fn graph(&self, sizes: Sizes) -> Result<(Graph, Vec<Noted>), TrainError> {
        eval_graph_with_wholes(self.model, self.number, sizes)
    }

    fn name(&self) -> String {
        format!("{}.{}", short_name::<S>(), S::PROGRAMS[self.number].name)
    }

    fn check_shapes(&self) -> Result<(), ParameterError> {
        self.model.check_shapes()
    }

    fn each_parameter<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Parameter)) {
        self.model.each_parameter(f);
    }

    fn each_layer(&self, f: &mut dyn FnMut(&str, &str)) {
        self.model.each_layer(f);
    }
}

/// A type's name without its module and its parameters.
fn short_name<T>() -> String {
    let name = std::any::type_name::<T>();
    name.split('<').next().and_then(|name| name.rsplit("::").next()).unwrap_or(name).to_owned()
}
