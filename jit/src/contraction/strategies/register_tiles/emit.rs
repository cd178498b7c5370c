//! Writes a tiling as loops: the grid, the loops over kept axes down to one tile, the loops over reduced axes that
//! carry the tile's sums in registers, and the epilogue of each vector of sums. Every loop leaves its rest to a smaller
//! copy of its body. It decides nothing.

use rustc_hash::FxHashMap;

use super::ahead::{Asking, is_innermost};
use crate::contraction::problem::{Axis, Epilogue, Place};
use crate::contraction::strategies::emit::{Side, square, times};
use crate::contraction::strategies::k_blocking::{KBlock, VectorPlace};
use crate::contraction::strategies::position::{Position, coordinates, each};
use crate::contraction::tiling::{KBlocking, Level, Packed, Steps, Tiling, steps};
use crate::cost::params::register_tiles::TRANSPOSED_MORE;
use crate::kernel::{BufferId, Compare, Element, Float2, Index, KernelBuilder, Operation, Value};

/// Which factors of quads are u8; the others are i8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsigned {
    Left,
    Right,
}

/// None where the factors are no quads.
fn unsigned(kernel: &KernelBuilder, left: &Side, right: &Side) -> Option<Unsigned> {
    match (kernel.element(left.buffer), kernel.element(right.buffer)) {
        (Element::U8x4, _) => Some(Unsigned::Left),
        (_, Element::U8x4) => Some(Unsigned::Right),
        _ => None,
    }
}

/// A place in a tile: displacements along axes.
type Displacement = Vec<(usize, i64)>;

/// Every place of the box that the extents of `axes` span, the last axis fastest.
fn places(axes: &[usize], extent: &[usize]) -> Vec<Displacement> {
    axes.iter().fold(vec![Vec::new()], |places, &axis| {
        let along = |place: &Displacement| -> Vec<Displacement> {
            (0..extent[axis] as i64).map(|i| place.iter().copied().chain([(axis, i)]).collect()).collect()
        };
        places.iter().flat_map(along).collect()
    })
}

/// All vectors of a tile: their rows, and where along them they start.
fn parts<'a>(rows: &'a [Displacement], vectors: &'a [(usize, usize)]) -> impl Iterator<Item = VectorPlace<'a>> {
    rows.iter().flat_map(|row| vectors.iter().map(move |&(along, _)| (&row[..], along)))
}

/// Emits one tiling into one kernel.
pub struct Tiler<'a, 'e> {
    /// What to emit.
    pub tiling: &'a Tiling,
    /// The contraction's left operand.
    pub left: Side,
    /// The contraction's right operand.
    pub right: Side,
    /// Where rows are converted to, and which ones were.
    pub converted: Option<(Side, Position)>,
    /// Where K-blocked sums are kept between blocks.
    pub sums: Option<Side>,
    /// Takes the sums.
    pub epilogue: &'a mut (dyn Epilogue + 'e),
}

impl Tiler<'_, '_> {
    /// Writes the grid and everything in it.
    pub fn emit(&mut self, kernel: &mut KernelBuilder) {
        // for levels of the grid                             tasks
        //   for levels of kept axes                          down to one tile; each with a copy for the rest
        //     sums = 0                                       rows x vectors of them, in registers
        //     for levels of reduced axes                     loops that carry the sums
        //       sums[row][vector] += left[row] * right[vector]     unrolled, for each place of a step
        //     epilogue(row, vector, sums[row][vector])
        //
        // With K-blocking a loop over blocks of the reduced axis stands in between, and the sums pass through memory.
        let tiling = self.tiling;
        let axes = &tiling.contraction.axes;
        let mut position = Position::of(axes);
        // Where the task's copies of rows begin.
        let mut start = Index::default();
        for &level in &tiling.levels[..tiling.grid] {
            // One kind of steps for each level: the grid leaves nothing over.
            for steps in steps(position.extent[level.axis], level.size) {
                let variable = kernel.grid(steps.count);
                start = times(&start, steps.count).plus(variable, tiling.converted.elements as i64);
                position = position.step(level, steps, Some(variable));
            }
        }
        if let Some((rows, _)) = &mut self.converted {
            rows.start = start;
        }
        match &tiling.k_blocking {
            None => self.nest(kernel, &tiling.levels[tiling.grid..], [&position; 2], KBlock::WHOLE),
            Some(blocking) => self.blocks(kernel, &tiling.levels[tiling.grid..blocking.outside], blocking, &position),
        }
    }

