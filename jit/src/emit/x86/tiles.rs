//! Tile registers (AMX). A function configures them where it begins, once for all its tasks, and releases them where it
//! ends, so that whoever is called next, and the system, find none in use. That a tile is written before it is read is
//! for the kernel's checker to see.

use iced_x86::{Code, Register};

use super::Body;
use super::assembly::{Memory, Operand};
use super::loops::half;
use super::pointers::ROW;
use crate::kernel::{BufferId, Factors, Index, Tile, TileStatement};

/// Bytes of a configuration.
const CONFIGURATION: usize = 64;
/// Where the bytes of each tile's rows stand in a configuration, 16 bits each.
const ROW_BYTES: usize = 16;
/// Where the number of each tile's rows stands, 8 bits each.
const ROWS: usize = 48;

impl Body<'_> {
    /// The configuration that the kernel asks for. It overwrites no register.
    pub(super) fn configure_tiles(&mut self) {
        if self.kernel.tiles.is_empty() {
            return;
        }
        let mut configuration = vec![0; CONFIGURATION];
        // The palette of eight tiles of up to 16 rows of 64 bytes.
        configuration[0] = 1;
        for (number, shape) in self.kernel.tiles.iter().enumerate() {
            configuration[ROW_BYTES + 2 * number] = 4 * shape.columns as u8;
            configuration[ROWS + number] = shape.rows as u8;
        }
        let configuration = Memory::new(self.out.constant(configuration), 0);
        self.out.push(Code::VEX_Ldtilecfg_m512, &[configuration.into()]);
    }

    pub(super) fn release_tiles(&mut self) {
        if !self.kernel.tiles.is_empty() {
            self.out.push(Code::VEX_Tilerelease, &[]);
        }
    }

    pub(super) fn tile(&mut self, statement: &TileStatement) {
        match statement {
            TileStatement::Zero(tile) => self.out.push(Code::VEX_Tilezero_tmm, &[name(*tile)]),
            TileStatement::Dot { factors, sum, left, right } => {
                let code = match factors {
                    Factors::Bf16 => Code::VEX_Tdpbf16ps_tmm_tmm_tmm,
                    Factors::U8I8 => Code::VEX_Tdpbusd_tmm_tmm_tmm,
                    Factors::I8U8 => Code::VEX_Tdpbsud_tmm_tmm_tmm,
                };
                self.out.push(code, &[name(*sum), name(*left), name(*right)]);
            }
            TileStatement::Load { tile, buffer, index, stride } => {
                let rows = self.tile_rows(*buffer, index, *stride);
                self.out.push(Code::VEX_Tileloadd_tmm_sibmem, &[name(*tile), rows]);
            }
            TileStatement::Store { tile, buffer, index, stride } => {
                let rows = self.tile_rows(*buffer, index, *stride);
                self.out.push(Code::VEX_Tilestored_sibmem_tmm, &[rows, name(*tile)]);
            }
        }
    }

    /// Rows in memory, by the address of the first one and a register that holds their distance.
    fn tile_rows(&mut self, buffer: BufferId, index: &Index, stride: i64) -> Operand {
        let (base, first) = self.address(buffer, index);
        let memory = self.near(base, first);
        // No row's address is there afterwards.
        self.row = None;
        let bytes = stride * self.bytes(buffer);
        match i32::try_from(bytes) {
            Ok(bytes) => self.out.push(Code::Mov_r32_imm32, &[half(ROW), Operand::Half(bytes)]),
            Err(_) => self.out.push(Code::Mov_r64_imm64, &[ROW.into(), Operand::Wide(bytes)]),
        }
        Memory { rows: Some(ROW), ..memory }.into()
    }
}

fn name(tile: Tile) -> Operand {
    (Register::TMM0 + u32::from(tile.0)).into()
}
