//! Tensors whose elements are known: those of a file, and what is computed of them before anything is compiled. Knows
//! no graphs.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

use kiln_graph::shape::{MAX_ELEMENTS, MAX_EXTENT, MAX_RANK};

use crate::element::Element;
use crate::proto::tensor_proto::{DataLocation, DataType};
use crate::proto::{SparseTensorProto, TensorProto};

/// As many elements a sparse tensor may have, however few of them are stored.
const SPARSE: usize = 1 << 22;

/// As many for each that is stored: a small file makes no large tensor.
const SPARSEST: usize = 256;

/// A tensor whose elements are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// The element type in the file.
    pub element: Element,
    /// The extents.
    pub shape: Vec<usize>,
    /// The elements in row-major order.
    pub data: Data,
}

/// Elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Of all floating-point types.
    Floats(Vec<f32>),
    /// Of all types of whole numbers.
    Ints(Vec<i64>),
    /// Of bool.
    Bools(Vec<bool>),
    /// Of text.
    Texts(Vec<Vec<u8>>),
}

impl Data {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::Floats(list) => list.len(),
            Data::Ints(list) => list.len(),
            Data::Bools(list) => list.len(),
            Data::Texts(list) => list.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements at places.
    pub fn pick(&self, places: impl Iterator<Item = usize>) -> Data {
        match self {
            Data::Floats(list) => Data::Floats(places.map(|place| list[place]).collect()),
            Data::Ints(list) => Data::Ints(places.map(|place| list[place]).collect()),
            Data::Bools(list) => Data::Bools(places.map(|place| list[place]).collect()),
            Data::Texts(list) => Data::Texts(places.map(|place| list[place].clone()).collect()),
        }
    }
}

/// The extents of a tensor, if one may have them.
///
/// # Errors
/// More axes than a tensor has, a negative or too large extent, too many elements.
pub fn extents(dims: &[i64]) -> Result<Vec<usize>, String> {
    if dims.len() > MAX_RANK {
        return Err(format!("a tensor of {} axes; there are at most {MAX_RANK}", dims.len()));
    }
    let mut elements = 1usize;
    let mut shape = Vec::with_capacity(dims.len());
    for &dim in dims {
        let extent = usize::try_from(dim).ok().filter(|extent| *extent <= MAX_EXTENT);
        let extent = extent.ok_or_else(|| format!("an extent of {dim} in the shape {dims:?}"))?;
        elements = elements.saturating_mul(extent);
        shape.push(extent);
    }
    if elements > MAX_ELEMENTS { Err(format!("the shape {dims:?} has too many elements")) } else { Ok(shape) }
}

impl Constant {
    /// A vector of whole numbers.
    pub fn ints(numbers: Vec<i64>) -> Constant {
        Constant { element: Element::I64, shape: vec![numbers.len()], data: Data::Ints(numbers) }
    }

    /// A whole number without axes.
    pub fn int(number: i64) -> Constant {
        Constant { element: Element::I64, shape: Vec::new(), data: Data::Ints(vec![number]) }
    }

    /// A truth value without axes.
    pub fn bool(holds: bool) -> Constant {
        Constant { element: Element::BOOL, shape: Vec::new(), data: Data::Bools(vec![holds]) }
    }

    /// f32 of a shape.
    pub fn floats(shape: Vec<usize>, numbers: Vec<f32>) -> Constant {
        Constant { element: Element::F32, shape, data: Data::Floats(numbers) }
    }

    /// The elements as whole numbers, truth values as 0 and 1.
    pub fn whole(&self) -> Option<Vec<i64>> {
        match &self.data {
            Data::Ints(list) => Some(list.clone()),
            Data::Bools(list) => Some(list.iter().map(|&holds| i64::from(holds)).collect()),
            Data::Floats(_) | Data::Texts(_) => None,
        }
    }

