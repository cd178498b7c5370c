//! UNSAFE: loads an MPI library and calls its functions. Open MPI and MPICH differ in what handles are (pointers to the
//! library's own variables; whole numbers that its header fixes), so that [`Mpi`] is generic over them. It knows MPI's
//! functions, and no messages of Kiln's.
//!
//! # Safety
//! The safe functions of this module rest on:
//! - the library is one of MPI: functions of these names have the signatures that its standard says, for handles as
//!   [`Handles`] has them; which of the two it is, is told by a variable that Open MPI alone exports;
//! - memory of a request is neither freed nor moved nor looked at before the request is done: [`Mpi::begin`] takes it
//!   away from whoever calls, and [`Mpi::take`] gives it back once all requests are done; else it is leaked;
//! - one thread at a time calls, since whoever calls has the [`Mpi`] exclusively, and the library was asked for that
//!   (`MPI_THREAD_SERIALIZED`);
//! - the library stays loaded until the process ends.

use std::error::Error;
use std::ffi::{c_char, c_int, c_void};
use std::ops::Range;
use std::ptr;
use std::thread;
use std::time::Duration;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW, Symbol};

/// `MPI_THREAD_SERIALIZED`, of all libraries.
const SERIALIZED: c_int = 2;

/// How long a process that has failed waits before it ends. Launchers end all others when one has, at once, and so would keep
/// them from saying why they end.
const LATER: Duration = Duration::from_millis(300);

/// Longer than any `MPI_Status` and any text of an error.
const STATUS: usize = 64;
const TEXT: usize = 1024;

/// Messages of a kind come in the order in which they were sent; those of the other kind may overtake them.
#[derive(Clone, Copy)]
pub enum Kind {
    /// What ranks exchange.
    Exchange = 0,
    /// What a rank says last.
    Last = 1,
}

/// What names a communicator, a type of elements, a request: pointers of Open MPI, numbers of MPICH.
pub trait Handle: Copy + Send + 'static {}

impl Handle for usize {}
impl Handle for c_int {}

/// What MPI's header has as constants.
struct Handles<H> {
    world: H,
    word: H,
    errors_return: H,
    no_request: H,
    /// The classes of errors that say that a process has died, or that others say so: MPI_ERR_PROC_FAILED,
    /// MPI_ERR_PROC_FAILED_PENDING, MPI_ERR_REVOKED.
    losses: [c_int; 3],
    /// The class that says that a message was longer than what it was to be received in: MPI_ERR_TRUNCATE.
    truncated: c_int,
}

type Call0 = unsafe extern "C" fn() -> c_int;
type Init = unsafe extern "C" fn(*mut c_int, *mut c_void, c_int, *mut c_int) -> c_int;
type OfComm<H> = unsafe extern "C" fn(H, *mut c_int) -> c_int;
type Dup<H> = unsafe extern "C" fn(H, *mut H) -> c_int;
type SetHandler<H> = unsafe extern "C" fn(H, H) -> c_int;
type Transfer<H> = unsafe extern "C" fn(*mut c_void, c_int, H, c_int, c_int, H, *mut H) -> c_int;
type Probe<H> = unsafe extern "C" fn(c_int, c_int, H, *mut c_int, *mut c_void) -> c_int;
type Test<H> = unsafe extern "C" fn(*mut H, *mut c_int, *mut c_void) -> c_int;
type Revoke<H> = unsafe extern "C" fn(H) -> c_int;
type Class = unsafe extern "C" fn(c_int, *mut c_int) -> c_int;
type Count<H> = unsafe extern "C" fn(*const c_void, H, *mut c_int) -> c_int;
type Text = unsafe extern "C" fn(c_int, *mut c_char, *mut c_int) -> c_int;

