//! Python's pickles as PyTorch writes them, read by a machine that executes nothing: it knows the few opcodes that
//! build numbers, texts, tuples, lists and dictionaries, and makes tensors of the few calls that PyTorch writes for
//! them. Whatever else a pickle names is an error. It knows no files.
//!
//! Each opcode makes at most one node, and what nodes hold was on the stack before, or is the shape of a tensor of at
//! most 64 axes: a pickle takes some 250 times its own length in memory at most. (It holds no numbers of tensors.)
//! Nodes refer to each other by their places, so that no depth and no cycle makes anything recurse.
//!
//! Source: CPython's `pickletools`; `torch/_weights_only_unpickler.py`.

mod calls;

use std::collections::HashMap;

use crate::formats::Reason;
use kiln_graph::names::shown;

pub use calls::{Global, Storage, TensorCall};

/// Why a pickle is not read.
#[derive(Debug)]
pub enum PickleError {
    /// It needs something of Python's that is no plain data.
    Global(String),
    /// It is damaged, or not of PyTorch's making.
    Malformed(Reason),
}

impl From<Reason> for PickleError {
    fn from(reason: Reason) -> PickleError {
        PickleError::Malformed(reason)
    }
}

/// The place of a node.
pub type Id = u32;

/// What an opcode has made.
#[derive(Clone, Debug)]
pub enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Keys and values in their order; the last of equal keys counts.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage<'a>),
    Tensor(Box<TensorCall>),
    /// Data that is never asked for: numbers with a point, bytes, sets.
    Other,
}

/// What a pickle holds.
#[derive(Debug)]
pub struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    root: Id,
    /// The length of the pickle, which follows it in a file of several.
    pub length: usize,
}

impl<'a> Pickle<'a> {
    pub fn root(&self) -> Id {
        self.root
    }

    pub fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Node<'a>> {
        self.nodes.iter()
    }
}

