//! Metrics of an evaluation: functions of a user's own, whose means are taken over all data. It knows no particular
//! one.

use std::fmt;
use std::sync::Arc;

use kiln_graph::Value;
use kiln_graph::losses::Total;

/// A function of the model's outputs and the targets, with a name.
#[derive(Clone)]
pub struct Metric {
    pub name: String,
    function: Arc<Function>,
}

type Function = dyn for<'g> Fn(&[Value<'g>], &[Value<'g>]) -> Value<'g> + Send + Sync;

impl Metric {
    pub fn new(
        name: String,
        function: impl for<'g> Fn(&[Value<'g>], &[Value<'g>]) -> Value<'g> + Send + Sync + 'static,
    ) -> Metric {
        Metric { name, function: Arc::new(function) }
    }

    /// What an evaluation adds up over batches.
    pub fn total<'g>(&self, outputs: &[Value<'g>], targets: &[Value<'g>]) -> Total<'g> {
        Total::of_result((self.function)(outputs, targets), outputs[0])
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metric").field("name", &self.name).finish_non_exhaustive()
    }
}
