//! The strategies to compute an operation, the fastest first, and those among them that are worth measuring. The
//! estimated cycles decide. It knows how strategies are put together; it measures and emits nothing.

use std::collections::HashMap;

use kiln_graph::Op;
use kiln_graph::shape::Shape;

use super::from_op::{Contractions, Form, by_channels, contractions, lies_in_quads, transposable};
use super::problem::{Contraction, Operand, Problem};
use super::recipe::Recipe;
use super::stalls::Stalls;
use super::strategies::overlap_add::Lanes;
use super::strategies::relayout::Relayout;
use super::strategies::transpose_results::TransposeResults;
use super::strategies::winograd::Products;
use super::strategy::{Reading, Search, Strategy};
use crate::cost::params::search::{INVARIANT_COPY, LOOKED_AT, MANY, MOST, OF_A_KIND, WITHIN};
use crate::cost::params::transpose_results::PIXELS;
use crate::kernel::Element;
use crate::layout::{Halo, PreferredLayout};
use crate::target::Target;

/// An operation over operands as they lie.
pub type Lower<'a> = dyn Fn([&Operand; 2]) -> Contractions + 'a;

/// How far is looked for what is worth measuring.
const SEARCH: Search = Search { nearly: LOOKED_AT, within: WITHIN, most: OF_A_KIND, splits: true, ..Search::EACH };

/// A product and the sums of what overlaps.
const OVERLAP_ADDS: [Form; 2] = [Form::OverlapAdd(Lanes::Places), Form::OverlapAdd(Lanes::Channels)];

/// The stages that compute an operation, or `None` where it is no contraction (that is, none of [`Op::Dot`],
/// [`Op::Conv`], [`Op::ConvGradInput`] and [`Op::ConvGradWeight`]). An operand is copied where its halo is too small,
/// or where that is estimated to be worth its time.
pub fn recipe(op: &Op, left: &Operand, right: &Operand, output: Shape, target: &Target) -> Option<Recipe> {
    Some(recipes(op, left, right, output, target)?.swap_remove(0))
}

/// Every strategy to compute an operation, that of [`recipe`] first; `None` as there.
pub fn recipes(op: &Op, left: &Operand, right: &Operand, output: Shape, target: &Target) -> Option<Vec<Recipe>> {
    let problem = Problem { op: op.clone(), operands: [*left, *right], output, along: None, exact: false };
    let strategies = strategies(&problem, problem.forms(), Search::EACH, target)?;
    Some(strategies.into_iter().map(Strategy::recipe).collect())
}

/// The strategies of several forms, the fastest first; `None` where the operation is no contraction.
fn strategies(problem: &Problem, forms: &[Form], search: Search, target: &Target) -> Option<Vec<Strategy>> {
    let mut strategies: Vec<Strategy> = Vec::new();
    for &form in forms {
        // Each form is asked only for what beats the forms before it, unless slower ones are asked for, too.
        strategies.extend(strategies_of(problem, form, search.beside_all(&strategies), target).into_iter().flatten());
    }
    // Stable, and by numbers that follow from the problem and the target: of equals the earlier form wins, on every
    // run.
    strategies.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
    (!strategies.is_empty()).then_some(strategies)
}

