//! Writes kernels: allocates values and variables, keeps types, nests loops.
//! It knows the kernel IR alone.

use super::*;

/// Builds one [`Kernel`] statement by statement.
#[derive(Debug)]
pub struct KernelBuilder {
    kernel: Kernel,
    open: Vec<Vec<Statement>>,
    /// The buffers of f32 whose elements are rounded to bf16 as they are loaded.
    rounded: Vec<BufferId>,
}

impl KernelBuilder {
    /// An empty kernel of one task.
    pub fn new(name: impl Into<String>, lanes: usize) -> KernelBuilder {
        let kernel = Kernel {
            name: name.into(),
            lanes,
            buffers: Vec::new(),
            tiles: Vec::new(),
            grid: Vec::new(),
            body: Vec::new(),
            values: Vec::new(),
            variables: 0,
        };
        KernelBuilder { kernel, open: vec![Vec::new()], rounded: Vec::new() }
    }

    /// The number of lanes of every value.
    pub fn lanes(&self) -> usize {
        self.kernel.lanes
    }

    /// Adds an argument.
    pub fn buffer(&mut self, name: impl Into<String>, element: Element, elements: usize, access: Access) -> BufferId {
        self.kernel.buffers.push(Buffer { name: name.into(), element, elements, access });
        BufferId(self.kernel.buffers.len() as u32 - 1)
    }

    /// What an argument holds.
    pub fn element(&self, buffer: BufferId) -> Element {
        self.kernel.buffers[buffer.0 as usize].element
    }

    /// From now on what is loaded of an argument of f32 is rounded to bf16.
    pub fn round_loads(&mut self, buffer: BufferId) {
        self.rounded.push(buffer);
    }

    /// Whether what is loaded of an argument is rounded.
    pub fn rounds(&self, buffer: BufferId) -> bool {
        self.rounded.contains(&buffer)
    }

    /// The declaration of an argument, to widen its access or its length.
    pub fn buffer_mut(&mut self, buffer: BufferId) -> &mut Buffer {
        &mut self.kernel.buffers[buffer.0 as usize]
    }

    /// Adds a parallel dimension. Only before the first loop.
    pub fn grid(&mut self, extent: usize) -> Variable {
        assert_eq!(self.kernel.variables as usize, self.kernel.grid.len(), "the grid comes before the loops");
        self.kernel.grid.push(extent);
        self.kernel.variables += 1;
        Variable(self.kernel.variables - 1)
    }

    /// The extents of the parallel dimensions so far.
    pub fn extents(&self) -> &[usize] {
        &self.kernel.grid
    }

    /// The type of a value.
    pub fn ty(&self, value: Value) -> ValueType {
        self.kernel.values[value.0 as usize]
    }

    fn value(&mut self, ty: ValueType) -> Value {
        self.kernel.values.push(ty);
        Value(self.kernel.values.len() as u32 - 1)
    }

    /// Appends an operation, and a rounding behind a load of what [is rounded](KernelBuilder::round_loads); its type
    /// follows from its operands.
    pub fn push(&mut self, operation: Operation) -> Value {
        let rounds = !self.rounded.is_empty() && operation.place().is_some_and(|(buffer, _)| self.rounds(buffer));
        let value = self.append(operation);
        if rounds { self.append(Operation::Float1(Float1::Bf16, value)) } else { value }
    }

    fn append(&mut self, operation: Operation) -> Value {
        let ty = operation.result_type(&self.kernel);
        let value = self.value(ty);
        self.open.last_mut().expect("an open block").push(Statement::Let(value, operation));
        value
    }

    /// Appends a store of all or some lanes.
    pub fn store(&mut self, buffer: BufferId, index: Index, stride: i64, active: usize, value: Value) {
        let statement = Statement::Store { buffer, index, stride, active, value };
        self.open.last_mut().expect("an open block").push(statement);
    }

