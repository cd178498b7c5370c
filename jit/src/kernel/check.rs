//! The checker: a kernel that passes touches nothing outside its buffers, whatever its data are.
//! Every kernel passes it before it is emitted. It knows the kernel IR alone.
//!
//! # Invariants
//! 1. `lanes` is 1, 4, 8 or 16.
//! 2. Extents of the grid and of loops are at least 1, and their product, the number of iterations, fits 63 bits.
//! 3. Variables `0..grid.len()` are the grid's; each other variable belongs to exactly one loop; a variable is used
//!    only inside its loop, and at most once in an index.
//! 4. Each value is defined exactly once, before its uses, in a block that encloses them.
//! 5. Operands and results have the types that the operation states; the four values of a carried one have one type.
//! 6. Every access lies inside its buffer: the least and the greatest place that the affine index takes over all
//!    iterations, rows (clamped to their extent) and active lanes are in `0..elements`. The places of a gather are
//!    bounded by the minima, maxima, sums and products of constants and positions that they are computed by.
//! 7. Only readable buffers are read, and only writable ones are written.
//! 8. `1 <= active <= lanes`; a store to one place has one active lane (its stride is not 0, or `active` is 1).
//! 9. A row has an extent of at least 1 and at most `i32::MAX`, and its value is an i32.
//! 10. An affine value has no row and fits an i32.
//! 11. A shift is by 0 to 31 bits.
//! 12. A guard is a mask, and its loop has one iteration.
//! 13. A shuffle has the lanes that it needs: 4, or 8 where it moves whole groups.
//! 14. There are at most 8 tile registers, of 1 to 16 rows and columns each. A tile is written before it is read, in
//!     each task. A product is of three tiles whose shapes fit; rows in memory are no run-time rows, do not go
//!     backwards, and are of elements of 16 or 32 bits, where they are stored of 32.
//! 15. Pairs are loaded from buffers of bf16. A prefetch may name any place, but no run-time row.
//!
//! That tasks are disjoint is no invariant: [`Kernel::disjoint`] proves it, or they run on one thread.

use super::*;

/// What a kernel breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kernel {kernel}: {violation}, in `{statement}`")]
pub struct KernelError {
    /// The kernel's name.
    pub kernel: String,
    /// The guilty statement's line; the kernel's head where no statement is to blame.
    pub statement: String,
    /// What is wrong.
    pub violation: Violation,
}

/// What is wrong with a kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Violation {
    #[error("{lanes} lanes, expected 1, 4, 8 or 16")]
    Lanes { lanes: usize },
    #[error("the extent of {variable} is 0, expected at least 1")]
    Extent { variable: Variable },
    #[error("{variable} is guarded and has {extent} iterations, expected 1")]
    Guarded { variable: Variable, extent: usize },
    #[error("the loops take more than 2^63 iterations")]
    Iterations,
    #[error("{variable} is not a variable of this place")]
    Variable { variable: Variable },
    #[error("{variable} is opened twice, or not numbered below the kernel's number of variables")]
    Opened { variable: Variable },
    #[error("{variable} stands twice in an index")]
    DoubledTerm { variable: Variable },
    #[error("{value} is used, but not defined in an enclosing block before")]
    Undefined { value: Value },
    #[error("{value} is defined twice, or not numbered below the kernel's number of values")]
    Redefined { value: Value },
    #[error("{value} is of type {found}, expected {expected}")]
    Type { value: Value, expected: ValueType, found: ValueType },
    #[error("there is no buffer {buffer}")]
    Buffer { buffer: u32 },
    #[error("places {least} to {greatest} of buffer `{buffer}`, which has {elements} elements")]
    Bounds { buffer: String, least: i128, greatest: i128, elements: usize },
    #[error("buffer `{buffer}` is {access:?} only")]
    Access { buffer: String, access: Access },
    #[error("pairs of buffer `{name}`, which holds {element}")]
    Pairs { name: String, element: Element },
    #[error("{active} active lanes of {lanes}")]
    Active { active: usize, lanes: usize },
    #[error("{active} lanes stored to one place")]
    StoredTogether { active: usize },
    #[error("a row's extent is {extent}, expected 1 to 2^31 - 1")]
    RowExtent { extent: u32 },
    #[error("an affine value with a run-time row")]
    RowInAffine,
    #[error("a run-time row in a prefetch")]
    RowInPrefetch,
    #[error(
        "{count} tiles, of which the largest has {rows} rows and {columns} columns, expected 8 of 16 by 16 at most"
    )]
    Tiles { count: usize, rows: usize, columns: usize },
    #[error("there is no {tile}, or nothing was written to it before")]
    Tile { tile: Tile },
    #[error("a product of {left} and {right} to {sum}, whose shapes do not fit or which are not three tiles")]
    TileShapes { sum: Tile, left: Tile, right: Tile },
    #[error(
        "rows of {tile} in buffer `{buffer}` that are {stride} elements apart, of type {element} or at a run-time row"
    )]
    TileRows { tile: Tile, buffer: String, stride: i64, element: Element },
    #[error("an affine value of {least} to {greatest}, which is no i32")]
    AffineRange { least: i128, greatest: i128 },
    #[error("a shift by {bits} bits, expected 0 to 31")]
    Shift { bits: u8 },
    #[error("a shuffle of {lanes} lanes, expected at least {least}")]
    Shuffle { lanes: usize, least: usize },
}

