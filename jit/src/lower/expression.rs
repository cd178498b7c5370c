//! What a kernel computes at each place of an iteration space: elementwise terms whose leaves are affine accesses to
//! memory. Views (transposes, slices, broadcasts, reversals) have dissolved into the accesses, so that axes can be
//! reordered, dropped and merged without a thought for the graph that the terms came from (`expression/build.rs`).
//! It knows neither loops nor vectors; `expression/emit.rs` writes terms as vector operations.

mod build;
mod emit;
mod strides;

pub use build::{
    ExpressionBuilder, Located, Storage, element, identity, reshape_coordinates, reshape_view, resolve,
    resolve_operand, view_coordinates,
};
pub use emit::{Evaluation, Point, extremum};
pub use strides::Strides;

use kiln_graph::op::{BinaryOp, CompareOp, Scalar, UnaryOp};
use kiln_graph::{DType, Few};

use crate::kernel::Element;

/// `offset + sum of strides[axis] * place along axis`, over the axes of an iteration space.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Affine {
    /// The constant part.
    pub offset: i64,
    /// One factor an axis.
    pub strides: Strides,
}

impl Affine {
    /// The constant 0.
    pub fn zero(rank: usize) -> Affine {
        Affine { offset: 0, strides: Strides::zeros(rank) }
    }

    /// The place along one axis.
    pub fn axis(rank: usize, axis: usize) -> Affine {
        let mut affine = Affine::zero(rank);
        affine.strides[axis] = 1;
        affine
    }

    /// `self + factor * other`.
    pub fn plus(mut self, other: &Affine, factor: i64) -> Affine {
        self.add(other, factor);
        self
    }

    /// Adds `factor * other`.
    pub fn add(&mut self, other: &Affine, factor: i64) {
        self.offset += factor * other.offset;
        self.strides.add(&other.strides, factor);
    }

    /// `self + constant`.
    pub fn shifted(mut self, constant: i64) -> Affine {
        self.offset += constant;
        self
    }

    /// Whether the value is the same everywhere.
    pub fn is_constant(&self) -> bool {
        let strides: &[i64] = &self.strides;
        let mut axis = 0;
        while axis < strides.len() && strides[axis] == 0 {
            axis += 1;
        }
        axis == strides.len()
    }
}

/// A term, by its position in [`Expression::terms`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TermId(pub u32);

impl TermId {
    /// The position.
    // Walks over terms are full of it, and in debug builds it is a call otherwise.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation of an expression; its operands are earlier terms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// An element of an argument.
    Load {
        /// Index into [`Expression::arguments`].
        argument: usize,
        /// The element.
        access: Affine,
    },
    /// A number of the term's type.
    Constant(Scalar),
    /// An affine function of the place, as i32.
    Position(Affine),
    /// What one of the kernel's roots (reductions, a window, a contraction) has computed at this place, by its number.
    Root(usize),
    /// The number at `position` of a random stream.
    Random {
        /// The seed of the stream.
        seed: u64,
        /// Its number.
        stream: u32,
        /// The i32 step counter.
        step: TermId,
        /// The i32 place of the first element in the stream, where that is not its beginning.
        first: Option<TermId>,
        /// The element's position in row-major order.
        position: Affine,
    },
    /// An elementwise function.
    Unary(UnaryOp, TermId),
    /// An elementwise function.
    Binary(BinaryOp, TermId, TermId),
    /// A comparison.
    Compare(CompareOp, TermId, TermId),
    /// `condition ? a : b`.
    Select(TermId, TermId, TermId),
    /// The operand in the term's type.
    Convert(TermId),
}

impl Term {
    /// The operands, in a list without memory of its own: every walk over terms asks for them.
    pub fn operands(&self) -> Few<TermId, 3> {
        match *self {
            Term::Load { .. } | Term::Constant(_) | Term::Position(_) | Term::Root(_) => Few::new(),
            Term::Unary(_, a) | Term::Convert(a) => Few::from_slice(&[a]),
            Term::Random { step, first: None, .. } => Few::from_slice(&[step]),
            Term::Random { step, first: Some(first), .. } => Few::from_slice(&[step, first]),
            Term::Binary(_, a, b) | Term::Compare(_, a, b) => Few::from_slice(&[a, b]),
            Term::Select(a, b, c) => Few::from_slice(&[a, b, c]),
        }
    }

