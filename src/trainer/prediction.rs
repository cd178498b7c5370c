//! The graph of a model's prediction. It knows no programs.

use kiln_graph::model::ElementTypes;
use kiln_graph::shape::{ShapeError, Sizes};
#[cfg(feature = "onnx")]
use kiln_graph::whole::Noted;
use kiln_graph::{Builder, DType, Graph, Model, Type, Value};

use super::error::TrainError;
use super::inputs::has_rows;
use super::programs::PREDICT;

/// The name of the data input of samples, where there is one; several have their names in the model.
const INPUT: &str = "x";

/// The names of a model's outputs.
pub fn output_names<M: Model>() -> Vec<String> {
    named(M::OUTPUT_NAMES, M::Output::DTYPES.len())
}

/// So many names, of which some are given.
fn named(names: &[&str], count: usize) -> Vec<String> {
    (0..count).map(|output| names.get(output).map_or_else(|| format!("output{output}"), ToString::to_string)).collect()
}

/// The graph of a prediction for these sizes: a value for each output. The builder's mode says whether layers behave as in
/// training.
pub fn forward<'g, M: Model>(g: &'g Builder, model: &M, sizes: Sizes) -> Vec<Value<'g>> {
    let inputs = inputs(g, M::INPUTS, M::Input::DTYPES, M::INPUT_NAMES, sizes);
    outputs(g, model.forward_all(g, &inputs), M::OUTPUTS.len(), M::Output::DTYPES)
}

/// The data inputs of a model that declares such types; users give elements of `given`.
fn inputs<'g>(g: &'g Builder, types: &[Type], given: &[DType], names: &[&str], sizes: Sizes) -> Vec<Value<'g>> {
    if !types.iter().map(|ty| ty.dtype).eq(given.iter().copied()) {
        g.fail(ShapeError::Inputs { expected: types.len(), found: given.len() }.into());
    }
    let input = |(input, ty): (usize, &Type)| {
        let name = if types.len() == 1 { INPUT } else { names[input] };
        let input = g.input_of(name, Type::new(ty.dtype, sizes.shape(ty.shape)));
        if !has_rows(ty.shape) {
            g.set_common(input);
        }
        input
    };
    types.iter().enumerate().map(input).collect()
}

/// What a model gave, if that are so many values of such elements as it declares.
fn outputs<'g>(g: &'g Builder, outputs: Vec<Value<'g>>, declared: usize, given: &[DType]) -> Vec<Value<'g>> {
    if !outputs.iter().map(|output| output.ty().dtype).eq(given.iter().copied()) || declared != given.len() {
        g.fail(ShapeError::Results { expected: given.len(), found: outputs.len() }.into());
        return given.iter().map(|dtype| g.scalar(0.0).convert(*dtype)).collect();
    }
    outputs
}

/// The graph that predicts so many samples, of such free extents: output `prediction`; several have their names.
pub fn predict_graph<M: Model>(model: &M, sizes: impl Into<Sizes>) -> Result<Graph, TrainError> {
    let g = Builder::new(PREDICT);
    predict(&g, model, sizes.into());
    Ok(g.finish()?)
}

/// [`predict_graph`], and what its values are as a whole.
#[cfg(feature = "onnx")]
pub fn predict_graph_with_wholes<M: Model>(model: &M, sizes: Sizes) -> Result<(Graph, Vec<Noted>), TrainError> {
    let g = Builder::new(PREDICT);
    g.keep_wholes();
    predict(&g, model, sizes);
    let wholes = g.take_wholes();
    Ok((g.finish()?, wholes))
}

fn predict<M: Model>(g: &Builder, model: &M, sizes: Sizes) {
    give(g, &forward(g, model, sizes), &output_names::<M>());
}

/// Makes outputs of what a model gives.
fn give(g: &Builder, outputs: &[Value<'_>], names: &[String]) {
    match *outputs {
        [prediction] => g.output("prediction", prediction),
        _ => names.iter().zip(outputs).for_each(|(name, output)| g.output(name, *output)),
    }
}
