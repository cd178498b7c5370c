//! Parameters that take computed values: a queue of keys, running centers, a codebook that follows its members.

use kiln::ndarray::Array2;
use kiln::prelude::*;

model! {
    struct Encoder {
        fc: Linear(6, 8),
    }

    fn forward(x: [N, 6]) -> [N, 8] {
        normalize(fc(x))
    }
}

model! {
    struct Head {
        fc: Linear(8, 8),
        pub center: Parameter(1, 8, requires_grad = false),
    }

    fn forward(x: [N, 8]) -> [N, 8] {
        fc(x) - center
    }
}

model! {
    /// Keys of earlier batches are the others of each pair.
    struct Moco {
        query: Encoder,
        key: Encoder,
        queue: Parameter(16, 8, std = 1, requires_grad = false),
        opt: Sgd(query, lr = 0.1),
    }

    step begin() {
        key.copy_from(query);
        queue.copy_from(normalize(queue));
    }

    step fit(a: [N, 6], b: [N, 6], temperature: []) -> (loss, k) {
        let q = query(a);
        let k = no_grad { key(b) };
        let own = (q * k).sum(1, keepdim = true);
        let others = q.matmul(queue.transpose(0, 1));
        let loss = cross_entropy(cat((own, others), dim = 1) / temperature, zeros(N).int());
        opt.minimize(loss);
        key.lerp_from(query, 0.01);
        queue.copy_from(cat((k, queue), dim = 0).narrow(0, 0, 16));
    }
}

model! {
    /// Each code is the mean of those that are nearest to it, as it was lately.
    struct Quantizer {
        encoder: Linear(6, 4),
        decoder: Linear(4, 6),
        codes: Embedding(5, 4, requires_grad = false),
        counts: Parameter(5, mean = 1, requires_grad = false),
        sums: Parameter(5, 4, requires_grad = false),
        opt: Adam((encoder, decoder), lr = 0.01),
    }

    step begin() {
        sums.copy_from(codes.weight);
    }

    step fit(x: [N, 6], decay: []) -> (loss, nearest) {
        let z = encoder(x);
        let nearest = cdist(z, codes.weight).argmin(1);
        let quantized = codes(nearest).detach();
        let passed = z + (quantized - z).detach();
        let loss = mse(decoder(passed), x) + 0.25 * mse(z, quantized);
        opt.minimize(loss);
        let members = one_hot(nearest, 5).float();
        counts.lerp_from(members.sum(0), 1 - decay);
        sums.lerp_from(members.transpose(0, 1).matmul(z.detach()), 1 - decay);
        codes.weight.copy_from(sums / (counts.unsqueeze(1) + 1e-5));
    }
}

model! {
    struct Centered {
        head: Head,
        opt: Sgd(head, lr = 0.1),
    }

    step fit(x: [N, 8]) -> (loss, before, after) {
        let y = head(x);
        let before = head.center;
        let loss = y.square().mean();
        opt.minimize(loss);
        head.center.lerp_from(y.mean(0, keepdim = true), 0.1);
        let after = head.center - 0.1 * y.mean(0, keepdim = true);
    }

    eval shape(x: [N, 8]) -> (same, grid) {
        let y = head(x);
        let same = y.view(x.size()) + zeros(x.size());
        let image = x.view(N, 2, 2, 2);
        let theta = rand(N, 2, 3);
        let grid = grid_sample(image, affine_grid(theta, image.size()));
    }
}

#[test]
fn a_queue_moves_on() {
    let x = |seed: usize| Array2::from_shape_fn((4, 6), |(i, j)| ((i * 5 + j * 3 + seed) % 7) as f32 / 3.0 - 1.0);
    let mut moco = Moco::init(1).trainer().batch(4).threads(1).build().unwrap();
    moco.begin().unwrap();
    let mut keys = Vec::new();
    for seed in 0..2 {
        let (loss, k) = moco.fit(&x(seed), &x(seed + 1), 0.2).unwrap();
        assert!(loss.is_finite());
        keys.push(k);
    }
    let queue = moco.model().queue.value.to_owned();
    for (round, k) in keys.iter().rev().enumerate() {
        for (row, numbers) in k.outer_iter().enumerate() {
            for (column, number) in numbers.iter().enumerate() {
                assert_eq!(queue[[4 * round + row, column]], *number);
            }
        }
    }
}

#[test]
fn codes_follow_their_members() {
    let x = Array2::from_shape_fn((12, 6), |(i, j)| ((i * 5 + j * 3) % 7) as f32 / 3.0 - 1.0);
    let mut net = Quantizer::init(3).trainer().batch(12).threads(1).build().unwrap();
    net.begin().unwrap();
    let (first, nearest) = net.fit(&x, 0.9).unwrap();
    let counts = net.model().counts.value.to_owned();
    for code in 0..5 {
        let members = nearest.iter().filter(|found| **found == code).count() as f32;
        assert!((counts[[code as usize]] - (0.9 + 0.1 * members)).abs() < 1e-6);
    }
    let mut last = first;
    for _ in 0..100 {
        (last, _) = net.fit(&x, 0.9).unwrap();
    }
    assert!(last < first, "{first} {last}");
}

#[test]
fn a_center_is_seen_when_it_is_new() {
    let x = Array2::from_shape_fn((4, 8), |(i, j)| ((i * 5 + j * 3) % 7) as f32 / 3.0 - 1.0);
    for shards in [1, 2] {
        let mut net = Centered::init(1).trainer().batch(4).threads(1).shards(shards).build().unwrap();
        let (_, before, after) = net.fit(&x).unwrap();
        assert!(before.iter().chain(&after).all(|number| number.abs() < 1e-6), "{before} {after}");
        let (_, before, _) = net.fit(&x).unwrap();
        assert!(before.iter().any(|number| number.abs() > 1e-3));
        let (same, grid) = net.shape(&x).unwrap();
        assert_eq!((same.shape(), grid.shape()), (&[4, 8][..], &[4, 2, 2, 2][..]));
    }
}
