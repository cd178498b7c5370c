//! Contractions: sums of products over affine places, lowered to register tiles.
//!
//! Dot and convolution (with its two gradients) are all contractions; [`recipe`] turns an operation with the
//! layouts of its operands into a list of [`Stage`]s, each of which becomes one kernel. It knows operations, layouts and
//! targets; it does not know what is fused into the epilogue, nor where in memory anything lies.

mod candidates;
mod choose;
mod contraction;
mod deep;
mod fold;
mod loops;
mod memory;
mod panels;
mod problem;
mod split;
mod spread;
mod turn;
mod ways;
mod winograd;

use kiln_graph::Op;
use kiln_graph::shape::{MAX_RANK, Shape};

use crate::kernel::{Access, BufferId, Element, Index, Kernel, KernelBuilder, Value};
use crate::lower::pack::Pack;
use crate::lower::{conv, dot};
use crate::plan::Layout;
use crate::target::Target;
use choose::Tiling;
pub(crate) use choose::{ALONE, SHARED};
pub(super) use fold::{Fold, Lanes, Overlap};
use loops::Tiler;
use panels::Panels;
pub use problem::Problem;
use split::Partials;
use spread::Spread;
use turn::Turned;
use ways::{Search, Way};
use winograd::Winograd;

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
    /// Whether it stays the same from run to run, so that copies of it are made once.
    pub lasting: bool,
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
    /// Estimated cycles on one core.
    pub cycles: f64,
}

/// One kernel of a [`Recipe`].
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The buffers that [`Stage::emit`] takes, in this order.
    pub buffers: Vec<(Source, Access)>,
    /// Whether the stage computes results of the operation, and so calls the epilogue; the stages that do share the
    /// output's places out among them. The others only fill scratch memory.
    pub results: bool,
    /// Floating-point operations of the sums as they are defined, whatever the way (a fused multiply-add counts as 2).
    pub flops: u64,
    work: Work,
}

#[derive(Clone, Debug, PartialEq)]
enum Work {
    /// Buffers: those of the work, which computes results, and sums in which they are kept.
    Kept(Box<Work>, Turned),
    /// Buffers: sums.
    Turned(Turned),
    /// Buffers: left, right, and the sums where they are deep.
    Tiles(Tiling),
    /// Buffers: left, right, partial sums.
    Partial(Tiling, Partials),
    /// Buffers: partial sums.
    Sum(Partials),
    /// Buffers: left, right, sums.
    Spread(Tiling, Spread),
    /// Buffers: products.
    Fold(Fold),
    /// Buffers: from, to.
    Pack(Pack),
    /// Buffers: an operand, its panels.
    Panels(Panels),
    /// Buffers: those of the step.
    Winograd(Box<Winograd>, winograd::Step),
    /// Buffers: those of the step.
    WinogradGradient(Box<winograd::Gradient>, winograd::GradientStep),
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
    /// The only contraction computes products, and these are the sums that are the results.
    pub fold: Option<Fold>,
}

/// Which contractions stand for an operation, where there is a choice: input gradients of convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Usual,
    Phases,
    Spread,
    Fold(Lanes),
}

/// `None` where the operation is no contraction, or none of the form.
fn lowered(op: &Op, form: Form, left: &Operand, right: &Operand, output: Shape) -> Option<Lowered> {
    match op {
        Op::Dot => Some(dot::lower(left, right)),
        Op::Conv(conv) => Some(conv::forward(conv, left, right, output)),
        Op::ConvGradInput { conv, .. } => Some(match form {
            Form::Usual => conv::grad_input(conv, left, right, output),
            Form::Phases => conv::by_phases(conv, left, right, output),
            Form::Spread => conv::spreading(conv, left, right, output),
            Form::Fold(lanes) => return conv::folding(conv, left, right, output, lanes),
        }),
        Op::ConvGradWeight { conv, .. } => Some(conv::grad_weight(conv, left, right, output)),
        _ => None,
    }
}

/// The layouts that make an operation fast: of the left operand, the right operand and the result. `None` as in [`recipe`].
pub fn wanted(op: &Op, left: Shape, right: Shape, output: Shape) -> Option<[Wanted; 3]> {
    let operand = |shape: Shape| {
        let dense = Wanted { order: (0..shape.rank()).collect(), halo: Halo::default() };
        Operand { shape, layout: dense.layout(shape), halo: Halo::default(), lasting: false }
    };
    Some(lowered(op, Form::Usual, &operand(left), &operand(right), output)?.wanted)
}

/// The stages that compute an operation, or `None` where it is no contraction ([`Op::is_contraction`]). An operand is
/// copied where its halo is too small, or where that is estimated to be worth its time.
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
        let mut ways = ways::all(operands, wanted, output, &lower, search, target);
        if let Some(wanted) = conv::by_channels(op, output, wanted) {
            let asked =
                if along.is_none() { Way::copies } else { |way: &Way| way.copies() && way.knows_how_results_lie() };
            let search = Search { asked, ..search.beside_all(&ways) };
            ways.extend(ways::all(operands, &wanted, output, &lower, search, target));
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
    } else if let Some([rows, columns]) = dot::turned(problem) {
        let order: Vec<usize> = (0..rows).chain([columns, rows]).collect();
        let turned = Turned::new(output, &order, columns);
        let [_, right, result] = wanted;
        let stored = stored.beside_all(&ways).less(turned.cycles(target));
        let others = all(&[Wanted { order, halo: Halo::default() }, right, result], Some(rows), stored).into_iter();
        ways.extend(others.map(|way| way.turned(turned.clone(), target)));
    }
    Some(ways)
}

