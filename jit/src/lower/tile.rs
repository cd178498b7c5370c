//! Contractions: sums of products over affine places, lowered to register tiles.
//!
//! Dot and convolution (with its two gradients) are all contractions; [`recipe`] turns an operation with the
//! layouts of its operands into a list of [`Stage`]s, each of which becomes one kernel. It knows operations, layouts and
//! targets; it does not know what is fused into the epilogue, nor where in memory anything lies.

mod choose;
mod loops;
mod memory;
mod panels;
mod split;
mod spread;

use kiln_graph::Op;
use kiln_graph::shape::{MAX_RANK, Shape};

use crate::kernel::{Access, BufferId, Index, KernelBuilder, Value};
use crate::lower::pack::Pack;
use crate::lower::{conv, dot};
use crate::plan::Layout;
use crate::target::Target;
use choose::Tiling;
use loops::Tiler;
use panels::Panels;
use split::Partials;
use spread::Spread;

/// One axis of a [`Contraction`]. An operand does not vary along an axis where its stride is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// The number of places along the axis; 0 only on reduced axes (an empty sum).
    pub extent: usize,
    /// The distance in the left operand.
    pub left: i64,
    /// The distance in the right operand.
    pub right: i64,
    /// Whether the products are summed along the axis.
    pub reduce: bool,
}

/// Where the result lies along one axis of the output tensor: `offset + sum of place along axis * factor`, over kept axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Coordinate {
    /// The constant part.
    pub offset: i64,
    /// Kept axes of the contraction, by position in [`Contraction::axes`], with their factors.
    pub terms: Vec<(usize, i64)>,
}

/// `output[coordinates] = sum over the reduced axes of left[..] * right[..]`, in f32.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contraction {
    /// Every axis, in any order.
    pub axes: Vec<Axis>,
    /// The place of the left operand's first element in its buffer.
    pub left: i64,
    /// The place of the right operand's first element in its buffer.
    pub right: i64,
    /// For each axis of the output tensor.
    pub output: Vec<Coordinate>,
    /// The axis of the output tensor whose neighbours are neighbours in memory, most likely.
    pub fast: usize,
}

/// Where one vector of results belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// For each axis of the output tensor, the index of lane 0 along it.
    pub coordinates: Vec<Index>,
    /// The axis of the output tensor along which lane `i` is `i` places further; `None`: only lane 0 counts.
    pub lanes: Option<usize>,
    /// How many lanes count, 1 to the target's.
    pub active: usize,
}

/// Takes each vector of sums once, computes what is fused behind the contraction and stores it. Lanes from
/// [`Place::active`] on hold anything.
pub type Epilogue<'a> = dyn FnMut(&mut KernelBuilder, &Place, Value) + 'a;

/// What stands in an operand's buffer around the tensor: at least so many places that hold 0 before and after each axis,
/// at the strides of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Halo {
    /// Zeros before index 0.
    pub low: [usize; MAX_RANK],
    /// Zeros after the last index.
    pub high: [usize; MAX_RANK],
}

/// An operand of a contraction, as it lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    /// Its extents.
    pub shape: Shape,
    /// Its place; any strides are right, those of [`wanted`] are fast.
    pub layout: Layout,
    /// The zeros around it.
    pub halo: Halo,
}

/// The layout that a lowering wants: dense in the given order, with a zero halo. Any other works, at the price of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The axes, outermost first.
    pub order: Vec<usize>,
    /// The zeros around the tensor.
    pub halo: Halo,
}

/// A buffer of a stage's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The operation's first operand.
    Left,
    /// The operation's second operand.
    Right,
    /// One of the scratch buffers of a [`Recipe`].
    Scratch(usize),
}

/// How an operation is computed: stages in order, with scratch memory between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The length of each scratch buffer in f32 elements; alive from the first to the last stage that names it. Not zeroed.
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
    /// Floating-point operations (a fused multiply-add counts as 2).
    pub flops: u64,
    work: Work,
}

#[derive(Clone, Debug, PartialEq)]
enum Work {
    /// Buffers: left, right.
    Tiles(Tiling),
    /// Buffers: left, right, partial sums.
    Partial(Tiling, Partials),
    /// Buffers: partial sums.
    Sum(Partials),
    /// Buffers: left, right, sums.
    Spread(Tiling, Spread),
    /// Buffers: from, to.
    Pack(Pack),
    /// Buffers: right operand, its panels.
    Panels(Panels),
}

impl Wanted {
    /// The layout of a tensor of the given shape.
    pub fn layout(&self, shape: Shape) -> Layout {
        let mut layout = Layout { offset: 0, strides: [0; MAX_RANK], elements: 1 };
        for &axis in self.order.iter().rev() {
            layout.strides[axis] = layout.elements as i64;
            layout.offset += self.halo.low[axis] * layout.elements;
            layout.elements *= self.halo.low[axis] + shape.dim(axis) + self.halo.high[axis];
        }
        layout
    }
}

