//! What some of a graph's nodes have: four bytes for each node, and the rest for those alone. It knows nothing of what
//! they have.

use kiln_graph::NodeId;

/// What some nodes have, by node.
#[derive(Clone, Debug)]
pub struct OfNodes<T> {
    /// For each node its place among `values`, or [`NONE`].
    places: Vec<u32>,
    values: Vec<T>,
}

/// No place.
const NONE: u32 = u32::MAX;

impl<T> OfNodes<T> {
    /// Nothing yet, of a graph of so many nodes.
    pub fn new(nodes: usize) -> OfNodes<T> {
        OfNodes { places: vec![NONE; nodes], values: Vec::new() }
    }

    /// What a node has.
    pub fn get(&self, id: NodeId) -> Option<&T> {
        let place = self.places.as_slice()[id.index()];
        if place == NONE { None } else { Some(&self.values.as_slice()[place as usize]) }
    }

    /// As [`OfNodes::get`], to change it.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut T> {
        let place = self.places[id.index()];
        if place == NONE { None } else { Some(&mut self.values[place as usize]) }
    }

    /// Gives a node something in the place of what it has, if it has.
    pub fn set(&mut self, id: NodeId, value: T) {
        match self.places[id.index()] {
            NONE => {
                self.places[id.index()] = self.values.len() as u32;
                self.values.push(value);
            }
            place => self.values[place as usize] = value,
        }
    }
}
