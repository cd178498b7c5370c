//! The arena: how long each piece of memory is needed, which results take the place of operands that die, and an offset
//! for each. It knows which call touches which memory; it does not know what calls compute.

mod place;

use std::ops::Range;

use super::drafts::Draft;
use super::pieces::{Piece, Purpose};
use place::{ALIGNMENT, Interval, place};

/// When each piece of memory is needed; nothing for states. `levels` are the calls that wait for as many exchanges. What the prologue leaves to later calls is needed for good.
pub fn intervals(memory: &[Piece], calls: &[Draft], prologue: usize, levels: &[Range<usize>]) -> Vec<Option<Interval>> {
    let mut intervals: Vec<Option<Interval>> = vec![None; memory.len()];
    // Time is the position of a call.
    for (time, Draft { lowered, .. }) in calls.iter().enumerate() {
        for storage in &lowered.arguments {
            let bytes = memory[storage.0 as usize].bytes();
            let interval = &mut intervals[storage.0 as usize];
            interval.get_or_insert(Interval { from: time, to: time, bytes }).to = time;
        }
    }
    across_iterations(memory, calls, &mut intervals);
    for (piece, interval) in memory.iter().zip(&mut intervals) {
        let bytes = piece.bytes();
        match piece.purpose {
            Purpose::Temporary => {
                // The next run begins behind the prologue and finds what it left: nothing may be put over it. What is
                // needed within the prologue alone is made anew whenever that runs, and its memory is free afterwards.
                let kept = interval.as_mut().filter(|interval| interval.from < prologue && interval.to >= prologue);
                kept.into_iter().for_each(|interval| interval.to = calls.len());
            }
            // A state lies in its store's buffer, not in the arena.
            Purpose::State(_) => *interval = None,
            Purpose::Input => *interval = Some(Interval { from: 0, to: calls.len(), bytes }),
            // Handed over before the calls of the next level begin, and before anything is taken.
            Purpose::Given => {
                let Some(interval) = interval.as_mut() else { continue };
                let level = levels.iter().find(|calls| calls.end > interval.to);
                interval.to = level.map_or(interval.to, |calls| calls.end - 1);
            }
            Purpose::Taken(level) => {
                let from = levels.get(level as usize).map_or(0, |calls| calls.start);
                let to = interval.map_or(from, |interval| interval.to.max(from));
                *interval = Some(Interval { from, to, bytes });
            }
            Purpose::Output => {
                let from = interval.map_or(0, |interval| interval.from);
                *interval = Some(Interval { from, to: calls.len(), bytes });
            }
        }
    }
    intervals
}

/// What is touched in a loop and outside of it is needed in all of its iterations, from the first call of the loop to the
/// last. What a loop alone touches is written before it is read in each iteration.
fn across_iterations(memory: &[Piece], calls: &[Draft], intervals: &mut [Option<Interval>]) {
    let mut touched: Vec<Option<Option<usize>>> = vec![None; memory.len()];
    let mut across = vec![false; memory.len()];
    for call in calls {
        for storage in &call.lowered.arguments {
            let place = storage.0 as usize;
            across[place] |= *touched[place].get_or_insert(call.in_loop) != call.in_loop;
        }
    }
    let mut first = 0;
    for looped in calls.chunk_by(|a, b| a.in_loop == b.in_loop) {
        let last = first + looped.len() - 1;
        if looped[0].in_loop.is_some() {
            for storage in looped.iter().flat_map(|call| &call.lowered.arguments) {
                let place = storage.0 as usize;
                let inside = across[place] || memory[place].purpose != Purpose::Temporary;
                if let Some(interval) = intervals[place].as_mut().filter(|_| inside) {
                    (interval.from, interval.to) = (interval.from.min(first), interval.to.max(last));
                }
            }
        }
        first = last + 1;
    }
}

