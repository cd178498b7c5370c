//! Which layers a value depends on, through paths that no `detach` has cut: one walk over the body of a program, in the
//! order of its statements, writes the graph of `paths`, which is asked when it is complete. Knows which operations
//! stop a gradient, and nothing of what they compute.
//!
//! The answer errs on one side: a path that may be there counts as one (a loop may run, both sides of an `if` may be
//! taken), so that no right program is refused.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span};

use super::names::Names;
use super::paths::{Cut, Given, Paths, Reached, Value as Node, distinct};
use super::steps::{Model, Optimizer, Program};
use crate::ast::{Extents, ParameterKind, Place};
use crate::body::{Access, Argument, Block, Call, Forward, Gradient, Helper, If, Loss, Statement, Tensor, Value};

/// What a program's values depend on.
#[derive(Default)]
pub struct Found {
    pub cut: Vec<Cut>,
    /// The fields that a loss reaches which an optimizer of them minimizes.
    pub reached: Vec<String>,
    /// The fields that are applied.
    pub applied: Vec<String>,
    /// The fields that take the values of others.
    pub written: Vec<String>,
    /// Whether it minimizes something.
    pub minimizes: bool,
}

/// What cuts a value that a `no_grad` gives to a name outside of it.
const LEAVING: &str = "the end of `no_grad`";

/// Follows the values of a program.
pub fn follow(program: &Program, optimizers: &[Optimizer], model: Model<'_>) -> Found {
    let mut walk = Walk::new(model.functions, Some(model));
    program.inputs.iter().for_each(|input| walk.input(&input.name));
    walk.statements(&program.body);
    let Walk { paths, applied, written, questions, .. } = walk;
    let mut found = Found { applied, written, ..Found::default() };
    for question in &questions {
        match question {
            Question::Minimize { optimizer, loss, text, place } => {
                found.minimizes = true;
                let (reached, cut) = minimized(&paths, &optimizers[*optimizer], *loss, text, *place);
                found.reached.extend(reached);
                found.cut.extend(cut);
            }
            Question::Gradient { loss, of, message, place } => {
                found.cut.extend(without_gradient(&paths, *loss, *of, message, *place));
            }
        }
    }
    found
}

/// The fields that a loss reaches, or that it reaches none of the optimizer's.
fn minimized(paths: &Paths, optimizer: &Optimizer, loss: Node, text: &str, place: Place) -> (Vec<String>, Option<Cut>) {
    let Optimizer { name, parts, .. } = optimizer;
    let trained = optimizer.trains();
    let is_trained = |given: &&Given| trained.iter().any(|part| part.meets(given));
    let live = paths.live(&[loss]);
    let mut reached = paths.layers(&live).filter(is_trained).peekable();
    if reached.peek().is_some() {
        return (reached.filter_map(|given| given.field().cloned()).collect(), None);
    }
    let cuts = paths.stops(&[loss]).filter(|(_, behind)| paths.layers(behind).any(|given| is_trained(&given)));
    let cuts = distinct(cuts.map(|(stop, _)| stop.clone()));
    let parts: Vec<String> = parts.iter().map(|part| format!("`{}`", part.text)).collect();
    let message = format!("`{text}` does not depend on any parameter of {}, which `{name}` trains", parts.join(" or "));
    (Vec::new(), Some(Cut { place, message, cuts }))
}

/// That there is no gradient of a loss in a value.
fn without_gradient(paths: &Paths, loss: Node, of: Node, message: &str, place: Place) -> Option<Cut> {
    let alternatives = paths.alternatives(of);
    let live = paths.live(&[loss]);
    if alternatives.iter().any(|value| live.holds(*value)) {
        return None;
    }
    let cuts = paths.stops(&[loss]).filter(|(_, behind)| alternatives.iter().any(|value| behind.holds(*value)));
    let cuts = distinct(cuts.map(|(stop, _)| stop.clone()));
    Some(Cut { place, message: message.to_string(), cuts })
}

