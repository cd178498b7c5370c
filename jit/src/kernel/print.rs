//! The text form of kernels: `Display` of [`Kernel`], [`Statement`] and what they hold, which [`parse`](super::parse())
//! reads back. It knows the kernel IR alone, and shows broken kernels too.
//!
//! ```text
//! kernel scale lanes=4 (x: f32[1024], out: write f32[1024]) {
//!   parallel i0 in 0..8 {
//!     %0 = constant 2.0
//!     %4 = for i1 in 0..32 carry (%1 = %0) {
//!       %2 = load x[128*i0 + 4*i1]
//!       %3 = mul %2, %1
//!       store out[128*i0 + 4*i1], %3
//!       next %3
//!     }
//!   }
//! }
//! ```
//!
//! A buffer whose name is no plain word, or not its alone, is called by its position, too: `scratch@2`, `@2 "an odd
//! name"`.

use std::fmt::{self, Display, Formatter};

use super::*;

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl Display for Variable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

impl Display for Tile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

/// `14x16`: rows and elements of a row.
impl Display for TileShape {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Element::F32 => "f32",
            Element::I32 => "i32",
            Element::Bf16 => "bf16",
            Element::U8 => "u8",
            Element::I8 => "i8",
            Element::U8x4 => "u8x4",
            Element::I8x4 => "i8x4",
        })
    }
}

impl Display for ValueType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueType::F32 => "f32",
            ValueType::I32 => "i32",
            ValueType::Mask => "mask",
        })
    }
}

/// `write f32[1024]`; reading is not said.
impl Display for Buffer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::Read => "",
            Access::Write => "write ",
            Access::ReadWrite => "readwrite ",
        };
        write!(f, "{access}{}[{}]", self.element, self.elements)
    }
}

/// `128*i0 + i1 + 3 + 64*row(%5 < 100)`.
impl Display for Index {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut term = |f: &mut Formatter<'_>, factor: i64, name: &dyn Display| {
            let sign = match (std::mem::take(&mut first), factor < 0) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            };
            match factor.unsigned_abs() {
                1 => write!(f, "{sign}{name}"),
                factor => write!(f, "{sign}{factor}*{name}"),
            }
        };
        for (variable, stride) in &self.terms {
            term(f, *stride, variable)?;
        }
        if let Some(row) = &self.row {
            term(f, row.stride, &format_args!("row({} < {})", row.value, row.extent))?;
        }
        match (first, self.offset) {
            (true, offset) => write!(f, "{offset}"),
            (false, 0) => Ok(()),
            (false, offset) => write!(f, " {} {}", if offset < 0 { '-' } else { '+' }, offset.unsigned_abs()),
        }
    }
}

/// What a statement needs to be printed: the names of the buffers and the number of lanes.
struct Printer<'a> {
    names: Vec<String>,
    kernel: &'a Kernel,
}

