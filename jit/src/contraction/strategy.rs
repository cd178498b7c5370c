//! Whole strategies to compute an operation: which operands are copied, whether sums are split or accumulated in
//! memory, how each contraction is tiled, with the estimated cycles of each. It knows what the parts cost; it does not
//! know how they are emitted.

mod parts;
mod reading;

use kiln_graph::shape::Shape;

use super::from_op::{Contractions, QUAD};
use super::problem::{Contraction, Source};
use super::recipe::{Recipe, Work};
use super::stalls::Stalls;
use super::strategies::accumulate::Accumulate;
use super::strategies::overlap_add::OverlapAdd;
use super::strategies::packed_panels::PackedPanels;
use super::strategies::pairs::Pairs;
use super::strategies::register_tiles::{Factors, RightReads, candidates};
use super::strategies::relayout::Relayout;
use super::strategies::split_k::{self, Partials};
use super::strategies::tile_products::TileProduct;
use super::strategies::transpose_results::TransposeResults;
use super::strategies::winograd::{Gradient, Products, Winograd};
use super::tiling::{ConvertedRows, KBlocking, Tiling};
use crate::cost::params::search::{NEARLY, ROUNDING};
use crate::kernel::Access;
use crate::layout::{Halo, PreferredLayout};
use crate::target::Target;
pub use reading::Reading;
use reading::{copied_cycles, widening};

/// How far to look beyond what is estimated to be the fastest.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// How many times the cycles of the fastest tile another one may take, memory left aside.
    pub nearly: f64,
    /// How many times the cycles of a contraction's fastest tiling another one may take.
    pub within: f64,
    /// Tilings of a contraction, at most.
    pub most: usize,
    /// Whether sums are also split into other numbers of parts.
    pub splits: bool,
    /// Whether sums may be K-blocked.
    pub k_blocking: bool,
    /// Whether rows of bf16 may be converted by tasks.
    pub converted: bool,
    /// Whether products of bf16 may be taken by pairs, by vectors or by tile registers, and those of bytes by tile
    /// registers, where the target does that fast.
    pub pairs: bool,
    /// Whether strategies are left out whose error is another one than that of the definition.
    pub exact: bool,
    /// Whether strategies are asked for that can not be the fastest.
    pub slower: bool,
    /// Cycles from which on a strategy is not asked for.
    pub below: f64,
    /// Which strategies are asked for.
    pub asked: fn(&Strategy) -> bool,
}

impl Search {
    /// The fastest alone.
    pub const FASTEST: Search = Search {
        nearly: NEARLY,
        within: 1.0,
        most: 1,
        splits: false,
        k_blocking: true,
        converted: true,
        pairs: true,
        exact: false,
        slower: false,
        below: f64::INFINITY,
        asked: |_| true,
    };

    /// The fastest strategy of each kind.
    pub const EACH: Search = Search { slower: true, ..Search::FASTEST };

    /// The same, where there are such strategies already.
    pub fn beside_all(self, strategies: &[Strategy]) -> Search {
        let fastest = strategies.iter().map(|strategy| strategy.cycles).fold(f64::INFINITY, f64::min);
        let below = if self.slower { f64::INFINITY } else { fastest * (1.0 + ROUNDING) };
        Search { below: self.below.min(below), ..self }
    }

    /// The same for a part of a strategy whose other parts take so many cycles.
    pub fn less(self, cycles: f64) -> Search {
        Search { below: self.below - cycles, ..self }
    }
}

/// The parts of each of several contractions, which together are to be as fast as is asked for.
fn one_by_one<T>(
    contractions: impl IntoIterator<Item = T>,
    search: Search,
    parts: impl Fn(T, Search) -> Vec<TiledPart>,
) -> Vec<Vec<TiledPart>> {
    let mut search = search;
    let part = |contraction| {
        // What went before takes too long already.
        if search.below <= 0.0 {
            return Vec::new();
        }
        let parts = parts(contraction, search);
        // The parts run one after the other, so that the later ones share what the first ones leave of the limit.
        search = search.less(parts.first().map_or(0.0, |part| part.cycles));
        parts
    };
    contractions.into_iter().map(part).collect()
}

