//! Loaders: the same batches for any number of workers, errors and panics in sources, positions, what is made in
//! advance.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use kiln::data::augment::{Crop, Flip, GaussianNoise};
use kiln::data::{
    BatchOf, DataError, Epoch, Loader, Position, Random, Sampler, Source, SourceExt, WeightedRandomSampler, source,
};
use kiln::prelude::*;
use ndarray::{Array1, Array3, array};

/// How many workers, and how many batches each makes in advance.
const WORKERS: [(usize, usize); 6] = [(0, 2), (1, 1), (1, 4), (2, 1), (2, 2), (5, 3)];

/// Images of a few pixels; image `i` begins with `i`.
fn images(count: usize) -> impl Source<Input = Array3<f32>, Target = i32> + Clone + 'static {
    source(count, |index| {
        (Array3::from_shape_fn((2, 4, 3), |(c, y, x)| (index + c * 12 + y * 3 + x) as f32 / 255.0), index as i32)
    })
}

fn collect<S: Source + 'static>(batches: Epoch<S>) -> Vec<BatchOf<S>> {
    batches.map(Result::unwrap).collect()
}

#[test]
fn batches_are_the_same_for_any_number_of_workers() {
    let augmented =
        images(53).augment((Flip::horizontal(0.5), Crop::new(4).padding(1), GaussianNoise::new(0.1))).seed(3);
    let sampler = WeightedRandomSampler::new(&[1.0; 53], 40, 2).unwrap();
    let make = |workers, prefetch| {
        let loader = Loader::new(augmented.clone()).batch(8).workers(workers).prefetch(prefetch);
        [
            loader.clone(),
            loader.clone().shuffle(1),
            loader.clone().shuffle(1).drop_last(),
            loader.sampler(sampler.clone()),
        ]
    };
    for epoch in [0, 1, 1 << 33] {
        let expected = make(0, 2).map(|loader| collect(loader.epoch(epoch)));
        assert_eq!(expected.each_ref().map(Vec::len), [7, 7, 6, 5]);
        assert_eq!(expected.each_ref().map(|batches| batches.last().unwrap().1.len()), [5, 5, 8, 8]);
        for (workers, prefetch) in WORKERS {
            for (loader, expected) in make(workers, prefetch).iter().zip(&expected) {
                assert_eq!(loader.len(), expected.len());
                assert!(collect(loader.epoch(epoch)) == *expected, "{workers} workers, {prefetch} in advance");
            }
        }
    }
    // Another epoch, another order and other random numbers.
    let [ordered, shuffled, ..] = make(2, 2);
    let epochs = |loader: &Loader<_>| [0, 1].map(|epoch| collect(loader.epoch(epoch)));
    let [first, second] = epochs(&ordered);
    assert!(first[0].1 == second[0].1 && first[0].0 != second[0].0);
    let [first, second] = epochs(&shuffled);
    assert!(first[0].1 != second[0].1);
}

/// A sample that is drawn several times in an epoch is another one each time, for any number of workers.
#[test]
fn a_sample_drawn_twice_is_augmented_twice() {
    struct Thrice;
    impl Sampler for Thrice {
        fn count(&self, _: usize) -> usize {
            3
        }

        fn order(&self, _: usize, _: u64) -> Result<Vec<usize>, DataError> {
            Ok(vec![1, 1, 1])
        }
    }
    for workers in [0, 2] {
        let loader = Loader::new(images(2).augment(GaussianNoise::new(0.1))).sampler(Thrice).workers(workers);
        let batches = collect(loader.epoch(0));
        assert!(batches[0].0 != batches[1].0 && batches[1].0 != batches[2].0);
    }
}

