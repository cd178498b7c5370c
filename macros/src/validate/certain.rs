//! What the text of a program alone makes certain about the types of its results, so that the methods of a trainer can
//! say `f32` where they give a loss. What is not certain here is left to rustc, which walks over the types and knows
//! all of it, and which checks what is said here. Knows no shapes: only whether a value has axes, and what it holds.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use proc_macro2::Ident;

use super::names::Names;
use super::steps::{Model, Program};
use super::{Layer, LayerKind};
use crate::ast::{Extents, Node, ParameterKind};
use crate::body::{Argument, Block, Call, Holds, If, Loss, Statement, Tensor, Value};
use crate::losses::Reduction;
use crate::methods::{Elements, Gives, Kind};

/// The elements of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    F32,
    I32,
    Bool,
}

/// What is certain about a value; nothing to begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Certain {
    pub element: Option<Element>,
    /// Whether it has no axes.
    pub scalar: Option<bool>,
}

impl Certain {
    fn new(element: Element, scalar: impl Into<Option<bool>>) -> Certain {
        Certain { element: Some(element), scalar: scalar.into() }
    }

    /// Whether this is all that there is to know of a result's type in Rust.
    pub fn is_type(self) -> bool {
        self.element.is_some() && self.scalar.is_some()
    }

    /// What is certain if a value may be either.
    fn or(self, other: Certain) -> Certain {
        Certain {
            element: self.element.filter(|_| self.element == other.element),
            scalar: self.scalar.filter(|_| self.scalar == other.scalar),
        }
    }
}

/// What is certain about each result of a program.
pub fn results(program: &Program, model: Model<'_>) -> Vec<Certain> {
    let inputs = program.inputs.iter().map(|input| (&input.name, &input.extents));
    meet(inputs.clone(), &program.body, model);
    let mut walk = Walk::new(inputs, model, false);
    walk.statements(&program.body, 1);
    program.results.iter().map(|output| walk.name(&output.name.to_string())).collect()
}

/// Finds what the whole numbers of a body meet that become tensors.
pub fn meet<'a>(inputs: impl Iterator<Item = (&'a Ident, &'a Extents)>, body: &Block, model: Model<'_>) {
    Walk::new(inputs, model, true).statements(body, 1);
}

/// What is declared.
fn of_declared(extents: &Extents) -> Certain {
    Certain::new(Element::of(extents), !extents.batch && extents.values.is_empty())
}

impl Element {
    /// The declared one.
    pub fn of(extents: &Extents) -> Element {
        match &extents.element {
            Some(name) if name == "i32" => Element::I32,
            Some(name) if name == "bool" => Element::Bool,
            _ => Element::F32,
        }
    }
}

struct Walk<'a> {
    model: Model<'a>,
    names: Names<Certain>,
    /// The whole numbers that have met nothing yet, by the places of their names.
    open: HashMap<usize, Rc<Cell<Option<Element>>>>,
    /// Whether it is looked for what they meet; else they are f32 where they met nothing.
    meets: bool,
}

impl<'a> Walk<'a> {
    fn new<'e>(inputs: impl Iterator<Item = (&'e Ident, &'e Extents)>, model: Model<'a>, meets: bool) -> Walk<'a> {
        let names = inputs.map(|(name, extents)| (name.to_string(), of_declared(extents))).collect();
        Walk { model, names: Names::of(names), open: HashMap::new(), meets }
    }
}

