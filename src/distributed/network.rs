//! What carries messages between ranks, and the one that is in this crate: ranks that are threads of one process. Knows
//! messages, and not what is in them.

use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::ExchangeError;

/// Carries messages between ranks, of which each has one of these. `kiln-mpi` has the one for machines.
pub trait Network: Send {
    /// The number of this rank, from 0 on.
    fn rank(&self) -> usize;

    /// The number of ranks.
    fn ranks(&self) -> usize;

    /// Sends each rank its message and receives one from each, which all ranks do at once: lengths agree on both sides.
    /// Nothing is sent to this rank itself, nor where a message is empty.
    ///
    /// # Errors
    /// [`ExchangeError::Timeout`], [`ExchangeError::Lost`], [`ExchangeError::Network`]. Messages may then be lost, and the
    /// network be of no use any more.
    fn swap(&mut self, messages: &mut Messages, limit: Duration) -> Result<(), ExchangeError>;
}

/// What a rank sends to all others and receives from them. Of this rank itself both are empty.
#[derive(Debug, Default)]
pub struct Messages {
    /// What is sent.
    pub outgoing: Vec<u32>,
    /// The part of it that goes to each rank; parts may overlap.
    pub sends: Vec<Range<usize>>,
    /// What is received.
    pub incoming: Vec<u32>,
    /// The part of it that comes from each rank; parts do not overlap.
    pub receives: Vec<Range<usize>>,
}

/// A rank among threads.
struct Threads {
    rank: usize,
    to: Vec<Sender<Vec<u32>>>,
    from: Vec<Receiver<Vec<u32>>>,
}

/// Ranks that are threads of this process, in order.
pub(super) fn threads(ranks: usize) -> impl Iterator<Item = Box<dyn Network>> {
    let mut receivers: Vec<Vec<Receiver<Vec<u32>>>> = (0..ranks).map(|_| Vec::new()).collect();
    let mut senders: Vec<Vec<Sender<Vec<u32>>>> = Vec::new();
    for _ in 0..ranks {
        let (to, from): (Vec<_>, Vec<_>) = (0..ranks).map(|_| channel()).unzip();
        receivers.iter_mut().zip(from).for_each(|(receivers, from)| receivers.push(from));
        senders.push(to);
    }
    let ends = senders.into_iter().zip(receivers).enumerate();
    ends.map(|(rank, (to, from))| Box::new(Threads { rank, to, from }) as Box<dyn Network>)
}

impl Network for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.to.len()
    }

    fn swap(&mut self, messages: &mut Messages, limit: Duration) -> Result<(), ExchangeError> {
        let rank = self.rank;
        for (to, part) in messages.sends.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let sent = self.to[to].send(messages.outgoing[part.clone()].to_vec());
            sent.map_err(|_| ExchangeError::Lost { rank, from: to })?;
        }
        let end = Instant::now() + limit;
        for (from, part) in messages.receives.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let left = end.saturating_duration_since(Instant::now());
            let message = self.from[from].recv_timeout(left).map_err(|error| match error {
                RecvTimeoutError::Timeout => ExchangeError::Timeout { rank, from, limit },
                RecvTimeoutError::Disconnected => ExchangeError::Lost { rank, from },
            })?;
            if message.len() != part.len() {
                let reason = format!("rank {from} sent {} numbers where {} were expected", message.len(), part.len());
                return Err(ExchangeError::Network { rank, reason });
            }
            messages.incoming[part.clone()].copy_from_slice(&message);
        }
        Ok(())
    }
}