impl<'a> Printer<'a> {
    fn new(kernel: &'a Kernel) -> Printer<'a> {
        // Names are for people and need not be unique.
        let name = |(position, buffer): (usize, &Buffer)| {
            let doubled = kernel.buffers.iter().filter(|b| b.name == buffer.name).count() > 1;
            match is_plain(&buffer.name) {
                true if doubled => format!("{}@{position}", buffer.name),
                true => buffer.name.clone(),
                false => format!("@{position}"),
            }
        };
        Printer { names: kernel.buffers.iter().enumerate().map(name).collect(), kernel }
    }

    /// `x[4*i0 + 1] stride 8 active 3`.
    fn place(&self, f: &mut Formatter<'_>, buffer: BufferId, index: &Index) -> fmt::Result {
        match self.names.get(buffer.0 as usize) {
            Some(name) => write!(f, "{name}[{index}]"),
            None => write!(f, "@{}[{index}]", buffer.0),
        }
    }

    fn lanes(&self, f: &mut Formatter<'_>, stride: i64, active: usize) -> fmt::Result {
        if stride != 1 {
            write!(f, " stride {stride}")?;
        }
        if active != self.kernel.lanes {
            write!(f, " active {active}")?;
        }
        Ok(())
    }

    fn operation(&self, f: &mut Formatter<'_>, operation: &Operation) -> fmt::Result {
        match operation {
            Operation::ConstantF32(value) => match value.value() {
                number if !number.is_nan() => write!(f, "constant {number:?}"),
                nan if nan.to_bits() == f32::NAN.to_bits() => f.write_str("constant nan"),
                nan => write!(f, "constant nan.{:08x}", nan.to_bits()),
            },
            Operation::ConstantI32(value) => write!(f, "constant {value}"),
            Operation::Affine(index) => write!(f, "affine {index}"),
            Operation::Lane => f.write_str("lane"),
            Operation::Load { buffer, index, stride, active } => {
                f.write_str("load ")?;
                self.place(f, *buffer, index)?;
                self.lanes(f, *stride, *active)
            }
            Operation::LoadPairs { buffer, index, stride, active } => {
                f.write_str("load.pairs ")?;
                self.place(f, *buffer, index)?;
                self.lanes(f, *stride, *active)
            }
            Operation::Splat { buffer, index } => {
                f.write_str("splat ")?;
                self.place(f, *buffer, index)
            }
            Operation::Gather { buffer, index, places, active } => {
                f.write_str("gather ")?;
                self.place(f, *buffer, index)?;
                write!(f, " at {places}")?;
                self.lanes(f, 1, *active)
            }
            Operation::Float1(function, a) => write!(f, "{} {a}", lower(function)),
            Operation::Float2(function, a, b) => write!(f, "{} {a}, {b}", lower(function)),
            Operation::Fma(a, b, c) => write!(f, "fma {a}, {b}, {c}"),
            Operation::FmaQuads(a, b, c) => write!(f, "fma.quads {a}, {b}, {c}"),
            Operation::FmaPairs(a, b, c) => write!(f, "fma.pairs {a}, {b}, {c}"),
            Operation::Int2(function, a, b) => write!(f, "i{} {a}, {b}", lower(function)),
            Operation::Shift(shift, a, bits) => write!(f, "shift.{} {a}, {bits}", lower(shift)),
            Operation::CompareF32(compare, a, b) => write!(f, "compare.{} {a}, {b}", lower(compare)),
            Operation::CompareI32(compare, a, b) => write!(f, "icompare.{} {a}, {b}", lower(compare)),
            Operation::Mask2(function, a, b) => write!(f, "mask.{} {a}, {b}", lower(function)),
            Operation::MaskNot(a) => write!(f, "mask.not {a}"),
            Operation::Select(mask, a, b) => write!(f, "select {mask}, {a}, {b}"),
            Operation::Convert(convert, a) => write!(f, "convert.{} {a}", lower(convert)),
            Operation::Shuffle(which, a, b) => write!(f, "shuffle.{} {a}, {b}", lower(which)),
            Operation::Fold(function, a) => write!(f, "fold.{} {a}", lower(function)),
        }
    }

    fn tile(&self, f: &mut Formatter<'_>, statement: &TileStatement) -> fmt::Result {
        match statement {
            TileStatement::Zero(tile) => write!(f, "tile zero {tile}"),
            TileStatement::Dot { factors, sum, left, right } => {
                let factors = match factors {
                    Factors::Bf16 => "",
                    Factors::U8I8 => ".u8i8",
                    Factors::I8U8 => ".i8u8",
                };
                write!(f, "tile dot{factors} {sum}, {left}, {right}")
            }
            TileStatement::Load { tile, buffer, index, stride } => {
                write!(f, "tile load {tile}, ")?;
                self.place(f, *buffer, index)?;
                write!(f, " stride {stride}")
            }
            TileStatement::Store { tile, buffer, index, stride } => {
                write!(f, "tile store {tile}, ")?;
                self.place(f, *buffer, index)?;
                write!(f, " stride {stride}")
            }
        }
    }

    /// The statement's own line; of a loop, its head.
    fn head(&self, f: &mut Formatter<'_>, statement: &Statement) -> fmt::Result {
        match statement {
            Statement::Let(value, operation) => {
                write!(f, "{value} = ")?;
                self.operation(f, operation)
            }
            Statement::Store { buffer, index, stride, active, value } => {
                f.write_str("store ")?;
                self.place(f, *buffer, index)?;
                write!(f, ", {value}")?;
                self.lanes(f, *stride, *active)
            }
            Statement::Prefetch { buffer, index } => {
                f.write_str("prefetch ")?;
                self.place(f, *buffer, index)
            }
            Statement::Tile(statement) => self.tile(f, statement),
            Statement::For(l) => {
                if !l.carried.is_empty() {
                    write!(f, "{} = ", list(l.carried.iter().map(|c| c.result)))?;
                }
                match l.guard {
                    Some(guard) => write!(f, "if any {guard} for {} in 0..{}", l.variable, l.extent)?,
                    None => write!(f, "for {} in 0..{}", l.variable, l.extent)?,
                }
                if !l.carried.is_empty() {
                    let initial = |c: &Carried| format!("{} = {}", c.current, c.initial);
                    write!(f, " carry ({})", list(l.carried.iter().map(initial)))?;
                }
                Ok(())
            }
        }
    }

    fn block(&self, f: &mut Formatter<'_>, body: &[Statement], depth: usize) -> fmt::Result {
        for statement in body {
            write!(f, "{:1$}", "", 2 * depth)?;
            self.head(f, statement)?;
            let Statement::For(l) = statement else {
                writeln!(f)?;
                continue;
            };
            writeln!(f, " {{")?;
            self.block(f, &l.body, depth + 1)?;
            if !l.carried.is_empty() {
                writeln!(f, "{:2$}next {}", "", list(l.carried.iter().map(|c| c.next)), 2 * (depth + 1))?;
            }
            writeln!(f, "{:1$}}}", "", 2 * depth)?;
        }
        Ok(())
    }
}

/// Whether a character may stand in a name without quotes.
pub(super) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// Whether a name needs no quotes.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_name_character)
}

