//! The operators of ONNX as compositions of Kiln's own: a table of names, a family a file. Each function makes of a
//! node's operands what `model!` would; what shapes need is computed beforehand by the same functions ([`Fold`]). None
//! knows the file or any node but its own, of which [`Context`](crate::read::context::Context) is all that it sees.

mod activation;
mod attention;
mod bits;
mod conv;
mod elementwise;
mod flow;
mod image;
mod index;
mod loss;
mod matrix;
mod norm;
mod pad;
mod places;
mod pool;
mod product;
mod quantise;
mod random;
mod recurrent;
mod reduce;
mod resize;
mod sequence;
mod shapes;
mod signal;
mod window;

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use crate::read::context::{Context, Results};

/// Makes a node's results of its operands.
pub type Operator = for<'a, 'g> fn(&Context<'a, 'g>) -> Results<'g>;

/// How an operator is computed where all operands are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// By the reference interpreter.
    Compute,
    /// Its results are elements of the first operand, of whatever type, that the interpreter moves.
    Move,
    /// Its results are elements of all operands.
    MoveAll,
    /// Not: the operator sees to it itself, or is not the same twice.
    Never,
}

/// What is known of an operator.
#[derive(Debug)]
pub struct Row {
    /// Its name, with its domain before it if that is not ONNX's.
    pub name: &'static str,
    /// The first version of the set of operators in which it is as the function takes it.
    pub since: i64,
    /// What it makes of a node.
    pub apply: Operator,
    /// How it is computed beforehand.
    pub fold: Fold,
    /// Which operands decide on shapes, axes or counts, and must be known.
    pub statics: &'static [usize],
    /// Which operands are weights, which training changes.
    pub weights: &'static [usize],
    /// Which operands are statistics of batches, which training may follow.
    pub statistics: &'static [usize],
}

impl Row {
    /// An operator of a name since a version.
    const fn new(name: &'static str, since: i64, apply: Operator) -> Row {
        Row { name, since, apply, fold: Fold::Compute, statics: &[], weights: &[], statistics: &[] }
    }

    const fn fold(self, fold: Fold) -> Row {
        Row { fold, ..self }
    }

    const fn statics(self, statics: &'static [usize]) -> Row {
        Row { statics, ..self }
    }

    const fn weights(self, weights: &'static [usize]) -> Row {
        Row { weights, ..self }
    }

    const fn statistics(self, statistics: &'static [usize]) -> Row {
        Row { statistics, ..self }
    }
}

/// The families.
const FAMILIES: &[&[Row]] = &[
    activation::TABLE,
    attention::TABLE,
    bits::TABLE,
    conv::TABLE,
    elementwise::TABLE,
    flow::TABLE,
    image::TABLE,
    index::TABLE,
    loss::TABLE,
    matrix::TABLE,
    norm::TABLE,
    pad::TABLE,
    pool::TABLE,
    product::TABLE,
    quantise::TABLE,
    random::TABLE,
    recurrent::TABLE,
    reduce::TABLE,
    resize::TABLE,
    sequence::TABLE,
    shapes::TABLE,
    signal::TABLE,
];

/// An operator by its name, in a version of its set.
pub fn find(name: &str, version: i64) -> Option<&'static Row> {
    static ROWS: LazyLock<FxHashMap<&'static str, Vec<&'static Row>>> = LazyLock::new(|| {
        let mut rows: FxHashMap<&'static str, Vec<&'static Row>> = FxHashMap::default();
        FAMILIES.iter().copied().flatten().for_each(|row| rows.entry(row.name).or_default().push(row));
        rows
    });
    ROWS.get(name)?.iter().copied().filter(|row| row.since <= version).max_by_key(|row| row.since)
}