/// A strategy to compute an operation: which operands are copied, and how the contractions over them are computed.
pub struct Strategy {
    copies: [Option<Relayout>; 2],
    /// Whether the copies are of bytes.
    quads: bool,
    method: Method,
    /// How the results are kept and transposed, if they are.
    transpose: Option<TransposeResults>,
    /// Estimated cycles.
    pub cycles: f64,
}

enum Method {
    /// As they are defined, each in tiles. The partial results that the parts write, if they are not results.
    Tiles(Vec<TiledPart>, Option<Partials>),
    /// A product that is kept in scratch memory, and the sums of what overlaps in it.
    OverlapAdd(Box<TiledPart>, OverlapAdd),
    Winograd(Winograd),
    WinogradGradient(Gradient),
}

/// One contraction of a [`Strategy`].
#[derive(Clone)]
struct TiledPart {
    tiling: Tiling,
    /// Of the tiling's left and right operand.
    panels: [Option<PackedPanels>; 2],
    /// Where it takes products by pairs, how far those of the tiling's left and right operand lie apart.
    pairs: Option<[i64; 2]>,
    /// Whether they are taken by tile registers.
    tiles: bool,
    /// Where the sums are added, if they are neither results nor partial results.
    accumulate: Option<Accumulate>,
    /// The number of the first partial result that it computes.
    first: usize,
    /// Estimated cycles of its tiles alone, and with the copies of its operands.
    computing: f64,
    cycles: f64,
}

impl TiledPart {
    /// The fastest of the contraction's tilings, with and without panels; the first of equals comes first. At least
    /// one, unless all take too many cycles. `reading` says how the left and the right operand are read.
    fn fastest(
        contraction: &Contraction,
        reading: [Reading; 2],
        search: Search,
        stalls: &Stalls<'_>,
    ) -> Vec<TiledPart> {
        let mut parts = TiledPart::near_fastest(contraction, None, reading, search, stalls);
        let target = stalls.target;
        let near = |parts: &[TiledPart]| {
            let fastest = parts.iter().map(|part| part.cycles).fold(search.below, f64::min);
            Search { below: search.within * fastest, ..search }
        };
        if search.pairs && reading[0].quads && target.tile_products.is_ok() {
            let search = near(&parts);
            parts.extend(TiledPart::by_tiles(TileProduct::of_quads(contraction, target), reading, search, stalls));
        }
        let may_pair = search.pairs && reading.iter().all(|reading| reading.widens || reading.rounds);
        let pairs = if may_pair && (target.pair_products || target.tile_products.is_ok()) {
            Pairs::of(contraction)
        } else {
            None
        };
        if let Some(Pairs { contraction, axis, distances }) = &pairs {
            // Pairs are read as they are, once those that are rounded are copied.
            let rounds = reading.map(|reading| reading.rounds);
            let reading = reading.map(|reading| Reading { widens: false, ..reading });
            if target.pair_products {
                let search = near(&parts);
                parts.extend(TiledPart::near_fastest(contraction, Some(*distances), reading, search, stalls));
            }
            if target.tile_products.is_ok() {
                let products = TileProduct::all(contraction, *axis, Some(*distances), rounds, target);
                let search = near(&parts);
                parts.extend(TiledPart::by_tiles(products, reading, search, stalls));
            }
        }
        TiledPart::sorted(parts, search)
    }

