//! The numbers of one column in one group of rows. It knows no file and no samples.

use ::parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::DataType;
use ::parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use crate::data::Number;
use crate::formats::element::Scalar;
use crate::formats::half::F16;

/// How many rows are decoded at once. Unit: rows. A guess, 2026-11-29.
const AT_ONCE: usize = 1 << 12;

/// A column of numbers, or of lists of numbers.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// Its place among the leaves of the schema.
    pub leaf: usize,
    kind: Kind,
    /// The definition level of what is there.
    defined: i16,
    /// The definition level of a list that has elements.
    listed: Option<i16>,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bool,
    I32,
    U32,
    I64,
    U64,
    F16,
    F32,
    F64,
}

/// The columns of a schema by their names; of those without numbers what they hold.
pub fn columns(schema: &SchemaDescriptor) -> Vec<(String, Result<Column, String>)> {
    let fields = schema.root_schema().get_fields();
    let column = |field: &Type| {
        let name = field.name().to_owned();
        let mut leaves = (0..schema.num_columns()).filter(|&leaf| schema.get_column_root(leaf).name() == name);
        let (Some(leaf), None) = (leaves.next(), leaves.next()) else { return Err("several fields".to_owned()) };
        let descriptor = schema.column(leaf);
        if descriptor.max_rep_level() > 1 {
            return Err("lists of lists".to_owned());
        }
        let kind = Kind::of(&descriptor)?;
        let listed = (descriptor.max_rep_level() == 1).then(|| listed(field));
        Ok(Column { name, leaf, kind, defined: descriptor.max_def_level(), listed })
    };
    fields.iter().map(|field| (field.name().to_owned(), column(field))).collect()
}

/// The definition level of what repeats in a field, which has one leaf.
fn listed(field: &Type) -> i16 {
    let (mut level, mut field) = (0, field);
    loop {
        let info = field.get_basic_info();
        let repetition = if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED };
        level += i16::from(repetition != Repetition::REQUIRED);
        if repetition == Repetition::REPEATED || field.is_primitive() {
            return level;
        }
        match field.get_fields().first() {
            Some(inner) => field = inner,
            None => return level,
        }
    }
}

impl Kind {
    /// How the numbers of a leaf are stored, else what it holds.
    fn of(leaf: &ColumnDescriptor) -> Result<Kind, String> {
        use ConvertedType::{INT_8, INT_16, INT_32, INT_64, NONE, UINT_8, UINT_16, UINT_32, UINT_64};
        let logical = leaf.logical_type_ref();
        let whole = match logical {
            Some(LogicalType::Integer(whole)) => Some(whole.is_signed),
            Some(_) => None,
            None => match leaf.converted_type() {
                NONE | INT_8 | INT_16 | INT_32 | INT_64 => Some(true),
                UINT_8 | UINT_16 | UINT_32 | UINT_64 => Some(false),
                _ => None,
            },
        };
        match (leaf.physical_type(), whole) {
            (Physical::BOOLEAN, _) => Ok(Kind::Bool),
            (Physical::INT32, Some(true)) => Ok(Kind::I32),
            (Physical::INT32, Some(false)) => Ok(Kind::U32),
            (Physical::INT64, Some(true)) => Ok(Kind::I64),
            (Physical::INT64, Some(false)) => Ok(Kind::U64),
            (Physical::FLOAT, _) => Ok(Kind::F32),
            (Physical::DOUBLE, _) => Ok(Kind::F64),
            (Physical::FIXED_LEN_BYTE_ARRAY, _) if matches!(logical, Some(LogicalType::Float16)) => Ok(Kind::F16),
            (physical, _) => Err(match (logical, leaf.converted_type()) {
                (Some(LogicalType::String), _) | (None, ConvertedType::UTF8) => "texts".to_owned(),
                (Some(LogicalType::Decimal(_)), _) | (None, ConvertedType::DECIMAL) => "decimal numbers".to_owned(),
                (Some(LogicalType::Date), _) | (None, ConvertedType::DATE) => "dates".to_owned(),
                (Some(LogicalType::Time(_) | LogicalType::Timestamp(_)), _) => "times".to_owned(),
                _ => format!("values of type {physical}"),
            }),
        }
    }
}

/// What is wrong.
pub enum Trouble {
    /// With a row, counted from the first that was collected.
    Row(usize, String),
    /// With the file.
    File(String),
}

impl Column {
    pub fn is_lists(&self) -> bool {
        self.listed.is_some()
    }

