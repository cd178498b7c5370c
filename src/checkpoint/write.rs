//! A model as the bytes of a safetensors file. It writes no file.

use std::borrow::Cow;

use kiln_graph::{Kind, Parameter, Parameters};
use safetensors::tensor::{Dtype, SafeTensorError, View, serialize};

/// The bytes of a model's file.
pub fn encode(model: &impl Parameters) -> Result<Vec<u8>, SafeTensorError> {
    let mut tensors = Vec::new();
    model.each_parameter(&mut |name, parameter| tensors.push((name.to_string(), Stored(parameter))));
    // What PyTorch's own writer says, and some readers insist on.
    let metadata = [("format".to_string(), "pt".to_string())];
    serialize(tensors, Some(metadata.into_iter().collect()))
}

/// The element type of a parameter in a file.
pub fn dtype(kind: Kind) -> Dtype {
    match kind {
        Kind::Trained | Kind::Frozen | Kind::Buffer => Dtype::F32,
        Kind::Counter => Dtype::I64,
    }
}

/// A parameter as safetensors wants to see it.
struct Stored<'a>(&'a Parameter);

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        dtype(self.0.kind)
    }

    fn shape(&self) -> &[usize] {
        self.0.value.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.0.count() {
            Some(count) => count.to_le_bytes().to_vec().into(),
            None => self.0.value.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        dtype(self.0.kind).bitsize() / 8 * self.0.value.len()
    }
}
