//! From nodes of a graph to terms of an [`Expression`]: walks up from a node through elementwise operations and views
//! until it meets values that lie in memory, and keeps equal terms once. It knows graphs and layouts; it knows no
//! target, no lanes and no loops.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::rc::Rc;

use kiln_graph::op::{BinaryOp, CompareOp, Scalar};
use kiln_graph::shape::MAX_RANK;
use kiln_graph::{DType, Graph, NodeId, Op, Pairs, Shape};
use rustc_hash::FxBuildHasher;

use super::{Affine, Argument, Expression, Store, Term, TermId};
use crate::kernel::Element;
use crate::layout::Layout;

/// A piece of memory before it has an offset; numbered by the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Storage(pub u32);

/// A value that lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The memory.
    pub storage: Storage,
    /// The element type of the value.
    pub dtype: DType,
    /// How the value lies there.
    pub layout: Layout,
}

/// How values of a type lie in memory. Booleans are i32, 0 or 1; in registers they are masks.
pub fn element(dtype: DType) -> Element {
    match dtype {
        DType::F32 => Element::F32,
        DType::Bf16 => Element::Bf16,
        DType::U8 => Element::U8,
        DType::I8 => Element::I8,
        DType::I32 | DType::Bool => Element::I32,
    }
}

/// The place along each axis of a shape, in a space of these axes.
pub fn identity(rank: usize) -> Vec<Affine> {
    (0..rank).map(|axis| Affine::axis(rank, axis)).collect()
}

/// The position of a place in row-major order.
pub fn row_major(shape: Shape, coordinates: &[Affine], rank: usize) -> Affine {
    shape.dims().iter().zip(coordinates).fold(Affine::zero(rank), |position, (&extent, coordinate)| {
        Affine::zero(rank).plus(&position, extent as i64).plus(coordinate, 1)
    })
}

/// A node and the number of the place at which it was met.
type Met = (NodeId, usize);

/// As a key of a table.
fn key((id, place): Met) -> (u32, u32) {
    (id.0, place as u32)
}

/// An operand whose term is not known yet.
struct Missing(Met);

/// Writes an expression over a space of the given extents.
pub struct ExpressionBuilder<'a> {
    graph: &'a Graph,
    /// Where a node lies in memory, if it does.
    located: &'a dyn Fn(NodeId) -> Option<Located>,
    /// The nodes that the kernel's roots compute, each with the place at which it does.
    roots: Vec<(NodeId, Vec<Affine>)>,
    expression: Expression,
    /// The axes of the space that have one place.
    single: Vec<usize>,
    /// The terms by a hash and how many others have it that were there before.
    terms: Pairs,
    /// The places at which nodes were met, and the nodes, each with the number of its place.
    places: Vec<Rc<[Affine]>>,
    nodes: Pairs,
}

