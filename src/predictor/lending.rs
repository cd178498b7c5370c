//! The programs of a predictor, lent to many calls at once: each call has a fork of the program for its sizes and an
//! arena of its own, over one copy of the parameters and of what follows from them. It knows the compiler and no user's
//! input.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, LockResult, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use kiln_graph::passes::in_precision;
use kiln_graph::shape::Sizes;
use kiln_graph::{Graph, Parameters, Type};
use kiln_jit::{Arena, Plan, Program, RunError, Session, StateError, States};
use kiln_rt::Pool;
use kiln_rt::threads::processors;

use super::quantization::widened;
use crate::report::{CachedPrograms, Profile, Tuning};
use crate::trainer::{Compiled, OfGraph, PREDICT, Settings, TrainError, keeps, layouts, plan_graph, read_parameters};
use crate::tuning::Tuner;

/// How many calls compute at once for each processor where nothing was said. With 1 the late ones of short calls are
/// later, as waking a thread takes longer than such a call: docs/serving.md has the figures of Zen 3 (2026-11-29) and
/// Emerald Rapids (2026-11-30). Unit: calls.
const CALLS_PER_PROCESSOR: usize = 4;

/// The compiled programs of a model, for many calls at once.
pub struct Lender {
    settings: Settings,
    pool: Arc<Pool>,
    /// Held by who compiles: others go on with what is compiled.
    tuner: Mutex<Option<Tuner>>,
    /// What it had chosen after each compilation that it chose something for.
    chosen: Chosen,
    /// Read by calls; written by programs that update them, and where a program brings new ones.
    states: RwLock<States>,
    /// The program for the usual sizes, which is kept for good.
    usual: Arc<Kept>,
    shelf: Mutex<Shelf>,
    /// Told when a call gives back what it had.
    given_back: Condvar,
    /// How many calls compute at once; others wait.
    calls: usize,
}

/// Reports, the last of which counts: a list that grows at its end, so that references to its parts stay valid.
#[derive(Default)]
struct Chosen {
    report: OnceLock<Tuning>,
    next: OnceLock<Box<Chosen>>,
}

impl Chosen {
    fn last(&self) -> &Chosen {
        let mut last = self;
        while let Some(next) = last.next.get() {
            last = next;
        }
        last
    }

    /// Adds what is new. (One does at a time.)
    fn add(&self, report: Option<&Tuning>) {
        let last = self.last();
        if let Some(report) = report
            && last.report.get() != Some(report)
        {
            let empty = if last.report.get().is_some() { last.next.get_or_init(Box::default) } else { last };
            empty.report.get_or_init(|| report.clone());
        }
    }
}

/// A compiled program that is kept.
struct Kept {
    /// Never runs itself.
    program: Compiled,
    uses: AtomicU64,
}

/// What no call has at present.
struct Shelf {
    /// The one that was asked for last comes first; each with the forks that were made for calls.
    programs: Vec<(Arc<Kept>, Vec<Compiled>)>,
    /// The one that was given back last comes last.
    arenas: Vec<Arena>,
    /// The calls that have an arena.
    computing: usize,
    /// The calls that wait for one.
    waiting: usize,
}

/// What panics leave behind is whole: nothing is changed in several steps.
fn held<G>(lock: LockResult<G>) -> G {
    lock.unwrap_or_else(PoisonError::into_inner)
}

impl Lender {
    /// Over states, with a graph compiled for the usual sizes.
    pub fn new(
        settings: Settings,
        pool: Arc<Pool>,
        mut states: States,
        inputs: &[Type],
        graph: &mut dyn FnMut(Sizes) -> Result<Graph, TrainError>,
    ) -> Result<Lender, TrainError> {
        let (mut tuner, sizes) = (settings.tuner(1)?, settings.usual(inputs));
        let graph = settings.at(&sizes, graph(sizes))?;
        let (plan, of_graph) = {
            let graph = in_precision(&graph, settings.precision);
            let plan = plan_graph(&graph, sizes, layouts(&graph, &states), &settings, tuner.as_mut())?;
            (plan, OfGraph::new(&graph, &sizes, &settings))
        };
        // What comes next is the program's memory.
        drop(graph);
        // What follows from the parameters alone is there once, however many calls there are.
        let session = Session::of_plan::<TrainError>(plan, &mut states, Arena::new(), true, pool.clone())?;
        let (usual, arena) = Kept::new(sizes, of_graph, session, &settings);
        let chosen = Chosen::default();
        chosen.add(tuner.as_ref().map(Tuner::report));
        let shelf =
            Shelf { programs: vec![(usual.clone(), Vec::new())], arenas: vec![arena], computing: 0, waiting: 0 };
        Ok(Lender {
            settings,
            pool,
            tuner: Mutex::new(tuner),
            chosen,
            states: RwLock::new(states),
            usual,
            shelf: Mutex::new(shelf),
            given_back: Condvar::new(),
            calls: settings.calls.unwrap_or_else(|| CALLS_PER_PROCESSOR * processors()),
        })
    }

