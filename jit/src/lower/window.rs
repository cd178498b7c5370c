//! Reductions over sliding windows and their gradients. The lanes hold neighbouring channels; the tasks are samples
//! (and blocks of channels), and rows of windows where these are few.
//!
//! Padding is never read: along each spatial axis the windows fall into a few segments in which the same elements of
//! the window lie inside the input, and each combination of segments gets loops of its own. A gradient is written
//! window by window: where windows overlap it is added up in memory, which one task does alone for its sample and
//! channels. Products with a kernel that slides are contractions, of which this file knows nothing.

use kiln_graph::op::{Op, Window, WindowOp};
use kiln_graph::{NodeId, Shape};

use super::expression::{Affine, Evaluation, Expression, ExpressionBuilder, Point, TermId, extremum};
use super::group::{Context, Group, Writing};
use super::loops::{nest, vectors};
use super::lowered::Lowered;
use super::reduce::stays;
use crate::cost::params::loops::{UNROLL, UNROLLED_ELEMENTS};
use crate::cost::params::sharing::SHARED;
use crate::cost::sharing::worth_sharing;
use crate::kernel::{Access, Compare, Float2, Index, KernelBuilder, Operation, Value};
use crate::target::Target;

/// What is done with each window, over a space of the axes `n, c, windows.., elements of a window..`. Values vary with
/// the element (those that a window folds may be computed on the way); gradients with the window. What a fold gives is
/// the root of the expression's stores.
#[derive(Clone, Copy, Debug)]
pub enum Task {
    /// Folds the values; stored once a window.
    Fold(WindowOp, TermId),
    /// The second value where the first is largest; stored once a window.
    Pick(TermId, TermId),
    /// The place in the input where the value is largest; stored once a window.
    ArgMax(TermId),
    /// Gives each window's gradient to its first largest value; stored at the window's elements, alone if the windows
    /// do not [partition](partitions) the input.
    MaxGradient(TermId, TermId),
    /// Gives each window's gradient to all its elements; stored there, likewise.
    SumGradient(TermId),
}

impl Task {
    /// Whether it gives to the elements of a window, which others may give to, too.
    fn scatters(self) -> bool {
        matches!(self, Task::MaxGradient(..) | Task::SumGradient(_))
    }

    /// The values that it looks at.
    fn terms(self) -> impl Iterator<Item = TermId> {
        let [first, second] = match self {
            Task::Fold(_, value) | Task::ArgMax(value) | Task::SumGradient(value) => [Some(value), None],
            Task::Pick(value, other) | Task::MaxGradient(value, other) => [Some(value), Some(other)],
        };
        first.into_iter().chain(second)
    }
}

/// How windows slide along one spatial axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowAxis {
    /// The input's extent.
    pub input: usize,
    /// The window's extent in elements, at least 1.
    pub kernel: usize,
    /// The elements before the input at which the first window starts.
    pub padding: usize,
    /// Steps from window to window, at least 1.
    pub stride: usize,
    /// Steps from element to element, at least 1.
    pub dilation: usize,
}

impl WindowAxis {
    /// Steps from a window's first element to behind its last.
    fn span(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }
}

/// Neighbouring windows along an axis in which the same elements lie inside the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    first: usize,
    windows: usize,
    /// The elements inside: `from..to`.
    from: usize,
    to: usize,
}

fn segments(axis: &WindowAxis, windows: usize) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for window in 0..windows {
        // Places from the padding's start on: the input is padding .. padding + input. Elements inside are neighbours,
        // so that the first and the last of them say all.
        let inside = |element: usize| {
            let place = window * axis.stride + element * axis.dilation;
            place >= axis.padding && place < axis.padding + axis.input
        };
        // Input 5, kernel 3, padding 1, stride 1 has the segments: window 0 (elements 1..3), windows 1 to 3 (0..3),
        // window 4 (0..2). A window of padding alone has `from..from`, nothing.
        let from = (0..axis.kernel).find(|&element| inside(element)).unwrap_or(0);
        let to = (0..axis.kernel).rev().find(|&element| inside(element)).map_or(from, |last| last + 1);
        match segments.last_mut() {
            Some(last) if (last.from, last.to) == (from, to) => last.windows += 1,
            _ => segments.push(Segment { first: window, windows: 1, from, to }),
        }
    }
    segments
}

