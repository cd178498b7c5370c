//! PyTorch's own files, as `torch.save` writes them: a zip archive with a pickle and the storages of its tensors, or,
//! before version 1.6, several pickles one after the other and the storages behind them. It knows no model.

use std::collections::HashMap;
use std::path::Path;

use super::CheckpointError;
use super::pickle::{self, Id, Node, Pickle, PickleError, Storage, TensorCall};
use super::seal::Notes;
use super::tensors::{Format, Named, Tensors};
use crate::formats::Reason;
use crate::formats::archive::Archive;
use crate::formats::element::Order;
use crate::formats::part::Part;
use crate::formats::tensor::Tensor;
use kiln_graph::names::shown;

/// How deep dictionaries and lists may lie in each other.
const DEPTH: usize = 64;

/// The tensors of an archive.
pub fn from_archive(path: &Path, file: &Archive) -> Result<Tensors, CheckpointError> {
    let of_archive = |reason| PickleError::Malformed(reason);
    let read = || {
        let pickle = file.names().find(|name| *name == "data.pkl" || is_in_root(name, "data.pkl"));
        let root = pickle.ok_or_else(|| "it is a zip archive without a data.pkl in it".to_owned())?;
        let root = root.trim_end_matches("data.pkl").to_owned();
        if file.contains(&format!("{root}constants.pkl")) {
            return Err(of_archive(
                "it is a program of TorchScript: save its weights, in Python with `torch.save(torch.jit.load(path).state_dict(), path)`"
                    .to_owned(),
            ));
        }
        let order = match file.contains(&format!("{root}byteorder")).then(|| file.read(&format!("{root}byteorder"))) {
            Some(order) if &*order.clone()? == b"big" => Order::Big,
            _ => Order::Little,
        };
        let bytes = file.read_no_longer(&format!("{root}data.pkl"))?;
        let pickle = pickle::read(&bytes)?;
        collect(&pickle, order, bytes.len(), &mut |storage| file.part(&format!("{root}data/{}", storage.key)))
    };
    read().map(of_pytorch).map_err(|error| told(path, error))
}

/// Whether an entry is this one in the archive's only folder.
fn is_in_root(name: &str, file: &str) -> bool {
    name.strip_suffix(file).and_then(|folder| folder.strip_suffix('/')).is_some_and(|folder| !folder.contains('/'))
}

/// What the first pickle of an old file ends with: this number.
const LEGACY: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Whether a file begins as a pickle does.
pub fn is_legacy(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 2..=5, ..])
}

/// How much of an old file is read to find its pickles in, at first.
const PICKLES: usize = 1 << 16;

/// The tensors of an old file: pickles of the magic number, a version, what the system was, the object, the keys of its
/// storages in their order; then each storage behind its number of elements.
pub fn from_legacy(path: &Path, file: Part) -> Result<Tensors, CheckpointError> {
    // Where the pickles end is not known before they were read: twice as much, as long as it is too little.
    let mut count = PICKLES.min(file.len());
    loop {
        let bytes = super::tensors::beginning(path, &file, count)?;
        match legacy(&bytes, &file) {
            Err(PickleError::Malformed(_)) if count < file.len() => count = (2 * count).min(file.len()),
            result => return result.map(of_pytorch).map_err(|error| told(path, error)),
        }
    }
}

/// The tensors of an old file that begins with these bytes.
fn legacy(bytes: &[u8], file: &Part) -> Result<Named, PickleError> {
    let text = "it is a pickle, but not by `torch.save`: Python's own `pickle.dump` does not keep tensors apart";
    let mut start = pickle::read(bytes)?.length;
    if !bytes[..start].ends_with(LEGACY) {
        return Err(text.to_owned().into());
    }
    let mut next = || {
        let pickle = pickle::read(&bytes[start..])?;
        start += pickle.length;
        Ok::<_, PickleError>(pickle)
    };
    let (_version, system, object, keys) = (next()?, next()?, next()?, next()?);
    let order = order_of(&system);
    let mut storages = HashMap::new();
    let found = storages_of(&object);
    let Node::List(listed) = keys.node(keys.root()) else {
        return Err("it has no list of storages".to_owned().into());
    };
    for &key in listed {
        let &Node::Text(key) = keys.node(key) else { return Err("a storage's key is no text".to_owned().into()) };
        let short = || format!("it ends in storage {}: is the download complete?", shown(key));
        let storage = found.get(key).ok_or_else(|| format!("no tensor has the storage {}", shown(key)))?;
        let count = file.part(start..start + 8).ok_or_else(short)?.read()?;
        let count = *count.first_chunk().ok_or_else(short)?;
        let count = match order {
            Order::Little => u64::from_le_bytes(count),
            Order::Big => u64::from_be_bytes(count),
        };
        let width = storage.element.map_or(1, |element| element.width());
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(width)).ok_or_else(short)?;
        let end = (start + 8).checked_add(length).ok_or_else(short)?;
        storages.insert(key, file.part(start + 8..end).ok_or_else(short)?);
        start = end;
    }
    collect(&object, order, file.len(), &mut |storage| {
        storages.get(storage.key).cloned().ok_or_else(|| format!("it has no storage {}", shown(storage.key)))
    })
}

fn of_pytorch(named: Named) -> Tensors {
    Tensors { format: Format::PyTorch, notes: Notes::new(), named }
}

/// The order of bytes on the machine that wrote an old file.
fn order_of(system: &Pickle<'_>) -> Order {
    let Node::Dict(items) = system.node(system.root()) else { return Order::Little };
    let is_big = |&(key, value): &(Id, Id)| {
        matches!((system.node(key), system.node(value)), (Node::Text("little_endian"), Node::Bool(false)))
    };
    if items.iter().any(is_big) { Order::Big } else { Order::Little }
}