    /// Appends a prefetch.
    pub fn prefetch(&mut self, buffer: BufferId, index: Index) {
        self.open.last_mut().expect("an open block").push(Statement::Prefetch { buffer, index });
    }

    /// Adds a tile register.
    pub fn tile(&mut self, rows: usize, columns: usize) -> Tile {
        self.kernel.tiles.push(TileShape { rows, columns });
        Tile(self.kernel.tiles.len() as u8 - 1)
    }

    /// Appends a statement about tile registers.
    pub fn tiles(&mut self, statement: TileStatement) {
        self.open.last_mut().expect("an open block").push(Statement::Tile(statement));
    }

    /// Appends a loop. The closure gets the loop variable and the carried values and returns their next values;
    /// the results are the carried values after the last iteration.
    pub fn for_each(
        &mut self,
        extent: usize,
        initial: &[Value],
        body: impl FnOnce(&mut KernelBuilder, Variable, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        self.open_loop(extent, None, initial, body)
    }

    /// Appends what is computed only where a lane of a mask holds: the closure gets the given values and returns those that take
    /// their place. Where it must not change the other lanes, it selects.
    pub fn where_any(
        &mut self,
        mask: Value,
        values: &[Value],
        body: impl FnOnce(&mut KernelBuilder, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        self.open_loop(1, Some(mask), values, |b, _, values| body(b, values))
    }

    fn open_loop(
        &mut self,
        extent: usize,
        guard: Option<Value>,
        initial: &[Value],
        body: impl FnOnce(&mut KernelBuilder, Variable, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let variable = Variable(self.kernel.variables);
        self.kernel.variables += 1;
        let current = self.alike(initial);
        self.open.push(Vec::new());
        let next = body(self, variable, &current);
        assert_eq!(next.len(), initial.len(), "each carried value has a next one");
        let statements = self.open.pop().expect("an open block");
        let results = self.alike(initial);
        let mut carried = Vec::with_capacity(initial.len());
        for (i, &initial) in initial.iter().enumerate() {
            carried.push(Carried { initial, current: current[i], next: next[i], result: results[i] });
        }
        let statement = Statement::For(Loop { variable, extent, guard, carried, body: statements });
        self.open.last_mut().expect("an open block").push(statement);
        results
    }

    /// New values of the types of some others.
    fn alike(&mut self, values: &[Value]) -> Vec<Value> {
        let mut alike = Vec::with_capacity(values.len());
        for &value in values {
            alike.push(self.value(self.ty(value)));
        }
        alike
    }

    /// The finished kernel.
    pub fn finish(mut self) -> Kernel {
        self.kernel.body = self.open.pop().expect("the outermost block");
        assert!(self.open.is_empty(), "all loops are closed");
        self.kernel
    }

    /// The same f32 in every lane.
    pub fn f32(&mut self, value: f32) -> Value {
        self.push(Operation::ConstantF32(value.into()))
    }

    /// The same i32 in every lane.
    pub fn i32(&mut self, value: i32) -> Value {
        self.push(Operation::ConstantI32(value))
    }

    /// An affine expression of loop variables in every lane.
    pub fn affine(&mut self, index: Index) -> Value {
        if index.terms.is_empty() {
            return self.i32(index.offset as i32);
        }
        self.push(Operation::Affine(index))
    }

    /// A contiguous load of all lanes.
    pub fn load(&mut self, buffer: BufferId, index: Index) -> Value {
        let active = self.lanes();
        self.push(Operation::Load { buffer, index, stride: 1, active })
    }

    /// One element in every lane.
    pub fn splat(&mut self, buffer: BufferId, index: Index) -> Value {
        self.push(Operation::Splat { buffer, index })
    }

    /// An f32 function of one value.
    pub fn float1(&mut self, function: Float1, a: Value) -> Value {
        self.push(Operation::Float1(function, a))
    }

    /// An f32 function of two values.
    pub fn float2(&mut self, function: Float2, a: Value, b: Value) -> Value {
        self.push(Operation::Float2(function, a, b))
    }

    /// `a + b`.
    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.float2(Float2::Add, a, b)
    }

    /// `a - b`.
    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        self.float2(Float2::Sub, a, b)
    }

    /// `a * b`.
    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        self.float2(Float2::Mul, a, b)
    }