/// The name of a unit variant in the text form.
pub(super) fn lower(variant: &dyn fmt::Debug) -> String {
    format!("{variant:?}").to_lowercase()
}

fn list(items: impl Iterator<Item = impl Display>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

impl Kernel {
    /// One statement as a line of text; of a loop, its head.
    pub fn line<'a>(&'a self, statement: &'a Statement) -> impl Display + 'a {
        struct Line<'a>(Printer<'a>, &'a Statement);
        impl Display for Line<'_> {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                self.0.head(f, self.1)
            }
        }
        Line(Printer::new(self), statement)
    }
}

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let printer = Printer::new(self);
        let buffers = printer.names.iter().zip(&self.buffers).map(|(name, buffer)| match is_plain(&buffer.name) {
            true => format!("{name}: {buffer}"),
            false => format!("{name} {:?}: {buffer}", buffer.name),
        });
        let name = if is_plain(&self.name) { self.name.clone() } else { format!("{:?}", self.name) };
        write!(f, "kernel {name} lanes={} ({})", self.lanes, list(buffers))?;
        if !self.tiles.is_empty() {
            write!(f, " tiles ({})", list(self.tiles.iter()))?;
        }
        writeln!(f, " {{")?;
        for (depth, extent) in self.grid.iter().enumerate() {
            writeln!(f, "{:1$}parallel i{depth} in 0..{extent} {{", "", 2 * (depth + 1))?;
        }
        printer.block(f, &self.body, self.grid.len() + 1)?;
        for depth in (0..self.grid.len()).rev() {
            writeln!(f, "{:1$}}}", "", 2 * (depth + 1))?;
        }
        writeln!(f, "}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_prints_as_loops_and_lines() {
        let mut b = KernelBuilder::new("scale", 4);
        let x = b.buffer("x", Element::F32, 1024, Access::Read);
        let out = b.buffer("out", Element::F32, 1024, Access::Write);
        let i = b.grid(8);
        let two = b.f32(2.0);
        b.for_each(32, &[two], |b, j, carried| {
            let index = Index::of(i, 128).plus(j, 4);
            let loaded = b.push(Operation::Load { buffer: x, index: index.clone(), stride: 1, active: 3 });
            let scaled = b.mul(loaded, carried[0]);
            b.store(out, index.shifted(-1), 2, 4, scaled);
            vec![scaled]
        });
        let expected = "\
kernel scale lanes=4 (x: f32[1024], out: write f32[1024]) {
  parallel i0 in 0..8 {
    %0 = constant 2.0
    %4 = for i1 in 0..32 carry (%1 = %0) {
      %2 = load x[128*i0 + 4*i1] active 3
      %3 = mul %2, %1
      store out[128*i0 + 4*i1 - 1], %3 stride 2
      next %3
    }
  }
}
";
        assert_eq!(b.finish().to_string(), expected);
    }
}