    /// The same term over other operands.
    fn with_operands(&self, of: impl Fn(TermId) -> TermId + Copy) -> Term {
        match *self {
            Term::Load { .. } | Term::Constant(_) | Term::Position(_) | Term::Root(_) => self.clone(),
            Term::Random { seed, stream, step, first, ref position } => {
                let (step, first) = (of(step), first.map(of));
                Term::Random { seed, stream, step, first, position: position.clone() }
            }
            Term::Unary(function, a) => Term::Unary(function, of(a)),
            Term::Convert(a) => Term::Convert(of(a)),
            Term::Binary(function, a, b) => Term::Binary(function, of(a), of(b)),
            Term::Compare(function, a, b) => Term::Compare(function, of(a), of(b)),
            Term::Select(a, b, c) => Term::Select(of(a), of(b), of(c)),
        }
    }

    /// The affine function in a leaf.
    fn affine_mut(&mut self) -> Option<&mut Affine> {
        match self {
            Term::Load { access, .. } => Some(access),
            Term::Position(affine) | Term::Random { position: affine, .. } => Some(affine),
            Term::Constant(_)
            | Term::Root(_)
            | Term::Unary(..)
            | Term::Binary(..)
            | Term::Compare(..)
            | Term::Select(..)
            | Term::Convert(_) => None,
        }
    }

    /// The affine function in a leaf.
    pub fn affine(&self) -> Option<&Affine> {
        match self {
            Term::Load { access, .. } => Some(access),
            Term::Position(affine) | Term::Random { position: affine, .. } => Some(affine),
            Term::Constant(_)
            | Term::Root(_)
            | Term::Unary(..)
            | Term::Binary(..)
            | Term::Compare(..)
            | Term::Select(..)
            | Term::Convert(_) => None,
        }
    }

    /// What the term costs in a vector kernel, an addition being 1: the measure of the plan's decision to compute a
    /// value again rather than to store it.
    pub fn weight(&self) -> u64 {
        match self {
            Term::Load { .. } | Term::Constant(_) | Term::Position(_) | Term::Root(_) => 0,
            Term::Random { .. } => 40,
            Term::Unary(function, _) => function.traits().weight,
            Term::Binary(function, ..) => function.weight(),
            Term::Compare(..) | Term::Select(..) | Term::Convert(_) => 1,
        }
    }
}

/// A place in memory that the kernel reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Argument {
    /// Which memory.
    pub storage: Storage,
    /// The type of its elements.
    pub element: Element,
    /// Its length in elements.
    pub elements: usize,
    /// Whether it is read.
    pub read: bool,
    /// Whether it is written.
    pub written: bool,
}

/// Where a term's value goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Store {
    /// The value.
    pub term: TermId,
    /// Index into [`Expression::arguments`].
    pub argument: usize,
    /// The element.
    pub access: Affine,
}

/// Terms over an iteration space, with the places that some of them are stored to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Expression {
    /// The extents of the iteration space.
    pub extents: Vec<usize>,
    /// Which axes the roots fold away; stores do not vary along them.
    pub folded: Vec<bool>,
    /// Operands come before their users.
    pub terms: Vec<Term>,
    /// The element type of each term.
    pub types: Vec<DType>,
    /// The memory that loads and stores name.
    pub arguments: Vec<Argument>,
    /// What is written.
    pub stores: Vec<Store>,
}

