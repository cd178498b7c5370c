//! Random numbers of one sample in one epoch. Knows nothing of what they are for.

use std::ops::Range;

use kiln_rt::random::philox;

/// Random numbers that a seed, an epoch and an index decide, and nothing else: neither the order in which samples are
/// read nor the thread that reads them.
///
/// ```
/// use kiln::data::Random;
///
/// let mut random = Random::new(7, 0, 42);
/// let (angle, flipped, noise) = (random.range(-10.0..10.0), random.chance(0.5), random.normal());
/// let mut again = Random::new(7, 0, 42);
/// assert_eq!((again.range(-10.0..10.0), again.chance(0.5), again.normal()), (angle, flipped, noise));
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    key: [u32; 2],
    stream: [u32; 2],
    block: u64,
    /// Words of the last block, and how many of them are used.
    words: [u32; 4],
    used: usize,
}

/// The two halves of a number.
const fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

impl Random {
    /// The numbers of a sample in an epoch.
    pub fn new(seed: u64, epoch: u64, index: u64) -> Random {
        let ([i, j], [e, f]) = (halves(index), halves(epoch));
        let [a, b, c, d] = philox([i, j, e, f], halves(seed));
        Random { key: [a, b], stream: [c, d], block: 0, words: [0; 4], used: 4 }
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            let [low, high] = halves(self.block);
            self.words = philox([low, high, self.stream[0], self.stream[1]], self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Uniform in [0, 1), of 53 bits.
    pub fn uniform(&mut self) -> f64 {
        let bits = u64::from(self.bits()) << 32 | u64::from(self.bits());
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform between two numbers.
    pub fn range(&mut self, range: Range<f64>) -> f64 {
        range.start + (range.end - range.start) * self.uniform()
    }

    /// A whole number below another one; 0 below 0.
    pub fn below(&mut self, end: usize) -> usize {
        ((self.uniform() * end as f64) as usize).min(end.saturating_sub(1))
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Normally distributed, with mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// Gamma distributed with scale 1 (Marsaglia and Tsang; Stuart's boost for shapes below 1).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * (1.0 - self.uniform()).powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        loop {
            let x = self.normal();
            let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
            if v > 0.0 && (1.0 - self.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Beta distributed, with both parameters `alpha` above 0.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        let (x, y) = (self.gamma(alpha), self.gamma(alpha));
        // Of tiny parameters both may be 0.
        if x + y > 0.0 { x / (x + y) } else { f64::from(u8::from(self.chance(0.5))) }
    }
}