impl<'a> ExpressionBuilder<'a> {
    /// An empty expression; none of the axes is folded.
    pub fn new(
        graph: &'a Graph,
        located: &'a dyn Fn(NodeId) -> Option<Located>,
        extents: Vec<usize>,
    ) -> ExpressionBuilder<'a> {
        let folded = vec![false; extents.len()];
        let single = (0..extents.len()).filter(|&axis| extents[axis] == 1).collect();
        let expression = Expression { extents, folded, ..Expression::default() };
        ExpressionBuilder {
            graph,
            located,
            roots: Vec::new(),
            expression,
            single,
            terms: Pairs::default(),
            places: Vec::new(),
            nodes: Pairs::default(),
        }
    }

    /// Marks axes as folded by the root.
    pub fn fold(&mut self, axes: impl IntoIterator<Item = usize>) {
        axes.into_iter().for_each(|axis| self.expression.folded[axis] = true);
    }

    /// Says which node the kernel's next root computes, and where in the space its element `coordinates` is known.
    pub fn root(&mut self, node: NodeId, coordinates: Vec<Affine>) {
        let coordinates = self.canonical(node, &coordinates).into_owned();
        self.roots.push((node, coordinates));
    }

    /// Functions of the place that do not mention axes of one place, and are 0 where the node has a single index (which
    /// a window over padding reaches by another function).
    fn canonical<'c>(&self, node: NodeId, coordinates: &'c [Affine]) -> Cow<'c, [Affine]> {
        let (shape, single) = (self.graph.shape(node), self.single.as_slice());
        let dims = shape.dims();
        let mut canonical = Cow::Borrowed(coordinates);
        let mut next = 0;
        while next < coordinates.len() {
            let (axis, coordinate) = (next, &coordinates[next]);
            next += 1;
            // Along an axis of one index all that may be read is at 0, whether it is reached as 0, i or 2 i + k - 1.
            // Nodes are known by their places, so a place has one spelling.
            if dims[axis] == 1 {
                if coordinate.offset != 0 || !coordinate.is_constant() {
                    canonical.to_mut()[axis] = Affine::zero(self.rank());
                }
                continue;
            }
            for &along in single {
                if coordinate.strides[along] != 0 {
                    canonical.to_mut()[axis].strides[along] = 0;
                }
            }
        }
        canonical
    }

    fn rank(&self) -> usize {
        self.expression.rank()
    }

    /// The argument for a piece of memory.
    pub fn argument(&mut self, storage: Storage, dtype: DType, elements: usize) -> usize {
        let arguments = &mut self.expression.arguments;
        // One buffer for each piece of memory, though two values share it (a state and its new value): whoever looks
        // for conflicts compares accesses of one argument.
        if let Some(index) = arguments.iter().position(|argument| argument.storage == storage) {
            return index;
        }
        arguments.push(Argument { storage, element: element(dtype), elements, read: false, written: false });
        arguments.len() - 1
    }

    /// A term, shared with an equal one.
    pub fn push(&mut self, term: Term, dtype: DType) -> TermId {
        let expression = &mut self.expression;
        let mut key = (FxBuildHasher.hash_one((&term, dtype)) as u32, 0);
        while let Some(known) = self.terms.get(key) {
            let index = known as usize;
            if expression.types[index] == dtype && expression.terms[index] == term {
                return TermId(known);
            }
            key.1 += 1;
        }
        let new = expression.terms.len() as u32;
        expression.terms.push(term);
        expression.types.push(dtype);
        self.terms.insert(key, new);
        TermId(new)
    }

    /// An element of a value in memory.
    pub fn load(&mut self, from: Located, coordinates: &[Affine]) -> TermId {
        let argument = self.argument(from.storage, from.dtype, from.layout.elements);
        self.expression.arguments[argument].read = true;
        let access = self.access(&from.layout, coordinates);
        self.push(Term::Load { argument, access }, from.dtype)
    }

    /// The argument for a value that the kernel reads or writes by itself, and the element at a place.
    pub fn place(&mut self, value: Located, coordinates: &[Affine], read: bool, written: bool) -> (usize, Affine) {
        let argument = self.argument(value.storage, value.dtype, value.layout.elements);
        let entry = &mut self.expression.arguments[argument];
        entry.read |= read;
        entry.written |= written;
        (argument, self.access(&value.layout, coordinates))
    }

    fn access(&self, layout: &Layout, coordinates: &[Affine]) -> Affine {
        // element = offset + sum of stride * coordinate, where a coordinate is itself affine in the axes of the space:
        // all views that lie between have dissolved into these strides.
        let mut access = Affine::zero(self.rank()).shifted(layout.offset as i64);
        for (axis, coordinate) in coordinates.iter().enumerate() {
            access.add(coordinate, layout.strides[axis]);
        }
        access
    }

    /// Stores a term at a place of a value in memory.
    pub fn store(&mut self, term: TermId, to: Located, coordinates: &[Affine]) {
        let argument = self.argument(to.storage, to.dtype, to.layout.elements);
        self.expression.arguments[argument].written = true;
        let access = self.access(&to.layout, coordinates);
        self.expression.stores.push(Store { term, argument, access });
    }

    /// The finished expression.
    pub fn finish(self) -> Expression {
        self.expression
    }

    /// The value of a node at the given place, one affine function for each of its axes.
    ///
    /// # Panics
    /// If the walk meets a node that is neither in memory, nor elementwise, nor a view: the fusion has to store those.
    pub fn node(&mut self, id: NodeId, coordinates: &[Affine]) -> TermId {
        // A stack of its own in place of recursion: the top node's term is asked for; an operand that is not known yet
        // goes on top and is found when the node is asked again.
        let wanted = self.met(id, coordinates);
        // Each node waits for those before it that are behind it here; graphs are deeper than stacks.
        let mut open = vec![wanted];
        while let Some(&met) = open.last() {
            if self.nodes.get(key(met)).is_some() {
                open.pop();
                continue;
            }
            match self.term(met) {
                Ok(term) => {
                    self.nodes.insert(key(met), term.0);
                    open.pop();
                }
                Err(Missing(operand)) => open.push(operand),
            }
        }
        TermId(self.nodes.get(key(wanted)).expect("it was found"))
    }

    /// A node with the number of its place.
    fn met(&mut self, id: NodeId, coordinates: &[Affine]) -> Met {
        let place = self.canonical(id, coordinates);
        // Most nodes of an expression are met at one of a few places.
        let (wanted, places) = (&*place, self.places.as_slice());
        let mut number = 0;
        while number < places.len() {
            if *places[number] == *wanted {
                return (id, number);
            }
            number += 1;
        }
        self.places.push(place.into());
        (id, self.places.len() - 1)
    }

    /// The term of an operand, if it is known already.
    fn operand(&mut self, id: NodeId, coordinates: &[Affine]) -> Result<TermId, Missing> {
        let (id, place) = self.met(id, coordinates);
        self.beside(id, place)
    }

    /// As [`Self::operand`], of an operand that has its user's shape, and so the same place by the same number.
    fn beside(&self, id: NodeId, place: usize) -> Result<TermId, Missing> {
        self.nodes.get(key((id, place))).map(TermId).ok_or(Missing((id, place)))
    }

    /// The term of a node, or the first of its operands whose term is not known yet. What was pushed for the operands
    /// before that is found again, as equal terms are kept once.
    fn term(&mut self, (id, place): Met) -> Result<TermId, Missing> {
        let coordinates = &*self.places[place].clone();
        if let Some(number) = self.roots.iter().position(|(root, _)| *root == id) {
            // A root's result is in a register, for this place alone: a sum of products of another pixel can not be had
            // here.
            assert_eq!(self.roots[number].1, coordinates, "a root is known at one place");
            return Ok(self.push(Term::Root(number), self.graph.ty(id).dtype));
        }
        // Before the operation is looked at: what another group stored is loaded, not computed again.
        if let Some(located) = (self.located)(id) {
            return Ok(self.load(located, coordinates));
        }
        let graph = self.graph;
        let node = graph.node(id);
        let dtype = node.ty.dtype;
        let rank = self.rank();
        let operand = |index: usize| node.inputs[index];
        let term = match node.op {
            Op::Constant(value) => Term::Constant(value),
            Op::Iota { axis, .. } => Term::Position(coordinates[axis].clone()),
            Op::Random { shape, seed, stream } => {
                let step = self.operand(operand(0), &[])?;
                let first = node.inputs.get(1).map(|&first| self.operand(first, &[])).transpose()?;
                let position = row_major(shape, coordinates, rank);
                Term::Random { seed, stream, step, first, position }
            }
            Op::Unary(function) => Term::Unary(function, self.beside(operand(0), place)?),
            Op::Binary(function) => {
                let a = self.beside(operand(0), place)?;
                let b = self.beside(operand(1), place)?;
                Term::Binary(function, a, b)
            }
            Op::Compare(function) => {
                let a = self.beside(operand(0), place)?;
                let b = self.beside(operand(1), place)?;
                Term::Compare(function, a, b)
            }
            Op::Select => {
                let condition = self.beside(operand(0), place)?;
                let a = self.beside(operand(1), place)?;
                let b = self.beside(operand(2), place)?;
                Term::Select(condition, a, b)
            }
            Op::Convert(_) => {
                let a = self.beside(operand(0), place)?;
                // A conversion to the type that it has is none.
                if graph.ty(operand(0)).dtype == dtype {
                    return Ok(a);
                }
                Term::Convert(a)
            }
            Op::ScatterAdd { axis, extent } => return self.scattered(id, axis, extent, coordinates),
            _ if node.op.is_view() => {
                // Views are no terms: the operand is asked at another place. What merges axes has no affine place
                // there, but where the value lies dense it has a layout of the new shape.
                if let Some(at) = view_coordinates(graph, id, coordinates, rank) {
                    return self.operand(operand(0), &at);
                }
                let located = resolve(graph, id, self.located).expect("a reshape of a value in memory");
                return Ok(self.load(located, coordinates));
            }
            _ => unreachable!("{id} has a kernel of its own and lies in memory"),
        };
        Ok(self.push(term, dtype))
    }

    /// A scatter of few updates along its axis, seen from the place that receives them: the sum over the updates `j` of
    /// `place == index[j] ? update[j] : 0`, indices clamped.
    fn scattered(&mut self, id: NodeId, axis: usize, extent: usize, coordinates: &[Affine]) -> Result<TermId, Missing> {
        let graph = self.graph;
        let node = graph.node(id);
        let place = self.push(Term::Position(coordinates[axis].clone()), DType::I32);
        let zero = self.push(Term::Constant(Scalar(0.0)), DType::F32);
        let first = self.push(Term::Constant(Scalar(0.0)), DType::I32);
        let last = self.push(Term::Constant(Scalar(extent as f64 - 1.0)), DType::I32);
        let mut sum = None;
        for j in 0..graph.shape(node.inputs[0]).dim(axis) {
            let mut at = coordinates.to_vec();
            at[axis] = Affine::zero(self.rank()).shifted(j as i64);
            let index = self.operand(node.inputs[0], &at)?;
            let index = self.push(Term::Binary(BinaryOp::Max, index, first), DType::I32);
            let index = self.push(Term::Binary(BinaryOp::Min, index, last), DType::I32);
            let update = self.operand(node.inputs[1], &at)?;
            let here = self.push(Term::Compare(CompareOp::Eq, place, index), DType::Bool);
            let part = self.push(Term::Select(here, update, zero), DType::F32);
            sum = Some(match sum {
                None => part,
                Some(sum) => self.push(Term::Binary(BinaryOp::Add, sum, part), DType::F32),
            });
        }
        Ok(sum.unwrap_or(zero))
    }
}

