//! The machine code of kernels, each checked before it is emitted, made on all processors. It knows emitters, and no
//! memory that is executable.

use std::hash::Hash;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustc_hash::FxHashMap;

use crate::emit::{EmitError, Emitter, EmitterKind};
use crate::kernel::{Footprints, Kernel, KernelError, RowFootprints};

/// Why kernels have no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum CodeError {
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Emit(#[from] EmitError),
    #[error("no executable memory: {reason}")]
    Memory { reason: String },
}

/// So many kernels are worth a thread of their own.
const KERNELS_PER_THREAD: usize = 8;

/// What the tasks of a kernel touch, and its parts of rows, if it is called by parts.
pub(super) struct Touching {
    pub(super) tasks: Footprints,
    pub(super) rows: Option<RowFootprints>,
}

/// The machine code of each kernel, checked first, with what is [touched](Touching); `in_rows` says which kernels are
/// called by parts of rows. The work is shared among the machine's processors.
pub(super) fn emit(
    kernels: &[&Kernel],
    in_rows: &[bool],
    kind: EmitterKind,
) -> Result<Vec<(Vec<u8>, Touching)>, CodeError> {
    let processors = thread::available_parallelism().map_or(1, |n| n.get());
    let threads = processors.min(kernels.len().div_ceil(KERNELS_PER_THREAD)).max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut emitter = kind.emitter();
        let mut done = Vec::new();
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && let Some(kernel) = kernels.get(number)
        {
            done.push((number, checked(kernel, in_rows[number], &mut emitter)));
        }
        done
    };
    let mut functions = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut functions = work();
        for other in others {
            functions.extend(other.join().unwrap_or_else(|payload| resume_unwind(payload)));
        }
        functions
    });
    functions.sort_by_key(|(number, _)| *number);
    functions.into_iter().map(|(_, function)| function).collect()
}

/// The kernels that differ from those before them, and which of these each one is.
pub(super) fn deduplicate(kernels: &[Kernel]) -> (Vec<&Kernel>, Vec<usize>) {
    // What tells most apart.
    deduplicate_by(kernels, |kernel| {
        let elements = kernel.buffers.iter().fold(0, |sum: usize, buffer| sum.wrapping_add(buffer.elements));
        (kernel.name.as_str(), kernel.values.len(), elements)
    })
}

/// The same of anything. To hash a kernel takes longer than to compare it with one that is equal, so that the first one
/// of each key is compared, and those that it is not are found by their hashes: kernels of one key may be many that
/// differ in a number alone, such as those of dropout, each of which has a stream of its own.
fn deduplicate_by<'a, T: Eq + Hash, K: Eq + Hash>(all: &'a [T], key: impl Fn(&'a T) -> K) -> (Vec<&'a T>, Vec<usize>) {
    let mut firsts: FxHashMap<K, usize> = FxHashMap::default();
    let mut others: FxHashMap<&T, usize> = FxHashMap::default();
    let mut distinct = Vec::new();
    let mut numbers = Vec::with_capacity(all.len());
    for one in all {
        let next = distinct.len();
        let first = *firsts.entry(key(one)).or_insert(next);
        let is_first = first == next || distinct[first] == one;
        let number = if is_first { first } else { *others.entry(one).or_insert(next) };
        if number == next {
            distinct.push(one);
        }
        numbers.push(number);
    }
    (distinct, numbers)
}

/// Prints the instructions of each kernel to the standard error output.
pub(super) fn print(kernels: &[&Kernel], kind: EmitterKind) -> Result<(), CodeError> {
    let mut emitter = kind.emitter()?;
    for kernel in kernels {
        kernel.check()?;
        let head = kernel.to_string();
        eprintln!("{kind}: {}\n{}", head.lines().next().unwrap_or_default(), emitter.listing(kernel)?);
    }
    Ok(())
}

fn checked(
    kernel: &Kernel,
    in_rows: bool,
    emitter: &mut Result<Box<dyn Emitter>, EmitError>,
) -> Result<(Vec<u8>, Touching), CodeError> {
    kernel.check()?;
    let touching = || Touching { tasks: Footprints::of(kernel), rows: in_rows.then(|| RowFootprints::of(kernel)) };
    match emitter {
        Ok(emitter) => Ok((emitter.emit(kernel)?, touching())),
        Err(error) => Err(error.clone().into()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::Hasher;

    use super::*;
    use crate::kernel::{Access, Element, Index, KernelBuilder};

    /// Stores a number, in `rows` iterations of a loop, if there are any.
    fn stores(name: &str, number: i32, rows: usize) -> Kernel {
        let mut kernel = KernelBuilder::new(name, 4);
        let to = kernel.buffer("to", Element::I32, 100, Access::Write);
        kernel.for_each(rows, &[], |kernel, row, _| {
            let number = kernel.i32(number);
            kernel.store(to, Index::of(row, 4), 1, 4, number);
            Vec::new()
        });
        kernel.finish()
    }

    #[test]
    fn equal_kernels_have_one_number() {
        let check = |kernels: &[Kernel], expected: &[usize]| {
            let (distinct, numbers) = deduplicate(kernels);
            assert_eq!(numbers, expected);
            assert_eq!(distinct.len(), expected.iter().max().map_or(0, |most| most + 1));
            for (kernel, number) in kernels.iter().zip(numbers) {
                assert_eq!(distinct[number], kernel);
            }
        };
        let (a, b) = (|number| stores("a", number, 2), |number| stores("b", number, 2));
        check(&[], &[]);
        check(&[a(1), a(1), b(1), a(1), b(1)], &[0, 0, 1, 0, 1]);
        // Those of one key differ in a constant, or in an extent.
        check(&[a(1), a(2), a(3), a(2), b(2), a(1), a(3)], &[0, 1, 2, 1, 3, 0, 2]);
        check(&[stores("a", 1, 2), stores("a", 1, 3), stores("a", 1, 3), stores("a", 1, 2)], &[0, 1, 1, 0]);
    }

    /// A number whose comparisons are counted.
    struct Counted<'a>(usize, &'a Cell<usize>);

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counted<'_> {}

    impl Hash for Counted<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn many_of_one_key_are_compared_with_few() {
        let compared = Cell::new(0);
        let all: Vec<Counted<'_>> = (0..10_000).map(|number| Counted(number % 5_000, &compared)).collect();
        let (distinct, numbers) = deduplicate_by(&all, |_| ());
        assert_eq!(distinct.len(), 5_000);
        assert!(numbers.into_iter().eq((0..5_000).chain(0..5_000)));
        assert!(compared.get() < 4 * all.len(), "{} comparisons of {}", compared.get(), all.len());
    }
}
