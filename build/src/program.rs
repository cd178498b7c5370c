//! The settings of a program that is to be written, and what comes of them: files. It knows graphs and models, and no
//! instructions.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use kiln::compiled;
use kiln::graph::losses::Criterion;
use kiln::graph::optimizers::Optimizer;
use kiln::graph::shape::Sizes;
use kiln::graph::{DType, Graph, Model, Parameters, counter, optimize, verify};
use kiln::jit::Target;
use ndarray::{ArrayD, arr1};

use crate::archive::archive;
use crate::entry::Entry;
use crate::interface::{Hash, Interface, Stored};
use crate::level::Leveled;
use crate::machine::{Caches, Machine};
use crate::object::Object;
use crate::{BuildError, Level, header, module};

/// The value of a state.
#[derive(Clone, Debug, PartialEq)]
pub enum StateValue {
    /// Of numbers.
    F32(ArrayD<f32>),
    /// Of whole numbers, or of bool as 0 and 1.
    I32(ArrayD<i32>),
}

/// Where the weights of a program are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Weights {
    /// In a file beside it, which the program is given in memory. One file is right for all targets and levels, and can be
    /// replaced by another training's.
    #[default]
    Beside,
    /// In the object file, as data that is only read.
    Inside,
}

/// The settings of a program; made by [`predict`], [`train`] and [`Build::of_graph`].
#[derive(Clone, Debug)]
#[must_use = "nothing is built before `build`"]
pub struct Build {
    name: String,
    graph: Graph,
    values: HashMap<String, StateValue>,
    machine: Machine,
    levels: Vec<Level>,
    caches: Caches,
    weights: Weights,
    flush_denormal: bool,
    exact: bool,
}

/// A program as files. [`Program::write`] writes them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Program {
    /// Its name.
    pub name: String,
    /// The object file.
    pub object: Vec<u8>,
    /// The same as a static library.
    pub library: Vec<u8>,
    /// The library's file name, as linkers look for it.
    pub library_name: String,
    /// The header for C and C++.
    pub header: String,
    /// The module for Rust.
    pub module: String,
    /// The file of weights; also where they lie inside the object file.
    pub weights: Vec<u8>,
    /// Whether they lie inside.
    pub inside: bool,
    /// Where each state lies in the file of weights.
    pub states: Vec<Stored>,
    /// The bytes of the arena.
    pub arena_bytes: usize,
    /// Each level, and the bytes of its kernels' code.
    pub levels: Vec<(Level, usize)>,
}

/// A program that predicts, of the name `name`, for so many samples (`1`) or such [`Sizes`]: its inputs and outputs are the
/// model's.
///
/// # Errors
/// [`BuildError::Model`] for sizes that the model can not do with, [`BuildError::Parameter`].
pub fn predict<M: Model>(name: &str, model: &M, sizes: impl Into<Sizes>) -> Result<Build, BuildError> {
    let graph = compiled::predict_graph(model, sizes)?;
    Build::of_graph(name, graph).parameters(model)
}

/// A program of one training step: inputs are the model's and the targets, the output is `loss`. What layers draw depends on
/// the seed.
///
/// # Errors
/// [`BuildError::Model`] if model, loss and optimizer do not go together, [`BuildError::Parameter`].
pub fn train<M: Model, L: Criterion<M::Output>>(
    name: &str,
    model: &M,
    loss: &L,
    optimizer: &impl Optimizer,
    sizes: impl Into<Sizes>,
    seed: u64,
) -> Result<Build, BuildError> {
    let graph = compiled::train_graph(model, loss, optimizer, sizes, seed)?;
    let mut build = Build::of_graph(name, graph).parameters(model)?;
    for (name, value) in compiled::initial_states(model, loss, optimizer) {
        build = build.state(&name, StateValue::F32(value));
    }
    Ok(build)
}

/// Whether a graph, or a step of it, computes with numbers of 8 bits.
fn holds_bytes(graph: &Graph) -> bool {
    let is_byte = |dtype: DType| matches!(dtype, DType::U8 | DType::I8);
    graph.nodes.iter().any(|node| is_byte(node.ty.dtype)) || graph.bodies.iter().any(holds_bytes)
}

