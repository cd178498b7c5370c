//! Counter-based random numbers: each element of a stream is a pure function of the seed, the step and the stream's
//! number, so that any number of threads draws the same bits. Knows nothing of what the numbers are for.

/// The rounds of Philox4x32-10.
const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

/// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3"): four random words for a counter.
pub const fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let mut round = 0;
    while round < ROUNDS {
        let first = MULTIPLIERS[0] as u64 * counter[0] as u64;
        let second = MULTIPLIERS[1] as u64 * counter[2] as u64;
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        round += 1;
    }
    counter
}

/// Element `index` of a stream: 32 random bits. Four neighbours share one evaluation of [`philox`].
pub const fn bits(seed: u64, step: u32, stream: u32, index: u64) -> u32 {
    four(seed, step, stream, index / 4)[(index % 4) as usize]
}

/// The elements from `4 * block` on.
const fn four(seed: u64, step: u32, stream: u32, block: u64) -> [u32; 4] {
    philox([block as u32, (block >> 32) as u32, step, stream], [seed as u32, (seed >> 32) as u32])
}

/// Element `index` of a stream, uniform in [0, 1): the upper 24 bits of [`bits`] as a binary fraction.
pub const fn uniform(seed: u64, step: u32, stream: u32, index: u64) -> f32 {
    unit(bits(seed, step, stream, index))
}

const fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// The elements of a stream one after the other, each as [`uniform`] gives it: in a fourth of the time, since neighbours
/// share what is drawn.
#[derive(Clone, Debug)]
pub struct Uniforms {
    seed: u64,
    step: u32,
    stream: u32,
    /// The number of the next element, and those of its block where it is not the first of one.
    next: u64,
    words: [u32; 4],
}

impl Uniforms {
    /// From the first element on.
    pub fn new(seed: u64, step: u32, stream: u32) -> Uniforms {
        Uniforms { seed, step, stream, next: 0, words: [0; 4] }
    }

    /// The next element.
    pub fn draw(&mut self) -> f32 {
        let place = (self.next % 4) as usize;
        if place == 0 {
            self.words = four(self.seed, self.step, self.stream, self.next / 4);
        }
        self.next += 1;
        unit(self.words[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of the authors' library, Random123.
    #[test]
    fn philox_gives_the_known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox(counter, key), expected);
        }
    }

    #[test]
    fn streams_steps_and_seeds_differ_and_fill_the_unit_interval() {
        let mean = |seed, step, stream| (0..4096).map(|i| uniform(seed, step, stream, i)).sum::<f32>() / 4096.0;
        assert!((mean(1, 0, 0) - 0.5).abs() < 0.02);
        let first = |seed, step, stream| [0, 1, 2, 3, 4].map(|i| bits(seed, step, stream, i));
        assert_ne!(first(1, 0, 0), first(2, 0, 0));
        assert_ne!(first(1, 0, 0), first(1, 1, 0));
        assert_ne!(first(1, 0, 0), first(1, 0, 1));
    }

    #[test]
    fn elements_one_after_the_other_are_those_by_their_numbers() {
        let mut uniforms = Uniforms::new(7, 3, 2);
        for index in 0..11 {
            assert_eq!(uniforms.draw(), uniform(7, 3, 2, index), "{index}");
        }
    }
}
