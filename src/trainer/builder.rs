//! The settings of a trainer and of a predictor, and building them: here everything is compiled. It checks settings,
//! and no data.

use std::sync::Arc;
use std::time::Duration;

use kiln_graph::losses::Criterion;
use kiln_graph::model::OfCount;
use kiln_graph::optimizers::Optimizer;
use kiln_graph::passes::Precision;
use kiln_graph::shape::{Sizes, check_rows};
use kiln_graph::{GraphError, Mode, Model, Type, Value};
use kiln_rt::Pool;

use super::Trainer;
use super::error::TrainError;
use super::given::Buffer;
use super::graphs::{optimization, step_graph};
use super::metric::Metric;
use super::prediction::output_names;
use super::programs::{Programs, TRAIN};
use super::schedulers::Schedulers;
use super::shards::{Sharding, Shards};
use super::sizes::{Extents, countable};
use crate::distributed::{ExchangeError, World};
use crate::tuning::Tuner;

/// The setters that several builders have, each of a field of its [`Settings`].
macro_rules! setter {
    (threads) => {
        /// The number of threads. Default: the environment variable `KILN_THREADS` (an error where it is no number), else the number of cores that the process may
        /// run on, which is also the most that is really used. Results do not depend on it.
        ///
        /// All that is built with the same number of threads shares one pool of them. It works for one call at a time, kernel by
        /// kernel: a call that finds it at work computes on its caller's thread alone, and waits for nobody. With one thread a call never
        /// touches it. Threads wait for the next kernel awake, for some microseconds. Where there are as many calls at a time as cores,
        /// as in a server, or other programs keep the cores busy, one thread for each call is best: more of them slow each other down.
        pub fn threads(mut self, threads: usize) -> Self {
            self.settings.threads = Some(threads);
            self
        }
    };
    (seed) => {
        /// The seed of what layers draw in training, such as the elements that [`Dropout`](crate::layers::Dropout) drops.
        /// Default 0. The same seed gives the same draws in the same steps.
        pub fn seed(mut self, seed: u64) -> Self {
            self.settings.seed = seed;
            self
        }
    };
    (tune) => {
        /// Lets every program be computed in the ways that are the fastest on this machine, as measured. Default: no; estimates
        /// decide.
        ///
        /// There are several ways to compute a contraction (a convolution or one of its gradients, a matrix product): tiles of
        /// registers of several shapes, copies to panels, sums in parts, Winograd's transforms. For each contraction that takes a part
        /// of the time that counts, `build()` runs those that are estimated to be nearly as fast as the fastest, on
        /// memory of their own and on one thread; parameters, states and data are not touched. All that takes no longer than
        /// `time`, but for a run or two. What `build()` does not use of it is for programs that are compiled later: predictions,
        /// evaluations, smaller batches. Some seconds do for most networks.
        ///
        /// What was measured is kept, for this processor, emitter and version of Kiln, in a file of the folder that the environment
        /// variable `KILN_CACHE` names, else of `$XDG_CACHE_HOME/kiln` or `~/.cache/kiln`, and is never measured again. With
        /// `Duration::ZERO` what is there is used, and nothing is measured.
        ///
        /// **Deterministic once chosen.** Different ways add the same products in different orders, so that results differ from those
        /// without tuning in their last bits. With the same file every build gives the same plan and the same bits, for any number of
        /// threads. Which way is chosen when the file is made is up to the clock; to have the same bits on several machines, or for
        /// good, copy the file along, or do not tune. A build whose report says that there was no time for some contractions computes these
        /// as usual, and the next one measures them; give it more time, or none at all.
        ///
        /// `build()` fails with [`TrainError::Tuning`](crate::TrainError::Tuning) if the file can not be read, or not be written while
        /// there is something to measure. A damaged file is made anew, which the report says.
        pub fn tune(mut self, time: std::time::Duration) -> Self {
            self.settings.tune = Some(time);
            self
        }
    };
    (extent) => {
        /// The usual size of a free extent of the model's inputs, by its name: `.extent("T", 64)`. Default 16.
        ///
        /// A free extent (`T` in `x: [N, T, 8]`) may be any size in a call. `build()` compiles for the usual sizes, as it does for
        /// the number of samples that `.batch` says; those programs are kept for good, and plans, summaries, drawings and
        /// profiles show them. Other sizes are compiled when they first come: see [`Self::cached_programs`].
        ///
        /// `build()` fails with [`TrainError::UnknownExtent`](crate::TrainError::UnknownExtent) for a name that no input has, and with
        /// [`TrainError::Sizes`](crate::TrainError::Sizes) for a size that the model can not do with.
        pub fn extent(mut self, name: &'static str, size: usize) -> Self {
            self.settings.extents = self.settings.extents.with(name, size);
            self
        }
    };
    (cached_programs) => {
        /// The number of compiled programs of other sizes than those of `.batch` and `.extent` that are kept. Default 16.
        ///
        /// Everything is compiled for a number of samples, and for a size of each free extent of the model (`T` in
        /// `x: [N, T, 8]`). The programs for the usual sizes are kept for good. The first call with others, or the remainder of one
        /// with more samples, compiles a program for these (some milliseconds for a small network, a second for a large one), which
        /// is kept, so that later calls with them find it. If there are more of them than this, the one goes that was not used the
        /// longest, with its code. All programs of a model compute in the same memory, since one runs at a time: more sizes take
        /// little more memory than the largest. With 0 none is kept beyond the next call of other sizes. A report
        /// of what is kept prints: [`Trainer::cached_programs`](crate::Trainer::cached_programs), and so for predictors and steps.
        pub fn cached_programs(mut self, count: usize) -> Self {
            self.settings.cached_programs = count;
            self
        }
    };
    (flush_denormal) => {
        /// Whether denormal numbers (subnormal ones: those below 1.18e-38 in magnitude) count as 0 wherever programs compute with
        /// them or would give them. Default: `true`, other than PyTorch's `torch.set_flush_denormal`.
        ///
        /// Processors take a hundred times longer for an operation on such numbers, and moments of optimizers that decay end at them.
        /// Programs run in a mode of the processor in which they cost nothing, and put the thread's own mode back when they end.
        /// With `false` they are kept, as the definition of each operation says. (Processors other than x86-64 and aarch64 keep them.)
        pub fn flush_denormal(mut self, flush: bool) -> Self {
            self.settings.flush_denormal = flush;
            self
        }
    };
    (exact) => {
        /// Takes only ways to compute convolutions whose error is that of the definition. Default: convolutions of 3 x 3 (and
        /// their gradients) go by Winograd's transforms where those are faster, which
        /// [`Conv2d`](crate::layers::Conv2d#the-error-of-a-result) says more of.
        ///
        /// With it, every sum of products is a sum of these products in f32, in some order: the error of a result is bounded by
        /// the magnitudes of its own products, and what is infinite or NaN is so by its own products alone. Results differ
        /// from those of a build without it in their last digits; training steps of networks of 3 x 3 convolutions take
        /// about 1.6 times as long. It holds with [`tune`](Self::tune), too, whose choices are kept apart from those without it.
        pub fn exact(mut self) -> Self {
            self.settings.exact = true;
            self
        }
    };
    (memory_limit) => {
        /// The most bytes that a program may take: parameters, what the optimizer and norms keep, and the values in between, as
        /// [`Plan::peak_bytes`](crate::jit::Plan::peak_bytes) counts them. Default: no limit. PyTorch's
        /// `torch.utils.checkpoint`, but that Kiln chooses what.
        ///
        /// Where a step would take more, values of the forward pass that the backward pass reads are computed again there,
        /// instead of lying in memory until then: of those that lie there at the fullest moment, first what takes the least
        /// time for its bytes, such as a norm and a rectifier behind a convolution that is kept, until the step fits.
        /// Nothing else changes: results differ from those without a limit at most in their last digits, by sums that are
        /// taken in another order. What is computed again is marked in the plan that prints. A step that fits takes no
        /// longer than without a limit.
        ///
        /// Convolutions have scratch memory for four tasks then, so that they take longer on more threads.
        ///
        /// The limit is for each program by itself. All of them compute in one arena, the largest one's, so that an evaluation
        /// of more samples than a step has may add to what a trainer holds, and fails by itself where it takes more.
        ///
        /// `build()` fails with [`TrainError::MemoryLimit`](crate::TrainError::MemoryLimit) where a step does not fit, and says with how
        /// many bytes it would. (A process takes some more: the compiled code, the model's own arrays, your data.) With
        /// [`shards`](crate::TrainerBuilder::shards) the limit is for each shard that a process computes.
        pub fn memory_limit(mut self, bytes: usize) -> Self {
            self.settings.memory_limit = Some(bytes);
            self
        }
    };
    (precision) => {
        /// What programs compute in: [`Precision::F32`](crate::Precision::F32), or, with
        /// [`Precision::Bf16`](crate::Precision::Bf16), PyTorch's `autocast(dtype=torch.bfloat16)` for all programs, those of
        /// evaluations and predictions among them. Default: `F32`.
        ///
        /// With `Bf16` products of matrices and convolutions (and their gradients) take operands rounded to bf16, the upper
        /// half of an f32: its range, and 8 bits of precision. Activations lie in memory so, and their gradients, which halves
        /// what has to be moved and kept. Products are those of bf16 where the processor has them and they are faster (AMX, Zen
        /// 4); elsewhere they are computed in f32 of widened numbers, and time is saved only where memory was the limit.
        /// Parameters, what optimizers and norms keep, norms, softmax, losses, gradients of parameters and all sums are f32,
        /// and so are inputs, outputs and checkpoints: a training may be resumed, and its model be used, in either precision.
        ///
        /// No loss needs to be scaled. Losses differ from those in f32 by about a hundredth, since a rounded number has an error
        /// of up to 0.4 % (networks learn as well, but tests of single numbers are for f32). Results have the same bits for any number
        /// of threads.
        pub fn precision(mut self, precision: crate::Precision) -> Self {
            self.settings.precision = precision;
            self
        }
    };
    (check_numerics) => {
        /// Whether what comes out of each call (outputs, parameters, running statistics, what optimizers keep) is searched for NaN and
        /// infinity. A call that made one out of finite numbers then fails with
        /// [`TrainError::Numerics`](crate::TrainError::Numerics), which names the operation, the line of the model's source, the layer and
        /// the kernel where that happened first, with the numbers there and what to do about it; the model is as it was before the
        /// call. PyTorch's `set_detect_anomaly(True)`, of forward pass, backward pass and update. Default: no.
        ///
        /// Infinities that inputs or constants hold, such as those of masks, are no alarm; a NaN that comes of them is.
        ///
        /// Programs are compiled as without it, and give the same bits. It takes the memory of the states once more, and the time
        /// to copy and to search them. The search for the cause computes the call again, operation by operation, which takes
        /// many times as long as the call. `check_finite` is about what is given to calls.
        pub fn check_numerics(mut self, check: bool) -> Self {
            self.settings.check_numerics = check;
            self
        }
    };
    (distributed) => {
        /// Computes each step together with the other ranks of a world, all of which build the same trainer, and give each step
        /// the same batch: each rank computes its rows of it, and all make the same update. One rank computes one
        /// [shard](Self::shards) of a batch, unless that is said otherwise.
        ///
        /// `build()` fails on all ranks with [`ExchangeError::Differ`](crate::distributed::ExchangeError::Differ) where models,
        /// settings or processors' instructions differ. A loss that is a sum and no mean counts as one by the batch's shards.
        /// Programs other than steps, such as evaluations, are each rank's own, but see
        /// [`Trainer::evaluate`](crate::Trainer::evaluate). `check_numerics` does not go with shards.
        pub fn distributed(mut self, world: &crate::distributed::World) -> Self {
            self.world = Some(world.clone());
            self
        }
    };
    (shards) => {
        /// The number of shards that a batch is cut into. Default: with [`Self::distributed`] the number of ranks, else batches
        /// have no shards. What is computed has the same bits for any number of ranks that share them, up to the number of
        /// shards, and so in one process alone. A step's results that have the batch's rows have them one after another along
        /// one axis, `[N, ..]` or `[N * T, ..]`; others are an error of `build()`.
        pub fn shards(mut self, shards: usize) -> Self {
            self.settings.shards = Some(shards);
            self
        }
    };
    (sync_batch_norm) => {
        /// Whether batch norms take the statistics of the whole batch, where it has [shards](Self::shards): each of
        /// them then waits for all ranks, forward and backward. Default: no, each shard has its own, as in PyTorch's
        /// `DistributedDataParallel`; running statistics are the means over shards, weighted by their rows.
        pub fn sync_batch_norm(mut self, sync: bool) -> Self {
            self.settings.sync_batch_norm = sync;
            self
        }
    };
    (wire) => {
        /// In what gradients go from rank to rank, with [`Self::distributed`]. [`Precision::Bf16`](crate::Precision::Bf16) halves
        /// what is sent: the gradients of each shard, and their sum, are rounded to 8 bits of precision; they are added up in
        /// f32. Default: [`Precision::F32`](crate::Precision::F32).
        pub fn wire(mut self, wire: crate::Precision) -> Self {
            self.settings.wire = wire;
            self
        }
    };
    (check_finite) => {
        /// Whether what is given is searched for NaN and infinity before each call, which then fails with
        /// [`TrainError::NotFinite`](crate::TrainError::NotFinite). Default: no. [`Self::check_numerics`] is about what is computed.
        pub fn check_finite(mut self, check: bool) -> Self {
            self.settings.check_finite = check;
            self
        }
    };
}