/// Whether no element lies in two windows.
fn disjoint(axes: &[WindowAxis]) -> bool {
    axes.iter().all(|axis| axis.stride >= axis.span())
}

/// Whether every element lies in a window, if they are disjoint.
fn covers(axis: &WindowAxis, windows: usize) -> bool {
    let covered: usize = segments(axis, windows).iter().map(|s| s.windows * (s.to - s.from)).sum();
    covered == axis.input
}

/// Whether each element of the input lies in exactly one of so many windows along each axis: then a gradient is written
/// once a place, and more can be fused behind it.
pub fn partitions(axes: &[WindowAxis], windows: &[usize]) -> bool {
    disjoint(axes) && axes.iter().zip(windows).all(|(axis, &windows)| covers(axis, windows))
}

/// What is computed of each window.
#[derive(Clone, Copy)]
enum Sliding {
    Fold(WindowOp),
    Pick,
    ArgMax,
    MaxGradient,
    SumGradient,
}

/// How windows slide along the spatial axes of a tensor.
fn window_axes(window: &Window, over: Shape) -> Vec<WindowAxis> {
    let sliding = window.sliding;
    let axis = |axis: usize| WindowAxis {
        input: over.dim(2 + axis),
        kernel: window.kernel[axis],
        padding: sliding.padding[axis].0,
        stride: sliding.stride[axis],
        dilation: sliding.dilation[axis],
    };
    (0..sliding.spatial).map(axis).collect()
}

/// Whether each element lies in one window, so that more can be fused behind the windows' gradient.
pub fn windows_partition(window: &Window, over: Shape, windows: Shape) -> bool {
    partitions(&window_axes(window, over), &windows.dims()[2..])
}

/// What a group computes whose root looks at windows: the expression, how the windows slide, what is done with each,
/// and when the places of the result are written.
pub fn describe(context: &Context<'_>, group: &Group, root: NodeId) -> (Expression, Vec<WindowAxis>, Task, Writing) {
    let graph = context.graph;
    let node = graph.node(root);
    let (what, window) = match &node.op {
        Op::WindowReduce { op, window } => (Sliding::Fold(*op), window),
        Op::WindowMaxPick(window) => (Sliding::Pick, window),
        Op::WindowArgMax(window) => (Sliding::ArgMax, window),
        Op::WindowMaxGrad(window) => (Sliding::MaxGradient, window),
        Op::WindowSumGrad { window, .. } => (Sliding::SumGradient, window),
        op => unreachable!("{} looks at no windows", op.mnemonic()),
    };
    let operand = |number: usize| graph.shape(node.inputs[number]);
    // The shape over which the windows slide, and the shape of one value a window.
    let (over, values) = match what {
        Sliding::Fold(_) | Sliding::Pick | Sliding::ArgMax => (operand(0), node.ty.shape),
        Sliding::MaxGradient => (node.ty.shape, operand(1)),
        Sliding::SumGradient => (node.ty.shape, operand(0)),
    };
    let axes = window_axes(window, over);
    let spatial = axes.len();
    let rank = 2 + 2 * spatial;
    // The space: n, c, windows.., elements of a window..
    let mut extents = values.dims().to_vec();
    extents.extend(axes.iter().map(|axis| axis.kernel));
    let place: Vec<Affine> = (0..2 + spatial).map(|axis| Affine::axis(rank, axis)).collect();
    // place in the input = window * stride + element * dilation - padding, negative within the padding: never loaded
    // there.
    let mut inside = place.clone();
    for (number, axis) in axes.iter().enumerate() {
        inside[2 + number] = Affine::zero(rank)
            .shifted(-(axis.padding as i64))
            .plus(&Affine::axis(rank, 2 + number), axis.stride as i64)
            .plus(&Affine::axis(rank, 2 + spatial + number), axis.dilation as i64);
    }
    let outside = context.outside(group);
    let mut builder = ExpressionBuilder::new(graph, &outside, extents);
    builder.fold(2 + spatial..rank);
    let task = match what {
        Sliding::Fold(op) => Task::Fold(op, builder.node(node.inputs[0], &inside)),
        Sliding::Pick => Task::Pick(builder.node(node.inputs[0], &inside), builder.node(node.inputs[1], &inside)),
        Sliding::ArgMax => Task::ArgMax(builder.node(node.inputs[0], &inside)),
        Sliding::MaxGradient => {
            Task::MaxGradient(builder.node(node.inputs[0], &inside), builder.node(node.inputs[1], &place))
        }
        Sliding::SumGradient => Task::SumGradient(builder.node(node.inputs[0], &place)),
    };
    let (shape, at) = match what {
        Sliding::Fold(_) | Sliding::Pick | Sliding::ArgMax => (values, place),
        Sliding::MaxGradient | Sliding::SumGradient => (over, inside),
    };
    builder.root(root, at.clone());
    context.store_all(&mut builder, group, shape, &at, rank);
    let expression = builder.finish();
    let gradient = matches!(what, Sliding::MaxGradient | Sliding::SumGradient);
    let once = !gradient || partitions(&axes, &values.dims()[2..]);
    (expression, axes, task, if once { Writing::Once } else { Writing::Repeated })
}

