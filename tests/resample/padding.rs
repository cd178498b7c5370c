//! Padding with elements of the image's own, and convolutions of images that are padded so.

use kiln_graph::Shape;
use kiln_graph::layers::PaddingMode;
use kiln_graph::layers::conv::{conv_padded, same_padding};
use kiln_graph::layers::padding::pad_last;
use kiln_graph::op::{Convolution, Sliding};

use crate::{Reals, check};

const MODES: [PaddingMode; 4] =
    [PaddingMode::Zeros, PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular];

/// The place in an axis that a place in the padded axis shows, counted from the first of the axis; none for a number of the
/// padding.
fn shown(place: isize, extent: isize, (before, after): (isize, isize), mode: PaddingMode) -> Option<usize> {
    let inside = match mode {
        PaddingMode::Zeros => return (0..extent).contains(&place).then_some(place as usize),
        PaddingMode::Reflect if place < 0 => -place,
        PaddingMode::Reflect if place >= extent => 2 * (extent - 1) - place,
        PaddingMode::Reflect => place,
        PaddingMode::Replicate => place.clamp(0, extent - 1),
        // What negative sides leave goes round, as in PyTorch.
        PaddingMode::Circular => {
            let (first, end) = ((-before).max(0), extent + after.min(0));
            first + (place - first).rem_euclid(end - first)
        }
    };
    Some(inside as usize)
}

/// An image padded by its definition.
fn padded(x: &Reals, sides: &[(isize, isize)], mode: PaddingMode, value: f64) -> Reals {
    let extents = x.shape.dims()[2..].to_vec();
    let larger =
        extents.iter().zip(sides).map(|(&extent, (before, after))| (extent as isize + before + after) as usize);
    let shape: Vec<usize> = x.shape.dims()[..2].iter().copied().chain(larger).collect();
    Reals::of(Shape::from(&shape[..]), |index| {
        let along =
            |axis: usize| shown(index[2 + axis] as isize - sides[axis].0, extents[axis] as isize, sides[axis], mode);
        let place: Option<Vec<usize>> = (0..extents.len()).map(along).collect();
        place.map_or(value, |place| x.at(&[&index[..2], &place].concat()))
    })
}

#[test]
fn images_are_padded_by_the_definition() {
    type Case = (&'static [usize], &'static [(isize, isize)]);
    let cases: [Case; 8] = [
        (&[5], &[(2, 3)]),
        (&[4], &[(0, 3)]),
        (&[6], &[(-2, 2)]),
        (&[3, 4], &[(1, 2), (2, 1)]),
        (&[3, 5], &[(0, 0), (2, -1)]),
        (&[5, 5], &[(-1, -2), (0, 3)]),
        (&[3, 2, 4], &[(1, 0), (0, 1), (2, 2)]),
        (&[2, 3, 3], &[(1, 1), (1, -1), (0, 0)]),
    ];
    for (extents, sides) in cases {
        for mode in MODES {
            let x = Reals::random(Shape::from(&[&[2, 3], extents].concat()[..]), 4);
            let value = if mode == PaddingMode::Zeros { 0.0 } else { 9.0 };
            let expected = padded(&x, sides, mode, value);
            let name = format!("{extents:?} with {sides:?} {}", mode.name());
            check(&name, &vec![("x", x)], &["x"], true, |_, given| pad_last(given["x"], sides, mode, value), &expected);
        }
    }
    let x = Reals::random(Shape::new(&[2, 3, 4]), 4);
    let expected = padded(&x, &[(2, 1)], PaddingMode::Zeros, 0.5);
    check(
        "a number",
        &vec![("x", x)],
        &[],
        true,
        |_, given| pad_last(given["x"], &[(2, 1)], PaddingMode::Zeros, 0.5),
        &expected,
    );
}

#[test]
fn convolutions_see_what_they_are_padded_with() {
    // Extents, kernel, stride, padding, dilation.
    type Row<'a> = (&'a [usize], usize, usize, (usize, usize), usize);
    let cases: [Row; 5] = [
        (&[7], 3, 2, (2, 1), 1),
        (&[5, 6], 3, 1, same_padding(3, 1), 1),
        (&[6, 7], 2, 1, same_padding(2, 1), 1),
        (&[8, 7], 3, 2, (2, 2), 2),
        (&[3, 4, 3], 2, 1, (1, 1), 1),
    ];
    for (extents, kernel, stride, padding, dilation) in cases {
        let spatial = extents.len();
        let x = Reals::random(Shape::from(&[&[2, 2], extents].concat()[..]), 6);
        let w = Reals::random(Shape::from(&[&[3, 2][..], &vec![kernel; spatial]].concat()[..]), 7);
        let mut sliding = Sliding::unit(spatial);
        sliding.stride[..spatial].fill(stride);
        sliding.padding[..spatial].fill(padding);
        sliding.dilation[..spatial].fill(dilation);
        for mode in MODES {
            let image = padded(&x, &vec![(padding.0 as isize, padding.1 as isize); spatial], mode, 0.0);
            let span = dilation * (kernel - 1) + 1;
            let results: Vec<usize> =
                image.shape.dims()[2..].iter().map(|extent| (extent - span) / stride + 1).collect();
            let offsets = crate::indices(Shape::from(&w.shape.dims()[1..]));
            let expected = Reals::of(Shape::from(&[&[2, 3], &results[..]].concat()[..]), |index| {
                let term = |offset: &Vec<usize>| {
                    let place = (0..spatial).map(|axis| index[2 + axis] * stride + offset[1 + axis] * dilation);
                    let place: Vec<usize> = [index[0], offset[0]].into_iter().chain(place).collect();
                    image.at(&place) * w.at(&[&[index[1]], &offset[..]].concat())
                };
                offsets.iter().map(term).sum()
            });
            let name = format!("{extents:?} by {kernel}, {stride}, {padding:?} {}, {dilation}", mode.name());
            let conv = Convolution { sliding, groups: 1 };
            let inputs = vec![("x", x.clone()), ("w", w.clone())];
            check(
                &name,
                &inputs,
                &["x", "w"],
                true,
                |_, given| conv_padded(given["x"], given["w"], None, conv, mode),
                &expected,
            );
        }
    }
}
