//! Binds calls to memory: looks up where each argument lies, and what is proved of the calls for these places. It reads
//! and writes none of it.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use kiln_rt::buffer::{ALIGNMENT, Buffer};

use super::bound::{BoundCall, BoundLoop, CallError, Memory, check};
use super::emitted::Touching;
use super::{Code, Function, Loop, Moved, Own, Rows, Sequence, Step};
use crate::kernel::{self, Access, Move, Moving, Origin};

impl Sequence {
    /// Binds calls to all memory but the arena, which the sequence gets by [`Sequence::attach`].
    pub(crate) fn without_arena(
        code: Arc<Code>,
        mut own: Buffer,
        states: &[Buffer],
        used: &[usize],
        (calls, loops): (&[BoundCall], &[BoundLoop]),
    ) -> Result<Sequence, CallError> {
        let mut bound = Vec::with_capacity(used.len());
        let mut addresses = Vec::with_capacity(used.len());
        for &position in used {
            let buffer = &states[position];
            // It is written only by runs that have the states exclusively.
            addresses.push((buffer.as_ptr().cast_mut(), buffer.len()));
            bound.push((position, buffer.as_ptr(), buffer.len()));
        }
        let (mut steps, mut pointers) = (Vec::with_capacity(calls.len()), Vec::new());
        let (mut in_arena, mut needed) = (Vec::new(), 0);
        let (mut fills, mut updates) = (0, calls.len()..0);
        let mut looped: Vec<Loop> = Vec::with_capacity(loops.len());
        looped.extend(loops.iter().map(|BoundLoop { calls, iterations, .. }| Loop {
            calls: calls.clone(),
            iterations: *iterations,
            moving: Vec::new(),
            rows: None,
        }));
        let touching = code.footprints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (number, call) in calls.iter().enumerate() {
            let function = &code.functions[call.kernel];
            let mut around = looped.iter_mut().find(|looped| looped.calls.contains(&number));
            let iterations = around.as_ref().map_or(1, |looped| looped.iterations);
            let by = |position: usize| call.moves.get(position).copied().unwrap_or_default();
            // What is left of the elements wherever the argument begins.
            let rest = |(position, &(_, elements)): (usize, &(Memory, usize))| {
                let last = by(position).ends(iterations).map(|(_, last)| last);
                (None, last.map_or(0, |last| elements.saturating_sub(last)))
            };
            check(&function.name, &function.buffers, call.arguments.iter().enumerate().map(rest))?;
            let first = pointers.len();
            for (position, (declared, &(memory, elements))) in function.buffers.iter().zip(&call.arguments).enumerate()
            {
                match memory {
                    Memory::Own(_) if declared.access != Access::Read => fills = number + 1,
                    Memory::State(_) if declared.access != Access::Read => {
                        updates = updates.start.min(number)..number + 1
                    }
                    _ => {}
                }
                let Move { start: begin, step } = by(position);
                let size = declared.element.bytes();
                let begin = begin * size;
                let (start, found) = match memory {
                    Memory::Arena(offset) => {
                        in_arena.push((pointers.len(), offset + begin));
                        let end = offset.saturating_add(elements.saturating_mul(size));
                        needed = needed.max(end.div_ceil(size_of::<u32>()));
                        (std::ptr::null_mut(), if offset.is_multiple_of(ALIGNMENT) { elements } else { 0 })
                    }
                    Memory::Own(offset) => {
                        let rest = (own.len() * size_of::<u32>()).checked_sub(offset);
                        let aligned = offset.is_multiple_of(ALIGNMENT);
                        let found = rest.filter(|_| aligned).map_or(0, |rest| rest / size);
                        (own.as_mut_ptr().wrapping_add(offset), found)
                    }
                    Memory::State(state) => {
                        let (start, words) = addresses[state];
                        (start, words * size_of::<u32>() / size)
                    }
                };
                if elements > found {
                    let (kernel, buffer) = (function.name.clone(), declared.name.clone());
                    return Err(CallError::Length { kernel, buffer, expected: elements, found });
                }
                let start = start.wrapping_add(begin);
                if let (Some(looped), true) = (&mut around, step != 0) {
                    let bytes = step as isize * size as isize;
                    let in_arena = matches!(memory, Memory::Arena(_));
                    looped.moving.push(Moved { argument: pointers.len(), start, bytes, in_arena });
                }
                pointers.push(start);
            }
            let shared = call.parallel && {
                let origins = kernel::origins(&places(function, call, used), iterations);
                let disjoint = |origins: Vec<Origin>| {
                    touching.get(call.kernel).is_some_and(|of| of.tasks.disjoint(&origins).is_ok())
                };
                origins.is_some_and(disjoint)
            };
            steps.push(Step { entry: function.entry, tasks: function.tasks, first, shared });
        }
        for (looped, bound) in looped.iter_mut().zip(loops) {
            looped.rows = rows(&code, &touching, bound, calls, (&steps, pointers.len()), used);
        }
        Ok(Sequence {
            code,
            arena: Buffer::empty(),
            own: Arc::new(Own { buffer: RwLock::new(own), filled: AtomicU64::new(0), turn: Arc::default() }),
            states: bound.into(),
            steps: steps.into(),
            pointers,
            in_arena: in_arena.into(),
            loops: looped,
            bound: std::ptr::null(),
            needed,
            fills,
            updates,
            flush_denormal: true,
        })
    }
}

/// Where the buffers of a call lie, by its kernel.
fn places(function: &Function, call: &BoundCall, used: &[usize]) -> Vec<Moving> {
    let declared = function.buffers.iter().zip(&call.arguments).enumerate();
    let place = declared.map(|(position, (declared, &(memory, _)))| {
        Moving::of(declared, memory.origin(used), call.moves.get(position).copied().unwrap_or_default())
    });
    place.collect()
}

/// The calls of a loop by parts of rows, where there are kernels for that, and the parts are proved to be apart. `steps`
/// are those of all calls so far, with the number of their arguments.
fn rows(
    code: &Code,
    touching: &[Arc<Touching>],
    looped: &BoundLoop,
    calls: &[BoundCall],
    (steps, arguments): (&[Step], usize),
    used: &[usize],
) -> Option<Rows> {
    let BoundLoop { calls: within, iterations, in_rows, shares } = looped;
    if in_rows.len() != within.len() || in_rows.is_empty() {
        return None;
    }
    let mut proved = Vec::with_capacity(in_rows.len());
    let mut by_rows = Vec::with_capacity(in_rows.len());
    for (&kernel, (call, step)) in in_rows.iter().zip(calls[within.clone()].iter().zip(&steps[within.clone()])) {
        let function = &code.functions[kernel];
        // The arguments were checked for the kernel of the call, which has the same buffers.
        if function.buffers != code.functions[call.kernel].buffers {
            return None;
        }
        proved.push((touching.get(kernel)?.rows.as_ref()?, places(function, call, used)));
        by_rows.push(Step { entry: function.entry, tasks: function.tasks, first: step.first, shared: false });
    }
    let parts = kernel::apart_rows(&proved, *iterations)?;
    let end = steps.get(within.end).map_or(arguments, |step| step.first);
    let arguments = end - by_rows[0].first;
    Some(Rows::new(parts, (*shares).clamp(1, parts), by_rows.into(), arguments))
}
