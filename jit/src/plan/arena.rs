//! The arena: how long each piece of memory is needed, which results take the place of operands that die, and an offset for each. It
//! knows which draft touches which memory; it does not know what drafts compute.

mod place;

use super::calls::Draft;
use super::memory::{Piece, Purpose};
use place::{ALIGNMENT, Interval, place};

/// When each piece of memory is needed; nothing for states. What the prologue leaves to later calls is needed for good.
pub fn intervals(memory: &[Piece], calls: &[Draft], prologue: usize) -> Vec<Option<Interval>> {
    let mut intervals: Vec<Option<Interval>> = vec![None; memory.len()];
    for (time, Draft { lowered, .. }) in calls.iter().enumerate() {
        for storage in &lowered.arguments {
            let bytes = 4 * memory[storage.0 as usize].elements;
            let interval = &mut intervals[storage.0 as usize];
            interval.get_or_insert(Interval { from: time, to: time, bytes }).to = time;
        }
    }
    for (piece, interval) in memory.iter().zip(&mut intervals) {
        let bytes = 4 * piece.elements;
        match piece.purpose {
            Purpose::Temporary => {
                let kept = interval.as_mut().filter(|interval| interval.from < prologue && interval.to >= prologue);
                kept.into_iter().for_each(|interval| interval.to = calls.len());
            }
            Purpose::State(_) => *interval = None,
            Purpose::Input => *interval = Some(Interval { from: 0, to: calls.len(), bytes }),
            Purpose::Output => {
                let from = interval.map_or(0, |interval| interval.from);
                *interval = Some(Interval { from, to: calls.len(), bytes });
            }
        }
    }
    intervals
}

/// Lets results take the place of operands that die where they are made: says which piece of memory each one is part of, and
/// makes that one's interval hold both.
pub fn share_memory(memory: &[Piece], calls: &[Draft], intervals: &mut [Option<Interval>]) -> Vec<usize> {
    let mut owner: Vec<usize> = (0..memory.len()).collect();
    for (time, Draft { lowered, .. }) in calls.iter().enumerate() {
        for &(to, from) in &lowered.in_place {
            let (to, from) = (to.0 as usize, owner[from.0 as usize]);
            let (Some(new), Some(old)) = (intervals[to], intervals[from]) else { continue };
            let dies = memory[from].purpose == Purpose::Temporary && old.to == time;
            if owner[to] == to && new.from == time && dies && old.bytes == new.bytes {
                owner[to] = from;
                intervals[to] = None;
                intervals[from] = Some(Interval { to: new.to, ..old });
            }
        }
    }
    owner
}

/// An offset for each piece of memory, 0 for one without an interval; the end of those pieces in which the prologue leaves
/// something, which come first; the end of all.
pub fn offsets(memory: &[Piece], intervals: &[Option<Interval>], prologue: usize) -> (Vec<usize>, usize, usize) {
    let mut offsets = vec![0; memory.len()];
    let mut invariant_bytes = 0;
    let (mut numbers, mut others) = (Vec::new(), Vec::new());
    for (number, (piece, interval)) in memory.iter().zip(intervals).enumerate() {
        let Some(interval) = *interval else { continue };
        if piece.purpose != Purpose::Input && interval.from < prologue && interval.to >= prologue {
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
