//! A training step allocates nothing once its batch size was seen, many batch sizes take no more memory than the largest, and
//! readers of files no more than in proportion to the files. In a program of its own: it counts with the program's allocator, and
//! other tests would be counted too.

#[path = "allocation/files.rs"]
mod files;
#[path = "allocation/fit.rs"]
mod fit;
#[path = "common/folder.rs"]
mod folder;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use kiln::prelude::*;
use ndarray::{Array1, Array2, Array4};

/// The system's allocator, which counts.
struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are allocated and not given back.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// The most bytes that were so at once.
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The bytes that a call had allocated at once, at most.
fn peak(call: impl FnOnce()) -> usize {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    call();
    PEAK.load(Ordering::Relaxed) - before
}

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        let live = LIVE.fetch_add(size, Ordering::Relaxed) + size;
        PEAK.fetch_max(live, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Model)]
#[model(input = [1, 12, 12])]
struct Net {
    conv: Conv2d<1, 8, 5>,
    act: ReLU,
    pool: MaxPool2d<2>,
    flatten: Flatten,
    fc: Linear<128, 10>,
}

#[derive(Model)]
#[model(input = [8])]
struct Small {
    fc: Linear<8, 16>,
    norm: BatchNorm1d<16>,
    act: Tanh,
    out: Linear<16, 4>,
}

model! {
    struct Described {
        fc: Linear(3, 2),
        table: Embedding(5, 2),
    }

    fn forward(image: [N, 3], word: [N; i32]) -> [N, 2] {
        fc(image) + table(word)
    }
}

model! {
    struct Several {
        fc: Linear(3, 4),
        place: Linear(3, 2),
        opt: Sgd((fc, place), lr = 0.1),
    }

    fn forward(image: [N, 3], mask: [N, 3; bool]) -> ([N, 4], [N, 2]) {
        let x = image.masked_fill(mask, 0.0);
        (fc(x), place(x))
    }

    step fit(image: [N, 3], mask: [N, 3; bool], labels: [N; i32], places: [N, 2]) -> (loss, far) {
        let (scores, place) = self(image, mask);
        let far = mse(place, places);
        let loss = cross_entropy(scores, labels) + far;
        opt.minimize(loss);
    }
}

model! {
    struct Sequences {
        gru: GRU(2, 32, batch_first = true),
        fc: Linear(32, 3),
    }

    fn forward(x: [N, 20, 2]) -> [N, 3] {
        let (_, h) = gru(x);
        fc(h.squeeze(0))
    }
}

model! {
    struct Words {
        table: Embedding(7, 4),
        gru: GRU(4, 4, batch_first = true),
        fc: Linear(4, 7),
        opt: Adam((table, gru, fc)),
    }

    fn forward(words: [N, T; i32]) -> [N, T, 7] {
        let (y, _) = gru(table(words));
        fc(y)
    }

    step fit(words: [N, T; i32], next: [N, T; i32]) -> loss {
        let loss = cross_entropy(self(words).transpose(1, 2), next);
        opt.minimize(loss);
    }
}

model! {
    struct Pair {
        first: Small,
        second: Linear(4, 3),
        opt: Adam(first),
        other: Sgd(second, momentum = 0.9),
    }

    step update(x: [N, 8], labels: [N; i32]) -> (loss, penalty) {
        let features = first(x);
        let loss = cross_entropy(second(features), labels);
        let penalty = grad(loss, features).square().mean();
        opt.minimize(loss + penalty);
        other.minimize(loss);
    }
}

model! {
    struct Scheduled {
        first: Linear(8, 4),
        second: Linear(4, 3),
        opt: Adam(first, clip_grad_norm = 1.0, accumulate = 2, schedule = CyclicLR::new(1e-4, 1e-3).step_size_up(3)),
        other: Sgd(second, momentum = 0.9, ema = 0.9, schedule = ReduceLROnPlateau::new()),
    }

    step update(x: [N, 8], y: [N, 3]) -> loss {
        let loss = mse(second(first(x)), y);
        opt.minimize(loss);
        other.minimize(loss);
    }
}

model! {
    struct Target {
        online: Sequential { fc: Linear(8, 3), norm: BatchNorm1d(3) },
        target: Sequential { fc: Linear(8, 3), norm: BatchNorm1d(3) },
        opt: Adam(online),
    }

    step update(x: [N, 8], y: [N, 3]) -> loss {
        let loss = mse(online.norm(online.fc(x)), y + target.norm(target.fc(x)).detach());
        opt.minimize(loss);
        target.lerp_from(online, 0.01);
    }

    step copy() {
        target.copy_from(online);
    }
}