#[test]
fn a_position_goes_on_where_it_was_taken() {
    for (workers, prefetch) in WORKERS {
        let reads = Arc::new(AtomicUsize::new(0));
        let counter = reads.clone();
        let counted = images(50).map(move |sample| {
            counter.fetch_add(1, Ordering::Relaxed);
            sample
        });
        let loader = Loader::new(counted).batch(4).shuffle(9).workers(workers).prefetch(prefetch);
        let all = collect(loader.epoch(3));
        for done in [0, 1, 7, 12, 13] {
            let mut epoch = loader.epoch(3);
            epoch.by_ref().take(done).for_each(drop);
            assert_eq!(epoch.position(), Position { epoch: 3, batch: done as u64 });
            assert_eq!(epoch.len(), 13 - done);

            reads.store(0, Ordering::Relaxed);
            let rest = loader.at(epoch.position());
            drop(epoch);
            reads.store(0, Ordering::Relaxed);
            assert!(collect(rest) == all[done..]);
            assert_eq!(reads.load(Ordering::Relaxed), 50 - (4 * done).min(50), "what is skipped is not read");
        }
        // Also in the middle of an epoch, back too.
        let mut epoch = loader.epoch(3);
        epoch.next();
        let mut epoch = epoch.skip_to(5);
        assert!(epoch.next().unwrap().unwrap() == all[5]);
        assert!(collect(epoch.skip_to(2)) == all[2..]);
        assert_eq!(loader.epoch(3).skip_to(99).count(), 0);
    }
}

#[derive(Model)]
#[model(input = [2, 4, 3])]
struct Net {
    flatten: Flatten,
    fc: Linear<24, 40>,
}

/// Samples 5 and 17 are bad ones: their batches are errors that name them, the others come; then all is as before.
#[test]
fn errors_and_panics_name_their_sample() {
    type Bad = fn() -> (Array3<f32>, i32);
    let cases: [(Bad, &str); 4] = [
        (|| panic!("no image {}", 1), "the source panicked: no image 1"),
        (|| panic!("plain"), "the source panicked: plain"),
        (
            || (Array3::zeros((2, 3, 3)), 0),
            "it has the shape [2, 3, 3] (target []), but the first of its batch [2, 4, 3] (target []): samples of one \
             batch are alike",
        ),
        (|| std::panic::panic_any(7), "the source panicked: no text"),
    ];
    // What the panics say is expected.
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !std::thread::current()
            .name()
            .is_some_and(|name| name.starts_with("kiln-loader") || name.contains("errors_and"))
        {
            quiet(panic);
        }
    }));
    for (workers, prefetch) in WORKERS {
        for (bad, expected) in cases {
            let data = images(40).map(move |(x, y)| if [5, 17].contains(&y) { bad() } else { (x, y) });
            let loader = Loader::new(data).batch(4).workers(workers).prefetch(prefetch);
            let mut trainer =
                Trainer::new(Net::init(1), cross_entropy(), Sgd::new(0.1)).batch(4).threads(1).build().unwrap();
            for epoch in 0..2 {
                let mut failed = Vec::new();
                for (number, batch) in loader.epoch(epoch).enumerate() {
                    match batch {
                        Ok((x, y)) => {
                            assert_eq!(y, Array1::from_iter((4 * number as i32..).take(4)));
                            assert!(trainer.step(&x, &y).unwrap().is_finite());
                        }
                        Err(error) => failed.push(error.to_string()),
                    }
                }
                assert_eq!(failed, [5, 17].map(|sample| format!("sample {sample}: {expected}")));
            }
        }
        let data = source(3, |index| {
            if index == 1 { Err(DataError::other("the sensor is off")) } else { Ok((index as f32, index as i32)) }
        });
        let loader = Loader::new(data).workers(workers).prefetch(prefetch);
        let found: Vec<Option<String>> = loader.epoch(0).map(|batch| batch.err().map(|e| e.to_string())).collect();
        assert_eq!(found, [None, Some("sample 1: the sensor is off".to_owned()), None]);
    }
    drop(std::panic::take_hook());
}