impl Halo {
    /// Whether this halo holds the other one.
    pub fn covers(&self, other: &Halo) -> bool {
        (0..MAX_RANK).all(|axis| self.low[axis] >= other.low[axis] && self.high[axis] >= other.high[axis])
    }
}

/// What an operation is as contractions.
pub(super) struct Lowered {
    /// Together they write every place of the output once, but for `spread`.
    pub contractions: Vec<Contraction>,
    /// The layouts of the operands and of the result.
    pub wanted: [Wanted; 3],
    /// The only contraction writes places of the output, or of a halo around it, several times: their sums are the results.
    /// The first axis of contraction and output is the batch.
    pub spread: Option<Halo>,
}

fn lowered(op: &Op, left: &Operand, right: &Operand, output: Shape) -> Option<Lowered> {
    match op {
        Op::Dot => Some(dot::lower(left, right)),
        Op::Conv(conv) => Some(conv::forward(conv, left, right, output)),
        Op::ConvGradInput { conv, .. } => Some(conv::grad_input(conv, left, right, output)),
        Op::ConvGradWeight { conv, .. } => Some(conv::grad_weight(conv, left, right, output)),
        Op::Input
        | Op::Constant(_)
        | Op::Iota { .. }
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Compare(_)
        | Op::Select
        | Op::Convert(_)
        | Op::Reduce { .. }
        | Op::ArgReduce { .. }
        | Op::WindowReduce { .. }
        | Op::WindowMaxGrad(_)
        | Op::WindowMaxPick(_)
        | Op::WindowSumGrad { .. }
        | Op::Reshape(_)
        | Op::Transpose(_)
        | Op::Broadcast(_)
        | Op::Slice(_)
        | Op::Pad { .. }
        | Op::Concat { .. }
        | Op::Reverse(_)
        | Op::Gather { .. }
        | Op::ScatterAdd { .. }
        | Op::TakeRows
        | Op::ScatterRows { .. }
        | Op::Random { .. }
        | Op::Detach => None,
    }
}

/// The layouts that make an operation fast: of the left operand, the right operand and the result. `None` as in [`recipe`].
pub fn wanted(op: &Op, left: Shape, right: Shape, output: Shape) -> Option<[Wanted; 3]> {
    let operand = |shape: Shape| {
        let dense = Wanted { order: (0..shape.rank()).collect(), halo: Halo::default() };
        Operand { shape, layout: dense.layout(shape), halo: Halo::default() }
    };
    Some(lowered(op, &operand(left), &operand(right), output)?.wanted)
}

/// The stages that compute an operation, or `None` where it is no contraction (that is, none of [`Op::Dot`], [`Op::Conv`],
/// [`Op::ConvGradInput`] and [`Op::ConvGradWeight`]). An operand is copied where its halo is too small, or where that is
/// estimated to be worth its time.
pub fn recipe(op: &Op, left: &Operand, right: &Operand, output: Shape, target: &Target) -> Option<Recipe> {
    let wanted = lowered(op, left, right, output)?.wanted;
    let mut best: Option<Way> = None;
    for copies in [[false, false], [true, false], [false, true], [true, true]] {
        let Some(way) = Way::new(op, [left, right], &wanted, output, copies, target) else { continue };
        if best.as_ref().is_none_or(|b| way.cycles < b.cycles) {
            best = Some(way);
        }
    }
    Some(best.expect("copying both operands is always possible").recipe())
}

/// A way to compute an operation: which operands are copied, and how the contractions over them are tiled.
struct Way {
    copies: [Option<Pack>; 2],
    parts: Vec<Part>,
    /// The partial results that the parts write, if they are not results.
    partials: Option<Partials>,
    cycles: f64,
}

/// One contraction of a [`Way`].
struct Part {
    tiling: Tiling,
    panels: Option<Panels>,
    /// Where the sums are added, if they are neither results nor partial results.
    spread: Option<Spread>,
    /// The number of the first partial result that it computes.
    first: usize,
    cycles: f64,
}

impl Part {
    /// The fastest of the contraction's tilings, without panels and, where they are allowed, with them; the first of equals.
    fn new(contraction: &Contraction, panels: bool, target: &Target) -> Part {
        let mut best: Option<Part> = None;
        for tiling in choose::candidates(contraction, target) {
            if best.as_ref().is_some_and(|b| b.cycles <= tiling.cycles) {
                continue;
            }
            let packed = Panels::new(&tiling).filter(|_| panels).map(|(panels, tiling)| (tiling, Some(panels)));
            for (mut tiling, panels) in [(tiling, None)].into_iter().chain(packed) {
                tiling.cycles += memory::waiting(&tiling, target);
                let cycles = tiling.cycles + panels.as_ref().map_or(0.0, Panels::cycles);
                if best.as_ref().is_none_or(|b| cycles < b.cycles) {
                    best = Some(Part { tiling, panels, spread: None, first: 0, cycles });
                }
            }
        }
        best.expect("every contraction has a form")
    }

