//! The gradient of a scan: another scan, over the same steps the other way round, whose body is the gradient of a step.
//!
//! With the states `s`, the rows `x` and `y` of operands and outputs and the constants `c`, a step is
//! `s_next, y = f(s, x, c)`. Its gradient takes `s_next'` and `y'` and gives `s'`, which the step before takes, and
//! `x'`: states are carried back, rows stay rows. What it needs of the step's own values becomes rows, too, which the
//! scan gives beside its other results; what is cheap (views of such values, and what follows from constants alone) is
//! computed again.
//!
//! The gradient of a constant is the sum of those of all steps. Where a step multiplies a constant matrix, that sum is
//! itself one product, of the rows of all steps: it is computed behind the scan. Other gradients of constants are added
//! up in a state; where the constant is broadcast, before that over the elements that are the same. Both are sums of
//! what is linear, so that what else a body makes of constants alone is differentiated once, outside. What the last
//! step alone has of what is carried is given as a gradient of that.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::ScanError;
use super::last_step::only_last_row;
use crate::build::{Builder, Value, unused};
use crate::differentiate::{Adjoint, Contributions, walk};
use crate::graph::{Graph, Input, Node, NodeId, Operands, Output, Role, Update};
use crate::op::{Family, Op};
use crate::shape::DType;

/// The gradient of a scan in its operands, as far as it is wanted; `upstream` are the gradients of some of its results.
pub(crate) fn gradient_scan<'g>(
    g: &'g Builder,
    scan: NodeId,
    upstream: &[(u32, Value<'g>)],
    wanted: &[bool],
) -> Contributions<'g> {
    match gradient(g, scan, upstream, wanted) {
        Ok(contributions) => contributions,
        Err(error) => {
            g.fail(error.into());
            vec![None; wanted.len()]
        }
    }
}

/// A product with a constant: the gradient in the constant is a sum of products.
struct Product {
    /// The constant.
    constant: NodeId,
    /// Whether it is the left operand.
    is_left: bool,
    /// The other operand, a node of the step.
    other: NodeId,
    /// The gradient of the product, a node of the step's gradient.
    upstream: NodeId,
}

