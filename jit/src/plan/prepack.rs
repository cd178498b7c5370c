//! Prepacked weights: copies of states, in the order in which tiles read them, that the update of the state writes,
//! too. A copy is made once, before the first run, and then follows its state; it is packed again only after somebody
//! else has written the state. It knows expressions and memory; it does not know what reads the copies.

mod repeated;

pub use repeated::drop_repeated;

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::cost::params::prepack::{BYTES, NEIGHBOURS};
use crate::kernel::Element;
use crate::lower::expression::{Affine, Argument, Expression, Storage, Store};

/// A dense state is seen as a tensor of some axes, outermost first: the places along each, and how far apart they are
/// in the copy. Those along the last lie side by side.
pub type Runs = Vec<(usize, i64)>;

/// The copies of states that a plan makes.
///
/// A copy follows its state where both and what the update reads beside them stay in the second-level cache. Farther
/// away an update that writes to many places at once loses more than a copy takes: 262,144 weights took 55 microseconds
/// more, a copy 35.
#[derive(Debug)]
pub struct Prepacked {
    /// The size of the second-level cache.
    cache_bytes: usize,
    /// Of states as they are before a run.
    made: FxHashMap<Storage, Packed>,
    /// States that were written meanwhile.
    written: BTreeSet<Storage>,
    /// The copies that follow their states.
    kept: BTreeSet<Storage>,
}

#[derive(Debug)]
struct Packed {
    to: Storage,
    elements: usize,
    runs: Runs,
}

impl Prepacked {
    /// None yet.
    pub fn new(cache_bytes: usize) -> Prepacked {
        Prepacked { cache_bytes, made: FxHashMap::default(), written: BTreeSet::new(), kept: BTreeSet::new() }
    }

    /// Notes a copy of a state.
    pub fn note(&mut self, of: Storage, (to, elements): (Storage, usize), runs: Runs) {
        // The update runs along the state, and stores each vector to the copy, too: one store if its elements are
        // neighbours there, as many as there are lanes if they are not. In bytes: all that the update moves has to stay
        // in the cache.
        let fits = runs.last().is_some_and(|&(extent, distance)| extent >= NEIGHBOURS && distance == 1)
            && BYTES * elements <= self.cache_bytes;
        // A copy that is made behind the update can not move to the front of the plan, where it would pack the old
        // value. Of several copies of a state the first one follows it; the others are made in each run.
        if fits && !self.written.contains(&of) {
            self.made.entry(of).or_insert(Packed { to, elements, runs });
        }
    }

    /// Lets an elementwise kernel that writes a state write its copy.
    pub fn follow(&mut self, expression: &mut Expression) {
        // One update may write several states (Adam: a weight and two moments); `follow` adds stores behind these.
        for number in 0..expression.stores.len() {
            let storage = expression.arguments[expression.stores[number].argument].storage;
            let Some(copy) = self.made.get(&storage) else { continue };
            if let Some(followed) = with_copy(expression, number, copy) {
                *expression = followed;
                self.kept.insert(copy.to);
            }
        }
    }

    /// Notes that a state has been written.
    pub fn write(&mut self, state: Storage) {
        self.written.insert(state);
        self.made.remove(&state);
    }

    /// The copies that follow their states.
    pub fn kept(&self) -> &BTreeSet<Storage> {
        &self.kept
    }
}

/// The expression with a store's value written to the copy, too; `None` where it does not run through the state from
/// its first to its last element.
fn with_copy(expression: &Expression, number: usize, copy: &Packed) -> Option<Expression> {
    let mut expression = expression.clone();
    let access = &expression.stores[number].access;
    let mut order: Vec<usize> = (0..expression.rank()).collect();
    // Axes as the state lies, the largest step first. If they merge into one that runs 0, 1, 2 .. to the end, the
    // iterations visit each element of the state once, and can be cut anew at the copy's runs. For a weight [1024, 32]
    // in strips of 16:
    //   runs (1024, 16) (2, 16384) (16, 1):  [r, c] lies at 16 r + 16384 (c / 16) + c % 16
    order.sort_by_key(|&axis| std::cmp::Reverse(access.strides[axis].abs()));
    expression.permute(&order);
    expression.merge_axes();
    let places: usize = copy.runs.iter().map(|&(extent, _)| extent).product();
    let Store { term, ref access, .. } = expression.stores[number];
    if expression.extents != [places] || *access != Affine::axis(1, 0) {
        return None;
    }
    for (axis, &(extent, _)) in copy.runs.iter().enumerate().take(copy.runs.len() - 1) {
        expression.split_axis(axis, extent);
    }
    let (storage, elements) = (copy.to, copy.elements);
    expression.arguments.push(Argument { storage, element: Element::F32, elements, read: false, written: true });
    let access = Affine { offset: 0, strides: copy.runs.iter().map(|&(_, distance)| distance).collect() };
    let argument = expression.arguments.len() - 1;
    expression.stores.push(Store { term, argument, access });
    Some(expression)
}
