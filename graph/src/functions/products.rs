//! Products of tensors: of matrices in batches, outer and cross products, Einstein's sums, attention. It knows how axes
//! are put in order for [`Value::matmul`]. How a product itself is computed is not known here.

use super::{positions, ruled};
use crate::build::Value;
use crate::layers::attention::{Masks, attention};
use crate::shape::functions as rules;
use crate::shape::functions::Equation;
use crate::shape::{DType, Shape};

/// The products of the matrices of two batches: `[b, m, k]` with `[b, k, n]` is `[b, m, n]`.
pub fn bmm<'g>(input: Value<'g>, mat2: Value<'g>) -> Value<'g> {
    ruled(input, rules::bmm("bmm", input.shape(), mat2.shape()), |_| input.matmul(mat2))
}

/// `beta * input + alpha * (batch1 @ batch2)`, the products of the matrices of two batches.
pub fn baddbmm<'g>(input: Value<'g>, batch1: Value<'g>, batch2: Value<'g>, beta: f64, alpha: f64) -> Value<'g> {
    let rule = rules::baddbmm("baddbmm", input.shape(), batch1.shape(), batch2.shape(), beta, alpha);
    ruled(input, rule, |shape| added_to(input, beta).broadcast_to(shape) + weighted(batch1.matmul(batch2), alpha))
}

fn weighted(x: Value<'_>, weight: f64) -> Value<'_> {
    if weight == 1.0 { x } else { x * weight }
}

/// What products are added to: with the weight 0 it has no part in the sum, not even where it is NaN.
fn added_to(input: Value<'_>, beta: f64) -> Value<'_> {
    if beta == 0.0 { super::zeros_like(input) } else { weighted(input, beta) }
}

/// The product of each element of a vector with each of another one: `[n]` with `[m]` is `[n, m]`.
pub fn outer<'g>(input: Value<'g>, vec2: Value<'g>) -> Value<'g> {
    ruled(input, rules::outer("outer", input.shape(), vec2.shape()), |_| input.unsqueeze(1) * vec2)
}

/// The vectors at right angles to those of both operands, which lie along an axis of extent 3; the rest is broadcast.
pub fn cross<'g>(input: Value<'g>, other: Value<'g>, dim: isize) -> Value<'g> {
    ruled(input, rules::cross("cross", input.shape(), other.shape(), dim), |shape| {
        let (a, b) = (input.broadcast_to(shape), other.broadcast_to(shape));
        let axis = positions(a, &[dim])[0];
        let turned = |x: Value<'g>, by: isize| super::roll(x, &[-by], &[axis as isize]);
        turned(a, 1) * turned(b, 2) - turned(a, 2) * turned(b, 1)
    })
}

/// Sums of products of elements, as an equation says whose letters name axes: `bij,bjk->bik` multiplies the matrices of
/// two batches, `ij->ji` transposes, `ii->` is a trace. See [`rules::equation`].
///
/// Operands are multiplied from left to right; what no later one and not the result needs is summed at once.
///
/// # Panics
/// Without operands.
pub fn einsum<'g>(equation: &str, operands: &[Value<'g>]) -> Value<'g> {
    let shapes: Vec<Shape> = operands.iter().map(|operand| operand.shape()).collect();
    let read = match rules::equation("einsum", equation, &shapes) {
        Ok(read) => read,
        Err(error) => return super::refused(operands[0], error),
    };
    let _function = operands[0].graph().function("einsum");
    let mut terms = operands.iter().zip(read.operands()).map(|(&value, labels)| Labelled::of(value, labels.as_slice()));
    let mut product = terms.next().expect("an equation has operands");
    for (position, term) in terms.enumerate() {
        let needed = |label: u8| is_needed(&read, position + 2, label);
        product = product.times(term, needed);
    }
    let wanted = read.result.as_slice();
    product = product.only(|label| wanted.contains(&label));
    product.in_order(wanted).value
}

/// Whether the result or an operand from a position on has a label.
fn is_needed(equation: &Equation, from: usize, label: u8) -> bool {
    equation.result.as_slice().contains(&label)
        || equation.operands()[from..].iter().any(|operand| operand.as_slice().contains(&label))
}

