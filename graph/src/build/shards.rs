//! Programs of one shard of a batch: what is added up over shards, and what that makes of losses, results and states.
//! Knows neither who computes the other shards nor how their values come together.
//!
//! A shard of `n` rows takes part in a mean with the weight `n`: the mean of a batch is `sum of n[s] * x[s]` by
//! `sum of n[s]`, whatever the shards' sizes are.

use super::{Builder, GraphError, Value};
use crate::graph::{NodeId, Role, Stage, Type};
use crate::op::Op;
use crate::shape::{DType, Shape};

/// The data input that holds the number of rows of the shard, an f32 scalar.
pub const SHARD_ROWS: &str = "shard.rows";

/// The data input that holds the number of rows of the whole batch, an f32 scalar.
pub const BATCH_ROWS: &str = "batch.rows";

/// The data input that holds the shard's number, an i32 scalar.
pub const SHARD_NUMBER: &str = "shard.number";

/// What a builder knows of shards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shards {
    /// Of how many shards a batch is.
    count: usize,
    /// Whether batch norms take the statistics of all shards.
    sync_batch_norm: bool,
    /// The number of exchanges so far.
    exchanges: u32,
}

impl Builder {
    /// Says that the program computes one of so many shards of a batch: gradients of losses are those of the mean over
    /// all shards. Said before anything is built. `sync_batch_norm`: batch norms take the statistics of the whole batch.
    pub fn set_shards(&self, count: usize, sync_batch_norm: bool) {
        self.shards.set(Some(Shards { count, sync_batch_norm, exchanges: 0 }));
    }

    /// Whether the program computes a shard.
    pub fn is_sharded(&self) -> bool {
        self.shards.get().is_some()
    }

    /// Whether batch norms take the statistics of all shards.
    pub(crate) fn syncs_batch_norm(&self) -> bool {
        self.shards.get().is_some_and(|shards| shards.sync_batch_norm)
    }

    /// The sum of an f32 value over all shards.
    pub fn exchange<'g>(&'g self, value: Value<'g>) -> Value<'g> {
        self.exchange_where(value, None)
    }