/// Lets results take the place of operands that die where they are made: says which piece of memory each one is part
/// of, and makes that one's interval hold both.
pub fn share_memory(memory: &[Piece], calls: &[Draft], intervals: &mut [Option<Interval>]) -> Vec<usize> {
    let mut owner: Vec<usize> = (0..memory.len()).collect();
    for (time, Draft { lowered, .. }) in calls.iter().enumerate() {
        for &(to, from) in &lowered.in_place {
            // The operand may itself lie in another one's memory: of `a -> b -> c`, each in place, all are part of a.
            let (to, from) = (to.0 as usize, owner[from.0 as usize]);
            let (Some(new), Some(old)) = (intervals[to], intervals[from]) else { continue };
            // Inputs and outputs belong to users, and are never written over. The result has to be born here: if an
            // earlier call wrote a part of it, that would have gone over an operand that was still needed.
            // What is handed over shares its memory with nobody: it is looked at between calls.
            let dies =
                memory[from].purpose == Purpose::Temporary && memory[to].purpose != Purpose::Given && old.to == time;
            if owner[to] == to && new.from == time && dies && old.bytes == new.bytes {
                owner[to] = from;
                // One piece from the operand's first call to the result's last; the result has no offset of its own any
                // more.
                intervals[to] = None;
                intervals[from] = Some(Interval { to: new.to, ..old });
            }
        }
    }
    owner
}

/// Which memory a loop touches.
pub struct Touched {
    /// The first of its calls, and the last one.
    calls: (usize, usize),
    /// The pieces.
    pieces: Vec<usize>,
}

/// What each loop touches, in the order of their calls; `owner` is of [`share_memory`].
pub fn touched(calls: &[Draft], owner: &[usize]) -> Vec<Touched> {
    let mut first = 0;
    let mut loops = Vec::new();
    for looped in calls.chunk_by(|a, b| a.in_loop == b.in_loop) {
        let last = first + looped.len() - 1;
        if looped[0].in_loop.is_some() {
            let all = looped.iter().flat_map(|call| &call.lowered.arguments);
            loops
                .push(Touched { calls: (first, last), pieces: all.map(|storage| owner[storage.0 as usize]).collect() });
        }
        first = last + 1;
    }
    loops
}

/// Keeps what a loop touches from its first call to its last one, where threads take parts of its rows through all
/// iterations: one may still read what another one would have written over.
pub fn keep_apart(Touched { calls, pieces }: &Touched, intervals: &mut [Option<Interval>]) {
    for &piece in pieces {
        if let Some(interval) = intervals[piece].as_mut() {
            (interval.from, interval.to) = (interval.from.min(calls.0), interval.to.max(calls.1));
        }
    }
}

/// An offset in bytes for each piece of memory, 0 for one without an interval; the end of those pieces in which the
/// prologue leaves something, which come first; the end of all.
pub fn offsets(memory: &[Piece], intervals: &[Option<Interval>], prologue: usize) -> (Vec<usize>, usize, usize) {
    let mut offsets = vec![0; memory.len()];
    let mut invariant_bytes = 0;
    let (mut numbers, mut others) = (Vec::new(), Vec::new());
    for (number, (piece, interval)) in memory.iter().zip(intervals).enumerate() {
        let Some(interval) = *interval else { continue };
        // bytes: 0                          invariant_bytes                                            all
        //        | what the prologue leaves | inputs, intermediates, outputs: over each other in time   |
        // The former never overlap, since all of them live for good. An input lives through a run, but each run has its
        // own.
        if !matches!(piece.purpose, Purpose::Input | Purpose::Given | Purpose::Taken(_))
            && interval.from < prologue
            && interval.to >= prologue
        {
            offsets[number] = invariant_bytes;
            invariant_bytes += interval.bytes.next_multiple_of(ALIGNMENT);
        } else {
            numbers.push(number);
            others.push(interval);
        }
    }
    let (places, bytes) = place(&others);
    numbers.into_iter().zip(places).for_each(|(number, place)| offsets[number] = invariant_bytes + place);
    (offsets, invariant_bytes, invariant_bytes + bytes)
}
