//! `check_numerics(true)` of programs: what made NaN or infinity, in the forward pass, in gradients, in updates, and where the
//! source asks for it; what is no alarm.

use kiln::graph::Stage;
use kiln::graph::interpret::Cause::{self, Given, Made, OfGiven};
use kiln::numerics::NonFinite;
use kiln::prelude::*;
use ndarray::{Array2, Array3, ArrayD};

const HERE: &str = include_str!("numerics.rs");
const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

model! {
    struct Forward { fc: Linear(3, 2) }

    eval log(x: [N, 3]) -> y { let y = x.log(); } // at log
    eval log2(x: [N, 3]) -> y { let y = x.log2(); } // at log2
    eval log1p(x: [N, 3]) -> y { let y = x.log1p(); } // at log1p
    eval sqrt(x: [N, 3]) -> y { let y = x.sqrt() * 2; } // at sqrt
    eval rsqrt(x: [N, 3]) -> y { let y = x.rsqrt().tanh() + x.rsqrt(); } // at rsqrt
    eval reciprocal(x: [N, 3]) -> y { let y = x.reciprocal(); } // at reciprocal
    eval divided(x: [N, 3]) -> y { let y = (x + 1) / x; } // at divided
    eval by_itself(x: [N, 3]) -> y { let y = (x * 2) / x; } // at by_itself
    eval exp(x: [N, 3]) -> y { let y = x.exp(); } // at exp
    eval expm1(x: [N, 3]) -> y { let y = x.expm1(); } // at expm1
    eval sinh(x: [N, 3]) -> y { let y = x.sinh(); } // at sinh
    eval cosh(x: [N, 3]) -> y { let y = x.cosh(); } // at cosh
    eval pow(x: [N, 3]) -> y { let y = x.pow(-1.5); } // at pow
    eval asin(x: [N, 3]) -> y { let y = x.asin(); } // at asin
    eval acos(x: [N, 3]) -> y { let y = x.acos(); } // at acos
    eval acosh(x: [N, 3]) -> y { let y = x.acosh(); } // at acosh
    eval atanh(x: [N, 3]) -> y { let y = (x * 0.5).atanh(); } // at atanh
    eval square(x: [N, 3]) -> y { let y = x.square(); } // at square
    eval sum(x: [N, 3]) -> y { let y = (x * 1e38).sum(1); } // at sum
    eval mean(x: [N, 3]) -> y { let y = (x * 1e38).mean(); } // at mean
    eval prod(x: [N, 3]) -> y { let y = (x * 1e20).prod(1); } // at prod
    eval matmul(x: [N, 3]) -> y { let y = x.matmul(x.t()); } // at matmul
    eval layer(x: [N, 3]) -> y { let y = fc(x); } // at layer
    eval in_a_loop(x: [N, 3]) -> y {
        let y = x;
        for i in 0..8 {
            y = y * y; // at in_a_loop
        }
    }
    eval in_two_lines(x: [N, 3]) -> y {
        let y = (x * x)
            .neg()
            .log(); // at in_two_lines
    }
    eval nothing_left(x: [N, 3]) -> y { let y = x.masked_fill(x.gt(0), f32::NEG_INFINITY).softmax(1); } // at nothing_left
    eval difference(x: [N, 3]) -> y { let y = x - x * 2; } // at difference
    eval first_of_two(x: [N, 3]) -> y {
        let vanishes = 1 / x.exp();
        let y = vanishes + (x - 100).log(); // at first_of_two
    }

    eval masked(x: [N, 3]) -> y { let y = x.masked_fill(x.gt(1), f32::NEG_INFINITY).softmax(1); }
    eval mask(x: [N, 3]) -> y { let y = x.masked_fill(x.gt(1), f32::NEG_INFINITY); }
    eval not_taken(x: [N, 3]) -> y { let y = where(x.gt(0), x.log(), x * 2); }
    eval vanishes(x: [N, 3]) -> y { let y = 1 / x.exp(); }
    eval passes(x: [N, 3]) -> y { let y = (x * 2).relu(); }
    eval causal(x: [N, 3]) -> y {
        let q = x.unsqueeze(2);
        let y = scaled_dot_product_attention(q, q, q, is_causal = true);
    }
    eval pooled(x: [N, 3]) -> y { let y = max_pool1d(x.unsqueeze(1), 2, padding = 1); }
}

