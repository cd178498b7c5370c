//! What is done with any bytes as an ONNX file: it ends in an error of one short line, or in a graph that is a valid one. It
//! does not know where the bytes come from. The fuzz target and tests call it.

use kiln_graph::verify;
use kiln_onnx::{Dim, OnnxError, OnnxModel};

/// Makes the graph of a file, and looks at it.
pub fn onnx(bytes: &[u8]) {
    match graph(bytes) {
        Ok(graph) => verify(&graph).expect("a graph that was built is a valid one"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 4000 && !text.contains('\n'), "{text:?}");
        }
    }
}

/// The graph of a file of which open extents are 2, and inputs that say no shape have no axes.
pub fn graph(bytes: &[u8]) -> Result<kiln_graph::Graph, OnnxError> {
    let mut model = OnnxModel::from_bytes(bytes.to_vec())?;
    for input in model.inputs().to_vec() {
        let extent = |dim: &Dim| if let Dim::Known(extent) = dim { *extent } else { 2 };
        let extents: Vec<usize> = input.shape.iter().flatten().map(extent).collect();
        model = model.shape(&input.name, &extents)?;
    }
    model.predict_graph(2)
}
