//! The ways to compute a contraction that are worth measuring, and names by which they are found again. It knows ways and
//! their estimates; it measures nothing.

use std::collections::HashMap;
use std::fmt::{self, Write};

use super::winograd::{GradientStep, Step};
use super::{Form, Lanes, Problem, Recipe, Search, Stage, Way, Work, ways};
use crate::target::Target;
use kiln_graph::Op;

/// How many times the estimated cycles of the fastest way another one may take.
const WITHIN: f64 = 1.5;
/// Ways of one kind (copies, panels, parts, Winograd's), at most.
const OF_A_KIND: usize = 3;
/// Ways, at most.
const MOST: usize = 10;

/// How far is looked for them.
const SEARCH: Search = Search { nearly: 1.25, within: WITHIN, most: OF_A_KIND, splits: true, ..Search::EACH };

/// Phases of an input gradient, each a contraction, that take long to estimate.
const MANY: usize = 16;
/// A product and the sums of what overlaps.
const FOLDS: [Form; 2] = [Form::Fold(Lanes::Places), Form::Fold(Lanes::Channels)];

impl Problem {
    /// The forms among which the estimates choose: what is quickly estimated and likely the fastest comes first.
    pub(super) fn forms(&self) -> &'static [Form] {
        match self.op {
            Op::ConvGradInput { conv, .. } if conv.sliding.stride.iter().product::<usize>() > MANY => {
                &[FOLDS[0], FOLDS[1], Form::Usual]
            }
            Op::ConvGradInput { .. } => &[Form::Usual, FOLDS[0], FOLDS[1]],
            _ => &[Form::Usual],
        }
    }

    /// The way that is estimated to be the fastest.
    ///
    /// # Panics
    /// If the operation is no contraction.
    pub fn recipe(&self, target: &Target) -> Recipe {
        let ways = ways(self, self.forms(), Search::FASTEST, target).expect("the operation is a contraction");
        ways.into_iter().next().expect("at least one way").recipe()
    }

    /// The ways that may be the fastest, in the order of the estimates: that of [`Problem::recipe`] comes first.
    ///
    /// # Panics
    /// If the operation is no contraction.
    pub fn candidates(&self, target: &Target) -> Vec<Recipe> {
        let choice = matches!(self.op, Op::ConvGradInput { .. });
        let forms = if choice { &[Form::Phases, Form::Spread, FOLDS[0], FOLDS[1]] } else { self.forms() };
        let others = ways(self, forms, SEARCH, target).into_iter().flatten().map(Way::recipe);
        let mut candidates = vec![self.recipe(target)];
        let limit = WITHIN * candidates[0].cycles;
        let mut names = vec![candidates[0].name()];
        let mut kinds: HashMap<String, usize> = HashMap::new();
        for other in others.take_while(|other| other.cycles <= limit) {
            let (name, of_a_kind) = (other.name(), kinds.entry(other.kinds()).or_default());
            if candidates.len() < MOST && *of_a_kind < OF_A_KIND && !names.contains(&name) {
                *of_a_kind += 1;
                names.push(name);
                candidates.push(other);
            }
        }
        candidates
    }

    /// The way of a name among the candidates.
    pub fn named(&self, name: &str, target: &Target) -> Option<Recipe> {
        self.candidates(target).into_iter().find(|recipe| recipe.name() == name)
    }
}

impl Recipe {
    /// The stages in words, with the rows and the width of their tiles: `panels, tiles of 6x16`.
    pub fn words(&self) -> String {
        let stages: Vec<String> = self.stages.iter().map(Stage::words).collect();
        counted(&stages)
    }

    /// A text that tells this way from all others: its [words](Recipe::words), and a number made of everything that decides on the
    /// code of its stages. What the cost model thinks of them is no part of it.
    pub fn name(&self) -> String {
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        let stages_without_estimates = self.stages.iter().map(Stage::without_estimates);
        write!(hash, "{:?}", self.scratch).expect("any text");
        stages_without_estimates.for_each(|stage| write!(hash, "{stage:?}").expect("any text"));
        format!("{} #{:016x}", self.words(), hash.0)
    }

    fn kinds(&self) -> String {
        let kinds: Vec<&str> = self.stages.iter().map(Stage::kind).collect();
        kinds.join(", ")
    }
}

/// Texts that follow one another, equal ones as one with their number.
fn counted(texts: &[String]) -> String {
    let runs = texts.chunk_by(|a, b| a == b);
    let runs = runs.map(|run| if run.len() > 1 { format!("{} {}", run.len(), run[0]) } else { run[0].clone() });
    runs.collect::<Vec<String>>().join(", ")
}

impl Stage {
    /// The kind and the size of a tile, or of one of Winograd's blocks: `tiles of 6x16`.
    fn words(&self) -> String {
        let work = match &self.work {
            Work::Kept(work, _) => work,
            work => work,
        };
        let size: Vec<usize> = match work {
            Work::Tiles(tiling) | Work::Partial(tiling, _) | Work::Spread(tiling, _) => tiling.tile().into(),
            Work::Winograd(way, Step::Results) => way.block().into(),
            Work::WinogradGradient(way, GradientStep::Parts | GradientStep::Results) => way.block().into(),
            Work::Kept(..) | Work::Turned(_) | Work::Sum(_) | Work::Fold(_) | Work::Pack(_) | Work::Panels(_) => vec![],
            Work::Winograd(..) | Work::WinogradGradient(..) => vec![],
        };
        let size: Vec<String> = size.iter().map(usize::to_string).collect();
        if size.is_empty() { self.kind().to_owned() } else { format!("{} of {}", self.kind(), size.join("x")) }
    }

    fn without_estimates(&self) -> Stage {
        let mut stage = self.clone();
        stage.work.forget_estimates();
        stage
    }
}

impl Work {
    fn forget_estimates(&mut self) {
        match self {
            Work::Kept(work, _) => work.forget_estimates(),
            Work::Tiles(tiling) | Work::Partial(tiling, _) | Work::Spread(tiling, _) => tiling.cycles = 0.0,
            Work::Winograd(way, _) => way.forget_estimates(),
            Work::WinogradGradient(way, _) => way.forget_estimates(),
            Work::Turned(_) | Work::Sum(_) | Work::Fold(_) | Work::Pack(_) | Work::Panels(_) => {}
        }
    }
}

/// The hash of Fowler, Noll and Vo (FNV-1a, 64 bits) of what is written: the same for the same text, always.
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}
