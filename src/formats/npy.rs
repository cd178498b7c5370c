//! NumPy's format of one array: a magic word, a version, the text of a Python dictionary, the elements. Versions 1 to
//! 3. Source: `numpy.lib.format`. It reads no file.

use std::fmt::Write;

use super::Reason;
use super::element::{Element, Number, Order};
use super::part::Part;
use super::tensor::Tensor;
use kiln_graph::names::{numbers, shown};

/// What a file begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest header that is read: NumPy's own limit for files that are not trusted.
const LONGEST_HEADER: usize = 10_000;

/// The most axes that an array has: NumPy's limit.
const AXES: usize = 64;

/// The array of a file, of which the header is read.
pub fn parse(file: &Part) -> Result<Tensor, Reason> {
    let short = || format!("it has only {} bytes: is the download complete?", file.len());
    let bytes = file.beginning(MAGIC.len() + 6 + LONGEST_HEADER)?;
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let found = &bytes[..bytes.len().min(MAGIC.len())];
        return Err(if MAGIC.starts_with(found) {
            short()
        } else {
            format!("it begins with {found:02x?}, not with {MAGIC:02x?}")
        });
    };
    let [major, _, rest @ ..] = rest else { return Err(short()) };
    let (length, rest) = match (major, rest) {
        (1, [a, b, rest @ ..]) => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        (2 | 3, [a, b, c, d, rest @ ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        (1..=3, _) => return Err(short()),
        (version, _) => return Err(format!("it is of version {version}, expected 1 to 3")),
    };
    if length > LONGEST_HEADER {
        return Err(format!("its header is said to have {length} bytes, more than {LONGEST_HEADER}"));
    }
    let header = rest.get(..length).ok_or_else(short)?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is no text".to_owned())?;
    let Header { element, order, reverse, shape } = Parser(header).header()?;
    let start = bytes.len() - rest.len() + length;
    let data = file.part(start..file.len()).ok_or_else(short)?;
    let found = data.len();
    let expected = shape.iter().try_fold(element.width(), |product, &extent| product.checked_mul(extent));
    if expected != Some(found) {
        let expected = expected.map_or("more than 2^64".to_owned(), |expected| expected.to_string());
        let shape = numbers(&shape);
        return Err(format!(
            "it has {found} bytes of data, expected {expected} for the shape {shape}: is the download complete?"
        ));
    }
    Tensor::dense(element, order, shape, reverse, data)
}

/// What a header says.
struct Header {
    element: Element,
    order: Order,
    reverse: bool,
    shape: Vec<usize>,
}

/// A file of an array in row-major order, as `numpy.save` writes it.
pub fn encode<T: Number>(shape: &[usize], values: impl ExactSizeIterator<Item = T>) -> Vec<u8> {
    let mut bytes = header(T::ELEMENT, shape);
    bytes.reserve_exact(values.len() * T::ELEMENT.width());
    for value in values {
        value.append(&mut bytes);
    }
    bytes
}

/// What stands before the elements of an array in row-major order.
pub fn header(element: Element, shape: &[usize]) -> Vec<u8> {
    let extents = shape.iter().fold(String::new(), |mut text, extent| {
        let _ = write!(text, "{extent}, ");
        text
    });
    let extents = if shape.len() == 1 { extents.trim_end() } else { extents.trim_end_matches(", ") };
    let descr = descr(element);
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    // The data begins at a multiple of 64 bytes, behind the end of a line.
    let before = MAGIC.len() + 4 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', before.next_multiple_of(64) - before));
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    match u16::try_from(header.len()) {
        Ok(length) => bytes.extend([&[1, 0][..], &length.to_le_bytes()].concat()),
        Err(_) => bytes.extend([&[2, 0][..], &(header.len() as u32).to_le_bytes()].concat()),
    }
    bytes.extend(header.bytes());
    bytes
}

/// What NumPy calls element types.
const TYPES: [(&str, Element); 12] = [
    ("f2", Element::F16),
    ("f4", Element::F32),
    ("f8", Element::F64),
    ("i1", Element::I8),
    ("i2", Element::I16),
    ("i4", Element::I32),
    ("i8", Element::I64),
    ("u1", Element::U8),
    ("u2", Element::U16),
    ("u4", Element::U32),
    ("u8", Element::U64),
    ("b1", Element::Bool),
];

/// Whether NumPy has elements of this type.
pub fn knows(element: Element) -> bool {
    TYPES.iter().any(|(_, known)| *known == element)
}

fn descr(element: Element) -> String {
    let name = TYPES.iter().find(|(_, other)| *other == element).map_or("V", |(name, _)| name);
    format!("{}{name}", if element.width() == 1 { '|' } else { '<' })
}

/// What is left of the text of a header.
struct Parser<'a>(&'a str);

