//! Ways to compute an operation: which operands are copied, whether sums are split or spread, how each contraction is tiled.
//! The estimated cycles decide. It knows what the parts cost; it does not know how they are emitted.

use kiln_graph::shape::Shape;

use super::choose::{self, Tiling};
use super::panels::Panels;
use super::split::{self, Partials};
use super::spread::Spread;
use super::winograd::{Gradient, Winograd};
use super::{Contraction, Halo, Lowered, Operand, Recipe, Source, Stage, Wanted, Work, memory};
use crate::kernel::Access;
use crate::lower::pack::Pack;
use crate::target::Target;

/// What a copy that is made once for many runs costs each of them: a little, since it takes memory for good.
const KEPT: f64 = 0.1;

/// An operation over operands as they lie.
pub(super) type Lower<'a> = dyn Fn([&Operand; 2]) -> Lowered + 'a;

/// Every way, at least one: the fastest first.
pub(super) fn all(
    operands: [&Operand; 2],
    wanted: &[Wanted; 3],
    output: Shape,
    lower: &Lower<'_>,
    target: &Target,
) -> Vec<Way> {
    let copying = operands.map(|operand| if operand.lasting { KEPT } else { 1.0 });
    let mut ways = Vec::new();
    for copies in [[false, false], [true, false], [false, true], [true, true]] {
        let Some((copies, lowered)) = copied(operands, wanted, copies, lower) else { continue };
        ways.push(Way::in_tiles(&copies, &lowered, wanted, output, copying, target));
        ways.extend(Way::winograd(&copies, &lowered, copying, target));
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

/// A way to compute an operation: which operands are copied, and how the contractions over them are computed.
pub(super) struct Way {
    copies: [Option<Pack>; 2],
    method: Method,
    cycles: f64,
}

enum Method {
    /// As they are defined, each in tiles. The partial results that the parts write, if they are not results.
    Tiles(Vec<Part>, Option<Partials>),
    Winograd(Winograd),
    WinogradGradient(Gradient),
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
    fn new(copies: &[Option<Pack>; 2], method: Method, cycles: f64, copying: [f64; 2]) -> Way {
        let pack = |(pack, copying): (&Option<Pack>, f64)| pack.as_ref().map_or(0.0, |pack| copying * pack.cycles());
        let packs: f64 = copies.iter().zip(copying).map(pack).sum();
        Way { copies: copies.clone(), method, cycles: packs + cycles }
    }

    fn in_tiles(
        copies: &[Option<Pack>; 2],
        lowered: &Lowered,
        wanted: &[Wanted; 3],
        output: Shape,
        copying: [f64; 2],
        target: &Target,
    ) -> Way {
        let (mut parts, mut partial) = (Vec::new(), None);
        match (&lowered.contractions[..], lowered.spread) {
            ([contraction], Some(halo)) => {
                let sums = Partials::new(output, &Wanted { order: wanted[2].order.clone(), halo }, 1);
                parts.push(Part::spread(Spread::items(contraction, 0, 0, sums), copying, target));
            }
            ([contraction], None) if let Some(count) = split::parts(contraction, output) => {
                let split = split::split(contraction, count);
                let dense = Wanted { order: wanted[2].order.clone(), halo: Halo::default() };
                let partials = Partials::new(output, &dense, split::count(&split));
                for (contraction, first) in split {
                    let whole = Part::new(&contraction, copying, target);
                    let stretches = Spread::stretches(&contraction, partials.from(first));
                    let stretches = stretches.map(|spread| Part::spread(spread, copying, target));
                    let best = stretches.filter(|part| part.cycles < whole.cycles).unwrap_or(whole);
                    parts.push(Part { first, ..best });
                }
                partial = Some(partials);
            }
            (contractions, _) => parts.extend(contractions.iter().map(|c| Part::new(c, copying, target))),
        }
        let cycles = parts.iter().map(|part| part.cycles).sum();
        Way::new(copies, Method::Tiles(parts, partial), cycles, copying)
    }

    /// None where the operation is not of the kind.
    fn winograd(copies: &[Option<Pack>; 2], lowered: &Lowered, copying: [f64; 2], target: &Target) -> Vec<Way> {
        let ([contraction], None) = (&lowered.contractions[..], lowered.spread) else { return Vec::new() };
        let ways = Winograd::of(contraction, copying, target).into_iter();
        let ways = ways.map(|way| (way.cycles(), Method::Winograd(way)));
        let gradients = Gradient::of(contraction, target).into_iter();
        let gradients = gradients.map(|way| (way.cycles(), Method::WinogradGradient(way)));
        ways.chain(gradients).map(|(cycles, method)| Way::new(copies, method, cycles, copying)).collect()
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
        match self.method {
            Method::Tiles(parts, partials) => recipe.tiles(sources, parts, partials),
            Method::Winograd(way) => way.stages(&mut recipe, sources),
            Method::WinogradGradient(way) => way.stages(&mut recipe, sources),
        }
        recipe
    }
}

impl Recipe {
    fn tiles(&mut self, sources: [Source; 2], parts: Vec<Part>, partials: Option<Partials>) {
        let partial = partials.as_ref().map(|partials| self.scratch(partials.elements()));
        for Part { tiling, panels, spread, first, .. } in parts {
            let exchanged = |[left, right]: [Source; 2]| if tiling.swapped { [right, left] } else { [left, right] };
            let mut operands = exchanged(sources);
            for (operand, panels) in operands.iter_mut().zip(panels) {
                let Some(panels) = panels else { continue };
                let to = self.scratch(panels.elements());
                self.stage([*operand], Some(to), 0, Work::Panels(panels));
                *operand = to;
            }
            let mut flops = tiling.contraction.flops();
            if let Some(spread) = spread {
                flops *= spread.count() as u64;
                let sums = partial.unwrap_or_else(|| self.scratch(spread.elements()));
                let [left, right] = exchanged(operands);
                let buffers = vec![(left, Access::Read), (right, Access::Read), (sums, Access::ReadWrite)];
                let results = spread.finishes();
                self.stages.push(Stage { buffers, results, flops, work: Work::Spread(tiling, spread) });
                continue;
            }
            let work = match &partials {
                None => Work::Tiles(tiling),
                Some(partials) => Work::Partial(tiling, partials.from(first)),
            };
            self.stage(operands, partial, flops, work);
        }
        if let (Some(partials), Some(partial)) = (partials, partial) {
            self.stage([partial], None, partials.elements() as u64, Work::Sum(partials));
        }
    }

    pub(super) fn scratch(&mut self, elements: usize) -> Source {
        self.scratch.push(elements);
        Source::Scratch(self.scratch.len() - 1)
    }

    /// Adds a stage that reads some buffers and writes scratch memory, or results.
    pub(super) fn stage<const K: usize>(&mut self, from: [Source; K], to: Option<Source>, flops: u64, work: Work) {
        let reads = from.into_iter().map(|source| (source, Access::Read));
        let buffers = reads.chain(to.map(|to| (to, Access::Write))).collect();
        self.stages.push(Stage { buffers, results: to.is_none(), flops, work });
    }
}
