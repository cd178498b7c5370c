//! What is known while a body is read: names and what they stand for, free extents, and what was found so far.

use std::collections::HashSet;

use proc_macro2::Ident;
use quote::ToTokens;

use super::Layer;
use super::forward::Whole;
use super::fractions::NumberName;
use super::names::Names;
use super::rounded;
use crate::ast::{self, Extents, Sequence};
use crate::body::Access;
use crate::free::{self, Origin};
use crate::mistakes::Mistakes;

/// What a name stands for.
#[derive(Clone)]
pub enum Binding {
    Tensor,
    Number,
    /// Several tensors, how many is known where the body is walked.
    List,
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
    /// Whether the model has any, or the function computes with the batch size, or may be given it.
    pub has_free: bool,
    /// The `usize` parameters of the function, where all free extents that it computes with come of them.
    pub given: Vec<Ident>,
    /// The names of numbers that depend on free extents, the later ones last.
    pub extents: Vec<(String, Origin)>,
    /// The names of numbers, the later ones last.
    pub numbers: Vec<NumberName>,
    /// The names to which the function gives another value, if it holds quotients.
    pub given_anew: HashSet<String>,
    /// The place of such a name that is to become a tensor.
    pub becomes_tensor: Option<usize>,
    /// Where the `let`s of numbers are that are tensors from the start, as they become some.
    pub tensors: HashSet<*const syn::Local>,
    /// How many axes the tensor has whose extent is asked for next, where all are.
    pub counted: Option<usize>,
    /// Whether there was no mistake yet.
    pub complete: bool,
}

/// How much was known before a statement.
pub struct Before {
    names: usize,
    used: usize,
    calls: usize,
    minimizing: usize,
    extents: usize,
    numbers: usize,
    transfers: bool,
    complete: bool,
    mistakes: Option<syn::Error>,
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
            given: Vec::new(),
            extents: Vec::new(),
            numbers: Vec::new(),
            given_anew: HashSet::new(),
            becomes_tensor: None,
            tensors: HashSet::new(),
            counted: None,
            complete: true,
        }
    }

    /// What is known now, to come back to.
    pub fn now_known(&self) -> Before {
        Before {
            names: self.names.len(),
            used: self.used.len(),
            calls: self.calls.len(),
            minimizing: self.minimizing.len(),
            extents: self.extents.len(),
            numbers: self.numbers.len(),
            transfers: self.transfers,
            complete: self.complete,
            mistakes: self.mistakes.so_far(),
        }
    }

    /// Forgets what was found since.
    pub fn back_to(&mut self, before: Before) {
        self.names.truncate(before.names);
        self.used.truncate(before.used);
        self.calls.truncate(before.calls);
        self.minimizing.truncate(before.minimizing);
        self.extents.truncate(before.extents);
        self.numbers.truncate(before.numbers);
        (self.transfers, self.complete) = (before.transfers, before.complete);
        self.mistakes.back_to(before.mistakes);
    }

    /// Lets the free extents of some inputs be known, of those of the model; what was known before is forgotten.
    pub fn know<'e>(&mut self, inputs: impl IntoIterator<Item = &'e Extents>, free: &[Ident], body: impl ToTokens) {
        let body = body.to_token_stream();
        self.given_anew = rounded::given_anew(body.clone());
        let has_free = !free.is_empty() || free::computes_with_batch(body);
        (self.free, self.has_free) = (free::among(free, inputs), has_free);
        self.given.clear();
        self.extents.clear();
        self.numbers.clear();
    }

    /// Lets the `usize` parameters of a function be known, each of which may be given a free extent.
    pub fn know_given(&mut self, parameters: Vec<Ident>) {
        self.extents.extend(parameters.iter().map(|name| (name.to_string(), Origin::Extent)));
        if !self.has_free && !parameters.is_empty() {
            (self.given, self.has_free) = (parameters, true);
        }
    }
}
