//! Philox4x32-10 as vector operations: the same bits as `kiln_rt::random`, each lane for its own element. It
//! knows the kernel builder alone.

use crate::kernel::{Compare, Convert, Int2, KernelBuilder, Shift, Value};

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

/// The f32 in [0, 1) at an i32 position of the stream `(seed, step, stream)`.
pub fn uniform(kernel: &mut KernelBuilder, seed: u64, stream: u32, step: Value, position: Value) -> Value {
    // A block of Philox is four words for four neighbouring positions. Each lane computes all four and takes its own,
    // so that an element is the same number whatever the lanes, the layout and the order of the loops are.
    let block = kernel.shift(Shift::RightLogical, position, 2);
    let zero = kernel.i32(0);
    let stream = kernel.i32(stream as i32);
    let mut counter = [block, zero, step, stream];
    let mut key = [seed as u32, (seed >> 32) as u32];
    for _ in 0..ROUNDS {
        let [first, second] = [(0, 0), (1, 2)].map(|(multiplier, word)| {
            let multiplier = kernel.i32(MULTIPLIERS[multiplier] as i32);
            let high = kernel.int2(Int2::MulHighUnsigned, multiplier, counter[word]);
            (high, kernel.int2(Int2::Mul, multiplier, counter[word]))
        });
        let mut mixed = |high: Value, word: usize, key: u32| {
            let key = kernel.i32(key as i32);
            let mixed = kernel.int2(Int2::Xor, high, counter[word]);
            kernel.int2(Int2::Xor, mixed, key)
        };
        // Words 0 and 1 come of the product with word 2, words 2 and 3 of that with word 0; the high halves are mixed
        // with the key and with words 1 and 3, which were not multiplied.
        counter = [mixed(second.0, 1, key[0]), second.1, mixed(first.0, 3, key[1]), first.1];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    let three = kernel.i32(3);
    let word = kernel.int2(Int2::And, position, three);
    let mut bits = counter[0];
    for (number, &candidate) in counter.iter().enumerate().skip(1) {
        let number = kernel.i32(number as i32);
        let here = kernel.compare(Compare::Eq, word, number);
        bits = kernel.select(here, candidate, bits);
    }
    // 24 bits are what an f32 holds exactly: k / 2**24 for each of 2**24 values of k, evenly, and never 1.
    let upper = kernel.shift(Shift::RightLogical, bits, 8);
    let fraction = kernel.convert(Convert::ToF32, upper);
    let unit = kernel.f32(1.0 / 16_777_216.0);
    kernel.mul(fraction, unit)
}
