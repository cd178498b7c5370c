//! Gradients of several batches for one step. Knows no optimizer and no loss.

use super::{moment, scalar_state};
use crate::build::{Builder, Value};

/// The state that counts the batches since the last step.
pub const BATCHES: &str = "optimizer.batches";

/// The mean gradients of the last batches, whose sums are kept as `{parameter}.grad`, and whether this is the last of
/// `count` batches, after which the sums begin anew. Each shard of a batch keeps sums of its own, which are added up over
/// all shards with the last batch alone.
pub fn accumulate<'g>(
    g: &'g Builder,
    parameters: &[(String, Value<'g>)],
    gradients: &[Value<'g>],
    count: u32,
) -> (Vec<Value<'g>>, Value<'g>) {
    let batches = scalar_state(g, BATCHES);
    let now = g.current(batches) + 1.0;
    let due = now.ge(f64::from(count));
    g.update(batches, due.select(0.0, now));
    let means = parameters.iter().zip(gradients).map(|(parameter, &gradient)| {
        let sum = moment(g, parameter, "grad");
        let mean = g.current(sum) + gradient * (1.0 / f64::from(count));
        g.update(sum, due.select(0.0, mean));
        g.keep_of_shard(sum);
        g.exchange_where(mean, Some(due))
    });
    (means.collect(), due)
}