/// A value whose axes have labels, each once.
struct Labelled<'g> {
    value: Value<'g>,
    labels: Vec<u8>,
}

impl<'g> Labelled<'g> {
    /// A label that stands twice is a diagonal: that axis goes, with what lies beside the diagonal.
    fn of(value: Value<'g>, given: &[u8]) -> Labelled<'g> {
        let mut labelled = Labelled { value, labels: given.to_vec() };
        let mut axis = 0;
        while axis < labelled.labels.len() {
            let label = labelled.labels[axis];
            let Some(first) = labelled.labels[..axis].iter().position(|&other| other == label) else {
                axis += 1;
                continue;
            };
            let shape = labelled.value.shape();
            let place = |axis| value.graph().iota(shape, axis);
            labelled.value = place(first).eq(place(axis)).select(labelled.value, 0.0).sum(axis);
            labelled.labels.remove(axis);
        }
        labelled
    }

    /// The axes with other labels are summed over.
    fn only(self, wanted: impl Fn(u8) -> bool) -> Labelled<'g> {
        let gone: Vec<usize> = (0..self.labels.len()).filter(|&axis| !wanted(self.labels[axis])).collect();
        let labels = self.labels.iter().copied().filter(|&label| wanted(label)).collect();
        let value = if gone.is_empty() { self.value } else { self.value.sum(gone.as_slice()) };
        Labelled { value, labels }
    }

    /// The axes in the order of these labels, which are all.
    fn in_order(self, labels: &[u8]) -> Labelled<'g> {
        let axis = |label: &u8| self.labels.iter().position(|own| own == label).unwrap_or(0);
        let order: Vec<usize> = labels.iter().map(axis).collect();
        Labelled { value: self.value.permute(&order), labels: labels.to_vec() }
    }

    /// The product, summed over the labels that nobody needs.
    fn times(self, other: Labelled<'g>, needed: impl Fn(u8) -> bool) -> Labelled<'g> {
        // What only one of them has and nobody needs is summed before.
        let theirs = other.labels.clone();
        let left = self.only(|label| needed(label) || theirs.contains(&label));
        let right = other.only(|label| needed(label) || left.labels.contains(&label));
        let shared = |label: &u8| left.labels.contains(label) && right.labels.contains(label);
        let pick = |labels: &[u8], keep: &dyn Fn(&u8) -> bool| -> Vec<u8> {
            labels.iter().copied().filter(|label| keep(label)).collect()
        };
        let batch = pick(&left.labels, &|label| shared(label) && needed(*label));
        let summed = pick(&left.labels, &|label| shared(label) && !needed(*label));
        let rows = pick(&left.labels, &|label| !shared(label));
        let columns = pick(&right.labels, &|label| !shared(label));
        let extents = |labelled: &Labelled<'g>, labels: &[u8]| -> Vec<usize> {
            let extent = |label: &u8| {
                let axis = labelled.labels.iter().position(|own| own == label).unwrap_or(0);
                labelled.value.shape().dim(axis)
            };
            labels.iter().map(extent).collect()
        };
        let (b, k) = (extents(&left, &batch), extents(&left, &summed));
        let (m, n) = (extents(&left, &rows), extents(&right, &columns));
        let all = |extents: &[usize]| extents.iter().product::<usize>();
        let left = left.in_order(&[&batch[..], &rows, &summed].concat()).value.reshape([all(&b), all(&m), all(&k)]);
        let right =
            right.in_order(&[&batch[..], &summed, &columns].concat()).value.reshape([all(&b), all(&k), all(&n)]);
        let product = if summed.is_empty() { left * right } else { left.matmul(right) };
        let shape = [b, m, n].concat();
        Labelled { value: product.reshape(shape.as_slice()), labels: [batch, rows, columns].concat() }
    }
}

