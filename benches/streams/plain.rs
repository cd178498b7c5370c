//! Plain loops, compiled by rustc for the widest vectors of the machine: what a good programmer would write by hand.

/// One of them with its memory.
pub trait Loop {
    /// Runs it once.
    fn step(&mut self);
    /// What it gave.
    fn numbers(&self) -> &[f32];
}

/// A function compiled for AVX-512, for AVX2 and for any processor; a call takes the widest that runs here.
macro_rules! for_widest_vectors {
    ($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        fn $name($($argument: $type),*) {
            #[inline(always)]
            fn any($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,fma")]
                fn avx512($($argument: $type),*) {
                    any($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $type),*) {
                    any($($argument),*)
                }
                let has_avx512 = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq");
                if has_avx512 && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has what the function is compiled for.
                    return unsafe { avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: as above.
                    return unsafe { avx2($($argument),*) };
                }
            }
            any($($argument),*)
        }
    };
}

for_widest_vectors! {
    /// PyTorch's Adam at its defaults: `m += (g - m) (1 - b1)`, `v = b2 v + (1 - b2) g g`,
    /// `p -= rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)`.
    fn adam(step: i32, gradient: &[f32], parameter: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        let rate = 1e-3 / (1.0 - 0.9_f32.powi(step));
        let root = 1.0 / (1.0 - 0.999_f32.powi(step)).sqrt();
        for (((g, p), m), v) in gradient.iter().zip(parameter).zip(first).zip(second) {
            *m += (g - *m) * 0.1;
            *v = 0.999 * *v + 0.001 * (g * g);
            *p -= rate * *m / (v.sqrt() * root + 1e-8);
        }
    }
}

/// Numbers that are taken at a time: their sums go side by side in registers, so that none waits for another.
const SIDE_BY_SIDE: usize = 32;

/// Channels of a pixel that are taken at a time, of two pixels.
const CHANNELS: usize = 16;

/// Pixels that stay in the first-level cache while their channels are taken one group after the other.
const PIXELS: usize = 64;

/// `max(x, 0)` as one instruction: `f32::max` takes more, to pass over NaN.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x > 0.0 { x } else { 0.0 }
}

for_widest_vectors! {
    /// Batch normalization in training, then `max(_, 0)`, of `samples` samples of `C` planes: for each channel both
    /// moments in one pass of the distances from its first number, then `x * scale + shift`; the running statistics.
    /// Planes hold a multiple of [`SIDE_BY_SIDE`] numbers.
    fn batch_norm_planes(
        samples: usize,
        plane: usize,
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        running: &mut [Vec<f32>; 2],
        y: &mut [f32],
    ) {
        let channels = weight.len();
        for channel in 0..channels {
            let planes = || (0..samples).map(|sample| (sample * channels + channel) * plane);
            let origin = x[channel * plane];
            let (mut sums, mut squares) = ([0.0f32; SIDE_BY_SIDE], [0.0f32; SIDE_BY_SIDE]);
            for at in planes() {
                for x in x[at..at + plane].chunks_exact(SIDE_BY_SIDE) {
                    for lane in 0..SIDE_BY_SIDE {
                        let distance = x[lane] - origin;
                        sums[lane] += distance;
                        squares[lane] += distance * distance;
                    }
                }
            }
            let moments = [sums, squares].map(|sums| sums.iter().sum());
            let [scale, shift] = scale_and_shift(samples * plane, origin, moments, channel, [weight, bias], running);
            for at in planes() {
                for (y, x) in y[at..at + plane].iter_mut().zip(&x[at..at + plane]) {
                    *y = relu(x * scale + shift);
                }
            }
        }
    }
}