    /// The loops that stand outside of the loop over blocks of the reduced axis, and that loop.
    fn blocks(&mut self, kernel: &mut KernelBuilder, levels: &[Level], blocking: &KBlocking, position: &Position) {
        if let Some((&level, inner)) = levels.split_first() {
            return each(
                kernel,
                position,
                level,
                steps(position.extent[level.axis], level.size),
                &mut |kernel, position| {
                    self.blocks(kernel, inner, blocking, position);
                },
            );
        }
        let inside = &self.tiling.levels[blocking.outside..];
        // Up to three copies of the nest, which differ in where sums come from and go to: the first block, those
        // between, the last one.
        for (steps, block) in blocking.blocks(&self.tiling.contraction.axes[blocking.block.axis]) {
            each(kernel, position, blocking.block, [steps], &mut |kernel, position| {
                self.nest(kernel, inside, [position; 2], block)
            });
        }
    }

    /// The loops over kept axes from a place on; the first of the two is that of the strip's first tile, from where on
    /// it is known.
    fn nest(&mut self, kernel: &mut KernelBuilder, levels: &[Level], [strip, position]: [&Position; 2], block: KBlock) {
        let strip = if levels.len() >= self.tiling.inside().len() { position } else { strip };
        // Outside of the loop along the lanes, and of that over tiles.
        if let (Some((rows, first)), [_, _]) = (&mut self.converted, levels) {
            *first = position.clone();
            self.tiling.converted.emit(kernel, self.tiling, &self.left, rows, position);
        }
        let Some((&level, inner)) = levels.split_first() else {
            return self.tile(kernel, [strip, position], block);
        };
        each(kernel, position, level, steps(position.extent[level.axis], level.size), &mut |kernel, position| {
            self.nest(kernel, inner, [strip, position], block);
        });
    }

    fn tile(&mut self, kernel: &mut KernelBuilder, [strip, position]: [&Position; 2], block: KBlock) {
        let lanes = kernel.lanes();
        let contraction = &self.tiling.contraction;
        let rows = places(&self.tiling.rows, &position.extent);
        let width = self.tiling.vector.map_or(1, |v| position.extent[v]);
        // For each register of a row its first place along the vector axis, and how many lanes count. Where sums are
        // folded, all lanes of a register are parts of one sum, so that a register is one place.
        let unit = if self.tiling.fold.is_some() { 1 } else { lanes };
        let vectors: Vec<(usize, usize)> =
            (0..width).step_by(unit).map(|start| (start, unit.min(width - start))).collect();

        let blocking = self.tiling.k_blocking.as_ref().zip(self.sums.as_ref());
        let mut sums = Vec::with_capacity(rows.len() * vectors.len());
        match blocking.filter(|_| !block.first) {
            // The first block, or the only one.
            None => {
                let zero =
                    if unsigned(kernel, &self.left, &self.right).is_some() { kernel.i32(0) } else { kernel.f32(0.0) };
                sums.resize(rows.len() * vectors.len(), zero);
            }
            Some((blocking, kept)) => {
                sums.extend(parts(&rows, &vectors).map(|place| blocking.load(kernel, kept, &position.at, place)));
            }
        }
        // A sum without terms stays 0, and is handed on as any other.
        if contraction.axes.iter().all(|a| a.extent > 0) {
            let (tiling, left, right, converted) = (self.tiling, &self.left, &self.right, self.converted.as_ref());
            let tile = Tile { tiling, left, right, converted, rows: &rows, vectors: &vectors };
            let mut asking = self.results(&rows, &vectors, position, lanes);
            asking.extend(Asking::next_strip(self.tiling, &self.right, strip, position));
            sums = tile.reduce(kernel, &self.tiling.reduce, position, &asking, sums);
        }
        // Results are there after the last block alone.
        if let Some((blocking, kept)) = blocking.filter(|_| !block.last) {
            return parts(&rows, &vectors)
                .zip(sums)
                .for_each(|(place, sum)| blocking.store(kernel, kept, &position.at, place, sum));
        }
        // Folded, the registers of a row become one vector of results.
        let mut results = vectors;
        if self.tiling.fold.is_some() {
            sums = folded(kernel, &sums, results.len());
            results = vec![(0, width)];
        }
        if let Some(fast) = self.transposed_along(lanes) {
            for (column, &(start, active)) in results.iter().enumerate() {
                for (first, count) in self.runs(position, lanes, rows.len()) {
                    // rows of a run    a0 a1 a2 ..     lane 0 of all    a0 b0 c0 ..     side by side in memory
                    //                  b0 b1 b2 ..     lane 1 of all    a1 b1 c1 ..
                    //                  c0 c1 c2 ..
                    let sum = |_: &mut KernelBuilder, row: usize| sums[(first + row) * results.len() + column];
                    for (lane, value) in square(kernel, [count, active], sum).into_iter().enumerate() {
                        let place = self.place(position, &rows[first], start + lane, (Some(fast), count));
                        self.epilogue.take(kernel, &place, value);
                    }
                }
            }
            return;
        }
        for (row, displacement) in rows.iter().enumerate() {
            for (column, &(start, active)) in results.iter().enumerate() {
                let place = self.place(position, displacement, start, (self.lanes(), active));
                self.epilogue.take(kernel, &place, sums[row * results.len() + column]);
            }
        }
    }

