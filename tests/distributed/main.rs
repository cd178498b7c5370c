//! Training by several ranks, which are threads here: the same bits on any number of ranks, the training of one process but
//! for rounding, and errors that come to all ranks.

mod accumulation;
mod data;
#[path = "../common/folder.rs"]
mod folder;
mod loss;
mod profile;
mod results;

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use kiln::Precision;
use kiln::checkpoints::{Checkpoints, Every};
use kiln::distributed::{ExchangeError, World};
use kiln::fit::Progress;
use kiln::prelude::*;
use kiln::random::uniform;
use ndarray::{Array1, Array2, Array4, ArrayD, Axis, IxDyn};

use folder::Folder;

model! {
    struct LeNet {
        conv1: Conv2d(1, 6, 3, padding = 1),
        conv2: Conv2d(6, 8, 3),
        drop: Dropout(0.2),
        fc1: Linear(72, 24),
        fc2: Linear(24, 5),
    }

    fn forward(x: [N, 1, 10, 10]) -> [N, 5] {
        let pooled = max_pool2d(conv1(x).relu(), 2);
        fc2(drop(fc1(conv2(pooled).relu().flatten(1)).relu()))
    }
}

model! {
    struct ResNet {
        stem: Conv2d(1, 8, 3, padding = 1, bias = false),
        norm: BatchNorm2d(8),
        conv: Conv2d(8, 8, 3, padding = 1, bias = false),
        norm2: BatchNorm2d(8),
        fc: Linear(8, 5),
    }

    fn forward(x: [N, 1, 10, 10]) -> [N, 5] {
        x = norm(stem(x)).relu();
        x = (norm2(conv(x)) + x).relu();
        fc(x.mean(dim = (2, 3)))
    }
}

model! {
    struct Plain {
        fc1: Linear(100, 12),
        fc2: Linear(12, 5),
    }

    fn forward(x: [N, 1, 10, 10]) -> [N, 5] {
        fc2(fc1(x.flatten(1)).tanh())
    }
}

// Both networks in one step: the second loss is one of what the first update has made.
model! {
    struct Gan {
        generator: Linear(3, 4),
        norm: BatchNorm1d(4),
        discriminator: Linear(4, 1),
        opt_d: Adam(discriminator, lr = 0.05),
        opt_g: Sgd((generator, norm), lr = 0.05, momentum = 0.9),
    }

    step train(real: [N, 4], noise: [N, 3]) -> (d_loss, g_loss, right) {
        let fake = norm(generator(noise));
        let of_real = discriminator(real);
        let of_fake = discriminator(fake.detach());
        let d_loss = bce_with_logits(of_real, ones_like(of_real)) + bce_with_logits(of_fake, zeros_like(of_fake));
        opt_d.minimize(d_loss);
        let judged = discriminator(fake);
        let g_loss = bce_with_logits(judged, ones_like(judged));
        opt_g.minimize(g_loss);
        let right = real.argmax(1).sum();
    }

    eval judge(x: [N, 4]) -> score {
        let score = discriminator(x).sigmoid();
    }
}

fn numbers(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let count = shape.iter().product();
    let values = (0..count).map(|place| 2.0 * uniform(seed, 0, 0, place as u64) - 1.0).collect();
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
}

/// Images whose brightest corner is their class.
fn images(rows: usize, seed: u64) -> (Array4<f32>, Array1<i32>) {
    let mut x: Array4<f32> = numbers(&[rows, 1, 10, 10], seed).into_dimensionality().unwrap();
    let y = Array1::from_shape_fn(rows, |row| (row * 7 % 5) as i32);
    for (mut image, &class) in x.axis_iter_mut(Axis(0)).zip(&y) {
        image[[0, class as usize, class as usize]] += 3.0;
    }
    (x, y)
}

