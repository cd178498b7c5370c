//! What is known while a body is read: names and what they stand for, free extents, and what was found so far.

use proc_macro2::Ident;

use super::Layer;
use super::forward::Whole;
use super::names::Names;
use crate::ast::{self, Extents, Sequence};
use crate::body::Access;
use crate::free::{self, Origin};
use crate::mistakes::Mistakes;

/// What a name stands for.
#[derive(Clone)]
pub enum Binding {
    Tensor,
    Number,
    Layer(Access),
    /// The optimizer with this number, in a `step` or an `eval`.
    Optimizer(usize),
    /// Something with a mistake that has been reported.
    Unknown,
}

/// The names that are known while a body is read.
pub struct Scope<'a> {
    pub layers: &'a Sequence<Layer>,
    pub helpers: &'a [ast::Helper],
    /// The model itself, if it can be applied.
    pub whole: Option<&'a Whole>,
    pub mistakes: &'a mut Mistakes,
    /// The later ones hide the earlier ones.
    pub names: Names<Binding>,
    /// The fields that are applied somewhere.
    pub used: Vec<String>,
    /// The calls of the model's own functions: which, and where. The one behind the last is `forward`.
    pub calls: Vec<(usize, Ident)>,
    /// The function that is being read.
    pub function: String,
    /// How many loops with a hidden counter there are.
    pub loops: usize,
    /// The optimizers that minimize something.
    pub minimizing: Vec<usize>,
    /// Whether parts of the model are copied.
    pub transfers: bool,
    /// Whether updates are allowed: in a `step`.
    pub updates: bool,
    /// For each `no_grad` around: how many names there were before it.
    pub cuts: Vec<usize>,
    /// The free extents of the function's inputs.
    pub free: Vec<Ident>,
    /// Whether the model has any.
    pub has_free: bool,
    /// The names of numbers that depend on free extents, the later ones last.
    pub extents: Vec<(String, Origin)>,
    /// Whether there was no mistake yet.
    pub complete: bool,
}

impl<'a> Scope<'a> {
    pub fn new(layers: &'a Sequence<Layer>, helpers: &'a [ast::Helper], mistakes: &'a mut Mistakes) -> Scope<'a> {
        Scope {
            layers,
            helpers,
            whole: None,
            mistakes,
            names: Names::default(),
            used: Vec::new(),
            calls: Vec::new(),
            function: String::new(),
            loops: 0,
            minimizing: Vec::new(),
            transfers: false,
            updates: false,
            cuts: Vec::new(),
            free: Vec::new(),
            has_free: false,
            extents: Vec::new(),
            complete: true,
        }
    }

    /// Lets the free extents of some inputs be known, of those of the model; what was known before is forgotten.
    pub fn know<'e>(&mut self, inputs: impl IntoIterator<Item = &'e Extents>, free: &[Ident]) {
        (self.free, self.has_free) = (free::among(free, inputs), !free.is_empty());
        self.extents.clear();
    }
}
