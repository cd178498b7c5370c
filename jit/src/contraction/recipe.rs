//! How an operation is computed: stages in order, each of which becomes a kernel, with scratch memory between them.
//! It knows the strategies' parts and how to name them; it decides nothing.

use std::fmt;
use std::str::FromStr;

use super::from_op::QUAD;
use super::key::Key;
use super::problem::{Epilogue, Place, Source, StageOf};
use super::strategies::accumulate::Accumulate;
use super::strategies::emit::Side;
use super::strategies::overlap_add::OverlapAdd;
use super::strategies::packed_panels::PackedPanels;
use super::strategies::position::Position;
use super::strategies::register_tiles::Tiler;
use super::strategies::relayout::Relayout;
use super::strategies::split_k::Partials;
use super::strategies::tile_products;
use super::strategies::transpose_results::TransposeResults;
use super::strategies::winograd::{self, GradientStep, Step, Winograd};
use super::text::{Reader, RecipeError, Text, choice, record};
use super::tiling::Tiling;
use crate::kernel::{Access, BufferId, Element, Index, Kernel, KernelBuilder, Value};
use crate::layout::Layout;
use crate::target::Target;

/// How an operation is computed: stages in order, with scratch memory between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The length of each scratch buffer in elements of 32 bits ([`Recipe::buffer`] says which); alive from the first
    /// to the last stage that names it. Not zeroed.
    pub scratch: Vec<usize>,
    /// Each becomes one kernel.
    pub stages: Vec<Stage>,
}

/// One kernel of a [`Recipe`].
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The buffers that [`Stage::emit`] takes, in this order.
    pub buffers: Vec<(Source, Access)>,
    /// Whether the stage computes results of the operation, and so calls the epilogue; the stages that do share the
    /// output's places out among them. The others only fill scratch memory.
    pub results: bool,
    /// Floating-point operations of the sums as they are defined, whatever the strategy (a fused multiply-add counts as
    /// 2).
    pub flops: u64,
    pub(super) work: Work,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Work {
    /// Buffers: those of the work, whose results are kept, and the scratch tensor that keeps them.
    BeforeTranspose(Box<Work>, TransposeResults),
    /// Buffers: sums.
    Transpose(TransposeResults),
    /// Buffers: left, right, and the sums where they are K-blocked, or the rows that are converted.
    Tiles(Tiling),
    /// Buffers: left, right, partial sums, and the rows that are converted, if any.
    Partial(Tiling, Partials),
    /// By tile registers. Buffers: left, right, sums, and partial sums where it computes these.
    TileProducts(Tiling, Option<Partials>),
    /// Buffers: partial sums.
    Sum(Partials),
    /// Buffers: left, right, sums.
    Accumulate(Tiling, Accumulate),
    /// Buffers: products.
    OverlapAdd(OverlapAdd),
    /// Buffers: from, to.
    Relayout(Relayout),
    /// Buffers: to, of which only zeros are written.
    RelayoutHalo(Relayout),
    /// Buffers: an operand, its panels.
    PackedPanels(PackedPanels),
    /// The same of pairs of bf16, so far apart in the operand.
    PackedPairs(PackedPanels, i64),
    /// One of the two before with the rows in so many parts, which are the grid.
    InRowParts(Box<Work>, usize),
    /// Buffers: those of the step.
    Winograd(Box<Winograd>, winograd::Step),
    /// Buffers: those of the step.
    WinogradGradient(Box<winograd::Gradient>, winograd::GradientStep),
}

