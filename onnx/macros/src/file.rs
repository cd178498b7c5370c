//! The file of an `onnx_model!`: read, with what was said of its inputs, and the types of what it takes and gives. Knows no
//! tokens but the places of errors.

use std::path::{Path, PathBuf};

use kiln_graph::shape::{DType, Shape};
use kiln_graph::{Graph, Type};
use kiln_onnx::{Constant, Fault, OnnxError, OnnxModel};
use proc_macro2::Span;

use crate::parse::{Declaration, Number, Said, Setting};

/// As many rows in the two graphs by which it is found out which extents are the number of rows. Primes, which no extent of a
/// network is likely to be made of.
const ROWS: [usize; 2] = [11, 13];

/// A name with its type.
pub struct Typed {
    pub name: String,
    pub ty: Type,
}

/// What the model of a file takes and gives.
pub struct Types {
    pub path: PathBuf,
    pub inputs: Vec<Typed>,
    pub outputs: Vec<Typed>,
    /// What is said of the file for whoever looks at the struct.
    pub parameters: usize,
}

/// Where the file is: beside the manifest of the crate that is compiled.
fn place(declaration: &Declaration) -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let path = folder.join(declaration.path.value());
    std::path::absolute(&path).unwrap_or(path)
}

/// Reads the file.
///
/// # Errors
/// What is wrong, and what to do, at the user's words.
pub fn read(declaration: &Declaration) -> Result<Types, syn::Error> {
    let path = place(declaration);
    let said = declaration.path.value();
    let failed = |text: String| syn::Error::new(declaration.path.span(), format!("{said}: {text}"));
    let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed(format!("there is no file {}{}", path.display(), near(&path))),
        _ => failed(format!("{}: {error}", path.display())),
    })?;
    // Its bytes become a part of the program, and have to do.
    let mut model = OnnxModel::from_bytes(bytes).map_err(|error| failed(told(&error, &said)))?;
    if let Some(first) = declaration.outputs.first() {
        let names: Vec<String> = declaration.outputs.iter().map(syn::LitStr::value).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        model = model
            .with_outputs(&names)
            .map_err(|error| syn::Error::new(first.span(), format!("{said}: {}", told(&error, &said))))?;
    }
    for Setting { name, place, value } in &declaration.settings {
        let result = match value {
            Said::Shape { rows, extents } => model.shape(name, &all_extents(*rows, extents)),
            Said::Value { list, numbers } => model.with(name, constant(*list, numbers)),
        };
        model = result.map_err(|error| syn::Error::new(*place, format!("{said}: {}", told(&error, &said))))?;
    }
    let types = model.input_types().map_err(|error| failed(told(&error, &said)))?;
    if let Some((input, ty)) =
        model.inputs().iter().zip(&types).find(|(_, ty)| ty.shape.dims().first() != Some(&Shape::N))
    {
        let rest: Vec<String> = ty.shape.dims().iter().skip(1).map(|extent| format!(", {extent}")).collect();
        let name = written(&input.name);
        return Err(failed(format!(
            "input `{}` has the shape {}, and a model takes any number of samples, which lie along the first axis: \
             say `onnx_model!({said:?}, {name}: [N{}])`, if the file's nodes can do with that; else take it by \
             `OnnxModel::load`",
            input.name,
            ty.shape,
            rest.concat(),
        )));
    }
    let graphs = ROWS.map(|rows| model.predict_graph(rows));
    let [Ok(few), Ok(many)] = &graphs else {
        let error = graphs.into_iter().find_map(Result::err).expect("one of them failed");
        return Err(failed(told(&error, &said)));
    };
    let inputs = model.inputs().iter().zip(types).map(|(input, ty)| Typed { name: input.name.clone(), ty }).collect();
    let outputs = model.outputs().iter().map(|name| output(name, few, many));
    let outputs = outputs.collect::<Result<Vec<Typed>, String>>().map_err(failed)?;
    if outputs.is_empty() {
        return Err(failed("the model has no output".to_owned()));
    }
    let parameters = model.parameters().map(|(_, parameter)| parameter.value.len()).sum();
    Ok(Types { path, inputs, outputs, parameters })
}

