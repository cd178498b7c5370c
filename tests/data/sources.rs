//! Sources of samples, what is made of them, and in which order samplers draw them.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kiln::data::{
    DataError, Dataset, Loader, Random, RandomSampler, Sample, Sampler, SequentialSampler, Source, SourceExt,
    WeightedRandomSampler, source,
};
use ndarray::{Array, Array1, Array2, Array3, ArrayD, Ix0, array};

/// Sample `i` is `[i, i]` with label `i % 3`.
fn counted(count: usize) -> impl Source<Input = Array1<f32>, Target = i32> + 'static {
    source(count, |index| (Array1::from_elem(2, index as f32), (index % 3) as i32))
}

/// Which samples of `counted` these are.
fn numbers(source: &impl Source<Input = Array1<f32>, Target = i32>) -> Vec<usize> {
    let mut held = None;
    let number = |index| {
        let sample = source.sample(index).unwrap();
        // However a sample is asked for, it is the same one.
        source.read(index, 3, &mut held).unwrap();
        assert_eq!(held.as_ref(), Some(&sample));
        assert_eq!((source.target(index).unwrap(), sample.0[0] as i32 % 3), (sample.1, sample.1));
        sample.0[0] as usize
    };
    assert!(matches!(source.sample(source.len()), Err(DataError::NoSample { .. })));
    assert!(matches!(source.target(source.len()), Err(DataError::NoSample { .. })));
    (0..source.len()).map(number).collect()
}

#[test]
fn sources_of_all_kinds_give_the_same_samples() {
    let check = |source: &dyn Source<Input = Array1<f32>, Target = i32>| {
        assert_eq!((source.len(), source.is_empty()), (7, false));
        assert_eq!(numbers(&source), (0..7).collect::<Vec<_>>());
    };
    let pairs: Vec<(Array1<f32>, i32)> = (0..7).map(|index| counted(7).sample(index).unwrap()).collect();
    check(&counted(7));
    check(&&counted(7));
    check(&Arc::new(counted(7)));
    let boxed: Box<dyn Source<Input = Array1<f32>, Target = i32>> = Box::new(counted(7));
    check(&boxed);
    check(&pairs);
    let x = Array2::from_shape_fn((7, 2), |(row, _)| row as f32);
    check(&Dataset::new(x, Array1::from_iter((0..7).map(|row| row % 3))).unwrap());
    check(&source(7, |index| pairs.get(index).cloned().ok_or_else(|| DataError::other("no such pair"))));
}

/// Samples of a data set are those along the first axes of its arrays; a batch of them is a part of the arrays.
#[test]
fn samples_of_data_sets_have_one_axis_fewer() {
    fn check<X, Y>(x: X, y: Y, rows: usize)
    where
        X: kiln::data::Samples<Batch: PartialEq + std::fmt::Debug> + Send + Sync + 'static,
        Y: kiln::data::Samples<Batch: PartialEq + std::fmt::Debug> + Send + Sync + 'static,
    {
        let data = Dataset::new(x, y).unwrap();
        let direct: Vec<_> = data.batches(2).shuffled(5).collect();
        for workers in [0, 2] {
            let loader = Loader::new(data.clone()).batch(2).shuffle(0).workers(workers);
            assert_eq!((loader.len(), loader.samples(), loader.source().len()), (direct.len(), rows, rows));
            assert_eq!(loader.epoch(5).map(Result::unwrap).collect::<Vec<_>>(), direct);
        }
    }
    let numbers = |shape: &[usize]| {
        let mut next = 0.0;
        ArrayD::from_shape_simple_fn(shape, || {
            next += 1.0;
            next
        })
    };
    fn fixed<D: ndarray::Dimension>(array: ArrayD<f32>) -> Array<f32, D> {
        array.into_dimensionality().unwrap()
    }
    check(fixed::<ndarray::Ix1>(numbers(&[5])), Array1::from_iter(0u8..5), 5);
    check(fixed::<ndarray::Ix2>(numbers(&[4, 3])), Array1::from_iter(0i64..4), 4);
    check(fixed::<ndarray::Ix3>(numbers(&[5, 2, 3])), array![true, false, true, true, false], 5);
    check(fixed::<ndarray::Ix4>(numbers(&[3, 1, 2, 2])), numbers(&[3]), 3);
    check(fixed::<ndarray::Ix5>(numbers(&[3, 1, 2, 2, 2])), numbers(&[3, 4]), 3);
    check(fixed::<ndarray::Ix6>(numbers(&[3, 1, 2, 2, 1, 2])), numbers(&[3, 1, 1, 1, 2]), 3);
    check((numbers(&[3, 2]), Array1::from_iter(0..3)), (numbers(&[3]), numbers(&[3, 1]), Array1::<u16>::ones(3)), 3);
}