/// For a build script (`build.rs`): a program that predicts, for the target that cargo builds for, linked to the package. The
/// package then says `mod lenet { include!(concat!(env!("OUT_DIR"), "/lenet.rs")); }`.
///
/// # Errors
/// Also [`BuildError::Environment`] outside of a build script, and [`BuildError::Write`].
pub fn compile<M: Model>(name: &str, model: &M, sizes: impl Into<Sizes>) -> Result<Program, BuildError> {
    predict(name, model, sizes)?.for_cargo()
}

impl Build {
    /// A program of a graph. States are what [`Build::state`] says, else zeros.
    pub fn of_graph(name: &str, graph: Graph) -> Build {
        let machine = Machine::host();
        let levels = machine.levels().to_vec();
        Build {
            name: name.to_owned(),
            graph,
            values: HashMap::new(),
            machine,
            levels,
            caches: Caches { l1: 32 << 10, l2: 1 << 20 },
            weights: Weights::default(),
            flush_denormal: true,
            exact: false,
        }
    }

    /// Sets the values of the states that hold the parameters of a model, or a layer.
    ///
    /// # Errors
    /// [`BuildError::Parameter`].
    pub fn parameters(mut self, model: &impl Parameters) -> Result<Build, BuildError> {
        model.check_shapes()?;
        model.each_parameter(&mut |name, parameter| {
            let value = match parameter.count() {
                Some(count) => StateValue::I32(arr1(&counter::digits(count)).into_dyn()),
                None => StateValue::F32(parameter.value.to_owned().into_owned()),
            };
            self.values.insert(name.to_owned(), value);
        });
        Ok(self)
    }

