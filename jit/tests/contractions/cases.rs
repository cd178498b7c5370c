//! The shapes: tails in rows, vectors and depth, strides, dilations, groups, one to three spatial axes.

use kiln_graph::op::{Convolution, Sliding};
use kiln_graph::shape::Shape;
use kiln_jit::layout::{Halo, PreferredLayout};

/// Operands of matrix products.
pub const DOTS: &[(&[usize], &[usize])] = &[
    (&[1, 1], &[1, 1]),
    (&[1, 7], &[7, 1]),
    (&[1, 64], &[64, 10]),
    (&[4, 8], &[8, 8]),
    (&[5, 3], &[3, 9]),
    (&[10, 10], &[10, 10]),
    (&[13, 17], &[17, 31]),
    (&[37, 20], &[20, 1]),
    (&[1, 33], &[33, 70]),
    (&[32, 1], &[1, 32]),
    (&[64, 24], &[24, 40]),
    (&[130, 5], &[5, 19]),
    (&[3, 1100], &[1100, 5]),
    (&[24, 300], &[300, 256]),
    (&[6, 2050], &[2050, 9]),
    (&[3, 4, 5], &[3, 5, 6]),
    (&[2, 3, 9, 4], &[2, 3, 4, 17]),
];

/// One convolution with its tensors.
pub struct Case {
    pub conv: Convolution,
    pub input: Shape,
    pub weight: Shape,
    pub output: Shape,
}

/// The layout with the last axis outermost.
pub fn reversed(shape: Shape) -> PreferredLayout {
    PreferredLayout { order: (0..shape.rank()).rev().collect(), halo: Halo::default() }
}

type Row = (&'static [usize], &'static [usize], [usize; 3], [(usize, usize); 3], [usize; 3], usize);