pub(crate) use setter;

/// What trainers and predictors have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub batch: usize,
    /// The usual sizes of free extents.
    pub extents: Extents,
    pub threads: Option<usize>,
    /// How many calls of a predictor compute at once, where that was said.
    pub calls: Option<usize>,
    /// The number of programs of other sizes that are kept.
    pub cached_programs: usize,
    pub check_finite: bool,
    pub check_numerics: bool,
    pub flush_denormal: bool,
    pub seed: u64,
    /// Whether contractions are computed only in ways whose error is that of the definition.
    pub exact: bool,
    /// The most bytes of a program.
    pub memory_limit: Option<usize>,
    /// What programs compute in.
    pub precision: Precision,
    /// The number of shards of a batch, where that was said.
    pub shards: Option<usize>,
    /// Whether batch norms take the statistics of all shards.
    pub sync_batch_norm: bool,
    /// In what gradients are sent to other ranks.
    pub wire: Precision,
    /// How batches are computed in shards; nothing for one process alone.
    pub sharding: Option<Sharding>,
    /// The time to measure in, where programs are tuned.
    pub tune: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            batch: 64,
            extents: Extents::default(),
            threads: None,
            calls: None,
            cached_programs: 16,
            check_finite: false,
            check_numerics: false,
            flush_denormal: true,
            seed: 0,
            exact: false,
            memory_limit: None,
            precision: Precision::F32,
            shards: None,
            sync_batch_norm: false,
            wire: Precision::F32,
            sharding: None,
            tune: None,
        }
    }
}