/// The fields that the results of a `forward` depend on only through functions that have no gradient, and by which each is
/// cut off. What a `detach` or a `no_grad` cuts off is meant so, and results of whole numbers are not trained.
pub fn cut_off(forward: &Forward, outputs: &[Extents], helpers: &[Helper]) -> Vec<(String, Vec<(Span, String)>)> {
    let mut walk = Walk::new(helpers, None);
    forward.inputs.iter().for_each(|name| walk.input(name));
    forward.body.statements.iter().for_each(|statement| walk.statement(statement));
    let results = forward.body.value.as_ref().map(|value| walk.values(value, outputs.len())).unwrap_or_default();
    let is_float = |extents: &Extents| extents.element.as_ref().is_none_or(|element| element == "f32");
    let trained = results.into_iter().zip(outputs).filter(|(_, output)| is_float(output));
    let trained: Vec<Node> = trained.map(|(result, _)| result).collect();
    let paths = &walk.paths;
    let fields = |reached: &Reached| -> Vec<String> {
        paths.layers(reached).filter_map(|given| given.field().cloned()).collect()
    };
    let mut spared: BTreeSet<String> = fields(&paths.live(&trained)).into_iter().collect();
    // Nearly always gradients reach all, and then each of many stops need not be asked.
    if fields(&paths.all(&trained)).iter().all(|field| spared.contains(field)) {
        return Vec::new();
    }
    let mut others = Vec::new();
    for (stop, behind) in paths.stops(&trained) {
        if stop.what.starts_with('`') {
            others.push((stop.clone(), fields(&behind)));
        } else {
            spared.extend(fields(&behind));
        }
    }
    let mut found: Vec<(String, Vec<_>)> = Vec::new();
    for (stop, fields) in others {
        for field in fields.into_iter().filter(|field| !spared.contains(field)) {
            match found.iter_mut().find(|(known, _)| *known == field) {
                Some((_, cuts)) => cuts.push(stop.clone()),
                None => found.push((field, vec![stop.clone()])),
            }
        }
    }
    found.into_iter().map(|(field, cuts)| (field, distinct(cuts.into_iter()))).collect()
}

/// What is asked of the complete graph.
enum Question {
    /// Whether a loss depends on what the optimizer with this number trains.
    Minimize { optimizer: usize, loss: Node, text: String, place: Place },
    /// Whether a loss depends on a value.
    Gradient { loss: Node, of: Node, message: String, place: Place },
}

struct Walk<'a> {
    helpers: &'a [Helper],
    /// The model that may be applied as a whole.
    model: Option<Model<'a>>,
    names: Names<Node>,
    paths: Paths,
    questions: Vec<Question>,
    applied: Vec<String>,
    written: Vec<String>,
}

