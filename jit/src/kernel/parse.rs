//! The text form of kernels read back: [`parse`] and `Display` of [`Kernel`] are inverses. It refuses what is no text
//! of a kernel; what is one and breaks the rules, [`Kernel::check`] refuses. It knows the kernel IR alone.
//!
//! Spaces, ends of lines and comments (`#` to the end of the line) separate words and mean nothing. Values and
//! variables keep their numbers. A buffer whose name is no plain word, or not its alone, is called `name@2` or `@2`, by
//! its position.

#[cfg(test)]
mod tests;
mod words;

use std::fmt::Debug;

use super::print::{is_plain, lower};
use super::*;
use words::Words;

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}, found {found}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// What may stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

/// What is read of a text.
type Parsed<T> = Result<T, ParseError>;

/// A kernel from its text.
///
/// ```
/// use kiln_jit::kernel::parse;
///
/// let text = "kernel one lanes=4 (out: write f32[4]) {\n  %0 = constant 1.0\n  store out[0], %0\n}\n";
/// let kernel = parse(text).unwrap();
/// assert!(kernel.check().is_ok());
/// assert_eq!(kernel.to_string(), text);
/// assert_eq!(parse("kernel one lanes=four").unwrap_err().to_string(), "line 1: expected a number, found `four`");
/// ```
///
/// # Errors
/// [`ParseError`], at the first word that can not stand where it does.
pub fn parse(text: &str) -> Result<Kernel, ParseError> {
    let mut parser = Parser::new(text);
    let kernel = parser.kernel()?;
    if parser.words.at_end() { Ok(kernel) } else { parser.words.fail("the end of the text") }
}

/// Any number of kernels, one behind the other.
///
/// # Errors
/// As `parse`.
pub fn parse_all(text: &str) -> Result<Vec<Kernel>, ParseError> {
    let mut parser = Parser::new(text);
    let mut kernels = Vec::new();
    while !parser.words.at_end() {
        kernels.push(parser.kernel()?);
    }
    Ok(kernels)
}

const FLOAT1: [Float1; 6] = [Float1::Neg, Float1::Abs, Float1::Sqrt, Float1::Floor, Float1::Nearest, Float1::Bf16];
const FLOAT2: [Float2; 6] = [Float2::Add, Float2::Sub, Float2::Mul, Float2::Div, Float2::Min, Float2::Max];
const INT2: [Int2; 9] =
    [Int2::Add, Int2::Sub, Int2::Mul, Int2::MulHighUnsigned, Int2::And, Int2::Or, Int2::Xor, Int2::Min, Int2::Max];
const SHIFTS: [Shift; 3] = [Shift::Left, Shift::RightLogical, Shift::RightArithmetic];
const COMPARES: [Compare; 6] = [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge];
const MASK2: [Mask2; 3] = [Mask2::And, Mask2::Or, Mask2::Xor];
const CONVERTS: [Convert; 6] =
    [Convert::Truncate, Convert::ToF32, Convert::BitsToI32, Convert::BitsToF32, Convert::MaskToI32, Convert::I32ToMask];
const SHUFFLES: [Shuffle; 6] = [
    Shuffle::LowLanes,
    Shuffle::HighLanes,
    Shuffle::LowPairs,
    Shuffle::HighPairs,
    Shuffle::EvenGroups,
    Shuffle::OddGroups,
];

/// Loops within loops, at most: more than any kernel has, and few enough for the stack of any thread.
const DEEPEST: usize = 64;

/// The variant that prints as a word.
fn named<T: Copy + Debug>(all: &[T], word: &str) -> Option<T> {
    all.iter().copied().find(|variant| lower(variant) == word)
}