    /// The items of a spread contraction.
    fn spread((spread, item): (Spread, Contraction), target: &Target) -> Part {
        let mut part = Part::new(&item, !spread.in_both(), target);
        part.tiling.grid = 0;
        part.cycles += spread.cycles(&part.tiling, target.lanes) - part.tiling.cycles;
        Part { spread: Some(spread), ..part }
    }
}

impl Way {
    /// `None` where an operand that is not copied lacks its halo, or one that is copied already lies as wanted.
    fn new(
        op: &Op,
        operands: [&Operand; 2],
        wanted: &[Wanted; 3],
        output: Shape,
        copies: [bool; 2],
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
                    used[side] = Operand { shape: from.shape, layout, halo: want.halo };
                }
                false if !covered => return None,
                false => {}
            }
        }
        let lowered = lowered(op, &used[0], &used[1], output)?;
        let mut way = Way { copies: packs, parts: Vec::new(), partials: None, cycles: 0.0 };
        match (&lowered.contractions[..], lowered.spread) {
            ([contraction], Some(halo)) => {
                let sums = Partials::new(output, &Wanted { order: wanted[2].order.clone(), halo }, 1);
                way.parts.push(Part::spread(Spread::items(contraction, 0, 0, sums), target));
            }
            ([contraction], None) if let Some(parts) = split::parts(contraction, output) => {
                let split = split::split(contraction, parts);
                let dense = Wanted { order: wanted[2].order.clone(), halo: Halo::default() };
                let partials = Partials::new(output, &dense, split::count(&split));
                for (contraction, first) in split {
                    let whole = Part::new(&contraction, true, target);
                    let stretches = Spread::stretches(&contraction, partials.from(first));
                    let stretches = stretches.map(|spread| Part::spread(spread, target));
                    let best = stretches.filter(|part| part.cycles < whole.cycles).unwrap_or(whole);
                    way.parts.push(Part { first, ..best });
                }
                way.partials = Some(partials);
            }
            (contractions, _) => way.parts.extend(contractions.iter().map(|c| Part::new(c, true, target))),
        }
        let copies: f64 = way.copies.iter().flatten().map(Pack::cycles).sum();
        way.cycles = copies + way.parts.iter().map(|part| part.cycles).sum::<f64>();
        Some(way)
    }

    fn recipe(self) -> Recipe {
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
            let [left, mut right] = exchanged(sources);
            if let Some(panels) = panels {
                let to = recipe.scratch(panels.elements());
                recipe.stage([right], Some(to), 0, Work::Panels(panels));
                right = to;
            }
            let mut flops = tiling.contraction.flops();
            if let Some(spread) = spread {
                flops *= spread.count() as u64;
                let sums = partial.unwrap_or_else(|| recipe.scratch(spread.elements()));
                let [left, right] = exchanged([left, right]);
                let buffers = vec![(left, Access::Read), (right, Access::Read), (sums, Access::ReadWrite)];
                let results = spread.finishes();
                recipe.stages.push(Stage { buffers, results, flops, work: Work::Spread(tiling, spread) });
                continue;
            }
            let work = match &self.partials {
                None => Work::Tiles(tiling),
                Some(partials) => Work::Partial(tiling, partials.from(first)),
            };
            recipe.stage([left, right], partial, flops, work);
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

impl Contraction {
    /// Floating-point operations; a multiply-add counts as 2.
    pub fn flops(&self) -> u64 {
        2 * self.axes.iter().map(|a| a.extent as u64).product::<u64>()
    }
}

impl Stage {
    /// Writes the stage into an empty kernel: its grid, its loops, and a call of the epilogue for each vector of results.
    /// `buffers` are the kernel's, for [`Stage::buffers`].
    pub fn emit(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut Epilogue<'_>) {
        match &self.work {
            Work::Tiles(tiling) => {
                Tiler { tiling, left: buffers[0].into(), right: buffers[1].into(), epilogue }.emit(kernel);
            }
            Work::Partial(tiling, partials) => {
                let mut store = |kernel: &mut KernelBuilder, place: &Place, value: Value| {
                    partials.store(kernel, buffers[2], place, value);
                };
                Tiler { tiling, left: buffers[0].into(), right: buffers[1].into(), epilogue: &mut store }.emit(kernel);
            }
            Work::Sum(partials) => partials.sum(kernel, buffers[0], epilogue),
            Work::Spread(tiling, spread) => {
                let operands = [buffers[0], buffers[1], buffers[2]];
                spread.emit(kernel, tiling, operands, epilogue);
            }
            Work::Pack(pack) => pack.emit(kernel, buffers[0], buffers[1]),
            Work::Panels(panels) => panels.emit(kernel, buffers[0], buffers[1]),
        }
    }
}