/// A library that is loaded and started.
pub struct Mpi<H> {
    handles: Handles<H>,
    /// The communicator of all ranks, for Kiln alone.
    comm: H,
    rank: usize,
    ranks: usize,
    send: Transfer<H>,
    receive: Transfer<H>,
    test: Test<H>,
    probe: Probe<H>,
    count: Count<H>,
    text: Text,
    class: Class,
    finalize: Call0,
    rank_of: OfComm<H>,
    size_of: OfComm<H>,
    set_handler: SetHandler<H>,
    /// What lets processes go on without those that have died: `MPIX_Comm_revoke` and `MPIX_Comm_shrink`, of libraries that
    /// have user-level fault mitigation.
    mitigation: Option<(Revoke<H>, Dup<H>)>,
    /// Requests that are not done, and the memory of all that were begun.
    requests: Vec<Request<H>>,
    memory: Vec<Vec<f32>>,
}

/// A message on its way.
struct Request<H> {
    /// To or from which rank.
    rank: usize,
    /// How many numbers are to come; none of one that is sent.
    expected: Option<usize>,
    handle: H,
}

/// Either kind of library.
pub enum Started {
    /// Handles are pointers.
    OpenMpi(Mpi<usize>),
    /// Handles are numbers.
    Mpich(Mpi<c_int>),
}

/// Why a library is not started.
pub enum LoadError {
    /// None of the names; what the system's loader said of the last.
    NotFound(String),
    /// It lacks a function.
    Lacks(&'static str),
    /// Calls of several threads in turn are not allowed.
    Threads,
    /// A function failed.
    Failed(String),
}

unsafe extern "C" {
    fn atexit(last: extern "C" fn()) -> c_int;
}

/// Lets the process end later than it would, so that others may say what they have to.
pub fn end_later() {
    extern "C" fn wait() {
        thread::sleep(LATER);
    }
    // SAFETY: a function of the C library, of which any thread may call it; what it is given lives as long as the process.
    // Where it is refused, the process ends sooner.
    unsafe { atexit(wait) };
}

/// Loads the first library of some names that is there, and starts it.
pub fn start(names: &[String]) -> Result<Started, LoadError> {
    let mut error = String::new();
    for name in names {
        // SAFETY: what runs when a library of MPI is loaded is its own set-up. Its parts find its functions only where these are
        // global.
        match unsafe { Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL) } {
            Err(found) => error = found.source().map_or_else(|| found.to_string(), ToString::to_string),
            Ok(library) => {
                // It stays loaded: functions and variables of it are used until the process ends.
                let library: &'static Library = Box::leak(Box::new(library));
                let variable = |name: &'static str| address(library, name);
                return match variable("ompi_mpi_comm_world") {
                    Ok(world) => {
                        let handles = Handles {
                            world,
                            word: variable("ompi_mpi_unsigned")?,
                            errors_return: variable("ompi_mpi_errors_return")?,
                            no_request: variable("ompi_request_null")?,
                            losses: [75, 76, 77],
                            truncated: 15,
                        };
                        Mpi::start(library, handles).map(Started::OpenMpi)
                    }
                    Err(_) => {
                        // As MPICH's `mpi.h` has them, and all that keep to its ABI: MPI_COMM_WORLD, MPI_UNSIGNED,
                        // MPI_ERRORS_RETURN, MPI_REQUEST_NULL.
                        let (world, word) = (0x4400_0000, 0x4c00_0406);
                        let (errors_return, no_request) = (0x5400_0001, 0x2c00_0000);
                        let (losses, truncated) = ([101, 102, 103], 14);
                        let handles = Handles { world, word, errors_return, no_request, losses, truncated };
                        Mpi::start(library, handles).map(Started::Mpich)
                    }
                };
            }
        }
    }
    Err(LoadError::NotFound(error))
}

/// Where a variable of a library lies.
fn address(library: &Library, name: &'static str) -> Result<usize, LoadError> {
    // SAFETY: the address alone is taken; nothing is read there.
    let found: Result<Symbol<*mut c_void>, _> = unsafe { library.get(name) };
    found.map(|symbol| symbol.into_raw() as usize).map_err(|_| LoadError::Lacks(name))
}

