//! The file of an `onnx_model!`: read, with what was said of its inputs, and the types of what it takes and gives.
//! Knows no tokens but the places of errors.

use std::path::{Path, PathBuf};

use kiln_graph::shape::{DType, Shape, Sizes, extent};
use kiln_graph::{Graph, Type};
use kiln_onnx::{Constant, Fault, OnnxError, OnnxModel};
use proc_macro2::Span;

use crate::parse::{Declaration, Number, Said, Setting};

/// As many rows in the two graphs by which it is found out which extents are the number of rows. Primes, which no extent of a
/// network is likely to be made of.
const ROWS: [usize; 2] = [11, 13];

/// What free lengths are in the first graph: the first of these for which there is one. In others one of them is twice, and three
/// times as long.
const LENGTHS: [usize; 14] = [17, 16, 24, 32, 48, 64, 96, 128, 192, 256, 7, 4, 2, 1];

/// A name with its type.
pub struct Typed {
    pub name: String,
    pub ty: Type,
}

/// What the model of a file takes and gives.
pub struct Types {
    pub path: PathBuf,
    /// The files that it refers to, with the names that it has for them.
    pub beside: Vec<(String, PathBuf)>,
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
    let refused = |error: OnnxError| failed(told(&error, &said));
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = OnnxModel::files(bytes).map_err(refused)?;
    let beside = beside.into_iter().map(|name| (name.clone(), folder.join(name))).collect();
    let mut model = OnnxModel::load(&path).map_err(refused)?;
    if let Some(first) = declaration.outputs.first() {
        let names: Vec<String> = declaration.outputs.iter().map(syn::LitStr::value).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        model = model
            .with_outputs(&names)
            .map_err(|error| syn::Error::new(first.span(), format!("{said}: {}", told(&error, &said))))?;
    }
    for Setting { name, place, value } in &declaration.settings {
        let result = match value {
            Said::Shape(extents) => model.shape(name, extents),
            Said::Value { list, numbers } => model.with(name, constant(*list, numbers)),
        };
        model = result.map_err(|error| syn::Error::new(*place, format!("{said}: {}", told(&error, &said))))?;
    }
    let types = model.free_types().map_err(|error| failed(told(&error, &said)))?;
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
    let lengths: Vec<usize> = declaration.lengths.iter().map(|name| extent::free(&name.to_string())).collect();
    let built = Built::of(&model, &lengths).map_err(refused)?;
    let inputs = model.inputs().iter().zip(types).map(|(input, ty)| Typed { name: input.name.clone(), ty }).collect();
    let outputs = (0..model.outputs().len()).map(|output| built.output(output));
    let outputs = outputs.collect::<Result<Vec<Typed>, String>>().map_err(failed)?;
    if outputs.is_empty() {
        return Err(failed("the model has no output".to_owned()));
    }
    let parameters = model.parameters().map(|(_, parameter)| parameter.value.len()).sum();
    Ok(Types { path, beside, inputs, outputs, parameters })
}

/// Graphs of the model for some sizes, by which it is found out what follows from which.
struct Built {
    /// What the lengths are in the first graph.
    length: usize,
    lengths: Vec<usize>,
    /// The first graph, that of other rows, then for each length those where it is twice and three times as long.
    graphs: Vec<(Sizes, Graph)>,
}

impl Built {
    fn of(model: &OnnxModel, lengths: &[usize]) -> Result<Built, OnnxError> {
        let all = |rows: usize, length: usize| {
            lengths.iter().fold(Sizes::of_batch(rows), |sizes, &free| sizes.with(free, length))
        };
        let mut refused = None;
        for length in LENGTHS {
            let first = all(ROWS[0], length);
            let longer = lengths.iter().flat_map(|&free| [2, 3].map(|times| first.with(free, times * length)));
            let sizes = [first, all(ROWS[1], length)].into_iter().chain(longer);
            let graphs = sizes.map(|sizes| Ok((sizes, model.predict_graph(sizes)?))).collect();
            match graphs {
                Ok(graphs) => return Ok(Built { length, lengths: lengths.to_vec(), graphs }),
                Err(error) => refused = refused.or(Some(error)),
            }
            if lengths.is_empty() {
                break;
            }
        }
        Err(refused.expect("there are lengths to try"))
    }