impl Stage {
    /// What the stage does, in a word: `tiles`, `folded tiles`, `tiles of converted rows`, `k-blocked tiles`, `split-k parts`, `split-k sum`,
    /// `accumulate`, `overlap-add`, `halo`, `relayout`, `packed A`, `packed B`, `pairs of A`, `pairs of B`,
    /// `tile products`, `split-k tile products`, `transpose results`, or one of Winograd's: `patches`, `weights`,
    /// `winograd`, `winograd parts`, `winograd sum`, `transform`, `winograd gradient`.
    pub fn kind(&self) -> &'static str {
        self.work.kind()
    }

    /// The stage as a kernel with nothing fused behind it, to be measured: its buffers are those of [`Stage::buffers`],
    /// of the given types and lengths, and behind them that of the results, if it computes any, which are stored as
    /// they are. `rounded`: whether what is read of the operands is.
    pub fn plain(
        &self,
        name: &str,
        buffers: &[(Element, usize)],
        rounded: [bool; 2],
        result: &Layout,
        lanes: usize,
    ) -> Kernel {
        let mut kernel = KernelBuilder::new(name, lanes);
        let declare = |(&(source, access), &(element, elements)): (&(Source, Access), &(Element, usize))| {
            kernel.buffer(format!("{source:?}"), element, elements, access)
        };
        let buffers_of = buffers;
        let buffers: Vec<BufferId> = self.buffers.iter().zip(buffers).map(declare).collect();
        let element = self.result(buffers_of);
        let to = self.results.then(|| kernel.buffer("result", element, result.elements, Access::Write));
        self.round_loads(&mut kernel, &buffers, rounded);
        self.emit(&mut kernel, &buffers, &mut Plain { to, layout: result });
        kernel.finish()
    }

    /// Has a kernel round what it loads of the operands that are `rounded`. `buffers` are the kernel's.
    pub fn round_loads(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], rounded: [bool; 2]) {
        for (&(source, _), &buffer) in self.buffers.iter().zip(buffers) {
            let side = match source {
                Source::Left => 0,
                Source::Right => 1,
                Source::Scratch(_) => continue,
            };
            if rounded[side] {
                kernel.round_loads(buffer);
            }
        }
    }

    /// The type of the results, where its buffers are of some types: i32 of sums that are, and of quads.
    fn result(&self, buffers: &[(Element, usize)]) -> Element {
        let is_sum = matches!(self.work, Work::Sum(_) | Work::Transpose(_));
        match buffers[0].0 {
            Element::U8x4 | Element::I8x4 => Element::I32,
            Element::I32 if is_sum => Element::I32,
            _ => Element::F32,
        }
    }

    /// Writes the stage into an empty kernel: its grid, its loops, and a call of the epilogue for each vector of
    /// results. `buffers` are the kernel's, for [`Stage::buffers`].
    pub fn emit(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut dyn Epilogue) {
        self.work.emit(kernel, buffers, epilogue);
    }
}

/// Stores results as they are. Stages without results never ask for it, so that the buffer is there whenever it is
/// needed.
struct Plain<'a> {
    to: Option<BufferId>,
    layout: &'a Layout,
}

impl Plain<'_> {
    fn index(&self, place: &Place) -> Index {
        let start = Index::at(self.layout.offset as i64);
        place.coordinates.iter().zip(self.layout.strides).fold(start, |i, (at, s)| i.plus_index(at, s))
    }
}

impl Epilogue for Plain<'_> {
    fn take(&mut self, kernel: &mut KernelBuilder, place: &Place, sum: Value) {
        let stride = place.lanes.map_or(1, |axis| self.layout.strides[axis]);
        kernel.store(self.to.expect("a stage with results"), self.index(place), stride, place.active, sum);
    }

    fn results(&self, place: &Place) -> Vec<(BufferId, Index)> {
        let near = place.lanes.is_none_or(|axis| self.layout.strides[axis] == 1);
        let last = self.index(place).shifted(place.active as i64 - 1);
        self.to.filter(|_| near).map(|to| (to, last)).into_iter().collect()
    }
}

impl Work {
    /// The panels that it copies, and how far apart pairs lie where they are of those.
    fn panels(&self) -> Option<(&PackedPanels, Option<i64>)> {
        match self {
            Work::PackedPanels(panels) => Some((panels, None)),
            Work::PackedPairs(panels, apart) => Some((panels, Some(*apart))),
            Work::InRowParts(work, _) => work.panels(),
            _ => None,
        }
    }

