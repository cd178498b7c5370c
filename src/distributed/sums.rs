//! Sums over the shards of a batch, in an order that knows no ranks. Shards are the leaves of a binary tree, which is
//! cut at powers of two:
//!
//! ```text
//!   shards   0   1   2   3   4   5        ((0 + 1) + (2 + 3)) + (4 + 5)
//!             \ /     \ /     \ /
//!              +       +       +
//!               \_____/       /
//!                  +         /
//!                   \_______/
//!                       +
//! ```
//!
//! A rank adds up what it has of whole subtrees, so that it sends one block of numbers where its shards are one
//! subtree. Each rank adds up one piece of the blocks of all, and sends the sum to all. Knows networks, and no
//! programs.

use std::ops::Range;
use std::time::Duration;

use kiln_graph::Bf16;
use kiln_graph::passes::Precision;

use super::ExchangeError;
use super::network::{Messages, Network};
use super::share::Share;

/// Numbers of a bucket that are on their way at a time: 16 MiB, so that a usual bucket goes at once. Each wait for another
/// rank may cost a thread that shares its core a turn of the scheduler's, some milliseconds: 2 ranks of one core each that
/// trained resnet18 beside other programs took 930 ms a step with messages of 256 KiB (2026-11-30).
const PART: usize = 1 << 22;

/// Numbers that are added up over blocks at a time: 16 KiB of each, so that two of them stay in a first-level cache of
/// 32 KiB. By that size, 2026-11-30.
const CHUNK: usize = 1 << 12;

/// A subtree: its first shard, and the number of its shards, which is a power of two.
type Subtree = (usize, usize);

/// Whether two subtrees that follow each other are the two halves of one.
fn are_halves((first, size): Subtree, (_, next): Subtree) -> bool {
    size == next && first % (2 * size) == 0
}

/// The subtrees that the shards of a rank are, of which one block each is sent; single shards where none are added up
/// before they are sent.
fn subtrees(shards: Range<usize>, merged: bool) -> Vec<Subtree> {
    let mut subtrees: Vec<Subtree> = Vec::new();
    for shard in shards {
        subtrees.push((shard, 1));
        while merged
            && let [.., a, b] = subtrees[..]
            && are_halves(a, b)
        {
            subtrees.pop();
            subtrees.pop();
            subtrees.push((a.0, 2 * a.1));
        }
    }
    subtrees
}

/// Adds the second of two blocks to the first.
fn add(first: &mut [f32], second: &[f32]) {
    for (a, b) in first.iter_mut().zip(second) {
        *a += b;
    }
}

/// Numbers that are added up over all shards in one piece: from the first shard's to the sum, in one memory:
///
/// ```text
///   | block of some shards | block of others | .. | messages, where they are not sent from blocks |
///   | their sum            |
/// ```
pub(crate) struct Bucket {
    /// How many numbers.
    elements: usize,
    /// Of how many shards the batch is.
    shards: usize,
    wire: Precision,
    /// Of which shards the blocks are so far.
    blocks: Vec<Subtree>,
    messages: Messages,
    /// The blocks that each rank sends, once the first exchange has said how many ranks there are.
    of_ranks: Vec<Vec<Subtree>>,
    sums: Sums,
}

/// Some numbers of a bucket, of which each rank adds up one piece.
struct Pieces {
    part: Range<usize>,
    ranks: usize,
}

impl Pieces {
    /// That of a rank.
    fn of(&self, rank: usize) -> Range<usize> {
        let start = |rank: usize| self.part.start + self.part.len() * rank / self.ranks;
        start(rank)..start(rank + 1)
    }
}

/// How many numbers of a message so many numbers are.
fn words(elements: usize, wire: Precision) -> usize {
    match wire {
        Precision::F32 => elements,
        Precision::Bf16 => elements.div_ceil(2),
    }
}

/// Writes numbers to a message.
fn pack(numbers: &[f32], wire: Precision, to: &mut [f32]) {
    match wire {
        Precision::F32 => to.copy_from_slice(numbers),
        Precision::Bf16 => {
            let bits = |number: f32| u32::from(Bf16::nearest(number).to_bits());
            for (to, pair) in to.iter_mut().zip(numbers.chunks(2)) {
                *to = f32::from_bits(bits(pair[0]) | pair.get(1).map_or(0, |&next| bits(next) << 16));
            }
        }
    }
}