    /// The output axis along the lanes of sums.
    fn lanes(&self) -> Option<usize> {
        self.tiling.vector.and_then(|v| self.tiling.contraction.lanes(v))
    }

    /// [`Tiling::transposed_along`], unless that is dearer by what is fused behind the sums: vectors of a few rows each are more of
    /// them than there were.
    fn transposed_along(&self, lanes: usize) -> Option<usize> {
        let run = self.tiling.levels.iter().rfind(|level| Some(&level.axis) == self.tiling.rows.last())?.size;
        let more = lanes as f64 / run.min(lanes) as f64 - 1.0;
        self.tiling.transposed_along(lanes).filter(|_| self.epilogue.weight() as f64 * more <= TRANSPOSED_MORE)
    }

    /// A tile's rows along the innermost axis, at most as many together as there are lanes: the first of them and how
    /// many.
    fn runs(&self, position: &Position, lanes: usize, rows: usize) -> Vec<(usize, usize)> {
        let run = self.tiling.rows.last().map_or(1, |&axis| position.extent[axis]);
        let starts = (0..rows).step_by(run).flat_map(|row| (0..run).step_by(lanes).map(move |along| (row, along)));
        starts.map(|(row, along)| (row + along, lanes.min(run - along))).collect()
    }

    /// The place of a vector of results of a tile: that of a row, where along it the vector starts, and its lanes.
    fn place(
        &self,
        position: &Position,
        row: &[(usize, i64)],
        start: usize,
        (lanes, active): (Option<usize>, usize),
    ) -> Place {
        let contraction = &self.tiling.contraction;
        let mut at = position.at.clone();
        let along = self.tiling.vector.map(|v| (v, start as i64));
        for (axis, by) in row.iter().copied().chain(along) {
            at[axis].offset += by;
        }
        Place { coordinates: coordinates(contraction, &at), lanes, active }
    }

    /// The lines of a tile's results, where it asks for them and they lie at equal distances: those of a vector of each
    /// row, or of a run of rows at each lane.
    fn results(
        &self,
        rows: &[Displacement],
        vectors: &[(usize, usize)],
        position: &Position,
        lanes: usize,
    ) -> Vec<Asking> {
        if !self.tiling.ahead.results {
            return Vec::new();
        }
        let mut asking = Vec::new();
        for &(start, active) in vectors {
            match self.transposed_along(lanes) {
                None => {
                    let place = |row: &Displacement| self.place(position, row, start, (self.lanes(), active));
                    asking.extend(self.lines(rows.iter().map(place)));
                }
                Some(fast) => {
                    for (first, count) in self.runs(position, lanes, rows.len()) {
                        let place = |lane| self.place(position, &rows[first], start + lane, (Some(fast), count));
                        asking.extend(self.lines((0..active).map(place)));
                    }
                }
            }
        }
        asking
    }