/// A function of a library, whose type the caller names.
fn function<F: Copy>(library: &'static Library, name: &'static str) -> Result<F, LoadError> {
    // SAFETY: the types of this file are those of MPI's standard for these names; the library is never unloaded.
    unsafe { library.get::<F>(name) }.map(|symbol| *symbol).map_err(|_| LoadError::Lacks(name))
}

impl<H: Handle> Mpi<H> {
    fn start(library: &'static Library, handles: Handles<H>) -> Result<Mpi<H>, LoadError> {
        let init: Init = function(library, "MPI_Init_thread")?;
        let dup: Dup<H> = function(library, "MPI_Comm_dup")?;
        let revoke = function(library, "MPIX_Comm_revoke").ok();
        let mut mpi = Mpi {
            comm: handles.world,
            handles,
            rank: 0,
            ranks: 0,
            send: function(library, "MPI_Isend")?,
            receive: function(library, "MPI_Irecv")?,
            test: function(library, "MPI_Test")?,
            probe: function(library, "MPI_Iprobe")?,
            count: function(library, "MPI_Get_count")?,
            text: function(library, "MPI_Error_string")?,
            class: function(library, "MPI_Error_class")?,
            rank_of: function(library, "MPI_Comm_rank")?,
            size_of: function(library, "MPI_Comm_size")?,
            set_handler: function(library, "MPI_Comm_set_errhandler")?,
            mitigation: revoke.zip(function(library, "MPIX_Comm_shrink").ok()),
            finalize: function(library, "MPI_Finalize")?,
            requests: Vec::new(),
            memory: Vec::new(),
        };
        let mut provided = 0;
        // SAFETY: the functions of MPI's standard, which are given places to write to that live; the first is called once, as
        // a process has one such library and `world` says so.
        unsafe {
            mpi.check(init(ptr::null_mut(), ptr::null_mut(), SERIALIZED, &mut provided))?;
            if provided < SERIALIZED {
                return Err(LoadError::Threads);
            }
            let world = mpi.handles.world;
            let mut comm = world;
            mpi.check((mpi.set_handler)(world, mpi.handles.errors_return))?;
            mpi.check(dup(world, &mut comm))?;
            mpi.use_comm(comm)?;
        }
        Ok(mpi)
    }

    /// Takes a communicator, whose errors are told from now on.
    fn use_comm(&mut self, comm: H) -> Result<(), LoadError> {
        let mut found = [0; 2];
        // SAFETY: functions of MPI's standard, of a communicator of this library, which are given places to write to that
        // live.
        unsafe {
            self.check((self.set_handler)(comm, self.handles.errors_return))?;
            self.check((self.rank_of)(comm, &mut found[0]))?;
            self.check((self.size_of)(comm, &mut found[1]))?;
        }
        self.comm = comm;
        [self.rank, self.ranks] = found.map(|number| number as usize);
        Ok(())
    }

    /// Whether processes can go on without those that have died.
    pub fn mitigates(&self) -> bool {
        self.mitigation.is_some()
    }

    /// Whether an error says that a process has died.
    pub fn is_loss(&self, code: c_int) -> bool {
        self.handles.losses.contains(&self.class_of(code))
    }

    fn class_of(&self, code: c_int) -> c_int {
        let mut class = code;
        // SAFETY: the code is one of this library; the class is written.
        unsafe { (self.class)(code, &mut class) };
        class
    }

    /// Tells all that nothing comes of what is under way.
    pub fn revoke(&mut self) {
        if let Some((revoke, _)) = self.mitigation {
            // SAFETY: a communicator of this library, which may be revoked by several, and twice.
            unsafe { revoke(self.comm) };
        }
    }

    /// Goes on with the processes that are left, which all do; they are numbered anew.
    pub fn shrink(&mut self) -> Result<(), LoadError> {
        let Some((_, shrink)) = self.mitigation else { return Err(LoadError::Lacks("MPIX_Comm_shrink")) };
        self.revoke();
        let mut comm = self.comm;
        // SAFETY: a communicator of this library; the new one is written.
        self.check(unsafe { shrink(self.comm, &mut comm) })?;
        self.use_comm(comm)
    }

