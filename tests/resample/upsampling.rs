//! Upsampling: each element of the output has its position in the input, and is read or interpolated there.

use kiln_graph::Shape;
use kiln_graph::layers::upsample::upsample;
use kiln_graph::layers::{PerAxis, UpsampleMode, UpsampleSettings};

use crate::{Reals, check, indices};

/// What is wanted along the axes: extents, or factors.
#[derive(Clone, Copy, Debug)]
enum To {
    Size(&'static [usize]),
    Factor(&'static [f64]),
}

/// The positions along an axis in an input of `input` elements, and how many there are.
fn positions(to: To, axis: usize, input: usize, corners: Option<bool>, nearest: bool, recompute: bool) -> Vec<f64> {
    let (output, factor) = match to {
        To::Size(sizes) => (sizes[axis.min(sizes.len() - 1)], None),
        To::Factor(factors) => {
            let factor = factors[axis.min(factors.len() - 1)];
            ((input as f64 * factor).floor() as usize, (!recompute).then_some(factor))
        }
    };
    let ratio = factor.map_or(input as f64 / output as f64, |factor| 1.0 / factor);
    let position = |i: usize| match corners {
        _ if nearest => (i as f64 * ratio).floor(),
        Some(true) => i as f64 * (input - 1) as f64 / (output - 1).max(1) as f64,
        _ => ((i as f64 + 0.5) * ratio - 0.5).max(0.0),
    };
    (0..output).map(|i| position(i).min((input - 1) as f64)).collect()
}

fn case(extents: &[usize], to: To, nearest: bool, corners: Option<bool>, recompute: bool) {
    let mut settings = UpsampleSettings::new().recompute_scale_factor(recompute);
    settings = match to {
        To::Size(&[all]) => settings.size(PerAxis::new([all])),
        To::Size(&[a, b]) => settings.size(PerAxis::new([a, b])),
        To::Size(sizes) => settings.size(PerAxis::<3>::new(sizes.try_into().expect("one to three sizes"))),
        To::Factor(&[all]) => settings.scale_factor(PerAxis::new([all])),
        To::Factor(&[a, b]) => settings.scale_factor(PerAxis::new([a, b])),
        To::Factor(factors) => settings.scale_factor(PerAxis::<3, f64>::new(factors.try_into().expect("one to three"))),
    };
    if !nearest {
        settings =
            settings.mode([UpsampleMode::Linear, UpsampleMode::Bilinear, UpsampleMode::Trilinear][extents.len() - 1]);
    }
    if let Some(corners) = corners {
        settings = settings.align_corners(corners);
    }
    let x = Reals::random(Shape::from(&[&[2, 3], extents].concat()[..]), 1);
    let positions: Vec<Vec<f64>> = (extents.iter().enumerate())
        .map(|(axis, &input)| positions(to, axis, input, corners, nearest, recompute))
        .collect();
    let output: Vec<usize> = [2, 3].into_iter().chain(positions.iter().map(Vec::len)).collect();
    let corner_offsets = indices(Shape::from(&vec![2; extents.len()][..]));
    let expected = Reals::of(Shape::from(&output[..]), |index| {
        let along = |axis: usize| positions[axis][index[axis + 2]];
        // The sum over the neighbours: at the floor of each position or one behind it.
        let shares = corner_offsets.iter().map(|offset| {
            let mut from = index[..2].to_vec();
            let mut share = 1.0;
            for (axis, &behind) in offset.iter().enumerate() {
                let (place, rest) = (along(axis).floor() as usize, along(axis).fract());
                share *= if behind == 1 { rest } else { 1.0 - rest };
                from.push((place + behind).min(extents[axis] - 1));
            }
            share * x.at(&from)
        });
        shares.sum()
    });
    let name = format!("{extents:?} to {to:?}, nearest {nearest}, corners {corners:?}, recomputed {recompute}");
    check(
        &name,
        &vec![("x", x.clone())],
        &["x"],
        !recompute && corners != Some(false),
        |_, given| upsample(given["x"], &settings),
        &expected,
    );
}

#[test]
fn images_of_another_size() {
    let cases: [(&[usize], To); 20] = [
        (&[3, 4], To::Factor(&[2.0])),
        (&[3, 4], To::Factor(&[3.0])),
        (&[2, 3], To::Factor(&[4.0, 1.0])),
        (&[2, 3], To::Factor(&[5.0, 2.0])),
        (&[3, 4], To::Size(&[6, 12])),
        (&[3, 4], To::Size(&[5, 7])),
        (&[8, 5], To::Size(&[3])),
        (&[4, 4], To::Size(&[4])),
        (&[1, 1], To::Size(&[4, 3])),
        (&[5, 2], To::Size(&[1])),
        (&[5, 3], To::Factor(&[2.5])),
        (&[5, 3], To::Factor(&[1.7, 0.6])),
        (&[6, 7], To::Factor(&[0.5])),
        (&[3, 9], To::Factor(&[1.2])),
        (&[5], To::Factor(&[2.0])),
        (&[4], To::Size(&[9])),
        (&[7], To::Factor(&[0.3])),
        (&[2, 3, 2], To::Factor(&[2.0])),
        (&[2, 3, 5], To::Size(&[3, 5, 4])),
        (&[2, 2, 3], To::Factor(&[1.5, 2.0, 1.0])),
    ];
    for (extents, to) in cases {
        // PyTorch refuses to compute the factor anew where a size is given.
        let recomputes: &[bool] = if matches!(to, To::Size(_)) { &[false] } else { &[false, true] };
        for &recompute in recomputes {
            for (nearest, corners) in [(true, None), (false, None), (false, Some(false)), (false, Some(true))] {
                case(extents, to, nearest, corners, recompute);
            }
        }
    }
}
