//! An MPI library as a network of ranks: which one is loaded, how long is waited. Knows messages; what calls the
//! library is `library.rs`.

use std::env;
use std::hint;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use kiln::distributed::{ExchangeError, Messages, Network};

use crate::library::{self, Handle, Kind, LoadError, Mpi, Started, SwapError};

/// How long a thread that waits looks again and again before it sleeps in between, and how long it sleeps. It does not give way
/// to others otherwise: where somebody computes on its core such a turn takes milliseconds, and who sleeps is let through. Beside
/// other programs, 2 ranks of one core each took 11.8 ms for a step of LeNet by giving way, and 9.5 by sleep, and the sums of
/// resnet18's gradients 57 ms and 20 (2026-11-30).
const AWAKE: Duration = Duration::from_micros(20);
const SLEEP: Duration = Duration::from_micros(50);

/// How often a rank that waits looks whether others have said that they are gone; and how long after that it still waits for
/// what they may have sent before.
const LISTEN: Duration = Duration::from_millis(10);
const GRACE: Duration = Duration::from_millis(200);
/// The same of one that has ended without an error: the last that it sent may be long.
const ENDED: Duration = Duration::from_secs(2);

/// Numbers of what a rank says last: which rank has failed, counted from 1, or 0; how many bytes the reason has, and the
/// reason. 1 KiB, which libraries send without being asked for it.
const LAST: usize = 256;

/// Why there is no world of MPI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MpiError {
    /// No library.
    #[error(
        "no MPI library was found ({reason}); install Open MPI or MPICH, or say by the environment variable `KILN_MPI` where its `libmpi.so` is"
    )]
    NotFound {
        /// What the system's loader said.
        reason: String,
    },
    /// A library without a function that is needed.
    #[error("the library has no `{function}`: it is no MPI library")]
    Lacks {
        /// The function.
        function: &'static str,
    },
    /// A library that was built for programs of one thread.
    #[error("the MPI library does not allow calls from several threads in turn (MPI_THREAD_SERIALIZED)")]
    Threads,
    /// A library that did not start.
    #[error("MPI did not start: {reason}")]
    Start {
        /// What it said.
        reason: String,
    },
    /// A library of another MPI than that of `mpirun`.
    #[error(
        "the launcher has started {launched} processes, but the MPI library that was loaded knows of {found}: it is that of another MPI; name the launcher's by the environment variable `KILN_MPI`"
    )]
    Launcher {
        /// How many the launcher has started.
        launched: usize,
        /// How many the library knows.
        found: usize,
    },
}

impl From<LoadError> for MpiError {
    fn from(error: LoadError) -> MpiError {
        match error {
            LoadError::NotFound(reason) => MpiError::NotFound { reason },
            LoadError::Lacks(function) => MpiError::Lacks { function },
            LoadError::Threads => MpiError::Threads,
            LoadError::Failed(reason) => MpiError::Start { reason },
        }
    }
}

/// The names under which the library may be found, the likeliest first.
fn names() -> Vec<String> {
    if let Ok(name) = env::var("KILN_MPI") {
        return vec![name];
    }
    let open_mpi = ["libmpi.so.40", "libmpi.so", "libmpi.40.dylib", "libmpi.dylib"];
    let mpich = ["libmpich.so.12", "libmpi.so.12", "libmpich.so", "libmpi.12.dylib"];
    let of_launcher = if env::var_os("PMI_SIZE").is_some() { [mpich, open_mpi] } else { [open_mpi, mpich] };
    of_launcher.as_flattened().iter().map(|name| (*name).to_owned()).collect()
}

/// The network of a job of so many processes.
pub(crate) fn start(launched: usize) -> Result<Box<dyn Network>, MpiError> {
    match library::start(&names())? {
        Started::OpenMpi(mpi) => checked(mpi, launched),
        Started::Mpich(mpi) => checked(mpi, launched),
    }
}

fn checked<H: Handle>(mpi: Mpi<H>, launched: usize) -> Result<Box<dyn Network>, MpiError> {
    let found = mpi.ranks();
    if found != launched {
        return Err(MpiError::Launcher { launched, found });
    }
    let last = (0..found).map(|_| None).collect();
    Ok(Box::new(Ranks { mpi, state: State::Well, last, sends: Vec::new(), receives: Vec::new() }))
}

