//! What a model takes from those that it holds: their public functions, their public layers, and parameters as values.

use kiln::ndarray::{Array2, ArrayD};
use kiln::prelude::*;

mod parts {
    use kiln::prelude::*;

    model! {
        pub struct Inner<const C: usize = 8> {
            pub fc: Linear(C, C),
        }

        fn forward(x: [N, T, C]) -> [N, T, C] {
            fc(x)
        }

        /// No tensor goes in.
        pub fn table() -> [C, C] {
            fc.weight
        }
    }

    model! {
        pub struct Encoder<const C: usize = 8> {
            pub words: Embedding(20, C),
            pub fc1: Linear(C, C),
            pub blocks: [Inner<C>; 2],
            pub head: Sequential { pub a: Linear(C, C), act: ReLU },
            scale: Parameter([], mean = 1),
            pub inner: Inner(C),
        }

        fn forward(x: [N, T; i32]) -> [N, T, C] {
            head(fc1(words(x))) * scale + inner(embed(x))
        }

        pub fn embed(x: [N, T; i32]) -> [N, T, C] {
            words(x) * 2
        }

        /// `S` is an extent of its own.
        pub fn pairs(x: [N, T; i32], y: [N, S, C]) -> [N, S, T] {
            y.matmul(embed(x).transpose(1, 2)) * (S / S)
        }

        pub(crate) fn both(x, i: usize) -> ([N, C], [N, C]) {
            (fc1(x).select(1, i), fc1(x).select(1, 0))
        }

        pub fn transposed() -> [C, C] {
            inner.table().transpose(0, 1)
        }
    }
}

use parts::Encoder;

#[derive(Model)]
#[model(input = [4])]
pub struct Derived {
    pub fc: Linear<4, 8>,
    pub act: ReLU,
}

model! {
    struct Net {
        encoders: [Encoder(8); 2],
        derived: Derived,
        opt: Adam((encoders, derived), lr = 0.01),
    }

    step fit(x: [N, 5; i32], y: [N, 8], z: [N, 4]) -> (loss, table, one, other) {
        let h = encoders[0].embed(x);
        let (one, other) = encoders[0].both(h, 2);
        let out = one + other;
        for i in 0..2 {
            out = out + encoders[i].head(encoders[1].blocks[i](encoders[i].fc1(h))).mean(1);
            out = out + encoders[i].blocks[1 - i].fc.bias;
        }
        let table = encoders[1].transposed() + encoders[1].inner.fc.weight + encoders[1].words.weight.mean();
        let out = out.matmul(table) + encoders[1].head.a.bias + derived.fc(z) + derived.fc.weight.mean(1);
        let loss = mse(out, y) + encoders[0](x).mean();
        opt.minimize(loss);
    }

    eval by_hand(x: [N, 5; i32], z: [N, 4]) -> (same, like) {
        let same = encoders[0].embed(x) - encoders[0].words(x) * 2;
        let like = derived.act(derived.fc(z)) - derived(z);
    }
}

#[test]
fn what_is_inside_is_trained() {
    let x = Array2::from_shape_fn((8, 5), |(i, j)| ((i * 4 + j) % 20) as i32);
    let (y, z) = (Array2::<f32>::ones((8, 8)), Array2::<f32>::ones((8, 4)));
    let mut net = Net::init(1).trainer().batch(8).threads(1).build().unwrap();
    let is_zero = |array: ArrayD<f32>| array.iter().all(|number| *number == 0.0);
    let (same, like) = net.by_hand(&x, &z).unwrap();
    assert!(is_zero(same) && is_zero(like));
    let (first, table, one, _) = net.fit(&x, &y, &z).unwrap();
    assert_eq!((table.shape(), one.shape()), (&[8, 8][..], &[8, 8][..]));
    let mut last = first;
    for _ in 0..30 {
        (last, ..) = net.fit(&x, &y, &z).unwrap();
    }
    assert!(last < first, "{first} {last}");
    let mut names = Vec::new();
    net.model().each_parameter(&mut |name, _| names.push(name.to_owned()));
    assert!(names.contains(&"encoders.1.inner.fc.weight".to_owned()), "{names:?}");
}

mod taken {
    use kiln::prelude::*;

    model! {
        pub struct Taking {
            pub act: Identity,
        }

        fn forward(x: [N, 2]) -> [N, 2] {
            act(x)
        }

        pub fn all(x: [N, 2], start: [; i32], rate: [], on: [; bool], times: usize, part: f32, deep: bool) -> [N, 2] {
            let y = where(on, (x + start) * rate * times + part, x * 0.0);
            if deep { y } else { y * 0.0 }
        }
    }
}

model! {
    struct Given {
        taking: taken::Taking,
    }

    fn forward(x: [N, 2]) -> [N, 2] {
        let k = 2;
        taking.all(x, 3, 0.5, tensor(true), k + 1, 0.25, true) + taking.all(x, tensor(1), 2, x.mean() > 100.0, k, 0.5, k > 1)
    }
}

#[test]
fn numbers_are_given_where_tensors_without_axes_are_taken() {
    let x = Array2::from_shape_fn((3, 2), |(i, j)| (i * 2 + j) as f32);
    let found = Predictor::new(Given::init(1)).build().unwrap().predict(&x).unwrap();
    assert_eq!(found, x.mapv(|x| (x + 3.0) * 1.5 + 0.25).into_dyn());
}