/// `softmax(query key^T * scale + mask) value` over the last two axes, of which the first is places and the second is
/// features; axes before them are batches and heads.
///
/// * `attn_mask`: bool (where it does not hold a place is not looked at) or f32 (which is added); broadcast.
/// * `dropout_p`: the probability with which a weight is dropped in training.
/// * `is_causal`: no place looks at a later one.
/// * `scale`: `None` is `1 / sqrt(features)`.
/// * `enable_gqa`: the heads are the third axis from the end, and each of keys and of values is that of as many heads of
///   queries in a row (grouped-query attention).
///
/// Scores of many places are computed in blocks of rows, forward and backward, so that no memory holds all of them; also with
/// an `attn_mask` that is learnt, such as a bias by relative distance, if it is at most half as large as the scores: shared by
/// two samples or heads. What a mask hides beyond a diagonal is not computed if it is `-inf` there, or bool; a finite number,
/// -1e9, is added to scores as any other.
///
/// A place whose scores are all -inf has the result 0 where there is an `attn_mask`, as in PyTorch, whichever of its
/// back-ends computes it. Without one it has NaN, as a softmax written out has, here and there (PyTorch's function has 0):
/// then it is the data that are infinite.
#[allow(clippy::too_many_arguments)] // Those of PyTorch's function.
pub fn scaled_dot_product_attention<'g>(
    query: Value<'g>,
    key: Value<'g>,
    value: Value<'g>,
    attn_mask: Option<Value<'g>>,
    dropout_p: f64,
    is_causal: bool,
    scale: Option<f64>,
    enable_gqa: bool,
) -> Value<'g> {
    let mask_shape = attn_mask.map(|mask| mask.shape());
    let op = "scaled_dot_product_attention";
    let shapes = (query.shape(), key.shape(), value.shape());
    let rule = rules::attention(op, shapes.0, shapes.1, shapes.2, mask_shape, dropout_p, is_causal, scale, enable_gqa);
    ruled(query, rule, |shape| {
        let _function = query.graph().function(op);
        let (query, key, value, attn_mask) =
            if enable_gqa { by_groups(query, key, value, attn_mask) } else { (query, key, value, attn_mask) };
        let rank = query.shape().rank();
        let scale = scale.unwrap_or(1.0 / (query.shape().dim(rank - 1) as f64).sqrt());
        let mut masks = Masks::default();
        if is_causal {
            let matrix = Shape::new(&[query.shape().dim(rank - 2), key.shape().dim(key.shape().rank() - 2)]);
            let place = |axis| query.graph().iota(matrix, axis);
            masks.allow(place(1).le(place(0)));
        }
        match attn_mask {
            Some(mask) if mask.dtype() == DType::Bool => masks.allow(mask),
            mask => masks.added = mask,
        }
        masks.may_be_empty = attn_mask.is_some();
        let [result, _] = attention(query, key, value, masks, dropout_p, scale);
        result.reshape(shape)
    })
}

/// Queries `[.., groups, heads of a group, places, features]`, keys and values `[.., groups, 1, places, features]` and the
/// mask beside them: keys and values are not repeated where both have as many heads.
fn by_groups<'g>(
    query: Value<'g>,
    key: Value<'g>,
    value: Value<'g>,
    mask: Option<Value<'g>>,
) -> (Value<'g>, Value<'g>, Value<'g>, Option<Value<'g>>) {
    let at = query.shape().rank() - 3;
    let heads = query.shape().dim(at);
    let groups = key.shape().dim(at);
    let value = match value.shape().dim(at) {
        of_value if of_value == groups => value,
        of_value => super::repeat_interleave(value, heads / of_value, at as isize),
    };
    if value.shape().dim(at) != groups {
        return (query, super::repeat_interleave(key, heads / groups, at as isize), value, mask);
    }
    let apart = |x: Value<'g>, axis: usize| match x.shape().dim(axis) {
        1 => x.unsqueeze(axis as i32),
        _ => x.reshape(x.shape().with(axis, groups).insert(axis + 1, heads / groups)),
    };
    let mask = mask.map(|mask| match mask.shape().rank() {
        0..=2 => mask,
        rank => apart(mask, rank - 3),
    });
    (apart(query, at), key.unsqueeze(at as i32 + 1), value.unsqueeze(at as i32 + 1), mask)
}

