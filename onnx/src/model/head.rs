//! A new last layer behind a value of a file's network, for another task. It knows the one operator that such a layer
//! is.

use std::sync::Arc;

use kiln_graph::names::shown;
use kiln_graph::{DType, Init, Parameter, Shape};
use ndarray::ArrayD;

use super::{Contents, OnnxModel};
use crate::element::Element;
use crate::error::OnnxError;
use crate::operators::find;
use crate::read::graph::{Attribute, Graph, Node, Place, Stored};

/// The first version of `Gemm` as it is used here.
const GEMM: i64 = 11;

impl OnnxModel {
    /// Gives a new linear layer's result, which is called `name`, of the features that another value holds, `[N, I]`: the head for
    /// another task, whose parameters are `{name}.weight [outputs, I]` and `{name}.bias [outputs]`, drawn as PyTorch's
    /// `nn.Linear` draws them. What only other outputs need is left out, with its parameters.
    ///
    /// # Errors
    /// [`OnnxError::UnknownValue`]; [`OnnxError::Head`] for a value of another shape, or a name that is taken; those of
    /// [`OnnxModel::predict_graph`].
    pub fn with_head(self, name: &str, of: &str, outputs: usize, seed: u64) -> Result<OnnxModel, OnnxError> {
        let mut model = self.with_outputs(&[of])?;
        let refused = |reason: String| OnnxError::Head { name: name.to_owned(), reason };
        if name.is_empty() || outputs == 0 {
            return Err(refused("a head has a name, and one output at least".to_owned()));
        }
        // Features of two numbers of rows: those of a fixed extent have nothing to do with the rows.
        let [ty, more] = [2, 3].map(|rows| model.predict_graph(rows).map(|graph| graph.node(graph.outputs[0].node).ty));
        let (ty, more) = (ty?, more?);
        let free = model.input_types()?.iter().any(|ty| ty.shape.dims().first() == Some(&Shape::N));
        let by_rows = ty.shape.rank() > 0 && (!free || ty.shape.dim(0) == 2 && more.shape.dim(0) == 3);
        if ty.dtype != DType::F32 || ty.shape.rank() != 2 || !by_rows {
            let shape = if by_rows && free { ty.shape.with(0, Shape::N) } else { ty.shape };
            return Err(refused(format!(
                "{} is {}{shape}, and a head takes features f32[N, I]: those behind the last pooling or Flatten \
                 (`kiln inspect` shows the nodes)",
                shown(of),
                ty.dtype
            )));
        }
        let features = ty.shape.dim(1);
        let names = ["weight", "bias"].map(|last| format!("{name}.{last}"));
        let Contents { graph, stored, opset } = &*model.contents;
        let (mut graph, mut stored, opset) = (Graph::clone(graph), stored.clone(), *opset);
        let values = graph.nodes.iter().flat_map(|node| &node.outputs).map(String::as_str);
        let constants = graph.constants.iter().map(|(name, _)| name.as_str());
        let inputs = graph.inputs.iter().map(|input| input.name.as_str());
        let parameters = model.parameters.iter().map(|(name, _)| name.as_str());
        let known: Vec<&str> = values.chain(constants).chain(inputs).chain(parameters).collect();
        if known.contains(&name) || names.iter().any(|name| known.contains(&name.as_str())) {
            return Err(refused("the name is taken".to_owned()));
        }
        let mut init = Init::new(seed);
        for (name, shape) in names.iter().zip([&[outputs, features][..], &[outputs]]) {
            let value: ArrayD<f32> = init.kaiming_uniform(shape, features);
            graph.constants.push((name.clone(), stored.len()));
            stored.push(Stored {
                name: name.clone(),
                constant: None,
                element: Element::F32,
                shape: shape.to_vec(),
                place: Place::Parameter(model.parameters.len()),
            });
            model.parameters.push((name.clone(), Parameter::trained(value)));
        }
        let version = opset.max(GEMM);
        let [weight, bias] = names;
        graph.nodes.push(Arc::new(Node {
            name: name.to_owned(),
            operator: "Gemm".to_owned(),
            version,
            row: find("Gemm", version),
            inputs: vec![of.to_owned(), weight, bias],
            outputs: vec![name.to_owned()],
            attributes: vec![("transB".to_owned(), Attribute::Int(1))],
        }));
        graph.outputs = vec![name.to_owned()];
        model.contents = Arc::new(Contents { graph, stored, opset });
        Ok(model)
    }
}