    /// The same in any order, and some that are slower. `pairs`: of a contraction of pairs, which lie so far apart in
    /// the left and the right operand.
    fn near_fastest(
        contraction: &Contraction,
        pairs: Option<[i64; 2]>,
        reading: [Reading; 2],
        search: Search,
        stalls: &Stalls<'_>,
    ) -> Vec<TiledPart> {
        let target = stalls.target;
        let mut parts: Vec<TiledPart> = Vec::new();
        let mut limit = search.below;
        // Each tiling is tried with its operands as they lie and packed:
        //
        //     tiles by strips:   neither,   packed B,   K-blocked (packed A and packed B)
        //     tiles by rows:     packed A,  packed A and packed B
        //     pairs:             packed B where those of A lie side by side, packed A and packed B
        //
        // Where the tiles read the right operand in panels alone, those without a packed B are left out.
        let factors = match (pairs, reading[0].quads) {
            (Some(_), _) => Factors::Pairs,
            (None, true) => Factors::Quads,
            (None, false) => Factors::Numbers,
        };
        candidates(contraction, search.nearly, limit, factors, target, |tiling, cycles, right_reads| {
            let reading = if tiling.swapped { [reading[1], reading[0]] } else { reading };
            let pairs = pairs.map(|[left, right]| if tiling.swapped { [right, left] } else { [left, right] });
            let rows = match tiling.by_rows {
                false => Some((tiling, None)),
                true => PackedPanels::left(&tiling).map(|(left, tiling)| (tiling, Some(left))),
            };
            // Tiles by rows need a packed A, and there is none where the left operand is no rows of pixels.
            let Some((tiling, left)) = rows else { return limit };
            let k_blocked =
                if search.k_blocking && !tiling.by_rows { KBlocking::of(&tiling, cycles, target) } else { None };
            // Pairs that do not lie side by side, or are not rounded yet, are made by a copy.
            let apart = left.is_none() && pairs.is_some_and(|[apart, _]| apart != 1 || reading[0].rounds);
            let packed = match apart {
                true => PackedPanels::rows(&tiling)
                    .and_then(|(rows, tiling)| Some((PackedPanels::right(&tiling)?, Some(rows)))),
                false => PackedPanels::right(&tiling).map(|packed| (packed, left.clone())),
            };
            let packed = packed.map(|((right, tiling), left)| (tiling, [left, Some(right)], cycles));
            let k_blocked = k_blocked.map(|(tiling, panels, cycles)| (tiling, panels.map(Some), cycles));
            let as_it_lies = pairs.is_none() && right_reads == RightReads::AsItLies;
            let unpacked = as_it_lies.then_some((tiling, [left, None], cycles));
            let converts = search.converted && pairs.is_none() && reading[0].widens;
            let whole: Vec<_> = unpacked.into_iter().chain(packed).collect();
            let converted = whole.iter().filter(|_| converts).filter_map(|(tiling, panels, cycles)| {
                let (tiling, copying) = ConvertedRows::of(tiling, target)?;
                Some((tiling, panels.clone(), cycles + copying))
            });
            let converted: Vec<_> = converted.collect();
            for (tiling, panels, cycles) in whole.into_iter().chain(k_blocked).chain(converted) {
                let copy = |side: usize| {
                    let apart = pairs.map(|pairs| pairs[side]);
                    panels[side].as_ref().map_or(0.0, |panels| reading[side].copying * panels.cycles(apart, target))
                };
                let copies = copy(0) + copy(1);
                // A copy that may not be made has no price, and is out even where there is no limit yet.
                if !copies.is_finite() {
                    continue;
                }
                let cycles = cycles + widening(&tiling, &panels, reading, target);
                // What the waits for memory may take before the tiling is out of the race.
                let most = limit - copies - cycles;
                let ahead = if tiling.k_blocking.is_some() { tiling.ahead } else { stalls.ahead(&tiling) };
                let tiling = Tiling { ahead, ..tiling };
                // What K-blocked sums wait for is counted already.
                let stalls = if tiling.k_blocking.is_some() { 0.0 } else { stalls.cycles(&tiling, cycles, most) };
                let computing = cycles + stalls;
                let cycles = computing + copies;
                // Without a limit the first one is taken whatever its estimate, so that there is always one.
                if cycles < limit || parts.is_empty() && limit.is_infinite() {
                    limit = limit.min(search.within * cycles);
                    let (accumulate, first) = (None, 0);
                    let tiles = false;
                    parts.push(TiledPart { tiling, panels, pairs, tiles, accumulate, first, computing, cycles });
                }
            }
            limit
        });
        parts
    }

    /// Those by tile registers, in any order.
    fn by_tiles(
        products: Vec<TileProduct>,
        reading: [Reading; 2],
        search: Search,
        stalls: &Stalls<'_>,
    ) -> Vec<TiledPart> {
        let mut parts = Vec::new();
        for TileProduct { tiling, panels, distances: pairs, cycles } in products {
            let reading = if tiling.swapped { [reading[1], reading[0]] } else { reading };
            let copy = |side: usize| {
                let apart = pairs.map(|pairs| pairs[side]);
                let cycles = |panels: &PackedPanels| panels.cycles(apart, stalls.target);
                panels[side].as_ref().map_or(0.0, |panels| reading[side].copying * cycles(panels))
            };
            let copies = copy(0) + copy(1);
            if cycles + copies >= search.below {
                continue;
            }
            let computing = cycles + stalls.cycles(&tiling, cycles, search.below - copies - cycles);
            let cycles = computing + copies;
            if cycles < search.below {
                let accumulate = None;
                parts.push(TiledPart { tiling, panels, pairs, tiles: true, accumulate, first: 0, computing, cycles });
            }
        }
        parts
    }