#[test]
fn sources_are_made_of_sources() {
    let check = |source: &dyn Source<Input = Array1<f32>, Target = i32>, expected: &[usize]| {
        assert_eq!(numbers(&source), expected);
        assert_eq!(source.len(), expected.len());
    };
    check(&counted(5).take(3), &[0, 1, 2]);
    check(&counted(5).take(9), &[0, 1, 2, 3, 4]);
    check(&counted(5).skip(3), &[3, 4]);
    check(&counted(5).skip(9), &[]);
    check(&counted(5).subset([4, 0, 4]).unwrap(), &[4, 0, 4]);
    check(&counted(9).skip(2).subset(vec![1, 0]).unwrap(), &[3, 2]);
    check(&counted(9).filter(|(x, class)| x[0] > 1.0 && *class == 1).unwrap(), &[4, 7]);
    check(&counted(2).concat(counted(5).skip(3)), &[0, 1, 3, 4]);
    check(&counted(4).map(|(x, class)| (x.mapv(|x| x + 3.0), class)).take(2), &[3, 4]);
    check(&counted(4).map(|(x, class)| Ok((x + 3.0, class))), &[3, 4, 5, 6]);
    check(&counted(4).cache(), &[0, 1, 2, 3]);

    let both = counted(4).zip(counted(7).skip(3)).unwrap();
    let mut held = None;
    for index in 0..4 {
        both.read(index, 0, &mut held).unwrap();
        assert_eq!(held, Some(both.sample(index).unwrap()));
        let ((a, b), targets) = both.sample(index).unwrap();
        assert_eq!((a[0] as usize, b[0] as usize), (index, index + 3));
        assert_eq!(targets, both.target(index).unwrap());
    }
    assert!(matches!(counted(4).zip(counted(3)), Err(DataError::CountsDiffer { images: 4, labels: 3 })));
    let error = counted(4).subset([0, 4]).unwrap_err();
    assert_eq!(error.to_string(), "there is no sample 4: the source has 4, counted from 0");
}

#[test]
fn what_is_cached_is_read_once() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counter = reads.clone();
    let slow = source(10, move |index| {
        counter.fetch_add(1, Ordering::Relaxed);
        (index as f32, index % 2 == 0)
    });
    let loader = Loader::new(slow.cache()).batch(4).shuffle(1);
    for epoch in 0..3 {
        assert_eq!(loader.epoch(epoch).map(|batch| batch.unwrap().0.len()).sum::<usize>(), 10);
    }
    assert_eq!(reads.load(Ordering::Relaxed), 10);
}