impl Contraction {
    /// Floating-point operations; a multiply-add counts as 2.
    pub fn flops(&self) -> u64 {
        2 * self.axes.iter().map(|a| a.extent as u64).product::<u64>()
    }
}

impl Stage {
    /// What the stage does, in a word: `tiles`, `folded tiles`, `deep tiles`, `parts`, `sum`, `spread`, `fold`, `pack`, `panels`,
    /// `row panels`, `turn`, or one of Winograd's: `patches`, `weights`, `winograd`, `winograd parts`, `winograd sum`, `transform`,
    /// `winograd gradient`.
    pub fn kind(&self) -> &'static str {
        self.work.kind()
    }

    /// For a stage that copies a whole dense operand: the axes along which its elements lie one after the other, outermost first,
    /// the places along each, and how far apart they are in the copy.
    pub fn copies(&self) -> Option<Vec<(usize, i64)>> {
        match &self.work {
            Work::Panels(panels) => panels.runs(),
            _ => None,
        }
    }

    /// The stage as a kernel with nothing fused behind it, to be measured: its buffers are those of [`Stage::buffers`], of the given
    /// lengths, and behind them that of the results, if it computes any, which are stored as they are.
    pub fn plain(&self, name: &str, lengths: &[usize], result: &Layout, lanes: usize) -> Kernel {
        let mut kernel = KernelBuilder::new(name, lanes);
        let declare = |(&(source, access), &elements): (&(Source, Access), &usize)| {
            kernel.buffer(format!("{source:?}"), Element::F32, elements, access)
        };
        let buffers: Vec<BufferId> = self.buffers.iter().zip(lengths).map(declare).collect();
        let to = self.results.then(|| kernel.buffer("result", Element::F32, result.elements, Access::Write));
        self.emit(&mut kernel, &buffers, &mut |kernel, place: &Place, sum| {
            let start = Index::at(result.offset as i64);
            let index = place.coordinates.iter().zip(result.strides).fold(start, |i, (at, s)| i.plus_index(at, s));
            let stride = place.lanes.map_or(1, |axis| result.strides[axis]);
            kernel.store(to.expect("a stage with results"), index, stride, place.active, sum);
        });
        kernel.finish()
    }

    /// Writes the stage into an empty kernel: its grid, its loops, and a call of the epilogue for each vector of results.
    /// `buffers` are the kernel's, for [`Stage::buffers`].
    pub fn emit(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut Epilogue<'_>) {
        self.work.emit(kernel, buffers, epilogue);
    }
}

impl Work {
    fn kind(&self) -> &'static str {
        match self {
            Work::Kept(work, _) => work.kind(),
            Work::Turned(_) => "turn",
            Work::Tiles(tiling) if tiling.fold.is_some() => "folded tiles",
            Work::Tiles(tiling) if tiling.deep.is_some() => "deep tiles",
            Work::Tiles(_) => "tiles",
            Work::Partial(..) => "parts",
            Work::Sum(_) => "sum",
            Work::Spread(..) => "spread",
            Work::Fold(_) => "fold",
            Work::Pack(_) => "pack",
            Work::Panels(panels) if panels.of_rows() => "row panels",
            Work::Panels(_) => "panels",
            Work::Winograd(_, step) => step.name(),
            Work::WinogradGradient(_, step) => step.name(),
        }
    }

    fn emit(&self, kernel: &mut KernelBuilder, buffers: &[BufferId], epilogue: &mut Epilogue<'_>) {
        match self {
            Work::Kept(work, turned) => {
                let (&sums, buffers) = buffers.split_last().expect("a buffer for the sums");
                work.emit(kernel, buffers, &mut |kernel, place, sum| turned.keep(kernel, sums, place, sum));
            }
            Work::Turned(turned) => turned.emit(kernel, buffers[0], epilogue),
            Work::Tiles(tiling) => {
                let [left, right] = [buffers[0].into(), buffers[1].into()];
                let sums = tiling.deep.as_ref().map(|_| buffers[2].into());
                Tiler { tiling, left, right, sums, epilogue }.emit(kernel);
            }
            Work::Partial(tiling, partials) => {
                let mut store = |kernel: &mut KernelBuilder, place: &Place, value: Value| {
                    partials.store(kernel, buffers[2], place, value);
                };
                let [left, right] = [buffers[0].into(), buffers[1].into()];
                Tiler { tiling, left, right, sums: None, epilogue: &mut store }.emit(kernel);
            }
            Work::Sum(partials) => partials.sum(kernel, buffers[0], epilogue),
            Work::Spread(tiling, spread) => {
                let operands = [buffers[0], buffers[1], buffers[2]];
                spread.emit(kernel, tiling, operands, epilogue);
            }
            Work::Fold(fold) => fold.emit(kernel, buffers[0], epilogue),
            Work::Pack(pack) => pack.emit(kernel, buffers[0], buffers[1]),
            Work::Panels(panels) => panels.emit(kernel, buffers[0], buffers[1]),
            Work::Winograd(way, step) => way.emit(*step, kernel, buffers, epilogue),
            Work::WinogradGradient(way, step) => way.emit(*step, kernel, buffers, epilogue),
        }
    }
}