/// The bounds of an i32 of which nothing is known.
const ANY: (i32, i32) = (i32::MIN, i32::MAX);

impl Kernel {
    /// Checks the invariants that the module lists.
    pub fn check(&self) -> Result<(), KernelError> {
        let mut checker = Checker {
            kernel: self,
            extents: vec![None; self.variables as usize],
            opened: vec![false; self.variables as usize],
            visible: vec![false; self.values.len()],
            defined: vec![false; self.values.len()],
            bounds: vec![ANY; self.values.len()],
            scope: Vec::new(),
            tiles: vec![false; self.tiles.len()],
        };
        checker.head().map_err(|violation| KernelError {
            kernel: self.name.clone(),
            statement: self.to_string().lines().next().unwrap_or_default().trim_end_matches(" {").to_owned(),
            violation,
        })?;
        checker.block(&self.body, self.grid.iter().fold(1, |product: i128, &extent| product * extent as i128))
    }
}

struct Checker<'a> {
    kernel: &'a Kernel,
    /// Of the variables in scope.
    extents: Vec<Option<usize>>,
    opened: Vec<bool>,
    visible: Vec<bool>,
    defined: Vec<bool>,
    /// For each i32 that is defined its least and its greatest lane.
    bounds: Vec<(i32, i32)>,
    /// The values of the open blocks, in order of definition.
    scope: Vec<Value>,
    /// The tiles that were written.
    tiles: Vec<bool>,
}

