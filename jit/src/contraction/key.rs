//! The number in a recipe's name: a hash of the numbers that decide on the code of its stages, which each strategy
//! gives in an order of its own (`record!` and `choice!` of `text.rs`). Names of types and fields are no part of it, so
//! that renaming one leaves names as they are. It knows numbers, and how a tensor lies.

use kiln_graph::shape::Shape;

use crate::layout::Layout;

/// The hash of Fowler, Noll and Vo (FNV-1a, 64 bits) of the numbers so far.
#[derive(Clone, Copy)]
pub struct Key(u64);

/// What has numbers to tell it from others of its type.
pub trait Keyed {
    /// Adds them.
    fn key(&self, key: &mut Key);
}

impl Key {
    /// Of nothing.
    pub fn new() -> Key {
        Key(0xcbf2_9ce4_8422_2325)
    }

    /// The same, and what follows.
    pub fn add(&mut self, value: &(impl Keyed + ?Sized)) -> &mut Key {
        value.key(self);
        self
    }

    /// The hash.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl Keyed for i64 {
    fn key(&self, key: &mut Key) {
        for byte in self.to_le_bytes() {
            key.0 = (key.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl Keyed for usize {
    fn key(&self, key: &mut Key) {
        key.add(&(*self as i64));
    }
}

impl Keyed for bool {
    fn key(&self, key: &mut Key) {
        key.add(&i64::from(*self));
    }
}

/// Whether there is one, and which.
impl<T: Keyed> Keyed for Option<T> {
    fn key(&self, key: &mut Key) {
        key.add(&self.is_some());
        if let Some(value) = self {
            key.add(value);
        }
    }
}

/// How many, and which.
impl<T: Keyed> Keyed for [T] {
    fn key(&self, key: &mut Key) {
        key.add(&self.len());
        for value in self {
            key.add(value);
        }
    }
}

impl<T: Keyed> Keyed for Box<T> {
    fn key(&self, key: &mut Key) {
        key.add(self.as_ref());
    }
}

impl<T: Keyed> Keyed for Vec<T> {
    fn key(&self, key: &mut Key) {
        key.add(self.as_slice());
    }
}

impl<T: Keyed, const N: usize> Keyed for [T; N] {
    fn key(&self, key: &mut Key) {
        key.add(self.as_slice());
    }
}

impl<A: Keyed, B: Keyed> Keyed for (A, B) {
    fn key(&self, key: &mut Key) {
        key.add(&self.0).add(&self.1);
    }
}

impl Keyed for Shape {
    fn key(&self, key: &mut Key) {
        key.add(self.dims());
    }
}

/// The distances up to the last one that is not 0: those past the rank are not counted.
impl Keyed for Layout {
    fn key(&self, key: &mut Key) {
        let Layout { offset, strides, elements } = self;
        let rank = strides.iter().rposition(|&stride| stride != 0).map_or(0, |last| last + 1);
        key.add(offset).add(&strides[..rank]).add(elements);
    }
}