    /// The same of rows in so many parts, in panels of so many rows. `None` where it copies no rows, or more than those.
    fn in_row_parts(&self, strip: usize, parts: usize) -> Option<Work> {
        let work = match self {
            Work::PackedPanels(panels) => Work::PackedPanels(panels.in_rows_of(strip)?),
            Work::PackedPairs(panels, apart) => Work::PackedPairs(panels.in_rows_of(strip)?, *apart),
            _ => return None,
        };
        Some(Work::InRowParts(work.into(), parts))
    }

    fn kind(&self) -> &'static str {
        match self {
            Work::BeforeTranspose(work, _) => work.kind(),
            Work::Transpose(_) => "transpose results",
            Work::Tiles(tiling) if tiling.fold.is_some() => "folded tiles",
            Work::Tiles(tiling) if tiling.converted.is_any() => "tiles of converted rows",
            Work::Tiles(tiling) if tiling.k_blocking.is_some() => "k-blocked tiles",
            Work::Tiles(_) => "tiles",
            Work::Partial(..) => "split-k parts",
            Work::TileProducts(_, None) => "tile products",
            Work::TileProducts(_, Some(_)) => "split-k tile products",
            Work::Sum(_) => "split-k sum",
            Work::Accumulate(..) => "accumulate",
            Work::OverlapAdd(_) => "overlap-add",
            Work::Relayout(_) => "relayout",
            Work::RelayoutHalo(_) => "halo",
            Work::PackedPanels(panels) if panels.of_rows() => "packed A",
            Work::PackedPanels(_) => "packed B",
            Work::PackedPairs(panels, _) if panels.of_rows() => "pairs of A",
            Work::PackedPairs(..) => "pairs of B",
            Work::InRowParts(work, _) => work.kind(),
            Work::Winograd(strategy, step) => step.name(strategy.blocks.filtering),
            Work::WinogradGradient(strategy, step) => step.name(strategy.blocks.filtering),
        }
    }

    fn emit(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut dyn Epilogue) {
        match self {
            Work::BeforeTranspose(work, transpose) => {
                // `Strategy::recipe` pushes that buffer last. The inner work calls its epilogue as ever; here that only
                // keeps each vector, and `Work::Transpose` hands all of them on to the real one.
                let (&sums, buffers) = buffers.split_last().expect("a buffer for the sums");
                let mut keep =
                    |kernel: &mut KernelBuilder, place: &Place, sum: Value| transpose.keep(kernel, sums, place, sum);
                work.emit(kernel, buffers, &mut keep);
            }
            Work::Transpose(transpose) => transpose.emit(kernel, buffers[0], epilogue),
            Work::Tiles(tiling) => {
                let [left, right] = [buffers[0].into(), buffers[1].into()];
                // Tiles whose sums are one run have two buffers only.
                let sums = tiling.k_blocking.as_ref().map(|_| buffers[2].into());
                let converted = tiling.converted.is_any().then(|| converted(tiling, buffers[2]));
                Tiler { tiling, left, right, converted, sums, epilogue }.emit(kernel);
            }
            Work::Partial(tiling, partials) => {
                // Nothing is fused to a partial sum: the real epilogue is called by `Work::Sum`, after the last
                // addition.
                let mut store = |kernel: &mut KernelBuilder, place: &Place, value: Value| {
                    partials.store(kernel, buffers[2], place, value);
                };
                let [left, right] = [buffers[0].into(), buffers[1].into()];
                let converted = tiling.converted.is_any().then(|| converted(tiling, buffers[3]));
                Tiler { tiling, left, right, converted, sums: None, epilogue: &mut store }.emit(kernel);
            }
            Work::TileProducts(tiling, partials) => {
                let operands = [buffers[0], buffers[1], buffers[2]];
                let mut store = |kernel: &mut KernelBuilder, place: &Place, value: Value| match partials {
                    Some(partials) => partials.store(kernel, buffers[3], place, value),
                    None => epilogue.take(kernel, place, value),
                };
                tile_products::Emission { tiling, buffers: operands, epilogue: &mut store }.emit(kernel);
            }
            Work::Sum(partials) => partials.sum(kernel, buffers[0], epilogue),
            Work::Accumulate(tiling, accumulate) => {
                let operands = [buffers[0], buffers[1], buffers[2]];
                accumulate.emit(kernel, tiling, operands, epilogue);
            }
            Work::OverlapAdd(overlap_add) => overlap_add.emit(kernel, buffers[0], epilogue),
            Work::Relayout(relayout) => relayout.emit(kernel, buffers[0], buffers[1]),
            Work::RelayoutHalo(relayout) => relayout.emit_halo(kernel, buffers[0]),
            Work::PackedPanels(panels) => panels.emit(kernel, buffers[0], buffers[1], None),
            Work::PackedPairs(panels, apart) => panels.emit(kernel, buffers[0], buffers[1], Some(*apart)),
            Work::InRowParts(work, parts) => {
                let (panels, pairs) = work.panels().expect("panels have rows");
                panels.emit_parts(kernel, buffers[0], buffers[1], pairs, *parts);
            }
            Work::Winograd(strategy, step) => strategy.emit(*step, kernel, buffers, epilogue),
            Work::WinogradGradient(strategy, step) => strategy.emit(*step, kernel, buffers, epilogue),
        }
    }
}

