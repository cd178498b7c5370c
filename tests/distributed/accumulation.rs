//! Steps of several batches: gradients go between ranks with the last batch alone, and a training goes on from the midst of
//! a step, whatever ranks there are then.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kiln::CheckpointError;
use kiln::checkpoints::{Checkpoints, Run};
use kiln::distributed::{ExchangeError, Messages, Network, World};
use kiln::prelude::*;

use super::{LeNet, Plain, each_rank, images};
use crate::folder::Folder;

/// Two ranks that count what they send.
struct Counted {
    rank: usize,
    to: Sender<Vec<f32>>,
    from: Mutex<Receiver<Vec<f32>>>,
    messages: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Network for Counted {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        2
    }

    fn swap(&mut self, messages: &mut Messages, limit: Duration) -> Result<(), ExchangeError> {
        let other = 1 - self.rank;
        let (sent, received) = (messages.sends[other].clone(), messages.receives[other].clone());
        if !sent.is_empty() {
            self.messages.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(4 * sent.len(), Ordering::Relaxed);
            self.to.send(messages.numbers[sent].to_vec()).unwrap();
        }
        if !received.is_empty() {
            let message = self.from.lock().unwrap().recv_timeout(limit).unwrap();
            messages.numbers[received].copy_from_slice(&message);
        }
        Ok(())
    }

    fn leave(&mut self, _: &str, _: Duration) {}
}

/// The messages and bytes that rank 0 sends in each of some steps.
fn sent(accumulate: u32, steps: u64) -> Vec<(usize, usize)> {
    let ((to_1, from_0), (to_0, from_1)) = (channel(), channel());
    let counts = [(); 2].map(|()| (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))));
    let ends = [(to_1, from_1), (to_0, from_0)];
    let ranks = ends.into_iter().zip(&counts).enumerate().map(|(rank, ((to, from), (messages, bytes)))| {
        let network = Counted { rank, to, from: Mutex::new(from), messages: messages.clone(), bytes: bytes.clone() };
        World::new(Box::new(network))
    });
    let worlds: Vec<World> = ranks.collect();
    let (messages, bytes) = &counts[0];
    let train = |world: &World| -> Vec<(usize, usize)> {
        let adam = Adam::default().accumulate(accumulate);
        let trainer = Trainer::new(Plain::init(3), cross_entropy(), adam).batch(8).threads(1);
        let mut trainer = trainer.distributed(world).build().unwrap();
        let step = |number: u64| {
            let before = (messages.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
            let (x, y) = images(8, number);
            trainer.step(&x, &y).unwrap();
            (messages.load(Ordering::Relaxed) - before.0, bytes.load(Ordering::Relaxed) - before.1)
        };
        (0..steps).map(step).collect()
    };
    thread::scope(|scope| {
        let running: Vec<_> = worlds.iter().map(|world| scope.spawn(|| train(world))).collect();
        running.into_iter().map(|rank| rank.join().unwrap()).next().unwrap()
    })
}

#[test]
fn gradients_of_several_batches_are_sent_once() {
    let each = sent(1, 2);
    let of_three = sent(3, 6);
    // The parameters of `Plain`, of which each of two ranks adds up one half, and sends it.
    let gradients = 4 * (100 * 12 + 12 + 12 * 5 + 5);
    assert!(each.iter().all(|&(_, bytes)| (gradients..gradients + 64).contains(&bytes)), "{each:?}");
    for (number, &(messages, bytes)) in of_three.iter().enumerate() {
        if number % 3 == 2 {
            assert!((gradients..gradients + 64).contains(&bytes), "batch {number}: {of_three:?}");
        } else {
            // The loss goes there and back.
            assert!(messages <= 2 && bytes <= 16, "batch {number}: {of_three:?}");
        }
    }
}

/// Some steps of three batches each, which stop in the midst of one after `stop` batches and go on from a checkpoint with
/// other ranks; the losses of rank 0, and the file at the end.
fn train(ranks: &[usize], stop: &[u64], folder: &Folder) -> (Vec<u32>, Vec<u8>) {
    let mut losses = Vec::new();
    let mut end = Vec::new();
    for (&ranks, &stop) in ranks.iter().zip(stop) {
        let of_ranks = each_rank(ranks, |world| {
            let adam = Adam::default().lr(0.01).accumulate(3).clip_grad_norm(0.5);
            let trainer = Trainer::new(LeNet::init(3), cross_entropy(), adam).batch(16).threads(1);
            let mut trainer = trainer.distributed(world).shards(4).build().unwrap();
            let mut checkpoints = Checkpoints::new(folder.path("run"));
            let mut run = checkpoints.resume(&mut trainer).unwrap().unwrap_or_default();
            let mut losses = Vec::new();
            while run.step < stop {
                let (x, y) = images(16 - run.step as usize, run.step);
                losses.push(trainer.step(&x, &y).unwrap().to_bits());
                run.end_batch();
            }
            let path = checkpoints.save(&trainer, &Run { step: run.step, batch: run.batch, ..Run::default() }).unwrap();
            let alone = trainer.save(folder.path(&format!("alone{}", world.rank())));
            if world.ranks() > 1 && !run.step.is_multiple_of(3) {
                assert!(matches!(alone, Err(CheckpointError::Between { .. })));
            } else {
                alone.unwrap();
            }
            (losses, if world.rank() == 0 { fs::read(path).unwrap() } else { Vec::new() })
        });
        losses.extend(&of_ranks[0].0);
        end = of_ranks[0].1.clone();
    }
    (losses, end)
}

#[test]
fn a_training_goes_on_from_the_midst_of_a_step() {
    let folders = [(); 3].map(|()| Folder::new("accumulation"));
    let undisturbed = train(&[1], &[8], &folders[0]);
    for (folder, (ranks, stops)) in
        folders[1..].iter().zip([(&[2, 4, 1][..], &[2, 4, 8][..]), (&[3, 1, 2], &[1, 5, 8])])
    {
        let (losses, end) = train(ranks, stops, folder);
        assert_eq!(losses, undisturbed.0, "{ranks:?}");
        assert!(end == undisturbed.1, "{ranks:?}");
    }
}