struct Parser<'t> {
    words: Words<'t>,
    kernel: Kernel,
    /// What each buffer is called in the text.
    handles: Vec<&'t str>,
    /// Whether each value of the kernel was defined so far; those that were not are of any type.
    defined: Vec<bool>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Parser<'t> {
        let kernel = KernelBuilder::new("", 1).finish();
        Parser { words: Words::new(text), kernel, handles: Vec::new(), defined: Vec::new() }
    }

    fn kernel(&mut self) -> Parsed<Kernel> {
        self.words.expect_word("kernel")?;
        let name = if self.words.follows("\"") {
            self.words.quoted()?
        } else {
            self.words.word("a kernel's name")?.to_owned()
        };
        self.words.expect_word("lanes")?;
        self.words.expect("=")?;
        self.kernel = KernelBuilder::new(name, self.words.number()?).finish();
        (self.handles, self.defined) = (Vec::new(), Vec::new());
        self.words.expect("(")?;
        while !self.words.mark(")") {
            if !self.kernel.buffers.is_empty() {
                self.words.expect(",")?;
            }
            self.buffer()?;
        }
        if self.words.keyword("tiles") {
            self.words.expect("(")?;
            self.kernel.tiles = self.list(Parser::shape)?;
            self.words.expect(")")?;
        }
        self.words.expect("{")?;
        while self.words.keyword("parallel") {
            self.words.expect_word(&format!("i{}", self.kernel.grid.len()))?;
            let extent = self.extent()?;
            self.kernel.grid.push(extent);
            self.words.expect("{")?;
        }
        self.kernel.variables = self.kernel.grid.len() as u32;
        self.kernel.body = self.block(self.kernel.grid.len())?;
        for _ in 0..=self.kernel.grid.len() {
            self.words.expect("}")?;
        }
        if let Some(value) = self.defined.iter().position(|defined| !defined) {
            return self
                .words
                .fail_with(format!("a kernel that defines all its values, %{value} too"), "one that does not");
        }
        Ok(std::mem::replace(&mut self.kernel, KernelBuilder::new("", 1).finish()))
    }

    /// `x: write f32[16]`, `x@2: f32[16]`, `@2 "an odd name": f32[16]`.
    fn buffer(&mut self) -> Parsed<()> {
        let position = self.kernel.buffers.len();
        let before = self.words.place();
        let handle = self.words.word("a buffer's name")?;
        let by_position = handle.strip_suffix(&format!("@{position}"));
        let name = match by_position {
            Some("") if self.words.follows("\"") => self.words.quoted()?,
            Some(name) => name.to_owned(),
            None => handle.to_owned(),
        };
        if self.handles.contains(&handle) || by_position.is_none() && !is_plain(handle) {
            self.words.back(before);
            return self.words.fail(format!("a name of the buffer's own, or one that ends in `@{position}`"));
        }
        self.words.expect(":")?;
        let access = match () {
            () if self.words.keyword("write") => Access::Write,
            () if self.words.keyword("readwrite") => Access::ReadWrite,
            () => Access::Read,
        };
        let element = match () {
            () if self.words.keyword("f32") => Element::F32,
            () if self.words.keyword("i32") => Element::I32,
            () if self.words.keyword("bf16") => Element::Bf16,
            () if self.words.keyword("u8") => Element::U8,
            () if self.words.keyword("i8") => Element::I8,
            () if self.words.keyword("u8x4") => Element::U8x4,
            () if self.words.keyword("i8x4") => Element::I8x4,
            () => return self.words.fail("`f32`, `i32`, `bf16`, `u8`, `i8`, `u8x4` or `i8x4`"),
        };
        self.words.expect("[")?;
        let elements = self.words.number()?;
        self.words.expect("]")?;
        self.handles.push(handle);
        self.kernel.buffers.push(Buffer { name, element, elements, access });
        Ok(())
    }

    /// ` in 0..8`.
    fn extent(&mut self) -> Parsed<usize> {
        self.words.expect_word("in")?;
        self.words.expect("0..")?;
        self.words.number()
    }

    fn block(&mut self, depth: usize) -> Parsed<Vec<Statement>> {
        if depth > DEEPEST {
            return self.words.fail(format!("at most {DEEPEST} loops within one another"));
        }
        let mut statements = Vec::new();
        while !self.words.follows("}") && self.words.next_word() != "next" {
            statements.push(self.statement(depth)?);
        }
        Ok(statements)
    }

    fn statement(&mut self, depth: usize) -> Parsed<Statement> {
        if self.words.keyword("store") {
            let (buffer, index) = self.place()?;
            self.words.expect(",")?;
            let value = self.value()?;
            let (stride, active) = self.lanes()?;
            return Ok(Statement::Store { buffer, index, stride, active, value });
        }
        if self.words.keyword("prefetch") {
            let (buffer, index) = self.place()?;
            return Ok(Statement::Prefetch { buffer, index });
        }
        if self.words.keyword("tile") {
            return self.tiles().map(Statement::Tile);
        }
        let mut results = Vec::new();
        if self.words.follows("%") {
            results = self.list(Parser::new_value)?;
            self.words.expect("=")?;
        }
        match (self.words.next_word(), &results[..]) {
            ("for" | "if", _) => self.repetition(results, depth).map(Statement::For),
            (_, &[value]) => {
                let operation = self.operation()?;
                let ty = operation.result_type(&self.kernel);
                self.define(value, ty)?;
                Ok(Statement::Let(value, operation))
            }
            (_, []) => self.words.fail("a statement or `}`"),
            _ => self.words.fail("`for` or `if`"),
        }
    }

    /// `14x16`.
    fn shape(&mut self) -> Parsed<TileShape> {
        let word = self.words.next_word();
        let numbers = word.split_once('x').and_then(|(rows, columns)| rows.parse().ok().zip(columns.parse().ok()));
        let Some((rows, columns)) = numbers else { return self.words.fail("rows and columns, as `16x16`") };
        self.words.advance(word.len());
        Ok(TileShape { rows, columns })
    }

    /// `t3`.
    fn tile(&mut self) -> Parsed<Tile> {
        let word = self.words.next_word();
        let Some(number) = word.strip_prefix('t').and_then(|number| number.parse().ok()) else {
            return self.words.fail("a tile, as `t0`");
        };
        self.words.advance(word.len());
        Ok(Tile(number))
    }

    /// Behind `tile`: `zero t0`, `dot t0, t1, t2`, `load t1, x[32*i1] stride 64`, `store t0, out[0] stride 16`.
    fn tiles(&mut self) -> Parsed<TileStatement> {
        let before = self.words.place();
        match self.words.word("what is done to a tile")? {
            "zero" => self.tile().map(TileStatement::Zero),
            word @ ("dot" | "dot.u8i8" | "dot.i8u8") => {
                let factors = match word {
                    "dot" => Factors::Bf16,
                    "dot.u8i8" => Factors::U8I8,
                    _ => Factors::I8U8,
                };
                let sum = self.tile()?;
                self.words.expect(",")?;
                let left = self.tile()?;
                self.words.expect(",")?;
                Ok(TileStatement::Dot { factors, sum, left, right: self.tile()? })
            }
            word @ ("load" | "store") => {
                let tile = self.tile()?;
                self.words.expect(",")?;
                let (buffer, index) = self.place()?;
                self.words.expect_word("stride")?;
                let stride = self.words.number()?;
                Ok(match word {
                    "load" => TileStatement::Load { tile, buffer, index, stride },
                    _ => TileStatement::Store { tile, buffer, index, stride },
                })
            }
            _ => {
                self.words.back(before);
                self.words.fail("`zero`, `load`, `dot` or `store`")
            }
        }
    }

    /// `for i1 in 0..8 carry (%1 = %0) { .. next %2 }`, or with `if any %3` before it.
    fn repetition(&mut self, results: Vec<Value>, depth: usize) -> Parsed<Loop> {
        let mut guard = None;
        if self.words.keyword("if") {
            self.words.expect_word("any")?;
            guard = Some(self.value()?);
        }
        self.words.expect_word("for")?;
        let variable = self.variable()?;
        let extent = self.extent()?;
        self.kernel.variables = self.kernel.variables.max(variable.0 + 1);
        let mut initial = Vec::new();
        if !results.is_empty() {
            self.words.expect_word("carry")?;
            self.words.expect("(")?;
            initial = self.list(|parser| {
                let current = parser.new_value()?;
                parser.words.expect("=")?;
                Ok((current, parser.value()?))
            })?;
            if initial.len() != results.len() {
                return self.words.fail_with(format!("{} carried values", results.len()), initial.len().to_string());
            }
            self.words.expect(")")?;
        }
        for &(current, initial) in &initial {
            self.define(current, self.ty(initial))?;
        }
        self.words.expect("{")?;
        let body = self.block(depth + 1)?;
        let mut next = Vec::new();
        if !results.is_empty() {
            self.words.expect_word("next")?;
            next = self.list(Parser::value)?;
            if next.len() != results.len() {
                return self.words.fail_with(format!("{} next values", results.len()), next.len().to_string());
            }
        }
        self.words.expect("}")?;
        let mut carried = Vec::new();
        for ((result, (current, initial)), next) in results.into_iter().zip(initial).zip(next) {
            self.define(result, self.ty(initial))?;
            carried.push(Carried { initial, current, next, result });
        }
        Ok(Loop { variable, extent, guard, carried, body })
    }

    fn operation(&mut self) -> Parsed<Operation> {
        let before = self.words.place();
        let word = self.words.word("an operation")?;
        let (family, which) = word.split_once('.').unwrap_or((word, ""));
        let operation = match family {
            "constant" => self.constant()?,
            "affine" => Operation::Affine(self.index()?),
            "lane" => Operation::Lane,
            "load" => {
                let (buffer, index) = self.place()?;
                let (stride, active) = self.lanes()?;
                match which {
                    "pairs" => Operation::LoadPairs { buffer, index, stride, active },
                    _ => Operation::Load { buffer, index, stride, active },
                }
            }
            "splat" => {
                let (buffer, index) = self.place()?;
                Operation::Splat { buffer, index }
            }
            "gather" => {
                let (buffer, index) = self.place()?;
                self.words.expect_word("at")?;
                let places = self.value()?;
                Operation::Gather { buffer, index, places, active: self.active()? }
            }
            "fma" if which == "quads" => self.three().map(|[a, b, c]| Operation::FmaQuads(a, b, c))?,
            "fma" if which == "pairs" => self.three().map(|[a, b, c]| Operation::FmaPairs(a, b, c))?,
            "fma" => self.three().map(|[a, b, c]| Operation::Fma(a, b, c))?,
            "select" => self.three().map(|[mask, a, b]| Operation::Select(mask, a, b))?,
            "shift" if let Some(shift) = named(&SHIFTS, which) => {
                let value = self.value()?;
                self.words.expect(",")?;
                Operation::Shift(shift, value, self.words.number()?)
            }
            "compare" if let Some(which) = named(&COMPARES, which) => {
                self.two().map(|[a, b]| Operation::CompareF32(which, a, b))?
            }
            "icompare" if let Some(which) = named(&COMPARES, which) => {
                self.two().map(|[a, b]| Operation::CompareI32(which, a, b))?
            }
            "mask" if which == "not" => Operation::MaskNot(self.value()?),
            "mask" if let Some(which) = named(&MASK2, which) => {
                self.two().map(|[a, b]| Operation::Mask2(which, a, b))?
            }
            "convert" if let Some(which) = named(&CONVERTS, which) => Operation::Convert(which, self.value()?),
            "shuffle" if let Some(which) = named(&SHUFFLES, which) => {
                self.two().map(|[a, b]| Operation::Shuffle(which, a, b))?
            }
            "fold" if let Some(which) = named(&FLOAT2, which) => Operation::Fold(which, self.value()?),
            _ => {
                let integer = word.strip_prefix('i').and_then(|word| named(&INT2, word));
                if let Some(function) = named(&FLOAT1, word) {
                    Operation::Float1(function, self.value()?)
                } else if let Some(function) = named(&FLOAT2, word) {
                    self.two().map(|[a, b]| Operation::Float2(function, a, b))?
                } else if let Some(function) = integer {
                    self.two().map(|[a, b]| Operation::Int2(function, a, b))?
                } else {
                    self.words.back(before);
                    return self.words.fail("an operation");
                }
            }
        };
        Ok(operation)
    }

    /// A constant of whole numbers is an i32; `inf`, `nan`, `nan.ffc00001` and all with a point or an exponent are f32.
    fn constant(&mut self) -> Parsed<Operation> {
        let text = self.words.run(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let bits = text.strip_prefix("nan.").and_then(|bits| u32::from_str_radix(bits, 16).ok()).map(f32::from_bits);
        let operation = match text {
            "nan" => Operation::ConstantF32(f32::NAN.into()),
            _ if let Some(nan) = bits.filter(|number| number.is_nan()) => Operation::ConstantF32(nan.into()),
            _ if let Ok(number) = text.parse::<i32>() => Operation::ConstantI32(number),
            _ if let Some(number) = text.parse::<f32>().ok().filter(|number| !number.is_nan()) => {
                Operation::ConstantF32(number.into())
            }
            _ => return self.words.fail("a number"),
        };
        self.words.advance(text.len());
        Ok(operation)
    }

    /// `x[128*i0 + 4]`.
    fn place(&mut self) -> Parsed<(BufferId, Index)> {
        let before = self.words.place();
        let handle = self.words.word("a buffer")?;
        let Some(buffer) = self.handles.iter().position(|known| *known == handle) else {
            self.words.back(before);
            return self.words.fail(format!("one of the buffers {}", self.handles.join(", ")));
        };
        self.words.expect("[")?;
        let index = self.index()?;
        self.words.expect("]")?;
        Ok((BufferId(buffer as u32), index))
    }

    /// `128*i0 - i1 + 64*row(%5 < 100) + 3`.
    fn index(&mut self) -> Parsed<Index> {
        let mut index = Index::default();
        let mut sign = if self.words.mark("-") { -1 } else { 1 };
        loop {
            let number = match self.words.digits() {
                "" => None,
                _ => Some(self.words.number::<i128>()?),
            };
            let Ok(factor) = i64::try_from(sign * number.unwrap_or(1)) else {
                return self.words.fail_with("numbers of 64 bits in an index", "a larger one");
            };
            match number {
                Some(_) if !self.words.mark("*") => match index.offset.checked_add(factor) {
                    Some(offset) => index.offset = offset,
                    None => return self.words.fail_with("numbers of 64 bits in an index", "a larger one"),
                },
                _ if self.words.next_word() == "row" => {
                    if index.row.is_some() {
                        return self.words.fail("one row in an index");
                    }
                    index.row = Some(self.row(factor)?);
                }
                _ => index.terms.push((self.variable()?, factor)),
            }
            sign = match () {
                () if self.words.mark("+") => 1,
                () if self.words.mark("-") => -1,
                () => return Ok(index),
            };
        }
    }

    /// `row(%5 < 100)`.
    fn row(&mut self, stride: i64) -> Parsed<Row> {
        self.words.expect_word("row")?;
        self.words.expect("(")?;
        let value = self.value()?;
        self.words.expect("<")?;
        let extent = self.words.number()?;
        self.words.expect(")")?;
        Ok(Row { value, extent, stride })
    }

    fn variable(&mut self) -> Parsed<Variable> {
        let word = self.words.next_word();
        // Each has its loop in the text, so that there are fewer than the text is long.
        let number = word.strip_prefix('i').and_then(|number| number.parse().ok());
        match number.filter(|&number: &u32| (number as usize) < self.words.length()) {
            Some(number) => {
                self.words.advance(word.len());
                Ok(Variable(number))
            }
            None => self.words.fail("a variable, as `i0`"),
        }
    }

    /// ` stride 8 active 3`.
    fn lanes(&mut self) -> Parsed<(i64, usize)> {
        let stride = if self.words.keyword("stride") { self.words.number()? } else { 1 };
        Ok((stride, self.active()?))
    }

    fn active(&mut self) -> Parsed<usize> {
        if self.words.keyword("active") { self.words.number() } else { Ok(self.kernel.lanes) }
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.words.mark(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn two(&mut self) -> Parsed<[Value; 2]> {
        let a = self.value()?;
        self.words.expect(",")?;
        Ok([a, self.value()?])
    }

    fn three(&mut self) -> Parsed<[Value; 3]> {
        let [a, b] = self.two()?;
        self.words.expect(",")?;
        Ok([a, b, self.value()?])
    }

    /// A value that was defined before.
    fn value(&mut self) -> Parsed<Value> {
        let before = self.words.place();
        let value = self.new_value()?;
        if self.defined.get(value.0 as usize) == Some(&true) {
            return Ok(value);
        }
        self.words.back(before);
        self.words.fail("a value that is defined before")
    }

    fn new_value(&mut self) -> Parsed<Value> {
        let word = self.words.next_word();
        // Each is defined in the text, so that there are fewer than the text is long.
        let number = word.strip_prefix('%').and_then(|number| number.parse().ok());
        match number.filter(|&number: &u32| (number as usize) < self.words.length()) {
            Some(number) => {
                self.words.advance(word.len());
                Ok(Value(number))
            }
            None => self.words.fail("a value, as `%0`"),
        }
    }

    fn ty(&self, value: Value) -> ValueType {
        self.kernel.values[value.0 as usize]
    }

    fn define(&mut self, value: Value, ty: ValueType) -> Parsed<()> {
        let slot = value.0 as usize;
        if slot >= self.defined.len() {
            self.defined.resize(slot + 1, false);
            self.kernel.values.resize(slot + 1, ValueType::F32);
        }
        if self.defined[slot] {
            return self.words.fail_with(format!("one definition of {value}"), "another one");
        }
        (self.defined[slot], self.kernel.values[slot]) = (true, ty);
        Ok(())
    }
}