impl Expression {
    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.extents.len()
    }

    /// The number of places along the axes that the predicate names.
    pub fn places(&self, of: impl Fn(usize) -> bool) -> usize {
        (0..self.rank()).filter(|&axis| of(axis)).map(|axis| self.extents[axis]).product()
    }

    /// Whether nothing is to be stored.
    pub fn is_empty(&self) -> bool {
        self.places(|axis| !self.folded[axis]) == 0
    }

    /// Every affine function over the space.
    fn affines_mut(&mut self) -> impl Iterator<Item = &mut Affine> {
        let terms = self.terms.iter_mut().filter_map(Term::affine_mut);
        terms.chain(self.stores.iter_mut().map(|store| &mut store.access))
    }

    /// Every affine function over the space.
    fn affines(&self) -> impl Iterator<Item = &Affine> {
        self.terms.iter().filter_map(Term::affine).chain(self.stores.iter().map(|store| &store.access))
    }

    /// Puts the axes into another order: new axis `i` is old axis `order[i]`. Axes that are not named are
    /// dropped: they have extent 1, or no term varies along them that is needed from then on.
    pub fn permute(&mut self, order: &[usize]) {
        self.extents = order.iter().map(|&axis| self.extents[axis]).collect();
        self.folded = order.iter().map(|&axis| self.folded[axis]).collect();
        for affine in self.affines_mut() {
            affine.strides = order.iter().map(|&axis| affine.strides[axis]).collect();
        }
    }

    /// Drops axes of extent 1 and merges adjacent axes (of the same kind) wherever every access steps through both as
    /// through one.
    pub fn merge_axes(&mut self) {
        // Extents [n, c, h, w] with the strides [c h w, h w, w, 1] everywhere become one axis of n c h w. A bias that
        // is loaded with [0, 1, 0, 0] keeps three: n, c, and h w.
        let kept: Vec<usize> = (0..self.rank()).filter(|&axis| self.extents[axis] != 1).collect();
        self.permute(&kept);
        let mut axis = 0;
        while axis + 1 < self.rank() {
            let inner = self.extents[axis + 1] as i64;
            // A step along the outer axis has to be as long as all steps along the inner one, in every load, store and
            // position.
            let joint = self.folded[axis] == self.folded[axis + 1]
                && self.affines().all(|a| a.strides[axis] == a.strides[axis + 1] * inner);
            if !joint {
                axis += 1;
                continue;
            }
            self.extents[axis + 1] *= self.extents[axis];
            let order: Vec<usize> = (0..self.rank()).filter(|&other| other != axis).collect();
            self.permute(&order);
        }
    }

    /// Cuts an axis in two: `outer` parts, each of the remaining extent. `outer` divides the extent.
    pub fn split_axis(&mut self, axis: usize, outer: usize) {
        let inner = self.extents[axis] / outer;
        debug_assert_eq!(inner * outer, self.extents[axis]);
        self.extents[axis] = inner;
        self.extents.insert(axis, outer);
        let folded = self.folded[axis];
        self.folded.insert(axis, folded);
        for affine in self.affines_mut() {
            let stride = affine.strides[axis];
            affine.strides.insert(axis, stride * inner as i64);
        }
    }

    /// This expression over `start..start + extent` along one axis.
    pub fn restricted(&self, axis: usize, start: usize, extent: usize) -> Expression {
        let mut part = self.clone();
        part.extents[axis] = extent;
        for affine in part.affines_mut() {
            affine.offset += start as i64 * affine.strides[axis];
        }
        part
    }

    /// The terms that the given ones need, themselves included, in order. What a root needs is not among them.
    pub fn needed(&self, roots: impl IntoIterator<Item = TermId>) -> Vec<TermId> {
        let mut needed = vec![false; self.terms.len()];
        roots.into_iter().for_each(|id| needed[id.index()] = true);
        // Operands come before users: backwards, a term is marked before it is looked at.
        for index in (0..self.terms.len()).rev() {
            if needed[index] {
                for &id in &self.terms[index].operands() {
                    needed[id.index()] = true;
                }
            }
        }
        let mut all = Vec::new();
        for (number, needed) in needed.into_iter().enumerate() {
            if needed {
                all.push(TermId(number as u32));
            }
        }
        all
    }

    /// Appends a term.
    pub fn push(&mut self, term: Term, dtype: DType) -> TermId {
        self.terms.push(term);
        self.types.push(dtype);
        TermId(self.terms.len() as u32 - 1)
    }

    /// Removes the terms and arguments that neither the stores nor the given terms need, and says what has become of
    /// them.
    pub fn prune(&mut self, values: &[TermId]) -> Vec<TermId> {
        let needed = self.needed(self.stores.iter().map(|store| store.term).chain(values.iter().copied()));
        // Terms move up to fill the gaps and keep their order, so that operands still come before their users.
        let mut places = vec![TermId(u32::MAX); self.terms.len()];
        needed.iter().enumerate().for_each(|(new, old)| places[old.index()] = TermId(new as u32));
        let at = |id: TermId| places[id.index()];
        self.types = needed.iter().map(|id| self.types[id.index()]).collect();
        self.terms = needed.iter().map(|id| self.terms[id.index()].with_operands(at)).collect();
        self.stores.iter_mut().for_each(|store| store.term = at(store.term));

        let mut numbers = vec![None; self.arguments.len()];
        let loads = self.terms.iter_mut().filter_map(|term| match term {
            Term::Load { argument, .. } => Some(argument),
            _ => None,
        });
        let mut kept = Vec::new();
        for argument in loads.chain(self.stores.iter_mut().map(|store| &mut store.argument)) {
            *argument = *numbers[*argument].get_or_insert_with(|| {
                kept.push(self.arguments[*argument].clone());
                kept.len() - 1
            });
        }
        self.arguments = kept;
        for (number, argument) in self.arguments.iter_mut().enumerate() {
            let reads = |term: &Term| matches!(term, Term::Load { argument, .. } if *argument == number);
            argument.read = self.terms.iter().any(reads);
            argument.written = self.stores.iter().any(|store| store.argument == number);
        }
        values.iter().map(|&value| at(value)).collect()
    }

    /// The cost of the terms at one place.
    pub fn weight(&self, roots: impl IntoIterator<Item = TermId>) -> u64 {
        self.needed(roots).iter().map(|id| self.terms[id.index()].weight()).sum()
    }

    /// Whether all that is stored was loaded from where it goes, so that nothing is left to do.
    pub fn is_there(&self) -> bool {
        // The place along an axis of one place does not matter.
        let same = |a: &Affine, b: &Affine| {
            let along = |axis: usize| self.extents[axis] == 1 || a.strides[axis] == b.strides[axis];
            a.offset == b.offset && (0..self.rank()).all(along)
        };
        self.stores.iter().all(|store| match &self.terms[store.term.index()] {
            Term::Load { argument, access } => *argument == store.argument && same(access, &store.access),
            _ => false,
        })
    }

    /// Pairs of arguments `(written, read)` of one length where the one is written at the places at which the other is
    /// read, and neither is touched elsewhere: if each place is computed once, they may be one piece of memory.
    pub fn in_place(&self) -> Vec<(Storage, Storage)> {
        let mut pairs = Vec::new();
        for store in &self.stores {
            let to = &self.arguments[store.argument];
            // `y = relu(x)` may be written over x, since each element is loaded before its place is written. `y = x +
            // reverse(x)` may not: it loads x elsewhere, too.
            let once = self.stores.iter().filter(|other| other.argument == store.argument).count() == 1;
            for (number, from) in self.arguments.iter().enumerate() {
                let elsewhere = |term: &Term| match term {
                    Term::Load { argument, access } => *argument == number && *access != store.access,
                    _ => false,
                };
                let as_long = from.elements == to.elements && from.element.bytes() == to.element.bytes();
                let fits = once && !to.read && from.read && !from.written && as_long;
                if fits && !self.terms.iter().any(elsewhere) {
                    pairs.push((to.storage, from.storage));
                }
            }
        }
        pairs
    }

    /// Floating-point operations of an elementwise kernel: one for each term of weight at each place.
    pub fn flops(&self) -> u64 {
        let arithmetic = self.terms.iter().filter(|term| term.weight() > 0).count() as u64;
        arithmetic * self.places(|_| true) as u64
    }

    /// Bytes that the loads and stores touch at least.
    pub fn bytes(&self) -> u64 {
        // Each element once, however often the loops come by: a bias along c counts c elements.
        let touched = |argument: usize, affine: &Affine| {
            (self.arguments[argument].element.bytes() * self.places(|axis| affine.strides[axis] != 0)) as u64
        };
        let mut loads: Vec<(usize, &Affine)> = Vec::new();
        for term in &self.terms {
            if let Term::Load { argument, access } = term
                && !loads.contains(&(*argument, access))
            {
                loads.push((*argument, access));
            }
        }
        loads.iter().map(|&(argument, access)| touched(argument, access)).sum::<u64>()
            + self.stores.iter().map(|store| touched(store.argument, &store.access)).sum::<u64>()
    }
}
