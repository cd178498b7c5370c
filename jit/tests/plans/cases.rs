//! The cases: one graph for each lowering and shape of interest.

use kiln_graph::op::{Convolution, MAX_SPATIAL, ReduceOp, Sliding, Window};
use kiln_graph::{Builder, DType, Op, Type, Value};

/// A name and what is built under it.
pub type Case = (&'static str, fn(&Builder));

pub fn window(kernel: &[usize], stride: &[usize], padding: &[(usize, usize)], ceil: bool) -> Window {
    let spatial = kernel.len();
    let mut window = Window { kernel: [1; MAX_SPATIAL], sliding: Sliding::unit(spatial), ceil };
    window.kernel[..spatial].copy_from_slice(kernel);
    window.sliding.stride[..spatial].copy_from_slice(stride);
    window.sliding.padding[..spatial].copy_from_slice(padding);
    window
}

pub fn conv(stride: usize, padding: usize, groups: usize) -> Convolution {
    let mut sliding = Sliding::unit(2);
    for axis in 0..2 {
        sliding.stride[axis] = stride;
        sliding.padding[axis] = (padding, padding);
    }
    Convolution { sliding, groups }
}

/// The sum of squares of a value as a loss, and the gradients of some states in it.
fn gradients<'g>(g: &'g Builder, y: Value<'g>, of: &[Value<'g>]) {
    let loss = (y * y).sum(..);
    g.output("loss", loss);
    for (i, gradient) in g.gradients_of(loss, of).expect("gradients").into_iter().enumerate() {
        g.output(&format!("gradient{i}"), gradient);
    }
}

fn pooled(g: &Builder, shape: [usize; 4], window: Window) {
    let x = g.state("x", Type::f32(shape));
    let y = x.max_window(window);
    g.output("max", y);
    g.output("sum", x.sum_window(window));
    gradients(g, y + x.sum_window(window) * 0.5, &[x]);
}

