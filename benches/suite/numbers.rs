//! The suite's deterministic numbers: the same bits in every framework, without files.

use kiln::prelude::*;
use ndarray::{Array1, ArrayD};

/// `u(i, salt)` for the first `count` flat indices: in [-1, 1), exact in f32.
pub fn uniform(count: usize, salt: u32) -> impl Iterator<Item = f32> {
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

/// The input of the given shape and number: salt 1000 for the first, 1001 for the second.
pub fn input(shape: &[usize], number: u32) -> ArrayD<f32> {
    let count = shape.iter().product();
    ArrayD::from_shape_vec(shape, uniform(count, 1000 + number).collect()).expect("as many numbers as the shape holds")
}

/// `(7 n + 3) mod classes`.
pub fn labels(count: usize, classes: usize) -> Array1<i32> {
    (0..count).map(|n| ((n * 7 + 3) % classes) as i32).collect()
}

/// Whole numbers of the given shape: number `i` is `(i + shift) * 7919 mod words`.
pub fn tokens(shape: &[usize], shift: usize, words: usize) -> ArrayD<i32> {
    let count = shape.iter().product();
    let numbers = (0..count).map(|i| ((i + shift) * 7919 % words) as i32).collect();
    ArrayD::from_shape_vec(shape, numbers).expect("as many numbers as the shape holds")
}

/// Sets every trained parameter: number `p` in declaration order is `u(i, p + 1) / sqrt(fan_in)` with the `fan_in` of its
/// layer, and of an LSTM the features of its state. A norm, whose weight has one axis, keeps its ones and zeros, but its parameters are numbered too.
pub fn initialise(model: &mut impl Parameters) {
    let mut number = 0;
    let mut scale = None;
    model.each_parameter_mut(&mut |name, parameter| {
        if parameter.kind != Kind::Trained {
            return;
        }
        number += 1;
        if name.ends_with("weight") {
            let fan_in: usize = parameter.value.shape()[1..].iter().product();
            scale = (parameter.value.ndim() > 1).then(|| (1.0 / (fan_in as f64).sqrt()) as f32);
        }
        // All parameters of an LSTM: four gates.
        if name.contains("weight_ih_l") {
            scale = Some((1.0 / (parameter.value.shape()[0] as f64 / 4.0).sqrt()) as f32);
        }
        if let Some(scale) = scale {
            let values = uniform(parameter.value.len(), number);
            parameter.value.iter_mut().zip(values).for_each(|(place, value)| *place = value * scale);
        }
    });
}
