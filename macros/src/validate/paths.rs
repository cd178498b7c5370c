//! The values of a body as a graph that is written once, and what can be asked of it: which layers a value depends on
//! through paths that nothing has cut. Every question costs a walk over the graph, whatever the number of names.

use proc_macro2::Span;

use crate::ast::Place;
use crate::body::{Access, Step};

/// A way to parameters: names of fields, or any element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub way: Vec<Option<String>>,
}

impl Given {
    /// The way to a layer.
    pub fn of(access: &Access) -> Given {
        let segment = |step: &Step| match step {
            Step::Member(name) => Some(crate::expand::segment(name)),
            Step::Index { .. } => None,
        };
        Given { way: access.steps.iter().map(segment).collect() }
    }

    /// Whether one of the two lies within the other.
    pub fn meets(&self, other: &Given) -> bool {
        self.way.iter().zip(&other.way).all(|(a, b)| a.is_none() || b.is_none() || a == b)
    }

    pub fn field(&self) -> Option<&String> {
        self.way.first()?.as_ref()
    }
}

/// A value, by its number.
pub type Value = usize;

/// What a value is.
enum What {
    Computed,
    /// What a layer gives.
    Layer(Given),
    /// One of those that it comes from: rounds of a loop or the sides of an `if` decide which.
    Either,
    /// No gradient passes.
    Stop(Stop),
}

/// A place where paths end.
#[derive(Clone)]
pub struct Stop {
    pub place: Span,
    pub what: String,
}

/// All values, each with those that it comes from.
#[derive(Default)]
pub struct Paths {
    values: Vec<(What, Vec<Value>)>,
}

/// What paths from a value lead to.
pub struct Reached {
    seen: Vec<bool>,
}

impl Reached {
    pub fn holds(&self, value: Value) -> bool {
        self.seen[value]
    }
}

impl Paths {
    fn add(&mut self, what: What, from: Vec<Value>) -> Value {
        self.values.push((what, from));
        self.values.len() - 1
    }

    /// A value that is computed from others.
    pub fn computed(&mut self, from: Vec<Value>) -> Value {
        self.add(What::Computed, from)
    }

    /// What a layer makes of its inputs.
    pub fn layer(&mut self, layer: Given, inputs: Vec<Value>) -> Value {
        self.add(What::Layer(layer), inputs)
    }

    /// One of several values; [`Paths::or`] adds those that are known later.
    pub fn either(&mut self, values: Vec<Value>) -> Value {
        self.add(What::Either, values)
    }

    /// Adds a value to what another one may be.
    pub fn or(&mut self, either: Value, value: Value) {
        self.values[either].1.push(value);
    }

    /// A value behind something that no gradient passes.
    pub fn stopped(&mut self, value: Value, place: Span, what: String) -> Value {
        self.add(What::Stop(Stop { place, what }), vec![value])
    }

    /// What gradients reach from these values on.
    pub fn live(&self, from: &[Value]) -> Reached {
        self.reach(from, |what| !matches!(what, What::Stop(_)))
    }

    /// What these values depend on, whatever no gradient passes.
    pub fn all(&self, from: &[Value]) -> Reached {
        self.reach(from, |_| true)
    }

    /// The values that one may stand for.
    pub fn alternatives(&self, value: Value) -> Vec<Value> {
        let reached = self.reach(&[value], |what| matches!(what, What::Either));
        (0..self.values.len()).filter(|value| reached.seen[*value]).collect()
    }

    /// The layers among what was reached.
    pub fn layers<'a>(&'a self, reached: &Reached) -> impl Iterator<Item = &'a Given> {
        let seen = self.values.iter().zip(&reached.seen).filter(|(_, seen)| **seen);
        seen.filter_map(|((what, _), _)| if let What::Layer(layer) = what { Some(layer) } else { None })
    }

    /// Where paths from these values end, in the order of the text, each with what gradients would reach behind it.
    pub fn stops<'a>(&'a self, from: &[Value]) -> impl Iterator<Item = (&'a Stop, Reached)> + use<'a> {
        let reached = self.all(from);
        self.values.iter().enumerate().filter_map(move |(value, (what, from))| match what {
            What::Stop(stop) if reached.seen[value] => Some((stop, self.live(from))),
            _ => None,
        })
    }

    /// All values on paths that lead only through what `passes`.
    fn reach(&self, from: &[Value], passes: impl Fn(&What) -> bool) -> Reached {
        let mut seen = vec![false; self.values.len()];
        let mut waiting = from.to_vec();
        while let Some(value) = waiting.pop() {
            let (what, from) = &self.values[value];
            if !std::mem::replace(&mut seen[value], true) && passes(what) {
                waiting.extend(from);
            }
        }
        Reached { seen }
    }
}

/// A loss that does not depend on what is minimized, or on what its gradient is taken in.
pub struct Cut {
    /// The loss.
    pub place: Place,
    pub message: String,
    /// Where paths were cut, and by what.
    pub cuts: Vec<(Span, String)>,
}

/// Places, each once as far as spans tell: functions are followed wherever they are called.
pub fn distinct(cuts: impl Iterator<Item = Stop>) -> Vec<(Span, String)> {
    let mut seen = std::collections::HashSet::new();
    let cuts = cuts.filter(|stop| seen.insert((stop.what.clone(), format!("{:?}", stop.place))));
    cuts.map(|stop| (stop.place, stop.what)).collect()
}