/// The line and the column, from 1, of what stands `within` the line that is marked so.
fn place(marker: &str, within: &str) -> (u32, u32) {
    let mark = format!("// at {marker}");
    let (number, line) = HERE.lines().enumerate().find(|(_, line)| line.ends_with(&mark)).expect("a marker");
    let column = line.rfind(within).unwrap_or_else(|| panic!("`{within}` in {line}"));
    (number as u32 + 1, column as u32 + 1)
}

/// The report of a call, if it failed by one.
fn report<T>(result: Result<T, TrainError>) -> Option<NonFinite> {
    match result {
        Ok(_) => None,
        Err(TrainError::Numerics(report)) => Some(*report),
        Err(other) => panic!("{other}"),
    }
}

type Call<T> = fn(&mut T, &Array2<f32>) -> Result<(), TrainError>;

/// The operation, its cause, what was found, and the line with what stands there.
type Expected = Option<(&'static str, Cause, f32, (&'static str, &'static str))>;

fn check(name: &str, report: Option<NonFinite>, expected: Expected) -> Option<NonFinite> {
    let found = report.as_ref().map(|report| (report.operation, report.cause));
    assert_eq!(found, expected.map(|(operation, cause, ..)| (operation, cause)), "{name}: {report:?}");
    let (report, (_, _, number, (marker, within))) = (report?, expected?);
    assert!(report.found == number || report.found.is_nan() && number.is_nan(), "{name}: {report}");
    if !marker.is_empty() {
        let line = report.line.unwrap_or_else(|| panic!("{name} has no line: {report}"));
        assert_eq!((line.line, line.column), place(marker, within), "{name}: {report}");
        assert!(line.file.ends_with("numerics.rs"), "{report}");
    }
    // Products of constants are computed while compiling.
    assert!(report.kernel.is_some() || report.cause == Given || name == "scaled", "{name}: {report}");
    Some(report)
}

#[test]
fn forward_passes_name_the_operation_the_line_and_the_place() {
    let mut net = Forward::init(0);
    net.fc.weight.set(&Array2::<f32>::from_elem((2, 3), 1e20)).unwrap();
    let mut net = net.trainer().batch(4).threads(1).check_numerics(true).build().unwrap();
    macro_rules! cases {
        ($($name:ident $special:expr => $expected:expr;)*) => {
            [$((stringify!($name), (|net, x| net.$name(x).map(drop)) as Call<ForwardTrainer>, $special, $expected)),*]
        };
    }
    let cases: Vec<(&str, Call<ForwardTrainer>, f32, Expected)> = cases! {
        log 0.0 => Some(("log", Made, -INF, ("log", "log()")));
        log -1.0 => Some(("log", Made, NAN, ("log", "log()")));
        log 1e-40 => Some(("log", Made, -INF, ("log", "log()")));
        log2 0.0 => Some(("log", Made, -INF, ("log2", "log2()")));
        log1p -1.0 => Some(("log1p", Made, -INF, ("log1p", "log1p()")));
        sqrt -1.0 => Some(("sqrt", Made, NAN, ("sqrt", "sqrt()")));
        rsqrt 0.0 => Some(("rsqrt", Made, INF, ("rsqrt", "rsqrt();")));
        reciprocal 0.0 => Some(("reciprocal", Made, INF, ("reciprocal", "reciprocal()")));
        divided 0.0 => Some(("div", Made, INF, ("divided", "(x + 1) / x")));
        by_itself 0.0 => Some(("div", Made, NAN, ("by_itself", "(x * 2) / x")));
        exp 100.0 => Some(("exp", Made, INF, ("exp", "exp()")));
        expm1 100.0 => Some(("expm1", Made, INF, ("expm1", "expm1()")));
        sinh 100.0 => Some(("sinh", Made, INF, ("sinh", "sinh()")));
        cosh 100.0 => Some(("cosh", Made, INF, ("cosh", "cosh()")));
        pow 0.0 => Some(("pow", Made, INF, ("pow", "pow(-1.5)")));
        asin 2.0 => Some(("asin", Made, NAN, ("asin", "asin()")));
        acos 2.0 => Some(("acos", Made, NAN, ("acos", "acos()")));
        acosh 0.0 => Some(("acosh", Made, NAN, ("acosh", "acosh()")));
        atanh 2.0 => Some(("atanh", Made, INF, ("atanh", "atanh()")));
        square 1e30 => Some(("mul", Made, INF, ("square", "square()")));
        sum 3.0 => Some(("sum", Made, INF, ("sum", "sum(1)")));
        mean 1.0 => Some(("sum", Made, INF, ("mean", "mean()")));
        prod 1.0 => Some(("prod", Made, INF, ("prod", "prod(1)")));
        matmul 1e30 => Some(("matmul", Made, INF, ("matmul", "matmul(x.t())")));
        layer 1e30 => Some(("matmul", Made, INF, ("layer", "fc(x)")));
        in_a_loop 1e10 => Some(("mul", Made, INF, ("in_a_loop", "y * y")));
        in_two_lines 1.0 => Some(("log", Made, NAN, ("in_two_lines", "log()")));
        nothing_left 1.0 => Some(("sub", OfGiven, NAN, ("nothing_left", "softmax")));
        difference INF => Some(("sub", OfGiven, NAN, ("difference", "x - x * 2")));
        first_of_two 100.0 => Some(("log", Made, NAN, ("first_of_two", "log()")));
        log NAN => Some(("input", Given, NAN, ("", "")));
        masked 2.0 => None;
        mask 2.0 => None;
        mask 2.0 => None;
        not_taken 0.0 => None;
        vanishes 100.0 => None;
        passes INF => None;
        causal 2.0 => None;
        pooled 2.0 => None;
    }
    .into();
    for (name, call, special, expected) in cases {
        let mut x = Array2::<f32>::ones((4, 3));
        x[[1, 2]] = special;
        let report = check(name, report(call(&mut net, &x)), expected);
        let elementwise = ["log", "sqrt", "exp", "divided", "by_itself", "difference"];
        if let Some(report) = report.filter(|_| elementwise.contains(&name)) {
            assert_eq!((report.stage, report.index.as_slice(), report.sample), (Stage::Forward, &[1, 2][..], Some(1)));
            let there = report.operands.last().and_then(|operand| operand.there);
            let flushed = if special.is_normal() || special == INF { special } else { 0.0 };
            let expected = if name == "difference" { INF } else { flushed };
            assert!(special.is_nan() || there == Some(expected), "{report}");
        }
    }
}

model! {
    struct Backward { fc: Linear(3, 2), bn: BatchNorm1d(2, affine = false), opt: Sgd(fc, lr = 0.1) }

    step root(x: [N, 3]) -> loss {
        let loss = fc(x).abs().sqrt().sum(); // at root
        opt.minimize(loss);
    }
    step norm(x: [N, 3]) -> loss {
        let loss = fc(x).square().sum(1).sqrt().sum(); // at norm
        opt.minimize(loss);
    }
    step not_taken(x: [N, 3]) -> loss {
        let y = fc(x);
        let loss = where(y.gt(0), y.log(), y).sum(); // at not_taken
        opt.minimize(loss);
    }
    step arc(x: [N, 3]) -> loss {
        let loss = (fc(x) + 1).acos().sum(); // at arc
        opt.minimize(loss);
    }
    step scaled(x: [N, 3]) -> loss {
        let loss = (fc(x) * 1e30 * 1e30).sum(); // at scaled
        opt.minimize(loss);
    }
    step masked(x: [N, 3]) -> loss {
        let scores = fc(x);
        let loss = scores.masked_fill(x.narrow(1, 0, 2).gt(1), f32::NEG_INFINITY).softmax(1).square().sum();
        opt.minimize(loss);
    }
    step normalized(x: [N, 3]) -> loss {
        let loss = bn(x.narrow(1, 0, 2) * 1e30).square().sum(); // at normalized
        let loss = loss + fc(x).sum();
        opt.minimize(loss);
    }
    step by_hand(x: [N, 3]) -> loss {
        let y = fc(x).abs();
        let z = y.sqrt().sum();
        let slope = grad(z, y); // at by_hand
        let loss = (slope * 2).sum() + fc(x).sum();
        opt.minimize(loss);
    }
}

#[test]
fn gradients_name_the_operation_whose_gradient_they_are() {
    let mut net = Backward::init(0);
    net.fc.weight.set(&Array2::<f32>::zeros((2, 3))).unwrap();
    net.fc.bias.set(&ndarray::Array1::<f32>::zeros(2)).unwrap();
    let mut net = net.trainer().batch(4).threads(1).check_numerics(true).build().unwrap();
    let mut x = Array2::<f32>::ones((4, 3));
    for (row, mut of) in x.rows_mut().into_iter().enumerate() {
        of[0] = row as f32;
    }
    let of = |report: &NonFinite| (report.stage, report.gradient_of.unwrap_or_default());
    let back = Stage::Backward;
    type Case = (&'static str, Call<BackwardTrainer>, Expected, (Stage, &'static str));
    let cases: Vec<Case> = vec![
        ("root", |net, x| net.root(x).map(drop), Some(("div", Made, INF, ("root", "sqrt()"))), (back, "sqrt")),
        ("norm", |net, x| net.norm(x).map(drop), Some(("div", Made, INF, ("norm", "sqrt()"))), (back, "sqrt")),
        (
            "not_taken",
            |net, x| net.not_taken(x).map(drop),
            Some(("div", Made, NAN, ("not_taken", "log()"))),
            (back, "log"),
        ),
        ("arc", |net, x| net.arc(x).map(drop), Some(("rsqrt", Made, INF, ("arc", "acos()"))), (back, "acos")),
        (
            "scaled",
            |net, x| net.scaled(x).map(drop),
            Some(("mul", Made, INF, ("scaled", "fc(x) * 1e30 * 1e30"))),
            (back, "mul"),
        ),
        ("masked", |net, x| net.masked(x).map(drop), None, (back, "")),
        (
            "normalized",
            |net, x| net.normalized(x).map(drop),
            Some(("mul", Made, INF, ("normalized", "bn("))),
            (Stage::Forward, ""),
        ),
        ("by_hand", |net, x| net.by_hand(x).map(drop), Some(("div", Made, INF, ("by_hand", ""))), (back, "sqrt")),
    ];
    for (name, call, expected, stage) in cases {
        let before = net.model().fc.weight.clone();
        let expected = match expected {
            // Of a gradient asked for by `grad` the line is that of the operation.
            Some((operation, cause, found, (_, ""))) => Some((operation, cause, found, ("", ""))),
            other => other,
        };
        let report = check(name, report(call(&mut net, &x)), expected);
        if let Some(report) = report {
            assert_eq!(of(&report), stage, "{name}: {report}");
            assert!(!report.advice.is_empty(), "{name}: {report}");
            assert_eq!(net.model().fc.weight.value, before.value, "{name}");
            if name == "not_taken" {
                assert!(report.to_string().contains("`where` computes both branches"), "{report}");
            }
        }
    }
}