    /// The lines of results at some places, those of each tensor where they lie at equal distances.
    fn lines(&self, places: impl Iterator<Item = Place>) -> Vec<Asking> {
        let at: Vec<Vec<(BufferId, Index)>> = places.map(|place| self.epilogue.results(&place)).collect();
        let mut asking = Vec::new();
        for (tensor, (buffer, first)) in at[0].iter().enumerate() {
            let distance = at.get(1).map_or(0, |second| second[tensor].1.offset - first.offset);
            let lies = |(number, at): (i64, &Vec<_>)| at[tensor] == (*buffer, first.clone().shifted(number * distance));
            if (0..).zip(&at).all(lies) {
                asking.push(Asking { buffer: *buffer, first: first.clone(), distance, lines: at.len() });
            }
        }
        asking
    }
}

/// The fold of each sum, those of a row as the lanes of one vector.
fn folded(kernel: &mut KernelBuilder, sums: &[Value], columns: usize) -> Vec<Value> {
    // sums of a row   [a0 a1 ..] [b0 b1 ..] [c0 c1 ..]    each folded: a = a0 + a1 + .., in every lane
    // the result      [a b c ..]                          lane `column` selected from the fold of that column
    let lane = kernel.push(Operation::Lane);
    let masks: Vec<Value> = (0..columns)
        .map(|column| {
            let number = kernel.i32(column as i32);
            kernel.compare(Compare::Eq, lane, number)
        })
        .collect();
    let row = |sums: &[Value]| {
        let folds: Vec<Value> = sums.iter().map(|&sum| kernel.push(Operation::Fold(Float2::Add, sum))).collect();
        let mut vector = folds[0];
        for (&fold, &mask) in folds.iter().zip(&masks).skip(1) {
            vector = kernel.select(mask, fold, vector);
        }
        vector
    };
    sums.chunks(columns).map(row).collect()
}

/// The sums of one tile.
struct Tile<'a> {
    tiling: &'a Tiling,
    left: &'a Side,
    right: &'a Side,
    /// Where the rows are converted to, and which.
    converted: Option<&'a (Side, Position)>,
    rows: &'a [Displacement],
    /// For each vector of a row its first place and its active lanes.
    vectors: &'a [(usize, usize)],
}

