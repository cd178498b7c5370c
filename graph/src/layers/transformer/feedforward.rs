//! The network at each place: two linear layers, whose width between them is a setting. It knows no other place.

use super::super::dropout::dropout;
use super::super::linear::linear;
use super::{TransformerSettings, within};
use crate::build::{Builder, Value};
use crate::model::{Init, Layer, Parameter, Path};

/// `linear2(dropout(activation(linear1(x))))`.
#[derive(Clone, Debug)]
pub struct FeedForward {
    pub linear1: Dense,
    pub linear2: Dense,
}

impl FeedForward {
    pub fn new(features: usize, settings: &TransformerSettings, init: &mut Init) -> FeedForward {
        let width = settings.dim_feedforward;
        FeedForward {
            linear1: Dense::new(features, width, settings.bias, init),
            linear2: Dense::new(width, features, settings.bias, init),
        }
    }

    pub fn forward<'g>(&self, g: &'g Builder, settings: &TransformerSettings, x: Value<'g>) -> Value<'g> {
        let inner = settings.activation.apply(within(g, "linear1", &self.linear1, x));
        within(g, "linear2", &self.linear2, dropout(inner, settings.dropout))
    }
}

/// A fully connected layer of extents that are known at run time.
#[derive(Clone, Debug)]
pub struct Dense {
    weight: Parameter,
    bias: Option<Parameter>,
}

impl Dense {
    fn new(inputs: usize, outputs: usize, bias: bool, init: &mut Init) -> Dense {
        Dense {
            weight: Parameter::trained(init.kaiming_uniform([outputs, inputs], inputs)),
            bias: bias.then(|| Parameter::trained(init.kaiming_uniform([outputs], inputs))),
        }
    }
}

impl Layer for Dense {
    fn forward<'g>(&self, g: &'g Builder, x: Value<'g>) -> Value<'g> {
        let bias = self.bias.as_ref().map(|bias| g.parameter("bias", bias));
        linear(x, g.parameter("weight", &self.weight), bias)
    }

    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, &'a Parameter)) {
        f(&path.name("weight"), &self.weight);
        if let Some(bias) = &self.bias {
            f(&path.name("bias"), bias);
        }
    }

    fn visit_mut(&mut self, path: &mut Path, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f(&path.name("weight"), &mut self.weight);
        if let Some(bias) = &mut self.bias {
            f(&path.name("bias"), bias);
        }
    }

    /// It is a part of a layer.
    fn describe(&self, _path: &mut Path, _f: &mut dyn FnMut(&str, &str)) {}
}