    /// The program for some sizes, with all that a call needs; compiled from `graph` where there is none. Waits where too many
    /// calls compute.
    pub fn lend(
        &self,
        sizes: Sizes,
        graph: &mut dyn FnMut() -> Result<Graph, TrainError>,
    ) -> Result<Lent<'_>, TrainError> {
        let mut shelf = held(self.shelf.lock());
        let kept = match shelf.find(&sizes) {
            Some(kept) => kept,
            None => {
                drop(shelf);
                let kept = self.compile(sizes, graph)?;
                shelf = held(self.shelf.lock());
                kept
            }
        };
        while shelf.computing >= self.calls {
            shelf.waiting += 1;
            shelf = held(self.given_back.wait(shelf));
            shelf.waiting -= 1;
        }
        shelf.computing += 1;
        let fork = shelf.programs.iter_mut().find(|(of, _)| Arc::ptr_eq(of, &kept)).and_then(|(_, forks)| forks.pop());
        let arena = shelf.take_arena(fork.as_ref().unwrap_or(&kept.program).session());
        drop(shelf);
        let fork = fork.unwrap_or_else(|| kept.program.fork());
        // From here on all is given back, whatever happens.
        let mut lent = Lent { lender: self, kept, program: Some(fork) };
        lent.session_mut().attach(arena)?;
        Ok(lent)
    }

    fn compile(
        &self,
        sizes: Sizes,
        graph: &mut dyn FnMut() -> Result<Graph, TrainError>,
    ) -> Result<Arc<Kept>, TrainError> {
        let mut tuner = held(self.tuner.lock());
        let there = held(self.shelf.lock()).find(&sizes);
        if let Some(kept) = there {
            // Somebody else has compiled it meanwhile.
            return Ok(kept);
        }
        let graph = self.settings.at(&sizes, graph())?;
        let (plan, of_graph) = {
            let graph = in_precision(&graph, self.settings.precision);
            let layouts = {
                let states = held(self.states.read());
                layouts(&graph, &states)
            };
            let plan = plan_graph(&graph, sizes, layouts, &self.settings, tuner.as_mut())?;
            (plan, OfGraph::new(&graph, &sizes, &self.settings))
        };
        drop(graph);
        self.chosen.add(tuner.as_ref().map(Tuner::report));
        let keeps = {
            let shelf = held(self.shelf.lock());
            keeps(&plan, &sizes, &self.settings, shelf.programs.iter().map(|(kept, _)| &kept.program))
        };
        let program = Arc::new(Program::from_plan(plan.for_threads(self.pool.threads())).map_err(TrainError::from)?);
        let bound = {
            let states = held(self.states.read());
            Session::of_program(program.clone(), &states, keeps, self.pool.clone())
        };
        let session = match bound {
            Err(RunError::State(StateError::Unknown { .. })) => {
                let mut states = held(self.states.write());
                Session::new(program, &mut states, self.pool.clone())?
            }
            bound => {
                // So that the session alone has it, and can let go of parts.
                drop(program);
                bound?
            }
        };
        let (kept, _) = Kept::new(sizes, of_graph, session, &self.settings);
        let mut shelf = held(self.shelf.lock());
        shelf.forget_one(&self.settings);
        shelf.programs.insert(0, (kept.clone(), Vec::new()));
        Ok(kept)
    }

    /// The plan for the usual sizes.
    pub fn plan(&self) -> &Plan {
        self.usual.program.session().program().plan()
    }

    /// Times the program for the usual sizes; calls wait meanwhile.
    pub fn profile(&self, graph: &Graph) -> Result<Profile, TrainError> {
        let mut lent = self.lend(*self.usual.program.sizes(), &mut || Ok(graph.clone()))?;
        let mut states = held(self.states.write());
        lent.profile(&mut states, graph)
    }

    /// Brings a model's parameters up to date.
    pub fn read_parameters(&self, model: &mut impl Parameters) {
        let states = held(self.states.read());
        read_parameters(&states, model, |name| states.read(name).or_else(|| widened(&states, name)));
    }

    /// What is kept compiled.
    pub fn cached(&self) -> CachedPrograms {
        let shelf = held(self.shelf.lock());
        let programs = shelf.programs.iter().map(|(kept, _)| &**kept);
        let programs = programs.map(|kept| kept.program.cached(&self.settings, kept.uses.load(Ordering::Relaxed)));
        CachedPrograms::new(programs, shelf.arenas.len() + shelf.computing, &self.settings)
    }

    /// What was chosen, where programs are tuned.
    pub fn tuning(&self) -> Option<&Tuning> {
        self.chosen.last().report.get()
    }
}

