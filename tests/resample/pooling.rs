//! Pooling whose windows follow from the sizes of input and output.

use kiln_graph::layers::adaptive_pool::{adaptive_avg_pool, adaptive_max_pool};
use kiln_graph::layers::fractional_pool::fractional_max_pool2d;
use kiln_graph::layers::lp_pool::lp_pool;
use kiln_graph::layers::pool::max_pool_with_indices;
use kiln_graph::layers::unpool::max_unpool;
use kiln_graph::op::{MAX_SPATIAL, Sliding, Window};
use kiln_graph::{DType, Shape};

use crate::{Reals, check, indices};

/// Extents of images, and of grids of cells.
const GRIDS: [(&[usize], &[Option<usize>]); 12] = [
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

/// What a function makes of the elements of each cell of a grid, which it gets with their places in the image.
fn of_cells(x: &Reals, output_size: &[Option<usize>], of: impl Fn(&[(usize, f64)]) -> f64) -> Reals {
    let extents = &x.shape.dims()[2..];
    let outputs = (output_size.iter().zip(extents)).map(|(output, &extent)| output.unwrap_or(extent));
    let output: Vec<usize> = [2, 3].into_iter().chain(outputs).collect();
    let plane: usize = extents.iter().product();
    Reals::of(Shape::from(&output[..]), |cell| {
        let range = |axis: usize| {
            let (extent, cells) = (extents[axis], output[axis + 2]);
            cell[axis + 2] * extent / cells..((cell[axis + 2] + 1) * extent).div_ceil(cells)
        };
        let inside = |index: &Vec<usize>| {
            index[..2] == cell[..2] && (0..extents.len()).all(|axis| range(axis).contains(&index[axis + 2]))
        };
        let all = indices(x.shape);
        let members = all.iter().filter(|index| inside(index)).map(|index| (x.place(index) % plane, x.at(index)));
        of(&members.collect::<Vec<_>>())
    })
}

/// Numbers among which there are equal ones.
fn with_ties(extents: &[usize]) -> Reals {
    let mut x = Reals::random(Shape::from(&[&[2, 3], extents].concat()[..]), 1);
    x.values.iter_mut().for_each(|value| *value = (*value * 8.0).round() / 8.0);
    x
}

/// The place and the value of the first largest element.
fn first_largest(elements: &[(usize, f64)]) -> (usize, f64) {
    elements.iter().copied().fold((0, f64::NEG_INFINITY), |best, one| if one.1 > best.1 { one } else { best })
}

#[test]
fn adaptive_averages() {
    for (extents, output_size) in GRIDS {
        let x = Reals::random(Shape::from(&[&[2, 3], extents].concat()[..]), 1);
        let mean = |members: &[(usize, f64)]| members.iter().map(|one| one.1).sum::<f64>() / members.len() as f64;
        let expected = of_cells(&x, output_size, mean);
        let name = format!("{extents:?} to {output_size:?}");
        check(&name, &vec![("x", x)], &["x"], true, |_, given| adaptive_avg_pool(given["x"], output_size), &expected);
    }
}

#[test]
fn adaptive_maxima() {
    for (extents, output_size) in GRIDS {
        let x = with_ties(extents);
        let (values, places) = (
            of_cells(&x, output_size, |members| first_largest(members).1),
            of_cells(&x, output_size, |members| first_largest(members).0 as f64),
        );
        let name = format!("{extents:?} to {output_size:?}");
        let inputs = vec![("x", x)];
        check(&name, &inputs, &["x"], true, |_, given| adaptive_max_pool(given["x"], output_size).0, &values);
        let name = format!("places of {name}");
        check(
            &name,
            &inputs,
            &[],
            true,
            |_, given| adaptive_max_pool(given["x"], output_size).1.convert(DType::F32),
            &places,
        );
    }
}

/// Kernel, stride, padding, dilation and `ceil_mode`, for each axis alike.
type Pooling = (usize, usize, usize, usize, bool);

fn window(spatial: usize, (kernel, stride, padding, dilation, ceil): Pooling) -> Window {
    let mut window = Window { kernel: [1; MAX_SPATIAL], sliding: Sliding::unit(spatial), ceil };
    window.kernel[..spatial].fill(kernel);
    window.sliding.stride[..spatial].fill(stride);
    window.sliding.padding[..spatial].fill((padding, padding));
    window.sliding.dilation[..spatial].fill(dilation);
    window
}

/// What a function makes of the elements of each window, which it gets with their places in the image.
fn of_windows(x: &Reals, output: &[usize], pooling: Pooling, of: impl Fn(&[(usize, f64)]) -> f64) -> Reals {
    let (kernel, stride, padding, dilation, _) = pooling;
    let extents = &x.shape.dims()[2..];
    let plane: usize = extents.iter().product();
    Reals::of(Shape::from(&[&[2, 3], output].concat()[..]), |window| {
        let all = indices(Shape::from(&vec![kernel; extents.len()][..]));
        let places = all.iter().filter_map(|element| {
            let along = |axis: usize| (window[2 + axis] * stride + element[axis] * dilation).checked_sub(padding);
            let place: Option<Vec<usize>> = (0..extents.len()).map(along).collect();
            place.filter(|place| place.iter().zip(extents).all(|(place, extent)| place < extent))
        });
        let index = |place: Vec<usize>| [&window[..2], &place].concat();
        let member = |index: Vec<usize>| (x.place(&index) % plane, x.at(&index));
        of(&places.map(index).map(member).collect::<Vec<_>>())
    })
}

#[test]
fn maxima_their_places_and_the_way_back() {
    let cases: [(&[usize], &[usize], Pooling); 8] = [
        (&[8], &[4], (2, 2, 0, 1, false)),
        (&[7], &[4], (3, 2, 1, 1, false)),
        (&[6, 8], &[3, 4], (2, 2, 0, 1, false)),
        (&[5, 7], &[3, 4], (2, 2, 0, 1, true)),
        (&[5, 6], &[5, 6], (3, 1, 1, 1, false)),
        (&[7, 9], &[2, 3], (2, 3, 0, 2, false)),
        (&[4, 4, 6], &[2, 2, 3], (2, 2, 0, 1, false)),
        (&[9, 33], &[1, 5], (7, 6, 0, 1, false)),
    ];
    for (extents, output, pooling) in cases {
        let (x, window) = (with_ties(extents), window(extents.len(), pooling));
        let values = of_windows(&x, output, pooling, |members| first_largest(members).1);
        let places = of_windows(&x, output, pooling, |members| first_largest(members).0 as f64);
        let name = format!("{extents:?} by {pooling:?}");
        let inputs = vec![("x", x.clone())];
        check(&name, &inputs, &["x"], true, |_, given| max_pool_with_indices(given["x"], window).0, &values);
        check(
            &format!("places of {name}"),
            &inputs,
            &[],
            true,
            |_, given| max_pool_with_indices(given["x"], window).1.convert(DType::F32),
            &places,
        );
        // Other values at these places; where several meet, their mean.
        let given = Reals::random(values.shape, 5);
        let (plane, windows) = (extents.iter().product::<usize>(), output.iter().product::<usize>());
        let (mut sums, mut counts) = (vec![0.0; 6 * plane], vec![0.0; 6 * plane]);
        for (number, (&place, &value)) in places.values.iter().zip(&given.values).enumerate() {
            sums[number / windows * plane + place as usize] += value;
            counts[number / windows * plane + place as usize] += 1.0;
        }
        let means = sums.iter().zip(counts).map(|(sum, count): (&f64, f64)| sum / count.max(1.0)).collect();
        let expected = Reals { shape: x.shape, values: means };
        let mut all = inputs;
        all.push(("given", given));
        // PyTorch's unpooling knows no dilation.
        if pooling.3 == 1 {
            check(
                &format!("the way back of {name}"),
                &all,
                &["given"],
                true,
                |_, all| max_unpool(all["given"], max_pool_with_indices(all["x"], window).1, window, Some(extents)),
                &expected,
            );
        }
    }
}

#[test]
fn norms_of_windows() {
    let cases: [(f64, &[usize], &[usize], Pooling); 7] = [
        (2.0, &[8], &[4], (2, 2, 0, 1, false)),
        (1.0, &[5, 7], &[2, 3], (2, 2, 0, 1, false)),
        (2.0, &[5, 7], &[3, 4], (2, 2, 0, 1, true)),
        (4.0, &[6, 6], &[4, 4], (3, 1, 0, 1, false)),
        (3.0, &[7, 4], &[3, 2], (3, 2, 0, 1, true)),
        (1.5, &[7, 4], &[3, 1], (3, 2, 0, 1, false)),
        (2.0, &[4, 4, 4], &[2, 2, 2], (2, 2, 0, 1, false)),
    ];
    for (p, extents, output, pooling) in cases {
        let mut x = Reals::random(Shape::from(&[&[2, 3], extents].concat()[..]), 3);
        if p != 2.0 && p != 4.0 {
            x.values.iter_mut().for_each(|value| *value = value.abs());
        }
        // A window without anything has no slope.
        x.values[..extents.iter().product()].fill(0.0);
        let full = pooling.0.pow(extents.len() as u32) as f64;
        let expected = of_windows(&x, output, pooling, |members| {
            let sum: f64 = members.iter().map(|one| one.1.powf(p)).sum();
            (sum * full / members.len() as f64).powf(1.0 / p)
        });
        let name = format!("{p}-norms of {extents:?} by {pooling:?}");
        let window = window(extents.len(), pooling);
        check(&name, &vec![("x", x)], &["x"], true, |_, given| lp_pool(given["x"], p, window), &expected);
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
        let x = with_ties(&extents);
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
