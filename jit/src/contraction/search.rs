//! The strategies to compute an operation, the fastest first, and those among them that are worth measuring. The estimated cycles
//! decide. It knows how strategies are put together; it measures and emits nothing.

use std::collections::HashMap;

use kiln_graph::Op;
use kiln_graph::shape::Shape;

use super::from_op::{Form, Lowered, by_channels, lowered, turned};
use super::problem::{Operand, Problem};
use super::recipe::Recipe;
use super::stalls::Waiting;
use super::strategies::overlap_add::Lanes;
use super::strategies::relayout::Pack;
use super::strategies::transpose_results::Turned;
use super::strategies::winograd::Products;
use super::strategy::{Search, Way};
use crate::layout::{Halo, Wanted};
use crate::target::Target;

/// What a copy that is made once for many runs costs each of them: a little, since it takes memory for good.
const KEPT: f64 = 0.1;

/// An operation over operands as they lie.
pub type Lower<'a> = dyn Fn([&Operand; 2]) -> Lowered + 'a;

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

/// The stages that compute an operation, or `None` where it is no contraction (that is, none of [`Op::Dot`], [`Op::Conv`],
/// [`Op::ConvGradInput`] and [`Op::ConvGradWeight`]). An operand is copied where its halo is too small, or where that is
/// estimated to be worth its time.
pub fn recipe(op: &Op, left: &Operand, right: &Operand, output: Shape, target: &Target) -> Option<Recipe> {
    Some(recipes(op, left, right, output, target)?.swap_remove(0))
}

/// Every way to compute an operation, that of [`recipe`] first; `None` as there.
pub fn recipes(op: &Op, left: &Operand, right: &Operand, output: Shape, target: &Target) -> Option<Vec<Recipe>> {
    let problem = Problem { op: *op, operands: [*left, *right], output, along: None, exact: false };
    let ways = ways(&problem, problem.forms(), Search::EACH, target)?;
    Some(ways.into_iter().map(Way::recipe).collect())
}

/// The ways of several forms, the fastest first; `None` where the operation is no contraction.
fn ways(problem: &Problem, forms: &[Form], search: Search, target: &Target) -> Option<Vec<Way>> {
    let mut ways: Vec<Way> = Vec::new();
    for &form in forms {
        ways.extend(ways_of(problem, form, search.beside_all(&ways), target).into_iter().flatten());
    }
    ways.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
    (!ways.is_empty()).then_some(ways)
}

/// Where results are to lie along another axis than is wanted, they are stored so, or first as is wanted and then turned; those of
/// a product are also turned where that is less than to turn an operand. `None` as in [`lowered`].
fn ways_of(problem: &Problem, form: Form, search: Search, target: &Target) -> Option<Vec<Way>> {
    let Problem { op, operands: [left, right], output, along, exact } = problem;
    let search = Search { exact: *exact, ..search };
    let (operands, output) = ([left, right], *output);
    let wanted = lowered(op, form, left, right, output)?.wanted;
    let all = |wanted: &[Wanted; 3], along: Option<usize>, search: Search| {
        let lower = |used: [&Operand; 2]| {
            let mut lowered = lowered(op, form, used[0], used[1], output).expect("a contraction");
            lowered
                .contractions
                .iter_mut()
                .for_each(|contraction| contraction.fast = along.unwrap_or(contraction.fast));
            if let (Some(fold), Some(along)) = (&mut lowered.fold, along) {
                fold.fast = along;
            }
            lowered
        };
        let mut ways = all_of(operands, wanted, output, &lower, search, target);
        if let Some(wanted) = by_channels(op, output, wanted) {
            let asked =
                if along.is_none() { Way::copies } else { |way: &Way| way.copies() && way.knows_how_results_lie() };
            let search = Search { asked, ..search.beside_all(&ways) };
            ways.extend(all_of(operands, &wanted, output, &lower, search, target));
        }
        ways
    };
    let mut ways = all(&wanted, None, search);
    let stored = Search { asked: Way::knows_how_results_lie, ..search };
    if let &Some(along) = along {
        let turned = Turned::new(output, &wanted[2].order, along);
        ways = ways.into_iter().map(|way| way.turned(turned.clone(), target)).collect();
        let others = all(&wanted, Some(along), stored.beside_all(&ways));
        ways.extend(others);
    } else if let Some([rows, columns]) = turned(problem) {
        let order: Vec<usize> = (0..rows).chain([columns, rows]).collect();
        let turned = Turned::new(output, &order, columns);
        let [_, right, result] = wanted;
        let stored = stored.beside_all(&ways).less(turned.cycles(target));
        let others = all(&[Wanted { order, halo: Halo::default() }, right, result], Some(rows), stored).into_iter();
        ways.extend(others.map(|way| way.turned(turned.clone(), target)));
    }
    Some(ways)
}