impl Kept {
    /// With the arena that the session has.
    fn new(sizes: Sizes, of_graph: OfGraph, mut session: Session, settings: &Settings) -> (Arc<Kept>, Arena) {
        session.set_flush_denormal(settings.flush_denormal);
        if !settings.are_usual(&sizes) {
            // Users see the plans of the usual sizes alone.
            session.forget_calls();
        }
        let arena = session.detach();
        let program = Compiled::new(PREDICT, sizes, of_graph, session);
        (Arc::new(Kept { program, uses: AtomicU64::new(0) }), arena)
    }
}

impl Shelf {
    /// The program for some sizes, which is then the one that was asked for last.
    fn find(&mut self, sizes: &Sizes) -> Option<Arc<Kept>> {
        let place = self.programs.iter().position(|(kept, _)| kept.program.sizes() == sizes)?;
        self.programs[..=place].rotate_right(1);
        Some(self.programs[0].0.clone())
    }

    /// An arena for a session: the one that it had last, else the shortest that is long enough, else one that grows.
    fn take_arena(&mut self, session: &Session) -> Arena {
        let bytes = session.arena_bytes();
        // Among equals the one that was given back last, which caches may still hold.
        let places = (0..self.arenas.len()).rev();
        let best = places.min_by_key(|&place| {
            let arena = &self.arenas[place];
            let (short, rest) = (arena.bytes() < bytes, arena.bytes().abs_diff(bytes));
            (!session.had(arena), short, rest)
        });
        best.map(|place| self.arenas.remove(place)).unwrap_or_default()
    }

    /// Makes room for a program of other sizes than the usual ones: of those the one goes that was not asked for the longest.
    fn forget_one(&mut self, settings: &Settings) {
        let is_other = |(kept, _): &(Arc<Kept>, Vec<Compiled>)| !settings.are_usual(kept.program.sizes());
        let others = self.programs.iter().filter(|program| is_other(program)).count();
        if others > settings.cached_programs.saturating_sub(1)
            && let Some(last) = self.programs.iter().rposition(is_other)
        {
            self.programs.remove(last);
        }
    }
}

/// A compiled program with an arena, for one call.
pub struct Lent<'l> {
    lender: &'l Lender,
    kept: Arc<Kept>,
    /// Taken by `drop` alone.
    program: Option<Compiled>,
}

impl Lent<'_> {
    /// Runs it; all data inputs have been written.
    ///
    /// # Errors
    /// As for [`Compiled::run`].
    pub fn run(&mut self) -> Result<(), TrainError> {
        self.kept.uses.fetch_add(1, Ordering::Relaxed);
        let lender = self.lender;
        if self.session().writes_states() {
            // Those of a layer of a user's own that updates them in evaluation, too: one call after the other.
            let mut states = held(lender.states.write());
            return Compiled::run(self, &mut states);
        }
        let states = held(lender.states.read());
        self.run_shared(&states)
    }
}

impl Deref for Lent<'_> {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        self.program.as_ref().expect("it is taken by `drop` alone")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Compiled {
        self.program.as_mut().expect("it is taken by `drop` alone")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let Some(mut program) = self.program.take() else { return };
        let arena = program.session_mut().detach();
        let mut shelf: MutexGuard<'_, Shelf> = held(self.lender.shelf.lock());
        shelf.computing -= 1;
        shelf.arenas.push(arena);
        // One that was let go of meanwhile goes.
        if let Some((_, forks)) = shelf.programs.iter_mut().find(|(kept, _)| Arc::ptr_eq(kept, &self.kept)) {
            forks.push(program);
        }
        // To wake nobody takes a call of the system, too.
        let someone_waits = shelf.waiting > 0;
        drop(shelf);
        if someone_waits {
            self.lender.given_back.notify_one();
        }
    }
}
