//! Plans everything, once for all tests.

use std::collections::HashMap;
use std::sync::LazyLock;

use kiln::graph::passes::prepare;
use kiln::graph::{Graph, optimize, verify};
use kiln::jit::Target;
use kiln::jit::contraction::Recipe;
use kiln::jit::kernel::parse;
use kiln::jit::layout::Layout;
use kiln::jit::plan::{Choices, Plan, Wishes, plan_by};

use crate::network_graphs::{self, Source};
use crate::sources;

/// The numbers of lanes of the machines that are planned for: one for each emitter.
pub const LANES: [usize; 3] = [4, 8, 16];

/// What stands behind the names of plans with exact convolutions only.
pub const EXACT: &str = ",exact";

/// What is held of the plan of a graph for one machine.
pub struct Planned {
    /// The graph's name.
    pub name: String,
    /// The machine's lanes.
    pub lanes: usize,
    /// The hash of the text of the plan and its kernels.
    pub digest: u64,
    /// For each contraction, how it is computed.
    pub contractions: Vec<String>,
    /// The kernels and recipes whose text is not read back as it was.
    pub unread: Vec<String>,
    /// The first call whose tasks are not proved to be disjoint, and why.
    pub dependent: Option<String>,
}

/// Whether all graphs are planned, or only some that are quickly planned.
pub fn all() -> bool {
    let asked = std::env::var("KILN_DIGEST").is_ok_and(|value| value == "all");
    asked || bless() || !cfg!(debug_assertions)
}

/// Whether the files are to be written.
pub fn bless() -> bool {
    std::env::var("BLESS").is_ok_and(|value| value == "1")
}

/// The plans of all graphs, sorted by name.
pub static PLANNED: LazyLock<Vec<Planned>> = LazyLock::new(|| {
    let mut sources = sources::golden(all());
    sources.extend(network_graphs::suite(all()));
    let mut planned = Vec::new();
    // How the states of the graph before lie, for each machine.
    let mut layouts: HashMap<(usize, bool), Layouts> = HashMap::new();
    for Source { name, graph, follows } in &sources {
        let graph = optimize(graph);
        assert_eq!(verify(&graph), Ok(()), "{name}: `optimize` leaves a valid graph");
        assert_eq!(verify(&prepare(&graph)), Ok(()), "{name}: `prepare` leaves a valid graph");
        // Whoever asks for exact convolutions gets other choices.
        let exactness = if name.starts_with("suite/") { &[false, true][..] } else { &[false] };
        for (&exact, lanes) in exactness.iter().flat_map(|exact| LANES.map(|lanes| (exact, lanes))) {
            let layouts = layouts.entry((lanes, exact)).or_default();
            if !follows {
                layouts.clear();
            }
            let plan = plan(&graph, lanes, layouts, exact);
            layouts.extend(plan.inputs.iter().map(|input| (input.name.clone(), input.layout)));
            let name = if exact { format!("{name}{EXACT}") } else { name.clone() };
            planned.push(look(&name, lanes, &plan));
        }
    }
    planned.sort_by(|a, b| (&a.name, a.lanes).cmp(&(&b.name, b.lanes)));
    planned
});

/// How states lie, by name.
type Layouts = HashMap<String, Layout>;

/// The plan for a machine of so many lanes, the same wherever the test runs.
fn plan(graph: &Graph, lanes: usize, layouts: &Layouts, exact: bool) -> Plan {
    let vector_registers = if lanes == 16 { 32 } else { 16 };
    let target = Target { vector_registers, ..Target::with_lanes(lanes) };
    let wishes = Wishes { exact, ..Wishes::default() };
    plan_by(graph, &target, layouts, &Choices::new(), wishes).expect("a plan")
}

fn look(name: &str, lanes: usize, plan: &Plan) -> Planned {
    let mut hash = Fnv::default();
    hash.add(&plan.to_string());
    let mut unread = Vec::new();
    for kernel in &plan.kernels {
        let text = kernel.to_string();
        hash.add(&text);
        match parse(&text) {
            Ok(read) if read == *kernel => {}
            Ok(read) => unread.push(format!("{name} at {lanes} lanes, read as\n{read}instead of\n{text}")),
            Err(error) => unread.push(format!("{name} at {lanes} lanes: {error}\n{text}")),
        }
    }
    for recipe in plan.contractions.iter().map(|found| &found.recipe) {
        let text = recipe.to_string();
        match text.parse::<Recipe>() {
            Ok(read) if read == **recipe && read.name() == recipe.name() => {}
            Ok(read) => unread.push(format!("{name} at {lanes} lanes, read as\n{read}\ninstead of\n{text}")),
            Err(error) => unread.push(format!("{name} at {lanes} lanes: {error}\n{text}")),
        }
    }
    let contractions = plan.contractions.iter().map(|found| {
        // The label is `layer: operations`, or the operations alone.
        let layer = found.label.split_once(": ").map_or(String::new(), |(layer, _)| format!("{layer}: "));
        format!("{layer}{}: {}", found.problem.shapes(), found.recipe.words())
    });
    let dependent = plan.disjoint().err().map(|error| format!("{name} at {lanes} lanes: {error}"));
    Planned { name: name.to_owned(), lanes, digest: hash.0, contractions: contractions.collect(), unread, dependent }
}

/// The hash of Fowler, Noll and Vo (FNV-1a, 64 bits).
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// That the kernels and recipes of all plans are what is read from their texts.
#[test]
fn kernels_and_recipes_are_read_back() {
    let unread: Vec<&String> = PLANNED.iter().flat_map(|planned| &planned.unread).collect();
    assert!(unread.is_empty(), "{} texts, such as {}", unread.len(), unread[0]);
}

/// That no call has to run on one thread.
#[test]
fn tasks_are_proved_disjoint() {
    let dependent: Vec<&String> = PLANNED.iter().filter_map(|planned| planned.dependent.as_ref()).collect();
    assert!(dependent.is_empty(), "{} plans, such as {}", dependent.len(), dependent[0]);
}