    fn sorted(mut parts: Vec<TiledPart>, search: Search) -> Vec<TiledPart> {
        parts.sort_by(|a, b| a.cycles.total_cmp(&b.cycles));
        let limit = search.within * parts.first().map_or(0.0, |part| part.cycles);
        parts.retain(|part| part.cycles <= limit);
        parts.truncate(search.most);
        parts
    }

    /// The items of a contraction that accumulates, which share copies of the operands in which they have no places of
    /// their own.
    fn accumulating(
        (accumulate, item): (Accumulate, Contraction),
        reading: [Reading; 2],
        search: Search,
        stalls: &Stalls<'_>,
    ) -> Vec<TiledPart> {
        // A packed operand serves all items where they read the same places of it (a weight, in all images). Otherwise
        // each item would need a copy of its own, which is ruled out by a price.
        let [left, right] = accumulate.shared();
        // What is copied once serves all of them, so that each item bears its part.
        let count = accumulate.count() as f64;
        let reading = [(left, reading[0]), (right, reading[1])];
        let reading = reading.map(|(shared, reading)| match shared {
            true => Reading { copying: reading.copying / count, ..reading },
            false => Reading { copying: f64::INFINITY, ..reading },
        });
        let of_all_items = |mut part: TiledPart| {
            // The items are the tasks; the loops over one item's tiles all lie within a task. The cycles of one item's
            // tiles are replaced by those of all items, clearing and adding to memory included.
            let tiling = accumulate.apart(Tiling { grid: 0, ..part.tiling });
            // The tiles are others now.
            part.tiling = Tiling { ahead: stalls.ahead(&tiling), ..tiling };
            let copies = count * (part.cycles - part.computing);
            part.cycles = accumulate.cycles(&part.tiling, part.computing, stalls.target.lanes) + copies;
            TiledPart { accumulate: Some(accumulate.clone()), ..part }
        };
        // The cycles of one item say nothing about those of all.
        let item_search = Search { k_blocking: false, converted: false, pairs: false, below: f64::INFINITY, ..search };
        TiledPart::fastest(&item, reading, item_search, stalls).into_iter().map(of_all_items).collect()
    }
}

impl Strategy {
    fn new(
        copies: &[Option<Relayout>; 2],
        method: Method,
        cycles: f64,
        reading: [Reading; 2],
        target: &Target,
    ) -> Strategy {
        let cycles = copied_cycles(copies, reading, target) + cycles;
        Strategy { copies: copies.clone(), quads: reading[0].quads, method, transpose: None, cycles }
    }

    /// The same strategy, whose results are then transposed.
    pub fn transposed(self, transpose: TransposeResults, target: &Target) -> Strategy {
        Strategy { cycles: self.cycles + transpose.cycles(target), transpose: Some(transpose), ..self }
    }

    /// Whether all results are stored by tiles or sums of a product, whose estimates know how they lie.
    pub fn knows_how_results_lie(&self) -> bool {
        match &self.method {
            Method::Tiles(parts, partials) => partials.is_none() && parts.iter().all(|part| part.accumulate.is_none()),
            Method::OverlapAdd(..) => true,
            Method::Winograd(_) | Method::WinogradGradient(_) => false,
        }
    }

    /// Whether an operand is copied to the layout that is preferred.
    pub fn copies(&self) -> bool {
        self.copies.iter().any(Option::is_some)
    }

