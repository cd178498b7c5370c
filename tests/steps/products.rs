//! Products of extents, `N * T`: rows of samples and places, put together and taken apart, are what they are apart.

use kiln::prelude::*;
use ndarray::{Array, Array1, Array2, Array3, ArrayD, Axis, Dimension, IntoDimension};

const CLASSES: usize = 7;

model! {
    #[model(input = [3, 4, 4])]
    struct Frames(Conv2d(3, 2, 3), BatchNorm2d(2), ReLU, Flatten, Linear(8, 5));
}

model! {
    struct Net {
        letters: Embedding(CLASSES, 6),
        fc: Linear(6, CLASSES),
        frames: Frames,
        out: Linear(5, 2),
        opt: Sgd((letters, fc), lr = 1e-9, keep_gradients = true),
        of_frames: Sgd((frames, out), lr = 1e-9, keep_gradients = true),
    }

    fn forward(x: [N, T; i32]) -> [N, T, CLASSES] {
        fc(letters(x))
    }

    step together(x: [N, T; i32], y: [N, T; i32]) -> (loss, right) {
        let scores = self(x);
        let loss = cross_entropy(scores.view(-1, CLASSES), y.view(-1));
        let right = (scores.flatten(0, 1).argmax(1) == y.reshape(N * T)).sum();
        opt.minimize(loss);
    }

    step apart(x: [N, T; i32], y: [N, T; i32]) -> (loss, right) {
        let scores = self(x);
        let loss = cross_entropy(scores.transpose(1, 2), y);
        let right = (scores.argmax(2) == y).sum();
        opt.minimize(loss);
    }

    /// A model of images is applied to the frames of videos.
    step videos(x: [N, T, 3, 4, 4], y: [N; i32]) -> loss {
        let features = frames(x.view(-1, 3, 4, 4)).view(N, T, 5);
        let same = frames(x.flatten(0, 1)).view(x.size(0), x.size(1), -1);
        let loss = cross_entropy(out((features + same).mean(1)), y);
        of_frames.minimize(loss);
    }

    /// The same images without videos around them.
    step images(x: [N, 3, 4, 4]) -> (loss, features) {
        let features = frames(x);
        let loss = out(features).mean();
        of_frames.minimize(loss);
    }

    eval frames_of(x: [N, T, 3, 4, 4]) -> features {
        let features = frames(x.view(N * T, 3, 4, 4)).view(N, T, 5);
    }

    eval pairs(x: [N, T, 2]) -> (first, sums) {
        let all = x.unsqueeze(2).expand(-1, -1, T, -1).reshape(N, T * T, 2);
        let first = all.sum(2).view(N, T, T);
        let sums = x.unsqueeze(1).repeat(1, T, 1, 1).view(N * T, T, 2).sum(1).view(N, T, 2);
    }

    eval channels(x: [N, 3, H, W]) -> (flat, back) {
        let flat = x.flatten(2).mean(2);
        let back = x.permute(0, 2, 3, 1).reshape(-1, 3).view(N, H, W, 3).permute(0, 3, 1, 2);
    }
}

fn whole<D: Dimension>(shape: impl IntoDimension<Dim = D>, factor: usize, below: usize) -> Array<i32, D> {
    let mut count = 0;
    Array::from_shape_simple_fn(shape.into_dimension(), || {
        count += factor;
        (count % 31 % below) as i32
    })
}

fn numbers<D: Dimension>(shape: impl IntoDimension<Dim = D>) -> Array<f32, D> {
    whole(shape, 11, 17).mapv(|number| number as f32 * 0.125 - 1.0)
}

/// 1e-6 is the rounding of a sum in another order.
#[track_caller]
fn close(found: &ArrayD<f32>, expected: &ArrayD<f32>) {
    assert_eq!(found.shape(), expected.shape());
    found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() <= 1e-6 * (1.0 + b.abs()), "{a} is not {b}"));
}

/// Also of fewer samples and other lengths than those that are compiled first.
#[test]
fn rows_together_are_those_apart() {
    let mut trainer = Net::init(1).trainer().batch(3).build().unwrap();
    for (rows, length) in [(3, 5), (2, 4), (1, 1)] {
        let (x, y): (Array2<i32>, _) = (whole((rows, length), 7, CLASSES), whole((rows, length), 5, CLASSES));
        let (loss, right) = trainer.together(&x, &y).unwrap();
        let gradients =
            ["letters.weight", "fc.weight", "fc.bias"].map(|name| trainer.gradient(name).unwrap().to_owned());
        let (expected, of_all) = trainer.apart(&x, &y).unwrap();
        close(&ndarray::arr0(loss).into_dyn(), &ndarray::arr0(expected).into_dyn());
        assert_eq!(right, of_all);
        for (name, gradient) in ["letters.weight", "fc.weight", "fc.bias"].into_iter().zip(gradients) {
            close(&gradient.into_dyn(), &trainer.gradient(name).unwrap().to_owned().into_dyn());
        }
    }
}