impl Walk<'_> {
    fn name(&self, name: &str) -> Certain {
        self.names.find(name).map(|place| *self.names.at(place)).unwrap_or_default()
    }

    /// The values of a block, of which there are so many.
    fn block(&mut self, block: &Block, count: usize) -> Vec<Certain> {
        let outer = self.names.len();
        let values = self.statements(block, count);
        self.names.truncate(outer);
        values
    }

    fn statements(&mut self, block: &Block, count: usize) -> Vec<Certain> {
        block.statements.iter().for_each(|statement| self.statement(statement));
        block.value.as_ref().map(|value| self.values(value, count)).unwrap_or_else(|| nothing(count))
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Set { declares, name, value, .. } => {
                let known = self.value(value);
                self.set(*declares, &name.to_string(), known);
                if let (true, Value::Tensor(Tensor::Number(number))) = (declares, value)
                    && let Holds::Met(element) = &number.holds
                    && let (None, Some(place)) = (element.get(), self.names.find(&name.to_string()))
                {
                    self.open.insert(place, element.clone());
                }
            }
            Statement::Unpack { declares, names, value, .. } => {
                let known = self.values(value, names.len());
                for (name, known) in names.iter().zip(known).filter_map(|(name, known)| Some((name.as_ref()?, known))) {
                    self.set(*declares, &name.to_string(), known);
                }
            }
            Statement::For { body, .. } => {
                // A round knows of a name what was certain before it and is certain after any round.
                let changed = self.names.assigned(body);
                loop {
                    let before: Vec<Certain> = changed.iter().map(|place| *self.names.at(*place)).collect();
                    self.block(body, 1);
                    for (place, before) in changed.iter().zip(&before) {
                        self.names.assign(*place, self.names.at(*place).or(*before));
                    }
                    if changed.iter().zip(&before).all(|(place, before)| self.names.at(*place) == before) {
                        break;
                    }
                }
            }
            Statement::If(choice) => _ = self.choice(choice, 1),
            Statement::Block(block) => _ = self.block(block, 1),
            Statement::Minimize { loss, .. } => _ = self.tensor(loss, 1),
            Statement::Take(take) => {
                self.one(&take.value);
                take.rate.as_ref().map(|rate| self.value(rate));
            }
            Statement::List { name, change } => {
                change.tensors().iter().for_each(|tensor| _ = self.one(tensor));
                self.set(change.declares(), &name.to_string(), Certain::default());
            }
            Statement::Transfer(transfer) => {
                transfer.rate.as_ref().map(|rate| self.value(rate));
            }
        }
    }

    fn set(&mut self, declares: bool, name: &str, known: Certain) {
        match self.names.find(name).filter(|_| !declares) {
            Some(place) => {
                self.names.assign(place, known);
                if let (true, Some(met)) = (self.meets && known.element.is_some(), self.open.remove(&place)) {
                    met.set(known.element);
                }
            }
            None => {
                self.open.remove(&self.names.len());
                self.names.declare(name, known);
            }
        }
    }

    fn choice(&mut self, choice: &If, count: usize) -> Vec<Certain> {
        let start = self.names.mark();
        let then = self.block(&choice.then, count);
        let after_then = self.names.back_to(start);
        let otherwise = choice.otherwise.as_ref().map(|block| self.block(block, count));
        for (place, known) in after_then {
            self.names.assign(place, self.names.at(place).or(known));
        }
        match otherwise {
            Some(otherwise) => then.iter().zip(&otherwise).map(|(one, other)| one.or(*other)).collect(),
            None => then,
        }
    }

    fn value(&mut self, value: &Value) -> Certain {
        self.values(value, 1).first().copied().unwrap_or_default()
    }

    fn values(&mut self, value: &Value, count: usize) -> Vec<Certain> {
        match value {
            Value::Tensor(tensor) => self.tensor(tensor, count),
            Value::Number(_) => nothing(count),
            Value::Tuple(tensors) => tensors.iter().map(|tensor| self.one(tensor)).collect(),
        }
    }

    fn one(&mut self, tensor: &Tensor) -> Certain {
        self.tensor(tensor, 1).first().copied().unwrap_or_default()
    }

    fn tensor(&mut self, tensor: &Tensor, count: usize) -> Vec<Certain> {
        match tensor {
            Tensor::Variable(name) => vec![self.name(&name.to_string())],
            Tensor::Parameter(_) => vec![Certain::new(Element::F32, None)],
            Tensor::Number(number) => {
                let scalar = (!matches!(number.holds, Holds::Constant)).then_some(true);
                vec![Certain { element: self.of_number(&number.holds), scalar }]
            }
            Tensor::Call(call) => self.call(call, count),
            Tensor::Apply(apply) => {
                let inputs: Vec<Certain> = apply.inputs.iter().flatten().map(|tensor| self.one(tensor)).collect();
                match (apply.layer.find(self.model.layers), inputs.as_slice()) {
                    // No layer takes the last axis away.
                    (Some(node), [input]) if gives_f32(node) && apply.method.is_none() => {
                        vec![Certain::new(Element::F32, input.scalar.filter(|scalar| !scalar))]
                    }
                    _ => nothing(count),
                }
            }
            Tensor::Helper { helper, arguments, .. } => {
                let helper = &self.model.functions[*helper];
                let given: Vec<Certain> = arguments.iter().map(|value| self.value(value)).collect();
                let outside = std::mem::take(&mut self.names);
                for (parameter, known) in helper.parameters.iter().zip(given) {
                    if let ParameterKind::Tensor(_) = parameter.kind {
                        self.names.declare(&parameter.name.to_string(), known);
                    }
                }
                let values = self.block(&helper.body, count);
                self.names = outside;
                values
            }
            Tensor::Whole { inputs, .. } => {
                inputs.iter().for_each(|(_, tensor)| _ = self.one(tensor));
                let Model { layers, outputs, .. } = self.model;
                match outputs {
                    [] if layers.members.iter().all(|member| gives_f32(&member.node)) => {
                        vec![Certain::new(Element::F32, false)]
                    }
                    [] => nothing(count),
                    outputs => outputs.iter().map(of_declared).collect(),
                }
            }
            Tensor::Element { .. } => nothing(count),
            Tensor::Inside(inside) => match &inside.call {
                None => vec![Certain::new(Element::F32, None)],
                Some(called) => {
                    called.given.iter().for_each(|(value, _)| _ = self.value(value));
                    nothing(count)
                }
            },
            Tensor::If(choice) => self.choice(choice, count),
            Tensor::Block(block) => self.block(block, count),
            Tensor::Loss(loss) => vec![self.loss(loss)],
            Tensor::Gradient(gradient) => {
                self.one(&gradient.loss);
                vec![self.name(&gradient.of.to_string())]
            }
        }
    }

    fn of_number(&self, holds: &Holds) -> Option<Element> {
        match holds {
            Holds::Known(element) => Some(*element),
            Holds::Met(element) => element.get().or((!self.meets).then_some(Element::F32)),
            Holds::Input(..) | Holds::Constant => None,
        }
    }

    fn loss(&mut self, loss: &Loss) -> Certain {
        for operand in &loss.operands {
            self.value(operand);
        }
        Certain::new(Element::F32, (loss.reduction() != Reduction::None).then_some(true))
    }

    fn call(&mut self, call: &Call, count: usize) -> Vec<Certain> {
        let function = call.function;
        let mut operands = Vec::new();
        for (argument, parameter) in call.arguments.iter().zip(function.parameters) {
            let elements = match parameter.kind {
                Kind::Tensor(elements) | Kind::Operand(elements) => call.taken(elements),
                Kind::Tensors => function.of_list(),
                _ => Elements::Any,
            };
            match argument {
                Argument::Tensor(tensor) => operands.push((elements, self.one(tensor))),
                Argument::Tensors(tensors) => {
                    let tensors = tensors.iter().map(|tensor| (elements, self.one(tensor)));
                    operands.extend(tensors.collect::<Vec<_>>());
                }
                Argument::List(_) => operands.push((elements, Certain::default())),
                Argument::Number(_) | Argument::Attribute(_) => {}
            }
        }
        let (element, scalar) = (common_element(call, &operands, self.meets), has_no_axes(call, &operands));
        let same = Certain { element, scalar };
        match function.gives {
            Gives::Same => vec![same],
            Gives::F32 => vec![Certain::new(Element::F32, scalar)],
            Gives::I32 => vec![Certain::new(Element::I32, scalar)],
            Gives::Bool => vec![Certain::new(Element::Bool, scalar)],
            Gives::Several if function.places => vec![same, Certain::new(Element::I32, scalar)],
            Gives::Several => vec![same; count],
        }
    }
}