/// Reads numbers from a message.
fn unpack(message: &[f32], wire: Precision, to: &mut [f32]) {
    match wire {
        Precision::F32 => to.copy_from_slice(message),
        Precision::Bf16 => {
            for (pair, word) in to.chunks_mut(2).zip(message) {
                let word = word.to_bits();
                pair[0] = f32::from_bits(word << 16);
                pair.iter_mut().skip(1).for_each(|next| *next = f32::from_bits(word & 0xffff_0000));
            }
        }
    }
}

/// As whoever receives a number has it.
fn as_sent(number: f32, wire: Precision) -> f32 {
    match wire {
        Precision::F32 => number,
        Precision::Bf16 => f32::from_bits(u32::from(Bf16::nearest(number).to_bits()) << 16),
    }
}

/// Adds up blocks of all shards, which come in their order: those of subtrees that are not joined yet lie one behind the
/// other.
#[derive(Default)]
struct Sums {
    numbers: Vec<f32>,
    subtrees: Vec<Subtree>,
}

impl Sums {
    /// Takes the next block, which `write` writes.
    fn take(&mut self, subtree: Subtree, length: usize, write: impl FnOnce(&mut [f32])) {
        let first = self.numbers.len();
        self.numbers.resize(first + length, 0.0);
        write(&mut self.numbers[first..]);
        self.subtrees.push(subtree);
        while let [.., a, b] = self.subtrees[..]
            && are_halves(a, b)
        {
            self.join(length);
            if let Some(last) = self.subtrees.last_mut() {
                last.1 *= 2;
            }
        }
    }

    /// Adds the last block to the one before it.
    fn join(&mut self, length: usize) {
        let last = self.numbers.len() - length;
        let (before, second) = self.numbers.split_at_mut(last);
        let first = before.len() - length;
        add(&mut before[first..], second);
        self.numbers.truncate(last);
        self.subtrees.pop();
    }

    /// The sum of all that were taken. What is left are subtrees of ever fewer shards.
    fn sum(&mut self, length: usize) -> &[f32] {
        while self.subtrees.len() > 1 {
            self.join(length);
        }
        &self.numbers
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.subtrees.clear();
    }
}

impl Bucket {
    /// Of so many numbers for each of so many shards.
    pub fn new(elements: usize, shards: usize, wire: Precision) -> Bucket {
        let (blocks, messages, of_ranks, sums) = Default::default();
        Bucket { elements, shards, wire, blocks, messages, of_ranks, sums }
    }

    /// Memory for the next block.
    fn block(&mut self) -> &mut [f32] {
        let first = self.blocks.len() * self.elements;
        let end = first + self.elements;
        if self.messages.numbers.len() < end {
            self.messages.numbers.resize(end, 0.0);
        }
        &mut self.messages.numbers[first..end]
    }

    /// Takes the numbers of a shard, which `write` writes whole; shards come in order. Whole subtrees are added up. What is
    /// rounded on the wire is rounded shard by shard, so that sums do not depend on who has which; then nothing is added up
    /// before.
    pub fn take(&mut self, shard: usize, write: impl FnOnce(&mut [f32])) {
        // Shards follow each other; what lies there of a step that failed half-way does not count.
        if self.blocks.last().is_some_and(|&(first, count)| first + count != shard) {
            self.blocks.clear();
        }
        write(self.block());
        self.blocks.push((shard, 1));
        while self.wire == Precision::F32
            && let [.., a, b] = self.blocks[..]
            && are_halves(a, b)
        {
            self.blocks.pop();
            let (before, second) = self.messages.numbers.split_at_mut(self.blocks.len() * self.elements);
            let first = before.len() - self.elements;
            add(&mut before[first..], &second[..self.elements]);
            if let Some(last) = self.blocks.last_mut() {
                last.1 *= 2;
            }
        }
    }

