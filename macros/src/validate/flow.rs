//! Which layers a value depends on, through paths that no `detach` has cut: one walk over the body of a program, in the
//! order of its statements. Knows which operations stop a gradient, and nothing of what they compute.
//!
//! The answer errs on one side: a path that may be there counts as one (a loop may run, both sides of an `if` may be
//! taken), so that no right program is refused.

use proc_macro2::Span;

use super::steps::{Optimizer, Program};
use crate::ast::{Extents, ParameterKind, Place};
use crate::body::{Access, Argument, Block, Call, Forward, Gradient, Helper, If, Loss, Statement, Step, Tensor, Value};
use crate::losses::Reduction;
use crate::methods::Gives;

/// A loss that does not depend on what is minimized, or on what its gradient is taken in.
pub struct Cut {
    /// The loss.
    pub place: Place,
    pub message: String,
    /// Where paths were cut, and by what.
    pub cuts: Vec<(Span, String)>,
}

/// What a program's values depend on.
#[derive(Default)]
pub struct Found {
    pub cut: Vec<Cut>,
    /// The fields that a loss reaches which an optimizer of them minimizes.
    pub reached: Vec<String>,
    /// The fields that are applied.
    pub applied: Vec<String>,
    /// For each result, whether it is a scalar, and whether it holds whole numbers or truth values.
    pub results: Vec<(bool, bool)>,
}

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
    fn meets(&self, other: &Given) -> bool {
        self.way.iter().zip(&other.way).all(|(a, b)| a.is_none() || b.is_none() || a == b)
    }

    fn field(&self) -> Option<&String> {
        self.way.first()?.as_ref()
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Layer(Given),
    /// The value that a name was given.
    Value(usize),
}

/// What is known of a value.
#[derive(Clone, Default)]
struct Flow {
    /// What its gradient reaches.
    live: Vec<Source>,
    cuts: Vec<Stop>,
    /// Whether it is known to have no axes.
    scalar: bool,
    /// Whether it holds whole numbers or truth values.
    integer: bool,
}

/// A place where paths end.
#[derive(Clone)]
struct Stop {
    place: Span,
    what: String,
    /// What the paths led to.
    from: Vec<Source>,
}

impl Stop {
    /// Whether both are one place of the source text, as far as spans tell.
    fn is(&self, other: &Stop) -> bool {
        self.what == other.what && format!("{:?}", self.place) == format!("{:?}", other.place)
    }
}

impl Flow {
    /// With what another value depends on, too.
    fn and(mut self, other: &Flow) -> Flow {
        unite(&mut self.live, &other.live);
        for stop in &other.cuts {
            match self.cuts.iter_mut().find(|known| known.is(stop)) {
                Some(known) => unite(&mut known.from, &stop.from),
                None => self.cuts.push(stop.clone()),
            }
        }
        self.scalar &= other.scalar;
        self.integer |= other.integer;
        self
    }

    /// With what another value depends on, too; but of its own shape and elements.
    fn with(self, other: &Flow) -> Flow {
        let (scalar, integer) = (self.scalar, self.integer);
        Flow { scalar, integer, ..self.and(other) }
    }

    /// Behind something that no gradient passes.
    fn stopped(mut self, place: Span, what: String) -> Flow {
        let from = std::mem::take(&mut self.live);
        let cuts = vec![Stop { place, what, from }];
        self.with(&Flow { cuts, ..Flow::default() })
    }
}

/// Adds what is not there yet.
fn unite(sources: &mut Vec<Source>, others: &[Source]) {
    for source in others {
        if !sources.contains(source) {
            sources.push(source.clone());
        }
    }
}

/// What cuts a value that a `no_grad` gives to a name outside of it.
const LEAVING: &str = "the end of `no_grad`";

/// A name, the number of its value, and what is known of that.
#[derive(Clone)]
struct Known {
    name: String,
    value: usize,
    flow: Flow,
}

