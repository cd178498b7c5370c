//! `kiln run`: what a model of an ONNX file computes of arrays.

use std::path::Path;

use kiln::data::write_npy;
use kiln::onnx::OnnxArray;
use serde_json::json;

use crate::arguments::{Given, Run};
use crate::failure::Failure;
use crate::hints::instead;
use crate::onnx::{call, compile, known, open, read};
use crate::output::{Output, Style, cut, short};

/// As many numbers of an output are shown.
const SHOWN: usize = 8;
/// Longer outputs are not printed as JSON: they go to a file by `--out`.
const PRINTED: usize = 4096;

pub fn run(arguments: &Run, output: &mut Output) -> Result<(), Failure> {
    let mut model = open(&arguments.file, &arguments.shape, &arguments.constants)?;
    let mut inputs = Vec::new();
    for Given { name, value: path } in &arguments.inputs {
        known(&model, name)?;
        let input = model.inputs().iter().find(|input| input.name == *name).expect("an input that is known");
        let dtype = input.element.and_then(|element| element.carrier());
        let dtype = dtype.ok_or_else(|| Failure::told(format!("input {name} holds what no array has")))?;
        let value = read(path, dtype)?;
        // The array says what the file leaves open.
        model = model.shape(name, value.shape())?;
        inputs.push(Given { name: name.clone(), value });
    }
    let given = |name: &str| inputs.iter().any(|given| given.name == name);
    if let Some(missing) = model.inputs().iter().find(|input| !given(&input.name)) {
        let name = &missing.name;
        return Err(Failure::told(format!(
            "input {name} was not given: --input {name}=FILE.npy, or --const {name}=NUMBER"
        )));
    }
    for Given { name, .. } in arguments.outputs.iter().filter(|given| !given.name.is_empty()) {
        let names = || model.outputs().iter().map(String::as_str);
        if !names().any(|known| known == name) {
            return Err(Failure::told(format!("no output is called {name}: {}", instead(name, names()))));
        }
    }
    if model.outputs().len() != 1 && arguments.outputs.iter().any(|given| given.name.is_empty()) {
        let names = model.outputs().join(", ");
        return Err(Failure::told(format!("the model has the outputs {names}: say which, --out NAME=FILE.npy")));
    }
    let predictor = compile(model, 1, arguments.threads)?;
    let outputs = call(&predictor, &inputs)?;
    let mut written = Vec::new();
    for Given { name, value: path } in &arguments.outputs {
        let found =
            outputs.iter().find(|given| name.is_empty() || given.name == *name).expect("an output that is known");
        write(path, &found.value)?;
        written.push((found.name.clone(), path.display().to_string()));
    }
    if arguments.json {
        let each = outputs.iter().map(|Given { name, value }| {
            let numbers = Some(value.numbers()).filter(|numbers| numbers.len() <= PRINTED);
            let file = written.iter().find(|(of, _)| of == name).map(|(_, path)| path);
            json!({ "name": name, "type": value.dtype().to_string(), "shape": value.shape(), "numbers": numbers, "file": file })
        });
        return Ok(output.line(&json!({ "outputs": each.collect::<Vec<_>>() }).to_string())?);
    }
    for Given { name, value } in &outputs {
        let shown = output.styled(Style::Strong, &cut(name, output.width() / 2));
        let file = written.iter().find(|(of, _)| of == name).map_or(String::new(), |(_, path)| format!("  -> {path}"));
        output.line(&format!("{shown}  {} {:?}{file}", value.dtype(), value.shape()))?;
        let numbers = value.numbers();
        let first: Vec<String> = numbers.iter().take(SHOWN).map(|&number| short(number)).collect();
        let rest = if numbers.len() > SHOWN { " .." } else { "" };
        output.line(&cut(&format!("  {}{rest}", first.join(" ")), output.width()))?;
    }
    Ok(())
}

fn write(path: &Path, value: &OnnxArray) -> Result<(), Failure> {
    match value {
        OnnxArray::F32(array) => write_npy(path, array),
        OnnxArray::I32(array) => write_npy(path, array),
        OnnxArray::Bool(array) => write_npy(path, array),
    }
    .map_err(Failure::told)
}