/// The ways that are asked for, the fastest first. At least one where any is.
fn all_of(
    operands: [&Operand; 2],
    wanted: &[Wanted; 3],
    output: Shape,
    lower: &Lower<'_>,
    search: Search,
    target: &Target,
) -> Vec<Way> {
    let copying = operands.map(|operand| if operand.lasting { KEPT } else { 1.0 });
    let (waiting, products) = (Waiting::new(target), Products::new(target));
    let mut ways: Vec<Way> = Vec::new();
    let mut search = search;
    for copies in [[false, false], [true, false], [false, true], [true, true]] {
        let Some((copies, lowered)) = copied(operands, wanted, copies, lower) else { continue };
        // Where there are any, one of these is most often the fastest.
        let mut winograd = match search.exact {
            false => Way::winograd(&copies, &lowered, copying, &products),
            true => Vec::new(),
        };
        winograd.retain(search.asked);
        search = search.beside_all(&winograd);
        let mut tiles = Way::in_tiles(&copies, &lowered, wanted, output, copying, search, &waiting);
        tiles.retain(search.asked);
        search = search.beside_all(&tiles);
        ways.extend(tiles.into_iter().chain(winograd));
    }
    ways.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
    ways
}

/// The copies of the operands, where they are wanted, and the operation over what is read then. `None` where an operand
/// that is not copied lacks its halo, or one that is copied already lies as wanted.
fn copied(
    operands: [&Operand; 2],
    wanted: &[Wanted; 3],
    copies: [bool; 2],
    lower: &Lower<'_>,
) -> Option<([Option<Pack>; 2], Lowered)> {
    let mut packs = [None, None];
    let mut used = operands.map(|o| *o);
    for side in 0..2 {
        let (from, want) = (operands[side], &wanted[side]);
        let covered = from.halo.covers(&want.halo);
        let layout = want.layout(from.shape);
        let same = covered && (0..from.shape.rank()).all(|a| from.layout.strides[a] == layout.strides[a]);
        match copies[side] {
            true if same => return None,
            true => {
                packs[side] = Some(Pack::new(from, want));
                used[side] = Operand { layout, halo: want.halo, ..*from };
            }
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
    fn of(way: Way) -> Candidate {
        Candidate { cycles: way.cycles, recipe: way.recipe() }
    }
}

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
        self.fastest(target).recipe()
    }

    fn fastest(&self, target: &Target) -> Way {
        let ways = ways(self, self.forms(), Search::FASTEST, target).expect("the operation is a contraction");
        ways.into_iter().next().expect("at least one way")
    }

    /// The ways that may be the fastest, in the order of the estimates: that of [`Problem::recipe`] comes first.
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
        let choice = matches!(self.op, Op::ConvGradInput { .. });
        let forms = if choice { &[Form::Phases, Form::Spread, FOLDS[0], FOLDS[1]] } else { self.forms() };
        let others = ways(self, forms, SEARCH, target).into_iter().flatten().map(Candidate::of);
        let mut candidates = vec![Candidate::of(self.fastest(target))];
        let limit = WITHIN * candidates[0].cycles;
        let mut names = vec![candidates[0].recipe.name()];
        let mut kinds: HashMap<String, usize> = HashMap::new();
        for other in others.take_while(|other| other.cycles <= limit) {
            let (name, of_a_kind) = (other.recipe.name(), kinds.entry(other.recipe.kinds()).or_default());
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