impl<'a> Walk<'a> {
    fn new(helpers: &'a [Helper], model: Option<Model<'a>>) -> Walk<'a> {
        let (names, paths) = (Names::default(), Paths::default());
        Walk { helpers, model, names, paths, questions: Vec::new(), applied: Vec::new(), written: Vec::new() }
    }

    fn input(&mut self, name: &Ident) {
        let value = self.paths.computed(Vec::new());
        self.names.declare(&name.to_string(), value);
    }

    /// The statements between braces, and their value.
    fn block(&mut self, block: &Block) -> Node {
        let outer = self.names.len();
        let value = self.statements(block);
        self.names.truncate(outer);
        match block.cuts {
            Some(place) => self.paths.stopped(value, place, "this `no_grad`".to_string()),
            None => value,
        }
    }

    fn statements(&mut self, block: &Block) -> Node {
        block.statements.iter().for_each(|statement| self.statement(statement));
        match &block.value {
            Some(value) => self.value(value),
            None => self.paths.computed(Vec::new()),
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Set { declares, name, value, .. } => {
                let value = self.value(value);
                self.set(*declares, name, value);
            }
            Statement::For { body, .. } => {
                // At the head of a round a name stands for what it was before, or for what a round has made of it.
                let changed = self.names.assigned(body);
                let heads: Vec<(usize, Node)> = (changed.into_iter())
                    .map(|place| {
                        let before = *self.names.at(place);
                        (place, self.paths.either(vec![before]))
                    })
                    .collect();
                heads.iter().for_each(|(place, head)| self.names.assign(*place, *head));
                self.block(body);
                for (place, head) in heads {
                    self.paths.or(head, *self.names.at(place));
                    self.names.assign(place, head);
                }
            }
            Statement::If(choice) => _ = self.choice(choice),
            Statement::Block(block) => _ = self.block(block),
            Statement::Unpack { declares, names, value, cuts } => {
                let values = self.values(value, names.len());
                for (name, mut value) in
                    names.iter().zip(values).filter_map(|(name, value)| Some((name.as_ref()?, value)))
                {
                    if *cuts {
                        value = self.paths.stopped(value, name.span(), LEAVING.to_string());
                    }
                    self.set(*declares, name, value);
                }
            }
            Statement::Minimize { optimizer, loss, text, place } => {
                let loss = self.tensor(loss);
                self.questions.push(Question::Minimize {
                    optimizer: *optimizer,
                    loss,
                    text: text.clone(),
                    place: *place,
                });
            }
            Statement::Take(take) => {
                self.tensor(&take.value);
                take.rate.as_ref().map(|rate| self.value(rate));
                self.written.extend(match &take.target {
                    Tensor::Parameter(parameter) => Given::of(&parameter.layer).field().cloned(),
                    Tensor::Inside(inside) => Given::of(&inside.model).field().cloned(),
                    _ => None,
                });
            }
            Statement::List { name, change } => {
                let mut values: Vec<Node> = change.tensors().iter().map(|tensor| self.tensor(tensor)).collect();
                if !change.declares() {
                    values.extend(self.names.find(&name.to_string()).map(|place| *self.names.at(place)));
                }
                let list = self.paths.computed(values);
                self.set(change.declares(), name, list);
            }
            // What was read before stays what it was, and no gradient passes.
            Statement::Transfer(transfer) => {
                transfer.rate.as_ref().map(|rate| self.value(rate));
                self.written.extend(transfer.target.given().field().cloned());
            }
        }
    }

    fn set(&mut self, declares: bool, name: &Ident, value: Node) {
        let name = name.to_string();
        match self.names.find(&name).filter(|_| !declares) {
            Some(place) => self.names.assign(place, value),
            None => self.names.declare(&name, value),
        }
    }

    fn choice(&mut self, choice: &If) -> Node {
        let start = self.names.mark();
        let then = self.block(&choice.then);
        let after_then = self.names.back_to(start);
        let otherwise = choice.otherwise.as_ref().map(|block| self.block(block));
        let after_otherwise = self.names.back_to(start);
        let changed: BTreeSet<usize> = after_then.keys().chain(after_otherwise.keys()).copied().collect();
        for place in changed {
            let before = *self.names.at(place);
            let sides = [&after_then, &after_otherwise].map(|side| side.get(&place).copied().unwrap_or(before));
            let value = self.paths.either(sides.to_vec());
            self.names.assign(place, value);
        }
        match otherwise {
            Some(otherwise) => self.paths.either(vec![then, otherwise]),
            None => then,
        }
    }

    fn value(&mut self, value: &Value) -> Node {
        match value {
            Value::Tensor(tensor) => self.tensor(tensor),
            Value::Number(_) => self.paths.computed(Vec::new()),
            Value::Tuple(tensors) => self.all(tensors),
        }
    }

    /// So many values; those of one expression are taken to depend on the same.
    fn values(&mut self, value: &Value, count: usize) -> Vec<Node> {
        match value {
            Value::Tuple(tensors) => tensors.iter().map(|tensor| self.tensor(tensor)).collect(),
            value => {
                let all = self.value(value);
                (0..count).map(|_| self.paths.computed(vec![all])).collect()
            }
        }
    }

    fn all(&mut self, tensors: &[Tensor]) -> Node {
        let values = tensors.iter().map(|tensor| self.tensor(tensor)).collect();
        self.paths.computed(values)
    }

    fn tensor(&mut self, tensor: &Tensor) -> Node {
        match tensor {
            Tensor::Variable(name) | Tensor::Element { list: name, .. } => self.named(name),
            Tensor::Parameter(parameter) => {
                let given = Given::of(&parameter.layer);
                self.applied.extend(given.field().cloned());
                self.paths.layer(given, Vec::new())
            }
            Tensor::Number(_) => self.paths.computed(Vec::new()),
            Tensor::Call(call) => self.call(call),
            Tensor::Apply(apply) => {
                let inputs = apply.inputs.iter().flatten().map(|tensor| self.tensor(tensor)).collect();
                let given = Given::of(&apply.layer);
                self.applied.extend(given.field().cloned());
                self.paths.layer(given, inputs)
            }
            Tensor::Helper { helper, arguments, .. } => {
                let helper = &self.helpers[*helper];
                let values: Vec<Node> = arguments.iter().map(|value| self.value(value)).collect();
                // What a function sees are its parameters only.
                let outside = std::mem::take(&mut self.names);
                for (parameter, value) in helper.parameters.iter().zip(values) {
                    if let ParameterKind::Tensor(_) = parameter.kind {
                        self.names.declare(&parameter.name.to_string(), value);
                    }
                }
                let value = self.block(&helper.body);
                self.names = outside;
                value
            }
            Tensor::Whole { inputs, .. } => {
                let inputs = inputs.iter().map(|(_, tensor)| self.tensor(tensor)).collect();
                self.whole(inputs)
            }
            Tensor::Inside(inside) => {
                let mut given = Given::of(&inside.model);
                // A function may use any parameter of its model.
                given.way.extend(Given::of(&Access { steps: inside.way.clone() }).way);
                let values = inside.call.iter().flat_map(|called| &called.given);
                let values = values.map(|(value, _)| self.value(value)).collect();
                self.applied.extend(given.field().cloned());
                self.paths.layer(given, values)
            }
            Tensor::If(choice) => self.choice(choice),
            Tensor::Block(block) => self.block(block),
            Tensor::Loss(loss) => self.loss(loss),
            Tensor::Gradient(gradient) => self.gradient(gradient),
        }
    }

    /// The value of a name; of a list what any of its tensors depends on.
    fn named(&mut self, name: &Ident) -> Node {
        match self.names.find(&name.to_string()) {
            Some(place) => *self.names.at(place),
            None => self.paths.computed(Vec::new()),
        }
    }

    /// What the model makes of its inputs.
    fn whole(&mut self, inputs: Vec<Node>) -> Node {
        let Some(model) = self.model else { return self.paths.computed(inputs) };
        let Some(forward) = model.forward else {
            let input = self.paths.computed(inputs);
            return model.layers.members.iter().fold(input, |input, member| {
                let field = crate::expand::segment(&member.name);
                self.applied.push(field.clone());
                self.paths.layer(Given { way: vec![Some(field)] }, vec![input])
            });
        };
        let outside = std::mem::take(&mut self.names);
        for (name, value) in forward.inputs.iter().zip(inputs) {
            self.names.declare(&name.to_string(), value);
        }
        let value = self.block(&forward.body);
        self.names = outside;
        value
    }

    fn call(&mut self, call: &Call) -> Node {
        let function = call.function;
        let mut values = Vec::new();
        for argument in &call.arguments {
            match argument {
                Argument::Tensor(tensor) => values.push(self.tensor(tensor)),
                Argument::Tensors(tensors) => values.push(self.all(tensors)),
                Argument::List(list) => values.push(self.named(list)),
                Argument::Number(_) | Argument::Attribute(_) => {}
            }
        }
        let value = self.paths.computed(values);
        if function.smooth {
            return value;
        }
        let what = match function.name {
            "detach" if call.text.is_empty() => LEAVING.to_string(),
            "detach" => "this `detach`".to_string(),
            name => format!("`{name}`, which has no gradient,"),
        };
        self.paths.stopped(value, call.name, what)
    }

    fn loss(&mut self, loss: &Loss) -> Node {
        let mut values: Vec<Node> = loss.operands.iter().map(|operand| self.value(operand)).collect();
        for (name, _) in loss.loss.options {
            values.extend(loss.tensor(name).map(|tensor| self.tensor(tensor)));
        }
        self.paths.computed(values)
    }

    /// The gradient depends on all that the loss and the value depend on.
    fn gradient(&mut self, gradient: &Gradient) -> Node {
        let Gradient { loss, of, text, place } = gradient;
        let loss = self.tensor(loss);
        let Some(at) = self.names.find(&of.to_string()) else { return loss };
        let value = *self.names.at(at);
        let message = format!("`{text}` does not depend on `{of}`: there is no gradient");
        self.questions.push(Question::Gradient { loss, of: value, message, place: *place });
        self.paths.computed(vec![loss, value])
    }
}