/// The place in a view's operand of the element at a place of the view; `None` where that is not affine (a reshape that
/// merges axes).
pub fn view_coordinates(graph: &Graph, id: NodeId, coordinates: &[Affine], rank: usize) -> Option<Vec<Affine>> {
    let node = graph.node(id);
    let from = graph.shape(node.inputs[0]);
    match node.op {
        // Axis `axis` of the view is axis `permutation[axis]` of the operand.
        Op::Transpose(permutation) => {
            let mut at = vec![Affine::zero(rank); from.rank()];
            (0..from.rank()).for_each(|axis| at[permutation[axis] as usize] = coordinates[axis].clone());
            Some(at)
        }
        Op::Broadcast(shape) => {
            let mut at = vec![Affine::zero(rank); from.rank()];
            let (of_from, of_shape, places) = (from.dims(), shape.dims(), at.as_mut_slice());
            let mut axis = 0;
            while axis < of_from.len() {
                if of_from[axis] == of_shape[axis] {
                    places[axis] = coordinates[axis].clone();
                }
                axis += 1;
            }
            Some(at)
        }
        Op::Slice(ref slice) => Some(
            (0..from.rank())
                .map(|axis| {
                    let start = Affine::zero(rank).shifted(slice.start[axis] as i64);
                    start.plus(&coordinates[axis], slice.step[axis] as i64)
                })
                .collect(),
        ),
        Op::Reverse(axes) => Some(
            (0..from.rank())
                .map(|axis| match axes.contains(axis) {
                    true => Affine::zero(rank).shifted(from.dim(axis) as i64 - 1).plus(&coordinates[axis], -1),
                    false => coordinates[axis].clone(),
                })
                .collect(),
        ),
        Op::Reshape(shape) => reshape_coordinates(from, shape, coordinates, rank),
        Op::Detach => Some(coordinates.to_vec()),
        _ => unreachable!("{id} is no view"),
    }
}