model! {
    struct Update {
        fc: Linear(3, 2),
        sgd: Sgd(fc, lr = 1e38),
        momentum: Sgd(fc, lr = 1e38, momentum = 0.9),
        adam: Adam(fc, eps = 0.0),
        adamw: AdamW(fc, eps = 0.0, amsgrad = true),
        adamax: Adamax(fc, eps = 0.0),
        nadam: NAdam(fc, eps = 0.0),
        adagrad: Adagrad(fc, eps = 0.0),
        adadelta: Adadelta(fc, eps = 0.0),
        rmsprop: RMSprop(fc, eps = 0.0),
        clipped: Sgd(fc, lr = 0.1, clip_grad_norm = 1.0),
        averaged: Sgd(fc, lr = 1e38, ema = 0.5),
    }

    step sgd_step(x: [N, 3]) -> loss { let loss = (fc(x) * 1e10).sum(); sgd.minimize(loss); } // at sgd_step
    step momentum_step(x: [N, 3]) -> loss { let loss = (fc(x) * 1e10).sum(); momentum.minimize(loss); } // at momentum_step
    step adam_step(x: [N, 3]) -> loss { let loss = (fc(x) * 0).sum(); adam.minimize(loss); } // at adam_step
    step adamw_step(x: [N, 3]) -> loss { let loss = (fc(x) * 0).sum(); adamw.minimize(loss); } // at adamw_step
    step adamax_step(x: [N, 3]) -> loss { let loss = (fc(x) * 0).sum(); adamax.minimize(loss); } // at adamax_step
    step nadam_step(x: [N, 3]) -> loss { let loss = (fc(x) * 0).sum(); nadam.minimize(loss); } // at nadam_step
    step adagrad_step(x: [N, 3]) -> loss { let loss = (fc(x) * 0).sum(); adagrad.minimize(loss); } // at adagrad_step
    step adadelta_step(x: [N, 3]) -> loss { let loss = (fc(x) * 0).sum(); adadelta.minimize(loss); } // at adadelta_step
    step rmsprop_step(x: [N, 3]) -> loss { let loss = (fc(x) * 0).sum(); rmsprop.minimize(loss); } // at rmsprop_step
    step averaged_step(x: [N, 3]) -> loss { let loss = (fc(x) * 1e10).sum(); averaged.minimize(loss); } // at averaged_step
    step clipped_step(x: [N, 3]) -> loss { let loss = (fc(x) * 1e30).sum(); clipped.minimize(loss); }
}

