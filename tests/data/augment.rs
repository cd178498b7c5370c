//! Augmentation: what is done to an image against the definitions, what is drawn against its range, batches that are
//! mixed.

use std::slice::from_ref;

use kiln::data::augment::{
    Augment, CenterCrop, ColorJitter, Crop, CutMix, Erase, Flip, GaussianNoise, MixUp, Normalize, Rotation, Shift,
    functional,
};
use kiln::data::{DataError, Random, Source, SourceExt};
use ndarray::{Array1, Array2, Array3, Array4, ArrayD, Axis, array, s};

/// Every element is another one.
fn image(channels: usize, height: usize, width: usize) -> Array3<f32> {
    let count = (channels * height * width) as f32;
    Array3::from_shape_fn((channels, height, width), |(c, y, x)| {
        ((c * height + y) * width + x + 1) as f32 / (count + 1.0)
    })
}

fn changed(image: &Array3<f32>, change: impl FnOnce(&mut Array3<f32>)) -> Array3<f32> {
    let mut image = image.clone();
    change(&mut image);
    image
}

fn close(found: &Array3<f32>, expected: &Array3<f32>) {
    assert_eq!(found.dim(), expected.dim());
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // A few roundings of numbers up to 1.
    assert!(apart <= 1e-6, "{found} {expected}");
}

/// In another order in memory.
fn turned(image: &Array3<f32>) -> Array3<f32> {
    image.clone().permuted_axes([2, 1, 0]).as_standard_layout().into_owned().permuted_axes([2, 1, 0])
}

#[test]
fn pixels_move_where_they_should() {
    for shape in [(1, 3, 4), (3, 4, 4), (2, 5, 3), (1, 1, 1)] {
        let image = image(shape.0, shape.1, shape.2);
        let check = |change: &dyn Fn(&mut Array3<f32>), expected: Array3<f32>| {
            assert_eq!(changed(&image, change), expected);
            assert_eq!(changed(&turned(&image), change), expected);
        };
        let at = |y: isize, x: isize| {
            move |c: usize, fill: f32, image: &Array3<f32>| match (usize::try_from(y), usize::try_from(x)) {
                (Ok(y), Ok(x)) => image.get([c, y, x]).copied().unwrap_or(fill),
                _ => fill,
            }
        };
        check(&functional::hflip, image.slice(s![.., .., ..;-1]).to_owned());
        check(&functional::vflip, image.slice(s![.., ..;-1, ..]).to_owned());
        for corner in [[0, 0], [1, -2], [-3, 2], [9, 9]] {
            for size in [[2, 2], [4, 6], [1, 9]] {
                let expected = Array3::from_shape_fn((shape.0, size[0], size[1]), |(c, y, x)| {
                    at(y as isize + corner[0], x as isize + corner[1])(c, 0.5, &image)
                });
                check(&|image| functional::crop(image, corner, size, 0.5), expected);
            }
            let moved = Array3::from_shape_fn(shape, |(c, y, x)| {
                at(y as isize - corner[0], x as isize - corner[1])(c, 0.0, &image)
            });
            check(&|image| functional::translate(image, corner, 0.0), moved);
        }
        for (corner, size) in
            [([0usize, 0], [1usize, 1]), ([1, 0], [9, 1]), ([7, 7], [2, 2]), ([0, 1], [usize::MAX, 2])]
        {
            let inside =
                |place: usize, axis: usize| (corner[axis]..corner[axis].saturating_add(size[axis])).contains(&place);
            let expected =
                Array3::from_shape_fn(
                    shape,
                    |(c, y, x)| {
                        if inside(y, 0) && inside(x, 1) { 7.0 } else { image[[c, y, x]] }
                    },
                );
            check(&|image| functional::erase(image, corner, size, 7.0), expected);
        }
    }
}

/// By quarters of a turn pixels are exchanged; else each is the nearest to where torchvision's `rotate` looks.
#[test]
fn rotations_are_counter_clockwise_about_the_centre() {
    for size in [4, 5] {
        let image = image(2, size, size);
        let quarter = |image: &Array3<f32>| {
            let last = size - 1;
            Array3::from_shape_fn(image.dim(), |(c, y, x)| image[[c, x, last - y]])
        };
        let mut expected = image.clone();
        for turns in 0..5 {
            assert_eq!(changed(&image, |image| functional::rotate(image, 90.0 * f64::from(turns), -1.0)), expected);
            expected = quarter(&expected);
        }
    }
    // `torchvision.transforms.v2.functional.rotate` of 1..=9 by 45 degrees, by its affine grid and the nearest pixels:
    // at (y, x) from the middle stands what was at (sin x + cos y, cos x - sin y).
    let image = Array3::from_shape_fn((1, 3, 3), |(_, y, x)| (3 * y + x + 1) as f32);
    let found = changed(&image, |image| functional::rotate(image, 45.0, 0.0));
    assert_eq!(found, array![[[2.0, 3.0, 6.0], [1.0, 5.0, 9.0], [4.0, 7.0, 8.0]]]);
}