impl Recipe {
    /// The element type and the length of a buffer, where those of the operands are given. Operands of bytes are quads, as
    /// copies of them are; sums of their products are i32.
    pub fn buffer(&self, source: Source, operands: [(Element, usize); 2]) -> (Element, usize) {
        if operands[0].0.is_byte() {
            let element = self.origin(source).map(|origin| operands[usize::from(origin == Source::Right)].0.four());
            return match source {
                Source::Left => (operands[0].0.four(), operands[0].1 / QUAD),
                Source::Right => (operands[1].0.four(), operands[1].1 / QUAD),
                Source::Scratch(number) => (element.unwrap_or(Element::I32), self.scratch[number]),
            };
        }
        match source {
            Source::Left => operands[0],
            Source::Right => operands[1],
            Source::Scratch(number) => {
                let holds_pairs = |stage: &Stage| {
                    let writes = |&(to, access): &(Source, Access)| to == source && access == Access::Write;
                    let has_pairs = stage.work.panels().is_some_and(|(_, pairs)| pairs.is_some());
                    has_pairs && stage.buffers.iter().any(writes)
                };
                let element = if self.stages.iter().any(holds_pairs) { Element::I32 } else { Element::F32 };
                (element, self.scratch[number])
            }
        }
    }

    /// The same as a stage takes it: those that bring operands to another layout move single bytes.
    pub fn buffer_of(&self, stage: &Stage, source: Source, operands: [(Element, usize); 2]) -> (Element, usize) {
        let (element, elements) = self.buffer(source, operands);
        let byte = match element {
            Element::U8x4 => Element::U8,
            Element::I8x4 => Element::I8,
            _ => return (element, elements),
        };
        // What is copied need not be whole quads.
        match (&stage.work, source) {
            (Work::Relayout(_) | Work::RelayoutHalo(_), Source::Left) => (byte, operands[0].1),
            (Work::Relayout(_) | Work::RelayoutHalo(_), Source::Right) => (byte, operands[1].1),
            (Work::Relayout(_) | Work::RelayoutHalo(_), Source::Scratch(_)) => (byte, elements * QUAD),
            _ => (element, elements),
        }
    }

    /// The operand whose elements a buffer holds, copied or not; none where it holds sums.
    fn origin(&self, source: Source) -> Option<Source> {
        let mut source = source;
        while let Source::Scratch(_) = source {
            let writes = |stage: &&Stage| stage.buffers.contains(&(source, Access::Write));
            let copies = |stage: &&Stage| matches!(stage.work, Work::Relayout(_) | Work::PackedPanels(_));
            source = self.stages.iter().find(|stage| writes(stage) && copies(stage))?.buffers[0].0;
        }
        Some(source)
    }

