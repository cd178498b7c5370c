//! States of which each shard of a batch has its own value (the sums of gradients of several batches), where a rank has
//! several shards: programs find in the store the value of the shard that they compute. It knows states, and no
//! programs.

use std::collections::BTreeMap;

use kiln_jit::{Held, States};

/// The values of each of a rank's shards, by the states' positions; a value that nobody has set is zeros.
#[derive(Clone)]
pub struct OwnStates(Vec<BTreeMap<usize, Held>>);

impl OwnStates {
    /// Of so many shards.
    pub fn new(shards: usize) -> OwnStates {
        OwnStates((0..shards).map(|_| BTreeMap::new()).collect())
    }

    /// A shard's value of a state, where one was set.
    pub fn held(&self, shard: usize, position: usize) -> Option<&Held> {
        self.0[shard].get(&position)
    }

    /// Puts a shard's values of some states into the store.
    pub fn put(&self, shard: usize, positions: &[usize], states: &mut States) {
        for &position in positions {
            match self.0[shard].get(&position) {
                Some(held) => states.put_back(held),
                None => states.clear(position),
            }
        }
    }

    /// Takes a shard's values of some states from the store.
    pub fn take(&mut self, shard: usize, positions: &[usize], states: &States) {
        for &position in positions {
            states.hold(&[position], self.0[shard].entry(position).or_default());
        }
    }
}
