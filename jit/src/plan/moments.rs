//! Which moments are taken by the contraction whose results they sum: those of a tensor that a contraction stores, if it is long
//! enough that reading it again costs more than a few operations on each vector in registers. The reduction then merges what
//! the contraction's tasks have found. It knows groups; how moments are taken is `lower/moments.rs`.

use kiln_graph::NodeId;
use kiln_graph::op::{Op, ReduceOp};
use rustc_hash::FxHashMap;

use super::assemble::Assembly;
use super::fuse::{Fusion, Group};
use super::{Part, groups};
use crate::lower::expression::{Affine, Expression, Storage, TermId};
use crate::lower::moments::{Moments, Rows};

/// A tensor is summed by the contraction that computes it where it fills the second-level cache so many times: below that, a
/// pass of its own is as fast.
const CACHES: usize = 4;

/// The tensors whose moments a contraction takes, by the memory that holds them.
#[derive(Debug, Default)]
pub(super) struct Taken {
    tensors: FxHashMap<Storage, Tensor>,
}

/// A tensor as its reduction reads it.
#[derive(Debug)]
struct Tensor {
    extents: Vec<usize>,
    access: Affine,
    axis: usize,
    /// Its reductions.
    parts: Vec<Part>,
    /// Once the contraction is lowered, if it can take moments.
    rows: Option<Rows>,
}

impl Taken {
    /// Those that are worth it.
    pub fn choose(assembly: &Assembly<'_>, fusion: &Fusion) -> Taken {
        let graph = assembly.graph;
        let op = |group: &Group| group.root().map(|root| graph.node(root).op);
        let mut taken = Taken::default();
        for group in &fusion.groups {
            let Some(Op::Reduce { axes, .. }) = op(group) else { continue };
            let operand = graph.shape(graph.node(group.roots[0]).inputs[0]);
            if 4 * operand.elements() < CACHES * assembly.target.l2_bytes {
                continue;
            }
            let (expression, values) = groups::reductions(assembly, group, axes);
            let Some(moments) = Moments::find(&expression, &values) else { continue };
            let Moments { of, access, axis, .. } = moments;
            let part =
                |&root: &NodeId| Part { scope: graph.node(root).scope, operation: graph.node(root).op.mnemonic() };
            let parts = group.roots.iter().map(part).collect();
            let tensor = Tensor { extents: expression.extents, access, axis, parts, rows: None };
            taken.tensors.entry(of).or_insert(tensor);
        }
        let mut stored = FxHashMap::default();
        for group in &fusion.groups {
            if let Some(Op::Dot | Op::Conv(_) | Op::ConvGradInput { .. }) = op(group) {
                let located =
                    |&id| assembly.located(id).map(|located| (located.storage, (graph.shape(id), located.layout)));
                stored.extend(group.stores.iter().filter_map(located));
            }
        }
        taken.tensors.retain(|&storage, tensor| {
            let whole = stored.get(&storage).is_some_and(|(shape, layout)| {
                let along = |axis: usize| shape.dim(axis) == 1 || tensor.access.strides[axis] == layout.strides[axis];
                tensor.extents == shape.dims()
                    && tensor.access.offset == layout.offset as i64
                    && (0..shape.rank()).all(along)
            });
            whole && !assembly.is_state(storage)
        });
        taken
    }

    /// The axis along which the moments of a tensor in some memory are taken, if they are.
    pub fn axis(&self, storage: Storage) -> Option<usize> {
        Some(self.tensors.get(&storage)?.axis)
    }

    /// The reductions whose terms a contraction adds up that computes a tensor in some memory.
    pub fn parts(&self, storage: Storage) -> &[Part] {
        self.tensors.get(&storage).filter(|tensor| tensor.rows.is_some()).map_or(&[], |tensor| &tensor.parts)
    }

    /// What the tasks of a contraction find of a tensor.
    pub fn note(&mut self, tensor: Storage, rows: Rows) {
        self.tensors.get_mut(&tensor).expect("a tensor whose moments are taken").rows = Some(rows);
    }

    /// Reductions as those of the rows that a contraction has filled, if they are such.
    pub fn merge(
        &self,
        expression: &Expression,
        values: &[(TermId, ReduceOp)],
    ) -> Option<(Expression, Vec<(TermId, ReduceOp)>)> {
        if self.tensors.is_empty() {
            return None;
        }
        let moments = Moments::find(expression, values)?;
        let tensor = self.tensors.get(&moments.of)?;
        let same =
            (&tensor.extents, &tensor.access, tensor.axis) == (&expression.extents, &moments.access, moments.axis);
        tensor.rows.filter(|_| same).map(|rows| moments.merge(expression, &rows))
    }
}