fn gradient<'g>(
    g: &'g Builder,
    scan: NodeId,
    upstream: &[(u32, Value<'g>)],
    wanted: &[bool],
) -> Result<Contributions<'g>, ScanError> {
    let node = g.node(scan);
    let Op::Scan { length, reverse, .. } = node.op else { unreachable!("the node of a scan") };
    let operands: Vec<Value<'g>> = node.inputs.iter().map(|&operand| g.value(operand)).collect();
    let body = g.body_of(scan);
    let of = Dependence::new(&body, wanted);
    let carried = body.updates.len();

    // The gradient of a step, behind the step itself.
    let mut step = Graph { outputs: Vec::new(), updates: Vec::new(), ..body.clone() };
    step.name = format!("gradient of {}", body.name);
    let step = Builder::resume(step);
    // What it takes beside the step's values, by its nodes.
    let mut taken: BTreeMap<NodeId, Value<'g>> = BTreeMap::new();
    let mut seeds = Vec::new();
    // What the last step alone has of what is carried is a gradient of that.
    let mut of_outputs: Vec<(usize, Value<'g>)> = Vec::new();
    let mut of_last: Vec<(usize, Value<'g>)> = Vec::new();
    for &(index, gradient) in upstream.iter().filter(|(index, _)| *index as usize >= carried) {
        let output = index as usize - carried;
        let carries = |update: &Update| {
            update.node == body.outputs[output].node && of.varies[body.inputs[update.input].node.index()]
        };
        let update = body.updates.iter().position(carries);
        match update.and_then(|update| Some((update, only_last_row(g, gradient, reverse)?))) {
            Some(last) => of_last.push(last),
            None => of_outputs.push((output, gradient)),
        }
    }
    // For each update of the body the state of the gradient that its gradient is carried in.
    let mut adjoints = Vec::new();
    let name = |of: &str| unused(&format!("d {of}"), |name| step.named(name).is_some());
    for (number, update) in body.updates.iter().enumerate() {
        let input = &body.inputs[update.input];
        if !of.varies[input.node.index()] {
            adjoints.push(None);
            continue;
        }
        let ty = body.ty(input.node);
        let adjoint = step.state(&name(&input.name), ty);
        let given = upstream.iter().map(|&(index, gradient)| (index as usize, gradient)).chain(of_last.iter().copied());
        let given = given.filter(|&(index, _)| index == number).map(|(_, gradient)| gradient);
        let last = given.reduce(|a, b| a + b).unwrap_or_else(|| g.full(ty.shape, 0.0));
        taken.insert(adjoint.id(), last);
        seeds.push((update.node, adjoint));
        adjoints.push(Some(adjoint));
    }
    for (output, gradient) in of_outputs {
        let output = &body.outputs[output];
        if of.varies[output.node.index()] || of.constant[output.node.index()] {
            let row = step.input(&name(&output.name), body.shape(output.node));
            taken.insert(row.id(), gradient);
            seeds.push((output.node, row));
        }
    }
    let smooth: Vec<bool> = body.ids().map(|id| of.walks(id)).collect();
    let gradients = walk(&step, &seeds, &smooth);

    // Gradients of constants: products are left for later, everything else is added up.
    let mut products: Vec<Product> = Vec::new();
    let mut sums: BTreeMap<NodeId, Value<'_>> = BTreeMap::new();
    let mut add = |id: NodeId, contribution| {
        let sum = sums.get(&id).map_or(contribution, |&sum| sum + contribution);
        sums.insert(id, sum);
    };
    for &(id, seed) in seeds.iter().filter(|(id, _)| of.deferred(*id)) {
        add(id, seed);
    }
    for id in body.ids() {
        let Some(upstream) = gradients[id.index()] else { continue };
        if of.constant[id.index()] {
            // An operand of a scan within the step, to which the walk has come.
            if !of.deferred(id) {
                add(id, upstream);
            }
            continue;
        }
        let node = body.node(id);
        let deferred: Vec<bool> = node.inputs.iter().map(|&operand| of.deferred(operand)).collect();
        if !deferred.contains(&true) || matches!(node.op, Op::Scan { .. }) {
            continue;
        }
        if let (Op::Dot, &[left, right]) = (&node.op, &node.inputs[..])
            && deferred[0] != deferred[1]
            && !of.fixed[if deferred[0] { right } else { left }.index()]
        {
            let (constant, other) = if deferred[0] { (left, right) } else { (right, left) };
            products.push(Product { constant, is_left: deferred[0], other, upstream: upstream.id() });
            continue;
        }
        let values: Vec<Value<'_>> = node.inputs.iter().map(|&operand| step.value(operand)).collect();
        let adjoint = Adjoint { operands: &values, output: step.value(id), upstream, wanted: &deferred };
        for (&operand, contribution) in node.inputs.iter().zip(node.op.gradient(&adjoint)) {
            contribution.into_iter().for_each(|contribution| add(operand, contribution));
        }
    }

    // A gradient in a broadcast as one in its operand, which is smaller: the state in which it is added up is, too.
    for id in body.ids().rev() {
        let (Op::Broadcast(_), &[operand]) = (&body.node(id).op, &body.node(id).inputs[..]) else { continue };
        let Some(upstream) = sums.remove(&id) else { continue };
        let adjoint = Adjoint { operands: &[step.value(operand)], output: step.value(id), upstream, wanted: &[true] };
        for contribution in body.node(id).op.gradient(&adjoint).into_iter().flatten() {
            let sum = sums.get(&operand).map_or(contribution, |&sum| sum + contribution);
            sums.insert(operand, sum);
        }
    }

    // What the gradient of a step gives.
    let mut updates: Vec<(NodeId, NodeId)> = Vec::new();
    for (update, adjoint) in body.updates.iter().zip(&adjoints) {
        let Some(adjoint) = adjoint else { continue };
        let state = body.inputs[update.input].node;
        let before = gradients[state.index()].unwrap_or_else(|| step.full(body.shape(state), 0.0));
        updates.push((adjoint.id(), before.id()));
    }
    let carried_back = updates.len();
    for (&constant, &sum) in &sums {
        let total = step.state(&name(&format!("sum {constant}")), sum.ty());
        taken.insert(total.id(), g.full(sum.shape(), 0.0));
        updates.push((total.id(), (total + sum).id()));
    }
    let mut rows: Vec<NodeId> = Vec::new();
    let mut row = |id: NodeId| {
        rows.iter().position(|&row| row == id).unwrap_or_else(|| {
            rows.push(id);
            rows.len() - 1
        })
    };
    let of_rows: Vec<Option<usize>> = body
        .inputs
        .iter()
        .zip(wanted)
        .map(|(input, &wanted)| {
            let gradient = gradients[input.node.index()].filter(|_| wanted && input.role == Role::Data)?;
            Some(row(gradient.id()))
        })
        .collect();
    let summed: Vec<NodeId> = sums.keys().copied().collect();
    let of_products: Vec<usize> = products.iter().map(|product| row(product.upstream)).collect();

    // The gradient of a step without the step: the step's values come from outside.
    let is_carried: Vec<bool> = adjoints.iter().map(Option::is_some).collect();
    let forward = Forward { g, scan, body: &body, operands: &operands, of: &of };
    let (back, given) = without_step(step.into_graph(), &forward, taken, &updates, &rows)?;
    let operands_back = given.iter().map(|value| value.id()).collect();
    let back = g.push_scan(back, operands_back, length, !reverse);
    let rows_of = |number: usize| g.scan_result(back, updates.len() + number);

    let mut contributions: Contributions<'g> = of_rows.into_iter().map(|row| row.map(rows_of)).collect();
    let mut number = 0;
    for (update, adjoint) in body.updates.iter().zip(is_carried) {
        if adjoint {
            if wanted[update.input] {
                contributions[update.input] = Some(g.scan_result(back, number));
            }
            number += 1;
        }
    }
    let mut totals: BTreeMap<NodeId, Value<'g>> = BTreeMap::new();
    for (number, &constant) in summed.iter().enumerate() {
        totals.insert(constant, g.scan_result(back, carried_back + number));
    }
    for (product, number) in products.iter().zip(of_products) {
        let other = forward.rows(product.other)?;
        let total = sum_of_products(product.is_left, other, rows_of(number));
        totals.entry(product.constant).and_modify(|sum| *sum = *sum + total).or_insert(total);
    }
    through_constants(g, &body, &of, &operands, totals, &mut contributions);
    Ok(contributions)
}

/// What the nodes of a body depend on.
struct Dependence {
    /// On nothing, or on states alone that stay the same in all steps.
    fixed: Vec<bool>,
    /// Whether a node that is fixed varies smoothly with a constant of which the gradient is wanted.
    constant: Vec<bool>,
    /// Whether a node that is not fixed varies smoothly with anything of which the gradient is wanted, in any step.
    varies: Vec<bool>,
    /// Operands of scans within the body.
    scanned: Vec<bool>,
}

impl Dependence {
    fn new(body: &Graph, wanted: &[bool]) -> Dependence {
        let nodes = body.nodes.len();
        let mut of = Dependence {
            fixed: vec![false; nodes],
            constant: vec![false; nodes],
            varies: vec![false; nodes],
            scanned: vec![false; nodes],
        };
        let carried = |input: usize| body.updates.iter().find(|update| update.input == input);
        for (number, input) in body.inputs.iter().enumerate() {
            let place = input.node.index();
            of.fixed[place] = input.role == Role::State && carried(number).is_none();
            let is_wanted = wanted[number] && body.ty(input.node).dtype == DType::F32;
            of.constant[place] = is_wanted && of.fixed[place];
            of.varies[place] = is_wanted && !of.fixed[place];
        }
        for id in body.ids().filter(|&id| body.node(id).op != Op::Input) {
            let node = body.node(id);
            let place = id.index();
            of.fixed[place] = node.op.family() != Family::Scan && node.inputs.iter().all(|x| of.fixed[x.index()]);
            of.constant[place] =
                of.fixed[place] && is_smooth(node) && node.inputs.iter().any(|x| of.constant[x.index()]);
            if let Op::Scan { .. } = node.op {
                node.inputs.iter().for_each(|x| of.scanned[x.index()] = true);
            }
        }
        // Around the loop: a state varies if what the step before left in it does.
        loop {
            for id in body.ids().filter(|id| !of.fixed[id.index()]) {
                let node = body.node(id);
                of.varies[id.index()] |=
                    is_smooth(node) && node.inputs.iter().any(|x| of.varies[x.index()] || of.constant[x.index()]);
            }
            let mut changed = false;
            for update in &body.updates {
                let state = body.inputs[update.input].node.index();
                let new = of.varies[update.node.index()] || of.constant[update.node.index()];
                let is_real = body.ty(update.node).dtype == DType::F32;
                changed |= new && is_real && !std::mem::replace(&mut of.varies[state], true);
            }
            if !changed {
                return of;
            }
        }
    }

    /// Whether the gradient of a step comes to a node by the walk.
    fn walks(&self, id: NodeId) -> bool {
        self.varies[id.index()] || self.constant[id.index()] && self.scanned[id.index()]
    }

    /// Whether the gradient in a constant is a sum over what uses it.
    fn deferred(&self, id: NodeId) -> bool {
        self.constant[id.index()] && !self.scanned[id.index()]
    }
}

/// Whether gradients pass through a node.
fn is_smooth(node: &Node) -> bool {
    (matches!(node.ty.dtype, DType::F32 | DType::Bf16) || matches!(node.op, Op::Scan { .. }))
        && !node.op.traits().stops_gradient
}

/// A scan whose values its gradient asks for.
struct Forward<'a, 'g> {
    g: &'g Builder,
    scan: NodeId,
    body: &'a Graph,
    operands: &'a [Value<'g>],
    of: &'a Dependence,
}

impl<'g> Forward<'_, 'g> {
    /// The rows of all steps of a node.
    fn rows(&self, id: NodeId) -> Result<Value<'g>, ScanError> {
        let data = self.body.inputs.iter().position(|input| input.node == id && input.role == Role::Data);
        data.map_or_else(|| self.g.scan_rows(self.scan, id), |input| Ok(self.operands[input]))
    }

    /// Adds a result of a scan within the step to the body, as `step`, which has more nodes, reads it.
    fn add_result(&self, step: &Graph, id: NodeId) -> NodeId {
        let node = step.node(id);
        let Op::Scan { body, .. } = step.node(node.inputs[0]).op else { unreachable!("results are those of scans") };
        self.g.change_body_of(self.scan, |graph| {
            graph.bodies[body as usize].clone_from(&step.bodies[body as usize]);
            graph.push(Node { scope: 0, ..node.clone() })
        })
    }

    /// Whether a value is rather computed again than kept.
    fn is_computed_again(&self, node: &Node, id: NodeId) -> bool {
        node.op != Op::Input && (self.of.fixed[id.index()] || node.op.is_view())
    }
}