    /// More scratch memory.
    pub(super) fn scratch(&mut self, elements: usize) -> Source {
        self.scratch.push(elements);
        Source::Scratch(self.scratch.len() - 1)
    }

    /// Adds the stages of a strategy that has several.
    pub(super) fn push<S>(&mut self, stages: Vec<StageOf<S>>, mut work: impl FnMut(S) -> Work) {
        for StageOf { step, buffers, results, flops } in stages {
            self.stages.push(Stage { buffers, results, flops, work: work(step) });
        }
    }

    /// Adds a stage that reads some buffers and writes scratch memory, or results.
    pub(super) fn stage<const K: usize>(&mut self, from: [Source; K], to: Option<Source>, flops: u64, work: Work) {
        // What fills no scratch memory computes results: it writes by the epilogue, to buffers that are not named here.
        let reads = from.into_iter().map(|source| (source, Access::Read));
        let buffers = reads.chain(to.map(|to| (to, Access::Write))).collect();
        self.stages.push(Stage { buffers, results: to.is_none(), flops, work });
    }
}

impl Recipe {
    /// The same with the rows of each tiling in so many parts ([`Tiling::in_row_parts`]), and which stages that are.
    pub fn in_row_parts(&self, parts: usize, target: &Target) -> (Recipe, Vec<bool>) {
        let mut recipe = self.clone();
        let mut cut = vec![false; self.stages.len()];
        for number in 0..self.stages.len() {
            let Work::Tiles(tiling) = &self.stages[number].work else { continue };
            let Some(tiling) = tiling.in_row_parts(parts, target.sums_in_flight(), target.lanes) else { continue };
            if tiling.panels[0].is_some() {
                // Its rows are copied by the parts that read them, in panels as high as its tiles.
                let rows = self.stages[number].buffers[0].0;
                let copies = |stage: &Stage| stage.buffers.contains(&(rows, Access::Write));
                let Some(copy) = self.stages.iter().position(copies) else { continue };
                let Some(work) = self.stages[copy].work.in_row_parts(tiling.tile()[0], parts) else { continue };
                recipe.stages[copy].work = work;
                cut[copy] = true;
            }
            recipe.stages[number].work = Work::Tiles(tiling);
            cut[number] = true;
        }
        (recipe, cut)
    }

    /// The same with at most so many tasks in those of Winograd's stages whose tasks have scratch memory of their own:
    /// less memory, which fewer threads share.
    pub fn with_fewer_tasks(&self, most: usize) -> Recipe {
        let mut recipe = self.clone();
        for stage in &mut recipe.stages {
            let own = match &mut stage.work {
                Work::Winograd(winograd, step) => {
                    winograd.take_fewer_tasks(most);
                    winograd.own(*step)
                }
                Work::WinogradGradient(gradient, step) => {
                    gradient.take_fewer_tasks(most);
                    gradient.own(*step)
                }
                _ => continue,
            };
            for (&(source, _), elements) in stage.buffers.iter().rev().zip(own) {
                if let Source::Scratch(number) = source {
                    recipe.scratch[number] = elements;
                }
            }
        }
        recipe
    }

    /// The stages in words, with the rows and the width of their tiles: `packed B, tiles of 6x16`.
    pub fn words(&self) -> String {
        let stages: Vec<String> = self.stages.iter().map(Stage::words).collect();
        counted(&stages)
    }

    /// A text that tells this recipe from all others: its [words](Recipe::words), and a number made of everything that
    /// decides on the code of its stages: of no estimate, so that a change of the cost model leaves choices by name as
    /// they are, and of no word. Files keep it: what it is made of changes only where the code does.
    pub fn name(&self) -> String {
        let mut key = Key::new();
        key.add(&self.scratch).add(&self.stages);
        format!("{} #{:016x}", self.words(), key.number())
    }

    pub(super) fn kinds(&self) -> String {
        let kinds: Vec<&str> = self.stages.iter().map(Stage::kind).collect();
        kinds.join(", ")
    }
}

// What is counted does not decide on the code.
record!(Stage { buffers, results, work } but { flops });

