//! A rank that is lost: the others go on without a restart, from the newest checkpoint, and end with the bits of a training
//! that was never disturbed.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use kiln::checkpoints::{Checkpoints, Every};
use kiln::distributed::{ExchangeError, World};
use kiln::fit::{FitError, Progress};
use kiln::prelude::*;

use super::{LeNet, each_rank, images};
use crate::folder::Folder;

/// A training of three epochs of four steps each, of which one rank dies in a step, if one is to; the state at the end of
/// ranks that are left.
fn train(
    world: World,
    dies: Option<(usize, u64)>,
    checkpoints: bool,
    folder: &Folder,
) -> Option<Result<Vec<u8>, FitError>> {
    let (x, y) = images(64, 1);
    let data = Dataset::new(x, y).unwrap();
    let trainer = Trainer::new(LeNet::init(3), cross_entropy(), Adam::default().lr(0.01)).batch(16).threads(1);
    let mut trainer = trainer.distributed(&world).shards(4).build().unwrap();
    let (me, mut steps) = (world.rank(), 0);
    let dead = AtomicBool::new(false);
    let fit = kiln::fit(&mut trainer, &data, |trainer, (x, y)| {
        steps += 1;
        if dies == Some((me, steps)) {
            dead.store(true, Ordering::Relaxed);
            return Err(TrainError::Empty { found: vec![0] });
        }
        trainer.step(x, y)
    });
    let fit = fit.epochs(3).shuffle(2).progress(Progress::Silent);
    let run = Checkpoints::new(folder.path("run")).every(Every::Steps(3));
    let ended = if checkpoints { fit.checkpoint(run).run() } else { fit.run() };
    if dead.load(Ordering::Relaxed) {
        // The world is gone with its last copies.
        drop(trainer);
        return None;
    }
    Some(ended.map(|_| {
        let path = folder.path(&format!("end{me}"));
        trainer.save(&path).unwrap();
        fs::read(path).unwrap()
    }))
}

#[test]
fn others_go_on_without_a_restart() {
    let folder = Folder::new("undisturbed");
    let expected = each_rank(4, |world| train(world.clone(), None, true, &folder).unwrap().unwrap());
    for dies in [(3, 5), (0, 8), (1, 12), (2, 4)] {
        let folder = Folder::new("loss");
        let found = super::each_own(4, |world| train(world, Some(dies), true, &folder));
        assert!(found[dies.0].is_none());
        for end in found.into_iter().flatten() {
            assert!(end.unwrap() == expected[0], "rank {} dies in step {}", dies.0, dies.1);
        }
    }
}

#[test]
fn without_a_checkpoint_the_loss_is_an_error_on_all() {
    // None is there yet, or none is wanted.
    for (dies, checkpoints) in [((1, 2), true), ((1, 5), false)] {
        let folder = Folder::new("loss");
        for end in super::each_own(3, |world| train(world, Some(dies), checkpoints, &folder)).into_iter().flatten() {
            let Err(FitError::Step { source, .. }) = end else { panic!("{end:?}") };
            assert!(matches!(*source, TrainError::Exchange(ExchangeError::Lost { .. })), "{source}");
        }
    }
}

#[test]
fn a_trainer_wants_a_checkpoint_after_a_loss() {
    let ends = super::each_own(2, |world| {
        let trainer = Trainer::new(LeNet::init(3), cross_entropy(), Adam::default()).batch(8).threads(1);
        let mut trainer = trainer.distributed(&world).shards(2).build().unwrap();
        let (x, y) = images(8, 0);
        trainer.step(&x, &y).unwrap();
        if world.rank() == 1 {
            return None;
        }
        assert!(matches!(trainer.step(&x, &y), Err(TrainError::Exchange(ExchangeError::Lost { rank: 0, from: 1 }))));
        world.recover().unwrap();
        assert_eq!((world.rank(), world.ranks()), (0, 1));
        let error = trainer.step(&x, &y).unwrap_err();
        assert!(matches!(error, TrainError::Exchange(ExchangeError::Regrouped { rank: 0 })), "{error}");
        Some(())
    });
    assert_eq!(ends, [Some(()), None]);
}