/// The definitions, written plainly: blending with black, with the mean brightness, with each pixel's brightness.
#[test]
fn colours_are_adjusted_as_by_torchvision() {
    for channels in [1, 3, 4] {
        let image = image(channels, 3, 5);
        let gray = |y: usize, x: usize| match channels {
            3 => 0.2989 * image[[0, y, x]] + 0.587 * image[[1, y, x]] + 0.114 * image[[2, y, x]],
            _ => image.slice(s![.., y, x]).mean().unwrap(),
        };
        let mean = (0..15).map(|place| gray(place / 5, place % 5)).sum::<f32>() / 15.0;
        for factor in [0.0f32, 0.5, 1.0, 1.7] {
            let blend = |value: f32, other: f32| (factor * value + (1.0 - factor) * other).clamp(0.0, 1.0);
            let check = |adjust: fn(&mut Array3<f32>, f32), other: &dyn Fn(usize, usize) -> f32| {
                let found = changed(&image, |image| adjust(image, factor));
                close(&found, &Array3::from_shape_fn(image.dim(), |(c, y, x)| blend(image[[c, y, x]], other(y, x))));
            };
            check(functional::adjust_brightness, &|_, _| 0.0);
            check(functional::adjust_contrast, &|_, _| mean);
            if channels == 3 {
                check(functional::adjust_saturation, &gray);
            } else {
                assert_eq!(changed(&image, |image| functional::adjust_saturation(image, factor)), image);
            }
        }
    }
    let normalized = changed(&image(2, 2, 2), |image| functional::normalize(image, &[0.5, 0.25], &[2.0, 0.5]));
    let expected =
        Array3::from_shape_fn((2, 2, 2), |(c, y, x)| (image(2, 2, 2)[[c, y, x]] - [0.5, 0.25][c]) / [2.0, 0.5][c]);
    close(&normalized, &expected);
}

/// Applies steps with many seeds; each result must be one of those that are allowed, and each of those that are told
/// must come.
fn draws(step: impl Augment, image: &Array3<f32>, allowed: &[Array3<f32>]) {
    let mut seen = vec![false; allowed.len()];
    for seed in 0..400 {
        let mut found = image.clone();
        step.apply(&mut found, &mut Random::new(seed, 0, 0)).unwrap();
        let place = allowed.iter().position(|allowed| *allowed == found);
        seen[place.unwrap_or_else(|| panic!("{found} of {image}"))] = true;
    }
    assert!(seen.iter().all(|seen| *seen), "{seen:?}");
}

#[test]
fn each_step_draws_what_it_may() {
    let image = image(2, 3, 4);
    let flipped = changed(&image, functional::hflip);
    let both = changed(&flipped, functional::vflip);
    let upside_down = changed(&image, functional::vflip);
    draws(Flip::horizontal(0.5), &image, &[image.clone(), flipped.clone()]);
    draws(Flip::horizontal(0.0), &image, from_ref(&image));
    draws(Flip::vertical(1.0), &image, from_ref(&upside_down));
    let all = [image.clone(), flipped.clone(), upside_down, both];
    draws((Flip::horizontal(0.5), Flip::vertical(0.5)), &image, &all);
    draws(vec![Flip::horizontal(0.5), Flip::vertical(0.5)], &image, &all);
    let boxed: [Box<dyn Augment>; 2] = [Box::new(Flip::horizontal(0.5)), Box::new(Flip::vertical(0.5))];
    draws(boxed, &image, &all);
    let own = |image: &mut Array3<f32>, random: &mut Random| {
        if random.chance(0.3) {
            image.fill(1.0);
        }
    };
    draws((own, Flip::horizontal(0.0)), &image, &[image.clone(), Array3::ones((2, 3, 4))]);

    let crops = |size: [usize; 2], padding: isize, fill| {
        let mut all = Vec::new();
        for top in -padding..=3 + padding - size[0] as isize {
            for left in -padding..=4 + padding - size[1] as isize {
                all.push(changed(&image, |image| functional::crop(image, [top, left], size, fill)));
            }
        }
        all
    };
    draws(Crop::new(2), &image, &crops([2, 2], 0, 0.0));
    draws(Crop::new(3).padding(1).fill(0.5), &image, &crops([3, 3], 1, 0.5));
    draws(Crop::sized([3, 4]), &image, from_ref(&image));
    // The corner that torchvision's `center_crop` takes: 0.5 and 2.5 are rounded to even numbers.
    for (size, corner) in [([3, 4], [0, 0]), ([1, 2], [1, 1]), ([2, 1], [0, 2]), ([2, 3], [0, 0]), ([6, 7], [-1, -1])] {
        let expected = changed(&image, |image| functional::crop(image, corner, size, 0.0));
        draws(CenterCrop::sized(size), &image, from_ref(&expected));
    }
    let shifted = |most: isize, fill| {
        let places = (-1..=1).flat_map(|y| (-most..=most).map(move |x| [y, x]));
        places.map(|by| changed(&image, |image| functional::translate(image, by, fill))).collect::<Vec<_>>()
    };
    draws(Shift::new(0.34, 0.5).fill(0.25), &image, &shifted(2, 0.25));
    draws(Shift::new(0.0, 0.0), &image, from_ref(&image));
    draws(Rotation::new(0.0), &image, from_ref(&image));
    draws(GaussianNoise::new(0.0), &image, from_ref(&image));
    draws(ColorJitter::new(), &image, from_ref(&image));
    draws(Normalize::new([0.0, 0.0], [1.0, 1.0]), &image, from_ref(&image));
    draws(Erase::new(0.0), &image, from_ref(&image));
}