/// Input, weight, stride, padding, dilation, groups.
const CONVOLUTIONS: &[Row] = &[
    (&[2, 1, 12, 12], &[20, 1, 5, 5], [1, 1, 1], [(0, 0); 3], [1; 3], 1),
    (&[2, 6, 8, 8], &[8, 6, 5, 5], [1, 1, 1], [(0, 0); 3], [1; 3], 1),
    (&[1, 3, 9, 7], &[10, 3, 3, 3], [1, 1, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 1),
    (&[2, 4, 8, 8], &[6, 4, 3, 3], [2, 2, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 1),
    (&[2, 4, 7, 9], &[5, 4, 1, 1], [2, 2, 1], [(0, 0); 3], [1; 3], 1),
    (&[1, 6, 9, 8], &[9, 2, 3, 2], [1, 2, 1], [(2, 1), (0, 1), (0, 0)], [2, 1, 1], 3),
    (&[2, 5, 6, 6], &[5, 1, 3, 3], [1, 1, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 5),
    (&[1, 4, 6, 6], &[8, 1, 3, 3], [1, 1, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 4),
    (&[3, 4, 19], &[7, 4, 4], [3, 1, 1], [(2, 3), (0, 0), (0, 0)], [2, 1, 1], 1),
    (&[2, 2, 5, 4, 6], &[3, 2, 2, 3, 3], [1, 2, 1], [(0, 1), (1, 1), (1, 0)], [1, 1, 2], 1),
    (&[1, 3, 10, 10], &[4, 3, 2, 2], [4, 4, 1], [(0, 0); 3], [1; 3], 1),
    (&[42, 2, 6, 6], &[3, 2, 2, 2], [1, 1, 1], [(0, 0); 3], [1; 3], 1),
    (&[37, 2, 6, 6], &[6, 2, 3, 3], [1, 1, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 1),
    (&[1, 2, 13, 13], &[3, 2, 3, 3], [2, 3, 1], [(1, 1), (2, 2), (0, 0)], [2, 3, 1], 1),
    (&[1, 16, 5, 5], &[40, 16, 3, 3], [1, 1, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 1),
    (&[1, 28, 5, 5], &[48, 14, 2, 2], [1, 2, 1], [(1, 1), (1, 0), (0, 0)], [1; 3], 2),
    (&[2, 84, 9, 7], &[84, 1, 3, 3], [1, 1, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 84),
    (&[2, 35, 8, 40], &[35, 1, 5, 3], [2, 1, 1], [(2, 2), (1, 1), (0, 0)], [1; 3], 35),
    (&[2, 40, 12, 15], &[40, 1, 7, 7], [1, 1, 1], [(3, 3), (3, 3), (0, 0)], [1; 3], 40),
    (&[2, 36, 16, 16], &[36, 9, 3, 3], [1, 1, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 4),
    (&[1, 18, 9, 21], &[27, 6, 3, 3], [1, 1, 1], [(1, 1), (0, 2), (0, 0)], [1; 3], 3),
    (&[2, 1, 40], &[6, 1, 9], [4, 1, 1], [(2, 1), (0, 0), (0, 0)], [1; 3], 1),
    (&[1, 2, 13, 14], &[5, 2, 6, 5], [3, 2, 1], [(1, 2), (0, 3), (0, 0)], [1; 3], 1),
    (&[1, 1, 5, 7, 6], &[3, 1, 3, 4, 2], [2, 3, 1], [(1, 1), (2, 1), (0, 1)], [1; 3], 1),
    (&[2, 4, 9, 11], &[6, 2, 4, 4], [2, 2, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 2),
    (&[2, 5, 10, 12], &[8, 5, 3, 3], [1, 1, 1], [(2, 2), (2, 2), (0, 0)], [2, 2, 1], 1),
    (&[1, 4, 11, 9], &[5, 4, 3, 3], [1, 1, 1], [(2, 2), (1, 3), (0, 0)], [2, 3, 1], 1),
    // One image, of a size that is worth sharing among threads.
    (&[1, 4, 96, 97], &[5, 4, 3, 3], [1, 1, 1], [(1, 1), (2, 1), (0, 0)], [1; 3], 1),
    (&[1, 3, 12001], &[2, 3, 4], [2, 1, 1], [(2, 3), (0, 0), (0, 0)], [1; 3], 1),
    (&[3, 48, 11, 13], &[48, 4, 3, 3], [1, 1, 1], [(1, 1), (1, 1), (0, 0)], [1; 3], 12),
];

impl Case {
    fn new(input: &[usize], weight: &[usize], sliding: Sliding, groups: usize) -> Case {
        let mut output = vec![input[0], weight[0]];
        for axis in 0..sliding.spatial {
            let (low, high) = sliding.padding[axis];
            let reach = sliding.dilation[axis] * (weight[2 + axis] - 1) + 1;
            output.push((input[2 + axis] + low + high - reach) / sliding.stride[axis] + 1);
        }
        Case {
            conv: Convolution { sliding, groups },
            input: Shape::new(input),
            weight: Shape::new(weight),
            output: Shape::new(&output),
        }
    }
}

/// The convolutions of the table.
pub fn convolutions() -> impl Iterator<Item = Case> {
    CONVOLUTIONS.iter().map(|&(input, weight, stride, padding, dilation, groups)| {
        let sliding = Sliding { spatial: input.len() - 2, stride, padding, dilation };
        Case::new(input, weight, sliding, groups)
    })
}

/// The same numbers in every run (Marsaglia's xorshift, 32 bits).
struct Numbers(u32);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % end
    }

    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }
}

/// Convolutions of one to three spatial axes, with strides, dilations, uneven padding and groups.
pub fn random_convolutions(count: usize) -> impl Iterator<Item = Case> {
    let mut numbers = Numbers(20);
    (0..count).map(move |_| {
        let spatial = numbers.between(1, 3);
        let most = [0, 20, 8, 4][spatial];
        let groups = [1, 1, 1, 2, 3][numbers.below(5)];
        let (channels, features) = (numbers.between(1, 9), numbers.between(1, 12));
        let mut input = vec![numbers.between(1, 5), channels * groups];
        let mut weight = vec![features * groups, channels];
        let (mut stride, mut padding, mut dilation) = ([1; 3], [(0, 0); 3], [1; 3]);
        for axis in 0..spatial {
            let kernel = numbers.between(1, 3);
            (stride[axis], dilation[axis]) = (numbers.between(1, 2), numbers.between(1, 2));
            padding[axis] = (numbers.below(kernel), numbers.below(kernel));
            weight.push(kernel);
            input.push(numbers.between(dilation[axis] * (kernel - 1) + 1, most));
        }
        Case::new(&input, &weight, Sliding { spatial, stride, padding, dilation }, groups)
    })
}

/// Operands of matrix products.
pub fn random_products(count: usize) -> impl Iterator<Item = (Shape, Shape)> {
    let mut numbers = Numbers(7);
    (0..count).map(move |_| {
        let (rows, depth, columns) = (numbers.between(1, 70), numbers.between(1, 90), numbers.between(1, 70));
        (Shape::new(&[rows, depth]), Shape::new(&[depth, columns]))
    })
}

/// Windows of 3 x 3 or 5 x 5 of every channel, by steps of one place.
pub fn random_windows(count: usize) -> impl Iterator<Item = Case> {
    let mut numbers = Numbers(5);
    (0..count).map(move |number| {
        let mut pad = || (numbers.below(3), numbers.below(3));
        let padding = [pad(), pad()];
        let extent = if number % 3 == 2 { 5 } else { 3 };
        let input = [(1, 4), (1, 20), (extent, 11), (extent, 11)].map(|(least, most)| numbers.between(least, most));
        let features = if number % 2 == 0 { numbers.between(1, 40) } else { 16 * numbers.between(1, 3) };
        square_window(input, features, extent, padding)
    })
}

/// Windows of 3 x 3 of every channel, by steps of one place.
pub fn window(input: [usize; 4], features: usize, padding: [(usize, usize); 2]) -> Case {
    square_window(input, features, 3, padding)
}

/// Square windows of every channel, by steps of one place.
pub fn square_window(input: [usize; 4], features: usize, extent: usize, padding: [(usize, usize); 2]) -> Case {
    let padding = [padding[0], padding[1], (0, 0)];
    let sliding = Sliding { spatial: 2, stride: [1; 3], padding, dilation: [1; 3] };
    Case::new(&input, &[features, input[1], extent, extent], sliding, 1)
}

/// A convolution of 3 x 3 in groups that keeps the extents.
pub fn grouped(input: [usize; 4], features: usize, groups: usize) -> Case {
    let sliding = Sliding { spatial: 2, stride: [1; 3], padding: [(1, 1), (1, 1), (0, 0)], dilation: [1; 3] };
    Case::new(&input, &[features, input[1] / groups, 3, 3], sliding, groups)
}
