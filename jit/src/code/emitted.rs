//! The machine code of kernels, each checked before it is emitted, made on all processors. It knows emitters, and no
//! memory that is executable.

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

/// What the tasks of a kernel touch, and its parts of rows, where it is called by these.
pub(super) struct Touching {
    pub(super) tasks: Footprints,
    pub(super) rows: Option<RowFootprints>,
}

/// The machine code of each kernel, checked first, and what its tasks touch, and its parts of rows where it is called by
/// these; the work is shared among the machine's processors.
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
pub(super) fn distinct(kernels: &[Kernel]) -> (Vec<&Kernel>, Vec<usize>) {
    // By what tells most apart: to hash all statements takes longer than to compare the kernels that are left.
    let mut alike: FxHashMap<(&str, usize, usize), Vec<usize>> = FxHashMap::default();
    let mut distinct: Vec<&Kernel> = Vec::new();
    let mut numbers = Vec::with_capacity(kernels.len());
    for kernel in kernels {
        let elements = kernel.buffers.iter().fold(0, |sum: usize, buffer| sum.wrapping_add(buffer.elements));
        let alike = alike.entry((&kernel.name, kernel.values.len(), elements)).or_default();
        let equal = alike.iter().copied().find(|&number| distinct[number] == kernel);
        let number = equal.unwrap_or(distinct.len());
        if equal.is_none() {
            distinct.push(kernel);
            alike.push(number);
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
