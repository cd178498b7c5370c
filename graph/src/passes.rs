//! Passes: functions from a graph to a graph that computes the same, cheaper. They run after differentiation.
//!
//! | stage | what it does | what holds after it |
//! | --- | --- | --- |
//! | [`canonicalize`] | one spelling for each thing | no detach; constants on the right; no chain of equal movements |
//! | [`simplify`] | drops what does nothing | no identity: `x * 1`, a reshape to the same shape |
//! | [`fold`] | computes with constants and before repeating | no arithmetic on constants alone (where it is exact) |
//! | [`share`] | merges equal nodes | no two nodes with equal operation and operands |
//! | [`trim`] | drops what scans compute for nobody | each result of a scan is read or needed by a later step |
//! | [`sweep`] | removes dead nodes | every node but inputs reaches an output or an update |
//!
//! **Exact** means, here and in each pass: on equal inputs every output and update has the same bits before and after,
//! in f32 and in f64, signs of zero, infinities and subnormal numbers included; a NaN stays a NaN, but its sign and
//! payload are not kept. Every rule of every pass is exact; one that is not would have to say so, and have its own
//! pass.
//!
//! Inputs, outputs and updates keep their order and their names; inputs that nothing uses stay declared.
//! A pass looks at one graph; [`throughout`] runs it on the bodies of scans, too. All change the graph in place, the
//! first four through `rewrite`. None knows another, but that [`trim`] sweeps the bodies that it has changed.
//!
//! What comes next prepares a graph for a plan: [`FOR_PLANNING`]. These passes are exact, too, and each runs once. They
//! spell things as a machine likes them, which is not what the passes above look for.
//!
//! | stage | what it does | what holds after it |
//! | --- | --- | --- |
//! | [`relu_masks`] | a rectifier's mask looks at its result | of operand and result only one is needed later |
//! | [`pool_masks`] | a mask behind a maximum pool's gradient goes in front of it | masks look at fewer elements |
//! | [`product_epilogues`] | what follows a reshaped product stands before the reshape | its kernel can compute it |
//! | [`isolate_roots`] | copies what is no result of its own | each result is a computed node that is no other's |
//!
//! The planner runs [`row_blocks`] before these: what is large and only in the middle is computed in blocks of rows. It
//! is not exact, since sums over rows are added up block by block. Nor is [`row_sums`], which it runs for the same
//! reason: scans add sums over a batch up by parts of its rows.
//!
//! Where memory has a limit, it asks [`recompute`] behind these for a graph in which values are computed twice.
//!
//! [`mix`] is not exact either, and on purpose: it makes an optimized graph of f32 one of mixed precision, where a user
//! asks for that ([`in_precision`]); then the passes above run again.
//!
//! Nor is [`quantize`], which makes products of activations and parameters ones of 8 bits, for predictors that are
//! asked to.
//!
//! [`unroll`] writes the steps of scans out; the planner asks for it where a scan is within another one.

mod canonicalize;
mod fold;
mod isolate_roots;
mod precision;
mod product_epilogues;
mod quantize;
mod recompute;
mod relu_masks;
mod rewrite;
mod row_blocks;
mod row_sums;
mod share;
mod simplify;
mod sweep;
mod trim;
mod unroll;

pub use canonicalize::canonicalize;
pub use fold::fold;
pub use isolate_roots::isolate_roots;
pub use precision::{Precision, mix};
pub use product_epilogues::product_epilogues;
pub use quantize::{
    ACTIVATION_LIMIT, Affine, Quantizable, WEIGHT_LIMIT, compared, quantizable, quantize, scale_of, shown, watched,
};
pub use recompute::{Recomputed, recompute};
pub use relu_masks::{pool_masks, relu_masks};
pub use row_blocks::{RowBlocks, row_blocks};
pub use row_sums::{row_sums, rows_of_steps};
pub use share::share;
pub use simplify::simplify;
pub use sweep::sweep;
pub use trim::trim;
pub use unroll::unroll;

use std::borrow::Cow;

use crate::graph::Graph;

/// A pass, which says whether it has changed the graph.
pub type Pass = fn(&mut Graph) -> bool;

/// A pass that prepares a graph for a plan. It gives the graph back that it was given, if it changes nothing.
pub type Preparation = fn(&Graph) -> Cow<'_, Graph>;

/// The passes with their names, in the order in which [`optimize`] runs them.
pub const PIPELINE: &[(&str, Pass)] = &[
    ("canonicalize", canonicalize),
    ("simplify", simplify),
    ("fold", fold),
    ("share", share),
    ("trim", trim),
    ("sweep", sweep),
];

/// The passes that prepare a graph for a plan, with their names, in the order in which [`prepare`] runs them.
pub const FOR_PLANNING: &[(&str, Preparation)] = &[
    ("relu_masks", relu_masks),
    ("pool_masks", pool_masks),
    ("product_epilogues", product_epilogues),
    ("isolate_roots", isolate_roots),
];

/// The most often that [`optimize`] runs the pipeline. Each round only looks at what the one before left; graphs of real
/// networks are at rest after three or four.
const ROUNDS: usize = 16;

/// Runs the [`PIPELINE`] over and over until nothing changes any more (or a bounded number of times). That what it leaves
/// is valid is what tests look at (`tests/agree.rs`, `tests/digest`), not each debug build of a user's crate.
pub fn optimize(graph: &Graph) -> Graph {
    // Much of what builders write stands there twice (constants, what is repeated): all that follows walks over less.
    let mut graph = share::shared(graph);
    // So many passes have found nothing to do since one did.
    let mut idle = 0;
    for &(_, pass) in PIPELINE.iter().cycle().take(ROUNDS * PIPELINE.len()) {
        idle = if throughout(pass, &mut graph) { 0 } else { idle + 1 };
        if idle == PIPELINE.len() {
            break;
        }
    }
    graph
}

/// The graph in a precision: where that is not f32, optimized and then rewritten by [`mix`]. Rectifiers' masks look at
/// results before that, so that of operand and result only one is needed later, and that one rounded.
pub fn in_precision(graph: &Graph, precision: Precision) -> Cow<'_, Graph> {
    match precision {
        Precision::F32 => Cow::Borrowed(graph),
        Precision::Bf16 => Cow::Owned(mix(&relu_masks(&optimize(graph)))),
    }
}

/// Runs a pass on a graph and on the bodies of its scans.
pub fn throughout(pass: Pass, graph: &mut Graph) -> bool {
    let mut changed = pass(graph);
    for body in &mut graph.bodies {
        changed |= throughout(pass, body);
    }
    changed
}

/// Runs the passes [`FOR_PLANNING`], each once.
pub fn prepare(graph: &Graph) -> Cow<'_, Graph> {
    let mut prepared = Cow::Borrowed(graph);
    for &(_, pass) in FOR_PLANNING {
        if let Cow::Owned(new) = pass(&prepared) {
            prepared = Cow::Owned(new);
        }
    }
    prepared
}
