//! Where a graph can be computed in blocks of rows: the large values around a product, the small values between them,
//! and what of it has to wait for the rest of the graph. It knows no blocks yet.

use rustc_hash::FxHashMap;

use super::links::{Link, links};
use crate::graph::{Graph, NodeId};
use crate::op::{Family, Op, ReduceOp};

/// The axes of a value along which the rows and the columns of a region run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Nothing where the value is the same for all rows, or a sum over them.
    pub row: Option<usize>,
    /// Nothing where the value has no columns.
    pub column: Option<usize>,
}

/// A node of a region.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its axes. Without a row it is a sum over the rows.
    pub place: Place,
    /// How its operands' rows become its own, or are folded.
    rows: Link,
    /// The same of columns.
    columns: Option<Link>,
    /// Whether it has about as many elements as the product.
    pub is_large: bool,
    /// It has to wait for the results of so many earlier blocks.
    pub phase: usize,
}

impl Member {
    /// The place of an operand.
    pub fn operand(&self, number: usize) -> Place {
        let of = |link: &Link| link.operands.get(number).copied().flatten();
        Place { row: of(&self.rows), column: self.columns.as_ref().and_then(of) }
    }

    /// Whether columns are folded into it.
    pub fn folds_columns(&self) -> bool {
        self.columns.as_ref().is_some_and(|link| link.result.is_none())
    }
}

/// Connected nodes around large values, which can be computed row by row.
#[derive(Clone, Debug)]
pub struct Region {
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub columns: usize,
    /// Elements of its largest value.
    pub elements: usize,
    /// The elements up to which a value counts as small.
    pub small: usize,
    /// Its nodes.
    pub members: FxHashMap<NodeId, Member>,
    /// Whether columns run through all of it.
    pub has_columns: bool,
    /// The number of phases.
    pub phases: usize,
}

impl Region {
    /// The region around a product, if all that reads its large values can be computed by rows.
    pub fn around(graph: &Graph, users: &[Vec<NodeId>], seed: NodeId) -> Option<Region> {
        let rank = graph.shape(seed).rank();
        [(rank - 2, rank - 1), (rank - 1, rank - 2)].into_iter().find_map(|(row, column)| {
            let shape = graph.shape(seed);
            let factors = graph.node(seed).inputs.iter().map(|&factor| graph.shape(factor).elements());
            let mut region = Region {
                rows: shape.dim(row),
                columns: shape.dim(column),
                elements: shape.elements(),
                small: factors.max().unwrap_or(0),
                members: FxHashMap::default(),
                has_columns: true,
                phases: 0,
            };
            let large = region.large(graph);
            region.spread(graph, users, &large, seed, Place { row: Some(row), column: Some(column) })?;
            region.add_small(graph, users)?;
            if !region.has_columns || !region.agrees_on_columns(graph) {
                region.forget_columns();
            }
            region.wait(graph);
            Some(region)
        })
    }

    /// For each node whether it is large and follows from a product through large values alone: from one like the seed,
    /// be its factors somewhat larger.
    fn large(&self, graph: &Graph) -> Vec<bool> {
        let mut large = vec![false; graph.nodes.len()];
        for id in graph.ids() {
            let node = graph.node(id);
            let is_large = node.ty.shape.elements() > self.elements / 2;
            let follows = node.op == Op::Dot && grows(graph, id, 2) || node.inputs.iter().any(|o| large[o.index()]);
            large[id.index()] = is_large && follows;
        }
        large
    }

    /// Adds all large nodes that are connected to the seed.
    fn spread(
        &mut self,
        graph: &Graph,
        users: &[Vec<NodeId>],
        large: &[bool],
        seed: NodeId,
        place: Place,
    ) -> Option<()> {
        let mut open = vec![(seed, place)];
        while let Some((id, place)) = open.pop() {
            if let Some(known) = self.members.get(&id) {
                if known.place.row != place.row {
                    return None;
                }
                self.has_columns &= known.place == place;
                continue;
            }
            let all = links(graph, id);
            let of_axis = |axis: Option<usize>| all.iter().find(|link| axis.is_some() && link.result == axis).cloned();
            let member =
                Member { place, rows: of_axis(place.row)?, columns: of_axis(place.column), is_large: true, phase: 0 };
            self.has_columns &= member.columns.is_some();
            for (number, &operand) in graph.node(id).inputs.iter().enumerate() {
                if large[operand.index()] {
                    let place = member.operand(number);
                    place.row?;
                    open.push((operand, place));
                }
            }
            self.members.insert(id, member);
            for &user in users[id.index()].iter().filter(|user| large[user.index()]) {
                let all = links(graph, user);
                for number in (0..graph.node(user).inputs.len()).filter(|&n| graph.node(user).inputs[n] == id) {
                    let row = follow(&all, number, place.row)?;
                    let column = follow(&all, number, place.column).and_then(|link| link.result);
                    open.push((user, Place { row: Some(row.result?), column }));
                }
            }
        }
        Some(())
    }

