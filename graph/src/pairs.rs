//! A table of numbers by pairs of numbers: what a walk over a graph knows of a node at a place. It knows of neither.
//!
//! The maps of the standard library compare sixteen keys at once, through layers of generic functions: without
//! optimization one look costs some hundred instructions, and walks look all the time.

/// Numbers by pairs of numbers. Takes no memory while it is empty.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// None, or a power of two of them, at most half of them taken.
    slots: Vec<Slot>,
    taken: usize,
}

/// A pair, and 1 more than its number; [`FREE`] if nothing is here. All zeros then, which are memory as it comes.
type Slot = ((u32, u32), u32);

/// No number of a pair.
const FREE: u32 = 0;

/// So many slots are made at first; the table doubles where they do not do. Unit: slots. A guess, 2026-11-29.
const FIRST: usize = 64;

impl Pairs {
    /// The number of a pair, if it has one.
    pub fn get(&self, pair: (u32, u32)) -> Option<u32> {
        let slots = self.slots.as_slice();
        if slots.is_empty() {
            return None;
        }
        let number = slots[find(slots, pair)].1;
        if number == FREE { None } else { Some(number - 1) }
    }

    /// Gives a pair a number, below `u32::MAX`; tells whether it had none.
    pub fn insert(&mut self, pair: (u32, u32), number: u32) -> bool {
        assert!(number < u32::MAX, "a number below u32::MAX");
        if 2 * self.taken >= self.slots.len() {
            self.grow();
        }
        let slots = self.slots.as_mut_slice();
        let at = find(slots, pair);
        let is_new = slots[at].1 == FREE;
        slots[at] = (pair, number + 1);
        self.taken += is_new as usize;
        is_new
    }

    fn grow(&mut self) {
        let mut all: Vec<Slot> = vec![((0, 0), FREE); FIRST.max(2 * self.slots.len())];
        let (slots, larger) = (self.slots.as_slice(), all.as_mut_slice());
        let mut number = 0;
        while number < slots.len() {
            let slot = slots[number];
            if slot.1 != FREE {
                larger[find(larger, slot.0)] = slot;
            }
            number += 1;
        }
        self.slots = all;
    }
}

/// The slot of a pair, or the free one where it would be.
fn find(slots: &[Slot], pair: (u32, u32)) -> usize {
    let key = (pair.0 as u64) << 32 | pair.1 as u64;
    // The golden ratio's digits: neighbours come to lie far apart.
    let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (slots.len() - 1);
    while slots[at].1 != FREE && (slots[at].0.0 != pair.0 || slots[at].0.1 != pair.1) {
        at = (at + 1) & (slots.len() - 1);
    }
    at
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Whatever is put in, the table says what a map of the standard library says.
    #[test]
    fn a_table_is_as_a_map() {
        for (first, second, step) in [(40, 3, 1), (5, 700, 1), (300, 1, 1 << 20), (60, 60, 65_536), (2, 2, u32::MAX)] {
            let (mut table, mut map) = (Pairs::default(), HashMap::new());
            let pairs = || (0..first).flat_map(|a: u32| (0..second).map(move |b: u32| (a.wrapping_mul(step), b)));
            for (number, pair) in pairs().enumerate() {
                assert_eq!(table.get(pair), map.get(&pair).copied(), "{pair:?}");
                assert_eq!(table.insert(pair, number as u32), map.insert(pair, number as u32).is_none(), "{pair:?}");
            }
            for pair in pairs() {
                assert_eq!(table.get(pair), map.get(&pair).copied(), "{pair:?}");
                assert_eq!(table.get((pair.0, pair.1 + second)), None);
                assert!(!table.insert(pair, 7) && table.get(pair) == Some(7), "{pair:?}");
            }
        }
    }
}