/// The part of a graph that updates and rows need, behind its first nodes, which are those of a step: what is needed of
/// those becomes inputs. Says what is given for each input; `taken` is that for the inputs behind the first nodes.
fn without_step<'g>(
    step: Graph,
    forward: &Forward<'_, 'g>,
    taken: BTreeMap<NodeId, Value<'g>>,
    updates: &[(NodeId, NodeId)],
    rows: &[NodeId],
) -> Result<(Graph, Vec<Value<'g>>), ScanError> {
    let first = forward.body.nodes.len();
    let mut needed = vec![false; step.nodes.len()];
    taken.keys().for_each(|id| needed[id.index()] = true);
    updates.iter().for_each(|&(_, new)| needed[new.index()] = true);
    rows.iter().for_each(|id| needed[id.index()] = true);
    // A result that the gradient of a scan within the step asks for: that scan is the step's.
    let of_step = |node: &Node| matches!(node.op, Op::ScanResult { .. }) && node.inputs[0].index() < first;
    let is_kept = |id: NodeId| {
        let node = step.node(id);
        match id.index() < first {
            true => forward.is_computed_again(node, id),
            false => node.op != Op::Input && !of_step(node),
        }
    };
    for id in step.ids().rev().filter(|&id| is_kept(id)) {
        if needed[id.index()] {
            step.node(id).inputs.iter().for_each(|operand| needed[operand.index()] = true);
        }
    }
    let names: FxHashMap<NodeId, &str> = step.inputs.iter().map(|input| (input.node, input.name.as_str())).collect();
    let mut back = Graph { scopes: step.scopes.clone(), ..Graph::new(&step.name) };
    let mut given = Vec::new();
    let mut places = vec![NodeId::default(); step.nodes.len()];
    for id in step.ids().filter(|id| needed[id.index()]) {
        let node = step.node(id);
        if is_kept(id) {
            let mut node = node.clone();
            node.inputs.iter_mut().for_each(|operand| *operand = places[operand.index()]);
            if let Op::Scan { body, .. } = &mut node.op {
                back.bodies.push(step.bodies[*body as usize].clone());
                *body = back.bodies.len() as u32 - 1;
            }
            places[id.index()] = back.push(node);
            continue;
        }
        let state = |node: NodeId| updates.iter().any(|&(state, _)| state == node);
        let (role, value) = match taken.get(&id) {
            Some(&value) => (if state(id) { Role::State } else { Role::Data }, value),
            None if id.index() >= first => (Role::Data, forward.rows(forward.add_result(&step, id))?),
            None => {
                let input = forward.body.inputs.iter().position(|input| input.node == id);
                match input.filter(|_| forward.of.fixed[id.index()]) {
                    Some(input) => (Role::State, forward.operands[input]),
                    None => (Role::Data, forward.rows(id)?),
                }
            }
        };
        let wanted = names.get(&id).map_or_else(|| id.to_string(), |&name| name.to_owned());
        let name = unused(&wanted, |name| back.inputs.iter().any(|input| input.name == name));
        let node = back.push(Node { op: Op::Input, inputs: Operands::new(), ty: node.ty, scope: 0 });
        back.inputs.push(Input::new(name, role, node));
        places[id.index()] = node;
        given.push(value);
    }
    let input = |id: NodeId| back.inputs.iter().position(|input| input.node == places[id.index()]);
    let update = |&(state, new): &(NodeId, NodeId)| Update {
        input: input(state).expect("a state of the gradient"),
        node: places[new.index()],
    };
    back.updates = updates.iter().map(update).collect();
    let output = |(number, id): (usize, &NodeId)| Output { name: number.to_string(), node: places[id.index()] };
    back.outputs = rows.iter().enumerate().map(output).collect();
    Ok((back, given))
}