/// Where results are to lie along another axis than is preferred, they are stored so, or first as is preferred and then
/// transposed; those of a product are also transposed where that is less than to transpose an operand, and those of a
/// convolution of few features where lanes are pixels. `None` as in [`contractions`].
fn strategies_of(problem: &Problem, form: Form, search: Search, target: &Target) -> Option<Vec<Strategy>> {
    let Problem { op, operands: [left, right], output, along, exact } = problem;
    // Products of bytes are exact however they are added up, but no other strategy's are.
    let bytes = left.element.is_byte();
    let search = Search { exact: *exact || bytes, ..search };
    let (operands, output) = ([left, right], *output);
    let preferred = contractions(op, form, left, right, output)?.preferred;
    let lowered = |used: [&Operand; 2], along: Option<usize>| {
        let mut lowered = contractions(op, form, used[0], used[1], output).expect("a contraction");
        if bytes {
            lowered.contractions = lowered.contractions.into_iter().map(Contraction::by_quads).collect();
        }
        let Some(along) = along else { return lowered };
        for contraction in &mut lowered.contractions {
            contraction.fast = along;
        }
        if let Some(overlap_add) = &mut lowered.overlap_add {
            overlap_add.fast = along;
        }
        lowered
    };
    // Three ways to have results along `along`, or along the axis that is preferred anyway:
    //
    //     lanes as preferred, results stored as they come           (no `along`)
    //     lanes as preferred, results kept, then transposed         (`along`: `transposed`)
    //     lanes along `along`, or stores lane by lane               (`along`: `fast` says how they are to lie)
    let all = |preferred: &[PreferredLayout; 3], along: Option<usize>, search: Search| {
        let lower = |used: [&Operand; 2]| lowered(used, along);
        let mut strategies = all_of(operands, preferred, output, &lower, search, target);
        if let Some(preferred) = by_channels(op, output, preferred).filter(|_| !bytes) {
            // Without a copy it would be a strategy of the first call again. Where results lie otherwise, only
            // estimates that look at `fast` can be compared with the transposed ones.
            let asked = if along.is_none() {
                Strategy::copies
            } else {
                |strategy: &Strategy| strategy.copies() && strategy.knows_how_results_lie()
            };
            let search = Search { asked, ..search.beside_all(&strategies) };
            strategies.extend(all_of(operands, &preferred, output, &lower, search, target));
        }
        strategies
    };
    let mut strategies = all(&preferred, None, search);
    let stored = Search { asked: Strategy::knows_how_results_lie, ..search };
    if let &Some(along) = along {
        // Every strategy of the preferred order, with a transposition behind it; then those that store along the axis
        // themselves.
        let transpose = TransposeResults::new(output, &preferred[2].order, along);
        strategies = strategies.into_iter().map(|strategy| strategy.transposed(transpose.clone(), target)).collect();
        let others = all(&preferred, Some(along), stored.beside_all(&strategies));
        strategies.extend(others);
    } else if let Some([rows, columns]) = transposable(problem) {
        // `[8, 4096] x [4096, 4096]` with a right operand that lies transposed: lanes along its columns would need a
        // copy of 16 million elements. Lanes along the rows of the left one read the right one as it lies; what is
        // transposed then are the left operand and the result, 32 thousand elements each.
        let order: Vec<usize> = (0..rows).chain([columns, rows]).collect();
        let transpose = TransposeResults::new(output, &order, columns);
        let [_, right, result] = preferred;
        let stored = stored.beside_all(&strategies).less(transpose.cycles(target));
        let others =
            all(&[PreferredLayout { order, halo: Halo::default() }, right, result], Some(rows), stored).into_iter();
        strategies.extend(others.map(|strategy| strategy.transposed(transpose.clone(), target)));
    } else if target.lanes >= PIXELS
        && !bytes
        && let (Some(preferred), Op::Conv(_) | Op::ConvGradInput { .. }) = (by_channels(op, output, &preferred), op)
    {
        // 9 features a group would fill 9 of 16 lanes: lanes along pixels are all filled, and their results are copied
        // to channels last.
        let pixels = output.rank() - 1;
        let transpose = TransposeResults::new(output, &preferred[0].order, 1);
        let asked = |strategy: &Strategy| strategy.copies() && strategy.knows_how_results_lie();
        let search = Search { asked, ..search.beside_all(&strategies).less(transpose.cycles(target)) };
        let lower = |used: [&Operand; 2]| lowered(used, Some(pixels));
        let others = all_of(operands, &preferred, output, &lower, search, target).into_iter();
        strategies.extend(others.map(|strategy| strategy.transposed(transpose.clone(), target)));
    }
    Some(strategies)
}

/// The strategies that are asked for, the fastest first. At least one where any is.
fn all_of(
    operands: [&Operand; 2],
    preferred: &[PreferredLayout; 3],
    output: Shape,
    lower: &Lower<'_>,
    search: Search,
    target: &Target,
) -> Vec<Strategy> {
    let (stalls, products) = (Stalls::new(target), Products::new(target));
    let mut strategies: Vec<Strategy> = Vec::new();
    let mut search = search;
    // Copies of neither operand, of one, of both. What is found lowers the limit for what comes after it.
    for copies in [[false, false], [true, false], [false, true], [true, true]] {
        let Some((copies, contractions)) = copied(operands, preferred, copies, lower) else { continue };
        let reading = [0, 1].map(|side| Reading {
            copying: if operands[side].invariant { INVARIANT_COPY } else { 1.0 },
            widens: operands[side].element == Element::Bf16 && copies[side].is_none(),
            rounds: operands[side].rounded && copies[side].is_none(),
            quads: operands[side].element.is_byte(),
        });
        // Where there are any, one of these is most often the fastest.
        let mut winograd = match search.exact {
            false => Strategy::winograd(&copies, &contractions, reading, &products),
            true => Vec::new(),
        };
        winograd.retain(search.asked);
        search = search.beside_all(&winograd);
        let mut tiles = Strategy::in_tiles(&copies, &contractions, preferred, output, reading, search, &stalls);
        tiles.retain(search.asked);
        search = search.beside_all(&tiles);
        strategies.extend(tiles.into_iter().chain(winograd));
    }
    strategies.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
    strategies
}