impl<'a> Parser<'a> {
    fn header(&mut self) -> Result<Header, Reason> {
        let (mut types, mut reverse, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.take("}") {
            let key = self.text()?;
            self.expect(":")?;
            match key {
                "descr" => types = Some(self.types()?),
                "fortran_order" => reverse = Some(self.truth()?),
                "shape" => shape = Some(self.extents()?),
                other => return Err(format!("its header has an unknown key {}", shown(other))),
            }
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        if !self.0.trim().is_empty() {
            return Err(format!("its header goes on with {}", shown(self.0.trim())));
        }
        let missing = |key: &str| format!("its header lacks {key}");
        let (element, order) = types.ok_or_else(|| missing("descr"))?;
        let reverse = reverse.ok_or_else(|| missing("fortran_order"))?;
        Ok(Header { element, order, reverse, shape: shape.ok_or_else(|| missing("shape"))? })
    }

    fn take(&mut self, word: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(word);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, word: &str) -> Result<(), Reason> {
        if self.take(word) {
            Ok(())
        } else {
            Err(format!("its header has {} where {word} is expected", shown(self.0.trim_start())))
        }
    }

    /// A text in quotes without escapes.
    fn text(&mut self) -> Result<&'a str, Reason> {
        let rest = self.0.trim_start();
        let quoted = ["'", "\""].into_iter().find_map(|quote| rest.strip_prefix(quote)?.split_once(quote));
        let (text, rest) = quoted.ok_or_else(|| format!("its header has {} where a text is expected", shown(rest)))?;
        self.0 = rest;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, Reason> {
        if self.take("True") { Ok(true) } else { self.expect("False").map(|()| false) }
    }

    fn types(&mut self) -> Result<(Element, Order), Reason> {
        if self.0.trim_start().starts_with('[') {
            return Err("it holds records of several fields: save each field as an array of its own".to_owned());
        }
        let text = self.text()?;
        let order = if text.starts_with('>') { Order::Big } else { Order::Little };
        let name = text.trim_start_matches(['<', '>', '|', '=']);
        match TYPES.iter().find(|(known, _)| *known == name) {
            Some((_, element)) => Ok((*element, order)),
            None if name == "O" => Err("it holds Python's objects, which only Python reads".to_owned()),
            None => {
                let known = TYPES.map(|(name, _)| name).join(", ");
                Err(format!(
                    "its elements are of type {}, expected one of {known}: convert it with `.astype`",
                    shown(text)
                ))
            }
        }
    }

    /// A tuple of extents.
    fn extents(&mut self) -> Result<Vec<usize>, Reason> {
        let mut extents = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            let rest = self.0.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let extent = rest[..end].parse();
            extents.push(extent.map_err(|_| format!("its header has {} where an extent is expected", shown(rest)))?);
            if extents.len() > AXES {
                return Err(format!("it has more than {AXES} axes"));
            }
            // Python 2 wrote long numbers.
            self.0 = rest[end..].strip_prefix('L').unwrap_or(&rest[end..]);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(extents)
    }
}
