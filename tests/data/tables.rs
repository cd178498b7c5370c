//! Tables in CSV files: numbers, classes, and what is wrong with them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use kiln::data::{CsvOptions, DataError, read_csv};
use ndarray::array;

use crate::folder::Folder;

#[test]
fn columns_become_arrays() {
    let folder = Folder::new("tables");
    let text = "\u{feff}x, y ,\"a \"\"b\"\"\",class\n1,-2.5,true,dog\r\n\n 3 ,4e1,FALSE,\"cat\n, too\"\n5,inf,1,dog\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    for bytes in [text.as_bytes(), &encoder.finish().unwrap()] {
        let table = read_csv(folder.file("a.csv", bytes)).unwrap();
        assert_eq!((table.len(), table.is_empty()), (3, false));
        assert_eq!(table.names(), ["x", "y", "a \"b\"", "class"]);
        assert_eq!(table.column::<i32>("x").unwrap(), array![1, 3, 5]);
        assert_eq!(table.column::<bool>("a \"b\"").unwrap(), array![true, false, true]);
        assert_eq!(table.columns::<f32>(&["y", "x"]).unwrap(), array![[-2.5, 1.0], [40.0, 3.0], [f32::INFINITY, 5.0]]);
        assert_eq!(table.texts("class").unwrap(), ["dog", "cat\n, too", "dog"]);
        assert_eq!(table.classes("class").unwrap(), (array![1, 0, 1], vec!["cat\n, too".into(), "dog".into()]));
    }
    let path = folder.file("b.csv", b"1;2\n;4\n");
    let table = CsvOptions::new().delimiter(b';').header(false).missing(-1.0).read(path).unwrap();
    assert_eq!(table.columns::<f64>(table.names()).unwrap(), array![[1.0, 2.0], [-1.0, 4.0]]);
    assert_eq!(read_csv(folder.file("c.csv", b"a,b")).unwrap().column::<f32>("b").unwrap().len(), 0);
}

#[test]
fn mistakes_are_told_by_line_and_column() {
    let folder = Folder::new("mistakes");
    let check = |text: &[u8], expected: &str| {
        let path = folder.file("a.csv", text);
        let error = read_csv(&path).and_then(|table| table.column::<u8>("x").map(|_| ())).unwrap_err();
        let text = error.to_string().replace(&path.display().to_string(), "FILE");
        assert_eq!(text, expected, "{error:?}");
    };
    let cell = |line: u64, found: &str| {
        format!("FILE, line {line}, column 2 (x): it holds {found}, expected a number of type u8")
    };
    check(b"y,x\n1,2\n\n1,two\n", &cell(4, "two"));
    check(b"y,x\n1,2\n\"a\nb\",256\n1,3", &cell(3, "256"));
    check(b"y,x\n1,2.5", &cell(2, "2.5"));
    check(b"y,x\n1,", &cell(2, "\"\""));
    check(b"y,x\n1,-1", &cell(2, "-1"));
    check(b"y,x\n1,nan", &cell(2, "nan"));
    check(b"y,z\n1,2", "FILE has no column x: its columns are y, z");
    check(b"x,x\n1,2", "FILE has several columns x: its columns are x, x");
    check(b"y,x\n1,2\n1,2,3\n", "FILE, line 3: it has 3 cells, expected 2, as in the first line");
    check(b"y,x\n1,2\n1\n", "FILE, line 3: it has 1 cells, expected 2, as in the first line");
    check(b"", "FILE is no CSV file: it holds nothing");
    check(b"\n\n", "FILE is no CSV file: it holds nothing");
    check(b"y,x\n1,\xff\n", "FILE is no CSV file: line 2, column 2: it is not in UTF-8");
    assert!(matches!(read_csv(folder.path("absent.csv")), Err(DataError::Read { .. })));
}
