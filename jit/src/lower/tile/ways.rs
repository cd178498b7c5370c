//! Ways to compute an operation: which operands are copied, whether sums are split or spread, how each contraction is tiled.
//! The estimated cycles decide. It knows what the parts cost; it does not know how they are emitted.

use kiln_graph::shape::Shape;

use super::choose::{self, Tiling};
use super::panels::Panels;
use super::split::{self, Partials};
use super::spread::Spread;
use super::{Contraction, Halo, Lowered, Operand, Recipe, Source, Stage, Wanted, Work, memory};
use crate::kernel::Access;
use crate::lower::pack::Pack;
use crate::target::Target;

/// What a copy that is made once for many runs costs each of them: a little, since it takes memory for good.
const KEPT: f64 = 0.1;

/// An operation over operands as they lie.
pub(super) type Lower<'a> = dyn Fn([&Operand; 2]) -> Lowered + 'a;

/// The fastest way; the first of equals.
pub(super) fn best(
    operands: [&Operand; 2],
    wanted: &[Wanted; 3],
    output: Shape,
    lower: &Lower<'_>,
    target: &Target,
) -> Way {
    let mut best: Option<Way> = None;
    for copies in [[false, false], [true, false], [false, true], [true, true]] {
        let Some(way) = Way::new(operands, wanted, output, copies, lower, target) else { continue };
        if best.as_ref().is_none_or(|b| way.cycles < b.cycles) {
            best = Some(way);
        }
    }
    best.expect("copying what is not as wanted is always possible")
}

/// A way to compute an operation: which operands are copied, and how the contractions over them are tiled.
pub(super) struct Way {
    copies: [Option<Pack>; 2],
    parts: Vec<Part>,
    /// The partial results that the parts write, if they are not results.
    partials: Option<Partials>,
    cycles: f64,
}

/// One contraction of a [`Way`].
struct Part {
    tiling: Tiling,
    /// Of the tiling's left and right operand.
    panels: [Option<Panels>; 2],
    /// Where the sums are added, if they are neither results nor partial results.
    spread: Option<Spread>,
    /// The number of the first partial result that it computes.
    first: usize,
    cycles: f64,
}

impl Part {
    /// The fastest of the contraction's tilings, with and without panels; the first of equals. `copying` says what copies of
    /// the left and the right operand cost, as a part of their cycles.
    fn new(contraction: &Contraction, copying: [f64; 2], target: &Target) -> Part {
        let waiting = memory::Waiting::new(target);
        let mut best: Option<Part> = None;
        for tiling in choose::candidates(contraction, target) {
            if best.as_ref().is_some_and(|b| b.cycles <= tiling.cycles) {
                continue;
            }
            let copying = if tiling.swapped { [copying[1], copying[0]] } else { copying };
            let rows = match tiling.by_rows {
                false => Some((tiling, None)),
                true => Panels::left(&tiling).map(|(left, tiling)| (tiling, Some(left))),
            };
            let Some((tiling, left)) = rows else { continue };
            let packed = Panels::right(&tiling);
            let packed = packed.map(|(right, tiling)| (tiling, [left.clone(), Some(right)]));
            for (mut tiling, panels) in [(tiling, [left, None])].into_iter().chain(packed) {
                let copy = |(panels, copying): (&Option<Panels>, f64)| {
                    panels.as_ref().map_or(0.0, |panels| copying * panels.cycles(target))
                };
                let copies = panels.iter().zip(copying).map(copy).sum::<f64>();
                let most = best.as_ref().map_or(f64::INFINITY, |b| b.cycles) - copies - tiling.cycles;
                tiling.cycles += waiting.cycles(&tiling, most);
                let cycles = tiling.cycles + copies;
                if best.as_ref().is_none_or(|b| cycles < b.cycles) {
                    best = Some(Part { tiling, panels, spread: None, first: 0, cycles });
                }
            }
        }
        best.expect("every contraction has a form")
    }

    /// The items of a spread contraction, which share copies of the operands in which they have no places of their own.
    fn spread((spread, item): (Spread, Contraction), copying: [f64; 2], target: &Target) -> Part {
        let [left, right] = spread.shared();
        let copying = [(left, copying[0]), (right, copying[1])];
        let copying = copying.map(|(shared, copying)| if shared { copying } else { f64::INFINITY });
        let mut part = Part::new(&item, copying, target);
        part.tiling.grid = 0;
        part.cycles += spread.cycles(&part.tiling, target.lanes) - part.tiling.cycles;
        Part { spread: Some(spread), ..part }
    }
}

