//! Instructions on tile registers (AMX), as Intel's manual defines them, and what it says of those that are refused.

use iced_x86::{Instruction, Mnemonic, Register};

use super::Machine;

/// Elements of 32 bits, row by row.
type Tile = [[u32; 16]; 16];

/// The tile registers once they are configured.
pub struct Tiles {
    /// Rows, and the bytes of a row.
    shapes: [(usize, usize); 8],
    tiles: [Tile; 8],
}

fn number(register: Register) -> usize {
    assert!(register.is_tmm(), "{register:?} is no tile");
    register as usize - Register::TMM0 as usize
}

/// A number of which a denormal one is 0.
fn normal(bits: u32) -> f32 {
    f32::from_bits(if bits & 0x7f80_0000 == 0 { bits & 1 << 31 } else { bits })
}

impl Machine {
    fn tiles(&mut self) -> &mut Tiles {
        self.tiles.as_mut().expect("tiles are configured")
    }

    /// The shape of an operand of an instruction that changes elements or reads them.
    fn shape(&mut self, tile: usize) -> (usize, usize) {
        let (rows, bytes) = self.tiles().shapes[tile];
        assert!(rows > 0 && bytes > 0 && bytes.is_multiple_of(4), "tile {tile} has {rows} rows of {bytes} bytes");
        (rows, bytes)
    }

    /// Where the rows lie: the first one, and the distance.
    fn rows(&self, i: &Instruction) -> (u64, u64) {
        assert!(i.memory_base() != Register::RIP && i.memory_index().is_gpr64(), "{i} needs a distance of rows");
        let first = self.general(i.memory_base()).wrapping_add(i.memory_displacement64());
        (first, self.general(i.memory_index()) * u64::from(i.memory_index_scale()))
    }

    /// Whether the instruction was one of tiles.
    pub(super) fn tile_instruction(&mut self, i: &Instruction) -> bool {
        match i.mnemonic() {
            Mnemonic::Ldtilecfg => {
                let at = self.address(i);
                let bytes = self.piece(at, 64).to_vec();
                assert_eq!(bytes[0], 1, "the palette");
                let reserved = bytes[1..16].iter().chain(&bytes[32..48]).chain(&bytes[56..]);
                assert!(reserved.copied().all(|byte| byte == 0), "a reserved byte of {bytes:?}");
                let shapes = std::array::from_fn(|tile| {
                    let row_bytes = u16::from_le_bytes([bytes[16 + 2 * tile], bytes[17 + 2 * tile]]) as usize;
                    let rows = bytes[48 + tile] as usize;
                    assert!(row_bytes <= 64 && rows <= 16 && (rows == 0) == (row_bytes == 0), "{bytes:?}");
                    (rows, row_bytes)
                });
                self.tiles = Some(Tiles { shapes, tiles: [[[0; 16]; 16]; 8] });
            }
            Mnemonic::Tilerelease => self.tiles = None,
            Mnemonic::Tilezero => {
                let tile = number(i.op0_register());
                self.shape(tile);
                self.tiles().tiles[tile] = [[0; 16]; 16];
            }
            Mnemonic::Tileloadd => {
                let tile = number(i.op0_register());
                let ((rows, bytes), (first, distance)) = (self.shape(tile), self.rows(i));
                let mut loaded = [[0; 16]; 16];
                for (row, elements) in (0..).zip(loaded.iter_mut().take(rows)) {
                    let piece = self.piece(first.wrapping_add(row * distance), bytes);
                    for (element, bytes) in elements.iter_mut().zip(piece.chunks(4)) {
                        *element = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
                    }
                }
                self.tiles().tiles[tile] = loaded;
            }
            Mnemonic::Tilestored => {
                let tile = number(i.op1_register());
                let ((rows, bytes), (first, distance)) = (self.shape(tile), self.rows(i));
                let stored = self.tiles().tiles[tile];
                for (row, elements) in (0..).zip(&stored[..rows]) {
                    let row_bytes = elements.iter().flat_map(|element| element.to_le_bytes()).take(bytes);
                    self.write(first.wrapping_add(row * distance), &row_bytes.collect::<Vec<u8>>());
                }
            }
            Mnemonic::Tdpbf16ps | Mnemonic::Tdpbusd | Mnemonic::Tdpbsud => {
                let tiles = [i.op0_register(), i.op1_register(), i.op2_register()].map(number);
                self.tile_dot(tiles, |sum, depth, left, right| match i.mnemonic() {
                    Mnemonic::Tdpbf16ps => dot_of_pairs(sum, depth, left, right),
                    Mnemonic::Tdpbusd => dot_of_bytes(sum, depth, left, right),
                    _ => dot_of_bytes(sum, depth, right, left),
                });
            }
            _ => return false,
        }
        true
    }

    /// `dot` is given a sum, the depth, and the elements of a row on the left and of a column on the right.
    fn tile_dot(&mut self, [sum, left, right]: [usize; 3], dot: impl Fn(u32, usize, &[u32; 16], &[u32; 16]) -> u32) {
        assert!(sum != left && sum != right && left != right, "three tiles");
        let [(rows, bytes), (left_rows, left_bytes), (depth, right_bytes)] =
            [sum, left, right].map(|tile| self.shape(tile));
        assert!((rows, bytes, left_bytes) == (left_rows, right_bytes, 4 * depth), "shapes that do not fit");
        let [left, right] = [left, right].map(|tile| self.tiles().tiles[tile]);
        let sums = &mut self.tiles().tiles[sum];
        for (sums, left) in sums.iter_mut().zip(left).take(rows) {
            for (column, sum) in sums.iter_mut().enumerate().take(bytes / 4) {
                *sum = dot(*sum, depth, &left, &right.map(|row| row[column]));
            }
        }
    }
}

fn dot_of_pairs(sum: u32, depth: usize, left: &[u32; 16], right: &[u32; 16]) -> u32 {
    // The even products and the odd ones.
    let [even, odd] = [16, 0].map(|up| {
        let half = |pair: u32| normal(pair << up & 0xffff_0000);
        (0..depth).fold(0.0f32, |sum, k| normal(half(left[k]).mul_add(half(right[k]), sum).to_bits()))
    });
    let both = normal((even + odd).to_bits());
    normal((normal(sum) + both).to_bits()).to_bits()
}

/// Four products a lane, of the unsigned bytes and the signed ones.
fn dot_of_bytes(sum: u32, depth: usize, unsigned: &[u32; 16], signed: &[u32; 16]) -> u32 {
    let product = |k: usize, byte: u32| {
        let unsigned = (unsigned[k] >> (8 * byte) & 0xff) as i32;
        let signed = (signed[k] << (24 - 8 * byte)) as i32 >> 24;
        (unsigned * signed) as u32
    };
    (0..depth).flat_map(|k| (0..4).map(move |byte| product(k, byte))).fold(sum, u32::wrapping_add)
}
