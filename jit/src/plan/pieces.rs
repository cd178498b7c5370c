//! The pieces of memory of a plan while it is made, and where each value lies in them. It knows no offsets and no
//! calls.

use kiln_graph::{Graph, NodeId};

use super::layouts::ValueLayout;
use crate::layout::Halo;
use crate::lower::OfNodes;
use crate::lower::expression::{Located, Storage, element};

/// A piece of memory.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Its length.
    pub elements: usize,
    /// Bytes of an element.
    pub size: usize,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a piece of memory is for, which says how long it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Lives from its first to its last call.
    Temporary,
    /// Lives through the whole run: data inputs.
    Input,
    /// Lives from its first call to the end of the run and after it.
    Output,
    /// Lives from its first call to the end of the calls of its level: what is handed over to an exchange.
    Given,
    /// Lives from the first call of its level on: what an exchange brings.
    Taken(u32),
    /// The buffer of a state input.
    State(usize),
}

/// All pieces, and where the values of a graph lie.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The pieces, by the number of their [`Storage`].
    pub pieces: Vec<Piece>,
    /// Where each node lies, if it is an input or stored.
    pub located: OfNodes<Located>,
    /// The zeros around nodes that have some.
    pub halos: OfNodes<Halo>,
}

impl Piece {
    /// Bytes of all elements.
    pub fn bytes(&self) -> usize {
        self.elements * self.size
    }
}

impl Memory {
    /// None for a graph of so many nodes.
    pub fn new(nodes: usize) -> Memory {
        Memory { pieces: Vec::new(), located: OfNodes::new(nodes), halos: OfNodes::new(nodes) }
    }

    fn piece(&mut self, elements: usize, size: usize, purpose: Purpose) -> Storage {
        self.pieces.push(Piece { elements, size, purpose });
        Storage(self.pieces.len() as u32 - 1)
    }

    /// New temporary memory, of 32-bit elements.
    pub fn scratch(&mut self, elements: usize) -> Storage {
        self.temporary(elements, size_of::<f32>())
    }

    /// New temporary memory, of elements of so many bytes.
    pub fn temporary(&mut self, elements: usize, size: usize) -> Storage {
        self.piece(elements, size, Purpose::Temporary)
    }

    /// Lets a node lie in a new piece of memory.
    pub fn locate(&mut self, graph: &Graph, id: NodeId, ValueLayout { layout, halo }: ValueLayout, purpose: Purpose) {
        if halo != Halo::default() || self.halos.get(id).is_some() {
            self.halos.set(id, halo);
        }
        let dtype = graph.ty(id).dtype;
        let storage = self.piece(layout.elements, element(dtype).bytes(), purpose);
        self.located.set(id, Located { storage, dtype, layout });
    }

    /// Where a node lies that is an input or stored.
    pub fn place(&self, id: NodeId) -> Located {
        *self.located.get(id).expect("inputs and stored values lie in memory")
    }

    /// What a piece of memory is for.
    pub fn purpose(&self, storage: Storage) -> Purpose {
        self.pieces[storage.0 as usize].purpose
    }

    /// Whether the memory is that of a state.
    pub fn is_state(&self, storage: Storage) -> bool {
        matches!(self.purpose(storage), Purpose::State(_))
    }
}