    /// The sum of all shards, after [`Bucket::exchange`].
    pub fn sum(&self) -> &[f32] {
        &self.messages.numbers[..self.elements]
    }

    /// Brings the blocks of all ranks together: the sum is then that of all shards.
    ///
    /// # Errors
    /// Those of the network.
    pub fn exchange(&mut self, network: &mut dyn Network, limit: Duration) -> Result<(), ExchangeError> {
        let (ranks, wire) = (network.ranks(), self.wire);
        if self.of_ranks.len() != ranks {
            let blocks = |of: usize| subtrees(Share::of(of, ranks, self.shards).own, wire == Precision::F32);
            self.of_ranks = (0..ranks).map(blocks).collect();
        }
        // The only block is the sum.
        let is_alone = ranks == 1 && self.blocks.len() == 1 && wire == Precision::F32;
        let mut parts = (0..if is_alone { 0 } else { self.elements }).step_by(PART);
        let result = parts.try_for_each(|start| {
            let end = self.elements.min(start + PART);
            self.exchange_part(start..end, network, limit)
        });
        self.blocks.clear();
        result
    }

    /// Part of the numbers, of which each rank adds up one piece for all.
    fn exchange_part(
        &mut self,
        part: Range<usize>,
        network: &mut dyn Network,
        limit: Duration,
    ) -> Result<(), ExchangeError> {
        let (rank, ranks) = (network.rank(), network.ranks());
        let pieces = Pieces { part, ranks };
        self.send_blocks(rank, &pieces);
        network.swap(&mut self.messages, limit)?;
        self.add_up(rank, pieces.of(rank));
        self.send_sum(rank, &pieces);
        network.swap(&mut self.messages, limit)?;
        if self.wire != Precision::F32 {
            let Messages { numbers, receives, .. } = &mut self.messages;
            let (blocks, messages) = numbers.split_at_mut(self.blocks.len() * self.elements);
            for of in (0..ranks).filter(|&of| of != rank) {
                let message = receives[of].start - blocks.len()..receives[of].end - blocks.len();
                unpack(&messages[message], self.wire, &mut blocks[pieces.of(of)]);
            }
        }
        Ok(())
    }

    /// Each rank is to be sent its piece of all blocks of this one. One block goes as it lies there; of several, and of what
    /// is rounded, messages are made behind the blocks.
    fn send_blocks(&mut self, rank: usize, pieces: &Pieces) {
        let (wire, elements, count) = (self.wire, self.elements, self.blocks.len());
        let is_sent_from_block = wire == Precision::F32 && count == 1;
        let Messages { numbers, sends, receives } = &mut self.messages;
        let mut end = count * elements;
        sends.clear();
        for of in 0..pieces.ranks {
            let piece = pieces.of(of);
            let length = words(piece.len(), wire);
            if of == rank || is_sent_from_block {
                sends.push(if of == rank { 0..0 } else { piece.clone() });
                continue;
            }
            let first = end;
            end += count * length;
            sends.push(first..end);
            numbers.resize(numbers.len().max(end), 0.0);
            let (blocks, message) = numbers.split_at_mut(first);
            for number in 0..count {
                let block = &blocks[number * elements..][piece.clone()];
                pack(block, wire, &mut message[number * length..][..length]);
            }
        }
        receives.clear();
        for (of, blocks) in self.of_ranks.iter().enumerate() {
            let first = end;
            end += if of == rank { 0 } else { blocks.len() * words(pieces.of(rank).len(), wire) };
            receives.push(first..end);
        }
        numbers.resize(numbers.len().max(end), 0.0);
    }