/// Parts that take the values of others.
fn check_transfers() {
    let mut trainer = Target::init(1).trainer().batch(4).threads(1).build().unwrap();
    let (x, y) = (ndarray::Array2::from_shape_fn((4, 8), |(i, j)| (i * j) as f32), ndarray::Array2::ones((4, 3)));
    let mut steps = |count| {
        for _ in 0..count {
            trainer.update(&x, &y).unwrap();
            trainer.copy().unwrap();
        }
    };
    steps(1);
    let before = COUNT.load(Ordering::Relaxed);
    steps(20);
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "with copies");
}

/// Rates that change from step to step.
fn check_schedules() {
    let mut trainer = Scheduled::init(1).trainer().batch(4).threads(1).build().unwrap();
    let (x, y) = (ndarray::Array2::ones((4, 8)), ndarray::Array2::ones((4, 3)));
    let mut steps = |count| {
        for _ in 0..count {
            trainer.update(&x, &y).unwrap();
            trainer.report_metric("other", 1.0).unwrap();
        }
    };
    steps(1);
    let before = COUNT.load(Ordering::Relaxed);
    steps(20);
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "with schedules");
}

/// The programs of a model, of two batch sizes.
fn check_programs(threads: usize) {
    let mut pair = Pair::init(1).trainer().batch(16).threads(threads).check_finite(true).build().unwrap();
    let x = ndarray::Array2::from_shape_fn((16, 8), |(i, j)| ((i * 8 + j) as f32).sin());
    let labels: Vec<i64> = (0..16).map(|n| n % 3).collect();
    let small = x.slice(ndarray::s![..5, ..]);
    let mut steps = |count| {
        for _ in 0..count {
            pair.update(&x, &labels).unwrap();
            pair.update(&small, &labels[..5]).unwrap();
        }
    };
    steps(1);
    let before = COUNT.load(Ordering::Relaxed);
    steps(10);
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "programs with {threads} threads");
}

/// A step of several shards on one rank, and what is added up over them by the thread beside, for which the trainer's waits
/// where other work has the processors.
fn check_shards(wire: Precision) {
    let world = kiln::distributed::World::of_threads(1).remove(0);
    let trainer = Trainer::new(Small::init(1), cross_entropy(), Adam::default()).batch(12).threads(1);
    let mut trainer = trainer.distributed(&world).shards(3).wire(wire).build().unwrap();
    let x = Array2::from_shape_fn((12, 8), |(i, j)| ((i * 8 + j) as f32).sin());
    let y: Array1<i64> = (0..12).map(|n| n % 4).collect();
    trainer.step(&x, &y).unwrap();
    let others = 4 * thread::available_parallelism().map_or(1, usize::from);
    let (begun, is_done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let busy = || {
            begun.fetch_add(1, Ordering::Relaxed);
            while !is_done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        (0..others).for_each(|_| drop(scope.spawn(busy)));
        while begun.load(Ordering::Relaxed) < others {
            thread::yield_now();
        }
        let before = COUNT.load(Ordering::Relaxed);
        for _ in 0..10 {
            trainer.step(&x, &y).unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "shards with {wire:?} on the wire");
    });
}

/// A step with loops; of 24 rows, through which threads go by parts.
fn check_loops(batch: usize, threads: usize) {
    let trainer = Trainer::new(Sequences::init(1), cross_entropy(), Adam::default());
    let mut trainer = trainer.batch(batch).threads(threads).build().unwrap();
    let x = ndarray::Array3::from_shape_fn((batch, 20, 2), |(n, t, i)| ((n * 12 + t * 2 + i) as f32).sin());
    let y: Array1<i64> = (0..batch as i64).map(|n| n % 3).collect();
    trainer.step(&x, &y).unwrap();
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..10 {
        trainer.step(&x, &y).unwrap();
    }
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "loops over {batch} rows with {threads} threads");
}

