//! What carries messages between ranks, and the one that is in this crate: ranks that are threads of one process. Knows
//! messages, and not what is in them.

use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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
    /// [`ExchangeError::Timeout`], [`ExchangeError::Lost`], [`ExchangeError::Length`], [`ExchangeError::Network`]. Messages
    /// may then be lost, and the network be of no use any more.
    fn swap(&mut self, messages: &mut Messages, limit: Duration) -> Result<(), ExchangeError>;

    /// Whether the ranks that are left can go on when others have died.
    fn recovers(&self) -> bool {
        false
    }

    /// Leaves out the ranks that have died, and numbers the others anew; all of them call it, within the limit where the
    /// network knows one.
    ///
    /// # Errors
    /// Those of [`Network::swap`], and [`ExchangeError::Network`] where it can not be done.
    fn recover(&mut self, limit: Duration) -> Result<(), ExchangeError> {
        let reason = format!("this network does not go on without a rank, however long it is given ({limit:?})");
        Err(ExchangeError::Network { rank: self.rank(), reason })
    }

    /// This rank takes no further part, which others are to hear of, and why: for them it is
    /// [`ExchangeError::GivenUp`]. Within the limit it waits until they have heard.
    fn leave(&mut self, reason: &str, limit: Duration);
}

/// What a rank sends to all others and receives from them: parts of one memory, whose bits are carried as they are. Of this
/// rank itself both are empty.
#[derive(Debug, Default)]
pub struct Messages {
    /// What is sent, and what is received.
    pub numbers: Vec<f32>,
    /// The part of it that goes to each rank; parts may overlap.
    pub sends: Vec<Range<usize>>,
    /// The part of it that comes from each rank; parts do not overlap, in the order of ranks, and no part that is sent does.
    pub receives: Vec<Range<usize>>,
}

/// A rank among threads.
struct Threads {
    /// Its number at the start.
    id: usize,
    rank: usize,
    ends: Ends,
    meeting: Arc<Meeting>,
}

/// The channels of a rank to all others, and from them.
#[derive(Default)]
struct Ends {
    to: Vec<Sender<Vec<f32>>>,
    from: Vec<Receiver<Vec<f32>>>,
}

impl Ends {
    /// Those of so many ranks, in order.
    fn of(ranks: usize) -> Vec<Ends> {
        let mut receivers: Vec<Vec<Receiver<Vec<f32>>>> = (0..ranks).map(|_| Vec::new()).collect();
        let mut senders: Vec<Vec<Sender<Vec<f32>>>> = Vec::new();
        for _ in 0..ranks {
            let (to, from): (Vec<_>, Vec<_>) = (0..ranks).map(|_| channel()).unzip();
            receivers.iter_mut().zip(from).for_each(|(receivers, from)| receivers.push(from));
            senders.push(to);
        }
        senders.into_iter().zip(receivers).map(|(to, from)| Ends { to, from }).collect()
    }
}

/// Where ranks that are left wait for one another.
struct Meeting {
    state: Mutex<Met>,
    changed: Condvar,
}

/// Who is there, by the numbers at the start.
struct Met {
    alive: Vec<bool>,
    waits: Vec<bool>,
    /// The first that has given up since all began or last went on, by its rank, and why.
    given_up: Option<(usize, String)>,
    /// What those that waited take with them: the new rank, and the channels.
    ends: Vec<Option<(usize, Ends)>>,
}

impl Meeting {
    /// Nothing that can panic runs while the state is locked.
    fn lock(&self) -> MutexGuard<'_, Met> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Met {
    /// Gives all new channels, once all that live are waiting.
    fn begin_anew(&mut self) {
        if (0..self.alive.len()).any(|id| self.alive[id] && !self.waits[id]) {
            return;
        }
        let living: Vec<usize> = (0..self.alive.len()).filter(|&id| self.alive[id]).collect();
        for (rank, (id, ends)) in living.iter().zip(Ends::of(living.len())).enumerate() {
            self.ends[*id] = Some((rank, ends));
        }
        self.waits.fill(false);
        self.given_up = None;
    }
}

/// Ranks that are threads of this process, in order.
pub(super) fn threads(ranks: usize) -> impl Iterator<Item = Box<dyn Network>> {
    let (waits, ends) = (vec![false; ranks], (0..ranks).map(|_| None).collect());
    let met = Met { alive: vec![true; ranks], waits, given_up: None, ends };
    let meeting = Arc::new(Meeting { state: Mutex::new(met), changed: Condvar::new() });
    let ends = Ends::of(ranks).into_iter().enumerate();
    ends.map(move |(rank, ends)| {
        Box::new(Threads { id: rank, rank, ends, meeting: meeting.clone() }) as Box<dyn Network>
    })
}

impl Threads {
    /// What a rank that is gone means for this one: who has given up is told before who has ended because of that.
    fn lost(&self, from: usize) -> ExchangeError {
        let rank = self.rank;
        match self.meeting.lock().given_up.clone() {
            Some((from, reason)) => ExchangeError::GivenUp { rank, from, reason },
            None => ExchangeError::Lost { rank, from },
        }
    }

    /// Leaves the others, with a last word if there is one.
    fn end(&mut self, reason: Option<&str>) {
        let mut met = self.meeting.lock();
        if let Some(reason) = reason {
            met.given_up.get_or_insert((self.rank, reason.to_owned()));
        }
        met.alive[self.id] = false;
        met.begin_anew();
        self.meeting.changed.notify_all();
        drop(met);
        self.ends = Ends::default();
    }
}

impl Network for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ends.to.len()
    }

    fn swap(&mut self, messages: &mut Messages, limit: Duration) -> Result<(), ExchangeError> {
        let rank = self.rank;
        for (to, part) in messages.sends.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let sent = self.ends.to[to].send(messages.numbers[part.clone()].to_vec());
            sent.map_err(|_| self.lost(to))?;
        }
        let end = Instant::now() + limit;
        for (from, part) in messages.receives.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let left = end.saturating_duration_since(Instant::now());
            let message = self.ends.from[from].recv_timeout(left).map_err(|error| match error {
                RecvTimeoutError::Timeout => ExchangeError::Timeout { rank, from, limit },
                RecvTimeoutError::Disconnected => self.lost(from),
            })?;
            if message.len() != part.len() {
                let (expected, found) = (part.len(), Some(message.len()));
                return Err(ExchangeError::Length { rank, from, expected, found });
            }
            messages.numbers[part.clone()].copy_from_slice(&message);
        }
        Ok(())
    }

    fn recovers(&self) -> bool {
        true
    }

    fn recover(&mut self, limit: Duration) -> Result<(), ExchangeError> {
        let rank = self.rank;
        // Whoever waits for this rank hears that it does not come.
        self.ends = Ends::default();
        let mut met = self.meeting.lock();
        met.waits[self.id] = true;
        met.begin_anew();
        self.meeting.changed.notify_all();
        let end = Instant::now() + limit;
        loop {
            if let Some((rank, ends)) = met.ends[self.id].take() {
                (self.rank, self.ends) = (rank, ends);
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            let missing = (0..met.alive.len()).find(|&id| met.alive[id] && !met.waits[id]);
            if left.is_zero() {
                met.waits[self.id] = false;
                return Err(ExchangeError::Timeout { rank, from: missing.unwrap_or(rank), limit });
            }
            met = self.meeting.changed.wait_timeout(met, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn leave(&mut self, reason: &str, _: Duration) {
        self.end(Some(reason));
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end(None);
    }
}
