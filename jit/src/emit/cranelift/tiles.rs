//! Tile registers: each is a place in the stack frame, of rows one behind the other. Cranelift has no instructions for
//! them, so that a product is one of vectors, row by row. So it knows nothing of AMX, and needs no permission for it.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, types};
use cranelift_frontend::FunctionBuilder;

use super::Body;
use super::operations::LOW_BYTE;
use crate::emit::addresses::Base;
use crate::kernel::{BufferId, Factors, Index, Kernel, Tile, TileShape, TileStatement};

/// The checker has bounded every access.
const FLAGS: MemFlagsData = MemFlagsData::new().with_notrap();
/// Elements of a vector, and its bytes.
const LANES: usize = 4;
const VECTOR: i32 = 16;
/// Bytes of an element.
const ELEMENT: i32 = 4;
/// Bits of a half of it.
const HALF: i64 = 16;
const UPPER: i64 = 0xffff_0000u32 as i32 as i64;

/// Bytes from row to row: whole vectors, of which those beyond the last element hold anything.
fn pitch(shape: &TileShape) -> i32 {
    shape.columns.div_ceil(LANES) as i32 * VECTOR
}

impl Body<'_, '_> {
    /// The memory of each tile.
    pub(super) fn tile_slots(kernel: &Kernel, b: &mut FunctionBuilder<'_>) -> Vec<StackSlot> {
        let slot = |shape: &TileShape| {
            let bytes = (shape.rows as i32 * pitch(shape)) as u32;
            b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 4))
        };
        kernel.tiles.iter().map(slot).collect()
    }

    pub(super) fn tile(&mut self, statement: &TileStatement) {
        match statement {
            TileStatement::Zero(tile) => {
                let (shape, memory) = self.tile_of(*tile);
                let zero = self.b.ins().iconst(types::I32, 0);
                let zero = self.b.ins().splat(types::I32X4, zero);
                for place in (0..shape.rows as i32 * pitch(&shape)).step_by(VECTOR as usize) {
                    self.b.ins().store(FLAGS, zero, memory, place);
                }
            }
            TileStatement::Load { tile, buffer, index, stride } => {
                let (_, memory) = self.tile_of(*tile);
                for (ty, place, address, near) in self.tile_parts(*tile, *buffer, index, *stride) {
                    let part = self.b.ins().load(ty, FLAGS, address, near);
                    self.b.ins().store(FLAGS, part, memory, place);
                }
            }
            TileStatement::Store { tile, buffer, index, stride } => {
                let (_, memory) = self.tile_of(*tile);
                for (ty, place, address, near) in self.tile_parts(*tile, *buffer, index, *stride) {
                    let part = self.b.ins().load(ty, FLAGS, memory, place);
                    self.b.ins().store(FLAGS, part, address, near);
                }
            }
            TileStatement::Dot { factors, sum, left, right } => self.tile_dot(*factors, *sum, *left, *right),
        }
    }

    /// The shape of a tile, and the address of its memory.
    fn tile_of(&mut self, tile: Tile) -> (TileShape, ir::Value) {
        let number = tile.0 as usize;
        (self.kernel.tiles[number], self.b.ins().stack_addr(self.pointer, self.tiles[number], 0))
    }

    /// The vectors and elements of a tile: their types, places in the tile, and places in a buffer.
    fn tile_parts(
        &mut self,
        tile: Tile,
        buffer: BufferId,
        index: &Index,
        stride: i64,
    ) -> Vec<(ir::Type, i32, ir::Value, i32)> {
        let shape = self.kernel.tiles[tile.0 as usize];
        let (address, first) = self.address(buffer, index);
        let step = stride * self.addresses.unit(Base::Buffer(buffer));
        let mut parts = Vec::new();
        for row in 0..shape.rows {
            let (address, near) = self.near((address, first + row as i64 * step));
            let mut column = 0;
            while column < shape.columns {
                let whole = column + LANES <= shape.columns;
                let along = column as i32 * ELEMENT;
                let ty = if whole { types::I32X4 } else { types::I32 };
                // Displacements within the buffer that are as far as 2^31 bytes have become part of the address.
                let place = row as i32 * pitch(&shape) + along;
                match near.checked_add(along) {
                    Some(near) => parts.push((ty, place, address, near)),
                    None => {
                        let address = self.b.ins().iadd_imm_s(address, i64::from(near) + i64::from(along));
                        parts.push((ty, place, address, 0));
                    }
                }
                column += if whole { LANES } else { 1 };
            }
        }
        parts
    }

    fn tile_dot(&mut self, factors: Factors, sum: Tile, left: Tile, right: Tile) {
        // for row of the sums
        //   for vector of columns                   unrolled, as the loop over pairs or quads is
        //     sums[row][vector] += left[row] * right[..][vector]
        let (shape, sums) = self.tile_of(sum);
        let (left_shape, left) = self.tile_of(left);
        let (right_shape, right) = self.tile_of(right);
        let (pointer, zero) = (self.pointer, self.b.ins().iconst(self.pointer, 0));
        let [iteration, after] = [(); 2].map(|()| self.b.create_block());
        let row = self.b.append_block_param(iteration, pointer);
        self.b.ins().jump(iteration, &[zero.into()]);
        self.b.switch_to_block(iteration);
        let at = |body: &mut Self, memory: ir::Value, pitch: i32| {
            let distance = body.b.ins().imul_imm_s(row, i64::from(pitch));
            body.b.ins().iadd(memory, distance)
        };
        let (sums, left) = (at(self, sums, pitch(&shape)), at(self, left, pitch(&left_shape)));
        for vector in 0..shape.columns.div_ceil(LANES) as i32 {
            let column = self.b.ins().iadd_imm_s(right, i64::from(vector * VECTOR));
            let before = self.b.ins().load(types::I32X4, FLAGS, sums, vector * VECTOR);
            let after = match factors {
                Factors::Bf16 => self.dot_of_pairs(left, column, right_shape, before),
                Factors::U8I8 | Factors::I8U8 => self.dot_of_quads(factors, left, column, right_shape, before),
            };
            self.b.ins().store(FLAGS, after, sums, vector * VECTOR);
        }
        let next = self.b.ins().iadd_imm_s(row, 1);
        let more = self.b.ins().icmp_imm_s(IntCC::UnsignedLessThan, next, shape.rows as i64);
        self.branch(more, iteration, &[next], after);
        self.b.switch_to_block(after);
    }

    /// An element of a row on the left, and the vector that it is multiplied with.
    fn factors(&mut self, left: ir::Value, right: ir::Value, shape: TileShape, number: i32) -> [ir::Value; 2] {
        let a = self.b.ins().load(types::I32, FLAGS, left, number * ELEMENT);
        [a, self.b.ins().load(types::I32X4, FLAGS, right, number * pitch(&shape))]
    }

    fn dot_of_pairs(&mut self, left: ir::Value, right: ir::Value, shape: TileShape, sum: ir::Value) -> ir::Value {
        // even, odd = 0
        // for pair: even += lower(left[pair]) * lower(right[pair]), odd += the upper halves
        // sum + (even + odd)
        let half = self.b.ins().iconst(types::I32, HALF);
        let upper = self.b.ins().iconst(types::I32, UPPER);
        let uppers = self.b.ins().splat(types::I32X4, upper);
        let nothing = self.b.ins().iconst(types::I32, 0);
        let nothing = self.b.ins().splat(types::I32X4, nothing);
        let mut parts = [self.bits(types::F32X4, nothing); 2];
        for pair in 0..shape.rows as i32 {
            let [a, b] = self.factors(left, right, shape, pair);
            let even = [self.b.ins().ishl(a, half), self.b.ins().ishl(b, half)];
            let odd = [self.b.ins().band(a, upper), self.b.ins().band(b, uppers)];
            for (part, [a, b]) in parts.iter_mut().zip([even, odd]) {
                let a = self.b.ins().splat(types::I32X4, a);
                let [a, b] = [a, b].map(|bits| self.bits(types::F32X4, bits));
                *part = self.multiply_add(a, b, *part);
            }
        }
        let both = self.b.ins().fadd(parts[0], parts[1]);
        let before = self.bits(types::F32X4, sum);
        let after = self.b.ins().fadd(before, both);
        self.bits(types::I32X4, after)
    }

    fn dot_of_quads(
        &mut self,
        factors: Factors,
        left: ir::Value,
        right: ir::Value,
        shape: TileShape,
        sum: ir::Value,
    ) -> ir::Value {
        let low = self.b.ins().iconst(types::I32, i64::from(LOW_BYTE));
        let low = self.b.ins().splat(types::I32X4, low);
        (0..shape.rows as i32).fold(sum, |sum, quad| {
            let [a, b] = self.factors(left, right, shape, quad);
            let a = self.b.ins().splat(types::I32X4, a);
            let [unsigned, signed] = if factors == Factors::U8I8 { [a, b] } else { [b, a] };
            self.fma_quads(low, unsigned, signed, sum)
        })
    }
}