/// Reads the pickle at the beginning of these bytes.
pub fn read(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    let mut machine =
        Machine { bytes, rest: bytes, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let at = bytes.len() - machine.rest.len();
        let [opcode] = machine.chunk()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok(Pickle { nodes: machine.nodes, root, length: at + 1 });
        }
        machine.step(opcode).map_err(|error| match error {
            PickleError::Malformed(reason) => PickleError::Malformed(format!("{reason}, at byte {at} of its pickle")),
            global => global,
        })?;
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// One opcode.
    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            // PROTO, FRAME.
            0x80 => self.chunk().and_then(|[version]| match version {
                2..=5 => Ok(()),
                _ => Err(format!("its pickle is of version {version}, expected 2 to 5").into()),
            }),
            0x95 => self.chunk::<8>().map(|_| ()),
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'J' => self.chunk().and_then(|word| self.push(Node::Int(i32::from_le_bytes(word).into()))),
            b'K' => self.chunk().and_then(|[byte]| self.push(Node::Int(byte.into()))),
            b'M' => self.chunk().and_then(|word| self.push(Node::Int(u16::from_le_bytes(word).into()))),
            0x8a => self.chunk().and_then(|[length]| self.long(length.into())),
            0x8b => self.chunk().and_then(|length| self.long(u32::from_le_bytes(length).into())),
            b'G' => self.chunk::<8>().and_then(|_| self.push(Node::Other)),
            // Texts and bytes, by the length of their length.
            0x8c => self.chunk().and_then(|[length]| self.text(length.into())),
            b'X' => self.chunk().and_then(|length| self.text(u32::from_le_bytes(length).into())),
            0x8d => self.chunk().and_then(|length| self.text(u64::from_le_bytes(length))),
            b'U' => self.chunk().and_then(|[length]| self.text_of_python2(length.into())),
            b'T' => self.chunk().and_then(|length| self.text_of_python2(u32::from_le_bytes(length).into())),
            b'C' => self.chunk().and_then(|[length]| self.other(length.into())),
            b'B' => self.chunk().and_then(|length| self.other(u32::from_le_bytes(length).into())),
            0x8e | 0x96 => self.chunk().and_then(|length| self.other(u64::from_le_bytes(length))),
            // Tuples, lists, dictionaries, sets.
            b')' => self.push(Node::Tuple(Vec::new())),
            0x85..=0x87 => {
                let items = self.last(usize::from(opcode - 0x84))?;
                self.push(Node::Tuple(items))
            }
            b't' => self.marked().and_then(|items| self.push(Node::Tuple(items))),
            b']' => self.push(Node::List(Vec::new())),
            b'l' => self.marked().and_then(|items| self.push(Node::List(items))),
            b'a' => self.last(1).and_then(|items| self.append(&items)),
            b'e' => self.marked().and_then(|items| self.append(&items)),
            b'}' => self.push(Node::Dict(Vec::new())),
            b'd' => {
                let items = self.marked()?;
                self.push(Node::Dict(Vec::new()))?;
                self.set_items(&items)
            }
            b's' => self.last(2).and_then(|items| self.set_items(&items)),
            b'u' => self.marked().and_then(|items| self.set_items(&items)),
            // EMPTY_SET, ADDITEMS, FROZENSET.
            0x8f => self.push(Node::Other),
            0x90 => self.marked().map(|_| ()),
            0x91 => self.marked().and_then(|_| self.push(Node::Other)),
            // The stack.
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(|_| ()),
            b'1' => self.marked().map(|_| ()),
            b'2' => self.top().map(|top| self.stack.push(top)),
            // The memo.
            b'q' => self.chunk().and_then(|[place]| self.remember(place.into())),
            b'r' => self.chunk().and_then(|place| self.remember(u32::from_le_bytes(place))),
            0x94 => self.remember(self.memo.len() as u32),
            b'h' => self.chunk().and_then(|[place]| self.recall(place.into())),
            b'j' => self.chunk().and_then(|place| self.recall(u32::from_le_bytes(place))),
            // GLOBAL, STACK_GLOBAL.
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)
            }
            0x93 => match *self.last(2)? {
                [module, name] => match (self.node(module), self.node(name)) {
                    (&Node::Text(module), &Node::Text(name)) => self.global(module, name),
                    _ => Err("it names something by what is no text".to_owned().into()),
                },
                _ => Err(too_little()),
            },
            // BINPERSID, REDUCE, BUILD. The state of an object is no tensor of its own: it is passed over.
            b'Q' => {
                let id = self.pop()?;
                let storage = Storage::of(self, id)?;
                self.push(Node::Storage(storage))
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let Node::Global(function) = self.node(function) else {
                    return Err("it calls what is no function".to_owned().into());
                };
                let result = function.clone().call(self, arguments)?;
                match result {
                    calls::Called::Is(id) => {
                        self.stack.push(id);
                        Ok(())
                    }
                    calls::Called::Makes(node) => self.push(node),
                }
            }
            b'b' => {
                self.pop()?;
                self.top().map(|_| ())
            }
            other => Err(format!("it has the opcode 0x{other:02x}, which PyTorch does not write").into()),
        }
    }

    fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), PickleError> {
        let id = Id::try_from(self.nodes.len()).map_err(|_| "it has more than 2^32 objects".to_owned())?;
        self.nodes.push(node);
        self.stack.push(id);
        Ok(())
    }

    /// The topmost object above the last mark.
    fn top(&self) -> Result<Id, PickleError> {
        self.above_mark(1)?;
        self.stack.last().copied().ok_or_else(too_little)
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        self.above_mark(1)?;
        self.stack.pop().ok_or_else(too_little)
    }

    /// That so many objects lie above the last mark.
    fn above_mark(&self, count: usize) -> Result<(), PickleError> {
        let mark = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() - mark < count { Err(too_little()) } else { Ok(()) }
    }

    /// The topmost objects, taken off.
    fn last(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        self.above_mark(count)?;
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    /// The objects above the last mark, taken off with it.
    fn marked(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| "it lacks a mark".to_owned())?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: &[Id]) -> Result<(), PickleError> {
        match self.top().map(|top| &mut self.nodes[top as usize])? {
            Node::List(list) => list.extend(items),
            _ => return Err("it appends to what is no list".to_owned().into()),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), PickleError> {
        match self.top().map(|top| &mut self.nodes[top as usize])? {
            Node::Dict(dict) if items.len().is_multiple_of(2) => {
                dict.extend(items.as_chunks().0.iter().map(|&[key, value]| (key, value)));
            }
            _ => return Err("it sets items of what is no dictionary".to_owned().into()),
        }
        Ok(())
    }

    fn remember(&mut self, place: u32) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), PickleError> {
        let id = self.memo.get(&place).ok_or_else(|| format!("it refers to object {place}, which is not there"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        let global = Global::of(module, name).ok_or_else(|| PickleError::Global(shown(&format!("{module}.{name}"))))?;
        self.push(Node::Global(global))
    }

    fn chunk<const W: usize>(&mut self) -> Result<[u8; W], PickleError> {
        let (chunk, rest) = self.rest.split_first_chunk().ok_or_else(|| self.ends())?;
        self.rest = rest;
        Ok(*chunk)
    }

    fn ends(&self) -> PickleError {
        format!("its pickle ends too early, after {} bytes: is the download complete?", self.bytes.len()).into()
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], PickleError> {
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = split.ok_or_else(|| self.ends())?;
        self.rest = rest;
        Ok(taken)
    }

    /// The bytes up to the end of a line.
    fn line(&mut self) -> Result<&'a str, PickleError> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or_else(|| self.ends())?;
        let line = self.take(end as u64)?;
        self.take(1)?;
        utf8(line)
    }

    fn text(&mut self, length: u64) -> Result<(), PickleError> {
        let text = self.take(length)?;
        self.push(Node::Text(utf8(text)?))
    }

    /// A text or bytes: Python 2 does not tell.
    fn text_of_python2(&mut self, length: u64) -> Result<(), PickleError> {
        let text = self.take(length)?;
        self.push(str::from_utf8(text).map_or(Node::Other, Node::Text))
    }

    fn other(&mut self, length: u64) -> Result<(), PickleError> {
        self.take(length)?;
        self.push(Node::Other)
    }

    /// A whole number of any length in two's complement; those beyond 64 bits are never asked for.
    fn long(&mut self, length: u64) -> Result<(), PickleError> {
        let bytes = self.take(length)?;
        if bytes.len() > 8 {
            return self.push(Node::Other);
        }
        let negative = bytes.last().is_some_and(|&byte| byte >= 128);
        let mut word = [if negative { 255 } else { 0 }; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        self.push(Node::Int(i64::from_le_bytes(word)))
    }
}

fn too_little() -> PickleError {
    "it takes more objects than there are".to_owned().into()
}

fn utf8(bytes: &[u8]) -> Result<&str, PickleError> {
    str::from_utf8(bytes).map_err(|_| "it has a text that is not in UTF-8".to_owned().into())
}
