//! Weights and biases of layers as values: the function of a layer's name with them is the layer.

use kiln::prelude::*;
use ndarray::{Array, ArrayD, Dimension, IntoDimension};

model! {
    struct Held {
        pub conv: Conv2d(2, 4, 3, groups = 2),
        pub norm: GroupNorm(2, 4),
    }

    fn forward(x: [N, 2, 5, 5]) -> [N, 4, 3, 3] {
        norm(conv(x))
    }
}

model! {
    #[allow(deprecated)]
    struct Net {
        conv: Conv2d(2, 4, 3, stride = 2, groups = 2),
        wave: Conv1d(2, 4, 3, padding = 1, bias = false),
        volume: Conv3d(2, 2, 2),
        up: ConvTranspose2d(4, 6, 2, stride = 2, groups = 2),
        group: GroupNorm(2, 4),
        layer: LayerNorm([2, 3]),
        plain: LayerNorm(3, bias = false),
        rms: RMSNorm(3),
        batch: BatchNorm2d(4),
        list: [Conv2d(4, 4, 1); 2],
        held: Held,
        opt: Sgd((conv, group), lr = 0.5),
    }

    eval convolutions(x: [N, 2, 5, 5], wide: [N, 2, 9], deep: [N, 2, 3, 3, 3]) -> (a, a2, b, b2, c, c2, d, d2, e, e2, f, f2) {
        let a = conv(x);
        let a2 = conv2d(x, conv.weight, conv.bias, stride = 2, groups = 2);
        let b = wave(wide);
        let b2 = conv1d(wide, wave.weight, padding = 1);
        let c = volume(deep);
        let c2 = conv3d(deep, volume.weight, volume.bias);
        let d = up(a);
        let d2 = conv_transpose2d(a, up.weight, up.bias, stride = 2, groups = 2);
        let e = a;
        let e2 = a;
        for i in 0..2 {
            e = list[i](e);
            e2 = conv2d(e2, list[i].weight, list[i].bias);
        }
        let f = held(x);
        let f2 = group_norm(conv2d(x, held.conv.weight, held.conv.bias, groups = 2), 2, held.norm.weight, held.norm.bias);
    }

    eval norms(x: [N, 2, 3], image: [N, 4, 3, 3]) -> (a, a2, b, b2, c, c2, d, d2, scale) {
        let a = layer(x);
        let a2 = layer_norm(x, [2, 3], layer.weight, layer.bias);
        let b = plain(x);
        let b2 = layer_norm(x, 3, plain.weight);
        let c = rms(x);
        let c2 = rms_norm(x, 3, rms.weight);
        let d = group(image);
        let d2 = group_norm(image, 2, group.weight, group.bias);
        let scale = batch.weight + batch.bias;
    }

    /// A penalty of a norm's scale alone pulls it to 0, and the other parameters stay.
    step slim() -> loss {
        let loss = group.weight.square().sum() / 2;
        opt.minimize(loss);
    }
}

fn numbers<D: Dimension>(shape: impl IntoDimension<Dim = D>) -> Array<f32, D> {
    let mut count = 0;
    Array::from_shape_simple_fn(shape.into_dimension(), || {
        count += 11;
        (count % 31) as f32 * 0.0625 - 1.0
    })
}

/// 1e-6 is the rounding of a sum in another order.
#[track_caller]
fn close(found: &ArrayD<f32>, expected: &ArrayD<f32>) {
    assert_eq!(found.shape(), expected.shape());
    found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() <= 1e-6 * (1.0 + b.abs()), "{a} is not {b}"));
}

#[test]
fn functions_of_weights_are_the_layers() {
    let mut trainer = Net::init(1).trainer().batch(2).build().unwrap();
    let (a, a2, b, b2, c, c2, d, d2, e, e2, f, f2) =
        trainer.convolutions(&numbers((2, 2, 5, 5)), &numbers((2, 2, 9)), &numbers((2, 2, 3, 3, 3))).unwrap();
    for (layer, function) in [(a, a2), (b, b2), (c, c2), (d, d2), (e, e2), (f, f2)] {
        close(&function, &layer);
    }
    let (a, a2, b, b2, c, c2, d, d2, scale) = trainer.norms(&numbers((2, 2, 3)), &numbers((2, 4, 3, 3))).unwrap();
    for (layer, function) in [(a, a2), (b, b2), (c, c2), (d, d2)] {
        close(&function, &layer);
    }
    assert_eq!(scale, ArrayD::<f32>::ones(vec![4]));
}

#[test]
fn penalties_train_a_norm() {
    let mut trainer = Net::init(1).trainer().batch(2).build().unwrap();
    let before = trainer.model().conv.weight.value.to_owned();
    assert_eq!([trainer.slim().unwrap(), trainer.slim().unwrap()], [2.0, 0.5]);
    assert_eq!(trainer.model().conv.weight.value.to_owned(), before);
}