    /// `a / b`.
    pub fn div(&mut self, a: Value, b: Value) -> Value {
        self.float2(Float2::Div, a, b)
    }

    /// `a * b + c`, rounded once.
    pub fn fma(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.push(Operation::Fma(a, b, c))
    }

    /// `c` and the products of four u8 with four i8.
    pub fn fma_quads(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.push(Operation::FmaQuads(a, b, c))
    }

    /// The sum of two f32 or two i32.
    pub fn sum(&mut self, a: Value, b: Value) -> Value {
        match self.ty(a) {
            ValueType::F32 => self.add(a, b),
            ValueType::I32 => self.int2(Int2::Add, a, b),
            ValueType::Mask => unreachable!("masks are not added"),
        }
    }

    /// `c` and the products of two pairs of bf16 each.
    pub fn fma_pairs(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.push(Operation::FmaPairs(a, b, c))
    }

    /// An i32 function of two values.
    pub fn int2(&mut self, function: Int2, a: Value, b: Value) -> Value {
        self.push(Operation::Int2(function, a, b))
    }

    /// An i32 shifted by a constant.
    pub fn shift(&mut self, shift: Shift, a: Value, bits: u8) -> Value {
        self.push(Operation::Shift(shift, a, bits))
    }

    /// A comparison of two f32 or two i32.
    pub fn compare(&mut self, compare: Compare, a: Value, b: Value) -> Value {
        match self.ty(a) {
            ValueType::F32 => self.push(Operation::CompareF32(compare, a, b)),
            ValueType::I32 => self.push(Operation::CompareI32(compare, a, b)),
            ValueType::Mask => unreachable!("masks are not compared"),
        }
    }

    /// `a` in the lanes of the mask, else `b`.
    pub fn select(&mut self, mask: Value, a: Value, b: Value) -> Value {
        self.push(Operation::Select(mask, a, b))
    }

    /// At most as many f32 values as there are lanes, transposed: lane `i` of result `j` is lane `j` of row `i`, or 0 where
    /// there is no such row.
    pub fn transpose(&mut self, rows: &[Value]) -> Vec<Value> {
        let lanes = self.lanes();
        assert!((1..=lanes).contains(&rows.len()), "a square of lanes");
        if lanes == 1 {
            return rows.to_vec();
        }
        let zero = if rows.len() < lanes { Some(self.f32(0.0)) } else { None };
        let mut square = rows.to_vec();
        square.resize(lanes, zero.unwrap_or(rows[0]));
        // Of zeros there is nothing to move.
        let mut shuffle = |which: Shuffle, a: Value, b: Value| match zero {
            Some(zero) if a == zero && b == zero => zero,
            _ => self.push(Operation::Shuffle(which, a, b)),
        };
        // For each of four lanes of a group, the values whose groups are transposed.
        let mut columns: [Vec<Value>; 4] = Default::default();
        for rows in square.chunks(4) {
            let &[a, b, c, d] = rows else { unreachable!("lanes are a multiple of 4") };
            let halves = [Shuffle::LowLanes, Shuffle::HighLanes].map(|half| (shuffle(half, a, b), shuffle(half, c, d)));
            for (half, (first, second)) in halves.into_iter().enumerate() {
                columns[2 * half].push(shuffle(Shuffle::LowPairs, first, second));
                columns[2 * half + 1].push(shuffle(Shuffle::HighPairs, first, second));
            }
        }
        let columns = columns.map(|column| transpose_groups(&mut shuffle, column));
        (0..lanes).map(|lane| columns[lane % 4][lane / 4]).collect()
    }

    /// A conversion.
    pub fn convert(&mut self, convert: Convert, a: Value) -> Value {
        self.push(Operation::Convert(convert, a))
    }
}

