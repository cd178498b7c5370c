//! The lowering memo: kernels that a plan has lowered already, by all that decides on them but for the memory of their
//! buffers: equal groups of elementwise operations, reductions or a contraction, such as those of equal layers, are
//! lowered once. It knows expressions and memory; it does not know how anything is lowered.

use kiln_graph::op::ReduceOp;
use rustc_hash::FxHashMap;

use super::pieces::Memory;
use crate::contraction::Problem;
use crate::lower::Lowered;
use crate::lower::expression::{Expression, Storage, TermId};

/// What a group's kernels compute, beside an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// Nothing.
    None,
    /// Reductions of some terms.
    Reductions(Vec<(TermId, ReduceOp)>),
    /// A contraction.
    Contraction(Box<Problem>),
}

/// All that decides on the kernels of a group: their name, the expression and the other buffers, with pieces of memory
/// by the number of the first buffer that each one is.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    name: String,
    root: Root,
    expression: Expression,
    others: Vec<Storage>,
}

/// What was lowered, the pieces of memory that it names, and the lengths of those among them, the last ones, that were
/// made for it.
struct Kernels {
    lowered: Vec<Lowered>,
    memory: Vec<Storage>,
    scratch: Vec<usize>,
}

/// The kernels so far.
#[derive(Default)]
pub struct Memo(FxHashMap<Key, Kernels>);

impl Key {
    fn new(name: &str, root: Root, expression: &Expression, memory: &[Storage]) -> Key {
        // Pieces 7, 9, 12 and pieces 20, 21, 31 are both 0, 1, 2: equal layers. But in `dot(a, b) + c` the sum may be
        // written over c, and in `dot(a, b) + a` not over a: which buffers are one piece of memory belongs to the key.
        let first = |storage: Storage| {
            let number = memory.iter().position(|&other| other == storage).expect("a buffer of the group");
            Storage(number as u32)
        };
        let mut expression = expression.clone();
        expression.arguments.iter_mut().for_each(|argument| argument.storage = first(argument.storage));
        let others = memory[expression.arguments.len()..].iter().map(|&storage| first(storage)).collect();
        Key { name: name.to_owned(), root, expression, others }
    }
}

impl Kernels {
    /// The same over other memory.
    fn over(&self, memory: &[Storage]) -> Vec<Lowered> {
        let moved = |storage: Storage| {
            let number = self.memory.iter().position(|&other| other == storage).expect("a buffer of the group");
            memory[number]
        };
        let lowered = |lowered: &Lowered| Lowered {
            kernel: lowered.kernel.clone(),
            arguments: lowered.arguments.iter().map(|&storage| moved(storage)).collect(),
            in_place: lowered.in_place.iter().map(|&(to, from)| (moved(to), moved(from))).collect(),
            in_rows: None,
            ..*lowered
        };
        self.lowered.iter().map(lowered).collect()
    }
}

impl Memo {
    /// The kernels of an expression and a root, which also names other pieces of memory; `lower` makes them, over these
    /// alone and such as it asks for, unless equal ones were made before.
    pub fn once(
        &mut self,
        memory: &mut Memory,
        (name, root): (&str, Root),
        expression: &Expression,
        others: &[Storage],
        lower: impl FnOnce(&mut dyn FnMut(usize) -> Storage) -> Vec<Lowered>,
    ) -> Vec<Lowered> {
        let arguments = expression.arguments.iter().map(|argument| argument.storage);
        let mut named: Vec<Storage> = arguments.chain(others.iter().copied()).collect();
        let key = Key::new(name, root, expression, &named);
        if let Some(kernels) = self.0.get(&key) {
            // The kernels are shared, their scratch memory is not: two calls of them have lives of their own, and the
            // arena puts one over the other where it can.
            named.extend(kernels.scratch.iter().map(|&elements| memory.scratch(elements)));
            return kernels.over(&named);
        }
        let mut scratch = Vec::new();
        // Scratch memory comes last among the named pieces, in the order in which it is asked for; a later hit asks for
        // as much.
        let lowered = lower(&mut |elements| {
            let storage = memory.scratch(elements);
            scratch.push(elements);
            named.push(storage);
            storage
        });
        self.0.insert(key, Kernels { lowered: lowered.clone(), memory: named, scratch });
        lowered
    }
}