/// Shows the blocks of axes over which two shapes of as many elements agree, `(axes of a, axes of b)` with equal
/// products, as long as it is told to go on; says whether it was to the end.
fn reshape_blocks(a: Shape, b: Shape, mut show: impl FnMut(&[usize], &[usize]) -> bool) -> bool {
    let (mut left, mut right) = ([0; MAX_RANK], [0; MAX_RANK]);
    let (lefts, rights) = (significant(a, &mut left), significant(b, &mut right));
    let (a, b) = (a.dims(), b.dims());
    let (mut i, mut j) = (0, 0);
    while i < lefts && j < rights {
        let (first, second) = (i, j);
        let (mut p, mut q) = (a[left[i]], b[right[j]]);
        (i, j) = (i + 1, j + 1);
        // [2, 3, 4] and [6, 4]: the products 2 and 6 differ, so the smaller side takes another axis: 2 * 3 = 6. Blocks
        // are ([0, 1], [0]) and ([2], [1]).
        while p != q {
            if p < q {
                p *= a[left[i]];
                i += 1;
            } else {
                q *= b[right[j]];
                j += 1;
            }
        }
        if !show(&left[first..i], &right[second..j]) {
            return false;
        }
    }
    true
}

/// Writes down the axes of more than one place; says how many these are.
fn significant(shape: Shape, axes: &mut [usize; MAX_RANK]) -> usize {
    let dims = shape.dims();
    let (mut axis, mut count) = (0, 0);
    while axis < dims.len() {
        if dims[axis] != 1 {
            axes[count] = axis;
            count += 1;
        }
        axis += 1;
    }
    count
}