    /// The elements as numbers.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        match &self.data {
            Data::Floats(list) => Some(list.iter().map(|&number| f64::from(number)).collect()),
            Data::Ints(list) => Some(list.iter().map(|&number| number as f64).collect()),
            Data::Bools(list) => Some(list.iter().map(|&holds| f64::from(u8::from(holds))).collect()),
            Data::Texts(_) => None,
        }
    }

    /// The number that all elements are, if there is one.
    pub fn uniform(&self) -> Option<f64> {
        let bits = |list: &[f32]| list.iter().all(|x| x.to_bits() == list[0].to_bits());
        match &self.data {
            Data::Floats(list) if !list.is_empty() && bits(list) => Some(f64::from(list[0])),
            Data::Ints(list) if !list.is_empty() && list.iter().all(|x| x == &list[0]) => Some(list[0] as f64),
            Data::Bools(list) if !list.is_empty() && list.iter().all(|x| x == &list[0]) => {
                Some(f64::from(u8::from(list[0])))
            }
            _ => None,
        }
    }

    /// That of a message, with what it refers to.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(tensor: &TensorProto, beside: Beside<'_>) -> Result<Constant, String> {
        let shape = extents(&tensor.dims)?;
        let count: usize = shape.iter().product();
        let number = tensor.data_type.unwrap_or_default();
        let element = Element::of(number).ok_or_else(|| format!("element type {number}, which ONNX does not have"))?;
        let external = tensor.data_location == Some(DataLocation::External as i32);
        let outside = if external { Some(read_external(tensor, beside, bytes_of(element, count)?)?) } else { None };
        let raw = outside.as_deref().or(tensor.raw_data.as_deref());
        let data = match raw {
            Some(raw) => from_bytes(element, count, raw)?,
            None => from_fields(element, count, tensor)?,
        };
        if data.len() != count {
            return Err(format!("{} elements for the shape {shape:?}", data.len()));
        }
        Ok(Constant { element, shape, data })
    }

    /// That of a sparse message: zeros but for the elements that it names.
    ///
    /// # Errors
    /// As for [`Constant::read`].
    pub fn read_sparse(sparse: &SparseTensorProto, beside: Beside<'_>) -> Result<Constant, String> {
        let shape = extents(&sparse.dims)?;
        let count: usize = shape.iter().product();
        let values = Constant::read(sparse.values.as_ref().ok_or("a sparse tensor without values")?, beside)?;
        let indices = Constant::read(sparse.indices.as_ref().ok_or("a sparse tensor without indices")?, beside)?;
        let places = indices.whole().ok_or("a sparse tensor whose indices are no whole numbers")?;
        let stored = values.data.len();
        let most = SPARSE.max(stored.saturating_mul(SPARSEST));
        if count > most {
            return Err(format!(
                "a sparse tensor of {count} elements, of which {stored} are stored; there are at most {most}"
            ));
        }
        let rank = if indices.shape.len() == 2 { indices.shape[1] } else { 1 };
        if places.len() != stored * rank || (indices.shape.len() == 2 && rank != shape.len()) {
            return Err(format!("{} indices for {stored} values of a sparse tensor", places.len()));
        }
        let mut flat = Vec::with_capacity(stored);
        for index in places.chunks(rank.max(1)) {
            let place = if indices.shape.len() == 2 {
                index.iter().zip(&shape).try_fold(0usize, |place, (&at, &extent)| {
                    usize::try_from(at).ok().filter(|at| *at < extent).map(|at| place * extent + at)
                })
            } else {
                usize::try_from(index[0]).ok().filter(|place| *place < count)
            };
            flat.push(place.ok_or_else(|| format!("index {index:?} of a sparse tensor of shape {shape:?}"))?);
        }
        let data = match values.data {
            Data::Floats(list) => Data::Floats(spread(count, &flat, &list)),
            Data::Ints(list) => Data::Ints(spread(count, &flat, &list)),
            Data::Bools(list) => Data::Bools(spread(count, &flat, &list)),
            Data::Texts(_) => return Err("a sparse tensor of text".to_owned()),
        };
        Ok(Constant { element: values.element, shape, data })
    }
}

fn spread<T: Copy + Default>(count: usize, places: &[usize], values: &[T]) -> Vec<T> {
    let mut all = vec![T::default(); count];
    places.iter().zip(values).for_each(|(&place, &value)| all[place] = value);
    all
}

