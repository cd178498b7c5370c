//! Shuffles of channels and pixels, windows as columns and back, and distances between vectors.

use kiln_graph::Shape;
use kiln_graph::functions::{cosine_similarity, fold, pairwise_distance, unfold};
use kiln_graph::layers::reshape::unflatten;
use kiln_graph::layers::shuffle::{channel_shuffle, pixel_shuffle, pixel_unshuffle};

use crate::{Reals, check, indices};

#[test]
fn channels_become_pixels_and_pixels_channels() {
    for (shape, r) in [([2, 8, 3, 2], 2), ([1, 9, 2, 2], 3), ([3, 4, 2, 5], 1)] {
        let [n, c, h, w] = shape;
        let x = Reals::random(Shape::new(&shape), 8);
        let up = Shape::new(&[n, c / (r * r), h * r, w * r]);
        let shuffled = Reals::of(up, |index| {
            let [n, c, y, x_] = index else { unreachable!("there are four axes") };
            x.at(&[*n, c * r * r + y % r * r + x_ % r, y / r, x_ / r])
        });
        let name = format!("{shape:?} by {r}");
        check(&name, &vec![("x", x.clone())], &["x"], true, |_, given| pixel_shuffle(given["x"], r), &shuffled);
        let inputs = vec![("x", shuffled)];
        check(&format!("{name}, back"), &inputs, &["x"], true, |_, given| pixel_unshuffle(given["x"], r), &x);
    }
    for (shape, groups) in [(&[2, 6, 3][..], 2), (&[1, 6, 2, 2], 3), (&[2, 4, 1, 2], 4), (&[2, 3, 2], 1)] {
        let x = Reals::random(Shape::new(shape), 9);
        let expected = Reals::of(x.shape, |index| {
            let mut from = index.to_vec();
            from[1] = index[1] % groups * (shape[1] / groups) + index[1] / groups;
            x.at(&from)
        });
        let name = format!("{groups} groups of {shape:?}");
        check(&name, &vec![("x", x)], &["x"], true, |_, given| channel_shuffle(given["x"], groups), &expected);
    }
    for (dim, sizes, expected) in
        [(1, &[2, 3][..], [2, 2, 3, 4]), (-1, &[-1, 2], [2, 6, 2, 2]), (2, &[1, 4], [2, 6, 1, 4])]
    {
        let x = Reals::random(Shape::new(&[2, 6, 4]), 3);
        let expected = Reals { shape: Shape::new(&expected), values: x.values.clone() };
        check("unflatten", &vec![("x", x)], &["x"], true, |_, given| unflatten(given["x"], dim, sizes), &expected);
    }
}

#[test]
fn windows_become_columns_and_columns_sums_of_windows() {
    // Image, kernel, dilation, padding, stride.
    type Pair = [usize; 2];
    let cases: [[Pair; 5]; 6] = [
        [[4, 5], [2, 3], [1, 1], [0, 0], [1, 1]],
        [[5, 5], [3, 3], [1, 1], [1, 1], [1, 1]],
        [[6, 7], [2, 2], [1, 1], [0, 0], [2, 2]],
        [[6, 5], [2, 3], [2, 1], [1, 0], [2, 1]],
        [[3, 3], [1, 1], [1, 1], [0, 0], [3, 2]],
        [[4, 4], [4, 4], [1, 1], [2, 0], [1, 1]],
    ];
    for [image, kernel, dilation, padding, stride] in cases {
        let windows: Vec<usize> = (0..2)
            .map(|axis| (image[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1)
            .collect();
        let (n, c, elements) = (2, 3, kernel[0] * kernel[1]);
        let columns = Shape::new(&[n, c * elements, windows[0] * windows[1]]);
        // The pixel of an element of a window; none in the padding.
        let pixel = |row: usize, column: usize| -> Option<Vec<usize>> {
            let element = [row % elements / kernel[1], row % kernel[1]];
            let window = [column / windows[1], column % windows[1]];
            let along =
                |axis: usize| (window[axis] * stride[axis] + element[axis] * dilation[axis]).checked_sub(padding[axis]);
            let place: Vec<usize> = (0..2).map(along).collect::<Option<_>>()?;
            (place[0] < image[0] && place[1] < image[1]).then_some(place)
        };
        let x = Reals::random(Shape::new(&[n, c, image[0], image[1]]), 1);
        let expected = Reals::of(columns, |index| {
            pixel(index[1], index[2]).map_or(0.0, |place| x.at(&[index[0], index[1] / elements, place[0], place[1]]))
        });
        let name = format!("{image:?} by {kernel:?}, {dilation:?}, {padding:?}, {stride:?}");
        let inputs = vec![("x", x.clone())];
        check(
            &name,
            &inputs,
            &["x"],
            true,
            |_, given| unfold(given["x"], &kernel, &dilation, &padding, &stride),
            &expected,
        );

        let y = Reals::random(columns, 2);
        let mut sums = Reals { shape: x.shape, values: vec![0.0; x.values.len()] };
        for index in indices(columns) {
            if let Some(place) = pixel(index[1], index[2]) {
                let at = sums.place(&[index[0], index[1] / elements, place[0], place[1]]);
                sums.values[at] += y.at(&index);
            }
        }
        let inputs = vec![("x", y)];
        check(
            &format!("{name}, back"),
            &inputs,
            &["x"],
            true,
            |_, given| fold(given["x"], &image, &kernel, &dilation, &padding, &stride),
            &sums,
        );
    }
}

#[test]
fn angles_and_distances() {
    let (x, mut y) = (Reals::random(Shape::new(&[3, 4, 2]), 1), Reals::random(Shape::new(&[4, 2]), 2));
    y.values[..2].fill(0.0);
    let inputs = vec![("x", x.clone()), ("y", y.clone())];
    let norm = |values: &[f64], p: f64| values.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p);
    for (dim, eps) in [(1, 1e-8), (-1, 1e-8), (2, 0.7)] {
        let axis = if dim == 1 { 1 } else { 2 };
        let expected = Reals::of(x.shape.remove(axis), |index| {
            let at = |i: usize| -> Vec<usize> { [&index[..axis], &[i], &index[axis..]].concat() };
            let a: Vec<f64> = (0..x.shape.dim(axis)).map(|i| x.at(&at(i))).collect();
            let b: Vec<f64> = (0..x.shape.dim(axis)).map(|i| y.at(&at(i)[1..])).collect();
            crate::dot(&a, &b) / (norm(&a, 2.0).max(eps) * norm(&b, 2.0).max(eps))
        });
        let name = format!("angles along {dim}, {eps}");
        check(&name, &inputs, &[], true, |_, given| cosine_similarity(given["x"], given["y"], dim, eps), &expected);
    }
    for (p, keepdim) in [(2.0, false), (1.0, true), (3.0, false)] {
        let shape = if keepdim { Shape::new(&[3, 4, 1]) } else { Shape::new(&[3, 4]) };
        let expected = Reals::of(shape, |index| {
            let apart = |i: usize| x.at(&[index[0], index[1], i]) - y.at(&[index[1], i]) + 1e-6;
            norm(&[apart(0), apart(1)], p)
        });
        let name = format!("{p}-distances");
        check(
            &name,
            &inputs,
            &[],
            true,
            |_, given| pairwise_distance(given["x"], given["y"], p, 1e-6, keepdim),
            &expected,
        );
    }
}