/// The extents as a model takes them.
pub fn all_extents(rows: bool, extents: &[usize]) -> Vec<usize> {
    rows.then_some(Shape::N).into_iter().chain(extents.iter().copied()).collect()
}

fn constant(list: bool, numbers: &[Number]) -> Constant {
    let whole: Option<Vec<i64>> =
        numbers.iter().map(|number| if let Number::Whole(number) = number { Some(*number) } else { None }).collect();
    let floats = numbers.iter().map(|number| match number {
        Number::Whole(number) => *number as f32,
        Number::Float(number) => *number,
    });
    match (whole, list) {
        (Some(whole), false) => Constant::int(whole[0]),
        (Some(whole), true) => Constant::ints(whole),
        (None, false) => Constant::floats(Vec::new(), floats.collect()),
        (None, true) => Constant::floats(vec![numbers.len()], floats.collect()),
    }
}

/// An output of two graphs: an extent that is the number of rows in both is N.
fn output(name: &str, few: &Graph, many: &Graph) -> Result<Typed, String> {
    let of =
        |graph: &Graph| graph.outputs.iter().find(|output| output.name == name).map(|output| graph.ty(output.node));
    let (Some(few), Some(many)) = (of(few), of(many)) else { return Err(format!("output `{name}` is not there")) };
    let refused = || {
        let [a, b] = ROWS;
        Err(format!(
            "output `{name}` has the shape {} for {a} rows and {} for {b}: the samples of a model's output lie along its \
             first axis, one for each of the input",
            few.shape, many.shape
        ))
    };
    let (a, b) = (few.shape.dims(), many.shape.dims());
    if a.len() != b.len() || a.first() != Some(&ROWS[0]) || b.first() != Some(&ROWS[1]) || a[1..] != b[1..] {
        return refused();
    }
    Ok(Typed { name: name.to_owned(), ty: Type::new(few.dtype, few.shape.with(0, Shape::N)) })
}

/// An error in the words of this macro.
fn told(error: &OnnxError, said: &str) -> String {
    match error {
        OnnxError::Open { name, shape } => {
            let name_of = written(name);
            format!(
                "input `{name}` has the open shape {shape}: say it, as in `onnx_model!({said:?}, {name_of}: [N, 3, 32, 32])`"
            )
        }
        OnnxError::Node { node, operator, fault } => match &**fault {
            Fault::Dynamic { input, .. } => format!(
                "node `{node}` ({operator}): `{input}` decides on a shape, an axis or a count, but depends on data: if an \
                 input of the model decides it, give it a value, as in `onnx_model!({said:?}, rate = 16000)`, or a shape"
            ),
            _ => error.to_string(),
        },
        OnnxError::Tensor { reason, .. } if reason.starts_with("external data") => format!(
            "{error}; a model of `onnx_model!` is one file, with its tensors: in Python `onnx.save(onnx.load(path), path)` \
             writes that"
        ),
        _ => error.to_string(),
    }
}

/// The name of an input as the macro takes it.
fn written(name: &str) -> String {
    if syn::parse_str::<proc_macro2::Ident>(name).is_ok() { name.to_owned() } else { format!("{name:?}") }
}

/// The only other ONNX file in the folder, which may be meant.
fn near(path: &Path) -> String {
    let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let mut files: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.to_ascii_lowercase().ends_with(".onnx"))
        .collect();
    files.sort();
    match files.len() {
        0 => String::new(),
        1..=5 => format!("; there is {}", files.join(", ")),
        count => format!("; there are {count} other ONNX files"),
    }
}

/// As Rust writes the type of its elements.
pub fn element(dtype: DType) -> proc_macro2::Ident {
    let name = match dtype {
        DType::F32 | DType::Bf16 => "f32",
        DType::I32 => "i32",
        DType::Bool => "bool",
    };
    proc_macro2::Ident::new(name, Span::mixed_site())
}