/// The sums of products over the last `dims` axes of `a`, which are the first of `b`; without any, all products.
pub fn tensordot<'g>(a: Value<'g>, b: Value<'g>, dims: usize) -> Value<'g> {
    ruled(a, rules::tensordot("tensordot", a.shape(), b.shape(), dims), |_| {
        let (rank, last) = (a.shape().rank() as isize, dims as isize);
        let (of_a, of_b): (Vec<isize>, Vec<isize>) = ((rank - last..rank).collect(), (0..last).collect());
        tensordot_by(a, b, (&of_a, &of_b))
    })
}

/// The sums of products over axes of `a` and as many of `b`, of which one of extent 1 is repeated; the other axes of `a` come
/// first.
pub fn tensordot_by<'g>(a: Value<'g>, b: Value<'g>, dims: (&[isize], &[isize])) -> Value<'g> {
    ruled(a, rules::tensordot_by("tensordot", a.shape(), b.shape(), dims), |shape| {
        let _function = a.graph().function("tensordot");
        // One element is that beside each of several, whose sum it is multiplied with.
        let alone = |x: Value<'g>, dims: &[isize], other: Value<'g>, others: &[isize]| {
            let pairs = positions(x, dims).into_iter().zip(positions(other, others));
            pairs.fold(x, |x, (axis, of_other)| if other.shape().dim(of_other) == 1 { x.sum_keep(axis) } else { x })
        };
        let (a, b) = (alone(a, dims.0, b, dims.1), alone(b, dims.1, a, dims.0));
        let parts = |x: Value<'g>, dims: &[isize]| {
            let summed = positions(x, dims);
            let others: Vec<usize> = (0..x.shape().rank()).filter(|axis| !summed.contains(axis)).collect();
            (others, summed)
        };
        let ((rows, of_a), (columns, of_b)) = (parts(a, dims.0), parts(b, dims.1));
        let all = |x: Value<'g>, axes: &[usize]| axes.iter().map(|&axis| x.shape().dim(axis)).product::<usize>();
        let left = a.permute(&[&rows[..], &of_a].concat()).reshape([all(a, &rows), all(a, &of_a)]);
        let right = b.permute(&[&of_b[..], &columns].concat()).reshape([all(b, &of_b), all(b, &columns)]);
        left.matmul(right).reshape(shape)
    })
}

/// The sums of the products of two tensors along an axis; the two are broadcast.
pub fn vecdot<'g>(x: Value<'g>, y: Value<'g>, dim: isize) -> Value<'g> {
    ruled(x, rules::vecdot("vecdot", x.shape(), y.shape(), dim), |_| (x * y).sum(dim))
}

/// The product of two matrices: `[m, k]` with `[k, n]` is `[m, n]`.
pub fn mm<'g>(input: Value<'g>, mat2: Value<'g>) -> Value<'g> {
    ruled(input, rules::mm("mm", input.shape(), mat2.shape()), |_| input.matmul(mat2))
}

/// The product of a matrix and a vector: `[m, k]` with `[k]` is `[m]`.
pub fn mv<'g>(input: Value<'g>, vec: Value<'g>) -> Value<'g> {
    ruled(input, rules::mv("mv", input.shape(), vec.shape()), |_| input.matmul(vec))
}

/// The sum of the products of two vectors' elements.
pub fn dot<'g>(input: Value<'g>, tensor: Value<'g>) -> Value<'g> {
    ruled(input, rules::dot("dot", input.shape(), tensor.shape()), |_| input.matmul(tensor))
}

/// The sums of products over the last axes: `[.., k]` with `[.., k]` has the other axes of both.
pub fn inner<'g>(input: Value<'g>, other: Value<'g>) -> Value<'g> {
    ruled(input, rules::inner("inner", input.shape(), other.shape()), |shape| {
        if input.shape().rank() == 0 || other.shape().rank() == 0 {
            return input * other;
        }
        let rows = |x: Value<'g>| {
            let last = x.shape().dim(x.shape().rank() - 1);
            x.reshape([x.shape().elements() / last, last])
        };
        rows(input).matmul(rows(other).transpose(0, 1)).reshape(shape)
    })
}