/// The kernels of a window operation with the given spatial axes: one, or where samples and channels make few tasks, one
/// for each segment of the windows' rows, which then are the tasks.
pub fn lower(name: &str, expression: &Expression, axes: &[WindowAxis], task: Task, target: &Target) -> Vec<Lowered> {
    if expression.is_empty() {
        return Vec::new();
    }
    let (samples, channels, rows) = (expression.extents[0], expression.extents[1], expression.extents[2]);
    let block = UNROLL * target.lanes;
    // Channels are cut into tasks only where no block has a tail.
    let blocks = if channels.is_multiple_of(block) { channels / block } else { 1 };
    let places = expression.places(|_| true) as u64;
    // Windows that meet add to one place, which one task does alone.
    let few = samples * blocks < SHARED && !task.scatters();
    let kernel = |rows: Option<Segment>| of_rows(name, expression, axes, task, (blocks, rows), target);
    if !few || !worth_sharing(rows, places, expression.bytes()) {
        return vec![Lowered::new(kernel(None), expression, places)];
    }
    let part = |of: u64, windows: usize| of * windows as u64 / rows as u64;
    let segments = segments(&axes[0], rows).into_iter();
    let lowered = segments.map(|segment| {
        let whole = Lowered::new(kernel(Some(segment)), expression, part(places, segment.windows));
        Lowered { bytes: part(whole.bytes, segment.windows), ..whole }
    });
    lowered.collect()
}

/// One kernel: of all windows, or of those in a segment along the first spatial axis, each of which is a task.
fn of_rows(
    name: &str,
    expression: &Expression,
    axes: &[WindowAxis],
    task: Task,
    (blocks, rows): (usize, Option<Segment>),
    target: &Target,
) -> KernelBuilder {
    let mut kernel = KernelBuilder::new(name, target.lanes);
    let spatial = axes.len();
    let channels = expression.extents[1];
    let mut coordinates = vec![Index::default(); 2 + 2 * spatial];
    coordinates[0] = Index::of(kernel.grid(expression.extents[0]), 1);
    if blocks > 1 {
        coordinates[1] = Index::of(kernel.grid(blocks), (channels / blocks) as i64);
    }
    if let Some(rows) = rows {
        coordinates[2] = Index::of(kernel.grid(rows.windows), 1);
    }
    let mut evaluation = Evaluation::new(expression, &mut kernel);
    let scatters = task.scatters();
    evaluation.prepare(&mut kernel, expression.stores.iter().map(|store| store.term).chain(task.terms()));
    let windows = &expression.extents[2..2 + spatial];
    // Windows that meet give parts of a gradient to the same element: read, add, write. The buffer is then read, too.
    let adds = scatters && !disjoint(axes);
    if adds {
        let gradient = evaluation.buffer(expression.stores[0].argument);
        kernel.buffer_mut(gradient).access = Access::ReadWrite;
    }
    let lowering = Windows { expression, evaluation, axes, task, adds, channels: channels / blocks };
    // Elements in several windows are added to, and those in none are written by nobody: both begin as 0.
    if scatters && !partitions(axes, windows) {
        lowering.clear(&mut kernel, &coordinates);
    }
    // All combinations of segments: in two dimensions with padding 3 by 3, four corners, four edges, and the inside.
    let mut regions: Vec<Vec<Segment>> = vec![Vec::new()];
    for (number, (axis, &windows)) in axes.iter().zip(windows).enumerate() {
        // A task of one row has its windows' first axis behind it.
        let along = match rows.filter(|_| number == 0) {
            Some(rows) => vec![Segment { windows: 1, ..rows }],
            None => segments(axis, windows),
        };
        regions = regions
            .into_iter()
            .flat_map(|region| along.iter().map(move |&segment| region.iter().copied().chain([segment]).collect()))
            .collect();
    }
    for region in regions {
        lowering.region(&mut kernel, &coordinates, &region);
    }
    kernel
}