    /// At least one of those that are asked for. Where there are several contractions, their fastest parts go together,
    /// the second ones, and so on.
    pub fn in_tiles(
        copies: &[Option<Relayout>; 2],
        contractions: &Contractions,
        preferred: &[PreferredLayout; 3],
        output: Shape,
        reading: [Reading; 2],
        search: Search,
        stalls: &Stalls<'_>,
    ) -> Vec<Strategy> {
        let search = search.less(copied_cycles(copies, reading, stalls.target));
        // First case, an overlap-add: one product, kept in scratch memory, and a stage that adds up what overlaps.
        if let ([product], Some(overlap_add)) = (&contractions.contractions[..], &contractions.overlap_add) {
            let cycles = overlap_add.cycles(stalls.target);
            let search = Search { k_blocking: false, ..search.less(cycles) };
            let strategy = |part: TiledPart| {
                let cycles = part.cycles + cycles;
                Strategy::new(
                    copies,
                    Method::OverlapAdd(part.into(), overlap_add.clone()),
                    cycles,
                    reading,
                    stalls.target,
                )
            };
            return TiledPart::fastest(product, reading, search, stalls).into_iter().map(strategy).collect();
        }
        let mut methods: Vec<(Vec<Vec<TiledPart>>, Option<Partials>)> = Vec::new();
        match (&contractions.contractions[..], contractions.accumulate) {
            // Second case, accumulation (an input gradient): each image is an item, and its share of the scratch tensor
            // has room for the halo, since windows at the border write beyond the input.
            ([contraction], Some(halo)) => {
                let sums = Partials::new(output, &PreferredLayout { order: preferred[2].order.clone(), halo }, 1);
                let items = Accumulate::items(contraction, 0, 0, sums);
                methods.push((vec![TiledPart::accumulating(items, reading, search, stalls)], None));
            }
            // Third case, the usual one: one contraction, whole (`None`) or split in so many parts. The parts of a sum
            // are also tried accumulated, piece by piece, and deep ones only so. K-blocking is left out there, its sums
            // would be kept twice.
            ([contraction], None) => {
                let counts = split_k::counts(contraction, output, search.splits, stalls.target);
                let is_split = counts.iter().any(Option::is_some);
                for count in counts {
                    let Some(count) = count else {
                        let of_others = if is_split { split_k::of_others(contraction, stalls.target) } else { 0.0 };
                        let mut parts = TiledPart::fastest(contraction, reading, search.less(of_others), stalls);
                        parts.iter_mut().for_each(|part| part.cycles += of_others);
                        methods.push((vec![parts], None));
                        continue;
                    };
                    let restarts = split_k::restarts(contraction, count, stalls.target);
                    let split = split_k::split(contraction, count);
                    // What `split` gives for 101 terms in 8 parts: ([8 parts of 12 terms], 0), ([1 part of 5 terms], 8)
                    let dense = PreferredLayout { order: preferred[2].order.clone(), halo: Halo::default() };
                    let partials = Partials::new(output, &dense, split_k::count(&split));
                    let part = |(contraction, first): (Contraction, usize), search: Search| {
                        let strips = Accumulate::strips(&contraction, partials.from(first), stalls.target);
                        let strips = strips.into_iter();
                        let mut parts: Vec<TiledPart> =
                            strips.flat_map(|s| TiledPart::accumulating(s, reading, search, stalls)).collect();
                        if parts.is_empty() || !split_k::is_deep(&contraction, stalls.target) {
                            let whole = Search { k_blocking: false, ..search };
                            parts.splice(..0, TiledPart::fastest(&contraction, reading, whole, stalls));
                        }
                        let parts = TiledPart::sorted(parts, search).into_iter();
                        parts.map(|part| TiledPart { first, ..part }).collect()
                    };
                    let mut parts = one_by_one(split, search.less(restarts), part);
                    // The price of reading an operand in pieces is one of the whole sum: it goes to the first
                    // contraction, in each of its tilings, and so counts once.
                    parts.iter_mut().take(1).flatten().for_each(|part| part.cycles += restarts);
                    methods.push((parts, Some(partials)));
                }
            }
            // Fourth case, phases: contractions that share out the results among them.
            (contractions, _) => {
                let fastest = |contraction, search| TiledPart::fastest(contraction, reading, search, stalls);
                methods.push((one_by_one(contractions, search, fastest), None));
            }
        }
        // A contraction without a tiling that is fast enough takes the others with it: all are needed.
        methods.retain(|(parts, _)| parts.iter().all(|parts| !parts.is_empty()));
        let ranked = |(parts, partials): (Vec<Vec<TiledPart>>, Option<Partials>)| {
            let most = parts.iter().map(Vec::len).max().unwrap_or(0);
            // The fastest tilings of all contractions together, the second ones, and so on; not all combinations, which
            // would be too many. Where one has fewer, its last one stands for the rest.
            let strategy = move |rank: usize| {
                let parts: Vec<TiledPart> =
                    parts.iter().map(|parts| parts[rank.min(parts.len() - 1)].clone()).collect();
                let sum = partials.as_ref().map_or(0.0, |partials| partials.cycles(stalls.target));
                let cycles = sum + parts.iter().map(|part| part.cycles).sum::<f64>();
                Strategy::new(copies, Method::Tiles(parts, partials.clone()), cycles, reading, stalls.target)
            };
            (0..most).map(strategy)
        };
        methods.into_iter().flat_map(ranked).collect()
    }