    /// Sets the value of a state. One that the graph does not have is left out.
    pub fn state(mut self, name: &str, value: StateValue) -> Build {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// The machine, as rustc's `--target` names it: `x86_64-unknown-linux-gnu`, `aarch64-unknown-linux-gnu`. Default: this one.
    /// All levels that it may have are built: see [`Build::levels`].
    ///
    /// # Errors
    /// [`BuildError::Target`].
    pub fn target(mut self, name: &str) -> Result<Build, BuildError> {
        self.machine = Machine::named(name)?;
        self.levels = self.machine.levels().to_vec();
        Ok(self)
    }

    /// The levels of the processor that code is made for. The program takes the highest that the processor runs, and says so
    /// by an error where there is none. Fewer make it smaller.
    ///
    /// # Errors
    /// [`BuildError::Levels`] for none, or one that the target does not have.
    pub fn levels(mut self, levels: &[Level]) -> Result<Build, BuildError> {
        let available = self.machine.levels();
        if levels.is_empty() || !levels.iter().all(|level| available.contains(level)) {
            let target = self.machine.name().to_owned();
            return Err(BuildError::Levels { target, found: levels.to_vec(), available: available.to_vec() });
        }
        self.levels = available.iter().copied().filter(|level| levels.contains(level)).collect();
        Ok(self)
    }

    /// The bytes of a core's first and second cache, for which loops are laid out. Default: 32 KiB and 1 MiB. The order of
    /// sums follows from them: for the same bits as a [`Predictor`](kiln::Predictor)'s they are those of its machine.
    pub fn caches(mut self, first: usize, second: usize) -> Build {
        self.caches = Caches { l1: first, l2: second };
        self
    }

    /// The caches of this machine: see [`Build::caches`].
    ///
    /// # Errors
    /// [`BuildError::Plan`] never; [`BuildError::Object`] if the environment variable `KILN_EMITTER` is wrong.
    pub fn caches_of_host(self) -> Result<Build, BuildError> {
        let host = Target::host().map_err(BuildError::object)?;
        Ok(self.caches(host.l1_bytes, host.l2_bytes))
    }

    /// Where the weights are. Default: [`Weights::Beside`].
    pub fn weights(mut self, weights: Weights) -> Build {
        self.weights = weights;
        self
    }

    /// Whether denormal numbers count as 0, as for a predictor. Default: `true`.
    pub fn flush_denormal(mut self, flush: bool) -> Build {
        self.flush_denormal = flush;
        self
    }

    /// Whether contractions are computed only in ways whose error is that of the definition, as for a predictor. Default:
    /// `false`.
    pub fn exact(mut self, exact: bool) -> Build {
        self.exact = exact;
        self
    }

    /// Compiles the program.
    ///
    /// # Errors
    /// [`BuildError::Name`], [`BuildError::State`]; [`BuildError::Emit`] names a kernel that the target has no instructions for.
    pub fn build(self) -> Result<Program, BuildError> {
        let Build { name, graph, values, machine, levels, caches, weights, flush_denormal, exact } = self;
        verify(&graph)?;
        let graph = optimize(&graph);
        let machine = machine.with_bytes(holds_bytes(&graph));
        let interface = Interface::new(&name, &graph, compiled::OUTSIDE)?;
        let file = interface.weights_file(|name| values.get(name).cloned())?;
        let isa = machine.isa().map_err(BuildError::object)?;
        let mut object = Object::new(isa, &name)?;
        let mut built = Vec::new();
        for level in levels {
            built.push(Leveled::new(&mut object, &machine, (level, caches), &graph, (&interface, exact))?);
        }
        let arena_bytes = built.iter().map(|leveled| leveled.arena_bytes).max().unwrap_or(0);
        let mut program = Hash::new();
        program.add(&format!("{name} {machine:?} {caches:?} {flush_denormal} {exact}"));
        program.add(&kiln::graph::print(&graph).to_string());
        let inside = (weights == Weights::Inside).then(|| file.clone());
        let saves = built.iter().any(|leveled| leveled.save.is_some());
        let mut entry = Entry::new(&mut object, &machine, &interface, &built, (program.0 as i64, flush_denormal))?;
        entry.init(inside)?;
        entry.run()?;
        if saves {
            entry.save()?;
        }
        let object = object.finish(machine.is_elf())?;
        let levels = built.iter().map(|leveled| (leveled.level, leveled.code_bytes)).collect::<Vec<_>>();
        let facts = header::Facts {
            interface: &interface,
            target: machine.name(),
            arena_bytes,
            inside: weights == Weights::Inside,
            saves,
        };
        Ok(Program {
            library: archive(&object, &name, machine.is_darwin()).map_err(BuildError::object)?,
            library_name: if machine.is_msvc() { format!("{name}.lib") } else { format!("lib{name}.a") },
            header: header::header(&facts),
            module: module::module(&facts),
            name,
            object,
            weights: file,
            inside: weights == Weights::Inside,
            states: interface.weights,
            arena_bytes,
            levels,
        })
    }

    /// For a build script: the program for the target that cargo builds for, with its files in `OUT_DIR`, linked to the package.
    ///
    /// # Errors
    /// As for [`Build::target`] and [`Build::build`]; [`BuildError::Environment`], [`BuildError::Write`].
    pub fn for_cargo(self) -> Result<Program, BuildError> {
        let variable = |name| std::env::var(name).map_err(|_| BuildError::Environment { variable: name });
        let folder = PathBuf::from(variable("OUT_DIR")?);
        let levels = self.levels.clone();
        let mut build = self.target(&variable("TARGET")?)?;
        // What was chosen stays chosen where the target has it.
        let kept: Vec<Level> = build.levels.iter().copied().filter(|level| levels.contains(level)).collect();
        if !kept.is_empty() {
            build.levels = kept;
        }
        let program = build.build()?;
        program.write(&folder)?;
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static={}", program.name);
        Ok(program)
    }
}

impl Program {
    /// Writes `NAME.o`, the library `libNAME.a`, `NAME.h`, `NAME.rs` and, where the weights are not inside, `NAME.weights` into a
    /// folder, which is made if it is not there; files of these names are overwritten.
    ///
    /// # Errors
    /// [`BuildError::Write`].
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), BuildError> {
        let folder = folder.as_ref();
        let failed = |path: &Path, error| BuildError::Write { path: path.to_owned(), error };
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let mut files: Vec<(String, &[u8])> = vec![
            (format!("{}.o", self.name), &self.object),
            (self.library_name.clone(), &self.library),
            (format!("{}.h", self.name), self.header.as_bytes()),
            (format!("{}.rs", self.name), self.module.as_bytes()),
        ];
        if !self.inside {
            files.push((format!("{}.weights", self.name), &self.weights));
        }
        for (name, bytes) in files {
            let path = folder.join(name);
            compiled::replace_file(&path, bytes).map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }
}