/// Follows the values of a program.
pub fn follow(program: &Program, optimizers: &[Optimizer], helpers: &[Helper]) -> Found {
    let mut walk = Walk { optimizers, helpers, names: Vec::new(), values: 0, found: Found::default() };
    for input in &program.inputs {
        let integer = input.extents.element.as_ref().is_some_and(|element| element != "f32");
        walk.declare(&input.name.to_string(), Flow { integer, ..Flow::default() });
    }
    walk.statements(&program.body);
    for output in &program.results {
        let flow = walk.find(&output.name).map(|at| walk.names[at].flow.clone()).unwrap_or_default();
        walk.found.results.push((flow.scalar, flow.integer));
    }
    walk.found
}

/// The fields that the results of a `forward` depend on only through functions that have no gradient, and by which each is
/// cut off. What a `detach` or a `no_grad` cuts off is meant so, and results of whole numbers are not trained.
pub fn cut_off(forward: &Forward, outputs: &[Extents], helpers: &[Helper]) -> Vec<(String, Vec<(Span, String)>)> {
    let mut walk = Walk { optimizers: &[], helpers, names: Vec::new(), values: 0, found: Found::default() };
    forward.inputs.iter().for_each(|name| walk.declare(&name.to_string(), Flow::default()));
    forward.body.statements.iter().for_each(|statement| walk.statement(statement));
    let results = forward.body.value.as_ref().map(|value| walk.values(value, outputs.len())).unwrap_or_default();
    let is_float = |extents: &Extents| extents.element.as_ref().is_none_or(|element| element == "f32");
    let trained = results.iter().zip(outputs).filter(|(_, output)| is_float(output));
    let flow = trained.fold(Flow::default(), |flow, (result, _)| flow.and(result));
    let fields = |sources: &[Source]| -> Vec<String> {
        sources
            .iter()
            .filter_map(|source| if let Source::Layer(given) = source { given.field().cloned() } else { None })
            .collect()
    };
    let (meant, others): (Vec<&Stop>, Vec<&Stop>) = flow.cuts.iter().partition(|stop| !stop.what.starts_with('`'));
    let mut spared = fields(&flow.live);
    meant.iter().for_each(|stop| spared.extend(fields(&stop.from)));
    let mut found: Vec<(String, Vec<(Span, String)>)> = Vec::new();
    for stop in others {
        for field in fields(&stop.from).into_iter().filter(|field| !spared.contains(field)) {
            let cut = (stop.place, stop.what.clone());
            match found.iter_mut().find(|(known, _)| *known == field) {
                Some((_, cuts)) => cuts.push(cut),
                None => found.push((field, vec![cut])),
            }
        }
    }
    found
}

struct Walk<'a> {
    optimizers: &'a [Optimizer],
    helpers: &'a [Helper],
    names: Vec<Known>,
    values: usize,
    found: Found,
}