impl Settings {
    /// The programs, none of them compiled yet; so many are about to be.
    pub fn programs(&self, coming: usize, inputs: &[Type]) -> Result<Programs, TrainError> {
        let pool = self.checked(inputs)?;
        Ok(Programs::new(pool, *self, self.tuner(coming)?))
    }

    /// The pool of threads, if all that was said makes sense for such inputs.
    pub fn checked(&self, inputs: &[Type]) -> Result<Arc<Pool>, TrainError> {
        self.extents.check(inputs)?;
        let settings = [("batch", Some(self.batch)), ("threads", self.threads), ("concurrent_calls", self.calls)];
        for (setting, value) in settings {
            if value == Some(0) {
                return Err(TrainError::Zero { setting });
            }
        }
        countable(self.batch)?;
        Ok(match self.threads {
            Some(threads) => Pool::shared(threads),
            None => Pool::from_environment()?,
        })
    }

    /// How batches are computed by the ranks of a world, where there is one.
    pub fn distribute(&mut self, world: Option<&World>) -> Result<Option<Shards>, TrainError> {
        // Shards of a process alone are those of a world of one rank.
        let alone = self.shards.filter(|_| world.is_none()).and_then(|_| World::of_threads(1).pop());
        let Some(world) = world.or(alone.as_ref()) else { return Ok(None) };
        if self.check_numerics {
            let reason = "its search for the cause computes a step alone";
            return Err(ExchangeError::Setting { setting: "check_numerics", reason }.into());
        }
        let count = self.shards.unwrap_or(world.ranks());
        if self.batch == 0 || count == 0 {
            return Err(TrainError::Zero { setting: if count == 0 { "shards" } else { "batch" } });
        }
        let sharding = Sharding { count, sync_batch_norm: self.sync_batch_norm };
        self.sharding = Some(sharding);
        Ok(Some(Shards::new(world.clone(), sharding, self.wire)?))
    }

