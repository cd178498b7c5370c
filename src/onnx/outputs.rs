//! What a call of a file's model gives: arrays by the names of the outputs. It knows no inputs.

use kiln_graph::DType;
use ndarray::ArrayD;

use super::array::OnnxArray;
use super::given::unknown;
use super::predictor::OnnxRunError;
use crate::trainer::Compiled;

/// What a call gives.
#[derive(Clone, Debug)]
pub struct OnnxOutputs {
    outputs: Vec<(String, OnnxArray)>,
}

impl OnnxOutputs {
    /// The first outputs of a program that has run, under these names.
    pub(super) fn read(program: &Compiled, names: &[String]) -> OnnxOutputs {
        let session = program.session();
        let array = |position: usize| match session.program().plan().outputs[position].ty.dtype {
            DType::F32 => OnnxArray::F32(session.output(position).to_owned()),
            DType::Bf16 | DType::U8 | DType::I8 => unreachable!("neither inputs nor results of a program are narrow"),
            DType::I32 => OnnxArray::I32(session.output_i32(position).to_owned()),
            DType::Bool => OnnxArray::Bool(session.output_i32(position).mapv(|flag| flag != 0)),
        };
        let outputs = names.iter().enumerate();
        OnnxOutputs { outputs: outputs.map(|(position, name)| (name.clone(), array(position))).collect() }
    }

    /// The outputs of all samples, of those of their parts, at least one; samples lie along the first axes.
    pub(super) fn joined(mut parts: Vec<OnnxOutputs>) -> OnnxOutputs {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let names: Vec<String> = parts[0].names().map(str::to_owned).collect();
        let one = |(place, name): (usize, String)| {
            let arrays: Vec<&OnnxArray> = parts.iter().map(|part| &part.outputs[place].1).collect();
            (name, OnnxArray::stacked(&arrays))
        };
        OnnxOutputs { outputs: names.into_iter().enumerate().map(one).collect() }
    }

    /// The names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|(name, _)| name.as_str())
    }

    /// An output.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`].
    pub fn get(&self, name: &str) -> Result<&OnnxArray, OnnxRunError> {
        let found = self.outputs.iter().find(|(known, _)| known == name).map(|(_, found)| found);
        found.ok_or_else(|| unknown("output", name, self.outputs.iter().map(|(name, _)| name)))
    }

    /// An output of f32.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`], [`OnnxRunError::Holds`].
    pub fn numbers(&self, name: &str) -> Result<&ArrayD<f32>, OnnxRunError> {
        match self.get(name)? {
            OnnxArray::F32(array) => Ok(array),
            other => Err(holds(name, other, DType::F32)),
        }
    }

    /// An output of whole numbers, of whatever type in the file.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`], [`OnnxRunError::Holds`].
    pub fn whole_numbers(&self, name: &str) -> Result<&ArrayD<i32>, OnnxRunError> {
        match self.get(name)? {
            OnnxArray::I32(array) => Ok(array),
            other => Err(holds(name, other, DType::I32)),
        }
    }

    /// An output of bool.
    ///
    /// # Errors
    /// [`OnnxRunError::Unknown`], [`OnnxRunError::Holds`].
    pub fn flags(&self, name: &str) -> Result<&ArrayD<bool>, OnnxRunError> {
        match self.get(name)? {
            OnnxArray::Bool(array) => Ok(array),
            other => Err(holds(name, other, DType::Bool)),
        }
    }
}

/// The outputs with their names, in the order of the file.
impl IntoIterator for OnnxOutputs {
    type Item = (String, OnnxArray);
    type IntoIter = std::vec::IntoIter<(String, OnnxArray)>;

    fn into_iter(self) -> Self::IntoIter {
        self.outputs.into_iter()
    }
}

fn holds(name: &str, found: &OnnxArray, wanted: DType) -> OnnxRunError {
    OnnxRunError::Holds { name: name.to_owned(), found: found.dtype(), wanted }
}
