//! A graph that is being written, that of the model or the body of a scan, for each of the sizes. Knows which nodes of
//! the graphs are the same, and what numbers follow from that; not how operations are written.

use std::collections::HashMap;

use kiln_graph::whole::Noted;
use kiln_graph::{Graph, Node, NodeId, Op};

use super::error::{At, WriteError};
use super::numbers::{Number, Sizes};
use crate::proto::{NodeProto, ValueInfoProto};

/// What values were noted to be, what lies within others first.
type Wholes<'a> = HashMap<NodeId, Vec<&'a Noted>>;

/// A graph that is being written, for each of the sizes.
pub(super) struct Level<'a> {
    graphs: Vec<&'a Graph>,
    wholes: Vec<Wholes<'a>>,
    /// For the nodes of the first graph those of each other one.
    same: HashMap<NodeId, Vec<NodeId>>,
    /// The names of values that are there.
    pub values: HashMap<NodeId, String>,
    /// The names that values must have, too, as results of the graph.
    pub wanted: HashMap<NodeId, Vec<String>>,
    pub nodes: Vec<NodeProto>,
    pub info: Vec<ValueInfoProto>,
}

impl<'a> Level<'a> {
    /// Nothing is written yet.
    pub fn new(graphs: Vec<&'a Graph>, noted: &[&'a [Noted]]) -> Level<'a> {
        let by_result = |noted: &&'a [Noted]| {
            let mut wholes = Wholes::new();
            for noted in *noted {
                noted.results.iter().for_each(|&result| wholes.entry(result).or_default().push(noted));
            }
            wholes
        };
        let mut wholes: Vec<Wholes<'a>> = noted.iter().map(by_result).collect();
        wholes.resize_with(graphs.len(), Wholes::new);
        let (same, values, wanted) = (HashMap::new(), HashMap::new(), HashMap::new());
        Level { graphs, wholes, same, values, wanted, nodes: Vec::new(), info: Vec::new() }
    }

    /// The graph of the first sizes.
    pub fn graph(&self) -> &'a Graph {
        self.graphs[0]
    }

    /// The graphs of all sizes.
    pub fn graphs(&self) -> &[&'a Graph] {
        &self.graphs
    }

    /// A node for the first sizes.
    pub fn node(&self, id: NodeId) -> &'a Node {
        self.graph().node(id)
    }

    /// Where an operation comes from.
    pub fn at(&self, id: NodeId) -> At {
        At::new(self.graph(), id)
    }

    /// The error that an operation has no form.
    pub fn no_form(&self, id: NodeId, why: &'static str) -> WriteError {
        WriteError::NoForm { at: self.at(id), why }
    }

    /// Notes that nodes of all graphs are the same; whether that is new.
    ///
    /// # Errors
    /// [`WriteError::Structure`] where others were said to be.
    pub fn note_same(&mut self, all: &[NodeId]) -> Result<bool, WriteError> {
        let (&first, others) = all.split_first().expect("there is a graph");
        match self.same.get(&first) {
            Some(known) if known == others => Ok(false),
            Some(_) => Err(WriteError::Structure { at: self.at(first) }),
            None => {
                self.same.insert(first, others.to_vec());
                Ok(true)
            }
        }
    }

    /// A node in each graph.
    pub fn each(&self, id: NodeId) -> impl Iterator<Item = (&'a Graph, NodeId)> + '_ {
        let others = self.same.get(&id).into_iter().flatten().copied();
        self.graphs.iter().copied().zip([id].into_iter().chain(others))
    }

    /// What a node needs in each graph, if it is the same operation there.
    pub fn inputs_of_each(&self, id: NodeId) -> Result<Vec<Vec<NodeId>>, WriteError> {
        let node = self.node(id);
        let same = |other: &Node| other.op.mnemonic() == node.op.mnemonic() && other.inputs.len() == node.inputs.len();
        if !self.each(id).all(|(graph, id)| same(graph.node(id))) {
            return Err(WriteError::Structure { at: self.at(id) });
        }
        let each: Vec<&[NodeId]> = self.each(id).map(|(graph, id)| &graph.node(id).inputs[..]).collect();
        Ok((0..node.inputs.len()).map(|place| each.iter().map(|inputs| inputs[place]).collect()).collect())
    }

    /// What a value was noted to be, outermost first, where that is so in each graph: the notes of all graphs.
    pub fn wholes(&self, id: NodeId) -> impl Iterator<Item = Vec<&'a Noted>> + '_ {
        let noted = self.wholes[0].get(&id).into_iter().flatten().rev().copied();
        noted.filter_map(move |first| {
            let alike = |other: &Noted, id: NodeId, first_id: NodeId| {
                let places = |noted: &Noted, id| noted.results.iter().position(|&result| result == id);
                let missing = |noted: &Noted| noted.operands.iter().map(Option::is_none).collect::<Vec<bool>>();
                other.whole == first.whole
                    && missing(other) == missing(first)
                    && other.results.len() == first.results.len()
                    && places(other, id) == places(first, first_id)
            };
            let of_graph = |(position, (_, other)): (usize, (&Graph, NodeId))| match position {
                0 => Some(first),
                _ => self.wholes[position].get(&other)?.iter().rev().copied().find(|noted| alike(noted, other, id)),
            };
            self.each(id).enumerate().map(of_graph).collect()
        })
    }

    /// That an operation has the same attributes for all sizes.
    pub fn fixed(&self, id: NodeId) -> Result<(), WriteError> {
        let op = &self.node(id).op;
        match self.each(id).all(|(graph, id)| graph.node(id).op == *op) {
            true => Ok(()),
            false => Err(WriteError::Extent { at: self.at(id) }),
        }
    }

    /// Numbers of a node, by what they are for each of the sizes.
    pub fn numbers(
        &self,
        id: NodeId,
        sizes: &Sizes,
        of: impl Fn(&Node) -> Vec<i64>,
    ) -> Result<Vec<Number>, WriteError> {
        let all: Vec<Vec<i64>> = self.each(id).map(|(graph, id)| of(graph.node(id))).collect();
        let number = |position: usize| {
            let values: Option<Vec<i64>> = all.iter().map(|numbers| numbers.get(position).copied()).collect();
            values.and_then(|values| sizes.fit(&values)).ok_or_else(|| WriteError::Extent { at: self.at(id) })
        };
        (0..all[0].len()).map(number).collect()
    }

    /// The extents of a value.
    pub fn dims(&self, id: NodeId, sizes: &Sizes) -> Result<Vec<Number>, WriteError> {
        self.numbers(id, sizes, |node| extents(node.ty.shape.dims()))
    }

    /// The bodies of a scan in each graph.
    pub fn bodies(&self, scan: NodeId) -> Vec<&'a Graph> {
        let body = |(graph, id): (&'a Graph, NodeId)| match graph.node(id).op {
            Op::Scan { body, .. } => &graph.bodies[body as usize],
            _ => graph,
        };
        self.each(scan).map(body).collect()
    }
}

/// Extents as numbers with a sign.
pub(super) fn extents(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|&extent| extent as i64).collect()
}
