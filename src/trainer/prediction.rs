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
    let name = |output| {
        M::OUTPUT_NAMES.get(output).map_or_else(|| format!("output{output}"), |name: &&str| (*name).to_owned())
    };
    (0..M::Output::DTYPES.len()).map(name).collect()
}

/// The graph of a prediction for these sizes: a value for each output. The builder's mode says whether layers behave as in
/// training.
pub fn forward<'g, M: Model>(g: &'g Builder, model: &M, sizes: Sizes) -> Vec<Value<'g>> {
    let differ = |types: &[Type], dtypes: &[DType]| !types.iter().map(|ty| ty.dtype).eq(dtypes.iter().copied());
    let (types, given) = (M::INPUTS, M::Input::DTYPES);
    if differ(types, given) {
        g.fail(ShapeError::Inputs { expected: types.len(), found: given.len() }.into());
    }
    let inputs = types.iter().enumerate().map(|(input, ty)| {
        let name = if types.len() == 1 { INPUT } else { M::INPUT_NAMES[input] };
        let input = g.input_of(name, Type::new(ty.dtype, sizes.shape(ty.shape)));
        if !has_rows(ty.shape) {
            g.set_common(input);
        }
        input
    });
    let outputs = model.forward_all(g, &inputs.collect::<Vec<_>>());
    let (types, given): (Vec<Type>, _) = (outputs.iter().map(|output| output.ty()).collect(), M::Output::DTYPES);
    if differ(&types, given) || M::OUTPUTS.len() != given.len() {
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
    match forward(g, model, sizes)[..] {
        [prediction] => g.output("prediction", prediction),
        ref outputs => {
            output_names::<M>().iter().zip(outputs).for_each(|(name, output)| g.output(name, *output));
        }
    }
}