/// The parts hold each sample once; the sizes are PyTorch's `random_split`'s.
#[test]
fn splits_are_partitions() {
    fn check<L: kiln::data::Length, const N: usize>(count: usize, lengths: [L; N], expected: [usize; N]) {
        let random = counted(count).random_split(lengths, 3).unwrap();
        assert_eq!(
            random.each_ref().map(numbers),
            counted(count).random_split(lengths, 3).unwrap().map(|part| numbers(&part))
        );
        let stratified = counted(count).stratified_split(lengths, 3).unwrap();
        for parts in [random, stratified] {
            assert_eq!(parts.each_ref().map(Source::len), expected);
            let mut all = parts.each_ref().map(numbers).concat();
            assert!(count < 20 || !all.is_sorted());
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
    check(100, [80, 20], [80, 20]);
    check(100, [0.8, 0.2], [80, 20]);
    check(101, [0.5, 0.25, 0.25], [51, 25, 25]);
    check(7, [0.5, 0.3, 0.2], [4, 2, 1]);
    check(10, [0.7, 0.2, 0.1], [7, 2, 1]);
    check(30, [30], [30]);
    check(0, [1.0, 0.0], [0, 0]);

    let error = |error: DataError| error.to_string();
    let hint = "sizes add up to that number, fractions to 1";
    assert_eq!(
        error(counted(10).random_split([8, 3], 0).unwrap_err()),
        format!("the lengths [8, 3] do not split 10 samples: {hint}")
    );
    for fractions in [[0.8, 0.1], [1.5, -0.5], [f64::NAN, 1.0]] {
        let found = error(counted(10).stratified_split(fractions, 0).unwrap_err());
        assert_eq!(found, format!("the lengths {fractions:?} do not split 10 samples: {hint}"));
    }
    let first = |seed| numbers(&counted(50).random_split([25, 25], seed).unwrap()[0]);
    assert_ne!(first(1), first(2));
}

#[test]
fn stratified_parts_have_their_share_of_each_class() {
    // Classes of very different sizes.
    let class =
        |index: usize| [(0, 1), (500, 2), (560, 3), (563, 4)].iter().rfind(|(start, _)| index >= *start).unwrap().1;
    let data = source(600, move |index| (index as f32, class(index)));
    let fractions = [0.6, 0.3, 0.1];
    for seed in 0..5 {
        let parts = data.stratified_split(fractions, seed).unwrap();
        for (part, fraction) in parts.iter().zip(fractions) {
            for (class, size) in [(1, 500.0), (2, 60.0), (3, 3.0), (4, 37.0)] {
                let found = (0..part.len()).filter(|&index| part.target(index).unwrap() == class).count() as f64;
                assert!((found - fraction * size).abs() <= 1.0, "class {class}: {found} of {size} in {fraction}");
            }
        }
    }
}

#[test]
fn samplers_say_what_an_epoch_has() {
    let order = |sampler: &dyn Sampler, epoch| {
        let order = sampler.order(6, epoch).unwrap();
        assert_eq!((order.len(), &order), (sampler.count(6), &sampler.order(6, epoch).unwrap()));
        order
    };
    assert_eq!(order(&SequentialSampler, 4), [0, 1, 2, 3, 4, 5]);
    let shuffled = |seed, epoch| order(&RandomSampler::new(seed), epoch);
    assert!((0..4).all(|epoch| shuffled(3, epoch).iter().collect::<HashSet<_>>().len() == 6));
    let different: HashSet<Vec<usize>> = (0..10).map(|epoch| shuffled(3, epoch)).collect();
    assert!(different.len() > 8);
    assert_ne!(shuffled(1, 0), shuffled(2, 0));

    let weights = [1.0, 0.0, 2.0, 0.0, 7.0, 0.0];
    let weighted = WeightedRandomSampler::new(&weights, 20_000, 5).unwrap();
    for epoch in 0..2 {
        let mut found = [0.0; 6];
        order(&weighted, epoch).into_iter().for_each(|index| found[index] += 1.0 / 20_000.0);
        for (found, weight) in found.iter().zip(weights) {
            // Four deviations of the count of a class of one half.
            assert!((found - weight / 10.0).abs() < if weight == 0.0 { 1e-9 } else { 0.015 }, "{found} {weight}");
        }
    }
    assert_ne!(order(&weighted, 0), order(&weighted, 1));
}

#[test]
fn weights_that_draw_nothing_are_told() {
    let hint = "weights are finite, not negative, not all 0, and one for each sample";
    let cases: [(&[f64], &str); 5] = [
        (&[1.0, -1.0], "weight 1 is -1"),
        (&[f64::NAN], "weight 0 is NaN"),
        (&[1.0, f64::INFINITY], "weight 1 is inf"),
        (&[0.0, 0.0], "the sum of 2 weights is 0"),
        (&[], "the sum of 0 weights is 0"),
    ];
    for (weights, reason) in cases {
        let error = WeightedRandomSampler::new(weights, 3, 0).unwrap_err();
        assert_eq!(error.to_string(), format!("{reason}: {hint}"));
    }
    // One for another source is the only item of the epoch.
    let sampler = WeightedRandomSampler::new(&[1.0; 4], 9, 0).unwrap();
    let mut epoch = Loader::new(counted(5)).sampler(sampler).epoch(0);
    assert_eq!(epoch.len(), 1);
    let error = epoch.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("there are 4 weights, but 5 samples: {hint}"));
    assert!(epoch.next().is_none());
}

#[test]
fn random_numbers_follow_from_their_three_numbers() {
    let draw = |seed, epoch, index| {
        let mut random = Random::new(seed, epoch, index);
        [(); 5].map(|()| random.bits())
    };
    let large = 1 << 40;
    let all: HashSet<[u32; 5]> = [0, 1, large]
        .into_iter()
        .flat_map(|a| [0, 1, large].into_iter().flat_map(move |b| [0, 1, large].map(|c| draw(a, b, c))))
        .collect();
    assert_eq!(all.len(), 27);
    assert_eq!(draw(1, 2, 3), draw(1, 2, 3));

    /// Draws of a distribution, with its mean and its variance.
    fn check(mean: f64, variance: f64, draw: impl Fn(&mut Random) -> f64) {
        const COUNT: usize = 40_000;
        let mut random = Random::new(9, 0, 0);
        let drawn: Vec<f64> = (0..COUNT).map(|_| draw(&mut random)).collect();
        let found = drawn.iter().sum::<f64>() / COUNT as f64;
        let spread = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / COUNT as f64;
        // Five deviations of a mean of so many.
        assert!((found - mean).abs() < 5.0 * (variance / COUNT as f64).sqrt(), "{found} for {mean}");
        assert!((spread / variance - 1.0).abs() < 0.05, "{spread} for {variance}");
    }
    check(0.5, 1.0 / 12.0, Random::uniform);
    check(1.0, 3.0, |random| random.range(-2.0..4.0));
    check(4.5, 99.0 / 12.0, |random| random.below(10) as f64);
    check(0.3, 0.21, |random| f64::from(u8::from(random.chance(0.3))));
    check(0.0, 1.0, Random::normal);
    for alpha in [0.2, 1.0, 4.0] {
        check(0.5, 1.0 / (4.0 * (2.0 * alpha + 1.0)), |random| random.beta(alpha));
    }
    assert_eq!(Random::new(0, 0, 0).below(0), 0);
}

/// Samples in another order in memory, of no axis, of no element.
#[test]
fn samples_of_any_layout_are_copied_as_they_read() {
    fn check<S: Sample + PartialEq + std::fmt::Debug>(mut held: S, sample: S) {
        held.copy_from(&sample);
        assert_eq!(held, sample);
    }
    let turned = array![[1.0, 2.0], [3.0, 4.0]].reversed_axes();
    check(array![[0.0, 0.0], [0.0, 0.0]], turned.clone());
    check(turned.clone(), array![[5.0, 6.0], [7.0, 8.0]]);
    check(Array2::zeros((1, 3)), turned.clone());
    check((1, true), (2, false));
    check(Array3::<f32>::zeros((0, 2, 2)), Array3::zeros((0, 2, 2)));

    let loader = Loader::new(vec![(turned.clone(), Array::<u8, Ix0>::from_elem((), 3)); 2]).batch(2);
    let (x, y) = loader.epoch(0).next().unwrap().unwrap();
    assert_eq!((x.index_axis(ndarray::Axis(0), 1).to_owned(), y.to_vec()), (turned, vec![3, 3]));
}