#[test]
fn updates_name_the_optimizer_and_the_parameter() {
    for threads in [1, 2] {
        let net = Update::init(0).trainer().batch(4).threads(threads).check_numerics(true);
        let mut net = net.build().unwrap();
        let before = net.model().fc.weight.clone();
        macro_rules! cases {
            ($($step:ident $name:ident $operation:literal $found:expr;)*) => {
                [$((stringify!($step), (|net, x| net.$step(x).map(drop)) as Call<UpdateTrainer>,
                    "loss);", stringify!($name), $operation, $found)),*]
            };
        }
        let cases = cases! {
            sgd_step Sgd "mul" INF;
            momentum_step Sgd "mul" INF;
            adam_step Adam "div" NAN;
            adamw_step AdamW "div" NAN;
            adamax_step Adamax "div" NAN;
            nadam_step NAdam "div" NAN;
            adagrad_step Adagrad "div" NAN;
            adadelta_step Adadelta "div" NAN;
            rmsprop_step RMSprop "div" NAN;
            averaged_step Sgd "mul" INF;
        };
        let x = Array2::<f32>::ones((4, 3));
        for (name, call, field, optimizer, operation, found) in cases {
            let expected = Some((operation, Made, found, (name, field)));
            let report = check(name, report(call(&mut net, &x)), expected).expect("all of these fail");
            assert_eq!((report.stage, report.function), (Stage::Update, optimizer), "{name}: {report}");
            assert!(report.parameter.as_deref().is_some_and(|name| name.contains("fc.")), "{name}: {report}");
            assert_eq!(net.model().fc.weight.value, before.value, "{name}");
        }
        // The norm is infinite, and so the gradients count as 0.
        assert!(net.clipped_step(&x).is_ok());
    }
}