    /// Appends the numbers of the next rows, at most so many.
    pub fn read<T: Number>(&self, reader: ColumnReader, rows: usize, numbers: &mut Numbers<T>) -> Result<(), Trouble> {
        let whole = |number: i128| Scalar::Whole(number);
        match (reader, self.kind) {
            (ColumnReader::BoolColumnReader(reader), Kind::Bool) => {
                self.each(reader, rows, numbers, |&flag| whole(flag.into()))
            }
            (ColumnReader::Int32ColumnReader(reader), Kind::I32) => {
                self.each(reader, rows, numbers, |&number| whole(number.into()))
            }
            (ColumnReader::Int32ColumnReader(reader), Kind::U32) => {
                self.each(reader, rows, numbers, |&number| whole((number as u32).into()))
            }
            (ColumnReader::Int64ColumnReader(reader), Kind::I64) => {
                self.each(reader, rows, numbers, |&number| whole(number.into()))
            }
            (ColumnReader::Int64ColumnReader(reader), Kind::U64) => {
                self.each(reader, rows, numbers, |&number| whole((number as u64).into()))
            }
            (ColumnReader::FloatColumnReader(reader), Kind::F32) => {
                self.each(reader, rows, numbers, |&number| Scalar::Real(number.into()))
            }
            (ColumnReader::DoubleColumnReader(reader), Kind::F64) => {
                self.each(reader, rows, numbers, |&number| Scalar::Real(number))
            }
            (ColumnReader::FixedLenByteArrayColumnReader(reader), Kind::F16) => {
                self.each(reader, rows, numbers, |bytes| match bytes.data() {
                    [low, high] => Scalar::Real(F16::from_bits(u16::from_le_bytes([*low, *high])).into()),
                    // The schema says 2 bytes, which the reader holds values to.
                    _ => Scalar::Real(f64::NAN),
                })
            }
            _ => Err(Trouble::File(format!("column {} is not of the type that the schema says", self.name))),
        }
    }

    fn each<D: DataType, T: Number>(
        &self,
        mut reader: ColumnReaderImpl<D>,
        rows: usize,
        numbers: &mut Numbers<T>,
        scalar: impl Fn(&D::T) -> Scalar,
    ) -> Result<(), Trouble> {
        let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = rows;
        while left > 0 {
            values.clear();
            definitions.clear();
            repetitions.clear();
            let count = AT_ONCE.min(left);
            let read = reader.read_records(count, Some(&mut definitions), Some(&mut repetitions), &mut values);
            let (records, ..) = read.map_err(|error| Trouble::File(error.to_string()))?;
            if records == 0 {
                break;
            }
            left -= records;
            // Levels that can only be 0 are not written.
            let levels = if self.defined > 0 { definitions.len() } else { values.len() };
            let mut value = values.iter();
            for place in 0..levels {
                if repetitions.get(place).is_none_or(|&level| level == 0) {
                    numbers.begin_row()?;
                }
                let level = definitions.get(place).copied().unwrap_or(self.defined);
                match (level == self.defined).then(|| value.next()).flatten() {
                    Some(value) => numbers.push(scalar(value))?,
                    // A list without elements; what has too few is told at its end.
                    None if self.listed == Some(level + 1) => {}
                    None => return Err(Trouble::Row(numbers.rows() - 1, "it is null, expected a number".to_owned())),
                }
            }
        }
        numbers.end_row()
    }
}

/// The numbers of rows that all have as many of them.
pub struct Numbers<T> {
    numbers: Vec<T>,
    rows: usize,
    /// Where the present row begins.
    start: usize,
    width: Option<usize>,
}

impl<T: Number> Numbers<T> {
    /// None yet, of so many in each row, or as many as in the first.
    pub fn new(width: Option<usize>) -> Numbers<T> {
        Numbers { numbers: Vec::new(), rows: 0, start: 0, width }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn width(&self) -> usize {
        self.width.unwrap_or(0)
    }

    pub fn into_vec(self) -> Vec<T> {
        self.numbers
    }

    fn begin_row(&mut self) -> Result<(), Trouble> {
        self.end_row()?;
        self.start = self.numbers.len();
        self.rows += 1;
        Ok(())
    }

    /// That the present row has as many numbers as it must have.
    fn end_row(&mut self) -> Result<(), Trouble> {
        if self.rows == 0 {
            return Ok(());
        }
        let found = self.numbers.len() - self.start;
        let expected = *self.width.get_or_insert(found);
        match found == expected {
            true => Ok(()),
            false => Err(Trouble::Row(
                self.rows - 1,
                format!("it has {found} numbers, expected {expected} as in the first row"),
            )),
        }
    }

    fn push(&mut self, scalar: Scalar) -> Result<(), Trouble> {
        let number = T::of(scalar);
        let wrong = || Trouble::Row(self.rows.saturating_sub(1), format!("it is {scalar}, which is no {}", T::NAME));
        self.numbers.push(number.ok_or_else(wrong)?);
        Ok(())
    }
}