    /// An output's type: N along the first axis, along the others numbers, or what follows from one free length.
    fn output(&self, output: usize) -> Result<Typed, String> {
        let types = self.graphs.iter().map(|(_, graph)| graph.ty(graph.outputs[output].node));
        let types: Vec<Type> = types.collect();
        let name = self.graphs[0].1.outputs[output].name.clone();
        let shapes: Vec<&[usize]> = types.iter().map(|ty| ty.shape.dims()).collect();
        let ranks = shapes.iter().all(|shape| shape.len() == shapes[0].len());
        let rows = self.graphs.iter().zip(&shapes).all(|((sizes, _), shape)| shape.first() == Some(&sizes.batch()));
        let rest = |axis: usize| self.extent(shapes.iter().map(|shape| shape[axis]).collect());
        let extents: Option<Vec<usize>> = if ranks && rows { (1..shapes[0].len()).map(rest).collect() } else { None };
        let Some(extents) = extents else {
            let shape = |((sizes, _), ty): (&(Sizes, Graph), &Type)| {
                format!("{} for {} rows{}", ty.shape, sizes.batch(), sizes.of_extents(", "))
            };
            let shapes: Vec<String> = self.graphs.iter().zip(&types).map(shape).collect();
            let length = if self.lengths.is_empty() { "" } else { "; an extent follows from one length, as 2 * T + 1" };
            return Err(format!(
                "output `{name}` has the shape {}: the samples of a model's output lie along its first axis, one for each of \
                 the input{length}",
                shapes.join(", ")
            ));
        };
        let extents: Vec<usize> = std::iter::once(Shape::N).chain(extents).collect();
        Ok(Typed { name, ty: Type::new(types[0].dtype, Shape::new(&extents)) })
    }

    /// What an extent is that has these values in the graphs, if it is a number, or a line over one length.
    fn extent(&self, found: Vec<usize>) -> Option<usize> {
        let (first, longer) = (found[0], found[2..].chunks(2));
        let mut follows =
            self.lengths.iter().zip(longer).filter(|(_, longer)| longer.iter().any(|&other| other != first));
        let of = follows.next();
        if found[1] != first || follows.next().is_some() {
            return None;
        }
        let Some((&free, longer)) = of else { return Some(first) };
        let more = longer[0].checked_sub(first)?;
        if longer[1].checked_sub(longer[0]) != Some(more) || more % self.length != 0 {
            return None;
        }
        extent::shifted(extent::times(free, more / self.length)?, first as isize - more as isize)
    }
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

/// An error in the words of this macro.
fn told(error: &OnnxError, said: &str) -> String {
    match error {
        OnnxError::Open { name, shape } => {
            let name_of = written(name);
            format!(
                "input `{name}` has the open shape {shape}: say it, as in `onnx_model!({said:?}, {name_of}: [N, 3, 32, 32])`, \
                 or `[N, T, 80]` where the model may take any length"
            )
        }
        OnnxError::Node { node, operator, fault } => match &**fault {
            Fault::Dynamic { input, .. } => format!(
                "node `{node}` ({operator}): `{input}` decides on a shape, an axis or a count, but depends on data: if an \
                 input of the model decides it, give it a value, as in `onnx_model!({said:?}, rate = 16000)`, or a shape"
            ),
            _ => error.to_string(),
        },
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
        DType::F32 | DType::Bf16 | DType::U8 | DType::I8 => "f32",
        DType::I32 => "i32",
        DType::Bool => "bool",
    };
    proc_macro2::Ident::new(name, Span::mixed_site())
}