model! {
    struct Sequences {
        rnn: RNN(3, 4, nonlinearity = "relu", batch_first = true),
        opt: Sgd(rnn, lr = 0.1),
    }

    step grows(x: [N, 6, 3]) -> loss {
        let (y, _) = rnn(x); // at grows
        let loss = y.square().sum();
        opt.minimize(loss);
    }
}

model! {
    struct Looking {
        lstm: LSTM(3, 4, batch_first = true),
        attn: MultiheadAttention(4, 2, batch_first = true),
    }

    eval remembers(x: [N, 6, 3]) -> y {
        let (h, _) = lstm(x);
        let y = (h - h).sum(1).log(); // at remembers
    }
    eval looks(x: [N, 4, 4]) -> y {
        let (y, _) = attn(x, x, x); // at looks
    }
    eval looks_back(x: [N, 4, 4]) -> y {
        let mask = ones([4, 4]).triu(diagonal = 1).gt(0);
        let (y, _) = attn(x, x, x, attn_mask = mask);
    }
    eval looks_nowhere(x: [N, 4, 4]) -> y {
        let mask = ones([4, 4]).gt(0);
        let (y, _) = attn(x, x, x, attn_mask = mask);
    }
}

#[test]
fn loops_and_attention_name_the_layer() {
    let mut net = Sequences::init(3);
    net.each_parameter_mut(&mut |name, parameter| {
        if name.starts_with("rnn.weight") {
            parameter.set(&ArrayD::<f32>::from_elem(parameter.shape().dims(), 1e12)).unwrap();
        }
    });
    let mut net = net.trainer().batch(2).threads(1).check_numerics(true).build().unwrap();
    let x = Array3::<f32>::ones((2, 6, 3));
    let grows = check("grows", report(net.grows(&x)), Some(("matmul", Made, INF, ("grows", "rnn(x)")))).unwrap();
    assert_eq!(grows.layer, "rnn");
    assert!(grows.step.is_some(), "{grows}");
    let mut net = Looking::init(3).trainer().batch(2).threads(1).check_numerics(true).build().unwrap();
    check("remembers", report(net.remembers(&x)), Some(("log", Made, -INF, ("remembers", "log()"))));
    let x = Array3::<f32>::ones((2, 4, 4));
    let looks = check("looks", report(net.looks(&(&x * 1e30))), Some(("matmul", Made, INF, ("looks", "attn(x"))));
    assert!(looks.is_some_and(|report| report.layer.starts_with("attn")));
    check("looks_back", report(net.looks_back(&x)), None);
    // As in PyTorch, attention of nothing is 0.
    check("looks_nowhere", report(net.looks_nowhere(&x)), None);
}
