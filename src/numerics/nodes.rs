//! Single nodes as compiled programs: the replay computes its large sums by them, which the interpreter takes long for,
//! and, where it finds nothing, all sums, in the order of compiled code.

use std::collections::HashMap;

use kiln_graph::interpret::Tensor;
use kiln_graph::op::Family;
use kiln_graph::{Builder, DType, Op, Shape, Type, Value};

use crate::program::Compiled;

/// A sum of more operations than these is compiled: the interpreter would take longer for it than the compiler does.
/// Unit: operations. An order of magnitude, 2026-11-29.
const MUCH: usize = 1 << 20;

/// Compiled nodes, by their operations and the types of their operands.
pub struct Nodes {
    least: usize,
    compiled: HashMap<(Op, Vec<Type>), Option<Compiled>>,
}

impl Nodes {
    /// Only large sums are compiled.
    pub fn large() -> Nodes {
        Nodes { least: MUCH, compiled: HashMap::new() }
    }

    /// All sums are compiled.
    pub fn all() -> Nodes {
        Nodes { least: 0, compiled: HashMap::new() }
    }

    /// The value of a node; nothing where it is for the interpreter.
    pub fn evaluate(&mut self, op: &Op, operands: &[&Tensor<f32>], ty: Type) -> Option<Tensor<f32>> {
        let is_sum = match op.traits().family {
            Family::Contraction | Family::Window | Family::Reduce => true,
            Family::Source
            | Family::Elementwise
            | Family::Movement
            | Family::Indexing
            | Family::Random
            | Family::Scan
            | Family::Exchange => false,
        };
        let types: Vec<Type> = operands.iter().map(|operand| operand.ty()).collect();
        let shapes: Vec<Shape> = types.iter().map(|ty| ty.shape).collect();
        if !is_sum || ty.dtype != DType::F32 || op.flops(&shapes, ty.shape) < self.least {
            return None;
        }
        let compiled = self.compiled.entry((op.clone(), types)).or_insert_with_key(|(op, types)| compile(op, types));
        let compiled = compiled.as_mut()?;
        for (position, operand) in operands.iter().enumerate() {
            let name = position.to_string();
            match operand {
                Tensor::F(numbers) => compiled.set(&name, numbers).ok()?,
                Tensor::H(_) | Tensor::U(_) | Tensor::S(_) => return None,
                Tensor::I(numbers) => compiled.set(&name, numbers).ok()?,
                Tensor::B(flags) => compiled.set(&name, flags).ok()?,
            }
        }
        compiled.run().ok()?;
        compiled.get("result").ok().map(Tensor::F)
    }
}

fn compile(op: &Op, types: &[Type]) -> Option<Compiled> {
    let g = Builder::new("node");
    let operands: Vec<Value<'_>> =
        types.iter().enumerate().map(|(position, ty)| g.input_of(&position.to_string(), *ty)).collect();
    g.output("result", g.apply(op.clone(), &operands));
    Compiled::new(&g.finish().ok()?).ok()
}