/// Several inputs, one of them indices.
fn check_inputs(threads: usize) {
    let model = Trainer::new(Described::init(1), mse(), Adam::default()).batch(4).threads(threads);
    let mut trainer = model.build().unwrap();
    let (image, word, y) = (Array2::<f32>::ones((4, 3)), Array1::<i32>::ones(4), Array2::<f32>::zeros((4, 2)));
    trainer.step((&image, &word), &y).unwrap();
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..10 {
        trainer.step((&image, &word), &y).unwrap();
    }
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "several inputs with {threads} threads");
}

/// Several inputs and outputs, each output with its targets: tuples of arrays, and a step that takes them one by one.
fn check_tuples(threads: usize) {
    let losses = (cross_entropy(), mse().weighted(0.5));
    let mut trainer =
        Trainer::new(Several::init(1), losses, Adam::default()).batch(4).threads(threads).build().unwrap();
    let mut fitting = Several::init(1).trainer().batch(4).threads(threads).build().unwrap();
    let x = (Array2::<f32>::ones((4, 3)), Array2::from_shape_fn((4, 3), |(row, column)| row == column));
    let y = (Array1::from_vec(vec![0u8, 3, 1, 2]), Array2::<f32>::zeros((4, 2)));
    let mut steps = |count| {
        for _ in 0..count {
            trainer.step(&x, &y).unwrap();
            trainer.step((&x.0, &x.1), (&y.0, &y.1)).unwrap();
            fitting.fit(&x.0, &x.1, &y.0, &y.1).unwrap();
        }
    };
    steps(1);
    let before = COUNT.load(Ordering::Relaxed);
    steps(10);
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "tuples with {threads} threads");
}

/// Loading augmented images. When a worker makes its first batch the system decides, so that all of an epoch's allocations are
/// counted: they do not grow with the number of batches.
fn check_loader(workers: usize) {
    use kiln::data::augment::{ColorJitter, Crop, Flip, Normalize};

    let x = Array4::from_shape_fn((48, 3, 6, 6), |(n, c, y, x)| ((n * 108 + c * 36 + y * 6 + x) as f32).sin());
    let data = Dataset::new(x.into_dyn(), Array1::from_iter(0..48i32)).unwrap();
    let doubled = data.clone().take(40).concat(data.skip(8).cache());
    let steps = (
        Flip::horizontal(0.5),
        Crop::new(6).padding(1),
        ColorJitter::new().brightness(0.1),
        Normalize::new([0.5; 3], [0.2; 3]),
    );
    let loader = Loader::new(doubled.augment(steps)).batch(4).shuffle(1).workers(workers);
    // All is in the cache.
    loader.epoch(0).for_each(drop);
    let before = COUNT.load(Ordering::Relaxed);
    let mut epoch = loader.epoch(1);
    assert!(epoch.by_ref().take(2).all(|batch| batch.is_ok()));
    let first = COUNT.load(Ordering::Relaxed);
    assert_eq!(epoch.map(|batch| batch.unwrap().1.len()).sum::<usize>(), 72);
    let (all, later) = (COUNT.load(Ordering::Relaxed) - before, COUNT.load(Ordering::Relaxed) - first);
    if workers == 0 {
        assert_eq!(later, 0, "batches without workers");
    }
    assert!(all <= 10 + 30 * workers, "{all} allocations with {workers} workers");
}

/// Lengths that change from step to step.
fn check_lengths(threads: usize) {
    let words = |t| Array2::from_shape_fn((4, t), |(n, t)| ((n + 2 * t) % 7) as i32);
    let (lengths, targets): (Vec<_>, Vec<_>) =
        [5, 9, 3].map(|t| (words(t), ndarray::Array3::<f32>::zeros((4, t, 7)))).into_iter().unzip();
    let mut trainer =
        Trainer::new(Words::init(1), mse(), Adam::default()).batch(4).extent("T", 5).threads(threads).build().unwrap();
    let mut fitting = Words::init(1).trainer().batch(4).extent("T", 9).threads(threads).build().unwrap();
    let mut steps = |count| {
        for _ in 0..count {
            for (words, targets) in lengths.iter().zip(&targets) {
                trainer.step(words, targets).unwrap();
                fitting.fit(words, words).unwrap();
            }
        }
    };
    steps(1);
    let before = COUNT.load(Ordering::Relaxed);
    steps(5);
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "lengths with {threads} threads");
}

/// What a debug build puts around the buffers of the programs of other sizes, which may be 16: three pages.
const GUARD_PAGES: usize = if cfg!(debug_assertions) { 16 * 3 * 4096 } else { 0 };