/// Heads `[n, heads, t, features]` as `[n, t, heads * features]`.
pub fn side_by_side(y: Value<'_>) -> Value<'_> {
    let [n, heads, t, features] = [0, 1, 2, 3].map(|axis| y.shape().dim(axis));
    y.transpose(1, 2).reshape([n, t, heads * features])
}

pub const CASES: &[Case] = &[
    ("unary", |g| {
        let x = g.input("x", [7, 13]);
        g.output("a", x.relu() + (-x).abs().sqrt() * x.sigmoid());
        g.output("b", x.tanh() - x.exp() / (x * x + 1.0).log());
        g.output("c", x.gt(0.5).select(x, x * 0.1).floor());
        g.output("d", x.convert(DType::I32));
        g.output("e", x.le(0.0));
    }),
    // Copies that read across what they write: in parts of the innermost axis where it has them.
    ("transposes", |g| {
        for (number, [rows, columns]) in [[64, 20], [20, 64], [48, 48], [33, 34]].into_iter().enumerate() {
            let [x, y] = ["x", "y"].map(|name| g.input(&format!("{name}{number}"), [3, rows, columns]));
            g.output(&format!("copy {number}"), x.transpose(1, 2));
            g.output(&format!("sum {number}"), x.transpose(0, 2) + y.transpose(0, 2).exp());
            g.output(&format!("other {number}"), (x.transpose(1, 2) + 1.0) * y.reshape([3, columns, rows]));
        }
    }),
    // Groups that differ only in which of their operands are one tensor, and equal ones over others.
    ("equal groups", |g| {
        let [a, b, w] = ["a", "b", "w"].map(|name| g.input(name, [24, 24]));
        for (number, (left, added)) in [(a, a), (b, a), (b, b), (a, b), (w, w)].into_iter().enumerate() {
            g.output(&format!("product {number}"), left.matmul(w) + added);
            g.output(&format!("sum {number}"), (left * added).sum([1]));
        }
        let chain = a.matmul(b).relu().matmul(b).relu();
        g.output("chain", chain.matmul(b).relu().matmul(w).relu());
    }),
    // Rounded behind what computes them, with zeros around, moved, widened again, and read by every contraction.
    ("bf16", |g| {
        let [x, v] = ["x", "v"].map(|name| g.input(name, [2, 6, 9, 7]));
        let w = g.state("w", Type::f32([8, 6, 3, 3]));
        let [x, v, weight] = [x.relu() + v, v.tanh(), w].map(|value| value.convert(DType::Bf16));
        let y = x.conv(weight, conv(1, 1, 1)).relu();
        g.output("y", y);
        g.output("strided", v.conv(weight, conv(2, 1, 1)));
        g.output("widened", v.convert(DType::F32) * 3.0 + x.convert(DType::F32));
        let rows = y.reshape([16, 63]).convert(DType::Bf16);
        g.output("product", rows.matmul(rows.transpose(0, 1)));
        let padded = x.pad(&[0, 0, 0, 2], &[0, 0, 0, 1], 0.5).reverse([2]);
        g.output("padded", padded.convert(DType::F32));
        gradients(g, y, &[w]);
    }),
    // Products of u8 and i8 in either order, of depths that are whole quads and others, and what moves and reads bytes.
    ("bytes", |g| {
        fn bytes<'g>(x: Value<'g>, low: f64, high: f64) -> Value<'g> {
            (x * 90.0).floor().clamp(low, high)
        }
        let unsigned = |name: &str, shape: &[usize]| {
            let x = g.input(name, shape);
            (bytes(x.abs(), -5.0, 300.0)).convert(DType::U8)
        };
        let signed =
            |name: &str, shape: &[usize]| bytes(g.state(name, Type::f32(shape)), -200.0, 200.0).convert(DType::I8);
        let [x, y] = [unsigned("x", &[9, 36]), unsigned("y", &[3, 5, 23])];
        let [v, w] = [signed("v", &[36, 70]), signed("w", &[3, 23, 18])];
        g.output("whole", x.matmul(v));
        g.output("scaled", y.matmul(w).convert(DType::F32) * 0.5 + 1.0);
        g.output("other order", w.transpose(1, 2).matmul(y.transpose(1, 2)).convert(DType::F32));
        g.output("transposed", x.slice(0, 0..1, 1).matmul(signed("t", &[70, 36]).transpose(0, 1)));
        let row = (x.convert(DType::I32) - 3).convert(DType::I8);
        g.output("moved", row.pad(&[1, 0], &[0, 2], 7.0).reverse([1]).convert(DType::F32) + 0.5);
        for (name, shape, kernel, of) in [
            ("one", [2, 8, 9, 7], [20, 8, 3, 3], conv(1, 1, 1)),
            ("two", [2, 6, 9, 7], [5, 6, 3, 3], conv(2, 1, 1)),
            ("groups", [1, 16, 5, 5], [8, 8, 3, 3], conv(1, 0, 2)),
            ("points", [1, 12, 6, 6], [40, 12, 1, 1], conv(1, 0, 1)),
            ("colours", [1, 3, 12, 12], [16, 3, 5, 5], conv(2, 2, 1)),
        ] {
            let image = unsigned(&format!("{name} x"), &shape);
            let weight = signed(&format!("{name} w"), &kernel);
            let sums = image.conv(weight, of);
            g.output(name, sums);
            let next = (sums.convert(DType::F32) * 0.001).relu().convert(DType::U8);
            let last = signed(&format!("{name} last"), &[4, kernel[0], 1, 1]);
            g.output(&format!("{name} next"), next.conv(last, conv(1, 0, 1)).convert(DType::F32).relu());
        }
    }),
    ("scalars", |g| {
        let step = g.state("step", Type::f32([]));
        let next = step + 1.0;
        g.update(step, next);
        g.output("rate", (next * -0.1).exp() / 3.0);
    }),
    ("broadcast", |g| {
        let x = g.input("x", [5, 1, 9]);
        let y = g.input("y", [4, 1]);
        g.output("sum", x + y);
        g.output("max", (x * 2.0).maximum(y).minimum(1.0));
    }),
    ("transposed", |g| {
        let x = g.input("x", [5, 6, 7]);
        let y = g.input("y", [7, 6, 5]);
        g.output("sum", x.permute(&[2, 1, 0]) + y.reverse([0, 2]));
        g.output("slice", x.slice(1, 1..6, 2).transpose(0, 1));
        g.output("flat", x.transpose(0, 2).reshape([35, 6]) * 2.0);
    }),
    ("long", |g| {
        let x = g.input("x", [40_003]);
        g.output("y", x * 2.0 + 1.0);
        g.output("sum", x.sum(0));
    }),
    ("pad and concat", |g| {
        let x = g.input("x", [3, 5]);
        g.output("pad", (x * 2.0).pad(&[1, 0], &[2, 3], -1.0));
        g.output("concat", g.concat(&[x, x * 3.0, x.slice(1, 0..2, 1)], 1));
    }),
    ("reductions", |g| {
        let x = g.input("x", [6, 5, 11]);
        for (name, op) in
            [("sum", ReduceOp::Sum), ("max", ReduceOp::Max), ("min", ReduceOp::Min), ("prod", ReduceOp::Prod)]
        {
            for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![1, 2], vec![0, 1, 2]] {
                let op = Op::Reduce { op, axes: kiln_graph::op::Axes::new(axes.iter().copied()) };
                g.output(&format!("{name}{axes:?}"), g.apply(op, &[x * 0.5]));
            }
        }
    }),
    ("long reductions", |g| {
        let x = g.input("x", [256, 160]);
        g.output("all", (x * x).mean([0, 1]));
        g.output("columns", x.sum(0) * 2.0);
        g.output("rows", x.amax(1));
        let y = g.input("y", [4096, 6]);
        g.output("few", y.sum(0) + 1.0);
    }),
    ("sibling reductions", |g| {
        // Channels last, few and many channels, in parts and not, with more and fewer accumulators than results.
        for (name, shape) in [("a", [3, 10, 5]), ("b", [2048, 6, 1]), ("c", [512, 17, 4]), ("d", [2, 3, 130])] {
            let x = g.input(name, shape);
            let y = g.input(&format!("{name}y"), shape);
            for axes in [vec![0], vec![2], vec![0, 2], vec![0, 1, 2]] {
                let sum = x.sum(&axes[..]);
                let [product, largest] = [(x * y).sum(&axes[..]), x.amax(&axes[..])];
                g.output(&format!("{name}{axes:?}"), sum * product + largest);
                g.output(&format!("{name}{axes:?} squares"), (y.relu() * y.relu()).sum(&axes[..]) - sum * sum);
            }
        }
    }),
    ("nan", |g| {
        let x = g.input("x", [9, 21]);
        let y = (x - 1.5).log();
        g.output("max", y.amax(1));
        g.output("min", y.amin(0));
        g.output("relu", y.relu());
        g.output("maximum", y.maximum(x));
    }),
    ("ones", |g| {
        let x = g.state("x", Type::f32([1, 1, 1, 1]));
        let w = g.state("w", Type::f32([1, 1, 1, 1]));
        let y = x.conv(w, conv(1, 0, 1)).max_window(window(&[1, 1], &[1, 1], &[(0, 0); 2], false));
        g.output("sum", (x.reshape([1]) + y.reshape([1])).sum(0));
        gradients(g, y.softmax(1) * x, &[x, w]);
    }),
    ("arg", |g| {
        let x = g.input("x", [6, 19]);
        g.output("max", x.argmax(1));
        g.output("min", x.argmin(0));
    }),
    ("softmax", |g| {
        let x = g.input("x", [33, 10]);
        g.output("soft", x.softmax(1));
        g.output("log", x.log_softmax(1));
    }),
    ("cross entropy", |g| {
        let x = g.state("x", Type::f32([12, 10]));
        let labels = g.input_of("labels", Type::i32([12]));
        let loss = -x.log_softmax(1).gather(1, labels.reshape([12, 1])).mean([0, 1]);
        g.output("loss", loss);
        let [dx] = g.gradients(loss, [x]).expect("a gradient");
        g.output("dx", dx);
    }),
    ("indexing", |g| {
        let x = g.state("x", Type::f32([8, 9]));
        let indices = g.input_of("i", Type::i32([8, 5]));
        let rows = g.input_of("rows", Type::i32([4, 3]));
        let a = x.gather(1, indices) * 2.0;
        let b = x.take_rows(rows) + 1.0;
        g.output("a", a);
        g.output("b", b);
        let loss = (a * a).sum([0, 1]) + (b * b).sum([0, 1, 2]);
        let [dx] = g.gradients(loss, [x]).expect("a gradient");
        g.output("dx", dx);
    }),
    ("random", |g| {
        let step = g.state("step", Type::i32([]));
        let x = g.input("x", [9, 15]);
        g.output("dropped", g.random([9, 15], 42, step).gt(0.5).select(x * 2.0, 0.0));
        g.update(step, step + 1.0);
    }),
    ("iota", |g| {
        let x = g.input_of("x", Type::i32([4, 6]));
        g.output("is", g.iota([4, 6], 1).eq(x));
        g.output("sum", (g.iota([4, 6], 0) + x).sum(1));
    }),
    ("pool 2", |g| pooled(g, [2, 5, 8, 6], window(&[2, 2], &[2, 2], &[(0, 0); 2], false))),
    ("pool 3 overlapping", |g| pooled(g, [2, 17, 9, 7], window(&[3, 3], &[2, 2], &[(1, 1); 2], false))),
    ("pool ceil", |g| pooled(g, [1, 4, 8, 7], window(&[3, 2], &[2, 2], &[(0, 0); 2], true))),
    ("pool with gaps", |g| pooled(g, [1, 4, 8, 7], window(&[2, 2], &[3, 3], &[(0, 0), (1, 0)], false))),
    // One image that is worth sharing among threads: its rows are tasks, those at the edges of kernels of their own.
    ("pool of one image", |g| pooled(g, [1, 3, 203, 140], window(&[3, 3], &[2, 2], &[(1, 1); 2], true))),
    ("pool large", |g| pooled(g, [2, 16, 6, 6], window(&[6, 6], &[1, 1], &[(0, 0); 2], false))),
    ("linear", |g| {
        let x = g.input("x", [13, 7]);
        let w = g.state("w", Type::f32([5, 7]));
        let b = g.state("b", Type::f32([5]));
        gradients(g, (x.matmul(w.transpose(0, 1)) + b).relu(), &[w, b]);
    }),
    ("batched dot", |g| {
        let x = g.state("x", Type::f32([3, 4, 6]));
        let y = g.state("y", Type::f32([3, 6, 5]));
        gradients(g, x.matmul(y).tanh(), &[x, y]);
    }),
    ("convolution", |g| {
        let x = g.input("x", [2, 3, 9, 8]);
        let w = g.state("w", Type::f32([6, 3, 3, 3]));
        let b = g.state("b", Type::f32([6]));
        let v = g.state("v", Type::f32([4, 3, 3, 3]));
        let y = (x.conv(w, conv(1, 1, 1)) + b.reshape([6, 1, 1])).relu();
        gradients(g, y.conv(v, conv(2, 1, 2)), &[w, b, v]);
    }),
    ("flatten", |g| {
        let x = g.input("x", [4, 1, 8, 8]);
        let w = g.state("w", Type::f32([6, 1, 3, 3]));
        let l = g.state("l", Type::f32([10, 54]));
        let y = x.conv(w, conv(1, 0, 1)).relu().max_window(window(&[2, 2], &[2, 2], &[(0, 0); 2], false));
        gradients(g, y.flatten(1).matmul(l.transpose(0, 1)).sigmoid(), &[w, l]);
    }),
    ("momentum", |g| {
        let x = g.input("x", [6, 9]);
        let w = g.state("w", Type::f32([4, 9]));
        let m = g.state("m", Type::f32([4, 9]));
        let y = x.matmul(w.transpose(0, 1));
        let loss = (y * y).mean([0, 1]);
        let [dw] = g.gradients(loss, [w]).expect("a gradient");
        let next = m * 0.9 + dw + w * 0.01;
        g.update(m, next);
        g.update(w, w - next * 0.1);
        g.output("loss", loss);
        g.output("old", w);
    }),
    ("swapped states", |g| {
        let a = g.state("a", Type::f32([5]));
        let b = g.state("b", Type::f32([5]));
        let c = g.state("c", Type::f32([5, 5]));
        g.update(a, b);
        g.update(b, a);
        g.update(c, c.transpose(0, 1) + 1.0);
    }),
    // What is only copied by a contraction or a copy lies where the copy would, also of one image or of one head.
    ("copies into others", |g| {
        for (number, [n, heads, t]) in [[2, 3, 20], [1, 2, 16], [3, 1, 17], [1, 1, 16]].into_iter().enumerate() {
            let [q, k, v] =
                ["q", "k", "v"].map(|name| g.state(&format!("{name}{number}"), Type::f32([n, heads, t, 16])));
            let d = heads * 16;
            let c = g.state(&format!("c{number}"), Type::f32([n, t, 3 * d]));
            let w = g.state(&format!("w{number}"), Type::f32([6 * d, 16]));
            let looked = q.matmul(k.transpose(2, 3)).matmul(v);
            let turned = k.transpose(2, 3).matmul(q).permute(&[0, 2, 1, 3]).reshape([n, 16, d]);
            let all = g.concat(
                &[side_by_side(looked), c, side_by_side(looked.tanh().matmul(q.transpose(2, 3)).matmul(v))],
                -1,
            );
            let wide = g.concat(&[all, side_by_side(v.matmul(turned.reshape([n, heads, 16, 16])))], -1);
            let loss = wide.reshape([n * t, 6 * d]).matmul(w).square().sum(..);
            g.output(&format!("loss{number}"), loss);
            for (i, gradient) in g.gradients_of(loss, &[q, k, v, c, w]).expect("gradients").into_iter().enumerate() {
                g.output(&format!("gradient{number} {i}"), gradient * 0.5);
            }
        }
    }),
];