/// The number of elements of each window that lie inside the input.
fn elements_inside(region: &[Segment]) -> usize {
    region.iter().map(|s| s.to - s.from).product()
}

/// Whether the elements of a window are visited by straight-line code, not by loops.
fn is_unrolled(region: &[Segment]) -> bool {
    elements_inside(region) <= UNROLLED_ELEMENTS
}

/// What is done at an element of a window: it gets the place, the element's number and the carried values, and gives
/// the next ones.
type Visit<'a> = dyn FnMut(&mut KernelBuilder, &Point, &Index, &[Value]) -> Vec<Value> + 'a;

struct Windows<'a> {
    expression: &'a Expression,
    evaluation: Evaluation<'a>,
    axes: &'a [WindowAxis],
    task: Task,
    /// Whether a scatter adds to what other windows have left.
    adds: bool,
    /// The channels of one task.
    channels: usize,
}

impl Windows<'_> {
    fn spatial(&self) -> usize {
        self.axes.len()
    }

    /// Sets the task's part of the gradient to 0.
    fn clear(&self, kernel: &mut KernelBuilder, coordinates: &[Index]) {
        let store = &self.expression.stores[0];
        let buffer = self.evaluation.buffer(store.argument);
        // The access steps through the input by `stride` along a window's axis and by `dilation` along an element's;
        // the unit step along the input is found from the latter.
        let spatial = self.spatial();
        let step = |axis: usize| store.access.strides[2 + spatial + axis] / self.axes[axis].dilation as i64;
        let loops: Vec<(usize, usize)> = (0..spatial).map(|axis| (2 + axis, self.axes[axis].input)).collect();
        nest(kernel, &loops, coordinates, &[], &mut |kernel, place, _| {
            let zero = kernel.f32(0.0);
            vectors(kernel, self.channels, UNROLL, &coordinates[1], &mut |kernel, group| {
                for (channel, active) in group {
                    let mut index = Index::at(store.access.offset)
                        .plus_index(&place[0], store.access.strides[0])
                        .plus_index(channel, store.access.strides[1]);
                    for axis in 0..spatial {
                        index = index
                            .plus_index(&place[2 + axis], step(axis))
                            .shifted(self.axes[axis].padding as i64 * step(axis));
                    }
                    let stride = if *active == 1 { 1 } else { store.access.strides[1] };
                    kernel.store(buffer, index, stride, *active, zero);
                }
            });
            Vec::new()
        });
    }

    /// The windows of one combination of segments.
    fn region(&self, kernel: &mut KernelBuilder, coordinates: &[Index], region: &[Segment]) {
        let loops: Vec<(usize, usize)> = region.iter().enumerate().map(|(axis, s)| (2 + axis, s.windows)).collect();
        let mut start = coordinates.to_vec();
        region.iter().zip(&mut start[2..]).for_each(|(s, start)| start.offset += s.first as i64);
        nest(kernel, &loops, &start, &[], &mut |kernel, window, _| {
            vectors(kernel, self.channels, 1, &coordinates[1], &mut |kernel, group| {
                for (channel, active) in group {
                    let mut place = window.to_vec();
                    place[1] = channel.clone();
                    self.window(kernel, &Point::along(1, place, *active), region);
                }
            });
            Vec::new()
        });
    }

    /// One window of each lane's channel.
    fn window(&self, kernel: &mut KernelBuilder, window: &Point, region: &[Segment]) {
        // What is the same at all elements is computed once.
        let mut evaluation = self.evaluation.clone();
        evaluation.prepare_within(kernel, self.task.terms(), |axis| axis < 2, window);
        let term =
            |kernel: &mut KernelBuilder, id: TermId, point: &Point| evaluation.clone().term(kernel, id, point, &[]);
        match self.task {
            Task::Fold(WindowOp::Sum, value) => {
                let zero = kernel.f32(0.0);
                let sum = self.elements(kernel, window, region, &[zero], &mut |kernel, point, _, sum| {
                    let value = term(kernel, value, point);
                    vec![kernel.add(sum[0], value)]
                });
                self.evaluation.store(kernel, window, &[sum[0]]);
            }
            Task::Fold(WindowOp::Max, value) => {
                let initial = match self.first(window, region) {
                    Some(first) => term(kernel, value, &first),
                    None => kernel.f32(f32::NEG_INFINITY),
                };
                let best = self.others(kernel, window, region, &[initial], &mut |kernel, point, _, best| {
                    let value = term(kernel, value, point);
                    vec![extremum(kernel, Float2::Max, best[0], value, false, false)]
                });
                self.evaluation.store(kernel, window, &[best[0]]);
            }
            Task::Pick(value, picked) => {
                // Not with -inf and 0: in a window of nothing but -inf no value would be better, and 0 would be picked.
                let initial = match self.first(window, region) {
                    Some(first) => [value, picked].map(|id| term(kernel, id, &first)),
                    None => [kernel.f32(f32::NEG_INFINITY), kernel.f32(0.0)],
                };
                let best = self.others(kernel, window, region, &initial, &mut |kernel, point, _, best| {
                    let [value, picked] = [value, picked].map(|id| term(kernel, id, point));
                    let stays = stays(kernel, Compare::Le, value, best[0]);
                    vec![kernel.select(stays, best[0], value), kernel.select(stays, best[1], picked)]
                });
                self.evaluation.store(kernel, window, &[best[1]]);
            }
            Task::ArgMax(value) => {
                let initial = match self.first(window, region) {
                    Some(first) => {
                        let place = self.place(&first.coordinates);
                        [term(kernel, value, &first), kernel.affine(place)]
                    }
                    None => [kernel.f32(f32::NEG_INFINITY), kernel.i32(0)],
                };
                let best = self.others(kernel, window, region, &initial, &mut |kernel, point, _, best| {
                    let value = term(kernel, value, point);
                    let place = kernel.affine(self.place(&point.coordinates));
                    let stays = stays(kernel, Compare::Le, value, best[0]);
                    vec![kernel.select(stays, best[0], value), kernel.select(stays, best[1], place)]
                });
                self.evaluation.store(kernel, window, &[best[1]]);
            }
            Task::MaxGradient(value, gradient) => {
                let Some(first) = self.first(window, region) else { return };
                let number = self.number(&first.coordinates[2 + self.spatial()..]);
                // A window's gradient goes to its first largest element. First the elements are walked through for the
                // largest value and its number, then once more to give each its part: the gradient or 0.
                // What is known at each element, the value among it, is kept for that.
                let mut known = vec![evaluation.clone()];
                let initial = [known[0].term(kernel, value, &first, &[]), kernel.affine(number)];
                let found = self.others(kernel, window, region, &initial, &mut |kernel, point, number, best| {
                    let mut here = evaluation.clone();
                    let value = here.term(kernel, value, point, &[]);
                    known.push(here);
                    let number = kernel.affine(number.clone());
                    let stays = stays(kernel, Compare::Le, value, best[0]);
                    vec![kernel.select(stays, best[0], value), kernel.select(stays, best[1], number)]
                });
                let gradient = term(kernel, gradient, window);
                let zero = kernel.f32(0.0);
                // Inside of loops nothing is known of what other loops computed.
                let mut known = known.iter().filter(|_| is_unrolled(region));
                self.elements(kernel, window, region, &[], &mut |kernel, point, number, _| {
                    let number = kernel.affine(number.clone());
                    let here = kernel.compare(Compare::Eq, number, found[1]);
                    let part = kernel.select(here, gradient, zero);
                    self.give(kernel, known.next().unwrap_or(&evaluation), point, part);
                    Vec::new()
                });
            }
            Task::SumGradient(gradient) => {
                let gradient = term(kernel, gradient, window);
                self.elements(kernel, window, region, &[], &mut |kernel, point, _, _| {
                    self.give(kernel, &evaluation, point, gradient);
                    Vec::new()
                });
            }
        }
    }

    /// The row-major number of an element of the window.
    fn number(&self, element: &[Index]) -> Index {
        element.iter().zip(self.axes).fold(Index::default(), |number, (place, axis)| {
            Index::default().plus_index(&number, axis.kernel as i64).plus_index(place, 1)
        })
    }

    /// The row-major place, within the spatial extents of the input, of an element of a window.
    fn place(&self, coordinates: &[Index]) -> Index {
        let (windows, elements) = coordinates[2..].split_at(self.spatial());
        let along = windows.iter().zip(elements).zip(self.axes);
        along.fold(Index::default(), |place, ((window, element), axis)| {
            Index::at(-(axis.padding as i64))
                .plus_index(&place, axis.input as i64)
                .plus_index(window, axis.stride as i64)
                .plus_index(element, axis.dilation as i64)
        })
    }

    /// The first element of a window that lies inside the input, if there is one.
    fn first(&self, window: &Point, region: &[Segment]) -> Option<Point> {
        let mut point = window.clone();
        for (axis, s) in region.iter().enumerate() {
            point.coordinates[2 + self.spatial() + axis] = Index::at(s.from as i64);
        }
        region.iter().all(|s| s.from < s.to).then_some(point)
    }

    /// Visits the elements of a window that lie inside the input, in row-major order, with their numbers.
    fn elements(
        &self,
        kernel: &mut KernelBuilder,
        window: &Point,
        region: &[Segment],
        carried: &[Value],
        body: &mut Visit<'_>,
    ) -> Vec<Value> {
        self.elements_from(0, kernel, window, region, carried, body)
    }

    /// As [`Self::elements`], for a body that changes nothing at the first element: that may be left out.
    fn others(
        &self,
        kernel: &mut KernelBuilder,
        window: &Point,
        region: &[Segment],
        carried: &[Value],
        body: &mut Visit<'_>,
    ) -> Vec<Value> {
        self.elements_from(1, kernel, window, region, carried, body)
    }

    /// Visits the elements of a window; those before the given number may be left out.
    fn elements_from(
        &self,
        from: usize,
        kernel: &mut KernelBuilder,
        window: &Point,
        region: &[Segment],
        carried: &[Value],
        body: &mut Visit<'_>,
    ) -> Vec<Value> {
        let Some(start) = self.first(window, region) else { return carried.to_vec() };
        let axis_of = 2 + self.spatial();
        let mut visit = |kernel: &mut KernelBuilder, coordinates: &[Index], carried: &[Value]| {
            let point = Point { coordinates: coordinates.to_vec(), ..window.clone() };
            let number = self.number(&coordinates[axis_of..]);
            body(kernel, &point, &number, carried)
        };
        if !is_unrolled(region) {
            let loops: Vec<_> = region.iter().enumerate().map(|(axis, s)| (axis_of + axis, s.to - s.from)).collect();
            return nest(kernel, &loops, &start.coordinates, carried, &mut visit);
        }
        let mut carried = carried.to_vec();
        // Straight-line code: the coordinates of each element are constants, so that the loads of all can overlap.
        for number in from..elements_inside(region) {
            let mut coordinates = start.coordinates.clone();
            let mut rest = number;
            for (axis, s) in region.iter().enumerate().rev() {
                coordinates[axis_of + axis].offset += (rest % (s.to - s.from)) as i64;
                rest /= s.to - s.from;
            }
            carried = visit(kernel, &coordinates, &carried);
        }
        carried
    }

    /// Adds or writes a part of the gradient at an element of a window.
    fn give(&self, kernel: &mut KernelBuilder, known: &Evaluation<'_>, point: &Point, part: Value) {
        if !self.adds {
            return known.store(kernel, point, &[part]);
        }
        let store = &self.expression.stores[0];
        let buffer = self.evaluation.buffer(store.argument);
        let (index, lanes) = point.access(&store.access);
        let stride = if point.active == 1 { 1 } else { lanes };
        let load = Operation::Load { buffer, index: index.clone(), stride, active: point.active };
        let before = kernel.push(load);
        let sum = kernel.add(before, part);
        kernel.store(buffer, index, stride, point.active, sum);
    }
}