/// As many values as they have groups of 4 lanes, transposed group by group.
fn transpose_groups(shuffle: &mut dyn FnMut(Shuffle, Value, Value) -> Value, values: Vec<Value>) -> Vec<Value> {
    if values.len() == 1 {
        return values;
    }
    let [even, odd] = [Shuffle::EvenGroups, Shuffle::OddGroups].map(|which| {
        let half = values.chunks(2).map(|pair| shuffle(which, pair[0], pair[1])).collect();
        transpose_groups(shuffle, half)
    });
    even.into_iter().zip(odd).flat_map(|(even, odd)| [even, odd]).collect()
}

impl Operation {
    /// The type of the operation's result in a kernel that holds its operands.
    pub(crate) fn result_type(&self, kernel: &Kernel) -> ValueType {
        let element = |buffer: &BufferId| kernel.buffers[buffer.0 as usize].element.value_type();
        match self {
            Operation::ConstantF32(_)
            | Operation::Float1(..)
            | Operation::Float2(..)
            | Operation::Fma(..)
            | Operation::FmaPairs(..)
            | Operation::Shuffle(..)
            | Operation::Fold(..) => ValueType::F32,
            Operation::ConstantI32(_)
            | Operation::Affine(_)
            | Operation::Lane
            | Operation::FmaQuads(..)
            | Operation::LoadPairs { .. }
            | Operation::Int2(..)
            | Operation::Shift(..) => ValueType::I32,
            Operation::Load { buffer, .. } | Operation::Splat { buffer, .. } | Operation::Gather { buffer, .. } => {
                element(buffer)
            }
            Operation::CompareF32(..) | Operation::CompareI32(..) | Operation::Mask2(..) | Operation::MaskNot(_) => {
                ValueType::Mask
            }
            Operation::Select(_, a, _) => kernel.values[a.0 as usize],
            Operation::Convert(convert, _) => match convert {
                Convert::Truncate | Convert::BitsToI32 | Convert::MaskToI32 => ValueType::I32,
                Convert::ToF32 | Convert::BitsToF32 => ValueType::F32,
                Convert::I32ToMask => ValueType::Mask,
            },
        }
    }
}

impl Index {
    /// A constant position.
    pub fn at(offset: i64) -> Index {
        Index { offset, ..Index::default() }
    }

    /// `variable * stride`.
    pub fn of(variable: Variable, stride: i64) -> Index {
        Index::at(0).plus(variable, stride)
    }

    /// This position and `variable * stride`.
    pub fn plus(mut self, variable: Variable, stride: i64) -> Index {
        self.add(variable, stride);
        self
    }

    fn add(&mut self, variable: Variable, stride: i64) {
        let mut term = 0;
        while term < self.terms.len() {
            if self.terms[term].0.0 == variable.0 {
                if self.terms[term].1 == -stride {
                    self.terms.remove(term);
                } else {
                    self.terms[term].1 += stride;
                }
                return;
            }
            term += 1;
        }
        if stride != 0 {
            self.terms.push((variable, stride));
        }
    }

    /// This position moved by a constant.
    pub fn shifted(mut self, by: i64) -> Index {
        self.offset += by;
        self
    }

    /// The sum of this position and `factor` times another; at most one may hold a run-time row.
    pub fn plus_index(mut self, other: &Index, factor: i64) -> Index {
        self.add_index(other, factor);
        self
    }

    /// The same in place.
    pub fn add_index(&mut self, other: &Index, factor: i64) {
        self.offset += other.offset * factor;
        let mut term = 0;
        while term < other.terms.len() {
            let (variable, stride) = other.terms[term];
            self.add(variable, stride * factor);
            term += 1;
        }
        if let Some(row) = other.row {
            assert!(self.row.is_none(), "one run-time row an index");
            self.row = Some(Row { stride: row.stride * factor, ..row });
        }
    }
}
