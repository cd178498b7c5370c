//! Where each value is used for the last time, shared by the emitters. It knows the kernel IR alone.

use crate::kernel::{Kernel, Statement, Value};

/// For each value the position of its last use: statements are counted in textual order, the end of a loop counts as a
/// statement, and a value from outside of a loop that is used inside lives to the loop's end.
#[derive(Debug)]
pub struct LastUses {
    last: Vec<u32>,
    defined: Vec<u32>,
    position: u32,
}

impl LastUses {
    /// Of all values of a checked kernel.
    pub fn new(kernel: &Kernel) -> LastUses {
        let count = kernel.values.len();
        let mut uses = LastUses { last: vec![0; count], defined: vec![0; count], position: 0 };
        uses.block(&kernel.body, &mut Vec::new());
        uses
    }

    /// Whether the value is not used after the statement at a position.
    pub fn dies(&self, value: Value, position: u32) -> bool {
        self.last[value.0 as usize] <= position
    }

    /// `used` collects the uses in the block.
    fn block(&mut self, body: &[Statement], used: &mut Vec<Value>) {
        for statement in body {
            self.position += 1;
            match statement {
                Statement::Let(value, operation) => {
                    self.defined[value.0 as usize] = self.position;
                    operation.operands(&mut |value| self.mark(value, used));
                }
                Statement::Store { index, value, .. } => {
                    self.mark(*value, used);
                    if let Some(row) = index.row {
                        self.mark(row.value, used);
                    }
                }
                Statement::Prefetch { .. } | Statement::Tile(_) => {}
                Statement::For(l) => {
                    let start = self.position;
                    l.guard.iter().for_each(|&guard| self.mark(guard, used));
                    for carried in &l.carried {
                        self.mark(carried.initial, used);
                        self.defined[carried.current.0 as usize] = start;
                    }
                    let mut inside = Vec::new();
                    self.block(&l.body, &mut inside);
                    self.position += 1;
                    for carried in &l.carried {
                        self.mark(carried.next, &mut inside);
                        self.defined[carried.result.0 as usize] = self.position;
                    }
                    for value in inside {
                        if self.defined[value.0 as usize] < start {
                            self.mark(value, used);
                        }
                    }
                }
            }
        }
    }

    fn mark(&mut self, value: Value, used: &mut Vec<Value>) {
        self.last[value.0 as usize] = self.position;
        used.push(value);
    }
}