choice!(Access { 0 "read" Read, 1 "write" Write, 2 "both" ReadWrite });

choice!(Work {
    0 "before-transpose" BeforeTranspose(work, transpose),
    1 "transpose" Transpose(transpose),
    2 "tiles" Tiles(tiling),
    3 "partial" Partial(tiling, partials),
    4 "sum" Sum(partials),
    5 "accumulate" Accumulate(tiling, accumulate),
    6 "overlap-add" OverlapAdd(overlap_add),
    7 "relayout" Relayout(relayout),
    8 "packed-panels" PackedPanels(panels),
    9 "winograd" Winograd(winograd, step),
    10 "winograd-gradient" WinogradGradient(gradient, step),
    11 "relayout-halo" RelayoutHalo(relayout),
    12 "packed-pairs" PackedPairs(panels, apart),
    13 "tile-products" TileProducts(tiling, partials),
    14 "in-row-parts" InRowParts(work, parts),
});

/// Everything: the lengths of the scratch buffers, then a line for each stage. It parses back to the same recipe.
///
/// ```text
/// scratch [589824]
/// {buffers: [(right, read), (scratch 0, write)], results: no, work: packed-panels({axes: [..], ..}), flops: 0}
/// {buffers: [(left, read), (scratch 0, read)], results: yes, work: tiles({contraction: {..}, ..}), flops: 118013952}
/// ```
impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = "scratch ".to_owned();
        self.scratch.write(&mut text);
        for stage in &self.stages {
            text.push('\n');
            stage.write(&mut text);
        }
        f.write_str(&text)
    }
}

impl FromStr for Recipe {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Recipe, RecipeError> {
        let mut from = Reader::new(text);
        from.expect("scratch ")?;
        let mut recipe = Recipe { scratch: Text::read(&mut from)?, stages: Vec::new() };
        while from.take("\n") {
            recipe.stages.push(Stage::read(&mut from)?);
        }
        from.end()?;
        Ok(recipe)
    }
}

/// Where rows are converted to, before any are.
fn converted(tiling: &Tiling, buffer: BufferId) -> (Side, Position) {
    (buffer.into(), Position::of(&tiling.contraction.axes))
}

/// Texts that follow one another, equal ones as one with their number.
fn counted(texts: &[String]) -> String {
    // The four phases of an input gradient of stride 2 with equal tiles are `4 tiles of 6x16`.
    let runs = texts.chunk_by(|a, b| a == b);
    let runs = runs.map(|run| if run.len() > 1 { format!("{} {}", run.len(), run[0]) } else { run[0].clone() });
    runs.collect::<Vec<String>>().join(", ")
}

impl Stage {
    /// The kind and the size of a tile, or of one of Winograd's blocks: `tiles of 6x16`.
    fn words(&self) -> String {
        let work = match &self.work {
            Work::BeforeTranspose(work, _) => work,
            work => work,
        };
        // Stages that only move or add up elements have no size that was chosen.
        let size: Vec<usize> = match work {
            Work::Tiles(tiling)
            | Work::Partial(tiling, _)
            | Work::Accumulate(tiling, _)
            | Work::TileProducts(tiling, _) => tiling.tile().into(),
            Work::Winograd(strategy, Step::Results) => strategy.block().into(),
            Work::WinogradGradient(strategy, GradientStep::Parts | GradientStep::Results) => strategy.block(),
            Work::BeforeTranspose(..)
            | Work::Transpose(_)
            | Work::Sum(_)
            | Work::OverlapAdd(_)
            | Work::Relayout(_)
            | Work::RelayoutHalo(_)
            | Work::PackedPanels(_)
            | Work::PackedPairs(..)
            | Work::InRowParts(..) => vec![],
            Work::Winograd(..) | Work::WinogradGradient(..) => vec![],
        };
        let size: Vec<String> = size.iter().map(usize::to_string).collect();
        if size.is_empty() { self.kind().to_owned() } else { format!("{} of {}", self.kind(), size.join("x")) }
    }
}
