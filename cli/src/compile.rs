//! `kiln compile`: the prediction of an ONNX file as an object file, for programs without a compiler.

use kiln_build::{Build, BuildError, Weights};

use crate::arguments::Compile;
use crate::failure::Failure;
use crate::onnx::open;
use crate::output::{Output, Style, bytes};

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Failure {
        Failure::told(error)
    }
}

pub fn run(arguments: &Compile, output: &mut Output) -> Result<(), Failure> {
    let Compile { out, name, target, levels, native, inside, shape, constants, batch, file } = arguments;
    let model = open(file, shape, constants)?;
    let name = name.clone().unwrap_or_else(|| {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
    });
    let mut build = Build::of_graph(&name, model.predict_graph(*batch)?).parameters(&model)?;
    if let Some(target) = target {
        build = build.target(target)?;
    }
    if !levels.is_empty() {
        build = build.levels(levels)?;
    }
    if *native {
        build = build.caches_of_host()?;
    }
    let program = build.weights(if *inside { Weights::Inside } else { Weights::Beside }).build()?;
    program.write(out)?;
    let place = |file: &str| out.join(file).display().to_string();
    output.line(&output.styled(Style::Strong, &place(&format!("{name}.o"))))?;
    for (level, size) in &program.levels {
        output.line(&format!("  {:<12} {} of code", format!("{level:?}").to_lowercase(), bytes(*size as u64)))?;
    }
    output.line(&format!("  {:<12} {}", "arena", bytes(program.arena_bytes as u64)))?;
    let weights = if *inside { "inside".to_owned() } else { place(&format!("{name}.weights")) };
    output.line(&format!("  {:<12} {}, {weights}", "weights", bytes(program.weights.len() as u64)))?;
    Ok(output.line(&format!("  {:<12} {}, {}", "for", place(&format!("{name}.h")), place(&format!("{name}.rs"))))?)
}
