//! `kiln export`: an ONNX file with the weights of another file.

use std::path::Path;

use kiln::onnx::OnnxWeights;

use crate::arguments::Export;
use crate::failure::Failure;
use crate::hints::{open, there, vacant};
use crate::output::{Output, several};

pub fn run(arguments: &Export, output: &mut Output) -> Result<(), Failure> {
    let Export { partial, force, net, weights, out } = arguments;
    for path in [net, out] {
        if path.extension().is_none_or(|end| !end.eq_ignore_ascii_case("onnx")) {
            return Err(Failure::told(format!("{}: {}", path.display(), names(net, weights, out))));
        }
    }
    there("file", net)?;
    vacant(out, *force)?;
    let mut file = OnnxWeights::open(net)?;
    let weights = open(weights)?;
    let tensors: Vec<(String, bool)> = file
        .tensors()
        // Numbers without axes, and whole ones, are settings of nodes.
        .map(|(name, element, shape)| (name.to_owned(), element.is_float() && !shape.is_empty()))
        .collect();
    let (mut given, mut kept) = (0, Vec::new());
    for (name, is_weight) in tensors {
        if weights.shape(&name).is_some() {
            file.set(&name, &weights.read(&name)?)?;
            given += 1;
        } else if is_weight {
            kept.push(name);
        }
    }
    if given == 0 || !kept.is_empty() && !partial {
        let missing = kept.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        let rest = if kept.len() > 3 { format!(" and {} more", kept.len() - 3) } else { String::new() };
        let hint = match given {
            0 => "are the names others? `kiln convert --rename OLD=NEW` changes them",
            _ => "--partial keeps the numbers that NET has for them",
        };
        return Err(Failure::told(format!("{} has no {missing}{rest}: {hint}", weights.path().display())));
    }
    file.save(out)?;
    let kept = if kept.is_empty() { String::new() } else { format!(", {} as before", several(kept.len(), "tensor")) };
    Ok(output.line(&format!(
        "{}: ONNX, {} of {}{kept}",
        out.display(),
        several(given, "tensor"),
        weights.path().display()
    ))?)
}

/// What to say where a name is that of no ONNX file.
fn names(net: &Path, weights: &Path, out: &Path) -> String {
    format!(
        "the network and the new file are ONNX files, whose names end in .onnx: kiln export NET.onnx {} {}",
        if net.extension().is_some_and(|end| end == "onnx") { weights } else { net }.display(),
        out.with_extension("onnx").display()
    )
}
