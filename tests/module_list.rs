//! A network with a `forward` of its own, a module list whose layers are applied several times, trains as in PyTorch.

use kiln::prelude::*;
use ndarray::{Array1, Array2};

model! {
    struct ModuleList {
        l: [Linear(10, 10); 10],
    }

    fn forward(x: [N, 10]) -> [N, 10] {
        for (i, li) in l.iter().enumerate() {
            x = l[i / 2](x) + li(x);
        }
        x
    }
}

/// The benchmark suite's numbers, the same in every framework: in [-1, 1), exact in f32.
fn uniform(count: usize, salt: u32) -> impl Iterator<Item = f32> {
    (0..count as u32).map(move |i| {
        let mut h = i.wrapping_add(salt.wrapping_mul(0x9E37_79B9));
        h ^= h >> 16;
        h = h.wrapping_mul(0x85EB_CA6B);
        h ^= h >> 13;
        h = h.wrapping_mul(0xC2B2_AE35);
        h ^= h >> 16;
        (h >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

#[test]
fn a_module_list_trains_as_in_pytorch() {
    let mut model = ModuleList::init(0);
    let mut number = 0;
    model.visit_mut(&mut Path::default(), &mut |_, parameter| {
        number += 1;
        let values = uniform(parameter.value.len(), number);
        parameter.value.iter_mut().zip(values).for_each(|(place, value)| *place = value / 10f32.sqrt());
    });
    assert_eq!(number, 20);
    let x = Array2::from_shape_vec((32, 10), uniform(320, 1000).collect()).unwrap();
    let y: Array1<i32> = (0..32).map(|n| (n * 7 + 3) % 10).collect();
    let adam = Adam::default().lr(1e-3);
    let mut trainer = Trainer::new(model, cross_entropy(), adam).batch(32).threads(1).build().unwrap();
    let losses: Vec<f32> = (0..11).map(|_| trainer.step(&x, &y).unwrap()).collect();
    // PyTorch 2.15 in f32; round-off moves its losses by less than 1e-5.
    let expected = [(0, 2.594_793_6), (1, 2.549_491), (2, 2.510_117), (5, 2.420_376_8), (10, 2.330_41)];
    for (step, loss) in expected {
        let found: f32 = losses[step];
        assert!((found - loss).abs() < 1e-5 * loss, "step {step}: {found} instead of {loss}");
    }
}