/// Where in `from` the element of its reshape `to` at a place lies, if each axis of `from` is made of whole axes of
/// `to`.
pub fn reshape_coordinates(from: Shape, to: Shape, coordinates: &[Affine], rank: usize) -> Option<Vec<Affine>> {
    let mut at = vec![Affine::zero(rank); from.rank()];
    if from.elements() == 0 {
        return Some(at);
    }
    if from == to {
        let (dims, places) = (from.dims(), at.as_mut_slice());
        let mut axis = 0;
        while axis < dims.len() {
            if dims[axis] != 1 {
                places[axis] = coordinates[axis].clone();
            }
            axis += 1;
        }
        return Some(at);
    }
    let is_affine = reshape_blocks(from, to, |ours, theirs| {
        // Several axes of `from` in one block mean that a place of `to` would have to be divided to find them.
        let &[axis] = ours else { return false };
        let mut position = coordinates[theirs[0]].clone();
        for &other in &theirs[1..] {
            position = Affine::zero(rank).plus(&position, to.dim(other) as i64).plus(&coordinates[other], 1);
        }
        at[axis] = position;
        true
    });
    is_affine.then_some(at)
}

/// How a value that lies in a layout lies there under another shape, if strides can say it.
pub fn reshape_view(layout: &Layout, from: Shape, to: Shape) -> Option<Layout> {
    let mut strides = [0; MAX_RANK];
    if from.elements() == 0 {
        return Some(Layout { strides, ..*layout });
    }
    let dense_ones = reshape_blocks(from, to, |ours, theirs| {
        // Only within a block do axes have to be dense: [n, c, h, w] with a halo around h and w still flattens n and c.
        let dense =
            ours.windows(2).all(|pair| layout.strides[pair[0]] == layout.strides[pair[1]] * from.dim(pair[1]) as i64);
        if !dense {
            return false;
        }
        let mut stride = layout.strides[*ours.last().expect("a block has axes")];
        for &axis in theirs.iter().rev() {
            strides[axis] = stride;
            stride *= to.dim(axis) as i64;
        }
        true
    });
    dense_ones.then_some(Layout { strides, ..*layout })
}

/// Where a node lies: its own memory, or that of the value that it is a view of.
pub fn resolve(graph: &Graph, id: NodeId, located: &dyn Fn(NodeId) -> Option<Located>) -> Option<Located> {
    lies(graph, id, located, false)
}

/// The same of an operand of a product, which may be rounded to bf16 as it is read: then the f32 that is rounded lies there.
pub fn resolve_operand(graph: &Graph, id: NodeId, located: &dyn Fn(NodeId) -> Option<Located>) -> Option<Located> {
    lies(graph, id, located, true)
}

fn lies(graph: &Graph, id: NodeId, located: &dyn Fn(NodeId) -> Option<Located>, rounds: bool) -> Option<Located> {
    let mut views = Vec::new();
    let mut at = id;
    let mut found = loop {
        if let Some(found) = located(at) {
            break found;
        }
        let node = graph.node(at);
        match node.op {
            Op::Convert(DType::Bf16) if rounds => {}
            _ if node.op.is_view() => views.push(at),
            _ => return None,
        }
        at = node.inputs[0];
    };
    // From the value in memory up to the node, one view after the other, each a layout of the one below.
    for view in views.into_iter().rev() {
        let layout = through_view(graph, view, &found.layout)?;
        found = Located { layout, ..found };
    }
    Some(found)
}

/// How a view lies of a value that lies in a layout, if strides can say it.
fn through_view(graph: &Graph, view: NodeId, below: &Layout) -> Option<Layout> {
    let node = graph.node(view);
    let shape = node.ty.shape;
    if let Op::Reshape(_) = node.op {
        return reshape_view(below, graph.shape(node.inputs[0]), shape);
    }
    let rank = shape.rank();
    let at = view_coordinates(graph, view, &identity(rank), rank)?;
    let start = Affine::zero(rank).shifted(below.offset as i64);
    let access = at.iter().zip(below.strides).fold(start, |access, (c, stride)| access.plus(c, stride));
    let mut strides = [0; MAX_RANK];
    strides[..rank].copy_from_slice(&access.strides);
    let offset = usize::try_from(access.offset).expect("a view's first element lies in its buffer");
    Some(Layout { offset, strides, ..*below })
}