/// What calls of other sizes take, compared with what the model takes after a call of the largest.
fn check_sizes(what: &str, largest: usize, mut call: impl FnMut(usize)) {
    call(largest);
    let alone = LIVE.load(Ordering::Relaxed);
    let ascending = (1..largest).step_by(largest / 10);
    let mixed = (1..largest).step_by(largest / 8).map(|n| 1 + n * 29 % largest);
    let mut counts: Vec<usize> = ascending.clone().chain(ascending.rev()).chain(mixed).collect();
    counts.push(largest);
    for rows in counts {
        call(rows);
        let live = LIVE.load(Ordering::Relaxed).saturating_sub(GUARD_PAGES);
        assert!(live * 10 < alone * 12, "{what}: {live} bytes with {rows} rows, {alone} with {largest} alone");
    }
}

/// Predictions into arrays that are there, by several threads at once: they allocate nothing, and all memory is that which was
/// planned.
fn check_predictions(threads: usize) {
    const CALLERS: usize = 8;
    let x = Array4::from_shape_fn((32, 1, 12, 12), |(n, _, y, x)| ((n * 144 + y * 12 + x) as f32).sin());
    let (small, words) = (x.slice(ndarray::s![..20, .., .., ..]), Array2::<i32>::ones((4, 9)));
    let predictor = Predictor::new(Net::init(1)).batch(32).threads(threads).concurrent_calls(CALLERS).build().unwrap();
    let lengths = Predictor::new(Words::init(1)).batch(4).extent("T", 9).threads(threads).build().unwrap();
    let ready = LIVE.load(Ordering::Relaxed);
    let (arena, mut counts) = (predictor.cached_programs().bytes(), [0; 2]);
    let barrier = std::sync::Barrier::new(CALLERS);
    std::thread::scope(|scope| {
        let calling = |_| {
            scope.spawn(|| {
                let mut out = [32, 20].map(|rows| ndarray::ArrayD::<f32>::zeros(vec![rows, 10]));
                let mut tagged = ndarray::ArrayD::<f32>::zeros(vec![4, 9, 7]);
                let mut call = || {
                    predictor.predict_into(&x, &mut out[0]).unwrap();
                    predictor.predict_into(&small, &mut out[1]).unwrap();
                    lengths.predict_into(&words, &mut tagged).unwrap();
                };
                let mut calls = |count| {
                    barrier.wait();
                    (0..count).for_each(|_| call());
                    barrier.wait();
                    COUNT.load(Ordering::Relaxed)
                };
                calls(1);
                [calls(20), calls(20)]
            })
        };
        // The first round makes forks and arenas; so does the second, where more calls come at once.
        for caller in (0..CALLERS).map(calling).collect::<Vec<_>>() {
            counts = caller.join().unwrap();
        }
    });
    // As many calls as ever came at once have what they need.
    assert!(counts[1] - counts[0] <= 4 * CALLERS, "{counts:?} allocations by {CALLERS} callers, {threads} threads");
    let grown = LIVE.load(Ordering::Relaxed) - ready;
    let report = predictor.cached_programs();
    let (planned, tables) = (report.bytes() - arena, CALLERS * 3 * (8 << 10) + (256 << 10));
    assert!(report.arenas <= CALLERS && grown <= planned + tables, "{grown} bytes, {planned} planned: {report}");
    let mut out = ndarray::ArrayD::<f32>::zeros(vec![32, 10]);
    let before = COUNT.load(Ordering::Relaxed);
    for _ in 0..10 {
        predictor.predict_into(&x, &mut out).unwrap();
    }
    assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "predictions with {threads} threads");
}

/// Programs that are compiled, run and dropped again and again leave nothing behind: neither what is counted here, nor the pages
/// of their code. (`cargo bench --bench memory` does it ten thousand times.)
fn check_repeated() {
    let code = || std::fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count());
    let (x, y) = (Array4::<f32>::ones((4, 1, 12, 12)), vec![0; 4]);
    let lengths = Predictor::new(Words::init(1)).batch(2).extent("T", 2).cached_programs(1).threads(1).build().unwrap();
    let turn = |number: usize| {
        let trainer = Trainer::new(Net::init(1), cross_entropy(), Adam::default()).batch(4).threads(1);
        trainer.build().unwrap().step(&x, &y).unwrap();
        lengths.predict(&Array2::<i32>::ones((2, 3 + number % 2))).unwrap();
    };
    (0..4).for_each(turn);
    let (live, pages) = (LIVE.load(Ordering::Relaxed), code());
    (0..10).for_each(turn);
    let (grown, mapped) = (LIVE.load(Ordering::Relaxed).saturating_sub(live), code().saturating_sub(pages));
    assert!(grown <= 1024 && mapped <= 4, "{grown} bytes and {mapped} mappings more after 10 programs of each kind");
}