#[test]
fn models_take_the_rows_of_products() {
    let mut trainer = Net::init(1).trainer().batch(2).build().unwrap();
    let (x, y): (ArrayD<f32>, Array1<i32>) = (numbers((2, 3, 3, 4, 4)).into_dyn(), ndarray::arr1(&[0, 1]));
    let loss = trainer.videos(&x, &y).unwrap();
    assert!(trainer.gradient("frames.0.weight").unwrap().iter().any(|slope| *slope != 0.0));

    // The batch norm takes the statistics of all six images, as here.
    let mut of_images = Net::init(1).trainer().batch(6).build().unwrap();
    let images = x.clone().into_shape_with_order((6, 3, 4, 4)).unwrap();
    let (_, features) = of_images.images(&images).unwrap();
    let means = features.into_shape_with_order((2, 3, 5)).unwrap().mean_axis(Axis(1)).unwrap() * 2.0;
    let net = Net::init(1);
    let array = |parameter: &kiln::graph::Parameter| parameter.value.to_owned().into_dyn();
    let (weight, bias) = (array(&net.out.weight), array(net.out.bias.as_ref().unwrap()));
    let mut expected = 0.0;
    for (mean, class) in means.into_dimensionality::<ndarray::Ix2>().unwrap().rows().into_iter().zip([0, 1]) {
        let scores = [0, 1].map(|of| (0..5).map(|at| weight[[of, at]] * mean[at]).sum::<f32>() + bias[[of]]);
        expected += ((scores[0].exp() + scores[1].exp()).ln() - scores[class]) / 2.0;
    }
    close(&ndarray::arr0(loss).into_dyn(), &ndarray::arr0(expected).into_dyn());

    // In evaluation each image is by itself.
    let found = trainer.frames_of(&x).unwrap();
    for (video, features) in x.axis_iter(Axis(0)).zip(found.axis_iter(Axis(0))) {
        let alone = video.to_owned().insert_axis(Axis(0));
        close(&trainer.frames_of(&alone).unwrap(), &features.to_owned().insert_axis(Axis(0)));
    }
}

/// What a step of products computes is the same where its batch has shards; batch norms then take the whole batch where they
/// are told to.
#[test]
fn products_have_shards() {
    let build = |shards: usize| Net::init(1).trainer().batch(4).shards(shards).sync_batch_norm(true).build().unwrap();
    let (mut whole_batch, mut sharded) = (Net::init(1).trainer().batch(4).build().unwrap(), build(2));
    for rows in [4, 3] {
        let (x, y): (Array2<i32>, _) = (whole((rows, 5), 7, CLASSES), whole((rows, 5), 5, CLASSES));
        let (loss, right) = whole_batch.together(&x, &y).unwrap();
        let (of_shards, of_all) = sharded.together(&x, &y).unwrap();
        close(&ndarray::arr0(of_shards).into_dyn(), &ndarray::arr0(loss).into_dyn());
        assert_eq!(right, of_all);
        let (x, y): (ArrayD<f32>, Array1<i32>) = (numbers((rows, 3, 3, 4, 4)).into_dyn(), whole(rows, 3, 2));
        let (loss, of_shards) = (whole_batch.videos(&x, &y).unwrap(), sharded.videos(&x, &y).unwrap());
        close(&ndarray::arr0(of_shards).into_dyn(), &ndarray::arr0(loss).into_dyn());
        for name in ["letters.weight", "fc.bias", "frames.0.weight", "out.weight"] {
            let gradient = |trainer: &NetTrainer| trainer.gradient(name).unwrap().to_owned().into_dyn();
            close(&gradient(&sharded), &gradient(&whole_batch));
        }
    }
}

#[test]
fn products_are_taken_apart() {
    let mut trainer = Net::init(1).trainer().batch(2).build().unwrap();
    let x: Array3<f32> = numbers((2, 4, 2));
    let (first, sums) = trainer.pairs(&x).unwrap();
    let of_each = x.sum_axis(Axis(2)).insert_axis(Axis(2)).broadcast((2, 4, 4)).unwrap().to_owned();
    close(&first, &of_each.into_dyn());
    let of_all = x.sum_axis(Axis(1)).insert_axis(Axis(1)).broadcast((2, 4, 2)).unwrap().to_owned();
    close(&sums, &of_all.into_dyn());
    let images = numbers((2, 3, 4, 5)).into_dyn();
    let (flat, back) = trainer.channels(&images).unwrap();
    close(&flat, &images.mean_axis(Axis(3)).unwrap().mean_axis(Axis(2)).unwrap());
    assert_eq!(back, images);
}