    /// The number of this process.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of processes.
    pub fn ranks(&self) -> usize {
        self.ranks
    }

    fn check(&self, code: c_int) -> Result<(), LoadError> {
        if code == 0 { Ok(()) } else { Err(LoadError::Failed(self.describe(code))) }
    }

    /// What the library says of an error.
    pub fn describe(&self, code: c_int) -> String {
        let (mut text, mut length) = ([0_u8; TEXT], 0);
        // SAFETY: the text is longer than MPI_MAX_ERROR_STRING, which is 512 or 256.
        unsafe { (self.text)(code, text.as_mut_ptr().cast(), &mut length) };
        String::from_utf8_lossy(&text[..(length.max(0) as usize).min(TEXT)]).into_owned()
    }

    /// Begins to send numbers to a rank, or to receive numbers from a rank, by `transfer`: a request.
    ///
    /// # Safety
    /// The numbers are neither freed nor moved, nor written (nor read, where they are received) by others, until the request is
    /// done.
    unsafe fn request(
        &mut self,
        transfer: Transfer<H>,
        (numbers, length): (*mut f32, usize),
        rank: usize,
        kind: Kind,
    ) -> Result<H, SwapError> {
        let (word, comm) = (self.handles.word, self.comm);
        let mut request = self.handles.no_request;
        // SAFETY: the numbers are there, as the caller says; counts that are too large were refused.
        let code = unsafe {
            transfer(numbers.cast(), length as c_int, word, rank as c_int, kind as c_int, comm, &mut request)
        };
        if code == 0 { Ok(request) } else { Err(SwapError::Failed { rank, code }) }
    }

    /// Begins to send and to receive parts of some numbers, of each rank those that belong to it; those that are received are
    /// in order, and overlap with none. The numbers come back by [`Mpi::take`].
    pub fn begin(
        &mut self,
        mut numbers: Vec<f32>,
        kind: Kind,
        sends: &[(usize, Range<usize>)],
        receives: &[(usize, Range<usize>)],
    ) -> Result<(), SwapError> {
        for (rank, part) in sends.iter().chain(receives) {
            let is_within = part.start <= part.end && part.end <= numbers.len() && part.len() <= c_int::MAX as usize;
            if !is_within || *rank >= self.ranks {
                return Err(SwapError::Part);
            }
        }
        let is_apart = |part: &Range<usize>| {
            let next = receives.partition_point(|(_, received)| received.end <= part.start);
            receives.get(next).is_none_or(|(_, received)| part.end <= received.start)
        };
        let in_order = receives.windows(2).all(|pair| pair[0].1.end <= pair[1].1.start);
        if !in_order || !sends.iter().all(|(_, part)| is_apart(part)) {
            return Err(SwapError::Part);
        }
        let memory = numbers.as_mut_ptr();
        self.memory.push(numbers);
        let parts = receives.iter().map(|part| (true, part)).chain(sends.iter().map(|part| (false, part)));
        for (is_received, (rank, part)) in parts {
            let transfer = if is_received { self.receive } else { self.send };
            // SAFETY: the part lies within the numbers, which live until all requests are done, or for good; parts that are
            // received overlap with no other, parts that are sent are read alone.
            let handle = unsafe { self.request(transfer, (memory.add(part.start), part.len()), *rank, kind) }?;
            self.requests.push(Request { rank: *rank, expected: is_received.then_some(part.len()), handle });
        }
        Ok(())
    }