    /// None where the operation is not of the kind.
    pub fn winograd(
        copies: &[Option<Relayout>; 2],
        contractions: &Contractions,
        reading: [Reading; 2],
        products: &Products<'_>,
    ) -> Vec<Strategy> {
        let ([contraction], None) = (&contractions.contractions[..], contractions.accumulate) else {
            return Vec::new();
        };
        let strategies = Winograd::of(contraction, reading.map(|reading| reading.copying), products).into_iter();
        let strategies = strategies.map(|(strategy, cycles)| (cycles, Method::Winograd(strategy)));
        let gradients = Gradient::of(contraction, products).into_iter();
        let gradients = gradients.map(|(strategy, cycles)| (cycles, Method::WinogradGradient(strategy)));
        let strategy = |(cycles, method)| Strategy::new(copies, method, cycles, reading, products.target);
        strategies.chain(gradients).map(strategy).collect()
    }

    /// The stages.
    pub fn recipe(self) -> Recipe {
        let mut recipe = Recipe { scratch: Vec::new(), stages: Vec::new() };
        // Relayouts come first, and all later stages read the copy in the operand's place.
        let mut sources = [Source::Left, Source::Right];
        for (source, pack) in sources.iter_mut().zip(self.copies) {
            let Some(pack) = pack else { continue };
            let elements = if self.quads { pack.elements() / QUAD } else { pack.elements() };
            let to = recipe.scratch(elements);
            if pack.halo_apart() {
                recipe.stage([], Some(to), 0, Work::RelayoutHalo(pack.clone()));
            }
            recipe.stage([*source], Some(to), 0, Work::Relayout(pack));
            *source = to;
        }
        match self.method {
            Method::Tiles(parts, partials) => {
                let kept = recipe.tiles(sources, parts, partials.as_ref(), self.quads);
                // The last stage adds the parts up and calls the epilogue.
                if let (Some(partials), Some(kept)) = (partials, kept) {
                    recipe.stage([kept], None, partials.elements() as u64, Work::Sum(partials));
                }
            }
            Method::OverlapAdd(part, overlap_add) => {
                // The product is kept like partial sums of one part: dense, its axes as `OverlapAdd` expects them.
                let products = OverlapAdd::products(&part.tiling.contraction);
                let kept = recipe.tiles(sources, vec![*part], Some(&products), false).expect("room for the products");
                recipe.stage([kept], None, products.elements() as u64, Work::OverlapAdd(overlap_add));
            }
            Method::Winograd(strategy) => {
                let stages = strategy.stages(|elements| recipe.scratch(elements), sources);
                let strategy = Box::new(strategy);
                recipe.push(stages, |step| Work::Winograd(strategy.clone(), step));
            }
            Method::WinogradGradient(strategy) => {
                let stages = strategy.stages(|elements| recipe.scratch(elements), sources);
                let strategy = Box::new(strategy);
                recipe.push(stages, |step| Work::WinogradGradient(strategy.clone(), step));
            }
        }
        if let Some(transpose) = self.transpose {
            // All stages that computed results now keep them in this one scratch tensor, at places of their own; the
            // transposition is the only one that calls the epilogue.
            let sums = recipe.scratch(transpose.elements());
            for stage in recipe.stages.iter_mut().filter(|stage| stage.results) {
                stage.results = false;
                stage.buffers.push((sums, Access::Write));
                stage.work = Work::BeforeTranspose(Box::new(stage.work.clone()), transpose.clone());
            }
            recipe.stage([sums], None, 0, Work::Transpose(transpose));
        }
        recipe
    }
}

#[cfg(test)]
mod tests;