impl Checker<'_> {
    fn head(&mut self) -> Result<(), Violation> {
        if !matches!(self.kernel.lanes, 1 | 4 | 8 | 16) {
            return Err(Violation::Lanes { lanes: self.kernel.lanes });
        }
        let most = |of: fn(&TileShape) -> usize| self.kernel.tiles.iter().map(of).max().unwrap_or(1);
        let (count, rows, columns) = (self.kernel.tiles.len(), most(|tile| tile.rows), most(|tile| tile.columns));
        let empty = self.kernel.tiles.iter().any(|tile| tile.rows == 0 || tile.columns == 0);
        if empty || count > tiles::TILES || rows > tiles::MOST || columns > tiles::MOST {
            return Err(Violation::Tiles { count, rows, columns });
        }
        let mut tasks: i128 = 1;
        for (dimension, &extent) in self.kernel.grid.iter().enumerate() {
            tasks = self.open(Variable(dimension as u32), extent, tasks)?;
        }
        Ok(())
    }

    /// Brings a variable into scope; gives the number of iterations of the loops now open.
    fn open(&mut self, variable: Variable, extent: usize, iterations: i128) -> Result<i128, Violation> {
        let slot = variable.0 as usize;
        if self.opened.get(slot) != Some(&false) {
            return Err(Violation::Opened { variable });
        }
        if extent == 0 {
            return Err(Violation::Extent { variable });
        }
        self.opened[slot] = true;
        self.extents[slot] = Some(extent);
        match iterations * extent as i128 {
            iterations if iterations <= i64::MAX as i128 => Ok(iterations),
            _ => Err(Violation::Iterations),
        }
    }

    fn block(&mut self, body: &[Statement], iterations: i128) -> Result<(), KernelError> {
        for statement in body {
            let kernel = self.kernel;
            let located = |violation| KernelError {
                kernel: kernel.name.clone(),
                statement: kernel.line(statement).to_string(),
                violation,
            };
            match statement {
                Statement::Let(value, operation) => self.definition(*value, operation).map_err(located)?,
                Statement::Store { buffer, index, stride, active, value } => {
                    self.store(*buffer, index, *stride, *active, *value).map_err(located)?
                }
                Statement::Prefetch { buffer, index } => self.prefetch(*buffer, index).map_err(located)?,
                Statement::Tile(statement) => self.tile(statement).map_err(located)?,
                Statement::For(l) => {
                    let outer = self.scope.len();
                    let tiles = l.guard.map(|_| self.tiles.clone());
                    let iterations = self.enter(l, iterations).map_err(located)?;
                    self.block(&l.body, iterations)?;
                    self.leave(l, outer).map_err(located)?;
                    // What is left out writes nothing.
                    self.tiles = tiles.unwrap_or(std::mem::take(&mut self.tiles));
                }
            }
        }
        Ok(())
    }

    fn definition(&mut self, value: Value, operation: &Operation) -> Result<(), Violation> {
        self.operation(operation)?;
        self.define(value)?;
        self.bounds[value.0 as usize] = self.bounds(operation);
        self.typed(value, operation.result_type(self.kernel))
    }

    /// The least and the greatest lane that an operation on i32 can give, as far as that is easily seen.
    fn bounds(&self, operation: &Operation) -> (i32, i32) {
        let of = |value: Value| self.bounds[value.0 as usize];
        let corners = |a: Value, b: Value, function: fn(i64, i64) -> i64| {
            let ((a, b), (c, d)) = (of(a), of(b));
            let all = [(a, c), (a, d), (b, c), (b, d)].map(|(x, y)| function(x.into(), y.into()));
            let least = all.into_iter().min().and_then(|least| i32::try_from(least).ok());
            let greatest = all.into_iter().max().and_then(|greatest| i32::try_from(greatest).ok());
            least.zip(greatest).unwrap_or(ANY)
        };
        match *operation {
            Operation::ConstantI32(value) => (value, value),
            Operation::Lane => (0, self.kernel.lanes as i32 - 1),
            Operation::Affine(ref index) => self.range(index).map_or(ANY, |(a, b)| (a as i32, b as i32)),
            Operation::Int2(Int2::Min, a, b) => corners(a, b, i64::min),
            Operation::Int2(Int2::Max, a, b) => corners(a, b, i64::max),
            Operation::Int2(Int2::Add, a, b) => corners(a, b, |x, y| x + y),
            Operation::Int2(Int2::Sub, a, b) => corners(a, b, |x, y| x - y),
            Operation::Int2(Int2::Mul, a, b) => corners(a, b, |x, y| x * y),
            _ => ANY,
        }
    }

    fn enter(&mut self, l: &Loop, iterations: i128) -> Result<i128, Violation> {
        if let Some(guard) = l.guard {
            self.operand(guard, ValueType::Mask)?;
            if l.extent != 1 {
                return Err(Violation::Guarded { variable: l.variable, extent: l.extent });
            }
        }
        for carried in &l.carried {
            self.used(carried.initial)?;
        }
        for carried in &l.carried {
            self.define(carried.current)?;
            self.typed(carried.current, self.ty(carried.initial))?;
        }
        self.open(l.variable, l.extent, iterations)
    }

    fn leave(&mut self, l: &Loop, outer: usize) -> Result<(), Violation> {
        for carried in &l.carried {
            self.operand(carried.next, self.ty(carried.initial))?;
        }
        for value in self.scope.drain(outer..) {
            self.visible[value.0 as usize] = false;
        }
        self.extents[l.variable.0 as usize] = None;
        for carried in &l.carried {
            self.define(carried.result)?;
            self.typed(carried.result, self.ty(carried.initial))?;
        }
        Ok(())
    }

    fn ty(&self, value: Value) -> ValueType {
        self.kernel.values[value.0 as usize]
    }

    fn define(&mut self, value: Value) -> Result<(), Violation> {
        let slot = value.0 as usize;
        if self.defined.get(slot) != Some(&false) {
            return Err(Violation::Redefined { value });
        }
        self.defined[slot] = true;
        self.visible[slot] = true;
        self.scope.push(value);
        Ok(())
    }

    fn used(&self, value: Value) -> Result<(), Violation> {
        if self.visible.get(value.0 as usize) == Some(&true) { Ok(()) } else { Err(Violation::Undefined { value }) }
    }

    fn typed(&self, value: Value, expected: ValueType) -> Result<(), Violation> {
        let found = self.ty(value);
        if found == expected { Ok(()) } else { Err(Violation::Type { value, expected, found }) }
    }

    fn operand(&self, value: Value, expected: ValueType) -> Result<(), Violation> {
        self.used(value)?;
        self.typed(value, expected)
    }

    fn operands<const N: usize>(&self, values: [Value; N], expected: ValueType) -> Result<(), Violation> {
        for value in &values {
            self.operand(*value, expected)?;
        }
        Ok(())
    }

    fn operation(&self, operation: &Operation) -> Result<(), Violation> {
        use ValueType::{F32, I32, Mask};
        match *operation {
            Operation::ConstantF32(_) | Operation::ConstantI32(_) | Operation::Lane => Ok(()),
            Operation::Affine(ref index) => {
                if index.row.is_some() {
                    return Err(Violation::RowInAffine);
                }
                let (least, greatest) = self.range(index)?;
                if least < i32::MIN as i128 || greatest > i32::MAX as i128 {
                    return Err(Violation::AffineRange { least, greatest });
                }
                Ok(())
            }
            Operation::Load { buffer, ref index, stride, active } => {
                self.access(buffer, Access::Read, index, stride, active)
            }
            Operation::LoadPairs { buffer, ref index, stride, active } => {
                let span = stride as i128 * (active as i128 - 1);
                self.access_within(buffer, Access::Read, index, (span.min(0), span.max(0) + 1), active)?;
                let Buffer { ref name, element, .. } = self.kernel.buffers[buffer.0 as usize];
                if element == Element::Bf16 { Ok(()) } else { Err(Violation::Pairs { name: name.clone(), element }) }
            }
            Operation::Splat { buffer, ref index } => self.access(buffer, Access::Read, index, 1, 1),
            Operation::Gather { buffer, ref index, places, active } => {
                self.operand(places, I32)?;
                let (least, greatest) = self.bounds[places.0 as usize];
                self.access_within(buffer, Access::Read, index, (least.into(), greatest.into()), active)
            }
            Operation::Float1(_, a) | Operation::Fold(_, a) => self.operands([a], F32),
            Operation::Float2(_, a, b) | Operation::CompareF32(_, a, b) => self.operands([a, b], F32),
            Operation::Shuffle(which, a, b) => {
                let (lanes, least) = (self.kernel.lanes, which.least_lanes());
                if lanes < least {
                    return Err(Violation::Shuffle { lanes, least });
                }
                self.operands([a, b], F32)
            }
            Operation::Fma(a, b, c) => self.operands([a, b, c], F32),
            Operation::FmaQuads(a, b, c) => self.operands([a, b, c], I32),
            Operation::FmaPairs(a, b, c) => {
                self.operands([a, b], I32)?;
                self.operand(c, F32)
            }
            Operation::Int2(_, a, b) | Operation::CompareI32(_, a, b) => self.operands([a, b], I32),
            Operation::Shift(_, a, bits) => {
                if bits > 31 {
                    return Err(Violation::Shift { bits });
                }
                self.operands([a], I32)
            }
            Operation::Mask2(_, a, b) => self.operands([a, b], Mask),
            Operation::MaskNot(a) => self.operands([a], Mask),
            Operation::Select(mask, a, b) => {
                self.operand(mask, Mask)?;
                self.used(a)?;
                let expected = if self.ty(a) == I32 { I32 } else { F32 };
                self.operands([a, b], expected)
            }
            Operation::Convert(convert, a) => {
                let expected = match convert {
                    Convert::Truncate | Convert::BitsToI32 => F32,
                    Convert::ToF32 | Convert::BitsToF32 | Convert::I32ToMask => I32,
                    Convert::MaskToI32 => Mask,
                };
                self.operands([a], expected)
            }
        }
    }

    fn store(
        &self,
        buffer: BufferId,
        index: &Index,
        stride: i64,
        active: usize,
        value: Value,
    ) -> Result<(), Violation> {
        self.access(buffer, Access::Write, index, stride, active)?;
        if stride == 0 && active > 1 {
            return Err(Violation::StoredTogether { active });
        }
        self.operand(value, self.kernel.buffers[buffer.0 as usize].element.value_type())
    }

    fn tile(&mut self, statement: &TileStatement) -> Result<(), Violation> {
        match *statement {
            TileStatement::Zero(tile) => return self.written(tile),
            TileStatement::Dot { sum, left, right, .. } => {
                let [into, a, b] = [self.shape(sum)?, self.shape(left)?, self.shape(right)?];
                let fits = into.rows == a.rows && into.columns == b.columns && a.columns == b.rows;
                if !fits || sum == left || sum == right || left == right {
                    return Err(Violation::TileShapes { sum, left, right });
                }
            }
            TileStatement::Load { tile, buffer, ref index, stride } => {
                self.written(tile)?;
                self.rows(tile, buffer, Access::Read, index, stride)?;
            }
            TileStatement::Store { tile, buffer, ref index, stride } => {
                self.rows(tile, buffer, Access::Write, index, stride)?;
            }
        }
        Ok(())
    }

    fn written(&mut self, tile: Tile) -> Result<(), Violation> {
        *self.tiles.get_mut(tile.0 as usize).ok_or(Violation::Tile { tile })? = true;
        Ok(())
    }

    /// The shape of a tile that was written.
    fn shape(&self, tile: Tile) -> Result<TileShape, Violation> {
        match self.tiles.get(tile.0 as usize) {
            Some(true) => Ok(self.kernel.tiles[tile.0 as usize]),
            _ => Err(Violation::Tile { tile }),
        }
    }

    /// The rows of a tile in memory.
    fn rows(&self, tile: Tile, buffer: BufferId, wanted: Access, index: &Index, stride: i64) -> Result<(), Violation> {
        let TileShape { rows, columns } = self.shape(tile)?;
        let Some(&Buffer { ref name, element, .. }) = self.kernel.buffers.get(buffer.0 as usize) else {
            return Err(Violation::Buffer { buffer: buffer.0 });
        };
        let elements = size_of::<u32>() * columns / element.bytes();
        let narrow = element == Element::Bf16 && wanted == Access::Write || element.is_byte();
        if stride < 0 || index.row.is_some() || narrow {
            return Err(Violation::TileRows { tile, buffer: name.clone(), stride, element });
        }
        let last = stride as i128 * (rows as i128 - 1) + elements as i128 - 1;
        self.access_within(buffer, wanted, index, (0, last), 1)
    }

    fn prefetch(&self, buffer: BufferId, index: &Index) -> Result<(), Violation> {
        if buffer.0 as usize >= self.kernel.buffers.len() {
            return Err(Violation::Buffer { buffer: buffer.0 });
        }
        if index.row.is_some() {
            return Err(Violation::RowInPrefetch);
        }
        self.range(index).map(|_| ())
    }

    /// `wanted` is `Read` or `Write`.
    fn access(
        &self,
        buffer: BufferId,
        wanted: Access,
        index: &Index,
        stride: i64,
        active: usize,
    ) -> Result<(), Violation> {
        let span = stride as i128 * (active as i128 - 1);
        self.access_within(buffer, wanted, index, (span.min(0), span.max(0)), active)
    }

    /// An access of lanes whose distances from an index lie between two bounds.
    fn access_within(
        &self,
        buffer: BufferId,
        wanted: Access,
        index: &Index,
        distances: (i128, i128),
        active: usize,
    ) -> Result<(), Violation> {
        let Some(declared) = self.kernel.buffers.get(buffer.0 as usize) else {
            return Err(Violation::Buffer { buffer: buffer.0 });
        };
        if declared.access != wanted && declared.access != Access::ReadWrite {
            return Err(Violation::Access { buffer: declared.name.clone(), access: declared.access });
        }
        if active < 1 || active > self.kernel.lanes {
            return Err(Violation::Active { active, lanes: self.kernel.lanes });
        }
        let (mut least, mut greatest) = self.range(index)?;
        least += distances.0;
        greatest += distances.1;
        if least < 0 || greatest >= declared.elements as i128 {
            let (buffer, elements) = (declared.name.clone(), declared.elements);
            return Err(Violation::Bounds { buffer, least, greatest, elements });
        }
        Ok(())
    }

    /// The least and the greatest value of an index over all iterations and rows. An affine function takes them at
    /// corners, and every corner is taken. (No overflow: factors have 64 bits, and there are fewer than 2^32 terms.)
    fn range(&self, index: &Index) -> Result<(i128, i128), Violation> {
        let mut range = (index.offset as i128, index.offset as i128);
        let mut add = |last: usize, stride: i64| {
            let span = last as i128 * stride as i128;
            range = (range.0 + span.min(0), range.1 + span.max(0));
        };
        let terms = index.terms.as_slice();
        for (position, &(variable, stride)) in terms.iter().enumerate() {
            let mut before = 0;
            while before < position {
                if terms[before].0 == variable {
                    return Err(Violation::DoubledTerm { variable });
                }
                before += 1;
            }
            match self.extents.get(variable.0 as usize) {
                Some(&Some(extent)) => add(extent - 1, stride),
                _ => return Err(Violation::Variable { variable }),
            }
        }
        if let Some(row) = index.row {
            self.operand(row.value, ValueType::I32)?;
            if row.extent < 1 || row.extent > i32::MAX as u32 {
                return Err(Violation::RowExtent { extent: row.extent });
            }
            add(row.extent as usize - 1, row.stride);
        }
        Ok(range)
    }
}

#[cfg(test)]
mod tests;