    /// Adds up the pieces of all blocks in the order of shards; their sum lies in the first block.
    fn add_up(&mut self, rank: usize, own: Range<usize>) {
        let (wire, elements) = (self.wire, self.elements);
        let Messages { numbers, receives, .. } = &mut self.messages;
        let length = words(own.len(), wire);
        for start in own.clone().step_by(CHUNK) {
            let chunk = start..own.end.min(start + CHUNK);
            let in_message = words(start - own.start, wire)..words(chunk.end - own.start, wire);
            self.sums.clear();
            for (of, blocks) in self.of_ranks.iter().enumerate() {
                for (number, &subtree) in blocks.iter().enumerate() {
                    self.sums.take(subtree, chunk.len(), |to| {
                        if of == rank {
                            let from = &numbers[number * elements..][chunk.clone()];
                            to.iter_mut().zip(from).for_each(|(to, &from)| *to = as_sent(from, wire));
                        } else {
                            let message = &numbers[receives[of].start + number * length..][in_message.clone()];
                            unpack(message, wire, to);
                        }
                    });
                }
            }
            let sum = self.sums.sum(chunk.len());
            numbers[chunk].iter_mut().zip(sum).for_each(|(to, &sum)| *to = as_sent(sum, wire));
        }
    }

    /// The sum of this rank's piece is to be sent to all: from where it lies to where it is to lie, or by messages where it is
    /// rounded.
    fn send_sum(&mut self, rank: usize, pieces: &Pieces) {
        let (wire, own) = (self.wire, pieces.of(rank));
        let Messages { numbers, sends, receives } = &mut self.messages;
        let behind = self.blocks.len() * self.elements;
        let mut end = behind + words(own.len(), wire);
        let message = if wire == Precision::F32 { own.clone() } else { behind..end };
        for of in (0..pieces.ranks).filter(|&of| of != rank) {
            sends[of] = message.clone();
            receives[of] = pieces.of(of);
            if wire != Precision::F32 {
                receives[of] = end..end + words(pieces.of(of).len(), wire);
                end = receives[of].end;
            }
        }
        if wire != Precision::F32 {
            numbers.resize(numbers.len().max(end), 0.0);
            let (blocks, messages) = numbers.split_at_mut(behind);
            pack(&blocks[own.clone()], wire, &mut messages[..words(own.len(), wire)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::threads;
    use super::*;

    /// The sums of `shards` shards of `elements` numbers as each of `ranks` ranks has them.
    fn sums(ranks: usize, shards: usize, elements: usize, wire: Precision) -> Vec<Vec<u32>> {
        let number = |shard: usize, place: usize| {
            let digits = (shard * 7919 + place * 104_729) % 1_000_003;
            (digits as f32 - 5e5) * [1e-3, 1.0, 1e3][place % 3]
        };
        let of_rank = |mut network: Box<dyn Network>| {
            let mut bucket = Bucket::new(elements, shards, wire);
            // A bucket is used again.
            for _ in 0..2 {
                for shard in Share::of(network.rank(), ranks, shards).own {
                    bucket
                        .take(shard, |to| to.iter_mut().enumerate().for_each(|(place, to)| *to = number(shard, place)));
                }
                bucket.exchange(&mut *network, Duration::from_secs(20)).unwrap();
            }
            bucket.sum().iter().map(|sum| sum.to_bits()).collect()
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = threads(ranks).map(|network| scope.spawn(|| of_rank(network))).collect();
            running.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    #[test]
    fn sums_have_the_same_bits_on_any_number_of_ranks() {
        for wire in [Precision::F32, Precision::Bf16] {
            for (shards, elements) in [
                (1, 5),
                (2, 1),
                (3, 10),
                (4, 1000),
                (5, 7),
                (6, 64),
                (7, 3),
                (8, 100),
                (13, 129),
                (3, 5 * CHUNK + 1),
                (2, PART + 3),
            ] {
                let expected = sums(1, shards, elements, wire).remove(0);
                for ranks in 2..=shards.min(8) {
                    for (rank, found) in sums(ranks, shards, elements, wire).into_iter().enumerate() {
                        assert_eq!(found, expected, "{shards} shards on {ranks} ranks, rank {rank}, {wire:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn subtrees_are_those_that_a_rank_has_whole() {
        for (shards, expected) in [
            (0..4, vec![(0, 4)]),
            (1..4, vec![(1, 1), (2, 2)]),
            (2..5, vec![(2, 2), (4, 1)]),
            (3..9, vec![(3, 1), (4, 4), (8, 1)]),
        ] {
            assert_eq!(subtrees(shards, true), expected);
        }
    }
}
