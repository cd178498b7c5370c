//! What the programs of a step's shards add up: buckets of values, which of them are here and which on their way. It
//! knows plans and the [`World`]; it runs no program.

use std::ops::Range;

use kiln_graph::passes::Precision;
use kiln_jit::Plan;

use crate::distributed::{Bucket, ExchangeError, Summing, World, queue};

/// Numbers after which a bucket takes no more values: 4 MiB, as many as let 2 ranks of one core hand over resnet18's gradients
/// in 8 buckets (2026-11-30).
const BUCKET: usize = 1 << 20;

/// A value that is added up, the same in the programs of all shards and sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// How many exchanges, one after the other, come before it.
    pub level: usize,
    pub number: u32,
    pub elements: usize,
    /// The output that says whether it is added up in this run, where it is not always.
    pub when: Option<usize>,
}

/// What is added up of some programs: of all sizes alike.
pub struct Exchanges {
    /// In the order of buckets.
    pub values: Vec<Exchanged>,
    /// The values of each bucket.
    pub buckets: Vec<Range<usize>>,
    /// The buckets that are here.
    here: Vec<Option<Box<Summing>>>,
    back: queue::Receiver<Box<Summing>>,
}

impl Exchanges {
    /// What a plan exchanges, in the order in which it is handed over: that of the numbers, the last first, as gradients
    /// come. It does not depend on the plan's calls, so that all ranks have the same.
    pub fn values(plan: &Plan) -> Vec<Exchanged> {
        let value = |(place, exchange): (usize, &kiln_jit::plan::Exchange)| Exchanged {
            level: plan.level_of(place),
            number: exchange.number,
            elements: plan.outputs[exchange.output].ty.shape.elements(),
            when: exchange.when,
        };
        let mut values: Vec<Exchanged> = plan.exchanges.iter().enumerate().map(value).collect();
        values.sort_unstable_by_key(|value| (value.level, std::cmp::Reverse(value.number)));
        values
    }

    /// The buckets of some values, of so many shards: those that are added up on the same occasions lie together.
    pub fn new(values: Vec<Exchanged>, shards: usize, wire: Precision) -> Exchanges {
        let mut buckets: Vec<Range<usize>> = Vec::new();
        let mut elements = 0;
        for (place, value) in values.iter().enumerate() {
            let joins = |bucket: &&mut Range<usize>| {
                let first = &values[bucket.start];
                (first.level, first.when) == (value.level, value.when) && elements < BUCKET
            };
            match buckets.last_mut().filter(joins) {
                Some(bucket) => bucket.end = place + 1,
                None => {
                    buckets.push(place..place + 1);
                    elements = 0;
                }
            }
            elements += value.elements;
        }
        let (reply, back) = queue::new(buckets.len().max(1));
        let bucket = |(number, bucket): (usize, &Range<usize>)| {
            let elements = values[bucket.clone()].iter().map(|value| value.elements).sum();
            Some(Summing::new(number, Bucket::new(elements, shards, wire), reply.clone()))
        };
        let here = buckets.iter().enumerate().map(bucket).collect();
        Exchanges { values, buckets, here, back }
    }

    /// The memory of a bucket that is here, for the values of a shard.
    pub fn filled(&mut self, bucket: usize) -> &mut Bucket {
        &mut self.here[bucket].as_mut().expect("it was taken since it was given").bucket
    }

    /// Sends a bucket on its way.
    pub fn give(&mut self, bucket: usize, world: &World) {
        if let Some(summing) = self.here[bucket].take() {
            world.add_up(summing);
        }
    }

    /// Waits for a bucket.
    pub fn await_bucket(&mut self, bucket: usize, world: &World) -> Result<&Summing, ExchangeError> {
        while self.here[bucket].is_none() {
            let ended =
                || ExchangeError::Network { rank: world.rank(), reason: "the thread of exchanges has ended".into() };
            let summing = self.back.take().ok_or_else(ended)?;
            let number = summing.number;
            self.here[number] = Some(summing);
        }
        let summing = self.here[bucket].as_ref().expect("it is here");
        summing.result.clone()?;
        Ok(summing)
    }

    /// Waits for all buckets: those that nobody takes, and all after an error.
    pub fn await_all(&mut self, world: &World) -> Result<(), ExchangeError> {
        let mut result = Ok(());
        for bucket in 0..self.buckets.len() {
            let found = self.await_bucket(bucket, world).map(|_| ());
            result = result.and(found);
        }
        result
    }
}