#[test]
fn indices_that_a_sampler_makes_up_are_errors() {
    struct Wrong;
    impl Sampler for Wrong {
        fn count(&self, _: usize) -> usize {
            2
        }

        fn order(&self, samples: usize, _: u64) -> Result<Vec<usize>, DataError> {
            Ok(vec![0, samples])
        }
    }
    let found: Vec<_> =
        Loader::new(images(3)).sampler(Wrong).epoch(0).map(|batch| batch.map(|(_, y)| y.to_vec())).collect();
    assert!(matches!(&found[..], [Ok(_), Err(DataError::NoSample { index: 3, count: 3 })]), "{found:?}");
}

/// No more samples are read than the batches in advance have; who stops early leaves no thread behind.
#[test]
fn workers_are_bounded_and_end() {
    for (workers, prefetch) in WORKERS {
        let reads = Arc::new(AtomicUsize::new(0));
        let counter = reads.clone();
        let data = Arc::new(images(400).map(move |sample| {
            counter.fetch_add(1, Ordering::Relaxed);
            sample
        }));
        let loader = Loader::new(data.clone()).batch(2).workers(workers).prefetch(prefetch);
        let mut epoch = loader.epoch(0);
        for taken in 1..30 {
            epoch.next();
            if taken % 10 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            let read = reads.load(Ordering::Relaxed);
            assert!(read <= 2 * (taken + workers * prefetch), "{read} samples after {taken} batches");
        }
        drop((epoch, loader));
        // Threads hold the source: they have ended.
        assert_eq!(Arc::strong_count(&data), 1);
    }
}

/// A worker in the midst of a batch ends with its sample, and one that waits for room at once.
#[test]
fn an_epoch_that_is_dropped_waits_for_no_more_than_a_sample() {
    let gate = Arc::new((Mutex::new(2), Condvar::new()));
    let inside = gate.clone();
    let reads = Arc::new(AtomicUsize::new(0));
    let counter = reads.clone();
    // The first two samples may be read; the others wait for somebody to open.
    let data = source(1000, move |index| {
        let mut left = inside.0.lock().unwrap();
        while *left == 0 {
            left = inside.1.wait(left).unwrap();
        }
        *left -= 1;
        counter.fetch_add(1, Ordering::Relaxed);
        (index as f32, 0)
    });
    let loader = Loader::new(data).batch(2).workers(1);
    let mut epoch = loader.epoch(0);
    assert!(epoch.next().unwrap().is_ok());
    let opener = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        *gate.0.lock().unwrap() = 1000;
        gate.1.notify_all();
    });
    drop(epoch);
    opener.join().unwrap();
    assert!(reads.load(Ordering::Relaxed) <= 3, "{} samples", reads.load(Ordering::Relaxed));
    // The loader goes on.
    assert_eq!(loader.epoch(1).filter(Result::is_ok).take(100).count(), 100);
}

/// Batches that are dropped give their memory to others, those that are kept do not.
#[test]
fn batches_that_are_kept_keep_their_data() {
    for (workers, prefetch) in WORKERS {
        let loader = Loader::new(images(40)).batch(4).workers(workers).prefetch(prefetch);
        let kept: Vec<_> =
            loader.epoch(0).map(|batch| batch.unwrap()).enumerate().filter(|(n, _)| n % 3 == 0).collect();
        for (number, (x, y)) in kept {
            assert_eq!(y, Array1::from_iter((4 * number as i32..).take(4)));
            assert!(x.outer_iter().zip(&y).all(|(image, y)| image[[0, 0, 0]] == *y as f32 / 255.0));
        }
        let mut places = Vec::new();
        for batch in loader.epoch(0) {
            places.push(batch.unwrap().0.as_ptr());
        }
        places.sort_unstable();
        places.dedup();
        assert!(places.len() <= workers * prefetch + workers + 1, "{} buffers", places.len());
    }
}