/// The bits of an element in `raw_data`.
fn bits(element: Element) -> Option<usize> {
    match element.data_type() {
        DataType::Double | DataType::Int64 | DataType::Uint64 => Some(64),
        DataType::Float | DataType::Int32 | DataType::Uint32 => Some(32),
        DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16 => Some(16),
        DataType::Int8 | DataType::Uint8 | DataType::Bool => Some(8),
        DataType::Int4 | DataType::Uint4 => Some(4),
        DataType::Int2 | DataType::Uint2 => Some(2),
        _ => None,
    }
}

fn bytes_of(element: Element, count: usize) -> Result<usize, String> {
    let bits = bits(element).ok_or_else(|| format!("elements of type {element}, which are not read"))?;
    Ok((count * bits).div_ceil(8))
}

fn from_bytes(element: Element, count: usize, raw: &[u8]) -> Result<Data, String> {
    let expected = bytes_of(element, count)?;
    if raw.len() != expected {
        return Err(format!("{} bytes for {count} elements of type {element}, which are {expected}", raw.len()));
    }
    fn each<const K: usize, T>(raw: &[u8], read: impl Fn([u8; K]) -> T) -> Vec<T> {
        raw.as_chunks::<K>().0.iter().map(|&bytes| read(bytes)).collect()
    }
    let small = |bits: usize, signed: bool| -> Vec<i64> {
        let per = 8 / bits;
        let number = |place: usize| {
            let pattern = i64::from(raw[place / per] >> (place % per * bits)) & ((1 << bits) - 1);
            if signed && pattern >> (bits - 1) == 1 { pattern - (1 << bits) } else { pattern }
        };
        (0..count).map(number).collect()
    };
    Ok(match element.data_type() {
        DataType::Float => Data::Floats(each(raw, f32::from_le_bytes)),
        DataType::Double => Data::Floats(each(raw, |bytes| f64::from_le_bytes(bytes) as f32)),
        DataType::Float16 => Data::Floats(each(raw, |bytes| half(u16::from_le_bytes(bytes)))),
        DataType::Bfloat16 => Data::Floats(each(raw, |bytes| brain(u16::from_le_bytes(bytes)))),
        DataType::Int64 => Data::Ints(each(raw, i64::from_le_bytes)),
        DataType::Int32 => Data::Ints(each(raw, |bytes| i64::from(i32::from_le_bytes(bytes)))),
        DataType::Int16 => Data::Ints(each(raw, |bytes| i64::from(i16::from_le_bytes(bytes)))),
        DataType::Int8 => Data::Ints(each(raw, |bytes| i64::from(i8::from_le_bytes(bytes)))),
        DataType::Uint64 => Data::Ints(unsigned(&each(raw, u64::from_le_bytes))?),
        DataType::Uint32 => Data::Ints(each(raw, |bytes| i64::from(u32::from_le_bytes(bytes)))),
        DataType::Uint16 => Data::Ints(each(raw, |bytes| i64::from(u16::from_le_bytes(bytes)))),
        DataType::Uint8 => Data::Ints(raw.iter().map(|&byte| i64::from(byte)).collect()),
        DataType::Bool => Data::Bools(raw.iter().map(|&byte| byte != 0).collect()),
        DataType::Int4 => Data::Ints(small(4, true)),
        DataType::Uint4 => Data::Ints(small(4, false)),
        DataType::Int2 => Data::Ints(small(2, true)),
        DataType::Uint2 => Data::Ints(small(2, false)),
        _ => return Err(format!("elements of type {element}, which are not read")),
    })
}

fn unsigned(list: &[u64]) -> Result<Vec<i64>, String> {
    let number = |&number: &u64| i64::try_from(number).map_err(|_| format!("{number}, which is above 2^63"));
    list.iter().map(number).collect()
}

