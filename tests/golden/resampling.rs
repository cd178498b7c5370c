//! The settings of layers that change spatial extents, from the arguments of cases.

use kiln_graph::layers::{PerAxis, UpsampleMode, UpsampleSettings};
use serde_json::Value as Json;

use crate::case::{Attributes, Refusal};

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
    let modes = [UpsampleMode::Nearest, UpsampleMode::Linear, UpsampleMode::Bilinear, UpsampleMode::Trilinear];
    let known = modes.into_iter().find(|known| known.name() == mode);
    let mode = known.ok_or_else(|| Refusal::later(format!("upsampling with the mode {mode}")))?;
    Ok(settings.mode(mode).recompute_scale_factor(attributes.flag("recompute_scale_factor")))
}