    /// What measures and chooses, where programs are tuned; so many are about to be.
    pub fn tuner(&self, coming: usize) -> Result<Option<Tuner>, TrainError> {
        self.tune.map(|time| Tuner::new(time, coming)).transpose()
    }

    /// The sizes that `build()` compiles a program for that takes such inputs.
    pub fn usual(&self, inputs: &[Type]) -> Sizes {
        self.extents.usual(self.batch, inputs)
    }

    /// Smaller sizes where nobody has chosen them, while a graph looks up rows that a table does not have: an error is for
    /// sizes that somebody asks for.
    pub fn fit_tables<T>(&mut self, inputs: &[Type], graph: impl Fn(&Settings) -> Result<T, TrainError>) {
        // No graph is built for what is said.
        if !self.extents.has_unsaid(inputs) {
            return;
        }
        let mut smaller = *self;
        loop {
            match graph(&smaller) {
                Ok(_) => {
                    *self = smaller;
                    return;
                }
                Err(
                    TrainError::Graph(GraphError::NoRow { .. })
                    | TrainError::Sizes { error: GraphError::NoRow { .. }, .. },
                ) if smaller.extents.halve(inputs) => (),
                // What is wrong otherwise is told of the usual size.
                Err(_) => return,
            }
        }
    }

    /// Whether sizes are those that `build()` compiles a program for.
    pub fn are_usual(&self, sizes: &Sizes) -> bool {
        sizes.batch() == self.batch && self.extents.are_usual(sizes)
    }