fn nothing(count: usize) -> Vec<Certain> {
    vec![Certain::default(); count]
}

/// Whether what stands in a field gives one tensor of numbers, as Kiln's layers do; of models it is not known.
fn gives_f32(node: &Node<Layer>) -> bool {
    match node {
        Node::Layer(layer) => matches!(layer.kind, LayerKind::Known { .. }),
        Node::List { element, .. } => gives_f32(element),
        Node::Sequence(inner) => inner.members.iter().all(|member| gives_f32(&member.node)),
    }
}

/// What operands become that may be of several types. What is not known is taken for no wider than what is where it is
/// looked for what numbers `meet`.
fn widest(call: &Call, operands: &[(Elements, Certain)], meets: bool) -> Option<Element> {
    let floats = call.numbers().any(|is_float| is_float == Some(true));
    let known = || operands.iter().filter(|(elements, _)| elements.mixes()).map(|(_, known)| known.element);
    if floats || operands.iter().any(|(elements, _)| *elements == Elements::Real) {
        return Some(Element::F32);
    }
    if known().any(|element| element == Some(Element::F32)) {
        return Some(Element::F32);
    }
    if !meets && (call.numbers().any(|is_float| is_float.is_none()) || known().any(|element| element.is_none())) {
        return None;
    }
    let masks = known().flatten().all(|element| element == Element::Bool);
    let alike = operands.iter().any(|(elements, _)| *elements == Elements::Alike);
    known().flatten().next().map(|_| if masks && alike { Element::Bool } else { Element::I32 })
}