/// The storages that a pickle names, by their keys.
fn storages_of<'p, 'a>(pickle: &'p Pickle<'a>) -> HashMap<&'a str, &'p Storage<'a>> {
    let storages =
        pickle.nodes().filter_map(|node| if let Node::Storage(storage) = node { Some(storage) } else { None });
    storages.map(|storage| (storage.key, storage)).collect()
}

fn told(path: &Path, error: PickleError) -> CheckpointError {
    match error {
        PickleError::Global(name) => CheckpointError::Global { path: path.into(), name },
        PickleError::Malformed(reason) => super::tensors::foreign(path, "PyTorch", reason),
    }
}

/// Where the bytes of a storage are.
type ReadStorage<'r> = &'r mut dyn FnMut(&Storage<'_>) -> Result<Part, Reason>;

/// All tensors of an object, under the keys that lead to them with dots between.
fn collect(pickle: &Pickle<'_>, order: Order, length: usize, read: ReadStorage<'_>) -> Result<Named, PickleError> {
    // A dictionary may stand at many places, each with names of its own, and a long key before many of them; a file of PyTorch
    // has few such.
    let budget = length.saturating_mul(64).saturating_add(4096);
    let mut walk =
        Walk { pickle, order, read, storages: HashMap::new(), keys: Vec::new(), found: Named::new(), budget };
    walk.visit(pickle.root())?;
    Ok(walk.found)
}

struct Walk<'p, 'a, 'r> {
    pickle: &'p Pickle<'a>,
    order: Order,
    read: ReadStorage<'r>,
    /// What was read, by the places of the storages' keys.
    storages: HashMap<&'a str, Part>,
    /// The keys on the way to where it stands.
    keys: Vec<String>,
    found: Named,
    /// How many more objects and bytes of names there may be.
    budget: usize,
}

impl Walk<'_, '_, '_> {
    fn visit(&mut self, id: Id) -> Result<(), PickleError> {
        self.spend(1)?;
        let pickle = self.pickle;
        match pickle.node(id) {
            Node::Dict(items) => {
                self.spend(items.len())?;
                let keyed = items.iter().filter_map(|&(key, value)| Some((key_of(pickle.node(key))?, value)));
                // The last of equal keys counts.
                let last: HashMap<Key<'_>, Id> = keyed.collect();
                let mut ordered: Vec<(Key<'_>, Id)> = last.into_iter().collect();
                ordered.sort();
                ordered.into_iter().try_for_each(|(key, value)| self.below(key.to_string(), value))
            }
            Node::List(items) | Node::Tuple(items) => {
                items.iter().enumerate().try_for_each(|(place, &item)| self.below(place.to_string(), item))
            }
            Node::Tensor(call) => self.tensor(call),
            _ => Ok(()),
        }
    }

    fn spend(&mut self, cost: usize) -> Result<(), PickleError> {
        self.budget =
            self.budget.checked_sub(cost).ok_or_else(|| "it refers to the same objects too often".to_owned())?;
        Ok(())
    }

    fn below(&mut self, key: String, id: Id) -> Result<(), PickleError> {
        if !matches!(self.pickle.node(id), Node::Dict(_) | Node::List(_) | Node::Tuple(_) | Node::Tensor(_)) {
            return self.spend(1);
        }
        self.spend(key.len())?;
        if self.keys.len() == DEPTH {
            return Err(format!("its objects lie more than {DEPTH} deep in each other").into());
        }
        self.keys.push(key);
        self.visit(id)?;
        self.keys.pop();
        Ok(())
    }

    fn tensor(&mut self, call: &TensorCall) -> Result<(), PickleError> {
        self.spend(self.keys.iter().map(|key| key.len() + 1).sum())?;
        let name = self.keys.join(".");
        let tensor = self.view(call).map_err(|reason| format!("{}: {reason}", shown(&name)))?;
        if self.found.insert(name.clone(), tensor).is_some() {
            return Err(format!("the keys of two tensors make the same name {}", shown(&name)).into());
        }
        Ok(())
    }

    fn view(&mut self, call: &TensorCall) -> Result<Tensor, Reason> {
        let Node::Storage(storage) = self.pickle.node(call.storage) else { return Err("it has no storage".to_owned()) };
        let (element, width) = (call.element, call.element.width());
        let bytes = match self.storages.get(storage.key) {
            Some(bytes) => bytes.clone(),
            None => {
                let bytes = (self.read)(storage)?;
                let expected = storage.count.checked_mul(storage.element.map_or(1, |element| element.width()) as u64);
                if expected != Some(bytes.len() as u64) {
                    let (key, found) = (shown(storage.key), bytes.len());
                    return Err(format!("its storage {key} has {found} bytes, expected {} elements", storage.count));
                }
                self.storages.insert(storage.key, bytes.clone());
                bytes
            }
        };
        let start = call.offset.checked_mul(width).filter(|start| *start <= bytes.len());
        let bytes = start.and_then(|start| bytes.part(start..bytes.len()));
        let bytes = bytes.ok_or_else(|| format!("it begins at {}, beyond its storage", call.offset))?;
        Tensor::new(element, self.order, call.shape.clone(), call.strides.clone(), bytes)
    }
}

/// The part of a name that a key becomes; none for other keys, below which there are no weights.
fn key_of<'a>(node: &Node<'a>) -> Option<Key<'a>> {
    match node {
        Node::Text(text) => Some(Key::Text(text)),
        &Node::Int(number) => Some(Key::Int(number)),
        _ => None,
    }
}

/// A key of a dictionary that becomes part of a name.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key<'a> {
    Text(&'a str),
    Int(i64),
}

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Text(text) => f.write_str(text),
            Key::Int(number) => write!(f, "{number}"),
        }
    }
}
