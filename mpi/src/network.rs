//! An MPI library as a network of ranks: which one is loaded, how long is waited. Knows messages; what calls the library is
//! `library.rs`.

use std::env;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use kiln::distributed::{ExchangeError, Messages, Network};

use crate::library::{self, Handle, LoadError, Mpi, Started, SwapError};

/// How long a thread that waits looks again and again, giving way to others, before it sleeps in between, and how long it
/// sleeps: a message of some kilobytes comes within the former; the latter lets a core compute that the thread shares
/// (2026-11-29, guessed).
const AWAKE: Duration = Duration::from_micros(100);
const SLEEP: Duration = Duration::from_micros(50);

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
    Ok(Box::new(Ranks { mpi, broken: false, sends: Vec::new(), receives: Vec::new() }))
}

/// The ranks of a job.
struct Ranks<H: Handle> {
    mpi: Mpi<H>,
    /// Whether something was not sent or received: ranks may then not all come to the end.
    broken: bool,
    sends: Vec<(usize, Range<usize>)>,
    receives: Vec<(usize, Range<usize>)>,
}

impl<H: Handle> Network for Ranks<H> {
    fn rank(&self) -> usize {
        self.mpi.rank()
    }

    fn ranks(&self) -> usize {
        self.mpi.ranks()
    }

    fn swap(&mut self, messages: &mut Messages, limit: Duration) -> Result<(), ExchangeError> {
        let rank = self.mpi.rank();
        for (parts, to) in [(&messages.sends, &mut self.sends), (&messages.receives, &mut self.receives)] {
            to.clear();
            to.extend(parts.iter().cloned().enumerate().filter(|(_, part)| !part.is_empty()));
        }
        let begin = Instant::now();
        let wait = |_: usize| {
            let waited = begin.elapsed();
            if waited < AWAKE {
                thread::yield_now()
            } else {
                thread::sleep(SLEEP)
            }
            waited < limit
        };
        let (outgoing, incoming) = (std::mem::take(&mut messages.outgoing), std::mem::take(&mut messages.incoming));
        let swapped = self.mpi.swap(outgoing, &self.sends, incoming, &self.receives, wait);
        self.broken |= swapped.is_err();
        let network = |reason: String| ExchangeError::Network { rank, reason };
        (messages.outgoing, messages.incoming) = swapped.map_err(|error| match error {
            SwapError::Part => network("a message is too long for MPI".into()),
            SwapError::Ended { rank: from } => ExchangeError::Timeout { rank, from, limit },
            SwapError::Failed { rank: from, code } if self.mpi.is_loss(code) => {
                // Others wait for this rank, and not for the one that is gone.
                self.mpi.revoke();
                ExchangeError::Lost { rank, from }
            }
            SwapError::Failed { rank: from, code } => {
                network(format!("MPI says of messages with rank {from}: {}", self.mpi.describe(code)))
            }
        })?;
        Ok(())
    }

    fn recovers(&self) -> bool {
        self.mpi.mitigates()
    }

    fn recover(&mut self, _: Duration) -> Result<(), ExchangeError> {
        let rank = self.mpi.rank();
        self.broken = true;
        let reason = |error| ExchangeError::Network { rank, reason: MpiError::from(error).to_string() };
        self.mpi.shrink().map_err(reason)?;
        self.broken = false;
        Ok(())
    }

    fn leave(&mut self) {
        // A process that ends without ending MPI is one that has died, to the launcher and to others.
        self.broken = true;
    }
}

impl<H: Handle> Drop for Ranks<H> {
    fn drop(&mut self) {
        // Where ranks are gone nobody else comes to the end, either: the process ends, and the launcher sees to the others.
        if !self.broken {
            self.mpi.finalize();
        }
    }
}
