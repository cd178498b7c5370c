//! Pooling whose windows follow from the sizes of input and output.

use kiln_graph::layers::adaptive_pool::adaptive_avg_pool;
use kiln_graph::layers::fractional_pool::fractional_max_pool2d;
use kiln_graph::{DType, Shape};

use crate::{Reals, check, indices};

#[test]
fn adaptive_averages() {
    let cases: [(&[usize], &[Option<usize>]); 12] = [
        (&[7, 5], &[Some(1), Some(1)]),
        (&[7, 8], &[Some(2), Some(3)]),
        (&[6, 6], &[Some(3), Some(2)]),
        (&[3, 3], &[Some(5), Some(5)]),
        (&[3, 7], &[None, Some(2)]),
        (&[9, 10], &[Some(1), Some(4)]),
        (&[4, 6], &[None, None]),
        (&[1, 1], &[Some(3), Some(1)]),
        (&[11], &[Some(4)]),
        (&[12], &[Some(4)]),
        (&[4, 5, 6], &[Some(2), Some(2), Some(6)]),
        (&[2, 3, 4], &[Some(1), Some(1), Some(1)]),
    ];
    for (extents, output_size) in cases {
        let x = Reals::random(Shape::from(&[&[2, 3], extents].concat()[..]), 1);
        let outputs = (output_size.iter().zip(extents)).map(|(output, &extent)| output.unwrap_or(extent));
        let output: Vec<usize> = [2, 3].into_iter().chain(outputs).collect();
        let expected = Reals::of(Shape::from(&output[..]), |cell| {
            let range = |axis: usize| {
                let (extent, cells) = (extents[axis], output[axis + 2]);
                cell[axis + 2] * extent / cells..((cell[axis + 2] + 1) * extent).div_ceil(cells)
            };
            let inside = |index: &Vec<usize>| {
                index[..2] == cell[..2] && (0..extents.len()).all(|axis| range(axis).contains(&index[axis + 2]))
            };
            let members: Vec<f64> =
                indices(x.shape).iter().filter(|index| inside(index)).map(|index| x.at(index)).collect();
            members.iter().sum::<f64>() / members.len() as f64
        });
        let name = format!("{extents:?} to {output_size:?}");
        check(&name, &vec![("x", x)], &["x"], true, |_, given| adaptive_avg_pool(given["x"], output_size), &expected);
    }
}

/// Where the windows along an axis begin.
fn begins(input: usize, kernel: usize, output: usize, sample: f64) -> Vec<usize> {
    let distance = (input - kernel) as f64 / (output - 1) as f64;
    let begin = |i: usize| ((i as f64 + sample) * distance) as usize - (sample * distance) as usize;
    (0..output).map(|i| if i == output - 1 { input - kernel } else { begin(i) }).collect()
}

#[test]
fn fractional_maxima() {
    // Extents, kernel, output, and the first two extents of the samples.
    type Pair = [usize; 2];
    let cases: [[Pair; 4]; 9] = [
        [[8, 8], [2, 2], [4, 4], [2, 3]],
        [[9, 11], [2, 3], [6, 7], [2, 3]],
        [[12, 9], [3, 2], [7, 5], [1, 3]],
        [[5, 5], [2, 2], [1, 1], [2, 1]],
        [[10, 3], [3, 3], [7, 1], [2, 3]],
        [[7, 8], [2, 2], [6, 6], [1, 1]],
        [[6, 6], [1, 1], [4, 5], [2, 3]],
        [[5, 6], [5, 6], [1, 1], [2, 3]],
        [[4, 4], [1, 1], [4, 4], [2, 3]],
    ];
    for [extents, kernel, output, drawn] in cases {
        let mut x = Reals::random(Shape::new(&[2, 3, extents[0], extents[1]]), 1);
        // Ties, of which the first wins.
        x.values.iter_mut().for_each(|value| *value = (*value * 8.0).round() / 8.0);
        let mut samples = Reals::random(Shape::new(&[drawn[0], drawn[1], 2]), 2);
        samples.values.iter_mut().for_each(|value| *value = (*value + 1.0) / 2.0);
        let sample = |n: usize, c: usize, axis: usize| samples.at(&[n.min(drawn[0] - 1), c.min(drawn[1] - 1), axis]);
        let shape = Shape::new(&[2, 3, output[0], output[1]]);
        let mut places = Vec::new();
        let expected = Reals::of(shape, |index| {
            let [n, c, i, j] = index else { unreachable!("there are four axes") };
            let row = begins(extents[0], kernel[0], output[0], sample(*n, *c, 1))[*i];
            let column = begins(extents[1], kernel[1], output[1], sample(*n, *c, 0))[*j];
            let mut best = (f64::NEG_INFINITY, 0);
            for (row, column) in
                (row..row + kernel[0]).flat_map(|row| (column..column + kernel[1]).map(move |c| (row, c)))
            {
                let value = x.at(&[*n, *c, row, column]);
                if value > best.0 {
                    best = (value, row * extents[1] + column);
                }
            }
            places.push(best.1 as f64);
            best.0
        });
        let name = format!("{extents:?} to {output:?} by {kernel:?}, {drawn:?} samples");
        let inputs = vec![("x", x.clone()), ("samples", samples.clone())];
        check(
            &name,
            &inputs,
            &["x"],
            true,
            |_, given| fractional_max_pool2d(given["x"], kernel, output, given["samples"]).0,
            &expected,
        );
        let places = Reals { shape, values: places };
        check(
            &format!("places of {name}"),
            &inputs,
            &[],
            true,
            |_, given| fractional_max_pool2d(given["x"], kernel, output, given["samples"]).1.convert(DType::F32),
            &places,
        );
    }
}
