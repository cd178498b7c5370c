//! Strength-reduced addressing, shared by the emitters: which running positions each loop keeps, and where an access
//! stands relative to one of them. It knows the kernel IR alone.
//!
//! Accesses to one buffer whose indices have the same loop terms share a **place**: a position that is computed once
//! where its last variable becomes known and then moves by a constant with every iteration of that variable's loop.
//! What is left of the access is a constant displacement. The places of an index with terms `t0, t1, t2` (outermost
//! loop first) form a chain: the buffer itself, `+ t0`, `+ t0 + t1`, ..; each loop's places start from the outer
//! loop's.

use kiln_graph::Few;

use crate::kernel::{BufferId, Index, Kernel, Operation, Statement, Variable};

/// A place, by its position in [`Addresses::places`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlaceId(pub u32);

/// What a chain of places starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The address of a buffer; its places move in bytes.
    Buffer(BufferId),
    /// 0: the value of an affine expression, in units.
    Zero,
}

/// A running position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The start of a chain.
    Root(Base),
    /// An outer place moved along a loop.
    Step {
        /// The place at the loop's first iteration.
        outer: PlaceId,
        /// The loop's variable.
        variable: Variable,
        /// How far an iteration moves it, in bytes (affine values: in units); not 0.
        stride: i64,
    },
}

/// A term of an index: its variable, its stride in the base's units, and the depth behind its loop.
type Outermost = (Variable, i64, u32);

/// All places of a kernel.
#[derive(Debug)]
pub struct Addresses {
    places: Vec<Place>,
    /// The chain that starts from each buffer, the last from 0: its root.
    roots: Vec<Option<PlaceId>>,
    /// Of each place, the places one step further.
    next: Vec<Few<PlaceId, 4>>,
    /// The places that move with each variable, by variable.
    moving: Vec<Vec<PlaceId>>,
    /// How many loops are around each variable's own.
    depths: Vec<u32>,
    /// The bytes of each buffer's elements.
    sizes: Vec<i64>,
}

impl Addresses {
    /// Finds the places that a checked kernel needs.
    pub fn new(kernel: &Kernel) -> Addresses {
        let mut addresses = Addresses {
            places: Vec::new(),
            roots: vec![None; kernel.buffers.len() + 1],
            next: Vec::new(),
            moving: vec![Vec::new(); kernel.variables as usize],
            depths: (0..kernel.variables).collect(),
            sizes: kernel.buffers.iter().map(|buffer| buffer.element.bytes() as i64).collect(),
        };
        addresses.block(&kernel.body, kernel.grid.len() as u32);
        addresses
    }

    fn block(&mut self, body: &[Statement], depth: u32) {
        for statement in body {
            if let Some((buffer, index)) = statement.place() {
                self.chain(Base::Buffer(buffer), index);
                continue;
            }
            match statement {
                Statement::Let(_, Operation::Affine(index)) => self.chain(Base::Zero, index),
                Statement::For(l) => {
                    self.depths[l.variable.0 as usize] = depth;
                    self.block(&l.body, depth + 1);
                }
                Statement::Let(..) | Statement::Store { .. } | Statement::Prefetch { .. } | Statement::Tile(_) => (),
            }
        }
    }

    /// Makes the places of an index that are not there yet.
    fn chain(&mut self, base: Base, index: &Index) {
        let root = self.root(base);
        let mut id = match self.roots[root] {
            Some(id) => id,
            None => {
                let id = self.add(Place::Root(base));
                self.roots[root] = Some(id);
                id
            }
        };
        let (unit, mut depth) = (self.unit(base), 0);
        while let (outer, Some((variable, stride, behind))) = self.walk((id, depth), unit, index) {
            id = self.add(Place::Step { outer, variable, stride });
            self.next[outer.0 as usize].push(id);
            self.moving[variable.0 as usize].push(id);
            depth = behind;
        }
    }

    /// As far along the chain of an index as there are places, from a place and a depth on: the last one, and the term
    /// that would be next.
    fn walk(&self, (mut id, mut depth): (PlaceId, u32), unit: i64, index: &Index) -> (PlaceId, Option<Outermost>) {
        while let Some(term) = self.outermost(unit, index, depth) {
            let Some(further) = self.further(id, term.0, term.1) else { return (id, Some(term)) };
            (id, depth) = (further, term.2);
        }
        (id, None)
    }

