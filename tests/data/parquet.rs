//! Parquet files, by PyArrow (`rows.parquet`, by `make_parquet.py`) and by the crate that reads them: columns, rows, and what
//! is no number.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use kiln::data::{DataError, Loader, Parquet, Source};
use ndarray::{Array1, ArrayD, array};
use parquet::basic::Compression;
use parquet::data_type::{DoubleType, FloatType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::folder::Folder;

fn by_pyarrow() -> Parquet {
    Parquet::open(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/rows.parquet")).unwrap()
}

#[test]
fn columns_of_all_types_are_numbers() {
    let file = by_pyarrow();
    assert_eq!((file.len(), file.names().take(3).collect::<Vec<_>>()), (10, vec!["i8", "u8", "i16"]));
    let rows = || (0..10).map(f64::from);
    let expected = |number: &dyn Fn(f64) -> f64| Array1::from_iter(rows().map(number)).into_dyn();
    for (bits, name) in [(8, "i8"), (16, "i16"), (32, "i32"), (64, "i64")] {
        assert_eq!(file.read::<f64>(name).unwrap(), expected(&|n| -n), "{bits}");
    }
    for (largest, name) in
        [(u64::from(u8::MAX), "u8"), (u16::MAX.into(), "u16"), (u32::MAX.into(), "u32"), (u64::MAX, "u64")]
    {
        let expected = Array1::from_iter((0..10).map(|n| largest - n)).into_dyn();
        assert_eq!(file.read::<u64>(name).unwrap(), expected, "{name}");
    }
    assert_eq!(file.read::<f32>("f16").unwrap(), expected(&|n| n / 2.0).mapv(|x| x as f32));
    assert_eq!(file.read::<f32>("f32").unwrap(), expected(&|n| n / 4.0).mapv(|x| x as f32));
    assert_eq!(file.read::<f64>("f64").unwrap(), expected(&|n| n / 3.0));
    assert_eq!(file.read::<bool>("flag").unwrap(), expected(&|n| n % 3.0).mapv(|x| x == 0.0));
    assert_eq!(file.read::<i32>("label").unwrap(), expected(&|n| n % 4.0).mapv(|x| x as i32));
    let lists = file.read::<f32>("fixed").unwrap();
    assert_eq!(
        (lists.shape(), lists.iter().skip(9).copied().take(3).collect::<Vec<_>>()),
        (&[10, 3][..], vec![3.0, 3.5, -3.0])
    );
    assert_eq!(file.read::<i64>("list").unwrap().shape(), [10, 2]);
}

#[test]
fn rows_are_samples_in_any_order() {
    let source = by_pyarrow().source::<f32, i32>(&["f32", "fixed", "i8"], "label").unwrap();
    assert_eq!((source.len(), source.width()), (10, 5));
    assert_eq!(source.sample(9).unwrap(), (array![2.25, 9.0, 9.5, -9.0, -9.0], 1));
    assert!(matches!(source.sample(10), Err(DataError::NoSample { index: 10, count: 10 })));
    let batches = |source, workers| {
        let loader = Loader::new(source).batch(3).shuffle(5).workers(workers);
        (0..2).flat_map(|epoch| loader.epoch(epoch).map(Result::unwrap).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let expected = batches(source.clone(), 0);
    // Groups that are read at the same time.
    for _ in 0..20 {
        assert!(batches(source.clone().groups(1), 4) == expected);
    }
    for (bound, workers) in [(1, 0), (1, 3), (2, 2), (9, 2)] {
        assert!(batches(source.clone().groups(bound), workers) == expected, "{bound} groups, {workers} workers");
    }
}

#[test]
fn what_is_no_number_is_named() {
    let file = by_pyarrow();
    let check = |error: DataError, expected: &str| {
        let text = error.to_string();
        let name = text.find("rows.parquet").expect("the file is named");
        assert_eq!(&text[name..], expected);
    };
    for (column, expected) in [
        ("gap", "column gap, row 7: it is null, expected a number"),
        ("ragged", "column ragged, row 6: it has 3 numbers, expected 2 as in the first row"),
        ("empty", "column empty, row 5: it has 0 numbers, expected 2 as in the first row"),
        ("missing", "column missing, row 4: it is null, expected a number"),
        ("hole", "column hole, row 9: it is null, expected a number"),
    ] {
        let expected = format!("rows.parquet, {expected}");
        check(file.read::<f32>(column).unwrap_err(), &expected);
        // The rows of a group fail together; those of others are there.
        let source = file.source::<f32, i32>(&[column], "label").unwrap();
        check(source.sample(if column == "hole" { 9 } else { 7 }).unwrap_err(), &expected);
        assert!(source.sample(0).is_ok());
    }
    check(file.read::<i32>("f32").unwrap_err(), "rows.parquet, column f32, row 1: it is 0.25, which is no i32");
    check(file.read::<u8>("i64").unwrap_err(), "rows.parquet, column i64, row 1: it is -1, which is no u8");
    for (column, holds) in [
        ("text", "texts"),
        ("decimal", "decimal numbers"),
        ("date", "dates"),
        ("time", "times"),
        ("pair", "several fields"),
        ("lists", "lists of lists"),
    ] {
        let expected = format!("rows.parquet is no Parquet file: column {column} holds {holds}, expected numbers");
        check(file.read::<f32>(column).unwrap_err(), &expected);
    }
    let target = file.source::<f32, i32>(&["f32"], "list").unwrap_err();
    check(target, "rows.parquet is no Parquet file: list holds lists, expected a number in each row as a target");
    assert!(matches!(file.read::<f32>("labels"), Err(DataError::Column { name, .. }) if name == "labels"));
    let folder = Folder::new("parquet");
    assert!(matches!(Parquet::open(folder.path("none")), Err(DataError::Read { .. })));
    let error = Parquet::open(folder.file("a.csv", b"a,b\n1,2\n3,4\n")).unwrap_err().to_string();
    assert!(error.contains("is no Parquet file: ") && !error.contains('\n'), "{error}");
}

/// Tables by the crate's own writer: required and optional columns, groups of many sizes, also none and empty ones.
#[test]
fn what_is_written_comes_back() {
    let folder = Folder::new("tables");
    let schema = "message rows { REQUIRED INT32 a; OPTIONAL FLOAT b; REPEATED DOUBLE c; }";
    for (number, groups) in [&[][..], &[1], &[0, 3], &[5000, 1, 0, 4097]].into_iter().enumerate() {
        let path = folder.path(&format!("{number}.parquet"));
        let properties =
            WriterProperties::builder().set_compression(Compression::SNAPPY).set_data_page_row_count_limit(100);
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer =
            SerializedFileWriter::new(File::create(&path).unwrap(), schema, Arc::new(properties.build())).unwrap();
        let mut start = 0;
        for &rows in groups {
            let numbers: Vec<i32> = (start..start + rows).collect();
            let floats: Vec<f32> = numbers.iter().map(|&n| n as f32 / 8.0).collect();
            let doubles: Vec<f64> = numbers.iter().flat_map(|&n| [f64::from(n), -f64::from(n)]).collect();
            let count = rows as usize;
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int32Type>().write_batch(&numbers, None, None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<FloatType>().write_batch(&floats, Some(&vec![1; count]), None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            let (defined, repeated) = (vec![1; 2 * count], [0, 1].repeat(count));
            column.typed::<DoubleType>().write_batch(&doubles, Some(&defined), Some(&repeated)).unwrap();
            column.close().unwrap();
            group.close().unwrap();
            start += rows;
        }
        writer.close().unwrap();
        let file = Parquet::open(&path).unwrap();
        let numbers = Array1::from_iter(0..start);
        assert_eq!((file.len(), file.is_empty()), (start as usize, start == 0));
        assert_eq!(file.read::<i32>("a").unwrap(), numbers.clone().into_dyn());
        assert_eq!(file.read::<f32>("b").unwrap(), numbers.mapv(|n| n as f32 / 8.0).into_dyn());
        let lists: ArrayD<f64> = file.read("c").unwrap();
        assert_eq!(lists.shape(), [start as usize, if start == 0 { 0 } else { 2 }]);
        let source = file.source::<f32, i32>(&["c", "b"], "a").unwrap().groups(1);
        for row in (0..start).step_by(997) {
            let x = row as f32;
            assert_eq!(source.sample(row as usize).unwrap(), (array![x, -x, x / 8.0], row));
        }
    }
}

#[test]
fn damaged_files_are_errors() {
    let folder = Folder::new("damaged");
    let whole = fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/rows.parquet")).unwrap();
    for place in (0..whole.len()).step_by(61) {
        let mut bytes = whole.clone();
        bytes[place] ^= [0x01, 0x80, 0xff][place % 3];
        for bytes in [&bytes[..], &whole[..place]] {
            let Ok(file) = Parquet::open(folder.file("a", bytes)) else { continue };
            for name in ["i8", "u64", "f16", "flag", "fixed", "gap"] {
                if let Err(error) = file.read::<f64>(name) {
                    let text = error.to_string();
                    assert!(text.len() < 2000 && !text.contains('\n'), "{text}");
                }
            }
        }
    }
    assert!(Parquet::open(folder.file("a", &whole[..whole.len() - 1])).is_err());
}