/// The sum over all steps of `other^T upstream`, or, where the constant is the left operand, of `upstream other^T`: one
/// product of the rows of all steps, `[t, b.., m, k]` and `[t, b.., m, n]`, or `[t, b.., m, n]` and `[t, b.., k, n]`.
fn sum_of_products<'g>(is_left: bool, other: Value<'g>, upstream: Value<'g>) -> Value<'g> {
    let g = other.graph();
    let rank = other.shape().rank();
    // `[t, b.., r, c]` to `[b.., t r, c]`.
    let tall = |rows: Value<'g>| {
        let order: Vec<usize> = (1..rank - 2).chain([0, rank - 2, rank - 1]).collect();
        let moved = if rank == 3 { rows } else { rows.permute(&order) };
        let shape = moved.shape();
        let merged = shape.remove(rank - 2).with(rank - 3, shape.dim(rank - 3) * shape.dim(rank - 2));
        moved.reshape(merged)
    };
    let turned = |rows: Value<'g>| rows.transpose(-1, -2);
    let (left, right) = match is_left {
        false => (turned(tall(other)), tall(upstream)),
        true => (turned(tall(turned(upstream))), tall(turned(other))),
    };
    g.apply(Op::Dot, &[left, right])
}

/// Adds to the gradients in a scan's operands what comes through the nodes that its body makes of constants: `totals` are
/// the sums of their gradients over all steps.
fn through_constants<'g>(
    g: &'g Builder,
    body: &Graph,
    of: &Dependence,
    operands: &[Value<'g>],
    totals: BTreeMap<NodeId, Value<'g>>,
    contributions: &mut Contributions<'g>,
) {
    let Some(&end) = totals.keys().next_back() else { return };
    // Reshapes that do nothing stand for operands, since one value may be several of them.
    let first = g.nodes();
    let mut places: FxHashMap<NodeId, Value<'g>> = FxHashMap::default();
    let mut varies = vec![false; first];
    let mut place = |id: NodeId, value: Value<'g>, varies: &mut Vec<bool>| {
        varies.resize(value.id().index() + 1, false);
        varies[value.id().index()] = of.constant[id.index()];
        places.insert(id, value);
    };
    let mut needed = vec![false; end.index() + 1];
    totals.keys().for_each(|id| needed[id.index()] = true);
    for id in (0..=end.0).rev().map(NodeId) {
        if needed[id.index()] {
            body.node(id).inputs.iter().for_each(|operand| needed[operand.index()] = true);
        }
    }
    let mut copies: Vec<(NodeId, Value<'g>)> = Vec::new();
    for id in (0..=end.0).map(NodeId).filter(|id| needed[id.index()]) {
        let node = body.node(id);
        let value = match body.inputs.iter().position(|input| input.node == id) {
            Some(input) => g.copy(Op::Reshape(node.ty.shape), Operands::from_slice(&[operands[input].id()]), node.ty),
            None => {
                let of_operand =
                    |operand: &NodeId| copies.iter().find(|(id, _)| id == operand).expect("operands come first").1.id();
                g.copy(node.op.clone(), node.inputs.iter().map(of_operand).collect(), node.ty)
            }
        };
        copies.push((id, value));
        place(id, value, &mut varies);
    }
    let given: Vec<(NodeId, Value<'g>)> = totals.iter().map(|(id, &total)| (places[id].id(), total)).collect();
    let gradients = walk(g, &given, &varies);
    for (number, input) in body.inputs.iter().enumerate() {
        let Some(gradient) = places.get(&input.node).and_then(|copy| gradients[copy.id().index()]) else { continue };
        if of.constant[input.node.index()] {
            contributions[number] = Some(gradient);
        }
    }
}