    /// The sum of an f32 value over all shards where a flag is true that is the same in all of them; elsewhere nobody may
    /// use it. The flag is made of states and inputs, of nothing that is exchanged itself.
    pub fn exchange_where<'g>(&'g self, value: Value<'g>, when: Option<Value<'g>>) -> Value<'g> {
        let Some(mut shards) = self.shards.get() else { return value };
        let number = shards.exchanges;
        shards.exchanges += 1;
        self.shards.set(Some(shards));
        let operands: Vec<Value<'g>> = std::iter::once(value).chain(when).collect();
        self.apply(Op::Exchange { number }, &operands)
    }

    /// Lets each shard have its own value of a state: [`Builder::gather_shards`] leaves it alone.
    pub(crate) fn keep_of_shard(&self, state: Value<'_>) {
        self.of_shard.borrow_mut().extend(self.state_index(state));
    }

    /// Says that a data input holds nothing of single rows: it is the same in all shards.
    pub fn set_common(&self, input: Value<'_>) {
        let position = self.index.borrow().input_of(input.id());
        if let Some(position) = position {
            self.graph.borrow_mut().inputs[position].common = true;
        }
    }

    /// The number of rows of this shard, an f32 scalar.
    pub(crate) fn shard_rows(&self) -> Value<'_> {
        self.shard_input(SHARD_ROWS, Type::f32(Shape::SCALAR))
    }

    fn shard_input(&self, name: &str, ty: Type) -> Value<'_> {
        match self.find_input(name) {
            Some((_, node)) => self.value(node),
            None => self.input_of(name, ty),
        }
    }

    /// The number of rows of all shards, an f32 scalar.
    pub(crate) fn batch_rows(&self) -> Value<'_> {
        let rows = self.shard_input(BATCH_ROWS, Type::f32(Shape::SCALAR));
        self.set_common(rows);
        rows
    }

    /// A counter of runs as random numbers take it: another number for each shard of each run.
    pub(super) fn count_of_shard<'g>(&'g self, run: Value<'g>) -> Value<'g> {
        match self.shards.get() {
            Some(shards) => run * (shards.count as i32) + self.shard_input(SHARD_NUMBER, Type::i32(Shape::SCALAR)),
            None => run,
        }
    }

    /// The loss that gradients are taken of: weighted by the shard's rows, so that their sum over shards is that of the
    /// batch, times its rows.
    pub(crate) fn loss_of_shard<'g>(&'g self, loss: Value<'g>) -> Value<'g> {
        if self.is_sharded() { loss * self.shard_rows() } else { loss }
    }

    /// The gradients in the mean loss of the batch, of those in the loss of [`Builder::loss_of_shard`].
    pub(crate) fn gradients_of_batch<'g>(&'g self, gradients: Vec<Value<'g>>) -> Vec<Value<'g>> {
        if !self.is_sharded() {
            return gradients;
        }
        let _stage = self.stage(Stage::Update);
        let share = 1.0 / self.batch_rows();
        gradients.into_iter().map(|gradient| self.exchange(gradient) * share).collect()
    }

    /// What a shard contributes to the gradients of [`Builder::gradients_of_batch`]: for those that are added up over
    /// several batches first.
    pub(crate) fn parts_of_gradients<'g>(&'g self, gradients: Vec<Value<'g>>) -> Vec<Value<'g>> {
        if !self.is_sharded() {
            return gradients;
        }
        let share = 1.0 / self.batch_rows();
        gradients.into_iter().map(|gradient| gradient * share).collect()
    }

    /// Makes results and states those of the batch: f32 scalars are the mean over shards, whole numbers the sum, a flag
    /// is whether one has it; new values of states that depend on the shard's data (running statistics) are the mean over
    /// shards. So it is with tensors that have no axis of rows, which `has_rows` says of each result by its position;
    /// others are those of the shard's rows. What comes later is not looked at.
    pub fn gather_shards(&self, has_rows: &dyn Fn(usize) -> bool) {
        if !self.is_sharded() {
            return;
        }
        let outputs = self.graph.borrow().outputs.clone();
        for (position, output) in outputs.iter().enumerate() {
            let value = self.value(output.node);
            if !has_rows(position) && self.depends_on_shard(output.node) {
                let gathered = self.gathered(value);
                self.graph.borrow_mut().outputs[position].node = gathered.id();
            }
        }
        let updates = self.graph.borrow().updates.clone();
        for (position, update) in updates.iter().enumerate() {
            let value = self.value(update.node);
            let is_own = self.of_shard.borrow().contains(&update.input);
            if is_own || !self.depends_on_shard(update.node) {
                continue;
            }
            if value.dtype() != DType::F32 {
                let name = self.graph.borrow().inputs[update.input].name.clone();
                return self.fail(GraphError::ShardState { name, found: value.ty() });
            }
            let node = self.gathered(value).detach().id();
            self.graph.borrow_mut().updates[position].node = node;
        }
    }

    /// What is given of a value that each shard has: the mean of numbers, the sum of whole numbers, whether one is true.
    fn gathered<'g>(&'g self, value: Value<'g>) -> Value<'g> {
        match value.dtype() {
            DType::F32 | DType::Bf16 => self.exchange(value * self.shard_rows()) * (1.0 / self.batch_rows()),
            dtype @ (DType::I32 | DType::U8 | DType::I8) => self.exchange(value.convert(DType::F32)).convert(dtype),
            DType::Bool => self.exchange(value.convert(DType::F32)).gt(0.0),
        }
    }

    /// Whether a value may differ between shards: whether it is computed of data of rows without an exchange.
    fn depends_on_shard(&self, node: NodeId) -> bool {
        let graph = self.graph.borrow();
        let mut seen = vec![false; node.index() + 1];
        let mut open = vec![node];
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut seen[id.index()], true) {
                continue;
            }
            match graph.node(id).op {
                Op::Input => {
                    let input = self.index.borrow().input_of(id);
                    let input = input.map(|input| &graph.inputs[input]);
                    if input.is_some_and(|input| input.role == Role::Data && !input.common) {
                        return true;
                    }
                }
                Op::Exchange { .. } => {}
                _ => open.extend(&graph.node(id).inputs),
            }
        }
        false
    }
}
