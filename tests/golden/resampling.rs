//! The settings of layers that change spatial extents, from the arguments of cases.

use kiln_graph::layers::{PerAxis, UpsampleMode, UpsampleSettings, fractional_pool};
use kiln_graph::shape::rules;
use kiln_graph::{GraphError, Shape, Value};
use serde_json::Value as Json;

use crate::case::{Attributes, Refusal};
use crate::graphs::Given;

/// `count` sizes of which each may be left open, one given for all or each by itself.
pub fn optional_sizes(attributes: &Attributes, name: &str, count: usize) -> Result<Vec<Option<usize>>, Refusal> {
    let given = match attributes.get(name).and_then(Json::as_array) {
        Some(items) => items.clone(),
        None => vec![attributes.get(name).cloned().unwrap_or(Json::Null); count],
    };
    let size = |item: &Json| match item.as_u64() {
        Some(size) => Ok(Some(size as usize)),
        None if item.is_null() => Ok(None),
        None => Err(Refusal::Unsigned(name.into())),
    };
    given.iter().map(size).collect()
}

/// The settings of an upsampling.
pub fn upsample(attributes: &Attributes) -> Result<UpsampleSettings, Refusal> {
    let mut settings = UpsampleSettings::new();
    let wrong = |name: &str| Refusal::Case(format!("`{name}` has no number or more than three"));
    if let Some(sizes) = attributes.ints("size") {
        let sizes = attributes.sizes("size", sizes.len(), 0)?;
        settings = match sizes[..] {
            [all] => settings.size(PerAxis::new([all])),
            [a, b] => settings.size(PerAxis::new([a, b])),
            [a, b, c] => settings.size(PerAxis::new([a, b, c])),
            _ => return Err(wrong("size")),
        };
    }
    if let Some(factors) = attributes.numbers("scale_factor") {
        settings = match factors[..] {
            [all] => settings.scale_factor(PerAxis::new([all])),
            [a, b] => settings.scale_factor(PerAxis::new([a, b])),
            [a, b, c] => settings.scale_factor(PerAxis::new([a, b, c])),
            _ => return Err(wrong("scale_factor")),
        };
    }
    if let Some(align_corners) = attributes.get("align_corners").and_then(Json::as_bool) {
        settings = settings.align_corners(align_corners);
    }
    let mode = attributes.text("mode").unwrap_or("nearest");
    let mode = UpsampleMode::find(mode).ok_or_else(|| Refusal::later(format!("upsampling with the mode {mode}")))?;
    Ok(settings.mode(mode).recompute_scale_factor(attributes.flag("recompute_scale_factor")))
}

/// A fractional maximum pooling with the given samples, and the places of the maxima. A layer that can not be made for any
/// image is refused without an input.
pub fn fractional_max_pool2d<'g>(
    attributes: &Attributes,
    given: &Given<'g>,
) -> Result<(Value<'g>, Value<'g>), Refusal> {
    let pair = |name: &str| -> Result<[usize; 2], Refusal> {
        let sizes = attributes.sizes(name, 2, 1)?;
        sizes.try_into().map_err(|_| Refusal::Case(format!("`{name}` has no two numbers")))
    };
    let kernel = pair("kernel_size")?;
    let size = attributes.get("output_size").map(|_| pair("output_size")).transpose()?;
    let ratio = attributes.numbers("output_ratio").map(|ratios| match ratios[..] {
        [rows, columns] => [rows, columns],
        _ => [ratios[0]; 2],
    });
    let x = given.find("input.0");
    let images = x.map_or(Shape::new(&[1, 1, 64, 64]), |x| x.shape());
    let single = images.rank() == 3;
    let images = if single { images.insert(0, 1) } else { images };
    let shape = rules::fractional_pool(
        images,
        &kernel,
        size.as_ref().map(|size| size.as_slice()),
        ratio.as_ref().map(|ratio| ratio.as_slice()),
    )
    .map_err(GraphError::from)?;
    let (x, samples) = (given.get("input.0")?, given.get("input.samples")?);
    Ok(fractional_pool::fractional_max_pool2d(x, kernel, [shape.dim(2), shape.dim(3)], samples))
}