    /// What was built for some sizes, whose error names them where it has to do with them and they are more than a number of
    /// samples.
    pub fn at<T>(&self, sizes: &Sizes, built: Result<T, TrainError>) -> Result<T, TrainError> {
        built.map_err(|error| match error {
            TrainError::Graph(error) if sizes.has_free() && error.is_of_extents() => {
                TrainError::Sizes { sizes: sizes.to_string(), usual: self.are_usual(sizes), error }
            }
            other => other,
        })
    }
}

/// The settings of a [`Trainer`]; made by [`Trainer::new`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct TrainerBuilder<M, L, O> {
    pub(super) model: Box<M>,
    pub(super) loss: L,
    pub(super) optimizer: O,
    pub(super) metrics: Vec<Metric>,
    pub(super) settings: Settings,
    pub(super) world: Option<World>,
}

impl<M: Model, L: Criterion<M::Output>, O: Optimizer> TrainerBuilder<M, L, O> {
    /// The number of samples in a step; a step may have fewer, but not more. Default 64. Steps, evaluations and predictions of
    /// other numbers are compiled when they first come: see [`TrainerBuilder::cached_programs`].
    pub fn batch(mut self, batch: usize) -> Self {
        self.settings.batch = batch;
        self
    }

    /// Lets [`Trainer::evaluate`] also give the mean of a function of the output and the target, under a name. It is made as
    /// for [`loss_fn`](crate::losses::loss_fn), but may give masks and whole numbers, too:
    /// `.metric("right", |scores, labels| scores.argmax(1).eq(labels))`. A metric of a name that there is replaces it.
    pub fn metric(
        mut self,
        name: impl Into<String>,
        function: impl for<'g> Fn(Value<'g>, Value<'g>) -> Value<'g> + Send + Sync + 'static,
    ) -> Self
    where
        M::Output: OfCount<1>,
        L::Target: OfCount<1>,
    {
        self.add_metric(Metric::new(name.into(), move |outputs, targets| function(outputs[0], targets[0])));
        self
    }

