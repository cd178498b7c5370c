//! What those who call a program see: names, inputs, outputs, and how weights lie in their file. It is the same for all
//! levels and all machines. It knows graphs, and no plans.

use kiln::graph::indices::index_rule;
use kiln::graph::shape::Shape;
use kiln::graph::{DType, Graph, Role, Type};

use crate::{BuildError, StateValue};

/// What weights, inputs, outputs and the arena begin at multiples of.
pub(crate) const ALIGNMENT: usize = 64;
/// Bytes before the first tensor of the weights: what they are of.
const WEIGHTS_HEADER: usize = 64;
/// What a file of weights begins with.
const MAGIC: [u8; 8] = *b"KILNWTS1";

/// What those who call a program see.
pub(crate) struct Interface {
    /// The program's name.
    pub name: String,
    pub inputs: Vec<Argument>,
    pub outputs: Vec<Argument>,
    /// The outputs that count numbers which a function does not take.
    pub outside: Vec<usize>,
    pub weights: Vec<Stored>,
    /// The bytes of the weights' file.
    pub weights_bytes: usize,
    /// A number that files of weights of this program have: it follows from names, types and shapes.
    pub weights_hash: u64,
}

/// An array that is given, or room for one.
pub(crate) struct Argument {
    /// Its name in the graph.
    pub known: String,
    /// Its name in C and in Rust.
    pub name: String,
    pub ty: Type,
    /// Of an input of indices: what each must lie below, where it looks something up.
    pub below: Option<Vec<i32>>,
}

/// A tensor in the file of weights: 32-bit little-endian numbers in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The name of the parameter or the optimizer's state.
    pub name: String,
    /// What it holds, and its shape; bool as 0 and 1.
    pub ty: Type,
    /// Where it begins, in bytes.
    pub offset: usize,
}

impl Interface {
    /// `outside` is how names of outputs begin that count what a function does not take.
    pub fn new(name: &str, graph: &Graph, outside: &str) -> Result<Interface, BuildError> {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if !name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            || !name.chars().all(fits)
            || name != identifier(name)
        {
            return Err(BuildError::Name { name: name.to_owned() });
        }
        let mut taken = vec!["arena".to_owned()];
        let mut distinct = |known: &str| {
            let plain = identifier(known);
            let mut name = plain.clone();
            let mut number = 2;
            while taken.contains(&name) {
                name = format!("{plain}_{number}");
                number += 1;
            }
            taken.push(name.clone());
            name
        };
        let mut inputs = Vec::new();
        let mut weights = Vec::new();
        let mut end = WEIGHTS_HEADER;
        for input in &graph.inputs {
            let ty = graph.ty(input.node);
            if input.role == Role::State {
                weights.push(Stored { name: input.name.clone(), ty, offset: end });
                end = (end + bytes(ty.shape)).next_multiple_of(ALIGNMENT);
            } else {
                let below = index_rule(graph, input.node).map(|rule| rule.below().to_vec());
                inputs.push(Argument { known: input.name.clone(), name: distinct(&input.name), ty, below });
            }
        }
        let mut outputs = Vec::new();
        let mut counting = Vec::new();
        for (position, output) in graph.outputs.iter().enumerate() {
            let ty = graph.ty(output.node);
            if output.name.starts_with(outside) {
                counting.push(position);
            } else {
                outputs.push(Argument { known: output.name.clone(), name: distinct(&output.name), ty, below: None });
            }
        }
        let mut hash = Hash::new();
        for Stored { name, ty, .. } in &weights {
            hash.add(name);
            hash.add(&ty.to_string());
        }
        Ok(Interface {
            name: name.to_owned(),
            inputs,
            outputs,
            outside: counting,
            weights,
            weights_bytes: end,
            weights_hash: hash.0,
        })
    }

    /// The name in capitals.
    pub fn capitals(&self) -> String {
        self.name.to_ascii_uppercase()
    }

    /// The name as that of a type of Rust's: `LeNet` of `le_net`.
    pub fn type_name(&self) -> String {
        let name: String = self.name.split('_').map(capitalised).collect();
        // What a module has these names for already.
        let taken = ["Arena", "Error", "Result", "Self", "Weights"].contains(&name.as_str());
        if taken { name + "Program" } else { name }
    }

    /// The three numbers that a file of weights begins with.
    pub fn weights_header(&self) -> [i64; 3] {
        [i64::from_le_bytes(MAGIC), self.weights_hash as i64, self.weights_bytes as i64]
    }

    /// The file of weights; states that nothing is given for are full of zeros.
    pub fn weights_file(&self, value: impl Fn(&str) -> Option<StateValue>) -> Result<Vec<u8>, BuildError> {
        let mut file = Vec::with_capacity(self.weights_bytes);
        self.weights_header().iter().for_each(|number| file.extend(number.to_le_bytes()));
        for Stored { name, ty, offset } in &self.weights {
            file.resize(*offset, 0);
            let Some(value) = value(name) else { continue };
            let (found, given) = match &value {
                StateValue::F32(array) => (DType::F32, array.shape().to_vec()),
                StateValue::I32(array) => (DType::I32, array.shape().to_vec()),
            };
            if found != if ty.dtype == DType::F32 { DType::F32 } else { DType::I32 } || given != ty.shape.dims() {
                let (name, expected, shape) = (name.clone(), ty.dtype, ty.shape);
                return Err(BuildError::State { name, expected, shape, found, given });
            }
            match value {
                StateValue::F32(array) => array.iter().for_each(|number| file.extend(number.to_le_bytes())),
                StateValue::I32(array) if ty.dtype == DType::Bool => {
                    array.iter().for_each(|&number| file.extend(i32::from(number != 0).to_le_bytes()));
                }
                StateValue::I32(array) => array.iter().for_each(|number| file.extend(number.to_le_bytes())),
            }
        }
        file.resize(self.weights_bytes, 0);
        Ok(file)
    }
}

/// A text with its first letter in capitals.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// Bytes of a tensor in row-major order.
pub(crate) fn bytes(shape: Shape) -> usize {
    shape.elements() * size_of::<u32>()
}

/// A hash that is the same on all machines: FNV-1a.
pub(crate) struct Hash(pub u64);

impl Hash {
    pub fn new() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a text.
    pub fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Words of C, C++ or Rust that no variable may have as its name, among those in small letters.
const WORDS: &str = " abstract alignas alignof and and_eq as asm async auto await become bitand bitor bool box break case \
    catch char class compl concept const constexpr continue crate decltype default delete do double dyn else enum \
    explicit export extern false final float fn for friend gen goto if impl in inline int let long loop macro match mod \
    move mut mutable namespace new noexcept not not_eq nullptr operator or or_eq override priv private protected pub \
    public ref register requires restrict return self short signed sizeof static struct super switch template this throw \
    trait true try type typedef typename typeof union unsafe unsized unsigned use using virtual void volatile where \
    while xor xor_eq yield ";

/// A name as C and Rust take it.
fn identifier(name: &str) -> String {
    let mut text: String =
        name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if !text.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        text.insert_str(0, "x_");
    }
    if WORDS.contains(&format!(" {text} ")) {
        text.push('_');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_variables() {
        for (name, expected) in [
            ("x", "x"),
            ("loss.target", "loss_target"),
            ("int", "int_"),
            ("type", "type_"),
            ("0", "x_0"),
            ("", "x_"),
            ("ä", "x__"),
        ] {
            assert_eq!(identifier(name), expected, "{name}");
        }
    }
}