/// What the operands hold that have a say in it: all the same, or rustc reports it. Numbers alone are f32.
fn common_element(call: &Call, operands: &[(Elements, Certain)], meets: bool) -> Option<Element> {
    if operands.iter().any(|(elements, _)| elements.mixes()) {
        return widest(call, operands, meets);
    }
    let has_a_say = |(elements, _): &&(Elements, Certain)| {
        !matches!(elements, Elements::Mask | Elements::Index | Elements::MaskOrFloat)
    };
    let mut operands = operands.iter().filter(has_a_say).peekable();
    match operands.peek() {
        None => Some(Element::F32),
        Some(_) => operands.find_map(|(elements, known)| match (elements, known.element) {
            (Elements::Count, Some(Element::Bool)) => Some(Element::I32),
            (_, element) => element,
        }),
    }
}

/// Whether the result of a function has no axes, by the names of the shape rules.
fn has_no_axes(call: &Call, operands: &[(Elements, Certain)]) -> Option<bool> {
    let function = call.function;
    let attribute = |name: &str, text: &str| {
        function.parameters.iter().zip(&call.arguments).any(|(parameter, argument)| match argument {
            Argument::Attribute(given) => parameter.name == name && given.fixed.as_deref() == Some(text),
            _ => false,
        })
    };
    let of = |operand: usize| operands.get(operand).and_then(|(_, known)| known.scalar);
    match function.rule {
        "unchanged" | "dropout" | "hardtanh" | "nan_to_num" | "softplus" | "with_bounds" | "with_factor"
        | "with_number" => of(0),
        "broadcast" | "broadcast_three" | "masked_fill" => {
            let mut scalars = operands.iter().map(|(_, known)| known.scalar);
            if scalars.clone().any(|scalar| scalar == Some(false)) {
                return Some(false);
            }
            scalars.all(|scalar| scalar == Some(true)).then_some(true)
        }
        "extreme" | "reduce" | "reduce_axes" | "reduce_one" | "variance" if attribute("keepdim", "true") => of(0),
        // Without an axis everything is reduced.
        "reduce" | "reduce_one" | "variance" if attribute("dim", "None") && attribute("keepdim", "false") => Some(true),
        // They name an axis, which stays, or add one.
        "along" | "cat" | "chunk" | "flatten" | "gather" | "index_select" | "slice" | "narrow" | "split"
        | "split_with_sizes" | "stack" | "transpose" | "unsqueeze" => Some(false),
        _ => None,
    }
}