    fn add(&mut self, place: Place) -> PlaceId {
        self.places.push(place);
        self.next.push(Few::new());
        PlaceId(self.places.len() as u32 - 1)
    }

    /// Where the root of a base's chain stands in the list of roots.
    fn root(&self, base: Base) -> usize {
        match base {
            Base::Buffer(buffer) => buffer.0 as usize,
            Base::Zero => self.sizes.len(),
        }
    }

    /// The place that is one step further than another one, if there is one. This is asked for each term of each
    /// access, by emitters more than once. As many places go on from one as there are steps, by variable and stride,
    /// that the kernel's accesses take from there: mostly one, at most four in all plans of `jit/tests/plans`
    /// (2026-11-30), and a map's look costs more than to compare them.
    fn further(&self, from: PlaceId, variable: Variable, stride: i64) -> Option<PlaceId> {
        let (next, places) = (self.next[from.0 as usize].as_slice(), self.places.as_slice());
        let mut number = 0;
        while number < next.len() {
            if let Place::Step { variable: along, stride: by, .. } = places[next[number].0 as usize]
                && along.0 == variable.0
                && by == stride
            {
                return Some(next[number]);
            }
            number += 1;
        }
        None
    }

    /// Of the terms of an index that of the outermost loop from a depth on. Each has a depth of its own, so that n of
    /// them are found in order by n + 1 looks through all. They are no more than the loops around the access, and for
    /// so few that is less than to sort them.
    fn outermost(&self, unit: i64, index: &Index, from: u32) -> Option<Outermost> {
        let (terms, depths) = (index.terms.as_slice(), self.depths.as_slice());
        let mut found = None;
        let mut least = u32::MAX;
        let mut number = 0;
        while number < terms.len() {
            let (variable, stride) = terms[number];
            let depth = depths[variable.0 as usize];
            if depth >= from && depth < least && stride * unit != 0 {
                (found, least) = (Some((variable, stride * unit, depth + 1)), depth);
            }
            number += 1;
        }
        found
    }

    /// All places; a place comes after the one that it moves.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The places that move with a variable.
    pub fn moving(&self, variable: Variable) -> &[PlaceId] {
        &self.moving[variable.0 as usize]
    }

    /// Where an index of the kernel stands: its place and its distance from it, in bytes (affine values: in units). A
    /// run-time row is not counted.
    pub fn locate(&self, base: Base, index: &Index) -> (PlaceId, i64) {
        let root = self.roots[self.root(base)].expect("a base of the kernel's accesses");
        let unit = self.unit(base);
        let (id, lacking) = self.walk((root, 0), unit, index);
        assert!(lacking.is_none(), "a place of the kernel's accesses");
        (id, index.offset * unit)
    }

    /// The size of an element in the units in which places of a base move.
    pub fn unit(&self, base: Base) -> i64 {
        match base {
            Base::Buffer(buffer) => self.sizes[buffer.0 as usize],
            Base::Zero => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Access, Element, KernelBuilder};

    #[test]
    fn unrolled_rows_share_a_place() {
        let mut b = KernelBuilder::new("k", 4);
        let x = b.buffer("x", Element::F32, 1000, Access::Read);
        let i = b.grid(2);
        b.for_each(3, &[], |b, j, _| {
            for row in 0..4 {
                b.load(x, Index::of(j, 4).plus(i, 100).shifted(20 * row));
            }
            b.load(x, Index::of(j, 8));
            b.load(x, Index::of(i, 100));
            Vec::new()
        });
        let kernel = b.finish();
        let addresses = Addresses::new(&kernel);
        let root = PlaceId(0);
        let expected = [
            Place::Root(Base::Buffer(x)),
            Place::Step { outer: root, variable: i, stride: 400 },
            Place::Step { outer: PlaceId(1), variable: Variable(1), stride: 16 },
            Place::Step { outer: root, variable: Variable(1), stride: 32 },
        ];
        assert_eq!(addresses.places(), expected);
        assert_eq!(addresses.moving(Variable(1)), [PlaceId(2), PlaceId(3)]);
        let row = Index::of(i, 100).plus(Variable(1), 4).shifted(60);
        assert_eq!(addresses.locate(Base::Buffer(x), &row), (PlaceId(2), 240));
    }
}