impl Tile<'_> {
    /// The loops over reduced axes from a place on, which ask for some lines.
    fn reduce(
        &self,
        kernel: &mut KernelBuilder,
        levels: &[Level],
        position: &Position,
        asking: &[Asking],
        mut sums: Vec<Value>,
    ) -> Vec<Value> {
        let Some((&level, inner)) = levels.split_first() else {
            return self.steps(kernel, position, sums);
        };
        for steps in steps(position.extent[level.axis], level.size) {
            sums = if steps.count == 1 {
                self.reduce(kernel, inner, &position.step(level, steps, None), asking, sums)
            } else if !asking.is_empty() && is_innermost(levels, position) {
                self.ask_among(kernel, levels, steps, position, asking, sums)
            } else {
                kernel.for_each(steps.count, &sums, |kernel, variable, sums| {
                    let asking: Vec<Asking> = asking.iter().map(|asking| asking.part(variable, steps.count)).collect();
                    self.reduce(kernel, inner, &position.step(level, steps, Some(variable)), &asking, sums.to_vec())
                })
            };
        }
        sums
    }

    /// The innermost loop, between whose steps lines are asked for: few at a time, as they come from far away and the
    /// processor can wait for some of them only.
    fn ask_among(
        &self,
        kernel: &mut KernelBuilder,
        levels: &[Level],
        steps: Steps,
        position: &Position,
        asking: &[Asking],
        sums: Vec<Value>,
    ) -> Vec<Value> {
        // for part of the steps              asks for a line of the fewest
        //   for step of the part             products; among them those of which there are more, in the same way
        // for step that is left over         products
        let fewest = asking.iter().map(|asking| asking.lines).min().unwrap_or(1);
        let parts = fewest.min(steps.count);
        let (part, rest) = (steps.count / parts, steps.count % parts);
        let level = levels[0];
        let of_part = Steps { start: steps.start, count: parts, size: part * steps.size };
        let sums = kernel.for_each(parts, &sums, |kernel, variable, sums| {
            let mut later = Vec::new();
            for asking in asking {
                let here = asking.lines == fewest || part == 1;
                let asking = asking.part(variable, parts);
                if here { asking.ask(kernel) } else { later.push(asking) }
            }
            self.reduce(kernel, levels, &position.step(level, of_part, Some(variable)), &later, sums.to_vec())
        });
        if rest == 0 {
            return sums;
        }
        let start = steps.start + parts * part * steps.size;
        let left_over = Steps { start, count: 1, size: rest * steps.size };
        self.reduce(kernel, levels, &position.step(level, left_over, None), &[], sums)
    }

    /// The unrolled products. The factors of the tile's shorter side are loaded first and stay in registers for a step,
    /// those of the longer side pass by.
    fn steps(&self, kernel: &mut KernelBuilder, position: &Position, mut sums: Vec<Value>) -> Vec<Value> {
        let (rows, vectors) = (self.rows.len(), self.vectors.len());
        // A factor of the left operand is one number, splat over the lanes, where it does not vary along them.
        let shared = self.tiling.vector.is_none_or(|v| self.tiling.contraction.axes[v].left == 0);
        let unsigned = unsigned(kernel, self.left, self.right);
        let pairs = self.are_pairs(kernel);
        let (contraction, panels) = (&self.tiling.contraction, self.tiling.panels);
        let lefts = match self.converted {
            Some((rows, first)) => Lefts::Converted { rows, first, position },
            None => Lefts::Given(self.factors(position, self.left, contraction.left, |axis| axis.left, panels[0])),
        };
        let rights = self.factors(position, self.right, contraction.right, |axis| axis.right, panels[1]);
        // Vectors of the left operand by their places.
        let mut shared_vectors: FxHashMap<(i64, usize), Value> = FxHashMap::default();
        for step in self.unrolled(kernel.lanes(), position) {
            let mut multiply = |kernel: &mut KernelBuilder, row: usize, vector: usize, left: Value, right: Value| {
                let sum = &mut sums[row * vectors + vector];
                *sum = match unsigned {
                    None if pairs => kernel.fma_pairs(left, right, *sum),
                    None => kernel.fma(left, right, *sum),
                    Some(Unsigned::Left) => kernel.fma_quads(left, right, *sum),
                    Some(Unsigned::Right) => kernel.fma_quads(right, left, *sum),
                };
            };
            // Each channel on its own: a product of two vectors for each row and vector. With `shares`, a vector that a
            // neighbouring row has loaded a few products before is taken from its register: windows overlap.
            if !shared {
                for vector in 0..vectors {
                    let right = self.right(kernel, &rights, &step, vector);
                    for row in 0..rows {
                        let mut left = || self.left(kernel, &lefts, &step, row, vector);
                        let left = match self.tiling.shares {
                            true => *shared_vectors.entry((self.left_place(&step, row), vector)).or_insert_with(left),
                            false => left(),
                        };
                        multiply(kernel, row, vector, left, right);
                    }
                }
            } else if vectors <= rows {
                // A tile of 6 x 2: two registers hold the right operand's vectors, and the factors of the rows pass by
                // in one.
                let loaded: Vec<Value> = (0..vectors).map(|v| self.right(kernel, &rights, &step, v)).collect();
                for row in 0..rows {
                    let left = self.left(kernel, &lefts, &step, row, 0);
                    for (vector, &right) in loaded.iter().enumerate() {
                        multiply(kernel, row, vector, left, right);
                    }
                }
            } else {
                // A tile of 2 x 6: the other way round.
                let loaded: Vec<Value> = (0..rows).map(|r| self.left(kernel, &lefts, &step, r, 0)).collect();
                for vector in 0..vectors {
                    let right = self.right(kernel, &rights, &step, vector);
                    for (row, &left) in loaded.iter().enumerate() {
                        multiply(kernel, row, vector, left, right);
                    }
                }
            }
        }
        sums
    }

    /// Whether the factors are pairs of bf16: then the right operand is packed.
    fn are_pairs(&self, kernel: &KernelBuilder) -> bool {
        kernel.element(self.right.buffer) == Element::I32
    }

    /// The places of the reduced axes that are unrolled, a vector of them each where the sums are folded.
    fn unrolled(&self, lanes: usize, position: &Position) -> Vec<Step> {
        let axes: Vec<usize> = self.tiling.reduce.iter().map(|level| level.axis).collect();
        let mut extent = position.extent.clone();
        let Some(fold) = self.tiling.fold else {
            return places(&axes, &extent).into_iter().map(|place| Step { place, active: lanes }).collect();
        };
        // The folded axis goes in steps of `lanes` places. In the last one lanes beyond its end are loaded as 0 on both
        // sides, which adds nothing.
        let count = extent[fold];
        extent[fold] = count.div_ceil(lanes);
        let step = |mut place: Displacement| {
            let along = place.iter_mut().find(|(axis, _)| *axis == fold).expect("the folded axis is reduced");
            along.1 *= lanes as i64;
            let active = lanes.min(count - along.1 as usize);
            Step { place, active }
        };
        places(&axes, &extent).into_iter().map(step).collect()
    }

    /// How far the factor of a row lies from that of the first row in the first step.
    fn left_place(&self, step: &Step, row: usize) -> i64 {
        let axes = &self.tiling.contraction.axes;
        step.place.iter().chain(&self.rows[row]).map(|&(axis, by)| by * axes[axis].left).sum()
    }

    /// The factor of a row, for one vector of the results where it varies along them.
    fn left(&self, kernel: &mut KernelBuilder, from: &Lefts<'_>, step: &Step, row: usize, vector: usize) -> Value {
        match *from {
            Lefts::Given(ref factors) => {
                self.operand(kernel, factors, [&step.place, &self.rows[row]], step.active, vector)
            }
            Lefts::Converted { rows, first, position } => {
                let places: Vec<_> = step.place.iter().chain(&self.rows[row]).copied().collect();
                let index = self.tiling.converted.place(self.tiling, (rows, first), position, &places);
                kernel.splat(rows.buffer, index)
            }
        }
    }

    /// The factors of a vector of the results.
    fn right(&self, kernel: &mut KernelBuilder, from: &Factors, step: &Step, vector: usize) -> Value {
        self.operand(kernel, from, [&step.place, &[]], step.active, vector)
    }

    /// One side at a position.
    fn factors(
        &self,
        position: &Position,
        side: &Side,
        start: i64,
        stride: fn(&Axis) -> i64,
        panels: Option<Packed>,
    ) -> Factors {
        let axes = &self.tiling.contraction.axes;
        let mut first = side.start.clone().shifted(start);
        for (axis, at) in position.at.iter().enumerate() {
            // A tile starts where a panel does, so that its index goes by the panels' distance; within the tile, by the
            // axis's own.
            let panels = panels.filter(|panels| panels.axis == axis);
            first.add_index(at, panels.map_or(stride(&axes[axis]), |panels| panels.distance));
        }
        Factors { buffer: side.buffer, first, stride }
    }

    /// The factors some places further, added up over several lists of them.
    fn operand(
        &self,
        kernel: &mut KernelBuilder,
        from: &Factors,
        places: [&[(usize, i64)]; 2],
        folded: usize,
        vector: usize,
    ) -> Value {
        let axes = self.tiling.contraction.axes.as_slice();
        let mut index = from.first.clone();
        for places in places {
            for &(axis, by) in places {
                index.offset += by * (from.stride)(&axes[axis]);
            }
        }
        let stride = self.tiling.vector.map_or(0, |v| (from.stride)(&axes[v]));
        let (first, active) = self.vectors[vector];
        index.offset += first as i64 * stride;
        let buffer = from.buffer;
        // Folded: neighbouring terms of one sum. Stride 0: one number for all lanes. Else neighbouring results, or (a
        // stride above 1) elements that are gathered.
        match (self.tiling.fold, stride) {
            // A left operand that runs along the pairs, mostly one of them for all lanes.
            (None, stride) if self.are_pairs(kernel) && kernel.element(buffer) == Element::Bf16 => {
                let active = if stride == 0 { kernel.lanes() } else { active };
                kernel.push(Operation::LoadPairs { buffer, index, stride, active })
            }
            (Some(_), _) => kernel.push(Operation::Load { buffer, index, stride: 1, active: folded }),
            (None, 0) => kernel.splat(buffer, index),
            (None, stride) => kernel.push(Operation::Load { buffer, index, stride, active }),
        }
    }
}

/// An unrolled iteration of the innermost loops.
struct Step {
    place: Displacement,
    /// The places along the folded axis, if there is one.
    active: usize,
}

/// The factors of a tile's rows at a position.
enum Lefts<'a> {
    /// Read as the left operand lies, or from its panels.
    Given(Factors),
    /// Read from the copies of a task's rows, which were made at the position `first`.
    Converted { rows: &'a Side, first: &'a Position, position: &'a Position },
}

/// One side of the contraction, as it is read.
struct Factors {
    buffer: BufferId,
    /// Where the first one lies.
    first: Index,
    /// The distance along an axis.
    stride: fn(&Axis) -> i64,
}
