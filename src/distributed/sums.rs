//! Sums over the shards of a batch, in an order that knows no ranks. Shards are the leaves of a binary tree, which is cut
//! at powers of two:
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
//! A rank adds up what it has of whole subtrees, so that it sends one block of numbers where its shards are one subtree.
//! Each rank adds up one piece of the blocks of all, and sends the sum to all. Knows networks, and no programs.

use std::ops::Range;
use std::time::Duration;

use kiln_graph::Bf16;
use kiln_graph::passes::Precision;

use super::ExchangeError;
use super::network::{Messages, Network};
use super::share::Share;

/// Numbers of a message, at most: 256 KiB, so that what is sent, received and added up fits a second-level cache
/// (2026-11-30, reckoned for one of 1 MiB; nobody measured others).
const PART: usize = 1 << 16;

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

/// Numbers that are added up over all shards in one piece: from the first shard's to the sum, in memory of its own.
pub(crate) struct Bucket {
    /// How many numbers.
    elements: usize,
    /// Of how many shards the batch is.
    shards: usize,
    wire: Precision,
    /// The blocks of this rank's shards so far, and memory for more.
    blocks: Vec<(Subtree, Vec<f32>)>,
    spare: Vec<Vec<f32>>,
    messages: Messages,
    /// The blocks that each rank sends, once the first exchange has said how many ranks there are.
    of_ranks: Vec<Vec<Subtree>>,
    /// The blocks of all shards of this rank's piece, in order, and the subtrees that they are.
    pieces: Vec<f32>,
    subtrees: Vec<Subtree>,
    /// The sum.
    pub sum: Vec<f32>,
}

/// How many words so many numbers are in a message.
fn words(elements: usize, wire: Precision) -> usize {
    match wire {
        Precision::F32 => elements,
        Precision::Bf16 => elements.div_ceil(2),
    }
}

/// Adds numbers to a message.
fn pack(numbers: &[f32], wire: Precision, to: &mut Vec<u32>) {
    match wire {
        Precision::F32 => to.extend(numbers.iter().map(|number| number.to_bits())),
        Precision::Bf16 => {
            let bits = |number: f32| u32::from(Bf16::nearest(number).to_bits());
            to.extend(numbers.chunks(2).map(|pair| bits(pair[0]) | pair.get(1).map_or(0, |&next| bits(next) << 16)));
        }
    }
}

/// Reads numbers from a message.
fn unpack(words: &[u32], wire: Precision, to: &mut [f32]) {
    match wire {
        Precision::F32 => to.iter_mut().zip(words).for_each(|(number, &word)| *number = f32::from_bits(word)),
        Precision::Bf16 => {
            for (pair, &word) in to.chunks_mut(2).zip(words) {
                pair[0] = f32::from_bits(word << 16);
                pair.iter_mut().skip(1).for_each(|next| *next = f32::from_bits(word & 0xffff_0000));
            }
        }
    }
}

impl Bucket {
    /// Of so many numbers for each of so many shards.
    pub fn new(elements: usize, shards: usize, wire: Precision) -> Bucket {
        let sum = vec![0.0; elements];
        let (blocks, spare, messages) = Default::default();
        let (of_ranks, pieces, subtrees) = Default::default();
        Bucket { elements, shards, wire, blocks, spare, messages, of_ranks, pieces, subtrees, sum }
    }

    /// The numbers of a shard, to be written whole; shards come in order, and [`Bucket::merge`] after each.
    pub fn shard(&mut self, shard: usize) -> &mut [f32] {
        let block = self.spare.pop().unwrap_or_else(|| vec![0.0; self.elements]);
        self.blocks.push(((shard, 1), block));
        let (_, block) = self.blocks.last_mut().expect("it was just put there");
        block
    }

    /// Adds up whole subtrees. What is rounded on the wire is rounded shard by shard, so that sums do not depend on who
    /// has which; then nothing is added up before.
    pub fn merge(&mut self) {
        while self.wire == Precision::F32
            && let [.., (a, _), (b, _)] = self.blocks[..]
            && are_halves(a, b)
        {
            let Some((_, second)) = self.blocks.pop() else { return };
            if let Some((subtree, first)) = self.blocks.last_mut() {
                add(first, &second);
                subtree.1 *= 2;
            }
            self.spare.push(second);
        }
    }

    /// Brings the blocks of all ranks together: `sum` is then that of all shards. What is on its way at a time stays in a
    /// cache.
    ///
    /// # Errors
    /// Those of the network.
    pub fn exchange(&mut self, network: &mut dyn Network, limit: Duration) -> Result<(), ExchangeError> {
        let (ranks, wire) = (network.ranks(), self.wire);
        if self.of_ranks.len() != ranks {
            let blocks = |of: usize| subtrees(Share::of(of, ranks, self.shards).own, wire == Precision::F32);
            self.of_ranks = (0..ranks).map(blocks).collect();
        }
        for part in 0..self.elements.div_ceil(ranks).div_ceil(PART) {
            self.exchange_part(part, network, limit)?;
        }
        self.spare.extend(self.blocks.drain(..).map(|(_, block)| block));
        Ok(())
    }

