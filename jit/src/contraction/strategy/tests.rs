//! What strategies leave out. They go by estimates alone: nothing is emitted or measured.

use super::*;
use crate::contraction::problem::{Axis, Coordinate};

/// `[64, 512] x [512, 96]`, of which both operands are worth a copy.
fn product() -> Contraction {
    let axis = |extent, left, right, reduce| Axis { extent, left, right, reduce };
    let axes = vec![axis(64, 512, 0, false), axis(96, 0, 512, false), axis(512, 1, 1, true)];
    let along = |axis| Coordinate { offset: 0, terms: vec![(axis, 1)] };
    Contraction { axes, left: 0, right: 0, output: vec![along(0), along(1)], fast: 1 }
}

#[test]
fn what_may_not_be_copied_is_not() {
    for lanes in [4, 8, 16] {
        let target = Target::with_lanes(lanes);
        let stalls = Stalls::new(&target);
        for (copying, copied) in [([0.0; 2], true), ([f64::INFINITY; 2], false)] {
            // All tilings, however slow.
            let search = Search { most: 100, within: f64::INFINITY, ..Search::FASTEST };
            let reading = copying.map(|copying| Reading { copying, widens: false, rounds: false, quads: false });
            let parts = TiledPart::fastest(&product(), reading, search, &stalls);
            assert!(!parts.is_empty() && parts.iter().all(|part| part.cycles.is_finite()));
            assert_eq!(parts.iter().any(|part| part.panels.iter().any(Option::is_some)), copied, "{copying:?}");
        }
    }
}