/// `beta * input + alpha * (mat1 @ mat2)`.
pub fn addmm<'g>(input: Value<'g>, mat1: Value<'g>, mat2: Value<'g>, beta: f64, alpha: f64) -> Value<'g> {
    let rule = rules::addmm("addmm", input.shape(), mat1.shape(), mat2.shape(), beta, alpha);
    ruled(input, rule, |shape| added_to(input, beta).broadcast_to(shape) + weighted(mat1.matmul(mat2), alpha))
}

/// `beta * input + alpha * (mat @ vec)`.
pub fn addmv<'g>(input: Value<'g>, mat: Value<'g>, vec: Value<'g>, beta: f64, alpha: f64) -> Value<'g> {
    let rule = rules::addmv("addmv", input.shape(), mat.shape(), vec.shape(), beta, alpha);
    ruled(input, rule, |shape| added_to(input, beta).broadcast_to(shape) + weighted(mat.matmul(vec), alpha))
}

/// `beta * input + alpha * outer(vec1, vec2)`.
pub fn addr<'g>(input: Value<'g>, vec1: Value<'g>, vec2: Value<'g>, beta: f64, alpha: f64) -> Value<'g> {
    let rule = rules::addr("addr", input.shape(), vec1.shape(), vec2.shape(), beta, alpha);
    ruled(input, rule, |shape| added_to(input, beta).broadcast_to(shape) + weighted(outer(vec1, vec2), alpha))
}

/// `beta * input + alpha * the sum over the batch of (batch1 @ batch2)`.
pub fn addbmm<'g>(input: Value<'g>, batch1: Value<'g>, batch2: Value<'g>, beta: f64, alpha: f64) -> Value<'g> {
    let rule = rules::addbmm("addbmm", input.shape(), batch1.shape(), batch2.shape(), beta, alpha);
    ruled(input, rule, |shape| {
        added_to(input, beta).broadcast_to(shape) + weighted(batch1.matmul(batch2).sum(0), alpha)
    })
}

/// The product of Kronecker: each element of `input` times the whole of `other`, in its place.
pub fn kron<'g>(input: Value<'g>, other: Value<'g>) -> Value<'g> {
    ruled(input, rules::kron("kron", input.shape(), other.shape()), |shape| {
        let apart = |x: Value<'g>, behind: usize| {
            let mut thin = Shape::SCALAR;
            for axis in 0..shape.rank() {
                let missing = shape.rank() - x.shape().rank();
                let extent = if axis < missing { 1 } else { x.shape().dim(axis - missing) };
                thin = thin.insert(2 * axis, extent).insert(2 * axis + behind, 1);
            }
            x.reshape(thin)
        };
        (apart(input, 1) * apart(other, 0)).reshape(shape)
    })
}

/// The p-norms of the differences of each vector of `x1 [.., P, M]` and each of `x2 [.., R, M]`: `[.., P, R]`. Where two
/// vectors are equal the gradient is 0.
pub fn cdist<'g>(x1: Value<'g>, x2: Value<'g>, p: f64) -> Value<'g> {
    ruled(x1, rules::cdist("cdist", x1.shape(), x2.shape(), p), |_| {
        super::norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, Some(&[-1]), false)
    })
}

/// The p-norms of the differences of each two vectors of `x [K, M]`: `[K (K - 1) / 2]`, in the order of (0, 1), (0, 2) and
/// so on.
pub fn pdist(x: Value<'_>, p: f64) -> Value<'_> {
    ruled(x, rules::pdist("pdist", x.shape(), p), |_| {
        let [first, second] = [0, 1].map(|row| {
            super::triu_indices(x.graph(), x.shape().dim(0), x.shape().dim(0), 1).slice(0, row..row + 1, 1).squeeze(0)
        });
        super::norm(x.take_rows(first) - x.take_rows(second), p, Some(&[-1]), false)
    })
}
