//! The tensors of a file of weights as a model takes them. It changes no model and knows no format.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use kiln_graph::{Kind, Parameters, Shape};
use ndarray::ArrayD;

use super::CheckpointError;
use super::options::{IncompatibleKeys, LoadOptions};
use super::tensors::Tensors;
use crate::formats::element::{Element, Misfit};
use crate::formats::tensor::Unread;

/// What a parameter gets.
pub enum Content {
    /// Its value.
    Value(ArrayD<f32>),
    /// Its count.
    Count(i64),
}

/// What the model's parameters get, by their names, and what does not go together.
pub fn decode(
    model: &impl Parameters,
    path: &Path,
    file: &Tensors,
    options: &LoadOptions<'_>,
) -> Result<(HashMap<String, Content>, IncompatibleKeys), CheckpointError> {
    let mut sources = sources(file, path, options)?;
    let layers: HashSet<String> = sources.keys().map(|name| layer(name).to_owned()).collect();
    let (mut contents, mut keys) = (HashMap::new(), IncompatibleKeys::default());
    let (mut result, mut counters) = (Ok(()), HashSet::new());
    model.each_parameter(&mut |name, parameter| {
        let Some(in_file) = sources.remove(name) else {
            // PyTorch's files had no counters before version 2 of the layer's state.
            if parameter.kind == Kind::Counter && layers.contains(layer(name)) {
                contents.insert(name.to_owned(), Content::Count(0));
            } else {
                if parameter.kind == Kind::Counter {
                    counters.insert(name.to_owned());
                }
                keys.missing_keys.push(name.to_owned());
            }
            return;
        };
        if result.is_ok() {
            let found = content(file, path, &in_file, parameter.kind, parameter.shape());
            result = found.map(|found| _ = contents.insert(name.to_owned(), found));
        }
    });
    keys.unexpected_keys = sources.into_values().collect();
    keys.unexpected_keys.sort();
    if options.strict && !keys.missing_keys.is_empty() {
        let (mut names, unexpected) = (keys.missing_keys, keys.unexpected_keys);
        // A file of other names that has no counters at all, as those before version 2, does not lack them.
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let is_counted = |name: &String| unexpected.iter().any(|other| last(other) == last(name));
        if names.len() > counters.len() {
            names.retain(|name| !counters.contains(name) || is_counted(name));
        }
        return Err(CheckpointError::Missing { path: path.into(), names, unexpected });
    }
    if options.strict && !keys.unexpected_keys.is_empty() {
        return Err(CheckpointError::Unexpected { path: path.into(), names: keys.unexpected_keys });
    }
    result?;
    Ok((contents, keys))
}

/// What a tensor's name begins with: that of its layer.
fn layer(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(layer, _)| layer)
}

/// The names of the file's tensors by those that they have in the model.
fn sources(file: &Tensors, path: &Path, options: &LoadOptions<'_>) -> Result<HashMap<String, String>, CheckpointError> {
    let mut sources = HashMap::new();
    for in_file in file.named.keys() {
        let Some(name) = options.name(in_file) else { continue };
        if let Some(other) = sources.insert(name.clone(), in_file.clone()) {
            return Err(CheckpointError::SameName { path: path.into(), names: [other, in_file.clone()], name });
        }
    }
    if sources.is_empty() && !options.prefix.is_empty() {
        return Err(CheckpointError::Prefix {
            path: path.into(),
            prefix: options.prefix.clone(),
            names: file.named.keys().cloned().collect(),
        });
    }
    Ok(sources)
}

/// What a parameter of this kind and shape gets of a tensor. Floats of 16 and 64 bits become those of 32.
fn content(file: &Tensors, path: &Path, name: &str, kind: Kind, shape: Shape) -> Result<Content, CheckpointError> {
    let tensor = &file.named[name];
    let (path, name) = (path.to_owned(), name.to_owned());
    let fits = tensor.shape() == shape.dims() || (kind == Kind::Counter && tensor.shape() == [1]);
    if !fits {
        return Err(CheckpointError::WrongShape { path, name, expected: shape, found: tensor.shape().to_vec() });
    }
    let found = tensor.element().name();
    // Floats of 16 bits do not count beyond 2048.
    let counts = !matches!(tensor.element(), Element::Other(..) | Element::Bool | Element::F16 | Element::BF16);
    match kind {
        Kind::Counter if counts => {
            let mut count = Vec::with_capacity(1);
            match (tensor.append_to::<i64>(&mut count), &count[..]) {
                (Ok(()), &[count]) if count >= 0 => Ok(Content::Count(count)),
                (Err(Unread::Misfit(Misfit { found, .. })), _) => {
                    Err(CheckpointError::Count { path, name, found: found.to_string() })
                }
                (Err(unread), _) => Err(file.unread(&path, &name, unread)),
                (Ok(()), count) => Err(CheckpointError::Count { path, name, found: count[0].to_string() }),
            }
        }
        Kind::Counter => Err(CheckpointError::WrongType { path, name, expected: "I64".into(), found: found.into() }),
        _ if tensor.element().is_float() => {
            // There are as many numbers as the shape says.
            let mut numbers = kiln_rt::room(shape.elements());
            tensor.append_to(&mut numbers).map_err(|unread| file.unread(&path, &name, unread))?;
            Ok(Content::Value(ArrayD::from_shape_vec(shape.dims(), numbers).expect("a tensor has all its numbers")))
        }
        _ => Err(CheckpointError::WrongType { path, name, expected: "F32".into(), found: found.into() }),
    }
}