/// A program keeps little beside its memory: what kernels compute goes when there is code for it.
fn check_kept() {
    let build = || Trainer::new(Net::init(1), cross_entropy(), Adam::default()).batch(32).threads(1).build().unwrap();
    // What the process keeps once, for all programs.
    drop(build());
    let before = LIVE.load(Ordering::Relaxed);
    let trainer = build();
    let (plan, kept) = (trainer.plan(), LIVE.load(Ordering::Relaxed) - before);
    // What a debug build puts around each buffer: three pages.
    let guards = if cfg!(debug_assertions) { 3 * 4096 * (plan.inputs.len() + 1) } else { 0 };
    let beside = kept.saturating_sub(plan.peak_bytes() + guards);
    // With their bodies kernels took 20 to 40 KB each.
    assert!(beside <= 8192 * plan.kernels.len(), "{beside} bytes for {} kernels", plan.kernels.len());
}

fn check_all_sizes() {
    let images = |rows| Array4::<f32>::ones((rows, 1, 12, 12));
    let model = || Net::init(1);
    let trainer = || Trainer::new(model(), cross_entropy(), Adam::default()).batch(512).threads(1).build().unwrap();
    let predictor = Predictor::new(model()).batch(512).threads(1).build().unwrap();
    check_sizes("predict", 512, |rows| {
        predictor.predict(&images(rows)).unwrap();
    });
    drop(predictor);
    let mut training = trainer();
    check_sizes("step", 512, |rows| {
        training.step(&images(rows), &vec![0; rows]).unwrap();
    });
    drop(training);
    let mut evaluating = trainer();
    check_sizes("evaluate", 512, |rows| {
        evaluating.evaluate(&images(rows), &vec![0; rows]).unwrap();
    });
    drop(evaluating);
    let tagging = Predictor::new(Words::init(1)).batch(64).cached_programs(4).threads(1).build().unwrap();
    check_sizes("lengths", 512, |length| {
        tagging.predict(&Array2::<i32>::ones((64, length))).unwrap();
    });
    drop(tagging);
    let mut pair = Pair::init(1).trainer().batch(4096).threads(1).build().unwrap();
    let x = |rows| ndarray::Array2::<f32>::ones((rows, 8));
    check_sizes("steps", 4096, |rows| {
        let rows = rows.max(2);
        pair.update(&x(rows), &vec![0; rows]).unwrap();
    });
}

#[test]
fn a_step_allocates_nothing_and_sizes_share_their_memory() {
    files::check();
    check_repeated();
    check_kept();
    check_all_sizes();
    check_schedules();
    check_shards(Precision::F32);
    check_shards(Precision::Bf16);
    check_transfers();
    fit::check();
    (0..3).for_each(check_loader);
    for threads in [1, 2] {
        check_predictions(threads);
        check_programs(threads);
        check_loops(5, threads);
        check_loops(24, threads);
        check_inputs(threads);
        check_tuples(threads);
        check_lengths(threads);
        let mut trainer = Trainer::new(Net::init(1), cross_entropy(), Adam::default())
            .batch(32)
            .threads(threads)
            .check_finite(true)
            .build()
            .unwrap();
        let x = Array4::from_shape_fn((32, 1, 12, 12), |(n, _, y, x)| ((n * 144 + y * 12 + x) as f32).sin());
        let y: Array1<i64> = (0..32).map(|n| n % 10).collect();
        let (small_x, small_y) = (x.slice(ndarray::s![..20, .., .., ..]), y.slice(ndarray::s![..20]));
        trainer.step(&x, &y).unwrap();
        trainer.step(&small_x, &small_y).unwrap();

        let before = COUNT.load(Ordering::Relaxed);
        for _ in 0..10 {
            trainer.step(&x, &y).unwrap();
            trainer.step(&small_x, &small_y).unwrap();
            trainer.set_learning_rate(1e-3).unwrap();
        }
        assert_eq!(COUNT.load(Ordering::Relaxed) - before, 0, "with {threads} threads");
    }
}