/// The ranks of a job.
struct Ranks<H: Handle> {
    mpi: Mpi<H>,
    state: State,
    /// What each rank has said last, where it has.
    last: Vec<Option<Last>>,
    sends: Vec<(usize, Range<usize>)>,
    receives: Vec<(usize, Range<usize>)>,
}

/// How a rank ends.
enum State {
    /// As all others do.
    Well,
    /// Others are gone, which the rest is to hear of, within a limit.
    Without(Failure, Duration),
    /// Something was not sent or received, or the others have heard already: the process ends, and the launcher sees to the
    /// rest.
    Broken,
}

/// A rank that has failed, and why; an empty reason where it has ended without one.
#[derive(Clone)]
struct Failure {
    rank: usize,
    reason: String,
}

/// What a rank says last.
type Last = Option<Failure>;

fn words(last: &Last) -> Vec<f32> {
    let (mut words, mut text) = ([0_u32; LAST], [0_u8; 4 * (LAST - 2)]);
    if let Some(Failure { rank, reason }) = last {
        let length = reason.len().min(text.len());
        text[..length].copy_from_slice(&reason.as_bytes()[..length]);
        words[..2].copy_from_slice(&[*rank as u32 + 1, length as u32]);
    }
    for (word, bytes) in words[2..].iter_mut().zip(text.chunks(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    words.map(f32::from_bits).to_vec()
}

fn read(words: &[f32]) -> Last {
    let rank = words[0].to_bits().checked_sub(1)? as usize;
    let text: Vec<u8> = words[2..].iter().flat_map(|word| word.to_bits().to_le_bytes()).collect();
    let length = (words[1].to_bits() as usize).min(text.len());
    Some(Failure { rank, reason: String::from_utf8_lossy(&text[..length]).into_owned() })
}

/// Lets some time pass in a wait.
fn pause(waited: Duration) {
    if waited < AWAKE {
        hint::spin_loop();
    } else {
        thread::sleep(SLEEP);
    }
}

impl<H: Handle> Ranks<H> {
    /// Waits until what was begun is done.
    fn finish(&mut self, limit: Duration) -> Result<(), ExchangeError> {
        let rank = self.mpi.rank();
        let begin = Instant::now();
        let (mut listens, mut gone) = (AWAKE, None);
        loop {
            match self.mpi.are_done() {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => return Err(self.failed(error)),
            }
            let waited = begin.elapsed();
            let Some(from) = self.mpi.awaited().next() else { return Ok(()) };
            if waited >= limit {
                self.state = State::Broken;
                return Err(ExchangeError::Timeout { rank, from, limit });
            }
            if waited >= listens {
                listens = waited + LISTEN;
                let failure = self.listen();
                gone = gone.or(failure.is_some().then_some(waited));
                if let (Some(failure), Some(heard)) = (failure, gone)
                    && waited >= heard + if failure.reason.is_empty() { ENDED } else { GRACE }
                {
                    self.state = State::Without(failure.clone(), limit);
                    let Failure { rank: from, reason } = failure;
                    return Err(match reason.is_empty() {
                        true => ExchangeError::Lost { rank, from },
                        false => ExchangeError::GivenUp { rank, from, reason },
                    });
                }
            }
            pause(waited);
        }
    }

    /// Which rank is gone, of those that are waited for: one that has failed before those that have ended because of that.
    fn listen(&mut self) -> Option<Failure> {
        let mut awaited: Vec<usize> = self.mpi.awaited().collect();
        awaited.dedup();
        awaited.iter().for_each(|&rank| _ = self.hear(rank));
        let gone = |rank: &usize| {
            let last = self.last[*rank].as_ref()?;
            Some(last.clone().unwrap_or(Failure { rank: *rank, reason: String::new() }))
        };
        awaited.iter().filter_map(gone).max_by_key(|failure| !failure.reason.is_empty())
    }

    /// Whether a rank has said its last, or is dead.
    fn hear(&mut self, rank: usize) -> bool {
        if self.last[rank].is_none() {
            match self.mpi.heard(rank, LAST) {
                Ok(words) => self.last[rank] = words.map(|words| read(&words)),
                Err(_) => return true,
            }
        }
        self.last[rank].is_some()
    }

    /// Says the last, and waits until all others have said theirs, or until a limit; whether all have ended well.
    fn close(&mut self, last: &Last, limit: Option<Duration>) -> bool {
        let (rank, ranks) = (self.mpi.rank(), self.mpi.ranks());
        let others: Vec<usize> = (0..ranks).filter(|&other| other != rank).collect();
        let sends: Vec<(usize, Range<usize>)> = others.iter().map(|&other| (other, 0..LAST)).collect();
        if self.mpi.begin(words(last), Kind::Last, &sends, &[]).is_err() {
            return false;
        }
        let begin = Instant::now();
        loop {
            let are_sent = self.mpi.are_done().unwrap_or(true);
            if others.iter().fold(are_sent, |all, &other| self.hear(other) && all) {
                let are_done = matches!(self.mpi.are_done(), Ok(true));
                self.mpi.take();
                // Of one that has died nothing was heard.
                let ended_well = |&other: &usize| matches!(self.last[other], Some(None));
                return are_done && last.is_none() && others.iter().all(ended_well);
            }
            let waited = begin.elapsed();
            if limit.is_some_and(|limit| waited >= limit) {
                return false;
            }
            pause(waited);
        }
    }

    /// What an error of the library says.
    fn failed(&mut self, error: SwapError) -> ExchangeError {
        let rank = self.mpi.rank();
        self.state = State::Broken;
        match error {
            SwapError::Part => {
                let reason = "a message is too long for MPI, or lies over another one".into();
                ExchangeError::Network { rank, reason }
            }
            SwapError::Length { rank: from, expected, found } => ExchangeError::Length { rank, from, expected, found },
            SwapError::Failed { rank: from, code } if self.mpi.is_loss(code) => {
                // Others wait for this rank, and not for the one that is gone.
                self.mpi.revoke();
                ExchangeError::Lost { rank, from }
            }
            SwapError::Failed { rank: from, code } => {
                let reason = format!("MPI says of messages with rank {from}: {}", self.mpi.describe(code));
                ExchangeError::Network { rank, reason }
            }
        }
    }
}

impl<H: Handle> Network for Ranks<H> {
    fn rank(&self) -> usize {
        self.mpi.rank()
    }

    fn ranks(&self) -> usize {
        self.mpi.ranks()
    }

    fn swap(&mut self, messages: &mut Messages, limit: Duration) -> Result<(), ExchangeError> {
        for (parts, to) in [(&messages.sends, &mut self.sends), (&messages.receives, &mut self.receives)] {
            to.clear();
            to.extend(parts.iter().cloned().enumerate().filter(|(_, part)| !part.is_empty()));
        }
        let numbers = std::mem::take(&mut messages.numbers);
        let begun = self.mpi.begin(numbers, Kind::Exchange, &self.sends, &self.receives);
        let done = begun.map_err(|error| self.failed(error)).and_then(|()| self.finish(limit));
        messages.numbers = self.mpi.take();
        done
    }

    fn recovers(&self) -> bool {
        self.mpi.mitigates()
    }

    fn recover(&mut self, _: Duration) -> Result<(), ExchangeError> {
        let rank = self.mpi.rank();
        // One that has given up may run on, and MPI would wait for it without a limit.
        if let State::Without(Failure { rank: from, reason }, _) = &self.state
            && !reason.is_empty()
        {
            return Err(ExchangeError::GivenUp { rank, from: *from, reason: reason.clone() });
        }
        self.state = State::Broken;
        let reason = |error| ExchangeError::Network { rank, reason: MpiError::from(error).to_string() };
        self.mpi.shrink().map_err(reason)?;
        self.state = State::Well;
        self.last = (0..self.mpi.ranks()).map(|_| None).collect();
        Ok(())
    }

    fn leave(&mut self, reason: &str, limit: Duration) {
        // A process that ends without ending MPI is one that has died, to the launcher and to others.
        let failure = match std::mem::replace(&mut self.state, State::Broken) {
            State::Well => Failure { rank: self.mpi.rank(), reason: reason.to_owned() },
            State::Without(failure, _) => failure,
            State::Broken => return,
        };
        self.close(&Some(failure), Some(limit));
    }
}

impl<H: Handle> Drop for Ranks<H> {
    fn drop(&mut self) {
        let ended_well = match std::mem::replace(&mut self.state, State::Broken) {
            State::Well => self.close(&None, None),
            State::Without(failure, limit) => self.close(&Some(failure), Some(limit)),
            State::Broken => false,
        };
        // Where ranks are gone nobody else comes to the end, either: the process ends, and the launcher sees to the others.
        if ended_well {
            self.mpi.finalize();
        } else {
            library::end_later();
        }
    }
}