    /// Looks which requests are done; whether all are.
    pub fn are_done(&mut self) -> Result<bool, SwapError> {
        let (mut failed, mut other) = (None, None);
        let (test, count, word) = (self.test, self.count, self.handles.word);
        self.requests.retain_mut(|Request { rank, expected, handle }| {
            let (rank, mut is_done, mut status) = (*rank, 0, [0_u64; STATUS / 8]);
            // SAFETY: a request of this library; the status is longer than that of any library.
            let code = unsafe { test(handle, &mut is_done, status.as_mut_ptr().cast()) };
            if code != 0 {
                failed = Some((rank, *expected, code));
            } else if is_done != 0
                && let Some(expected) = *expected
            {
                let mut found = 0;
                // SAFETY: the status is that of a message that was received; the count is written.
                let code = unsafe { count(status.as_ptr().cast(), word, &mut found) };
                if code != 0 {
                    other = Some(SwapError::Failed { rank, code });
                } else if found != expected as c_int {
                    // Below 0 for a message of no whole numbers.
                    other = Some(SwapError::Length { rank, expected, found: usize::try_from(found).ok() });
                }
            }
            is_done == 0
        });
        let failed = failed.map(|(rank, expected, code)| match expected {
            Some(expected) if self.class_of(code) == self.handles.truncated => {
                SwapError::Length { rank, expected, found: None }
            }
            _ => SwapError::Failed { rank, code },
        });
        failed.or(other).map_or(Ok(self.requests.is_empty()), Err)
    }

    /// The ranks that are waited for, of each request one.
    pub fn awaited(&self) -> impl Iterator<Item = usize> + '_ {
        self.requests.iter().map(|request| request.rank)
    }

    /// The numbers of what was begun last, once all is done. Where something is not, nobody waits for it any more: since the
    /// library may still use the numbers, they are leaked.
    pub fn take(&mut self) -> Vec<f32> {
        if self.requests.is_empty() {
            let numbers = self.memory.pop().unwrap_or_default();
            self.memory.clear();
            return numbers;
        }
        self.requests.clear();
        std::mem::forget(std::mem::take(&mut self.memory));
        Vec::new()
    }

    /// What a rank has said last, so many numbers, if it has.
    pub fn heard(&mut self, rank: usize, length: usize) -> Result<Option<Vec<f32>>, SwapError> {
        let (mut is_there, mut status) = (0, [0_u64; STATUS / 8]);
        // SAFETY: a function of MPI's standard; the status is longer than that of any library.
        let code = unsafe {
            (self.probe)(rank as c_int, Kind::Last as c_int, self.comm, &mut is_there, status.as_mut_ptr().cast())
        };
        if code != 0 {
            return Err(SwapError::Failed { rank, code });
        }
        if is_there == 0 {
            return Ok(None);
        }
        let mut numbers = vec![0.0; length];
        // SAFETY: the numbers live until the request is done, or for good.
        let mut request = unsafe { self.request(self.receive, (numbers.as_mut_ptr(), length), rank, Kind::Last) }?;
        let mut is_done = 0;
        // It has come already, so that this does not wait for anybody.
        while is_done == 0 {
            // SAFETY: as above.
            let code = unsafe { (self.test)(&mut request, &mut is_done, status.as_mut_ptr().cast()) };
            if code != 0 {
                std::mem::forget(numbers);
                return Err(SwapError::Failed { rank, code });
            }
        }
        Ok(Some(numbers))
    }

    /// Ends MPI, for which all processes wait.
    pub fn finalize(&mut self) {
        // SAFETY: no request is open, and nothing is called afterwards: whoever calls this drops the library.
        unsafe { (self.finalize)() };
    }
}

impl<H> Drop for Mpi<H> {
    fn drop(&mut self) {
        if !self.requests.is_empty() {
            std::mem::forget(std::mem::take(&mut self.memory));
        }
    }
}

/// Why numbers were not exchanged.
pub enum SwapError {
    /// Parts that do not lie in their memory, overlap or are too long.
    Part,
    /// A message of another length.
    Length {
        /// The rank that sent it.
        rank: usize,
        /// How many numbers were expected.
        expected: usize,
        /// How many came, where the library says so: not of more than expected, nor of parts of numbers.
        found: Option<usize>,
    },
    /// The library failed.
    Failed {
        /// The rank to which or from which numbers were to go.
        rank: usize,
        /// What it said.
        code: c_int,
    },
}