/// The copies of those operands that are to be copied, and the operation over what is read then. Copies are f32, or bytes of
/// bytes. `None` where an operand that is not copied lacks its halo, or one of f32 that is copied already lies as
/// preferred; bytes are copied only where they do not lie in quads.
fn copied(
    operands: [&Operand; 2],
    preferred: &[PreferredLayout; 3],
    copies: [bool; 2],
    lower: &Lower<'_>,
) -> Option<([Option<Relayout>; 2], Contractions)> {
    let mut packs = [None, None];
    let mut used = operands.map(|o| *o);
    for side in 0..2 {
        let (from, want) = (operands[side], &preferred[side]);
        let covered = from.halo.covers(&want.halo);
        let layout = want.layout(from.shape);
        // Only the strides are compared: where the operand begins in its buffer does not matter.
        let same = covered && (0..from.shape.rank()).all(|a| from.layout.strides[a] == layout.strides[a]);
        match copies[side] {
            copied if from.element.is_byte() => {
                if copied == lies_in_quads(from, want) {
                    return None;
                }
                if copied {
                    packs[side] = Some(Relayout::new(from, want));
                    used[side] = Operand { layout, halo: want.halo, ..*from };
                }
            }
            // The copy would be the operand again.
            true if same && from.element == Element::F32 && !from.rounded => return None,
            true => {
                packs[side] = Some(Relayout::new(from, want));
                used[side] = Operand { element: Element::F32, rounded: false, layout, halo: want.halo, ..*from };
            }
            // Windows would read beyond the zeros that are there, into neighbouring rows or out of the buffer.
            false if !covered => return None,
            false => {}
        }
    }
    Some((packs, lower([&used[0], &used[1]])))
}

/// A recipe, and what it is estimated to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// How the operation is computed.
    pub recipe: Recipe,
    /// Cycles on one core.
    pub cycles: f64,
}

impl Candidate {
    fn of(strategy: Strategy) -> Candidate {
        Candidate { cycles: strategy.cycles, recipe: strategy.recipe() }
    }
}

impl Problem {
    /// The forms among which the estimates choose: what is quickly estimated and likely the fastest comes first.
    pub(super) fn forms(&self) -> &'static [Form] {
        match &self.op {
            // With a stride of 8 x 8 the usual form may be 64 contractions. An overlap-add is one, quickly estimated,
            // and its cycles end the search of the 64 early.
            Op::ConvGradInput { conv, .. } if conv.sliding.stride.iter().product::<usize>() > MANY => {
                &[OVERLAP_ADDS[0], OVERLAP_ADDS[1], Form::Usual]
            }
            Op::ConvGradInput { .. } => &[Form::Usual, OVERLAP_ADDS[0], OVERLAP_ADDS[1]],
            _ => &[Form::Usual],
        }
    }

    /// How it is computed: by the strategy that is estimated to be the fastest.
    ///
    /// # Panics
    /// If the operation is no contraction.
    pub fn recipe(&self, target: &Target) -> Recipe {
        self.fastest(target).recipe()
    }

    fn fastest(&self, target: &Target) -> Strategy {
        let strategies =
            strategies(self, self.forms(), Search::FASTEST, target).expect("the operation is a contraction");
        strategies.into_iter().next().expect("at least one strategy")
    }

    /// The recipes that may be the fastest, in the order of the estimates: that of [`Problem::recipe`] comes first.
    ///
    /// # Panics
    /// If the operation is no contraction.
    pub fn candidates(&self, target: &Target) -> Vec<Recipe> {
        self.estimated(target).into_iter().map(|candidate| candidate.recipe).collect()
    }

    /// The same, with what each is estimated to take.
    ///
    /// # Panics
    /// If the operation is no contraction.
    pub fn estimated(&self, target: &Target) -> Vec<Candidate> {
        // The usual form has chosen between phases and accumulation by their operations; to measure, both are wanted.
        let choice = matches!(self.op, Op::ConvGradInput { .. });
        let forms =
            if choice { &[Form::Phases, Form::Accumulate, OVERLAP_ADDS[0], OVERLAP_ADDS[1]] } else { self.forms() };
        let others = strategies(self, forms, SEARCH, target).into_iter().flatten().map(Candidate::of);
        // What is taken without a measurement comes first in any case: the others are measured against it.
        let mut candidates = vec![Candidate::of(self.fastest(target))];
        let limit = WITHIN * candidates[0].cycles;
        let mut names = vec![candidates[0].recipe.name()];
        let mut kinds: HashMap<String, usize> = HashMap::new();
        for other in others.take_while(|other| other.cycles <= limit) {
            // Recipes of one kind differ in their tiles alone. A few of them do, so that other kinds are measured, too.
            let (name, of_a_kind) = (other.recipe.name(), kinds.entry(other.recipe.kinds()).or_default());
            if candidates.len() < MOST && *of_a_kind < OF_A_KIND && !names.contains(&name) {
                *of_a_kind += 1;
                names.push(name);
                candidates.push(other);
            }
        }
        candidates
    }

    /// The candidate of a name; `None` where no candidate has it.
    pub fn named(&self, name: &str, target: &Target) -> Option<Recipe> {
        self.candidates(target).into_iter().find(|recipe| recipe.name() == name)
    }
}