impl Way {
    /// `None` where an operand that is not copied lacks its halo, or one that is copied already lies as wanted.
    fn new(
        operands: [&Operand; 2],
        wanted: &[Wanted; 3],
        output: Shape,
        copies: [bool; 2],
        lower: &Lower<'_>,
        target: &Target,
    ) -> Option<Way> {
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
        let copying = operands.map(|operand| if operand.lasting { KEPT } else { 1.0 });
        let lowered = lower([&used[0], &used[1]]);
        let mut way = Way { copies: packs, parts: Vec::new(), partials: None, cycles: 0.0 };
        match (&lowered.contractions[..], lowered.spread) {
            ([contraction], Some(halo)) => {
                let sums = Partials::new(output, &Wanted { order: wanted[2].order.clone(), halo }, 1);
                way.parts.push(Part::spread(Spread::items(contraction, 0, 0, sums), copying, target));
            }
            ([contraction], None) if let Some(parts) = split::parts(contraction, output) => {
                let split = split::split(contraction, parts);
                let dense = Wanted { order: wanted[2].order.clone(), halo: Halo::default() };
                let partials = Partials::new(output, &dense, split::count(&split));
                for (contraction, first) in split {
                    let whole = Part::new(&contraction, copying, target);
                    let stretches = Spread::stretches(&contraction, partials.from(first));
                    let stretches = stretches.map(|spread| Part::spread(spread, copying, target));
                    let best = stretches.filter(|part| part.cycles < whole.cycles).unwrap_or(whole);
                    way.parts.push(Part { first, ..best });
                }
                way.partials = Some(partials);
            }
            (contractions, _) => way.parts.extend(contractions.iter().map(|c| Part::new(c, copying, target))),
        }
        let cycles = |(pack, copying): (&Option<Pack>, f64)| pack.as_ref().map_or(0.0, |pack| copying * pack.cycles());
        let copies: f64 = way.copies.iter().zip(copying).map(cycles).sum();
        way.cycles = copies + way.parts.iter().map(|part| part.cycles).sum::<f64>();
        Some(way)
    }

    /// The stages.
    pub fn recipe(self) -> Recipe {
        let mut recipe = Recipe { scratch: Vec::new(), stages: Vec::new() };
        let mut sources = [Source::Left, Source::Right];
        for (source, pack) in sources.iter_mut().zip(self.copies) {
            let Some(pack) = pack else { continue };
            let to = recipe.scratch(pack.elements());
            recipe.stage([*source], Some(to), 0, Work::Pack(pack));
            *source = to;
        }
        let partial = self.partials.as_ref().map(|partials| recipe.scratch(partials.elements()));
        for Part { tiling, panels, spread, first, .. } in self.parts {
            let exchanged = |[left, right]: [Source; 2]| if tiling.swapped { [right, left] } else { [left, right] };
            let mut operands = exchanged(sources);
            for (operand, panels) in operands.iter_mut().zip(panels) {
                let Some(panels) = panels else { continue };
                let to = recipe.scratch(panels.elements());
                recipe.stage([*operand], Some(to), 0, Work::Panels(panels));
                *operand = to;
            }
            let mut flops = tiling.contraction.flops();
            if let Some(spread) = spread {
                flops *= spread.count() as u64;
                let sums = partial.unwrap_or_else(|| recipe.scratch(spread.elements()));
                let [left, right] = exchanged(operands);
                let buffers = vec![(left, Access::Read), (right, Access::Read), (sums, Access::ReadWrite)];
                let results = spread.finishes();
                recipe.stages.push(Stage { buffers, results, flops, work: Work::Spread(tiling, spread) });
                continue;
            }
            let work = match &self.partials {
                None => Work::Tiles(tiling),
                Some(partials) => Work::Partial(tiling, partials.from(first)),
            };
            recipe.stage(operands, partial, flops, work);
        }
        if let (Some(partials), Some(partial)) = (self.partials, partial) {
            recipe.stage([partial], None, partials.elements() as u64, Work::Sum(partials));
        }
        recipe
    }
}

impl Recipe {
    fn scratch(&mut self, elements: usize) -> Source {
        self.scratch.push(elements);
        Source::Scratch(self.scratch.len() - 1)
    }

    /// Adds a stage that reads some buffers and writes scratch memory, or results.
    fn stage<const K: usize>(&mut self, from: [Source; K], to: Option<Source>, flops: u64, work: Work) {
        let reads = from.into_iter().map(|source| (source, Access::Read));
        let buffers = reads.chain(to.map(|to| (to, Access::Write))).collect();
        self.stages.push(Stage { buffers, results: to.is_none(), flops, work });
    }
}