    /// As [`TrainerBuilder::metric`], of all outputs and all targets, in their orders; NaN stands for the target of an output
    /// without a loss: `.joint_metric("both", |[scores, boxes], [labels, corners]| ..)`.
    pub fn joint_metric<const K: usize, const J: usize>(
        mut self,
        name: impl Into<String>,
        function: impl for<'g> Fn([Value<'g>; K], [Value<'g>; J]) -> Value<'g> + Send + Sync + 'static,
    ) -> Self
    where
        M::Output: OfCount<K>,
        L::Target: OfCount<J>,
    {
        self.add_metric(Metric::new(name.into(), move |outputs, targets| {
            // The bounds say how many there are.
            function(std::array::from_fn(|output| outputs[output]), std::array::from_fn(|target| targets[target]))
        }));
        self
    }

    fn add_metric(&mut self, metric: Metric) {
        self.metrics.retain(|other| other.name != metric.name);
        self.metrics.push(metric);
    }

    setter!(extent);
    setter!(threads);
    setter!(cached_programs);
    setter!(check_finite);
    setter!(check_numerics);
    setter!(flush_denormal);
    setter!(seed);
    setter!(exact);
    setter!(memory_limit);
    setter!(precision);
    setter!(tune);
    setter!(distributed);
    setter!(shards);
    setter!(sync_batch_norm);
    setter!(wire);

    /// Compiles the training step.
    ///
    /// # Errors
    /// [`TrainError::Graph`], [`TrainError::NoLoss`], [`TrainError::TargetBatch`] or [`TrainError::LossTotal`] if model, loss and
    /// optimizer do not go together, [`TrainError::Parameter`] for a parameter of another shape than its layer's,
    /// [`TrainError::Compile`] if the graph can not be compiled, [`TrainError::Memory`], [`TrainError::Zero`] for a batch size, a
    /// number of threads or of shards of 0, [`TrainError::Environment`] for a `KILN_THREADS` that is no number where no number of
    /// threads is set; [`TrainError::UnknownExtent`], [`TrainError::ZeroExtent`], [`TrainError::Sizes`], [`TrainError::Tuning`],
    /// [`TrainError::Exchange`] where the settings say so.
    pub fn build(self) -> Result<Trainer<M, L, O>, TrainError> {
        const { check_rows(M::OUTPUT_NAMES, M::OUTPUTS) };
        let TrainerBuilder { mut model, loss, optimizer, metrics, mut settings, world } = self;
        let shards = settings.distribute(world.as_ref())?;
        settings.checked(M::INPUTS)?;
        settings.fit_tables(M::INPUTS, |settings| {
            let (sizes, of) = (settings.usual(M::INPUTS), (settings.seed, settings.sharding));
            step_graph(&*model, &loss, &optimizer, sizes, of)
        });
        let mut programs = settings.programs(1, M::INPUTS)?;
        programs.set_shards(shards);
        let (sizes, seed, sharding) = (settings.usual(M::INPUTS), settings.seed, settings.sharding);
        programs.take_parameters(&mut *model)?;
        let mut graph = |sizes: Sizes| step_graph(&*model, &loss, &optimizer, sizes, (seed, sharding));
        programs.each_shard((TRAIN, Mode::Train), sizes, &mut graph, &mut |_, _| Ok(()))?;
        let names = output_names::<M>();
        let of_loss = loss.states(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let held = [optimization(&*model, &optimizer)];
        programs.begin_training(&held, of_loss, vec![TRAIN])?;
        let schedulers = Schedulers::new(&held);
        if programs.shards().is_some() {
            programs.agree(&[step_graph(&*model, &loss, &optimizer, programs.of_shard_0(sizes), (seed, sharding))?])?;
        }
        let targets = Buffer::several(L::TARGETS, settings.batch);
        Ok(Trainer { model, loss, optimizer, metrics, settings, programs, schedulers, targets })
    }
}