/// What each rank of a world gives, in order.
fn each_rank<T: Send>(ranks: usize, rank: impl Fn(&World) -> T + Sync) -> Vec<T> {
    let worlds = World::of_threads(ranks);
    thread::scope(|scope| {
        let running: Vec<_> = worlds
            .into_iter()
            .map(|world| {
                scope.spawn(|| {
                    let world = world;
                    rank(&world)
                })
            })
            .collect();
        running.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// The same, of ranks each of which has its world for itself, so that it ends when the rank does.
fn each_own<T: Send>(ranks: usize, rank: impl Fn(World) -> T + Sync) -> Vec<T> {
    let worlds = World::of_threads(ranks);
    thread::scope(|scope| {
        let running: Vec<_> = worlds.into_iter().map(|world| scope.spawn(|| rank(world))).collect();
        running.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// The settings of a training.
#[derive(Clone, Copy, Debug)]
struct Case {
    shards: usize,
    /// Rows of each step.
    rows: &'static [usize],
    sync: bool,
    wire: Precision,
    accumulate: u32,
    clip: bool,
}

const CASE: Case = Case { shards: 4, rows: &[16; 4], sync: false, wire: Precision::F32, accumulate: 1, clip: false };

impl Case {
    fn optimizer(&self) -> Adam {
        let adam = Adam::default().lr(0.01).accumulate(self.accumulate);
        if self.clip { adam.clip_grad_norm(0.5) } else { adam }
    }

    /// The losses of the steps, and all that the training goes on from, as bytes; without a world of one process.
    fn train<M: Model<Input = f32, Output = f32>>(
        &self,
        world: Option<&World>,
        folder: &Folder,
    ) -> (Vec<u32>, Vec<u8>) {
        let trainer = Trainer::new(M::init(3), cross_entropy(), self.optimizer()).batch(16).threads(1).seed(5);
        let trainer = match world {
            Some(world) => trainer.distributed(world).shards(self.shards).sync_batch_norm(self.sync).wire(self.wire),
            None => trainer,
        };
        let mut trainer = trainer.build().unwrap();
        let step = |(number, &rows): (usize, &usize)| {
            let (x, y) = images(rows, number as u64);
            trainer.step(&x, &y).unwrap().to_bits()
        };
        let losses = self.rows.iter().enumerate().map(step).collect();
        let path = folder.path(&format!("{}", world.map_or(99, World::rank)));
        trainer.save(&path).unwrap();
        (losses, fs::read(path).unwrap())
    }

    /// That all numbers of ranks give the same bits.
    fn check<M: Model<Input = f32, Output = f32>>(&self) {
        let folder = Folder::new("distributed");
        let mut expected = None;
        for ranks in 1..=self.shards.min(4) {
            for (rank, found) in each_rank(ranks, |world| self.train::<M>(Some(world), &folder)).into_iter().enumerate()
            {
                let expected = expected.get_or_insert_with(|| found.clone());
                assert_eq!(found.0, expected.0, "losses of rank {rank} of {ranks}: {self:?}");
                assert!(found.1 == expected.1, "state of rank {rank} of {ranks}: {self:?}");
            }
        }
    }
}

#[test]
fn any_number_of_ranks_gives_the_same_bits() {
    CASE.check::<LeNet>();
    CASE.check::<ResNet>();
    Case { sync: true, ..CASE }.check::<ResNet>();
    Case { wire: Precision::Bf16, ..CASE }.check::<LeNet>();
    Case { accumulate: 2, clip: true, ..CASE }.check::<ResNet>();
    // Batches that do not divide, and such of fewer rows than shards.
    Case { shards: 3, rows: &[16, 7, 2, 16, 1], ..CASE }.check::<LeNet>();
    Case { shards: 5, rows: &[16, 11, 6], ..CASE }.check::<ResNet>();
}

fn values(bits: &[u32]) -> Vec<f32> {
    bits.iter().map(|&bits| f32::from_bits(bits)).collect()
}

#[test]
fn shards_train_as_the_whole_batch_does() {
    // Sums are taken in another order; a batch norm of all shards has the statistics of the batch.
    let near = |case: Case, found: &[u32], expected: &[u32]| {
        for (found, expected) in values(found).into_iter().zip(values(expected)) {
            assert!((found - expected).abs() < 2e-4 * expected.abs(), "{found} for {expected}: {case:?}");
        }
    };
    let folder = Folder::new("distributed-whole");
    for rows in [&[16_usize; 6][..], &[16, 13, 9, 16, 5, 12]] {
        for accumulate in [1, 2] {
            let case = Case { rows, accumulate, clip: true, sync: true, ..CASE };
            let alone = case.train::<Plain>(None, &folder).0;
            let ranks = each_rank(2, |world| case.train::<Plain>(Some(world), &folder));
            near(case, &ranks[1].0, &alone);
            let alone = case.train::<ResNet>(None, &folder).0;
            let ranks = each_rank(2, |world| case.train::<ResNet>(Some(world), &folder));
            near(case, &ranks[0].0, &alone);
        }
    }
}

/// The figures of some steps of a GAN, its score of some points, and its state.
fn train_gan(world: Option<&World>, rows: &[usize], folder: &Folder) -> (Vec<[f32; 3]>, ArrayD<f32>, Vec<u8>) {
    let trainer = Gan::init(2).trainer().batch(12).threads(1);
    let trainer = match world {
        Some(world) => trainer.distributed(world).shards(4).sync_batch_norm(true),
        None => trainer,
    };
    let mut trainer = trainer.build().unwrap();
    let step = |(number, &rows): (usize, &usize)| {
        let (real, noise) = (numbers(&[rows, 4], number as u64), numbers(&[rows, 3], 100 + number as u64));
        let (d_loss, g_loss, right) = trainer.train(&real, &noise).unwrap();
        [d_loss, g_loss, right as f32]
    };
    let figures = rows.iter().enumerate().map(step).collect();
    let score = trainer.judge(&numbers(&[5, 4], 7)).unwrap();
    let path = folder.path(&format!("{}", world.map_or(99, World::rank)));
    trainer.save(&path).unwrap();
    (figures, score, fs::read(path).unwrap())
}

#[test]
fn a_step_of_several_optimizers_waits_for_each_of_them() {
    let folder = Folder::new("distributed-gan");
    let rows = [12, 12, 7, 12];
    let alone = train_gan(None, &rows, &folder);
    let mut expected = None;
    for ranks in 1..=4 {
        for found in each_rank(ranks, |world| train_gan(Some(world), &rows, &folder)) {
            let near = |(found, expected): (&[f32; 3], &[f32; 3])| {
                (0..3).all(|figure| (found[figure] - expected[figure]).abs() < 1e-4)
            };
            assert!(found.0.iter().zip(&alone.0).all(near), "{:?} for {:?}", found.0, alone.0);
            assert!(found == *expected.get_or_insert_with(|| found.clone()), "{ranks} ranks");
        }
    }
}

#[test]
fn numbers_are_summed_over_ranks() {
    for ranks in 1..=4 {
        let sums = each_rank(ranks, |world| world.sum(&[world.rank() as f32, 0.5, -1e-3]).unwrap());
        let of_ranks = (0..ranks).sum::<usize>() as f32;
        for sum in &sums {
            assert_eq!(*sum, sums[0]);
            let expected = [of_ranks, 0.5 * ranks as f32, -1e-3 * ranks as f32];
            assert!(sum.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6), "{sum:?}");
        }
    }
}

#[test]
fn sums_of_other_lengths_are_errors_of_all_ranks() {
    for (ranks, other, lengths) in [(2, 0, (10, 11)), (2, 1, (10, 11)), (2, 1, (10, 3)), (3, 1, (0, 7)), (4, 3, (8, 6))]
    {
        let errors = each_own(ranks, |world| {
            let length = if world.rank() == other { lengths.1 } else { lengths.0 };
            // What a rank has of it may fit, so that it hears of it in the next.
            let sum = world.sum(&vec![1.0; length]).and_then(|_| world.sum(&[1.0; 8]));
            sum.expect_err("a rank sums something else")
        });
        let is_told = errors.iter().any(|error| matches!(error, ExchangeError::Length { .. }));
        assert!(is_told, "rank {other} of {ranks} has {lengths:?}: {errors:?}");
    }
}

#[test]
fn ranks_that_differ_say_so_on_each_of_them() {
    let build = |world: &World, batch: usize, init: u64, lr: f64| {
        let adam = Adam::default().lr(lr);
        let built =
            Trainer::new(Plain::init(init), cross_entropy(), adam).batch(batch).threads(1).distributed(world).build();
        match built {
            Err(TrainError::Exchange(ExchangeError::Differ { what, rank, .. })) => (what, rank),
            Err(error) => panic!("{error}"),
            Ok(_) => (String::new(), 0),
        }
    };
    /// The batch, the seed of the parameters and the learning rate of a rank.
    type Settings = fn(usize) -> (usize, u64, f64);
    let cases: [(Settings, &str); 4] = [
        (|_| (8, 0, 0.1), ""),
        (|rank| (8 + 2 * usize::from(rank == 1), 0, 0.1), "batch"),
        (|rank| (8, u64::from(rank == 1), 0.1), "fc1.bias"),
        (|rank| (8, 0, if rank == 1 { 0.2 } else { 0.1 }), "optimizer.lr"),
    ];
    for (settings, expected) in cases {
        let found = each_rank(2, |world| {
            let (batch, init, lr) = settings(world.rank());
            build(world, batch, init, lr)
        });
        assert!(
            found.iter().all(|(what, rank)| what == expected && *rank == usize::from(!expected.is_empty())),
            "{found:?}"
        );
    }
}

#[test]
fn settings_that_do_not_go_together_are_errors() {
    let worlds = World::of_threads(2);
    let trainer = || Trainer::new(Plain::init(0), cross_entropy(), Adam::default()).batch(8).distributed(&worlds[0]);
    assert!(matches!(
        trainer().shards(1).build(),
        Err(TrainError::Exchange(ExchangeError::Shards { shards: 1, ranks: 2 }))
    ));
    assert!(matches!(trainer().shards(0).build(), Err(TrainError::Zero { setting: "shards" })));
    let checked = trainer().check_numerics(true).build();
    assert!(matches!(checked, Err(TrainError::Exchange(ExchangeError::Setting { setting: "check_numerics", .. }))));
}

#[test]
fn a_rank_that_stalls_or_ends_is_an_error_on_the_others() {
    let limit = Duration::from_millis(300);
    for stalls in [false, true] {
        let others_have_given_up = Barrier::new(3);
        let results = each_rank(3, |world| {
            world.set_time_limit(Duration::from_secs(30));
            let trainer = Trainer::new(Plain::init(0), cross_entropy(), Adam::default()).batch(6).threads(1);
            let mut trainer = trainer.distributed(world).build().unwrap();
            let (x, y) = images(6, 0);
            trainer.step(&x, &y).unwrap();
            if world.rank() == 2 {
                if stalls {
                    others_have_given_up.wait();
                }
                return None;
            }
            world.set_time_limit(limit);
            let first = trainer.step(&x, &y).unwrap_err();
            if stalls {
                others_have_given_up.wait();
            }
            // Nor is anything to be had of it later.
            assert!(matches!(trainer.step(&x, &y), Err(TrainError::Exchange(_))));
            Some(first)
        });
        for found in results.into_iter().flatten() {
            let TrainError::Exchange(error) = found else { panic!("{found}") };
            match error {
                ExchangeError::Timeout { limit: found, .. } => assert_eq!(found, limit),
                ExchangeError::Lost { .. } => assert!(!stalls),
                error => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_mistake_in_a_batch_is_an_error_on_all_ranks_and_changes_nothing() {
    let found = each_rank(2, |world| {
        let trainer = Trainer::new(Plain::init(0), cross_entropy(), Sgd::new(0.1)).batch(6).threads(1);
        let mut trainer = trainer.distributed(world).build().unwrap();
        let (x, mut y) = images(6, 0);
        // In the rows of rank 1.
        y[5] = 77;
        assert!(matches!(trainer.step(&x, &y), Err(TrainError::Label { .. })));
        y[5] = 1;
        trainer.step(&x, &y).unwrap()
    });
    assert_eq!(found[0], found[1]);
    let outside = each_rank(2, |world| {
        #[derive(Model)]
        #[model(input = [2])]
        struct Probabilities {
            fc: Linear<2, 1>,
        }
        let trainer = Trainer::new(Probabilities::init(0), bce(), Sgd::new(0.1)).batch(4).threads(1);
        let mut trainer = trainer.distributed(world).build().unwrap();
        let mut x = Array2::<f32>::zeros((4, 2));
        x[[3, 0]] = 1e6;
        let error = trainer.step(&x, &Array2::<f32>::ones((4, 1))).unwrap_err();
        assert!(trainer.model().fc.weight.value.iter().all(|weight| weight.abs() < 1.0));
        error.to_string()
    });
    assert_eq!(outside[0], outside[1]);
}

/// A training of some epochs with checkpoints: its last validation, and the newest file.
fn fit_some(world: &World, epochs: u64, folder: &Folder) -> (f64, Vec<u8>) {
    let (x, y) = images(50, 1);
    let data = Dataset::new(x, y).unwrap();
    let trainer = Trainer::new(LeNet::init(3), cross_entropy(), Adam::default().lr(0.01)).batch(16).threads(1);
    let mut trainer = trainer.distributed(world).shards(4).build().unwrap();
    let mut checkpoints = Checkpoints::new(folder.path("run")).every(Every::Steps(3));
    let fit = kiln::fit(&mut trainer, &data, |trainer, (x, y)| trainer.step(x, y))
        .epochs(epochs)
        .shuffle(2)
        .progress(Progress::Silent);
    let history = fit.validate(&data).checkpoint(folder.path("run")).resume().run().unwrap();
    let loss = history.last("valid.loss").unwrap().value;
    let run = checkpoints.resume(&mut trainer).unwrap().unwrap();
    assert_eq!(run.epoch, epochs);
    (loss, fs::read(checkpoints.newest_file().unwrap()).unwrap())
}

#[test]
fn a_training_goes_on_with_other_ranks_and_ends_with_the_same_bits() {
    let state = |bytes: &[u8]| {
        // Times are in the notes, which come first.
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[8 + header..].to_vec()
    };
    let undisturbed = Folder::new("undisturbed");
    let expected = each_rank(2, |world| fit_some(world, 3, &undisturbed));
    assert_eq!(expected[0], expected[1]);
    let folder = Folder::new("restarted");
    each_rank(4, |world| fit_some(world, 1, &folder));
    each_rank(1, |world| fit_some(world, 2, &folder));
    for found in each_rank(3, |world| fit_some(world, 3, &folder)) {
        assert_eq!(found.0, expected[0].0);
        assert!(state(&found.1) == state(&expected[0].1));
    }
}

#[test]
fn an_evaluation_is_that_of_one_process() {
    let (x, y) = images(53, 4);
    let of = |world: Option<&World>| {
        let trainer = Trainer::new(Plain::init(3), cross_entropy(), Adam::default()).batch(16).threads(1);
        let trainer = match world {
            Some(world) => trainer.distributed(world).shards(4),
            None => trainer,
        };
        trainer.build().unwrap().evaluate(&x, &y).unwrap()
    };
    let alone = of(None);
    let mut expected = None;
    for ranks in 1..=4 {
        for found in each_rank(ranks, |world| of(Some(world))) {
            assert!((found.loss - alone.loss).abs() < 1e-5 * alone.loss);
            assert_eq!(found.accuracy, alone.accuracy);
            assert_eq!(found, *expected.get_or_insert_with(|| found.clone()));
        }
    }
}