for_widest_vectors! {
    /// The same where the channels of a pixel are neighbours: a multiple of [`CHANNELS`] of them, and of [`PIXELS`] pixels.
    fn batch_norm_pixels(
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        running: &mut [Vec<f32>; 2],
        y: &mut [f32],
        scales: &mut [f32],
        shifts: &mut [f32],
    ) {
        let channels = weight.len();
        let groups = channels / CHANNELS;
        let origins = x[..channels].as_chunks::<CHANNELS>().0;
        let mut sums = vec![[[0.0; CHANNELS]; 2]; groups];
        for pixels in x.chunks_exact(PIXELS * channels) {
            let pixels = pixels.as_chunks::<CHANNELS>().0;
            for (group, (sums, origin)) in sums.iter_mut().zip(origins).enumerate() {
                let mut of_pixels = [[[0.0f32; CHANNELS]; 2]; 2];
                for pair in pixels.chunks_exact(2 * groups) {
                    for pixel in 0..2 {
                        let x = &pair[pixel * groups + group];
                        for lane in 0..CHANNELS {
                            let distance = x[lane] - origin[lane];
                            of_pixels[pixel][0][lane] += distance;
                            of_pixels[pixel][1][lane] += distance * distance;
                        }
                    }
                }
                let [first, second] = of_pixels;
                for ((sums, first), second) in sums.iter_mut().zip(first).zip(second) {
                    *sums = std::array::from_fn(|lane| sums[lane] + (first[lane] + second[lane]));
                }
            }
        }
        for channel in 0..channels {
            let moments = sums[channel / CHANNELS].map(|sums| sums[channel % CHANNELS]);
            let count = x.len() / channels;
            let found = scale_and_shift(count, x[channel], moments, channel, [weight, bias], running);
            [scales[channel], shifts[channel]] = found;
        }
        let (scales, shifts) = (scales.as_chunks::<CHANNELS>().0, shifts.as_chunks::<CHANNELS>().0);
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            let numbers = y.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(x.as_chunks::<CHANNELS>().0);
            for ((y, x), (scale, shift)) in numbers.zip(scales.iter().zip(shifts)) {
                *y = std::array::from_fn(|lane| relu(x[lane] * scale[lane] + shift[lane]));
            }
        }
    }
}

/// What a channel's numbers are multiplied by and what is added, from the sums of their distances from a number, and of
/// the squares of these. Takes the moments into the running statistics.
#[inline(always)]
fn scale_and_shift(
    count: usize,
    origin: f32,
    [sum, square]: [f32; 2],
    channel: usize,
    [weight, bias]: [&[f32]; 2],
    [mean, variance]: &mut [Vec<f32>; 2],
) -> [f32; 2] {
    let count = count as f32;
    let distance = sum / count;
    let found = (square / count - distance * distance).max(0.0);
    mean[channel] += (origin + distance - mean[channel]) * 0.1;
    variance[channel] += (found * count / (count - 1.0) - variance[channel]) * 0.1;
    let scale = weight[channel] / (found + 1e-5).sqrt();
    [scale, bias[channel] - (origin + distance) * scale]
}

/// Adam's update of one parameter by a gradient that stays the same.
pub struct AdamLoop {
    step: i32,
    gradient: Vec<f32>,
    parameter: Vec<f32>,
    moments: [Vec<f32>; 2],
}

impl AdamLoop {
    pub fn new(parameter: Vec<f32>, gradient: Vec<f32>) -> AdamLoop {
        let zeros = || vec![0.0; parameter.len()];
        AdamLoop { step: 0, gradient, moments: [zeros(), zeros()], parameter }
    }
}

impl Loop for AdamLoop {
    fn step(&mut self) {
        self.step += 1;
        let [first, second] = &mut self.moments;
        adam(self.step, &self.gradient, &mut self.parameter, first, second);
    }

    fn numbers(&self) -> &[f32] {
        &self.parameter
    }
}

/// The memory of a batch normalization with weights of 1 and biases of 0.
struct Normalization {
    x: Vec<f32>,
    y: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    running: [Vec<f32>; 2],
}

impl Normalization {
    fn new(channels: usize, x: Vec<f32>) -> Normalization {
        let [zeros, ones] = [vec![0.0; channels], vec![1.0; channels]];
        let running = [zeros.clone(), ones.clone()];
        Normalization { y: vec![0.0; x.len()], x, weight: ones, bias: zeros, running }
    }
}

/// Batch normalization of planes.
pub struct PlaneLoop {
    samples: usize,
    plane: usize,
    memory: Normalization,
}

impl PlaneLoop {
    pub fn new(samples: usize, channels: usize, plane: usize, x: Vec<f32>) -> PlaneLoop {
        PlaneLoop { samples, plane, memory: Normalization::new(channels, x) }
    }
}

impl Loop for PlaneLoop {
    fn step(&mut self) {
        let Normalization { x, y, weight, bias, running } = &mut self.memory;
        batch_norm_planes(self.samples, self.plane, x, weight, bias, running, y);
    }

    fn numbers(&self) -> &[f32] {
        &self.memory.y
    }
}

/// Batch normalization of pixels.
pub struct PixelLoop {
    memory: Normalization,
    scales: Vec<f32>,
    shifts: Vec<f32>,
}

impl PixelLoop {
    pub fn new(channels: usize, x: Vec<f32>) -> PixelLoop {
        let zeros = vec![0.0; channels];
        PixelLoop { memory: Normalization::new(channels, x), scales: zeros.clone(), shifts: zeros }
    }
}

impl Loop for PixelLoop {
    fn step(&mut self) {
        let Normalization { x, y, weight, bias, running } = &mut self.memory;
        batch_norm_pixels(x, weight, bias, running, y, &mut self.scales, &mut self.shifts);
    }

    fn numbers(&self) -> &[f32] {
        &self.memory.y
    }
}