    /// Part of each rank's piece.
    fn exchange_part(&mut self, part: usize, network: &mut dyn Network, limit: Duration) -> Result<(), ExchangeError> {
        let (rank, ranks, wire) = (network.rank(), network.ranks(), self.wire);
        let elements = self.elements;
        let piece = |of: usize| {
            let (start, end) = (elements * of / ranks, elements * (of + 1) / ranks);
            end.min(start + part * PART)..end.min(start + (part + 1) * PART)
        };
        let own = piece(rank);
        // Each rank is sent its piece of all blocks of this one.
        let messages = &mut self.messages;
        messages.outgoing.clear();
        messages.sends.clear();
        for of in 0..ranks {
            let first = messages.outgoing.len();
            if of != rank {
                self.blocks.iter().for_each(|(_, block)| pack(&block[piece(of)], wire, &mut messages.outgoing));
            }
            messages.sends.push(first..messages.outgoing.len());
        }
        messages.receives.clear();
        let mut all = 0;
        for of in 0..ranks {
            let length = if of == rank { 0 } else { self.of_ranks[of].len() * words(own.len(), wire) };
            messages.receives.push(all..all + length);
            all += length;
        }
        messages.incoming.resize(all, 0);
        network.swap(messages, limit)?;
        // The pieces of all blocks in the order of shards, then one after the other into the tree.
        let subtrees = &mut self.subtrees;
        subtrees.clear();
        self.pieces.clear();
        for of in 0..ranks {
            let mut place = messages.receives[of].start;
            for (number, &subtree) in self.of_ranks[of].iter().enumerate() {
                let first = self.pieces.len();
                self.pieces.resize(first + own.len(), 0.0);
                let to = &mut self.pieces[first..];
                if of == rank {
                    let from = &self.blocks[number].1[own.clone()];
                    match wire {
                        Precision::F32 => to.copy_from_slice(from),
                        Precision::Bf16 => to.iter_mut().zip(from).for_each(|(to, &from)| {
                            *to = f32::from_bits(u32::from(Bf16::nearest(from).to_bits()) << 16)
                        }),
                    }
                } else {
                    let length = words(own.len(), wire);
                    unpack(&messages.incoming[place..place + length], wire, to);
                    place += length;
                }
                subtrees.push(subtree);
                while let [.., a, b] = subtrees[..]
                    && are_halves(a, b)
                {
                    subtrees.truncate(subtrees.len() - 2);
                    subtrees.push((a.0, 2 * a.1));
                    add_last(&mut self.pieces, own.len());
                }
            }
        }
        // What is left are subtrees of ever fewer shards.
        (1..subtrees.len()).for_each(|_| add_last(&mut self.pieces, own.len()));
        // The sum of this rank's piece goes to all.
        let messages = &mut self.messages;
        messages.outgoing.clear();
        pack(&self.pieces, wire, &mut messages.outgoing);
        let length = messages.outgoing.len();
        messages.sends.iter_mut().enumerate().for_each(|(of, part)| *part = 0..if of == rank { 0 } else { length });
        let mut all = 0;
        for (of, part) in messages.receives.iter_mut().enumerate() {
            let length = if of == rank { 0 } else { words(piece(of).len(), wire) };
            *part = all..all + length;
            all += length;
        }
        messages.incoming.resize(all, 0);
        network.swap(messages, limit)?;
        for of in 0..ranks {
            let from =
                if of == rank { &messages.outgoing[..] } else { &messages.incoming[messages.receives[of].clone()] };
            unpack(from, wire, &mut self.sum[piece(of)]);
        }
        Ok(())
    }
}

/// Adds the last block of some pieces to the one before it.
fn add_last(pieces: &mut Vec<f32>, length: usize) {
    let last = pieces.len() - length;
    let (before, second) = pieces.split_at_mut(last);
    let first = before.len() - length;
    add(&mut before[first..], second);
    pieces.truncate(last);
}

#[cfg(test)]
mod tests {
    use super::super::network::threads;
    use super::*;

    /// The sums of `shards` shards of `elements` numbers as each of `ranks` ranks has them.
    fn sums(ranks: usize, shards: usize, elements: usize, wire: Precision) -> Vec<Vec<u32>> {
        let number =
            |shard: usize, place: usize| ((shard * 31 + place * 17 + 3) as f32).sin() * 10f32.powi(place as i32 % 7);
        let of_rank = |mut network: Box<dyn Network>| {
            let mut bucket = Bucket::new(elements, shards, wire);
            // A bucket is used again.
            for _ in 0..2 {
                for shard in Share::of(network.rank(), ranks, shards).own {
                    let block = bucket.shard(shard);
                    block.iter_mut().enumerate().for_each(|(place, to)| *to = number(shard, place));
                    bucket.merge();
                }
                bucket.exchange(&mut *network, Duration::from_secs(20)).unwrap();
            }
            bucket.sum.iter().map(|sum| sum.to_bits()).collect()
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = threads(ranks).map(|network| scope.spawn(|| of_rank(network))).collect();
            running.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    #[test]
    fn sums_have_the_same_bits_on_any_number_of_ranks() {
        for wire in [Precision::F32, Precision::Bf16] {
            for (shards, elements) in
                [(1, 5), (2, 1), (3, 10), (4, 1000), (5, 7), (6, 64), (7, 3), (8, 100), (13, 129), (4, 5 * PART / 2)]
            {
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
