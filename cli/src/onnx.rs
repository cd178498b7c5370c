//! Models of ONNX files as the command runs them: opened, with what was said of their inputs. It prints nothing.

use std::path::Path;

use kiln::data::read_npy;
use kiln::graph::{DType, Shape};
use kiln::ndarray::ArrayD;
use kiln::onnx::{Constant, OnnxArray, OnnxError, OnnxModel, OnnxPredictor, OnnxRunError};

use crate::arguments::Given;
use crate::failure::Failure;
use crate::hints::{instead, there};

impl From<OnnxError> for Failure {
    fn from(error: OnnxError) -> Failure {
        match error {
            OnnxError::Open { name, shape } => {
                Failure::told(format!("input {name} has the open shape {shape}: fix it by --shape {name}=1,3,224,224"))
            }
            error => Failure::told(error),
        }
    }
}

impl From<OnnxRunError> for Failure {
    fn from(error: OnnxRunError) -> Failure {
        Failure::told(error)
    }
}

/// The model of a file, with the shapes and constants that were said.
pub fn open(file: &Path, shapes: &[Given<Vec<usize>>], constants: &[Given<Vec<f64>>]) -> Result<OnnxModel, Failure> {
    there("file", file)?;
    let mut model = OnnxModel::load(file).map_err(|error| Failure::told(format!("{}: {error}", file.display())))?;
    for Given { name, value } in constants {
        known(&model, name)?;
        let whole = value.iter().all(|number| number.fract() == 0.0);
        let constant = match (&value[..], whole) {
            (&[number], true) => Constant::int(number as i64),
            (&[number], false) => Constant::from(number as f32),
            (numbers, true) => Constant::ints(numbers.iter().map(|&number| number as i64).collect()),
            (numbers, false) => {
                Constant::floats(vec![numbers.len()], numbers.iter().map(|&number| number as f32).collect())
            }
        };
        model = model.with(name, constant)?;
    }
    for Given { name, value } in shapes {
        known(&model, name)?;
        model = model.shape(name, value)?;
    }
    Ok(model)
}

/// That the model has an input of this name.
pub fn known(model: &OnnxModel, name: &str) -> Result<(), Failure> {
    let names = || model.inputs().iter().map(|input| input.name.as_str());
    if names().any(|known| known == name) {
        return Ok(());
    }
    Err(Failure::told(format!("no input is called {name}: {}", instead(name, names()))))
}

/// A predictor, compiled for so many rows where the file leaves that open.
pub fn compile(model: OnnxModel, rows: usize, threads: Option<usize>) -> Result<OnnxPredictor, Failure> {
    let builder = OnnxPredictor::new(model).batch(rows);
    let builder = match threads {
        Some(threads) => builder.threads(threads),
        None => builder,
    };
    builder.build().map_err(|error| match error {
        OnnxRunError::Model(error) => error.into(),
        error => error.into(),
    })
}

/// An array of a file, of the type that an input takes.
pub fn read(path: &Path, dtype: DType) -> Result<OnnxArray, Failure> {
    there("file", path)?;
    Ok(match dtype {
        DType::F32 => OnnxArray::F32(read_npy(path).map_err(Failure::told)?),
        DType::Bf16 | DType::U8 | DType::I8 => unreachable!("no input of a file is narrow in the graph"),
        DType::I32 => OnnxArray::I32(read_npy(path).map_err(Failure::told)?),
        DType::Bool => OnnxArray::Bool(read_npy::<i32>(path).map_err(Failure::told)?.mapv(|number| number != 0)),
    })
}

/// The outputs of a call, by name.
pub fn call(predictor: &OnnxPredictor, inputs: &[Given<OnnxArray>]) -> Result<Vec<Given<OnnxArray>>, Failure> {
    let mut call = predictor.call();
    for Given { name, value } in inputs {
        call = call.given_elements(name, value.elements())?;
    }
    Ok(call.run()?.into_iter().map(|(name, value)| Given { name, value }).collect())
}

/// Numbers for an input that nobody gave, of so many rows: from -1 to 1, whole numbers of 0 and 1, flags that hold.
pub fn anything(shape: Shape, dtype: DType, rows: usize) -> OnnxArray {
    let extents: Vec<usize> =
        shape.dims().iter().map(|&extent| if extent == Shape::N { rows } else { extent }).collect();
    let random = |place: usize| kiln::random::uniform(0, 0, 0, place as u64);
    let count: usize = extents.iter().product();
    let filled = |numbers: Vec<f32>| ArrayD::from_shape_vec(extents.clone(), numbers).expect("one for each element");
    let floats = filled((0..count).map(|place| 2.0 * random(place) - 1.0).collect());
    match dtype {
        DType::F32 => OnnxArray::F32(floats),
        DType::Bf16 | DType::U8 | DType::I8 => unreachable!("no input of a file is narrow in the graph"),
        DType::I32 => OnnxArray::I32(floats.mapv(|number| i32::from(number > 0.0))),
        DType::Bool => OnnxArray::Bool(floats.mapv(|_| true)),
    }
}
