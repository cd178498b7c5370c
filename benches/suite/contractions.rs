//! The contractions of the suite's networks, as they are planned for some machine.

use std::collections::BTreeMap;

use kiln::Precision;
use kiln::graph::optimize;
use kiln::graph::passes::in_precision;
use kiln::jit::Target;
use kiln::jit::plan::{Contracted, plan};

use crate::network_graphs::suite;

/// Every distinct contraction of the networks as they train and predict (or of those that are quickly planned), by its
/// text, with its recipe and how many times all of them compute it in a run of each.
pub fn contractions(target: &Target, precision: Precision, all: bool) -> BTreeMap<String, Contracted> {
    let mut contractions: BTreeMap<String, Contracted> = BTreeMap::new();
    // An evaluation computes what training does, forwards.
    for source in suite(all).iter().filter(|source| !source.follows) {
        let graph = optimize(&in_precision(&source.graph, precision));
        let plan = plan(&graph, target, &Default::default()).expect("a plan");
        for found in plan.contractions {
            let uses = found.uses;
            let known = contractions.entry(found.problem.to_string());
            known.and_modify(|known| known.uses += uses).or_insert(found);
        }
    }
    contractions
}
