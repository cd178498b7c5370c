//! Loaders of several ranks: each row of each batch is read by one of them, and the training is that of ranks that read all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use kiln::Training;
use kiln::data::{Loader, source};
use kiln::distributed::World;
use kiln::fit::Progress;
use kiln::prelude::*;
use ndarray::{Axis, arr0};

use super::{Plain, each_rank, images};

/// How often each sample was read by each rank.
type Reads = Arc<Mutex<BTreeMap<(usize, usize), usize>>>;

/// A training on a loader whose samples of some rows are counted; the validation's loss and the first weight's bits.
fn train(
    world: &World,
    reads: &Reads,
    (samples, batch): (usize, usize),
    shares: bool,
    metrics: bool,
) -> (f64, Vec<u32>) {
    let (x, y) = images(samples, 5);
    let rank = world.rank();
    let counts = reads.clone();
    let rows = source(samples, move |index| {
        *counts.lock().unwrap().entry((rank, index)).or_default() += 1;
        (x.index_axis(Axis(0), index).to_owned(), y[index])
    });
    let loader = Loader::new(rows).batch(batch).shuffle(3).workers(usize::from(rank == 0));
    let trainer = Trainer::new(Plain::init(1), cross_entropy(), Adam::default().lr(0.01)).batch(batch).threads(1);
    let mut trainer = trainer.distributed(world).shards(4).build().unwrap();
    let history = if shares {
        let fit = trainer.fit(&loader).epochs(2).progress(Progress::Silent).validate(&loader);
        let fit = if metrics { fit.metrics(["f1"]) } else { fit };
        fit.run().unwrap()
    } else {
        let fit = kiln::fit(&mut trainer, &loader, |trainer, (x, y)| trainer.step(x, y));
        fit.epochs(2).progress(Progress::Silent).validate(&loader).run().unwrap()
    };
    let weights = trainer.model().fc1.weight.value.iter().map(|weight| weight.to_bits()).collect();
    (history.last("valid.loss").unwrap().value, weights)
}

#[test]
fn each_rank_reads_its_rows_without_overlap_or_loss() {
    // Samples that do not divide, and a last batch of fewer rows than shards.
    for (samples, batch) in [(24, 8), (37, 10), (18, 8)] {
        let whole = Reads::default();
        let expected = each_rank(1, |world| train(world, &whole, (samples, batch), false, false)).remove(0);
        for ranks in 1..=4 {
            let reads = Reads::default();
            for found in each_rank(ranks, |world| train(world, &reads, (samples, batch), true, false)) {
                assert_eq!(found, expected, "{ranks} ranks of {samples} samples");
            }
            let reads = reads.lock().unwrap();
            let of =
                |sample: usize| (0..ranks).map(|rank| reads.get(&(rank, sample)).copied().unwrap_or(0)).sum::<usize>();
            // Two epochs, and an evaluation after each. The first sample of a batch of fewer rows than shards stands in for
            // the rows that there are not.
            assert!((0..samples).all(|sample| of(sample) >= 4), "{ranks} ranks of {samples} samples");
            let surplus: usize = (0..samples).map(|sample| of(sample) - 4).sum();
            let missing = if samples % batch < 4 && samples % batch > 0 { 4 * ranks } else { 0 };
            assert!(surplus <= missing, "{ranks} ranks of {samples} samples: {surplus}");
        }
    }
}

#[test]
fn metrics_are_told_of_all_rows_and_a_loop_of_ones_own_shares_by_itself() {
    let reads = Reads::default();
    let found = each_rank(2, |world| train(world, &reads, (24, 8), true, true));
    let others = each_rank(2, |world| train(world, &Reads::default(), (24, 8), false, false));
    assert_eq!(found[0].1, others[0].1);
    // Each step's rows once, and each evaluation's on both ranks.
    assert_eq!(reads.lock().unwrap().values().sum::<usize>(), 2 * 24 + 2 * 2 * 24);
    let rows = each_rank(3, |world| {
        let trainer = Trainer::new(Plain::init(1), cross_entropy(), Adam::default()).batch(6).threads(1);
        let trainer = trainer.distributed(world).build().unwrap();
        let loader = Loader::new(source(6, |index| (arr0(1.0 + index as f32), 0_i32))).batch(6).share(trainer.share());
        let (x, _) = loader.epoch(0).next().unwrap().unwrap();
        x.to_vec()
    });
    assert_eq!(rows, [[1.0, 2.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 3.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 5.0, 6.0]]);
}