/// From the field of the type; numbers of less than 32 bits lie in `int32_data`, those of less than 8 packed to bytes.
fn from_fields(element: Element, count: usize, tensor: &TensorProto) -> Result<Data, String> {
    let ints = || tensor.int32_data.iter().map(|&number| i64::from(number)).collect();
    Ok(match element.data_type() {
        DataType::Float => Data::Floats(tensor.float_data.clone()),
        DataType::Double => Data::Floats(tensor.double_data.iter().map(|&number| number as f32).collect()),
        DataType::Float16 => Data::Floats(tensor.int32_data.iter().map(|&bits| half(bits as u16)).collect()),
        DataType::Bfloat16 => Data::Floats(tensor.int32_data.iter().map(|&bits| brain(bits as u16)).collect()),
        DataType::Int64 => Data::Ints(tensor.int64_data.clone()),
        DataType::Int32 | DataType::Int16 | DataType::Int8 | DataType::Uint16 | DataType::Uint8 => Data::Ints(ints()),
        DataType::Uint64 | DataType::Uint32 => Data::Ints(unsigned(&tensor.uint64_data)?),
        DataType::Bool => Data::Bools(tensor.int32_data.iter().map(|&number| number != 0).collect()),
        DataType::Int4 | DataType::Uint4 | DataType::Int2 | DataType::Uint2 => {
            let bytes: Vec<u8> = tensor.int32_data.iter().map(|&number| number as u8).collect();
            from_bytes(element, count, &bytes)?
        }
        DataType::String => Data::Texts(tensor.string_data.clone()),
        _ => return Err(format!("elements of type {element}, which are not read")),
    })
}

/// The f32 of an IEEE binary16.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The f32 of a bfloat16.
fn brain(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Where the files lie that tensors refer to: external data.
#[derive(Clone, Copy, Debug)]
pub enum Beside<'a> {
    /// Nowhere: the model was given as bytes.
    Nothing,
    /// In a folder.
    Folder(&'a Path),
    /// In memory, by the names that the model has for them.
    Files(&'a [(&'a str, &'a [u8])]),
}

/// Where the model says that a tensor's bytes lie, if that is another file.
pub fn location(tensor: &TensorProto) -> Option<&str> {
    let external = tensor.data_location == Some(DataLocation::External as i32);
    let entry = tensor.external_data.iter().find(|entry| entry.key() == "location");
    entry.filter(|_| external).map(|entry| entry.value())
}

/// Whether a location is one beside the model: a file may name no other file of whoever reads it.
pub fn lies_beside(location: &str) -> bool {
    let is_within = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    !location.is_empty() && Path::new(location).components().all(is_within)
}

/// The bytes of a tensor in a file beside the model's.
fn read_external(tensor: &TensorProto, beside: Beside<'_>, expected: usize) -> Result<Vec<u8>, String> {
    let of = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).map(|entry| entry.value());
    let number = |key: &str| match of(key) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("external data with {key} = `{text}`")),
    };
    let location = location(tensor).ok_or("external data without a location")?;
    if !lies_beside(location) {
        return Err(format!("external data at `{location}`, which does not lie beside the model"));
    }
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    if length.is_some_and(|length| length != expected as u64) {
        return Err(format!("external data of {} bytes, of which {expected} are needed", length.unwrap_or_default()));
    }
    let short = |there: u64| {
        format!("external data `{location}` has {there} bytes, but {expected} are to be read from {offset}")
    };
    let fails = |error: std::io::Error| format!("external data `{location}`: {error}");
    match beside {
        Beside::Nothing => Err("external data, but the model was given as bytes: load it from its file".to_owned()),
        Beside::Files(files) => {
            let file = files.iter().find(|(name, _)| *name == location).map(|(_, bytes)| *bytes);
            let file = file.ok_or_else(|| format!("external data `{location}`, which was not given"))?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let part = file.get(start..start.saturating_add(expected)).ok_or_else(|| short(file.len() as u64))?;
            Ok(part.to_vec())
        }
        Beside::Folder(folder) => {
            let mut file = File::open(folder.join(location)).map_err(fails)?;
            let there = file.metadata().map_err(fails)?.len();
            if offset.saturating_add(expected as u64) > there {
                return Err(short(there));
            }
            file.seek(SeekFrom::Start(offset)).map_err(fails)?;
            let mut bytes = vec![0; expected];
            file.read_exact(&mut bytes).map_err(fails)?;
            Ok(bytes)
        }
    }
}