#[test]
fn random_amounts_stay_in_their_range() {
    let ones = Array3::<f32>::ones((1, 40, 40));
    let mut turned = 0;
    for seed in 0..200 {
        let apply = |step: &dyn Augment, image: &Array3<f32>| {
            let mut image = image.clone();
            step.apply(&mut image, &mut Random::new(seed, 1, 2)).unwrap();
            image
        };
        let erased = apply(&Erase::new(1.0).scale(0.1, 0.3).ratio(0.5, 2.0).value(-1.0), &ones);
        let rows = erased.slice(s![0, .., ..]).outer_iter().filter(|row| row.sum() < 40.0).count() as f32;
        let columns =
            erased.slice(s![0, .., ..]).axis_iter(Axis(1)).filter(|column| column.sum() < 40.0).count() as f32;
        assert_eq!(erased.iter().filter(|value| **value == -1.0).count() as f32, rows * columns);
        // Sides are rounded to whole pixels.
        assert!((0.08..=0.33).contains(&(rows * columns / 1600.0)) && (0.4..=2.4).contains(&(rows / columns)));

        let gray = ones.mapv(|one| one * 0.5);
        let bright = apply(&ColorJitter::new().brightness(0.4), &gray)[[0, 0, 0]];
        assert!((0.3..=0.7).contains(&bright));
        let dark = apply(&ColorJitter::new().brightness(3.0).contrast(0.5).saturation(0.5), &gray);
        assert!(dark.iter().all(|value| (0.0..=1.0).contains(value)));

        let noise = apply(&GaussianNoise::new(0.1), &gray);
        let deviation = (noise.iter().map(|value| (value - 0.5).powi(2)).sum::<f32>() / 1600.0).sqrt();
        assert!((deviation - 0.1).abs() < 0.01, "{deviation}");
        assert!(apply(&GaussianNoise::new(9.0), &gray).iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(apply(&GaussianNoise::new(9.0).clip(false), &gray).iter().any(|value| *value > 1.0));

        // The pixel in the middle of the right side moves by at most 20 degrees.
        let mut line = Array3::zeros((1, 41, 41));
        line[[0, 20, 40]] = 1.0;
        let rotated = apply(&Rotation::new(20.0), &line);
        for (_, y, x) in rotated.indexed_iter().filter(|(_, value)| **value == 1.0).map(|(place, _)| place) {
            let angle = (20.0 - y as f64).atan2(x as f64 - 20.0).to_degrees();
            assert!(angle.abs() < 22.0);
            turned += usize::from(angle.abs() > 10.0);
        }
    }
    assert!(turned > 50);
}

#[test]
fn steps_that_do_not_fit_are_errors() {
    let check = |step: &dyn Augment, expected: &str| {
        let error = step.apply(&mut image(2, 3, 4), &mut Random::new(0, 0, 0)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        &Crop::new(8).padding(2),
        "Crop can not be applied to the shape [2, 3, 4]: it cuts out [8, 8], with 2 pixels around the image",
    );
    check(
        &Normalize::new([0.5], [0.5]),
        "Normalize can not be applied to the shape [2, 3, 4]: it has means and deviations of 1 channels",
    );
    let flat = vec![(ArrayD::<f32>::zeros(vec![3, 4]), 0)].augment(Flip::horizontal(0.5));
    assert_eq!(
        flat.sample(0).unwrap_err().to_string(),
        "augment can not be applied to the shape [3, 4]: an image has the axes [channels, height, width]"
    );
}

/// What is drawn for a sample follows from the seed, the epoch and its index.
#[test]
fn augmented_sources_draw_by_seed_epoch_and_index() {
    let images: Vec<_> = (0..4).map(|label| (image(1, 6, 6), label)).collect();
    let dynamic: Vec<_> = images.iter().map(|(image, label)| (image.clone().into_dyn(), *label)).collect();
    let step = || (Crop::new(4), GaussianNoise::new(0.1));
    let draw = |seed, epoch, index| {
        let mut held = None;
        images.clone().augment(step()).seed(seed).read(index, epoch, &mut held).unwrap();
        let mut expected = image(1, 6, 6);
        step().apply(&mut expected, &mut Random::new(seed, epoch, index as u64)).unwrap();
        let mut other = None;
        dynamic.clone().augment(step()).seed(seed).read(index, epoch, &mut other).unwrap();
        assert_eq!(other, Some((expected.clone().into_dyn(), index)));
        assert_eq!(held, Some((expected.clone(), index)));
        expected
    };
    let first = draw(0, 0, 1);
    for (seed, epoch, index) in [(1, 0, 1), (0, 1, 1), (0, 0, 2)] {
        assert_ne!(draw(seed, epoch, index), first);
    }
    assert_eq!(images.augment(step()).sample(1).unwrap().0, first);
}

#[test]
fn batches_are_mixed_with_themselves() {
    let x = Array4::from_shape_fn((4, 2, 6, 8), |(n, c, y, x)| (n * 100 + c * 50 + y * 8 + x) as f32);
    let labels = array![2u8, 0, 1, 1];
    for seed in 0..50 {
        let check = |mixed: &Array4<f32>, y: &Array2<f32>| {
            assert_eq!((mixed.dim(), y.dim()), (x.dim(), (4, 3)));
            for row in 0..4 {
                let (own, other) = (labels[row] as usize, labels[(row + 3) % 4] as usize);
                let lambda = if own == other { 1.0 } else { y[[row, own]] };
                assert!((y.row(row).sum() - 1.0).abs() < 1e-6 && (0.0..=1.0).contains(&lambda));
                assert!((y[[row, other]] - if own == other { 1.0 } else { 1.0 - lambda }).abs() < 1e-6);
            }
            y[[0, 2]]
        };
        let (mixed, y) = MixUp::new(0.4, 3).apply(&x, &labels, &mut Random::new(seed, 0, 0)).unwrap();
        let lambda = check(&mixed, &y);
        for ((n, c, h, w), found) in mixed.indexed_iter() {
            let expected = lambda * x[[n, c, h, w]] + (1.0 - lambda) * x[[(n + 3) % 4, c, h, w]];
            assert!((found - expected).abs() < 1e-3);
        }
        let (mixed, y) = CutMix::new(1.0, 3).apply(&x, &labels, &mut Random::new(seed, 0, 0)).unwrap();
        let lambda = check(&mixed, &y);
        let cut = |n: usize| {
            mixed.index_axis(Axis(0), n).indexed_iter().filter(|(p, v)| **v != x[[n, p.0, p.1, p.2]]).count()
        };
        assert!((0..4).all(|n| (cut(n) as f32 - (1.0 - lambda) * 96.0).abs() < 1e-3));
        assert!(mixed.indexed_iter().all(|((n, c, h, w), v)| [n, (n + 3) % 4].iter().any(|n| x[[*n, c, h, w]] == *v)));
    }
    let mut random = Random::new(0, 0, 0);
    let error = |result: Result<(Array4<f32>, Array2<f32>), DataError>| result.unwrap_err().to_string();
    let of = "can not be applied to the shape [4, 2, 6, 8]";
    assert_eq!(
        error(MixUp::new(1.0, 2).apply(&x, &labels, &mut random)),
        format!("MixUp {of}: label 0 is none of 2 classes, which count from 0")
    );
    assert_eq!(
        error(CutMix::new(1.0, 3).apply(&x, &array![0, -1, 0, 0], &mut random)),
        format!("CutMix {of}: label 1 is none of 3 classes, which count from 0")
    );
    assert_eq!(error(MixUp::new(1.0, 3).apply(&x, &array![1], &mut random)), format!("MixUp {of}: there are 1 labels"));
    let flat = CutMix::new(1.0, 3).apply(&Array2::zeros((2, 3)), &array![0, 1], &mut random).unwrap_err();
    assert_eq!(flat.to_string(), "CutMix can not be applied to the shape [2, 3]: it takes images");
    let empty = MixUp::new(1.0, 3).apply(&Array2::zeros((0, 3)), &Array1::<i32>::zeros(0), &mut random).unwrap();
    assert_eq!(empty.0.dim(), (0, 3));
}
