//! A rank that is lost: the others go on without a restart, from the newest checkpoint, and end with the bits of a training
//! that was never disturbed.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kiln::Training;
use kiln::checkpoints::{Checkpoints, Every};
use kiln::data::{Loader, source};
use kiln::distributed::{ExchangeError, World};
use kiln::fit::{FitError, Progress};
use kiln::prelude::*;
use ndarray::Axis;

use super::{LeNet, each_rank, images};
use crate::folder::Folder;

/// How a training reads its samples.
#[derive(Clone, Copy, Debug)]
enum Reads {
    /// All of them, which lie in memory.
    Dataset,
    /// By a loader that was told once which rows its rank computes.
    Loader,
}

/// A training of three epochs of four steps each, of which one rank dies in a step, if one is to; the state at the end of
/// ranks that are left.
fn train(
    world: World,
    dies: Option<(usize, u64)>,
    checkpoints: bool,
    reads: Reads,
    folder: &Folder,
) -> Option<Result<Vec<u8>, FitError>> {
    let (x, y) = images(64, 1);
    let trainer = Trainer::new(LeNet::init(3), cross_entropy(), Adam::default().lr(0.01)).batch(16).threads(1);
    let mut trainer = trainer.distributed(&world).shards(4).build().unwrap();
    let (me, mut steps) = (world.rank(), 0);
    let dead = AtomicBool::new(false);
    let mut lives = || {
        steps += 1;
        if dies == Some((me, steps)) {
            dead.store(true, Ordering::Relaxed);
            return Err(TrainError::Empty { found: vec![0] });
        }
        Ok(())
    };
    let run = Checkpoints::new(folder.path("run")).every(Every::Steps(3));
    let ended = match reads {
        Reads::Dataset => {
            let data = Dataset::new(x, y).unwrap();
            let fit = kiln::fit(&mut trainer, &data, |trainer, (x, y)| {
                lives()?;
                trainer.step(x, y)
            });
            let fit = fit.epochs(3).shuffle(2).progress(Progress::Silent);
            if checkpoints { fit.checkpoint(run).run() } else { fit.run() }
        }
        Reads::Loader => {
            let rows = source(64, move |index| (x.index_axis(Axis(0), index).to_owned(), y[index]));
            let loader = Loader::new(rows).batch(16).shuffle(3).share(trainer.share());
            let fit = kiln::fit(&mut trainer, &loader, |trainer, (x, y)| {
                lives()?;
                trainer.step(x, y)
            });
            fit.epochs(3).progress(Progress::Silent).checkpoint(run).run()
        }
    };
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
    for (reads, all) in [(Reads::Dataset, &[(3, 5), (0, 8), (1, 12), (2, 4)][..]), (Reads::Loader, &[(3, 5), (0, 8)])] {
        let folder = Folder::new("undisturbed");
        let expected = each_rank(4, |world| train(world.clone(), None, true, reads, &folder).unwrap().unwrap());
        for &dies in all {
            let folder = Folder::new("loss");
            let found = super::each_own(4, |world| train(world, Some(dies), true, reads, &folder));
            assert!(found[dies.0].is_none());
            for end in found.into_iter().flatten() {
                assert!(end.unwrap() == expected[0], "{reads:?}: rank {} dies in step {}", dies.0, dies.1);
            }
        }
    }
}

#[test]
fn without_a_checkpoint_the_loss_is_an_error_on_all() {
    // None is there yet, or none is wanted.
    for (dies, checkpoints) in [((1, 2), true), ((1, 5), false)] {
        let folder = Folder::new("loss");
        for end in super::each_own(3, |world| train(world, Some(dies), checkpoints, Reads::Dataset, &folder))
            .into_iter()
            .flatten()
        {
            let Err(FitError::Step { source, .. }) = end else { panic!("{end:?}") };
            let TrainError::Exchange(ExchangeError::GivenUp { from, reason, .. }) = *source else { panic!("{source}") };
            assert!(from == dies.0 && reason.contains("there is no sample"), "rank {from}: {reason}");
        }
    }
}

/// What each rank says at the end of a training in which rank 1 can not read one of its samples.
fn fails_to_read(world: World, shares: bool) -> String {
    let (x, y) = images(24, 1);
    let rank = world.rank();
    let rows = source(24, move |index| {
        let path = format!("images/{index}.png");
        let io = || std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        // Of the third batch, in the rows of rank 1.
        let is_gone = rank == 1 && index == 20;
        if is_gone {
            Err(DataError::Read { path: path.into(), source: io() })
        } else {
            Ok((x.index_axis(Axis(0), index).to_owned(), y[index]))
        }
    });
    let loader = Loader::new(rows).batch(8);
    let trainer = Trainer::new(LeNet::init(3), cross_entropy(), Adam::default()).batch(8).threads(1);
    let mut trainer = trainer.distributed(&world).build().unwrap();
    let ended = if shares {
        trainer.fit(&loader).progress(Progress::Silent).run()
    } else {
        kiln::fit(&mut trainer, &loader, |trainer, (x, y)| trainer.step(x, y)).progress(Progress::Silent).run()
    };
    ended.unwrap_err().to_string()
}

#[test]
fn a_rank_that_gives_up_tells_the_others_why() {
    // Where each rank reads its own rows, and where all read all, and one has an error of its own.
    for shares in [true, false] {
        let begun = Instant::now();
        let said = super::each_own(3, |world| fails_to_read(world, shares));
        assert!(said[1].contains("images/20.png"), "{said:?}");
        for rank in [0, 2] {
            let expected = format!("rank 1 has given up, which rank {rank} waits for: {}", said[1]);
            assert!(said[rank].contains(&expected), "{said:?}");
        }
        // Without that they would wait for minutes.
        assert!(begun.elapsed() < Duration::from_secs(100));
    }
    // A loop of one's own.
    let said = super::each_own(3, |world| {
        if world.rank() == 2 {
            world.leave("no more fuel");
            return None;
        }
        world.barrier().err()
    });
    for (rank, error) in said[..2].iter().enumerate() {
        let reason = "no more fuel".to_owned();
        assert_eq!(*error, Some(ExchangeError::GivenUp { rank, from: 2, reason }));
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