    /// Adds what reads large values and is small, and the small values on the way from there to large ones.
    fn add_small(&mut self, graph: &Graph, users: &[Vec<NodeId>]) -> Option<()> {
        let first = *self.members.keys().min()?;
        for id in graph.ids().skip(first.index()) {
            if self.members.contains_key(&id) {
                continue;
            }
            let node = graph.node(id);
            let within = |number: &usize| self.members.get(&node.inputs[*number]);
            let is_large = |number: &usize| within(number).is_some_and(|member| member.is_large);
            let numbers = || 0..node.inputs.len();
            let reads_large = numbers().find(is_large);
            let has_rows = |number: &usize| within(number).is_some_and(|member| member.place.row.is_some());
            let Some(number) = reads_large.or_else(|| numbers().find(has_rows)) else { continue };
            let all = links(graph, id);
            let of = within(&number).expect("it is in the region").place;
            let found = follow(&all, number, of.row).filter(|link| match link.result {
                Some(_) => true,
                // Sums over rows go on from block to block.
                None => reads_large.is_some() && matches!(node.op, Op::Dot | Op::Reduce { op: ReduceOp::Sum, .. }),
            });
            let fits = |link: &Link| {
                numbers().filter(is_large).all(|n| within(&n).and_then(|m| m.place.row) == link.operands[n])
            };
            let Some(rows) = found.filter(fits) else {
                if reads_large.is_some() {
                    return None;
                }
                continue;
            };
            if reads_large.is_none() && matches!(node.op.family(), Family::Contraction | Family::Indexing) {
                continue;
            }
            let columns = follow(&all, number, of.column);
            if of.column.is_some() {
                let fits = |link: &Link| {
                    numbers().filter(is_large).all(|n| within(&n).and_then(|m| m.place.column) == link.operands[n])
                };
                self.has_columns &= columns.as_ref().is_some_and(fits);
            }
            let place = Place { row: rows.result, column: columns.as_ref().and_then(|link| link.result) };
            self.members.insert(id, Member { place, rows, columns, is_large: false, phase: 0 });
        }
        // Of small values that read no large ones those stay that large ones follow from.
        let mut reaches = vec![false; graph.nodes.len()];
        for id in graph.ids().rev().take_while(|&id| id >= first) {
            let Some(member) = self.members.get(&id) else { continue };
            let leads = users[id.index()].iter().any(|user| reaches[user.index()]);
            reaches[id.index()] = member.is_large || leads;
            let reads_large = graph.node(id).inputs.iter().any(|o| self.members.get(o).is_some_and(|m| m.is_large));
            if !reaches[id.index()] && !reads_large {
                self.members.remove(&id);
            }
        }
        self.add_columns(graph);
        Some(())
    }

    /// Gives those small values their columns that are repeated along them: as those have them that read them.
    fn add_columns(&mut self, graph: &Graph) {
        let mut members: Vec<NodeId> = self.members.keys().copied().collect();
        members.sort_unstable();
        for id in members.into_iter().rev() {
            let is_large = graph.shape(id).elements() > self.elements / 2;
            self.members.entry(id).and_modify(|member| member.is_large |= is_large);
            for (number, &operand) in graph.node(id).inputs.iter().enumerate() {
                let wanted = self.members[&id].operand(number);
                let Some(column) = wanted.column.filter(|_| self.is_within(operand, wanted)) else { continue };
                let found = links(graph, operand).into_iter().find(|link| link.result == Some(column));
                let Some(member) = self.members.get_mut(&operand).filter(|m| m.place.column.is_none()) else {
                    continue;
                };
                if found.is_some() {
                    (member.place.column, member.columns) = (Some(column), found);
                }
            }
        }
    }

    /// From now on columns are looked at as a whole.
    pub fn forget_columns(&mut self) {
        self.has_columns = false;
        for member in self.members.values_mut() {
            (member.place.column, member.columns) = (None, None);
        }
    }

    /// Whether each member is read with the columns that it has.
    fn agrees_on_columns(&self, graph: &Graph) -> bool {
        self.members.iter().all(|(id, member)| {
            graph.node(*id).inputs.iter().enumerate().all(|(number, operand)| {
                let place = member.operand(number);
                !self.is_within(*operand, place) || self.members[operand].place == place
            })
        })
    }

    /// Finds out what has to wait for what: a value that is read as a whole is there only once all blocks are.
    fn wait(&mut self, graph: &Graph) {
        let mut times = vec![0; graph.nodes.len()];
        for id in graph.ids() {
            let member = self.members.get(&id);
            let operands = graph.node(id).inputs.iter().enumerate().map(|(number, operand)| {
                let is_within = member.is_some_and(|m| self.is_within(*operand, m.operand(number)));
                let is_member = self.members.contains_key(operand);
                times[operand.index()] + usize::from(is_member && !is_within)
            });
            times[id.index()] = operands.max().unwrap_or(0);
        }
        for (id, member) in &mut self.members {
            member.phase = times[id.index()];
            self.phases = self.phases.max(member.phase + 1);
        }
    }

    /// Whether an operand at such a place is the part of a member that is in the same block.
    pub fn is_within(&self, operand: NodeId, place: Place) -> bool {
        place.row.is_some() && self.members.get(&operand).is_some_and(|member| member.place.row == place.row)
    }
}

/// Whether a product has at least so many times as many elements as its larger factor.
pub fn grows(graph: &Graph, id: NodeId, times: usize) -> bool {
    let factors = graph.node(id).inputs.iter().map(|&factor| graph.shape(factor).elements());
    factors.max().is_some_and(|most| graph.shape(id).elements() / times >= most)
}

/// A product that has so many times as many elements as its larger factor is a large value between small ones: scores of
/// 512 places with heads of 64 features. Unit: ratio. By such shapes, not measured by itself; what blocks gain and cost
/// is in `docs/experiments/021-hidden-layers-by-rows.md`. 2026-11-29.
pub const GROWTH: usize = 8;

/// The link in which an operand has an axis.
fn follow(links: &[Link], number: usize, axis: Option<usize>) -> Option<Link> {
    links.iter().find(|link| axis.is_some() && link.operands[number..].first() == Some(&axis)).cloned()
}