impl Walk<'_> {
    fn declare(&mut self, name: &str, flow: Flow) {
        self.values += 1;
        self.names.push(Known { name: name.to_string(), value: self.values, flow });
    }

    fn find(&self, name: &impl PartialEq<str>) -> Option<usize> {
        self.names.iter().rposition(|known| *name == *known.name.as_str())
    }

    /// The statements between braces, and their value.
    fn block(&mut self, block: &Block) -> Flow {
        let outer = self.names.len();
        let flow = self.statements(block);
        self.names.truncate(outer);
        match block.cuts {
            Some(place) => flow.stopped(place, "this `no_grad`".to_string()),
            None => flow,
        }
    }

    fn statements(&mut self, block: &Block) -> Flow {
        block.statements.iter().for_each(|statement| self.statement(statement));
        block.value.as_ref().map(|value| self.value(value)).unwrap_or_default()
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Set { declares, name, value } => {
                let flow = self.value(value);
                // Another name for the same value.
                let same = match value {
                    Value::Tensor(Tensor::Variable(other)) => self.find(other).map(|at| self.names[at].value),
                    _ => None,
                };
                match (declares, self.find(name)) {
                    (false, Some(at)) => {
                        self.values += 1;
                        self.names[at] = Known { value: same.unwrap_or(self.values), flow, ..self.names[at].clone() };
                    }
                    _ => {
                        self.declare(&name.to_string(), flow);
                        if let (Some(same), Some(last)) = (same, self.names.last_mut()) {
                            last.value = same;
                        }
                    }
                }
            }
            Statement::For { body, .. } => {
                // What a name depends on goes one name further in a round. After any number of rounds a name stands for
                // what it was before, or for what a round has made of it.
                for _ in 0..=self.names.len() {
                    let before = self.names.clone();
                    self.block(body);
                    self.join(&before);
                }
            }
            Statement::If(choice) => _ = self.choice(choice),
            Statement::Block(block) => _ = self.block(block),
            Statement::Unpack { declares, names, value, cuts } => {
                let flows = self.values(value, names.len());
                for (name, mut flow) in names.iter().zip(flows).filter_map(|(name, flow)| Some((name.as_ref()?, flow)))
                {
                    if *cuts {
                        flow = flow.stopped(name.span(), LEAVING.to_string());
                    }
                    match self.find(name).filter(|_| !declares) {
                        Some(at) => {
                            self.values += 1;
                            self.names[at] = Known { value: self.values, flow, ..self.names[at].clone() };
                        }
                        None => self.declare(&name.to_string(), flow),
                    }
                }
            }
            Statement::Minimize { optimizer, loss, text, place } => {
                let flow = self.tensor(loss);
                self.minimize(*optimizer, &flow, text, *place);
            }
        }
    }

    /// Adds what the names stood for before to what they stand for now.
    fn join(&mut self, before: &[Known]) {
        for (now, before) in self.names.iter_mut().zip(before) {
            now.flow = std::mem::take(&mut now.flow).and(&before.flow);
        }
    }

    fn choice(&mut self, choice: &If) -> Flow {
        let before = self.names.clone();
        let then = self.block(&choice.then);
        let after_then = std::mem::replace(&mut self.names, before);
        let otherwise = choice.otherwise.as_ref().map(|block| self.block(block));
        self.join(&after_then);
        match otherwise {
            Some(otherwise) => then.and(&otherwise),
            None => then,
        }
    }

    fn value(&mut self, value: &Value) -> Flow {
        match value {
            Value::Tensor(tensor) => self.tensor(tensor),
            Value::Number(_) => Flow { scalar: true, ..Flow::default() },
            Value::Tuple(tensors) => self.all(tensors),
        }
    }

    /// So many values; those of one expression are taken to depend on the same.
    fn values(&mut self, value: &Value, count: usize) -> Vec<Flow> {
        match value {
            Value::Tuple(tensors) => tensors.iter().map(|tensor| self.tensor(tensor)).collect(),
            value => vec![Flow { scalar: false, ..self.value(value) }; count],
        }
    }

    fn all(&mut self, tensors: &[Tensor]) -> Flow {
        let start = Flow { scalar: true, ..Flow::default() };
        tensors.iter().fold(start, |flow, tensor| flow.and(&self.tensor(tensor)))
    }

    fn tensor(&mut self, tensor: &Tensor) -> Flow {
        match tensor {
            Tensor::Variable(name) => match self.find(name) {
                Some(at) => {
                    let Known { value, flow, .. } = self.names[at].clone();
                    flow.with(&Flow { live: vec![Source::Value(value)], ..Flow::default() })
                }
                None => Flow::default(),
            },
            Tensor::Call(call) => self.call(call),
            Tensor::Apply(apply) => {
                let flow = self.all(&apply.inputs);
                let given = Given::of(&apply.layer);
                self.found.applied.extend(given.field().cloned());
                let own = Flow { live: vec![Source::Layer(given)], ..Flow::default() };
                own.with(&flow)
            }
            Tensor::Helper { helper, arguments, .. } => {
                let helper = &self.helpers[*helper];
                let flows: Vec<Flow> = arguments.iter().map(|value| self.value(value)).collect();
                // What a function sees are its parameters only.
                let outside = std::mem::take(&mut self.names);
                for (parameter, flow) in helper.parameters.iter().zip(flows) {
                    if let ParameterKind::Tensor(_) = parameter.kind {
                        self.declare(&parameter.name.to_string(), flow);
                    }
                }
                let flow = self.block(&helper.body);
                self.names = outside;
                flow
            }
            Tensor::If(choice) => self.choice(choice),
            Tensor::Block(block) => self.block(block),
            Tensor::Loss(loss) => self.loss(loss),
            Tensor::Gradient(gradient) => self.gradient(gradient),
        }
    }

    fn call(&mut self, call: &Call) -> Flow {
        let function = call.function;
        let mut flow = Flow { scalar: true, ..Flow::default() };
        for argument in &call.arguments {
            flow = match argument {
                Argument::Tensor(tensor) => flow.and(&self.tensor(tensor)),
                Argument::Tensors(tensors) => flow.and(&self.all(tensors)),
                Argument::Number(_) | Argument::Attribute(_) => flow,
            };
        }
        flow.integer = match function.gives {
            Gives::Same | Gives::Several => flow.integer,
            Gives::F32 => false,
            Gives::I32 | Gives::Bool => true,
        };
        flow.scalar = match function.rule {
            "unchanged" | "broadcast" | "broadcast_three" | "with_number" | "with_numbers" | "with_bounds" => {
                flow.scalar
            }
            // Without an axis everything is reduced.
            "reduce" | "reduce_one" | "variance" => {
                let left_out = |name: &str, default: &str| {
                    function.parameters.iter().zip(&call.arguments).any(|(parameter, argument)| match argument {
                        Argument::Attribute(given) => parameter.name == name && given.to_string().ends_with(default),
                        _ => false,
                    })
                };
                left_out("dim", "None") && left_out("keepdim", "false")
            }
            _ => false,
        };
        match (function.smooth, function.name) {
            (true, "floor" | "sign") | (false, _) => {
                let what = match function.name {
                    "detach" if call.text.is_empty() => LEAVING.to_string(),
                    "detach" => "this `detach`".to_string(),
                    name => format!("`{name}`, which has no gradient,"),
                };
                flow.stopped(call.name, what)
            }
            (true, _) => flow,
        }
    }

    fn loss(&mut self, loss: &Loss) -> Flow {
        let mut flow = self.tensor(&loss.input);
        flow = flow.and(&self.value(&loss.target));
        for (name, _) in loss.loss.options {
            if let Some(tensor) = loss.tensor(name) {
                flow = flow.and(&self.tensor(tensor));
            }
        }
        Flow { scalar: loss.reduction() != Reduction::None, integer: false, ..flow }
    }

    /// The gradient depends on all that the loss and the value depend on.
    fn gradient(&mut self, gradient: &Gradient) -> Flow {
        let Gradient { loss, of, text, place } = gradient;
        let flow = self.tensor(loss);
        let Some(at) = self.find(of) else { return flow };
        let Known { value, flow: of_flow, .. } = self.names[at].clone();
        if !flow.live.contains(&Source::Value(value)) {
            let cuts = flow.cuts.iter().filter(|stop| stop.from.contains(&Source::Value(value)));
            let cuts = cuts.map(|stop| (stop.place, stop.what.clone())).collect();
            let message = format!("`{text}` does not depend on `{of}`: there is no gradient");
            self.found.cut.push(Cut { place: *place, message, cuts });
        }
        of_flow.with(&flow)
    }

    fn minimize(&mut self, optimizer: usize, flow: &Flow, text: &str, place: Place) {
        let Optimizer { name, parts, .. } = &self.optimizers[optimizer];
        let trained = self.optimizers[optimizer].trains();
        let is_trained = |source: &Source| match source {
            Source::Layer(given) => trained.iter().any(|part| part.meets(given)),
            Source::Value(_) => false,
        };
        let mut reached = flow.live.iter().filter(|source| is_trained(source)).peekable();
        if reached.peek().is_some() {
            for source in reached {
                if let Source::Layer(given) = source {
                    self.found.reached.extend(given.field().cloned());
                }
            }
            return;
        }
        let cuts = flow.cuts.iter().filter(|stop| stop.from.iter().any(is_trained));
        let cuts: Vec<(Span, String)> = cuts.map(|stop| (stop.place, stop.what.clone())).collect();
        let parts: Vec<String> = parts.iter().map(|part| format!("`{}`", part.text)).collect();
        let message =
            format!("`{text}` does not depend on any parameter of {}, which `{name}` trains", parts.join(" or "));
        self.found.cut.push(Cut { place, message, cuts });
    }
}