#[test]
fn shapes_may_differ_from_batch_to_batch() {
    let data = source(6, |index| (Array1::from_elem(1 + index / 2, index as f32), index as f32));
    for workers in [0, 2] {
        let shapes: Vec<_> = Loader::new(data).batch(2).workers(workers).epoch(0).map(|b| b.unwrap().0.dim()).collect();
        assert_eq!(shapes, [(2, 1), (2, 2), (2, 3)]);
    }
    assert_eq!(Loader::new(data.take(0)).workers(2).epoch(0).count(), 0);

    // Of as many elements.
    let of = |shape: [usize; 2]| {
        Dataset::new(Array3::<f32>::ones((3, shape[0], shape[1])), Array1::from_iter(0..3)).unwrap()
    };
    let both = Arc::new(of([2, 3]).concat(of([3, 2])));
    let shapes: Vec<_> = Loader::new(both.clone()).batch(3).epoch(0).map(|batch| batch.unwrap().0.dim()).collect();
    assert_eq!(shapes, [(3, 2, 3), (3, 3, 2)]);
    let error = Loader::new(both).batch(6).epoch(0).next().unwrap().unwrap_err().to_string();
    assert!(
        error.starts_with("sample 3: it has the shape [3, 2] (target []), but the first of its batch [2, 3]"),
        "{error}"
    );
}

/// A source of one's own that draws random numbers.
#[test]
fn a_source_of_ones_own_knows_the_epoch() {
    struct Noise;
    impl Source for Noise {
        type Input = f32;
        type Target = f32;

        fn len(&self) -> usize {
            4
        }

        fn sample(&self, index: usize) -> Result<(f32, f32), DataError> {
            Ok((index as f32, 0.0))
        }

        fn read(&self, index: usize, epoch: u64, sample: &mut Option<(f32, f32)>) -> Result<(), DataError> {
            *sample = Some((index as f32, Random::new(1, epoch, index as u64).uniform() as f32));
            Ok(())
        }
    }
    let through = || Noise.map(|pair| pair).concat(Noise).subset([3, 6]).unwrap();
    let expected = |epoch| array![3, 2].mapv(|index| Random::new(1, epoch, index).uniform() as f32);
    for epoch in 0..3 {
        let (x, y) = Loader::new(through()).batch(2).epoch(epoch).next().unwrap().unwrap();
        assert_eq!((x, y), (array![3.0, 2.0].into(), expected(epoch).into()));
    }
}

/// What lies in memory is written to its row of a batch at once; what a function makes comes as a sample of its own.
#[test]
fn rows_are_the_samples_however_they_come() {
    let inputs = Array3::from_shape_fn((23, 4, 3), |(n, i, j)| (n * 12 + i * 3 + j) as f32);
    let marks = Array1::from_iter((0..23).map(|n| n % 2 == 0));
    // Of another order of elements in memory.
    let turned = inputs.clone().permuted_axes([0, 2, 1]);
    let data = Arc::new(Dataset::new((turned, marks), Array1::from_iter(0..23_i64)).unwrap());
    let pairs: Vec<_> = (0..23).map(|index| data.sample(index).unwrap()).collect();
    fn check<S: Source<Input = (ndarray::Array2<f32>, bool), Target = i64> + Clone + 'static>(source: S) {
        let made = source.clone().map(|pair| pair);
        for workers in [0, 1, 3] {
            let loader = |source| Loader::new(source).batch(5).shuffle(3).workers(workers);
            let expected = collect(Loader::new(made.clone()).batch(5).shuffle(3).epoch(1));
            assert!(collect(loader(source.clone()).epoch(1)) == expected, "{workers} workers");
        }
    }
    check(data.clone());
    check(pairs.clone());
    check(Arc::new(pairs.cache()));
    check(data.clone().subset([22, 3, 3, 0, 7, 9, 1]).unwrap());
    check(data.clone().concat(data.map(|((x, mark), y)| ((x * 2.0, !mark), -y))));
}
